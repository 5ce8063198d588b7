//! Ids that the product gives: derived from what asks for the thing, so that asking again leads to the same one.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Invalid, RowKey};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(RowKey);

        impl $name {
            /// The id of what these parts ask for.
            #[must_use]
            pub fn of(kind: &str, parts: &[&str]) -> Self {
                Self(RowKey::of(kind, parts))
            }

            /// Reads an id as it is written.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                RowKey::parse(text).map(Self)
            }

            /// An id from its sixteen bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(RowKey::from_bytes(bytes))
            }

            /// The sixteen bytes.
            #[must_use]
            pub const fn bytes(&self) -> &[u8; 16] {
                self.0.bytes()
            }

            /// One of `shards` equal parts of all ids.
            #[must_use]
            pub fn shard(self, shards: u8) -> u8 {
                self.0.bytes().last().copied().unwrap_or(0) % shards.max(1)
            }

            /// A number below `most`, about as likely as any other; 0 below nothing.
            #[must_use]
            pub fn draw(self, most: u64) -> u64 {
                let number = self.0.bytes().iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
                number.checked_rem(most).unwrap_or(0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                super::name::text_of("^[0-9a-f]{32}$").into()
            }
        }
        impl utoipa::ToSchema for $name {}
    };
}

id! {
    /// A ticket's id: 32 hexadecimal digits that say nothing about the member or the matter.
    TicketId
}
id! {
    /// A campaign's id: 32 hexadecimal digits.
    CampaignId
}
id! {
    /// The id of one send, a campaign's one copy for one member: 32 hexadecimal digits that name neither. Providers
    /// give it back with their receipts.
    SendId
}
id! {
    /// The id of what somebody asks for under the law: 32 hexadecimal digits that name nobody.
    RequestId
}
id! {
    /// A child's id: 32 hexadecimal digits that say nothing about the child or the guardian.
    ChildId
}
