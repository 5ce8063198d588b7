//! A member's account: everything that an order, a redemption or the passing of a day can change.
//!
//! The account is the fold of the member's journal. It is kept ready in the member's hot item so that nothing has to
//! be read to answer, and it can be built again from the journal to prove that it is right ([`super::proof`]).

use serde::{Deserialize, Serialize};

use super::age::{ChildAge, Own};
use super::book::{Broken, Hold, Holdings};
use super::campaign::conversion::Arm;
use super::consent::{Decision, Via};
use super::coupon::CouponUse;
use super::days::PurchaseDays;
use super::entry::{Change, Counted, Entry, LINKS, What};
use super::facts::Facts;
use super::order::RefundReason;
use super::program::Period;
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use super::tier::Standing;
use super::traits::{ChannelAnswer, Reply, Traits};
use crate::values::{Code, LocalDay, MemberId, Moment, RowKey};

/// Periods of one limit whose counts are kept: the running one and the one before, for orders that come late.
const PERIODS_KEPT: usize = 2;

/// The acquisition channel of somebody who is known by an order first.
pub const WON_BY_AN_ORDER: &str = "order";

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
    /// Nobody's any more: the person was erased, and what the books need stays under an id that leads to no one.
    Erased,
    /// Under a legal hold: nothing but keeping it is allowed.
    OnHold {
        /// Whether the person has signed up.
        claimed: bool,
    },
}

impl Membership {
    /// Why nothing may be done with the account; none when something may, here or where it lives on.
    #[must_use]
    pub const fn bar(self) -> Option<Refusal> {
        match self {
            Self::Unclaimed | Self::Claimed | Self::MergedInto(_) => None,
            Self::Erased => Some(Refusal::MemberErased),
            Self::OnHold { .. } => Some(Refusal::LegalHold),
        }
    }

