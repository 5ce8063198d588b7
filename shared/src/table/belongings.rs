//! Belongings: everything that is kept beside a member, found by whose it is, to be taken along or erased.
//!
//! A part is not read as what it is but by its name and its text, so that a kind of part which is added later is met
//! here, too.

use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemInputBuilder;
use aws_sdk_dynamodb::operation::delete_item::{DeleteItem, DeleteItemInput};
use aws_sdk_dynamodb::operation::query::QueryInput;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;

use super::meter::{Kind, count};
use super::{Item, Table, Trouble, get_text, number, text};
use crate::aws::call::call;
use crate::domain::traits::Channel;
use crate::values::{MemberId, MessageId, Moment, SendId, TicketId};

/// Items read at once.
const AT_ONCE: i32 = 100;

/// A part of what is kept about a member: its name, as `note#...`, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Belonging {
    /// The name.
    pub part: String,
    /// The text: JSON, personal fields sealed inside it.
    pub text: String,
}

/// An item that lies beside a ticket: its name, as `said#000001`, and its text if it is a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketItem {
    /// The name.
    pub part: String,
    /// The record as JSON.
    pub record: Option<String>,
}

impl Table {
    /// A page of all parts of a member's profile, from behind one on, as they are now. One call.
    pub async fn parts_of(
        &self,
        member: MemberId,
        after: Option<&str>,
    ) -> Result<(Vec<Belonging>, Option<String>), Trouble> {
        let key = |part: &str| Item::from([("member".into(), text(member.to_string())), ("part".into(), text(part))]);
        let query = QueryInput::builder()
            .table_name(&self.names.profiles)
            .key_condition_expression("#m = :m")
            .expression_attribute_names("#m", "member")
            .expression_attribute_values(":m", text(member.to_string()))
            .set_exclusive_start_key(after.map(key))
            .limit(AT_ONCE)
            .consistent_read(true);
        let answer = self.ask(query).await?;
        let read = |item: &Item| {
            let part = get_text(item, "part")?.to_owned();
            Some(Belonging { part, text: get_text(item, "content").unwrap_or_default().to_owned() })
        };
        let next = answer.last_evaluated_key().and_then(|key| get_text(key, "part")).map(str::to_owned);
        Ok((answer.items().iter().filter_map(read).collect(), next))
    }

    /// Erases a part by its name; nothing happens when it is not there. One call.
    pub async fn erase_part(&self, member: MemberId, part: &str) -> Result<(), Trouble> {
        let delete = DeleteItemInput::builder().table_name(&self.names.profiles);
        self.erase(delete.key("member", text(member.to_string())).key("part", text(part))).await
    }

    /// Everything that lies beside a ticket, the ticket itself apart, as it is now. One call per megabyte.
    pub async fn beside_ticket(&self, ticket: TicketId) -> Result<Vec<TicketItem>, Trouble> {
        self.ticket_items(&ticket.to_string()).await
    }

    async fn ticket_items(&self, partition: &str) -> Result<Vec<TicketItem>, Trouble> {
        let query = QueryInput::builder()
            .table_name(&self.names.tickets)
            .key_condition_expression("#t = :t")
            .expression_attribute_names("#t", "ticket")
            .expression_attribute_values(":t", text(partition))
            .consistent_read(true);
        let read = |item: &Item| {
            let part = get_text(item, "part").filter(|part| *part != "ticket")?.to_owned();
            Some(TicketItem { part, record: get_text(item, "content").map(str::to_owned) })
        };
        Ok(self.ask_all(query).await?.iter().filter_map(read).collect())
    }

    /// Erases something that lies beside a ticket; nothing happens when it is not there. One call.
    pub async fn erase_beside_ticket(&self, ticket: TicketId, part: &str) -> Result<(), Trouble> {
        let delete = DeleteItemInput::builder().table_name(&self.names.tickets);
        self.erase(delete.key("ticket", text(ticket.to_string())).key("part", text(part))).await
    }

    /// Erases what lies beside all tickets of a member: when they were asked how it was, and the counters of their
    /// limits. One call, and one for each.
    pub async fn erase_beside_tickets(&self, member: MemberId) -> Result<(), Trouble> {
        let partition = member.to_string();
        for TicketItem { part, .. } in self.ticket_items(&partition).await? {
            let delete = DeleteItemInput::builder().table_name(&self.names.tickets);
            self.erase(delete.key("ticket", text(&partition)).key("part", text(part))).await?;
        }
        Ok(())
    }

    /// Erases what finds a send by its provider's id. One call.
    pub async fn erase_name(&self, channel: Channel, id: &MessageId) -> Result<(), Trouble> {
        let delete = DeleteItemInput::builder().table_name(&self.names.sends);
        self.erase(delete.set_key(Some(super::receipts::name(channel, id)))).await
    }

    /// A page of the ids of a member's sends, oldest first, from behind one on, as they were a moment ago. One call.
    pub async fn sends_of(
        &self,
        member: MemberId,
        after: Option<(SendId, Moment)>,
    ) -> Result<(Vec<SendId>, Option<(SendId, Moment)>), Trouble> {
        let start = after.map(|(send, made_at)| {
            Item::from([
                ("send".into(), text(send.to_string())),
                ("member".into(), text(member.to_string())),
                ("made_at".into(), number(made_at.millis())),
            ])
        });
        let query = QueryInput::builder()
            .table_name(&self.names.sends)
            .index_name("of_member")
            .key_condition_expression("#m = :m")
            .expression_attribute_names("#m", "member")
            .expression_attribute_values(":m", text(member.to_string()))
            .set_exclusive_start_key(start)
            .limit(AT_ONCE);
        let answer = self.ask(query).await?;
        let id = |item: &Item| get_text(item, "send").and_then(|id| SendId::parse(id).ok());
        let place = |key: &Item| Some((id(key)?, super::get_number(key, "made_at").and_then(Moment::from_millis)?));
        Ok((answer.items().iter().filter_map(id).collect(), answer.last_evaluated_key().and_then(place)))
    }

    async fn erase(&self, delete: DeleteItemInputBuilder) -> Result<(), Trouble> {
        let question = delete.return_consumed_capacity(ReturnConsumedCapacity::Total).build();
        let answer = call::<DeleteItem>(&self.aws, question.map_err(Trouble::defect)?).await?;
        count(Kind::Write, answer.consumed_capacity());
        Ok(())
    }
}
