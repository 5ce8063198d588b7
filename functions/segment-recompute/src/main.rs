//! The deployed function: wires the app from the environment and takes events of API Gateway, queue and schedule.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    huitou::manners::start::both(segment_recompute::routes(), segment_recompute::handle).await
}
