//! Consents as staff see them, and what they write down for a member.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::domain::consent::{Purpose, Via, Wish};
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Ids, Json};
use huitou::manners::problem::Problem;
use huitou::values::{MemberId, Reason};
use serde::Deserialize;

use crate::shown::{Consent, Consents};

/// What a member has agreed to and refused.
#[utoipa::path(get, path = "/v1/members/{id}/consents", tag = "privacy", params(("id" = MemberId, Path)), responses((status = 200, body = Consents)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<MemberId>,
) -> Result<Answer<Consents>, Problem> {
    Ok(Answer(app.consents().held_of(id, &caller.sight()).await?.into()))
}

/// What a member asks staff to withdraw.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Withdraw {
    purpose: Purpose,
    /// How and why the member asked, in the words of whoever writes it down.
    reason: Reason,
}

/// Write down that a member withdraws. Nobody agrees for a member; asking again changes nothing.
#[utoipa::path(post, path = "/v1/members/{id}/consents/withdrawals", tag = "privacy", params(("id" = MemberId, Path)), request_body = Withdraw, responses((status = 200, body = Consent)))]
pub(crate) async fn withdraw(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<MemberId>,
    Json(Withdraw { purpose, reason }): Json<Withdraw>,
) -> Result<Answer<Consent>, Problem> {
    let wish = Wish { reason: Some(reason), ..Wish::no(purpose, Via::Staff) };
    Ok(Answer(app.consents().withdraw_for(&caller.on(id), &caller.sight(), &wish).await?.into()))
}
