//! What staff do with a campaign. Doing again what is done changes nothing.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::cases::campaign_preview::Preview;
use huitou::domain::campaign::Act;
use huitou::manners::caller::Caller;
use huitou::manners::extract::Ids;
use huitou::manners::problem::Problem;
use huitou::values::CampaignId;

use crate::definitions::{CampaignShown, ShownCampaign, shown};

async fn act(app: &App, id: CampaignId, act: Act) -> Result<ShownCampaign, Problem> {
    Ok(shown(app.campaigns().act(id, act).await?, None))
}

/// What a campaign would do if it were launched now: how many it would reach, what each gate would hold back, what it
/// would say and cost. Nothing is changed.
#[utoipa::path(post, path = "/v1/campaigns/{id}/preview", tag = "campaigns", params(("id" = CampaignId, Path)), responses((status = 200, body = Preview)))]
pub(crate) async fn preview(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<CampaignId>,
) -> Result<Answer<Preview>, Problem> {
    Ok(Answer(app.campaigns().preview(id, &caller.viewer()).await?))
}

/// Launch a draft: at once, or when its window begins.
#[utoipa::path(post, path = "/v1/campaigns/{id}/launch", tag = "campaigns", params(("id" = CampaignId, Path)), responses((status = 200, body = CampaignShown)))]
pub(crate) async fn launch(
    State(app): State<App>,
    _: Caller,
    Ids(id): Ids<CampaignId>,
) -> Result<ShownCampaign, Problem> {
    act(&app, id, Act::Launch).await
}

/// Hold a campaign up within two seconds, also what is in the queue already.
#[utoipa::path(post, path = "/v1/campaigns/{id}/pause", tag = "campaigns", params(("id" = CampaignId, Path)), responses((status = 200, body = CampaignShown)))]
pub(crate) async fn pause(
    State(app): State<App>,
    _: Caller,
    Ids(id): Ids<CampaignId>,
) -> Result<ShownCampaign, Problem> {
    act(&app, id, Act::Pause).await
}

/// Let a campaign go on that was held up.
#[utoipa::path(post, path = "/v1/campaigns/{id}/resume", tag = "campaigns", params(("id" = CampaignId, Path)), responses((status = 200, body = CampaignShown)))]
pub(crate) async fn resume(
    State(app): State<App>,
    _: Caller,
    Ids(id): Ids<CampaignId>,
) -> Result<ShownCampaign, Problem> {
    act(&app, id, Act::Resume).await
}

/// End a campaign for good, within two seconds; what has not gone out by then does not.
#[utoipa::path(post, path = "/v1/campaigns/{id}/stop", tag = "campaigns", params(("id" = CampaignId, Path)), responses((status = 200, body = CampaignShown)))]
pub(crate) async fn stop(
    State(app): State<App>,
    _: Caller,
    Ids(id): Ids<CampaignId>,
) -> Result<ShownCampaign, Problem> {
    act(&app, id, Act::Stop).await
}
