//! Playbooks: what a brand wants of a segment, what staff may do for it, and what happens by itself when a member enters
//! or leaves it.
//!
//! A playbook acts once on each move: all its actions are one movement, whose key is derived from the move, so that a
//! second delivery meets the first one's row. An action may itself move the member, and another playbook may act on
//! that; it ends after [`MOST_DEEP`] playbooks in a row. Merging accounts and undoing it moves nobody: the person is
//! where they were.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::entry::{Entry, What};
use super::flaw::{Flaw, Flaws};
use super::posting::{Failure, Posted, Posting};
use super::program::Period;
use super::rulebook::Rulebook;
use super::tagging;
use super::traits::{Tag, Traits};
use crate::values::{Actor, Code, Fen, LocalDay, MemberId, Moment, Name, Points, Reason, RowKey, SomePoints};

/// How many playbooks may act in a row, each on a move that the one before has caused.
///
/// Three: a tag opens a segment, its playbook gives points, a thank-you segment follows. What goes on longer than that
/// goes round in a circle.
pub const MOST_DEEP: u8 = 3;

/// The most actions of one kind of move, and the most suggestions.
const MOST_LISTED: usize = 5;

/// The most playbooks: one for each segment that there may be.
const MOST_PLAYBOOKS: usize = super::segmentation::MOST_SEGMENTS;

/// The longest time for which a playbook may put a tag on, in days.
const MOST_DAYS: u32 = 3_650;

/// The most bytes of all playbooks together: they are kept as one item, which may have 400 KB.
const MOST_BYTES: usize = 300_000;

/// What happens by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = PlaybookAction)]
pub enum Action {
    /// A tag is put on. One that is there already and holds longer stays as it is.
    PutTag {
        /// What it says.
        tag: Name,
        /// For how many days, today included; for good when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        days: Option<u32>,
    },
    /// A tag is taken off.
    TakeTag {
        /// What it says.
        tag: Name,
    },
    /// Points are given; they lapse like earned ones.
    GivePoints {
        /// How many.
        points: SomePoints,
    },
}

/// How often a playbook may act in a period, and what that may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PlaybookBudget)]
pub struct Budget {
    /// The period.
    pub per: Period,
    /// How often at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// For how much at most, in fen, at the playbook's cost a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fen: Option<Fen>,
}

/// A segment's playbook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Playbook {
    /// What the brand wants of the segment.
    pub goal: Reason,
    /// Who looks after it: a person or a team.
    pub owner: Name,
    /// What staff may do for it.
    #[serde(default)]
    pub suggestions: Vec<Reason>,
    /// What acting once costs, in fen, as the brand reckons it.
    #[serde(default)]
    pub cost: Fen,
    /// How often it may act; without one, always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// What happens when a member enters the segment.
    #[serde(default)]
    pub on_enter: Vec<Action>,
    /// What happens when a member leaves it.
    #[serde(default)]
    pub on_leave: Vec<Action>,
}

/// A version of all playbooks, by the segment that each belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Playbooks {
    /// Its number, from 1.
    pub version: u32,
    /// The playbooks.
    pub by_segment: BTreeMap<Code, Playbook>,
}

impl Playbooks {
    /// The playbooks that ship, version 1: goals and suggestions, and no action that happens by itself. An error can't
    /// happen, a test reads them.
    pub fn shipped() -> Result<Self, serde_json::Error> {
        Ok(Self { version: 1, by_segment: serde_json::from_str(include_str!("playbooks.json"))? })
    }

    /// The next version, with a segment's playbook put in, or taken out for `None`.
    #[must_use]
    pub fn next(&self, segment: &Code, playbook: Option<Playbook>) -> Self {
        let mut by_segment = self.by_segment.clone();
        match playbook {
            Some(playbook) => by_segment.insert(segment.clone(), playbook),
            None => by_segment.remove(segment),
        };
        Self { version: self.version.saturating_add(1), by_segment }
    }

    /// Whether there are more playbooks than can be kept.
    #[must_use]
    pub fn flaws(&self, bytes: usize) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        let many = self.by_segment.len() > MOST_PLAYBOOKS;
        flaws.note(many, "", "there may be at most 100 playbooks; delete one first");
        flaws.note(bytes > MOST_BYTES, "", "all playbooks together may have at most 300 KB; shorten this one");
        flaws.0
    }
}

impl Playbook {
    /// What happens on a move of this kind.
    #[must_use]
    pub fn on(&self, way: Way) -> &[Action] {
        match way {
            Way::Entered => &self.on_enter,
            Way::Left => &self.on_leave,
        }
    }

