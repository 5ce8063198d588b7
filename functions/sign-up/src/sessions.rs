//! Sessions: logging in, which signs up whoever is new, and logging out.

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use huitou::app::App;
use huitou::cases::people::Acquisition;
use huitou::cases::sign_up::{self, InviteOutcome, LoggedIn};
use huitou::manners::caller::Me;
use huitou::manners::extract::Json;
use huitou::manners::problem::Problem;
use huitou::trust::token::{Claims, Role};
use huitou::values::MemberId;
use serde::{Deserialize, Serialize};

use crate::source::CameBy;

/// How long a token lasts. Logging in again is silent in a mini program, so nothing else renews it.
const LASTS: Duration = Duration::from_hours(2);

/// Who tells who somebody is.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Provider {
    /// WeChat's mini programs.
    WeChat,
}

/// What somebody brings who wants to come in.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogIn {
    #[serde(rename = "provider")]
    _provider: Provider,
    /// From `wx.login`; it counts once, for five minutes.
    code: String,
    /// From the phone button; another code than that of the login.
    phone_code: Option<String>,
    /// A friend's invite code. One that nobody has doesn't stop a sign-up.
    invite: Option<String>,
    /// A channel's name (`store_qr`), or an object with channel, store, guide, campaign and cost. It counts at sign-up.
    #[schema(value_type = Option<Came>)]
    source: Option<CameBy>,
}

/// How somebody came.
#[derive(utoipa::ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it describes CameBy")]
pub(crate) enum Came {
    /// A channel's name.
    Channel(String),
    /// Everything that is known about it.
    Details(Acquisition),
}

/// A session.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Session {
    /// Send it as `Authorization: Bearer`.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds until it lapses; then log in again.
    expires_in: u64,
    member: SessionMember,
    /// What became of the invite code.
    #[serde(skip_serializing_if = "Option::is_none")]
    invite: Option<InviteOutcome>,
}

/// Whose session it is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SessionMember {
    id: MemberId,
    /// Whether the person signed up just now.
    is_new: bool,
}

/// Log in by WeChat; whoever is new signs up. 201 for a new member, 200 for a known one.
///
/// With a phone code the verified number is bound. When another member who has signed up has the number, the answer
/// is 409 `phone_taken` and nothing has changed; without the phone code the log-in goes through.
#[utoipa::path(post, path = "/v1/sessions", tag = "sign-up", request_body = LogIn, security(()), responses((status = 201, body = Session), (status = 200, body = Session)))]
pub(crate) async fn log_in(
    State(app): State<App>,
    Json(asked): Json<LogIn>,
) -> Result<(StatusCode, Answer<Session>), Problem> {
    let LogIn { code, phone_code, invite, source, .. } = asked;
    let asked = sign_up::LogIn { code, phone_code, invite, source: source.unwrap_or_default().0 };
    let logged_in = app.sign_up().log_in(&asked).await?;
    let status = if logged_in.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Answer(session(&app, &logged_in))))
}

fn session(app: &App, logged_in: &LoggedIn) -> Session {
    let now = app.wall();
    let claims = Claims {
        role: Role::Member,
        subject: logged_in.member.to_string(),
        sessions: logged_in.sessions,
        issued: now,
        expires: now.plus(LASTS),
    };
    Session {
        access_token: app.parts().tokens.issue(&claims),
        token_type: "Bearer",
        expires_in: LASTS.as_secs(),
        member: SessionMember { id: logged_in.member, is_new: logged_in.is_new },
        invite: logged_in.invitation,
    }
}

/// Log out everywhere: all tokens issued so far are void.
#[utoipa::path(delete, path = "/v1/sessions", tag = "sign-up", responses((status = 204)))]
pub(crate) async fn log_out(State(app): State<App>, Me(me): Me) -> Result<StatusCode, Problem> {
    app.profiles().log_out(&me).await?;
    Ok(StatusCode::NO_CONTENT)
}
