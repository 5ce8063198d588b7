//! Sends: one item for each campaign's one copy for one member, under an id that is derived from both.
//!
//! The indexes are sparse: what is final is in none but its member's.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemInput;
use aws_sdk_dynamodb::types::{KeysAndAttributes, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};

use super::profiles::{StoredKeys, key_key, profile_key, read_profile};
use super::{
    Freshness, Hot, Item, StoredPart, Table, Trouble, binary, get_number, get_text, in_transaction, number, put_over,
    text, unpacked, update_in_transaction,
};
use crate::domain::campaign::send::Send;
use crate::values::{CampaignId, MemberId, Moment, RowKey, SendId, TicketId};

/// The layout of a stored send; older layouts stay readable.
const SCHEMA: u8 = 2;

/// Partitions of the due index, drained side by side.
pub const SEND_SHARDS: u8 = 16;

/// A send as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSend {
    /// The send.
    pub send: Send,
    /// Raised by every write, and the condition of the next one; 0 before the first.
    pub version: u64,
}

/// Which send is meant: what queue messages and indexes say of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendKey {
    /// The campaign.
    pub campaign: CampaignId,
    /// The member.
    pub member: MemberId,
    /// The stay that set it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occasion: Option<RowKey>,
    /// Whether a page of the audience names it, which has counted it.
    #[serde(default)]
    pub paged: bool,
}

impl SendKey {
    /// The id of the send.
    #[must_use]
    pub fn id(&self) -> SendId {
        crate::domain::campaign::send::id(self.campaign, self.member, self.occasion)
    }

    fn read(item: &Item) -> Option<Self> {
        Some(Self {
            campaign: CampaignId::parse(get_text(item, "campaign")?).ok()?,
            member: MemberId::parse(get_text(item, "member")?).ok()?,
            occasion: get_text(item, "occasion").and_then(|row| RowKey::parse(row).ok()),
            paged: false,
        })
    }
}

/// A send in the due index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueSend {
    /// Which.
    pub key: SendKey,
    /// Under which time the index has it.
    pub due_at: Moment,
}

/// Everything that is read before a message goes.
#[derive(Clone, Debug)]
pub struct BeforeSending {
    /// The member's hot item.
    pub hot: Option<Hot>,
    /// The member's profile.
    pub profile: Option<StoredPart>,
    /// The member's key, wrapped, and those of the member's children.
    pub keys: Option<StoredKeys>,
    /// The send, if it has come up before.
    pub send: Option<StoredSend>,
}

fn key(send: SendId) -> Item {
    Item::from([("send".into(), text(send.to_string()))])
}

impl StoredSend {
    /// A send that is not stored yet.
    #[must_use]
    pub const fn new(send: Send) -> Self {
        Self { send, version: 0 }
    }

    fn item(&self) -> Result<Item, Trouble> {
        let send = &self.send;
        let mut item = key(send.id);
        item.insert("campaign".into(), text(send.campaign.to_string()));
        item.insert("member".into(), text(send.member.to_string()));
        item.insert("made_at".into(), number(send.made_at.millis()));
        item.insert("version".into(), number(self.version + 1));
        item.insert("schema".into(), number(SCHEMA));
        item.insert("content".into(), binary(postcard::to_stdvec(send).map_err(Trouble::defect)?));
        if let Some(row) = send.occasion {
            item.insert("occasion".into(), text(row.to_string()));
        }
        if let Some(due_at) = send.due_at() {
            item.insert("due_shard".into(), number(send.id.shard(SEND_SHARDS)));
            item.insert("due_at".into(), number(due_at.millis()));
        }
        if send.is_parked() {
            item.insert("parked".into(), text(send.campaign.to_string()));
        }
        Ok(item)
    }

    fn read(item: &Item) -> Result<Self, Trouble> {
        // The first layout ended before the ticket; no send was about one.
        let (send, version) = unpacked(item, "send", SCHEMA, &None::<TicketId>)?;
        Ok(Self { send, version })
    }

    pub(super) fn write(&self, table: &Table) -> Result<TransactWriteItem, Trouble> {
        in_transaction(put_over(&table.names.sends, self.item()?, "send", self.version))
    }
}

/// The note that a triggered campaign addresses a member, on condition that it did not after `not_since`; for none, that
/// it never did.
pub(super) fn write_addressed(
    table: &Table,
    campaign: CampaignId,
    member: MemberId,
    now: Moment,
    not_since: Option<Moment>,
) -> Result<TransactWriteItem, Trouble> {
    let id = SendId::of("addressed", &[&campaign.to_string(), &member.to_string()]);
    let mut update = Update::builder()
        .table_name(&table.names.sends)
        .set_key(Some(key(id)))
        .update_expression("SET #at = :now")
        .expression_attribute_names("#at", "addressed_at")
        .expression_attribute_values(":now", number(now.millis()));
    let mut condition = "attribute_not_exists(#at)".to_owned();
    if let Some(moment) = not_since {
        condition.push_str(" OR #at <= :not_since");
        update = update.expression_attribute_values(":not_since", number(moment.millis()));
    }
    update_in_transaction(update.condition_expression(condition))
}

