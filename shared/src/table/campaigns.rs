//! Campaigns: each with how far its dispatch has come in one partition, and beside it its budget and its counts.
//!
//! What many writers change at once is spread over shards, each with a partition key of its own: the budget, of which
//! every claim takes its message, and the counts, which every send changes. They are changed in the transaction that
//! moves a send, so they are exact; they are read by key in one call, and are what their shards add up to.

use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemInput, UpdateItemOutput};
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};

use super::{
    Freshness, Item, Table, Trouble, get_number, get_text, in_transaction, number, put_over, text,
    update_in_transaction,
};
use crate::domain::campaign::circuit::Circuit;
use crate::domain::campaign::counts::{Count, Counts};
use crate::domain::campaign::gates::Room;
use crate::domain::campaign::{Campaign, State};
use crate::domain::traits::Channel;
use crate::values::{CampaignId, Fen, LocalDay, MemberId, Moment, SendId};

/// Shards of a campaign's budget: half as many as of its counts, because whoever sends reads them all every two seconds.
pub const BUDGET_SHARDS: u8 = 32;

/// Shards of a campaign's counts: enough that side by side few sends meet on one, and few enough to be read in one call
/// of at most a hundred keys.
const COUNT_SHARDS: u8 = 64;

/// The part of a shard that holds its share of the budget.
const BUDGET: &str = "budget";

/// The part of a shard that holds its counts.
const COUNTS: &str = "counts";

/// The partition of the providers' circuits; no campaign's id looks like this.
const CIRCUITS: &str = "circuits";

/// The part that knows on which days its report was read before its end.
const LOOKS: &str = "looks";

/// The part that is the campaign itself.
const CAMPAIGN: &str = "campaign";

/// A campaign as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCampaign {
    /// The campaign.
    pub campaign: Campaign,
    /// Raised by every write, and the condition of the next one; 0 before the first.
    pub version: u64,
}

/// How far one part of a dispatch has come.
///
/// A page's members are written down before they go into the queue, and counted in the same transaction: a page that
/// goes into the queue again after a crash is the same page, and is counted once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The member after whom the next page begins.
    pub after: Option<MemberId>,
    /// Whether the last page has been read.
    pub read: bool,
    /// Whether the last page is in the queue.
    pub finished: bool,
    /// The page that is to go into the queue.
    pub page: Vec<MemberId>,
    /// Members counted so far.
    pub members: u64,
    /// The last sign of life.
    pub touched_at: Moment,
    /// At which time the page has its slots in the campaign's rate; none when it has no rate.
    #[serde(default)]
    pub goes_at: Option<Moment>,
}

/// One part of a dispatch as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Which part.
    pub part: u16,
    /// How far it has come.
    pub checkpoint: Checkpoint,
    /// Raised by every write; 0 before the first.
    pub version: u64,
}

/// A place in the list of campaigns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignPosition {
    campaign: CampaignId,
    created_at: Moment,
}

fn key(campaign: &str, part: &str) -> Item {
    Item::from([("campaign".into(), text(campaign)), ("part".into(), text(part))])
}

pub(super) fn of_campaign(campaign: CampaignId, part: &str) -> Item {
    key(&campaign.to_string(), part)
}

/// The partition of a campaign's shard.
fn shard_of(campaign: CampaignId, shard: u8) -> String {
    format!("{campaign}#{shard:02}")
}

impl StoredCampaign {
    /// A campaign that is not stored yet.
    #[must_use]
    pub const fn new(campaign: Campaign) -> Self {
        Self { campaign, version: 0 }
    }

    fn item(&self) -> Result<Item, Trouble> {
        let campaign = &self.campaign;
        let mut item = of_campaign(campaign.id, CAMPAIGN);
        item.insert("version".into(), number(self.version + 1));
        item.insert("content".into(), text(serde_json::to_string(campaign).map_err(Trouble::defect)?));
        item.insert("list".into(), text(CAMPAIGN));
        item.insert("created_at".into(), number(campaign.created_at.millis()));
        if let Some(due_at) = campaign.due_at() {
            item.insert("live".into(), text(CAMPAIGN));
            item.insert("due_at".into(), number(due_at.millis()));
        }
        Ok(item)
    }

