//! What only a developer's machine has: the clock to move, the outbox to read, the queues to look into.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use huitou::clock::Clock as _;
use huitou::manners::problem::Problem;
use huitou::values::Moment;
use serde::Deserialize;
use serde_json::{Map, json};

use crate::clock::DevClock;
use crate::queue::Queues;
use crate::schedule::Scheduler;
use crate::standin::Outbox;

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
    /// Whether the functions run as processes, which go by real time.
    pub processes: bool,
    /// What a process of each function needs in its environment to work with this host.
    pub environments: Arc<BTreeMap<String, BTreeMap<String, String>>>,
}

/// The routes under `/dev`.
pub fn router(bench: Workbench) -> Router {
    Router::new()
        .route("/dev/clock", get(show_clock).post(move_clock))
        .route("/dev/outbox", get(show_outbox))
        .route("/dev/queues", get(show_queues))
        .route("/dev/environment/{function}", get(show_environment))
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
    if bench.processes {
        return malformed("The functions run as processes of their own, which go by real time: it can't be moved.");
    }
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

/// For `--env-file` of `cargo lambda watch` and for whoever else runs a function's binary.
async fn show_environment(State(bench): State<Workbench>, Path(function): Path<String>) -> Response {
    let Some(variables) = bench.environments.get(&function) else {
        return Problem::not_found().into_response();
    };
    let mut text = String::new();
    for (name, value) in variables {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{name}={value}");
    }
    text.into_response()
}
