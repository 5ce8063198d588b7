//! A member's own tickets.

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use huitou::app::App;
use huitou::cases::customers::Sight;
use huitou::cases::tickets::Said;
use huitou::domain::ticket::{Channel, Kind, Matter};
use huitou::manners::caller::Me;
use huitou::manners::extract::{Ids, Json, Key, Onward, Query};
use huitou::manners::problem::Problem;
use huitou::values::{Code, Note, TicketId};
use serde::{Deserialize, Serialize};

use crate::matter::{OrderOf, Product, subject};
use crate::shown::{MyMessage, MyTicket, MyWholeTicket};

/// The list that a cursor belongs to.
const LIST: &str = "my-tickets";

/// A ticket to be opened.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenTicket {
    /// What it is about.
    #[serde(rename = "type")]
    kind: Kind,
    /// 1 to 1000 characters.
    text: Note,
    /// The order, if it is about one.
    order: Option<OrderOf>,
    /// The product, if it is about one.
    product: Option<Product>,
    /// Why something is sent back: a code of the desk's settings.
    return_reason: Option<Code>,
    /// Files that were announced and uploaded, at most five.
    #[serde(default)]
    attachments: Vec<String>,
}

/// Open a ticket. Safe to repeat with the same key.
#[utoipa::path(post, path = "/v1/me/tickets", tag = "tickets", params(("Idempotency-Key" = String, Header)), request_body = OpenTicket, responses((status = 201, body = MyWholeTicket)))]
pub(crate) async fn open(
    State(app): State<App>,
    Me(me): Me,
    Key(key): Key,
    Json(asked): Json<OpenTicket>,
) -> Result<(StatusCode, Answer<MyWholeTicket>), Problem> {
    let OpenTicket { kind, text, order, product, return_reason, attachments } = asked;
    let attachments = app.attachments().accept(me.member, &attachments).await?;
    let said = Said { text: &text, attachments };
    let subject = subject(order, product, return_reason);
    let matter = Matter { subject, ..Matter::new(kind, Channel::MiniProgram) };
    let whole = app.tickets().open(&me, &Sight::All, key.as_str(), matter, said).await?;
    Ok((StatusCode::CREATED, Answer(MyWholeTicket::of(&app, whole)?)))
}

/// A page of own tickets.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MyTickets {
    /// Newest first, account by account.
    items: Vec<MyTicket>,
    /// The cursor of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Own tickets, newest first; behind them those of accounts that were merged into this one.
#[utoipa::path(get, path = "/v1/me/tickets", tag = "tickets", params(Onward), responses((status = 200, body = MyTickets)))]
pub(crate) async fn list(
    State(app): State<App>,
    Me(me): Me,
    Query(from): Query<Onward>,
) -> Result<Answer<MyTickets>, Problem> {
    let owner = me.member.to_string();
    let cursors = app.parts().cursors.of(LIST, &owner);
    let (tickets, next) = app.tickets().mine(&me, cursors.open(from.cursor.as_deref())?).await?;
    let items = tickets.iter().map(|stored| (&stored.ticket).into()).collect();
    Ok(Answer(MyTickets { items, next: cursors.seal(next.as_ref())? }))
}

/// An own ticket, with what was said in it and the survey while it can be answered.
#[utoipa::path(get, path = "/v1/me/tickets/{id}", tag = "tickets", params(("id" = TicketId, Path)), responses((status = 200, body = MyWholeTicket)))]
pub(crate) async fn show(
    State(app): State<App>,
    Me(me): Me,
    Ids(id): Ids<TicketId>,
) -> Result<Answer<MyWholeTicket>, Problem> {
    let whole = app.tickets().read_mine(&me, id).await?;
    Ok(Answer(MyWholeTicket::of(&app, whole)?))
}

/// A message to be written.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WriteMessage {
    /// 1 to 1000 characters.
    text: Note,
    /// Files that were announced and uploaded, at most five.
    #[serde(default)]
    attachments: Vec<String>,
}

/// Write in an own ticket. One that was resolved or closed is reopened, within the time for that. Safe to repeat with
/// the same key.
#[utoipa::path(post, path = "/v1/me/tickets/{id}/messages", tag = "tickets", params(("id" = TicketId, Path), ("Idempotency-Key" = String, Header)), request_body = WriteMessage, responses((status = 201, body = MyMessage)))]
pub(crate) async fn write(
    State(app): State<App>,
    Me(me): Me,
    Ids(id): Ids<TicketId>,
    Key(key): Key,
    Json(message): Json<WriteMessage>,
) -> Result<(StatusCode, Answer<MyMessage>), Problem> {
    let attachments = app.attachments().accept(me.member, &message.attachments).await?;
    let said = Said { text: &message.text, attachments };
    let (stored, read) = app.tickets().member_writes(&me, id, key.as_str(), said).await?;
    let message = MyMessage::of(&app, stored.ticket.member, read)?.ok_or_else(Problem::defect)?;
    Ok((StatusCode::CREATED, Answer(message)))
}

/// Say that it is solved: the ticket is closed. Asking again changes nothing.
#[utoipa::path(post, path = "/v1/me/tickets/{id}/close", tag = "tickets", params(("id" = TicketId, Path)), responses((status = 200, body = MyWholeTicket)))]
pub(crate) async fn close(
    State(app): State<App>,
    Me(me): Me,
    Ids(id): Ids<TicketId>,
) -> Result<Answer<MyWholeTicket>, Problem> {
    let whole = app.tickets().member_closes(&me, id).await?;
    Ok(Answer(MyWholeTicket::of(&app, whole)?))
}
