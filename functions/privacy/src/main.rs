//! The deployed function: wires the app from the environment and takes events of API Gateway and of the schedule.

use huitou::manners::{edge, gateway, start};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    start::mixed(|app| {
        let router = edge::service(&app, privacy::routes());
        move |event: Value| {
            let (app, router) = (app.clone(), router.clone());
            async move {
                if event.get("rawPath").is_none() {
                    return privacy::handle(app, event).await;
                }
                let event = serde_json::from_value(event).map_err(|error| error.to_string())?;
                let answer = gateway::answer(router, event).await.map_err(|error| error.to_string())?;
                serde_json::to_value(answer).map_err(|error| error.to_string())
            }
        }
    })
    .await
}
