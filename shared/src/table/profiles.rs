//! Parts of members' profiles: the profile itself, notes, merges. Each part has a version of its own.

use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity, TransactWriteItem};

use super::meter::{Kind, count};
use super::{
    Freshness, Item, Table, Trouble, ask, binary, get_binary, get_number, get_text, in_transaction, number, put_over,
    text,
};
use crate::values::{MemberId, Moment, RowKey};

/// What a part is, as the table's sort key names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The profile.
    Profile,
    /// One note, by the time at which it was written.
    Note(Moment, RowKey),
    /// When the note with this id was written: what a repeated request finds it by.
    NoteWritten(RowKey),
    /// One merge, kept with the member who goes on.
    Merge(RowKey),
}

impl Part {
    fn key(&self) -> String {
        match self {
            Self::Profile => "profile".to_owned(),
            Self::Note(at, id) => format!("note#{:015}#{id}", at.millis()),
            Self::NoteWritten(id) => format!("written#{id}"),
            Self::Merge(id) => format!("merge#{id}"),
        }
    }
}

/// A stored part: its text (JSON) and the version on which the next write builds.
#[derive(Clone, Debug)]
pub struct StoredPart {
    /// Whose.
    pub member: MemberId,
    /// Which.
    pub part: Part,
    /// The part as JSON, personal fields sealed inside it.
    pub text: String,
    /// The version read; 0 for a part that is not stored yet.
    pub version: u64,
}

impl StoredPart {
    /// A part that is not stored yet.
    #[must_use]
    pub const fn new(member: MemberId, part: Part, text: String) -> Self {
        Self { member, part, text, version: 0 }
    }

    pub(super) fn write(&self, table: &Table) -> Result<TransactWriteItem, Trouble> {
        let mut item = part_key(self.member, &self.part);
        item.insert("content".into(), text(&self.text));
        item.insert("version".into(), number(self.version + 1));
        in_transaction(put_over(&table.names.profiles, item, "member", self.version))
    }
}

pub(super) fn key_item(member: MemberId, wrapped: &[u8]) -> Item {
    Item::from([("member".into(), text(member.to_string())), ("wrapped".into(), binary(wrapped))])
}

fn part_key(member: MemberId, part: &Part) -> Item {
    Item::from([("member".into(), text(member.to_string())), ("part".into(), text(part.key()))])
}

fn read_part(member: MemberId, part: &Part, item: &Item) -> Result<StoredPart, Trouble> {
    let content = get_text(item, "content").ok_or_else(|| Trouble::defect("a part of a profile has no content"))?;
    let version = get_number(item, "version").ok_or_else(|| Trouble::defect("a part of a profile has no version"))?;
    Ok(StoredPart { member, part: part.clone(), text: content.to_owned(), version })
}

/// The key of a member's profile.
pub(super) fn profile_key(member: MemberId) -> Item {
    part_key(member, &Part::Profile)
}

/// The key of a member's data key.
pub(super) fn key_key(member: MemberId) -> Item {
    Item::from([("member".into(), text(member.to_string()))])
}

pub(super) fn read_profile(member: MemberId, item: &Item) -> Result<StoredPart, Trouble> {
    read_part(member, &Part::Profile, item)
}

impl Table {
    /// One part. One call, one read unit per 4 KB.
    pub async fn part(&self, member: MemberId, part: &Part) -> Result<Option<StoredPart>, Trouble> {
        let item = self.get(&self.names.profiles, part_key(member, part), Freshness::Latest).await?;
        item.map(|item| read_part(member, part, &item)).transpose()
    }

    /// A member's profile and wrapped data key together. One call; half a read unit per 4 KB each, one when it must
    /// be the latest.
    pub async fn profile_and_key(
        &self,
        member: MemberId,
        freshness: Freshness,
    ) -> Result<(Option<StoredPart>, Option<Vec<u8>>), Trouble> {
        let latest = freshness == Freshness::Latest;
        let request =
            |key: Item| KeysAndAttributes::builder().keys(key).consistent_read(latest).build().map_err(Trouble::defect);
        let answer = self
            .client
            .batch_get_item()
            .request_items(&self.names.profiles, request(profile_key(member))?)
            .request_items(&self.names.keys, request(key_key(member))?)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(|e| Trouble::of(&e))?;
        count(Kind::Read, answer.consumed_capacity());
        if answer.unprocessed_keys().is_some_and(|left| !left.is_empty()) {
            return Err(Trouble::Unavailable("the table left a profile unread".into()));
        }
        let first = |table: &str| answer.responses().and_then(|r| r.get(table)).and_then(|items| items.first());
        let profile = first(&self.names.profiles).map(|item| read_profile(member, item)).transpose()?;
        let key = first(&self.names.keys).and_then(|item| get_binary(item, "wrapped")).map(<[u8]>::to_vec);
        Ok((profile, key))
    }

    /// A member's newest notes, newest first. One call.
    pub async fn notes(&self, member: MemberId, most: i32) -> Result<Vec<String>, Trouble> {
        let query = self
            .client
            .query()
            .table_name(&self.names.profiles)
            .key_condition_expression("#m = :m AND begins_with(#p, :p)")
            .expression_attribute_names("#m", "member")
            .expression_attribute_names("#p", "part")
            .expression_attribute_values(":m", text(member.to_string()))
            .expression_attribute_values(":p", text("note#"))
            .scan_index_forward(false)
            .limit(most);
        let answer = ask(query).await?;
        Ok(answer.items().iter().filter_map(|item| get_text(item, "content").map(str::to_owned)).collect())
    }
}
