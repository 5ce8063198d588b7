use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::*;
use crate::transport::{Request, Response, TransportError};

type Outcome = Result<Response, TransportError>;

/// Stands in for WeChat's servers: answers in order, the last answer for ever, and remembers what was asked.
#[derive(Debug)]
struct Fake {
    tokens: Mutex<VecDeque<Outcome>>,
    others: Mutex<VecDeque<Outcome>>,
    asked: Mutex<Vec<Request>>,
}

impl Transport for Fake {
    fn call(&self, request: Request) -> BoxFuture<'_, Outcome> {
        let queue = if request.url.contains("/stable_token") { &self.tokens } else { &self.others };
        self.asked.lock().unwrap().push(request);
        Box::pin(async {
            // Gives way, so that callers who come at once do meet.
            tokio::task::yield_now().await;
            let mut queue = queue.lock().unwrap();
            if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() }.unwrap()
        })
    }
}

impl Fake {
    fn asked(&self, part: &str) -> Vec<Request> {
        self.asked.lock().unwrap().iter().filter(|request| request.url.contains(part)).cloned().collect()
    }

    fn tokens_asked(&self) -> usize {
        self.asked("/stable_token").len()
    }
}

fn says(body: &Value) -> Outcome {
    raw(StatusCode::OK, &body.to_string())
}

#[expect(clippy::unnecessary_wraps, reason = "one of two outcomes that a test can ask for")]
fn raw(status: StatusCode, body: &str) -> Outcome {
    Ok(Response { status, headers: HeaderMap::new(), body: Bytes::from(body.to_owned()) })
}

fn refuses(errcode: i64) -> Outcome {
    says(&json!({"errcode": errcode, "errmsg": "invalid code, rid: 65f1-aa"}))
}

fn token(text: &str) -> Outcome {
    says(&json!({"access_token": text, "expires_in": 7200}))
}

fn the_phone() -> Outcome {
    says(&json!({"errcode": 0, "errmsg": "ok", "phone_info": {"phoneNumber": "13800138000",
        "purePhoneNumber": "13800138000", "countryCode": "86", "watermark": {"timestamp": 1, "appid": "wx1"}}}))
}

fn wechat(tokens: impl IntoIterator<Item = Outcome>, others: impl IntoIterator<Item = Outcome>) -> (WeChat, Arc<Fake>) {
    let queue = |outcomes: Vec<Outcome>| Mutex::new(VecDeque::from(outcomes));
    let fake = Arc::new(Fake {
        tokens: queue(tokens.into_iter().collect()),
        others: queue(others.into_iter().collect()),
        asked: Mutex::default(),
    });
    let settings = WeChatSettings {
        base_url: "https://api.weixin.qq.com".to_owned(),
        app_id: "wx1".to_owned(),
        secret: "hush&hush".to_owned(),
    };
    (WeChat::new(settings, Arc::clone(&fake) as Arc<dyn Transport>), fake)
}

fn at(seconds: i64) -> Moment {
    Moment::from_millis((1_900_000_000 + seconds) * 1000).unwrap()
}

async fn login(answer: Outcome) -> Result<WeChatIdentity, LoginError> {
    wechat([], [answer]).0.code_session("code").await
}

async fn phone(answer: Outcome) -> Result<Phone, LoginError> {
    wechat([token("t1")], [answer]).0.phone_number("code", None, at(0)).await
}

#[tokio::test]
async fn a_code_tells_who_logged_in_with_errcode_absent_or_zero() {
    let identity = login(says(&json!({"openid": "o1", "session_key": "k", "unionid": "u1"}))).await.unwrap();
    assert_eq!(identity.openid.as_str(), "o1");
    assert_eq!(identity.unionid.unwrap().as_str(), "u1");
    for without in [
        json!({"openid": "o1", "session_key": "k", "errcode": 0, "errmsg": "ok"}),
        json!({"openid": "o1", "unionid": ""}),
    ] {
        assert_eq!(login(says(&without)).await.unwrap().unionid, None, "{without}");
    }
}

#[tokio::test]
async fn a_code_is_exchanged_as_documented() {
    let (wechat, fake) = wechat([], [says(&json!({"openid": "o1"}))]);
    wechat.code_session("a b&appid=wx2").await.unwrap();
    let asked = fake.asked("");
    assert_eq!(
        asked[0].url,
        "https://api.weixin.qq.com/sns/jscode2session?appid=wx1&secret=hush%26hush&js_code=a%20b%26appid%3Dwx2\
         &grant_type=authorization_code"
    );
    assert_eq!((asked.len(), asked[0].method.as_str(), asked[0].timeout.as_secs()), (1, "GET", 5));
}

