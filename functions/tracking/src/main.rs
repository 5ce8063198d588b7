//! The deployed function: wires the app from the environment and answers API Gateway.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    huitou::manners::start::gateway(tracking::routes()).await
}
