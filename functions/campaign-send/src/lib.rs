//! The sender: takes messages of campaigns from the queue, one member each, and what is due by the clock.
//!
//! A message costs three table calls: everything is read in one, the claim and the outcome are a transaction each.

use std::time::Duration;

use huitou::app::App;
use huitou::cases::Error;
use huitou::cases::sending::Drained;
use huitou::manners::batch;
use huitou::table::SendKey;
use serde_json::{Value, json};

/// How long one batch may begin new messages: the function's timeout less a call to a provider and its outcome.
const BATCH: Duration = Duration::from_secs(30);
/// How long one look at the clocks may take; the next one comes a minute later.
const LOOK: Duration = Duration::from_secs(40);

/// Takes the events of the queue and of the schedule.
pub async fn handle(app: App, event: Value) -> Result<Value, String> {
    if event.get("Records").is_none() {
        let went = Box::pin(batch::scheduled(&event, look(&app))).await?;
        return Ok(json!({ "queued": went.queued, "finished": went.finished }));
    }
    let work = |text: String| {
        let app = app.clone();
        async move {
            let key: SendKey = serde_json::from_str(&text).map_err(|e| batch::Failure::Poison(e.to_string()))?;
            Box::pin(app.sending().work(key)).await.map(drop).map_err(batch::Failure::from)
        }
    };
    batch::process(event, BATCH, work).await
}

/// A look at the clocks: campaigns that begin or end, and messages whose time has come.
async fn look(app: &App) -> Result<Drained, Error> {
    app.dispatch().look().await?;
    app.sending().drain(LOOK).await
}