    fn read(item: &Item) -> Result<Self, Trouble> {
        let content = get_text(item, "content").ok_or_else(|| Trouble::defect("a campaign has no content"))?;
        Ok(Self {
            campaign: serde_json::from_str(content).map_err(Trouble::defect)?,
            version: get_number(item, "version").ok_or_else(|| Trouble::defect("a campaign has no version"))?,
        })
    }

    pub(super) fn write(&self, table: &Table) -> Result<TransactWriteItem, Trouble> {
        in_transaction(put_over(&table.names.campaigns, self.item()?, "campaign", self.version))
    }
}

fn room_of(item: &Item) -> Room {
    Room { sends: get_number(item, "sends"), fen: get_number(item, "fen").map(Fen::computed) }
}

/// A shard of a new budget.
pub(super) fn write_room(
    table: &Table,
    campaign: CampaignId,
    shard: u8,
    room: Room,
) -> Result<TransactWriteItem, Trouble> {
    let mut item = key(&shard_of(campaign, shard), BUDGET);
    item.insert("shard".into(), number(shard));
    item.extend(room.sends.map(|sends| ("sends".to_owned(), number(sends))));
    item.extend(room.fen.map(|fen| ("fen".to_owned(), number(fen))));
    in_transaction(put_over(&table.names.campaigns, item, "campaign", 0))
}

/// Changes a shard of a budget: takes a message out of it on condition that it is there, or gives it back.
pub(super) fn write_taken(
    table: &Table,
    campaign: CampaignId,
    shard: u8,
    limited: Room,
    cost: Fen,
    takes: bool,
) -> Result<TransactWriteItem, Trouble> {
    let (mut sets, mut room) = (Vec::new(), Vec::new());
    let sign = if takes { '-' } else { '+' };
    let mut update = update(table, &shard_of(campaign, shard), BUDGET);
    if limited.sends.is_some() {
        sets.push(format!("#sends = #sends {sign} :one"));
        room.push("#sends >= :one");
        update = update.expression_attribute_names("#sends", "sends").expression_attribute_values(":one", number(1));
    }
    if limited.fen.is_some() {
        sets.push(format!("#fen = #fen {sign} :cost"));
        room.push("#fen >= :cost");
        update = update.expression_attribute_names("#fen", "fen").expression_attribute_values(":cost", number(cost));
    }
    update = update.update_expression(format!("SET {}", sets.join(", ")));
    if takes {
        update = update.condition_expression(room.join(" AND "));
    }
    update_in_transaction(update)
}

/// Changes what is left in a shard of a budget, on condition that it is what was seen.
pub(super) fn write_reshare(
    table: &Table,
    campaign: CampaignId,
    shard: u8,
    seen: Room,
    next: Room,
) -> Result<TransactWriteItem, Trouble> {
    let mut update = update(table, &shard_of(campaign, shard), BUDGET);
    let (mut sets, mut same) = (Vec::new(), Vec::new());
    let fen = |room: Room| room.fen.map(Fen::number);
    for (name, seen, next) in [("sends", seen.sends, next.sends), ("fen", fen(seen), fen(next))] {
        let (Some(seen), Some(next)) = (seen, next) else { continue };
        update = update
            .expression_attribute_names(format!("#{name}"), name)
            .expression_attribute_values(format!(":{name}"), number(next))
            .expression_attribute_values(format!(":seen_{name}"), number(seen));
        sets.push(format!("#{name} = :{name}"));
        same.push(format!("#{name} = :seen_{name}"));
    }
    update_in_transaction(
        update.update_expression(format!("SET {}", sets.join(", "))).condition_expression(same.join(" AND ")),
    )
}

/// Changes the counts of a campaign, in the shard of a send.
pub(super) fn write_counts(
    table: &Table,
    campaign: CampaignId,
    shard: u8,
    counts: &Counts,
) -> Result<TransactWriteItem, Trouble> {
    let mut update = update(table, &shard_of(campaign, shard % COUNT_SHARDS), COUNTS);
    let mut sums = Vec::new();
    for (n, (count, by)) in counts.all().enumerate() {
        update = update
            .expression_attribute_names(format!("#{n}"), count.to_string())
            .expression_attribute_values(format!(":{n}"), number(by));
        sums.push(format!("#{n} :{n}"));
    }
    update_in_transaction(update.update_expression(format!("ADD {}", sums.join(", "))))
}

