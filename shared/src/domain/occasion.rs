//! Occasions: what a search tells about what somebody needs, as a school bag in August.
//!
//! Words that are searched for put a tag on for some days; a segment that asks for the tag is a campaign's audience or
//! sets one off.

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::entry::What;
use super::flaw::Flaws;
use super::order::Topic;
use super::posting::{Failure, Posted};
use super::program::Program;
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use super::tagging;
use super::traits::Tag;
use crate::values::{Actor, Moment, Name, RowKey};

/// The most occasions of a programme, and the most words of each.
const MOST: usize = 50;

/// The longest time for which an occasion's tag holds, in days.
const MOST_DAYS: u32 = 366;

/// A need that shows in what members search for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Occasion {
    /// Words of which one is part of what was searched for; upper and lower case are the same.
    pub words: Vec<Name>,
    /// The tag that a search puts on.
    pub tag: Name,
    /// For how many days, the day of the search included.
    pub days: u32,
}

impl Occasion {
    /// Whether somebody who searches for this has the need.
    #[must_use]
    pub fn shows_in(&self, search: &Name) -> bool {
        let search = search.as_str().to_lowercase();
        self.words.iter().any(|word| search.contains(&word.as_str().to_lowercase()))
    }

    pub(super) fn flaws(occasions: &[Self], flaws: &mut Flaws) {
        flaws.note(occasions.len() > MOST, "/occasions", "must be at most 50");
        for (n, occasion) in occasions.iter().enumerate() {
            let words = occasion.words.len();
            flaws.note(!(1..=MOST).contains(&words), format_args!("/occasions/{n}/words"), "must be 1 to 50");
            let days = (1..=MOST_DAYS).contains(&occasion.days);
            flaws.note(!days, format_args!("/occasions/{n}/days"), "must be 1 to 366");
        }
    }
}

impl Program {
    /// The tags that an event puts on: none unless it is a search that shows a need.
    #[must_use]
    pub fn tags_for(&self, what: &What, at: Moment) -> Vec<Tag> {
        let What::Event { event: Topic::Search, about: Some(search), on, .. } = what else { return Vec::new() };
        let since = on.unwrap_or(at.day());
        let shown = self.occasions.iter().filter(|occasion| occasion.shows_in(search));
        shown.map(|occasion| Tag { name: occasion.tag.clone(), until: Some(since.plus(occasion.days)) }).collect()
    }
}

/// The tags of an occasion are put on, unless they hold as long already; whoever has as many tags as one may have gets
/// none, because a search is no reason to lose one that somebody chose. None when nothing changes.
pub fn noticed(
    before: &Account,
    tags: &[Tag],
    row: RowKey,
    rules: &Rulebook,
    now: Moment,
    by: Actor,
) -> Result<Option<Posted>, Failure> {
    let today = now.day();
    let over = |tag: &Tag| tag.until.is_some_and(|until| until <= today);
    let new: Vec<Tag> = tags.iter().filter(|tag| !over(tag) && !before.traits.holds(tag)).cloned().collect();
    if new.is_empty() {
        return Ok(None);
    }
    match tagging::retag(before, &new, &[], row, rules, now, by) {
        Err(Failure::Refused(Refusal::TooManyTags { .. })) => Ok(None),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn a_need_shows_in_the_words_of_a_search_in_either_language() {
        let school = Occasion { words: vec![name("书包"), name("school bag")], tag: name("开学"), days: 30 };
        for (search, shows) in [("小学生书包", true), ("Red School Bag", true), ("包", false), ("school", false)]
        {
            assert_eq!(school.shows_in(&name(search)), shows, "{search}");
        }
    }

    #[test]
    fn an_occasion_without_words_or_without_an_end_is_a_flaw() {
        let mut flaws = Flaws::default();
        let endless = Occasion { words: vec![], tag: name("开学"), days: 0 };
        Occasion::flaws(&[endless], &mut flaws);
        let places: Vec<&str> = flaws.0.iter().map(|flaw| flaw.pointer.as_str()).collect();
        assert_eq!(places, ["/occasions/0/words", "/occasions/0/days"]);
    }
}
