//! Tokens under keys of tests.

use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use super::*;

/// The public half of an RSA key of 2048 bits that OpenSSL made; the other half is gone.
const RSA: &str = "sFGLRp0U9aDTLAn1Juzo_6Z4TfLWyJLLhb5oRz2ZX6oxe0oZezqpI_jmUvzj_St3aFb-0jx1XQqs1U8GiO7xPC8IGrpB4mV0TpYQmmUcx_FTE8xek5FHM0KR14HAJieGXDUdbmKYkCtqHVLrkMeasGl2SHzoj7Ocn_fQaAQHGWtDI0D3t0V4Gv6A5-Rya4zs0TKcED6RFMCQF9z2W5hSinUpSw_5J3PqJ4oKIzgT_x6B6wKDVcB6H5mizFmpCjybGPPea8zcfTLBmZv5fVbbFyFuS7YUOcJpoNE6kBdecvj0Kn3oZekomePXHorVIPGGGAeS0ZYowUS9IVd18LQtRw";
/// What OpenSSL signed with it by RSASSA-PKCS1-v1_5, and by RSASSA-PSS.
const BY_OPENSSL: [&str; 2] = [
    "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6InJzYSJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tIiwiYXVkIjoiaHVpdG91Iiwic3ViIjoid2FuZ0BocSIsInJvbGVzIjpbImhxLW1hbmFnZXIiXSwiaWF0IjoxOTAwMDAwMDAwLCJleHAiOjE5MDAwMDM2MDB9.Xe0_UjZJVsPlvvoYYRyWiFGrTAy4gZSW3o7X4h_VLcBFdPy30YN8vtN91W0IgcczjGusQU1lXhRi0nFgpr6XxgMthbouumIIgmzm_8vIMWnEjxfEVN6NaYjF0uJCjLJ428TnzbfVuOo7BkTtp3nsRbZgrS-SI4i_6LfW0_L9nPOHNxRlqqPmGYj8iO0j8Hnlnx8u95OnPH6xsUtmvKLJJmvlUdTfn5pCeZFa7-Qq7BEWuzqj_0eVH4jNdQcHjXPdr2JlPINjvsKwoCLQEIBRMMDBMrGNgPIwvo2R0pnW3yKb6BLEWLWDw9aPPgRytiHtU9T7vyw1DOVgre2Nuv_ZGQ",
    "eyJhbGciOiJQUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6InJzYSJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tIiwiYXVkIjoiaHVpdG91Iiwic3ViIjoid2FuZ0BocSIsInJvbGVzIjpbImhxLW1hbmFnZXIiXSwiaWF0IjoxOTAwMDAwMDAwLCJleHAiOjE5MDAwMDM2MDB9.ZtZituKDDpu7zBMxDidBLG39RZ8xnzffth5bMXSPUIEFOyCRsuic6XxBkDddHAyeP95b2mhsbeaVWsNTfVgt-XCB4LGU5TTcUTjl9Nz26iVzfhlnzdixgKBF3YfWN58yxguZC47trkhHf_esGNcSPvyYmICvj-CKBGLN0sH_YVo3rIDyfR25Unp2Xypzl1tOPKarD8fj_1d8E73mAcDjcYp9m8mWhdlkNz41RHATlSFJ4G2IsZa6L7xXpvRQr8Dy1vW42_DclW9W3XVdT3ZRc8cqImOkWI4LCZPpJB0m6ptig8VyghQZLjPDhGfHubRpqkZat8n7sGV679h0U7Y-1g",
];

pub(crate) fn at(seconds: i64) -> Moment {
    Moment::from_millis((1_900_000_000 + seconds) * 1000).unwrap()
}

pub(crate) fn settings() -> Settings {
    let text = json!({
        "issuer": "https://id.example.com", "audience": "huitou",
        "roles": [{ "value": "hq-manager", "role": "manager" }, { "value": "desk", "role": "agent" }],
    });
    Settings::read(&text.to_string()).unwrap().unwrap()
}

/// Somebody with a key.
pub(crate) struct Signer {
    id: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    pub(crate) fn new(id: &str) -> Self {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let pair = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        Self { id: id.to_owned(), pair: EcdsaKeyPair::from_pkcs8(algorithm, pair.as_ref(), &random).unwrap() }
    }

