//! Access tokens: compact JWTs (RFC 7519) signed with HS256, checked without a table call.
//!
//! One algorithm, one header: a token whose header isn't letter for letter what a live key writes is refused
//! before anything in it is parsed, so there is no algorithm to confuse (RFC 8725, 3.1).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::digest::hmac;
use crate::values::{Actor, Invalid, MemberId, Moment};

const ISSUER: &str = "huitou";
/// The longest token that is looked at, in bytes. Ours have about 300.
const LONGEST: usize = 2_048;
/// How far ahead the clock of the machine that issued may be, in seconds.
const SKEW: i64 = 60;

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A customer, in the mini program.
    Member,
    /// A till, shop or ERP.
    System,
    /// A shop assistant who looks after members.
    Guide,
    /// The service desk.
    Agent,
    /// Runs segments and campaigns.
    Operator,
    /// May do all that staff may do.
    Manager,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] = [Self::Member, Self::System, Self::Guide, Self::Agent, Self::Operator, Self::Manager];

    /// The role as it is written: `member`, `system`, `guide`, `agent`, `operator`, `manager`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::System => "system",
            Self::Guide => "guide",
            Self::Agent => "agent",
            Self::Operator => "operator",
            Self::Manager => "manager",
        }
    }

    /// Who a token of this role is for. A member's token can't pass for a staff member's even if its role could
    /// be changed.
    const fn audience(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::System => "system",
            Self::Guide | Self::Agent | Self::Operator | Self::Manager => "staff",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        const WANTED: Invalid = Invalid("a role: member, system, guide, agent, operator or manager");
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(WANTED)
    }
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// What the caller may do.
    pub role: Role,
    /// A member's id, or the name under which a staff member or a system acts.
    pub subject: String,
    /// The member's session number when the token was issued. The token is void once the account's number is
    /// higher: after logging out everywhere, erasure, or a merge. Zero for staff and systems.
    pub sessions: u32,
    /// When it was issued, in whole seconds.
    pub issued: Moment,
    /// From when it is refused, in whole seconds.
    pub expires: Moment,
}

impl Claims {
    /// The member that calls; `None` for staff and systems.
    #[must_use]
    pub fn member(&self) -> Option<MemberId> {
        if self.role == Role::Member { MemberId::parse(&self.subject).ok() } else { None }
    }

    /// The staff member or system that calls; `None` for members.
    #[must_use]
    pub fn actor(&self) -> Option<Actor> {
        if self.role == Role::Member { None } else { Actor::parse(&self.subject).ok() }
    }
}

/// Why a token was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is none.
    #[error("there is no token")]
    Missing,
    /// It isn't three parts of base64url with claims of ours in the middle.
    #[error("the token is malformed")]
    Malformed,
    /// Its header isn't one that a live key writes: another algorithm, or a key that is gone.
    #[error("the token was not signed with a key that is in use")]
    UnknownKey,
    /// The signature isn't right for the content.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// Somebody else issued it.
    #[error("the token was issued by somebody else")]
    WrongIssuer,
    /// Its audience doesn't fit its role: a member's token used as a staff member's.
    #[error("the token's audience does not fit its role")]
    WrongAudience,
    /// Its subject isn't a member's id, or not an actor's name, as its role asks.
    #[error("the token's subject does not fit its role")]
    WrongSubject,
    /// It was issued more than a minute ahead of our time.
    #[error("the token is not valid yet")]
    NotYet,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
}

/// The claims as they are written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    iss: String,
    aud: String,
    sub: String,
    role: Role,
    sessions: u32,
    iat: i64,
    exp: i64,
}

impl Payload {
    fn of(claims: &Claims) -> Self {
        Self {
            iss: ISSUER.to_owned(),
            aud: claims.role.audience().to_owned(),
            sub: claims.subject.clone(),
            role: claims.role,
            sessions: claims.sessions,
            iat: claims.issued.seconds(),
            exp: claims.expires.seconds(),
        }
    }

