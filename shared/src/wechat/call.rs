//! Calls to WeChat: addresses, the access token, and what an answer means before anybody looks into it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{WeChat, WeChatSettings};
use crate::transport::{Request, Transport, TransportError, percent_encoded};
use crate::values::Moment;

/// How long one call may take. A mini program waits 60 seconds and a gateway 29, so two calls in a row fit.
const TIMEOUT: Duration = Duration::from_secs(5);
/// WeChat hands out a new token from five minutes before the old one's end, during which both are taken.
const RENEW_BEFORE: Duration = Duration::from_mins(5);
/// The token was refused: wrong or replaced, malformed, expired.
const TOKEN_REFUSED: [i64; 3] = [40_001, 40_014, 42_001];

/// Why a call brought nothing. No text in it names a person, a code or a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No byte of it left: repeating it is safe.
    #[error("the call was not sent: {0}")]
    NotSent(String),
    /// It may have arrived and had its effect, but no answer came that can be read.
    #[error("it is unknown what became of the call: {0}")]
    Unknown(String),
    /// A gateway answered for it with this HTTP status.
    #[error("WeChat fails with HTTP {0}")]
    Failing(u16),
    /// WeChat answered with this errcode.
    #[error("WeChat refused with errcode {0}")]
    Refused(i64),
}

impl CallError {
    /// What it means for a call that was to be made next: that one was not sent.
    fn before_the_call(self) -> Self {
        match self {
            Self::Refused(errcode) => Self::Refused(errcode),
            other => Self::NotSent(format!("no access token: {other}")),
        }
    }
}

impl From<TransportError> for CallError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::NotSent(why) => Self::NotSent(why),
            TransportError::Unknown(why) => Self::Unknown(why),
        }
    }
}

/// Whose access token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A mini program's.
    MiniProgram,
    /// A company's, in WeCom.
    Company,
}

/// WeChat's servers as seen by one mini program, or WeCom's by one company.
#[derive(Debug)]
pub(super) struct Api {
    settings: WeChatSettings,
    kind: Kind,
    transport: Arc<dyn Transport>,
}

impl Api {
    pub(super) fn new(settings: WeChatSettings, kind: Kind, transport: Arc<dyn Transport>) -> Self {
        Self { settings, kind, transport }
    }

    pub(super) async fn exchange_code<T: DeserializeOwned>(&self, code: &str) -> Result<T, CallError> {
        let WeChatSettings { app_id, secret, .. } = &self.settings;
        let query =
            [("appid", app_id.as_str()), ("secret", secret), ("js_code", code), ("grant_type", "authorization_code")];
        self.send(Method::GET, "/sns/jscode2session", &query, Bytes::new()).await
    }

    async fn fetch_token(&self) -> Result<Token, CallError> {
        match self.kind {
            Kind::MiniProgram => self.stable_token().await,
            Kind::Company => {
                let WeChatSettings { app_id, secret, .. } = &self.settings;
                let query = [("corpid", app_id.as_str()), ("corpsecret", secret)];
                self.send(Method::GET, "/cgi-bin/gettoken", &query, Bytes::new()).await
            }
        }
    }

    async fn stable_token(&self) -> Result<Token, CallError> {
        #[derive(Serialize)]
        struct Question<'a> {
            grant_type: &'a str,
            appid: &'a str,
            secret: &'a str,
        }

        let WeChatSettings { app_id, secret, .. } = &self.settings;
        // Without `force_refresh`: forcing is limited to twenty a day, and would void the token of other machines.
        let body = json(&Question { grant_type: "client_credential", appid: app_id, secret })?;
        self.send(Method::POST, "/cgi-bin/stable_token", &[], body).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Bytes,
    ) -> Result<T, CallError> {
        let url = address(&self.settings.base_url, path, query);
        let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let headers = if body.is_empty() { HeaderMap::new() } else { HeaderMap::from_iter([json]) };
        let request = Request { method, url, headers, body, timeout: TIMEOUT };
        let answer = self.transport.call(request).await.map_err(CallError::from).inspect_err(|error| {
            tracing::warn!(call = path, %error, "no answer from WeChat");
        })?;
        if !answer.status.is_success() {
            tracing::warn!(call = path, status = answer.status.as_u16(), "WeChat answered with an HTTP error");
            return Err(CallError::Failing(answer.status.as_u16()));
        }
        read(path, &answer.body)
    }
}

/// The access token in memory. It is WeChat's to hand out the same one to every machine, so machines need not share
/// it: each costs one call every two hours.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// Held while a token is fetched, so that callers who come at once wait for one call.
    latest: Mutex<Option<Result<Token, CallError>>>,
    /// Counts the calls, so that a caller who waited can tell that an outcome is news.
    fetched: AtomicU64,
}

#[derive(Clone, Deserialize)]
struct Token {
    #[serde(rename = "access_token")]
    text: String,
    /// Seconds, at most 7200.
    expires_in: u32,
    #[serde(skip)]
    until: Option<Moment>,
}

