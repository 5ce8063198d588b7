//! Impact assessments (个人信息保护影响评估): what a brand has to have weighed before personal data are processed in a way
//! that PIPL 55 names, and whose report it keeps for three years (PIPL 56).
//!
//! A privacy policy is where such processing begins: nothing is processed for a purpose that it does not offer, but for
//! what is on until it is refused. So no policy is saved before every such purpose has its assessment. The report itself
//! stays with the brand; kept here is what proves that there is one, with the version of the policy, for good.

use serde::{Deserialize, Serialize};

use super::consent::Purpose;
use super::flaw::Flaws;
use crate::values::{LocalDay, Name};

/// Years for which a report has to be kept at least (PIPL 56).
const KEPT_YEARS: u32 = 3;

/// The most assessments of a policy, and the most purposes of one: as many as there are purposes.
const MOST: usize = Purpose::ALL.len();

/// The number of the assessment that ships. It assesses nothing: it is there so that a developer has all purposes at
/// hand, and nobody can save it.
const DEVELOPMENT: &str = "development";

/// Why an impact has to be assessed (PIPL 55).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Sensitive data, and with it everything about somebody under 14 (PIPL 28).
    SensitiveData,
    /// People are judged by machine.
    AutomatedDecisions,
    /// Somebody else is entrusted with data, is given them, or everybody is.
    HandingOn,
    /// Data leave the country.
    Abroad,
}

impl Cause {
    /// Why the impact of processing for a purpose has to be assessed; none where the law does not ask for it.
    ///
    /// Messages go through providers, who are entrusted with the address; a webhook is the brand's own.
    #[must_use]
    pub const fn of(purpose: Purpose) -> Option<Self> {
        match purpose {
            Purpose::Sensitive | Purpose::Children | Purpose::Minor => Some(Self::SensitiveData),
            Purpose::Personalisation | Purpose::Profiling => Some(Self::AutomatedDecisions),
            Purpose::Subscribe
            | Purpose::Wecom
            | Purpose::Sms
            | Purpose::Email
            | Purpose::ThirdParty
            | Purpose::Publication => Some(Self::HandingOn),
            Purpose::CrossBorder => Some(Self::Abroad),
            Purpose::Webhook => None,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::SensitiveData => "sensitive data",
            Self::AutomatedDecisions => "automated decisions",
            Self::HandingOn => "data that are handed on",
            Self::Abroad => "data that leave the country",
        }
    }
}

/// An impact assessment that was made: where its report is found, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImpactAssessment {
    /// The number of the report, as the brand keeps it: `PIA-2026-003`.
    pub number: Name,
    /// When it was made.
    pub made_on: LocalDay,
    /// The last day on which the report is kept: at least three years after it was made.
    pub kept_until: LocalDay,
    /// The purposes that it assesses.
    pub purposes: Vec<Purpose>,
}

impl ImpactAssessment {
    /// The one that ships, about these purposes.
    pub(super) fn for_development(purposes: Vec<Purpose>) -> Result<Self, crate::values::Invalid> {
        let number = Name::parse(DEVELOPMENT)?;
        Ok(Self { number, made_on: LocalDay::FIRST, kept_until: LocalDay::LAST, purposes })
    }

    fn flaws(&self, place: &str, today: LocalDay, flaws: &mut Flaws) {
        let at = |part: &str| format!("{place}/{part}");
        let assesses_nothing = self.number.as_str() == DEVELOPMENT;
        flaws.note(
            assesses_nothing,
            at("number"),
            "must be that of the brand's own; the one that ships assesses nothing",
        );
        flaws.note(self.made_on > today, at("made_on"), "must not lie after today: the impact is assessed before");
        let short = self.kept_until < self.made_on.years_later(KEPT_YEARS);
        flaws.note(short, at("kept_until"), "must lie at least three years after made_on (PIPL 56)");
        let gone = self.kept_until < today;
        flaws.note(!short && gone, at("kept_until"), "must not lie before today; assess anew");
        let named = (1..=MOST).contains(&self.purposes.len());
        flaws.note(!named, at("purposes"), "must name what it assesses, each purpose once");
    }
}

/// The assessment of a purpose.
pub(super) fn of(assessments: &[ImpactAssessment], purpose: Purpose) -> Option<&ImpactAssessment> {
    assessments.iter().find(|assessment| assessment.purposes.contains(&purpose))
}

