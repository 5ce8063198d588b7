//! Remarks: tags and notes by which staff keep in mind who somebody is.
//!
//! A note is sealed like everything that a person said or is. Tags are the brand's own labels and stay in clear, so
//! that rules can read them.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::customers::Sight;
use crate::cases::ledger::Patience;
use crate::cases::people::Opened;
use crate::cases::{Error, Who};
use crate::domain::refusal::Refusal;
use crate::table::{Freshness, Outcome, Part, StoredPart};
use crate::values::{Actor, MemberId, Moment, Name, Note, RowKey};

/// The layout of stored tags and notes; older layouts stay readable.
const SCHEMA: u8 = 1;

/// The most tags of one member.
const MOST_TAGS: usize = 40;

/// Notes that a picture of a member shows.
const NOTES_SHOWN: i32 = 10;

#[derive(Serialize, Deserialize)]
struct StoredTags {
    schema: u8,
    tags: Vec<Name>,
}

#[derive(Serialize, Deserialize)]
struct StoredNote {
    schema: u8,
    id: RowKey,
    at: Moment,
    by: Actor,
    sealed: String,
}

/// When a note was written, by which a repeated request finds it.
#[derive(Serialize, Deserialize)]
struct Written {
    schema: u8,
    at: Moment,
}

/// A note in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenNote {
    /// Its id.
    pub id: RowKey,
    /// When it was written.
    pub at: Moment,
    /// By whom.
    pub by: Actor,
    /// The text.
    pub text: String,
}

/// Remarks.
#[derive(Clone, Copy, Debug)]
pub struct Remarks<'a>(pub(crate) &'a App);

impl App {
    /// Tags and notes.
    #[must_use]
    pub const fn remarks(&self) -> Remarks<'_> {
        Remarks(self)
    }
}

impl Remarks<'_> {
    /// A member's tags. One call.
    pub async fn tags(&self, member: MemberId) -> Result<Vec<Name>, Error> {
        let part = self.0.table().part(member, &Part::Tags).await?;
        part.as_ref().map_or(Ok(Vec::new()), |part| Ok(read::<StoredTags>(&part.text)?.tags))
    }

    /// A member's newest notes, newest first. One call.
    pub async fn notes(&self, opened: &Opened) -> Result<Vec<WrittenNote>, Error> {
        let notes = self.0.table().notes(opened.member, NOTES_SHOWN).await?;
        notes.iter().map(|text| unseal(opened, text)).collect()
    }

    /// Adds tags and takes tags away; returns what is there then. Three calls, four for a guide. Asking again
    /// changes nothing.
    pub async fn tag(&self, asked: MemberId, sight: &Sight, add: &[Name], remove: &[Name]) -> Result<Vec<Name>, Error> {
        if add.is_empty() && remove.is_empty() {
            return Err(Refusal::Nothing.into());
        }
        let member = self.0.customers().reach(asked, sight).await?;
        let mut patience = Patience::new(self.0);
        loop {
            let part = self.0.table().part(member, &Part::Tags).await?;
            let mut part = part.unwrap_or_else(|| StoredPart::new(member, Part::Tags, String::new()));
            let before = if part.version == 0 { Vec::new() } else { read::<StoredTags>(&part.text)?.tags };
            let tags = retagged(&before, add, remove)?;
            if tags == before {
                return Ok(tags);
            }
            part.text = text(&StoredTags { schema: SCHEMA, tags: tags.clone() })?;
            if let Outcome::Done = self.0.table().transaction().part(&part)?.commit().await? {
                return Ok(tags);
            }
            patience.wait().await?;
        }
    }

    /// Writes a note once, however often it is asked for with the same key. Three calls, five when asked again.
    pub async fn note(&self, who: &Who, sight: &Sight, key: &str, note: &Note) -> Result<WrittenNote, Error> {
        let member = self.0.customers().reach(who.member, &Sight::All).await?;
        let opened = self.0.people().open(member, Freshness::Recent).await?;
        sight.check(&opened.profile)?;
        let id = RowKey::of("note", &[&member.to_string(), who.by.as_str(), key]);
        let mut patience = Patience::new(self.0);
        loop {
            if let Some(note) = self.write(&opened, id, &who.by, note).await? {
                return Ok(note);
            }
            if let Some(earlier) = self.written(&opened, id).await? {
                return if earlier.text == note.as_str() { Ok(earlier) } else { Err(Error::ReusedKey) };
            }
            patience.wait().await?;
        }
    }

    /// Writes a note; none when it is there already, or another write was in the way.
    async fn write(&self, opened: &Opened, id: RowKey, by: &Actor, note: &Note) -> Result<Option<WrittenNote>, Error> {
        let at = self.0.now();
        let sealed = opened.seal(self.0, &place(id), note.as_str())?;
        let stored = StoredNote { schema: SCHEMA, id, at, by: by.clone(), sealed };
        let part = StoredPart::new(opened.member, Part::Note(at, id), text(&stored)?);
        let written = text(&Written { schema: SCHEMA, at })?;
        let written = StoredPart::new(opened.member, Part::NoteWritten(id), written);
        Ok(match self.0.table().transaction().part(&written)?.part(&part)?.commit().await? {
            Outcome::Done => Some(WrittenNote { id, at, by: by.clone(), text: note.as_str().to_owned() }),
            Outcome::Lost(_) => None,
        })
    }

    async fn written(&self, opened: &Opened, id: RowKey) -> Result<Option<WrittenNote>, Error> {
        let Some(part) = self.0.table().part(opened.member, &Part::NoteWritten(id)).await? else { return Ok(None) };
        let Written { at, .. } = read(&part.text)?;
        let note = self.0.table().part(opened.member, &Part::Note(at, id)).await?;
        note.map(|part| unseal(opened, &part.text)).transpose()
    }
}

