//! Parts of members' profiles: the profile itself, notes, merges, records of consent, children. Each part has a version
//! of its own.

use std::collections::BTreeMap;

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::types::{Delete, KeysAndAttributes, TransactWriteItem, Update};

use super::{
    Freshness, Item, Table, Trouble, binary, get_binary, get_number, get_text, in_transaction, number, put_over, text,
};
use crate::domain::child::MOST_CHILDREN;
use crate::values::{ChildId, MemberId, Moment, RowKey};

/// How the parts of records of consent begin.
const CONSENT: &str = "consent#";
/// How the parts of children begin.
const CHILD: &str = "child#";

/// What a part is, as the table's sort key names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The profile.
    Profile,
    /// One note, by the time at which it was written.
    Note(Moment, RowKey),
    /// When the note with this id was written: what a repeated request finds it by.
    NoteWritten(RowKey),
    /// One record of a decision about a purpose, by its time. Written once.
    Consent(Moment, RowKey),
    /// That the member put something right, by its time. Written once.
    Corrected(Moment, RowKey),
    /// One child, sealed under a key of its own.
    Child(ChildId),
    /// That a child was added under this id. It stays when the child goes.
    Added(ChildId),
    /// One merge, kept with the member who goes on.
    Merge(RowKey),
    /// The ids of requests under the law that nobody has decided about, by which their number is limited.
    OpenRequests,
}

