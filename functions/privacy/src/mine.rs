//! A member's own consents.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::domain::consent::{Purpose, Via, Wish};
use huitou::manners::caller::{ClientAddress, Me};
use huitou::manners::extract::{Ids, Json, Onward, Query};
use huitou::manners::problem::Problem;
use huitou::values::{ChildId, Device, Locale, PageName};
use serde::Deserialize;

use crate::shown::{Consent, ConsentRecord, ConsentRecords, Consents};

/// The list that a cursor belongs to.
const LIST: &str = "consent-records";
/// Records on a page.
const PAGE: i32 = 50;

/// All purposes: whether they may be processed for, what was decided when, what the statement says, and from which day
/// on the member may be asked again.
#[utoipa::path(get, path = "/v1/me/consents", tag = "privacy", responses((status = 200, body = Consents)))]
pub(crate) async fn list(State(app): State<App>, Me(me): Me) -> Result<Answer<Consents>, Problem> {
    Ok(Answer(app.consents().held(&me).await?.into()))
}

/// Every decision as it was recorded, newest first. Nothing in it is ever edited.
#[utoipa::path(get, path = "/v1/me/consents/records", tag = "privacy", params(Onward), responses((status = 200, body = ConsentRecords)))]
pub(crate) async fn records(
    State(app): State<App>,
    Me(me): Me,
    Query(from): Query<Onward>,
) -> Result<Answer<ConsentRecords>, Problem> {
    let owner = me.member.to_string();
    let cursors = app.parts().cursors.of(LIST, &owner);
    let after: Option<String> = cursors.open(from.cursor.as_deref())?;
    let (records, next) = app.consents().records(&me, after.as_deref(), PAGE).await?;
    let items = records.into_iter().map(ConsentRecord::from).collect();
    Ok(Answer(ConsentRecords { items, next: cursors.seal(next.as_ref())? }))
}

/// A yes or a no.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecideConsent {
    /// Yes; or no, which refuses or withdraws.
    granted: bool,
    /// The version of the statement that the member was shown; a yes must name it.
    policy_version: Option<u32>,
    /// For `children`: which child. A no without it is about all of them.
    child: Option<ChildId>,
    /// Where the member decided.
    source: Option<DecidedAt>,
}

/// Where a member decided.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecidedAt {
    /// The page on which the statement stood.
    page: Option<PageName>,
    /// The kind of device, as `iphone`.
    device: Option<Device>,
    /// The language of the statement, as `zh-CN`.
    locale: Option<Locale>,
}

/// Agree to a purpose, refuse it, or withdraw. It counts at once, and said again it is the same decision.
///
/// Each purpose stands for itself: nothing else stops working after a no. Withdrawing a guardian's consent
/// (`children`, `minor`) erases what was stored under it.
#[utoipa::path(put, path = "/v1/me/consents/{purpose}", tag = "privacy", params(("purpose" = Purpose, Path)), request_body = DecideConsent, responses((status = 200, body = Consent)))]
pub(crate) async fn decide(
    State(app): State<App>,
    Me(me): Me,
    Ids(purpose): Ids<Purpose>,
    address: Option<ClientAddress>,
    Json(decide): Json<DecideConsent>,
) -> Result<Answer<Consent>, Problem> {
    let agrees_to = match (decide.granted, decide.policy_version) {
        (false, _) => None,
        (true, Some(version)) => Some(version),
        (true, None) => {
            let detail = "A yes names the policy_version of the statement that the member was shown.";
            return Err(Problem::malformed("policy_version_missing", detail));
        }
    };
    if decide.child.is_some() && purpose != Purpose::Children {
        return Err(Problem::malformed("child_out_of_place", "Only children takes a child."));
    }
    let DecidedAt { page, device, locale } = decide.source.unwrap_or_default();
    let origin = app.consents().origin(page, device, locale, address.map(|ClientAddress(address)| address));
    let wish = Wish { child: decide.child, agrees_to, origin, ..Wish::no(purpose, Via::MiniProgram) };
    Ok(Answer(app.consents().decide(&me, &wish).await?.into()))
}