/// The tags afterwards, in the order in which they were given.
fn retagged(before: &[Name], add: &[Name], remove: &[Name]) -> Result<Vec<Name>, Refusal> {
    let mut tags = Vec::with_capacity(before.len() + add.len());
    for tag in before.iter().chain(add).filter(|tag| !remove.contains(tag)) {
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    if tags.len() > MOST_TAGS { Err(Refusal::TooManyTags { most: MOST_TAGS }) } else { Ok(tags) }
}

/// The name under which a note is sealed.
fn place(id: RowKey) -> String {
    format!("note:{id}")
}

fn unseal(opened: &Opened, stored: &str) -> Result<WrittenNote, Error> {
    let note: StoredNote = read(stored)?;
    let text = opened.unsealed(&place(note.id), &note.sealed)?;
    Ok(WrittenNote { id: note.id, at: note.at, by: note.by, text })
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|e| Error::Defect(e.to_string()))
}

fn text<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::Defect(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(texts: &[&str]) -> Vec<Name> {
        texts.iter().map(|text| Name::parse(text).unwrap()).collect()
    }

    #[test]
    fn tags_are_a_set_in_the_order_given_and_what_is_removed_stays_away() {
        let before = tags(&["素色", "试穿未买"]);
        let after = retagged(&before, &tags(&["羊毛", "素色", "羊毛"]), &tags(&["试穿未买", "没有的"])).unwrap();
        assert_eq!(after, tags(&["素色", "羊毛"]));
        assert_eq!(retagged(&after, &tags(&["羊毛"]), &tags(&["试穿未买"])).unwrap(), after, "again changes nothing");
        assert_eq!(retagged(&[], &tags(&["a"]), &tags(&["a"])).unwrap(), []);
    }

    #[test]
    fn forty_tags_are_enough() {
        let many: Vec<Name> = (0..=MOST_TAGS).map(|n| Name::parse(&n.to_string()).unwrap()).collect();
        assert_eq!(retagged(&many[1..], &[], &[]).unwrap().len(), MOST_TAGS);
        assert_eq!(retagged(&[], &many, &[]), Err(Refusal::TooManyTags { most: MOST_TAGS }));
    }
}
