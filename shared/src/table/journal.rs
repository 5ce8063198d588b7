//! The journal: rows by key, followed backwards through the links that each row carries.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};

use super::{
    Freshness, Item, Table, Trouble, binary, get_binary, get_number, get_text, in_transaction, number, put_over, text,
    update_in_transaction,
};
use crate::domain::account::Account;
use crate::domain::entry::Entry;
use crate::domain::posting::Posted;
use crate::domain::proof::StoredRow;
use crate::domain::purchase::Refunded;
use crate::values::{Fen, ForeignId, Points, RowKey, Source};

/// Part of a member's journal, newest row first.
#[derive(Clone, Debug)]
pub struct Page {
    /// The rows.
    pub entries: Vec<Entry>,
    /// Where the next page begins: links to follow, newest first. Empty at the end.
    pub next: Vec<RowKey>,
}

/// What has been given back of one order so far, with the version that the next refund builds on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefundTally {
    /// Money and points.
    pub refunded: Refunded,
    version: u64,
}

fn tally_row(source: &Source, order: &ForeignId) -> RowKey {
    RowKey::of("refunds-of", &[source.as_str(), order.as_str()])
}

fn read_row(item: &Item) -> Result<StoredRow, Trouble> {
    let key = get_binary(item, "row").and_then(|key| <[u8; 16]>::try_from(key).ok());
    let key = key.ok_or_else(|| Trouble::defect("a journal row has no key"))?;
    let text = get_text(item, "entry").ok_or_else(|| Trouble::defect("a journal row has no entry"))?;
    Ok(StoredRow { key: RowKey::from_bytes(key), text: text.to_owned() })
}

pub(super) fn read_entry(item: &Item) -> Result<Entry, Trouble> {
    let row = read_row(item)?;
    Entry::read(row.key, &row.text).map_err(Trouble::defect)
}

pub(super) fn write_row(table: &Table, posted: &Posted) -> Result<TransactWriteItem, Trouble> {
    let item = Item::from([("row".into(), binary(*posted.entry.row.bytes())), ("entry".into(), text(&posted.text))]);
    let put = put_over(&table.names.journal, item, "row", 0);
    in_transaction(put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld))
}

/// The write of a refund tally, on condition that no other refund came between.
pub(super) fn write_tally(
    table: &Table,
    order: (&Source, &ForeignId),
    before: &RefundTally,
    after: Refunded,
) -> Result<TransactWriteItem, Trouble> {
    let update = Update::builder()
        .table_name(&table.names.journal)
        .key("row", binary(*tally_row(order.0, order.1).bytes()))
        .update_expression("SET #m = :m, #p = :p, #v = :next")
        .condition_expression(if before.version == 0 { "attribute_not_exists(#v)" } else { "#v = :v" })
        .expression_attribute_names("#m", "refunded")
        .expression_attribute_names("#p", "clawed_back")
        .expression_attribute_names("#v", "version")
        .expression_attribute_values(":m", number(after.money.number()))
        .expression_attribute_values(":p", number(after.points.number()))
        .expression_attribute_values(":next", number(before.version + 1));
    let update = match before.version {
        0 => update,
        version => update.expression_attribute_values(":v", number(version)),
    };
    update_in_transaction(update)
}

impl Table {
    /// One row. One call, one read unit per 4 KB.
    pub async fn row(&self, key: RowKey) -> Result<Option<Entry>, Trouble> {
        self.journal_item(key).await?.as_ref().map(read_entry).transpose()
    }

    /// What has been given back of an order so far. One call.
    pub async fn refund_tally(&self, source: &Source, order: &ForeignId) -> Result<RefundTally, Trouble> {
        let Some(item) = self.journal_item(tally_row(source, order)).await? else { return Ok(RefundTally::default()) };
        let refunded = Refunded {
            money: Fen::computed(get_number(&item, "refunded").unwrap_or(0)),
            points: Points::computed(get_number(&item, "clawed_back").unwrap_or(0)),
        };
        Ok(RefundTally { refunded, version: get_number(&item, "version").unwrap_or(0) })
    }

    async fn journal_item(&self, key: RowKey) -> Result<Option<Item>, Trouble> {
        let key = Item::from([("row".into(), binary(*key.bytes()))]);
        self.get(&self.names.journal, key, Freshness::Latest).await
    }

    /// At least `least` rows from these links on, newest first, if there are so many. One call per eight rows.
    pub async fn rows_from(&self, links: Vec<RowKey>, least: usize) -> Result<Page, Trouble> {
        let (mut entries, mut next) = (Vec::new(), links);
        while !next.is_empty() && entries.len() < least {
            let mut rows = self.rows_by_key(&next).await?;
            let Some(found) = next.iter().map(|key| rows.remove(key)).collect::<Option<Vec<_>>>() else {
                return Err(Trouble::defect("a row that the journal's chain names is missing"));
            };
            let read = found.iter().map(|row| Entry::read(row.key, &row.text));
            let mut read = read.collect::<Result<Vec<_>, _>>().map_err(Trouble::defect)?;
            next = read.last().map(|entry| entry.links.clone()).unwrap_or_default();
            entries.append(&mut read);
        }
        Ok(Page { entries, next })
    }

    /// All rows of several members' journals, oldest first, as stored and without judging them; a journal stops where
    /// a row is missing or can't be read, which the proof will report. One call per hundred rows, and at least one per
    /// eight rows of the longest journal.
    pub async fn whole_journals(&self, accounts: &[&Account]) -> Result<Vec<Vec<StoredRow>>, Trouble> {
        let mut journals = vec![Vec::new(); accounts.len()];
        let mut next: Vec<Vec<RowKey>> = accounts.iter().map(|account| account.chain.recent.clone()).collect();
        loop {
            let mut wanted: Vec<RowKey> = next.iter().flatten().copied().collect();
            // A row that was tampered with may name another one twice.
            wanted.sort_unstable();
            wanted.dedup();
            if wanted.is_empty() {
                break;
            }
            let mut found = self.rows_by_key(&wanted).await?;
            for (journal, links) in journals.iter_mut().zip(&mut next) {
                let followed = std::mem::take(links).into_iter().map_while(|key| found.remove(&key));
                let read = journal.len();
                journal.extend(followed);
                let oldest = journal.last().filter(|_| journal.len() > read);
                let entry = oldest.and_then(|row: &StoredRow| Entry::read(row.key, &row.text).ok());
                *links = entry.map(|entry| entry.links).unwrap_or_default();
            }
        }
        for journal in &mut journals {
            journal.reverse();
        }
        Ok(journals)
    }

    /// All rows of one member's journal, as [`Table::whole_journals`] reads them.
    pub async fn whole_journal(&self, account: &Account) -> Result<Vec<StoredRow>, Trouble> {
        Ok(self.whole_journals(&[account]).await?.pop().unwrap_or_default())
    }

    async fn rows_by_key(&self, keys: &[RowKey]) -> Result<HashMap<RowKey, StoredRow>, Trouble> {
        let keys = keys.iter().map(|key| Item::from([("row".into(), binary(*key.bytes()))]));
        let items = self.batch_get(&self.names.journal, keys.collect(), true).await?;
        items.iter().map(|item| read_row(item).map(|row| (row.key, row))).collect()
    }
}
