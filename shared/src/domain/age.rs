//! Age: what the hot item knows of birthdays, so that nothing has to be opened to judge by them.
//!
//! None of it is in the journal, which keeps what it has for ever: what is known of a birthday must be erasable. The hot
//! item holds no year of a grown-up's birthday and neither name nor id of a child. Days here are erased with what they
//! were taken from: the member's own with the birthday, a child's with the guardian's consent.

use serde::{Deserialize, Serialize};

use super::consent::{Decision, Floors, Purpose};
use crate::values::{Birthday, LocalDay, MonthDay};

/// The years with which childhood ends for the law (PIPL 31: 不满十四周岁).
const OF_AGE_TO_CONSENT: i16 = 14;

/// Until when somebody with this birthday is under 14: the birthday itself, in Asia/Shanghai; none when it is over.
#[must_use]
pub fn under_fourteen_until(birthday: Birthday, today: LocalDay) -> Option<LocalDay> {
    birthday.turns(OF_AGE_TO_CONSENT).filter(|day| today < *day)
}

/// What is known of the member's own age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    /// The 14th birthday of somebody who was under 14 when the birthday was told.
    pub minor_until: Option<LocalDay>,
    /// The birthday as it comes round, without the year.
    pub birthday: Option<MonthDay>,
}

impl Own {
    /// What is known of somebody with this birthday.
    #[must_use]
    pub fn of(birthday: Option<Birthday>, today: LocalDay) -> Self {
        Self {
            minor_until: birthday.and_then(|birthday| under_fourteen_until(birthday, today)),
            birthday: birthday.map(Birthday::month_day),
        }
    }

    /// The same for somebody of whom something was known before: who was under 14 then was so when they agreed, too.
    #[must_use]
    pub fn told_again(self, birthday: Option<Birthday>, today: LocalDay) -> Self {
        let known = self.minor_until.filter(|day| birthday.and_then(|b| b.turns(OF_AGE_TO_CONSENT)) == Some(*day));
        let own = Self::of(birthday, today);
        Self { minor_until: own.minor_until.or(known), ..own }
    }

    /// Whether a decision is void, because it is a yes to something for grown-ups by somebody who was under 14.
    #[must_use]
    pub fn voids(&self, decision: &Decision) -> bool {
        decision.granted
            && decision.purpose.is_for_grown_ups()
            && self.minor_until.is_some_and(|until| decision.on < until)
    }

    /// Whether the member is under 14 on a day.
    #[must_use]
    pub fn is_minor(&self, on: LocalDay) -> bool {
        self.minor_until.is_some_and(|until| on < until)
    }
}

/// The age band of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum AgeBand {
    /// Up to the fourth birthday.
    #[serde(rename = "0-3")]
    Toddler,
    /// From the fourth to the seventh birthday.
    #[serde(rename = "4-6")]
    Preschool,
    /// From the seventh birthday on.
    #[serde(rename = "7+")]
    School,
}

impl AgeBand {
    /// Every band, youngest first.
    pub const ALL: [Self; 3] = [Self::Toddler, Self::Preschool, Self::School];

    /// The word by which rules and answers name it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Toddler => "0-3",
            Self::Preschool => "4-6",
            Self::School => "7+",
        }
    }
}

/// A child as segments know it: the days on which its age band rolls and its birthday comes round, never its name or id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildAge {
    /// The fourth birthday, unless it was over when the child was told of.
    pub fourth: Option<LocalDay>,
    /// The seventh birthday, unless it was over.
    pub seventh: Option<LocalDay>,
    /// The birthday as it comes round.
    pub birthday: MonthDay,
    /// The version of the statement to which the guardian has agreed.
    pub policy: u32,
}

impl ChildAge {
    /// What is known of a child with this birthday, under a guardian's consent to this version.
    #[must_use]
    pub fn of(birthday: Birthday, policy: u32, today: LocalDay) -> Self {
        let ahead = |years| birthday.turns(years).filter(|day| today < *day);
        Self { fourth: ahead(4), seventh: ahead(7), birthday: birthday.month_day(), policy }
    }

    /// Whether the guardian's consent still counts: otherwise the child is to nobody's knowledge here.
    #[must_use]
    pub fn is_live(&self, floors: Floors) -> bool {
        floors.admit(Purpose::Children, self.policy)
    }

    /// The band on a day.
    #[must_use]
    pub fn band(&self, on: LocalDay) -> AgeBand {
        let ahead = |birthday: Option<LocalDay>| birthday.is_some_and(|day| on < day);
        match () {
            () if ahead(self.fourth) => AgeBand::Toddler,
            () if ahead(self.seventh) => AgeBand::Preschool,
            () => AgeBand::School,
        }
    }

    /// The first day after `on` on which the band rolls.
    #[must_use]
    pub fn rolls_on(&self, on: LocalDay) -> Option<LocalDay> {
        [self.fourth, self.seventh].into_iter().flatten().filter(|day| *day > on).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> LocalDay {
        LocalDay::parse(text).unwrap()
    }

    fn born(text: &str) -> Birthday {
        Birthday::parse(text).unwrap()
    }

    #[test]
    fn m1_childhood_ends_on_the_fourteenth_birthday_itself() {
        let own = Own::of(Some(born("2012-05-20")), day("2026-05-01"));
        assert!(own.is_minor(day("2026-05-19")) && !own.is_minor(day("2026-05-20")));
        assert_eq!(Own::of(Some(born("2012-05-20")), day("2026-05-20")).minor_until, None);
        assert_eq!(Own::of(Some(born("1958-05-20")), day("2026-05-20")).minor_until, None);
    }

    #[test]
    fn m1_a_child_of_29_february_is_under_fourteen_for_the_whole_of_28_february() {
        let own = Own::of(Some(born("2012-02-29")), day("2026-01-01"));
        assert!(own.is_minor(day("2026-02-28")) && !own.is_minor(day("2026-03-01")));
    }

    #[test]
    fn an_age_band_rolls_on_the_fourth_and_on_the_seventh_birthday() {
        let child = ChildAge::of(born("2020-02-29"), 1, day("2024-02-28"));
        assert_eq!(
            [child.band(day("2024-02-28")), child.band(day("2024-02-29"))],
            [AgeBand::Toddler, AgeBand::Preschool]
        );
        assert_eq!(child.rolls_on(day("2024-02-29")), Some(day("2027-03-01")));
        assert_eq!(
            [child.band(day("2027-02-28")), child.band(day("2027-03-01"))],
            [AgeBand::Preschool, AgeBand::School]
        );
    }
}
