//! Two members who are one person, and undoing that.

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use huitou::app::App;
use huitou::cases::merges::{Conflict, Done, Moved, Outlook, Wish};
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Ids, Json};
use huitou::manners::problem::Problem;
use huitou::table::about;
use huitou::values::{MemberId, Moment, Points, Reason, RowKey};
use serde::{Deserialize, Serialize};

/// Whom to merge into the member of the path.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MergeMembers {
    /// The member who is taken over.
    other: MemberId,
    /// Why, for both journals.
    reason: Reason,
    /// Only tell what would happen.
    #[serde(default)]
    preview: bool,
}

/// A merge, as it is or as it would be.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Merge {
    /// Its id, by which it can be undone; absent in a preview.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<RowKey>,
    preview: bool,
    /// The member who goes on.
    survivor: MemberId,
    /// The member who is taken over.
    absorbed: MemberId,
    /// When it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Moment>,
    /// Points that come along, those that can't be spent yet included.
    points: Points,
    /// Points owed that come along.
    debt: Points,
    /// Purchase days that come along.
    days: usize,
    /// The kinds of the ids that come along: `card`, `phone` ...
    handles: Vec<String>,
    /// What stands against it; a merge with conflicts is refused.
    conflicts: Vec<Conflict>,
}

impl Merge {
    fn of(survivor: MemberId, absorbed: MemberId, moved: Moved) -> Self {
        let Moved { points, debt, days, handles } = moved;
        let (id, at, conflicts) = (None, None, Vec::new());
        Self { id, preview: true, survivor, absorbed, at, points, debt, days, handles, conflicts }
    }
}

/// Merge another member into this one: points, debt, purchase days and ids pass over, and can be given back.
///
/// Refused when the two look like two people. 200 for a preview, 201 for a merge; asking again answers the same.
#[utoipa::path(post, path = "/v1/members/{id}/merges", tag = "customers", params(("id" = MemberId, Path)), request_body = MergeMembers, responses((status = 200, body = Merge), (status = 201, body = Merge)))]
pub(crate) async fn merge(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<MemberId>,
    Json(asked): Json<MergeMembers>,
) -> Result<(StatusCode, Answer<Merge>), Problem> {
    [id, asked.other].into_iter().for_each(about);
    let wish = Wish { survivor: id, absorbed: asked.other, reason: asked.reason, by: caller.actor };
    if asked.preview {
        let Outlook { moved, conflicts } = app.merges().preview(&wish).await?;
        let merge = Merge { conflicts, ..Merge::of(id, asked.other, moved) };
        return Ok((StatusCode::OK, Answer(merge)));
    }
    let Done { merge, at, moved } = app.merges().merge(&wish).await?;
    let merge = Merge { id: Some(merge), preview: false, at: Some(at), ..Merge::of(id, asked.other, moved) };
    Ok((StatusCode::CREATED, Answer(merge)))
}

/// Undo a merge: points, purchase days and ids go back, and the other member lives again. Safe to repeat.
#[utoipa::path(delete, path = "/v1/members/{id}/merges/{merge}", tag = "customers", params(("id" = MemberId, Path), ("merge" = RowKey, Path)), responses((status = 204)))]
pub(crate) async fn undo(
    State(app): State<App>,
    caller: Caller,
    Ids((id, merge)): Ids<(MemberId, RowKey)>,
) -> Result<StatusCode, Problem> {
    app.merges().undo(id, merge, &caller.actor).await?;
    Ok(StatusCode::NO_CONTENT)
}
