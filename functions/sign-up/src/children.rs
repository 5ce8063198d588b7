//! A guardian's children.

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use huitou::app::App;
use huitou::cases::children::{Kept, guardians_yes};
use huitou::domain::age::{AgeBand, ChildAge};
use huitou::domain::child::{Child, Growth};
use huitou::manners::caller::{ClientAddress, Me};
use huitou::manners::extract::{Ids, IfMatch, Json, Key};
use huitou::manners::problem::Problem;
use huitou::manners::tagged::Tagged;
use huitou::values::{Birthday, ChildId, Device, LocalDay, Locale, Moment, Name, PageName};
use serde::{Deserialize, Serialize};

/// A child with its `ETag`.
type Shown = Tagged<u64, Answer<OwnChild>>;

/// A child, in clear.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct OwnChild {
    id: ChildId,
    name: Name,
    birthday: Birthday,
    /// `0-3`, `4-6` or `7+`, today.
    age_band: AgeBand,
    /// The growth file, oldest first.
    growth: Vec<Growth>,
    added_at: Moment,
    consent: ChildConsent,
    /// Raised by every change; the same as the `ETag`.
    version: u64,
}

/// The guardian's consent about one child.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ChildConsent {
    /// Whether it still counts. If not, nothing can be changed before the guardian agrees to the statement in force.
    live: bool,
    /// The version of the statement to which the guardian has agreed.
    policy_version: u32,
}

impl OwnChild {
    fn of(kept: Kept, today: LocalDay) -> Self {
        Self {
            id: kept.id,
            age_band: ChildAge::of(kept.child.birthday, kept.policy, today).band(today),
            name: kept.child.name,
            birthday: kept.child.birthday,
            growth: kept.child.growth,
            added_at: kept.at,
            consent: ChildConsent { live: kept.live, policy_version: kept.policy },
            version: kept.version,
        }
    }
}

fn shown(app: &App, kept: Kept) -> Shown {
    Tagged(kept.version, Answer(OwnChild::of(kept, app.now().day())))
}

/// A guardian's children.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct OwnChildren {
    /// At most ten, in the order in which they were added.
    items: Vec<OwnChild>,
}

/// The own children.
#[utoipa::path(get, path = "/v1/me/children", tag = "sign-up", responses((status = 200, body = OwnChildren)))]
pub(crate) async fn list(State(app): State<App>, Me(me): Me) -> Result<Answer<OwnChildren>, Problem> {
    let today = app.now().day();
    let items = app.children().list(&me).await?.into_iter().map(|kept| OwnChild::of(kept, today)).collect();
    Ok(Answer(OwnChildren { items }))
}

/// A child to be added.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddChild {
    name: Name,
    birthday: Birthday,
    /// The growth file: at most 200 entries, one a day.
    #[serde(default)]
    growth: Vec<Growth>,
    /// The guardian's yes to the statement about `children`. Nothing is stored without it.
    consent: Option<GuardianConsent>,
}

/// A guardian's yes.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GuardianConsent {
    /// The version of the statement that the guardian was shown.
    policy_version: u32,
    /// The page on which it stood.
    page: Option<PageName>,
    /// The kind of device, as `iphone`.
    device: Option<Device>,
    /// The language of the statement, as `zh-CN`.
    locale: Option<Locale>,
}

/// Add a child, with the guardian's consent. Safe to repeat with the same key.
///
/// The guardian's phone must be bound, and the consent must name the statement in force
/// (`GET /v1/me/consents`, purpose `children`); 422 `guardian_consent_required` otherwise.
#[utoipa::path(post, path = "/v1/me/children", tag = "sign-up", params(("Idempotency-Key" = String, Header)), request_body = AddChild, responses((status = 201, body = OwnChild)))]
pub(crate) async fn add(
    State(app): State<App>,
    Me(me): Me,
    Key(key): Key,
    address: Option<ClientAddress>,
    Json(told): Json<AddChild>,
) -> Result<(StatusCode, Shown), Problem> {
    let consent = told.consent.map(|yes| {
        let origin = app.consents().origin(yes.page, yes.device, yes.locale, address.map(|ClientAddress(ip)| ip));
        guardians_yes(yes.policy_version, origin)
    });
    let child = Child::new(told.name, told.birthday, told.growth);
    let kept = app.children().add(&me, key.as_str(), child, consent.as_ref()).await?;
    Ok((StatusCode::CREATED, shown(&app, kept)))
}

/// What a guardian tells about a child. What is left out of the growth file is forgotten.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TellAboutChild {
    name: Name,
    birthday: Birthday,
    #[serde(default)]
    growth: Vec<Growth>,
}

/// Replace what the guardian tells about a child. With If-Match an edit in between is not overwritten.
#[utoipa::path(put, path = "/v1/me/children/{id}", tag = "sign-up", params(("id" = ChildId, Path), ("If-Match" = Option<String>, Header)), request_body = TellAboutChild, responses((status = 200, body = OwnChild)))]
pub(crate) async fn replace(
    State(app): State<App>,
    Me(me): Me,
    Ids(id): Ids<ChildId>,
    builds_on: Option<IfMatch>,
    Json(told): Json<TellAboutChild>,
) -> Result<Shown, Problem> {
    let child = Child::new(told.name, told.birthday, told.growth);
    let kept = app.children().edit(&me, id, child, builds_on.map(|IfMatch(version)| version)).await?;
    Ok(shown(&app, kept))
}

/// Erase a child: everything about it, the key that sealed it, and the consent that allowed it.
#[utoipa::path(delete, path = "/v1/me/children/{id}", tag = "sign-up", params(("id" = ChildId, Path)), responses((status = 204)))]
pub(crate) async fn erase(State(app): State<App>, Me(me): Me, Ids(id): Ids<ChildId>) -> Result<StatusCode, Problem> {
    app.children().delete(&me, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
