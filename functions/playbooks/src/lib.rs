//! Playbooks: what a brand wants of each segment, and what happens by itself when a member enters or leaves it.
//!
//! Reading costs one or two table calls, saving two. The stream of memberships tells of every move; one on which the
//! segment's playbook does nothing costs no call, one on which it acts three or four.

mod settings;

use std::time::Duration;

use huitou::app::App;
use huitou::cases::playbooks::Acted;
use huitou::manners::batch;
use huitou::manners::routes::Routes;
use huitou::routes;
use huitou::table::read_move;
use serde_json::Value;

/// How long one batch may work: the function's timeout less a call of the table with all its retries.
const BATCH: Duration = Duration::from_secs(40);

/// The routes; who may call them stands in [`huitou::manners::access`].
#[must_use]
pub fn routes<R: Routes>() -> R {
    R::default().routes(routes!(settings::list)).routes(routes!(settings::read, settings::save, settings::delete))
}

/// Takes a batch of the stream of memberships.
pub async fn handle(app: App, event: Value) -> Result<Value, String> {
    let work = |record: Value| {
        let app = app.clone();
        Box::pin(async move { follow(&app, &record).await })
    };
    batch::in_order(event, BATCH, work).await
}

async fn follow(app: &App, record: &Value) -> Result<(), batch::Failure> {
    let Some(on) = read_move(record).map_err(batch::Failure::Poison)? else { return Ok(()) };
    let (segment, member, way) = (on.segment.as_str(), on.member, on.way);
    match app.playbooks().follow(&on).await? {
        Acted::Nothing => {}
        Acted::Done => tracing::info!(segment, %member, ?way, "a playbook acted"),
        passed => tracing::info!(segment, %member, ?way, why = ?passed, "a playbook did not act"),
    }
    let set_off = app.triggers().follow(&on).await?;
    if set_off > 0 {
        tracing::info!(segment, %member, ?way, set_off, "campaigns were set off");
    }
    Ok(())
}
