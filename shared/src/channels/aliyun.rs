//! Aliyun: text messages by `SendSms` (2017-05-25) and e-mail by `SingleSendMail` (`DirectMail`, 2015-11-23), which is how
//! mail leaves from the China partition, where SES has no region. One signed form for both.
//!
//! The same product takes mail by SMTP, too, which [`super::smtp`] speaks. Over HTTPS is the better way where both are
//! open: an answer of the API says in a code whether a message may be tried again, and gives it an id by which the console
//! finds it; a line that breaks after SMTP's `DATA` says neither.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::json;

use super::line::{by_status, host};
use super::signing::{Canonical, utc};
use super::{Account, Failure, Fault, Known, Line, Message, Outcome, Sender, Sent};
use crate::digest::{hex, sha256};
use crate::domain::campaign::content::Rendered;
use crate::domain::traits::Channel;
use crate::entropy;
use crate::transport::{Response, TransportError, percent_encoded};
use crate::values::{MessageId, Moment};

/// How long Aliyun's records may lag before a message that is not in them counts as never sent.
const RECORDS_LAG: Duration = Duration::from_mins(30);

/// Text messages by Aliyun.
#[derive(Debug)]
pub struct AliyunSms {
    /// Where: `https://dysmsapi.aliyuncs.com`.
    pub base_url: String,
    /// Our account.
    pub account: Account,
    /// The way out. Aliyun takes calls from mainland addresses only.
    pub line: Line,
}

/// E-mail by Aliyun.
#[derive(Debug)]
pub struct AliyunMail {
    /// Where: `https://dm.aliyuncs.com`.
    pub base_url: String,
    /// Our account.
    pub account: Account,
    /// The address that mail comes from, as the console knows it.
    pub from: String,
    /// The way out.
    pub line: Line,
}

/// Makes one call of Aliyun's: parameters in the body, where no log of addresses finds them.
async fn call(
    line: &Line,
    base_url: &str,
    account: &Account,
    (action, version): (&str, &str),
    parameters: &[(&str, &str)],
) -> Result<Response, TransportError> {
    const FORM: &str = "application/x-www-form-urlencoded";
    let pairs = parameters.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value)));
    let body = Bytes::from(pairs.collect::<Vec<_>>().join("&"));
    let digest = hex(&sha256(&[&body]));
    let date = utc(line.wall(), "%Y-%m-%dT%H:%M:%SZ");
    let nonce = hex(&entropy::bytes::<16>(line.entropy.as_ref()));
    let headers = [
        ("content-type", FORM),
        ("host", host(base_url)),
        ("x-acs-action", action),
        ("x-acs-content-sha256", &digest),
        ("x-acs-date", &date),
        ("x-acs-signature-nonce", &nonce),
        ("x-acs-version", version),
    ];
    let canonical = Canonical { query: "", headers: &headers, body: &body };
    let authorization = canonical.acs3(&account.key, &account.secret);
    let sent: Vec<_> = headers.into_iter().filter(|(name, _)| *name != "host").collect();
    let sent = [sent.as_slice(), &[("authorization", &authorization)]].concat();
    line.post(format!("{}/", base_url.trim_end_matches('/')), &sent, body).await
}

/// What every answer of Aliyun's may have.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Answer {
    code: String,
    biz_id: String,
    env_id: String,
    request_id: String,
    sms_send_detail_d_t_os: serde_json::Value,
}

fn read(response: &Response) -> Option<Answer> {
    serde_json::from_slice(&response.body).ok()
}

impl Sender for AliyunSms {
    fn channel(&self) -> Channel {
        Channel::Sms
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Rendered::Sms { sign, template, arguments, .. } = &message.content else {
                return Outcome::permanent(Fault::Content, "not_a_text_message");
            };
            let arguments: BTreeMap<_, _> = arguments.iter().map(|(name, value)| (*name, value)).collect();
            let (arguments, send) = (json!(arguments).to_string(), message.send.to_string());
            let parameters = [
                ("PhoneNumbers", message.to.as_str()),
                ("SignName", sign),
                ("TemplateCode", template),
                ("TemplateParam", &arguments),
                ("OutId", &send),
            ];
            let sent = call(&self.line, &self.base_url, &self.account, ("SendSms", "2017-05-25"), &parameters).await;
            let response = match sent {
                Ok(response) => response,
                Err(error) => return error.into(),
            };
            match read(&response).filter(|answer| !answer.code.is_empty()) {
                Some(answer) if answer.code == "OK" => Outcome::accepted(Some(&answer.biz_id), message.send),
                Some(answer) => refused(&answer.code, self.line.wall()),
                None => by_status(response.status),
            }
        })
    }

    /// By our own id, among the records of the number on the day of sending.
    fn look_up<'a>(&'a self, sent: &'a Sent) -> BoxFuture<'a, Known> {
        Box::pin(async move { self.recorded(sent).await.unwrap_or(Known::NotYet) })
    }
}

impl AliyunSms {
    async fn recorded(&self, sent: &Sent) -> Option<Known> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Detail {
            #[serde(default)]
            out_id: String,
            send_status: i64,
            #[serde(default)]
            err_code: String,
        }

