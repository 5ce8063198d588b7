//! The id of a child.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Invalid, MemberId, RowKey};

/// A child's id: 32 hexadecimal digits that say nothing about the child or the guardian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChildId(RowKey);

impl ChildId {
    /// The id of the child that a guardian added under this key: asking again leads to the same child.
    #[must_use]
    pub fn of(guardian: MemberId, key: &str) -> Self {
        Self(RowKey::of("child", &[&guardian.to_string(), key]))
    }

    /// Reads an id as it is written.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        RowKey::parse(text).map(Self)
    }
}

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl utoipa::PartialSchema for ChildId {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        String::schema()
    }
}
impl utoipa::ToSchema for ChildId {}
