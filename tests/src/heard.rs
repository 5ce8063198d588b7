//! What a house hears of people, and that nobody is told of it who may not be.
//!
//! Every request of a test is listened to: phones, names, addresses, ids, birthdays and children that it tells, and
//! tokens that it gets, are remembered without anybody having to say so. Every answer is then read for them, by the
//! tables of roles and fields: one that shows them to a role whose row does not grant it fails its test.
//!
//! If the environment names a directory in `HUITOU_HEARD`, what was heard is kept in a file there, and beside it every
//! line that was logged meanwhile; `tests/tests/silence.rs` reads them when all tests are through.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use huitou::domain::personal::{Field, Shown};
use huitou::manners::edge::REASON;
use huitou::manners::fields::{TOLD, shown};
use huitou::telemetry::lines::{Settings, subscriber};
use huitou::trust::signature::KEY_HEADER;
use huitou::trust::token::Role;
use serde_json::{Value, json};

/// The directory in which it is kept what was heard and what was logged.
const DIRECTORY: &str = "HUITOU_HEARD";
/// What was heard, a JSON object a line.
pub const HEARD: &str = "heard.jsonl";
/// What was logged, a line a line.
pub const LOGGED: &str = "logged.txt";

/// What something is that was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Personal {
    /// A member's.
    Of(Field),
    /// A child's name or birthday.
    OfAChild,
    /// What opens a session.
    Token,
}

/// What one house has heard.
#[derive(Debug, Default)]
pub struct Heard(Mutex<BTreeMap<String, Personal>>);

/// Somebody who asked, as far as headers tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// In which roles: several for staff of a provider whose roles only the house knows, none for members and nobody.
    pub roles: Vec<Role>,
    /// Whether they said why.
    pub reason: bool,
}

impl Heard {
    /// Listens to what a request tells.
    pub fn request(&self, path: &str, body: &[u8]) {
        if let Ok(body) = serde_json::from_slice(body) {
            self.walk(path, &body);
        }
    }

    /// Listens to what an answer gives away: tokens.
    pub fn answer(&self, body: &Value) {
        for name in ["access_token", "refresh_token"] {
            if let Some(token) = body[name].as_str() {
                self.note(token, Personal::Token);
            }
        }
    }

    fn walk(&self, path: &str, value: &Value) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.walk(path, value)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (kind(path, name), value) {
                        (Some(kind), Value::String(text)) => self.note(text.trim_start_matches("dev:"), kind),
                        _ => self.walk(path, value),
                    }
                }
            }
            _ => {}
        }
    }

    fn note(&self, text: &str, kind: Personal) {
        if !tells_apart(text, kind) {
            return;
        }
        let new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned(), kind).is_none();
        if let (true, Some(directory)) = (new, directory()) {
            let mut line = json!({ "text": text, "kind": format!("{kind:?}") }).to_string();
            line.push('\n');
            append(&directory.join(HEARD)).write_all(line.as_bytes()).unwrap();
        }
    }

    /// What an answer shows that its asker may not see.
    #[must_use]
    pub fn leaks(&self, asker: &Asker, method: &str, path: &str, answer: &[u8]) -> Vec<(String, Personal)> {
        if asker.roles.is_empty() {
            return Vec::new();
        }
        let answer = String::from_utf8_lossy(answer);
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = heard.iter().filter(|(text, _)| answer.contains(text.as_str()));
        let leaks =
            shown.filter(|(_, kind)| !asker.roles.iter().any(|role| may_see(*role, asker, method, path, **kind)));
        leaks.map(|(text, kind)| (text.clone(), *kind)).collect()
    }
}

fn may_see(role: Role, asker: &Asker, method: &str, path: &str, kind: Personal) -> bool {
    let field = match kind {
        Personal::Of(field) => field,
        Personal::OfAChild => Field::Children,
        Personal::Token => return false,
    };
    grants(role, method, path, asker.reason, field)
}

/// Whether a role is shown all of a kind by a route, for whoever says why or does not.
#[must_use]
pub fn grants(role: Role, method: &str, path: &str, reason: bool, field: Field) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let told = TOLD.iter().find(|told| told.method == method && fits(told.path, path));
    told.is_some_and(|told| {
        told.fields.contains(&field)
            && match shown(role, field) {
                Shown::Whole => true,
                Shown::WholeForAReason => told.reason && reason,
                Shown::Masked | Shown::Not => false,
            }
    })
}

/// Whether a path is one of a route, whose places stand in braces.
fn fits(route: &str, path: &str) -> bool {
    let (route, path): (Vec<&str>, Vec<&str>) = (route.split('/').collect(), path.split('/').collect());
    route.len() == path.len() && route.iter().zip(path).all(|(part, given)| part.starts_with('{') || *part == given)
}

/// What a field of a body is.
fn kind(path: &str, name: &str) -> Option<Personal> {
    let of_a_child = path.starts_with("/v1/me/children");
    Some(match name {
        "name" | "birthday" if of_a_child => Personal::OfAChild,
        "name" if path == "/v1/me" => Personal::Of(Field::Name),
        "birthday" => Personal::Of(Field::Birthday),
        "phone" | "phone_code" => Personal::Of(Field::Phone),
        "email" => Personal::Of(Field::Email),
        "openid" | "unionid" => Personal::Of(Field::Ids),
        "code" if path == "/v1/sessions" => Personal::Of(Field::Ids),
        _ => return None,
    })
}

