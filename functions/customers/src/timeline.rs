//! What happened to a member, first touch to last.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::manners::caller::Caller;
use huitou::manners::extract::{Ids, Query};
use huitou::manners::movement::{Movement, Movements};
use huitou::manners::problem::Problem;
use huitou::values::{MemberId, RowKey};
use serde::Deserialize;

/// Rows on a page, at least; whole groups of eight are read.
const PAGE: usize = 24;

/// Where a list goes on.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Onward {
    /// The cursor of the page before.
    cursor: Option<String>,
}

/// What happened to a member, newest first.
#[utoipa::path(get, path = "/v1/members/{id}/timeline", tag = "customers", params(("id" = MemberId, Path), Onward), responses((status = 200, body = Movements)))]
pub(crate) async fn page(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<MemberId>,
    Query(from): Query<Onward>,
) -> Result<Answer<Movements>, Problem> {
    let (list, owner) = (format!("timeline/{id}"), caller.actor.as_str());
    let cursors = &app.parts().cursors;
    let links = from.cursor.map(|text| cursors.open::<Vec<RowKey>>(&list, owner, &text)).transpose()?;
    let page = app.customers().timeline(id, &caller.sight(), &caller.actor, links, PAGE).await?;
    let next = if page.next.is_empty() { None } else { Some(cursors.seal(&list, owner, &page.next)?) };
    Ok(Answer(Movements { items: page.entries.into_iter().map(Movement::from).collect(), next }))
}
