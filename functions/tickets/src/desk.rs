//! Tickets as the service desk works on them.

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use huitou::app::App;
use huitou::cases::tickets::{Said, Whole};
use huitou::domain::ticket::{Channel, Handling, Kind, Matter, Priority, State as Standing};
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Ids, IfMatch, Json, Key, Query};
use huitou::manners::problem::Problem;
use huitou::manners::tagged::Tagged;
use huitou::table::{StoredTicket, TicketList};
use huitou::trust::token::Role;
use huitou::values::{Actor, Code, MemberId, Note, Reason, TicketId};
use serde::{Deserialize, Serialize};

use crate::matter::{OrderOf, Product, subject};
use crate::shown::{DeskTicket, DeskWholeTicket, ShownRecord};

/// The lists of this file, as cursors name them.
const QUEUES: &str = "tickets";

fn shown(stored: &StoredTicket) -> Tagged<u64, Answer<DeskTicket>> {
    Tagged(stored.version, Answer(stored.into()))
}

fn whole_shown(app: &App, whole: Whole) -> Result<Tagged<u64, Answer<DeskWholeTicket>>, Problem> {
    Ok(Tagged(whole.stored.version, Answer(DeskWholeTicket::of(app, whole)?)))
}

/// A ticket to be opened for a member.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OpenTicketFor {
    /// Whose matter it is.
    member_id: MemberId,
    /// What it is about.
    #[serde(rename = "type")]
    kind: Kind,
    /// 1 to 1000 characters, as the member sees them.
    text: Note,
    /// How it came in; a guide's from the store, a system's from the shop, an agent's by phone when left out.
    channel: Option<Channel>,
    /// How urgent it is; as the settings say when left out.
    priority: Option<Priority>,
    /// The order, if it is about one.
    order: Option<OrderOf>,
    /// The product, if it is about one.
    product: Option<Product>,
    /// Why something is sent back: a code of the desk's settings.
    return_reason: Option<Code>,
}

/// Open a ticket for a member. A guide may do so for own customers. Safe to repeat with the same key.
#[utoipa::path(post, path = "/v1/tickets", tag = "tickets", params(("Idempotency-Key" = String, Header)), request_body = OpenTicketFor, responses((status = 201, body = DeskWholeTicket)))]
pub(crate) async fn open(
    State(app): State<App>,
    caller: Caller,
    Key(key): Key,
    Json(asked): Json<OpenTicketFor>,
) -> Result<(StatusCode, Tagged<u64, Answer<DeskWholeTicket>>), Problem> {
    let OpenTicketFor { member_id, kind, text, channel, priority, order, product, return_reason } = asked;
    let usual = match caller.role {
        Role::Guide => Channel::Store,
        Role::System => Channel::Shop,
        Role::Member | Role::Agent | Role::Operator | Role::Manager => Channel::Phone,
    };
    let subject = subject(order, product, return_reason);
    let matter = Matter { priority, subject, ..Matter::new(kind, channel.unwrap_or(usual)) };
    let who = caller.on(member_id);
    let whole = app.tickets().open(&who, &caller.sight(), key.as_str(), matter, Said::from(&text)).await?;
    Ok((StatusCode::CREATED, whole_shown(&app, whole)?))
}

/// Which tickets, and where their list goes on. Without a department and an assignee: all queues, one department after
/// the other.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// A department's queue: what nobody has taken, then what somebody works on, then what waits for members.
    department: Option<Code>,
    /// What somebody works on: `me`, or a name as tickets show it.
    assignee: Option<Actor>,
    /// The cursor of the page before.
    cursor: Option<String>,
}

/// A page of tickets.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DeskTickets {
    /// Most urgent first: by priority, then by the deadline that runs out first.
    items: Vec<DeskTicket>,
    /// The cursor of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The queues of all departments, a department's queue, or what somebody works on, each most urgent first.
#[utoipa::path(get, path = "/v1/tickets", tag = "tickets", params(Which), responses((status = 200, body = DeskTickets)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Answer<DeskTickets>, Problem> {
    let (keys, owner, cursor) = (&app.parts().cursors, caller.actor.as_str(), which.cursor.as_deref());
    let page = |tickets: &[StoredTicket], next| {
        Ok(Answer(DeskTickets { items: tickets.iter().map(DeskTicket::from).collect(), next }))
    };
    let (list, name) = match (which.department, which.assignee) {
        (None, None) => {
            let cursors = keys.of(QUEUES, owner);
            let (tickets, next) = app.tickets().queues(cursors.open(cursor)?).await?;
            return page(&tickets, cursors.seal(next.as_ref())?);
        }
        (Some(department), None) => {
            let name = format!("{QUEUES}/department/{department}");
            (TicketList::Queue(department), name)
        }
        (None, Some(assignee)) => {
            let actor = if assignee.as_str() == "me" { caller.actor.clone() } else { assignee };
            let name = format!("{QUEUES}/assignee/{actor}");
            (TicketList::AssignedTo(actor), name)
        }
        (Some(_), Some(_)) => {
            return Err(Problem::malformed("list_unclear", "Name at most one of department and assignee."));
        }
    };
    let cursors = keys.of(&name, owner);
    let found = app.tickets().list(&list, cursors.open(cursor)?.as_ref()).await?;
    page(&found.tickets, cursors.seal(found.next.as_ref())?)
}

