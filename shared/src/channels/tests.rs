use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::aws::Signer;
use crate::clock::Clock;
use crate::domain::campaign::content::{Content, Values};
use crate::entropy::SystemEntropy;
use crate::transport::{Request, Response, Transport, TransportError};
use crate::wechat::{WeChat, WeChatSettings};

type Answer = Result<Response, TransportError>;

/// Stands in for a provider: answers in order, the last answer for ever, and remembers what it was asked.
#[derive(Debug)]
struct Fake {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Request>>,
}

impl Transport for Fake {
    fn call(&self, request: Request) -> BoxFuture<'_, Answer> {
        let token = request.url.contains("token?") || request.url.ends_with("_token");
        self.asked.lock().unwrap().push(request);
        Box::pin(async move {
            if token {
                return says(&json!({"access_token": "t1", "expires_in": 7200}));
            }
            let mut answers = self.answers.lock().unwrap();
            if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }.unwrap()
        })
    }
}

impl Fake {
    fn last(&self) -> Request {
        self.asked.lock().unwrap().last().unwrap().clone()
    }
}

/// It is 14 November 2026, 20:00 in China.
#[derive(Debug)]
pub(super) struct Evening;

impl Clock for Evening {
    fn now(&self) -> Moment {
        Moment::parse("2026-11-14T20:00:00+08:00").unwrap()
    }

