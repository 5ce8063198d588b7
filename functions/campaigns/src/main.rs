//! The deployed function: wires the app from the environment and takes events of API Gateway and of the queue.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    huitou::manners::start::both(campaigns::routes(), campaigns::handle).await
}
