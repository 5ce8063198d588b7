//! The programme's settings: read, saved as a new version, tried on history first.

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use huitou::app::App;
use huitou::cases::dry_run::DryRun;
use huitou::domain::program::{Program, Version};
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Ids, IfMatch, Json, Query};
use huitou::manners::problem::Problem;
use huitou::manners::tagged::Tagged;
use huitou::values::{Moment, RowKey};
use serde::Deserialize;

/// The newest settings. Send the ETag as If-Match to save the next version.
#[utoipa::path(get, path = "/v1/program", tag = "programme", responses((status = 200, body = Version)))]
pub(crate) async fn read(State(app): State<App>, _: Caller) -> Result<Tagged<u32, Answer<Version>>, Problem> {
    let newest = app.programs().newest().await?;
    Ok(Tagged(newest.version, Answer(newest.as_ref().clone())))
}

/// How settings are saved.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saving {
    /// Nothing is saved; the settings are tried on all members' history instead.
    #[serde(default)]
    dry_run: bool,
    /// From when the version judges; from now on when left out.
    effective_from: Option<Moment>,
}

/// Save settings as the next version, or try them on history.
///
/// A late order is judged by the version of the day on which it was paid, a refund by the order's own.
/// Every running instance follows within 30 seconds. A dry run goes through the queue: follow `Location`.
#[utoipa::path(put, path = "/v1/program", tag = "programme", params(Saving, ("If-Match" = String, Header)), request_body = Program, responses((status = 200, body = Version), (status = 202, body = DryRun)))]
pub(crate) async fn save(
    State(app): State<App>,
    caller: Caller,
    IfMatch(seen): IfMatch<u32>,
    Query(saving): Query<Saving>,
    Json(program): Json<Program>,
) -> Result<Response, Problem> {
    if saving.dry_run {
        let started = app.dry_runs().start(program, caller.actor).await?;
        let mut response = (StatusCode::ACCEPTED, Answer(&started)).into_response();
        if let Ok(location) = HeaderValue::from_str(&format!("/v1/program/dry-runs/{}", started.id)) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        return Ok(response);
    }
    let version = app.programs().save(program, seen, saving.effective_from, caller.actor).await?;
    Ok(Tagged(version.version, Answer(version)).into_response())
}

/// What a dry run has found so far.
#[utoipa::path(get, path = "/v1/program/dry-runs/{id}", tag = "programme", params(("id" = RowKey, Path)), responses((status = 200, body = DryRun)))]
pub(crate) async fn dry_run(State(app): State<App>, Ids(id): Ids<RowKey>) -> Result<Answer<DryRun>, Problem> {
    Ok(Answer(app.dry_runs().read(id).await?))
}
