//! Segments: which there are, who is in which, and until when.
//!
//! A segmentation is a versioned list of *sets* and single segments. A set is a list of which every member is in
//! exactly one entry, the first whose rule holds; a single segment is a rule of its own. Rules may refer to sets that
//! stand before them, and to the health score, which stands before all.
//!
//! # The health score
//!
//! A number from 0 to 100: the sum of parts, each of them a list of steps of which the first that holds counts. The
//! shipped one gives up to 40 for recency, 25 for frequency, 20 for money and 15 for engagement; its thresholds stand
//! in `shipped.json`, as rules.
//!
//! # What ships
//!
//! - `value`: the value segments of the plan with named fillers, so that nobody is in none or in two; the plan's four
//!   rules to the letter are the segments `literal.*`.
//! - `stage`: never bought; bought first within 30 days; bought within 180 days; dormant from day 180 on, as in
//!   `value`; lost from day 365 on.
//! - `journey`: advocates have bought, and invited somebody or shared something within 180 days; the loyal bought on
//!   three days of the last 365; the interested were seen within 90 days.
//! - `health.*`: silent members were neither buying nor seen for 90 days; a fading member's score has sunk below 50
//!   while there still is a sign of life; high potential is a score of 50 and more short of `high_value`.
//! - `churn.*`: the plan's churn nodes.

mod coverage;
mod draft;
mod explain;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use coverage::{Coverage, Overlap};
pub use draft::{Draft, PartDraft, SegmentDraft, SetDraft, StepDraft};
pub use explain::Explained;

use super::facts::Facts;
use super::rule::{Rule, RuleError, SetWords, Sets, Vocabulary};
use super::verdict::{Verdict, earlier};
use crate::values::{Code, LocalDay, Name};

/// The most segments of a segmentation, entries of sets included.
pub const MOST_SEGMENTS: usize = 100;

/// The most segments in which one member can be at once: one of each set, and all single ones. Whoever leaves leaves all
/// of them in one transaction, which has room for a hundred writes.
pub const MOST_AT_ONCE: usize = 80;

/// How a set's rules are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The first rule that holds decides, so rules may overlap.
    #[default]
    FirstMatch,
    /// Exactly one rule holds for everybody; an overlap is a flaw.
    ExactlyOne,
}

/// A segment: a single one, or the entry of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its code, which no other segment has.
    pub id: Code,
    /// Its name, in Chinese.
    pub name: Name,
    /// Its name in English.
    pub english: Name,
    /// The set of which it is an entry.
    pub set: Option<Code>,
    /// Who is in it; for an entry of a set, unless an entry before it holds.
    pub rule: Rule,
}

/// A list of segments of which every member is in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Its code: the field in rules.
    pub id: Code,
    /// Its name, in Chinese.
    pub name: Name,
    /// Its name in English.
    pub english: Name,
    /// How its rules are meant.
    pub mode: Mode,
    /// Where its entries stand among all segments.
    place: std::ops::Range<usize>,
}

/// A part of the health score.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    id: Code,
    name: Name,
    english: Name,
    steps: Vec<(Rule, u64)>,
}

/// A version of all segments. Stored as [`Draft`], with canonical rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Draft", into = "Draft")]
pub struct Segmentation {
    version: u32,
    health: Vec<Part>,
    sets: Vec<Set>,
    /// Entries of sets first.
    segments: Vec<Segment>,
    /// Places of all segments, in the order of their codes.
    sorted: Vec<usize>,
}

/// The segments of one member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// Those that the member is in, in order.
    pub segments: Vec<Code>,
    /// The first day on which the list changes by time alone.
    pub until: Option<LocalDay>,
}

/// Segments as bits, by place.
type Places = u128;

impl Segmentation {
    /// The segmentation that ships, version 1; an error can't happen, a test reads it.
    pub fn shipped() -> Result<Self, serde_json::Error> {
        serde_json::from_str(include_str!("shipped.json"))
    }

    /// Its number, from 1.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// The sets, in order.
    pub fn sets(&self) -> impl Iterator<Item = &Set> {
        self.sets.iter()
    }

