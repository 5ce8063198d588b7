//! Memberships: who is in which segment, and how many are.
//!
//! One item per segment and member, spread over shards so that no segment is a hot partition. The counts lie in a table of
//! their own, one item for each of more shards of members: the stream of memberships tells of every item that comes (a member
//! entered) or goes (left), and would tell of counts too. Both are written in the transaction that moves the member, so
//! the counts are exact.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem, Update};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Item, Table, Trouble, binary, get_number, get_text, number, text, update_in_transaction};
use crate::domain::playbook::{self, Way};
use crate::domain::posting::Posted;
use crate::values::{Code, MemberId, Moment, RowKey};

/// Partitions of every segment.
pub const SEGMENT_SHARDS: u8 = 16;

/// Shards of the counts: enough that side by side few moves meet on one, and few enough that one call reads them all.
const COUNT_SHARDS: u8 = 64;

/// The key of the counts. A count is called as its segment is, so this is no segment's id.
const COUNTS_KEY: &str = "#shard";

/// Segments entered and left by one movement.
#[derive(Clone, Debug)]
pub(super) struct Move {
    member: MemberId,
    row: RowKey,
    at: Moment,
    entered: Vec<Code>,
    left: Vec<Code>,
}

impl Move {
    /// The move of a movement, if it is one.
    pub(super) fn of(posted: &Posted) -> Option<Self> {
        let change = &posted.entry.change;
        let moved = !change.entered.is_empty() || !change.left.is_empty();
        moved.then(|| Self {
            member: posted.entry.member,
            row: posted.entry.row,
            at: posted.entry.at,
            entered: change.entered.clone(),
            left: change.left.clone(),
        })
    }
}

/// A member of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InSegment {
    /// The member.
    pub member: MemberId,
    /// Since when.
    pub since: Moment,
}

/// A place in the list of a segment's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SegmentPosition {
    /// The shard.
    pub shard: u8,
    /// The member after whom it goes on; none at the shard's beginning.
    pub after: Option<MemberId>,
}

fn shard(member: MemberId, of: u8) -> u8 {
    member.bytes().last().copied().unwrap_or(0) % of
}

fn partition(segment: &Code, shard: u8) -> String {
    format!("{segment}#{shard:02}")
}

fn key(partition: String, member: String) -> Item {
    Item::from([("segment_shard".into(), text(partition)), ("member".into(), text(member))])
}

fn counts_key(shard: u8) -> Item {
    Item::from([(COUNTS_KEY.into(), text(format!("{shard:02}")))])
}

/// The writes of several moves; each shard of the counts is written once, because a transaction may not touch an item
/// twice.
pub(super) fn writes(table: &Table, moves: &[Move]) -> Result<Vec<TransactWriteItem>, Trouble> {
    let name = &table.names.memberships;
    let mut writes = Vec::new();
    let mut counts: BTreeMap<u8, BTreeMap<&Code, i64>> = BTreeMap::new();
    for one in moves {
        let (shard, count_shard) = (shard(one.member, SEGMENT_SHARDS), shard(one.member, COUNT_SHARDS));
        for segment in &one.entered {
            let mut item = key(partition(segment, shard), one.member.to_string());
            item.insert("since".into(), number(one.at.millis()));
            item.insert("row".into(), binary(*one.row.bytes()));
            let put = Put::builder().table_name(name).set_item(Some(item)).build().map_err(Trouble::defect)?;
            writes.push(TransactWriteItem::builder().put(put).build());
            *counts.entry(count_shard).or_default().entry(segment).or_default() += 1;
        }
        for segment in &one.left {
            let key = key(partition(segment, shard), one.member.to_string());
            let delete = Delete::builder().table_name(name).set_key(Some(key)).build().map_err(Trouble::defect)?;
            writes.push(TransactWriteItem::builder().delete(delete).build());
            *counts.entry(count_shard).or_default().entry(segment).or_default() -= 1;
        }
    }
    for (shard, by) in counts {
        let by: Vec<_> = by.into_iter().filter(|(_, by)| *by != 0).collect();
        if !by.is_empty() {
            writes.push(recount(&table.names.segment_counts, shard, &by)?);
        }
    }
    Ok(writes)
}

fn recount(table: &str, shard: u8, by: &[(&Code, i64)]) -> Result<TransactWriteItem, Trouble> {
    let terms: Vec<String> = (0..by.len()).map(|n| format!("#s{n} :n{n}")).collect();
    let mut update = Update::builder()
        .table_name(table)
        .set_key(Some(counts_key(shard)))
        .update_expression(format!("ADD {}", terms.join(", ")));
    for (n, (segment, by)) in by.iter().enumerate() {
        update = update
            .expression_attribute_names(format!("#s{n}"), segment.as_str())
            .expression_attribute_values(format!(":n{n}"), number(by));
    }
    update_in_transaction(update)
}

