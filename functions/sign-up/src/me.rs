//! A member's own profile and phone.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::cases::profiles::{Basics, Gender, Mine};
use huitou::manners::caller::Me;
use huitou::manners::extract::{IfMatch, Json};
use huitou::manners::problem::Problem;
use huitou::manners::tagged::Tagged;
use huitou::values::{Birthday, Code, Email, InviteCode, MemberId, Moment, Name, Phone};
use serde::{Deserialize, Serialize};

/// The own profile, in clear.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct OwnProfile {
    id: MemberId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    birthday: Option<Birthday>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<Email>,
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gender: Option<Gender>,
    /// Country code and number, digits only.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<Phone>,
    /// As a page may show it: `138****8000`.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_masked: Option<String>,
    /// To be passed on to friends.
    #[serde(skip_serializing_if = "Option::is_none")]
    invite_code: Option<InviteCode>,
    /// The kinds of ids that are linked: `openid`, `unionid`, `phone`, `card`.
    linked: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined_at: Option<Moment>,
    /// The channel by which the member was won.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Code>,
    /// Raised by every change; the same as the `ETag`.
    version: u64,
}

impl From<Mine> for OwnProfile {
    fn from(mine: Mine) -> Self {
        Self {
            id: mine.member,
            name: mine.basics.name,
            birthday: mine.basics.birthday,
            email: mine.basics.email,
            city: mine.basics.city,
            gender: mine.basics.gender,
            phone_masked: mine.phone.as_ref().map(Phone::masked),
            phone: mine.phone,
            invite_code: mine.invite_code,
            linked: mine.linked,
            joined_at: mine.joined_at,
            source: mine.source.channel,
            version: mine.version,
        }
    }
}

fn shown(mine: Mine) -> Tagged<u64, Answer<OwnProfile>> {
    Tagged(mine.version, Answer(mine.into()))
}

/// The own profile.
#[utoipa::path(get, path = "/v1/me", tag = "sign-up", responses((status = 200, body = OwnProfile)))]
pub(crate) async fn read(State(app): State<App>, Me(me): Me) -> Result<Tagged<u64, Answer<OwnProfile>>, Problem> {
    Ok(shown(app.profiles().read(&me).await?))
}

/// What a member tells about themselves. What is left out is forgotten.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TellAboutMe {
    name: Option<Name>,
    /// Of somebody under 14 it is stored with a guardian's consent only (`PUT /v1/me/consents/minor`).
    birthday: Option<Birthday>,
    email: Option<Email>,
    city: Option<Name>,
    gender: Option<Gender>,
}

/// Replace what the member tells. With If-Match an edit in between is not overwritten.
#[utoipa::path(put, path = "/v1/me", tag = "sign-up", params(("If-Match" = Option<String>, Header)), request_body = TellAboutMe, responses((status = 200, body = OwnProfile)))]
pub(crate) async fn replace(
    State(app): State<App>,
    Me(me): Me,
    builds_on: Option<IfMatch>,
    Json(told): Json<TellAboutMe>,
) -> Result<Tagged<u64, Answer<OwnProfile>>, Problem> {
    let TellAboutMe { name, birthday, email, city, gender } = told;
    let basics = Basics { name, birthday, email, city, gender };
    Ok(shown(app.profiles().edit(&me, &basics, builds_on.map(|IfMatch(version)| version)).await?))
}

/// A phone to be bound.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BindPhone {
    /// From the phone button; it counts once, for five minutes.
    phone_code: String,
}

/// Bind a phone that WeChat has verified, in place of an earlier one.
///
/// What was bought under this phone before comes along. A phone of another member who has signed up is taken (409).
#[utoipa::path(post, path = "/v1/me/phone", tag = "sign-up", request_body = BindPhone, responses((status = 200, body = OwnProfile)))]
pub(crate) async fn bind_phone(
    State(app): State<App>,
    Me(me): Me,
    Json(bind): Json<BindPhone>,
) -> Result<Tagged<u64, Answer<OwnProfile>>, Problem> {
    Ok(shown(Box::pin(app.profiles().bind_phone(&me, &bind.phone_code)).await?))
}
