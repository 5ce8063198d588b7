//! Triggers: which campaigns a move between segments sets off, and by when their offers are taken.
//!
//! The time is counted from the move itself, however late it is told: after an outage an offer that would be over by now
//! is recorded as expired instead of being made.

use std::time::Duration;

use super::definition::Trigger;
use super::send::{Send, State as Standing, Wait};
use super::{Campaign, State};
use crate::domain::playbook::Move;
use crate::values::Moment;

impl Campaign {
    /// Whether this move sets the campaign off. A paused one takes note, so that what is due waits for it to go on.
    #[must_use]
    pub fn is_set_off_by(&self, on: &Move, now: Moment) -> bool {
        let live = matches!(self.standing(now), State::Running | State::Paused);
        let of_segment = self.definition.audience.segment.as_ref() == Some(&on.segment);
        live && of_segment && self.definition.trigger.is_some_and(|trigger| trigger.on == on.way)
    }
}

impl Trigger {
    /// The copy that a move made at `moved_at` sets off: it waits for its delay, and its offer is over with the campaign
    /// at the latest.
    #[must_use]
    pub fn copy(&self, campaign: &Campaign, on: &Move, moved_at: Moment, now: Moment) -> Send {
        let minutes = |minutes: u32| Duration::from_mins(u64::from(minutes));
        let due = moved_at.plus(minutes(self.delay_minutes));
        let expires_at = due.plus(minutes(self.offer_minutes)).min(campaign.definition.window.until);
        let new = Send::new(campaign.id, on.member, Some(on.stay), expires_at, now);
        Send { state: Standing::Held { until: due, why: Wait::Delay }, ..new }
    }

    /// The moment after which the campaign may not have addressed the member; none when it may never have.
    #[must_use]
    pub fn not_since(&self, now: Moment) -> Option<Moment> {
        self.again_after_days.map(|days| now.minus(Duration::from_hours(u64::from(days) * 24)))
    }
}