impl Table {
    /// A send. One call; half a read unit per 4 KB, one when it must be the latest.
    pub async fn send(&self, id: SendId, freshness: Freshness) -> Result<Option<StoredSend>, Trouble> {
        let item = self.get(&self.names.sends, key(id), freshness).await?;
        item.as_ref().map(StoredSend::read).transpose()
    }

    /// Everything that is read before a message goes, as it is now. One call.
    pub async fn before_sending(&self, wanted: &SendKey) -> Result<BeforeSending, Trouble> {
        let latest =
            |key: Item| KeysAndAttributes::builder().keys(key).consistent_read(true).build().map_err(Trouble::defect);
        let member = Item::from([("member".into(), text(wanted.member.to_string()))]);
        let request = HashMap::from([
            (self.names.members.clone(), latest(member)?),
            (self.names.profiles.clone(), latest(profile_key(wanted.member))?),
            (self.names.keys.clone(), latest(key_key(wanted.member))?),
            (self.names.sends.clone(), latest(key(wanted.id()))?),
        ]);
        let answer = self.get_all(request).await?;
        if answer.unprocessed_keys().is_some_and(|left| !left.is_empty()) {
            return Err(Trouble::Unavailable("the table left something unread".into()));
        }
        let first = |table: &str| answer.responses().and_then(|r| r.get(table)).and_then(|items| items.first());
        Ok(BeforeSending {
            hot: first(&self.names.members).map(Hot::read).transpose()?,
            profile: first(&self.names.profiles).map(|item| read_profile(wanted.member, item)).transpose()?,
            keys: first(&self.names.keys).and_then(StoredKeys::read),
            send: first(&self.names.sends).map(StoredSend::read).transpose()?,
        })
    }

    /// Sends of one shard whose time has come, the most overdue first. One call.
    pub async fn due_sends(&self, shard: u8, now: Moment, most: i32) -> Result<Vec<DueSend>, Trouble> {
        let query = QueryInput::builder()
            .table_name(&self.names.sends)
            .index_name("due")
            .key_condition_expression("due_shard = :shard AND due_at <= :now")
            .expression_attribute_values(":shard", number(shard))
            .expression_attribute_values(":now", number(now.millis()))
            .limit(most);
        let answer = self.ask(query).await?;
        let read = |item: &Item| {
            let due_at = get_number(item, "due_at").and_then(Moment::from_millis)?;
            Some(DueSend { key: SendKey::read(item)?, due_at })
        };
        Ok(answer.items().iter().filter_map(read).collect())
    }

    /// Moves a send on in the due index, so that it comes up again should its message be lost; false when somebody else
    /// has moved it. One call. What the send is stays as it is, its version too.
    pub async fn postpone_send(&self, due: &DueSend, until: Moment) -> Result<bool, Trouble> {
        let update = UpdateItemInput::builder()
            .table_name(&self.names.sends)
            .set_key(Some(key(due.key.id())))
            .update_expression("SET due_at = :until")
            .condition_expression("due_at = :seen")
            .expression_attribute_values(":until", number(until.millis()))
            .expression_attribute_values(":seen", number(due.due_at.millis()));
        Ok(self.update_unless(update, passed_over).await?.is_some())
    }

    /// A page of the sends that wait for a paused campaign to go on, as they were a moment ago, and the send after which
    /// the next page begins. One call.
    pub async fn parked_sends(
        &self,
        campaign: CampaignId,
        after: Option<SendId>,
        most: i32,
    ) -> Result<(Vec<SendKey>, Option<SendId>), Trouble> {
        let start = after.map(|send| {
            let mut start = key(send);
            start.insert("parked".into(), text(campaign.to_string()));
            start
        });
        let query = QueryInput::builder()
            .table_name(&self.names.sends)
            .index_name("parked")
            .key_condition_expression("parked = :campaign")
            .expression_attribute_values(":campaign", text(campaign.to_string()))
            .set_exclusive_start_key(start)
            .limit(most);
        let answer = self.ask(query).await?;
        let next = answer.last_evaluated_key().and_then(|key| SendId::parse(get_text(key, "send")?).ok());
        Ok((answer.items().iter().filter_map(SendKey::read).collect(), next))
    }
}

/// Whether somebody else has changed the send, or is changing it.
fn passed_over(error: &UpdateItemError) -> bool {
    error.is_conditional_check_failed_exception() || error.code() == Some("TransactionConflictException")
}