#[tokio::test]
async fn every_documented_refusal_of_a_login_has_its_meaning_and_none_is_repeated() {
    for (errcode, meaning) in [
        (-1, LoginError::Busy),
        (40_029, LoginError::CodeInvalid),
        (40_163, LoginError::CodeInvalid),
        (45_011, LoginError::TooOften),
        (40_226, LoginError::Blocked),
        (40_013, LoginError::Misconfigured(40_013)),
        (40_125, LoginError::Misconfigured(40_125)),
        (99_999, LoginError::Misconfigured(99_999)),
    ] {
        let (wechat, fake) = wechat([], [refuses(errcode)]);
        assert_eq!(wechat.code_session("code").await, Err(meaning), "{errcode}");
        assert_eq!(fake.asked("").len(), 1, "{errcode}");
    }
}

#[tokio::test]
async fn silence_and_nonsense_mean_unavailable() {
    for outcome in [
        Err(TransportError::NotSent("refused".to_owned())),
        Err(TransportError::Unknown("timeout".to_owned())),
        raw(StatusCode::BAD_GATEWAY, "{\"openid\":\"o1\"}"),
        raw(StatusCode::OK, "<html>"),
        raw(StatusCode::OK, ""),
        says(&json!({})),
        says(&json!({"openid": ""})),
        says(&json!({"openid": "o 1"})),
        says(&json!({"openid": "o1", "unionid": "u 1"})),
        says(&json!({"openid": 7})),
        says(&json!({"errcode": "zero"})),
    ] {
        assert_eq!(login(outcome.clone()).await, Err(LoginError::Unavailable), "{outcome:?}");
    }
}

#[tokio::test]
async fn what_can_not_be_a_code_costs_no_call() {
    let (wechat, fake) = wechat([token("t1")], [the_phone()]);
    for code in ["", "a\nb", &"x".repeat(257)] {
        assert_eq!(wechat.code_session(code).await, Err(LoginError::CodeInvalid));
        assert_eq!(wechat.phone_number(code, None, at(0)).await, Err(LoginError::CodeInvalid));
    }
    assert!(fake.asked("").is_empty());
}

#[tokio::test]
async fn a_phone_code_is_exchanged_as_documented() {
    let (wechat, fake) = wechat([token("t/1")], [the_phone()]);
    let openid = OpenId::parse("o1").unwrap();
    assert_eq!(wechat.phone_number("c1", Some(&openid), at(0)).await.unwrap().digits(), "8613800138000");
    wechat.phone_number("c2", None, at(0)).await.unwrap();

    let body = |request: &Request| serde_json::from_slice::<Value>(&request.body).unwrap();
    let token_asked = &fake.asked("/stable_token")[0];
    assert_eq!(token_asked.url, "https://api.weixin.qq.com/cgi-bin/stable_token");
    let wanted = json!({"grant_type": "client_credential", "appid": "wx1", "secret": "hush&hush"});
    assert_eq!(body(token_asked), wanted);
    let asked = fake.asked("/getuserphonenumber");
    assert_eq!(asked[0].url, "https://api.weixin.qq.com/wxa/business/getuserphonenumber?access_token=t%2F1");
    assert_eq!(
        (asked[0].method.as_str(), &asked[0].headers["content-type"]),
        ("POST", &"application/json".parse().unwrap())
    );
    assert_eq!(body(&asked[0]), json!({"code": "c1", "openid": "o1"}));
    assert_eq!(body(&asked[1]), json!({"code": "c2"}));
}

#[tokio::test]
async fn a_country_code_is_a_string_or_a_number() {
    for (country, number, digits) in [
        (json!("86"), "13800138000", "8613800138000"),
        (json!(86), "13800138000", "8613800138000"),
        (json!("44"), "7400123456", "447400123456"),
    ] {
        let info = json!({"phone_info": {"purePhoneNumber": number, "countryCode": country}});
        assert_eq!(phone(says(&info)).await.unwrap().digits(), digits, "{country}");
    }
    for bad in [json!({"purePhoneNumber": "1", "countryCode": "86"}), json!({"countryCode": 86}), json!(null)] {
        assert_eq!(phone(says(&json!({"phone_info": bad}))).await, Err(LoginError::Unavailable), "{bad}");
    }
}

