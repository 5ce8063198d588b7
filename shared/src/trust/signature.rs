//! Signed requests: how a till, a shop or an ERP proves who sent what.
//!
//! A system sends three headers with every request:
//!
//! | header | holds |
//! |---|---|
//! | `X-Huitou-Key` | the id of its key |
//! | `X-Huitou-Timestamp` | unix seconds, within 300 of ours |
//! | `X-Huitou-Signature` | `v1=` and the lower-case hex of HMAC-SHA256 under its secret |
//!
//! What is signed: timestamp, method, path with query, lower-case hex of the body's SHA-256, joined by newlines.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::{HeaderMap, Method};
use subtle::ConstantTimeEq as _;

use crate::digest::{half, hex, hmac, sha256};
use crate::values::{Actor, Invalid, Moment};

/// Names the key that signed.
pub const KEY_HEADER: &str = "x-huitou-key";
/// Says when it signed, in unix seconds.
pub const TIMESTAMP_HEADER: &str = "x-huitou-timestamp";
/// Carries the signature.
pub const SIGNATURE_HEADER: &str = "x-huitou-signature";

/// How far the sender's clock may be from ours, in seconds, either way.
const WINDOW: i64 = 300;
const SCHEME: &str = "v1=";

/// The signature of a request: what a system puts into `X-Huitou-Signature`.
///
/// `path` is the path with its query, as it stands in the request line.
#[must_use]
pub fn sign(secret: &[u8], timestamp: i64, method: &Method, path: &str, body: &[u8]) -> String {
    let mac = mac(secret, &timestamp.to_string(), method, path, body);
    format!("{SCHEME}{}", hex(&mac))
}

fn mac(secret: &[u8], timestamp: &str, method: &Method, path: &str, body: &[u8]) -> [u8; 32] {
    let body = hex(&sha256(&[body]));
    let text = [timestamp, method.as_str(), path, &body].join("\n");
    hmac(secret, &[text.as_bytes()])
}

/// One live key of a system. A system that is changing keys has two, under two ids and one name.
#[derive(Clone)]
pub struct SystemKey {
    id: String,
    actor: Actor,
    secret: Vec<u8>,
}

impl SystemKey {
    /// A key by its id, for the system that acts under this name.
    ///
    /// An id is 1 to 40 letters, digits, `-`, `_` or `.`; a secret has at least 32 bytes.
    pub fn new(id: &str, actor: Actor, secret: &[u8]) -> Result<Self, Invalid> {
        let marks = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if id.is_empty() || id.len() > 40 || !id.chars().all(marks) {
            return Err(Invalid("a key id of 1 to 40 letters, digits, '-', '_' or '.'"));
        }
        if secret.len() < 32 {
            return Err(Invalid("a system's secret of at least 32 bytes"));
        }
        Ok(Self { id: id.to_owned(), actor, secret: secret.to_vec() })
    }
}

/// The secret never shows.
impl fmt::Debug for SystemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SystemKey({} of {})", self.id, self.actor)
    }
}

/// A request as it came, with its three headers.
#[derive(Clone, Copy)]
pub struct SignedRequest<'a> {
    key: &'a str,
    timestamp: &'a str,
    signature: &'a str,
    method: &'a Method,
    path: &'a str,
    body: &'a [u8],
}

impl<'a> SignedRequest<'a> {
    /// Picks the headers out of a request. `path` is the path with its query, as it stood in the request line.
    ///
    /// A request without any of the three is [`SignatureError::Missing`]; one with some of them, or with one of
    /// them twice, is [`SignatureError::Malformed`].
    pub fn read(
        headers: &'a HeaderMap,
        method: &'a Method,
        path: &'a str,
        body: &'a [u8],
    ) -> Result<Self, SignatureError> {
        let names = [KEY_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER];
        if !names.iter().any(|name| headers.contains_key(*name)) {
            return Err(SignatureError::Missing);
        }
        let one = |name: &str| {
            let mut values = headers.get_all(name).iter();
            match (values.next(), values.next()) {
                (Some(value), None) => value.to_str().map_err(|_| SignatureError::Malformed),
                _ => Err(SignatureError::Malformed),
            }
        };
        let [key, timestamp, signature] = names.map(one);
        Ok(Self { key: key?, timestamp: timestamp?, signature: signature?, method, path, body })
    }
}

/// Shows who and when; neither what nor the signature.
impl fmt::Debug for SignedRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedRequest({} at {})", self.key, self.timestamp)
    }
}

/// Who sent a request whose signature is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemCaller {
    /// The system's name.
    pub actor: Actor,
    /// Stands for this signature wherever it has to be remembered, so that it is taken only once.
    pub signature_digest: [u8; 16],
    /// From here on the signature is refused as stale, so it needs no remembering.
    pub valid_until: Moment,
}

