//! The audit trail as managers read it: page by page, proven, and by whom it tells of when data has leaked.

use std::collections::BTreeMap;

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::cases::audit::{Bounds, Exposure, Filter, Found};
use huitou::domain::audit::{Act, Fault};
use huitou::domain::personal::Field;
use huitou::manners::caller::Caller;
use huitou::manners::extract::Query;
use huitou::manners::problem::Problem;
use huitou::table::AuditPosition;
use huitou::values::{Actor, LocalDay, MemberId, Moment, Reason, RowKey};
use serde::{Deserialize, Serialize};

/// The list that a cursor belongs to.
const LIST: &str = "audit";
/// Entries on a page, unless asked otherwise.
const PAGE: usize = 50;
/// The most entries on a page.
const MOST: usize = 500;
/// The longest span of a list, in days: a year.
const YEAR: i32 = 366;
/// The longest span of a report, in days.
const SPAN: i32 = 92;

/// Which entries.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// From this day on; today when left out.
    from: Option<LocalDay>,
    /// The last day; the first when left out.
    until: Option<LocalDay>,
    /// By whom: a name as entries show it, `agent:li`.
    by: Option<Actor>,
    /// About whom.
    member_id: Option<MemberId>,
    /// Only what is about members under 14 or about children, of whom an audit is due every year.
    #[serde(default)]
    minors: bool,
    /// The cursor of the page before.
    cursor: Option<String>,
    /// Entries on the page: 1 to 500, 50 when left out.
    limit: Option<usize>,
}

/// Where the list goes on. It carries its days: what was today on the first page is yesterday after midnight.
#[derive(Serialize, Deserialize)]
struct Place {
    days: (LocalDay, LocalDay),
    at: AuditPosition,
}

/// The first and the last day that are wanted.
fn days(which: &Which, today: LocalDay) -> Result<(LocalDay, LocalDay), Problem> {
    let from = which.from.unwrap_or(today);
    let until = which.until.unwrap_or(from);
    if (0..YEAR).contains(&until.days_since(from)) {
        return Ok((from, until));
    }
    Err(Problem::malformed("span_invalid", "from must not lie after until, and both within 366 days."))
}

/// A request of a staff member.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AuditEntry {
    at: Moment,
    by: Actor,
    role: String,
    act: Act,
    /// The route, as `GET /v1/members/{id}`.
    route: String,
    /// What stood in the places of the route.
    places: BTreeMap<String, String>,
    /// Whom it was about.
    members: Vec<MemberId>,
    /// What of them was shown, masked or whole.
    fields: Vec<Field>,
    /// Whether it was about somebody under 14, or about children.
    minors: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    /// The request, as the log names it.
    request_id: String,
    /// The chain on which the entry hangs, and its place there.
    chain: RowKey,
    number: u32,
    /// The seal of the entry before.
    before: String,
}

impl From<Found> for AuditEntry {
    fn from(Found { entry, link }: Found) -> Self {
        let role = entry.by.as_str().split(':').next().unwrap_or_default().to_owned();
        Self {
            minors: entry.is_about_minors(),
            at: entry.at,
            role,
            by: entry.by,
            act: entry.act,
            route: entry.route,
            places: entry.places,
            members: entry.members,
            fields: entry.fields,
            reason: entry.reason,
            request_id: entry.request,
            chain: link.chain,
            number: link.number,
            before: link.before.to_string(),
        }
    }
}

/// A page of the audit trail.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AuditEntries {
    /// Oldest first. With a filter there may be fewer than asked for, and more to come.
    items: Vec<AuditEntry>,
    /// Send it as `cursor` to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The audit trail: every answer in which staff were shown something of members, and every change they made.
