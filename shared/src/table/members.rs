//! Members' hot items: one compact item per member, the only one that most requests read.

use std::borrow::Cow;

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnValuesOnConditionCheckFailure, TransactWriteItem};

use super::{Item, Table, Trouble, binary, get_binary, get_number, get_text, in_transaction, number, put_over, text};
use crate::domain::account::Account;
use crate::domain::age::{ChildAge, Own};
use crate::domain::campaign::conversion::Conversion;
use crate::domain::coupon::CouponUse;
use crate::domain::posting::Posted;
use crate::domain::reach::Reach;
use crate::domain::traits::Traits;
use crate::values::{Code, LocalDay, MemberId};

/// The layout of a stored account; older layouts stay readable.
const SCHEMA: u8 = 4;

/// Partitions of the due index: enough for a promotion's cohort that falls due on one day, few enough to drain in turn.
pub const DUE_SHARDS: u8 = 16;

/// A member's hot item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hot {
    /// The account.
    pub account: Account,
    /// The number that a session token must carry: raising it ends all sessions.
    pub sessions: u32,
    /// What has lately gone to the member, and what may.
    pub reach: Reach,
    /// The day under which the due index knows the member; may be early, never late.
    pub due_on: Option<LocalDay>,
    /// Raised by every write; the condition of the next one. 0 before the first.
    pub version: u64,
}

impl Hot {
    /// A member who is not stored yet.
    #[must_use]
    pub fn new(member: MemberId) -> Self {
        Self { account: Account::new(member), sessions: 0, reach: Reach::default(), due_on: None, version: 0 }
    }

    /// The hot item after a movement. The due date moves only when it gets earlier: moving an index entry costs two
    /// write units, leaving one that is early costs half a read when it is drained.
    #[must_use]
    pub fn after(&self, posted: &Posted) -> Self {
        self.with(posted.account.clone(), posted.due_on)
    }

    /// The hot item with the campaigns marked that an order is a conversion of; the same for nearly everybody.
    #[must_use]
    pub fn converted(&self, conversions: &[Conversion]) -> Cow<'_, Self> {
        if conversions.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut hot = self.clone();
        hot.reach.convert(conversions);
        Cow::Owned(hot)
    }

    /// The hot item after the due index was drained: the date is exact again.
    #[must_use]
    pub fn drained(&self, posted: &Posted) -> Self {
        Self { account: posted.account.clone(), due_on: posted.due_on, ..self.clone() }
    }

    /// The hot item with an account that changed without a movement, which is due on that day at the latest.
    #[must_use]
    pub fn with(&self, account: Account, due_on: Option<LocalDay>) -> Self {
        let due_on = [self.due_on, due_on].into_iter().flatten().min();
        Self { account, due_on, ..self.clone() }
    }

    fn shard(&self) -> u8 {
        self.account.member.bytes().last().copied().unwrap_or(0) % DUE_SHARDS
    }

    fn item(&self) -> Result<Item, Trouble> {
        let account = postcard::to_stdvec(&self.account).map_err(Trouble::defect)?;
        let mut item = Item::from([
            ("member".into(), text(self.account.member.to_string())),
            ("version".into(), number(self.version + 1)),
            ("schema".into(), number(SCHEMA)),
            ("sessions".into(), number(self.sessions)),
            ("account".into(), binary(account)),
        ]);
        if !self.reach.is_empty() {
            item.insert("reach".into(), binary(postcard::to_stdvec(&self.reach).map_err(Trouble::defect)?));
        }
        if let Some(day) = self.due_on {
            item.insert("due_shard".into(), number(self.shard()));
            item.insert("due_on".into(), number(day.number()));
        }
        Ok(item)
    }

    pub(super) fn read(item: &Item) -> Result<Self, Trouble> {
        let account = get_binary(item, "account").ok_or_else(|| Trouble::defect("a member's item has no account"))?;
        Ok(Self {
            account: read_account(get_number(item, "schema"), account)?,
            sessions: get_number(item, "sessions").unwrap_or(0),
            reach: get_binary(item, "reach")
                .map(postcard::from_bytes)
                .transpose()
                .map_err(Trouble::defect)?
                .unwrap_or_default(),
            due_on: get_number(item, "due_on").and_then(LocalDay::from_number),
            version: get_number(item, "version").ok_or_else(|| Trouble::defect("a member's item has no version"))?,
        })
    }

    /// The write of this item, on condition that it is still at the version that was read.
    pub(super) fn write(&self, table: &Table) -> Result<TransactWriteItem, Trouble> {
        let put = put_over(&table.names.members, self.item()?, "member", self.version);
        in_transaction(put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld))
    }
}

/// Reads a stored account of this layout.
pub(super) fn read_account(schema: Option<u8>, bytes: &[u8]) -> Result<Account, Trouble> {
    match schema {
        Some(SCHEMA) => postcard::from_bytes(bytes).map_err(Trouble::defect),
        // The third layout ended before coupons.
        Some(3) => and_then(bytes, &Vec::<CouponUse>::new()),
        // The second one ended before the member's own age; nobody had decided about a purpose or had children.
        Some(2) => and_then(bytes, &(Own::default(), Vec::<CouponUse>::new())),
        // The first layout ended before traits, segments and children, of which there were none yet.
        Some(1) => and_then(
            bytes,
            &(Traits::default(), Vec::<Code>::new(), Vec::<ChildAge>::new(), Own::default(), Vec::<CouponUse>::new()),
        ),
        other => Err(Trouble::Defect(format!("a member's item has the unknown schema {other:?}"))),
    }
}

