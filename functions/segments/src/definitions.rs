//! Segments as they are defined: listed with their counts, read, saved, deleted.

use std::collections::BTreeMap;

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use huitou::app::App;
use huitou::cases::segments::{Told, Wanted};
use huitou::domain::segmentation::{Mode, Segment, SegmentDraft, Segmentation, Set, SetDraft};
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Ids, IfMatch, Json};
use huitou::manners::problem::Problem;
use huitou::manners::tagged::Tagged;
use huitou::values::{Code, Name};
use serde::{Deserialize, Serialize};

/// A segment, with its count.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SegmentShown {
    id: Code,
    /// Its name, in Chinese.
    name: Name,
    /// Its name in English.
    english: Name,
    /// The set of which it is an entry: the entries before it take members first.
    #[serde(skip_serializing_if = "Option::is_none")]
    set: Option<Code>,
    /// The rule, in canonical form.
    rule: String,
    /// The version of the segments' rules.
    version: u32,
    /// How many members are in it. Operators are told 0 where there are fewer than make a group, and of segments whose
    /// rules staff have written a multiple of that.
    members: u64,
    /// For operators: there are fewer members than this, and no more is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    fewer_than: Option<u64>,
}

/// A set of segments: every member is in exactly one.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SetShown {
    id: Code,
    /// Its name, in Chinese.
    name: Name,
    /// Its name in English.
    english: Name,
    mode: Mode,
    /// The version of the segments' rules.
    version: u32,
    /// Its entries, in the order in which they are tried.
    entries: Vec<SegmentShown>,
}

/// All segments.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Segments {
    /// The version of the segments' rules.
    version: u32,
    /// Entries of sets first, in the order in which they are tried.
    items: Vec<SegmentShown>,
}

/// One segment, or one set.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum SegmentOrSet {
    Segment(Box<SegmentShown>),
    Set(SetShown),
}

/// A segment, by its `rule`, or a set, by its `entries`.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaveSegment {
    /// Its name, in Chinese.
    name: Name,
    /// Its name in English; the other one when left out.
    english: Option<Name>,
    /// Who is in it, in the rule language.
    rule: Option<String>,
    /// For a set: how its rules are meant.
    mode: Option<Mode>,
    /// For a set: its entries, in the order in which they are tried.
    entries: Option<Vec<SaveEntry>>,
}

/// An entry of a set.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaveEntry {
    id: Code,
    /// Its name, in Chinese.
    name: Name,
    /// Its name in English; the other one when left out.
    english: Option<Name>,
    /// Who is in it, unless an entry before it holds.
    rule: String,
}

impl SaveEntry {
    pub(crate) const fn id(&self) -> &Code {
        &self.id
    }

    pub(crate) fn draft(self) -> SegmentDraft {
        SegmentDraft {
            id: self.id,
            english: self.english.unwrap_or_else(|| self.name.clone()),
            name: self.name,
            rule: self.rule,
        }
    }
}

impl SaveSegment {
    fn read(self, id: Code) -> Result<Wanted, Problem> {
        let english = self.english.unwrap_or_else(|| self.name.clone());
        match (self.rule, self.entries) {
            (Some(rule), None) if self.mode.is_none() => {
                Ok(Wanted::Segment(SegmentDraft { id, name: self.name, english, rule }))
            }
            (None, Some(entries)) => {
                let entries = entries.into_iter().map(SaveEntry::draft).collect();
                let mode = self.mode.unwrap_or_default();
                Ok(Wanted::Set(SetDraft { id, name: self.name, english, mode, entries }))
            }
            _ => Err(Problem::malformed(
                "segment_unclear",
                "Send a rule for a segment, or entries (and mode) for a set.",
            )),
        }
    }
}

fn shown(segment: &Segment, version: u32, counts: &BTreeMap<Code, Told>) -> SegmentShown {
    let Told { members, fewer_than } = counts.get(&segment.id).copied().unwrap_or_default();
    SegmentShown {
        id: segment.id.clone(),
        name: segment.name.clone(),
        english: segment.english.clone(),
        set: segment.set.clone(),
        rule: segment.rule.to_string(),
        version,
        members,
        fewer_than,
    }
}

fn find(rules: &Segmentation, id: &Code, counts: &BTreeMap<Code, Told>) -> Option<SegmentOrSet> {
    let shown = |segment: &Segment| shown(segment, rules.version(), counts);
    if let Some(segment) = rules.segments().find(|segment| segment.id == *id) {
        return Some(SegmentOrSet::Segment(Box::new(shown(segment))));
    }
    let set: &Set = rules.sets().find(|set| set.id == *id)?;
    Some(SegmentOrSet::Set(SetShown {
        id: set.id.clone(),
        name: set.name.clone(),
        english: set.english.clone(),
        mode: set.mode,
        version: rules.version(),
        entries: rules.entries(set).map(shown).collect(),
    }))
}

/// All segments with their counts, which are exact for managers.
#[utoipa::path(get, path = "/v1/segments", tag = "segments", responses((status = 200, body = Segments)))]
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Tagged<u32, Answer<Segments>>, Problem> {
    let (rules, counts) = (app.segments().newest().await?, app.segments().counts_for(&caller.viewer()).await?);
    let items = rules.segments().map(|segment| shown(segment, rules.version(), &counts)).collect();
    Ok(Tagged(rules.version(), Answer(Segments { version: rules.version(), items })))
}

/// One segment, or one set with its entries.
#[utoipa::path(get, path = "/v1/segments/{id}", tag = "segments", params(("id" = Code, Path)), responses((status = 200, body = SegmentOrSet)))]
pub(crate) async fn read(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<Code>,
) -> Result<Tagged<u32, Answer<SegmentOrSet>>, Problem> {
    let (rules, counts) = (app.segments().newest().await?, app.segments().counts_for(&caller.viewer()).await?);
    let found = find(&rules, &id, &counts).ok_or_else(Problem::not_found)?;
    Ok(Tagged(rules.version(), Answer(found)))
}

/// Save a segment or a set as part of the next version of all segments.
///
/// A set must leave no gap and no entry that nobody can reach. Members are judged anew by a full pass, whose progress
/// `GET /v1/segments/recompute` tells; whoever buys meanwhile is judged at once. What is there already needs `If-Match`.
#[utoipa::path(put, path = "/v1/segments/{id}", tag = "segments", params(("id" = Code, Path), ("If-Match" = Option<String>, Header)), request_body = SaveSegment, responses((status = 200, body = SegmentOrSet)))]
pub(crate) async fn save(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<Code>,
    seen: Option<IfMatch<u32>>,
    Json(wanted): Json<SaveSegment>,
) -> Result<Tagged<u32, Answer<SegmentOrSet>>, Problem> {
    let seen = seen.map(|IfMatch(seen)| seen);
    let rules = app.segments().save(wanted.read(id.clone())?, seen, &caller.actor).await?;
    let counts = app.segments().counts_for(&caller.viewer()).await?;
    let found = find(&rules, &id, &counts).ok_or_else(Problem::defect)?;
    Ok(Tagged(rules.version(), Answer(found)))
}

/// Delete a segment or a set; everybody leaves it by a full pass. Refused while rules refer to it.
#[utoipa::path(delete, path = "/v1/segments/{id}", tag = "segments", params(("id" = Code, Path), ("If-Match" = String, Header)), responses((status = 204)))]
pub(crate) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<Code>,
    IfMatch(seen): IfMatch<u32>,
) -> Result<StatusCode, Problem> {
    app.segments().delete(&id, seen, &caller.actor).await?;
    Ok(StatusCode::NO_CONTENT)
}