///
/// Oldest first, day by day, so that following `next` to its end exports it.
#[utoipa::path(get, path = "/v1/audit", tag = "privacy", params(Which), responses((status = 200, body = AuditEntries)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Answer<AuditEntries>, Problem> {
    let most = which.limit.unwrap_or(PAGE);
    if !(1..=MOST).contains(&most) {
        return Err(Problem::malformed("limit_invalid", "limit may be 1 to 500."));
    }
    let asked = (which.from, which.until, &which.by, which.member_id, which.minors);
    let name = format!("{LIST}/{asked:?}");
    let cursors = app.parts().cursors.of(&name, caller.actor.as_str());
    let place: Option<Place> = cursors.open(which.cursor.as_deref())?;
    let (days, at) = match place {
        Some(Place { days, at }) => (days, Some(at)),
        None => (days(&which, app.now().day())?, None),
    };
    let (from, until) = (Moment::start_of(days.0), Moment::start_of(days.1.plus(1)));
    let filter = Filter { from, until, by: which.by, about: which.member_id, minors: which.minors };
    let (found, next) = app.audit().page(&filter, at, most).await?;
    let next = next.map(|at| Place { days, at });
    let items = found.into_iter().map(AuditEntry::from).collect();
    Ok(Answer(AuditEntries { items, next: cursors.seal(next.as_ref())? }))
}

/// Which day.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfDay {
    /// The day; today when left out.
    day: Option<LocalDay>,
}

/// What a day of the audit trail proves.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AuditProof {
    day: LocalDay,
    /// Whether every chain holds from its first entry to its head.
    holds: bool,
    chains: usize,
    entries: usize,
    faults: Vec<Fault>,
    /// Note it elsewhere when the day is over: a chain that is removed as a whole changes it, and nothing else shows it.
    digest: String,
}

/// Prove a day of the audit trail: no entry of its chains was changed, removed or added.
#[utoipa::path(get, path = "/v1/audit/proof", tag = "privacy", params(OfDay), responses((status = 200, body = AuditProof)))]
pub(crate) async fn prove(
    State(app): State<App>,
    _: Caller,
    Query(of): Query<OfDay>,
) -> Result<Answer<AuditProof>, Problem> {
    let day = of.day.unwrap_or_else(|| app.now().day());
    let proven = app.audit().prove(day).await?;
    let (holds, digest) = (proven.faults.is_empty(), proven.digest);
    Ok(Answer(AuditProof { day, holds, chains: proven.chains, entries: proven.entries, faults: proven.faults, digest }))
}

/// Of which time, and of whom.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Between {
    /// From when on.
    from: Moment,
    /// Until before when; within 92 days.
    until: Moment,
    /// By whom; everybody when left out.
    by: Option<Actor>,
}

/// Whom a staff member was shown.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AuditExposure {
    by: Actor,
    /// Who is affected, if this access has leaked.
    members: Vec<MemberId>,
    /// What of them.
    fields: Vec<Field>,
    requests: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Moment>,
}

impl From<(Actor, Exposure)> for AuditExposure {
    fn from((by, exposure): (Actor, Exposure)) -> Self {
        Self {
            by,
            members: exposure.members.into_iter().collect(),
            fields: exposure.fields.into_iter().collect(),
            requests: exposure.requests,
            first: exposure.span.map(|(first, _)| first),
            last: exposure.span.map(|(_, last)| last),
        }
    }
}

/// Who was shown or changed whom, staff member by staff member.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct BreachReport {
    from: Moment,
    until: Moment,
    items: Vec<AuditExposure>,
}

/// Who is affected when somebody's access has leaked: whom each staff member was shown or changed between two moments.
///
/// Say why in `X-Huitou-Reason`. 422 `span_too_wide` where the trail is too long for one report (from about fifty
/// thousand requests of all staff on): ask for less time at once, or for one staff member where too many are named.
#[utoipa::path(get, path = "/v1/audit/breach", tag = "privacy", params(Between, ("X-Huitou-Reason" = String, Header)), responses((status = 200, body = BreachReport)))]
pub(crate) async fn breach(
    State(app): State<App>,
    _: Caller,
    Query(between): Query<Between>,
) -> Result<Answer<BreachReport>, Problem> {
    let Between { from, until, by } = between;
    if from >= until || until.day().days_since(from.day()) > SPAN {
        return Err(Problem::malformed("span_invalid", "from must lie before until, and both within 92 days."));
    }
    let exposed = app.audit().breach(&Filter { from, until, by, about: None, minors: false }, Bounds::USUAL).await?;
    Ok(Answer(BreachReport { from, until, items: exposed.into_iter().map(AuditExposure::from).collect() }))
}
