//! The privacy policy: read, and saved as a new version.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::domain::privacy_policy::{PolicyDraft, PolicyVersion};
use huitou::manners::caller::Caller;
use huitou::manners::extract::{IfMatch, Json, Query};
use huitou::manners::problem::Problem;
use huitou::manners::tagged::Tagged;
use serde::Deserialize;

/// A version with its `ETag`.
type Shown = Tagged<u32, Answer<PolicyVersion>>;

fn shown(version: PolicyVersion) -> Shown {
    Tagged(version.version, Answer(version))
}

/// Which version is wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// An older version, to see what somebody was told; the newest when it is left out.
    version: Option<u32>,
}

/// The privacy policy: what members are told, purpose by purpose. Send the ETag as If-Match to save the next version.
#[utoipa::path(get, path = "/v1/privacy-policy", tag = "privacy", params(Which), responses((status = 200, body = PolicyVersion)))]
pub(crate) async fn read(State(app): State<App>, _: Caller, Query(which): Query<Which>) -> Result<Shown, Problem> {
    let policies = app.privacy_policies();
    Ok(shown(match which.version {
        Some(number) => policies.numbered(number).await?,
        None => policies.newest().await?.as_ref().clone(),
    }))
}

/// Save the privacy policy as its next version.
///
/// A statement whose purpose, method or type of data has changed asks everybody again: consents to its older versions
/// count no more, at once for whatever is about to be sent, and segments follow by a full pass. Every running instance
/// follows within 30 seconds.
///
/// Where the law asks for an impact assessment before data are processed (PIPL 55), the policy names it: number, when it
/// was made and until when its report is kept, at least three years. What changes in substance names another one than before.
#[utoipa::path(put, path = "/v1/privacy-policy", tag = "privacy", params(("If-Match" = String, Header)), request_body = PolicyDraft, responses((status = 200, body = PolicyVersion)))]
pub(crate) async fn save(
    State(app): State<App>,
    caller: Caller,
    IfMatch(seen): IfMatch<u32>,
    Json(wanted): Json<PolicyDraft>,
) -> Result<Shown, Problem> {
    Ok(shown(app.privacy_policies().save(&wanted, seen, &caller.actor).await?))
}
