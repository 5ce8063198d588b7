//! Staff tokens of an `OpenID` provider: JWTs (RFC 7519) under the provider's published keys.
//!
//! Pure: settings, keys and time come in. Only algorithms with a public key are taken, and a token's algorithm has to be
//! the one that the key is for, so that neither `none` nor a MAC under the public key's letters passes (RFC 8725, 3.1).
//! Verification is `ring`'s, which is in the tree for TLS; a JWT crate would bring a second crypto library along.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::token::{Claims, Role};
use crate::values::{Actor, Invalid, Moment};

/// The longest token that is looked at, in bytes: providers put groups into theirs.
const LONGEST: usize = 8_192;
/// How far the provider's clock and ours may be apart, in seconds.
const SKEW: i64 = 60;
/// The most keys that are kept of a provider.
const MOST_KEYS: usize = 32;

/// Which provider is believed, and what its claims mean here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The issuer, letter for letter as its discovery document and its tokens name it.
    pub issuer: String,
    /// What tokens for this API name as their audience. Not the console's client id: ID tokens are no access tokens.
    pub audience: String,
    /// The claim that tells roles: a name, or names with dots between them that lead into objects.
    #[serde(default = "roles")]
    pub roles_claim: String,
    /// The claim by which journals know somebody; letters, digits, `-`, `_`, `.`, `:` or `@`.
    #[serde(default = "subject")]
    pub name_claim: String,
    /// What the values of the roles' claim mean. The first entry that fits somebody is their role.
    pub roles: Vec<RoleOf>,
}

fn roles() -> String {
    "roles".to_owned()
}

fn subject() -> String {
    "sub".to_owned()
}

/// What one value of the roles' claim means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleOf {
    /// The provider's word.
    pub value: String,
    /// Ours: `guide`, `agent`, `operator` or `manager`.
    pub role: Role,
}

impl Settings {
    /// Reads settings as they stand in the environment; none where nothing stands there: then no provider is believed.
    pub fn read(text: &str) -> Result<Option<Self>, Invalid> {
        const WANTED: Invalid = Invalid(
            "the provider of staff tokens as JSON: issuer, audience, roles (value and role each), and where they differ \
             roles_claim and name_claim",
        );
        if text.trim().is_empty() || text.trim() == "{}" {
            return Ok(None);
        }
        let settings: Self = serde_json::from_str(text).map_err(|_| WANTED)?;
        let staff = |of: &RoleOf| !matches!(of.role, Role::Member | Role::System);
        let said = [&settings.issuer, &settings.audience, &settings.roles_claim, &settings.name_claim];
        let sound = said.iter().all(|text| !text.is_empty()) && !settings.roles.is_empty();
        if sound && settings.roles.iter().all(staff) { Ok(Some(settings)) } else { Err(WANTED) }
    }

    /// Where the provider describes itself.
    #[must_use]
    pub fn discovery(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'))
    }
}

/// An algorithm that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Algorithm {
    RS256,
    PS256,
    ES256,
    EdDSA,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Public {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// A key of the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Jwk {
    id: String,
    /// The only algorithm it is for, where it says so.
    algorithm: Option<Algorithm>,
    public: Public,
}

/// The provider's keys, as it publishes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet(Vec<Jwk>);

#[derive(Deserialize)]
struct Published {
    /// Each read by itself: one that can't be read is no reason to lose the others (RFC 7517, 5).
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct PublishedKey {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    used_for: Option<String>,
    alg: Option<Algorithm>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl PublishedKey {
    /// The key, if it is one that signatures can be checked with; others are of no concern here.
    fn read(self) -> Option<Jwk> {
        if self.used_for.as_deref().is_some_and(|used_for| used_for != "sig") {
            return None;
        }
        let part = |part: Option<String>| URL_SAFE_NO_PAD.decode(part?).ok();
        let public = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Public::Rsa { n: part(self.n)?, e: part(self.e)? },
            ("EC", Some("P-256")) => {
                let (x, y) = (part(self.x)?, part(self.y)?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                // Uncompressed (SEC 1, 2.3.3).
                Public::P256([&[4], x.as_slice(), y.as_slice()].concat())
            }
            ("OKP", Some("Ed25519")) => Public::Ed25519(part(self.x)?),
            _ => return None,
        };
        Some(Jwk { id: self.kid?, algorithm: self.alg, public })
    }
}

impl KeySet {
    /// Reads a JWK set (RFC 7517). Keys that are no use here are left out.
    pub fn read(json: &[u8]) -> Result<Self, Invalid> {
        let published: Published = serde_json::from_slice(json).map_err(|_| Invalid("a JWK set"))?;
        let keys = published.keys.iter().filter_map(|key| PublishedKey::deserialize(key).ok()?.read());
        Ok(Self(keys.take(MOST_KEYS).collect()))
    }

    /// Whether a key with this id is published.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id == id)
    }
}

impl Jwk {
    fn verifies(&self, algorithm: Algorithm, message: &[u8], mac: &[u8]) -> Result<(), StaffTokenError> {
        if self.algorithm.is_some_and(|only| only != algorithm) {
            return Err(StaffTokenError::Algorithm);
        }
        let verified = match (algorithm, &self.public) {
            (Algorithm::RS256, Public::Rsa { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, mac)
            }
            (Algorithm::PS256, Public::Rsa { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(&signature::RSA_PSS_2048_8192_SHA256, message, mac)
            }
            (Algorithm::ES256, Public::P256(point)) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, mac)
            }
            (Algorithm::EdDSA, Public::Ed25519(key)) => {
                UnparsedPublicKey::new(&signature::ED25519, key).verify(message, mac)
            }
            _ => return Err(StaffTokenError::Algorithm),
        };
        verified.map_err(|_| StaffTokenError::BadSignature)
    }
}

