//! The deployed function: wires the app from the environment and takes events of API Gateway and of the stream.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    huitou::manners::start::both(playbooks::routes(), playbooks::handle).await
}