/// From which queue to take.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TakeNext {
    /// The department.
    department: Code,
}

/// Take the most urgent ticket that nobody has; 204 when there is none. No two callers are given the same one.
#[utoipa::path(post, path = "/v1/tickets/next", tag = "tickets", request_body = TakeNext, responses((status = 200, body = DeskTicket), (status = 204)))]
pub(crate) async fn take_next(
    State(app): State<App>,
    caller: Caller,
    Json(from): Json<TakeNext>,
) -> Result<Response, Problem> {
    let taken = app.tickets().take_next(&caller.actor, &from.department).await?;
    Ok(taken.as_ref().map_or_else(|| StatusCode::NO_CONTENT.into_response(), |stored| shown(stored).into_response()))
}

/// A ticket with everything that happened. Send the ETag as If-Match with a decision.
#[utoipa::path(get, path = "/v1/tickets/{id}", tag = "tickets", params(("id" = TicketId, Path)), responses((status = 200, body = DeskWholeTicket)))]
pub(crate) async fn show(
    State(app): State<App>,
    _: Caller,
    Ids(id): Ids<TicketId>,
) -> Result<Tagged<u64, Answer<DeskWholeTicket>>, Problem> {
    whole_shown(&app, app.tickets().read(id).await?)
}

/// What is decided about a ticket; what is left out stays as it is.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decide {
    /// Where it stands now.
    state: Option<Standing>,
    /// Who works on it now: `me`, or a name as tickets show it.
    assignee: Option<Actor>,
    /// Nobody works on it now: back into the queue.
    #[serde(default)]
    unassign: bool,
    /// The department that works on it now; an escalated ticket goes back with it.
    department: Option<Code>,
    /// How urgent it is now.
    priority: Option<Priority>,
    /// What it is about after all.
    #[serde(rename = "type")]
    kind: Option<Kind>,
    /// It is no matter at all: closed without a survey.
    #[serde(default)]
    spam: bool,
    /// Why, for the record.
    why: Option<Reason>,
}

/// Assign, resolve, close, reopen, move or rate a ticket, building on the version that was read.
#[utoipa::path(put, path = "/v1/tickets/{id}", tag = "tickets", params(("id" = TicketId, Path), ("If-Match" = String, Header)), request_body = Decide, responses((status = 200, body = DeskTicket)))]
pub(crate) async fn handle(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<TicketId>,
    IfMatch(seen): IfMatch,
    Json(decided): Json<Decide>,
) -> Result<Tagged<u64, Answer<DeskTicket>>, Problem> {
    let Decide { state, assignee, unassign, department, priority, kind, spam, why } = decided;
    let assignee = assignee.map(|name| if name.as_str() == "me" { caller.actor.clone() } else { name });
    let handling = Handling { state, assignee, unassign, department, priority, kind, spam, why };
    Ok(shown(&app.tickets().handle(&caller.actor, id, seen, handling).await?))
}

/// A message of staff to be written.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WriteToMember {
    /// 1 to 1000 characters.
    text: Note,
    /// A note for the desk, which the member never sees.
    #[serde(default)]
    internal: bool,
    /// Where the ticket stands then: `waiting` when the member has to answer first, `resolved`, `closed`; open when
    /// left out.
    then: Option<Standing>,
}

/// Write to the member, or a note for the desk. Safe to repeat with the same key.
#[utoipa::path(post, path = "/v1/tickets/{id}/messages", tag = "tickets", params(("id" = TicketId, Path), ("Idempotency-Key" = String, Header)), request_body = WriteToMember, responses((status = 201, body = ShownRecord)))]
pub(crate) async fn write(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<TicketId>,
    Key(key): Key,
    Json(message): Json<WriteToMember>,
) -> Result<(StatusCode, Answer<ShownRecord>), Problem> {
    let (tickets, by, key) = (app.tickets(), &caller.actor, key.as_str());
    let read = match (message.internal, message.then) {
        (false, then) => tickets.staff_writes(by, id, key, &message.text, then).await?,
        (true, None) => tickets.staff_notes(by, id, key, &message.text).await?,
        (true, Some(_)) => {
            return Err(Problem::malformed(
                "note_moves_nothing",
                "A note moves no ticket: leave out then or internal.",
            ));
        }
    };
    Ok((StatusCode::CREATED, Answer(read.into())))
}

/// Where a duplicate goes on.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MergeTickets {
    /// The ticket that goes on, of the same member.
    into: TicketId,
    /// Why, for both records.
    reason: Reason,
}

/// Merge a duplicate into another ticket of the same member, which is answered. Asking again changes nothing.
#[utoipa::path(post, path = "/v1/tickets/{id}/merges", tag = "tickets", params(("id" = TicketId, Path)), request_body = MergeTickets, responses((status = 200, body = DeskTicket)))]
pub(crate) async fn merge(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<TicketId>,
    Json(asked): Json<MergeTickets>,
) -> Result<Tagged<u64, Answer<DeskTicket>>, Problem> {
    Ok(shown(&app.tickets().merge(&caller.actor, id, asked.into, &asked.reason).await?))
}
