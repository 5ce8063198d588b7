//! Turns: what the campaign and the time alone decide about a message, before anything is asked about the member.

use std::time::{Duration, UNIX_EPOCH};

use super::send::{Late, Send, State, Wait};
use super::{Campaign, State as Standing};
use crate::values::{MemberId, Moment, RowKey};

/// What is decided about a message that waits, or that has just come up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing is to be done: its time has not come, or it waits already.
    NotYet,
    /// It comes to stand here.
    Takes(State),
    /// It may go if the gates let it.
    Goes,
}

/// Bursts of a minute: its messages come in so many, not one by one.
const BURSTS_A_MINUTE: u32 = 6;

/// How long before its slot a message may go.
pub const BURST: Duration = Duration::from_secs(60 / BURSTS_A_MINUTE as u64);

/// Milliseconds of a minute.
const MINUTE: u64 = 60_000;

/// At which rate a campaign goes: time is cut into numbered slots, as many as the rate has in every minute, and each of
/// its messages has one to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace(u32);

impl Pace {
    /// So many messages a minute at most.
    #[must_use]
    pub const fn of(per_minute: u32) -> Self {
        Self(if per_minute == 0 { 1 } else { per_minute })
    }

    /// The most members of a page: what goes in one burst.
    #[must_use]
    pub fn page(self, most: u32) -> u32 {
        self.0.div_ceil(BURSTS_A_MINUTE).min(most)
    }

    /// The first slot that does not begin before a moment.
    #[must_use]
    pub fn slot(self, from: Moment) -> u64 {
        u64::try_from(from.millis()).unwrap_or(0).saturating_mul(u64::from(self.0)).div_ceil(MINUTE)
    }

    /// When a slot begins.
    #[must_use]
    pub fn begins(self, slot: u64) -> Moment {
        let millis = slot.saturating_mul(MINUTE) / u64::from(self.0);
        Moment::from(UNIX_EPOCH + Duration::from_millis(millis))
    }
}

impl Campaign {
    /// A copy that a launch sets off, of which nothing has been written yet.
    #[must_use]
    pub fn copy_for(&self, member: MemberId, occasion: Option<RowKey>, now: Moment) -> Send {
        Send::new(self.id, member, occasion, self.definition.window.until, now)
    }

    /// What the campaign and the time decide about a message that waits.
    #[must_use]
    pub fn turn(&self, send: &Send, now: Moment) -> Turn {
        let State::Held { until, .. } = send.state else { return Turn::NotYet };
        match self.standing(now) {
            Standing::Stopped => Turn::Takes(State::Expired { why: Late::Stopped }),
            Standing::Finished => Turn::Takes(State::Expired { why: Late::Offer }),
            _ if now >= send.expires_at => Turn::Takes(State::Expired { why: Late::Offer }),
            Standing::Paused if send.is_parked() => Turn::NotYet,
            Standing::Paused => Turn::Takes(State::Held { until: send.expires_at, why: Wait::Paused }),
            Standing::Draft | Standing::Scheduled if until >= self.definition.window.from => Turn::NotYet,
            Standing::Draft | Standing::Scheduled => {
                Turn::Takes(State::Held { until: self.definition.window.from, why: Wait::Delay })
            }
            Standing::Running if now < until && !send.is_parked() => Turn::NotYet,
            Standing::Running => Turn::Goes,
        }
    }

    /// Where a message comes to stand that has to wait: what would go when its offer is over does not go at all.
    #[must_use]
    pub fn waits(&self, send: &Send, until: Moment, why: Wait) -> State {
        if until >= send.expires_at { State::Expired { why: Late::Offer } } else { State::Held { until, why } }
    }

