//! Tickets: from a member's problem to an answer, and to knowing how it was.
//!
//! Opening a ticket costs two table calls, a page of a list one. Members see their own tickets and what was said in
//! them; the desk sees everything. A schedule looks at the clocks every minute and touches those tickets only whose
//! time has come.

mod attachments;
mod board;
mod desk;
mod faq;
mod matter;
mod mine;
mod reports;
mod settings;
mod shown;
mod surveys;

use std::time::Duration;

use huitou::app::App;
use huitou::manners::batch;
use huitou::manners::routes::Routes;
use huitou::routes;
use serde_json::{Value, json};

/// How long one look at the clocks may take; the next one comes a minute later.
const LOOK: Duration = Duration::from_secs(40);

/// The routes; who may call them stands in [`huitou::manners::access`].
#[must_use]
pub fn routes<R: Routes>() -> R {
    R::default()
        .routes(routes!(mine::open))
        .routes(routes!(mine::list))
        .routes(routes!(mine::show))
        .routes(routes!(mine::write))
        .routes(routes!(mine::close))
        .routes(routes!(attachments::announce))
        .routes(routes!(faq::ask))
        .routes(routes!(faq::outcome))
        .routes(routes!(surveys::answer))
        .routes(routes!(desk::open))
        .routes(routes!(desk::list))
        .routes(routes!(desk::take_next))
        .routes(routes!(desk::show))
        .routes(routes!(desk::handle))
        .routes(routes!(desk::write))
        .routes(routes!(desk::merge))
        .routes(routes!(settings::read))
        .routes(routes!(settings::save))
        .routes(routes!(board::read))
        .routes(routes!(reports::weekly))
        .routes(routes!(reports::monthly))
}

/// Takes the events of the schedule: a look at the clocks.
pub async fn handle(app: App, tick: Value) -> Result<Value, String> {
    let look = async { app.tickets().drain(LOOK).await };
    let drained = Box::pin(batch::scheduled(&tick, look)).await?;
    // A ticket that can't be worked on must not go unnoticed; the others have been.
    if drained.failed > 0 {
        return Err(format!("{} tickets could not be worked on", drained.failed));
    }
    Ok(json!({ "changed": drained.changed }))
}