pub(super) fn write_checkpoint(
    table: &Table,
    campaign: CampaignId,
    stored: &StoredCheckpoint,
) -> Result<TransactWriteItem, Trouble> {
    let mut item = of_campaign(campaign, &format!("dispatch#{:02}", stored.part));
    item.insert("version".into(), number(stored.version + 1));
    item.insert("content".into(), text(serde_json::to_string(&stored.checkpoint).map_err(Trouble::defect)?));
    in_transaction(put_over(&table.names.campaigns, item, "campaign", stored.version))
}

fn update(table: &Table, campaign: &str, part: &str) -> UpdateBuilder {
    let update = Update::builder().table_name(&table.names.campaigns);
    update.key("campaign", text(campaign)).key("part", text(part))
}

/// A shard of counts for a send.
#[must_use]
pub fn count_shard(send: SendId) -> u8 {
    send.shard(COUNT_SHARDS)
}

fn days_looked_at(item: &Item) -> u32 {
    let days = item.get("days").and_then(|days| days.as_ns().ok());
    days.map_or(0, |days| u32::try_from(days.len()).unwrap_or(u32::MAX))
}

impl Table {
    /// A campaign. One call.
    pub async fn campaign(&self, id: CampaignId) -> Result<Option<StoredCampaign>, Trouble> {
        let item = self.get(&self.names.campaigns, of_campaign(id, CAMPAIGN), Freshness::Latest).await?;
        item.as_ref().map(StoredCampaign::read).transpose()
    }

    /// What is left of a campaign's budget, by shard; nothing for a campaign without one. One call, one read unit for each
    /// shard.
    pub async fn rooms(&self, id: CampaignId) -> Result<Vec<(u8, Room)>, Trouble> {
        let keys = (0..BUDGET_SHARDS).map(|shard| key(&shard_of(id, shard), BUDGET)).collect();
        let items = self.batch_get(&self.names.campaigns, keys, true).await?;
        let mut rooms: Vec<(u8, Room)> =
            items.iter().filter_map(|item| Some((get_number(item, "shard")?, room_of(item)))).collect();
        rooms.sort_unstable_by_key(|(shard, _)| *shard);
        Ok(rooms)
    }

    /// The counts of a campaign, as they were a moment ago. One call, half a read unit for each shard.
    pub async fn counts(&self, id: CampaignId) -> Result<Counts, Trouble> {
        let mut counts = Counts::default();
        let keys = (0..COUNT_SHARDS).map(|shard| key(&shard_of(id, shard), COUNTS)).collect();
        for item in self.batch_get(&self.names.campaigns, keys, false).await? {
            for name in item.keys() {
                if let (Some(count), Some(by)) = (Count::parse(name), get_number(&item, name)) {
                    counts.add(&count, by);
                }
            }
        }
        Ok(counts)
    }

    /// How far each part of a campaign's dispatch has come, those that have begun. One call.
    pub async fn checkpoints(&self, id: CampaignId) -> Result<Vec<StoredCheckpoint>, Trouble> {
        let items = self.campaign_parts(&id.to_string(), "dispatch#", "dispatch#~").await?;
        let read = |item: &Item| {
            let part = get_text(item, "part").and_then(|part| part.strip_prefix("dispatch#")?.parse().ok());
            let content = get_text(item, "content").ok_or_else(|| Trouble::defect("a checkpoint has no content"))?;
            Ok(StoredCheckpoint {
                part: part.ok_or_else(|| Trouble::defect("a checkpoint has no part"))?,
                checkpoint: serde_json::from_str(content).map_err(Trouble::defect)?,
                version: get_number(item, "version").ok_or_else(|| Trouble::defect("a checkpoint has no version"))?,
            })
        };
        items.iter().map(read).collect()
    }

    /// Notes that a campaign is looked at on a day, and tells on how many days it was. One call; looking again on the
    /// same day changes nothing.
    pub async fn look_at(&self, id: CampaignId, day: LocalDay) -> Result<u32, Trouble> {
        let update = UpdateItemInput::builder()
            .table_name(&self.names.campaigns)
            .set_key(Some(of_campaign(id, LOOKS)))
            .update_expression("ADD #d :d")
            .expression_attribute_names("#d", "days")
            .expression_attribute_values(":d", AttributeValue::Ns(vec![day.number().to_string()]))
            .return_values(ReturnValue::AllNew);
        let answer = self.update(update).await?;
        Ok(answer.as_ref().and_then(UpdateItemOutput::attributes).map_or(0, days_looked_at))
    }