        let day = sent.at.day().to_string().replace('-', "");
        // Records know mainland numbers without their country code.
        let number = sent.to.as_str().strip_prefix("86").filter(|rest| rest.len() == 11).unwrap_or(sent.to.as_str());
        let parameters = [("PhoneNumber", number), ("SendDate", &day), ("PageSize", "50"), ("CurrentPage", "1")];
        let action = ("QuerySendDetails", "2017-05-25");
        let response = call(&self.line, &self.base_url, &self.account, action, &parameters).await.ok()?;
        let answer = read(&response).filter(|answer| answer.code == "OK")?;
        let list = answer.sms_send_detail_d_t_os.get("SmsSendDetailDTO")?.clone();
        let details: Vec<Detail> = serde_json::from_value(list).ok()?;
        let ours = sent.send.to_string();
        let Some(detail) = details.iter().find(|detail| detail.out_id == ours) else {
            let settled = self.line.wall() >= sent.at.plus(RECORDS_LAG) && details.len() < 50;
            return Some(if settled { Known::NotSent } else { Known::NotYet });
        };
        Some(match detail.send_status {
            3 => Known::Delivered,
            2 => Known::Failed(Failure::new(Fault::Recipient, &detail.err_code)),
            _ => Known::Accepted(sent.id.clone().unwrap_or_else(|| MessageId::of(sent.send))),
        })
    }
}

/// What a code of `SendSms` means (help.aliyun.com, sms, error codes).
fn refused(code: &str, now: Moment) -> Outcome {
    const HOUR: Duration = Duration::from_hours(1);
    let tomorrow = Moment::start_of(now.day().plus(1)).since(now);
    match code {
        // So many a minute, an hour and a day to one number.
        "isv.BUSINESS_LIMIT_CONTROL" => Outcome::recipient_busy(HOUR),
        "isv.DAY_LIMIT_CONTROL" | "isv.MONTH_LIMIT_CONTROL" => Outcome::provider_busy(tomorrow),
        "isp.SYSTEM_ERROR" | "ServiceUnavailable" | "isp.GATEWAY_ERROR" => Outcome::provider_busy(Duration::ZERO),
        "isv.MOBILE_NUMBER_ILLEGAL" | "isv.MOBILE_COUNT_OVER_LIMIT" => Outcome::permanent(Fault::Recipient, code),
        "isv.BLACK_KEY_CONTROL_LIMIT" | "isv.SMS_CONTENT_ILLEGAL" | "isv.PARAM_LENGTH_LIMIT" => {
            Outcome::permanent(Fault::Content, code)
        }
        "isv.OUT_OF_SERVICE" | "isv.RAM_PERMISSION_DENY" | "isv.DENY_IP_RANGE" | "isv.AMOUNT_NOT_ENOUGH" => {
            Outcome::permanent(Fault::Account, code)
        }
        _ if code.starts_with("Throttling") => Outcome::provider_busy(Duration::ZERO),
        _ if code.starts_with("isv.SMS_SIGN") => Outcome::permanent(Fault::Content, code),
        _ if code.starts_with("isv.SMS_TEMPLATE") || code.starts_with("isv.TEMPLATE_") => {
            Outcome::permanent(Fault::Content, code)
        }
        _ => account_fault(code).unwrap_or_else(|| Outcome::permanent(Fault::Recipient, code)),
    }
}

/// Codes of the gateway in front of every product: none of these requests got through.
fn account_fault(code: &str) -> Option<Outcome> {
    let ours = ["InvalidAccessKeyId", "SignatureDoesNotMatch", "IncompleteSignature", "Forbidden", "NoPermission"];
    let found = ours.iter().any(|beginning| code.starts_with(beginning));
    found.then(|| Outcome::permanent(Fault::Account, code))
}

impl Sender for AliyunMail {
    fn channel(&self) -> Channel {
        Channel::Email
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Rendered::Email { subject, text, html, unsubscribe } = &message.content else {
                return Outcome::permanent(Fault::Content, "not_an_email");
            };
            let headers = super::mail_headers(unsubscribe.as_deref());
            let headers = json!(headers.into_iter().collect::<BTreeMap<_, _>>()).to_string();
            let mut parameters = vec![
                ("AccountName", self.from.as_str()),
                ("AddressType", "1"),
                ("ReplyToAddress", "false"),
                ("ToAddress", message.to.as_str()),
                ("Subject", subject),
                ("Headers", &headers),
            ];
            // One of the two forms.
            parameters.push(html.as_deref().map_or(("TextBody", text.as_str()), |html| ("HtmlBody", html)));
            let action = ("SingleSendMail", "2015-11-23");
            let response = match call(&self.line, &self.base_url, &self.account, action, &parameters).await {
                Ok(response) => response,
                Err(error) => return error.into(),
            };
            match read(&response) {
                Some(answer) if response.status.is_success() && answer.code.is_empty() => {
                    let id = if answer.env_id.is_empty() { answer.request_id } else { answer.env_id };
                    Outcome::accepted(Some(&id), message.send)
                }
                Some(answer) if !answer.code.is_empty() => mail_refused(&answer.code),
                _ => by_status(response.status),
            }
        })
    }

    /// Its records know no id of ours.
    fn look_up<'a>(&'a self, _: &'a Sent) -> BoxFuture<'a, Known> {
        Box::pin(async { Known::Never })
    }
}

/// What a code of `SingleSendMail` means (help.aliyun.com, direct-mail, error codes).
fn mail_refused(code: &str) -> Outcome {
    match code {
        "InvalidToAddress" | "InvalidToAddress.Spam" => Outcome::permanent(Fault::Recipient, code),
        "InvalidBody" | "InvalidSubject.Malformed" | "InvalidContent.Malformed" => {
            Outcome::permanent(Fault::Content, code)
        }
        "InvalidMailAddress.NotFound" | "InvalidMailAddressStatus.Malformed" => {
            Outcome::permanent(Fault::Account, code)
        }
        _ if code.starts_with("Throttling") || code == "ServiceUnavailable" => Outcome::provider_busy(Duration::ZERO),
        _ => account_fault(code).unwrap_or_else(|| Outcome::permanent(Fault::Recipient, code)),
    }
}
