//! Text messages by Tencent Cloud (`SendSms`, 2021-01-11). A call answers 200 for each number by itself.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::line::{by_status, host};
use super::signing::Canonical;
use super::{Account, Failure, Fault, Known, Line, Message, Outcome, Sender, Sent};
use crate::domain::campaign::content::Rendered;
use crate::domain::traits::Channel;
use crate::transport::{Response, TransportError};

/// How far around the time of a call reports are looked for, in seconds.
const AROUND: i64 = 3_600;

/// Text messages by Tencent Cloud.
#[derive(Debug)]
pub struct TencentSms {
    /// Where: `https://sms.tencentcloudapi.com`.
    pub base_url: String,
    /// Our account.
    pub account: Account,
    /// The app, as the console of text messages names it.
    pub app: String,
    /// The region: `ap-guangzhou`.
    pub region: String,
    /// The way out.
    pub line: Line,
}

impl TencentSms {
    async fn call(&self, action: &str, body: &Value) -> Result<Response, TransportError> {
        const JSON: &str = "application/json; charset=utf-8";
        let (body, now) = (Bytes::from(body.to_string()), self.line.wall());
        let (lower, timestamp) = (action.to_ascii_lowercase(), now.seconds().to_string());
        let headers = [("content-type", JSON), ("host", host(&self.base_url)), ("x-tc-action", &lower)];
        let canonical = Canonical { query: "", headers: &headers, body: &body };
        let authorization = canonical.tc3(&self.account.key, &self.account.secret, "sms", now);
        let sent = [
            ("content-type", JSON),
            ("x-tc-action", action),
            ("x-tc-version", "2021-01-11"),
            ("x-tc-region", &self.region),
            ("x-tc-timestamp", &timestamp),
            ("authorization", &authorization),
        ];
        self.line.post(format!("{}/", self.base_url.trim_end_matches('/')), &sent, body).await
    }

    async fn reported(&self, sent: &Sent) -> Option<Known> {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct Report {
            serial_no: String,
            #[serde(rename = "ReportStatus")]
            status: String,
            description: String,
        }

        let id = sent.id.as_ref()?;
        let at = sent.at.seconds();
        let question = json!({
            "PhoneNumber": format!("+{}", sent.to.as_str()), "SmsSdkAppId": self.app, "Offset": 0, "Limit": 100,
            "BeginTime": at - AROUND, "EndTime": at + AROUND,
        });
        let response = self.call("PullSmsSendStatusByPhoneNumber", &question).await.ok()?;
        let answer: Value = serde_json::from_slice(&response.body).ok()?;
        let list = answer.get("Response")?.get("PullSmsSendStatusSet")?.clone();
        let reports: Vec<Report> = serde_json::from_value(list).ok()?;
        let report = reports.into_iter().find(|report| report.serial_no == id.as_str())?;
        match report.status.as_str() {
            "SUCCESS" => Some(Known::Delivered),
            "FAIL" => Some(Known::Failed(Failure::new(Fault::Recipient, &report.description))),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    response: Body,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Body {
    error: Option<Refusal>,
    send_status_set: Vec<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal {
    code: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Status {
    serial_no: String,
    session_context: String,
    phone_number: String,
    code: String,
}

impl Sender for TencentSms {
    fn channel(&self) -> Channel {
        Channel::Sms
    }

    fn reports_by_its_own_id(&self) -> bool {
        true
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Rendered::Sms { sign, template, arguments, .. } = &message.content else {
                return Outcome::permanent(Fault::Content, "not_a_text_message");
            };
            let (to, send) = (format!("+{}", message.to.as_str()), message.send.to_string());
            let question = json!({
                "PhoneNumberSet": [to], "SmsSdkAppId": self.app, "SignName": sign, "TemplateId": template,
                "TemplateParamSet": arguments.iter().map(|(_, value)| value).collect::<Vec<_>>(),
                "SessionContext": send,
            });
            let response = match self.call("SendSms", &question).await {
                Ok(response) => response,
                Err(error) => return error.into(),
            };
            let Ok(Answer { response: body }) = serde_json::from_slice(&response.body) else {
                return by_status(response.status);
            };
            if let Some(Refusal { code }) = body.error {
                return refused(&code);
            }
            let ours = |status: &&Status| status.session_context == send || status.phone_number == to;
            match body.send_status_set.iter().find(ours) {
                Some(status) if status.code == "Ok" => Outcome::accepted(Some(&status.serial_no), message.send),
                Some(status) => refused(&status.code),
                None => Outcome::Unknown,
            }
        })
    }

    /// By the serial number, among the reports of the number. One that nobody heard can't be found, and reports tell
    /// of what was delivered or not, never that nothing was sent.
    fn look_up<'a>(&'a self, sent: &'a Sent) -> BoxFuture<'a, Known> {
        Box::pin(async move { self.reported(sent).await.unwrap_or(Known::NotYet) })
    }
}

/// What a code means (cloud.tencent.com, document 382/55981, error codes).
fn refused(code: &str) -> Outcome {
    const HOUR: Duration = Duration::from_hours(1);
    match code {
        "FailedOperation.PhoneNumberInBlacklist" => Outcome::blacklisted(),
        "FailedOperation.ContainSensitiveWord"
        | "FailedOperation.TemplateParamSetNotMatchApprovedTemplate"
        | "FailedOperation.JsonParseFail" => Outcome::permanent(Fault::Content, code),
        "InvalidParameterValue.IncorrectPhoneNumber" | "FailedOperation.ForbidAddMarketingTemplates" => {
            Outcome::permanent(Fault::Recipient, code)
        }
        "FailedOperation.InsufficientBalanceInSmsPackage" | "FailedOperation.NotEnterpriseCertification" => {
            Outcome::permanent(Fault::Account, code)
        }
        // Marketing goes from 8 to 22; our own hours are narrower, so this is a clock that disagrees.
        "FailedOperation.MarketingSendTimeConstraint" => Outcome::provider_busy(HOUR),
        _ if code.ends_with("IncorrectOrUnapproved") => Outcome::permanent(Fault::Content, code),
        _ if code.starts_with("InvalidParameterValue.") => Outcome::permanent(Fault::Content, code),
        _ if code.starts_with("LimitExceeded.PhoneNumber") => Outcome::recipient_busy(HOUR),
        _ if code.starts_with("LimitExceeded") => Outcome::provider_busy(HOUR),
        _ if code.starts_with("InternalError") || code.starts_with("RequestLimitExceeded") => {
            Outcome::provider_busy(Duration::ZERO)
        }
        _ if code.starts_with("AuthFailure") || code.starts_with("UnauthorizedOperation") => {
            Outcome::permanent(Fault::Account, code)
        }
        _ => Outcome::permanent(Fault::Recipient, code),
    }
}
