//! What a developer lets the stand-ins do, under `/dev`: fail, tell of messages, pass on what members write back, push.
//!
//! Whatever they tell goes through the product's own routes, named and signed as the provider would, and the answer says
//! what the product said to it.
//!
//! | route | body | does |
//! |---|---|---|
//! | `GET /dev/providers` | | how each provider treats everybody |
//! | `POST /dev/providers` | `{"provider":"aliyun","mode":"failing"}` | `well`, `slow`, `failing`, `silent` (takes the message, says nothing), `refusing`, `shut_out` |
//! | `POST /dev/receipts` | `{"number":7,"fate":"delivered"}` | the provider of a message in the outbox tells of it: `delivered`, `failed`, `blacklisted`, `complained` |
//! | `POST /dev/replies` | `{"from":"13800138000","text":"TD"}` | a member writes back to a text message |
//! | `POST /dev/pushes` | `{"message":{...},"mode":"secure"}` | WeChat pushes; `plain` is the other mode, `"forged":true` signs with another token |
//! | `POST /dev/wecom/confirmations` | `{"number":7}` | staff confirm a message in WeCom |

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{Request, header};
use http_body_util::BodyExt as _;
use huitou::clock::Clock as _;
use huitou::manners::problem::Problem;
use huitou::wechat::push::PushKeys;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::providers::{mail_id, serial};
use super::{Mode, Modes, Outbox, PROVIDERS, PUSH_KEY, PUSH_TOKEN, Sent, WECHAT_APP_ID};
use crate::clock::DevClock;
use crate::gateway::Gateway;

/// A token that is not the brand's.
const ANOTHER_TOKEN: &str = "notours";

/// The stand-ins as a developer plays them.
#[derive(Clone, Debug)]
pub struct Play {
    /// What was sent.
    pub outbox: Outbox,
    /// How they treat everybody.
    pub modes: Modes,
    /// The last part of the path of receipts.
    pub receipts: String,
    /// Where what they tell goes.
    pub gateway: Gateway,
    /// Real time, by which pushes are signed.
    pub clock: Arc<DevClock>,
}

/// The routes under `/dev` by which the stand-ins are played.
pub fn router(play: Play) -> Router {
    Router::new()
        .route("/dev/providers", get(show_modes).post(set_mode))
        .route("/dev/receipts", post(tell))
        .route("/dev/replies", post(reply))
        .route("/dev/pushes", post(push))
        .route("/dev/wecom/confirmations", post(confirm))
        .with_state(play)
}

fn malformed(detail: &str) -> Response {
    Problem::malformed("malformed", detail).into_response()
}

async fn show_modes(State(play): State<Play>) -> Response {
    let modes = PROVIDERS.iter().map(|provider| ((*provider).to_owned(), json!(play.modes.of(provider))));
    Json(modes.collect::<Map<_, _>>()).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    provider: String,
    mode: Mode,
}

