//! The playbooks as operators read and managers write them: one list, each version whole.

use std::collections::BTreeMap;

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use huitou::app::App;
use huitou::domain::playbook::{Playbook, Spent};
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Ids, IfMatch, Json};
use huitou::manners::problem::Problem;
use huitou::manners::tagged::Tagged;
use huitou::values::Code;
use serde::Serialize;

/// All playbooks.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PlaybookList {
    /// The version, which every saved or deleted playbook raises.
    version: u32,
    /// By the segment that each belongs to.
    playbooks: BTreeMap<Code, Playbook>,
}

/// A segment's playbook.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SegmentPlaybook {
    /// The segment.
    segment: Code,
    /// The version of the list in which it was read.
    version: u32,
    /// The playbook.
    playbook: Playbook,
    /// What it has used of its budget in the present period; absent without a budget, and in the answer to
    /// saving.
    #[serde(skip_serializing_if = "Option::is_none")]
    spent: Option<Spent>,
}

/// All playbooks. Send the ETag as If-Match to save or delete one.
#[utoipa::path(get, path = "/v1/playbooks", tag = "playbooks", responses((status = 200, body = PlaybookList)))]
pub(crate) async fn list(State(app): State<App>, _: Caller) -> Result<Tagged<u32, Answer<PlaybookList>>, Problem> {
    let newest = app.playbooks().newest().await?;
    let list = PlaybookList { version: newest.version, playbooks: newest.by_segment.clone() };
    Ok(Tagged(list.version, Answer(list)))
}

/// A segment's playbook, and what it has used of its budget. Send the ETag as If-Match to save or delete it.
#[utoipa::path(get, path = "/v1/segments/{id}/playbook", tag = "playbooks", params(("id" = Code, Path)), responses((status = 200, body = SegmentPlaybook)))]
pub(crate) async fn read(
    State(app): State<App>,
    _: Caller,
    Ids(segment): Ids<Code>,
) -> Result<Tagged<u32, Answer<SegmentPlaybook>>, Problem> {
    let (playbook, version, spent) = app.playbooks().of(&segment).await?;
    Ok(Tagged(version, Answer(SegmentPlaybook { segment, version, playbook, spent })))
}

/// Give a segment its playbook, in place of one that it may have.
///
/// It judges every move that is worked on from then on; every running instance follows within 30 seconds. If-Match is
/// the ETag of the list or of any playbook as last read. What the budget's period has used so far stays used.
#[utoipa::path(put, path = "/v1/segments/{id}/playbook", tag = "playbooks", params(("id" = Code, Path), ("If-Match" = String, Header)), request_body = Playbook, responses((status = 200, body = SegmentPlaybook)))]
pub(crate) async fn save(
    State(app): State<App>,
    caller: Caller,
    IfMatch(seen): IfMatch<u32>,
    Ids(segment): Ids<Code>,
    Json(playbook): Json<Playbook>,
) -> Result<Tagged<u32, Answer<SegmentPlaybook>>, Problem> {
    let version = app.playbooks().save(&segment, Some(playbook.clone()), seen, caller.actor).await?;
    Ok(Tagged(version, Answer(SegmentPlaybook { segment, version, playbook, spent: None })))
}

/// Take a segment's playbook away: it no longer acts.
#[utoipa::path(delete, path = "/v1/segments/{id}/playbook", tag = "playbooks", params(("id" = Code, Path), ("If-Match" = String, Header)), responses((status = 204)))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    IfMatch(seen): IfMatch<u32>,
    Ids(segment): Ids<Code>,
) -> Result<Tagged<u32, StatusCode>, Problem> {
    let version = app.playbooks().save(&segment, None, seen, caller.actor).await?;
    Ok(Tagged(version, StatusCode::NO_CONTENT))
}
