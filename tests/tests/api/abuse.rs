//! What is tried too often: turned away with 429, for as long as it says, without standing in anybody else's way.

use huitou::domain::attempts::{Counted, LIMITS, LOG_INS, LOOK_UPS, Limit, PHONE_CODES, UPLOADS};
use huitou::manners::access::ACCESS;
use huitou::manners::{edge, gateway};
use huitou::values::Moment;
use serde_json::{Value, json};
use tests::{Answer, Call, House, Member, a_house};

/// A guess at what a route wants to be known by.
fn a_guess(house: &House, (method, path): (&str, &str)) -> Call {
    let call = |path: &str| house.call(method, path);
    match (method, path) {
        ("POST", "/v1/sessions") => call(path).json(&json!({ "provider": "wechat", "code": "of nobody" })),
        (_, "/r/{token}" | "/u/{token}") => call(&path.replace("{token}", "made-up")),
        ("POST", "/v1/surveys/{token}") => call("/v1/surveys/made-up").json(&json!({ "csat": 5 })),
        ("POST", "/v1/erasure-receipts") => call(path).json(&json!({ "signed_receipt": "made-up" })),
        ("POST", "/v1/receipts/{provider}/{secret}") => call("/v1/receipts/aliyun/made-up").json(&json!([])),
        (_, "/v1/wechat/push") => call(&format!("{path}?timestamp=1&nonce=2&signature=3&echostr=4&encrypt_type=aes"))
            .json(&json!({ "Encrypt": "made-up" })),
        _ => panic!("{method} {path} is limited, and nobody has said here what a guess at it looks like"),
    }
}

fn limits_of_refusals() -> impl Iterator<Item = &'static Limit> {
    LIMITS.iter().filter(|limit| matches!(limit.counted, Counted::Refusals(_)))
}

/// The seconds after which to try again.
fn wait(answer: &Answer) -> u64 {
    answer.header("retry-after").parse().unwrap()
}

/// It is so many seconds later.
async fn passes(house: &House, seconds: u64) {
    let _ = house.call("POST", "/dev/clock").json(&json!({ "advance_seconds": seconds })).send().await.expect(200);
}

#[test]
fn every_limited_route_exists() {
    for limit in &LIMITS {
        for route in limit.routes {
            assert!(ACCESS.iter().any(|(method, path, _)| (*method, *path) == *route), "{} {route:?}", limit.name);
        }
    }
}

// --- Guesses ----------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn guesses_are_answered_until_there_were_too_many_and_again_after_the_time_that_the_answer_names() {
    let house = a_house().await;
    for limit in limits_of_refusals() {
        // All routes of a limit count together.
        let guess = |n: u32| a_guess(&house, limit.routes[n as usize % limit.routes.len()]).send();
        let first = guess(0).await.problem();
        for n in 1..limit.most {
            let problem = guess(n).await.problem();
            assert_ne!(problem["code"], "too_many_attempts", "{} after {n}", limit.name);
        }
        let refused = guess(limit.most).await;
        refused.refuses(429, "too_many_attempts");
        let wait = wait(&refused);
        assert!((1..=limit.within.as_secs()).contains(&wait), "{} waits for {wait} s", limit.name);
        passes(&house, wait).await;
        let again = guess(0).await.problem();
        assert_eq!(again["code"], first["code"], "{} after {wait} s", limit.name);
    }
}

#[tokio::test]
async fn whoever_is_right_is_let_in_and_pays_nothing_however_many_guess_from_the_same_address() {
    let house = a_house().await;
    let before = house.logs_in("dev:anna", &json!({})).await;
    let _ = before.expect(201);
    let cheap = house.logs_in("dev:anna", &json!({})).await.cost();
    for _ in 0..=LOG_INS.most {
        let _ = house.logs_in("of nobody", &json!({})).await;
    }
    house.logs_in("of nobody", &json!({})).await.refuses(429, "too_many_attempts");
    let right = house.logs_in("dev:anna", &json!({})).await;
    let _ = right.expect(200);
    assert_eq!(right.cost(), cheap);
}

