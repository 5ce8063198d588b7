//! Taking everything along.

use std::collections::BTreeMap;

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::cases::Who;
use huitou::cases::exports::FORMAT;
use huitou::manners::caller::{Caller, Me};
use huitou::manners::extract::{Ids, Onward, Query};
use huitou::manners::problem::Problem;
use huitou::values::{MemberId, Moment};
use serde::Serialize;
use serde_json::Value;

/// The list that a cursor belongs to.
const LIST: &str = "export";

/// Everything that is kept about a member.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Export {
    /// How it is laid out: `huitou-export-1`.
    format: &'static str,
    member_id: MemberId,
    exported_at: Moment,
    /// Lists by category: `profile`, `children`, `account`, `consents`, `corrections`, `notes`, `merges`, `journal` (purchases, points and
    /// every judgement), `tickets`, `messages_sent`, `requests`. A category of which there is nothing is absent.
    #[schema(value_type = Object)]
    data: BTreeMap<&'static str, Vec<Value>>,
    /// Send it as `cursor` to go on; absent when this is everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Take everything along, in clear. One answer for nearly everybody; where there is more than one can hold, each ends with a
/// cursor, and the lists go one behind the other. A token is two hours old at most, so WeChat has lately said who asks.
#[utoipa::path(post, path = "/v1/me/export", tag = "privacy", params(Onward), responses((status = 200, body = Export)))]
pub(crate) async fn mine(
    State(app): State<App>,
    Me(me): Me,
    Query(from): Query<Onward>,
) -> Result<Answer<Export>, Problem> {
    read(&app, &me, from).await
}

/// Everything that is kept about a member, for a manager who hands it out to whoever has proved to be them, and says why in
/// `X-Huitou-Reason`.
#[utoipa::path(post, path = "/v1/members/{id}/export", tag = "privacy", params(("id" = MemberId, Path), ("X-Huitou-Reason" = String, Header), Onward), responses((status = 200, body = Export)))]
pub(crate) async fn of_member(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<MemberId>,
    Query(from): Query<Onward>,
) -> Result<Answer<Export>, Problem> {
    read(&app, &caller.on(id), from).await
}

async fn read(app: &App, who: &Who, from: Onward) -> Result<Answer<Export>, Problem> {
    let owner = who.member.to_string();
    let cursors = app.parts().cursors.of(LIST, &owner);
    let export = Box::pin(app.exports().read(who, cursors.open(from.cursor.as_deref())?)).await?;
    let next = cursors.seal(export.next.as_ref())?;
    let (member_id, exported_at, data) = (export.member, export.at, export.data);
    Ok(Answer(Export { format: FORMAT, member_id, exported_at, data, next }))
}
