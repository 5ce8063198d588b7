//! Requests under the law: written down, listed by the day on which they are due, decided.

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use huitou::app::App;
use huitou::cases::customers::Sight;
use huitou::cases::rights_requests::Asked;
use huitou::domain::census::Census;
use huitou::domain::rights_request::{Decision, Kind, RightsRequest, Status};
use huitou::manners::caller::{Caller, Me};
use huitou::manners::extract::{Ids, Json, Key, Onward, Query};
use huitou::manners::problem::Problem;
use huitou::table::about;
use huitou::values::{Actor, Code, LocalDay, MemberId, Moment, Reason, RequestId};
use serde::{Deserialize, Serialize};

/// The list that a cursor belongs to.
const LIST: &str = "requests";
/// The list of one's own.
const OWN: &str = "my-requests";

/// A request under the law.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Request {
    id: RequestId,
    member_id: MemberId,
    kind: Kind,
    /// The segment, or `tier`, that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<Code>,
    received_at: Moment,
    /// The last day on which it may be decided.
    due_on: LocalDay,
    status: Status,
    /// When it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<Moment>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_because: Option<Reason>,
}

impl From<RightsRequest> for Request {
    fn from(request: RightsRequest) -> Self {
        about(request.member);
        Self {
            id: request.id,
            member_id: request.member,
            kind: request.kind,
            about: request.about,
            received_at: request.received_at,
            due_on: request.due_on,
            status: request.standing.status(),
            decided_at: request.standing.decided_at(),
            refused_because: request.standing.refused_because().cloned(),
        }
    }
}

/// Requests of a member.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct OwnRequests {
    /// Newest first, at most fifty; behind them those of accounts that were merged into this one.
    items: Vec<Request>,
    /// Send it as `cursor` to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// What the member has asked for under the law, and what became of it.
#[utoipa::path(get, path = "/v1/me/requests", tag = "privacy", params(Onward), responses((status = 200, body = OwnRequests)))]
pub(crate) async fn mine(
    State(app): State<App>,
    Me(me): Me,
    Query(from): Query<Onward>,
) -> Result<Answer<OwnRequests>, Problem> {
    let owner = me.member.to_string();
    let cursors = app.parts().cursors.of(OWN, &owner);
    let (requests, next) = app.rights_requests().mine(&me, cursors.open(from.cursor.as_deref())?).await?;
    let items = requests.into_iter().map(Request::from).collect();
    Ok(Answer(OwnRequests { items, next: cursors.seal(next.as_ref())? }))
}

/// What somebody asks for.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskUnderTheLaw {
    kind: Kind,
    /// The segment, or `tier`, that a person is to look at.
    about: Option<Code>,
}

/// Ask for something that a person has to do: a look at what was decided by machine (`review`), a correction that the
/// profile page can't make, anything else under the law. Safe to repeat with the same key. At most twenty may wait for a decision at once.
///
/// Taking everything along (`POST /v1/me/export`), leaving (`DELETE /v1/me`), correcting (`PUT /v1/me`) and restricting
/// (`PUT /v1/me/consents/profiling`) need nobody.
#[utoipa::path(post, path = "/v1/me/requests", tag = "privacy", params(("Idempotency-Key" = String, Header)), request_body = AskUnderTheLaw, responses((status = 201, body = Request)))]
pub(crate) async fn ask(
    State(app): State<App>,
    Me(me): Me,
    Key(key): Key,
    Json(AskUnderTheLaw { kind, about }): Json<AskUnderTheLaw>,
) -> Result<(StatusCode, Answer<Request>), Problem> {
    let asked = Asked { kind, about, reason: None };
    let request = app.rights_requests().ask(&me, &Sight::All, key.as_str(), &asked).await?;
    Ok((StatusCode::CREATED, Answer(request.into())))
}

/// What staff write down that somebody asks for.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WriteDownRequest {
    kind: Kind,
    about: Option<Code>,
    /// How it came in; nothing that says who it was.
    reason: Reason,
}

/// Write down what a member, or the next of kin of one who has died, asks for under the law. Safe to repeat with the same
/// key.
#[utoipa::path(post, path = "/v1/members/{id}/requests", tag = "privacy", params(("id" = MemberId, Path), ("Idempotency-Key" = String, Header)), request_body = WriteDownRequest, responses((status = 201, body = Request)))]
pub(crate) async fn write_down(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<MemberId>,
    Key(key): Key,
    Json(WriteDownRequest { kind, about, reason }): Json<WriteDownRequest>,
) -> Result<(StatusCode, Answer<Request>), Problem> {
    let asked = Asked { kind, about, reason: Some(reason) };
    let request = app.rights_requests().ask(&caller.on(id), &caller.sight(), key.as_str(), &asked).await?;
    Ok((StatusCode::CREATED, Answer(request.into())))
}

/// A page of open requests.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct OpenRequests {
    /// The one that is due first at the front.
    items: Vec<Request>,
    /// Send it as `cursor` to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// How many people there are, and whether the duties of large processors have begun (网络数据安全管理条例 28): on the first
    /// page, from the first Monday on.
    #[serde(skip_serializing_if = "Option::is_none")]
    census: Option<Census>,
}

/// Requests under the law that somebody has to decide about, the one that is due first at the front.
#[utoipa::path(get, path = "/v1/requests", tag = "privacy", params(Onward), responses((status = 200, body = OpenRequests)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(from): Query<Onward>,
) -> Result<Answer<OpenRequests>, Problem> {
    let cursors = app.parts().cursors.of(LIST, caller.actor.as_str());
    let (requests, next) = app.rights_requests().open(cursors.open(from.cursor.as_deref())?).await?;
    let census = if from.cursor.is_none() { app.census().newest().await? } else { None };
    let items = requests.into_iter().map(Request::from).collect();
    Ok(Answer(OpenRequests { items, next: cursors.seal(next.as_ref())?, census }))
}

/// What is decided.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DecidedAs {
    /// It was done.
    Done,
    /// It is refused, for a reason that the member is told.
    Refused,
}

/// A decision about a request.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecideRequest {
    status: DecidedAs,
    /// Why, when it is refused: the member is told. Nothing that says who it is.
    reason: Option<Reason>,
}

/// Decide about a request, once; the same decision again changes nothing. A refusal needs a reason.
#[utoipa::path(put, path = "/v1/requests/{id}", tag = "privacy", params(("id" = RequestId, Path)), request_body = DecideRequest, responses((status = 200, body = Request)))]
pub(crate) async fn decide(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<RequestId>,
    Json(DecideRequest { status, reason }): Json<DecideRequest>,
) -> Result<Answer<Request>, Problem> {
    let decision = match (status, reason) {
        (DecidedAs::Done, None) => Decision::Done,
        (DecidedAs::Refused, Some(reason)) => Decision::Refused(reason),
        (DecidedAs::Done, Some(_)) => {
            return Err(Problem::malformed("reason_out_of_place", "Only a refusal takes a reason."));
        }
        (DecidedAs::Refused, None) => {
            let detail = "Nobody is refused without being told why; send a reason.";
            return Err(Problem::malformed("reason_missing", detail));
        }
    };
    let by: Actor = caller.actor;
    Ok(Answer(app.rights_requests().decide(id, &decision, &by).await?.into()))
}
