//! How many messages may go to one member, and at which hours: read, and saved as a new version.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::domain::campaign::limits::{Limits, LimitsVersion};
use huitou::manners::caller::Caller;
use huitou::manners::extract::{IfMatch, Json};
use huitou::manners::problem::Problem;
use huitou::manners::tagged::Tagged;

/// How many messages may go to one member, and at which hours. Send the `ETag` as `If-Match` to save the next version.
#[utoipa::path(get, path = "/v1/sending-limits", tag = "campaigns", responses((status = 200, body = LimitsVersion)))]
pub(crate) async fn read(State(app): State<App>, _: Caller) -> Result<Tagged<u32, Answer<LimitsVersion>>, Problem> {
    let newest = app.limits().newest().await?;
    Ok(Tagged(newest.version, Answer(newest.as_ref().clone())))
}

/// Save limits as the next version, for all campaigns together; every running instance follows within 30 seconds.
#[utoipa::path(put, path = "/v1/sending-limits", tag = "campaigns", params(("If-Match" = String, Header)), request_body = Limits, responses((status = 200, body = LimitsVersion)))]
pub(crate) async fn save(
    State(app): State<App>,
    caller: Caller,
    IfMatch(seen): IfMatch<u32>,
    Json(limits): Json<Limits>,
) -> Result<Tagged<u32, Answer<LimitsVersion>>, Problem> {
    let saved = app.limits().save(limits, seen, caller.actor).await?;
    Ok(Tagged(saved.version, Answer(saved)))
}