/// What is wrong with the assessments of a policy that offers these purposes, some of them `changed` in substance since
/// the assessments `before`: each purpose that needs one has one, made before today, and made anew for a change.
pub(super) fn flaws(
    assessments: &[ImpactAssessment],
    before: &[ImpactAssessment],
    (offered, changed): (&[Purpose], &[Purpose]),
    today: LocalDay,
    flaws: &mut Flaws,
) {
    let mut assessed: Vec<Purpose> = Vec::new();
    flaws.note(assessments.len() > MOST, "/impact_assessments", "must have one assessment of each purpose at most");
    for (n, assessment) in assessments.iter().enumerate().take(MOST) {
        let place = format!("/impact_assessments/{n}");
        assessment.flaws(&place, today, flaws);
        for (m, purpose) in assessment.purposes.iter().enumerate().take(MOST) {
            let place = format!("{place}/purposes/{m}");
            flaws.note(assessed.contains(purpose), place.clone(), "must differ from the purposes before it");
            let again = of(before, *purpose).is_some_and(|before| before.number == assessment.number);
            let stale = changed.contains(purpose) && again;
            flaws.note(stale, place, "changes in substance: name the assessment that was made of the change");
            assessed.push(*purpose);
        }
    }
    // What is on until it is refused is processed for whether or not it is offered.
    let processed = |purpose: &Purpose| offered.contains(purpose) || purpose.is_on_unless_refused();
    for purpose in Purpose::ALL.into_iter().filter(processed).filter(|purpose| !assessed.contains(purpose)) {
        if let Some(cause) = Cause::of(purpose) {
            let (word, cause) = (purpose.word(), cause.words());
            let detail = format!(
                "must name the assessment of {word}: {cause} are assessed before they are processed (PIPL 55); send its \
                 number, made_on and kept_until"
            );
            flaws.note(true, "/impact_assessments", &detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::subsequence;

    use super::*;

    fn day(text: &str) -> LocalDay {
        LocalDay::parse(text).unwrap()
    }

    fn an_assessment(number: &str, purposes: &[Purpose]) -> ImpactAssessment {
        let (made_on, kept_until) = (day("2026-03-01"), day("2029-03-01"));
        ImpactAssessment { number: Name::parse(number).unwrap(), made_on, kept_until, purposes: purposes.to_vec() }
    }

    fn places(found: &Flaws) -> Vec<&str> {
        found.0.iter().map(|flaw| flaw.pointer.as_str()).collect()
    }

    fn judge(now: &[ImpactAssessment], before: &[ImpactAssessment], changed: &[Purpose]) -> Flaws {
        let mut found = Flaws::default();
        flaws(now, before, (&Purpose::ALL, changed), day("2026-03-02"), &mut found);
        found
    }

    #[test]
    fn a1_a_report_is_kept_for_three_years_and_was_made_before_what_it_assesses() {
        let all = an_assessment("PIA-1", &Purpose::ALL);
        assert_eq!(judge(std::slice::from_ref(&all), &[], &[]), Flaws::default());
        let with = |made_on: &str, kept_until: &str| {
            let wrong = ImpactAssessment { made_on: day(made_on), kept_until: day(kept_until), ..all.clone() };
            judge(&[wrong], &[], &[])
        };
        assert_eq!(places(&with("2026-03-02", "2029-03-02")), [""; 0], "made today");
        assert_eq!(places(&with("2026-03-03", "2029-03-03")), ["/impact_assessments/0/made_on"]);
        assert_eq!(places(&with("2026-03-01", "2029-02-28")), ["/impact_assessments/0/kept_until"]);
        assert_eq!(places(&with("2024-02-29", "2027-02-28")), [""; 0], "three years after a 29 February");
        assert_eq!(places(&with("2022-03-01", "2026-03-01")), ["/impact_assessments/0/kept_until"], "gone");
    }

    #[test]
    fn a1_a_change_of_substance_is_assessed_anew_and_other_words_are_not() {
        let before = [an_assessment("PIA-1", &Purpose::ALL)];
        assert_eq!(judge(&before, &before, &[]), Flaws::default());
        let children = Purpose::ALL.iter().position(|purpose| *purpose == Purpose::Children).unwrap();
        let place = format!("/impact_assessments/0/purposes/{children}");
        assert_eq!(places(&judge(&before, &before, &[Purpose::Children])), [place]);
        let others: Vec<Purpose> = Purpose::ALL.into_iter().filter(|purpose| *purpose != Purpose::Children).collect();
        let now = [an_assessment("PIA-1", &others), an_assessment("PIA-2", &[Purpose::Children])];
        assert_eq!(judge(&now, &before, &[Purpose::Children]), Flaws::default());
    }

    #[test]
    fn a1_the_assessment_that_ships_is_nobodys_own() {
        let shipped = ImpactAssessment::for_development(Purpose::ALL.to_vec()).unwrap();
        assert_eq!(places(&judge(&[shipped], &[], &[])), ["/impact_assessments/0/number"]);
    }

    proptest! {
        #[test]
        fn a1_nothing_that_the_law_names_is_processed_without_an_assessment(
            offered in subsequence(Purpose::ALL.to_vec(), 0..=Purpose::ALL.len()),
            assessed in subsequence(Purpose::ALL.to_vec(), 1..=Purpose::ALL.len()),
        ) {
            let mut found = Flaws::default();
            let now = [an_assessment("PIA-1", &assessed)];
            flaws(&now, &[], (&offered, &[]), day("2026-03-02"), &mut found);
            let needs = |p: &Purpose| Cause::of(*p).is_some() && (offered.contains(p) || p.is_on_unless_refused());
            let lacking = Purpose::ALL.into_iter().filter(needs).filter(|purpose| !assessed.contains(purpose));
            prop_assert_eq!(found.0.len(), lacking.count());
        }
    }
}
