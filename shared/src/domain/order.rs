//! Orders and events as they come from tills, shops and the mini program.

use serde::{Deserialize, Serialize};

use crate::values::{Actor, Category, Currency, Fen, ForeignId, Moment, RowKey, Sku, Source};

/// A paid order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Where it was sold.
    pub source: Source,
    /// Its id there.
    pub id: ForeignId,
    /// When it was paid.
    pub paid_at: Moment,
    /// What was paid, in fen.
    pub amount: Fen,
    /// The currency; the programme's own when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// What was bought, net of discounts; may be left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    /// The store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<Actor>,
    /// The guide who served the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guide: Option<Actor>,
}

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The product.
    pub sku: Sku,
    /// How many, 1 to 10,000.
    #[serde(deserialize_with = "quantity")]
    #[schema(minimum = 1, maximum = 10_000)]
    pub quantity: u32,
    /// What was paid for the line, in fen.
    pub amount: Fen,
    /// The product's category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
}

fn quantity<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(deserializer)?;
    if (1..=10_000).contains(&number) {
        Ok(number)
    } else {
        Err(serde::de::Error::custom("expected a quantity from 1 to 10000"))
    }
}

impl Order {
    /// The most lines that one order may have.
    pub const MOST_LINES: usize = 100;

    /// The key of the order's journal row.
    #[must_use]
    pub fn row(&self) -> RowKey {
        Self::row_of(&self.source, &self.id)
    }

    /// The key of an order's journal row.
    #[must_use]
    pub fn row_of(source: &Source, id: &ForeignId) -> RowKey {
        RowKey::of("order", &[source.as_str(), id.as_str()])
    }
}

/// Why goods came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundReason {
    /// Too large or too small.
    Size,
    /// Faulty, or not as good as it should be.
    Quality,
    /// Broken or late on the way.
    Delivery,
    /// Not as described.
    Description,
    /// No longer wanted.
    Unwanted,
    /// Anything else.
    Other,
}

/// What a member did, other than buying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Looked at a product.
    View,
    /// Searched.
    Search,
    /// Put something into the cart.
    Cart,
    /// Wrote a review.
    Review,
    /// Shared something with friends.
    Share,
    /// Posted a photo.
    Photo,
    /// Came to a store or an event.
    Visit,
}

impl Topic {
    /// The word by which settings and limits name it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Search => "search",
            Self::Cart => "cart",
            Self::Review => "review",
            Self::Share => "share",
            Self::Photo => "photo",
            Self::Visit => "visit",
        }
    }
}
