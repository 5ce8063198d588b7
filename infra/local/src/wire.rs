//! Where the product is put together for one machine: the functions' routers and handlers over the local services.
//!
//! Everything else in this crate knows functions by name only.
#![expect(clippy::unused_async, reason = "what is filled in here waits for the table")]

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};

use crate::clock::DevClock;
use crate::handler::{Handler, Handlers};
use crate::template::Template;

/// What the functions find around them on this machine.
#[derive(Debug)]
pub struct Surroundings {
    /// What exists, and the environment of every function.
    pub template: Template,
    /// A client of the embedded table.
    pub table: aws_sdk_dynamodb::Client,
    /// A client of the queue server.
    pub queues: aws_sdk_sqs::Client,
    /// Business time, and real time.
    pub clock: Arc<DevClock>,
    /// What stands for `https://api.weixin.qq.com`.
    pub wechat_url: String,
    /// By which this host signs what it hands out; the same as long as its data directory lives.
    pub secret: [u8; 32],
}

/// The product, ready to be called.
pub struct Product {
    /// Each function's router, by the function's name in the template.
    pub routers: Vec<(String, Router)>,
    /// The handlers of functions that a queue or a schedule calls.
    pub handlers: Handlers,
}

impl std::fmt::Debug for Product {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Product").finish_non_exhaustive()
    }
}

/// A caller's role, as tokens name it.
pub const ROLES: [&str; 6] = ["member", "system", "guide", "agent", "operator", "manager"];

/// For whom a token is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// One of [`ROLES`].
    pub role: String,
    /// The member that a member's token is for.
    pub member: Option<String>,
    /// A name for the logs and the audit trail.
    pub subject: Option<String>,
}

/// Puts the product together.
///
/// FILL IN: the routers and handlers of the function crates.
pub async fn assemble(surroundings: &Surroundings) -> Result<Product, String> {
    let health = Router::new().route("/health", get(|| async { axum::Json(json!({ "status": "ok" })) }));
    let functions = &surroundings.template.functions;
    let router = |name: &str| {
        if name == "SignUp" { health.clone() } else { Router::new() }
    };
    let idle: Handler = Arc::new(|_| Box::pin(async { Ok(Value::Null) }));
    Ok(Product {
        routers: functions.iter().map(|f| (f.logical.clone(), router(&f.logical))).collect(),
        handlers: functions.iter().map(|f| (f.logical.clone(), Arc::clone(&idle))).collect(),
    })
}

/// A token that the local host accepts.
///
/// FILL IN: the product's own tokens.
pub fn token(_secret: &[u8; 32], bearer: &Bearer) -> Result<String, String> {
    Err(format!("This build can't make a token for role {} yet.", bearer.role))
}

/// Makes the programme in a file the one that is in force.
///
/// FILL IN: as `PUT /v1/program` does.
pub async fn install_programme(_surroundings: &Surroundings, _programme: &Value) -> Result<(), String> {
    Err("This build can't take a programme from a file yet: leave --programme out.".to_owned())
}

/// What the demo says at its end, as the JSON object that `--json` prints.
///
/// FILL IN: segment counts, points and their proof.
pub async fn summary(_surroundings: &Surroundings) -> Result<Value, String> {
    Ok(json!({}))
}

/// The same for people.
///
/// FILL IN: a table of segments, and where to look.
#[must_use]
pub fn summary_for_people(summary: &Value) -> String {
    format!("{summary:#}")
}
