//! The table port: the only way to what is kept.
//!
//! Tables are named for what they hold (see `template.yaml`): members' hot items, the journal, sealed profiles,
//! identities with answered signatures, member keys, settings, who is in which segment, tickets, campaigns and what
//! they send, counters of attempts. Writes that belong together go into one [`Transaction`]; every write is
//! conditional, so repeating one can't do harm.

mod attempts;
mod audit;
mod belongings;
mod budgets;
mod campaigns;
mod coupons;
mod identities;
mod inventory;
mod journal;
mod members;
mod memberships;
mod meter;
mod pass;
mod profiles;
mod receipts;
mod requests;
mod sends;
mod settings;
mod slots;
mod tickets;
mod transaction;

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItem, BatchGetItemInput, BatchGetItemOutput};
use aws_sdk_dynamodb::operation::get_item::{GetItem, GetItemInput};
use aws_sdk_dynamodb::operation::put_item::PutItem;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemInputBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryInputBuilder;
use aws_sdk_dynamodb::operation::query::{Query, QueryOutput};
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemInputBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItem, UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::builders::{PutBuilder, UpdateBuilder};
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Put, ReturnConsumedCapacity, TransactWriteItem};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use attempts::CounterKey;
pub use audit::{AUDIT_SHARDS, AuditPlace, AuditPosition, Chains, Deed, Pen, about, about_a_minor};
pub use belongings::{Belonging, TicketItem};
pub use campaigns::{BUDGET_SHARDS, CampaignPosition, Checkpoint, StoredCampaign, StoredCheckpoint, count_shard};
pub use identities::Identity;
pub use inventory::{INVENTORY, Left, Shown, Stored};
pub use journal::{Page, RefundTally};
pub use members::{DUE_SHARDS, Due, DuePosition, Freshness, Hot};
pub use memberships::{InSegment, SEGMENT_SHARDS, SegmentPosition, read_move};
pub use meter::{Cost, metered};
pub use pass::{MembersPage, ScanShard};
pub use profiles::{ChildKeys, Part, StoredKeys, StoredPart};
pub use requests::{OpenRequests, RequestPosition, StoredRequest};
pub use sends::{BeforeSending, DueSend, SEND_SHARDS, SendKey, StoredSend};
pub(crate) use settings::Kept;
pub use settings::StoredVersion;
pub use tickets::{Side, StoredTicket, TALLY_SHARDS, TICKET_SHARDS, TicketList, TicketPage, TicketPosition};
pub use transaction::{Lost, MOST_WRITES, Outcome, Transaction};

use meter::{Kind, count};

pub use crate::aws::call::Trouble;

use crate::aws::Aws;
use crate::aws::call::{Failure, call};

/// An item as the SDK has it.
pub type Item = HashMap<String, AttributeValue>;

/// The names of the tables; on AWS they come from the environment, see `template.yaml`.
#[derive(Clone, Debug)]
pub struct Names {
    /// Members' hot items: account, version, due date. A table of their own, so that a full pass reads nothing else.
    pub members: String,
    /// The journal, by row key.
    pub journal: String,
    /// Profiles, notes, records of consent, children and merges of members; personal fields sealed.
    pub profiles: String,
    /// Keyed hashes of openids, phones, cards and invite codes, each leading to its member.
    pub identities: String,
    /// Members' wrapped data keys, and their children's, without point-in-time recovery: a destroyed key must not come
    /// back.
    pub keys: String,
    /// Settings by version.
    pub settings: String,
    /// Who is in which segment.
    pub memberships: String,
    /// How many members are in each segment. A table of its own: the stream of the other tells of moves alone.
    pub segment_counts: String,
    /// Tickets with their records, and what is counted about them. A table of their own: nothing else is read by
    /// queue, and nothing else has clocks that are looked at every minute.
    pub tickets: String,
    /// Campaigns with their budgets, counts and dispatches, and the circuits of providers.
    pub campaigns: String,
    /// What became of every campaign's copy for every member. A table of their own: they are many, and nothing else is
    /// looked for by the time at which it is due to go.
    pub sends: String,
    /// The audit trail. A table of its own: nothing in it is ever changed or removed, and only managers read it.
    pub audit: String,
    /// Requests under the law. A table of their own: they outlive the members whom they are about.
    pub requests: String,
    /// How often something was tried lately, by keyed hashes. A table of their own: whoever may call without being
    /// known writes here, and nowhere near identities.
    pub attempts: String,
}

impl Names {
    /// Reads the names that the environment gives, as `MEMBERS_TABLE` and so on.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let name = |key: &str| variable(key).ok_or_else(|| format!("the environment lacks {key}"));
        Ok(Self {
            members: name("MEMBERS_TABLE")?,
            journal: name("JOURNAL_TABLE")?,
            profiles: name("PROFILES_TABLE")?,
            identities: name("IDENTITIES_TABLE")?,
            keys: name("MEMBER_KEYS_TABLE")?,
            settings: name("SETTINGS_TABLE")?,
            memberships: name("MEMBERSHIPS_TABLE")?,
            segment_counts: name("SEGMENT_COUNTS_TABLE")?,
            tickets: name("TICKETS_TABLE")?,
            campaigns: name("CAMPAIGNS_TABLE")?,
            sends: name("SENDS_TABLE")?,
            audit: name("AUDIT_TABLE")?,
            requests: name("REQUESTS_TABLE")?,
            attempts: name("ATTEMPTS_TABLE")?,
        })
    }
}

/// All tables, behind one way to them.
#[derive(Clone, Debug)]
pub struct Table {
    aws: Aws,
    names: Names,
}

