//! The settings of the service desk: read, and saved as a new version.

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header};
use huitou::app::App;
use huitou::domain::desk::{Desk, DeskVersion};
use huitou::manners::caller::Caller;
use huitou::manners::extract::{IfMatch, Json};
use huitou::manners::problem::Problem;

fn with_tag(version: &DeskVersion) -> Response {
    let mut response = Answer(version).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", version.version)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The settings of the service desk. Send the ETag as If-Match to save the next version.
#[utoipa::path(get, path = "/v1/desk", tag = "tickets", responses((status = 200, body = DeskVersion)))]
pub(crate) async fn read(State(app): State<App>, _: Caller) -> Result<Response, Problem> {
    Ok(with_tag(&*app.desks().newest().await?))
}

/// Save settings of the service desk as the next version.
///
/// A ticket follows when something happens to it the next time; every running instance within 30 seconds.
#[utoipa::path(put, path = "/v1/desk", tag = "tickets", params(("If-Match" = String, Header)), request_body = Desk, responses((status = 200, body = DeskVersion)))]
pub(crate) async fn save(
    State(app): State<App>,
    caller: Caller,
    IfMatch(seen): IfMatch,
    Json(desk): Json<Desk>,
) -> Result<Response, Problem> {
    let seen = u32::try_from(seen).unwrap_or(u32::MAX);
    Ok(with_tag(&app.desks().save(desk, seen, caller.actor).await?))
}