    /// Everything that is wrong with it.
    #[must_use]
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        flaws.note(self.suggestions.len() > MOST_LISTED, "/suggestions", "must be at most 5");
        for (list, actions) in [("on_enter", &self.on_enter), ("on_leave", &self.on_leave)] {
            flaws.note(actions.len() > MOST_LISTED, format_args!("/{list}"), "must be at most 5 actions");
            for (n, action) in actions.iter().enumerate() {
                let days = if let Action::PutTag { days, .. } = action { *days } else { None };
                let wrong = days.is_some_and(|days| !(1..=MOST_DAYS).contains(&days));
                flaws.note(wrong, format_args!("/{list}/{n}/put_tag/days"), "must be 1 to 3650");
                let again =
                    actions.iter().take(n).any(|other| tag_of(other).is_some() && tag_of(other) == tag_of(action));
                flaws.note(again, format_args!("/{list}/{n}"), "must be about another tag than the actions before it");
            }
        }
        if let Some(budget) = self.budget {
            let nothing = budget.times.is_none() && budget.fen.is_none();
            flaws.note(nothing, "/budget", "must limit times, fen or both");
            flaws.note(budget.times == Some(0), "/budget/times", "must be at least 1");
            let costs_nothing = budget.fen.is_some() && self.cost.is_zero();
            flaws.note(costs_nothing, "/cost", "must be at least 1, or a budget in fen limits nothing");
            let too_little = budget.fen.is_some_and(|fen| fen < self.cost);
            flaws.note(too_little, "/budget/fen", "must be at least what acting once costs");
        }
        flaws.0
    }

    /// What acting on `day` takes from the budget; none without one.
    #[must_use]
    pub fn charge(&self, segment: &Code, day: LocalDay) -> Option<Charge> {
        let budget = self.budget?;
        Some(Charge { segment: segment.clone(), since: budget.per.start(day), cost: self.cost, budget })
    }
}

fn tag_of(action: &Action) -> Option<&Name> {
    match action {
        Action::PutTag { tag, .. } | Action::TakeTag { tag } => Some(tag),
        Action::GivePoints { .. } => None,
    }
}

/// What acting once takes from a playbook's budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Whose playbook.
    pub segment: Code,
    /// The first day of the budget's period.
    pub since: LocalDay,
    /// What it costs.
    pub cost: Fen,
    /// The limits.
    pub budget: Budget,
}

/// What a playbook has used of its budget in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Spent {
    /// How often it has acted.
    pub times: u32,
    /// What that has cost, in fen.
    pub fen: Fen,
}

/// Whether a member enters a segment or leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// In.
    Entered,
    /// Out.
    Left,
}

impl Way {
    const fn word(self) -> &'static str {
        match self {
            Self::Entered => "entered",
            Self::Left => "left",
        }
    }
}

/// A member's move into a segment or out of it.
///
/// A stay is named by the member, the segment and the journal row by which the member entered: it begins once and ends
/// once, so both its moves have an identity of their own however often they are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Who.
    pub member: MemberId,
    /// Which segment.
    pub segment: Code,
    /// The journal row by which the member entered.
    pub stay: RowKey,
    /// In or out.
    pub way: Way,
}

impl Move {
    /// The key of the journal row by which a playbook acts on this move.
    #[must_use]
    pub fn row(&self) -> RowKey {
        let (segment, member) = (self.segment.as_str(), self.member.to_string());
        RowKey::of("playbook", &[segment, &member, &self.stay.to_string(), self.way.word()])
    }

    /// The row that made this move, in a journal from its newest row back to the one by which the member entered.
    ///
    /// The member may have come and gone again since: the oldest row after the entry by which they left is this move's.
    #[must_use]
    pub fn cause<'a>(&self, journal: &'a [Entry]) -> Option<&'a Entry> {
        let stay = journal.iter().take_while(|entry| entry.row != self.stay);
        match self.way {
            Way::Entered => journal.iter().find(|entry| entry.row == self.stay),
            Way::Left => stay.filter(|entry| entry.change.left.contains(&self.segment)).last(),
        }
    }
}

/// The how-manieth playbook in a row would act on a move that this caused; none when nobody has moved by it, or when
/// too many have acted already.
#[must_use]
pub fn depth(cause: &What) -> Option<u8> {
    let depth = match cause {
        What::Playbook { depth, .. } => depth.saturating_add(1),
        _ => 1,
    };
    (somebody_moved(cause) && depth <= MOST_DEEP).then_some(depth)
}

/// Whether somebody has moved by this: merging accounts and undoing it leave the person where they were, and who is erased
/// or kept under a legal hold is nobody to act on.
#[must_use]
pub const fn somebody_moved(cause: &What) -> bool {
    !matches!(cause, What::MergedOut { .. } | What::MergeReturned { .. } | What::LegalHold { .. } | What::Erased)
}

/// A playbook acts on a move: one movement, whatever its actions.
pub fn act(
    before: &Account,
    actions: &[Action],
    on: &Move,
    depth: u8,
    rules: &Rulebook,
    now: Moment,
    by: Actor,
) -> Result<Posted, Failure> {
    let mut posting = Posting::open(before, rules, now)?;
    let (added, removed) = tags(&before.traits, actions, now.day());
    let (added, removed) = tagging::change(&before.traits, &added, &removed, now.day())?;
    let gives = |action: &Action| if let Action::GivePoints { points } = action { Some(points.points()) } else { None };
    let earned: Points = actions.iter().filter_map(gives).sum();
    posting.earn(earned)?;
    let (segment, moved, stay) = (on.segment.clone(), on.way, on.stay);
    Ok(posting.close(on.row(), by, What::Playbook { segment, moved, stay, depth, added, removed, earned })?)
}

/// The tags to put on and those to take off. A tag never holds shorter than it did.
fn tags(traits: &Traits, actions: &[Action], today: LocalDay) -> (Vec<Tag>, Vec<Name>) {
    let (mut add, mut remove) = (Vec::new(), Vec::new());
    for action in actions {
        match action {
            Action::PutTag { tag, days } => {
                let tag = Tag { name: tag.clone(), until: days.map(|days| today.plus(days)) };
                if !traits.holds(&tag) {
                    add.push(tag);
                }
            }
            Action::TakeTag { tag } => remove.push(tag.clone()),
            Action::GivePoints { .. } => {}
        }
    }
    (add, remove)
}
