//! The survey after a ticket was closed.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::domain::survey::{Consequence, Csat, Nps, Scores};
use huitou::manners::extract::{Ids, Json};
use huitou::manners::problem::Problem;
use huitou::values::Note;
use serde::{Deserialize, Serialize};

/// How it was.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerSurvey {
    /// Satisfaction, 1 to 5.
    csat: Csat,
    /// How likely to recommend, 0 to 10.
    nps: Option<Nps>,
    /// In own words, 1 to 1000 characters.
    words: Option<Note>,
}

/// The answer was taken.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Thanks {
    /// What happens next: a manager looks into it, the member is invited to recommend, or nothing.
    next: Consequence,
}

/// Answer a survey. A link counts once and for some days.
#[utoipa::path(post, path = "/v1/surveys/{token}", tag = "tickets", params(("token" = String, Path)), request_body = AnswerSurvey, responses((status = 200, body = Thanks)))]
pub(crate) async fn answer(
    State(app): State<App>,
    Ids(token): Ids<String>,
    Json(answer): Json<AnswerSurvey>,
) -> Result<Answer<Thanks>, Problem> {
    let scores = Scores { csat: answer.csat, nps: answer.nps };
    let next = app.surveys().answer(&token, scores, answer.words.as_ref()).await?;
    Ok(Answer(Thanks { next }))
}
