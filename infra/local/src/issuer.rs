//! The development issuer: an `OpenID` provider for one machine, so that a console logs in here as it does anywhere.
//!
//! It knows no passwords: whoever reaches this machine's loopback may be anybody, as with the `token` command. It takes
//! the authorization code flow with PKCE (RFC 7636, S256) and nothing else, signs with ES256, and changes its key when it
//! is asked to, keeping the one before published.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Form, Query, State};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, StatusCode, Uri, header};
use huitou::clock::{Clock as _, SystemClock};
use huitou::transport::percent_encoded;
use huitou::trust::oidc::{RoleOf, Settings};
use huitou::trust::token::Role;
use huitou::values::{Actor, Moment};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

/// What tokens name as their audience.
const AUDIENCE: &str = "huitou";
/// The roles that somebody may have.
const ROLES: [Role; 4] = [Role::Guide, Role::Agent, Role::Operator, Role::Manager];
/// How long a code counts.
const CODE_LIFE: Duration = Duration::from_mins(1);
/// How long a token counts.
const TOKEN_LIFE: Duration = Duration::from_hours(1);
/// Codes that wait for their token; a loop that asks for more makes all of them void.
const MOST_CODES: usize = 1_000;

/// The settings of a host whose issuer stands under this address.
#[must_use]
pub fn settings(host: &str) -> Settings {
    let role = |role: Role| RoleOf { value: role.to_string(), role };
    Settings {
        issuer: format!("{host}/dev/oidc"),
        audience: AUDIENCE.to_owned(),
        roles_claim: "roles".to_owned(),
        name_claim: "sub".to_owned(),
        roles: ROLES.into_iter().rev().map(role).collect(),
    }
}

struct SigningKey {
    id: String,
    pair: EcdsaKeyPair,
}

/// A code that was given out, and what it may be changed for.
struct Grant {
    client: String,
    redirect_uri: String,
    challenge: String,
    nonce: Option<String>,
    name: String,
    role: Role,
    until: Moment,
}

#[derive(Default)]
struct Open {
    /// The newest first; one more is published than signs.
    keys: Vec<SigningKey>,
    codes: HashMap<String, Grant>,
}

/// The issuer. Clones are the same one.
#[derive(Clone)]
pub struct Issuer {
    url: Arc<str>,
    open: Arc<Mutex<Open>>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issuer({})", self.url)
    }
}

/// Randomness as text that stands in URLs.
fn random() -> Result<String, String> {
    let mut bytes = [0; 24];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "this machine has no randomness".to_owned())?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

impl SigningKey {
    fn new() -> Result<Self, String> {
        let (random_source, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let broken = |_| "no signing key could be made".to_owned();
        let pair = EcdsaKeyPair::generate_pkcs8(algorithm, &random_source).map_err(broken)?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pair.as_ref(), &random_source);
        Ok(Self { id: random()?, pair: pair.map_err(|error| error.to_string())? })
    }

    fn published(&self) -> Value {
        // An uncompressed point: a mark, and two coordinates of 32 bytes.
        let (x, y) =
            self.pair.public_key().as_ref().get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
        let part = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id, "x": part(x), "y": part(y) })
    }

    fn sign(&self, kind: &str, claims: &Value) -> Result<String, String> {
        let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", part(&json!({ "alg": "ES256", "typ": kind, "kid": self.id })), part(claims));
        let mac = self.pair.sign(&SystemRandom::new(), message.as_bytes()).map_err(|error| error.to_string())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.as_ref())))
    }
}

impl Issuer {
    /// The issuer of a host under this address, with a key of its own.
    pub fn new(host: &str) -> Result<Self, String> {
        let open = Open { keys: vec![SigningKey::new()?], codes: HashMap::new() };
        Ok(Self { url: settings(host).issuer.into(), open: Arc::new(Mutex::new(open)) })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The routes under `/dev/oidc`.
    pub fn router(self) -> Router {
        Router::new()
            .route("/dev/oidc/.well-known/openid-configuration", get(discovery))
            .route("/dev/oidc/jwks", get(jwks))
            .route("/dev/oidc/authorize", get(authorize))
            .route("/dev/oidc/token", post(token))
            .route("/dev/oidc/rotate", post(rotate))
            .with_state(self)
    }
}

async fn discovery(State(issuer): State<Issuer>) -> Json<Value> {
    let at = |place: &str| format!("{}/{place}", issuer.url);
    Json(json!({
        "issuer": &*issuer.url, "authorization_endpoint": at("authorize"), "token_endpoint": at("token"),
        "jwks_uri": at("jwks"), "response_types_supported": ["code"], "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"], "token_endpoint_auth_methods_supported": ["none"],
        "scopes_supported": ["openid"],
    }))
}

async fn jwks(State(issuer): State<Issuer>) -> Json<Value> {
    let keys: Vec<Value> = issuer.open().keys.iter().map(SigningKey::published).collect();
    Json(json!({ "keys": keys }))
}