    /// On how many days a campaign was looked at. One call.
    pub async fn looks_at(&self, id: CampaignId) -> Result<u32, Trouble> {
        let item = self.get(&self.names.campaigns, of_campaign(id, LOOKS), Freshness::Latest).await?;
        Ok(item.as_ref().map_or(0, days_looked_at))
    }

    /// Circuits that have something to tell. One call.
    pub async fn circuits(&self) -> Result<Vec<(Channel, Circuit, u64)>, Trouble> {
        let items = self.campaign_parts(CIRCUITS, "a", "~").await?;
        let read = |item: &Item| {
            let channel = Channel::ALL.into_iter().find(|channel| get_text(item, "part") == Some(channel.word()))?;
            let circuit = serde_json::from_str(get_text(item, "content")?).ok()?;
            Some((channel, circuit, get_number(item, "version")?))
        };
        Ok(items.iter().filter_map(read).collect())
    }

    async fn campaign_parts(&self, partition: &str, from: &str, until: &str) -> Result<Vec<Item>, Trouble> {
        let query = QueryInput::builder()
            .table_name(&self.names.campaigns)
            .key_condition_expression("#c = :c AND #p BETWEEN :from AND :until")
            .expression_attribute_names("#c", "campaign")
            .expression_attribute_names("#p", "part")
            .expression_attribute_values(":c", text(partition))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":until", text(until))
            .consistent_read(true);
        self.ask_all(query).await
    }

    /// A page of all campaigns, newest first, as they were a moment ago. One call.
    pub async fn campaigns(
        &self,
        from: Option<CampaignPosition>,
        most: i32,
    ) -> Result<(Vec<StoredCampaign>, Option<CampaignPosition>), Trouble> {
        let start = from.map(|position| {
            let mut key = of_campaign(position.campaign, CAMPAIGN);
            key.insert("list".into(), text(CAMPAIGN));
            key.insert("created_at".into(), number(position.created_at.millis()));
            key
        });
        let query = QueryInput::builder()
            .table_name(&self.names.campaigns)
            .index_name("listed")
            .key_condition_expression("#l = :l")
            .expression_attribute_names("#l", "list")
            .expression_attribute_values(":l", text(CAMPAIGN))
            .set_exclusive_start_key(start)
            .scan_index_forward(false)
            .limit(most);
        let answer = self.ask(query).await?;
        let position = |key: &Item| {
            let campaign = get_text(key, "campaign").and_then(|id| CampaignId::parse(id).ok())?;
            Some(CampaignPosition {
                campaign,
                created_at: get_number(key, "created_at").and_then(Moment::from_millis)?,
            })
        };
        let page = answer.items().iter().map(StoredCampaign::read).collect::<Result<_, _>>()?;
        Ok((page, answer.last_evaluated_key().and_then(position)))
    }

    /// Campaigns that were launched and have not ended, as they were a moment ago, the one that time changes first at
    /// the front. One call per megabyte.
    pub async fn live_campaigns(&self) -> Result<Vec<StoredCampaign>, Trouble> {
        let query = QueryInput::builder()
            .table_name(&self.names.campaigns)
            .index_name("live")
            .key_condition_expression("#l = :l")
            .expression_attribute_names("#l", "live")
            .expression_attribute_values(":l", text(CAMPAIGN));
        let items = self.ask_all(query).await?;
        let mut found = items.iter().map(StoredCampaign::read).collect::<Result<Vec<_>, _>>()?;
        found.retain(|stored| stored.campaign.state != State::Draft);
        Ok(found)
    }
}

/// A circuit over the version that was read.
pub(super) fn write_circuit(
    table: &Table,
    channel: Channel,
    circuit: &Circuit,
    version: u64,
) -> Result<TransactWriteItem, Trouble> {
    let mut item = key(CIRCUITS, channel.word());
    item.insert("content".into(), text(serde_json::to_string(circuit).map_err(Trouble::defect)?));
    item.insert("version".into(), number(version + 1));
    in_transaction(put_over(&table.names.campaigns, item, "campaign", version))
}
