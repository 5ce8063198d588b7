//! The brand's reports, beside the board of the desk, whose figures are a part of them.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::domain::monthly_report::MonthlyReport;
use huitou::domain::weekly_board::{Group, WeeklyBoard};
use huitou::manners::caller::Caller;
use huitou::manners::extract::Query;
use huitou::manners::problem::Problem;
use huitou::values::{Code, LocalDay};
use serde::Deserialize;

/// Of which week, and of whom.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// A day of the week; the last week that was counted when left out.
    on: Option<LocalDay>,
    /// Members won by this acquisition channel only.
    source: Option<Code>,
    /// Members in this segment only, as it was when the week was counted.
    segment: Option<Code>,
}

/// The weekly board: conversion by acquisition channel, active members, repurchase, 30-day retention, churn, average
/// order, lifetime value and net promoter score, each with its definition, its target, what is usual and whether it is
/// abnormal.
///
/// A week is counted before dawn on the Monday after it, as of its Sunday, and stays as it was counted.
///
/// Operators are told of groups, by counts rounded down to multiples of the smallest one.
#[utoipa::path(get, path = "/v1/reports/weekly", tag = "reports", params(Asked), responses((status = 200, body = WeeklyBoard)))]
pub(crate) async fn weekly(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Result<Answer<WeeklyBoard>, Problem> {
    let group = Group { source: asked.source, segment: asked.segment };
    Ok(Answer(app.reports().weekly(asked.on, group, &caller.viewer()).await?))
}

/// Of which month.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskedMonth {
    /// A day of the month; the month of the last week that was counted when left out.
    on: Option<LocalDay>,
}

/// The monthly report: each figure for which the brand has a goal, beside the month before and the goal.
///
/// A month is the weeks whose Sundays lie in it. Operators are told of groups, by counts rounded down to multiples of the
/// smallest one.
#[utoipa::path(get, path = "/v1/reports/monthly", tag = "reports", params(AskedMonth), responses((status = 200, body = MonthlyReport)))]
pub(crate) async fn monthly(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<AskedMonth>,
) -> Result<Answer<MonthlyReport>, Problem> {
    Ok(Answer(app.reports().monthly(asked.on, &caller.viewer()).await?))
}