    /// Whether a message that may go now has its slot in the campaign's rate: by the page that names it, which has taken
    /// slots for all of its members, by its wait for the slot itself, or because it only goes on to its next channel.
    #[must_use]
    pub fn has_its_slot(&self, send: &Send, is_new: bool) -> bool {
        let State::Held { until, why } = send.state else { return true };
        if is_new {
            return true;
        }
        match why {
            Wait::QuietHours | Wait::Rate => true,
            Wait::Retry => until <= send.since,
            Wait::Delay | Wait::Paused | Wait::Circuit => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::values::{Actor, CampaignId};

    fn at(millis: i64) -> Moment {
        Moment::from_millis(1_772_416_800_000 + millis).unwrap()
    }

    proptest! {
        #[test]
        fn a_minute_has_as_many_slots_as_the_rate_and_each_begins_where_it_is_looked_for(
            rate in 1_u32..=60_000, millis in 0_i64..100_000_000, next in 0_u64..1_000,
        ) {
            let (pace, now) = (Pace::of(rate), at(millis));
            let first = pace.slot(now);
            prop_assert!(pace.begins(first) >= now);
            prop_assert!(pace.begins(first - 1) < now, "no slot is passed over");
            prop_assert_eq!(pace.begins(first + u64::from(rate)), pace.begins(first).plus(Duration::from_mins(1)));
            prop_assert_eq!(pace.slot(pace.begins(first + next)), first + next);
        }

        /// However an audience falls into pages, however long they take and whoever takes slots besides, no minute sees
        /// more messages than the rate and one burst, and nobody waits for longer than the rate asks for.
        #[test]
        fn a_rate_is_kept_and_reached(
            rate in 1_u32..=60_000, most in 1_u32..500, takes in 0_u64..50,
            sizes in prop::collection::vec(0.0_f64..=1.0, 1..400),
        ) {
            let pace = Pace::of(rate);
            let page = pace.page(most);
            prop_assert!((1..=most).contains(&page));
            let (mut now, mut free) = (at(0), 0);
            let mut went: Vec<(Moment, u64)> = Vec::new();
            for size in sizes {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a page")]
                let members = (f64::from(page) * size).ceil() as u64;
                let first = pace.slot(now).max(free);
                free = first + members;
                // As dispatch does: what begins within the burst goes, and the next burst waits for its slot.
                if pace.begins(first) >= now.plus(BURST) {
                    now = pace.begins(first);
                }
                went.push((now, members));
                now = now.plus(Duration::from_millis(takes));
            }
            let at_most = u64::from(rate) + 2 * u64::from(rate.div_ceil(6)) + u64::from(page);
            for (from, _) in &went {
                let minute = went.iter().filter(|(at, _)| (*from..from.plus(Duration::from_mins(1))).contains(at));
                let sum: u64 = minute.map(|(_, members)| members).sum();
                prop_assert!(sum <= at_most, "{} at {} a minute", sum, rate);
            }
            let all: u64 = went.iter().map(|(_, members)| members).sum();
            let asked = Duration::from_millis((all * 60_000).div_ceil(u64::from(rate)) + 1);
            let paging = Duration::from_millis(takes * went.len() as u64);
            prop_assert!(now <= at(0).plus(asked + paging), "{:?} for {} at {}", now, all, rate);
        }
    }

    #[test]
    fn a_slow_campaign_goes_one_by_one_and_a_fast_one_page_after_page() {
        let nine = Moment::parse("2026-03-02T09:00:00+08:00").unwrap();
        let slow = Pace::of(6);
        assert_eq!(slow.page(100), 1);
        assert_eq!(slow.begins(slow.slot(nine)), nine);
        assert_eq!(slow.begins(slow.slot(nine) + 1), nine.plus(BURST));
        let fast = Pace::of(60_000);
        assert_eq!(fast.page(100), 100);
        assert_eq!(fast.begins(fast.slot(nine) + 10_000), nine.plus(BURST));
    }

    #[test]
    fn who_waited_for_something_else_has_no_slot_yet() {
        let (campaign, member) = (CampaignId::of("test", &["c"]), MemberId::from_random([1; 16]));
        let draft = super::super::tests::a_definition();
        let by = Actor::parse("operator:li").unwrap();
        let rated = Campaign::draft(campaign, draft, RowKey::of("test", &[]), by, at(0));
        let new = Send::new(campaign, member, None, at(1_000_000), at(0));
        assert!(rated.has_its_slot(&new, true));
        let later = Moment::from_millis(at(0).millis() + 60_000).unwrap();
        for (why, until, has) in [
            (Wait::Delay, later, false),
            (Wait::Paused, later, false),
            (Wait::Circuit, later, false),
            (Wait::Retry, later, false),
            (Wait::Retry, at(0), true),
            (Wait::QuietHours, later, true),
            (Wait::Rate, later, true),
        ] {
            assert_eq!(rated.has_its_slot(&new.moved_to(State::Held { until, why }, at(0)), false), has, "{why:?}");
        }
    }
}
