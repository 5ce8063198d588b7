//! What a purchase and its refund do to a member.
//!
//! Pure, so that the same function answers the real request, a dry run of new settings and a replay of history.

use super::account::Account;
use super::book::{Book, Leg};
use super::campaign::conversion::Conversion;
use super::entry::What;
use super::order::{Order, RefundReason};
use super::posting::{EarnedLot, Failure, Posted, Posting};
use super::program::{Earning, Version};
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use crate::values::{Actor, Code, Fen, ForeignId, LocalDay, Moment, Points, RowKey, share};

/// How far a source's clock may run ahead of ours.
const CLOCK_SKEW_MS: i64 = 5 * 60_000;

/// The code of the limit on points from purchases.
const PURCHASES: &str = "purchases";

/// Whether an order can be accepted at all under these settings at `now`.
pub fn check(order: &Order, version: &Version, now: Moment) -> Result<(), Refusal> {
    let program = &version.program;
    if order.currency.as_ref().is_some_and(|currency| *currency != program.currency) {
        return Err(Refusal::WrongCurrency { wanted: program.currency.clone() });
    }
    if order.paid_at.millis() > now.millis() + CLOCK_SKEW_MS {
        return Err(Refusal::PaidInTheFuture { now });
    }
    if order.lines.len() > Order::MOST_LINES {
        return Err(Refusal::TooManyLines);
    }
    let lines: Fen = order.lines.iter().map(|line| line.amount).sum();
    if lines > order.amount { Err(Refusal::LinesExceedAmount { lines }) } else { Ok(()) }
}

/// The settings that judge an order or its refund.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// In force now: tiers and reviews go by them.
    pub now: &'a Rulebook,
    /// In force when the order was paid: what it earns goes by them, and stays so for its refunds.
    pub then: &'a Version,
}

/// A paid order: points by the settings of the day it was paid, purchase day, tier.
///
/// A late order earns what it would have earned then, for the tier held now; points that would have lapsed
/// meanwhile lapse at once. Its row remembers the campaigns that it is a conversion of.
pub fn purchase(
    before: &Account,
    order: &Order,
    conversions: &[Conversion],
    rules: Rules<'_>,
    now: Moment,
    by: Actor,
) -> Result<Posted, Failure> {
    check(order, rules.then, now)?;
    let mut posting = Posting::open(before, rules.now, now)?;
    posting.judge_by(rules.then);
    let day = order.paid_at.day();
    let tier = posting.account().standing.as_ref().map(|standing| standing.tier.clone());
    let earning = &rules.then.program.earning;
    let full = rules.then.program.earned(order, tier.as_ref());
    let earned = within_cap(&mut posting, earning, full, day)?;
    posting.earn_into(EarnedLot::of(earning, day), earned)?;
    let what = What::Order { order: order.clone(), earned, conversions: conversions.to_vec() };
    Ok(posting.close(order.row(), by, what)?)
}

fn within_cap(posting: &mut Posting<'_>, earning: &Earning, full: Points, day: LocalDay) -> Result<Points, Failure> {
    let caps: Vec<_> = earning.cap.into_iter().collect();
    let Ok(limit) = Code::parse(PURCHASES) else {
        return Ok(full);
    };
    let earned = posting.allowed(&limit, &caps, full, day);
    if !earned.is_zero() {
        posting.count(&limit, &caps, 1, earned, day)?;
    }
    Ok(earned)
}

/// What has been given back of one order so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refunded {
    /// Money.
    pub money: Fen,
    /// Points taken back.
    pub points: Points,
}

/// A refund as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// The refund's own id at the order's source.
    pub id: ForeignId,
    /// Money given back this time.
    pub amount: Fen,
    /// Why the goods came back.
    pub reason: Option<RefundReason>,
}

impl Refund {
    /// The key of the refund's journal row.
    #[must_use]
    pub fn row(&self, order: &Order) -> RowKey {
        RowKey::of("refund", &[order.source.as_str(), order.id.as_str(), self.id.as_str()])
    }
}

/// Money back for an order, and with it exactly the points that this money had earned.
///
/// `earned` and `rules.then` are the original movement's own, so a changed rule changes nothing. Of an order that earned
/// `earned` points for `amount` fen, what stays after refunds of `r` fen is `earned × (amount − r) / amount`, rounded
/// down; everything above that is taken back. First from the order's own lot, then from what lapses soonest; what
/// the member has spent already becomes debt.
pub fn refund(
    before: &Account,
    original: (&Order, Points),
    so_far: Refunded,
    refund: &Refund,
    rules: Rules<'_>,
    now: Moment,
    by: Actor,
) -> Result<(Posted, Refunded), Failure> {
    let (order, earned) = original;
    let left = order.amount.saturating_sub(so_far.money);
    let stays = left.checked_sub(refund.amount).filter(|_| !refund.amount.is_zero());
    let stays = stays.ok_or(Refusal::RefundExceedsPaid { left })?;
    let kept = Points::computed(share(earned.number(), stays.number(), order.amount.number()));
    let clawed_back = earned.saturating_sub(so_far.points).saturating_sub(kept);

    let mut posting = Posting::open(before, rules.now, now)?;
    posting.judge_by(rules.then);
    claw_back(&mut posting, EarnedLot::of(&rules.then.program.earning, order.paid_at.day()), clawed_back)?;
    let what = What::Refund {
        source: order.source.clone(),
        order: order.id.clone(),
        id: refund.id.clone(),
        day: order.paid_at.day(),
        amount: refund.amount,
        full: stays.is_zero(),
        clawed_back,
        reason: refund.reason,
        lines: if stays.is_zero() { order.lines.clone() } else { Vec::new() },
    };
    let posted = posting.close(refund.row(order), by, what)?;
    Ok((posted, Refunded { money: so_far.money + refund.amount, points: so_far.points + clawed_back }))
}

/// Takes points back: from the lot that the order earned into, then from what lapses soonest, then on debt.
fn claw_back(posting: &mut Posting<'_>, own: EarnedLot, points: Points) -> Result<(), Failure> {
    let missing = posting.drain_lot(own, points, Book::ClawedBack)?;
    let missing = posting.drain_available(missing, Book::ClawedBack, None)?;
    posting.post(Leg::plain(Book::Debt, Book::ClawedBack, missing))?;
    Ok(())
}
