//! Proof: a member's account built again from the journal, row by row, and compared with the stored one.

use super::account::Account;
use super::entry::{Entry, hex_text};
use crate::values::{MemberId, RowKey};

/// A stored row: its key and its text exactly as stored.
#[derive(Clone, Debug)]
pub struct StoredRow {
    /// The key under which it is stored.
    pub key: RowKey,
    /// The stored text.
    pub text: String,
}

/// Why a proof fails.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// A row that the chain names is not there.
    Missing {
        /// The row's sequence.
        sequence: u64,
    },
    /// A row can't be read, is stored under another key, or does not continue the chain: it was changed.
    Changed {
        /// The row's sequence.
        sequence: u64,
    },
    /// The rows are sound but do not add up to the stored account.
    Account,
    /// The books do not sum to zero, or the lots do not hold what the books say.
    Books,
}

/// What a proof found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Rows read.
    pub entries: u64,
    /// The hash of the last row.
    pub head: String,
    /// The first fault, if any.
    pub fault: Option<Fault>,
}

/// Folds the member's rows, oldest first, and compares the outcome with the stored account.
///
/// Every leg, fact, tier and limit is applied again; a row that was changed, left out or added breaks the hash chain
/// or the comparison.
#[must_use]
pub fn prove(member: MemberId, rows: &[StoredRow], stored: &Account) -> Proof {
    let mut account = Account::new(member);
    let mut fault = None;
    for row in rows {
        let sequence = account.chain.length + 1;
        let entry = Entry::read(row.key, &row.text).ok();
        let applied = entry.map(|entry| account.apply(&entry, Entry::hash(row.key, &row.text)));
        if !matches!(applied, Some(Ok(()))) {
            fault = Some(Fault::Changed { sequence });
            break;
        }
        if !account.holdings.balanced() {
            fault = Some(Fault::Books);
            break;
        }
    }
    // What no row tells, because it must be erasable.
    account.children.clone_from(&stored.children);
    account.own = stored.own;
    let fault = fault.or_else(|| {
        if account.chain.length < stored.chain.length {
            Some(Fault::Missing { sequence: account.chain.length + 1 })
        } else if account == *stored {
            None
        } else {
            Some(Fault::Account)
        }
    });
    Proof { entries: account.chain.length, head: hex_text(&account.chain.head), fault }
}
