//! Ids by which other systems know a member.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::cases::people::Handle;
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Ids, Json};
use huitou::manners::problem::Problem;
use huitou::values::{ExternalUserId, MemberId};
use serde::{Deserialize, Serialize};

/// An id to be linked.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkId {
    /// WeCom's `external_userid` of the person whom a guide has added.
    wecom: ExternalUserId,
}

/// What became of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Linked {
    /// Whether it is linked now and was not before.
    linked: bool,
}

/// Link WeCom's id of a person to a member. An id of another member is taken (409).
#[utoipa::path(post, path = "/v1/members/{id}/ids", tag = "customers", params(("id" = MemberId, Path)), request_body = LinkId, responses((status = 200, body = Linked)))]
pub(crate) async fn link(
    State(app): State<App>,
    _: Caller,
    Ids(id): Ids<MemberId>,
    Json(LinkId { wecom }): Json<LinkId>,
) -> Result<Answer<Linked>, Problem> {
    let linked = app.people().link(id, &Handle::Wecom(wecom)).await?;
    Ok(Answer(Linked { linked }))
}
