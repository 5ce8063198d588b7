//! The provider of staff tokens, with its keys as they were last read.
//!
//! A token costs no call as long as the keys are fresh: an hour. One under a key that is not known makes them be read
//! anew, at most four times a minute whatever is sent. While the provider can't be reached, the keys that were read last
//! go on being taken, for a day and no longer: so a key that the provider has withdrawn counts here for an hour at most,
//! or for a day while the provider is down.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;

use super::oidc::{KeySet, Presented, Settings, StaffTokenError};
use super::token::Claims;
use crate::transport::{Request, Transport};
use crate::values::Moment;

/// For how long keys count without being read again.
const FRESH: Duration = Duration::from_hours(1);
/// For how long they count while the provider can't be reached.
const STALE: Duration = Duration::from_hours(24);
/// How often they are read at most, and within what time.
const READS: (usize, Duration) = (4, Duration::from_mins(1));
/// How long one answer of the provider may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Why nobody was recognised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The token is not taken.
    #[error(transparent)]
    Token(#[from] StaffTokenError),
    /// The provider's keys can't be had: try again later.
    #[error("the provider of staff tokens can't be asked: {0}")]
    Unavailable(String),
}

#[derive(Debug, Default)]
struct Kept {
    keys: Arc<KeySet>,
    read: Option<Moment>,
    tries: Vec<Moment>,
    /// Why the last try failed.
    failure: Option<String>,
}

