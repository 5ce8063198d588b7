//! Whether a set puts every member into one entry, tried over a grid of its own thresholds.

use std::collections::VecDeque;

use super::{Mode, Segment, Segmentation, Set};
use crate::domain::flaw::Flaw;
use crate::domain::rule::{Comparison, Grid, MOST_CELLS, Number, Region, Rule, Sets, Text};
use crate::domain::verdict::Verdict;
use crate::values::Code;

/// At most so many overlaps of one set are told of.
const MOST_OVERLAPS: usize = 20;

/// What the check of one set found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Coverage {
    /// The set.
    pub set: Code,
    /// Cells that were looked at; 0 when there would have been too many.
    pub cells: usize,
    /// Members who would be in no entry.
    pub gaps: Vec<Region>,
    /// Entries that nobody can be in, because entries before them take everybody, or nobody fits.
    pub unreachable: Vec<Code>,
    /// Pairs of entries whose rules hold at once; the first of a list decides. Entries for everyone are left out.
    pub overlaps: Vec<Overlap>,
    /// Why the set was not looked at: it asks for too much at once.
    pub unchecked: Option<String>,
}

/// Two entries whose rules hold at once.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Overlap {
    /// The first one.
    pub first: Code,
    /// The one after it.
    pub second: Code,
    /// For whom.
    pub regions: Vec<Region>,
}

impl Segmentation {
    /// What is wrong with the sets: gaps, entries that can't be reached and, where exactly one rule is to hold, overlaps.
    #[must_use]
    pub fn flaws(&self) -> Vec<Flaw> {
        let checked = self.sets.iter().map(|set| (set, self.coverage(set))).enumerate();
        checked.flat_map(|(n, (set, coverage))| self.flaws_of(n, set, &coverage)).collect()
    }

    fn flaws_of(&self, n: usize, set: &Set, found: &Coverage) -> Vec<Flaw> {
        let gaps = found.gaps.iter().map(|gap| Flaw {
            pointer: format!("/sets/{n}/entries"),
            detail: format!("no entry takes members with {}", gap.english),
        });
        let place = |id: &Code| self.entries(set).position(|entry| entry.id == *id).unwrap_or(0);
        let unreachable = found.unreachable.iter().map(|id| Flaw {
            pointer: format!("/sets/{n}/entries/{}/rule", place(id)),
            detail: format!("nobody can be in {id}: the entries before it take everybody whom its rule fits"),
        });
        let overlaps = found.overlaps.iter().filter(|_| set.mode == Mode::ExactlyOne).map(|overlap| {
            let regions: Vec<&str> = overlap.regions.iter().map(|region| region.english.as_str()).collect();
            Flaw {
                pointer: format!("/sets/{n}/entries/{}/rule", place(&overlap.second)),
                detail: format!("overlaps with {} for members with {}", overlap.first, regions.join("; ")),
            }
        });
        gaps.chain(unreachable).chain(overlaps).collect()
    }

    /// Tries a set on every kind of member that its rules can tell apart.
    ///
    /// More than [`MOST_CELLS`] kinds are not tried; the answer says so.
    #[must_use]
    pub fn coverage(&self, set: &Set) -> Coverage {
        let grid = Grid::over(&self.asked(set));
        let mut found = Coverage {
            set: set.id.clone(),
            cells: 0,
            gaps: Vec::new(),
            unreachable: Vec::new(),
            overlaps: Vec::new(),
            unchecked: None,
        };
        if grid.size() > MOST_CELLS {
            let fields = grid.fields().join(", ");
            found.unchecked =
                Some(format!("gaps and overlaps were not looked for: {fields} make too many combinations"));
            return found;
        }
        let cells: Vec<Option<u128>> =
            (0..grid.size()).map(|number| self.held(set, &grid, &grid.cell(number))).collect();
        found.cells = cells.iter().flatten().count();
        found.gaps = grid.regions(&cells.iter().map(|held| held.map(|held| held == 0)).collect::<Vec<_>>());
        // The lowest bit is the entry that the list answers with.
        let answers =
            |n: usize| cells.iter().flatten().any(|held| super::bit(n).trailing_zeros() == held.trailing_zeros());
        let unreachable = self.entries(set).enumerate().filter(|(n, _)| !answers(*n));
        found.unreachable = unreachable.map(|(_, entry)| entry.id.clone()).collect();
        found.overlaps = self.overlaps(set, &grid, &cells);
        found
    }

