//! Whatever a client may send: a no that helps, and nothing changed.
#![cfg(test)]

use std::collections::BTreeSet;
use std::time::Duration;

use huitou::clock::Clock as _;
use huitou::trust::signature::{KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use huitou::trust::token::{Claims, Role};
use serde_json::{Map, Value, json};
use tests::{Answer, Call, House, Member, a_house, assert_problem, order};

/// A route that takes a body, with a body that it would accept.
struct Route {
    method: &'static str,
    path: String,
    token: String,
    tag: Option<String>,
    good: Value,
    /// The same with every object that may stand in it.
    full: Value,
    /// Fields that may be left out.
    optional: &'static [&'static str],
    /// Fields of whole numbers.
    numbers: &'static [&'static str],
    /// Numbers for which zero is a number like any other.
    zero: &'static [&'static str],
    /// The name of the list, when each of a batch stands for itself.
    batch: Option<&'static str>,
}

impl Route {
    fn call(&self, house: &House) -> Call {
        let call = house.call(self.method, &self.path).token(&self.token).key(&house.a_key());
        match &self.tag {
            Some(tag) => call.header("if-match", tag),
            None => call,
        }
    }

    /// Sends the body, inside a batch of one where it belongs there.
    async fn send(&self, house: &House, body: &str) -> Answer {
        let body = self.batch.map_or_else(|| body.to_owned(), |list| format!("{{\"{list}\":[{body}]}}"));
        self.call(house).text("application/json", body).send().await
    }

    /// The answer must be a no, of the whole request or of the one part of the batch; says which.
    fn assert_refused(&self, answer: &Answer, what: &str) -> Value {
        let place = format!("{what} at {}: {} {}", answer.asked, answer.status, String::from_utf8_lossy(&answer.text));
        let problem = if self.batch.is_some() && answer.status == 200 {
            let result = answer.json()["results"][0].clone();
            result.get("problem").or(result.get("rejected")).cloned().unwrap_or_else(|| panic!("{place}"))
        } else {
            assert!((400..500).contains(&answer.status), "{place}");
            answer.problem()
        };
        assert_problem(&problem, &place);
        assert!(matches!(problem["status"].as_u64(), Some(400 | 422)), "{place}");
        problem
    }

    /// Whether it is the one that is described by this method and path.
    fn is_described_as(&self, method: &str, path: &str) -> bool {
        let alike = |(described, own): (&str, &str)| described == own || described.starts_with('{');
        self.method == method
            && self.path.split('/').count() == path.split('/').count()
            && path.split('/').zip(self.path.split('/')).all(alike)
    }
}

