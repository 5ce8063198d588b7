//! A segmentation as people write it and the table stores it, and what may be wrong with one.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{MOST_AT_ONCE, MOST_SEGMENTS, Mode, Part, Segment, Segmentation, Set};
use crate::domain::flaw::{Flaw, Flaws};
use crate::domain::rule::{Rule, RuleError, SetWords, Vocabulary, is_taken};
use crate::values::{Code, Name};

/// The most that the parts of the health score may add up to.
const MOST_SCORE: u64 = 100;

/// The most bytes of all rules together: a version is one item of the table, which holds 400 KB, and what else stands in
/// it is small.
const MOST_RULES: usize = 256 * 1024;

/// A segmentation with its rules as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Segmentation)]
pub struct Draft {
    /// Its number, from 1.
    pub version: u32,
    /// The parts of the health score.
    #[serde(default)]
    pub health: Vec<PartDraft>,
    /// Sets, of which every member is in exactly one entry.
    pub sets: Vec<SetDraft>,
    /// Single segments.
    pub segments: Vec<SegmentDraft>,
}

/// A part of the health score: the first of its steps that holds counts, none counts 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HealthPart)]
pub struct PartDraft {
    /// Its code.
    pub id: Code,
    /// Its name, in Chinese.
    pub name: Name,
    /// Its name in English.
    pub english: Name,
    /// Its steps.
    pub steps: Vec<StepDraft>,
}

/// A step of the health score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = HealthStep)]
pub struct StepDraft {
    /// For whom.
    pub rule: String,
    /// What it adds to the score.
    pub score: u64,
}

/// A set with its entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SegmentSet)]
pub struct SetDraft {
    /// Its code: the field in rules.
    pub id: Code,
    /// Its name, in Chinese.
    pub name: Name,
    /// Its name in English.
    pub english: Name,
    /// How its rules are meant.
    #[serde(default)]
    pub mode: Mode,
    /// Its entries, in the order in which they are tried.
    pub entries: Vec<SegmentDraft>,
}

/// A segment with its rule as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Segment)]
pub struct SegmentDraft {
    /// Its code.
    pub id: Code,
    /// Its name, in Chinese.
    pub name: Name,
    /// Its name in English.
    pub english: Name,
    /// Who is in it.
    pub rule: String,
}

impl TryFrom<Draft> for Segmentation {
    type Error = Flaws;

    /// Reads every rule; all that is wrong is told at once, each with its place.
    fn try_from(draft: Draft) -> Result<Self, Flaws> {
        let mut reader = Reader { flaws: draft.flaws(), vocabulary: Vocabulary::default() };
        let health = draft.health.into_iter().enumerate().map(|(n, part)| reader.part(part, n)).collect::<Vec<_>>();
        reader.vocabulary.health = !health.is_empty();
        let (mut sets, mut segments) = (Vec::new(), Vec::new());
        for (n, set) in draft.sets.into_iter().enumerate() {
            let begins = segments.len();
            let entries = set.entries.into_iter().enumerate();
            let id = &set.id;
            segments.extend(entries.map(|(m, entry)| reader.segment(entry, Some(id.clone()), Place::Entry(n, m))));
            let entries = segments.iter().skip(begins).map(|entry: &Segment| entry.id.clone()).collect();
            reader.vocabulary.sets.push(SetWords { id: set.id.clone(), entries });
            let place = begins..segments.len();
            sets.push(Set { id: set.id, name: set.name, english: set.english, mode: set.mode, place });
        }
        for (n, segment) in draft.segments.into_iter().enumerate() {
            segments.push(reader.segment(segment, None, Place::Segment(n)));
        }
        if !reader.flaws.is_empty() {
            return Err(Flaws(reader.flaws));
        }
        let mut sorted: Vec<(Code, usize)> = segments.iter().map(|s| s.id.clone()).zip(0..).collect();
        sorted.sort_unstable();
        let sorted = sorted.into_iter().map(|(_, place)| place).collect();
        Ok(Self { version: draft.version, health, sets, segments, sorted })
    }
}

/// Where a segment stands in a draft, as a pointer to it says.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// An entry of a set, by the numbers of both.
    Entry(usize, usize),
    /// A segment of its own.
    Segment(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(set, entry) => write!(f, "/sets/{set}/entries/{entry}"),
            Self::Segment(segment) => write!(f, "/segments/{segment}"),
        }
    }
}

/// Reads rules and keeps what is wrong with them.
struct Reader {
    flaws: Vec<Flaw>,
    vocabulary: Vocabulary,
}

impl Reader {
    fn rule(&mut self, text: &str, place: impl fmt::Display) -> Rule {
        Rule::parse(text, &self.vocabulary).unwrap_or_else(|error: RuleError| {
            self.flaws.push(Flaw { pointer: format!("{place}/rule"), detail: error.to_string() });
            Rule::Everyone
        })
    }

