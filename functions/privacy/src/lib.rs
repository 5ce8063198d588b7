//! Privacy: what members are told and agree to, what they take along, how they leave, and the audit trail of what staff
//! were shown.
//!
//! Reading one's consents costs one table call, a decision two; one of a guardian up to five, because it creates or
//! erases what it is about. Who leaves is gone after six calls; what lay beside them is cleared away by one for each thing.
//! A schedule looks every five minutes for erasures that a crash has cut short, and for requests that are overdue.

mod audit;
mod export;
mod leave;
mod mine;
mod policy;
mod requests;
mod service;
mod shown;

use std::time::Duration;

use huitou::app::App;
use huitou::manners::batch;
use huitou::manners::routes::Routes;
use huitou::routes;
use serde_json::{Value, json};

/// How long one look at requests may take.
const LOOK: Duration = Duration::from_secs(40);

/// The routes; who may call them stands in [`huitou::manners::access`].
#[must_use]
pub fn routes<R: Routes>() -> R {
    R::default()
        .routes(routes!(mine::list))
        .routes(routes!(mine::records))
        .routes(routes!(mine::decide))
        .routes(routes!(service::list))
        .routes(routes!(service::withdraw))
        .routes(routes!(policy::read, policy::save))
        .routes(routes!(audit::list))
        .routes(routes!(audit::prove))
        .routes(routes!(audit::breach))
        .routes(routes!(export::mine))
        .routes(routes!(export::of_member))
        .routes(routes!(leave::leave))
        .routes(routes!(leave::erase))
        .routes(routes!(leave::verify))
        .routes(routes!(leave::hold))
        .routes(routes!(requests::mine, requests::ask))
        .routes(routes!(requests::write_down))
        .routes(routes!(requests::list))
        .routes(routes!(requests::decide))
}

/// Takes the events of the schedule: a look at erasures and requests.
pub async fn handle(app: App, tick: Value) -> Result<Value, String> {
    let look = async { app.erasures().look(LOOK).await };
    let looked = Box::pin(batch::scheduled(&tick, look)).await?;
    // An erasure that can't go on must not go unnoticed; the others have gone on.
    if looked.failed > 0 {
        return Err(format!("{} erasures did not go on", looked.failed));
    }
    Ok(json!({ "went_on": looked.went_on }))
}
