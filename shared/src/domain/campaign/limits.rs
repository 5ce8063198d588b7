//! Limits: how many messages may go to one member, at which hours, and whose an order is that came after several;
//! settings for all campaigns together.

use serde::{Deserialize, Serialize};

use super::conversion::Attribution;
use super::quiet::Hours;
use crate::domain::calendar::TimeOfDay;
use crate::domain::flaw::{Flaw, Flaws};
use crate::domain::program::Period;
use crate::domain::reach::FrequencyCap;

/// The most caps.
const MOST_CAPS: usize = 20;

/// The largest number that a cap may say: a touch takes some fifty bytes of a member's hot item.
const LARGEST_CAP: u32 = 100;

/// How many messages may go to one member, and at which hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SendingLimits)]
pub struct Limits {
    /// The hours in which marketing may arrive.
    pub hours: Hours,
    /// The most messages to one member; all of them hold.
    pub caps: Vec<FrequencyCap>,
    /// To which of several messages an order is attributed.
    #[serde(default)]
    pub attribution: Attribution,
}

/// A version of the limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = SendingLimitsVersion)]
pub struct LimitsVersion {
    /// Its number, from 1.
    pub version: u32,
    /// The limits.
    pub limits: Limits,
}

impl Limits {
    /// The limits that ship: 08:00 to 21:00; at most one message a day, three a week and eight a month over all
    /// channels.
    #[must_use]
    pub fn shipped() -> Self {
        let cap = |per, most| FrequencyCap { channel: None, per, most };
        let hour = |hour| TimeOfDay::new(hour, 0).unwrap_or(TimeOfDay::MIDNIGHT);
        Self {
            hours: Hours { from: hour(8), until: hour(21) },
            caps: vec![cap(Period::Day, 1), cap(Period::Week, 3), cap(Period::Month, 8)],
            attribution: Attribution::Last,
        }
    }

    /// What is wrong with them; empty when they can be used.
    #[must_use]
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        flaws.note(!self.hours.is_usable(), "/hours/until", "must lie after from, on the same day");
        flaws.note(self.caps.len() > MOST_CAPS, "/caps", "must be at most 20");
        for (n, cap) in self.caps.iter().enumerate() {
            let long = matches!(cap.per, Period::Year | Period::Ever);
            flaws.note(
                long,
                format_args!("/caps/{n}/per"),
                "must be day, week or month: no touch is remembered for longer",
            );
            flaws.note(!(1..=LARGEST_CAP).contains(&cap.most), format_args!("/caps/{n}/most"), "must be 1 to 100");
        }
        flaws.0
    }
}
