//! Tags: labels that staff, playbooks and surveys put on members and take off again.

use super::account::Account;
use super::entry::What;
use super::posting::{Failure, Posted, Posting};
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use super::traits::{Tag, Traits};
use crate::values::{Actor, LocalDay, Moment, Name, RowKey};

/// The most tags of one member.
pub const MOST_TAGS: usize = 40;

/// Puts tags on and takes tags off. None when nothing changes by it.
pub fn retag(
    before: &Account,
    add: &[Tag],
    remove: &[Name],
    row: RowKey,
    rules: &Rulebook,
    now: Moment,
    by: Actor,
) -> Result<Option<Posted>, Failure> {
    if add.is_empty() && remove.is_empty() {
        return Err(Refusal::Nothing.into());
    }
    let (added, removed) = change(&before.traits, add, remove, now.day())?;
    if added.is_empty() && !removed.iter().any(|name| remove.contains(name)) {
        return Ok(None);
    }
    let posting = Posting::open(before, rules, now)?;
    Ok(Some(posting.close(row, by, What::Tagged { added, removed })?))
}

/// What really changes when these tags are put on and taken off, those that have run out included.
pub(super) fn change(
    traits: &Traits,
    add: &[Tag],
    remove: &[Name],
    today: LocalDay,
) -> Result<(Vec<Tag>, Vec<Name>), Refusal> {
    let known = |name: &Name| traits.tags.iter().find(|tag| tag.name == *name);
    let added: Vec<Tag> =
        add.iter().filter(|tag| !remove.contains(&tag.name) && known(&tag.name) != Some(*tag)).cloned().collect();
    // Tags that have run out make room when others come.
    let over = traits.tags.iter().filter(|tag| tag.until.is_some_and(|until| until <= today));
    let over = over.filter(|tag| !added.iter().any(|new| new.name == tag.name)).map(|tag| &tag.name);
    let gone = remove.iter().filter(|name| known(name).is_some());
    let mut removed: Vec<Name> = gone.chain(over).cloned().collect();
    removed.sort_unstable();
    removed.dedup();
    let mut after = Traits { tags: traits.tags.clone(), ..Traits::default() };
    after.retag(&added, &removed);
    if !added.is_empty() && after.tags.len() > MOST_TAGS {
        return Err(Refusal::TooManyTags { most: MOST_TAGS });
    }
    Ok((added, removed))
}
