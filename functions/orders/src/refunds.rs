//! Money back for an order.

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use huitou::app::App;
use huitou::domain::order::RefundReason;
use huitou::domain::purchase::Refund;
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Ids, Json};
use huitou::manners::movement::Movement;
use huitou::manners::problem::Problem;
use huitou::values::{ForeignId, SomeFen, Source};
use serde::Deserialize;

/// A refund. Its id names it for good within the order: sent again, it is the same refund.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RefundIn {
    /// The source of the order.
    source: Source,
    /// The refund's own id.
    id: ForeignId,
    /// What was given back, in fen.
    amount: SomeFen,
    /// Why the goods came back.
    #[serde(default)]
    reason: Option<RefundReason>,
}

/// Take back exactly the points that the money given back had earned, at the rule of the order's day.
#[utoipa::path(post, path = "/v1/orders/{id}/refunds", tag = "orders", params(("id" = String, Path)), request_body = RefundIn, responses((status = 201, body = Movement)))]
pub(crate) async fn refund(
    State(app): State<App>,
    caller: Caller,
    Ids(order): Ids<ForeignId>,
    Json(refund): Json<RefundIn>,
) -> Result<(StatusCode, Answer<Movement>), Problem> {
    let asked = Refund { id: refund.id, amount: refund.amount.fen(), reason: refund.reason };
    let entry = app.intake().refund(&refund.source, &order, &asked, &caller.actor).await?;
    Ok((StatusCode::CREATED, Answer(entry.into())))
}
