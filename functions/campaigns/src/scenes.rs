//! Scenes: the templates that ship, and drafts made of them.

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use huitou::app::App;
use huitou::domain::campaign::scene::{Scene, SceneDraft, SceneTemplate};
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Ids, Json, Key};
use huitou::manners::problem::Problem;
use serde::Serialize;

use crate::definitions::{CampaignShown, ShownCampaign, shown};

/// Scenes and their templates.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Scenes {
    items: Vec<SceneTemplate>,
}

/// The scenes that ship, each with its audience, its trigger and its words. No table call.
#[utoipa::path(get, path = "/v1/scenes", tag = "campaigns", responses((status = 200, body = Scenes)))]
pub(crate) async fn scenes(State(app): State<App>, _: Caller) -> Result<Answer<Scenes>, Problem> {
    Ok(Answer(Scenes { items: app.campaigns().scenes()? }))
}

/// Make a draft of a scene's template with what only the brand has. Safe to repeat with the same key; change it as any
/// other draft before it is launched.
#[utoipa::path(
    post, path = "/v1/scenes/{scene}/drafts", tag = "campaigns",
    params(("scene" = Scene, Path), ("Idempotency-Key" = String, Header)),
    request_body = SceneDraft, responses((status = 201, body = CampaignShown)),
)]
pub(crate) async fn draft_of_scene(
    State(app): State<App>,
    caller: Caller,
    Ids(scene): Ids<Scene>,
    Key(key): Key,
    Json(with): Json<SceneDraft>,
) -> Result<(StatusCode, ShownCampaign), Problem> {
    let stored = app.campaigns().create_of_scene(scene, with, &key, caller.actor).await?;
    Ok((StatusCode::CREATED, shown(stored, None)))
}
