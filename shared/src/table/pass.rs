//! Pages of a full pass over the members' hot items.
//!
//! The SDK turns every attribute of every item into a map of values first, which costs eight times what a judgement
//! needs. A scan here is written by the SDK too, but its answer's text is read here: borrowed from the body, one item
//! after the other, with no value in between.

use std::borrow::Cow;
use std::marker::PhantomData;

use aws_sdk_dynamodb::operation::scan::{Scan, ScanInput};
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::members::read_account;
use super::meter::{Kind, count_units};
use super::{Hot, Item, Table, Trouble, text};
use crate::aws::call::call_raw;
use crate::values::{LocalDay, MemberId};

/// One of the parallel parts of a full pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanShard {
    /// Which, from 0.
    pub number: u16,
    /// Of how many.
    pub of: u16,
}

impl ScanShard {
    /// All members in one part.
    pub const WHOLE: Self = Self { number: 0, of: 1 };
}

/// Members of one page, and where the next one begins.
#[derive(Clone, Debug, Default)]
pub struct MembersPage {
    /// The members' hot items.
    pub members: Vec<Hot>,
    /// Items that can't be read: defects, told in the log, that must not keep a pass from the others.
    pub unreadable: u64,
    /// The member after whom the next page begins; none at the end.
    pub next: Option<MemberId>,
}

impl Table {
    /// One page of one part of a full pass over all members. One call; half a read unit per 4 KB. Only the recompute
    /// role may do this.
    pub async fn page_of_members(
        &self,
        shard: ScanShard,
        from: Option<MemberId>,
        most: i32,
    ) -> Result<MembersPage, Trouble> {
        let start = from.map(|member| Item::from([("member".into(), text(member.to_string()))]));
        let question = ScanInput::builder()
            .table_name(&self.names.members)
            .segment(shard.number.into())
            .total_segments(shard.of.into())
            .set_exclusive_start_key(start)
            .limit(most)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let page = call_raw::<Scan>(&self.aws, question.build().map_err(Trouble::defect)?).await?;
        let (page, units) = read_page(&page)?;
        count_units(Kind::Read, units);
        Ok(page)
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(rename = "Items", borrow, default)]
    items: Members<'a>,
    #[serde(rename = "LastEvaluatedKey", borrow)]
    next: Option<Key<'a>>,
    #[serde(rename = "ConsumedCapacity")]
    consumed: Option<Consumed>,
}

#[derive(Deserialize)]
struct Key<'a> {
    #[serde(borrow)]
    member: S<'a>,
}

#[derive(Deserialize)]
struct Consumed {
    #[serde(rename = "CapacityUnits")]
    units: f64,
}

#[derive(Deserialize)]
struct S<'a> {
    #[serde(rename = "S", borrow)]
    value: Cow<'a, str>,
}

#[derive(Deserialize)]
struct N<'a> {
    #[serde(rename = "N", borrow)]
    value: Cow<'a, str>,
}

impl N<'_> {
    fn read<T: std::str::FromStr>(&self) -> Option<T> {
        self.value.parse().ok()
    }
}

#[derive(Deserialize)]
struct B<'a> {
    #[serde(rename = "B", borrow)]
    value: Cow<'a, str>,
}

impl B<'_> {
    fn read(&self) -> Result<Vec<u8>, Trouble> {
        STANDARD.decode(self.value.as_bytes()).map_err(Trouble::defect)
    }
}

#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(borrow)]
    member: S<'a>,
    #[serde(borrow)]
    version: N<'a>,
    #[serde(borrow)]
    schema: N<'a>,
    #[serde(borrow)]
    sessions: Option<N<'a>>,
    #[serde(borrow)]
    account: B<'a>,
    #[serde(borrow)]
    reach: Option<B<'a>>,
    #[serde(borrow)]
    due_on: Option<N<'a>>,
}

impl Stored<'_> {
    fn hot(&self) -> Result<Hot, Trouble> {
        let reach = self.reach.as_ref().map(B::read).transpose()?.as_deref().map(postcard::from_bytes);
        let hot = Hot {
            account: read_account(self.schema.read(), &self.account.read()?)?,
            reach: reach.transpose().map_err(Trouble::defect)?.unwrap_or_default(),
            sessions: self.sessions.as_ref().and_then(N::read).unwrap_or(0),
            due_on: self.due_on.as_ref().and_then(N::read).and_then(LocalDay::from_number),
            version: self.version.read().ok_or_else(|| Trouble::defect("a member's item has no version"))?,
        };
        let stored_under = MemberId::parse(&self.member.value).map_err(Trouble::defect)?;
        if stored_under == hot.account.member {
            Ok(hot)
        } else {
            Err(Trouble::defect("a member's item holds another member's account"))
        }
    }
}

/// The items, decoded one after the other.
#[derive(Default)]
struct Members<'a> {
    read: Vec<Hot>,
    unreadable: u64,
    borrowed: PhantomData<&'a ()>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EachMember(PhantomData))
    }
}

struct EachMember<'a>(PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for EachMember<'a> {
    type Value = Members<'a>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        while let Some(stored) = items.next_element::<Stored<'de>>()? {
            match stored.hot() {
                Ok(hot) => members.read.push(hot),
                Err(trouble) => {
                    tracing::error!(member = %stored.member.value, %trouble, "a member's item can't be read");
                    members.unreadable += 1;
                }
            }
        }
        Ok(members)
    }
}

fn read_page(body: &[u8]) -> Result<(MembersPage, f64), Trouble> {
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(Trouble::defect)?;
    let next = answer.next.map(|key| MemberId::parse(&key.member.value)).transpose().map_err(Trouble::defect)?;
    let Members { read, unreadable, .. } = answer.items;
    let page = MembersPage { members: read, unreadable, next };
    Ok((page, answer.consumed.map_or(0.0, |consumed| consumed.units)))
}