    /// Whether nobody is behind the account any more: taken over by another one, or erased.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::MergedInto(_) | Self::Erased)
    }

    /// Whether a person stands behind the account who may be judged, addressed and served.
    #[must_use]
    pub const fn is_in_use(self) -> bool {
        matches!(self, Self::Unclaimed | Self::Claimed)
    }
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
    /// What else is known, as far as segments ask for it.
    pub traits: Traits,
    /// The segments that the member is in, sorted: as judged by the last movement.
    pub segments: Vec<Code>,
    /// The member's children. No journal row tells of them: what is known of a child must be erasable.
    pub children: Vec<ChildAge>,
    /// The member's own age. No journal row tells of it either.
    pub own: Own,
    /// Coupons reserved, and those redeemed that can still be used.
    pub coupons: Vec<CouponUse>,
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
            traits: Traits::default(),
            segments: Vec::new(),
            children: Vec::new(),
            own: Own::default(),
            coupons: Vec::new(),
        }
    }

    /// What segments' rules may ask for, under the settings in force.
    #[must_use]
    pub fn facts(&self, rules: &Rulebook) -> Facts<'_> {
        Facts {
            days: &self.days,
            window: rules.program().window,
            tier: self.standing.as_ref().map(|standing| &standing.tier),
            claimed: self.membership == Membership::Claimed,
            traits: &self.traits,
            own: self.own,
            children: &self.children,
            floors: rules.floors,
        }
    }

    /// The hold with this id.
    #[must_use]
    pub fn hold(&self, id: RowKey) -> Option<&Hold> {
        self.holdings.holds.iter().find(|hold| hold.id == id)
    }

    /// Whether points are held or a coupon is reserved for a checkout.
    #[must_use]
    pub fn reserves_something(&self) -> bool {
        !self.holdings.holds.is_empty() || self.coupons.iter().any(|one| one.until.is_some())
    }

    /// The coupon that this reservation is of, whether it was redeemed or not.
    #[must_use]
    pub fn coupon_use(&self, reservation: RowKey) -> Option<&CouponUse> {
        self.coupons.iter().find(|one| one.reservation == reservation)
    }

    /// A coupon whose reservation has lapsed by now and has not been put back yet.
    #[must_use]
    pub fn lapsed_coupon(&self, now: Moment) -> Option<&CouponUse> {
        self.coupons.iter().find(|one| !one.counts(now))
    }

    /// The day on which time alone changes the account next: a lot lapses, the tier is reviewed, or a coupon goes back
    /// whose reservation has lapsed.
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
        let review = self.standing.as_ref().and_then(Standing::review);
        let reserved = self.coupons.iter().filter_map(|one| one.until).map(|until| until.day().plus(1));
        lapses.chain(review).chain(reserved).min()
    }

    /// Takes the next row of the journal. On an error the account must be thrown away.
    pub fn apply(&mut self, entry: &Entry, hash: [u8; 32]) -> Result<(), Broken> {
        if entry.member != self.member || entry.sequence != self.chain.length + 1 || entry.previous != self.chain.head {
            return Err(Broken::Chain);
        }
        self.apply_change(&entry.what, &entry.change, entry.at.day())?;
        self.move_segments(&entry.change.entered, &entry.change.left);
        self.link(entry, hash);
        Ok(())
    }

    /// Puts a row whose change is applied already at the end of the chain.
    pub(super) fn link(&mut self, entry: &Entry, hash: [u8; 32]) {
        self.chain.length = entry.sequence;
        self.chain.head = hash;
        self.chain.recent.insert(0, entry.row);
        self.chain.recent.truncate(LINKS);
    }

    /// Takes what a movement on `today` changes, leaving segments and chain alone.
    pub(super) fn apply_change(&mut self, what: &What, change: &Change, today: LocalDay) -> Result<(), Broken> {
        if let What::Hold { id, until, .. } = what {
            self.holdings.holds.push(Hold { id: *id, until: *until, lots: Vec::new() });
        }
        change.legs.iter().try_for_each(|leg| self.holdings.apply(leg))?;
        self.apply_facts(what, today);
        CouponUse::apply(&mut self.coupons, what, today);
        if let Some(standing) = &change.standing {
            self.standing = Some(standing.clone());
        }
        change.counted.iter().for_each(|counted| self.count(counted));
        Ok(())
    }

    /// Enters and leaves segments.
    pub(super) fn move_segments(&mut self, entered: &[Code], left: &[Code]) {
        self.segments.retain(|segment| !left.contains(segment));
        self.segments.extend_from_slice(entered);
        self.segments.sort_unstable();
        self.segments.dedup();
    }

    fn apply_facts(&mut self, what: &What, today: LocalDay) {
        match what {
            What::Joined { source, .. } => {
                self.membership = Membership::Claimed;
                if source.is_some() {
                    self.traits.source.clone_from(source);
                }
            }
            What::Order { order, conversions, .. } => {
                let day = order.paid_at.day();
                self.days.buy(day, order.amount);
                self.traits.baskets.buy(day, &order.lines);
                for conversion in conversions.iter().filter(|conversion| conversion.attributed) {
                    if let Arm::Copy { channel, .. } = conversion.arm {
                        self.traits.answered(ChannelAnswer { channel, reply: Reply::Converted, day });
                    }
                }
                if self.chain.length == 0 {
                    self.traits.source = Code::parse(WON_BY_AN_ORDER).ok();
                }
            }
            What::Refund { day, amount, full, lines, reason, .. } => {
                self.days.refund(*day, *amount, *full);
                self.traits.baskets.give_back(*day, lines);
                if *reason == Some(RefundReason::Size) {
                    self.traits.size_return = self.traits.size_return.max(Some(today));
                }
            }
            What::Event { event, on, .. } => self.traits.saw(*event, on.unwrap_or(today)),
            What::Invited { .. } => self.traits.invited = self.traits.invited.saturating_add(1),
            What::CheckIn { day, streak } => {
                self.streak = Some(Streak { last: *day, length: *streak });
            }
            What::Tagged { added, removed } | What::Playbook { added, removed, .. } => {
                self.traits.retag(added, removed);
            }
            What::Answered { channel, reply, .. } => {
                self.traits.answered(ChannelAnswer { channel: *channel, reply: *reply, day: today });
            }
            What::Consent { purpose, granted, policy, via } => {
                self.traits.decide(Decision { purpose: *purpose, granted: *granted, policy: *policy, on: today });
                // A no to a message is an answer to it; one in the mini program is about no message.
                if let (Some(channel), Via::SmsReply | Via::MessageLink | Via::Provider) = (purpose.channel(), via) {
                    self.traits.answered(ChannelAnswer { channel, reply: Reply::Refused, day: today });
                }
            }
            What::MergedIn { days, baskets, tags, refusals, .. } => {
                self.days.absorb(days);
                self.traits.baskets.absorb(baskets);
                self.traits.retag(tags, &[]);
                for refusal in refusals {
                    self.traits.decide(*refusal);
                }
            }
            What::MergedOut { into, .. } => self.membership = Membership::MergedInto(*into),
            What::MergeTakenBack { days, baskets, tags, .. } => {
                self.days.release(days);
                self.traits.baskets.release(baskets);
                self.traits.retag(&[], tags);
            }
            What::MergeReturned { claimed, .. } => {
                self.membership = if *claimed { Membership::Claimed } else { Membership::Unclaimed };
            }
            What::LegalHold { set: true, .. } => {
                self.membership = Membership::OnHold { claimed: self.membership == Membership::Claimed };
            }
            What::LegalHold { set: false, .. } => {
                let claimed = matches!(self.membership, Membership::OnHold { claimed: true });
                self.membership = if claimed { Membership::Claimed } else { Membership::Unclaimed };
            }
            // Money, days and points are the books'; everything else was the person's.
            What::Erased => {
                self.membership = Membership::Erased;
                self.traits = Traits { source: self.traits.source.take(), ..Traits::default() };
                self.streak = None;
                self.used.clear();
            }
            What::Redemption { .. }
            | What::Donation { .. }
            | What::Hold { .. }
            | What::Capture { .. }
            | What::Release { .. }
            | What::CouponReserved { .. }
            | What::CouponRedeemed { .. }
            | What::CouponRolledBack { .. }
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