    /// The pairs of entries that hold at once, at most [`MOST_OVERLAPS`] of them.
    fn overlaps(&self, set: &Set, grid: &Grid, cells: &[Option<u128>]) -> Vec<Overlap> {
        let told = |entry: &Segment| set.mode == Mode::ExactlyOne || entry.rule != Rule::Everyone;
        let entries: Vec<_> = self.entries(set).enumerate().filter(|(_, entry)| told(entry)).collect();
        let pairs =
            entries.iter().enumerate().flat_map(|(at, one)| entries.iter().skip(at + 1).map(move |other| (one, other)));
        let overlap = |((n, one), (m, other)): (&(usize, &Segment), &(usize, &Segment))| {
            let both = super::bit(*n) | super::bit(*m);
            if !cells.iter().flatten().any(|held| held & both == both) {
                return None;
            }
            let wanted: Vec<_> = cells.iter().map(|held| held.map(|held| held & both == both)).collect();
            Some(Overlap { first: one.id.clone(), second: other.id.clone(), regions: grid.regions(&wanted) })
        };
        pairs.filter_map(overlap).take(MOST_OVERLAPS).collect()
    }

    /// All comparisons that decide about a set, also those of the sets and the score to which its rules refer.
    fn asked<'a>(&'a self, set: &'a Set) -> Vec<&'a Comparison> {
        let mut asked = Vec::new();
        let mut open: VecDeque<&Rule> = self.entries(set).map(|entry| &entry.rule).collect();
        let mut seen: Vec<&Code> = vec![&set.id];
        let mut scored = false;
        while let Some(rule) = open.pop_front() {
            for comparison in rule.comparisons() {
                match comparison {
                    Comparison::Text(Text::Set(id), _) if !seen.contains(&id) => {
                        let other = self.sets.iter().filter(|other| other.id == *id);
                        open.extend(other.flat_map(|other| self.entries(other)).map(|entry| &entry.rule));
                        seen.push(id);
                    }
                    Comparison::Number(Number::Health, _) if !scored => {
                        open.extend(self.health.iter().flat_map(|part| &part.steps).map(|(rule, _)| rule));
                        scored = true;
                    }
                    _ => asked.push(comparison),
                }
            }
        }
        asked
    }

    /// Which entries' rules hold in a cell, as bits; none when no member can be in it.
    fn held(&self, set: &Set, grid: &Grid, cell: &[usize]) -> Option<u128> {
        if !grid.is_possible(cell) {
            return None;
        }
        let mut answers = Sets::default();
        let score = self.health.iter().map(|part| {
            part.steps.iter().find(|(rule, _)| grid.holds(rule, cell, &answers)).map_or(0, |(_, score)| *score)
        });
        answers.health = Verdict::forever(score.sum());
        for before in self.sets.iter().take_while(|before| before.id != set.id) {
            let entry = self.entries(before).find(|entry| grid.holds(&entry.rule, cell, &answers));
            answers.entries.push((&before.id, Verdict::forever(entry.map(|entry| &entry.id))));
        }
        let entries = self.entries(set).enumerate();
        Some(entries.filter(|(_, e)| grid.holds(&e.rule, cell, &answers)).fold(0, |held, (n, _)| held | super::bit(n)))
    }
}

#[cfg(test)]
impl Segmentation {
    /// Whether the cell of a member is looked at, and its entries are those that the member's own judgement gives.
    pub(super) fn agrees_with_its_check(
        &self,
        set: &Set,
        facts: &super::Facts<'_>,
        on: crate::values::LocalDay,
    ) -> bool {
        let grid = Grid::over(&self.asked(set));
        let answers = self.answers(facts, on);
        let entries = self.entries(set).enumerate();
        let own = entries.filter(|(_, entry)| entry.rule.judge(facts, &answers, on).value);
        let own = own.fold(0, |held, (n, _)| held | super::bit(n));
        self.held(set, &grid, &grid.cell_of(facts, on)) == Some(own)
    }
}
