//! Tickets: the ticket, its records and its figures. A ticket and everything about it share one partition.
//!
//! Records that the member may see and records of the desk lie in two ranges of keys, so that what is read for a member
//! can't hold the desk's own, whatever a handler does.

use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use serde::{Deserialize, Serialize};

use super::{
    Freshness, Item, Table, Trouble, binary, get_number, get_text, in_transaction, number, put_over, text, unpacked,
    update_in_transaction,
};
use crate::domain::tally::Figures;
use crate::domain::ticket::{Record, State, Ticket, Untold};
use crate::values::{Actor, Category, Code, LocalDay, MemberId, Moment, RowKey, TicketId};

/// The layout of a stored ticket; older layouts stay readable.
const SCHEMA: u8 = 2;

/// Partitions of the due index, drained in turn every minute.
pub const TICKET_SHARDS: u8 = 4;

/// Counters of one day: enough that tickets opened at once rarely meet, few enough to be added up.
pub const TALLY_SHARDS: u8 = 8;

/// Days for which a member's counter of a day is kept.
const KEPT_DAYS: u32 = 3;

/// The sort key of the ticket itself; after all records in the order of keys.
const TICKET: &str = "ticket";
const SHARED: &str = "said#";

/// A ticket and the version on which the next write builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTicket {
    /// The ticket.
    pub ticket: Ticket,
    /// The version read; 0 for a ticket that is not stored yet.
    pub version: u64,
}

/// Which of a ticket's records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Those that the member may see.
    Shared,
    /// All of them.
    All,
}

/// A list of tickets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TicketList {
    /// A member's own, newest first.
    Of(MemberId),
    /// What a department has to do: first what nobody has taken, then what somebody works on, then what waits for the
    /// member; each most urgent first.
    Queue(Code),
    /// What somebody works on, most urgent first.
    AssignedTo(Actor),
}

