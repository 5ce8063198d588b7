//! Tags and notes.

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use huitou::app::App;
use huitou::domain::traits::Tag;
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Ids, Json, Key};
use huitou::manners::problem::Problem;
use huitou::values::{LocalDay, MemberId, Name, Note};
use serde::{Deserialize, Serialize};

use crate::portrait::ShownNote;

/// Tags to be added and taken away; a tag that is in both is taken away.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retag {
    #[serde(default)]
    add: Vec<Name>,
    #[serde(default)]
    remove: Vec<Name>,
    /// The first day on which the tags that are added no longer hold; without it they stay.
    #[serde(default)]
    until: Option<LocalDay>,
}

/// The tags of a member.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Tags {
    /// In the order in which they were given; at most 40.
    tags: Vec<Name>,
}

/// Tag a member. Asking again changes nothing.
#[utoipa::path(post, path = "/v1/members/{id}/tags", tag = "customers", params(("id" = MemberId, Path)), request_body = Retag, responses((status = 200, body = Tags)))]
pub(crate) async fn tag(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<MemberId>,
    Json(retag): Json<Retag>,
) -> Result<Answer<Tags>, Problem> {
    let add: Vec<Tag> = retag.add.into_iter().map(|name| Tag { name, until: retag.until }).collect();
    let tags = app.remarks().tag(id, &caller.sight(), &add, &retag.remove, &caller.actor).await?;
    Ok(Answer(Tags { tags }))
}

/// A note to be written.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WriteNote {
    /// 1 to 1000 characters.
    text: Note,
}

/// Write a note about a member. Safe to repeat with the same key.
#[utoipa::path(post, path = "/v1/members/{id}/notes", tag = "customers", params(("id" = MemberId, Path), ("Idempotency-Key" = String, Header)), request_body = WriteNote, responses((status = 201, body = ShownNote)))]
pub(crate) async fn note(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<MemberId>,
    Key(key): Key,
    Json(note): Json<WriteNote>,
) -> Result<(StatusCode, Answer<ShownNote>), Problem> {
    let written = app.remarks().note(&caller.on(id), &caller.sight(), key.as_str(), &note.text).await?;
    Ok((StatusCode::CREATED, Answer(written.into())))
}
