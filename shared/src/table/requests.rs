//! Requests under the law: by id, by whose they are, and those that are open by the time at which they are due.

use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::types::TransactWriteItem;
use serde::{Deserialize, Serialize};

use super::{Freshness, Item, Table, Trouble, get_number, get_text, in_transaction, number, put_over, text};
use crate::domain::rights_request::{RightsRequest, Standing};
use crate::values::{MemberId, Moment, RequestId};

/// A request as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRequest {
    /// The request.
    pub request: RightsRequest,
    /// Raised by every write, and the condition of the next one; 0 before the first.
    pub version: u64,
}

/// Which open requests are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenRequests {
    /// Those that somebody has to decide about, the one that is due first at the front.
    ToDecide,
    /// Erasures that were begun, and those that are looked through once more.
    Erasing,
}

impl OpenRequests {
    const fn word(self) -> &'static str {
        match self {
            Self::ToDecide => "to_decide",
            Self::Erasing => "erasing",
        }
    }

    const fn of(standing: &Standing) -> Option<Self> {
        match standing {
            Standing::Open => Some(Self::ToDecide),
            Standing::Erasing { .. } => Some(Self::Erasing),
            Standing::Done { again, .. } if !again.is_empty() => Some(Self::Erasing),
            Standing::Done { .. } | Standing::Refused { .. } => None,
        }
    }
}

/// A place in a list of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestPosition {
    request: RequestId,
    /// The index's sort key: when it is due, or when it came in.
    at: Moment,
}

impl RequestPosition {
    /// Where an index goes on that sorts by `sort`.
    fn read(key: &Item, sort: &str) -> Option<Self> {
        let request = get_text(key, "request").and_then(|id| RequestId::parse(id).ok())?;
        Some(Self { request, at: get_number(key, sort).and_then(Moment::from_millis)? })
    }

    /// The key behind which an index goes on, in this one of its partitions.
    fn key(self, (partition, value): (&str, String), sort: &str) -> Item {
        let mut item = key(self.request);
        item.insert(partition.into(), text(value));
        item.insert(sort.into(), number(self.at.millis()));
        item
    }
}

fn key(request: RequestId) -> Item {
    Item::from([("request".into(), text(request.to_string()))])
}

impl StoredRequest {
    /// A request that is not stored yet.
    #[must_use]
    pub const fn new(request: RightsRequest) -> Self {
        Self { request, version: 0 }
    }

    fn read(item: &Item) -> Result<Self, Trouble> {
        let content = get_text(item, "content").ok_or_else(|| Trouble::defect("a request has no content"))?;
        Ok(Self {
            request: serde_json::from_str(content).map_err(Trouble::defect)?,
            version: get_number(item, "version").ok_or_else(|| Trouble::defect("a request has no version"))?,
        })
    }

    pub(super) fn write(&self, table: &Table) -> Result<TransactWriteItem, Trouble> {
        let request = &self.request;
        let mut item = key(request.id);
        item.insert("member".into(), text(request.member.to_string()));
        item.insert("received_at".into(), number(request.received_at.millis()));
        item.insert("version".into(), number(self.version + 1));
        item.insert("content".into(), text(serde_json::to_string(request).map_err(Trouble::defect)?));
        if let Some(list) = OpenRequests::of(&request.standing) {
            item.insert("open".into(), text(list.word()));
            item.insert("due_at".into(), number(request.due_at().millis()));
        }
        if let Some(last) = request.kept_until() {
            item.insert("gone_at".into(), number(Moment::start_of(last.plus(1)).seconds()));
        }
        in_transaction(put_over(&table.names.requests, item, "request", self.version))
    }
}

impl Table {
    /// A request. One call; half a read unit per 4 KB, one when it must be the latest.
    pub async fn request(&self, id: RequestId, freshness: Freshness) -> Result<Option<StoredRequest>, Trouble> {
        let item = self.get(&self.names.requests, key(id), freshness).await?;
        item.as_ref().map(StoredRequest::read).transpose()
    }

    /// A page of open requests as they were a moment ago, the one that is due first at the front. One call.
    pub async fn open_requests(
        &self,
        list: OpenRequests,
        from: Option<RequestPosition>,
        most: i32,
    ) -> Result<(Vec<StoredRequest>, Option<RequestPosition>), Trouble> {
        let start = from.map(|position| position.key(("open", list.word().to_owned()), "due_at"));
        let query = QueryInput::builder()
            .table_name(&self.names.requests)
            .index_name("open")
            .key_condition_expression("#o = :o")
            .expression_attribute_names("#o", "open")
            .expression_attribute_values(":o", text(list.word()))
            .set_exclusive_start_key(start)
            .limit(most);
        let answer = self.ask(query).await?;
        let page = answer.items().iter().map(StoredRequest::read).collect::<Result<_, _>>()?;
        Ok((page, answer.last_evaluated_key().and_then(|key| RequestPosition::read(key, "due_at"))))
    }

    /// A page of a member's requests as they were a moment ago, newest first. One call.
    pub async fn requests_of(
        &self,
        member: MemberId,
        from: Option<RequestPosition>,
        most: i32,
    ) -> Result<(Vec<StoredRequest>, Option<RequestPosition>), Trouble> {
        let query = QueryInput::builder()
            .table_name(&self.names.requests)
            .index_name("of_member")
            .key_condition_expression("#m = :m")
            .expression_attribute_names("#m", "member")
            .expression_attribute_values(":m", text(member.to_string()))
            .set_exclusive_start_key(from.map(|from| from.key(("member", member.to_string()), "received_at")))
            .scan_index_forward(false)
            .limit(most);
        let answer = self.ask(query).await?;
        let page = answer.items().iter().map(StoredRequest::read).collect::<Result<_, _>>()?;
        Ok((page, answer.last_evaluated_key().and_then(|key| RequestPosition::read(key, "received_at"))))
    }
}
