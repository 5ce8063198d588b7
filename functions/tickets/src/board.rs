//! The board of the service desk.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::domain::board::TicketBoard;
use huitou::manners::caller::Caller;
use huitou::manners::extract::Query;
use huitou::manners::problem::Problem;
use huitou::values::LocalDay;
use serde::Deserialize;

/// Days of a board when nothing else is asked, today included.
const USUAL_DAYS: u32 = 30;
/// The longest span.
const MOST_DAYS: i32 = 92;

/// Of which days.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Span {
    /// The first day; 30 days with the last one when left out.
    from: Option<LocalDay>,
    /// The last day; today when left out.
    until: Option<LocalDay>,
}

/// The board of the service desk: queues, times, breaches, return reasons, complaint hours, satisfaction, alerts.
#[utoipa::path(get, path = "/v1/reports/tickets", tag = "reports", params(Span), responses((status = 200, body = TicketBoard)))]
pub(crate) async fn read(
    State(app): State<App>,
    _: Caller,
    Query(span): Query<Span>,
) -> Result<Answer<TicketBoard>, Problem> {
    let until = span.until.unwrap_or_else(|| app.now().day());
    let from = span.from.unwrap_or_else(|| until.minus(USUAL_DAYS - 1));
    if !(0..MOST_DAYS).contains(&until.days_since(from)) {
        return Err(Problem::malformed("span_invalid", "from must not lie after until, and both within 92 days."));
    }
    Ok(Answer(app.ticket_boards().read(from, until).await?))
}
