//! Campaigns: what staff want to say to whom, and its way into the queue of messages.
//!
//! Reading costs one or two table calls, writing two or three. A launch puts the audience's parts into a queue, which
//! this function works on as well; what becomes of each message is the sender's.

mod acts;
mod definitions;
mod limits;
mod report;
mod scenes;

use std::time::Duration;

use huitou::app::App;
use huitou::cases::dispatch::Task;
use huitou::manners::batch;
use huitou::manners::routes::Routes;
use huitou::routes;
use serde_json::Value;

/// How long one message may work; the queue's visibility is six times the function's timeout.
const MESSAGE: Duration = Duration::from_secs(20);

/// The routes; who may call them stands in [`huitou::manners::access`].
#[must_use]
pub fn routes<R: Routes>() -> R {
    R::default()
        .routes(routes!(definitions::list, definitions::create))
        .routes(routes!(definitions::read, definitions::save))
        .routes(routes!(acts::preview))
        .routes(routes!(acts::launch))
        .routes(routes!(acts::pause))
        .routes(routes!(acts::resume))
        .routes(routes!(acts::stop))
        .routes(routes!(report::read))
        .routes(routes!(limits::read, limits::save))
        .routes(routes!(scenes::scenes))
        .routes(routes!(scenes::draft_of_scene))
}

/// Takes the events of the dispatch queue.
pub async fn handle(app: App, event: Value) -> Result<Value, String> {
    let work = |text: String| {
        let app = app.clone();
        async move {
            let task: Task = serde_json::from_str(&text).map_err(|e| batch::Failure::Poison(e.to_string()))?;
            app.dispatch().work(task, MESSAGE).await.map_err(batch::Failure::from)
        }
    };
    batch::process(event, MESSAGE + Duration::from_secs(5), work).await
}
