//! The audit trail's table: chains of entries, written together with what they are about.
//!
//! A day's chains lie in sixteen partitions; in each, entries stand in the order of their time, and heads behind them.
//! What a staff member's request changes is told by the first transaction that it commits, so that a change and its
//! entry happen together or not at all; everything else is told by [`Deed::finish`] before the answer leaves.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::operation::query::builders::QueryInputBuilder;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};

use super::{
    Item, Lost, Outcome, Table, Trouble, binary, get_binary, get_number, get_text, in_transaction, number, text,
};
use crate::clock::Clock;
use crate::domain::audit::{Act, Draft, Head, Key, Link, Seal};
use crate::entropy::{self, Entropy};
use crate::values::{LocalDay, MemberId, Moment, RowKey};

/// Partitions of a day.
pub const AUDIT_SHARDS: u8 = 16;

/// Chains that are tried for one entry before the client is asked to come again.
const MOST_CHAINS: usize = 3;

/// How the sort keys of heads begin.
const HEAD: &str = "head#";
/// How the sort keys of entries begin.
const ENTRY: &str = "entry#";

tokio::task_local! {
    static DEED: Arc<Deed>;
}

/// The chains of one process that nobody is writing at the moment.
#[derive(Debug, Default)]
pub struct Chains(Mutex<Vec<Head>>);

impl Chains {
    /// A chain of this day that nobody else writes until it is given back; a new one when there is none.
    fn take(&self, day: LocalDay, entropy: &dyn Entropy) -> Head {
        let mut free = lock(&self.0);
        free.retain(|head| head.day == day);
        free.pop().unwrap_or_else(|| Head::begin(RowKey::from_bytes(entropy::bytes(entropy)), day))
    }

    /// A chain whose end is known again. One whose end is not known is never given back: the next entry begins a new
    /// one, and the head in the table tells where the old one ends.
    fn give_back(&self, head: Head) {
        lock(&self.0).push(head);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// With what entries are written.
#[derive(Clone, Debug)]
pub struct Pen {
    /// Seals entries.
    pub key: Key,
    /// The process's chains.
    pub chains: Arc<Chains>,
    /// Tells when something happens, as the journal does.
    pub clock: Arc<dyn Clock>,
    /// Names new chains.
    pub entropy: Arc<dyn Entropy>,
}

/// A staff member's request, of which an entry has to be written.
#[derive(Debug)]
pub struct Deed {
    draft: Draft,
    pen: Pen,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    members: BTreeSet<MemberId>,
    minors: bool,
    entry: State,
}

/// How far a request's entry has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Somebody has to write it.
    #[default]
    Due,
    /// A transaction carries it.
    InHand,
    /// It is written.
    Written,
}

/// An entry on its way into the table.
pub(super) struct Inscription {
    deed: Arc<Deed>,
    before: Head,
    after: Head,
    pub(super) writes: Vec<TransactWriteItem>,
}

/// Notes that the request at hand is about a member: the answer shows something of them, or a change touches them.
/// Outside of a staff member's request nothing happens.
pub fn about(member: MemberId) {
    let _ = DEED.try_with(|deed| lock(&deed.progress).members.insert(member));
}

/// Notes that somebody whom the request at hand is about is under 14.
pub fn about_a_minor() {
    let _ = DEED.try_with(|deed| lock(&deed.progress).minors = true);
}

/// The entry that a transaction of a change has to carry along; none where one was written, or where none is due.
pub(super) fn due(table: &Table, touched: &[MemberId]) -> Result<Option<Inscription>, Trouble> {
    let Ok(deed) = DEED.try_with(Arc::clone) else { return Ok(None) };
    for member in touched {
        about(*member);
    }
    // Of several transactions side by side one carries it.
    if deed.draft.act != Act::Changed || lock(&deed.progress).entry != State::Due {
        return Ok(None);
    }
    Inscription::new(table, deed).map(Some)
}

impl Inscription {
    fn new(table: &Table, deed: Arc<Deed>) -> Result<Self, Trouble> {
        let now = deed.pen.clock.now();
        let before = deed.pen.chains.take(now.day(), deed.pen.entropy.as_ref());
        let (members, minors) = {
            let mut progress = lock(&deed.progress);
            progress.entry = State::InHand;
            (progress.members.iter().copied().collect(), progress.minors)
        };
        let entry = deed.draft.entry(now, members, minors);
        let (link, after) = before.append(&deed.pen.key, &entry).map_err(Trouble::defect)?;
        let writes = vec![write_head(table, &before, &after)?, write_link(table, now, after.day, &link)?];
        Ok(Self { deed, before, after, writes })
    }

