//! Recompute: what time alone changes, and what new settings would change.
//!
//! The nightly schedule puts one message per shard of the due index into the queue; each message settles the members
//! of its shard whose day has come. A message that runs out of time puts itself back.

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::cases::recompute::{Drained, Task, all_shards};
use huitou::manners::batch;
use huitou::manners::extract::Json;
use huitou::manners::problem::Problem;
use serde::Deserialize;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How long one message may work; the queue's visibility is six times the function's timeout.
const MESSAGE: Duration = Duration::from_secs(20);
/// How long one request may work.
const REQUEST: Duration = Duration::from_secs(15);

/// The routes; who may call them stands in [`huitou::manners::access`].
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(recompute))
}

/// What to recompute.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recompute {
    /// Which members.
    mode: Mode,
}

/// Which members are recomputed.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Those whom time alone has changed by today.
    Due,
}

/// Settle everybody whom time has changed by now. Call again until `finished`.
#[utoipa::path(post, path = "/v1/segments/recompute", tag = "recompute", request_body = Recompute, responses((status = 200, body = Drained)))]
pub(crate) async fn recompute(State(app): State<App>, Json(what): Json<Recompute>) -> Result<Answer<Drained>, Problem> {
    let Mode::Due = what.mode;
    Ok(Answer(app.recompute().drain(&all_shards(), REQUEST).await?))
}

/// Takes the events of the queue and of the schedule.
pub async fn handle(app: App, event: Value) -> Result<Value, String> {
    if event.get("Records").is_some() {
        let work = |text: String| {
            let app = app.clone();
            async move {
                let task: Task = serde_json::from_str(&text).map_err(|e| batch::Failure::Poison(e.to_string()))?;
                app.recompute().work(task, MESSAGE).await.map_err(batch::Failure::from)
            }
        };
        return batch::process(event, MESSAGE + Duration::from_secs(5), work).await;
    }
    app.recompute().enqueue_due().await.map_err(|error| format!("{error:?}"))?;
    Ok(Value::Null)
}