#[tokio::test]
async fn a_guess_costs_one_write_and_one_too_many_costs_nothing() {
    let house = a_house().await;
    let guess = || a_guess(&house, ("POST", "/v1/surveys/{token}")).send();
    let cost = guess().await.cost();
    assert_eq!((cost.calls, cost.write_units.to_string(), cost.read_units.to_string()), (1, "1".into(), "0".into()));
    loop {
        if guess().await.status == 429 {
            break;
        }
    }
    assert_eq!(guess().await.cost().calls, 0, "this process knows by now");
}

/// One event of API Gateway, from this address, to the function that answers there.
async fn from_address(house: &House, address: &str, headers: Value) -> (Value, Value) {
    let (_, routes) = local::wire::routes().into_iter().find(|(function, _)| *function == "Tickets").unwrap();
    let event = json!({
        "rawPath": "/v1/surveys/made-up", "headers": headers, "body": json!({ "csat": 5 }).to_string(),
        "requestContext": { "http": { "method": "POST", "sourceIp": address } },
    });
    let router = edge::service(&house.host.app, routes);
    let answer = gateway::answer(router, serde_json::from_value(event).unwrap()).await.unwrap();
    let answer = serde_json::to_value(answer).unwrap();
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    (body["code"].clone(), answer["headers"]["retry-after"].clone())
}

#[tokio::test]
async fn an_address_is_what_the_gateway_has_seen_and_no_header_and_a_network_of_ipv6_is_one() {
    let house = a_house().await;
    let json = json!({ "content-type": "application/json" });
    let guess = |address: &'static str| from_address(&house, address, json.clone());
    let most = limits_of_refusals().find(|limit| limit.name == "survey").unwrap().most;
    for n in 0..most {
        let claimed = format!("198.51.100.{n}");
        let headers = json!({ "content-type": "application/json", "x-forwarded-for": claimed, "x-real-ip": claimed });
        assert_eq!(from_address(&house, "203.0.113.9", headers).await.0, "survey_unknown", "{n}");
    }
    assert_eq!(guess("203.0.113.9").await.0, "too_many_attempts");
    assert_eq!(guess("203.0.113.10").await.0, "survey_unknown");
    for n in 0..most {
        let address = format!("2001:db8:1:2::{n:x}");
        assert_eq!(from_address(&house, &address, json.clone()).await.0, "survey_unknown", "{n}");
    }
    let (code, wait) = guess("2001:db8:1:2:ffff::1").await;
    assert_eq!(code, "too_many_attempts");
    assert!(wait.as_str().unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(guess("2001:db8:1:3::1").await.0, "survey_unknown");
}

#[tokio::test]
async fn counters_name_nobody_and_lapse_with_their_windows() {
    let house = a_house().await;
    let anna = house.signs_up("oUpF8uMuAJO", &json!({ "phone_code": "dev:13800138000" })).await;
    let _ = announces(&house, &anna).await;
    for route in limits_of_refusals().flat_map(|limit| limit.routes) {
        let _ = a_guess(&house, *route).send().await;
    }
    let scan = house.call("POST", "/dev/aws").header("x-amz-target", "DynamoDB_20120810.Scan");
    let asked = json!({ "TableName": "Attempts" }).to_string();
    let counters = scan.text("application/x-amz-json-1.0", asked).send().await.expect(200)["Items"].clone();
    let counters = counters.as_array().unwrap();
    assert_eq!(counters.len(), LIMITS.len() - 1, "one of each limit but of look-ups: {counters:?}");
    let a_day_later = Moment::parse("2026-03-03T10:00:00+08:00").unwrap().seconds();
    for counter in counters {
        let mut names: Vec<&String> = counter.as_object().unwrap().keys().collect();
        names.sort_unstable();
        assert_eq!(names, ["counter", "gone_at", "times"], "a keyed hash, and nothing else");
        let gone_at: i64 = counter["gone_at"]["N"].as_str().unwrap().parse().unwrap();
        assert!(gone_at <= a_day_later, "{counter}");
    }
}

// --- What was proved --------------------------------------------------------------------------------------------------

async fn announces(house: &House, member: &Member) -> Answer {
    let file = json!({ "type": "image/png", "bytes": 1_000 });
    house.as_member(member, "POST", "/v1/me/attachments").json(&file).send().await
}

async fn looks_up(house: &House, guide: &str, card: &str) -> Answer {
    house.as_guide(guide, "POST", "/v1/members/lookup").json(&json!({ "card": card })).send().await
}

#[tokio::test]
async fn a_person_has_so_many_phone_codes_a_day_by_log_in_and_profile_together() {
    let house = a_house().await;
    let code = json!({ "phone_code": "dev:13800138000" });
    let anna = house.signs_up("anna", &code).await;
    let bind = |member: &Member| house.as_member(member, "POST", "/v1/me/phone").json(&code).send();
    for n in 1..PHONE_CODES.most {
        let answer = if n % 2 == 0 { house.logs_in("dev:anna", &code).await } else { bind(&anna).await };
        let _ = answer.expect(200);
    }
    let refused = bind(&anna).await;
    refused.refuses(429, "too_many_attempts");
    house.logs_in("dev:anna", &code).await.refuses(429, "too_many_attempts");
    let _ = house.logs_in("dev:anna", &json!({})).await.expect(200);
    let _ = house.signs_up("bo", &json!({ "phone_code": "dev:13900139000" })).await;
    passes(&house, wait(&refused)).await;
    let anna = House::member_in(&house.logs_in("dev:anna", &json!({})).await.expect(200));
    let _ = bind(&anna).await.expect(200);
}

#[tokio::test]
async fn nobody_is_locked_out_by_somebody_who_only_says_to_be_them() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    // A code that WeChat doesn't know proves no openid, whatever else the body says.
    for _ in 0..PHONE_CODES.most {
        let _ = house.logs_in("anna", &json!({ "phone_code": "dev:13800138000" })).await.problem();
    }
    let code = json!({ "phone_code": "dev:13800138000" });
    let _ = house.as_member(&anna, "POST", "/v1/me/phone").json(&code).send().await.expect(200);
}