    /// All segments in order: the entries of the sets, then the single ones.
    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter()
    }

    /// The entries of a set, in the order in which they are tried.
    pub fn entries(&self, set: &Set) -> impl Iterator<Item = &Segment> {
        self.segments.get(set.place.clone()).unwrap_or(&[]).iter()
    }

    /// The entry of this set that a member is in.
    #[must_use]
    pub fn entry(&self, set: &str, judged: &Judged) -> Option<&Segment> {
        let mut entries = self.segments.iter().filter(|s| s.set.as_ref().is_some_and(|id| id.as_str() == set));
        entries.find(|entry| judged.segments.contains(&entry.id))
    }

    /// What rules outside the segmentation may refer to: an audience's, a playbook's.
    #[must_use]
    pub fn vocabulary(&self) -> Vocabulary {
        let words = |set: &Set| SetWords {
            id: set.id.clone(),
            entries: self.entries(set).map(|entry| entry.id.clone()).collect(),
        };
        Vocabulary { sets: self.sets.iter().map(words).collect(), health: !self.health.is_empty() }
    }

    /// Reads a rule that may refer to all sets and the score.
    pub fn parse(&self, text: &str) -> Result<Rule, RuleError> {
        Rule::parse(text, &self.vocabulary())
    }

    /// The segments that a member is in on a day, and the day on which they change by time alone, exactly.
    #[must_use]
    pub fn judge(&self, facts: &Facts<'_>, on: LocalDay) -> Judged {
        let Verdict { value, until } = Verdict::tight(on, |on| self.places(facts, on));
        let within = self.sorted.iter().filter(|place| value & bit(**place) != 0);
        let segments = within.filter_map(|place| self.segments.get(*place)).map(|segment| segment.id.clone()).collect();
        Judged { segments, until }
    }

    /// Whether a rule that refers to this segmentation holds for a member, and until when, exactly.
    #[must_use]
    pub fn judge_rule(&self, rule: &Rule, facts: &Facts<'_>, on: LocalDay) -> Verdict<bool> {
        Verdict::tight(on, |on| rule.judge(facts, &self.answers(facts, on), on))
    }

    /// The health score of a member, and until when it stays, exactly.
    #[must_use]
    pub fn health(&self, facts: &Facts<'_>, on: LocalDay) -> Verdict<u64> {
        Verdict::tight(on, |on| self.score(facts, on))
    }

    fn score(&self, facts: &Facts<'_>, on: LocalDay) -> Verdict<u64> {
        let nothing = Sets::default();
        self.health.iter().fold(Verdict::forever(0), |sum, part| {
            let steps = part.steps.iter().map(|(rule, score)| (*score, rule.judge(facts, &nothing, on)));
            let step = Verdict::first(steps);
            Verdict { value: sum.value + step.value.unwrap_or(0), until: earlier(sum.until, step.until) }
        })
    }

    /// What the sets and the score say about a member on a day, for rules that refer to them.
    #[must_use]
    pub fn answers<'a>(&'a self, facts: &Facts<'_>, on: LocalDay) -> Sets<'a> {
        self.answers_and_places(facts, on).0
    }

    /// The same, and the entries' bits.
    fn answers_and_places<'a>(&'a self, facts: &Facts<'_>, on: LocalDay) -> (Sets<'a>, Places) {
        let entries = Vec::with_capacity(self.sets.len());
        let mut answers = Sets { health: self.score(facts, on), entries };
        let mut places = 0;
        for set in &self.sets {
            let entries = self.entries(set).zip(set.place.clone());
            let judged = entries.map(|(entry, place)| ((entry, place), entry.rule.judge(facts, &answers, on)));
            let answer = Verdict::first(judged);
            places |= answer.value.map_or(0, |(_, place)| bit(place));
            answers.entries.push((&set.id, answer.map(|entry| entry.map(|(entry, _)| &entry.id))));
        }
        (answers, places)
    }

    /// The segments on a day: maybe early, never late.
    fn places(&self, facts: &Facts<'_>, on: LocalDay) -> Verdict<Places> {
        let (answers, entries) = self.answers_and_places(facts, on);
        let until = answers.entries.iter().fold(None, |until, (_, entry)| earlier(until, entry.until));
        let single = self.segments.iter().enumerate().filter(|(_, segment)| segment.set.is_none());
        single.fold(Verdict { value: entries, until }, |sum, (place, segment)| {
            let holds = segment.rule.judge(facts, &answers, on);
            let value = if holds.value { sum.value | bit(place) } else { sum.value };
            Verdict { value, until: earlier(sum.until, holds.until) }
        })
    }
}

/// The bit of a segment; places are fewer than the bits there are.
fn bit(place: usize) -> Places {
    u32::try_from(place).ok().and_then(|place| Places::from(1_u8).checked_shl(place)).unwrap_or(0)
}
