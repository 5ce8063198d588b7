//! The clients of AWS: one pool of connections, and the role's credentials.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::endpoint::{EndpointFuture, Params, ResolveEndpoint};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_types::endpoint::Endpoint;
use lambda_runtime::Error;

use super::variable;
use crate::aws::{Aws, Endpoints, Service, Signer};
use crate::clock::SystemClock;
use crate::entropy::SystemEntropy;
use crate::later::Later;
use crate::transport::{Authorities, Connections, HttpTransport};

/// Amazon's own authorities: few, where the platform's 145 cost more processor time than the rest of a start.
pub(super) const AMAZON_ROOTS: &str = include_str!("../amazon-roots.pem");

/// Whose signature AWS's endpoints need: that of an authority in the text that `AWS_CA_BUNDLE` names, or else of one of
/// Amazon's.
pub(super) fn authorities() -> Result<Authorities, Error> {
    if let Some(bundle) = std::env::var_os("AWS_CA_BUNDLE") {
        return Ok(Authorities::These(std::fs::read_to_string(bundle)?));
    }
    // Who signs for AWS in China is not published.
    let china = variable("AWS_REGION")?.starts_with("cn-");
    Ok(if china { Authorities::Platform } else { Authorities::These(AMAZON_ROOTS.to_owned()) })
}

/// What all SDK clients share: their connections, and the role's credentials, which Lambda puts into the environment, so
/// no chain of providers has to be tried.
#[derive(Clone)]
pub(super) struct Sdk {
    connections: Connections,
    endpoints: Endpoints,
    region: Region,
    pub(super) credentials: Credentials,
}

/// The settings of a client of one service. Four attempts with jitter and three seconds for each lie inside the request's
/// deadline.
macro_rules! settings {
    ($sdk:ident, $shared:expr) => {{
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(3)).build();
        $sdk::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client($shared.connections.clone())
            .region($shared.region.clone())
            .credentials_provider($shared.credentials.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .timeout_config(timeouts)
    }};
}

/// Where the table is. To find it out from the region, the SDK would read a description of all of AWS at every start.
#[derive(Debug)]
struct At(Endpoint);

impl ResolveEndpoint for At {
    fn resolve_endpoint<'a>(&'a self, _: &'a Params) -> EndpointFuture<'a> {
        EndpointFuture::ready(Ok(self.0.clone()))
    }
}

impl Sdk {
    pub(super) fn from_environment(authorities: &Authorities) -> Result<Self, Error> {
        let credentials = Credentials::new(
            variable("AWS_ACCESS_KEY_ID")?,
            variable("AWS_SECRET_ACCESS_KEY")?,
            std::env::var("AWS_SESSION_TOKEN").ok(),
            None,
            "environment",
        );
        let connections = Connections::new(authorities)?;
        let endpoints = Endpoints::from_environment(|name| std::env::var(name).ok());
        Ok(Self { connections, endpoints, region: Region::new(variable("AWS_REGION")?), credentials })
    }

    pub(super) fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let url = self.endpoints.of(Service::DynamoDb, self.region.as_ref());
        let at = At(Endpoint::builder().url(url).build());
        aws_sdk_dynamodb::Client::from_conf(settings!(aws_sdk_dynamodb, self).endpoint_resolver(at).build())
    }

    pub(super) fn sqs(&self) -> Later<aws_sdk_sqs::Client> {
        let shared = self.clone();
        Later::new(move || {
            let mut settings = settings!(aws_sdk_sqs, shared);
            settings.set_endpoint_url(shared.endpoints.given(Service::Sqs).map(ToOwned::to_owned));
            aws_sdk_sqs::Client::from_conf(settings.build())
        })
    }

    pub(super) fn aws(&self) -> Aws {
        Aws {
            transport: Arc::new(HttpTransport::over(self.connections.clone())),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            signer: Signer { identity: self.credentials.clone().into(), region: self.region.to_string() },
            endpoints: self.endpoints.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazons_authorities_are_five_and_can_be_read() {
        assert_eq!(AMAZON_ROOTS.matches("BEGIN CERTIFICATE").count(), 5);
        assert!(Connections::new(&Authorities::These(AMAZON_ROOTS.to_owned())).is_ok());
    }
}
