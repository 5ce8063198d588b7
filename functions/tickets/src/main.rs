//! The deployed function: wires the app from the environment and takes events of API Gateway and of the schedule.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    huitou::manners::start::both(tickets::routes(), tickets::handle).await
}
