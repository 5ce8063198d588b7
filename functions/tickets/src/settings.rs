//! The settings of the service desk: read, and saved as a new version.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::domain::desk::{Desk, DeskVersion};
use huitou::manners::caller::Caller;
use huitou::manners::extract::{IfMatch, Json};
use huitou::manners::problem::Problem;
use huitou::manners::tagged::Tagged;

/// The settings of the service desk. Send the ETag as If-Match to save the next version.
#[utoipa::path(get, path = "/v1/desk", tag = "tickets", responses((status = 200, body = DeskVersion)))]
pub(crate) async fn read(State(app): State<App>, _: Caller) -> Result<Tagged<u32, Answer<DeskVersion>>, Problem> {
    let newest = app.desks().newest().await?;
    Ok(Tagged(newest.version, Answer(newest.as_ref().clone())))
}

/// Save settings of the service desk as the next version.
///
/// A ticket follows when something happens to it the next time; every running instance within 30 seconds.
#[utoipa::path(put, path = "/v1/desk", tag = "tickets", params(("If-Match" = String, Header)), request_body = Desk, responses((status = 200, body = DeskVersion)))]
pub(crate) async fn save(
    State(app): State<App>,
    caller: Caller,
    IfMatch(seen): IfMatch<u32>,
    Json(desk): Json<Desk>,
) -> Result<Tagged<u32, Answer<DeskVersion>>, Problem> {
    let saved = app.desks().save(desk, seen, caller.actor).await?;
    Ok(Tagged(saved.version, Answer(saved)))
}