impl Table {
    /// Tables with these names.
    #[must_use]
    pub const fn new(aws: Aws, names: Names) -> Self {
        Self { aws, names }
    }
}

impl Table {
    /// One item by its key. One call; half a read unit per 4 KB, one when it must be the latest.
    async fn get(&self, table: &str, key: Item, freshness: Freshness) -> Result<Option<Item>, Trouble> {
        let question = GetItemInput::builder()
            .table_name(table)
            .set_key(Some(key))
            .consistent_read(freshness == Freshness::Latest)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let answer = call::<GetItem>(&self.aws, question.build().map_err(Trouble::defect)?).await?;
        count(Kind::Read, answer.consumed_capacity());
        Ok(answer.item)
    }

    /// Asks and counts what it costs. One call.
    async fn ask(&self, query: QueryInputBuilder) -> Result<QueryOutput, Trouble> {
        let question =
            query.return_consumed_capacity(ReturnConsumedCapacity::Total).build().map_err(Trouble::defect)?;
        let answer = call::<Query>(&self.aws, question).await?;
        count(Kind::Read, answer.consumed_capacity());
        Ok(answer)
    }

    /// Asks for all that there is, page by page. One call per megabyte.
    async fn ask_all(&self, query: QueryInputBuilder) -> Result<Vec<Item>, Trouble> {
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let answer = self.ask(query.clone().set_exclusive_start_key(start)).await?;
            found.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    /// Several items of several tables, counted. One call.
    async fn get_all(&self, keys: HashMap<String, KeysAndAttributes>) -> Result<BatchGetItemOutput, Trouble> {
        let question = BatchGetItemInput::builder()
            .set_request_items(Some(keys))
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let answer = call::<BatchGetItem>(&self.aws, question.build().map_err(Trouble::defect)?).await?;
        count(Kind::Read, answer.consumed_capacity());
        Ok(answer)
    }

    /// Changes an item, on its condition if it has one; none when that does not hold. One call.
    async fn update(&self, update: UpdateItemInputBuilder) -> Result<Option<UpdateItemOutput>, Trouble> {
        self.update_unless(update, UpdateItemError::is_conditional_check_failed_exception).await
    }

    /// The same, and none when it was refused like this.
    async fn update_unless(
        &self,
        update: UpdateItemInputBuilder,
        refused: fn(&UpdateItemError) -> bool,
    ) -> Result<Option<UpdateItemOutput>, Trouble> {
        let question = update.return_consumed_capacity(ReturnConsumedCapacity::Total).build();
        match call::<UpdateItem>(&self.aws, question.map_err(Trouble::defect)?).await {
            Ok(answer) => {
                count(Kind::Write, answer.consumed_capacity());
                Ok(Some(answer))
            }
            Err(Failure::Refused(error)) if refused(&error) => {
                count(Kind::Write, []);
                Ok(None)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Puts an item on its condition; false when that does not hold. One call.
    async fn put_if(&self, put: PutItemInputBuilder) -> Result<bool, Trouble> {
        let question = put.return_consumed_capacity(ReturnConsumedCapacity::Total).build().map_err(Trouble::defect)?;
        match call::<PutItem>(&self.aws, question).await {
            Ok(answer) => {
                count(Kind::Write, answer.consumed_capacity());
                Ok(true)
            }
            Err(Failure::Refused(error)) if error.is_conditional_check_failed_exception() => {
                count(Kind::Write, []);
                Ok(false)
            }
            Err(failure) => Err(failure.into()),
        }
    }
}

/// An item to be put over the version that was read; over nothing when that is 0. `key` is the table's partition key.
fn put_over(table: &str, item: Item, key: &str, version: u64) -> PutBuilder {
    let put = Put::builder().table_name(table).set_item(Some(item));
    if version == 0 {
        put.condition_expression("attribute_not_exists(#k)").expression_attribute_names("#k", key)
    } else {
        put.condition_expression("#v = :v")
            .expression_attribute_names("#v", "version")
            .expression_attribute_values(":v", number(version))
    }
}

/// A put as part of a transaction.
fn in_transaction(put: PutBuilder) -> Result<TransactWriteItem, Trouble> {
    Ok(TransactWriteItem::builder().put(put.build().map_err(Trouble::defect)?).build())
}

/// An update as part of a transaction.
fn update_in_transaction(update: UpdateBuilder) -> Result<TransactWriteItem, Trouble> {
    Ok(TransactWriteItem::builder().update(update.build().map_err(Trouble::defect)?).build())
}

/// What an item holds, packed, and its version; `what` names it in troubles. Its layout is this one, or the one before
/// it, which ended before what was `added`.
fn unpacked<T: DeserializeOwned>(
    item: &Item,
    what: &str,
    layout: u8,
    added: &impl Serialize,
) -> Result<(T, u64), Trouble> {
    let content = get_binary(item, "content").ok_or_else(|| Trouble::Defect(format!("a {what} has no content")))?;
    let version = get_number(item, "version").ok_or_else(|| Trouble::Defect(format!("a {what} has no version")))?;
    let held = match get_number::<u8>(item, "schema") {
        Some(stored) if stored == layout => postcard::from_bytes(content).map_err(Trouble::defect)?,
        Some(stored) if stored.checked_add(1) == Some(layout) => members::and_then(content, added)?,
        stored => return Err(Trouble::Defect(format!("a {what} has the unknown schema {stored:?}"))),
    };
    Ok((held, version))
}

fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn binary(value: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(value))
}

fn get_text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

fn get_number<N: std::str::FromStr>(item: &Item, name: &str) -> Option<N> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

fn get_binary<'a>(item: &'a Item, name: &str) -> Option<&'a [u8]> {
    item.get(name)?.as_b().ok().map(AsRef::as_ref)
}
