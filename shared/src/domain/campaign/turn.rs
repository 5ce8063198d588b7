//! Turns: what the campaign and the time alone decide about a message, before anything is asked about the member.

use std::time::Duration;

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

/// Parts of a minute in which a campaign with a rate pages its audience, so that a minute's messages don't come all at
/// once.
const PAGES_A_MINUTE: u32 = 6;

/// At which rate a campaign goes: its audience is paged into the queue, and each page waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace(u32);

impl Pace {
    /// So many messages a minute at most.
    #[must_use]
    pub const fn of(per_minute: u32) -> Self {
        Self(if per_minute == 0 { 1 } else { per_minute })
    }

    /// The most members of a page.
    #[must_use]
    pub fn page(self, most: u32) -> u32 {
        self.0.div_ceil(PAGES_A_MINUTE).min(most)
    }

    /// How long a page of so many members waits, in whole seconds, as the queue delays.
    #[must_use]
    pub fn wait(self, members: usize) -> Duration {
        let members = u64::try_from(members).unwrap_or(u64::MAX);
        Duration::from_secs(members.saturating_mul(60).div_ceil(u64::from(self.0)))
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

    /// Where a message comes to stand that has to wait. Messages that wait for the morning go at the campaign's rate
    /// then, each in a minute that its id chooses; what would go when its offer is over does not go at all.
    #[must_use]
    pub fn waits(&self, send: &Send, until: Moment, why: Wait) -> State {
        let minutes = match (why, self.definition.per_minute) {
            (Wait::QuietHours, Some(rate)) => self.expected.div_ceil(u64::from(rate.max(1))),
            _ => 0,
        };
        let until = until.plus(Duration::from_mins(send.id.draw(minutes)));
        if until >= send.expires_at { State::Expired { why: Late::Offer } } else { State::Held { until, why } }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However an audience falls into pages, no minute sees more messages than the rate and one page.
        #[test]
        fn no_minute_sees_more_messages_than_the_rate_and_a_page(
            rate in 1_u32..10_000, most in 1_u32..500, sizes in prop::collection::vec(0.0_f64..=1.0, 1..200),
        ) {
            let pace = Pace::of(rate);
            let page = pace.page(most);
            prop_assert!((1..=most).contains(&page));
            let mut now = Duration::ZERO;
            let mut went = Vec::new();
            for size in sizes {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a page")]
                let members = (f64::from(page) * size).ceil() as u32;
                now += pace.wait(usize::try_from(members).unwrap());
                went.push((now, members));
            }
            for (from, _) in &went {
                let minute = went.iter().filter(|(at, _)| (*from..*from + Duration::from_mins(1)).contains(at));
                let sum: u32 = minute.map(|(_, members)| members).sum();
                prop_assert!(sum <= rate + page, "{} at {} a minute", sum, rate);
            }
        }
    }

    #[test]
    fn a_slow_campaign_goes_one_by_one() {
        assert_eq!((Pace::of(6).page(100), Pace::of(6).wait(1)), (1, Duration::from_secs(10)));
        assert_eq!((Pace::of(600).page(100), Pace::of(600).wait(100)), (100, Duration::from_secs(10)));
    }
}
