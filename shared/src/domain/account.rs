//! A member's account: everything that an order, a redemption or the passing of a day can change.
//!
//! The account is the fold of the member's journal. It is kept ready in the member's hot item so that nothing has to
//! be read to answer, and it can be built again from the journal to prove that it is right ([`super::proof`]).

use serde::{Deserialize, Serialize};

use super::book::{Broken, Hold, Holdings};
use super::days::PurchaseDays;
use super::entry::{Change, Counted, Entry, LINKS, What};
use super::program::Period;
use super::tier::Standing;
use crate::values::{Code, LocalDay, MemberId, RowKey};

/// Periods of one limit whose counts are kept: the running one and the one before, for orders that come late.
const PERIODS_KEPT: usize = 2;

/// Whether the person behind the account is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Membership {
    /// Known by orders only; nobody has signed up yet.
    #[default]
    Unclaimed,
    /// Signed up.
    Claimed,
    /// Taken over by another account.
    MergedInto(MemberId),
}

/// Daily check-ins in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streak {
    /// The last day checked in.
    pub last: LocalDay,
    /// Days in a row up to then.
    pub length: u32,
}

/// Where the member's chain of journal rows ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Rows written so far.
    pub length: u64,
    /// SHA-256 of the last row; zeros before the first.
    pub head: [u8; 32],
    /// Keys of the last rows, newest first, at most [`LINKS`]: the way into the journal without an index.
    pub recent: Vec<RowKey>,
}

/// A member's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Whose account.
    pub member: MemberId,
    /// Whether the person is known.
    pub membership: Membership,
    /// Points by book and lot.
    pub holdings: Holdings,
    /// Days with purchases.
    pub days: PurchaseDays,
    /// The tier held; none before the first movement.
    pub standing: Option<Standing>,
    /// Check-ins in a row.
    pub streak: Option<Streak>,
    /// How much of each per-period limit is used.
    pub used: Vec<Counted>,
    /// The end of the journal's chain.
    pub chain: Chain,
}

impl Account {
    /// An account before its first movement.
    #[must_use]
    pub fn new(member: MemberId) -> Self {
        Self {
            member,
            membership: Membership::Unclaimed,
            holdings: Holdings::default(),
            days: PurchaseDays::default(),
            standing: None,
            streak: None,
            used: Vec::new(),
            chain: Chain::default(),
        }
    }

    /// The hold with this id.
    #[must_use]
    pub fn hold(&self, id: RowKey) -> Option<&Hold> {
        self.holdings.holds.iter().find(|hold| hold.id == id)
    }

    /// The day on which time alone changes the account next: a lot lapses, or the tier is reviewed.
    ///
    /// Maturing lots and ending holds need no entry in the due index: every answer and every movement counts them
    /// by the clock, and nothing outside the account depends on them.
    #[must_use]
    pub fn due_on(&self) -> Option<LocalDay> {
        let holdings = &self.holdings;
        let lapses = (holdings.available.iter().map(|lot| lot.expires_on))
            .chain(holdings.pending.iter().map(|lot| lot.expires_on))
            .chain(holdings.holds.iter().flat_map(|hold| hold.lots.iter().map(|lot| lot.expires_on)))
            .flatten()
            .map(|day| day.plus(1));
        let review = self.standing.as_ref().map(|s| s.review_on).filter(|day| *day < LocalDay::LAST);
        lapses.chain(review).min()
    }

    /// Takes the next row of the journal. On an error the account must be thrown away.
    pub fn apply(&mut self, entry: &Entry, hash: [u8; 32]) -> Result<(), Broken> {
        if entry.member != self.member || entry.sequence != self.chain.length + 1 || entry.previous != self.chain.head {
            return Err(Broken::Chain);
        }
        self.apply_change(&entry.what, &entry.change)?;
        self.chain.length = entry.sequence;
        self.chain.head = hash;
        self.chain.recent.insert(0, entry.row);
        self.chain.recent.truncate(LINKS);
        Ok(())
    }

    /// Takes what a movement changes, leaving the chain alone.
    pub(super) fn apply_change(&mut self, what: &What, change: &Change) -> Result<(), Broken> {
        if let What::Hold { id, until, .. } = what {
            self.holdings.holds.push(Hold { id: *id, until: *until, lots: Vec::new() });
        }
        change.legs.iter().try_for_each(|leg| self.holdings.apply(leg))?;
        self.apply_facts(what);
        if let Some(standing) = &change.standing {
            self.standing = Some(standing.clone());
        }
        change.counted.iter().for_each(|counted| self.count(counted));
        Ok(())
    }

    fn apply_facts(&mut self, what: &What) {
        match what {
            What::Joined { .. } => self.membership = Membership::Claimed,
            What::Order { order, .. } => self.days.buy(order.paid_at.day(), order.amount),
            What::Refund { day, amount, full, .. } => self.days.refund(*day, *amount, *full),
            What::CheckIn { day, streak } => {
                self.streak = Some(Streak { last: *day, length: *streak });
            }
            What::MergedIn { days, .. } => self.days.absorb(days),
            What::MergedOut { into, .. } => self.membership = Membership::MergedInto(*into),
            What::MergeTakenBack { days, .. } => self.days.release(days),
            What::MergeReturned { claimed, .. } => {
                self.membership = if *claimed { Membership::Claimed } else { Membership::Unclaimed };
            }
            What::Event { .. }
            | What::Invited { .. }
            | What::Redemption { .. }
            | What::Donation { .. }
            | What::Hold { .. }
            | What::Capture { .. }
            | What::Release { .. }
            | What::Adjustment { .. }
            | What::Settlement => {}
        }
    }

    fn count(&mut self, more: &Counted) {
        let same = |used: &Counted| used.limit == more.limit && used.per == more.per;
        if let Some(used) = self.used.iter_mut().find(|used| same(used) && used.since == more.since) {
            used.times = used.times.saturating_add(more.times);
            used.points = used.points + more.points;
            return;
        }
        self.used.push(more.clone());
        if self.used.iter().filter(|used| same(used)).count() > PERIODS_KEPT {
            let oldest = self.used.iter().enumerate().filter(|(_, used)| same(used)).min_by_key(|(_, used)| used.since);
            if let Some((place, _)) = oldest {
                self.used.remove(place);
            }
        }
    }

    /// Whether the count of the period that began on `since` was dropped to make room for later ones.
    #[must_use]
    pub fn forgot(&self, limit: &Code, per: Period, since: LocalDay) -> bool {
        let kept = self.used.iter().filter(|used| used.limit == *limit && used.per == per);
        kept.clone().count() >= PERIODS_KEPT && kept.map(|used| used.since).min().is_some_and(|first| since < first)
    }
}
