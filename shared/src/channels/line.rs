//! What every client of a provider works with: the way out, the time, and randomness.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::{Busy, Failure, Fault, Outcome, Scope};
use crate::clock::Clock;
use crate::domain::reach::SuppressedBy;
use crate::entropy::Entropy;
use crate::transport::{Request, Response, Transport, TransportError};
use crate::values::{MessageId, Moment, SendId};

/// How long a provider may take: Aliyun asks for at least a second.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The way out to a provider.
#[derive(Clone, Debug)]
pub struct Line {
    /// Makes the call.
    pub transport: Arc<dyn Transport>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes nonces.
    pub entropy: Arc<dyn Entropy>,
}

/// Our account with a provider.
#[derive(Clone)]
pub struct Account {
    /// Its id, as requests name it.
    pub key: String,
    /// Its secret, by which they are signed.
    pub secret: String,
}

/// The secret never shows.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.key)
    }
}

impl Line {
    /// The time by which requests are signed.
    pub(super) fn wall(&self) -> Moment {
        self.clock.wall()
    }

    /// POSTs a body once.
    pub(super) async fn post(
        &self,
        url: String,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<Response, TransportError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let unfit = |_| TransportError::NotSent(format!("the header {name} can't be written"));
            map.insert(HeaderName::from_static(name), HeaderValue::from_str(value).map_err(unfit)?);
        }
        self.transport.call(Request { method: Method::POST, url, headers: map, body, timeout: TIMEOUT }).await
    }
}

/// The host of an address, as it is signed.
pub(super) fn host(base_url: &str) -> &str {
    let rest = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

impl Outcome {
    /// The provider took it, under its id, or under ours if it gave none that can be kept.
    pub(super) fn accepted(id: Option<&str>, send: SendId) -> Self {
        Self::Accepted(id.and_then(|id| MessageId::parse(id).ok()).unwrap_or_else(|| MessageId::of(send)))
    }

    /// It surely did not go out: the provider fails, or wants less.
    pub(super) const fn provider_busy(after: Duration) -> Self {
        Self::Retry { after, busy: Busy::Provider }
    }

    /// It surely did not go out: this recipient has had enough.
    pub(super) const fn recipient_busy(after: Duration) -> Self {
        Self::Retry { after, busy: Busy::Recipient }
    }

    /// It never goes out like this.
    pub(super) fn permanent(of: Fault, code: &str) -> Self {
        Self::Permanent { reason: Failure::new(of, code) }
    }

    /// The provider keeps the address on its own list of those who want nothing.
    pub(super) const fn blacklisted() -> Self {
        Self::Refused { scope: Scope::Channel(SuppressedBy::Blacklist) }
    }
}

impl Failure {
    /// A failure with the provider's own code: what isn't a plain word of at most 80 characters is left out of it.
    pub(super) fn new(of: Fault, code: &str) -> Self {
        let plain = |c: &char| c.is_ascii_alphanumeric() || "-_.:".contains(*c);
        Self { of, code: code.chars().filter(plain).take(80).collect() }
    }
}

impl From<TransportError> for Outcome {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::NotSent(_) => Self::provider_busy(Duration::ZERO),
            TransportError::Unknown(_) => Self::Unknown,
        }
    }
}

/// An answer that says nothing of ours, by its status alone: a gateway's refusal was not passed on, anything else may
/// have been.
pub(super) fn by_status(status: StatusCode) -> Outcome {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Outcome::provider_busy(Duration::ZERO),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Outcome::permanent(Fault::Account, status.as_str()),
        _ => Outcome::Unknown,
    }
}
