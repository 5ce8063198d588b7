//! What a ticket is about, as requests say it.

use huitou::domain::ticket::Subject;
use huitou::values::{Category, Code, ForeignId, Sku, Source};
use serde::{Deserialize, Serialize};

/// An order, by the id that its source gave it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TicketOrder)]
pub(crate) struct OrderOf {
    /// The till or shop.
    source: Source,
    /// Its id there.
    id: ForeignId,
}

impl From<(Source, ForeignId)> for OrderOf {
    fn from((source, id): (Source, ForeignId)) -> Self {
        Self { source, id }
    }
}

/// A product.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TicketProduct)]
pub(crate) struct Product {
    /// Its sku.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sku: Option<Sku>,
    /// Its line, for the board.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    category: Option<Category>,
}

impl Product {
    pub(crate) fn of(subject: &Subject) -> Option<Self> {
        let (sku, category) = (subject.sku.clone(), subject.line.clone());
        let named = sku.is_some() || category.is_some();
        named.then_some(Self { sku, category })
    }
}

/// What it is about, as members and staff alike say it.
pub(crate) fn subject(order: Option<OrderOf>, product: Option<Product>, return_reason: Option<Code>) -> Subject {
    let (sku, line) = product.map_or((None, None), |product| (product.sku, product.category));
    Subject { order: order.map(|order| (order.source, order.id)), sku, line, return_reason }
}
