//! Points for something other than buying: joining, inviting, taking part, checking in.

use super::account::Account;
use super::book::Book;
use super::entry::What;
use super::order::Topic;
use super::posting::{Failure, Posted, Posting};
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use crate::values::{Actor, Code, ForeignId, LocalDay, MemberId, Moment, Name, Points, RowKey, Source};

/// Something that a member did, as a source reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where it was seen.
    pub source: Source,
    /// Its id there.
    pub id: ForeignId,
    /// What it was.
    pub topic: Topic,
    /// What it was about.
    pub about: Option<Name>,
    /// When it happened.
    pub at: Moment,
}

impl Event {
    /// The key of the event's journal row. Events that members report themselves live apart from the systems' ones,
    /// so no member can take an id away from a till.
    #[must_use]
    pub fn row(&self, reported_by: Option<MemberId>) -> RowKey {
        let scope = reported_by.map(|member| member.to_string()).unwrap_or_default();
        RowKey::of("event", &[&scope, self.source.as_str(), self.id.as_str()])
    }
}

/// An event: recorded always, rewarded as the settings say, never beyond their caps.
pub fn event(
    before: &Account,
    event: &Event,
    row: RowKey,
    rules: &Rulebook,
    now: Moment,
    by: Actor,
) -> Result<Posted, Failure> {
    let mut posting = Posting::open(before, rules, now)?;
    let mut earned = Points::ZERO;
    if let Some(rule) = rules.program().actions.iter().find(|rule| rule.event == event.topic) {
        earned = capped(&mut posting, event.topic.word(), rule.points, &rule.caps, event.at.day())?;
    }
    let what = What::Event {
        source: event.source.clone(),
        id: event.id.clone(),
        event: event.topic,
        about: event.about.clone(),
        on: Some(event.at.day()).filter(|day| *day != now.day()),
        earned,
    };
    Ok(posting.close(row, by, what)?)
}

/// Earns up to what the caps allow on this day; nothing beyond them, and no refusal.
fn capped(
    posting: &mut Posting<'_>,
    limit: &str,
    points: Points,
    caps: &[super::program::Cap],
    day: LocalDay,
) -> Result<Points, Failure> {
    let Ok(limit) = Code::parse(limit) else {
        return Ok(Points::ZERO);
    };
    let earned = posting.allowed(&limit, caps, points, day);
    if !earned.is_zero() {
        posting.count(&limit, caps, 1, earned, day)?;
        posting.earn(earned)?;
    }
    Ok(earned)
}

/// How somebody comes to sign up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joining {
    /// Whether a friend's invitation was followed.
    pub invited: bool,
    /// The acquisition channel.
    pub source: Option<Code>,
}

/// A person signs up: welcome points, and the friend's share of an invitation.
pub fn join(before: &Account, joining: Joining, rules: &Rulebook, now: Moment, by: Actor) -> Result<Posted, Failure> {
    let mut posting = Posting::open(before, rules, now)?;
    let program = rules.program();
    let earned = program.welcome + if joining.invited { program.invitation.friend } else { Points::ZERO };
    posting.earn(earned)?;
    let row = RowKey::of("join", &[&before.member.to_string()]);
    Ok(posting.close(row, by, What::Joined { earned, source: joining.source })?)
}

/// A friend followed the member's invitation; one reward per friend, within the caps.
pub fn invited(
    before: &Account,
    friend: MemberId,
    rules: &Rulebook,
    now: Moment,
    by: Actor,
) -> Result<Posted, Failure> {
    let mut posting = Posting::open(before, rules, now)?;
    let rule = &rules.program().invitation;
    let earned = capped(&mut posting, "invite", rule.inviter, &rule.caps, now.day())?;
    Ok(posting.close(RowKey::of("invite", &[&friend.to_string()]), by, What::Invited { friend, earned })?)
}

/// The daily check-in. Days in a row count up; on every so-many-th day a streak brings its bonus.
pub fn check_in(before: &Account, row: RowKey, rules: &Rulebook, now: Moment, by: Actor) -> Result<Posted, Failure> {
    let mut posting = Posting::open(before, rules, now)?;
    let today = now.day();
    let length = match before.streak {
        Some(streak) if streak.last >= today => return Err(Refusal::CheckedInAlready.into()),
        Some(streak) if streak.last == today.minus(1) => streak.length.saturating_add(1),
        _ => 1,
    };
    let rule = &rules.program().check_ins;
    let bonus = rule.streaks.iter().filter(|s| length.checked_rem(s.every) == Some(0)).map(|s| s.points).sum();
    posting.earn(rule.points + bonus)?;
    Ok(posting.close(row, by, What::CheckIn { day: today, streak: length })?)
}

/// A correction by hand: gives points that lapse like earned ones, or takes points that can be spent.
pub fn adjust(
    before: &Account,
    points: i64,
    reason: crate::values::Reason,
    row: RowKey,
    rules: &Rulebook,
    now: Moment,
    by: Actor,
) -> Result<Posted, Failure> {
    let amount = Points::new(points.unsigned_abs()).map_err(|_| Refusal::EmptyAdjustment)?;
    if amount.is_zero() {
        return Err(Refusal::EmptyAdjustment.into());
    }
    let mut posting = Posting::open(before, rules, now)?;
    if points > 0 {
        posting.earn(amount)?;
    } else {
        posting.spend(amount, Book::ClawedBack, None)?;
    }
    Ok(posting.close(row, by, What::Adjustment { points, reason })?)
}