    /// What has become of it.
    pub(super) fn settle(self, outcome: &Result<Outcome, Trouble>) {
        let (state, chain) = match outcome {
            Ok(Outcome::Done) => (State::Written, Some(self.after)),
            // Crossed, perhaps, because the chain does not end there any more: then nobody could ever go on with it.
            Ok(Outcome::Lost(Lost::Crossed)) | Err(_) => (State::Due, None),
            Ok(Outcome::Lost(_)) => (State::Due, Some(self.before)),
        };
        lock(&self.deed.progress).entry = state;
        if let Some(chain) = chain {
            self.deed.pen.chains.give_back(chain);
        }
    }
}

impl Deed {
    /// A request of which nothing has been written yet.
    #[must_use]
    pub fn new(draft: Draft, pen: Pen) -> Arc<Self> {
        Arc::new(Self { draft, pen, progress: Mutex::default() })
    }

    /// The same request when it was refused; none when something of it happened and is written.
    #[must_use]
    pub fn refused(&self) -> Option<Arc<Self>> {
        let written = lock(&self.progress).entry == State::Written;
        (!written).then(|| Self::new(self.draft.refused(), self.pen.clone()))
    }

    /// Works on the request. The deed follows the task, as [`metered`](super::metered) does.
    pub fn over<F: Future>(self: &Arc<Self>, work: F) -> impl Future<Output = F::Output> + use<F> {
        DEED.scope(Arc::clone(self), work)
    }

    /// Writes the entry, unless a transaction has. One call, four write units per KB; none when it was written, and one
    /// more for each chain whose end has moved.
    pub async fn finish(self: Arc<Self>, table: &Table) -> Result<(), Trouble> {
        if lock(&self.progress).entry == State::Written {
            return Ok(());
        }
        for _ in 0..MOST_CHAINS {
            let mut inscription = Inscription::new(table, Arc::clone(&self))?;
            let writes = std::mem::take(&mut inscription.writes);
            let outcome = Box::pin(table.transaction().carry_out(writes)).await;
            inscription.settle(&outcome);
            if let Outcome::Done = outcome? {
                return Ok(());
            }
        }
        Err(Trouble::Unavailable("the audit trail's chains have moved".into()))
    }
}

/// Where a list of entries goes on: behind this entry of this day.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuditPosition {
    /// The day.
    pub day: LocalDay,
    /// The sort key of the last entry that was shown; before all of them when empty.
    pub after: String,
}

/// A place in one partition of a day, from which entries are read in no order among the partitions.
#[derive(Clone, Debug)]
pub struct AuditPlace {
    day: LocalDay,
    shard: u8,
    /// Where the query goes on.
    after: Option<Item>,
}

impl AuditPlace {
    /// The beginnings of all partitions of a day.
    pub fn all_of(day: LocalDay) -> impl Iterator<Item = Self> {
        (0..AUDIT_SHARDS).map(move |shard| Self { day, shard, after: None })
    }
}

fn partition(day: LocalDay, shard: u8) -> String {
    format!("{day}#{shard:02}")
}

fn shard_of(chain: RowKey) -> u8 {
    chain.bytes().last().copied().unwrap_or(0) % AUDIT_SHARDS
}

fn place(day: LocalDay, chain: RowKey, part: String) -> Item {
    Item::from([("day".into(), text(partition(day, shard_of(chain)))), ("part".into(), text(part))])
}

fn write_head(table: &Table, before: &Head, after: &Head) -> Result<TransactWriteItem, Trouble> {
    let mut item = place(after.day, after.chain, format!("{HEAD}{}", after.chain));
    item.insert("number".into(), number(after.number));
    item.insert("seal".into(), binary(after.seal.0));
    let put = Put::builder().table_name(&table.names.audit).set_item(Some(item));
    let put = if before.number == 0 {
        put.condition_expression("attribute_not_exists(#d)").expression_attribute_names("#d", "day")
    } else {
        put.condition_expression("#n = :n AND #s = :s")
            .expression_attribute_names("#n", "number")
            .expression_attribute_names("#s", "seal")
            .expression_attribute_values(":n", number(before.number))
            .expression_attribute_values(":s", binary(before.seal.0))
    };
    in_transaction(put)
}