/// Reads an account whose layout ended before these fields.
pub(super) fn and_then<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    new: &impl serde::Serialize,
) -> Result<T, Trouble> {
    let whole = [bytes, &postcard::to_stdvec(new).map_err(Trouble::defect)?].concat();
    postcard::from_bytes(&whole).map_err(Trouble::defect)
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// What was written last: one unit per 4 KB. For everything that goes on to write.
    Latest,
    /// What was written a moment ago: half a unit per 4 KB. For answers.
    Recent,
}

impl Table {
    /// A member's hot item. One call; half a read unit per 4 KB, one when it must be the latest.
    pub async fn member(&self, member: MemberId, freshness: Freshness) -> Result<Option<Hot>, Trouble> {
        let key = Item::from([("member".into(), text(member.to_string()))]);
        self.get(&self.names.members, key, freshness).await?.as_ref().map(Hot::read).transpose()
    }

    /// Several members' latest hot items. One call for up to 100.
    pub async fn members(&self, members: &[MemberId]) -> Result<Vec<Hot>, Trouble> {
        let keys = members.iter().map(|m| Item::from([("member".into(), text(m.to_string()))]));
        let items = self.batch_get(&self.names.members, keys.collect(), true).await?;
        items.iter().map(Hot::read).collect()
    }

    /// Members whom the due index names for `day` or earlier, in one shard, from a position on. One call per page.
    pub async fn due(&self, shard: u8, day: LocalDay, from: Option<&DuePosition>, most: i32) -> Result<Due, Trouble> {
        let start = from.map(|p| {
            Item::from([
                ("due_shard".into(), number(shard)),
                ("due_on".into(), number(p.due_on.number())),
                ("member".into(), text(p.member.to_string())),
            ])
        });
        let query = QueryInput::builder()
            .table_name(&self.names.members)
            .index_name("due")
            .key_condition_expression("due_shard = :shard AND due_on <= :day")
            .expression_attribute_values(":shard", number(shard))
            .expression_attribute_values(":day", number(day.number()))
            .set_exclusive_start_key(start)
            .limit(most);
        let answer = self.ask(query).await?;
        let position = |item: &Item| {
            let member = get_text(item, "member").and_then(|m| MemberId::parse(m).ok())?;
            Some(DuePosition { member, due_on: get_number(item, "due_on").and_then(LocalDay::from_number)? })
        };
        Ok(Due {
            members: answer.items().iter().filter_map(position).collect(),
            next: answer.last_evaluated_key().and_then(position),
        })
    }

    /// Reads many items of one table by key, in as few calls as the table allows.
    pub(super) async fn batch_get(&self, table: &str, keys: Vec<Item>, latest: bool) -> Result<Vec<Item>, Trouble> {
        let mut found = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(100) {
            let mut wanted = chunk.to_vec();
            // What the service leaves unprocessed is asked for again; it always makes progress or throttles.
            while !wanted.is_empty() {
                let request = KeysAndAttributes::builder()
                    .set_keys(Some(wanted))
                    .consistent_read(latest)
                    .build()
                    .map_err(Trouble::defect)?;
                let answer = self.get_all(HashMap::from([(table.to_owned(), request)])).await?;
                let mut responses = answer.responses.unwrap_or_default();
                found.append(&mut responses.remove(table).unwrap_or_default());
                let mut left = answer.unprocessed_keys.unwrap_or_default();
                wanted = left.remove(table).map(|k| k.keys).unwrap_or_default();
            }
        }
        Ok(found)
    }
}

/// A place in the due index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DuePosition {
    /// The member.
    pub member: MemberId,
    /// The day under which the index knows the member.
    pub due_on: LocalDay,
}

/// One page of the due index.
#[derive(Clone, Debug)]
pub struct Due {
    /// Members due.
    pub members: Vec<DuePosition>,
    /// Where the next page begins.
    pub next: Option<DuePosition>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An account with something in it that every layout had.
    fn an_account() -> Account {
        let mut account = Account::new(MemberId::from_random([7; 16]));
        account.days.buy(LocalDay::FIRST, crate::values::Fen::yuan(3));
        account
    }

    /// The account as it was stored when the last fields of today were not yet there.
    fn without(account: &Account, last: &impl serde::Serialize) -> Vec<u8> {
        let mut bytes = postcard::to_stdvec(account).unwrap();
        bytes.truncate(bytes.len() - postcard::to_stdvec(last).unwrap().len());
        bytes
    }

    #[test]
    fn accounts_of_older_layouts_are_read() {
        let account = an_account();
        let coupons = Vec::<CouponUse>::new();
        assert_eq!(read_account(Some(3), &without(&account, &coupons)), Ok(account.clone()));
        let second = without(&account, &(Own::default(), &coupons));
        assert_eq!(read_account(Some(2), &second), Ok(account.clone()));
        let new = (Traits::default(), Vec::<Code>::new(), Vec::<ChildAge>::new(), Own::default(), &coupons);
        assert_eq!(read_account(Some(1), &without(&account, &new)), Ok(account.clone()));
        assert_eq!(read_account(Some(SCHEMA), &postcard::to_stdvec(&account).unwrap()), Ok(account));
        assert!(read_account(Some(SCHEMA), &second).is_err() && read_account(None, &second).is_err());
    }
}
