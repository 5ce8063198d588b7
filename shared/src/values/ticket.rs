//! The id of a ticket.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Invalid, RowKey};

/// A ticket's id: 32 hexadecimal digits that say nothing about the member or the matter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TicketId(RowKey);

impl TicketId {
    /// The id of the ticket that these parts ask for: asking again leads to the same ticket.
    #[must_use]
    pub fn of(kind: &str, parts: &[&str]) -> Self {
        Self(RowKey::of(kind, parts))
    }

    /// Reads an id as it is written.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        RowKey::parse(text).map(Self)
    }

    /// One of `shards` equal parts of all ids.
    #[must_use]
    pub fn shard(self, shards: u8) -> u8 {
        self.0.bytes().last().copied().unwrap_or(0) % shards.max(1)
    }
}

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl utoipa::PartialSchema for TicketId {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        String::schema()
    }
}
impl utoipa::ToSchema for TicketId {}
