//! Stand-ins for the providers of text messages, mail, WeCom and for a brand's webhook, with their documented answers.
//! What each does with whom stands in [`super::recipients`].

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use huitou::transport::percent_decoded;
use serde_json::{Value, json};

use super::recipients::{Fate, Modes, hang};
use super::{Outbox, signatures};

/// The token that the stand-in WeCom hands out.
const WECOM_TOKEN: &str = "stand-in-wecom-token";

#[derive(Debug, Clone)]
pub(super) struct Providers {
    pub outbox: Outbox,
    pub modes: Modes,
}

pub(super) fn router(providers: Providers) -> Router {
    Router::new()
        .route("/aliyun/", post(aliyun))
        .route("/tencent/", post(tencent))
        .route("/ses/v2/email/outbound-emails", post(ses))
        .route("/wecom/cgi-bin/gettoken", get(wecom_token))
        .route("/wecom/cgi-bin/externalcontact/add_msg_template", post(wecom_send))
        .route("/wecom/cgi-bin/externalcontact/get_groupmsg_task", post(wecom_task))
        .route("/wecom/cgi-bin/externalcontact/get_groupmsg_send_result", post(wecom_result))
        .route("/wecom/cgi-bin/message/send", post(wecom_staff))
        .route("/webhook", post(webhook))
        .with_state(providers)
}

pub(super) fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The parameters of a form.
fn form(body: &str) -> BTreeMap<String, String> {
    let decoded = |value: &str| String::from_utf8(percent_decoded(value.as_bytes())?).ok();
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter_map(|(name, value)| Some((name.to_owned(), decoded(value)?))).collect()
}

impl Providers {
    /// Notes a message that a provider takes and answers its number; one that hangs takes it and says nothing.
    async fn takes(&self, fate: Fate, provider: &'static str, to: &str, template: &str, request: Value) -> u64 {
        let number = self.outbox.note(provider, to, template, request);
        if fate == Fate::Hangs {
            hang().await;
        }
        number
    }
}

/// Aliyun's gateway: text messages, their records, and mail.
async fn aliyun(State(standin): State<Providers>, headers: HeaderMap, body: String) -> Response {
    let refuse = |status: StatusCode, code: &str| {
        (status, Json(json!({ "Code": code, "Message": "stand-in", "RequestId": "stand-in" }))).into_response()
    };
    if !signatures::acs3(&headers, &body) {
        return refuse(StatusCode::BAD_REQUEST, "SignatureDoesNotMatch");
    }
    let asked = form(&body);
    let of = |name: &str| asked.get(name).cloned().unwrap_or_default();
    match header(&headers, "x-acs-action").as_str() {
        "SendSms" => {
            let (to, template) = (of("PhoneNumbers"), of("TemplateCode"));
            let fate = standin.modes.fate("aliyun", &to).await;
            let code = match fate {
                Fate::Taken | Fate::Hangs | Fate::Refuses => "OK",
                Fate::Gone => "isv.MOBILE_NUMBER_ILLEGAL",
                Fate::Limited => "isv.BUSINESS_LIMIT_CONTROL",
                Fate::Busy => "isp.SYSTEM_ERROR",
                Fate::Content => "isv.SMS_TEMPLATE_ILLEGAL",
                Fate::Account => "isv.OUT_OF_SERVICE",
            };
            if code != "OK" {
                return refuse(StatusCode::OK, code);
            }
            let number = standin.takes(fate, "aliyun", &to, &template, json!(asked)).await;
            Json(json!({ "Code": "OK", "Message": "OK", "BizId": format!("{number}^0"), "RequestId": "stand-in" }))
                .into_response()
        }
        "QuerySendDetails" => {
            let number = of("PhoneNumber");
            let sent = standin.outbox.newest(None, 50).into_iter();
            let sent = sent.filter(|sent| sent.provider == "aliyun" && sent.to.ends_with(&number));
            let details: Vec<Value> = sent
                .map(|sent| json!({ "OutId": text(&sent.request, "OutId"), "SendStatus": 3, "ErrCode": "DELIVERED" }))
                .collect();
            Json(json!({ "Code": "OK", "TotalCount": details.len().to_string(),
                "SmsSendDetailDTOs": { "SmsSendDetailDTO": details } }))
            .into_response()
        }
        "SingleSendMail" => {
            let to = of("ToAddress");
            let fate = standin.modes.fate("aliyun_mail", &to).await;
            match fate {
                Fate::Gone | Fate::Refuses => return refuse(StatusCode::BAD_REQUEST, "InvalidToAddress"),
                Fate::Limited | Fate::Busy => return refuse(StatusCode::BAD_REQUEST, "Throttling"),
                Fate::Content => return refuse(StatusCode::BAD_REQUEST, "InvalidBody"),
                Fate::Account => return refuse(StatusCode::FORBIDDEN, "Forbidden.RAM"),
                Fate::Taken | Fate::Hangs => {}
            }
            let number = standin.takes(fate, "aliyun_mail", &to, &of("Subject"), json!(asked)).await;
            Json(json!({ "EnvId": number.to_string(), "RequestId": "stand-in" })).into_response()
        }
        _ => refuse(StatusCode::NOT_FOUND, "InvalidAction.NotFound"),
    }
}