/// The provider of staff tokens.
#[derive(Debug)]
pub struct Identity {
    settings: Settings,
    transport: Arc<dyn Transport>,
    kept: Mutex<Kept>,
    reading: tokio::sync::Mutex<()>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Identity {
    /// A provider whose keys have not been read yet.
    #[must_use]
    pub fn new(settings: Settings, transport: Arc<dyn Transport>) -> Self {
        Self { settings, transport, kept: Mutex::default(), reading: tokio::sync::Mutex::default() }
    }

    /// Who a token says is calling. `now` is the time of security. No call while the keys are fresh, two otherwise.
    pub async fn check(&self, token: &str, now: Moment) -> Result<Claims, IdentityError> {
        let presented = Presented::read(token)?;
        if let Some(keys) = self.known(&presented.key, now, FRESH) {
            return Ok(presented.check(&keys, &self.settings, now)?);
        }
        let failure = self.refresh(&presented.key, now).await.err();
        if let Some(keys) = self.known(&presented.key, now, STALE) {
            return Ok(presented.check(&keys, &self.settings, now)?);
        }
        match failure {
            Some(why) => Err(IdentityError::Unavailable(why)),
            None => Err(StaffTokenError::UnknownKey.into()),
        }
    }

    /// The keys that were read within a time, if this one is among them.
    fn known(&self, key: &str, now: Moment, within: Duration) -> Option<Arc<KeySet>> {
        let kept = self.kept();
        let read = kept.read.is_some_and(|read| now.since(read) < within);
        (read && kept.keys.has(key)).then(|| Arc::clone(&kept.keys))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the keys, unless somebody else just did or they were read too often.
    async fn refresh(&self, key: &str, now: Moment) -> Result<(), String> {
        let _one_at_a_time = self.reading.lock().await;
        if self.known(key, now, FRESH).is_some() {
            return Ok(());
        }
        {
            let mut kept = self.kept();
            kept.tries.retain(|tried| now.since(*tried) < READS.1);
            if kept.tries.len() >= READS.0 {
                // Keys that were just read are known not to have this one; of those that could not be nobody knows.
                return kept.failure.clone().map_or(Ok(()), Err);
            }
            kept.tries.push(now);
            // Whoever gives up waiting never hears an answer.
            kept.failure = Some("it has not answered in time".to_owned());
        }
        let read = self.read().await;
        let mut kept = self.kept();
        kept.failure = read.as_ref().err().cloned();
        (kept.keys, kept.read) = (Arc::new(read?), Some(now));
        Ok(())
    }

    async fn read(&self) -> Result<KeySet, String> {
        let found = self.get(self.settings.discovery()).await?;
        let found: Discovery = serde_json::from_slice(&found).map_err(|_| "its discovery can't be read".to_owned())?;
        // A document that speaks for somebody else must not tell whose keys count (OpenID Connect Discovery, 4.3).
        if found.issuer != self.settings.issuer {
            return Err("its discovery names another issuer".to_owned());
        }
        let keys = self.get(found.jwks_uri).await?;
        KeySet::read(&keys).map_err(|_| "its keys can't be read".to_owned())
    }

    async fn get(&self, url: String) -> Result<Bytes, String> {
        let request =
            Request { method: Method::GET, url, headers: HeaderMap::new(), body: Bytes::new(), timeout: TIMEOUT };
        let answer = self.transport.call(request).await.map_err(|error| error.to_string())?;
        if answer.status == StatusCode::OK { Ok(answer.body) } else { Err(format!("it answers {}", answer.status)) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::BoxFuture;
    use serde_json::json;

    use super::*;
    use crate::transport::{Response, TransportError};
    use crate::trust::oidc::tests::{Signer, at, settings};
    use crate::trust::token::Role;

    /// A provider that publishes what it is told to, counts how often it is asked, and can be down.
    #[derive(Debug, Default)]
    struct Provider {
        keys: Mutex<Vec<serde_json::Value>>,
        issuer: Mutex<Option<String>>,
        down: Mutex<bool>,
        asked: AtomicU32,
    }

    impl Transport for Provider {
        fn call(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
            Box::pin(async move {
                self.asked.fetch_add(1, Ordering::Relaxed);
                if *self.down.lock().unwrap() {
                    return Err(TransportError::NotSent("down".into()));
                }
                let issuer = self.issuer.lock().unwrap().clone().unwrap_or_else(|| settings().issuer);
                let body = if request.url.ends_with("/.well-known/openid-configuration") {
                    json!({ "issuer": issuer, "jwks_uri": "https://id.example.com/keys", "more": [1] })
                } else {
                    json!({ "keys": *self.keys.lock().unwrap() })
                };
                let body = Bytes::from(body.to_string());
                Ok(Response { status: StatusCode::OK, headers: HeaderMap::new(), body })
            })
        }
    }

    fn a_provider(signers: &[&Signer]) -> (Arc<Provider>, Identity) {
        let provider = Arc::new(Provider::default());
        *provider.keys.lock().unwrap() = signers.iter().map(|signer| signer.jwk()).collect();
        (Arc::clone(&provider), Identity::new(settings(), provider))
    }

    #[tokio::test]
    async fn a_token_costs_no_call_while_the_keys_are_fresh() {
        let signer = Signer::new("k1");
        let (provider, identity) = a_provider(&[&signer]);
        let token = signer.token(&json!({ "exp": at(90_000).seconds() }));
        for seconds in [0, 1, 3_599] {
            assert_eq!(identity.check(&token, at(seconds)).await.unwrap().role, Role::Manager);
        }
        assert_eq!(provider.asked.load(Ordering::Relaxed), 2);
        assert!(identity.check(&token, at(3_600)).await.is_ok());
        assert_eq!(provider.asked.load(Ordering::Relaxed), 4);
    }

    #[tokio::test]
    async fn a_new_key_is_found_and_a_withdrawn_one_counts_no_longer_than_an_hour() {
        let (old, new) = (Signer::new("k1"), Signer::new("k2"));
        let (provider, identity) = a_provider(&[&old]);
        let (first, second) =
            (old.token(&json!({ "exp": at(9_000).seconds() })), new.token(&json!({ "exp": at(9_000).seconds() })));
        assert!(identity.check(&first, at(0)).await.is_ok());
        assert_eq!(identity.check(&second, at(1)).await, Err(StaffTokenError::UnknownKey.into()));
        *provider.keys.lock().unwrap() = vec![new.jwk()];
        assert!(identity.check(&first, at(2)).await.is_ok());
        assert!(identity.check(&second, at(3)).await.is_ok());
        assert_eq!(identity.check(&first, at(3_700)).await, Err(StaffTokenError::UnknownKey.into()));
    }

    #[tokio::test]
    async fn made_up_keys_ask_the_provider_four_times_a_minute_and_no_more() {
        let (signer, stranger) = (Signer::new("k1"), Signer::new("made-up"));
        let (provider, identity) = a_provider(&[&signer]);
        let token = stranger.token(&json!({}));
        for _ in 0..50 {
            assert_eq!(identity.check(&token, at(0)).await, Err(StaffTokenError::UnknownKey.into()));
        }
        assert_eq!(provider.asked.load(Ordering::Relaxed), 8);
        assert!(identity.check(&signer.token(&json!({})), at(0)).await.is_ok());
        let _ = identity.check(&token, at(61)).await;
        assert_eq!(provider.asked.load(Ordering::Relaxed), 10);
    }

    #[tokio::test]
    async fn while_the_provider_is_down_known_keys_count_for_a_day() {
        let signer = Signer::new("k1");
        let (provider, identity) = a_provider(&[&signer]);
        let token = signer.token(&json!({ "exp": at(200_000).seconds() }));
        *provider.down.lock().unwrap() = true;
        assert!(matches!(identity.check(&token, at(0)).await, Err(IdentityError::Unavailable(_))));
        *provider.down.lock().unwrap() = false;
        assert!(identity.check(&token, at(60)).await.is_ok());
        *provider.down.lock().unwrap() = true;
        assert!(identity.check(&token, at(80_000)).await.is_ok());
        // Also when it was asked too often to be asked again: that is no fault of the token's.
        for _ in 0..6 {
            assert!(matches!(identity.check(&token, at(86_460)).await, Err(IdentityError::Unavailable(_))));
        }
    }

    #[tokio::test]
    async fn while_the_provider_is_down_a_key_that_may_be_new_is_not_called_unknown() {
        let (old, new) = (Signer::new("k1"), Signer::new("k2"));
        let (provider, identity) = a_provider(&[&old]);
        assert!(identity.check(&old.token(&json!({})), at(0)).await.is_ok());
        *provider.keys.lock().unwrap() = vec![old.jwk(), new.jwk()];
        *provider.down.lock().unwrap() = true;
        for _ in 0..6 {
            let checked = identity.check(&new.token(&json!({})), at(1)).await;
            assert!(matches!(checked, Err(IdentityError::Unavailable(_))), "{checked:?}");
            assert!(identity.check(&old.token(&json!({})), at(1)).await.is_ok());
        }
    }

    #[tokio::test]
    async fn keys_of_another_issuer_are_not_read() {
        let signer = Signer::new("k1");
        let (provider, identity) = a_provider(&[&signer]);
        *provider.issuer.lock().unwrap() = Some("https://evil.example.com".to_owned());
        assert!(matches!(identity.check(&signer.token(&json!({})), at(0)).await, Err(IdentityError::Unavailable(_))));
    }
}