/// Why a signature was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The request isn't signed at all.
    #[error("the request is not signed")]
    Missing,
    /// A header is absent, doubled or not written as documented.
    #[error("the signature headers are not written as documented")]
    Malformed,
    /// The timestamp is more than 300 seconds from our time.
    #[error("the timestamp is more than 300 seconds away from the server's time")]
    Stale,
    /// No live key of this id made this signature over this request. Nobody is told which of the two is wrong.
    #[error("the signature is not right for this key and this request")]
    Wrong,
}

/// All keys that are live, by their ids.
#[derive(Debug, Clone, Default)]
pub struct SystemKeys(BTreeMap<String, SystemKey>);

impl SystemKeys {
    /// The live keys; no two may share an id.
    pub fn new(keys: Vec<SystemKey>) -> Result<Self, Invalid> {
        let count = keys.len();
        let keys: BTreeMap<_, _> = keys.into_iter().map(|key| (key.id.clone(), key)).collect();
        if keys.len() == count { Ok(Self(keys)) } else { Err(Invalid("system keys with an id of their own each")) }
    }

    /// Who sent this request. `now` is the time of security, [`crate::clock::Clock::wall`].
    ///
    /// Pure computation: a hash over the body, no table call. That a signature is taken only once is up to the
    /// caller, by [`SystemCaller::signature_digest`].
    pub fn check(&self, request: &SignedRequest<'_>, now: Moment) -> Result<SystemCaller, SignatureError> {
        /// Does an unknown key's share of the work, so that the time taken doesn't tell which ids exist.
        const NOBODY: [u8; 32] = [0; 32];

        let timestamp = read_timestamp(request.timestamp)?;
        let sent = read_signature(request.signature)?;
        if now.seconds().abs_diff(timestamp.seconds()) > WINDOW.unsigned_abs() {
            return Err(SignatureError::Stale);
        }
        let key = self.0.get(request.key);
        let secret = key.map_or(NOBODY.as_slice(), |key| key.secret.as_slice());
        let mac = mac(secret, request.timestamp, request.method, request.path, request.body);
        let genuine = bool::from(hex(&mac).as_bytes().ct_eq(sent.as_bytes()));
        match key {
            Some(key) if genuine => Ok(SystemCaller {
                actor: key.actor.clone(),
                signature_digest: half(sha256(&[key.id.as_bytes(), b"\n", &mac])),
                // Whole seconds are compared, so the last second of the window is valid to its end.
                valid_until: timestamp.plus(Duration::from_secs(WINDOW.unsigned_abs() + 1)),
            }),
            _ => Err(SignatureError::Wrong),
        }
    }
}

fn read_timestamp(text: &str) -> Result<Moment, SignatureError> {
    let digits = !text.is_empty() && text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit());
    let seconds: i64 = if digits { text.parse().ok() } else { None }.ok_or(SignatureError::Malformed)?;
    seconds.checked_mul(1000).and_then(Moment::from_millis).ok_or(SignatureError::Malformed)
}