#[expect(clippy::too_many_lines, reason = "one entry per route")]
fn routes(house: &House, anna: &Member, sale: &Value, hold: &Value, program: (Value, String)) -> Vec<Route> {
    let route = |role: &str, method: &'static str, path: &str, good: Value| Route {
        method,
        path: path.to_owned(),
        token: house.token(role, (role == "member").then_some(anna.id.as_str())),
        tag: None,
        full: good.clone(),
        good,
        optional: &[],
        numbers: &[],
        zero: &[],
        batch: None,
    };
    let customer = json!({ "member_id": anna.id });
    let mut paid = order("BAD-1", &customer, &house.now(), 10_00);
    paid["lines"] = json!([{ "sku": "TEE", "quantity": 1, "amount": 10_00 }]);
    let event = json!({ "source": "shop", "id": "E-1", "event": "review", "about": "TEE", "at": house.now(),
        "customer": customer });
    vec![
        Route {
            optional: &["lines"],
            numbers: &["amount"],
            zero: &["amount"],
            batch: Some("orders"),
            ..route("system", "POST", "/v1/orders", paid)
        },
        Route {
            numbers: &["amount"],
            ..route(
                "system",
                "POST",
                &format!("/v1/orders/{}/refunds", sale["id"].as_str().unwrap()),
                json!({ "source": "pos-1", "id": "R-bad", "amount": 1_00 }),
            )
        },
        Route { optional: &["about"], batch: Some("events"), ..route("system", "POST", "/v1/events", event) },
        Route {
            numbers: &["points", "minutes"],
            optional: &["minutes"],
            ..route("system", "POST", "/v1/points/holds", json!({ "member_id": anna.id, "points": 1, "minutes": 5 }))
        },
        Route {
            numbers: &["points"],
            optional: &["points"],
            ..route(
                "system",
                "POST",
                &format!("/v1/points/holds/{}/capture", hold["id"].as_str().unwrap()),
                json!({ "points": 1 }),
            )
        },
        Route {
            ..route(
                "manager",
                "POST",
                "/v1/points/adjustments",
                json!({ "member_id": anna.id, "points": 1, "reason": "补偿" }),
            )
        },
        Route {
            numbers: &["quantity"],
            optional: &["quantity"],
            ..route("member", "POST", "/v1/me/points/redemptions", json!({ "reward": "cash-10", "quantity": 1 }))
        },
        Route {
            numbers: &["points"],
            ..route("member", "POST", "/v1/me/points/donations", json!({ "cause": "library", "points": 1 }))
        },
        Route {
            tag: Some(program.1),
            full: with_every_setting(&program.0),
            numbers: &["hold_minutes", "welcome"],
            zero: &["welcome"],
            optional: &["currency", "actions", "welcome", "rewards", "causes"],
            ..route("manager", "PUT", "/v1/program", program.0)
        },
        route("manager", "POST", "/v1/segments/recompute", json!({ "mode": "due" })),
        Route {
            optional: &["name", "city", "birthday", "gender"],
            ..route("member", "PUT", "/v1/me", json!({ "name": "安娜", "city": "上海", "birthday": "1990-01-31" }))
        },
        route("member", "POST", "/v1/me/phone", json!({ "phone_code": "dev:13800138000" })),
        Route {
            optional: &["phone_code", "source"],
            full: json!({ "provider": "wechat", "code": "dev:bad", "source": { "channel": "store_qr" } }),
            ..route("member", "POST", "/v1/sessions", json!({ "provider": "wechat", "code": "dev:bad" }))
        },
        Route {
            optional: &["phone", "openid"],
            ..route("manager", "POST", "/v1/members/lookup", json!({ "card": anna.card }))
        },
        Route {
            optional: &["add", "remove"],
            ..route("manager", "POST", &format!("/v1/members/{}/tags", anna.id), json!({ "add": ["素色"] }))
        },
        route("manager", "POST", &format!("/v1/members/{}/notes", anna.id), json!({ "text": "试穿未购" })),
        Route {
            optional: &["preview"],
            ..route(
                "manager",
                "POST",
                &format!("/v1/members/{}/merges", anna.id),
                json!({ "other": format!("m{}", "0".repeat(26)), "reason": "同一人" }),
            )
        },
    ]
}

/// Settings with everything that the shipped ones leave out.
fn with_every_setting(program: &Value) -> Value {
    let mut program = program.clone();
    program["earning"]["rules"] = json!([{ "id": "toys", "percent": 300 }]);
    program["earning"]["cap"] = json!({ "per": "day", "points": 5_000 });
    program
}

/// A house, somebody in it, and all routes that take a body.
async fn a_scene() -> (House, Member, Vec<Route>) {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 5_000).await;
    let sale = house.buys(&anna, 100_00).await;
    let hold = house.holds(&anna, 100, 30).await.expect(201);
    let program = house.program().await;
    let routes = routes(&house, &anna, &sale, &hold, program);
    (house, anna, routes)
}

/// Everything of a member and of the settings that a request could change.
async fn state(house: &House, member: &Member) -> Value {
    json!({
        "points": house.points(member).await,
        "proof": house.proof(member).await,
        "profile": house.as_member(member, "GET", "/v1/me").send().await.expect(200),
        "picture": house.as_manager("GET", &format!("/v1/members/{}", member.id)).send().await.expect(200),
        "program": house.program().await.0,
    })
}