#[tokio::test]
async fn a_member_may_announce_so_many_files_a_day_and_what_was_no_announcement_counts_for_nothing() {
    let house = a_house().await;
    let (anna, bo) = (house.signs_up("anna", &json!({})).await, house.signs_up("bo", &json!({})).await);
    for _ in 0..UPLOADS.most {
        house.as_member(&anna, "POST", "/v1/me/attachments").json(&json!({})).send().await.refuses(400, "body_invalid");
    }
    for _ in 0..UPLOADS.most {
        let _ = announces(&house, &anna).await.expect(201);
    }
    let refused = announces(&house, &anna).await;
    refused.refuses(429, "too_many_attempts");
    assert_eq!(wait(&refused).div_ceil(3_600), 14, "until midnight");
    let _ = announces(&house, &bo).await.expect(201);
}

#[tokio::test]
async fn staff_look_up_so_many_an_hour_whether_they_find_anybody_or_not() {
    let house = a_house().await;
    let _ = house.a_member("00001").await;
    for n in 0..LOOK_UPS.most {
        let card = format!("{:05}", n % 2);
        let found = looks_up(&house, "li", &card).await;
        assert!(matches!(found.status, 200 | 404), "{}", found.problem());
    }
    let refused = looks_up(&house, "li", "00001").await;
    refused.refuses(429, "too_many_attempts");
    assert_eq!(refused.cost().calls, 1, "nothing is read for it");
    looks_up(&house, "wang", "00009").await.refuses(404, "not_found");
    passes(&house, wait(&refused)).await;
    assert_ne!(looks_up(&house, "li", "00001").await.status, 429);
}
