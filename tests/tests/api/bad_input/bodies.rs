//! Bodies that are none, too large, or wrong somewhere inside.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tests::{House, a_house};

use super::{Route, a_scene, state, text};

#[tokio::test]
async fn a_body_that_is_no_json_is_refused() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let unclosed = "[".repeat(100_000);
    let deep_inside = format!("{{\"extra\":{deep}}}");
    at_every_route(async |house, route| {
        for body in
            ["", " ", "null", "true", "1", "\"text\"", "[]", "{", "{}}", "{\"a\":}", "{'a':1}", "NaN", "\u{feff}{}"]
        {
            let answer = route.call(house).text("application/json", body.to_owned()).send().await;
            assert_eq!(answer.problem()["status"], 400, "{body:?} at {}", answer.asked);
        }
        let broken: &[u8] = b"{\"source\":\"\xff\xfe\"}";
        let answer = route.call(house).text("application/json", broken).send().await;
        assert_eq!(answer.problem()["status"], 400, "{}", answer.asked);
        for body in [&deep, &unclosed, &deep_inside] {
            let answer = route.call(house).text("application/json", body.clone()).send().await;
            assert_eq!(answer.problem()["status"], 400, "{}", answer.asked);
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_that_is_nested_two_hundred_deep_inside_a_batch_is_refused() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    at_every_route(async |house, route| {
        if route.batch.is_none() {
            return;
        }
        route.assert_refused(&route.send(house, &deep).await, "two hundred lists");
        route.assert_refused(&route.send(house, &format!("{{\"lines\":{deep}}}")).await, "two hundred lists inside");
    })
    .await;
}

#[tokio::test]
async fn a_body_above_the_limit_is_too_large() {
    let large = format!("{{\"text\":\"{}\"}}", "a".repeat(300 * 1024));
    at_every_route(async |house, route| {
        let answer = route.call(house).text("application/json", large.clone()).send().await;
        answer.refuses(413, "body_too_large");
    })
    .await;
}

#[tokio::test]
async fn a_body_has_to_be_sent_as_json() {
    at_every_route(async |house, route| {
        let good = route.whole(&route.good);
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "", "json"] {
            let answer = route.call(house).text(kind, good.to_string()).send().await;
            answer.refuses(415, "not_json");
        }
        route.call(house).changed(good.to_string()).send().await.refuses(415, "not_json");
    })
    .await;
}

#[tokio::test]
async fn a_field_that_is_missing_unknown_or_there_twice_is_refused() {
    at_every_route(async |house, route| {
        let good = route.good.as_object().unwrap();
        for name in good.keys().filter(|name| !route.optional.contains(&name.as_str())) {
            let mut body = good.clone();
            body.remove(name);
            let what = format!("without {name}");
            route.assert_refused(&route.send(house, &text(&body)).await, &what);
            let mut body = good.clone();
            body.insert(name.clone(), Value::Null);
            route.assert_refused(&route.send(house, &text(&body)).await, &format!("{name} is null"));
        }
        for (name, value) in [("extra", json!(1)), ("__proto__", json!({})), ("", json!(null)), ("ID", json!("a"))] {
            let mut body = good.clone();
            body.insert(name.to_owned(), value);
            route.assert_refused(&route.send(house, &text(&body)).await, &format!("{name:?} beside the others"));
        }
        for (name, value) in good {
            let twice = text(good).replacen('{', &format!("{{\"{name}\":{value},"), 1);
            route.assert_refused(&route.send(house, &twice).await, &format!("{name} twice"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_value_of_another_type_is_refused() {
    at_every_route(async |house, route| {
        let good = route.good.as_object().unwrap();
        for (name, value) in good {
            let others =
                [json!("text of another kind \u{0}"), json!(true), json!(-7.5), json!([[]]), json!({ "x": 1 })];
            for other in others.into_iter().filter(|other| !may_do(other, value)) {
                let mut body = good.clone();
                body.insert(name.clone(), other.clone());
                route.assert_refused(&route.send(house, &text(&body)).await, &format!("{name} is {other}"));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_list_stands_for_no_object_however_deep_inside() {
    at_every_route(async |house, route| {
        for place in objects(&route.full) {
            let mut body = route.full.clone();
            let object = body.pointer_mut(&place).unwrap();
            *object = object.as_object().unwrap().values().cloned().collect();
            let answer = route.send(house, &body.to_string()).await;
            let problem = route.assert_refused(&answer, &format!("a list at {place:?}"));
            let wrong = &problem["errors"][0];
            assert_eq!((&problem["code"], &wrong["pointer"]), (&json!("body_invalid"), &json!(place)), "{problem}");
            // Not that something is missing from the list: that it is one.
            let detail = wrong["detail"].as_str().unwrap();
            assert!(detail.starts_with("invalid type: sequence, expected"), "{}: {detail}", answer.asked);
        }
        route.call(house).json(&json!([[route.full]])).send().await.refuses(400, "body_invalid");
    })
    .await;
}

#[tokio::test]
async fn these_are_all_routes_that_take_a_body_and_all_objects_that_may_stand_in_one() {
    let (_house, _anna, routes) = a_scene().await;
    let description = local::wire::document().unwrap();
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
    at_every_route(async |house, route| {
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
                route.assert_refused(&route.send(house, &body).await, &format!("{name} is {number}"));
            }
        }
    })
    .await;
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

/// Tries something at every route that takes a body; nothing may have changed afterwards.
async fn at_every_route(attempt: impl AsyncFn(&House, &Route)) {
    let (house, anna, routes) = a_scene().await;
    let before = state(&house, &anna).await;
    for route in &routes {
        attempt(&house, route).await;
    }
    assert_eq!(state(&house, &anna).await, before);
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
