//! Staff who come with their provider's tokens: the console's log-in with PKCE, keys that change, and a provider that is
//! not ours.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tests::{Answer, Call, House, a_house};

const REDIRECT: &str = "http%3A%2F%2F127.0.0.1%3A5173%2Fcallback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

fn authorize(house: &House, hint: &str, more: &str) -> Call {
    let path = format!(
        "/dev/oidc/authorize?response_type=code&client_id=console&redirect_uri={REDIRECT}&state=s-1&scope=openid\
         &code_challenge={}&code_challenge_method=S256&login_hint={hint}{more}",
        challenge(VERIFIER)
    );
    house.call("GET", &path)
}

/// The code that the console is sent back with.
async fn a_code(house: &House, hint: &str) -> String {
    let answer = authorize(house, hint, "").send().await;
    assert_eq!(answer.status, 303, "{}", answer.json());
    let location = answer.header("location").to_owned();
    let (address, query) = location.split_once('?').unwrap();
    assert_eq!(address, "http://127.0.0.1:5173/callback");
    assert!(query.ends_with("&state=s-1"), "{query}");
    query.strip_prefix("code=").and_then(|rest| rest.split('&').next()).unwrap().to_owned()
}

async fn exchanges(house: &House, code: &str, verifier: &str) -> Answer {
    let form = format!(
        "grant_type=authorization_code&code={code}&redirect_uri={REDIRECT}&client_id=console&code_verifier={verifier}"
    );
    house.call("POST", "/dev/oidc/token").text("application/x-www-form-urlencoded", form).send().await
}

async fn logs_in(house: &House, hint: &str) -> Value {
    exchanges(house, &a_code(house, hint).await, VERIFIER).await.expect(200)
}

fn token(tokens: &Value) -> &str {
    tokens["access_token"].as_str().unwrap()
}

async fn calls(house: &House, token: &str, path: &str) -> Answer {
    house.call("GET", path).token(token).send().await
}

async fn rotates(house: &House) {
    assert_eq!(house.call("POST", "/dev/oidc/rotate").send().await.status, 204);
}

#[tokio::test]
async fn a_console_logs_in_with_pkce_and_acts_in_the_role_of_its_user() {
    let house = a_house().await;
    let described = house.call("GET", "/dev/oidc/.well-known/openid-configuration").send().await.expect(200);
    assert_eq!(described["code_challenge_methods_supported"], json!(["S256"]));
    for (role, desk) in [("guide", 403), ("agent", 200), ("operator", 403), ("manager", 200)] {
        let tokens = logs_in(&house, &format!("{role}:wang@hq")).await;
        assert_eq!(calls(&house, token(&tokens), "/v1/tickets").await.status, desk, "{role}");
        assert_eq!(calls(&house, token(&tokens), "/v1/me").await.status, 403, "{role}");
    }
    let trail = house.as_manager("GET", "/v1/audit").send().await.expect(200);
    let looked = trail["items"].as_array().unwrap().iter().find(|entry| entry["act"] == "looked").unwrap();
    assert_eq!(looked["by"], "agent:wang@hq");
}

#[tokio::test]
async fn a_code_counts_once_with_its_own_verifier_and_sends_nobody_elsewhere() {
    let house = a_house().await;
    let code = a_code(&house, "agent:li").await;
    let _ = exchanges(&house, &code, VERIFIER).await.expect(200);
    assert_eq!(exchanges(&house, &code, VERIFIER).await.expect(400)["error"], "invalid_grant");
    let code = a_code(&house, "agent:li").await;
    let other = "a".repeat(43);
    assert_eq!(exchanges(&house, &code, &other).await.expect(400)["error"], "invalid_grant");
    // It was guessed at, so it is gone.
    assert_eq!(exchanges(&house, &code, VERIFIER).await.expect(400)["error"], "invalid_grant");

    let path = format!("/dev/oidc/authorize?response_type=code&client_id=console&redirect_uri={REDIRECT}");
    let without = house.call("GET", &path).send().await;
    assert!(without.header("location").contains("error=invalid_request"), "{}", without.header("location"));
    let elsewhere = authorize(&house, "agent:li", "")
        .redirected("/dev/oidc/authorize?response_type=code&client_id=c&redirect_uri=https%3A%2F%2Fevil.example.com");
    assert_eq!(elsewhere.send().await.expect(400)["error"], "invalid_request");
    for nobody in ["member:anna", "system:till", "wang", "manager:%20"] {
        let answer = authorize(&house, nobody, "").send().await;
        assert!(answer.header("location").contains("error=access_denied"), "{nobody}");
    }
}