    fn check(self, now: Moment) -> Result<Claims, TokenError> {
        if self.iss != ISSUER {
            return Err(TokenError::WrongIssuer);
        }
        if self.aud != self.role.audience() {
            return Err(TokenError::WrongAudience);
        }
        let (issued, expires) = (moment(self.iat)?, moment(self.exp)?);
        let claims = Claims { role: self.role, subject: self.sub, sessions: self.sessions, issued, expires };
        if claims.member().is_none() && claims.actor().is_none() {
            return Err(TokenError::WrongSubject);
        }
        if issued.seconds() > now.seconds().saturating_add(SKEW) {
            return Err(TokenError::NotYet);
        }
        if expires <= now { Err(TokenError::Expired) } else { Ok(claims) }
    }
}

fn moment(seconds: i64) -> Result<Moment, TokenError> {
    seconds.checked_mul(1000).and_then(Moment::from_millis).ok_or(TokenError::Malformed)
}

/// One key that signs tokens.
#[derive(Clone)]
pub struct TokenKey {
    id: String,
    /// The only header that this key writes or takes, already in base64url.
    header: String,
    secret: Vec<u8>,
}

impl TokenKey {
    /// A key by its id (`kid`).
    ///
    /// An id is 1 to 40 letters, digits, `-` or `_`; a secret has at least 32 bytes (RFC 7518, 3.2).
    pub fn new(id: &str, secret: &[u8]) -> Result<Self, Invalid> {
        let marks = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if id.is_empty() || id.len() > 40 || !id.chars().all(marks) {
            return Err(Invalid("a key id of 1 to 40 letters, digits, '-' or '_'"));
        }
        if secret.len() < 32 {
            return Err(Invalid("a token secret of at least 32 bytes"));
        }
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{id}"}}"#));
        Ok(Self { id: id.to_owned(), header, secret: secret.to_vec() })
    }

    fn mac(&self, payload: &str) -> [u8; 32] {
        hmac(&self.secret, &[self.header.as_bytes(), b".", payload.as_bytes()])
    }
}

/// The secret never shows.
impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({})", self.id)
    }
}

/// The keys of the house: one signs, all are taken.
///
/// To change keys without sending anybody away: add the new one to the others, deploy; make it the current one,
/// deploy; drop the old one when its last token has expired.
#[derive(Clone, Debug)]
pub struct TokenKeys {
    current: TokenKey,
    others: Vec<TokenKey>,
}

impl TokenKeys {
    /// The key that signs, and others that are still or already taken. No two may share an id.
    pub fn new(current: TokenKey, others: Vec<TokenKey>) -> Result<Self, Invalid> {
        let ids = std::iter::once(&current).chain(&others).map(|key| key.id.as_str());
        let distinct: std::collections::BTreeSet<&str> = ids.collect();
        if distinct.len() == others.len() + 1 {
            Ok(Self { current, others })
        } else {
            Err(Invalid("token keys with an id of their own each"))
        }
    }

    /// Writes a token. Fractions of a second are dropped.
    #[must_use]
    pub fn issue(&self, claims: &Claims) -> String {
        // Strings and integers always have a JSON form; a token without claims would be refused as malformed.
        let payload = serde_json::to_vec(&Payload::of(claims)).unwrap_or_default();
        let payload = URL_SAFE_NO_PAD.encode(payload);
        let mac = URL_SAFE_NO_PAD.encode(self.current.mac(&payload));
        format!("{}.{payload}.{mac}", self.current.header)
    }