    fn wall(&self) -> Moment {
        self.now()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one of two answers that a test can ask for")]
fn raw(status: u16, body: &str) -> Answer {
    let status = StatusCode::from_u16(status).unwrap();
    Ok(Response { status, headers: HeaderMap::new(), body: Bytes::from(body.to_owned()) })
}

fn says(body: &Value) -> Answer {
    raw(200, &body.to_string())
}

#[expect(clippy::unnecessary_wraps, reason = "one of two answers that a test can ask for")]
fn fails(status: u16, kind: &str) -> Answer {
    let mut response = raw(status, "{}").unwrap();
    response.headers.insert("x-amzn-errortype", kind.parse().unwrap());
    Ok(response)
}

fn not_sent() -> Answer {
    Err(TransportError::NotSent("refused".to_owned()))
}

fn silence() -> Answer {
    Err(TransportError::Unknown("timeout".to_owned()))
}

fn provider(answers: impl IntoIterator<Item = Answer>) -> (Arc<Fake>, Line) {
    let answers = Mutex::new(answers.into_iter().collect());
    let fake = Arc::new(Fake { answers, asked: Mutex::default() });
    let transport = Arc::clone(&fake) as Arc<dyn Transport>;
    (fake, Line { transport, clock: Arc::new(Evening), entropy: Arc::new(SystemEntropy) })
}

fn sender(channel: &str, line: &Line) -> Box<dyn Sender> {
    let (base_url, line) = ("https://provider.example".to_owned(), line.clone());
    let account = Account { key: "key".to_owned(), secret: "hush".to_owned() };
    let settings = || WeChatSettings {
        base_url: "https://provider.example".to_owned(),
        app_id: "wx1".to_owned(),
        secret: "hush".to_owned(),
    };
    match channel {
        "subscribe" => {
            let wechat = Arc::new(WeChat::new(settings(), Arc::clone(&line.transport)));
            Box::new(SubscribeMessages { wechat, line, edition: "formal".to_owned() })
        }
        "wecom" => {
            let wecom = Arc::new(WeChat::wecom(settings(), Arc::clone(&line.transport)));
            Box::new(WecomMessages { wecom, app: Some(1_000_002), line })
        }
        "aliyun" => Box::new(AliyunSms { base_url, account, line }),
        "aliyun_mail" => Box::new(AliyunMail { base_url, account, from: "a@b.cn".to_owned(), line }),
        "tencent" => {
            let (app, region) = ("1400000000".to_owned(), "ap-guangzhou".to_owned());
            Box::new(TencentSms { base_url, account, app, region, line })
        }
        "ses" => {
            let (region, from) = ("ap-southeast-1".to_owned(), "a@b.com".to_owned());
            let identity = aws_sdk_dynamodb::config::Credentials::new("key", "hush", None, None, "test").into();
            let signer = Signer { identity, region };
            Box::new(Ses { base_url, signer, from, configuration_set: "receipts".to_owned(), line })
        }
        _ => Box::new(Webhook { url: base_url, secret: Secret("hush".to_owned()), line }),
    }
}

const PROVIDERS: [&str; 7] = ["subscribe", "wecom", "aliyun", "aliyun_mail", "tencent", "ses", "webhook"];

fn message(channel: Channel) -> Message {
    let content: Content = serde_json::from_value(json!({
        "subscribe": {"template": "t1", "page": "pages/a", "data": {"thing1": "{name}您好"}},
        "wecom": {"text": "{name}您好"},
        "sms": {"sign": "回头客", "template": "SMS_1", "text": "{name}，您有{points}积分，拒收请回复R"},
        "email": {"subject": "您好", "text": "{unsubscribe}", "html": "<a href='{unsubscribe}'>x</a>"},
        "webhook": {"topic": "wake-up", "fields": {"name": "{name}"}},
    }))
    .unwrap();
    let values = Values {
        name: Some("小明".to_owned()),
        unsubscribe: Some("https://m.example.cn/u/1".to_owned()),
        ..Values::default()
    };
    let to = match channel {
        Channel::Subscribe => "openid-1",
        Channel::Wecom => "wm-1",
        Channel::Sms => "8613800138000",
        Channel::Email => "anna@example.com",
        Channel::Webhook => "m1",
    };
    Message {
        send: SendId::of("test", &["send"]),
        campaign: CampaignId::of("test", &["campaign"]),
        channel,
        to: Address::new(to.to_owned()),
        content: content.render(channel, &values).unwrap(),
    }
}

async fn sent(provider_name: &str, answer: Answer) -> (Outcome, Request) {
    let (fake, line) = provider([answer]);
    let sender = sender(provider_name, &line);
    let outcome = sender.send(&message(sender.channel())).await;
    (outcome, fake.last())
}

async fn outcome(provider: &str, answer: Answer) -> Outcome {
    sent(provider, answer).await.0
}

fn accepted(id: &str) -> Outcome {
    Outcome::Accepted(MessageId::parse(id).unwrap())
}

/// A word for an outcome, so that a table of codes reads like the provider's.
fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted(_) => "accepted".to_owned(),
        Outcome::Retry { after, busy } => format!("{busy:?} busy {}", after.as_secs()),
        Outcome::Permanent { reason } => format!("{:?}", reason.of),
        Outcome::Refused { scope } => format!("{scope:?}"),
        Outcome::Unknown => "unknown".to_owned(),
    }
}

