//! What happened to a member, first touch to last.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Ids, Onward, Query};
use huitou::manners::movement::{Movement, Movements};
use huitou::manners::problem::Problem;
use huitou::values::MemberId;

/// Rows on a page, at least; whole groups of eight are read.
const PAGE: usize = 24;

/// What happened to a member, newest first.
#[utoipa::path(get, path = "/v1/members/{id}/timeline", tag = "customers", params(("id" = MemberId, Path), Onward), responses((status = 200, body = Movements)))]
pub(crate) async fn page(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<MemberId>,
    Query(from): Query<Onward>,
) -> Result<Answer<Movements>, Problem> {
    let list = format!("timeline/{id}");
    let cursors = app.parts().cursors.of(&list, caller.actor.as_str());
    let links = cursors.open(from.cursor.as_deref())?;
    let page = app.customers().timeline(id, &caller.sight(), &caller.actor, links, PAGE).await?;
    let next = cursors.seal(Some(&page.next).filter(|links| !links.is_empty()))?;
    Ok(Answer(Movements { items: page.entries.into_iter().map(Movement::from).collect(), next }))
}
