//! Rules tried before they are saved: how they read, and whether a set of them leaves gaps.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::domain::rule::RuleError;
use huitou::domain::segmentation::{Coverage, Draft, Mode, Segmentation, SetDraft};
use huitou::manners::caller::Caller;
use huitou::manners::extract::Json;
use huitou::manners::problem::{Problem, Wrong};
use huitou::values::{Code, Name};
use serde::{Deserialize, Serialize};

use crate::definitions::SaveEntry;

/// What is to be checked: one rule, or the entries of a set.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    /// A rule.
    rule: Option<String>,
    /// Entries of a set, in the order in which they are tried.
    entries: Option<Vec<SaveEntry>>,
    /// How the set's rules are meant.
    mode: Option<Mode>,
}

/// What the check found.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(crate) struct Checked {
    /// Whether it could be saved.
    valid: bool,
    /// The rule in canonical form.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// What is wrong with the rule, and where.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Misread>,
    /// What is wrong with the set: a place in `entries` and a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Wrong>,
    /// The cells of the set's own thresholds: gaps, entries that nobody can reach, overlaps.
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<Coverage>,
}

/// Why a rule can't be read.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Misread {
    /// From 1.
    line: usize,
    /// In characters, from 1.
    column: usize,
    /// What stands there; empty at the end of the text.
    found: String,
    /// What could stand there.
    expected: Vec<String>,
    /// A sentence.
    english: String,
    /// The same in Chinese.
    chinese: String,
}

impl From<RuleError> for Misread {
    fn from(error: RuleError) -> Self {
        let (english, chinese) = (error.to_string(), error.chinese());
        Self { line: error.line, column: error.column, found: error.found, expected: error.expected, english, chinese }
    }
}

/// Check a rule, or a set of rules, without saving anything.
#[utoipa::path(post, path = "/v1/segments/check", tag = "segments", request_body = Check, responses((status = 200, body = Checked)))]
pub(crate) async fn check(
    State(app): State<App>,
    _: Caller,
    Json(check): Json<Check>,
) -> Result<Answer<Checked>, Problem> {
    let rules = app.segments().newest().await?;
    match (check.rule, check.entries) {
        (Some(text), None) if check.mode.is_none() => Ok(Answer(match rules.parse(&text) {
            Ok(rule) => Checked { valid: true, rule: Some(rule.to_string()), ..Checked::default() },
            Err(error) => Checked { error: Some(error.into()), ..Checked::default() },
        })),
        (None, Some(entries)) => set(&rules, entries, check.mode.unwrap_or_default()).map(Answer),
        _ => Err(Problem::malformed("check_unclear", "Send a rule, or entries (and mode) of a set.")),
    }
}

/// Checks a set as if it stood after all sets that there are.
fn set(rules: &Segmentation, entries: Vec<SaveEntry>, mode: Mode) -> Result<Checked, Problem> {
    const TRIED: &str = "checked-set";
    let mut draft = Draft::from(rules.clone());
    // The same entries may be saved already: what is checked takes their place.
    let ids: Vec<Code> = entries.iter().map(|entry| entry.id().clone()).collect();
    draft.segments.retain(|segment| !ids.contains(&segment.id));
    draft.sets.retain(|set| !set.entries.iter().any(|entry| ids.contains(&entry.id)));
    let code = Code::parse(TRIED).map_err(|_| Problem::defect())?;
    let name = Name::parse(TRIED).map_err(|_| Problem::defect())?;
    let place = draft.sets.len();
    let entries = entries.into_iter().map(SaveEntry::draft).collect();
    draft.sets.push(SetDraft { id: code.clone(), name: name.clone(), english: name, mode, entries });
    let tried = match Segmentation::try_from(draft) {
        Ok(tried) => tried,
        Err(flaws) => {
            let own = format!("/sets/{place}");
            let errors = flaws.0.into_iter().filter_map(|flaw| {
                let pointer = flaw.pointer.strip_prefix(&own)?.to_owned();
                Some(Wrong { pointer, detail: flaw.detail })
            });
            return Ok(Checked { errors: errors.collect(), ..Checked::default() });
        }
    };
    let set = tried.sets().find(|set| set.id == code).ok_or_else(Problem::defect)?;
    let coverage = tried.coverage(set);
    let overlapping = mode == Mode::ExactlyOne && !coverage.overlaps.is_empty();
    let valid = coverage.gaps.is_empty() && coverage.unreachable.is_empty() && !overlapping;
    Ok(Checked { valid, coverage: Some(coverage), ..Checked::default() })
}