#[tokio::test]
async fn every_documented_refusal_of_a_phone_code_has_its_meaning() {
    for (errcode, meaning) in [
        (-1, LoginError::Busy),
        (40_029, LoginError::CodeInvalid),
        (40_013, LoginError::Misconfigured(40_013)),
        (48_001, LoginError::Misconfigured(48_001)),
    ] {
        assert_eq!(phone(refuses(errcode)).await, Err(meaning), "{errcode}");
    }
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_the_call_repeated_once() {
    for errcode in [40_001, 40_014, 42_001] {
        let (wechat, fake) = wechat([token("t1"), token("t2")], [refuses(errcode), the_phone()]);
        assert!(wechat.phone_number("code", None, at(0)).await.is_ok(), "{errcode}");
        let used: Vec<_> = fake.asked("/getuserphonenumber").into_iter().map(|request| request.url).collect();
        assert!(used[0].ends_with("=t1") && used[1].ends_with("=t2"), "{used:?}");
        assert_eq!((fake.tokens_asked(), used.len()), (2, 2));
    }
    let (wechat, fake) = wechat([token("t1"), token("t2")], [refuses(40_001)]);
    assert_eq!(wechat.phone_number("code", None, at(0)).await, Err(LoginError::Misconfigured(40_001)));
    assert_eq!((fake.tokens_asked(), fake.asked("/getuserphonenumber").len()), (2, 2), "not for ever");
}

#[tokio::test]
async fn twenty_callers_at_once_fetch_one_token() {
    let (wechat, fake) = wechat([token("t1")], [the_phone()]);
    let all = join_all((0..20).map(|_| wechat.phone_number("code", None, at(0)))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(fake.tokens_asked(), 1);
}

#[tokio::test]
async fn twenty_callers_whose_token_is_refused_replace_it_once() {
    let refusals = (0..20).map(|_| refuses(42_001));
    let (wechat, fake) = wechat([token("t1"), token("t2")], refusals.chain([the_phone()]));
    let all = join_all((0..20).map(|_| wechat.phone_number("code", None, at(0)))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(fake.tokens_asked(), 2);
}

#[tokio::test]
async fn twenty_callers_at_once_share_one_failure_and_the_next_caller_tries_again() {
    let failure = Err(TransportError::NotSent("refused".to_owned()));
    let (wechat, fake) = wechat([failure, token("t1")], [the_phone()]);
    let all = join_all((0..20).map(|_| wechat.phone_number("code", None, at(0)))).await;
    assert!(all.iter().all(|outcome| *outcome == Err(LoginError::Unavailable)));
    assert_eq!(fake.tokens_asked(), 1);
    assert!(wechat.phone_number("code", None, at(0)).await.is_ok());
}

#[tokio::test]
async fn a_token_is_kept_until_five_minutes_before_its_end() {
    let (wechat, fake) = wechat([token("t1")], [the_phone()]);
    for (seconds, fetched) in [(0, 1), (6_899, 1), (6_900, 2)] {
        wechat.phone_number("code", None, at(seconds)).await.unwrap();
        assert_eq!(fake.tokens_asked(), fetched, "{seconds}");
    }
}

#[tokio::test]
async fn a_token_that_is_not_given_has_its_reason() {
    for (answer, meaning) in [
        (refuses(-1), LoginError::Busy),
        (refuses(40_125), LoginError::Misconfigured(40_125)),
        (refuses(40_164), LoginError::Misconfigured(40_164)),
        (refuses(45_009), LoginError::Misconfigured(45_009)),
        (says(&json!({"expires_in": 7200})), LoginError::Unavailable),
    ] {
        let (wechat, fake) = wechat([answer], [the_phone()]);
        assert_eq!(wechat.phone_number("code", None, at(0)).await, Err(meaning));
        assert!(fake.asked("/getuserphonenumber").is_empty());
    }
}

#[tokio::test]
async fn secrets_tokens_and_persons_never_show() {
    let (wechat, _) = wechat([token("sesame")], [the_phone()]);
    wechat.phone_number("code", None, at(0)).await.unwrap();
    let shown = format!("{:?}", (&wechat.access, &wechat.api));
    assert!(!shown.contains("hush") && !shown.contains("sesame"), "{shown}");
    let identity = login(says(&json!({"openid": "o1"}))).await.unwrap();
    assert_eq!(format!("{identity:?}"), "WeChatIdentity");
}
