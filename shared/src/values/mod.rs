//! Values that cannot be wrong: every one is checked where it is made, so nothing above has to check again.

mod amount;
mod birthday;
mod day;
mod id;
mod moment;
mod name;

use std::fmt;

use serde::{Deserialize, Deserializer};

pub use amount::{Fen, Points, SomeFen, SomePoints, share};
pub use birthday::{Birthday, MonthDay};
pub use day::LocalDay;
pub use id::{CampaignId, ChildId, RequestId, SendId, TicketId};
pub use moment::Moment;
pub use name::{
    Actor, Card, Category, Code, Currency, Device, Email, ExternalUserId, ForeignId, IdempotencyKey, InviteCode,
    Locale, MemberId, MessageId, Name, Note, OpenId, PageName, Phone, Question, Reason, RowKey, Sku, Source,
    TemplateId, UnionId,
};

/// Says what was wanted instead of the value that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid(pub &'static str);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", self.0)
    }
}

impl std::error::Error for Invalid {}

/// Reads a string and parses it: the way in for every value that is written as text.
fn parse_str<'de, D, T>(deserializer: D, parse: impl FnOnce(&str) -> Result<T, Invalid>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    parse(&text).map_err(serde::de::Error::custom)
}

/// The schema of what is written as a text of a format that is known far and wide.
fn written_as(format: utoipa::openapi::schema::KnownFormat) -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
    use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
    ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(format))).into()
}
