//! Tags as their member sees them: the labels that the brand has put on them, and taking them off.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::domain::tagging::MOST_TAGS;
use huitou::manners::caller::Me;
use huitou::manners::extract::Json;
use huitou::manners::problem::Problem;
use huitou::values::Name;
use serde::{Deserialize, Serialize};

/// The tags that a member has.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct OwnTags {
    /// In the order in which they were given; at most 40.
    tags: Vec<Name>,
}

/// The labels that the brand has put on the member.
#[utoipa::path(get, path = "/v1/me/tags", tag = "privacy", responses((status = 200, body = OwnTags)))]
pub(crate) async fn mine(State(app): State<App>, Me(me): Me) -> Result<Answer<OwnTags>, Problem> {
    Ok(Answer(OwnTags { tags: app.remarks().tags_of(&me).await? }))
}

/// Tags to be taken off.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoveTags {
    /// Which; 1 to 40.
    #[schema(min_items = 1, max_items = 40)]
    tags: Vec<Name>,
}

/// Take off labels that the brand has put on the member (网络数据安全管理条例 42): at once, also from the segments that asked for
/// them. Asking again changes nothing. Switch `personalisation` or `profiling` off to be chosen by none.
#[utoipa::path(post, path = "/v1/me/tags/removals", tag = "privacy", request_body = RemoveTags, responses((status = 200, body = OwnTags)))]
pub(crate) async fn remove(
    State(app): State<App>,
    Me(me): Me,
    Json(RemoveTags { tags }): Json<RemoveTags>,
) -> Result<Answer<OwnTags>, Problem> {
    if !(1..=MOST_TAGS).contains(&tags.len()) {
        return Err(Problem::malformed("tags_invalid", "Name 1 to 40 tags to be taken off."));
    }
    Ok(Answer(OwnTags { tags: app.remarks().retag(&me, &[], &tags).await? }))
}
