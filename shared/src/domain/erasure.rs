//! Erasing a person and keeping the books, and the legal hold that forbids it.
//!
//! The account's id was drawn at random and says nothing. Erasing destroys whatever leads from a person to it, so that
//! what is left, amounts, times and kinds of movements, stands under a pseudonym of nobody: the chain of rows stays
//! unbroken, every proof still adds up, and no total moves. Points that are left lapse when they would have lapsed.

use serde::{Deserialize, Serialize};

use super::account::{Account, Membership};
use super::age::Own;
use super::entry::What;
use super::posting::{Failure, Posted, Posting};
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use crate::values::{Actor, Moment, Reason, RequestId, RowKey};

/// What was erased and what was kept, in numbers: nothing in it says who it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ErasureReceipt)]
pub struct Receipt {
    /// The request that was carried out.
    pub request: RequestId,
    /// When it came in.
    pub received_at: Moment,
    /// When the keys were destroyed: from then on nothing that they sealed can be read, here or in any copy.
    pub keys_destroyed_at: Moment,
    /// When the rest was gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Moment>,
    /// What was erased.
    pub erased: Erased,
    /// What was kept, and why.
    pub kept: Kept,
}

/// What an erasure has erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ErasureErased)]
pub struct Erased {
    /// Accounts: the member's, and those that were merged into it. Each had a key, which was destroyed, and sessions, which
    /// ended.
    pub accounts: u32,
    /// Openids, phones, cards and other ids, by which nobody is found any more.
    pub ids: u32,
    /// Segments that were left.
    pub segments: u32,
    /// Profiles, children, notes, records of consent and of merges.
    pub parts: u32,
    /// Tickets that say nothing any more.
    pub tickets: u32,
    /// Messages and records of tickets.
    pub texts: u32,
    /// Files.
    pub files: u32,
    /// Messages of campaigns that waited and don't go.
    pub sends: u32,
}

impl Erased {
    /// Both together.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self {
            accounts: self.accounts.saturating_add(more.accounts),
            ids: self.ids.saturating_add(more.ids),
            segments: self.segments.saturating_add(more.segments),
            parts: self.parts.saturating_add(more.parts),
            tickets: self.tickets.saturating_add(more.tickets),
            texts: self.texts.saturating_add(more.texts),
            files: self.files.saturating_add(more.files),
            sends: self.sends.saturating_add(more.sends),
        }
    }
}

/// What an erasure has kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ErasureKept)]
pub struct Kept {
    /// Rows of the journal, under a random pseudonym: records of transactions are kept for three years (电子商务法 31), and
    /// the books go on adding up.
    pub journal_rows: u64,
}

/// The row by which a member is erased, from this state of the account.
#[must_use]
pub fn row(account: &Account) -> RowKey {
    RowKey::of("erased", &[&account.member.to_string(), &(account.chain.length + 1).to_string()])
}

/// Erases what an account knows of a person.
pub fn erase(before: &Account, rules: &Rulebook, now: Moment, by: &Actor) -> Result<Posted, Failure> {
    if let Some(bar) = before.membership.bar() {
        return Err(bar.into());
    }
    // No row tells of birthdays, so no row takes them back.
    let account = Account { children: Vec::new(), own: Own::default(), ..before.clone() };
    let posting = Posting::open(&account, rules, now)?;
    Ok(posting.close(row(before), by.clone(), What::Erased)?)
}

/// Sets a legal hold, or lifts it; none when it is so already.
pub fn hold(
    before: &Account,
    set: bool,
    reason: &Reason,
    rules: &Rulebook,
    now: Moment,
    by: &Actor,
) -> Result<Option<Posted>, Failure> {
    match (before.membership, set) {
        (Membership::Erased, _) => return Err(Refusal::MemberErased.into()),
        (Membership::MergedInto(_), _) => return Err(Refusal::MergedElsewhere.into()),
        (Membership::OnHold { .. }, true) | (Membership::Unclaimed | Membership::Claimed, false) => return Ok(None),
        (Membership::OnHold { .. }, false) | (Membership::Unclaimed | Membership::Claimed, true) => {}
    }
    let posting = Posting::open(before, rules, now)?;
    let sequence = (before.chain.length + 1).to_string();
    let row = RowKey::of("legal-hold", &[&before.member.to_string(), &sequence]);
    Ok(Some(posting.close(row, by.clone(), What::LegalHold { set, reason: reason.clone() })?))
}
