use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;

fn wechat() -> (Router, Outbox) {
    let outbox = Outbox::default();
    (wechat::router(Arc::new(wechat::WeChat::new(outbox.clone(), Modes::default()))), outbox)
}

async fn ask(router: &Router, request: Request<Body>) -> Value {
    let response = router.clone().oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap_or(Value::Null)
}

async fn exchange(router: &Router, code: &str) -> Value {
    let uri = format!(
        "/sns/jscode2session?appid={WECHAT_APP_ID}&secret={WECHAT_SECRET}&js_code={code}&grant_type=authorization_code"
    );
    ask(router, Request::get(uri).body(Body::empty()).unwrap()).await
}

async fn post(router: &Router, uri: &str, body: Value) -> Value {
    let request = Request::post(uri).header("content-type", "application/json");
    ask(router, request.body(Body::from(body.to_string())).unwrap()).await
}

async fn token(router: &Router) -> String {
    let body = json!({ "grant_type": "client_credential", "appid": WECHAT_APP_ID, "secret": WECHAT_SECRET });
    post(router, "/cgi-bin/stable_token", body).await["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_developer_logs_in_again_and_again_as_the_same_person() {
    let (wechat, _) = wechat();
    let first = exchange(&wechat, "dev:anna").await;
    assert_eq!(first["openid"], "anna");
    assert!(first.get("unionid").is_none() && first.get("errcode").is_none());
    assert_eq!(exchange(&wechat, "dev:anna").await, first);
    assert_eq!(exchange(&wechat, "dev:anna%2Bu-1").await["unionid"], "u-1");
}

#[tokio::test]
async fn a_code_for_one_use_is_used_up() {
    let (wechat, _) = wechat();
    assert_eq!(exchange(&wechat, "once:ben").await["openid"], "ben");
    assert_eq!(exchange(&wechat, "once:ben").await["errcode"], 40163);
}

#[tokio::test]
async fn each_trouble_has_its_code() {
    let (wechat, _) = wechat();
    for (code, expected) in
        [("dev-busy", -1), ("dev-limit", 45011), ("dev-blocked", 40226), ("nonsense", 40029), ("dev:", 40029)]
    {
        assert_eq!(exchange(&wechat, code).await["errcode"], expected, "{code}");
    }
    let wrong_app = "/sns/jscode2session?appid=x&secret=y&js_code=dev:a&grant_type=authorization_code";
    assert_eq!(ask(&wechat, Request::get(wrong_app).body(Body::empty()).unwrap()).await["errcode"], 40013);
    let body = json!({ "grant_type": "client_credential", "appid": WECHAT_APP_ID, "secret": "wrong" });
    assert_eq!(post(&wechat, "/cgi-bin/stable_token", body).await["errcode"], 40125);
}

#[tokio::test]
async fn a_phone_code_needs_a_token_that_was_handed_out_and_not_expired() {
    let (wechat, _) = wechat();
    let token = token(&wechat).await;
    assert!(token.len() >= 512);
    let uri = format!("/wxa/business/getuserphonenumber?access_token={token}");
    let code = json!({ "code": "dev:13800138000", "openid": "anna" });
    let answer = post(&wechat, &uri, code.clone()).await;
    assert_eq!(answer["phone_info"]["purePhoneNumber"], "13800138000");
    assert_eq!(answer["phone_info"]["countryCode"], "86");
    assert_eq!(post(&wechat, &uri, json!({ "code": "other" })).await["errcode"], 40029);
    post(&wechat, "/standin/expire-tokens", Value::Null).await;
    assert_eq!(post(&wechat, &uri, code).await["errcode"], 40001);
}

#[tokio::test]
async fn the_stable_token_stays_the_same_until_it_is_forced() {
    let (wechat, _) = wechat();
    let first = token(&wechat).await;
    assert_eq!(token(&wechat).await, first);
    let forced = json!({
        "grant_type": "client_credential", "appid": WECHAT_APP_ID, "secret": WECHAT_SECRET, "force_refresh": true
    });
    assert_ne!(post(&wechat, "/cgi-bin/stable_token", forced).await["access_token"], json!(first));
    let uri = format!("/wxa/business/getuserphonenumber?access_token={first}");
    assert_eq!(post(&wechat, &uri, json!({ "code": "dev:13800138000" })).await["errcode"], 0);
}

#[tokio::test]
async fn what_is_sent_lies_in_the_outbox() {
    let (wechat, outbox) = wechat();
    let uri = format!("/cgi-bin/message/subscribe/send?access_token={}", token(&wechat).await);
    let message = |to: &str| json!({ "touser": to, "template_id": "t1", "data": { "thing1": { "value": "礼物" } } });
    assert_eq!(post(&wechat, &uri, message("anna")).await["errcode"], 0);
    assert_eq!(post(&wechat, &uri, message("refuses-all")).await["errcode"], 43101);
    assert_eq!(post(&wechat, &uri, json!({ "touser": "anna", "template_id": "t1" })).await["errcode"], 47003);
    assert_eq!(outbox.total(), 1);
    assert_eq!(outbox.newest(Some("anna"), 10)[0].template, "t1");
    assert!(outbox.newest(Some("ben"), 10).is_empty());
}

#[tokio::test]
async fn the_stand_ins_listen_on_loopback() {
    let source = crate::stop::StopSource::new();
    let standins = StandIns::start(source.listen()).await.unwrap();
    assert!(standins.address.ip().is_loopback());
    tokio::net::TcpStream::connect(standins.address).await.unwrap();
    standins.end();
}