async fn set_mode(State(play): State<Play>, asked: Result<Json<Turn>, JsonRejection>) -> Response {
    let turn = match asked {
        Ok(Json(turn)) => turn,
        Err(rejection) => return malformed(&rejection.body_text()),
    };
    if !PROVIDERS.contains(&turn.provider.as_str()) {
        return malformed(&format!("There is no such provider; say one of {}.", PROVIDERS.join(", ")));
    }
    play.modes.set(&turn.provider, turn.mode);
    show_modes(State(play)).await
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fate {
    Delivered,
    Failed,
    Blacklisted,
    Complained,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Receipt {
    number: u64,
    fate: Fate,
}

async fn tell(State(play): State<Play>, asked: Result<Json<Receipt>, JsonRejection>) -> Response {
    let Receipt { number, fate } = match asked {
        Ok(Json(receipt)) => receipt,
        Err(rejection) => return malformed(&rejection.body_text()),
    };
    let Some(sent) = play.outbox.find(number) else { return malformed("No message in the outbox has this number.") };
    if sent.provider == "wechat" {
        return play.pushes(&sent_event(&sent, fate), true, PUSH_TOKEN).await;
    }
    match receipt(&sent, fate) {
        Some(body) => play.receives(sent.provider, &body).await,
        None => malformed("The provider of this message tells nothing like this of it."),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBack {
    from: String,
    text: String,
}

async fn reply(State(play): State<Play>, asked: Result<Json<WrittenBack>, JsonRejection>) -> Response {
    match asked {
        Ok(Json(WrittenBack { from, text })) => {
            let up = json!({ "phone_number": from, "send_time": "2026-01-01 12:00:00", "content": text,
                "sign_name": "回头客", "dest_code": "1069", "sequence_id": 1 });
            play.receives("aliyun", &json!([up])).await
        }
        Err(rejection) => malformed(&rejection.body_text()),
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PushMode {
    #[default]
    Secure,
    Plain,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Push {
    message: Value,
    #[serde(default)]
    mode: PushMode,
    #[serde(default)]
    forged: bool,
}

async fn push(State(play): State<Play>, asked: Result<Json<Push>, JsonRejection>) -> Response {
    match asked {
        Ok(Json(Push { message, mode, forged })) => {
            let token = if forged { ANOTHER_TOKEN } else { PUSH_TOKEN };
            play.pushes(&message, mode == PushMode::Secure, token).await
        }
        Err(rejection) => malformed(&rejection.body_text()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmed {
    number: u64,
}

async fn confirm(State(play): State<Play>, asked: Result<Json<Confirmed>, JsonRejection>) -> Response {
    match asked {
        Ok(Json(Confirmed { number })) if play.outbox.confirm(number) => {
            Json(json!({ "confirmed": number })).into_response()
        }
        Ok(_) => malformed("No message in the outbox has this number."),
        Err(rejection) => malformed(&rejection.body_text()),
    }
}

impl Play {
    /// A provider posts to the product's path for receipts.
    async fn receives(&self, provider: &str, body: &Value) -> Response {
        self.asks(&format!("/v1/receipts/{provider}/{}", self.receipts), body).await
    }

    /// WeChat posts to the product's path for pushes.
    async fn pushes(&self, message: &Value, secure: bool, token: &str) -> Response {
        let Ok(keys) = PushKeys::new(token, PUSH_KEY, WECHAT_APP_ID, true) else {
            return malformed("The stand-in's own keys can't be used.");
        };
        let (timestamp, nonce) = (self.clock.wall().seconds().to_string(), "nonce");
        if secure {
            let sealed = keys.seal(message.to_string().as_bytes(), [7; 16], &timestamp, nonce);
            let query =
                format!("timestamp={timestamp}&nonce={nonce}&encrypt_type=aes&msg_signature={}", sealed.signature);
            let body = json!({ "ToUserName": "gh_stand_in", "Encrypt": sealed.encrypt });
            return self.asks(&format!("/v1/wechat/push?{query}"), &body).await;
        }
        let signature = keys.plain_signature(&timestamp, nonce);
        self.asks(&format!("/v1/wechat/push?signature={signature}&timestamp={timestamp}&nonce={nonce}"), message).await
    }

    async fn asks(&self, path: &str, body: &Value) -> Response {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        let Ok(request) = request.body(Body::from(body.to_string())) else {
            return malformed("This can't be sent to the product.");
        };
        let response = match self.gateway.clone().answer(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status().as_u16();
        let Ok(answer) = response.into_body().collect().await else {
            return malformed("The product's answer broke off.");
        };
        let answer = answer.to_bytes();
        let answer =
            serde_json::from_slice(&answer).unwrap_or_else(|_| json!(String::from_utf8_lossy(&answer).into_owned()));
        Json(json!({ "status": status, "answer": answer })).into_response()
    }
}

/// A receipt in the provider's own form; none where it has none like this.
fn receipt(sent: &Sent, fate: Fate) -> Option<Value> {
    let number = sent.to.strip_prefix("86").unwrap_or(&sent.to);
    let code = match fate {
        Fate::Delivered => "DELIVERED",
        Fate::Failed => "UNDELIV",
        Fate::Blacklisted => "MK:BLACK",
        Fate::Complained => "COMPLAINT",
    };
    let of = |pointer: &str| sent.request.pointer(pointer).cloned().unwrap_or_default();
    match (sent.provider, fate) {
        ("aliyun" | "tencent", Fate::Complained) => None,
        ("aliyun", _) => Some(json!([{
            "phone_number": number, "send_time": "2026-01-01 12:00:00", "report_time": "2026-01-01 12:00:05",
            "success": fate == Fate::Delivered, "err_code": code, "err_msg": "stand-in", "sms_size": "1",
            "biz_id": format!("{}^0", sent.number), "out_id": of("/OutId"),
        }])),
        ("tencent", _) => Some(json!([{
            "user_receive_time": "2026-01-01 12:00:05", "nationcode": "86", "mobile": number,
            "report_status": if fate == Fate::Delivered { "SUCCESS" } else { "FAIL" },
            "errmsg": code, "description": "stand-in", "sid": serial(sent.number),
        }])),
        ("ses", _) => {
            let mail = json!({ "messageId": mail_id(sent.number), "tags": { "send": [of("/EmailTags/0/Value")] } });
            let event = match fate {
                Fate::Delivered => json!({ "eventType": "Delivery", "mail": mail, "delivery": {} }),
                Fate::Failed => json!({ "eventType": "Bounce", "mail": mail,
                    "bounce": { "bounceType": "Transient", "bounceSubType": "MailboxFull" } }),
                Fate::Blacklisted => json!({ "eventType": "Bounce", "mail": mail,
                    "bounce": { "bounceType": "Permanent", "bounceSubType": "Suppressed" } }),
                Fate::Complained => json!({ "eventType": "Complaint", "mail": mail, "complaint": {} }),
            };
            Some(json!({ "Type": "Notification", "Message": event.to_string() }))
        }
        _ => None,
    }
}

/// What WeChat pushes of a subscribe message.
fn sent_event(sent: &Sent, fate: Fate) -> Value {
    let (code, status) = if fate == Fate::Delivered { ("0", "success") } else { ("20001", "failed: system failed") };
    json!({
        "ToUserName": "gh_stand_in", "FromUserName": sent.to, "CreateTime": sent.at.seconds().to_string(),
        "MsgType": "event", "Event": "subscribe_msg_sent_event",
        "List": [{ "TemplateId": sent.template, "MsgID": sent.number.to_string(), "ErrorCode": code,
            "ErrorStatus": status }],
    })
}

#[cfg(test)]
mod tests {
    use huitou::channels::receipts::{Reporter, Told, read};

    use super::*;

    #[test]
    fn every_provider_that_tells_of_its_messages_is_understood() {
        let outbox = Outbox::default();
        let request = json!({ "OutId": "0123456789abcdef0123456789abcdef",
            "EmailTags": [{ "Name": "send", "Value": "0123456789abcdef0123456789abcdef" }] });
        for (provider, reporter) in
            [("aliyun", Reporter::Aliyun), ("tencent", Reporter::Tencent), ("ses", Reporter::Ses)]
        {
            let number = outbox.note(provider, "8613800138000", "t1", request.clone());
            let sent = outbox.find(number).unwrap();
            for fate in [Fate::Delivered, Fate::Failed, Fate::Blacklisted] {
                let told = read(reporter, receipt(&sent, fate).unwrap().to_string().as_bytes()).unwrap();
                assert!(matches!(told.as_slice(), [Told::Receipt(..)]), "{provider} {fate:?}: {told:?}");
            }
        }
        let number = outbox.note("webhook", "m1", "t1", Value::Null);
        assert_eq!(receipt(&outbox.find(number).unwrap(), Fate::Delivered), None);
    }
}
