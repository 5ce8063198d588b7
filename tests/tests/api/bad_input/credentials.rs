//! Tokens, signatures and codes that do not count.

use std::time::Duration;

use huitou::clock::Clock as _;
use huitou::manners::access::{ACCESS, Allowed};
use huitou::trust::signature::{KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use huitou::trust::token::{Claims, Role};
use serde_json::json;
use tests::{a_house, order};

use super::{a_scene, state};

#[tokio::test]
async fn a_token_that_is_not_ours_or_not_valid_is_refused() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    let (house, anna, _) = a_scene().await;
    let before = state(&house, &anna).await;
    let other_house = a_house().await;
    let tokens = &house.host.app.parts().tokens;
    let now = house.host.clock.wall();
    let manager =
        |issued, expires| Claims { role: Role::Manager, subject: "wang".to_owned(), sessions: 0, issued, expires };
    let long_ago = huitou::values::Moment::from_millis(now.millis() - 86_400_000).unwrap();
    let expired = tokens.issue(&manager(long_ago, long_ago.plus(Duration::from_hours(1))));
    let not_yet = tokens.issue(&manager(now.plus(Duration::from_hours(1)), now.plus(Duration::from_hours(2))));
    let good = house.token("manager", None);
    let parts: Vec<&str> = good.split('.').collect();
    let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    let member = house.token("member", Some(&anna.id));
    let promoted = {
        let parts: Vec<&str> = member.split('.').collect();
        let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        let payload = payload.replace("\"role\":\"member\"", "\"role\":\"manager\"");
        format!("{}.{}.{}", parts[0], encoded(&payload), parts[2])
    };
    let bad = [
        expired,
        not_yet,
        other_house.token("manager", None),
        promoted,
        format!("{}.{}.{}", encoded(r#"{"alg":"none","typ":"JWT"}"#), parts[1], parts[2]),
        format!("{}.{}.", encoded(r#"{"alg":"none"}"#), parts[1]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}.{}.{}", parts[0], encoded(&payload.replace("manager", "system")), parts[2]),
        format!("{good}x"),
        good[..good.len() - 1].to_owned(),
        "garbage".to_owned(),
        "a.b.c".to_owned(),
        "a".repeat(8_000),
        String::new(),
        "名".to_owned(),
    ];
    for token in bad {
        let answer = house.call("GET", "/v1/program").token(&token).send().await;
        let problem = answer.problem();
        assert_eq!(answer.status, 401, "{token}");
        assert!(matches!(problem["code"].as_str(), Some("token_invalid" | "token_missing")), "{problem}");
        let adjust = house.call("POST", "/v1/points/adjustments").token(&token).key(&house.a_key());
        let body = json!({ "member_id": anna.id, "points": 1, "reason": "补偿" });
        assert_eq!(adjust.json(&body).send().await.problem()["status"], 401, "{token}");
    }
    for header in [good.clone(), format!("Basic {good}"), format!("Token {good}"), "Bearer".to_owned()] {
        let call = house.call("GET", "/v1/program").header("authorization", &header);
        call.send().await.refuses(401, "token_missing");
    }
    house.call("GET", "/v1/program").token(&member).send().await.refuses(403, "role_not_allowed");
    let _ = house.call("GET", "/v1/program").token(&good).send().await.expect(200);
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn a_signature_holds_for_one_request_at_one_time() {
    let (house, anna, _) = a_scene().await;
    let secret = house.till_secret();
    let now = house.host.clock.wall().seconds();
    let paid_at = house.now();
    let body = |n: u32| json!({ "orders": [order(&format!("S-{n}"), &json!({ "card": "00001" }), &paid_at, 1_00)] });
    let unsigned = |n: u32| house.call("POST", "/v1/orders").json(&body(n));
    let before = state(&house, &anna).await;
    let refused = [
        ("too old", unsigned(1).signed("dev-till", &secret, now - 400)),
        ("from the future", unsigned(1).signed("dev-till", &secret, now + 400)),
        ("of an unknown key", unsigned(1).signed("dev-shop", &secret, now)),
        ("by another secret", unsigned(1).signed("dev-till", &"x".repeat(44), now)),
        ("over another body", unsigned(1).signed("dev-till", &secret, now).changed(body(2).to_string())),
        ("for another path", unsigned(1).signed("dev-till", &secret, now).redirected("/v1/orders?x=1")),
        ("for another route", unsigned(1).signed("dev-till", &secret, now).redirected("/v1/events")),
        ("without a key", unsigned(1).header(TIMESTAMP_HEADER, &now.to_string()).header(SIGNATURE_HEADER, "v1=00")),
        ("without a signature", unsigned(1).header(KEY_HEADER, "dev-till")),
        ("beside a good token", unsigned(1).token(&house.token("system", None)).signed("dev-till", &secret, now - 400)),
        ("given twice", unsigned(1).signed("dev-till", &secret, now).header(KEY_HEADER, "dev-till")),
    ];
    for (what, call) in refused {
        let answer = call.send().await;
        assert_eq!(answer.problem()["code"], "signature_invalid", "{what}");
        assert_eq!(answer.status, 401, "{what}");
    }
    assert_eq!(state(&house, &anna).await, before);

    let right = unsigned(3).signed("dev-till", &secret, now);
    assert_eq!(right.clone().send().await.expect(200)["results"][0]["status"], "created");
    let once = state(&house, &anna).await;
    for _ in 0..3 {
        right.clone().send().await.refuses(401, "signature_replayed");
    }
    assert_eq!(state(&house, &anna).await, once);
    let again = unsigned(3).signed("dev-till", &secret, now - 1).send().await;
    let result = again.expect(200)["results"][0].clone();
    assert_eq!(result["status"], "replayed", "the content may come again, signed anew: {result}");
    assert_eq!(state(&house, &anna).await, once);
}

#[tokio::test]
async fn a_signature_is_for_systems_only() {
    let (house, anna, _) = a_scene().await;
    for (method, path, allowed) in ACCESS {
        if *allowed != Allowed::Anybody && !allowed.admits(Role::System) {
            let answer = house.signs(house.call(method, &path.replace("{id}", &anna.id))).send().await;
            answer.refuses(403, "role_not_allowed");
            assert_eq!(answer.cost().calls, 0, "{}: what is refused is not noted", answer.asked);
        }
    }
}

#[tokio::test]
async fn a_code_that_wechat_does_not_know_lets_nobody_in() {
    let house = a_house().await;
    let long = "c".repeat(5_000);
    for code in ["", " ", "unknown", "名", "a\u{0}b", "../../x", &long] {
        let answer = house.call("POST", "/v1/sessions").json(&json!({ "provider": "wechat", "code": code }));
        assert!((400..500).contains(&answer.send().await.problem()["status"].as_u64().unwrap()), "{code:?}");
    }
}
