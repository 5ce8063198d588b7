//! One request over HTTP, and what came back.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use huitou::manners::edge::COST;
use huitou::table::Cost;
use huitou::trust::signature::{KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::heard::{Asker, Heard};

/// A request about to be sent, on a connection of its own.
#[derive(Clone, Debug)]
pub struct Call {
    address: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    heard: Option<Arc<Heard>>,
}

impl Call {
    /// A request to whoever listens there.
    #[must_use]
    pub fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        Self { address, method, path, headers: Vec::new(), body: Bytes::new(), heard: None }
    }

    /// To a house that remembers what it is told of people, and tells nobody who may not know.
    #[must_use]
    pub fn heard_by(mut self, heard: &Arc<Heard>) -> Self {
        self.heard = Some(Arc::clone(heard));
        self
    }

    /// With this header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this bearer token.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With this idempotency key.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// With this JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.text("application/json", body.to_string())
    }

    /// With this body of any kind.
    #[must_use]
    pub fn text(mut self, kind: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", kind)
    }

    /// Signed as a system signs; comes after the body.
    #[must_use]
    pub fn signed(self, key: &str, secret: &str, timestamp: i64) -> Self {
        let method = Method::from_bytes(self.method.as_bytes()).unwrap();
        let signature = sign(secret.as_bytes(), timestamp, &method, &self.path, &self.body);
        self.header(KEY_HEADER, key)
            .header(TIMESTAMP_HEADER, &timestamp.to_string())
            .header(SIGNATURE_HEADER, &signature)
    }

    /// With another body than before, whatever was signed.
    #[must_use]
    pub fn changed(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// To another path than before, whatever was signed.
    #[must_use]
    pub fn redirected(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Sends it.
    pub async fn send(self) -> Answer {
        if let Some(heard) = &self.heard {
            heard.request(&self.path, &self.body);
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        // The connection ends with its one answer; how it ends is not what is tested.
        let connection = tokio::spawn(connection);
        let host = self.address.to_string();
        let mut request =
            Request::builder().method(self.method.as_str()).uri(self.path.as_str()).header(header::HOST, host);
        for (name, value) in &self.headers {
            request = request.header(name.as_str(), value.as_str());
        }
        let response = sender.send_request(request.body(Full::new(self.body.clone())).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = body.collect().await.unwrap().to_bytes();
        connection.abort();
        let asked = format!("{} {}", self.method, self.path);
        let answer = Answer { asked, status: parts.status.as_u16(), headers: parts.headers, text };
        if let Some(heard) = &self.heard {
            heard.answer(&answer.json());
            let asker = Asker::of(&self.headers);
            let leaks = heard.leaks(&asker, &self.method, &self.path, &answer.text);
            assert!(leaks.is_empty(), "{} shows {:?} {leaks:?}", answer.asked, asker.roles);
        }
        answer
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Method and path that were asked.
    pub asked: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub text: Bytes,
}

impl Answer {
    /// The body as JSON; null when there is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.text).unwrap_or(Value::Null)
    }

    /// The body of an answer that has to have this status.
    #[must_use]
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.asked, String::from_utf8_lossy(&self.text));
        self.json()
    }

    /// The body as text, for what JSON readers hide: a name that stands twice.
    #[must_use]
    pub fn count(&self, part: &str) -> usize {
        String::from_utf8_lossy(&self.text).matches(part).count()
    }

    /// Holds the answer to be a problem with this status and code, written as problems are written.
    #[track_caller]
    pub fn refuses(&self, status: u16, code: &str) {
        let problem = self.problem();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{}: {problem}", self.asked);
    }

    /// A problem that is written as problems are written: for the developer, for the customer, for the log.
    #[must_use]
    #[track_caller]
    pub fn problem(&self) -> Value {
        let problem = self.json();
        let place = format!("{}: {} {}", self.asked, self.status, String::from_utf8_lossy(&self.text));
        assert_eq!(self.header("content-type"), "application/problem+json", "{place}");
        assert_eq!(problem["status"], self.status, "{place}");
        assert_problem(&problem, &place);
        problem
    }

    /// A header's text; empty when it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// What the request cost at the table.
    #[must_use]
    #[track_caller]
    pub fn cost(&self) -> Cost {
        let text = self.header(COST.as_str());
        let figure = |name: &str| {
            let part = text.split(';').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            part.unwrap_or_else(|| panic!("{}: no {name} in {text:?}", self.asked))
        };
        Cost {
            calls: figure("calls").parse().unwrap(),
            read_units: figure("rru").parse().unwrap(),
            write_units: figure("wru").parse().unwrap(),
        }
    }
}

/// Holds a problem to say everything that clients, customers and the log need.
#[track_caller]
pub fn assert_problem(problem: &Value, place: &str) {
    assert!(problem["status"].as_u64().is_some_and(|status| (400..500).contains(&status)), "{place}");
    let said = |field: &str| problem[field].as_str().unwrap_or_default();
    for field in ["type", "title", "code", "detail", "message", "request_id"] {
        assert!(!said(field).is_empty(), "{field} in {place}");
    }
    let plain = said("code").bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    assert!(plain, "{place}");
    assert!(said("message").chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{place}");
}