fn write_link(table: &Table, at: Moment, day: LocalDay, link: &Link) -> Result<TransactWriteItem, Trouble> {
    let part = format!("{ENTRY}{:015}#{}#{:08}", at.millis(), link.chain, link.number);
    let mut item = place(day, link.chain, part);
    item.insert("before".into(), binary(link.before.0));
    item.insert("entry".into(), text(&link.text));
    let put = Put::builder()
        .table_name(&table.names.audit)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(#d)")
        .expression_attribute_names("#d", "day");
    in_transaction(put)
}

fn seal_of(item: &Item, name: &str) -> Result<Seal, Trouble> {
    let seal = get_binary(item, name).and_then(|seal| <[u8; 16]>::try_from(seal).ok());
    seal.map(Seal).ok_or_else(|| Trouble::defect("the audit trail lacks a seal"))
}

fn read_head(day: LocalDay, item: &Item) -> Result<Head, Trouble> {
    let chain = get_text(item, "part").and_then(|part| RowKey::parse(part.strip_prefix(HEAD)?).ok());
    let chain = chain.ok_or_else(|| Trouble::defect("a head of the audit trail names no chain"))?;
    let number =
        get_number(item, "number").ok_or_else(|| Trouble::defect("a head of the audit trail has no number"))?;
    Ok(Head { chain, day, number, seal: seal_of(item, "seal")? })
}

fn read_link(part: &str, item: &Item) -> Result<Link, Trouble> {
    let mut names = part.strip_prefix(ENTRY).unwrap_or_default().split('#').skip(1);
    let chain = names.next().and_then(|chain| RowKey::parse(chain).ok());
    let number = names.next().and_then(|number| number.parse().ok());
    let (Some(chain), Some(number)) = (chain, number) else {
        return Err(Trouble::defect("an entry of the audit trail names no chain"));
    };
    let text = get_text(item, "entry").ok_or_else(|| Trouble::defect("an entry of the audit trail is empty"))?;
    Ok(Link { chain, number, before: seal_of(item, "before")?, text: text.to_owned() })
}

impl Table {
    /// Entries of a day behind a place, by their time, and where each of them stands. One call per partition, sixteen
    /// together. `whole` says that these are all of the day's.
    pub async fn audited(&self, from: &AuditPosition, most: usize) -> Result<(Vec<(String, Link)>, bool), Trouble> {
        // Right behind the last one, and before the heads.
        let after = format!("{}!", if from.after.is_empty() { ENTRY } else { &from.after });
        let limit = i32::try_from(most).unwrap_or(i32::MAX);
        let span = (after.as_str(), "entry$");
        let parts =
            (0..AUDIT_SHARDS).map(|shard| self.ask(self.in_partition(partition(from.day, shard), span).limit(limit)));
        let mut entries = Vec::new();
        let mut whole = true;
        for answer in futures_util::future::try_join_all(parts).await? {
            whole &= answer.last_evaluated_key().is_none();
            for item in answer.items() {
                let part = get_text(item, "part").unwrap_or_default();
                entries.push((part.to_owned(), read_link(part, item)?));
            }
        }
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        whole &= entries.len() <= most;
        entries.truncate(most);
        Ok((entries, whole))
    }

    /// Entries of one partition between two moments, at most one MB, and where the rest of them is. One call.
    pub async fn audited_at(
        &self,
        place: AuditPlace,
        (from, until): (Moment, Moment),
    ) -> Result<(Vec<Link>, Option<AuditPlace>), Trouble> {
        let AuditPlace { day, shard, after } = place;
        let at = |moment: Moment| format!("{ENTRY}{:015}", moment.millis());
        let query = self.in_partition(partition(day, shard), (&at(from), &at(until)));
        let answer = self.ask(query.set_exclusive_start_key(after)).await?;
        let links = answer.items().iter().map(|item| read_link(get_text(item, "part").unwrap_or_default(), item));
        let links = links.collect::<Result<_, _>>()?;
        Ok((links, answer.last_evaluated_key.map(|after| AuditPlace { day, shard, after: Some(after) })))
    }

    /// Everything of a day: heads and entries. At least one call per partition, and one per MB.
    pub async fn audited_day(&self, day: LocalDay) -> Result<(Vec<Head>, Vec<Link>), Trouble> {
        let parts = (0..AUDIT_SHARDS).map(|shard| self.ask_all(self.in_partition(partition(day, shard), ("!", "~"))));
        let (mut heads, mut links) = (Vec::new(), Vec::new());
        for item in futures_util::future::try_join_all(parts).await?.iter().flatten() {
            match get_text(item, "part").unwrap_or_default() {
                part if part.starts_with(HEAD) => heads.push(read_head(day, item)?),
                part => links.push(read_link(part, item)?),
            }
        }
        Ok((heads, links))
    }

    /// Items of a partition whose sort keys lie between two texts.
    fn in_partition(&self, partition: String, (from, until): (&str, &str)) -> QueryInputBuilder {
        QueryInput::builder()
            .table_name(&self.names.audit)
            .key_condition_expression("#d = :d AND #p BETWEEN :from AND :until")
            .expression_attribute_names("#d", "day")
            .expression_attribute_names("#p", "part")
            .expression_attribute_values(":d", text(partition))
            .expression_attribute_values(":from", text(from))
            .expression_attribute_values(":until", text(until))
            .consistent_read(true)
    }
}
