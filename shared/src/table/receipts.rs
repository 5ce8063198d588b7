//! What finds a send by its provider's own id, and what tells that a push was taken before. Both lie beside the sends,
//! under keys that no send has, and lapse.

use std::time::Duration;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};

use super::{Freshness, Item, Table, Trouble, get_text, in_transaction, number, put_over, text};
use crate::domain::traits::Channel;
use crate::values::{MessageId, Moment, RowKey, SendId};

/// For how long a provider's id finds its send: the longest that any of them takes to tell.
const NAMED_FOR: Duration = Duration::from_hours(24 * 40);

/// For how long a push is known: WeChat repeats it within seconds.
const SEEN_FOR: Duration = Duration::from_hours(24);

pub(super) fn name(channel: Channel, id: &MessageId) -> Item {
    Item::from([("send".into(), text(format!("{}#{}", channel.word(), id.as_str())))])
}

fn seen(push: RowKey) -> Item {
    Item::from([("send".into(), text(format!("push#{push}")))])
}

/// A provider's id of a send. Written again it is the same.
pub(super) fn write_name(
    table: &Table,
    channel: Channel,
    id: &MessageId,
    send: SendId,
    now: Moment,
) -> Result<TransactWriteItem, Trouble> {
    let mut item = name(channel, id);
    item.insert("names".into(), text(send.to_string()));
    item.insert("gone_at".into(), number(now.plus(NAMED_FOR).seconds()));
    in_transaction(Put::builder().table_name(&table.names.sends).set_item(Some(item)))
}

/// The note that a push was taken, on condition that it was not.
pub(super) fn write_seen(table: &Table, push: RowKey, now: Moment) -> Result<TransactWriteItem, Trouble> {
    let mut item = seen(push);
    item.insert("gone_at".into(), number(now.plus(SEEN_FOR).seconds()));
    in_transaction(put_over(&table.names.sends, item, "send", 0))
}

impl Table {
    /// The send that a provider knows under this id; none for one that we never sent. One call.
    pub async fn named_send(&self, channel: Channel, id: &MessageId) -> Result<Option<SendId>, Trouble> {
        let item = self.get(&self.names.sends, name(channel, id), Freshness::Latest).await?;
        Ok(item.and_then(|item| get_text(&item, "names").and_then(|id| SendId::parse(id).ok())))
    }

    /// Whether a push was taken before. One call.
    pub async fn push_was_seen(&self, push: RowKey) -> Result<bool, Trouble> {
        Ok(self.get(&self.names.sends, seen(push), Freshness::Latest).await?.is_some())
    }
}