/// Why a staff token was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StaffTokenError {
    /// It isn't three parts of base64url, or lacks what an access token has to say.
    #[error("the token is malformed")]
    Malformed,
    /// Its algorithm is none that is taken, or not the key's.
    #[error("the token's algorithm is not taken")]
    Algorithm,
    /// It is something else than an access token.
    #[error("the token is no access token")]
    Kind,
    /// The provider has published no key with its id.
    #[error("the provider has published no such key")]
    UnknownKey,
    /// The signature isn't right for the content.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// Somebody else issued it.
    #[error("the token was issued by somebody else")]
    WrongIssuer,
    /// It is for another API.
    #[error("the token is for another audience")]
    WrongAudience,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYet,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its holder has no role here.
    #[error("the token's holder has no role here")]
    NoRole,
    /// Its holder's name can't stand in a journal.
    #[error("the token's holder has no name that journals can hold")]
    NoName,
}

#[derive(Deserialize)]
struct Header {
    alg: Value,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

/// A token whose header has been read, and nothing else of it.
#[derive(Debug)]
pub struct Presented<'a> {
    message: &'a str,
    payload: &'a str,
    mac: Vec<u8>,
    algorithm: Algorithm,
    /// The key by which it says that it is signed.
    pub key: String,
}

impl<'a> Presented<'a> {
    /// Reads a token's header.
    pub fn read(token: &'a str) -> Result<Self, StaffTokenError> {
        use StaffTokenError::Malformed;
        if token.len() > LONGEST {
            return Err(Malformed);
        }
        let (message, mac) = token.rsplit_once('.').ok_or(Malformed)?;
        let (header, payload) = message.split_once('.').ok_or(Malformed)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| Malformed);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Malformed)?;
        let algorithm = Algorithm::deserialize(&header.alg).map_err(|_| StaffTokenError::Algorithm)?;
        // What is critical has to be understood (RFC 7515, 4.1.11), and nothing critical is.
        if header.crit.is_some() {
            return Err(Malformed);
        }
        let kind = header.typ.as_deref().map(str::to_ascii_lowercase);
        if !matches!(kind.as_deref(), None | Some("jwt" | "at+jwt" | "application/at+jwt")) {
            return Err(StaffTokenError::Kind);
        }
        let key = header.kid.ok_or(StaffTokenError::UnknownKey)?;
        Ok(Self { message, payload, mac: decode(mac)?, algorithm, key })
    }

    /// What it says, if the provider signed it for this API and its time is now.
    pub fn check(&self, keys: &KeySet, settings: &Settings, now: Moment) -> Result<Claims, StaffTokenError> {
        let key = keys.0.iter().find(|key| key.id == self.key).ok_or(StaffTokenError::UnknownKey)?;
        key.verifies(self.algorithm, self.message.as_bytes(), &self.mac)?;
        let payload = URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| StaffTokenError::Malformed)?;
        let claims: Map<String, Value> = serde_json::from_slice(&payload).map_err(|_| StaffTokenError::Malformed)?;
        read_claims(&claims, settings, now)
    }
}

fn read_claims(claims: &Map<String, Value>, settings: &Settings, now: Moment) -> Result<Claims, StaffTokenError> {
    use StaffTokenError::Malformed;
    if claims.get("iss").and_then(Value::as_str) != Some(&settings.issuer) {
        return Err(StaffTokenError::WrongIssuer);
    }
    if !words(claims.get("aud")).any(|audience| audience == settings.audience) {
        return Err(StaffTokenError::WrongAudience);
    }
    // A time of another type is an error, never a time that is not there.
    let time = |name: &str| claims.get(name).map(|value| value.as_i64().ok_or(Malformed)).transpose();
    let seconds = now.seconds();
    let expires = time("exp")?.ok_or(Malformed)?;
    if expires.saturating_add(SKEW) <= seconds {
        return Err(StaffTokenError::Expired);
    }
    let issued = time("iat")?;
    if [issued, time("nbf")?].into_iter().flatten().any(|from| from.saturating_sub(SKEW) > seconds) {
        return Err(StaffTokenError::NotYet);
    }
    let held: Vec<&str> = words(at(claims, &settings.roles_claim)).collect();
    let role = settings.roles.iter().find(|of| held.contains(&of.value.as_str())).ok_or(StaffTokenError::NoRole)?.role;
    let name = at(claims, &settings.name_claim).and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or(StaffTokenError::NoName)?;
    // The journal's name is led by the role, so it has to fit with it.
    Actor::parse(&format!("{role}:{name}")).map_err(|_| StaffTokenError::NoName)?;
    let moment = |seconds: i64| seconds.checked_mul(1000).and_then(Moment::from_millis).ok_or(Malformed);
    Ok(Claims {
        role,
        subject: name.to_owned(),
        sessions: 0,
        issued: moment(issued.unwrap_or(seconds))?,
        expires: moment(expires)?,
    })
}

/// A claim by its name, or by the way to it.
fn at<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let direct = claims.get(name);
    let way = || {
        let (first, rest) = name.split_once('.')?;
        at(claims.get(first)?.as_object()?, rest)
    };
    direct.or_else(way)
}

/// The words of a claim that is one word or a list of them.
fn words(claim: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = claim.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    claim.and_then(Value::as_str).into_iter().chain(list.iter().filter_map(Value::as_str))
}

#[cfg(test)]
pub(crate) mod tests;
