//! A webhook of the brand's own: JSON, signed, to one address that the brand has set.
//!
//! The receiver knows a message by `X-Event-Id` and takes it once, so what may have arrived may be sent again.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::json;
use subtle::ConstantTimeEq as _;

use super::{Fault, Known, Line, Message, Outcome, Sender, Sent};
use crate::digest::{hex, hmac};
use crate::domain::campaign::content::Rendered;
use crate::domain::traits::Channel;

/// The brand's webhook.
#[derive(Debug)]
pub struct Webhook {
    /// Where.
    pub url: String,
    /// By what calls are signed.
    pub secret: Secret,
    /// The way out: a transport that reaches public addresses only.
    pub line: Line,
}

/// A secret that never shows.
#[derive(Clone)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// Whether this is the secret; how long that takes tells nothing about it.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        bool::from(self.0.as_bytes().ct_eq(text.as_bytes()))
    }

    /// The signature of a body sent at a time: `v1=` hex of HMAC-SHA256 over the seconds, a dot and the body.
    #[must_use]
    pub fn signature(&self, seconds: i64, body: &[u8]) -> String {
        format!("v1={}", hex(&hmac(self.0.as_bytes(), &[seconds.to_string().as_bytes(), b".", body])))
    }
}

impl Sender for Webhook {
    fn channel(&self) -> Channel {
        Channel::Webhook
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let (send, to) = (message.send.to_string(), message.to.as_str());
            let body = match &message.content {
                Rendered::Webhook { topic, fields } => {
                    let fields: BTreeMap<_, _> = fields.iter().map(|(name, value)| (name.as_str(), value)).collect();
                    let campaign = message.campaign.to_string();
                    json!({ "topic": topic, "id": send, "campaign": campaign, "member_id": to, "fields": fields })
                }
                Rendered::Staff { topic, text } => json!({ "topic": topic, "id": send, "staff": to, "text": text }),
                _ => return Outcome::permanent(Fault::Content, "not_a_webhook"),
            };
            let (body, seconds) = (Bytes::from(body.to_string()), self.line.wall().seconds());
            let (timestamp, signature) = (seconds.to_string(), self.secret.signature(seconds, &body));
            let headers = [
                ("content-type", "application/json"),
                ("x-event-id", send.as_str()),
                ("x-timestamp", &timestamp),
                ("x-signature", &signature),
            ];
            match self.line.post(self.url.clone(), &headers, body).await {
                Ok(response) => answered(response.status.as_u16(), message),
                Err(_) => Outcome::provider_busy(Duration::ZERO),
            }
        })
    }

    /// The receiver keeps no records that could be asked; nothing is unknown either, since it is sent again.
    fn look_up<'a>(&'a self, _: &'a Sent) -> BoxFuture<'a, Known> {
        Box::pin(async { Known::NotSent })
    }
}

fn answered(status: u16, message: &Message) -> Outcome {
    match status {
        200..=299 => Outcome::accepted(None, message.send),
        429 | 500..=599 => Outcome::provider_busy(Duration::ZERO),
        // Gone, or somewhere else: nobody follows, since the next address was checked by nobody.
        410 | 300..=399 | 401 | 403 | 404 => Outcome::permanent(Fault::Account, &format!("http.{status}")),
        _ => Outcome::permanent(Fault::Content, &format!("http.{status}")),
    }
}
