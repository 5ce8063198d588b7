//! Answers before a ticket is made.

use axum::Json as Answer;
use axum::extract::State;
use http::StatusCode;
use huitou::app::App;
use huitou::cases::self_service::Found;
use huitou::domain::faq::FaqEntry;
use huitou::domain::ticket::Kind;
use huitou::manners::caller::Me;
use huitou::manners::extract::Json;
use huitou::manners::problem::Problem;
use huitou::values::{Code, Name, Note, Question};
use serde::{Deserialize, Serialize};

use crate::shown::MyWholeTicket;

/// A question.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    /// 1 to 200 characters.
    text: Question,
}

/// What there is to say about it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct FaqAnswers {
    /// To be sent back with the outcome.
    search: String,
    /// The best answers, best first, at most three.
    items: Vec<FaqAnswer>,
}

/// An answer.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct FaqAnswer {
    id: Code,
    question: Name,
    answer: Note,
}

impl From<Found> for FaqAnswers {
    fn from(found: Found) -> Self {
        let shown = |FaqEntry { id, question, answer, words: _ }| FaqAnswer { id, question, answer };
        Self { search: found.search, items: found.entries.into_iter().map(shown).collect() }
    }
}

/// Look for answers to a question before a ticket is made.
#[utoipa::path(post, path = "/v1/me/faq", tag = "tickets", request_body = Ask, responses((status = 200, body = FaqAnswers)))]
pub(crate) async fn ask(
    State(app): State<App>,
    Me(me): Me,
    Json(ask): Json<Ask>,
) -> Result<Answer<FaqAnswers>, Problem> {
    Ok(Answer(app.self_service().search(&me, ask.text).await?.into()))
}

/// Whether the answers helped.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaqOutcome {
    /// As it came with the answers.
    search: String,
    /// Whether they helped.
    solved: bool,
    /// What the ticket is about when they did not; `other` when left out.
    #[serde(rename = "type")]
    kind: Option<Kind>,
}

/// The outcome was taken.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct FaqTaken {
    /// The ticket that the question has become, when the answers did not help.
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<MyWholeTicket>,
}

/// Say whether the answers helped. When they did not, the question becomes a ticket. Safe to repeat.
#[utoipa::path(post, path = "/v1/me/faq/outcomes", tag = "tickets", request_body = FaqOutcome, responses((status = 200, body = FaqTaken), (status = 201, body = FaqTaken)))]
pub(crate) async fn outcome(
    State(app): State<App>,
    Me(me): Me,
    Json(outcome): Json<FaqOutcome>,
) -> Result<(StatusCode, Answer<FaqTaken>), Problem> {
    if outcome.solved {
        app.self_service().solved(&me, &outcome.search).await?;
        return Ok((StatusCode::OK, Answer(FaqTaken { ticket: None })));
    }
    let kind = outcome.kind.unwrap_or(Kind::Other);
    let whole = app.self_service().hand_over(&me, &outcome.search, kind).await?;
    Ok((StatusCode::CREATED, Answer(FaqTaken { ticket: Some(MyWholeTicket::of(&app, whole)?) })))
}