fn json_of(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[tokio::test]
async fn what_was_surely_not_sent_may_be_tried_again_and_silence_is_unknown() {
    for name in PROVIDERS {
        assert_eq!(word(&outcome(name, not_sent()).await), "Provider busy 0", "{name}");
        let after_silence = word(&outcome(name, silence()).await);
        // A webhook's receiver takes an id once.
        let wanted = if name == "webhook" { "Provider busy 0" } else { "unknown" };
        assert_eq!(after_silence, wanted, "{name}");
    }
}

#[tokio::test]
async fn a_subscribe_message_is_asked_for_as_documented() {
    let (outcome, request) = sent("subscribe", says(&json!({"errcode": 0, "errmsg": "ok", "msgid": 18_643_237}))).await;
    assert_eq!(outcome, accepted("18643237"));
    assert_eq!(request.url, "https://provider.example/cgi-bin/message/subscribe/send?access_token=t1");
    let wanted = json!({"touser": "openid-1", "template_id": "t1", "page": "pages/a", "miniprogram_state": "formal",
        "lang": "zh_CN", "data": {"thing1": {"value": "小明您好"}}});
    assert_eq!(json_of(&request), wanted);
}

#[tokio::test]
async fn every_documented_errcode_of_a_subscribe_message_has_its_class() {
    for (errcode, class) in [
        (-1, "Provider busy 0"),
        (43_101, "Template"),
        (40_003, "Recipient"),
        (40_037, "Content"),
        (41_030, "Content"),
        (47_003, "Content"),
        (43_107, "Account"),
        (45_168, "Account"),
        (40_164, "Account"),
        // Refused twice, with a new token in between.
        (40_001, "Account"),
        (42_001, "Account"),
        // Four hours until midnight in China.
        (45_009, "Provider busy 14400"),
        (45_011, "Provider busy 60"),
        (99_999, "Recipient"),
    ] {
        let answer = says(&json!({"errcode": errcode, "errmsg": "no"}));
        assert_eq!(word(&outcome("subscribe", answer).await), class, "{errcode}");
    }
    assert_eq!(word(&outcome("subscribe", raw(502, "<html>")).await), "Provider busy 0");
    assert_eq!(word(&outcome("subscribe", raw(200, "<html>")).await), "unknown");
}

#[tokio::test]
async fn a_wecom_message_becomes_a_task_of_the_staff() {
    let (outcome, request) = sent("wecom", says(&json!({"errcode": 0, "fail_list": [], "msgid": "task-1"}))).await;
    assert_eq!(outcome, accepted("task-1"));
    assert_eq!(request.url, "https://provider.example/cgi-bin/externalcontact/add_msg_template?access_token=t1");
    let wanted = json!({"chat_type": "single", "external_userid": ["wm-1"], "text": {"content": "小明您好"}});
    assert_eq!(json_of(&request), wanted);
}

#[tokio::test]
async fn a_customer_whom_no_staff_may_write_to_gets_nothing() {
    let answer = says(&json!({"errcode": 0, "fail_list": ["wm-1"], "msgid": "task-1"}));
    assert_eq!(word(&outcome("wecom", answer).await), "Recipient");
    for (errcode, class) in [
        (-1, "Provider busy 0"),
        (60_020, "Account"),
        (41_048, "Recipient busy 14400"),
        (45_033, "Provider busy 60"),
        (40_058, "Content"),
        (84_061, "Recipient"),
    ] {
        assert_eq!(word(&outcome("wecom", says(&json!({"errcode": errcode}))).await), class, "{errcode}");
    }
    assert_eq!(word(&outcome("wecom", raw(502, "")).await), "unknown");
}

async fn known(provider_name: &str, answers: impl IntoIterator<Item = Answer>, id: Option<&str>, age: u64) -> Known {
    let (_, line) = provider(answers);
    let sender = sender(provider_name, &line);
    let Message { send, channel, to, .. } = message(sender.channel());
    let at = Evening.now().minus(Duration::from_mins(age));
    let id = id.map(|id| MessageId::parse(id).unwrap());
    sender.look_up(&Sent { send, channel, to, at, id }).await
}

#[tokio::test]
async fn staff_who_have_confirmed_are_found_by_the_task() {
    let tasks = || says(&json!({"errcode": 0, "task_list": [{"userid": "li", "status": 2}]}));
    let result =
        |status: i64| says(&json!({"errcode": 0, "send_list": [{"external_userid": "wm-1", "status": status}]}));
    for (status, wanted) in [(0, "NotYet"), (1, "Delivered"), (2, "Failed"), (3, "Failed")] {
        let known = known("wecom", [tasks(), result(status)], Some("task-1"), 60).await;
        assert!(format!("{known:?}").starts_with(wanted), "{status}: {known:?}");
    }
    assert_eq!(known("wecom", [silence()], Some("task-1"), 60).await, Known::NotYet);
    assert_eq!(known("wecom", [tasks()], None, 60).await, Known::Never);
}

#[tokio::test]
async fn a_text_message_by_aliyun_names_no_number_in_its_address() {
    let (outcome, request) = sent("aliyun", says(&json!({"Code": "OK", "Message": "OK", "BizId": "9006^0"}))).await;
    assert_eq!(outcome, accepted("9006^0"));
    assert_eq!(request.url, "https://provider.example/");
    let body = String::from_utf8(request.body.to_vec()).unwrap();
    let parameter = "%7B%22name%22%3A%22%E5%B0%8F%E6%98%8E%22%2C%22points%22%3A%220%22%7D";
    assert!(body.starts_with("PhoneNumbers=8613800138000&SignName=%E5%9B%9E"), "{body}");
    assert!(body.contains(&format!("TemplateCode=SMS_1&TemplateParam={parameter}&OutId=")), "{body}");
    assert_eq!(request.headers["x-acs-date"], "2026-11-14T12:00:00Z");
    let authorization = request.headers["authorization"].to_str().unwrap();
    let signed = "SignedHeaders=content-type;host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce";
    assert!(authorization.contains(signed), "{authorization}");
}

#[tokio::test]
async fn every_documented_code_of_aliyun_has_its_class() {
    for (code, class) in [
        ("isv.BUSINESS_LIMIT_CONTROL", "Recipient busy 3600"),
        ("isv.DAY_LIMIT_CONTROL", "Provider busy 14400"),
        ("isv.MONTH_LIMIT_CONTROL", "Provider busy 14400"),
        ("Throttling.User", "Provider busy 0"),
        ("isp.SYSTEM_ERROR", "Provider busy 0"),
        ("isv.SMS_SIGNATURE_ILLEGAL", "Content"),
        ("isv.SMS_SIGNATURE_SCENE_ILLEGAL", "Content"),
        ("isv.SMS_TEMPLATE_ILLEGAL", "Content"),
        ("isv.SMS_CONTENT_ILLEGAL", "Content"),
        ("isv.MOBILE_NUMBER_ILLEGAL", "Recipient"),
        ("isv.OUT_OF_SERVICE", "Account"),
        ("isv.RAM_PERMISSION_DENY", "Account"),
        ("isv.DENY_IP_RANGE", "Account"),
        ("SignatureDoesNotMatch", "Account"),
        ("isv.SOMETHING_NEW", "Recipient"),
    ] {
        let refused = raw(400, &json!({"Code": code, "Message": "no"}).to_string());
        assert_eq!(word(&outcome("aliyun", refused).await), class, "{code}");
    }
    // Nobody says that a broken answer means that nothing went out, and there is no second chance.
    for broken in [raw(502, "<html>"), raw(200, ""), raw(200, "{}"), raw(500, "[1]")] {
        assert_eq!(word(&outcome("aliyun", broken).await), "unknown");
    }
}

#[tokio::test]
async fn a_message_that_nobody_heard_of_is_found_in_the_records_of_aliyun_by_our_own_id() {
    let ours = message(Channel::Sms).send.to_string();
    let records = |out_id: &str, status: i64| {
        let detail = json!({"OutId": out_id, "SendStatus": status, "ErrCode": "MOBILE_NOT_ON_SERVICE"});
        says(&json!({"Code": "OK", "TotalCount": "1", "SmsSendDetailDTOs": {"SmsSendDetailDTO": [detail]}}))
    };
    assert_eq!(known("aliyun", [records(&ours, 3)], None, 5).await, Known::Delivered);
    assert!(matches!(known("aliyun", [records(&ours, 2)], None, 5).await, Known::Failed(_)));
    assert!(matches!(known("aliyun", [records(&ours, 1)], None, 5).await, Known::Accepted(_)));
    // Records lag: what is not in them yet may still come.
    assert_eq!(known("aliyun", [records("other", 3)], None, 29).await, Known::NotYet);
    assert_eq!(known("aliyun", [records("other", 3)], None, 30).await, Known::NotSent);
    for trouble in [silence(), raw(500, ""), says(&json!({"Code": "Throttling"})), says(&json!({"Code": "OK"}))] {
        assert_eq!(known("aliyun", [trouble], None, 60).await, Known::NotYet);
    }
}

fn tencent(code: &str) -> Answer {
    let send = message(Channel::Sms).send.to_string();
    says(&json!({"Response": {"RequestId": "r", "SendStatusSet": [
        {"SerialNo": "", "PhoneNumber": "+8613900139000", "SessionContext": "other", "Code": "LimitExceeded.X"},
        {"SerialNo": "5000:1", "PhoneNumber": "+8613800138000", "SessionContext": send, "Code": code},
    ]}}))
}

#[tokio::test]
async fn tencent_answers_for_each_number_by_itself() {
    let (outcome, request) = sent("tencent", tencent("Ok")).await;
    assert_eq!(outcome, accepted("5000:1"));
    let body = json_of(&request);
    assert_eq!(body["PhoneNumberSet"], json!(["+8613800138000"]));
    assert_eq!(body["TemplateParamSet"], json!(["小明", "0"]));
    assert_eq!(request.headers["x-tc-version"], "2021-01-11");
    assert_eq!(request.headers["x-tc-timestamp"], Evening.now().seconds().to_string().as_str());
}

#[tokio::test]
async fn every_documented_code_of_tencent_has_its_class() {
    for (code, class) in [
        ("FailedOperation.PhoneNumberInBlacklist", "Channel(Blacklist)"),
        ("FailedOperation.ContainSensitiveWord", "Content"),
        ("FailedOperation.SignatureIncorrectOrUnapproved", "Content"),
        ("FailedOperation.TemplateIncorrectOrUnapproved", "Content"),
        ("InvalidParameterValue.TemplateParameterLengthLimit", "Content"),
        ("InvalidParameterValue.IncorrectPhoneNumber", "Recipient"),
        ("InternalError.Timeout", "Provider busy 0"),
        ("RequestLimitExceeded", "Provider busy 0"),
        ("LimitExceeded.PhoneNumberThirtySecondLimit", "Recipient busy 3600"),
        ("LimitExceeded.DailyLimit", "Provider busy 3600"),
        ("FailedOperation.InsufficientBalanceInSmsPackage", "Account"),
        ("AuthFailure.SignatureFailure", "Account"),
        ("Something.New", "Recipient"),
    ] {
        assert_eq!(word(&outcome("tencent", tencent(code)).await), class, "{code}");
        let whole = says(&json!({"Response": {"Error": {"Code": code, "Message": "no"}, "RequestId": "r"}}));
        assert_eq!(word(&outcome("tencent", whole).await), class, "{code}");
    }
    for broken in [raw(200, ""), raw(502, "<html>"), says(&json!({"Response": {"SendStatusSet": []}}))] {
        assert_eq!(word(&outcome("tencent", broken).await), "unknown");
    }
}

#[tokio::test]
async fn a_report_of_tencent_is_found_by_its_serial_number() {
    let report = |status: &str| {
        let report = json!({"SerialNo": "5000:1", "ReportStatus": status, "Description": "DELIVRD"});
        says(&json!({"Response": {"PullSmsSendStatusSet": [report]}}))
    };
    assert_eq!(known("tencent", [report("SUCCESS")], Some("5000:1"), 60).await, Known::Delivered);
    assert!(matches!(known("tencent", [report("FAIL")], Some("5000:1"), 60).await, Known::Failed(_)));
    assert_eq!(known("tencent", [report("SUCCESS")], None, 60).await, Known::NotYet);
    assert_eq!(known("tencent", [report("SUCCESS")], Some("other"), 60).await, Known::NotYet);
}

#[tokio::test]
async fn an_email_shows_the_way_out_in_its_headers() {
    let (outcome, request) = sent("ses", says(&json!({"MessageId": "0100-1"}))).await;
    assert_eq!(outcome, accepted("0100-1"));
    assert_eq!(request.url, "https://provider.example/v2/email/outbound-emails");
    let body = json_of(&request);
    let headers = json!([
        {"Name": "List-Unsubscribe", "Value": "<https://m.example.cn/u/1>"},
        {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
    ]);
    assert_eq!(body["Content"]["Simple"]["Headers"], headers);
    assert_eq!(body["EmailTags"][0]["Value"], message(Channel::Email).send.to_string());
    assert_eq!(body["ConfigurationSetName"], "receipts");
    let authorization = request.headers["authorization"].to_str().unwrap();
    assert!(authorization.contains("/20261114/ap-southeast-1/ses/aws4_request"), "{authorization}");

    let (outcome, request) = sent("aliyun_mail", says(&json!({"EnvId": "600-1", "RequestId": "r"}))).await;
    assert_eq!(outcome, accepted("600-1"));
    let body = String::from_utf8(request.body.to_vec()).unwrap();
    assert!(body.contains("Headers=%7B%22List-Unsubscribe%22%3A%22%3Chttps"), "{body}");
}

#[tokio::test]
async fn every_documented_refusal_of_an_email_has_its_class() {
    for (status, kind, class) in [
        (429, "TooManyRequestsException:http://x", "Provider busy 0"),
        (400, "LimitExceededException", "Provider busy 0"),
        (400, "MessageRejected", "Content"),
        (400, "BadRequestException", "Recipient"),
        (400, "SendingPausedException", "Account"),
        (400, "MailFromDomainNotVerifiedException", "Account"),
        (403, "", "Account"),
        (500, "InternalFailure", "unknown"),
    ] {
        assert_eq!(word(&outcome("ses", fails(status, kind)).await), class, "{kind}");
    }
    for (code, class) in
        [("InvalidToAddress", "Recipient"), ("Throttling", "Provider busy 0"), ("InvalidBody", "Content")]
    {
        let refused = raw(400, &json!({"Code": code}).to_string());
        assert_eq!(word(&outcome("aliyun_mail", refused).await), class, "{code}");
    }
}

#[tokio::test]
async fn a_webhook_is_signed_and_follows_nobody() {
    let (outcome_, request) = sent("webhook", raw(204, "")).await;
    assert_eq!(word(&outcome_), "accepted");
    let signature = Secret("hush".to_owned()).signature(Evening.now().seconds(), &request.body);
    assert_eq!(request.headers["x-signature"], signature.as_str());
    assert_eq!(request.headers["x-event-id"], message(Channel::Webhook).send.to_string().as_str());
    assert_eq!(json_of(&request)["fields"], json!({"name": "小明"}));
    for (status, class) in [
        (429, "Provider busy 0"),
        (503, "Provider busy 0"),
        (410, "Account"),
        (302, "Account"),
        (404, "Account"),
        (422, "Content"),
    ] {
        assert_eq!(word(&outcome("webhook", raw(status, "")).await), class, "{status}");
    }
}

#[test]
fn the_signature_of_a_webhook_is_hmac_over_the_time_and_the_body() {
    // printf '1900000000.{}' | openssl dgst -sha256 -hmac hush
    let signature = Secret("hush".to_owned()).signature(1_900_000_000, b"{}");
    assert_eq!(signature, "v1=74438c307a56aa1256288253cd9ac32a97b374fe841ac3c7682948e0a3f85e95");
}

#[test]
fn secrets_and_persons_never_show() {
    let (_, line) = provider([silence()]);
    for name in PROVIDERS {
        let sender = sender(name, &line);
        let shown = format!("{sender:?} {:?}", message(sender.channel()).to);
        assert!(!shown.contains("hush") && !shown.contains("1380013"), "{shown}");
    }
}

proptest! {
    /// Whatever a provider answers, something is decided, and only a plain yes is taken for one.
    #[test]
    fn garbage_is_never_taken_for_a_yes(body in prop::collection::vec(any::<u8>(), 0..100), status in 200_u16..600) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for name in ["subscribe", "wecom", "aliyun", "aliyun_mail", "tencent"] {
            let answer = Response {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: Bytes::from(body.clone()),
            };
            let outcome = runtime.block_on(outcome(name, Ok(answer)));
            prop_assert!(!matches!(outcome, Outcome::Accepted(_)), "{}", name);
        }
    }
}
