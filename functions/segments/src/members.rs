//! Who is in a segment, and why somebody is or not.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::cases::segments::Why;
use huitou::domain::clv::Prediction;
use huitou::domain::personal::Field;
use huitou::domain::segmentation::Explained;
use huitou::manners::caller::{Caller, Me};
use huitou::manners::extract::{Ids, Query};
use huitou::manners::fields::View;
use huitou::manners::problem::Problem;
use huitou::table::about;
use huitou::values::{Code, LocalDay, MemberId, Moment};
use serde::{Deserialize, Serialize};

/// The list that a cursor belongs to.
const LIST: &str = "segment-members";
/// Members on a page, unless asked otherwise.
const PAGE: usize = 50;
/// The most members on a page.
const MOST: usize = 200;

/// Where a list goes on.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Onward {
    /// The cursor of the page before.
    cursor: Option<String>,
    /// Members on the page: 1 to 200, 50 when left out.
    limit: Option<usize>,
}

/// A member of a segment.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MemberOf {
    member_id: MemberId,
    /// When the member entered.
    since: Moment,
}

/// Members of a segment.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MembersOf {
    items: Vec<MemberOf>,
    /// Send it as `cursor` to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Who is in a segment: ids only. Operators see segments of at least so many members as make a group.
#[utoipa::path(get, path = "/v1/segments/{id}/members", tag = "segments", params(("id" = Code, Path), Onward), responses((status = 200, body = MembersOf)))]
pub(crate) async fn page(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<Code>,
    Query(from): Query<Onward>,
) -> Result<Answer<MembersOf>, Problem> {
    let most = from.limit.unwrap_or(PAGE);
    if !(1..=MOST).contains(&most) {
        return Err(Problem::malformed("limit_invalid", "limit may be 1 to 200."));
    }
    let cursors = app.parts().cursors.of(LIST, id.as_str());
    let position = cursors.open(from.cursor.as_deref())?;
    if caller.sees_groups_only() {
        app.segments().refuse_unless_group(&id).await?;
    }
    let (members, next) = app.segments().members(&id, position, most).await?;
    for one in &members {
        about(one.member);
    }
    let next = cursors.seal(next.as_ref())?;
    let items = members.into_iter().map(|one| MemberOf { member_id: one.member, since: one.since }).collect();
    Ok(Answer(MembersOf { items, next }))
}

/// A member's segments, and why.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Reasons {
    member_id: MemberId,
    /// The day as of which was judged.
    as_of: LocalDay,
    /// The version of the segments' rules.
    version: u32,
    /// The health score, 0 to 100.
    health: u64,
    /// The day on which time alone changes the score.
    #[serde(skip_serializing_if = "Option::is_none")]
    health_until: Option<LocalDay>,
    /// What the lifetime-value model foresees, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    lifetime_value: Option<Prediction>,
    /// Whether the member may be addressed by what is known of them: not under 14, and not after switching it off. The
    /// segments below are kept for service all the same; an audience leaves such a member out.
    personalised: bool,
    /// Every segment: in or out, the values used, the day of the next change by time alone.
    items: Vec<Explained>,
}

impl From<Why> for Reasons {
    fn from(why: Why) -> Self {
        Self {
            member_id: why.member,
            as_of: why.as_of,
            version: why.version,
            health: why.health.0,
            health_until: why.health.1,
            lifetime_value: why.lifetime_value,
            personalised: why.personalised,
            items: why.segments,
        }
    }
}

/// Why a member is in each segment or not, in plain English and Chinese. Operators, who know members by their ids only,
/// are not told what rules found about birthdays, children and tags.
#[utoipa::path(get, path = "/v1/members/{id}/segments", tag = "segments", params(("id" = MemberId, Path)), responses((status = 200, body = Reasons)))]
pub(crate) async fn explain(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<MemberId>,
) -> Result<Answer<Reasons>, Problem> {
    let mut why = app.segments().explain(id, &caller.sight()).await?;
    if !View::of(caller.role).sees(Field::SensitiveFindings) {
        why.segments = why.segments.into_iter().map(Explained::without_sensitive).collect();
    }
    Ok(Answer(why.into()))
}

/// Why I am in each segment or not: everything that is judged about me, the rules and the values used.
///
/// To have it looked at by somebody, open a ticket; to restrict it, refuse `profiling`.
#[utoipa::path(get, path = "/v1/me/segments", tag = "segments", responses((status = 200, body = Reasons)))]
pub(crate) async fn explain_mine(State(app): State<App>, Me(me): Me) -> Result<Answer<Reasons>, Problem> {
    Ok(Answer(app.segments().explain_mine(&me).await?.into()))
}
