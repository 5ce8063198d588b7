//! What members do other than buying.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::cases::Who;
use huitou::cases::intake::Customer;
use huitou::domain::earning::Event;
use huitou::domain::order::Topic;
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Json, read_part};
use huitou::manners::movement::Movement;
use huitou::manners::problem::Problem;
use huitou::values::{ForeignId, Moment, Name, Source};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::orders::CustomerIn;

/// The most events of one batch.
const MOST: usize = 25;

/// Events to be recorded.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Events {
    /// One to 25 events; each is accepted or rejected by itself.
    #[schema(value_type = Vec<EventIn>, min_items = 1, max_items = 25)]
    events: Vec<Box<RawValue>>,
}

/// Something that a member did.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventIn {
    source: Source,
    /// Its id there: sent again, it is the same event.
    id: ForeignId,
    /// What it was.
    event: Topic,
    /// What it was about: a sku, a category, words searched for.
    about: Option<Name>,
    at: Moment,
    /// Whose; left out when members report their own.
    customer: Option<CustomerIn>,
}

/// How a batch went, in the order sent.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct EventsTaken {
    results: Vec<EventAnswer>,
}

/// How one event went: the movement, or the problem.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventAnswer {
    /// Recorded, now or before.
    Recorded(Box<Movement>),
    /// Not recorded.
    Rejected(Box<Problem>),
}

/// Record what members did, and reward what the programme rewards, within its caps.
#[utoipa::path(post, path = "/v1/events", tag = "orders", request_body = Events, responses((status = 200, body = EventsTaken)))]
pub(crate) async fn take(
    State(app): State<App>,
    caller: Caller,
    Json(batch): Json<Events>,
) -> Result<Answer<EventsTaken>, Problem> {
    if batch.events.is_empty() || batch.events.len() > MOST {
        return Err(Problem::malformed("batch_size", "Send 1 to 25 events at once."));
    }
    let mut results = Vec::with_capacity(batch.events.len());
    for event in &batch.events {
        results.push(match one(&app, &caller, event).await {
            Ok(movement) => EventAnswer::Recorded(Box::new(movement)),
            Err(problem) => EventAnswer::Rejected(Box::new(problem)),
        });
    }
    Ok(Answer(EventsTaken { results }))
}

async fn one(app: &App, caller: &Caller, event: &RawValue) -> Result<Movement, Problem> {
    let event: EventIn = read_part(event)?;
    let (customer, who) = match (event.customer, caller.member) {
        (None, Some(member)) => {
            (Customer::Member(member), Some(Who { member, session: caller.session, by: caller.actor.clone() }))
        }
        (Some(customer), None) => (customer.read()?, None),
        (None, None) => return Err(Problem::malformed("customer_unclear", "customer must name whose event it is.")),
        (Some(_), Some(_)) => {
            return Err(Problem::malformed("customer_unclear", "Members report their own events; leave customer out."));
        }
    };
    let event = Event { source: event.source, id: event.id, topic: event.event, about: event.about, at: event.at };
    if event.at > app.now() {
        return Err(Problem::malformed("event_in_the_future", "at must not lie after now."));
    }
    Ok(app.intake().event(&customer, &event, who.as_ref(), &caller.actor).await?.into())
}