/// Whether a text is nothing else wherever it stands: a name of two characters is part of many words, and days of these
/// years are days of business.
fn tells_apart(text: &str, kind: Personal) -> bool {
    match kind {
        Personal::Of(Field::Phone) => text.len() >= 11 && text.bytes().all(|byte| byte.is_ascii_digit()),
        Personal::Of(Field::Email) => text.contains('@'),
        Personal::Of(Field::Ids) => text.len() >= 10,
        Personal::Token => text.len() >= 20,
        _ if text.len() == 10 && text.starts_with(['1', '2']) => text < "2025" && !("1997".."1999").contains(&text),
        _ => text.chars().count() >= 3 && !text.is_ascii(),
    }
}

impl Asker {
    /// Who asks, by the headers of the request.
    #[must_use]
    pub fn of(headers: &[(String, String)]) -> Self {
        let header = |wanted: &str| headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        let bearer = header("authorization").and_then(|(_, value)| value.strip_prefix("Bearer "));
        let roles = match (header(KEY_HEADER), bearer.map(role)) {
            (Some(_), _) => vec![Role::System],
            (None, Some(Some(Role::Member)) | None) => Vec::new(),
            (None, Some(Some(role))) => vec![role],
            (None, Some(None)) => vec![Role::Guide, Role::Agent, Role::Operator, Role::Manager],
        };
        Self { roles, reason: header(REASON.as_str()).is_some() }
    }
}

/// The role in a token of the house's own; none in one of another issuer.
fn role(token: &str) -> Option<Role> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims["role"].as_str()?.parse().ok()
}

fn directory() -> Option<PathBuf> {
    std::env::var_os(DIRECTORY).map(PathBuf::from)
}

/// A file to whose end lines of many processes are written, each in one piece.
fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

/// Keeps what this process logs, as a deployed function would log it, if the environment says where.
pub fn keep_the_log() {
    static KEPT: Once = Once::new();
    KEPT.call_once(|| {
        let Some(directory) = directory() else { return };
        let subscriber = subscriber(Settings::from_environment(|_| None), append(&directory.join(LOGGED)));
        // Whoever listens already is a test of the log itself.
        let _ = tracing::subscriber::set_global_default(subscriber);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(role: Role, reason: bool) -> Asker {
        Asker { roles: vec![role], reason }
    }

    fn a_house_that_heard_of_anna() -> Heard {
        let heard = Heard::default();
        heard.request("/v1/sessions", br#"{"code":"dev:oUpF8uMuAJO","phone_code":"dev:13800138000"}"#);
        heard.request("/v1/me", r#"{"name":"张小明","birthday":"1988-05-20","email":"anna@example.com"}"#.as_bytes());
        heard.request("/v1/me/children", r#"{"name":"豆豆七七","birthday":"2020-03-04"}"#.as_bytes());
        heard.answer(&json!({ "access_token": "abcdefghijklmnopqrstuvwxyz" }));
        heard
    }

    #[test]
    fn what_a_role_may_not_see_is_named_wherever_it_stands() {
        let heard = a_house_that_heard_of_anna();
        let leaks = |role, reason, path: &str, answer: &str| {
            let leaks = heard.leaks(&asker(role, reason), "GET", path, answer.as_bytes());
            leaks.into_iter().map(|(text, _)| text).collect::<Vec<_>>()
        };
        let member = "/v1/members/m0123";
        for planted in [
            "13800138000",
            "张小明",
            "anna@example.com",
            "oUpF8uMuAJO",
            "1988-05-20",
            "豆豆七七",
            "2020-03-04",
            "abcdefghijklmnopqrstuvwxyz",
        ] {
            let answer = json!({ "detail": format!("There is {planted} already.") }).to_string();
            assert_eq!(leaks(Role::Agent, false, member, &answer), [planted]);
            assert_eq!(leaks(Role::Operator, true, "/v1/segments", &answer), [planted]);
            assert_eq!(leaks(Role::System, false, "/v1/orders", &answer), [planted]);
        }
        assert_eq!(leaks(Role::Agent, false, member, r#"{"phone":"138****8000"}"#), [] as [&str; 0]);
    }

    #[test]
    fn what_a_row_grants_is_no_leak() {
        let heard = a_house_that_heard_of_anna();
        let leaks = |role, reason, path: &str, answer: &str| {
            heard.leaks(&asker(role, reason), "GET", path, answer.as_bytes()).len()
        };
        let contact = "/v1/members/m0123/contact";
        assert_eq!(leaks(Role::Agent, true, contact, r#"{"phone":"13800138000"}"#), 0);
        assert_eq!(leaks(Role::Agent, false, contact, r#"{"phone":"13800138000"}"#), 1, "nobody said why");
        assert_eq!(leaks(Role::Agent, true, contact, r#"{"birthday":"1988-05-20"}"#), 1, "masked for agents");
        assert_eq!(leaks(Role::Manager, false, "/v1/members/m0123", r#"{"name":"张小明"}"#), 0);
    }

    #[test]
    fn whoever_asks_is_known_by_token_or_signature() {
        let headers = |name: &str, value: String| vec![(name.to_owned(), value)];
        let token = |role: &str| format!("Bearer x.{}.y", URL_SAFE_NO_PAD.encode(json!({ "role": role }).to_string()));
        assert_eq!(Asker::of(&headers("authorization", token("agent"))).roles, [Role::Agent]);
        assert_eq!(Asker::of(&headers("authorization", token("member"))).roles, []);
        assert_eq!(Asker::of(&headers("authorization", "Bearer a.b.c".to_owned())).roles.len(), 4, "somebody of staff");
        assert_eq!(Asker::of(&headers(KEY_HEADER, "till".to_owned())).roles, [Role::System]);
        assert_eq!(Asker::of(&[]).roles, []);
    }
}
