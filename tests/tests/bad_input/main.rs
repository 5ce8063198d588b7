//! Whatever a client may send: a no that helps, and nothing changed.
//!
//! Here are the routes that take a body, and what may be wrong with one.
#![cfg(test)]

mod credentials;
mod ids;

use std::collections::BTreeSet;

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

    /// The body that a request has, which is a batch of one where it belongs into a batch.
    fn whole(&self, body: &Value) -> Value {
        self.batch.map_or_else(|| body.clone(), |list| json!({ list: [body] }))
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
        Route { optional: &["as_of"], ..route("manager", "POST", "/v1/segments/recompute", json!({ "mode": "due" })) },
        Route {
            optional: &["entries", "mode"],
            full: json!({ "entries": [{ "id": "x", "name": "某", "rule": "everyone" }], "mode": "first_match" }),
            ..route("operator", "POST", "/v1/segments/check", json!({ "rule": "everyone" }))
        },
        Route {
            optional: &["english", "rule", "entries", "mode"],
            full: json!({ "name": "某组", "entries": [{ "id": "x", "name": "某", "rule": "everyone" }] }),
            ..route("operator", "PUT", "/v1/segments/somebody", json!({ "name": "某", "rule": "everyone" }))
        },
        Route {
            optional: &["rule"],
            ..route("operator", "POST", "/v1/segments/dormant/preview", json!({ "rule": "everyone" }))
        },
        Route {
            tag: Some("\"1\"".to_owned()),
            full: with_every_action(),
            numbers: &["cost"],
            zero: &["cost"],
            optional: &["suggestions", "cost", "budget", "on_enter", "on_leave"],
            ..route(
                "manager",
                "PUT",
                "/v1/segments/new/playbook",
                json!({ "goal": "复购", "owner": "运营组", "cost": 1, "suggestions": ["回访"] }),
            )
        },
        Route {
            optional: &["name", "city", "birthday", "gender", "email"],
            ..route(
                "member",
                "PUT",
                "/v1/me",
                json!({ "name": "安娜", "city": "上海", "birthday": "1990-01-31", "email": "a@b.cn" }),
            )
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

/// The routes about privacy and children that take a body.
async fn routes_of_privacy(house: &House, anna: &Member) -> Vec<Route> {
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
    let policy = house.as_manager("GET", "/v1/privacy-policy").send().await.expect(200)["policy"].clone();
    let statement = &policy["statements"][0];
    let draft = json!({ "purpose": statement["purpose"], "text": statement["text"], "changes": [] });
    let seen = json!({ "page": "pages/privacy", "device": "iphone", "locale": "zh-CN" });
    let yes = json!({ "granted": true, "policy_version": 1, "source": seen });
    let mut consent = seen.clone();
    consent["policy_version"] = json!(1);
    let growth = json!([{ "on": "2025-01-01", "height_mm": 1050, "size": "110" }]);
    let child = json!({ "name": "豆豆", "birthday": "2020-05-20", "growth": growth });
    let mut added = child.clone();
    added["consent"] = consent;
    vec![
        Route {
            optional: &["policy_version", "source", "child"],
            ..route("member", "PUT", "/v1/me/consents/marketing.sms", yes)
        },
        route(
            "agent",
            "POST",
            &format!("/v1/members/{}/consents/withdrawals", anna.id),
            json!({ "purpose": "marketing.sms", "reason": "来电要求" }),
        ),
        Route {
            tag: Some("\"1\"".to_owned()),
            ..route("manager", "PUT", "/v1/privacy-policy", json!({ "statements": [draft] }))
        },
        route("manager", "POST", &format!("/v1/members/{}/ids", anna.id), json!({ "wecom": "wmAbc-1" })),
        Route { optional: &["growth", "consent"], ..route("member", "POST", "/v1/me/children", added) },
        Route {
            optional: &["growth"],
            ..route("member", "PUT", &format!("/v1/me/children/{}", "0".repeat(32)), child)
        },
    ]
}

/// The routes of tickets that take a body.
async fn routes_of_tickets(house: &House, anna: &Member) -> Vec<Route> {
    let route = |role: &str, method: &'static str, path: &str, good: Value| Route {
        method,
        path: path.to_owned(),
        token: house.token(role, (role == "member").then_some(anna.id.as_str())),
        tag: (method == "PUT").then(|| "\"1\"".to_owned()),
        full: good.clone(),
        good,
        optional: &[],
        numbers: &[],
        zero: &[],
        batch: None,
    };
    let asked = json!({ "member_id": anna.id, "type": "quality", "text": "开胶" });
    let ticket = house.as_role("agent", "POST", "/v1/tickets").key(&house.a_key()).json(&asked).send().await;
    let ticket = ticket.expect(201)["id"].as_str().unwrap().to_owned();
    let about = |mut ticket: Value| {
        ticket["order"] = json!({ "source": "pos-1", "id": "S-1" });
        ticket["product"] = json!({ "sku": "TEE", "category": "上衣" });
        ticket
    };
    let desk = house.as_manager("GET", "/v1/desk").send().await.expect(200)["desk"].clone();
    let own = json!({ "type": "quality", "text": "开胶" });
    let at = |rest: &str| format!("/v1/tickets/{ticket}{rest}");
    vec![
        Route { optional: &["faq"], full: with_every_shift(&desk), ..route("manager", "PUT", "/v1/desk", desk) },
        Route { full: about(own.clone()), ..route("member", "POST", "/v1/me/tickets", own) },
        route("member", "POST", &format!("/v1/me/tickets/{ticket}/messages"), json!({ "text": "还是坏的" })),
        route("member", "POST", "/v1/me/attachments", json!({ "type": "image/jpeg", "bytes": 1_000 })),
        route("member", "POST", "/v1/me/faq", json!({ "text": "怎么退货" })),
        route("member", "POST", "/v1/me/faq/outcomes", json!({ "search": "made-up", "solved": true })),
        route("manager", "POST", "/v1/surveys/made-up", json!({ "csat": 5 })),
        Route { full: about(asked.clone()), ..route("agent", "POST", "/v1/tickets", asked) },
        route("agent", "POST", "/v1/tickets/next", json!({ "department": "after_sales" })),
        Route { optional: &["why"], ..route("agent", "PUT", &at(""), json!({ "why": "试" })) },
        route("agent", "POST", &at("/merges"), json!({ "into": ticket, "reason": "重复" })),
        route("agent", "POST", &at("/messages"), json!({ "text": "您好" })),
    ]
}

/// The desk's settings, open on every day of the week.
fn with_every_shift(desk: &Value) -> Value {
    let mut desk = desk.clone();
    let shifts = desk["calendar"]["week"]["monday"].clone();
    desk["calendar"]["week"]["saturday"] = shifts.clone();
    desk["calendar"]["week"]["sunday"] = shifts;
    desk
}

/// Settings with everything that the shipped ones leave out.
fn with_every_setting(program: &Value) -> Value {
    let mut program = program.clone();
    program["earning"]["rules"] = json!([{ "id": "toys", "percent": 300 }]);
    program["earning"]["cap"] = json!({ "per": "day", "points": 5_000 });
    program
}

/// A playbook with everything that one may have.
fn with_every_action() -> Value {
    let actions = json!([
        { "put_tag": { "tag": "新客礼", "days": 30 } }, { "take_tag": { "tag": "潜客" } },
        { "give_points": { "points": 20 } },
    ]);
    json!({ "goal": "复购", "owner": "运营组", "cost": 1, "budget": { "per": "month", "times": 5, "fen": 500 },
        "on_enter": actions, "on_leave": actions })
}

/// A house, somebody in it, and all routes that take a body.
async fn a_scene() -> (House, Member, Vec<Route>) {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 5_000).await;
    let sale = house.buys(&anna, 100_00).await;
    let hold = house.holds(&anna, 100, 30).await.expect(201);
    let program = house.program().await;
    let mut routes = routes(&house, &anna, &sale, &hold, program);
    routes.extend(routes_of_tickets(&house, &anna).await);
    routes.extend(routes_of_privacy(&house, &anna).await);
    (house, anna, routes)
}

/// Everything of a member and of the settings that a request could change.
async fn state(house: &House, member: &Member) -> Value {
    json!({
        "points": house.points(member).await,
        "proof": house.proof(member).await,
        "profile": house.as_member(member, "GET", "/v1/me").send().await.expect(200),
        "consents": house.as_member(member, "GET", "/v1/me/consents").send().await.expect(200),
        "children": house.as_member(member, "GET", "/v1/me/children").send().await.expect(200),
        "picture": house.as_manager("GET", &format!("/v1/members/{}", member.id)).send().await.expect(200),
        "program": house.program().await.0,
        "playbooks": house.as_manager("GET", "/v1/playbooks").send().await.expect(200),
    })
}

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
        let good = route.whole(&route.good);
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
        route.call(&house).json(&json!([[route.full]])).send().await.refuses(400, "body_invalid");
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
            let there: BTreeSet<String> =
                objects(&route.whole(&route.full)).iter().map(|place| at_any_item(place)).collect();
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
