//! Spending points: rewards, causes, and holds for a checkout.

use std::time::Duration;

use super::account::Account;
use super::book::{Book, Leg};
use super::entry::What;
use super::posting::{Failure, Posted, Posting};
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use crate::values::{Actor, Code, Moment, Points, RowKey, SomePoints};

/// Points for a reward, at the price of the settings in force.
pub fn redeem(
    before: &Account,
    reward: &Code,
    quantity: u32,
    row: RowKey,
    rules: &Rulebook,
    now: Moment,
    by: Actor,
) -> Result<Posted, Failure> {
    let rule = rules.program().reward(reward).ok_or(Refusal::UnknownReward)?;
    let mut posting = Posting::open(before, rules, now)?;
    let points = Points::computed(rule.points.number().saturating_mul(u64::from(quantity)));
    posting.spend(points, Book::Spent, None)?;
    let limit = Code::parse(&format!("reward.{reward}")).unwrap_or_else(|_| reward.clone());
    posting.count(&limit, &rule.caps, quantity, points, now.day())?;
    Ok(posting.close(row, by, What::Redemption { reward: reward.clone(), quantity, points })?)
}

/// Points for a cause.
pub fn donate(
    before: &Account,
    cause: &Code,
    points: SomePoints,
    row: RowKey,
    rules: &Rulebook,
    now: Moment,
    by: Actor,
) -> Result<Posted, Failure> {
    rules.program().cause(cause).ok_or(Refusal::UnknownCause)?;
    let mut posting = Posting::open(before, rules, now)?;
    posting.spend(points.points(), Book::Donated, None)?;
    Ok(posting.close(row, by, What::Donation { cause: cause.clone(), points: points.points() })?)
}

/// Reserves points for a checkout; the row's key names the hold. They come back by themselves after `minutes`.
pub fn hold(
    before: &Account,
    points: SomePoints,
    minutes: u32,
    row: RowKey,
    rules: &Rulebook,
    now: Moment,
    by: Actor,
) -> Result<Posted, Failure> {
    let most = rules.program().hold_minutes;
    if minutes == 0 || minutes > most {
        return Err(Refusal::HoldTooLong { most }.into());
    }
    let until = now.plus(Duration::from_secs(u64::from(minutes) * 60));
    let mut posting = Posting::open(before, rules, now)?;
    posting.open_hold(row, until);
    posting.spend(points.points(), Book::Held, Some(row))?;
    Ok(posting.close(row, by, What::Hold { id: row, points: points.points(), until })?)
}

/// The checkout went through: spends points of the hold, soonest expiry first, and gives the rest back.
pub fn capture(
    before: &Account,
    hold: RowKey,
    points: Option<SomePoints>,
    rules: &Rulebook,
    now: Moment,
    by: Actor,
) -> Result<Posted, Failure> {
    let mut posting = Posting::open(before, rules, now)?;
    let open = posting.account().hold(hold).cloned().ok_or(Refusal::HoldClosed)?;
    let points = points.map_or_else(|| open.points(), SomePoints::points);
    if points > open.points() {
        return Err(Refusal::CaptureExceedsHold { held: open.points() }.into());
    }
    let mut missing = points;
    for lot in &open.lots {
        let taken = lot.points.min(missing);
        posting.post(Leg { hold: Some(hold), ..Leg::lot(Book::Held, Book::Spent, taken, lot.expires_on) })?;
        missing = missing.saturating_sub(taken);
    }
    give_back(&mut posting, hold)?;
    Ok(posting.close(closing_row(hold), by, What::Capture { hold, points })?)
}

/// The checkout was given up: all points of the hold come back.
pub fn release(before: &Account, hold: RowKey, rules: &Rulebook, now: Moment, by: Actor) -> Result<Posted, Failure> {
    let mut posting = Posting::open(before, rules, now)?;
    posting.account().hold(hold).ok_or(Refusal::HoldClosed)?;
    give_back(&mut posting, hold)?;
    Ok(posting.close(closing_row(hold), by, What::Release { hold })?)
}

/// The row that closes a hold: one key for capture and release, so a hold can end only once.
#[must_use]
pub fn closing_row(hold: RowKey) -> RowKey {
    RowKey::of("close", &[&hold.to_string()])
}

fn give_back(posting: &mut Posting<'_>, hold: RowKey) -> Result<(), Failure> {
    let rest = posting.account().hold(hold).map(|open| open.lots.clone()).unwrap_or_default();
    for lot in rest {
        posting.give_back(hold, lot)?;
    }
    Ok(())
}
