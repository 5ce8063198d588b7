//! Points reserved for checkouts, and corrections by hand.

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use huitou::app::App;
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Ids, Json, Key};
use huitou::manners::movement::Movement;
use huitou::manners::problem::Problem;
use huitou::values::{MemberId, Reason, RowKey, SomePoints};
use serde::Deserialize;

/// Points to be reserved.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoldPoints {
    /// Whose.
    member_id: MemberId,
    /// How many.
    points: SomePoints,
    /// For how long; 15 minutes when left out, at most what the programme allows.
    #[serde(default = "quarter_hour")]
    minutes: u32,
}

const fn quarter_hour() -> u32 {
    15
}

/// Reserve points for a checkout. They come back by themselves when the time is over.
#[utoipa::path(post, path = "/v1/points/holds", tag = "points", params(("Idempotency-Key" = String, Header)), request_body = HoldPoints, responses((status = 201, body = Movement)))]
pub(crate) async fn hold(
    State(app): State<App>,
    caller: Caller,
    Key(key): Key,
    Json(hold): Json<HoldPoints>,
) -> Result<(StatusCode, Answer<Movement>), Problem> {
    let who = caller.on(hold.member_id);
    let entry = app.ledger().hold(&who, key.as_str(), hold.points, hold.minutes).await?;
    Ok((StatusCode::CREATED, Answer(entry.into())))
}

/// How much of a hold is spent.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CapturePoints {
    /// All of it when left out; the rest comes back.
    points: Option<SomePoints>,
}

/// The checkout went through: spend the held points. A hold ends once; repeating the same is safe.
#[utoipa::path(post, path = "/v1/points/holds/{id}/capture", tag = "points", params(("id" = RowKey, Path)), request_body = CapturePoints, responses((status = 200, body = Movement)))]
pub(crate) async fn capture(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<RowKey>,
    Json(capture): Json<CapturePoints>,
) -> Result<Answer<Movement>, Problem> {
    Ok(Answer(app.ledger().capture(caller.actor, id, capture.points).await?.into()))
}

/// The checkout was given up: the held points come back. A hold ends once; repeating the same is safe.
#[utoipa::path(post, path = "/v1/points/holds/{id}/release", tag = "points", params(("id" = RowKey, Path)), responses((status = 200, body = Movement)))]
pub(crate) async fn release(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<RowKey>,
) -> Result<Answer<Movement>, Problem> {
    Ok(Answer(app.ledger().release(caller.actor, id).await?.into()))
}

/// A correction.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Adjust {
    /// Whose.
    member_id: MemberId,
    /// Points to give; to take when negative.
    points: i64,
    /// Why, for the journal.
    reason: Reason,
}

/// Correct a balance by hand, with a reason. Safe to repeat with the same key.
#[utoipa::path(post, path = "/v1/points/adjustments", tag = "points", params(("Idempotency-Key" = String, Header)), request_body = Adjust, responses((status = 201, body = Movement)))]
pub(crate) async fn adjust(
    State(app): State<App>,
    caller: Caller,
    Key(key): Key,
    Json(adjust): Json<Adjust>,
) -> Result<(StatusCode, Answer<Movement>), Problem> {
    let who = caller.on(adjust.member_id);
    let entry = app.ledger().adjust(&who, key.as_str(), adjust.points, &adjust.reason).await?;
    Ok((StatusCode::CREATED, Answer(entry.into())))
}