#[tokio::test]
async fn keys_change_without_sending_anybody_away_until_they_are_withdrawn() {
    let house = a_house().await;
    let first = logs_in(&house, "manager:wang").await;
    assert_eq!(calls(&house, token(&first), "/v1/segments").await.status, 200);
    rotates(&house).await;
    let second = logs_in(&house, "manager:wang").await;
    for tokens in [&second, &first] {
        assert_eq!(calls(&house, token(tokens), "/v1/segments").await.status, 200);
    }
    rotates(&house).await;
    let third = logs_in(&house, "manager:wang").await;
    assert_eq!(calls(&house, token(&third), "/v1/segments").await.status, 200);
    calls(&house, token(&first), "/v1/segments").await.refuses(401, "token_invalid");
}

#[tokio::test]
async fn an_id_token_and_a_bent_token_open_nothing() {
    let house = a_house().await;
    let tokens = logs_in(&house, "manager:wang").await;
    calls(&house, tokens["id_token"].as_str().unwrap(), "/v1/segments").await.refuses(401, "token_invalid");
    let good = token(&tokens);
    let (message, mac) = good.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let raised = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap().replace("wang", "chen");
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"x"}"#);
    for bent in [
        format!("{header}.{}.{mac}", URL_SAFE_NO_PAD.encode(raised)),
        format!("{none}.{payload}."),
        format!("{message}."),
        format!("{message}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
    ] {
        calls(&house, &bent, "/v1/segments").await.refuses(401, "token_invalid");
    }
    let checked = calls(&house, good, "/v1/privacy-policy").await;
    assert_eq!((checked.status, checked.cost().calls), (200, 1), "a token costs no table call");
}

/// Needs `tests/judges/oidc-provider.sh`, which starts a provider that is not ours and names it to the host.
#[tokio::test]
#[ignore = "needs a provider: tests/judges/oidc-provider.sh"]
async fn a_provider_that_is_not_ours_is_believed_before_and_after_it_changes_its_keys() {
    let said: Value = serde_json::from_str(&std::env::var("STAFF_IDENTITY").unwrap()).unwrap();
    let provider: http::Uri = said["issuer"].as_str().unwrap().parse().unwrap();
    let address = provider.authority().unwrap().as_str().parse().unwrap();
    let house = a_house().await;
    let log_in = |account: &'static str| async move {
        // The judge's own page walks through the provider's log-in as a browser would, and answers the tokens.
        Call::new(address, "POST", &format!("/judge/login?account={account}")).send().await.expect(200)
    };
    for round in ["before", "after"] {
        let (manager, agent, nobody) = (log_in("manager").await, log_in("agent").await, log_in("nobody").await);
        assert_eq!(calls(&house, token(&manager), "/v1/audit").await.status, 200, "{round}");
        assert_eq!(calls(&house, token(&agent), "/v1/tickets").await.status, 200, "{round}");
        calls(&house, token(&agent), "/v1/audit").await.refuses(403, "role_not_allowed");
        calls(&house, token(&nobody), "/v1/tickets").await.refuses(401, "token_invalid");
        calls(&house, manager["id_token"].as_str().unwrap(), "/v1/audit").await.refuses(401, "token_invalid");
        let _ = Call::new(address, "POST", "/judge/rotate").send().await.expect(200);
    }
}