fn read_signature(text: &str) -> Result<&str, SignatureError> {
    let digits = text.strip_prefix(SCHEME).ok_or(SignatureError::Malformed)?;
    let hex = digits.len() == 64 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if hex { Ok(digits) } else { Err(SignatureError::Malformed) }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const SECRET: [u8; 32] = *b"a till's secret of 32 bytes, yes";
    const PATH: &str = "/v1/orders?dry=1";
    const BODY: &[u8] = br#"{"orders":[]}"#;

    fn at(seconds: i64) -> Moment {
        Moment::from_millis(1_900_000_000_000 + seconds * 1000).unwrap()
    }

    fn keys() -> SystemKeys {
        let key = |id: &str, secret: &[u8]| SystemKey::new(id, Actor::parse("pos-1").unwrap(), secret).unwrap();
        SystemKeys::new(vec![key("k1", &SECRET), key("k2", &[9; 40])]).unwrap()
    }

    fn headers(key: &str, timestamp: i64, signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(KEY_HEADER, key.parse().unwrap());
        headers.insert(TIMESTAMP_HEADER, timestamp.into());
        headers.insert(SIGNATURE_HEADER, signature.parse().unwrap());
        headers
    }

    fn signed() -> HeaderMap {
        headers("k1", at(0).seconds(), &sign(&SECRET, at(0).seconds(), &Method::POST, PATH, BODY))
    }

    fn post(headers: &HeaderMap, now: Moment) -> Result<SystemCaller, SignatureError> {
        check(headers, &Method::POST, PATH, BODY, now)
    }

    fn check(
        headers: &HeaderMap,
        method: &Method,
        path: &str,
        body: &[u8],
        now: Moment,
    ) -> Result<SystemCaller, SignatureError> {
        keys().check(&SignedRequest::read(headers, method, path, body)?, now)
    }

    #[test]
    fn what_is_signed_is_what_the_documents_say() {
        // Computed with Python's hmac and hashlib.
        assert_eq!(
            sign(b"secret", 1_700_000_000, &Method::POST, "/v1/orders?a=b", b"{}"),
            "v1=11a2bdf8a10d9f2649d9476f2cb2a59e35107b068bb5a61549ac153e5233b312"
        );
    }

    #[test]
    fn a_signed_request_tells_who_sent_it() {
        let caller = post(&signed(), at(0)).unwrap();
        assert_eq!(caller.actor.as_str(), "pos-1");
        assert_eq!(caller.valid_until, at(301));
    }

    #[test]
    fn both_keys_of_a_system_that_is_changing_keys_are_taken() {
        let second = headers("k2", at(0).seconds(), &sign(&[9; 40], at(0).seconds(), &Method::POST, PATH, BODY));
        assert_eq!(post(&second, at(0)).unwrap().actor.as_str(), "pos-1");
        assert_ne!(post(&second, at(0)).unwrap().signature_digest, post(&signed(), at(0)).unwrap().signature_digest);
    }

    #[test]
    fn a_signature_is_for_one_method_one_path_one_body_and_one_key() {
        let wrong = Err(SignatureError::Wrong);
        assert_eq!(check(&signed(), &Method::PUT, PATH, BODY, at(0)), wrong);
        assert_eq!(check(&signed(), &Method::POST, "/v1/orders", BODY, at(0)), wrong);
        assert_eq!(check(&signed(), &Method::POST, PATH, b"{}", at(0)), wrong);
        for other in ["k2", "nobody"] {
            let mut headers = signed();
            headers.insert(KEY_HEADER, other.parse().unwrap());
            assert_eq!(post(&headers, at(0)), wrong, "{other}");
        }
        let mut later = signed();
        later.insert(TIMESTAMP_HEADER, at(1).seconds().into());
        assert_eq!(post(&later, at(0)), wrong);
    }

    #[test]
    fn an_unknown_key_is_not_open_to_the_stand_in_secret() {
        let made_up = headers("nobody", at(0).seconds(), &sign(&[0; 32], at(0).seconds(), &Method::POST, PATH, BODY));
        assert_eq!(post(&made_up, at(0)), Err(SignatureError::Wrong));
    }

    #[test]
    fn a_signature_is_taken_for_three_hundred_seconds_either_way() {
        for near in [-300, 300] {
            assert!(post(&signed(), at(near)).is_ok(), "{near}");
        }
        for far in [-301, 301, 100_000] {
            assert_eq!(post(&signed(), at(far)), Err(SignatureError::Stale), "{far}");
        }
    }

    #[test]
    fn headers_that_are_not_as_documented_are_refused() {
        assert_eq!(post(&HeaderMap::new(), at(0)), Err(SignatureError::Missing));
        let upper = sign(&SECRET, at(0).seconds(), &Method::POST, PATH, BODY).to_uppercase().replace("V1", "v1");
        for bad in ["", "v1=", "v1=abc", "v2=00", &upper] {
            let mut headers = signed();
            headers.insert(SIGNATURE_HEADER, bad.parse().unwrap());
            assert_eq!(post(&headers, at(0)), Err(SignatureError::Malformed), "{bad}");
        }
        for bad in ["", "-1", "+1900000000", "1900000000.5", "now", "99999999999999999999", "0"] {
            let mut headers = signed();
            headers.insert(TIMESTAMP_HEADER, bad.parse().unwrap());
            assert_eq!(post(&headers, at(0)), Err(SignatureError::Malformed), "{bad}");
        }
        for name in [KEY_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER] {
            let mut without = signed();
            without.remove(name);
            assert_eq!(post(&without, at(0)), Err(SignatureError::Malformed), "without {name}");
            let mut twice = signed();
            twice.append(name, HeaderValue::from_static("k1"));
            assert_eq!(post(&twice, at(0)), Err(SignatureError::Malformed), "{name} twice");
        }
    }

    #[test]
    fn weak_or_doubled_keys_are_refused_and_secrets_never_show() {
        let actor = || Actor::parse("pos-1").unwrap();
        assert!(SystemKey::new("k1", actor(), &[1; 31]).is_err());
        assert!(SystemKey::new("k 1", actor(), &[1; 32]).is_err());
        let key = SystemKey::new("k1", actor(), &SECRET).unwrap();
        assert_eq!(format!("{key:?}"), "SystemKey(k1 of pos-1)");
        assert!(SystemKeys::new(vec![key.clone(), key]).is_err());
    }
}
