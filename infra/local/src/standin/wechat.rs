//! A stand-in for WeChat's server API, with its documented answers and error codes.
//!
//! | code | answer of `jscode2session` |
//! |---|---|
//! | `dev:NAME`, `dev:NAME+UNION` | openid NAME, unionid UNION; again and again, because developers log in many times |
//! | `once:NAME` | the same, but a second use answers 40163 |
//! | `dev-busy`, `dev-limit`, `dev-blocked` | -1, 45011, 40226 |
//! | `dev-timeout` | nothing for ten seconds |
//! | any other | 40029 |
//!
//! The phone code `dev:13800138000` stands for that number, `dev:852-61234567` for one outside the mainland.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::recipients::{Fate, Modes, hang};
use super::tokens::Tokens;
use super::{Outbox, WECHAT_APP_ID, WECHAT_SECRET};

const HANGS_FOR: Duration = Duration::from_secs(10);

/// WeChat's errors are answers with status 200 and one of these.
#[derive(Debug, Clone, Copy)]
struct Trouble(i64, &'static str);

const BUSY: Trouble = Trouble(-1, "system error");
const BAD_TOKEN: Trouble = Trouble(40001, "invalid credential, access_token is invalid or not latest");
const BAD_GRANT: Trouble = Trouble(40002, "invalid grant_type");
const BAD_OPENID: Trouble = Trouble(40003, "invalid openid");
const BAD_APP_ID: Trouble = Trouble(40013, "invalid appid");
const BAD_CODE: Trouble = Trouble(40029, "invalid code");
const BAD_TEMPLATE: Trouble = Trouble(40037, "invalid template_id");
const BAD_SECRET: Trouble = Trouble(40125, "invalid appsecret");
const USED_CODE: Trouble = Trouble(40163, "code been used");
const BLOCKED: Trouble = Trouble(40226, "code blocked");
const REFUSED: Trouble = Trouble(43101, "user refuse to accept the msg");
const BANNED: Trouble = Trouble(43107, "subscribe message capability is banned");
const TOO_OFTEN: Trouble = Trouble(45011, "api minute-quota reach limit, must slower, retry next minute");
const BAD_DATA: Trouble = Trouble(47003, "argument invalid! data is empty");

type Answer = Result<Value, Trouble>;

/// What the stand-in remembers.
#[derive(Debug)]
pub(super) struct WeChat {
    used_codes: Mutex<HashSet<String>>,
    tokens: Mutex<Tokens>,
    outbox: Outbox,
    modes: Modes,
}

impl WeChat {
    pub(super) fn new(outbox: Outbox, modes: Modes) -> Self {
        Self { used_codes: Mutex::default(), tokens: Mutex::default(), outbox, modes }
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_token(&self, credential: &Credential) -> Result<(), Trouble> {
        if self.tokens().accepts(&credential.access_token) { Ok(()) } else { Err(BAD_TOKEN) }
    }
}

pub(super) fn router(wechat: Arc<WeChat>) -> Router {
    Router::new()
        .route("/sns/jscode2session", get(code_to_session))
        .route("/cgi-bin/stable_token", post(stable_token))
        .route("/wxa/business/getuserphonenumber", post(phone_number))
        .route("/cgi-bin/message/subscribe/send", post(send_subscribed))
        .route("/standin/expire-tokens", post(expire_tokens))
        .with_state(wechat)
}

fn written(answer: Answer) -> Json<Value> {
    Json(
        answer.unwrap_or_else(
            |Trouble(code, text)| json!({ "errcode": code, "errmsg": format!("{text}, rid: stand-in") }),
        ),
    )
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Exchange {
    appid: String,
    secret: String,
    js_code: String,
    grant_type: String,
}

async fn code_to_session(State(wechat): State<Arc<WeChat>>, Query(asked): Query<Exchange>) -> Json<Value> {
    if asked.js_code == "dev-timeout" {
        tokio::time::sleep(HANGS_FOR).await;
    }
    written(session(&wechat, &asked))
}

fn session(wechat: &WeChat, asked: &Exchange) -> Answer {
    check_app(&asked.appid, &asked.secret)?;
    if asked.grant_type != "authorization_code" {
        return Err(BAD_GRANT);
    }
    let code = asked.js_code.as_str();
    match (code, code.split_once(':')) {
        ("dev-busy", _) => Err(BUSY),
        ("dev-limit", _) => Err(TOO_OFTEN),
        ("dev-blocked", _) => Err(BLOCKED),
        (_, Some(("dev", name))) => session_of(name),
        (_, Some(("once", name))) => {
            let mut used = wechat.used_codes.lock().unwrap_or_else(PoisonError::into_inner);
            if used.insert(code.to_owned()) { session_of(name) } else { Err(USED_CODE) }
        }
        _ => Err(BAD_CODE),
    }
}

fn session_of(name: &str) -> Answer {
    let (openid, unionid) = name.split_once('+').map_or((name, None), |(openid, unionid)| (openid, Some(unionid)));
    if openid.is_empty() {
        return Err(BAD_CODE);
    }
    let key = Sha256::digest(format!("session key of {openid}"));
    let mut answer = json!({ "openid": openid, "session_key": STANDARD.encode(key.get(..16).unwrap_or_default()) });
    if let Some(object) = answer.as_object_mut() {
        object.extend(unionid.map(|unionid| ("unionid".to_owned(), json!(unionid))));
    }
    Ok(answer)
}

fn check_app(appid: &str, secret: &str) -> Result<(), Trouble> {
    match (appid == WECHAT_APP_ID, secret == WECHAT_SECRET) {
        (false, _) => Err(BAD_APP_ID),
        (true, false) => Err(BAD_SECRET),
        (true, true) => Ok(()),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TokenRequest {
    grant_type: String,
    appid: String,
    secret: String,
    force_refresh: bool,
}

async fn stable_token(State(wechat): State<Arc<WeChat>>, Json(asked): Json<TokenRequest>) -> Json<Value> {
    let answer = check_app(&asked.appid, &asked.secret).and_then(|()| {
        if asked.grant_type != "client_credential" {
            return Err(BAD_GRANT);
        }
        let (token, seconds) = wechat.tokens().current(asked.force_refresh);
        Ok(json!({ "access_token": token, "expires_in": seconds }))
    });
    written(answer)
}

async fn expire_tokens(State(wechat): State<Arc<WeChat>>) -> StatusCode {
    wechat.tokens().expire_all();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Credential {
    access_token: String,
}

#[derive(Deserialize)]
struct PhoneRequest {
    code: String,
}

async fn phone_number(
    State(wechat): State<Arc<WeChat>>,
    Query(credential): Query<Credential>,
    Json(asked): Json<PhoneRequest>,
) -> Json<Value> {
    written(wechat.check_token(&credential).and_then(|()| phone_of(&asked.code)))
}

fn phone_of(code: &str) -> Answer {
    let given = code.strip_prefix("dev:").ok_or(BAD_CODE)?;
    let (country, number) = given.split_once('-').unwrap_or(("86", given));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(country) || !digits(number) {
        return Err(BAD_CODE);
    }
    let shown = if country == "86" { number.to_owned() } else { format!("+{country}{number}") };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    Ok(json!({
        "errcode": 0,
        "errmsg": "ok",
        "phone_info": {
            "phoneNumber": shown,
            "purePhoneNumber": number,
            "countryCode": country,
            "watermark": { "timestamp": now, "appid": WECHAT_APP_ID },
        },
    }))
}

async fn send_subscribed(
    State(wechat): State<Arc<WeChat>>,
    Query(credential): Query<Credential>,
    Json(asked): Json<Value>,
) -> Json<Value> {
    written(match wechat.check_token(&credential) {
        Ok(()) => send(&wechat, asked).await,
        Err(trouble) => Err(trouble),
    })
}

/// Whom it refuses stands in [`super::recipients`].
async fn send(wechat: &WeChat, asked: Value) -> Answer {
    let field = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (to, template) = (field("touser"), field("template_id"));
    let has_data = asked.get("data").and_then(Value::as_object).is_some_and(|data| !data.is_empty());
    if to.is_empty() {
        return Err(BAD_OPENID);
    }
    if template.is_empty() {
        return Err(BAD_TEMPLATE);
    }
    if !has_data {
        return Err(BAD_DATA);
    }
    let fate = wechat.modes.fate("wechat", &to).await;
    match fate {
        Fate::Gone => return Err(BAD_OPENID),
        Fate::Refuses => return Err(REFUSED),
        Fate::Limited => return Err(TOO_OFTEN),
        Fate::Busy => return Err(BUSY),
        Fate::Content => return Err(BAD_DATA),
        Fate::Account => return Err(BANNED),
        Fate::Taken | Fate::Hangs => {}
    }
    let number = wechat.outbox.note("wechat", &to, &template, asked);
    if fate == Fate::Hangs {
        hang().await;
    }
    Ok(json!({ "errcode": 0, "errmsg": "ok", "msgid": number }))
}