    pub(crate) fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let part = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        json!({ "kty": "EC", "crv": "P-256", "kid": self.id, "use": "sig", "x": part(&point[1..33]), "y": part(&point[33..]) })
    }

    fn keys(&self) -> KeySet {
        KeySet::read(json!({ "keys": [self.jwk()] }).to_string().as_bytes()).unwrap()
    }

    pub(crate) fn signs(&self, header: &Value, payload: &Value) -> String {
        let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let message = format!("{}.{}", part(header), part(payload));
        let mac = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.as_ref()))
    }

    /// A manager's token, with some of its claims otherwise; null takes one away.
    pub(crate) fn token(&self, otherwise: &Value) -> String {
        let mut claims = json!({ "iss": "https://id.example.com", "aud": ["huitou", "other"], "sub": "wang@hq",
            "roles": ["staff", "hq-manager"], "iat": 1_900_000_000, "exp": 1_900_003_600 });
        for (name, value) in otherwise.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let claims = claims.as_object().unwrap().clone().into_iter().filter(|(_, value)| !value.is_null());
        self.signs(&json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.id }), &Value::Object(claims.collect()))
    }

    fn check(&self, token: &str, now: Moment) -> Result<Claims, StaffTokenError> {
        Presented::read(token)?.check(&self.keys(), &settings(), now)
    }
}

#[test]
fn a_token_says_who_is_calling_and_in_which_role() {
    let signer = Signer::new("k1");
    let claims = signer.check(&signer.token(&json!({})), at(10)).unwrap();
    assert_eq!((claims.role, claims.subject.as_str()), (Role::Manager, "wang@hq"));
    assert_eq!((claims.issued, claims.expires, claims.sessions), (at(0), at(3_600), 0));
}

#[test]
fn what_openssl_signed_with_rsa_is_taken_by_both_paddings() {
    let keys = json!({ "keys": [{ "kty": "RSA", "kid": "rsa", "n": RSA, "e": "AQAB" }] }).to_string();
    let keys = KeySet::read(keys.as_bytes()).unwrap();
    for token in BY_OPENSSL {
        let presented = Presented::read(token).unwrap();
        assert_eq!(presented.check(&keys, &settings(), at(10)).unwrap().role, Role::Manager);
        let (message, mac) = token.rsplit_once('.').unwrap();
        let changed = format!("{message}.{}A", &mac[..mac.len() - 2]);
        let changed = Presented::read(&changed).map(|presented| presented.check(&keys, &settings(), at(10)));
        assert!(!matches!(changed, Ok(Ok(_))));
    }
    // A key that is for one algorithm is for no other.
    let only = json!({ "keys": [{ "kty": "RSA", "kid": "rsa", "alg": "PS256", "n": RSA, "e": "AQAB" }] }).to_string();
    let only = KeySet::read(only.as_bytes()).unwrap();
    let checked = BY_OPENSSL.map(|token| Presented::read(token).unwrap().check(&only, &settings(), at(10)).is_ok());
    assert_eq!(checked, [false, true]);
}

#[test]
fn claims_that_do_not_fit_are_refused() {
    use StaffTokenError::*;
    let signer = Signer::new("k1");
    for (otherwise, error) in [
        (json!({ "iss": "https://id.example.com/" }), WrongIssuer),
        (json!({ "iss": null }), WrongIssuer),
        (json!({ "aud": "console" }), WrongAudience),
        (json!({ "aud": null }), WrongAudience),
        (json!({ "exp": null }), Malformed),
        (json!({ "exp": "1900003600" }), Malformed),
        (json!({ "nbf": "soon" }), Malformed),
        (json!({ "exp": 1_899_999_940 }), Expired),
        (json!({ "iat": 1_900_000_100 }), NotYet),
        (json!({ "nbf": 1_900_000_100 }), NotYet),
        (json!({ "roles": ["staff"] }), NoRole),
        (json!({ "roles": null }), NoRole),
        (json!({ "sub": "auth0|5f7c" }), NoName),
        (json!({ "sub": "" }), NoName),
        (json!({ "sub": 7 }), NoName),
    ] {
        assert_eq!(signer.check(&signer.token(&otherwise), at(0)), Err(error), "{otherwise}");
    }
}

#[test]
fn a_minute_is_allowed_between_the_clocks() {
    let signer = Signer::new("k1");
    let token = signer.token(&json!({ "nbf": 1_900_000_000 }));
    for (seconds, taken) in [(-61, false), (-60, true), (3_659, true), (3_660, false)] {
        assert_eq!(signer.check(&token, at(seconds)).is_ok(), taken, "{seconds}");
    }
}