    fn segment(&mut self, draft: SegmentDraft, set: Option<Code>, place: Place) -> Segment {
        let rule = self.rule(&draft.rule, place);
        Segment { id: draft.id, name: draft.name, english: draft.english, set, rule }
    }

    fn part(&mut self, draft: PartDraft, n: usize) -> Part {
        let steps = draft.steps.into_iter().enumerate();
        let steps =
            steps.map(|(m, step)| (self.rule(&step.rule, format_args!("/health/{n}/steps/{m}")), step.score)).collect();
        Part { id: draft.id, name: draft.name, english: draft.english, steps }
    }
}

impl Draft {
    /// What is wrong apart from the rules.
    fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        flaws.note(self.version == 0, "/version", "must be at least 1");
        let count = self.sets.iter().map(|set| set.entries.len()).sum::<usize>() + self.segments.len();
        flaws.note(count > MOST_SEGMENTS, "/segments", "must be at most 100 segments, entries of sets included");
        let at_once = self.sets.len() + self.segments.len();
        flaws.note(at_once > MOST_AT_ONCE, "/segments", "must be at most 80, a set counted as one");
        let steps = self.health.iter().flat_map(|part| &part.steps).map(|step| step.rule.len());
        let rules = self.places().map(|(_, _, segment)| segment.rule.len()).chain(steps).sum::<usize>();
        let detail =
            format!("must have rules of at most {MOST_RULES} bytes together, those of the health score included");
        flaws.note(rules > MOST_RULES, "/segments", &detail);
        flaws.note(
            self.health.iter().map(|part| part.steps.len()).sum::<usize>() > 50,
            "/health",
            "must have at most 50 steps",
        );
        let most = self.health.iter().map(|part| part.steps.iter().map(|step| step.score).max().unwrap_or(0));
        flaws.note(most.fold(0, u64::saturating_add) > MOST_SCORE, "/health", "must add up to at most 100");
        for (n, set) in self.sets.iter().enumerate() {
            let id = set.id.as_str();
            let taken = is_taken(id) || !id.starts_with(|c: char| c.is_ascii_lowercase());
            flaws.note(
                taken,
                format_args!("/sets/{n}/id"),
                "must begin with a letter and be no word of the rule language",
            );
            let again = self.sets.iter().take(n).any(|other| other.id == set.id);
            flaws.note(again, format_args!("/sets/{n}/id"), "must differ from the ids before it");
            flaws.note(set.entries.is_empty(), format_args!("/sets/{n}/entries"), "must have at least one entry");
        }
        let mut seen: Vec<&str> = Vec::new();
        for (place, set, segment) in self.places() {
            let id = segment.id.as_str();
            let short = set.and_then(|set| id.strip_prefix(set.as_str())).and_then(|rest| rest.strip_prefix('.'));
            let within = |short: &str| {
                self.sets.iter().filter(|s| Some(&s.id) == set).flat_map(|s| &s.entries).any(|e| e.id.as_str() == short)
            };
            flaws.note(seen.contains(&id), format_args!("{place}/id"), "must differ from the ids before it");
            flaws.note(
                short.is_some_and(within),
                format_args!("{place}/id"),
                "must differ from its set's others without the set's id",
            );
            seen.push(id);
        }
        flaws.0
    }

    /// Every segment with its pointer and its set.
    fn places(&self) -> impl Iterator<Item = (Place, Option<&Code>, &SegmentDraft)> {
        let entries = self.sets.iter().enumerate().flat_map(|(n, set)| {
            let entries = set.entries.iter().enumerate();
            entries.map(move |(m, entry)| (Place::Entry(n, m), Some(&set.id), entry))
        });
        entries.chain(self.segments.iter().enumerate().map(|(n, segment)| (Place::Segment(n), None, segment)))
    }
}

impl From<Segmentation> for Draft {
    /// The same with canonical rules.
    fn from(from: Segmentation) -> Self {
        let segment = |segment: &Segment| SegmentDraft {
            id: segment.id.clone(),
            name: segment.name.clone(),
            english: segment.english.clone(),
            rule: segment.rule.to_string(),
        };
        let set = |set: &Set| SetDraft {
            id: set.id.clone(),
            name: set.name.clone(),
            english: set.english.clone(),
            mode: set.mode,
            entries: from.entries(set).map(segment).collect(),
        };
        let part = |part: &Part| PartDraft {
            id: part.id.clone(),
            name: part.name.clone(),
            english: part.english.clone(),
            steps: part.steps.iter().map(|(rule, score)| StepDraft { rule: rule.to_string(), score: *score }).collect(),
        };
        Self {
            version: from.version,
            health: from.health.iter().map(part).collect(),
            sets: from.sets.iter().map(set).collect(),
            segments: from.segments.iter().filter(|segment| segment.set.is_none()).map(segment).collect(),
        }
    }
}
