//! Merging two members who are one person, and undoing it.
//!
//! The member who goes on takes over points, debt, purchase days and tags. Both journals record it and name each other, so
//! the books of both balance and an undo can give back exactly what came along.

use super::account::{Account, Membership};
use super::book::{Book, Holdings, Leg};
use super::consent::Decision;
use super::coupon::CouponUse;
use super::entry::{Entry, What};
use super::posting::{EarnedLot, Failure, Posted, Posting};
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use super::traits::Tag;
use crate::values::{Actor, MemberId, Moment, Points, Reason, RowKey};

/// Both sides of a merge after it: who goes on, and who was taken over.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The member who goes on.
    pub survivor: Posted,
    /// The member who was taken over.
    pub absorbed: Posted,
}

/// The name of a merge: it is derived from what is merged and in which state, so a repeated request is the same merge.
#[must_use]
pub fn name(survivor: MemberId, absorbed: &Account) -> RowKey {
    let parts = [survivor.to_string(), absorbed.member.to_string(), absorbed.chain.length.to_string()];
    RowKey::of("merge", &[&parts[0], &parts[1], &parts[2]])
}

/// The row in the journal of the member who goes on.
#[must_use]
pub fn row_in(merge: RowKey) -> RowKey {
    RowKey::of("merged-in", &[&merge.to_string()])
}

/// The row in the journal of the member who was taken over.
#[must_use]
pub fn row_out(merge: RowKey) -> RowKey {
    RowKey::of("merged-out", &[&merge.to_string()])
}

/// Takes over the account of `absorbed`.
pub fn merge(
    survivor: &Account,
    absorbed: &Account,
    reason: &Reason,
    rules: &Rulebook,
    now: Moment,
    by: &Actor,
) -> Result<Merged, Failure> {
    guard(survivor, absorbed)?;
    let merge = name(survivor.member, absorbed);
    let mut out = Posting::open(absorbed, rules, now)?;
    if out.account().reserves_something() {
        return Err(Refusal::OpenHolds.into());
    }
    let moved = out.account().holdings.clone();
    leave(&mut out, &moved)?;
    let mut into = Posting::open(survivor, rules, now)?;
    enter(&mut into, &moved)?;

    let claimed = absorbed.membership == Membership::Claimed;
    let what = What::MergedOut { into: survivor.member, merge, reason: reason.clone(), claimed };
    let absorbed_posted = out.close(row_out(merge), by.clone(), what)?;
    let known = |tag: &&Tag| survivor.traits.tags.iter().any(|own| own.name == tag.name);
    let what = What::MergedIn {
        other: absorbed.member,
        merge,
        reason: reason.clone(),
        days: absorbed.days.clone(),
        baskets: absorbed.traits.baskets.clone(),
        tags: absorbed.traits.tags.iter().filter(|tag| !known(tag)).cloned().collect(),
        refusals: refusals(survivor, absorbed),
        coupons: absorbed.coupons.clone(),
    };
    let survivor_posted = into.close(row_in(merge), by.clone(), what)?;
    Ok(Merged { survivor: survivor_posted, absorbed: absorbed_posted })
}

/// What one side has refused, unless the other one has decided anew since.
fn refusals(survivor: &Account, absorbed: &Account) -> Vec<Decision> {
    let newer = |refusal: &&Decision| {
        let own = survivor.traits.decision(refusal.purpose);
        own.is_none_or(|own| own.granted && own.on <= refusal.on)
    };
    absorbed.traits.decisions.iter().filter(|decision| !decision.granted).filter(newer).copied().collect()
}

fn guard(survivor: &Account, absorbed: &Account) -> Result<(), Refusal> {
    if survivor.member == absorbed.member {
        return Err(Refusal::SameMember);
    }
    if is_merged(survivor) || is_merged(absorbed) { Err(Refusal::MergedAlready) } else { Ok(()) }
}

const fn is_merged(account: &Account) -> bool {
    matches!(account.membership, Membership::MergedInto(_))
}

/// All points and the debt of an account leave it.
fn leave(out: &mut Posting<'_>, moved: &Holdings) -> Result<(), Failure> {
    for lot in &moved.available {
        out.post(Leg::lot(Book::Available, Book::Merged, lot.points, lot.expires_on))?;
    }
    for lot in &moved.pending {
        let leg = Leg::lot(Book::Pending, Book::Merged, lot.points, lot.expires_on);
        out.post(Leg { matures_on: Some(lot.matures_on), ..leg })?;
    }
    out.post(Leg::plain(Book::Merged, Book::Debt, moved.debt()))?;
    Ok(())
}