#[test]
fn no_header_lets_a_token_pass_that_the_provider_did_not_sign() {
    let signer = Signer::new("k1");
    let good = signer.token(&json!({}));
    let payload: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(good.split('.').nth(1).unwrap()).unwrap()).unwrap();
    for header in [
        json!({ "alg": "none", "kid": "k1" }),
        json!({ "alg": "HS256", "kid": "k1" }),
        json!({ "alg": "es256", "kid": "k1" }),
        json!({ "alg": "RS256", "kid": "k1" }),
        json!({ "alg": "EdDSA", "kid": "k1" }),
        json!({ "alg": ["ES256"], "kid": "k1" }),
        json!({ "alg": "ES256", "kid": "k2" }),
        json!({ "alg": "ES256" }),
        json!({ "alg": "ES256", "kid": "k1", "crit": ["exp"] }),
        json!({ "alg": "ES256", "kid": "k1", "typ": "logout+jwt" }),
    ] {
        assert!(signer.check(&signer.signs(&header, &payload), at(0)).is_err(), "{header}");
    }
    // A MAC under the letters of the public key, as somebody would who hopes that keys and secrets are one.
    let secret = signer.jwk()["x"].as_str().unwrap().to_owned();
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", part(&json!({ "alg": "HS256", "kid": "k1" })), part(&payload));
    let mac = URL_SAFE_NO_PAD.encode(crate::digest::hmac(secret.as_bytes(), &[message.as_bytes()]));
    assert_eq!(signer.check(&format!("{message}.{mac}"), at(0)), Err(StaffTokenError::Algorithm));
    let stranger = Signer::new("k1");
    assert_eq!(signer.check(&stranger.token(&json!({})), at(0)), Err(StaffTokenError::BadSignature));
}

#[test]
fn roles_are_found_by_name_by_way_and_by_the_order_of_the_settings() {
    let read = |claim: &str, claims: &Value| {
        let settings = Settings { roles_claim: claim.to_owned(), ..settings() };
        let mut all = json!({ "iss": "https://id.example.com", "aud": "huitou", "sub": "li", "exp": 1_900_003_600 });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        read_claims(all.as_object().unwrap(), &settings, at(0)).map(|claims| claims.role)
    };
    assert_eq!(read("roles", &json!({ "roles": "desk" })), Ok(Role::Agent));
    assert_eq!(read("roles", &json!({ "roles": ["desk", "hq-manager"] })), Ok(Role::Manager));
    assert_eq!(read("realm_access.roles", &json!({ "realm_access": { "roles": ["desk"] } })), Ok(Role::Agent));
    assert_eq!(read("https://b.cn/roles", &json!({ "https://b.cn/roles": ["desk"] })), Ok(Role::Agent));
    assert_eq!(read("roles", &json!({ "roles": { "desk": true } })), Err(StaffTokenError::NoRole));
}

#[test]
fn settings_name_staff_only_and_everything_that_is_needed() {
    assert_eq!(Settings::read(""), Ok(None));
    assert_eq!(Settings::read(" {} "), Ok(None));
    let base = json!({ "issuer": "https://id.example.com", "audience": "huitou", "roles": [{ "value": "a", "role": "agent" }] });
    assert!(Settings::read(&base.to_string()).unwrap().is_some());
    for (name, value) in [
        ("issuer", json!("")),
        ("audience", Value::Null),
        ("roles", json!([])),
        ("roles", json!([{ "value": "a", "role": "system" }])),
        ("roles", json!([{ "value": "a", "role": "member" }])),
        ("secret", json!("x")),
    ] {
        let mut settings = base.clone();
        settings[name] = value;
        assert!(Settings::read(&settings.to_string()).is_err(), "{settings}");
    }
}

#[test]
fn keys_that_are_no_use_are_left_out() {
    let signer = Signer::new("good");
    let mut other = signer.jwk();
    (other["use"], other["kid"]) = (json!("enc"), json!("for-encryption"));
    let oct = json!({ "kty": "oct", "kid": "secret", "k": "c2VjcmV0" });
    let (mut unknown, mut damaged) = (signer.jwk(), signer.jwk());
    (unknown["alg"], unknown["kid"]) = (json!("ES512"), json!("unknown-algorithm"));
    (damaged["x"], damaged["kid"]) = (json!(7), json!("damaged"));
    let of_another_curve = json!({ "kty": "EC", "crv": "P-384", "kid": "other", "x": "AA", "y": "AA" });
    let keys = json!({ "keys": [oct, other, of_another_curve, unknown, damaged, {}, 7, signer.jwk()] });
    let keys = KeySet::read(keys.to_string().as_bytes()).unwrap();
    assert!(keys.has("good"));
    for id in ["secret", "for-encryption", "other", "unknown-algorithm", "damaged"] {
        assert!(!keys.has(id), "{id}");
    }
    assert!(KeySet::read(b"[]").is_err());
}

proptest! {
    #[test]
    fn no_text_is_taken_and_none_breaks_the_reader(text in ".{0,80}", place in 0_usize..200) {
        prop_assert!(Presented::read(&text).is_err());
        let token = BY_OPENSSL[0];
        let cut: String = token.chars().take(place).collect();
        prop_assert!(Presented::read(&cut).map_or(true, |p| p.check(&KeySet::default(), &settings(), at(0)).is_err()));
    }
}
