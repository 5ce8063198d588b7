//! What only a developer's machine has: the clock to move, the outbox to read, the queues to look into.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::HeaderMap;
use huitou::clock::Clock as _;
use huitou::manners::problem::Problem;
use huitou::values::Moment;
use serde::Deserialize;
use serde_json::{Map, json};
use tower::ServiceExt as _;

use crate::clock::DevClock;
use crate::in_process::Service as _;
use crate::queue::Queues;
use crate::schedule::Scheduler;
use crate::standin::Outbox;
use crate::table::Embedded;

/// The largest request that an AWS tool sends.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// What the developer's routes show and move.
#[derive(Debug, Clone)]
pub struct Workbench {
    /// Business time.
    pub clock: Arc<DevClock>,
    /// What a moved clock sets off.
    pub scheduler: Arc<Scheduler>,
    /// What was sent.
    pub outbox: Outbox,
    /// The queues.
    pub queues: Queues,
    /// The table.
    pub table: Embedded,
}

/// The routes under `/dev`.
pub fn router(bench: Workbench) -> Router {
    Router::new()
        .route("/dev/clock", get(show_clock).post(move_clock))
        .route("/dev/outbox", get(show_outbox))
        .route("/dev/queues", get(show_queues))
        .route("/dev/aws", post(aws))
        .route("/dev/aws/", post(aws))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .with_state(bench)
}

async fn show_clock(State(bench): State<Workbench>) -> Response {
    Json(json!({ "now": bench.clock.now(), "wall": bench.clock.wall() })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Move {
    now: Option<Moment>,
    advance_seconds: Option<u64>,
}

/// Moves the clock, and answers when the schedules that became due by it are done.
async fn move_clock(State(bench): State<Workbench>, asked: Result<Json<Move>, JsonRejection>) -> Response {
    match asked {
        Ok(Json(Move { now: Some(now), advance_seconds: None })) => bench.clock.set(now),
        Ok(Json(Move { now: None, advance_seconds: Some(seconds) })) => {
            bench.clock.advance(Duration::from_secs(seconds));
        }
        Ok(_) => return malformed("Say either now, as 2026-03-01T12:00:00+08:00, or advance_seconds."),
        Err(rejection) => return malformed(&rejection.body_text()),
    }
    let fired = bench.scheduler.fire_due().await;
    Json(json!({ "now": bench.clock.now(), "fired": fired })).into_response()
}

fn malformed(detail: &str) -> Response {
    Problem::malformed("malformed", detail).into_response()
}

#[derive(Deserialize)]
struct Filter {
    to: Option<String>,
    limit: Option<usize>,
}

async fn show_outbox(State(bench): State<Workbench>, Query(filter): Query<Filter>) -> Response {
    let messages = bench.outbox.newest(filter.to.as_deref(), filter.limit.unwrap_or(100));
    Json(json!({ "total": bench.outbox.total(), "messages": messages })).into_response()
}

async fn show_queues(State(bench): State<Workbench>) -> Response {
    match bench.queues.depths() {
        Ok(depths) => {
            Json(depths.into_iter().map(|(name, depth)| (name, json!(depth))).collect::<Map<_, _>>()).into_response()
        }
        Err(refusal) => {
            tracing::error!(%refusal, "the queues can't be looked into");
            Problem::unavailable().into_response()
        }
    }
}

/// One endpoint for AWS tools and for functions in other processes: the request's target says which service it means.
async fn aws(State(bench): State<Workbench>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|t| t.to_str().ok()).unwrap_or_default();
    let service = match target.split_once('.') {
        Some(("DynamoDB_20120810", _)) => bench.table.router(),
        Some(("AmazonSQS", _)) => bench.queues.router(),
        _ => return malformed("The header X-Amz-Target has to name an operation of DynamoDB or SQS."),
    };
    let mut request = http::Request::new(axum::body::Body::from(body));
    *request.method_mut() = http::Method::POST;
    *request.headers_mut() = headers;
    service.oneshot(request).await.into_response()
}
