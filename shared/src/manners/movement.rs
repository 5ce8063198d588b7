//! A row of the journal as answers show it.

use serde::Serialize;

use super::standing::ShownStanding;
use crate::domain::book::Leg;
use crate::domain::entry::{Balance, Entry, What};
use crate::values::{Code, Moment, RowKey};

/// One movement: what happened, what it moved, and the balances afterwards.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Movement {
    /// Its id: the key of the journal row.
    pub id: RowKey,
    /// Its place in the member's journal.
    pub sequence: u64,
    /// When it was written down.
    pub at: Moment,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
    /// Points from book to book, those that time moved first.
    pub legs: Vec<Leg>,
    /// The tier that began here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standing: Option<ShownStanding>,
    /// Segments entered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entered: Vec<Code>,
    /// Segments left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Code>,
    /// The balances right afterwards.
    pub balance: Balance,
}

impl From<Entry> for Movement {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.row,
            sequence: entry.sequence,
            at: entry.at,
            what: entry.what,
            legs: entry.change.legs,
            standing: entry.change.standing.map(ShownStanding::from),
            entered: entry.change.entered,
            left: entry.change.left,
            balance: entry.balance,
        }
    }
}

/// A page of a list, and the cursor of the next one.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Movements {
    /// Newest first.
    pub items: Vec<Movement>,
    /// Send it as `cursor` to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