impl Part {
    fn key(&self) -> String {
        match self {
            Self::Profile => "profile".to_owned(),
            Self::Note(at, id) => format!("note#{:015}#{id}", at.millis()),
            Self::NoteWritten(id) => format!("written#{id}"),
            Self::Consent(at, id) => format!("consent#{:015}#{id}", at.millis()),
            Self::Corrected(at, id) => format!("corrected#{:015}#{id}", at.millis()),
            Self::Child(id) => format!("{CHILD}{id}"),
            Self::Added(id) => format!("added#{id}"),
            Self::Merge(id) => format!("merge#{id}"),
            Self::OpenRequests => "open_requests".to_owned(),
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

    /// Deletes it, on condition that it is still at the version read.
    pub(super) fn delete(&self, table: &Table) -> Result<TransactWriteItem, Trouble> {
        let delete = Delete::builder()
            .table_name(&table.names.profiles)
            .set_key(Some(part_key(self.member, &self.part)))
            .condition_expression("#v = :v")
            .expression_attribute_names("#v", "version")
            .expression_attribute_values(":v", number(self.version))
            .build()
            .map_err(Trouble::defect)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    pub(super) fn write(&self, table: &Table) -> Result<TransactWriteItem, Trouble> {
        let mut item = part_key(self.member, &self.part);
        item.insert("content".into(), text(&self.text));
        item.insert("version".into(), number(self.version + 1));
        in_transaction(put_over(&table.names.profiles, item, "member", self.version))
    }
}

/// A member's wrapped data key, and those of the member's children, sealed under the member's.
#[derive(Clone, Debug, Default)]
pub struct StoredKeys {
    /// The member's own, wrapped by the master key.
    pub wrapped: Vec<u8>,
    /// The children's.
    pub of_children: BTreeMap<ChildId, String>,
}

impl StoredKeys {
    pub(super) fn read(item: &Item) -> Option<Self> {
        let child = |name: &String| {
            let id = ChildId::parse(name.strip_prefix(CHILD)?).ok()?;
            Some((id, get_text(item, name)?.to_owned()))
        };
        Some(Self {
            wrapped: get_binary(item, "wrapped")?.to_vec(),
            of_children: item.keys().filter_map(child).collect(),
        })
    }
}

/// Adds a child's key beside the member's, or destroys some.
pub(super) fn write_child_keys(
    table: &Table,
    member: MemberId,
    change: &ChildKeys<'_>,
) -> Result<TransactWriteItem, Trouble> {
    let mut update = Update::builder()
        .table_name(&table.names.keys)
        .key("member", text(member.to_string()))
        // Nobody's child outlives the member's own key.
        .condition_expression("attribute_exists(#m)")
        .expression_attribute_names("#m", "member");
    let name = |id: &ChildId| format!("{CHILD}{id}");
    match change {
        ChildKeys::Add(id, key) => {
            update = update
                .update_expression("SET #c = :c")
                .expression_attribute_names("#c", name(id))
                .expression_attribute_values(":c", text(*key));
        }
        ChildKeys::Destroy(ids) => {
            let places: Vec<String> = (0..ids.len()).map(|n| format!("#c{n}")).collect();
            update = update.update_expression(format!("REMOVE {}", places.join(", ")));
            for (place, id) in places.into_iter().zip(*ids) {
                update = update.expression_attribute_names(place, name(id));
            }
        }
    }
    Ok(TransactWriteItem::builder().update(update.build().map_err(Trouble::defect)?).build())
}

/// What becomes of children's keys.
#[derive(Clone, Copy, Debug)]
pub enum ChildKeys<'a> {
    /// This child gets this key, sealed under the member's.
    Add(ChildId, &'a str),
    /// These children's keys are no more, and what they sealed is noise; at least one.
    Destroy(&'a [ChildId]),
}

pub(super) fn key_item(member: MemberId, wrapped: &[u8]) -> Item {
    Item::from([("member".into(), text(member.to_string())), ("wrapped".into(), binary(wrapped))])
}

/// Destroys a member's keys; nothing happens when there are none.
pub(super) fn delete_key(table: &Table, member: MemberId) -> Result<TransactWriteItem, Trouble> {
    let delete = Delete::builder().table_name(&table.names.keys).set_key(Some(key_key(member)));
    Ok(TransactWriteItem::builder().delete(delete.build().map_err(Trouble::defect)?).build())
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

    /// A member's profile and wrapped data keys together. One call; half a read unit per 4 KB each, one when it must
    /// be the latest.
    pub async fn profile_and_key(
        &self,
        member: MemberId,
        freshness: Freshness,
    ) -> Result<(Option<StoredPart>, Option<StoredKeys>), Trouble> {
        let latest = freshness == Freshness::Latest;
        let request =
            |key: Item| KeysAndAttributes::builder().keys(key).consistent_read(latest).build().map_err(Trouble::defect);
        let keys = HashMap::from([
            (self.names.profiles.clone(), request(profile_key(member))?),
            (self.names.keys.clone(), request(key_key(member))?),
        ]);
        let answer = self.get_all(keys).await?;
        if answer.unprocessed_keys().is_some_and(|left| !left.is_empty()) {
            return Err(Trouble::Unavailable("the table left a profile unread".into()));
        }
        let first = |table: &str| answer.responses().and_then(|r| r.get(table)).and_then(|items| items.first());
        let profile = first(&self.names.profiles).map(|item| read_profile(member, item)).transpose()?;
        Ok((profile, first(&self.names.keys).and_then(StoredKeys::read)))
    }

    /// Several members' profiles, as they were a moment ago. One call for up to 100.
    pub async fn profiles(&self, members: &[MemberId]) -> Result<Vec<StoredPart>, Trouble> {
        let keys = members.iter().map(|member| profile_key(*member)).collect();
        let items = self.batch_get(&self.names.profiles, keys, false).await?;
        let read = |item: &Item| {
            let member = get_text(item, "member").and_then(|member| MemberId::parse(member).ok());
            read_profile(member.ok_or_else(|| Trouble::defect("a profile has no member"))?, item)
        };
        items.iter().map(read).collect()
    }

    /// A member's newest notes, newest first. One call.
    pub async fn notes(&self, member: MemberId, most: i32) -> Result<Vec<String>, Trouble> {
        let answer = self.parts_like(member, "note#", None, most, Freshness::Recent).await?;
        Ok(answer.items().iter().filter_map(|item| get_text(item, "content").map(str::to_owned)).collect())
    }

    /// A member's records of consent, newest first, from behind a place on; and the place where the next page begins.
    /// One call.
    pub async fn consents(
        &self,
        member: MemberId,
        after: Option<&str>,
        most: i32,
    ) -> Result<(Vec<String>, Option<String>), Trouble> {
        let answer = self.parts_like(member, CONSENT, after, most, Freshness::Recent).await?;
        let next = answer.last_evaluated_key().and_then(|key| get_text(key, "part")).map(str::to_owned);
        let records = answer.items().iter().filter_map(|item| get_text(item, "content").map(str::to_owned));
        Ok((records.collect(), next))
    }

    /// All children of a member, as they are now. One call.
    pub async fn children(&self, member: MemberId) -> Result<Vec<StoredPart>, Trouble> {
        let most = i32::try_from(MOST_CHILDREN).unwrap_or(i32::MAX);
        let answer = self.parts_like(member, CHILD, None, most, Freshness::Latest).await?;
        let read = |item: &Item| {
            let id = get_text(item, "part").and_then(|part| ChildId::parse(part.strip_prefix(CHILD)?).ok());
            let id = id.ok_or_else(|| Trouble::defect("a child has no id"))?;
            read_part(member, &Part::Child(id), item)
        };
        answer.items().iter().map(read).collect()
    }

    /// Parts whose keys begin like this, the last ones first.
    async fn parts_like(
        &self,
        member: MemberId,
        beginning: &str,
        after: Option<&str>,
        most: i32,
        freshness: Freshness,
    ) -> Result<QueryOutput, Trouble> {
        let key = |part: &str| Item::from([("member".into(), text(member.to_string())), ("part".into(), text(part))]);
        let query = QueryInput::builder()
            .table_name(&self.names.profiles)
            .key_condition_expression("#m = :m AND begins_with(#p, :p)")
            .expression_attribute_names("#m", "member")
            .expression_attribute_names("#p", "part")
            .expression_attribute_values(":m", text(member.to_string()))
            .expression_attribute_values(":p", text(beginning))
            .set_exclusive_start_key(after.map(key))
            .scan_index_forward(false)
            .limit(most)
            .consistent_read(freshness == Freshness::Latest);
        self.ask(query).await
    }
}