/// A new key signs from now on; the one before stays published until the next change.
async fn rotate(State(issuer): State<Issuer>) -> Response {
    match SigningKey::new() {
        Ok(key) => {
            let mut open = issuer.open();
            open.keys.insert(0, key);
            open.keys.truncate(2);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(why) => refused(StatusCode::SERVICE_UNAVAILABLE, "server_error", &why),
    }
}

#[derive(Debug, Deserialize)]
struct Wish {
    response_type: String,
    client_id: String,
    redirect_uri: String,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    state: Option<String>,
    nonce: Option<String>,
    /// Who logs in, as `manager:wang`; a page asks when it is left out.
    login_hint: Option<String>,
}

/// Where a code may be sent: to this machine, so that no page elsewhere is handed one.
fn is_here(address: &str) -> bool {
    let uri: Option<Uri> = address.parse().ok();
    let host = uri.as_ref().and_then(Uri::host);
    matches!(host, Some("127.0.0.1" | "localhost" | "[::1]")) && !address.contains('#')
}

async fn authorize(State(issuer): State<Issuer>, Query(wish): Query<Wish>) -> Response {
    if !is_here(&wish.redirect_uri) {
        return refused(StatusCode::BAD_REQUEST, "invalid_request", "redirect_uri must lead to this machine");
    }
    let answered = |with: &[(&str, &str)]| {
        let sign = if wish.redirect_uri.contains('?') { '&' } else { '?' };
        let state = wish.state.iter().map(|state| ("state", state.as_str()));
        let query: Vec<String> = with
            .iter()
            .copied()
            .chain(state)
            .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
            .collect();
        Redirect::to(&format!("{}{sign}{}", wish.redirect_uri, query.join("&"))).into_response()
    };
    let challenge = wish.code_challenge.clone().filter(|_| wish.code_challenge_method.as_deref() == Some("S256"));
    let Some(challenge) = challenge.filter(|challenge| challenge.len() == 43) else {
        return answered(&[("error", "invalid_request"), ("error_description", "PKCE with S256 is needed")]);
    };
    if wish.response_type != "code" {
        return answered(&[("error", "unsupported_response_type")]);
    }
    let Some(hint) = &wish.login_hint else { return Html(PAGE).into_response() };
    let who = hint.split_once(':').and_then(|(role, name)| {
        let role = role.parse().ok().filter(|role| ROLES.contains(role))?;
        Actor::parse(name).ok().map(|name| (role, name.to_string()))
    });
    let (Some((role, name)), Ok(code)) = (who, random()) else {
        return answered(&[("error", "access_denied"), ("error_description", "login_hint must be role:name")]);
    };
    let grant = Grant {
        client: wish.client_id.clone(),
        redirect_uri: wish.redirect_uri.clone(),
        challenge,
        nonce: wish.nonce.clone(),
        name,
        role,
        until: SystemClock.wall().plus(CODE_LIFE),
    };
    {
        let mut open = issuer.open();
        let now = SystemClock.wall();
        open.codes.retain(|_, grant| grant.until > now);
        if open.codes.len() >= MOST_CODES {
            open.codes.clear();
        }
        open.codes.insert(code.clone(), grant);
    }
    answered(&[("code", &code)])
}

#[derive(Deserialize)]
struct Exchange {
    grant_type: String,
    code: String,
    redirect_uri: String,
    client_id: String,
    code_verifier: String,
}

async fn token(State(issuer): State<Issuer>, Form(asked): Form<Exchange>) -> Response {
    if asked.grant_type != "authorization_code" {
        return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type", "only authorization_code is taken");
    }
    // Taken out whatever comes: a code counts once, also for whoever guesses at its verifier.
    let grant = issuer.open().codes.remove(&asked.code);
    let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, asked.code_verifier.as_bytes()));
    let now = SystemClock.wall();
    let good = grant.filter(|grant| {
        (43..=128).contains(&asked.code_verifier.len())
            && bool::from(grant.challenge.as_bytes().ct_eq(hash.as_bytes()))
            && grant.client == asked.client_id
            && grant.redirect_uri == asked.redirect_uri
            && now < grant.until
    });
    let Some(grant) = good else {
        return refused(StatusCode::BAD_REQUEST, "invalid_grant", "the code does not count, or not with this verifier");
    };
    match issuer.tokens(&grant, now) {
        Ok(tokens) => ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(tokens)).into_response(),
        Err(why) => refused(StatusCode::SERVICE_UNAVAILABLE, "server_error", &why),
    }
}

impl Issuer {
    fn tokens(&self, grant: &Grant, now: Moment) -> Result<Value, String> {
        let expires = now.plus(TOKEN_LIFE).seconds();
        let open = self.open();
        let key = open.keys.first().ok_or_else(|| "there is no key".to_owned())?;
        let access = json!({
            "iss": &*self.url, "aud": AUDIENCE, "sub": grant.name, "client_id": grant.client,
            "roles": [grant.role], "iat": now.seconds(), "exp": expires, "jti": random()?,
        });
        let mut id = json!({
            "iss": &*self.url, "aud": grant.client, "sub": grant.name, "iat": now.seconds(), "exp": expires,
        });
        if let (Some(nonce), Some(id)) = (&grant.nonce, id.as_object_mut()) {
            id.insert("nonce".to_owned(), json!(nonce));
        }
        Ok(json!({
            "access_token": key.sign("at+jwt", &access)?, "id_token": key.sign("JWT", &id)?,
            "token_type": "Bearer", "expires_in": TOKEN_LIFE.as_secs(), "scope": "openid",
        }))
    }
}

/// An error as RFC 6749 writes it.
fn refused(status: StatusCode, error: &str, why: &str) -> Response {
    (status, Json(json!({ "error": error, "error_description": why }))).into_response()
}

/// Asks who logs in: four links that come back here with a `login_hint`.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><title>Development log-in</title>
<h1>Who are you?</h1><p>This machine asks nobody for a password.</p><ul id="roles"></ul>
<script>
for (const role of ["guide", "agent", "operator", "manager"]) {
  const link = document.createElement("a"), url = new URL(location.href);
  url.searchParams.set("login_hint", role + ":dev-" + role);
  link.href = url; link.textContent = role;
  document.getElementById("roles").appendChild(document.createElement("li")).appendChild(link);
}
</script>"#;
