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