/// Tencent Cloud's gateway: text messages, and reports about them.
async fn tencent(State(standin): State<Providers>, headers: HeaderMap, body: String) -> Json<Value> {
    let error = |code: &str| {
        Json(json!({ "Response": { "Error": { "Code": code, "Message": "stand-in" }, "RequestId": "stand-in" } }))
    };
    if !signatures::tc3(&headers, &body) {
        return error("AuthFailure.SignatureFailure");
    }
    let asked: Value = serde_json::from_str(&body).unwrap_or_default();
    match header(&headers, "x-tc-action").as_str() {
        "SendSms" => {
            let to = asked.pointer("/PhoneNumberSet/0").and_then(Value::as_str).unwrap_or_default().to_owned();
            let fate = standin.modes.fate("tencent", &to).await;
            let code = match fate {
                Fate::Taken | Fate::Hangs => "Ok",
                Fate::Gone => "InvalidParameterValue.IncorrectPhoneNumber",
                Fate::Refuses => "FailedOperation.PhoneNumberInBlacklist",
                Fate::Limited => "LimitExceeded.PhoneNumberDailyLimit",
                Fate::Busy => "InternalError.Timeout",
                Fate::Content => "FailedOperation.TemplateIncorrectOrUnapproved",
                Fate::Account => "FailedOperation.InsufficientBalanceInSmsPackage",
            };
            let number = match code {
                "Ok" => standin.takes(fate, "tencent", &to, &text(&asked, "TemplateId"), asked.clone()).await,
                _ => 0,
            };
            let status = json!({ "SerialNo": serial(number), "PhoneNumber": to, "Fee": 1, "Code": code,
                "SessionContext": text(&asked, "SessionContext"), "Message": "stand-in", "IsoCode": "CN" });
            Json(json!({ "Response": { "SendStatusSet": [status], "RequestId": "stand-in" } }))
        }
        "PullSmsSendStatusByPhoneNumber" => {
            let sent = standin.outbox.newest(Some(&text(&asked, "PhoneNumber")), 50).into_iter();
            let reports: Vec<Value> = sent
                .filter(|sent| sent.provider == "tencent")
                .map(|sent| json!({ "SerialNo": serial(sent.number), "ReportStatus": "SUCCESS", "Description": "DELIVRD" }))
                .collect();
            Json(json!({ "Response": { "PullSmsSendStatusSet": reports, "RequestId": "stand-in" } }))
        }
        _ => error("InvalidAction"),
    }
}

/// The serial number of a text message by Tencent Cloud.
pub(super) fn serial(number: u64) -> String {
    if number == 0 { String::new() } else { format!("5000:{number}") }
}

/// The id of a mail by SES.
pub(super) fn mail_id(number: u64) -> String {
    format!("0100-{number:016}")
}

async fn ses(State(standin): State<Providers>, uri: Uri, headers: HeaderMap, body: String) -> Response {
    let refuse = |status: StatusCode, kind: &'static str| {
        (status, [("x-amzn-errortype", kind)], Json(json!({ "message": "stand-in" }))).into_response()
    };
    if !signatures::sigv4(&headers, uri.path(), &body) {
        return refuse(StatusCode::FORBIDDEN, "SignatureDoesNotMatch");
    }
    let asked: Value = serde_json::from_str(&body).unwrap_or_default();
    let to = asked.pointer("/Destination/ToAddresses/0").and_then(Value::as_str).unwrap_or_default().to_owned();
    let fate = standin.modes.fate("ses", &to).await;
    match fate {
        Fate::Gone | Fate::Refuses => return refuse(StatusCode::BAD_REQUEST, "BadRequestException"),
        Fate::Limited | Fate::Busy => return refuse(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException"),
        Fate::Content => return refuse(StatusCode::BAD_REQUEST, "MessageRejected"),
        Fate::Account => return refuse(StatusCode::BAD_REQUEST, "SendingPausedException"),
        Fate::Taken | Fate::Hangs => {}
    }
    let subject = asked.pointer("/Content/Simple/Subject/Data").and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = standin.takes(fate, "ses", &to, &subject, asked).await;
    Json(json!({ "MessageId": mail_id(number) })).into_response()
}

