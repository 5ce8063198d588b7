//! The deployed function: wires the app from the environment and takes events of the queue and of the schedule.

use huitou::manners::start;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    start::mixed(|app| move |event: Value| campaign_send::handle(app.clone(), event)).await
}
