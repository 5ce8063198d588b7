//! The clients of AWS: one pool of connections, and the role's credentials.

use std::sync::Arc;

use aws_sdk_dynamodb::config::Credentials;
use lambda_runtime::Error;

use super::variable;
use crate::aws::{Aws, Endpoints, Retries, Signer};
use crate::clock::SystemClock;
use crate::entropy::SystemEntropy;
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

/// AWS as the role may ask it. Its credentials Lambda puts into the environment, so no chain of providers has to be tried.
pub(super) struct Clients {
    connections: Connections,
    pub(super) signer: Signer,
    pub(super) aws: Aws,
}

impl Clients {
    pub(super) fn from_environment(authorities: &Authorities) -> Result<Self, Error> {
        let region = variable("AWS_REGION")?;
        let endpoints = Endpoints::from_environment(region.clone(), |name| std::env::var(name).ok());
        let credentials = Credentials::new(
            variable("AWS_ACCESS_KEY_ID")?,
            variable("AWS_SECRET_ACCESS_KEY")?,
            std::env::var("AWS_SESSION_TOKEN").ok(),
            None,
            "environment",
        );
        let signer = Signer { identity: credentials.into(), region };
        let connections = Connections::new(authorities)?;
        connections.look_up_aside(false);
        let aws = Aws {
            transport: Arc::new(HttpTransport::over(connections.clone())),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            signer: Some(signer.clone()),
            endpoints,
            retries: Retries::ORDINARY,
        };
        Ok(Self { connections, signer, aws })
    }

    /// Says that the start is over: from here on no lookup may hold up a request's deadline.
    pub(super) fn started(&self) {
        self.connections.look_up_aside(true);
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
