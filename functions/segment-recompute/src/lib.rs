//! Recompute: what time alone changes, and what new settings would change.
//!
//! The nightly schedule puts one message per shard of the due index into the queue; each message settles the members
//! of its shard whose day has come. A message that runs out of time puts itself back.

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use huitou::app::App;
use huitou::cases::Error;
use huitou::cases::full_pass::Progress;
use huitou::cases::recompute::{Drained, Task, all_shards};
use huitou::manners::batch;
use huitou::manners::caller::Caller;
use huitou::manners::extract::Json;
use huitou::manners::problem::Problem;
use huitou::manners::routes::Routes;
use huitou::routes;
use huitou::values::LocalDay;
use serde::Deserialize;
use serde_json::Value;

/// How long one message may work; the queue's visibility is six times the function's timeout.
const MESSAGE: Duration = Duration::from_secs(20);
/// How long one request may work.
const REQUEST: Duration = Duration::from_secs(15);

/// The routes; who may call them stands in [`huitou::manners::access`].
#[must_use]
pub fn routes<R: Routes>() -> R {
    R::default().routes(routes!(recompute, progress))
}

/// What to recompute.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recompute {
    /// Which members.
    mode: Whom,
    /// The day as of which is judged: today, when left out; no other day can be asked for.
    as_of: Option<LocalDay>,
}

/// Which members are recomputed.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Whom {
    /// Those whom time alone has changed by today.
    Due,
    /// Everybody.
    Full,
}

/// Settle everybody whom time has changed by now (`due`: call again until `finished`), or judge everybody anew (`full`).
///
/// A full pass goes through the queue, in parallel parts; while one is under way by the same rules, it is joined.
#[utoipa::path(post, path = "/v1/segments/recompute", tag = "recompute", request_body = Recompute, responses((status = 200, body = Drained), (status = 202, body = Progress)))]
pub(crate) async fn recompute(
    State(app): State<App>,
    caller: Caller,
    Json(what): Json<Recompute>,
) -> Result<Response, Problem> {
    let today = app.now().day();
    if what.as_of.is_some_and(|day| day != today) {
        let detail = format!("Members are as they are today; leave as_of out, or send {today}.");
        return Err(Problem::rule("as_of_not_today", detail, "只能按当天计算"));
    }
    Ok(match what.mode {
        Whom::Due => Answer(app.recompute().drain(&all_shards(), REQUEST).await?).into_response(),
        Whom::Full => (StatusCode::ACCEPTED, Answer(app.full_pass().start(&caller.actor).await?)).into_response(),
    })
}

/// How far the newest full pass has come, and what it has found.
#[utoipa::path(get, path = "/v1/segments/recompute", tag = "recompute", responses((status = 200, body = Progress)))]
pub(crate) async fn progress(State(app): State<App>, _: Caller) -> Result<Answer<Progress>, Problem> {
    Ok(Answer(app.full_pass().progress().await?))
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
    let work = scheduled(&app, event.get("mode").and_then(Value::as_str));
    Box::pin(batch::scheduled(&event, work)).await.map(|()| Value::Null)
}

/// What a schedule asks for.
async fn scheduled(app: &App, mode: Option<&str>) -> Result<(), Error> {
    if mode == Some("fit") {
        return app.lifetime_values().start(app.own_name()).await;
    }
    app.recompute().enqueue_due().await?;
    // Settings that took effect since the last pass.
    app.full_pass().start_if_rules_changed(&app.own_name()).await
}