async fn wecom_token() -> Json<Value> {
    Json(json!({ "errcode": 0, "errmsg": "ok", "access_token": WECOM_TOKEN, "expires_in": 7200 }))
}

fn wecom_error(code: i64) -> Json<Value> {
    Json(json!({ "errcode": code, "errmsg": "stand-in" }))
}

fn is_known(query: &BTreeMap<String, String>) -> bool {
    query.get("access_token").is_some_and(|token| token == WECOM_TOKEN)
}

async fn wecom_send(
    State(standin): State<Providers>,
    Query(query): Query<BTreeMap<String, String>>,
    Json(asked): Json<Value>,
) -> Json<Value> {
    if !is_known(&query) {
        return wecom_error(40014);
    }
    let to = asked.pointer("/external_userid/0").and_then(Value::as_str).unwrap_or_default().to_owned();
    let fate = standin.modes.fate("wecom", &to).await;
    match fate {
        Fate::Busy => return wecom_error(-1),
        Fate::Limited => return wecom_error(41048),
        Fate::Content => return wecom_error(40058),
        Fate::Account => return wecom_error(60020),
        Fate::Gone | Fate::Refuses => {
            return Json(json!({ "errcode": 0, "errmsg": "ok", "fail_list": [to], "msgid": "none" }));
        }
        Fate::Taken | Fate::Hangs => {}
    }
    let number = standin.takes(fate, "wecom", &to, "", asked).await;
    Json(json!({ "errcode": 0, "errmsg": "ok", "fail_list": [], "msgid": number.to_string() }))
}

/// A message to staff: the app that the settings name, and whoever it names.
async fn wecom_staff(
    State(standin): State<Providers>,
    Query(query): Query<BTreeMap<String, String>>,
    Json(asked): Json<Value>,
) -> Json<Value> {
    if !is_known(&query) {
        return wecom_error(40014);
    }
    let to = text(&asked, "touser");
    let fate = standin.modes.fate("wecom", &to).await;
    match fate {
        Fate::Busy | Fate::Limited => return wecom_error(-1),
        Fate::Content => return wecom_error(40058),
        Fate::Account => return wecom_error(60020),
        Fate::Gone | Fate::Refuses => return Json(json!({ "errcode": 0, "errmsg": "ok", "invaliduser": to })),
        Fate::Taken | Fate::Hangs => {}
    }
    let number = standin.takes(fate, "wecom", &to, "staff", asked).await;
    Json(json!({ "errcode": 0, "errmsg": "ok", "invaliduser": "", "msgid": number.to_string() }))
}

async fn wecom_task(Query(query): Query<BTreeMap<String, String>>) -> Json<Value> {
    if !is_known(&query) {
        return wecom_error(40014);
    }
    Json(json!({ "errcode": 0, "errmsg": "ok", "task_list": [{ "userid": "dev-guide", "status": 0 }] }))
}

/// A message that nobody has confirmed is not sent yet: see `POST /dev/wecom/confirmations`.
async fn wecom_result(
    State(standin): State<Providers>,
    Query(query): Query<BTreeMap<String, String>>,
    Json(asked): Json<Value>,
) -> Json<Value> {
    if !is_known(&query) {
        return wecom_error(40014);
    }
    let number = text(&asked, "msgid").parse().unwrap_or(0);
    let sent = standin.outbox.find(number).filter(|sent| sent.provider == "wecom");
    let results: Vec<Value> = sent
        .map(|sent| json!({ "external_userid": sent.to, "userid": "dev-guide", "status": u8::from(sent.confirmed) }))
        .into_iter()
        .collect();
    Json(json!({ "errcode": 0, "errmsg": "ok", "send_list": results }))
}

async fn webhook(State(standin): State<Providers>, headers: HeaderMap, body: String) -> Response {
    if !signatures::webhook(&headers, &body) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let asked: Value = serde_json::from_str(&body).unwrap_or_default();
    let to = ["member_id", "staff"].map(|name| text(&asked, name)).concat();
    match standin.modes.fate("webhook", &to).await {
        Fate::Busy | Fate::Limited => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Fate::Content => return StatusCode::UNPROCESSABLE_ENTITY.into_response(),
        Fate::Account | Fate::Gone | Fate::Refuses => return StatusCode::GONE.into_response(),
        // Nobody has it then: a webhook may be asked again.
        Fate::Hangs => hang().await,
        Fate::Taken => {}
    }
    standin.outbox.note("webhook", &to, &text(&asked, "topic"), asked);
    StatusCode::NO_CONTENT.into_response()
}