// --- Bodies ---------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_body_that_is_no_json_is_refused() {
    let (house, anna, routes) = a_scene().await;
    let before = state(&house, &anna).await;
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let unclosed = "[".repeat(100_000);
    let deep_inside = format!("{{\"extra\":{deep}}}");
    for route in &routes {
        for body in
            ["", " ", "null", "true", "1", "\"text\"", "[]", "{", "{}}", "{\"a\":}", "{'a':1}", "NaN", "\u{feff}{}"]
        {
            let answer = route.call(&house).text("application/json", body.to_owned()).send().await;
            assert_eq!(answer.problem()["status"], 400, "{body:?} at {}", answer.asked);
        }
        let broken: &[u8] = b"{\"source\":\"\xff\xfe\"}";
        let answer = route.call(&house).text("application/json", broken).send().await;
        assert_eq!(answer.problem()["status"], 400, "{}", answer.asked);
        for body in [&deep, &unclosed, &deep_inside] {
            let answer = route.call(&house).text("application/json", body.clone()).send().await;
            assert_eq!(answer.problem()["status"], 400, "{}", answer.asked);
        }
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn a_body_that_is_nested_two_hundred_deep_inside_a_batch_is_refused() {
    let (house, anna, routes) = a_scene().await;
    let before = state(&house, &anna).await;
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for route in routes.iter().filter(|route| route.batch.is_some()) {
        route.assert_refused(&route.send(&house, &deep).await, "two hundred lists");
        route.assert_refused(&route.send(&house, &format!("{{\"lines\":{deep}}}")).await, "two hundred lists inside");
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn a_body_above_the_limit_is_too_large() {
    let (house, anna, routes) = a_scene().await;
    let before = state(&house, &anna).await;
    let large = format!("{{\"text\":\"{}\"}}", "a".repeat(300 * 1024));
    for route in &routes {
        let answer = route.call(&house).text("application/json", large.clone()).send().await;
        answer.refuses(413, "body_too_large");
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn a_body_has_to_be_sent_as_json() {
    let (house, anna, routes) = a_scene().await;
    let before = state(&house, &anna).await;
    for route in &routes {
        let good = route.batch.map_or_else(|| route.good.clone(), |list| json!({ list: [route.good.clone()] }));
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "", "json"] {
            let answer = route.call(&house).text(kind, good.to_string()).send().await;
            answer.refuses(415, "not_json");
        }
        route.call(&house).changed(good.to_string()).send().await.refuses(415, "not_json");
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn a_field_that_is_missing_unknown_or_there_twice_is_refused() {
    let (house, anna, routes) = a_scene().await;
    let before = state(&house, &anna).await;
    for route in &routes {
        let good = route.good.as_object().unwrap();
        for name in good.keys().filter(|name| !route.optional.contains(&name.as_str())) {
            let mut body = good.clone();
            body.remove(name);
            let what = format!("without {name}");
            route.assert_refused(&route.send(&house, &text(&body)).await, &what);
            let mut body = good.clone();
            body.insert(name.clone(), Value::Null);
            route.assert_refused(&route.send(&house, &text(&body)).await, &format!("{name} is null"));
        }
        for (name, value) in [("extra", json!(1)), ("__proto__", json!({})), ("", json!(null)), ("ID", json!("a"))] {
            let mut body = good.clone();
            body.insert(name.to_owned(), value);
            route.assert_refused(&route.send(&house, &text(&body)).await, &format!("{name:?} beside the others"));
        }
        for (name, value) in good {
            let twice = text(good).replacen('{', &format!("{{\"{name}\":{value},"), 1);
            route.assert_refused(&route.send(&house, &twice).await, &format!("{name} twice"));
        }
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn a_value_of_another_type_is_refused() {
    let (house, anna, routes) = a_scene().await;
    let before = state(&house, &anna).await;
    for route in &routes {
        let good = route.good.as_object().unwrap();
        for (name, value) in good {
            let others =
                [json!("text of another kind \u{0}"), json!(true), json!(-7.5), json!([[]]), json!({ "x": 1 })];
            for other in others.into_iter().filter(|other| !may_do(other, value)) {
                let mut body = good.clone();
                body.insert(name.clone(), other.clone());
                route.assert_refused(&route.send(&house, &text(&body)).await, &format!("{name} is {other}"));
            }
        }
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn a_list_stands_for_no_object_however_deep_inside() {
    let (house, anna, routes) = a_scene().await;
    let before = state(&house, &anna).await;
    for route in &routes {
        for place in objects(&route.full) {
            let mut body = route.full.clone();
            let object = body.pointer_mut(&place).unwrap();
            *object = object.as_object().unwrap().values().cloned().collect();
            let answer = route.send(&house, &body.to_string()).await;
            let problem = route.assert_refused(&answer, &format!("a list at {place:?}"));
            let wrong = &problem["errors"][0];
            assert_eq!((&problem["code"], &wrong["pointer"]), (&json!("body_invalid"), &json!(place)), "{problem}");
            // Not that something is missing from the list: that it is one.
            let detail = wrong["detail"].as_str().unwrap();
            assert!(detail.starts_with("invalid type: sequence, expected"), "{}: {detail}", answer.asked);
        }
        let whole = route.batch.map_or_else(|| route.full.clone(), |_| json!([route.full]));
        route.call(&house).json(&json!([whole])).send().await.refuses(400, "body_invalid");
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn these_are_all_routes_that_take_a_body_and_all_objects_that_may_stand_in_one() {
    let (_house, _anna, routes) = a_scene().await;
    let description = serde_json::to_value(local::wire::document()).unwrap();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            if body.is_null() {
                continue;
            }
            let route = routes.iter().find(|route| route.is_described_as(&method.to_uppercase(), path));
            let route = route.unwrap_or_else(|| panic!("{method} {path} takes a body and is not tested here"));
            let full = route.batch.map_or_else(|| route.full.clone(), |list| json!({ list: [route.full] }));
            let there: BTreeSet<String> = objects(&full).iter().map(|place| at_any_item(place)).collect();
            for place in described_objects(&description, body, &[]) {
                assert!(there.contains(&place), "{method} {path}: there is no object at {place:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_amount_is_a_whole_number_within_bounds() {
    let (house, anna, routes) = a_scene().await;
    let before = state(&house, &anna).await;
    for route in &routes {
        let good = text(route.good.as_object().unwrap());
        for name in route.numbers {
            let now = format!("\"{name}\":{}", route.good[name]);
            assert!(good.contains(&now), "{now} in {good}");
            for number in [
                "-1",
                "-0.0",
                "0",
                "0.5",
                "1.0",
                "1e3",
                "1E3",
                "1e400",
                "100000000001",
                "9223372036854775808",
                "18446744073709551615",
                "18446744073709551616",
                "99999999999999999999999999",
                "\"1\"",
                "\"\"",
                "01",
                "+1",
                "0x10",
                "1_000",
                "[1]",
                "true",
                "Infinity",
            ] {
                if number == "0" && route.zero.contains(name) {
                    continue;
                }
                let body = good.replacen(&now, &format!("\"{name}\":{number}"), 1);
                route.assert_refused(&route.send(&house, &body).await, &format!("{name} is {number}"));
            }
        }
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn settings_with_numbers_beyond_all_bounds_are_refused() {
    let house = a_house().await;
    let (program, tag) = house.program().await;
    for place in [
        "/check_ins/points",
        "/check_ins/streaks/0/points",
        "/actions/0/points",
        "/invitation/inviter",
        "/invitation/friend",
        "/welcome",
        "/rewards/0/points",
        "/earning/points",
        "/earning/pending_days",
        "/ladder/review_days",
        "/ladder/grace_days",
    ] {
        for number in [json!(u64::MAX), json!(u64::from(u32::MAX))] {
            let mut changed = program.clone();
            *changed.pointer_mut(place).unwrap() = number;
            let call = house.as_manager("PUT", "/v1/program").header("if-match", &tag).json(&changed);
            let answer = call.send().await;
            let problem = answer.problem();
            assert!(matches!(answer.status, 400 | 422), "{place}: {problem}");
        }
    }
    assert_eq!(house.program().await, (program, tag));
}

#[tokio::test]
async fn a_correction_is_a_whole_number_of_points_either_way() {
    let (house, anna, _) = a_scene().await;
    let before = state(&house, &anna).await;
    for number in [
        "0",
        "1.0",
        "-1.0",
        "1e3",
        "\"5\"",
        "1000000001",
        "-1000000001",
        "-9223372036854775808",
        "9223372036854775808",
        "null",
    ] {
        let body = format!("{{\"member_id\":\"{}\",\"points\":{number},\"reason\":\"补偿\"}}", anna.id);
        let call = house.as_manager("POST", "/v1/points/adjustments").key(&house.a_key());
        let answer = call.text("application/json", body).send().await;
        assert!(matches!(answer.problem()["status"].as_u64(), Some(400 | 422)), "{number}");
    }
    assert_eq!(state(&house, &anna).await, before);
}

// --- Paths, ids, keys and cursors -----------------------------------------------------------------------------------

#[tokio::test]
async fn what_is_not_there_is_answered_like_any_other_problem() {
    let house = a_house().await;
    for (method, path) in
        [("GET", "/"), ("GET", "/v1/nothing"), ("DELETE", "/v1/program"), ("PATCH", "/v1/me"), ("GET", "/v1//me")]
    {
        let answer = house.call(method, path).send().await;
        answer.refuses(404, "not_found");
        assert_eq!(answer.problem()["request_id"], answer.header("x-request-id"), "{}", answer.asked);
    }
    let answer = house.call("GET", "/v1/nothing").header("x-request-id", "till-7").send().await;
    assert_eq!(answer.problem()["request_id"], "till-7");
}

#[tokio::test]
async fn an_odd_id_in_a_path_is_not_found() {
    let (house, anna, _) = a_scene().await;
    let before = state(&house, &anna).await;
    let long = "a".repeat(81);
    let odd = ["%E5%90%8D", "%2F", "..%2F..%2Fme", "%22", "'", "a%20b", "%00", "%FF", "%E2%80%AE", "%25", &long, "-1"];
    for id in odd {
        for (role, method, path, body) in [
            ("system", "POST", "/v1/orders/{id}/refunds", json!({ "source": "pos-1", "id": "R-1", "amount": 1 })),
            ("system", "POST", "/v1/points/holds/{id}/capture", json!({})),
            ("system", "POST", "/v1/points/holds/{id}/release", json!({})),
            ("manager", "GET", "/v1/program/dry-runs/{id}", Value::Null),
            ("manager", "GET", "/v1/members/{id}", Value::Null),
            ("manager", "GET", "/v1/members/{id}/timeline", Value::Null),
            ("manager", "POST", "/v1/members/{id}/tags", json!({ "add": ["素色"] })),
            ("manager", "POST", "/v1/members/{id}/notes", json!({ "text": "试穿" })),
            ("manager", "POST", "/v1/members/{id}/merges", json!({ "other": anna.id, "reason": "同一人" })),
            ("manager", "DELETE", "/v1/members/{id}/merges/0", Value::Null),
        ] {
            let call = house.as_role(role, method, &path.replace("{id}", id)).key(&house.a_key());
            let answer = if body.is_null() { call.send().await } else { call.json(&body).send().await };
            assert_eq!(answer.problem()["status"], 404, "{}", answer.asked);
        }
        let proof = house.as_manager("GET", &format!("/v1/points/proof?member_id={id}")).send().await;
        assert_eq!(proof.problem()["status"], 400, "{}", proof.asked);
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn an_odd_id_in_a_body_is_refused() {
    let (house, anna, routes) = a_scene().await;
    let before = state(&house, &anna).await;
    let long = "a".repeat(201);
    for route in &routes {
        let good = route.good.as_object().unwrap();
        let ids = ["source", "id", "member_id", "reward", "cause", "card", "other", "event", "at", "paid_at", "mode"];
        for name in ids.into_iter().filter(|name| good.contains_key(*name)) {
            for odd in ["", "名", "a b", "a\u{0}b", "'; DROP TABLE members; --", "\"", "a\nb", "\u{202e}x", &long] {
                let mut body = good.clone();
                body.insert(name.to_owned(), json!(odd));
                route.assert_refused(&route.send(&house, &text(&body)).await, &format!("{name} is {odd:?}"));
            }
        }
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn a_customer_is_named_in_exactly_one_way() {
    let (house, anna, _) = a_scene().await;
    let before = state(&house, &anna).await;
    for customer in [
        json!({}),
        json!({ "card": "00001", "member_id": anna.id }),
        json!({ "card": null }),
        json!({ "phone": "12" }),
        json!({ "name": "Anna" }),
        json!("00001"),
        json!([]),
        json!([null, null, null, "00001"]),
    ] {
        let sale = order("C-1", &customer, &house.now(), 1_00);
        let result = house.sends(&[sale]).await.remove(0);
        assert_eq!(result["status"], "rejected", "{customer}");
        assert_problem(&result["problem"], &customer.to_string());
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn a_batch_has_one_to_twenty_five_parts() {
    let (house, anna, routes) = a_scene().await;
    let before = state(&house, &anna).await;
    for route in &routes {
        let Some(list) = route.batch else { continue };
        for count in [0, 26] {
            let body = json!({ list: vec![route.good.clone(); count] });
            route.call(&house).json(&body).send().await.refuses(400, "batch_size");
        }
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn what_moves_value_needs_a_sound_key() {
    let (house, anna, _) = a_scene().await;
    let before = state(&house, &anna).await;
    let long = "k".repeat(81);
    for (role, path, body) in [
        ("member", "/v1/me/points/check-ins", json!({})),
        ("member", "/v1/me/points/redemptions", json!({ "reward": "cash-10" })),
        ("member", "/v1/me/points/donations", json!({ "cause": "library", "points": 1 })),
        ("system", "/v1/points/holds", json!({ "member_id": anna.id, "points": 1 })),
        ("manager", "/v1/points/adjustments", json!({ "member_id": anna.id, "points": 1, "reason": "补偿" })),
        ("manager", &format!("/v1/members/{}/notes", anna.id), json!({ "text": "试穿" })),
    ] {
        let call = || house.call("POST", path).token(&house.token(role, Some(&anna.id))).json(&body);
        call().send().await.refuses(400, "idempotency_key_missing");
        for key in ["", "short", &long, "with space", "with/slash", "键键键键键键键键"] {
            call().key(key).send().await.refuses(400, "idempotency_key_invalid");
        }
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn a_cursor_leads_on_in_its_own_list_only() {
    let (house, anna, _) = a_scene().await;
    let bo = house.a_member("00002").await;
    for _ in 0..30 {
        let _ = house.gives(&anna, 1).await.expect(201);
        let _ = house.gives(&bo, 1).await.expect(201);
    }
    let timeline = format!("/v1/members/{}/timeline", anna.id);
    let cursor = |answer: Answer| answer.expect(200)["next"].as_str().unwrap().to_owned();
    let mine = cursor(house.as_member(&anna, "GET", "/v1/me/points/entries").send().await);
    let hers = cursor(house.as_member(&bo, "GET", "/v1/me/points/entries").send().await);
    let staffs = cursor(house.as_manager("GET", &timeline).send().await);
    let read = |cursor: String| house.as_member(&anna, "GET", &format!("/v1/me/points/entries?cursor={cursor}")).send();
    let _ = read(mine.clone()).await.expect(200);
    for place in [0, 1, mine.len() / 2, mine.len() - 2] {
        let other = if mine.as_bytes()[place] == b'A' { "B" } else { "A" };
        let mut changed = mine.clone();
        changed.replace_range(place..=place, other);
        read(changed).await.refuses(400, "cursor_invalid");
        read(mine[..place].to_owned()).await.refuses(400, "cursor_invalid");
    }
    for made_up in [hers, staffs, "%E5%90%8D".to_owned(), "A".repeat(3_000), format!("{mine}%3D")] {
        read(made_up).await.refuses(400, "cursor_invalid");
    }
    house.as_manager("GET", &format!("{timeline}?cursor={mine}")).send().await.refuses(400, "cursor_invalid");
    for query in ["page=2", &format!("cursor={mine}&cursor={mine}"), &format!("cursor={mine}&limit=1000")] {
        let path = format!("/v1/me/points/entries?{query}");
        house.as_member(&anna, "GET", &path).send().await.refuses(400, "query_invalid");
    }
}

// --- Tokens and signatures ------------------------------------------------------------------------------------------

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
    for path in ["/v1/me/points", "/v1/program", &format!("/v1/points/proof?member_id={}", anna.id)] {
        house.signs(house.call("GET", path)).send().await.refuses(403, "role_not_allowed");
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

// --- Helpers --------------------------------------------------------------------------------------------------------

fn text(body: &Map<String, Value>) -> String {
    serde_json::to_string(body).unwrap()
}

/// The places of all objects in a document, as JSON pointers.
fn objects(document: &Value) -> Vec<String> {
    let (own, parts): (Option<String>, Vec<(String, &Value)>) = match document {
        Value::Object(fields) => (Some(String::new()), fields.iter().map(|(key, part)| (key.clone(), part)).collect()),
        Value::Array(items) => (None, items.iter().enumerate().map(|(n, part)| (n.to_string(), part)).collect()),
        _ => (None, Vec::new()),
    };
    let inside = |(key, part): (String, &Value)| {
        objects(part).into_iter().map(|place| format!("/{key}{place}")).collect::<Vec<_>>()
    };
    own.into_iter().chain(parts.into_iter().flat_map(inside)).collect()
}

/// A place with `*` for each item of a list.
fn at_any_item(place: &str) -> String {
    let parts = place.split('/').map(|part| if part.parse::<usize>().is_ok() { "*" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// The places at which a schema has an object, with `*` for each item of a list. What contains itself, in one of the
/// schemas `above`, is followed once.
fn described_objects(description: &Value, schema: &Value, above: &[&str]) -> BTreeSet<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let known = above.contains(&name);
        let target = description.pointer(name.trim_start_matches('#')).unwrap();
        return if known {
            BTreeSet::new()
        } else {
            described_objects(description, target, &[above, &[name]].concat())
        };
    }
    let alternatives = schema["oneOf"].as_array().into_iter().flatten().map(|part| (String::new(), part));
    let fields = schema["properties"].as_object().into_iter().flatten().map(|(key, part)| (format!("/{key}"), part));
    let items = schema.get("items").map(|part| ("/*".to_owned(), part));
    let inside = alternatives.chain(fields).chain(items).flat_map(|(place, part)| {
        described_objects(description, part, above).into_iter().map(move |inside| format!("{place}{inside}"))
    });
    let own = (schema["type"] == "object").then(String::new);
    own.into_iter().chain(inside).collect()
}

/// A text may do for a text, and yes for no; of the others the values chosen are wrong everywhere.
fn may_do(one: &Value, other: &Value) -> bool {
    (one.is_string() && other.is_string()) || (one.is_boolean() && other.is_boolean())
}
