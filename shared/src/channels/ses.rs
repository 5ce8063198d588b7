//! E-mail by SES (API v2, `SendEmail`): its signed REST call over the transport, in the regions that have it.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::line::by_status;
use super::{Fault, Known, Line, Message, Outcome, Sender, Sent};
use crate::aws::Signer;
use crate::domain::campaign::content::Rendered;
use crate::domain::traits::Channel;
use crate::transport::{Request, Response, TransportError};

/// How long SES may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// E-mail by SES.
#[derive(Debug)]
pub struct Ses {
    /// Where: `https://email.REGION.amazonaws.com`.
    pub base_url: String,
    /// Who signs: the function's role.
    pub signer: Signer,
    /// The address that mail comes from.
    pub from: String,
    /// The configuration set by which SES reports what became of a mail; none when empty.
    pub configuration_set: String,
    /// The way out.
    pub line: Line,
}

impl Ses {
    async fn post(&self, body: Bytes) -> Result<Response, TransportError> {
        let url = format!("{}/v2/email/outbound-emails", self.base_url.trim_end_matches('/'));
        let headers = [("content-type", "application/json")];
        let headers = self.signer.headers("ses", &url, &headers, &body, self.line.wall());
        let headers = headers.map_err(TransportError::NotSent)?;
        self.line.transport.call(Request { method: Method::POST, url, headers, body, timeout: TIMEOUT }).await
    }
}

fn text(data: &str) -> Value {
    json!({ "Data": data, "Charset": "UTF-8" })
}

impl Sender for Ses {
    fn channel(&self) -> Channel {
        Channel::Email
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Rendered::Email { subject, text: plain, html, unsubscribe } = &message.content else {
                return Outcome::permanent(Fault::Content, "not_an_email");
            };
            let headers = super::mail_headers(unsubscribe.as_deref());
            let headers: Vec<Value> =
                headers.into_iter().map(|(name, value)| json!({ "Name": name, "Value": value })).collect();
            let mut body = json!({ "Text": text(plain) });
            if let (Some(html), Some(body)) = (html, body.as_object_mut()) {
                body.insert("Html".to_owned(), text(html));
            }
            let mut question = json!({
                "FromEmailAddress": self.from,
                "Destination": { "ToAddresses": [message.to.as_str()] },
                "Content": { "Simple": { "Subject": text(subject), "Body": body, "Headers": headers } },
                "EmailTags": [{ "Name": "send", "Value": message.send.to_string() }],
            });
            if let (false, Some(question)) = (self.configuration_set.is_empty(), question.as_object_mut()) {
                question.insert("ConfigurationSetName".to_owned(), json!(self.configuration_set));
            }
            match self.post(Bytes::from(question.to_string())).await {
                Ok(response) if response.status.is_success() => {
                    let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
                    Outcome::accepted(answer.get("MessageId").and_then(Value::as_str), message.send)
                }
                Ok(response) => refused(&response),
                Err(error) => error.into(),
            }
        })
    }

    /// SES tells what became of a mail by events only.
    fn look_up<'a>(&'a self, _: &'a Sent) -> BoxFuture<'a, Known> {
        Box::pin(async { Known::Never })
    }
}

/// What an error means (docs.aws.amazon.com, SES API v2, `SendEmail`).
fn refused(response: &Response) -> Outcome {
    let kind = response.headers.get("x-amzn-errortype").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split([':', '#']).next().unwrap_or_default();
    match kind {
        "TooManyRequestsException" | "LimitExceededException" | "ThrottlingException" => {
            Outcome::provider_busy(Duration::ZERO)
        }
        "MessageRejected" => Outcome::permanent(Fault::Content, kind),
        "AccountSuspendedException"
        | "SendingPausedException"
        | "MailFromDomainNotVerifiedException"
        | "NotFoundException"
        | "AccessDeniedException" => Outcome::permanent(Fault::Account, kind),
        _ if response.status == StatusCode::BAD_REQUEST => Outcome::permanent(Fault::Recipient, kind),
        _ => by_status(response.status),
    }
}
