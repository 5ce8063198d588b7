//! How many messages may go to one member, and at which hours: read, and saved as a new version.

use axum::Json as Answer;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header};
use huitou::app::App;
use huitou::domain::campaign::limits::{Limits, LimitsVersion};
use huitou::manners::caller::Caller;
use huitou::manners::extract::{IfMatch, Json};
use huitou::manners::problem::Problem;

fn with_tag(version: &LimitsVersion) -> Response {
    let mut response = Answer(version).into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", version.version)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// How many messages may go to one member, and at which hours. Send the `ETag` as `If-Match` to save the next version.
#[utoipa::path(get, path = "/v1/sending-limits", tag = "campaigns", responses((status = 200, body = LimitsVersion)))]
pub(crate) async fn read(State(app): State<App>, _: Caller) -> Result<Response, Problem> {
    Ok(with_tag(&app.limits().newest().await?))
}

/// Save limits as the next version, for all campaigns together; every running instance follows within 30 seconds.
#[utoipa::path(put, path = "/v1/sending-limits", tag = "campaigns", params(("If-Match" = String, Header)), request_body = Limits, responses((status = 200, body = LimitsVersion)))]
pub(crate) async fn save(
    State(app): State<App>,
    caller: Caller,
    IfMatch(seen): IfMatch,
    Json(limits): Json<Limits>,
) -> Result<Response, Problem> {
    let seen = u32::try_from(seen).unwrap_or(u32::MAX);
    Ok(with_tag(&app.limits().save(limits, seen, caller.actor).await?))
}