impl TicketList {
    const fn index(&self) -> &'static str {
        match self {
            Self::Of(_) => "mine",
            Self::Queue(_) => "queue",
            Self::AssignedTo(_) => "assigned",
        }
    }

    const fn keys(&self) -> (&'static str, &'static str) {
        match self {
            Self::Of(_) => ("member", "opened_at"),
            Self::Queue(_) => ("queue", "urgency"),
            Self::AssignedTo(_) => ("assignee", "urgency"),
        }
    }

    fn value(&self) -> AttributeValue {
        text(match self {
            Self::Of(member) => member.to_string(),
            Self::Queue(department) => department.to_string(),
            Self::AssignedTo(actor) => actor.to_string(),
        })
    }
}

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketPosition {
    ticket: TicketId,
    /// The index's sort key.
    place: String,
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct TicketPage {
    /// The tickets, as they were a moment ago.
    pub tickets: Vec<StoredTicket>,
    /// Where the next page begins.
    pub next: Option<TicketPosition>,
}

/// Sorts what is most urgent first: free before taken before waiting, by priority, by deadline.
fn urgency(ticket: &Ticket) -> String {
    let turn = match (ticket.state, &ticket.assignee) {
        (State::Waiting, _) => 2,
        (_, Some(_)) => 1,
        (_, None) => 0,
    };
    let deadline = ticket.deadline().unwrap_or(ticket.opened_at).millis();
    format!("{turn}#{}#{deadline:015}", ticket.priority as u8)
}

fn part_key(ticket: TicketId, part: &str) -> Item {
    Item::from([("ticket".into(), text(ticket.to_string())), ("part".into(), text(part))])
}

fn record_part(record: &Record) -> String {
    let side = if record.what.is_shared() { SHARED } else { "desk#" };
    format!("{side}{:06}", record.number)
}

impl StoredTicket {
    /// A ticket that is not stored yet.
    #[must_use]
    pub const fn new(ticket: Ticket) -> Self {
        Self { ticket, version: 0 }
    }

    fn item(&self) -> Result<Item, Trouble> {
        let ticket = &self.ticket;
        let mut item = part_key(ticket.id, TICKET);
        item.insert("schema".into(), number(SCHEMA));
        item.insert("version".into(), number(self.version + 1));
        item.insert("content".into(), binary(postcard::to_stdvec(ticket).map_err(Trouble::defect)?));
        if !ticket.is_internal() {
            item.insert("member".into(), text(ticket.member.to_string()));
            item.insert("opened_at".into(), number(ticket.opened_at.millis()));
        }
        if ticket.state.is_active() {
            item.insert("queue".into(), text(ticket.queue.as_str()));
            item.insert("urgency".into(), text(urgency(ticket)));
            if let Some(assignee) = &ticket.assignee {
                item.insert("assignee".into(), text(assignee.as_str()));
            }
        }
        if let Some(due) = ticket.due_at() {
            item.insert("due_shard".into(), number(ticket.id.shard(TICKET_SHARDS)));
            item.insert("due_at".into(), number(due.millis()));
        }
        Ok(item)
    }

    fn read(item: &Item) -> Result<Self, Trouble> {
        // The first layout ended before the alarms that are to be told; nobody was told of any.
        let (ticket, version) = unpacked(item, "ticket", SCHEMA, &Vec::<Untold>::new())?;
        Ok(Self { ticket, version })
    }

    pub(super) fn write(&self, table: &Table) -> Result<TransactWriteItem, Trouble> {
        in_transaction(put_over(&table.names.tickets, self.item()?, "ticket", self.version))
    }
}

pub(super) fn write_record(table: &Table, ticket: TicketId, record: &Record) -> Result<TransactWriteItem, Trouble> {
    let mut item = part_key(ticket, &record_part(record));
    item.insert("content".into(), text(serde_json::to_string(record).map_err(Trouble::defect)?));
    in_transaction(put_over(&table.names.tickets, item, "ticket", 0))
}

/// The note that a request was done, with the number of the record that it made.
pub(super) fn write_done(
    table: &Table,
    ticket: TicketId,
    key: RowKey,
    record: u32,
) -> Result<TransactWriteItem, Trouble> {
    let mut item = part_key(ticket, &format!("done#{key}"));
    item.insert("record".into(), number(record));
    in_transaction(put_over(&table.names.tickets, item, "ticket", 0))
}

/// The note that a member is asked how it was, on condition that they were not asked since.
pub(super) fn write_asked(
    table: &Table,
    member: MemberId,
    now: Moment,
    not_since: Moment,
) -> Result<TransactWriteItem, Trouble> {
    let update = update(table, &member.to_string(), "asked")
        .update_expression("SET #a = :now")
        .condition_expression("attribute_not_exists(#a) OR #a <= :since")
        .expression_attribute_names("#a", "asked_at")
        .expression_attribute_values(":now", number(now.millis()))
        .expression_attribute_values(":since", number(not_since.millis()));
    update_in_transaction(update)
}

/// Changes how many open tickets a member has, where a limit is given on condition that it is not reached.
pub(super) fn write_open(
    table: &Table,
    member: MemberId,
    change: i8,
    most: Option<u32>,
) -> Result<TransactWriteItem, Trouble> {
    let counter = update(table, &member.to_string(), "open").update_expression("ADD #n :change");
    counted(counter, change, most)
}

/// Counts a message of a member on a day, on condition that the limit of the day is not reached. The counter outlives
/// its day by a few.
pub(super) fn write_said(
    table: &Table,
    member: MemberId,
    day: LocalDay,
    most: u32,
) -> Result<TransactWriteItem, Trouble> {
    let counter = update(table, &member.to_string(), &format!("wrote#{day}"))
        .update_expression("SET gone_at = :gone_at ADD #n :change")
        .expression_attribute_values(":gone_at", number(Moment::start_of(day.plus(KEPT_DAYS)).seconds()));
    counted(counter, 1, Some(most))
}

fn counted(counter: UpdateBuilder, change: i8, most: Option<u32>) -> Result<TransactWriteItem, Trouble> {
    let mut counter =
        counter.expression_attribute_names("#n", "count").expression_attribute_values(":change", number(change));
    if let Some(most) = most {
        counter = counter
            .condition_expression("attribute_not_exists(#n) OR #n < :most")
            .expression_attribute_values(":most", number(most));
    }
    update_in_transaction(counter)
}

/// Raises the figures of a day.
pub(super) fn write_figures(
    table: &Table,
    day: LocalDay,
    shard: u8,
    figures: &Figures,
) -> Result<TransactWriteItem, Trouble> {
    raise(update(table, &format!("tally#{shard}"), &day.to_string()), figures)
}

/// Raises the figures of a product line on a day.
pub(super) fn write_line(
    table: &Table,
    day: LocalDay,
    shard: u8,
    line: &Category,
    complaint: bool,
) -> Result<TransactWriteItem, Trouble> {
    let mut figures = Figures::default();
    figures.raise("opened", 1);
    figures.raise("complaints", u64::from(complaint));
    raise(update(table, &format!("line#{shard}"), &format!("{day}#{line}")), &figures)
}

fn update(table: &Table, partition: &str, part: &str) -> UpdateBuilder {
    let update = Update::builder().table_name(&table.names.tickets);
    update.key("ticket", text(partition)).key("part", text(part))
}

fn raise(mut update: UpdateBuilder, figures: &Figures) -> Result<TransactWriteItem, Trouble> {
    let mut sums = Vec::new();
    for (n, (name, by)) in figures.all().filter(|(_, by)| *by > 0).enumerate() {
        update = update
            .expression_attribute_names(format!("#{n}"), name)
            .expression_attribute_values(format!(":{n}"), number(by));
        sums.push(format!("#{n} :{n}"));
    }
    update_in_transaction(update.update_expression(format!("ADD {}", sums.join(", "))))
}

impl Table {
    /// A ticket. One call; half a read unit per 4 KB, one when it must be the latest.
    pub async fn ticket(&self, id: TicketId, freshness: Freshness) -> Result<Option<StoredTicket>, Trouble> {
        let item = self.get(&self.names.tickets, part_key(id, TICKET), freshness).await?;
        item.as_ref().map(StoredTicket::read).transpose()
    }

    /// A ticket with its records in their order. One call, one read unit per 4 KB.
    pub async fn ticket_and_records(
        &self,
        id: TicketId,
        side: Side,
    ) -> Result<Option<(StoredTicket, Vec<Record>)>, Trouble> {
        // In the order of keys: desk's own, notes of what was done, what was said, the ticket.
        let from = if side == Side::Shared { SHARED } else { "desk#" };
        let query = QueryInput::builder()
            .table_name(&self.names.tickets)
            .key_condition_expression("#t = :t AND #p BETWEEN :from AND :ticket")
            .expression_attribute_names("#t", "ticket")
            .expression_attribute_names("#p", "part")
            .expression_attribute_values(":t", text(id.to_string()))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":ticket", text(TICKET))
            .scan_index_forward(false)
            .consistent_read(true);
        let answer = self.ask(query).await?;
        let Some((first, rest)) = answer.items().split_first() else { return Ok(None) };
        let ticket = StoredTicket::read(first)?;
        let contents = rest.iter().filter_map(|item| get_text(item, "content"));
        let mut records =
            contents.map(serde_json::from_str::<Record>).collect::<Result<Vec<_>, _>>().map_err(Trouble::defect)?;
        records.sort_by_key(|record| record.number);
        Ok(Some((ticket, records)))
    }

    /// The number of the record that a request made which was done before. One call.
    pub async fn ticket_done(&self, ticket: TicketId, key: RowKey) -> Result<Option<u32>, Trouble> {
        let item = self.get(&self.names.tickets, part_key(ticket, &format!("done#{key}")), Freshness::Latest).await?;
        Ok(item.and_then(|item| get_number(&item, "record")))
    }

    /// A page of a list of tickets, as they were a moment ago. One call, half a read unit per 4 KB.
    pub async fn tickets(
        &self,
        list: &TicketList,
        from: Option<&TicketPosition>,
        most: i32,
    ) -> Result<TicketPage, Trouble> {
        let (hash, sort) = list.keys();
        let newest_first = matches!(list, TicketList::Of(_));
        let start = from.map(|position| {
            let mut key = part_key(position.ticket, TICKET);
            key.insert(hash.into(), list.value());
            let place = if newest_first { AttributeValue::N(position.place.clone()) } else { text(&position.place) };
            key.insert(sort.into(), place);
            key
        });
        let query = QueryInput::builder()
            .table_name(&self.names.tickets)
            .index_name(list.index())
            .key_condition_expression("#h = :h")
            .expression_attribute_names("#h", hash)
            .expression_attribute_values(":h", list.value())
            .set_exclusive_start_key(start)
            .scan_index_forward(!newest_first)
            .limit(most);
        let answer = self.ask(query).await?;
        let position = |key: &Item| {
            let ticket = get_text(key, "ticket").and_then(|id| TicketId::parse(id).ok())?;
            let place = get_text(key, sort).map(str::to_owned);
            let place = place.or_else(|| get_number::<i64>(key, sort).map(|number| number.to_string()))?;
            Some(TicketPosition { ticket, place })
        };
        Ok(TicketPage {
            tickets: answer.items().iter().map(StoredTicket::read).collect::<Result<_, _>>()?,
            next: answer.last_evaluated_key().and_then(position),
        })
    }

    /// Tickets of one shard whose time has come, and when it came, the most overdue first. One call.
    pub async fn due_tickets(&self, shard: u8, now: Moment, most: i32) -> Result<Vec<(TicketId, Moment)>, Trouble> {
        let query = QueryInput::builder()
            .table_name(&self.names.tickets)
            .index_name("due")
            .key_condition_expression("due_shard = :shard AND due_at <= :now")
            .expression_attribute_values(":shard", number(shard))
            .expression_attribute_values(":now", number(now.millis()))
            .limit(most);
        let answer = self.ask(query).await?;
        let due = |item: &Item| {
            let id = get_text(item, "ticket").and_then(|id| TicketId::parse(id).ok())?;
            Some((id, get_number(item, "due_at").and_then(Moment::from_millis)?))
        };
        Ok(answer.items().iter().filter_map(due).collect())
    }

    /// The figures of a span of days, by day. One call per shard.
    pub async fn ticket_figures(&self, from: LocalDay, until: LocalDay) -> Result<Vec<(LocalDay, Figures)>, Trouble> {
        let read = |item: Item| Some((get_text(&item, "part").and_then(|d| LocalDay::parse(d).ok())?, figures(&item)));
        let mut found = Vec::new();
        for shard in 0..TALLY_SHARDS {
            found.extend(self.counters(&format!("tally#{shard}"), from, until).await?.into_iter().filter_map(read));
        }
        Ok(found)
    }

    /// The figures of product lines over a span of days, by day and line. One call per shard.
    pub async fn line_figures(
        &self,
        from: LocalDay,
        until: LocalDay,
    ) -> Result<Vec<(LocalDay, Category, Figures)>, Trouble> {
        let read = |item: Item| {
            let (day, line) = get_text(&item, "part")?.split_once('#')?;
            Some((LocalDay::parse(day).ok()?, Category::parse(line).ok()?, figures(&item)))
        };
        let mut found = Vec::new();
        for shard in 0..TALLY_SHARDS {
            found.extend(self.counters(&format!("line#{shard}"), from, until).await?.into_iter().filter_map(read));
        }
        Ok(found)
    }

    async fn counters(&self, partition: &str, from: LocalDay, until: LocalDay) -> Result<Vec<Item>, Trouble> {
        let query = QueryInput::builder()
            .table_name(&self.names.tickets)
            .key_condition_expression("#t = :t AND #p BETWEEN :from AND :until")
            .expression_attribute_names("#t", "ticket")
            .expression_attribute_names("#p", "part")
            .expression_attribute_values(":t", text(partition))
            .expression_attribute_values(":from", text(from.to_string()))
            // Behind every line of the last day: '~' comes after '#' in the order of keys.
            .expression_attribute_values(":until", text(format!("{until}~")));
        self.ask_all(query).await
    }
}

fn figures(item: &Item) -> Figures {
    let mut figures = Figures::default();
    for name in item.keys() {
        if let Some(by) = get_number(item, name) {
            figures.raise(name, by);
        }
    }
    figures
}