/// A record of the table's stream, as event sources hand it on.
#[derive(Deserialize)]
struct StreamRecord {
    #[serde(rename = "eventName")]
    event: String,
    dynamodb: Images,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Images {
    new_image: Option<Membership>,
    old_image: Option<Membership>,
}

#[derive(Deserialize)]
struct Membership {
    segment_shard: AsText,
    member: AsText,
    row: Option<AsBinary>,
}

#[derive(Deserialize)]
struct AsText {
    #[serde(rename = "S")]
    text: String,
}

#[derive(Deserialize)]
struct AsBinary {
    #[serde(rename = "B")]
    base64: String,
}

/// The move of which a record of the table's stream tells; none when it tells of something else.
///
/// A membership is put and deleted, never changed, so a record has one image of it.
pub fn read_move(record: &serde_json::Value) -> Result<Option<playbook::Move>, String> {
    let record = StreamRecord::deserialize(record).map_err(|error| error.to_string())?;
    let (way, item) = match (record.event.as_str(), record.dynamodb.new_image, record.dynamodb.old_image) {
        ("INSERT", Some(item), _) => (Way::Entered, item),
        ("REMOVE", _, Some(item)) => (Way::Left, item),
        _ => return Ok(None),
    };
    let segment = item.segment_shard.text.rsplit_once('#').map(|(segment, _)| segment).unwrap_or_default();
    let row = item.row.and_then(|row| STANDARD.decode(row.base64).ok()).and_then(|row| <[u8; 16]>::try_from(row).ok());
    Ok(Some(playbook::Move {
        member: MemberId::parse(&item.member.text).map_err(|error| error.to_string())?,
        segment: Code::parse(segment).map_err(|error| error.to_string())?,
        stay: RowKey::from_bytes(row.ok_or("a membership names no row")?),
        way,
    }))
}

impl Table {
    /// How many members are in each segment. One call; one read unit for each of the 64 shards.
    pub async fn segment_counts(&self) -> Result<BTreeMap<Code, u64>, Trouble> {
        let shards = (0..COUNT_SHARDS).map(counts_key).collect();
        let mut counts = BTreeMap::<Code, i64>::new();
        for item in self.batch_get(&self.names.segment_counts, shards, true).await? {
            for segment in item.keys() {
                if let (Ok(code), Some(members)) = (Code::parse(segment), get_number::<i64>(&item, segment)) {
                    *counts.entry(code).or_default() += members;
                }
            }
        }
        Ok(counts.into_iter().map(|(segment, members)| (segment, u64::try_from(members).unwrap_or(0))).collect())
    }

    /// Members of a segment from a place on, and the place where the next page begins. One call per shard looked at.
    pub async fn members_of(
        &self,
        segment: &Code,
        from: Option<SegmentPosition>,
        most: usize,
    ) -> Result<(Vec<InSegment>, Option<SegmentPosition>), Trouble> {
        let mut at = from.unwrap_or(SegmentPosition { shard: 0, after: None });
        let mut found = Vec::new();
        while at.shard < SEGMENT_SHARDS && found.len() < most {
            let left = most - found.len();
            let (mut page, after) = self.members_of_shard(segment, at, left).await?;
            found.append(&mut page);
            at = match after {
                Some(member) => SegmentPosition { after: Some(member), ..at },
                None => SegmentPosition { shard: at.shard + 1, after: None },
            };
        }
        Ok((found, Some(at).filter(|at| at.shard < SEGMENT_SHARDS)))
    }

    /// A page of one shard of a segment's members, in the order of their ids. One call.
    pub async fn members_of_shard(
        &self,
        segment: &Code,
        at: SegmentPosition,
        most: usize,
    ) -> Result<(Vec<InSegment>, Option<MemberId>), Trouble> {
        let start = at.after.map(|member| key(partition(segment, at.shard), member.to_string()));
        let query = QueryInput::builder()
            .table_name(&self.names.memberships)
            .key_condition_expression("segment_shard = :shard")
            .expression_attribute_values(":shard", text(partition(segment, at.shard)))
            .set_exclusive_start_key(start)
            .limit(i32::try_from(most).unwrap_or(i32::MAX));
        let answer = self.ask(query).await?;
        let member = |item: &Item| get_text(item, "member").and_then(|member| MemberId::parse(member).ok());
        let read = |item: &Item| {
            let since = get_number(item, "since").and_then(Moment::from_millis);
            Some(InSegment { member: member(item)?, since: since? })
        };
        let found: Option<Vec<_>> = answer.items().iter().map(read).collect();
        let found = found.ok_or_else(|| Trouble::defect("a membership can't be read"))?;
        Ok((found, answer.last_evaluated_key().and_then(member)))
    }

    /// Members of one shard of a segment whose ids lie between two, both included. One call per megabyte.
    pub async fn members_between(
        &self,
        segment: &Code,
        shard: u8,
        first: MemberId,
        last: MemberId,
    ) -> Result<Vec<MemberId>, Trouble> {
        let query = QueryInput::builder()
            .table_name(&self.names.memberships)
            .key_condition_expression("segment_shard = :shard AND #m BETWEEN :first AND :last")
            .expression_attribute_names("#m", "member")
            .expression_attribute_values(":shard", text(partition(segment, shard)))
            .expression_attribute_values(":first", text(first.to_string()))
            .expression_attribute_values(":last", text(last.to_string()));
        let items = self.ask_all(query).await?;
        let member = |item: &Item| get_text(item, "member").and_then(|member| MemberId::parse(member).ok());
        Ok(items.iter().filter_map(member).collect())
    }
}
