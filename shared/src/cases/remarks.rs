//! Remarks: tags and notes by which staff keep in mind who somebody is.
//!
//! A note is sealed like everything that a person said or is. Tags are the brand's own labels: they stay in clear in
//! the journal and the hot item, so that segments' rules can read them.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::customers::Sight;
use crate::cases::ledger::Patience;
use crate::cases::people::Opened;
use crate::cases::{Error, Who};
use crate::domain::account::Account;
use crate::domain::tagging;
use crate::domain::traits::Tag;
use crate::table::{Freshness, Outcome, Part, StoredPart};
use crate::values::{Actor, MemberId, Moment, Name, Note, RowKey};

/// The layout of stored notes; older layouts stay readable.
const SCHEMA: u8 = 1;

/// Notes that a picture of a member shows.
const NOTES_SHOWN: i32 = 10;

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
    /// A member's newest notes, newest first. One call.
    pub async fn notes(&self, opened: &Opened) -> Result<Vec<WrittenNote>, Error> {
        let notes = self.0.table().notes(opened.member, NOTES_SHOWN).await?;
        notes.iter().map(|text| unseal(opened, text)).collect()
    }

    /// Adds tags and takes tags away; returns those that hold then. Three calls, four for a guide, and what a change
    /// of segments writes. Asking again changes nothing.
    pub async fn tag(
        &self,
        asked: MemberId,
        sight: &Sight,
        add: &[Tag],
        remove: &[Name],
        by: &Actor,
    ) -> Result<Vec<Name>, Error> {
        let member = self.0.customers().reach(asked, sight).await?.account.member;
        self.retag(&Who { member, session: None, by: by.clone() }, add, remove).await
    }

    /// The tags that a member has. One call.
    pub async fn tags_of(&self, who: &Who) -> Result<Vec<Name>, Error> {
        Ok(tags(&self.0.ledger().open(who, Freshness::Recent).await?.account, self.0.now()))
    }

    /// The same as [`Remarks::tag`] by somebody who may: the member, who takes them off. Two calls, and what a change of
    /// segments writes.
    pub async fn retag(&self, who: &Who, add: &[Tag], remove: &[Name]) -> Result<Vec<Name>, Error> {
        let (rules, now) = (self.0.rulebook().await?, self.0.now());
        let mut patience = Patience::new(self.0);
        loop {
            let hot = self.0.ledger().open(who, Freshness::Latest).await?;
            let sequence = (hot.account.chain.length + 1).to_string();
            let row = RowKey::of("tagged", &[&hot.account.member.to_string(), &sequence]);
            let Some(posted) = tagging::retag(&hot.account, add, remove, row, &rules, now, who.by.clone())? else {
                return Ok(tags(&hot.account, now));
            };
            if let Outcome::Done = self.0.table().transaction().movement(&hot, &posted)?.commit().await? {
                return Ok(tags(&posted.account, now));
            }
            patience.wait().await?;
        }
    }

    /// Writes a note once, however often it is asked for with the same key. Three calls, five when asked again.
    pub async fn note(&self, who: &Who, sight: &Sight, key: &str, note: &Note) -> Result<WrittenNote, Error> {
        let member = self.0.customers().reach(who.member, &Sight::All).await?.account.member;
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
        let part = StoredPart::new(opened.member, Part::Note(at, id), serde_json::to_string(&stored)?);
        let written = serde_json::to_string(&Written { schema: SCHEMA, at })?;
        let written = StoredPart::new(opened.member, Part::NoteWritten(id), written);
        Ok(match self.0.table().transaction().part(&written)?.part(&part)?.commit().await? {
            Outcome::Done => Some(WrittenNote { id, at, by: by.clone(), text: note.as_str().to_owned() }),
            Outcome::Lost(_) => None,
        })
    }

    async fn written(&self, opened: &Opened, id: RowKey) -> Result<Option<WrittenNote>, Error> {
        let Some(part) = self.0.table().part(opened.member, &Part::NoteWritten(id)).await? else { return Ok(None) };
        let Written { at, .. } = serde_json::from_str(&part.text)?;
        let note = self.0.table().part(opened.member, &Part::Note(at, id)).await?;
        note.map(|part| unseal(opened, &part.text)).transpose()
    }
}

/// The tags that hold at `now`, in the order in which they were given.
pub(crate) fn tags(account: &Account, now: Moment) -> Vec<Name> {
    let holds = |tag: &&Tag| tag.until.is_none_or(|until| now.day() < until);
    account.traits.tags.iter().filter(holds).map(|tag| tag.name.clone()).collect()
}

/// The name under which a note is sealed.
fn place(id: RowKey) -> String {
    format!("note:{id}")
}

pub(crate) fn unseal(opened: &Opened, stored: &str) -> Result<WrittenNote, Error> {
    let note: StoredNote = serde_json::from_str(stored)?;
    let text = opened.unsealed(&place(note.id), &note.sealed)?;
    Ok(WrittenNote { id: note.id, at: note.at, by: note.by, text })
}
