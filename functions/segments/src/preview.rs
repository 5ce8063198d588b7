//! Previews: whom an unsaved rule would hold for.

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use huitou::app::App;
use huitou::cases::segments::Preview;
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Ids, Json};
use huitou::manners::problem::{Problem, Wrong};
use huitou::table::about;
use huitou::values::{Code, RowKey};
use serde::Deserialize;

/// How long a request waits for a preview before it hands over to the client's asking again.
const WAIT: Duration = Duration::from_secs(6);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(150);

/// What is to be previewed.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewRule {
    /// The rule; that of the segment when left out.
    rule: Option<String>,
}

/// Count whom a rule would hold for, and name some of them; nothing is changed.
///
/// Small brands get the answer at once (200). Otherwise (202) it is there a little later: follow `Location`.
#[utoipa::path(post, path = "/v1/segments/{id}/preview", tag = "segments", params(("id" = Code, Path)), request_body = PreviewRule, responses((status = 200, body = Preview), (status = 202, body = Preview)))]
pub(crate) async fn start(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<Code>,
    Json(asked): Json<PreviewRule>,
) -> Result<Response, Problem> {
    let rules = app.segments().newest().await?;
    let own = || rules.segments().find(|segment| segment.id == id).map(|segment| segment.rule.to_string());
    let text = asked.rule.or_else(own).ok_or_else(Problem::not_found)?;
    let rule = rules.parse(&text).map_err(|error| {
        let wrong = Wrong { pointer: "/rule".to_owned(), detail: error.to_string() };
        Problem::rule("rule_invalid", error.to_string(), "规则有误").with_errors(vec![wrong])
    })?;
    let viewer = caller.viewer();
    let run = app.segments().preview(&rule, &viewer).await?;
    let until = tokio::time::Instant::now() + WAIT;
    loop {
        let preview = app.segments().previewed(run, &viewer).await?;
        on_record(&preview);
        if preview.finished {
            return Ok(Answer(preview).into_response());
        }
        if tokio::time::Instant::now() >= until {
            return Ok(later(&preview));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Notes whom an answer names.
fn on_record(preview: &Preview) {
    for member in &preview.matches.sample {
        about(*member);
    }
}

fn later(preview: &Preview) -> Response {
    let mut response = (StatusCode::ACCEPTED, Answer(preview)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/segments/previews/{}", preview.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// How far a preview has come.
#[utoipa::path(get, path = "/v1/segments/previews/{run}", tag = "segments", params(("run" = RowKey, Path)), responses((status = 200, body = Preview)))]
pub(crate) async fn read(
    State(app): State<App>,
    caller: Caller,
    Ids(run): Ids<RowKey>,
) -> Result<Answer<Preview>, Problem> {
    let preview = app.segments().previewed(run, &caller.viewer()).await?;
    on_record(&preview);
    Ok(Answer(preview))
}
