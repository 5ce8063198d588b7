//! Campaigns as staff write and read them.

use std::collections::BTreeMap;

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use huitou::app::App;
use huitou::domain::campaign::State as Standing;
use huitou::domain::campaign::counts::Counts;
use huitou::domain::campaign::definition::Definition;
use huitou::domain::campaign::scene::Scene;
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Ids, IfMatch, Json, Key, Onward, Query};
use huitou::manners::problem::Problem;
use huitou::manners::tagged::Tagged;
use huitou::table::StoredCampaign;
use huitou::values::{Actor, CampaignId, Moment, Name};
use serde::Serialize;

/// The list that a cursor belongs to.
const LIST: &str = "campaigns";
/// Campaigns on a page.
const PAGE: i32 = 20;

/// A campaign, and the version on which the next change builds.
pub(crate) type ShownCampaign = Tagged<u64, Answer<CampaignShown>>;

/// A campaign.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct CampaignShown {
    id: CampaignId,
    state: Standing,
    /// Raised by every change; the `ETag`.
    version: u64,
    created_at: Moment,
    created_by: Actor,
    #[serde(skip_serializing_if = "Option::is_none")]
    launched_at: Option<Moment>,
    /// When the whole audience was in the queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    dispatched_at: Option<Moment>,
    /// What a provider said of its content, for which it was paused by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    definition: Definition,
    /// How many of its messages stand where, by word: `audience`, `sent`, `held`, `refused`, `failed`, `expired`,
    /// `holdout`, `moved`, with their reasons after a dot; what is not there is zero. Absent in lists. For operators
    /// rounded down to multiples of the smallest group that they are told of.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<BTreeMap<String, i64>>,
}

impl CampaignShown {
    fn of(stored: StoredCampaign, counts: Option<&Counts>) -> Self {
        let StoredCampaign { campaign, version } = stored;
        Self {
            id: campaign.id,
            state: campaign.state,
            version,
            created_at: campaign.created_at,
            created_by: campaign.created_by,
            launched_at: campaign.launched_at,
            dispatched_at: campaign.dispatched_at,
            fault: campaign.fault,
            definition: campaign.definition,
            counts: counts.map(Counts::by_word),
        }
    }
}

/// A campaign in a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct CampaignListed {
    id: CampaignId,
    name: Name,
    scene: Scene,
    state: Standing,
    created_at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    launched_at: Option<Moment>,
}

/// Campaigns.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct CampaignList {
    /// The newest first.
    items: Vec<CampaignListed>,
    /// Send it as `cursor` to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A campaign with the version on which the next change builds.
pub(crate) fn shown(stored: StoredCampaign, counts: Option<&Counts>) -> ShownCampaign {
    Tagged(stored.version, Answer(CampaignShown::of(stored, counts)))
}

/// Campaigns, the newest first.
#[utoipa::path(get, path = "/v1/campaigns", tag = "campaigns", params(Onward), responses((status = 200, body = CampaignList)))]
pub(crate) async fn list(
    State(app): State<App>,
    _: Caller,
    Query(from): Query<Onward>,
) -> Result<Answer<CampaignList>, Problem> {
    let cursors = app.parts().cursors.of(LIST, "");
    let (page, next) = app.campaigns().list(cursors.open(from.cursor.as_deref())?, PAGE).await?;
    let next = cursors.seal(next.as_ref())?;
    let listed = |stored: StoredCampaign| CampaignListed {
        id: stored.campaign.id,
        state: stored.campaign.state,
        created_at: stored.campaign.created_at,
        launched_at: stored.campaign.launched_at,
        scene: stored.campaign.definition.scene,
        name: stored.campaign.definition.name,
    };
    Ok(Answer(CampaignList { items: page.into_iter().map(listed).collect(), next }))
}

/// Write a campaign. It is a draft until it is launched. Safe to repeat with the same key.
#[utoipa::path(post, path = "/v1/campaigns", tag = "campaigns", params(("Idempotency-Key" = String, Header)), request_body = Definition, responses((status = 201, body = CampaignShown)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    Key(key): Key,
    Json(definition): Json<Definition>,
) -> Result<(StatusCode, ShownCampaign), Problem> {
    let stored = app.campaigns().create(definition, &key, caller.actor).await?;
    Ok((StatusCode::CREATED, shown(stored, None)))
}

/// A campaign, and how many of its messages stand where. Send the `ETag` as `If-Match` to change a draft.
#[utoipa::path(get, path = "/v1/campaigns/{id}", tag = "campaigns", params(("id" = CampaignId, Path)), responses((status = 200, body = CampaignShown)))]
pub(crate) async fn read(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<CampaignId>,
) -> Result<ShownCampaign, Problem> {
    let stored = app.campaigns().read(id).await?;
    let counts = app.campaigns().counts_for(&stored.campaign, &caller.viewer()).await?;
    Ok(shown(stored, Some(&counts)))
}

/// Write a draft anew. What has been launched stays as it is.
#[utoipa::path(put, path = "/v1/campaigns/{id}", tag = "campaigns", params(("id" = CampaignId, Path), ("If-Match" = String, Header)), request_body = Definition, responses((status = 200, body = CampaignShown)))]
pub(crate) async fn save(
    State(app): State<App>,
    _: Caller,
    Ids(id): Ids<CampaignId>,
    IfMatch(seen): IfMatch<u64>,
    Json(definition): Json<Definition>,
) -> Result<ShownCampaign, Problem> {
    Ok(shown(app.campaigns().save(id, definition, seen).await?, None))
}
