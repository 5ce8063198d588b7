//! Intake of orders.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::cases::intake::{Accepted, Customer};
use huitou::cases::people::Handle;
use huitou::domain::entry::What;
use huitou::domain::order::{Line, Order};
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Json, read_part};
use huitou::manners::problem::Problem;
use huitou::values::{Actor, Card, Currency, Fen, ForeignId, MemberId, Moment, OpenId, Phone, Points, Source};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// The most orders of one batch.
const MOST: usize = 25;

/// Orders to be taken in.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Orders {
    /// One to 25 orders; each is accepted or rejected by itself.
    #[schema(value_type = Vec<PaidOrder>, min_items = 1, max_items = 25)]
    orders: Vec<Box<RawValue>>,
}

/// A paid order. Its source and id name it for good: sent again, it is the same order.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PaidOrder {
    source: Source,
    id: ForeignId,
    customer: CustomerIn,
    paid_at: Moment,
    /// What was paid, in fen.
    amount: Fen,
    /// The programme's own when it is left out.
    currency: Option<Currency>,
    /// What was bought, net of discounts; may be left out.
    #[serde(default)]
    lines: Vec<Line>,
    store: Option<Actor>,
    /// The guide who served the customer; somebody new becomes this guide's own customer.
    guide: Option<Actor>,
}

/// Whom it is for: exactly one of these.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomerIn {
    member_id: Option<MemberId>,
    openid: Option<OpenId>,
    phone: Option<Phone>,
    card: Option<Card>,
}

impl CustomerIn {
    pub(crate) fn read(self) -> Result<Customer, Problem> {
        let mut named = [
            self.member_id.map(Customer::Member),
            self.openid.map(|id| Customer::Handle(Handle::OpenId(id))),
            self.phone.map(|phone| Customer::Handle(Handle::Phone(phone))),
            self.card.map(|card| Customer::Handle(Handle::Card(card))),
        ]
        .into_iter()
        .flatten();
        match (named.next(), named.next()) {
            (Some(customer), None) => Ok(customer),
            _ => Err(Problem::malformed(
                "customer_unclear",
                "customer must name exactly one of member_id, openid, phone, card.",
            )),
        }
    }
}

impl PaidOrder {
    fn read(self) -> Result<(Customer, Order), Problem> {
        let customer = self.customer.read()?;
        let order = Order {
            source: self.source,
            id: self.id,
            paid_at: self.paid_at,
            amount: self.amount,
            currency: self.currency,
            lines: self.lines,
            store: self.store,
            guide: self.guide,
        };
        Ok((customer, order))
    }
}

/// How a batch went, in the order sent.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct OrdersTaken {
    results: Vec<OrderAnswer>,
}

/// How one order went.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct OrderAnswer {
    /// As sent, if it could be read.
    source: Option<String>,
    /// As sent, if it could be read.
    id: Option<String>,
    status: OrderStatus,
    /// Whose order it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    member_id: Option<MemberId>,
    /// Points that it earned.
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<Points>,
    /// Why it was rejected. With status 503 it can be sent again as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// What became of an order.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderStatus {
    /// Booked just now.
    Created,
    /// Booked before, with the same content.
    Replayed,
    /// Not booked; see the problem.
    Rejected,
}

/// Take in paid orders: points, tier and purchase days are right when the call returns.
///
/// Unknown customers become members whom nobody has claimed yet. One bad order rejects only itself.
#[utoipa::path(post, path = "/v1/orders", tag = "orders", request_body = Orders, responses((status = 200, body = OrdersTaken)))]
pub(crate) async fn take(
    State(app): State<App>,
    caller: Caller,
    Json(batch): Json<Orders>,
) -> Result<Answer<OrdersTaken>, Problem> {
    if batch.orders.is_empty() || batch.orders.len() > MOST {
        return Err(Problem::malformed("batch_size", "Send 1 to 25 orders at once."));
    }
    let names: Vec<_> = batch.orders.iter().map(|order| names(order)).collect();
    let read: Vec<_> = batch.orders.iter().map(|order| read_part::<PaidOrder>(order)?.read()).collect();
    let sound: Vec<_> = read.iter().filter_map(|order| order.as_ref().ok()).cloned().collect();
    let mut booked = app.intake().orders(&sound, &caller.actor).await?.into_iter();
    let results = read.into_iter().zip(names).map(|(order, (source, id))| {
        let result = order.and_then(|_| booked.next().ok_or_else(Problem::defect)?.map_err(Problem::from));
        answer(source, id, result)
    });
    Ok(Answer(OrdersTaken { results: results.collect() }))
}

/// Source and id as sent, so that a rejected order can be told from the others.
fn names(order: &RawValue) -> (Option<String>, Option<String>) {
    let order: Value = serde_json::from_str(order.get()).unwrap_or_default();
    let text = |field: &str| Some(order.get(field)?.as_str()?.chars().take(80).collect());
    (text("source"), text("id"))
}

fn answer(source: Option<String>, id: Option<String>, result: Result<Accepted, Problem>) -> OrderAnswer {
    match result {
        Ok(accepted) => {
            let points = if let What::Order { earned, .. } = accepted.entry.what { Some(earned) } else { None };
            let status = if accepted.created { OrderStatus::Created } else { OrderStatus::Replayed };
            OrderAnswer { source, id, status, member_id: Some(accepted.entry.member), points, problem: None }
        }
        Err(problem) => OrderAnswer {
            source,
            id,
            status: OrderStatus::Rejected,
            member_id: None,
            points: None,
            problem: Some(problem),
        },
    }
}