/// Points and debt of another account come along; debt is paid from what can be spent.
fn enter(into: &mut Posting<'_>, moved: &Holdings) -> Result<(), Failure> {
    into.post(Leg::plain(Book::Debt, Book::Merged, moved.debt()))?;
    for lot in &moved.available {
        into.arrive(Book::Merged, lot.points, lot.expires_on)?;
    }
    for lot in &moved.pending {
        let leg = Leg::lot(Book::Merged, Book::Pending, lot.points, lot.expires_on);
        into.post(Leg { matures_on: Some(lot.matures_on), ..leg })?;
    }
    // A debt that came along is paid from what the survivor can spend.
    let owed = into.account().holdings.debt();
    into.drain_available(owed, Book::Debt, None)?;
    Ok(())
}

/// Undoes a merge: `absorbed` gets back what it brought, however much of it the survivor has left.
///
/// What the survivor has spent meanwhile becomes the survivor's debt. Lots that have lapsed meanwhile would have lapsed
/// without the merge too, so they stay lapsed and nobody owes them. Orders that came after the merge stay where they
/// were booked.
pub fn undo(
    survivor: &Account,
    absorbed: &Account,
    merged_out: &Entry,
    merged_in: &Entry,
    rules: &Rulebook,
    now: Moment,
    by: &Actor,
) -> Result<Merged, Failure> {
    let (What::MergedOut { into, merge, claimed, .. }, What::MergedIn { days, baskets, tags, coupons, .. }) =
        (&merged_out.what, &merged_in.what)
    else {
        return Err(Refusal::UnknownMerge.into());
    };
    if *into != survivor.member || absorbed.membership != Membership::MergedInto(survivor.member) {
        return Err(Refusal::UnknownMerge.into());
    }
    // What came along has gone on to a third member: the later merge has to be undone first.
    if is_merged(survivor) {
        return Err(Refusal::MergedAlready.into());
    }
    let mut out = Posting::open(survivor, rules, now)?;
    let mut back = Posting::open(absorbed, rules, now)?;
    for leg in merged_out
        .change
        .legs
        .iter()
        .filter(|leg| leg.to == Book::Merged || leg.from == Book::Merged)
        .filter(|leg| leg.expires_on.is_none_or(|last| last >= now.day()))
    {
        if leg.to == Book::Merged {
            take_back(&mut out, leg)?;
        } else {
            hand_over_debt(&mut out, leg.points)?;
        }
        return_leg(&mut back, leg)?;
    }
    let kept = |one: &&CouponUse| survivor.coupon_use(one.reservation).is_some();
    let coupons: Vec<CouponUse> = coupons.iter().filter(kept).cloned().collect();
    let leaving = coupons.iter().map(|one| one.reservation).collect();
    let what = What::MergeReturned { merge: *merge, claimed: *claimed, coupons };
    let absorbed_posted = back.close(RowKey::of("merge-returned", &[&merge.to_string()]), by.clone(), what)?;
    let (days, baskets) = (days.clone(), baskets.clone());
    let tags = tags.iter().map(|tag| tag.name.clone()).collect();
    let what = What::MergeTakenBack { merge: *merge, days, baskets, tags, coupons: leaving };
    let survivor_posted = out.close(RowKey::of("merge-taken-back", &[&merge.to_string()]), by.clone(), what)?;
    Ok(Merged { survivor: survivor_posted, absorbed: absorbed_posted })
}

/// Takes one lot's points out of the survivor's account: from the same lot, then from what lapses soonest, then on debt.
fn take_back(out: &mut Posting<'_>, leg: &Leg) -> Result<(), Failure> {
    let matures_on = leg.matures_on.unwrap_or(out.today());
    let lot = EarnedLot { matures_on, expires_on: leg.expires_on };
    let missing = out.drain_lot(lot, leg.points, Book::Merged)?;
    let missing = out.drain_available(missing, Book::Merged, None)?;
    out.post(Leg::plain(Book::Debt, Book::Merged, missing))?;
    Ok(())
}

/// The debt that came along leaves again; what the survivor has paid of it meanwhile comes back as points.
fn hand_over_debt(out: &mut Posting<'_>, debt: Points) -> Result<(), Failure> {
    let open = out.account().holdings.debt().min(debt);
    out.post(Leg::plain(Book::Merged, Book::Debt, open))?;
    let expires_on = out.program().earning.expiry.last_day(out.today());
    out.arrive(Book::Merged, debt.saturating_sub(open), expires_on)?;
    Ok(())
}

/// Gives one lot's points, or the debt, back to the account that had them before the merge.
fn return_leg(back: &mut Posting<'_>, leg: &Leg) -> Result<(), Failure> {
    match leg.from {
        Book::Available => back.arrive(Book::Merged, leg.points, leg.expires_on)?,
        Book::Pending => {
            let lot = Leg::lot(Book::Merged, Book::Pending, leg.points, leg.expires_on);
            back.post(Leg { matures_on: leg.matures_on, ..lot })?;
        }
        _ => back.post(Leg::plain(Book::Debt, Book::Merged, leg.points))?,
    }
    Ok(())
}