/// The token never shows.
impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token(until {:?})", self.until)
    }
}

impl Access {
    async fn token(&self, api: &Api, now: Moment) -> Result<String, CallError> {
        let before = self.fetched.load(Ordering::SeqCst);
        let mut latest = self.latest.lock().await;
        match &*latest {
            Some(Ok(token)) if token.until.is_some_and(|until| now < until) => return Ok(token.text.clone()),
            // Who waited through a failed call takes its outcome: asking again one by one would make them wait long.
            Some(Err(error)) if self.fetched.load(Ordering::SeqCst) != before => return Err(error.clone()),
            _ => {}
        }
        let fetched = api.fetch_token().await.map(|token| {
            let life = Duration::from_secs(token.expires_in.into()).saturating_sub(RENEW_BEFORE);
            Token { until: Some(now.plus(life)), ..token }
        });
        self.fetched.fetch_add(1, Ordering::SeqCst);
        latest.insert(fetched).as_ref().map(|token| token.text.clone()).map_err(Clone::clone)
    }

    /// Drops a token that was refused, unless somebody has replaced it already.
    async fn drop_token(&self, refused: &str) {
        let mut latest = self.latest.lock().await;
        if latest.as_ref().is_some_and(|held| held.as_ref().is_ok_and(|token| token.text == refused)) {
            *latest = None;
        }
    }
}

impl WeChat {
    /// POSTs JSON to a call that takes an access token; for every such call that has no method of its own.
    ///
    /// An errcode other than 0 is [`CallError::Refused`]. A refused token is replaced and the call repeated once;
    /// WeChat did nothing the first time, so no effect comes twice. At most 20 seconds in all. `now` is the time of
    /// security, [`crate::clock::Clock::wall`].
    pub async fn call<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
        now: Moment,
    ) -> Result<T, CallError> {
        let body = json(body)?;
        let token = self.access.token(&self.api, now).await.map_err(CallError::before_the_call)?;
        match self.api.send(Method::POST, path, &[("access_token", &token)], body.clone()).await {
            Err(CallError::Refused(errcode)) if TOKEN_REFUSED.contains(&errcode) => {
                self.access.drop_token(&token).await;
                let token = self.access.token(&self.api, now).await.map_err(CallError::before_the_call)?;
                self.api.send(Method::POST, path, &[("access_token", &token)], body).await
            }
            outcome => outcome,
        }
    }
}

fn json(body: &impl Serialize) -> Result<Bytes, CallError> {
    let body = serde_json::to_vec(body).map_err(|_| CallError::NotSent("the body has no JSON form".to_owned()))?;
    Ok(Bytes::from(body))
}

/// An answer without errcode, or with errcode 0, is a success; the rest of it depends on the call.
fn read<T: DeserializeOwned>(call: &str, body: &[u8]) -> Result<T, CallError> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        errcode: i64,
        #[serde(default)]
        errmsg: String,
    }

    let unreadable = || {
        tracing::warn!(call, "WeChat's answer can't be read");
        CallError::Unknown("the answer can't be read".to_owned())
    };
    let head: Head = serde_json::from_slice(body).map_err(|_| unreadable())?;
    if head.errcode != 0 {
        tracing::warn!(call, errcode = head.errcode, rid = rid(&head.errmsg), "WeChat refused");
        return Err(CallError::Refused(head.errcode));
    }
    serde_json::from_slice(body).map_err(|_| unreadable())
}

/// The request id at the end of an errmsg, by which WeChat's support finds the call. The rest of the text is
/// theirs to word, so it isn't logged.
fn rid(errmsg: &str) -> Option<&str> {
    let (_, rid) = errmsg.split_once("rid: ")?;
    let end = rid.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rid.len());
    rid.get(..end.min(64)).filter(|rid| !rid.is_empty())
}

fn address(base: &str, path: &str, query: &[(&str, &str)]) -> String {
    let mut url = format!("{}{path}", base.trim_end_matches('/'));
    for (place, (name, value)) in query.iter().enumerate() {
        url.push(if place == 0 { '?' } else { '&' });
        url.push_str(name);
        url.push('=');
        url.push_str(&percent_encoded(value));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_carries_any_value() {
        assert_eq!(
            address("https://api.example/", "/a", &[("b", "x&y=z 1+2/名"), ("c", "-._~")]),
            "https://api.example/a?b=x%26y%3Dz%201%2B2%2F%E5%90%8D&c=-._~"
        );
        assert_eq!(address("https://api.example", "/a", &[]), "https://api.example/a");
    }

    #[test]
    fn the_request_id_is_found_in_an_errmsg() {
        assert_eq!(rid("invalid code, rid: 65f1a2b3-0c-4d"), Some("65f1a2b3-0c-4d"));
        assert_eq!(rid("invalid code, rid: 65f1 secret"), Some("65f1"));
        for none in ["", "invalid code", "rid: ", "rid: 名"] {
            assert_eq!(rid(none), None, "{none}");
        }
    }
}
