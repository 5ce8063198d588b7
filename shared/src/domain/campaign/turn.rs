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

/// Parts of a minute in which a campaign with a rate goes, so that a minute's messages don't come all at once.
const BURSTS_A_MINUTE: u32 = 6;

/// At which rate a campaign goes: its audience is paged into the queue in bursts, and each burst waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace(u32);

impl Pace {
    /// So many messages a minute at most.
    #[must_use]
    pub const fn of(per_minute: u32) -> Self {
        Self(if per_minute == 0 { 1 } else { per_minute })
    }

    /// The most members of a burst: what goes in ten seconds.
    const fn burst(self) -> u32 {
        self.0.div_ceil(BURSTS_A_MINUTE)
    }

    /// The most members of a page.
    #[must_use]
    pub fn page(self, most: u32) -> u32 {
        self.burst().min(most)
    }

    /// Whether a page of so many members belongs to the burst of which so many went.
    #[must_use]
    pub fn has_room(self, went: usize, page: usize) -> bool {
        went.saturating_add(page) <= usize::try_from(self.burst()).unwrap_or(usize::MAX)
    }

    /// How long the next burst waits after one of so many members that took so long, in whole seconds, as the queue
    /// delays.
    #[must_use]
    pub fn wait(self, went: usize, took: Duration) -> Duration {
        let millis = u64::try_from(went).unwrap_or(u64::MAX).saturating_mul(60_000).div_ceil(u64::from(self.0));
        let left = Duration::from_millis(millis).saturating_sub(took);
        Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0))
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
        /// However an audience falls into pages, and however long they take, no minute sees more messages than the rate
        /// and one burst, and nobody waits for longer than the rate asks for and a second for each burst.
        #[test]
        fn a_rate_is_kept_and_reached(
            rate in 1_u32..=60_000, most in 1_u32..500, takes in 0_u64..50,
            sizes in prop::collection::vec(0.0_f64..=1.0, 1..400),
        ) {
            let pace = Pace::of(rate);
            let page = pace.page(most);
            prop_assert!((1..=most).contains(&page));
            let (mut now, mut begun, mut in_burst, mut bursts) = (Duration::ZERO, Duration::ZERO, 0, 1);
            let mut went: Vec<(Duration, usize)> = Vec::new();
            for size in sizes {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a page")]
                let members = (f64::from(page) * size).ceil() as usize;
                if !pace.has_room(in_burst, members) {
                    now += pace.wait(in_burst, now.saturating_sub(begun));
                    (begun, in_burst, bursts) = (now, 0, bursts + 1);
                }
                went.push((now, members));
                in_burst += members;
                now += Duration::from_millis(takes);
            }
            let at_most = usize::try_from(rate + pace.burst()).unwrap();
            for (from, _) in &went {
                let minute = went.iter().filter(|(at, _)| (*from..*from + Duration::from_mins(1)).contains(at));
                let sum: usize = minute.map(|(_, members)| members).sum();
                prop_assert!(sum <= at_most, "{} at {} a minute", sum, rate);
            }
            let all: usize = went.iter().map(|(_, members)| members).sum();
            let asked = Duration::from_secs_f64(60.0 * f64::from(u32::try_from(all).unwrap()) / f64::from(rate));
            let paging = Duration::from_millis(takes * went.len() as u64);
            prop_assert!(now <= asked + paging + Duration::from_secs(bursts), "{:?} for {} at {}", now, all, rate);
        }
    }

    #[test]
    fn a_slow_campaign_goes_one_by_one_and_a_fast_one_page_after_page() {
        let wait = |rate, went, took| Pace::of(rate).wait(went, Duration::from_millis(took));
        assert_eq!((Pace::of(6).page(100), wait(6, 1, 0)), (1, Duration::from_secs(10)));
        assert!(!Pace::of(6).has_room(1, 1));
        assert_eq!((Pace::of(60_000).page(100), wait(60_000, 10_000, 0)), (100, Duration::from_secs(10)));
        assert!(Pace::of(60_000).has_room(9_900, 100) && !Pace::of(60_000).has_room(9_901, 100));
        assert_eq!(wait(60_000, 10_000, 7_500), Duration::from_secs(3), "what the burst took is waited for no more");
        assert_eq!(wait(60_000, 10_000, 12_000), Duration::ZERO);
    }
}
