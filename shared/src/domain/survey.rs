//! The survey after a ticket was closed: asked once by a link that counts once, and what its answer sets off.

use serde::{Deserialize, Serialize};

use super::flaw::{Flaw, Flaws};
use crate::values::{Invalid, Moment, Name};

/// Settings of the survey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SurveySettings {
    /// Whether surveys are sent at all.
    pub sent: bool,
    /// Days for which the link counts, 1 to 90.
    pub valid_days: u32,
    /// Days in which a member is not asked again, 0 to 365.
    pub pause_days: u32,
    /// A satisfaction up to this one calls for a manager.
    pub low_csat: Csat,
    /// So does a recommendation up to this one.
    pub low_nps: Nps,
    /// A satisfaction from this one on, together with ...
    pub high_csat: Csat,
    /// ... a recommendation from this one on, makes an advocate.
    pub high_nps: Nps,
    /// The tag that an advocate is given.
    pub advocate_tag: Name,
}

impl SurveySettings {
    /// Everything that makes the settings unusable, with its place in the document of the desk.
    #[must_use]
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        flaws.note(!(1..=90).contains(&self.valid_days), "/survey/valid_days", "must be 1 to 90");
        flaws.note(self.pause_days > 365, "/survey/pause_days", "must be at most 365");
        flaws.note(self.high_csat <= self.low_csat, "/survey/high_csat", "must be above low_csat");
        flaws.note(self.high_nps <= self.low_nps, "/survey/high_nps", "must be above low_nps");
        flaws.0
    }
}

macro_rules! score {
    ($(#[$doc:meta])* $name:ident, $least:tt..=$most:tt, $wanted:tt) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(try_from = "u8")]
        #[schema(value_type = u8, minimum = $least, maximum = $most)]
        pub struct $name(u8);

        impl $name {
            /// The plain number.
            #[must_use]
            pub const fn number(self) -> u8 {
                self.0
            }
        }

        impl TryFrom<u8> for $name {
            type Error = Invalid;

            fn try_from(number: u8) -> Result<Self, Invalid> {
                if ($least..=$most).contains(&number) { Ok(Self(number)) } else { Err(Invalid($wanted)) }
            }
        }
    };
}

score! {
    /// Satisfaction (CSAT), 1 to 5.
    Csat, 1..=5, "a whole number from 1 to 5"
}
score! {
    /// How likely somebody is to recommend the brand (NPS), 0 to 10.
    Nps, 0..=10, "a whole number from 0 to 10"
}

/// What a member answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scores {
    /// Satisfaction.
    pub csat: Csat,
    /// Recommendation, for those who say.
    pub nps: Option<Nps>,
}

/// What an answer sets off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SurveyConsequence)]
pub enum Consequence {
    /// A ticket for a manager, linked to this one.
    FollowUp,
    /// The member is tagged as an advocate and invited to recommend.
    Invitation,
    /// Nothing.
    Nothing,
}

impl Scores {
    /// What the answer sets off: one low score is enough for a manager, an advocate gives high ones only.
    #[must_use]
    pub fn consequence(self, settings: &SurveySettings) -> Consequence {
        let low_nps = self.nps.is_some_and(|nps| nps <= settings.low_nps);
        let high_nps = self.nps.is_some_and(|nps| nps >= settings.high_nps);
        if self.csat <= settings.low_csat || low_nps {
            Consequence::FollowUp
        } else if self.csat >= settings.high_csat && high_nps {
            Consequence::Invitation
        } else {
            Consequence::Nothing
        }
    }
}

/// The survey of one ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// Which one of this ticket, from 1; a link of an earlier one does not count.
    pub round: u32,
    /// When it was asked.
    pub asked_at: Moment,
    /// From when on the link does not count.
    pub expires_at: Moment,
    /// When it was answered and how.
    pub answered: Option<(Moment, Scores)>,
    /// Whether the advocate still has to be tagged.
    pub tag_pending: bool,
}

impl Survey {
    /// Whether it can be answered.
    #[must_use]
    pub fn is_open(&self, now: Moment) -> bool {
        self.answered.is_none() && now < self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::desk::Desk;

    fn settings() -> SurveySettings {
        Desk::shipped().unwrap().survey
    }

    fn scores(csat: u8, nps: Option<u8>) -> Scores {
        Scores { csat: Csat::try_from(csat).unwrap(), nps: nps.map(|nps| Nps::try_from(nps).unwrap()) }
    }

    #[test]
    fn one_low_score_calls_for_a_manager_and_only_high_ones_make_an_advocate() {
        let consequence = |csat, nps| scores(csat, nps).consequence(&settings());
        assert_eq!(consequence(1, None), Consequence::FollowUp);
        assert_eq!(consequence(5, Some(6)), Consequence::FollowUp);
        assert_eq!(consequence(5, Some(9)), Consequence::Invitation);
        assert_eq!(consequence(5, None), Consequence::Nothing);
        assert_eq!(consequence(4, Some(10)), Consequence::Nothing);
        assert_eq!(consequence(3, Some(7)), Consequence::Nothing);
    }

    #[test]
    fn a_score_off_the_scale_is_none() {
        assert!(Csat::try_from(0).is_err() && Csat::try_from(6).is_err() && Nps::try_from(11).is_err());
    }

    #[test]
    fn scales_that_overlap_are_a_flaw() {
        let settings = SurveySettings { high_csat: Csat(2), valid_days: 0, ..settings() };
        let places: Vec<_> = settings.flaws().into_iter().map(|flaw| flaw.pointer).collect();
        assert_eq!(places, ["/survey/valid_days", "/survey/high_csat"]);
    }
}