    /// What a token says, if it is one of ours and valid. `now` is the time of security,
    /// [`crate::clock::Clock::wall`].
    ///
    /// Whether its session number still holds is for the account to say.
    pub fn check(&self, text: &str, now: Moment) -> Result<Claims, TokenError> {
        if text.is_empty() {
            return Err(TokenError::Missing);
        }
        if text.len() > LONGEST {
            return Err(TokenError::Malformed);
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(mac), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::Malformed);
        };
        let mut keys = std::iter::once(&self.current).chain(&self.others);
        let key = keys.find(|key| key.header == header).ok_or(TokenError::UnknownKey)?;
        // The decoder refuses padding and stray trailing bits, so one token has one text.
        let mac = URL_SAFE_NO_PAD.decode(mac).map_err(|_| TokenError::Malformed)?;
        if !bool::from(key.mac(payload).as_slice().ct_eq(&mac)) {
            return Err(TokenError::BadSignature);
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Malformed)?;
        let payload: Payload = serde_json::from_slice(&payload).map_err(|_| TokenError::Malformed)?;
        payload.check(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Moment {
        Moment::from_millis((1_900_000_000 + seconds) * 1000).unwrap()
    }

    fn key(id: &str) -> TokenKey {
        TokenKey::new(id, id.repeat(32).as_bytes()).unwrap()
    }

    fn keys() -> TokenKeys {
        TokenKeys::new(key("k1"), vec![]).unwrap()
    }

    fn a_member() -> Claims {
        let subject = MemberId::from_random([7; 16]).to_string();
        Claims { role: Role::Member, subject, sessions: 3, issued: at(0), expires: at(7_200) }
    }

    fn a_manager() -> Claims {
        Claims { role: Role::Manager, subject: "wang@hq".to_owned(), sessions: 0, issued: at(0), expires: at(7_200) }
    }

    /// Signs anything, as somebody who has the key could.
    fn signed(key: &TokenKey, payload: &str) -> String {
        let payload = URL_SAFE_NO_PAD.encode(payload);
        let mac = URL_SAFE_NO_PAD.encode(key.mac(&payload));
        format!("{}.{payload}.{mac}", key.header)
    }

    #[test]
    fn a_token_says_what_was_issued() {
        for claims in [a_member(), a_manager()] {
            assert_eq!(keys().check(&keys().issue(&claims), at(1)), Ok(claims));
        }
        assert_eq!(a_member().member(), Some(MemberId::from_random([7; 16])));
        assert_eq!((a_member().actor(), a_manager().member()), (None, None));
        assert_eq!(a_manager().actor().unwrap().as_str(), "wang@hq");
    }

    #[test]
    fn a_token_is_a_jwt_that_others_can_read() {
        let text = keys().issue(&a_manager());
        let parts: Vec<_> = text.split('.').map(|p| URL_SAFE_NO_PAD.decode(p).unwrap()).collect();
        assert_eq!(parts[0], br#"{"alg":"HS256","typ":"JWT","kid":"k1"}"#);
        let payload: serde_json::Value = serde_json::from_slice(&parts[1]).unwrap();
        assert_eq!(
            payload,
            serde_json::json!({"iss": "huitou", "aud": "staff", "sub": "wang@hq", "role": "manager", "sessions": 0,
                "iat": 1_900_000_000, "exp": 1_900_007_200})
        );
        assert_eq!(parts[2].len(), 32);
    }

    #[test]
    fn a_token_is_valid_from_its_issue_to_its_expiry() {
        let text = keys().issue(&a_member());
        for good in [-60, 0, 7_199] {
            assert!(keys().check(&text, at(good)).is_ok(), "{good}");
        }
        assert_eq!(keys().check(&text, at(-61)), Err(TokenError::NotYet));
        assert_eq!(keys().check(&text, at(7_200)), Err(TokenError::Expired));
    }

    #[test]
    fn an_old_key_is_taken_until_it_is_dropped() {
        let old = keys().issue(&a_member());
        let both = TokenKeys::new(key("k2"), vec![key("k1")]).unwrap();
        assert!(both.check(&old, at(1)).is_ok());
        assert!(both.check(&both.issue(&a_member()), at(1)).is_ok());
        let new = TokenKeys::new(key("k2"), vec![]).unwrap();
        assert_eq!(new.check(&old, at(1)), Err(TokenError::UnknownKey));
    }

    #[test]
    fn a_header_that_is_not_ours_letter_for_letter_is_refused() {
        let ours = keys().issue(&a_member());
        let (_, rest) = ours.split_once('.').unwrap();
        let (payload, _) = rest.split_once('.').unwrap();
        for header in [
            r#"{"alg":"none","typ":"JWT","kid":"k1"}"#,
            r#"{"alg":"none"}"#,
            r#"{"alg":"HS512","typ":"JWT","kid":"k1"}"#,
            r#"{"alg":"RS256","typ":"JWT","kid":"k1"}"#,
            r#"{"alg":"HS256","typ":"JWT","kid":"k9"}"#,
            r#"{"alg":"HS256","typ":"JWT"}"#,
            r#"{"typ":"JWT","alg":"HS256","kid":"k1"}"#,
            "",
        ] {
            let header = URL_SAFE_NO_PAD.encode(header);
            for text in [format!("{header}.{rest}"), format!("{header}.{payload}.")] {
                assert_eq!(keys().check(&text, at(1)), Err(TokenError::UnknownKey), "{text}");
            }
        }
    }

    #[test]
    fn a_text_that_is_no_token_is_refused() {
        let ours = keys().issue(&a_member());
        let (unsigned, _) = ours.rsplit_once('.').unwrap();
        assert_eq!(keys().check("", at(1)), Err(TokenError::Missing));
        assert_eq!(keys().check(&format!("{unsigned}."), at(1)), Err(TokenError::BadSignature));
        let long = "a".repeat(2_049);
        let (dotted, dot, padded, spaced) =
            (format!("{ours}.x"), format!("{ours}."), format!("{ours}="), format!(" {ours}"));
        for bad in [unsigned, &dotted, &dot, &padded, &long, "a", "a.b", "....", "名"] {
            assert_eq!(keys().check(bad, at(1)), Err(TokenError::Malformed), "{bad}");
        }
        assert!(keys().check(&spaced, at(1)).is_err());
    }

    #[test]
    fn even_a_signed_token_has_to_fit_together() {
        let with = |from: &str, to: &str| {
            let payload = serde_json::to_string(&Payload::of(&a_member())).unwrap();
            assert!(payload.contains(from), "{payload}");
            keys().check(&signed(&key("k1"), &payload.replace(from, to)), at(1))
        };
        assert!(with("huitou", "huitou").is_ok());
        assert_eq!(with("huitou", "somebody"), Err(TokenError::WrongIssuer));
        assert_eq!(with(r#""role":"member""#, r#""role":"manager""#), Err(TokenError::WrongAudience));
        assert_eq!(with(r#""aud":"member""#, r#""aud":"staff""#), Err(TokenError::WrongAudience));
        assert_eq!(with(r#""sub":"m"#, r#""sub":"x"#), Err(TokenError::WrongSubject));
        for (from, to) in [
            (r#""role":"member""#, r#""role":"root""#),
            (r#""sessions":3"#, r#""sessions":-3"#),
            (r#""sessions":3"#, r#""sessions":3,"admin":true"#),
            (r#""sessions":3"#, r#""sessions":3,"sessions":4"#),
            (r#""exp":1900007200"#, r#""exp":9223372036854775807"#),
            (r#""iat":1900000000"#, r#""iat":-1"#),
        ] {
            assert_eq!(with(from, to), Err(TokenError::Malformed), "{to}");
        }
    }

    #[test]
    fn every_role_is_written_as_it_is_read() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
        }
        assert!("Member".parse::<Role>().is_err());
    }

    #[test]
    fn weak_or_doubled_keys_are_refused_and_secrets_never_show() {
        assert!(TokenKey::new("k1", &[1; 31]).is_err());
        for bad in ["", "k\"1", "k 1", "k.1"] {
            assert!(TokenKey::new(bad, &[1; 32]).is_err(), "{bad}");
        }
        assert!(TokenKeys::new(key("k1"), vec![key("k1")]).is_err());
        assert_eq!(format!("{:?}", keys()), "TokenKeys { current: TokenKey(k1), others: [] }");
    }

    proptest! {
        #[test]
        fn a_token_with_any_character_changed_is_refused(place: prop::sample::Index, other in "[A-Za-z0-9_.=+/ -]") {
            let text = keys().issue(&a_manager());
            let place = place.index(text.len());
            let mut changed = text.clone();
            changed.replace_range(place..=place, &other);
            prop_assume!(changed != text);
            prop_assert!(keys().check(&changed, at(1)).is_err(), "{}", changed);
        }

        #[test]
        fn no_text_makes_the_check_fall_over(text in ".*") {
            prop_assert!(keys().check(&text, at(1)).is_err());
        }
    }
}
