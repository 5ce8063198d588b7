//! Lambda's Runtime API, by which a process asks for events and leaves answers.
//!
//! The path of each process has its number in it, so that the host knows who asks.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::{HeaderName, StatusCode};
use serde_json::{Value, json};

use super::process::Line;
use crate::template::{LOCAL_ACCOUNT, LOCAL_REGION};

/// The largest answer that Lambda takes.
const MOST_BYTES: usize = 6 * 1024 * 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const DEADLINE: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const FUNCTION: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");

/// Where all processes are connected to the host. Clones are the same.
#[derive(Clone)]
pub(super) struct Exchange(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    connected: AtomicU64,
    lines: Mutex<HashMap<u64, Arc<Line>>>,
}

/// A process's connection, which ends when this is dropped.
pub(super) struct Connection {
    number: u64,
    exchange: Exchange,
}

impl Connection {
    /// What `AWS_LAMBDA_RUNTIME_API` says.
    pub(super) fn address(&self) -> String {
        // With a path in it, the runtime wants the scheme, too.
        format!("http://{}/dev/runtime/{}", self.exchange.0.address, self.number)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.exchange.lines().remove(&self.number);
    }
}

impl Exchange {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self(Arc::new(Inner { address, connected: AtomicU64::new(0), lines: Mutex::default() }))
    }

    pub(super) fn connect(&self, line: Line) -> Connection {
        let number = self.0.connected.fetch_add(1, Ordering::Relaxed);
        self.lines().insert(number, Arc::new(line));
        Connection { number, exchange: self.clone() }
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Line>>> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, number: u64) -> Option<Arc<Line>> {
        self.lines().get(&number).cloned()
    }

    pub(super) fn router(&self) -> Router {
        let below = |path: &str| format!("/dev/runtime/{{process}}/2018-06-01/runtime/{path}");
        Router::new()
            .route(&below("invocation/next"), get(next))
            .route(&below("invocation/{id}/response"), post(response))
            .route(&below("invocation/{id}/error"), post(error))
            .route(&below("init/error"), post(init_error))
            .layer(DefaultBodyLimit::max(MOST_BYTES))
            .with_state(self.clone())
    }
}

/// A process that the host has given up, and that just hasn't heard of it.
fn given_up() -> Response {
    (StatusCode::FORBIDDEN, Json(json!({ "errorType": "Forbidden", "errorMessage": "given up" }))).into_response()
}

fn taken() -> Response {
    (StatusCode::ACCEPTED, Json(json!({ "status": "OK" }))).into_response()
}

async fn next(State(exchange): State<Exchange>, Path(process): Path<u64>) -> Response {
    let Some(line) = exchange.line(process) else { return given_up() };
    let Some((id, event, deadline)) = line.next().await else { return given_up() };
    let function = format!("arn:aws:lambda:{LOCAL_REGION}:{LOCAL_ACCOUNT}:function:{}", line.function);
    ([(REQUEST_ID, id), (DEADLINE, deadline.to_string()), (FUNCTION, function)], Json(event)).into_response()
}

async fn response(
    State(exchange): State<Exchange>,
    Path((process, id)): Path<(u64, String)>,
    answer: Bytes,
) -> Response {
    let answer = match answer.as_ref() {
        b"" => Ok(Value::Null),
        text => serde_json::from_slice(text).map_err(|error| format!("the answer is not JSON: {error}")),
    };
    told(&exchange, process, &id, answer)
}

async fn error(State(exchange): State<Exchange>, Path((process, id)): Path<(u64, String)>, why: Bytes) -> Response {
    told(&exchange, process, &id, Err(String::from_utf8_lossy(&why).into_owned()))
}

fn told(exchange: &Exchange, process: u64, id: &str, answer: Result<Value, String>) -> Response {
    let heard = exchange.line(process).is_some_and(|line| line.answered(id, answer));
    if heard { taken() } else { given_up() }
}

async fn init_error(State(exchange): State<Exchange>, Path(process): Path<u64>, why: Bytes) -> Response {
    let function = exchange.line(process).map(|line| line.function.clone()).unwrap_or_default();
    tracing::error!(function, why = %String::from_utf8_lossy(&why), "a function could not be started");
    taken()
}
