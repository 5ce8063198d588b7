//! What became of a campaign.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::domain::campaign::report::CampaignReport;
use huitou::manners::caller::Caller;
use huitou::manners::extract::Ids;
use huitou::manners::problem::Problem;
use huitou::values::CampaignId;

/// What became of a campaign: its audience, funnels by variant and channel, cost, revenue, the lift over those who were
/// held out, tests of the variants, and what to beware of.
///
/// For operators every figure is made from counts that are rounded down to multiples of the smallest group that they are
/// told of. While orders may still count, the day is noted: each look before the end leaves the tests a smaller error.
#[utoipa::path(get, path = "/v1/campaigns/{id}/report", tag = "campaigns", params(("id" = CampaignId, Path)), responses((status = 200, body = CampaignReport)))]
pub(crate) async fn read(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<CampaignId>,
) -> Result<Answer<CampaignReport>, Problem> {
    Ok(Answer(app.campaign_reports().read(id, &caller.viewer()).await?))
}
