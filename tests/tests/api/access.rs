//! Who may call what: every route by every role, through the whole host.

use std::collections::BTreeSet;

use huitou::manners::access::{ACCESS, Allowed};
use huitou::trust::token::Role;
use local::template::Template;
use serde_json::json;
use tests::{Call, House, a_house};

/// A path with something that could be an id in every place.
fn concrete(path: &str) -> String {
    path.replace("{id}", &"0".repeat(32))
        .replace("{merge}", &"0".repeat(32))
        .replace("{token}", "made-up")
        .replace("{purpose}", "marketing.sms")
        .replace("{scene}", "welcome")
}

fn a_call(house: &House, method: &str, path: &str) -> Call {
    let call = house.call(method, &concrete(path)).key("a-key-of-its-own");
    if matches!(method, "POST" | "PUT") { call.json(&json!({})) } else { call }
}

#[tokio::test]
async fn a_route_needs_a_token_unless_it_is_for_anybody() {
    let house = a_house().await;
    for (method, path, allowed) in ACCESS {
        let answer = a_call(&house, method, path).send().await;
        if *allowed == Allowed::Anybody {
            assert!(!matches!(answer.status, 401 | 403), "{method} {path}: {}", answer.status);
        } else {
            answer.refuses(401, "token_missing");
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_role_is_admitted_where_the_table_says_and_nowhere_else() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    for (method, path, allowed) in ACCESS {
        for role in Role::ALL {
            let member = (role == Role::Member).then_some(anna.id.as_str());
            let token = house.token(role.as_str(), member);
            let answer = a_call(&house, method, path).token(&token).send().await;
            if allowed.admits(role) {
                assert!(!matches!(answer.status, 401 | 403), "{role} {method} {path}: {}", answer.status);
                assert!(answer.status < 500, "{role} {method} {path}: {}", answer.status);
            } else {
                answer.refuses(403, "role_not_allowed");
            }
        }
    }
}

#[tokio::test]
async fn a_signature_of_a_system_opens_only_what_is_for_systems() {
    let house = a_house().await;
    for (method, path, allowed) in ACCESS.iter().filter(|(_, _, allowed)| *allowed != Allowed::Anybody) {
        let answer = house.signs(a_call(&house, method, path)).send().await;
        if allowed.admits(Role::System) {
            assert!(!matches!(answer.status, 401 | 403) && answer.status < 500, "{method} {path}: {}", answer.status);
        } else {
            answer.refuses(403, "role_not_allowed");
        }
    }
}

#[tokio::test]
async fn a_refused_caller_learns_nothing_and_changes_nothing() {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 500).await;
    let before = house.points(&anna).await;
    let adjustment = json!({ "member_id": anna.id, "points": 100, "reason": "自己补" });
    for role in ["member", "system", "guide", "agent", "operator"] {
        let token = house.token(role, Some(&anna.id));
        let call = house.call("POST", "/v1/points/adjustments").token(&token).key("an-adjustment");
        call.json(&adjustment).send().await.refuses(403, "role_not_allowed");
        let path = format!("/v1/points/proof?member_id={}", anna.id);
        house.call("GET", &path).token(&token).send().await.refuses(403, "role_not_allowed");
    }
    assert_eq!(house.points(&anna).await, before);
}

#[tokio::test]
async fn a_member_sees_and_touches_nothing_of_another_one() {
    let house = a_house().await;
    let (anna, bo) = (house.a_member_with("00001", 500).await, house.a_member_with("00002", 7).await);
    for _ in 0..30 {
        let _ = house.gives(&anna, 1).await.expect(201);
    }
    assert_eq!(house.books(&bo).await, [7, 0, 0, 0]);
    assert_eq!(house.journal(&bo).await.concat().len(), 2);

    let page = house.as_member(&anna, "GET", "/v1/me/points/entries").send().await.expect(200);
    let path = format!("/v1/me/points/entries?cursor={}", page["next"].as_str().unwrap());
    let _ = house.as_member(&anna, "GET", &path).send().await.expect(200);
    house.as_member(&bo, "GET", &path).send().await.refuses(400, "cursor_invalid");

    let before = house.points(&anna).await;
    let donation = json!({ "cause": "library", "points": 1, "member_id": anna.id });
    let call = house.as_member(&bo, "POST", "/v1/me/points/donations").key("a-donation");
    call.json(&donation).send().await.refuses(400, "body_invalid");
    let event = json!({ "source": "mini", "id": "E-1", "event": "share", "at": house.now(),
        "customer": { "member_id": anna.id } });
    let answer = house.as_member(&bo, "POST", "/v1/events").json(&json!({ "events": [event] })).send().await;
    assert_eq!(answer.expect(200)["results"][0]["rejected"]["code"], "customer_unclear");
    assert_eq!(house.points(&anna).await, before);
}

#[tokio::test]
async fn somebody_who_is_not_there_is_not_found() {
    let house = a_house().await;
    let nobody = format!("m{}", "0".repeat(26));
    let token = house.token("member", Some(&nobody));
    for path in ["/v1/me/points", "/v1/me/points/entries", "/v1/me/points/proof"] {
        house.call("GET", path).token(&token).send().await.refuses(404, "not_found");
    }
    let check_in = house.call("POST", "/v1/me/points/check-ins").token(&token).key("a-check-in");
    check_in.send().await.refuses(404, "not_found");
    let path = format!("/v1/points/proof?member_id={nobody}");
    house.as_manager("GET", &path).send().await.refuses(404, "not_found");
    let hold = json!({ "member_id": nobody, "points": 1 });
    house.as_till("POST", "/v1/points/holds").key("a-hold-of-it").json(&hold).send().await.refuses(404, "not_found");
    let adjustment = json!({ "member_id": nobody, "points": 1, "reason": "门店补偿" });
    let adjust = house.as_manager("POST", "/v1/points/adjustments").key("a-gift-of-it");
    adjust.json(&adjustment).send().await.refuses(404, "not_found");
}

#[test]
fn access_table_template_and_routers_name_the_same_routes() {
    let granted: BTreeSet<(String, String)> =
        ACCESS.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(granted.len(), ACCESS.len(), "a route stands twice in the table");
    let template = Template::shipped().unwrap();
    let listed: BTreeSet<(String, String)> = (template.functions.iter())
        .flat_map(|function| &function.routes)
        .map(|route| (route.method.to_string(), route.path.clone()))
        .collect();
    assert_eq!(granted, listed, "the access table beside template.yaml");
    let mut served = BTreeSet::new();
    for (function, routes) in local::wire::routes() {
        let of_function = template.functions.iter().find(|f| f.logical == function).unwrap();
        for (path, item) in &routes.description().paths.paths {
            for method in methods(item) {
                let listed = of_function.routes.iter().any(|r| r.method.as_str() == method && r.path == *path);
                assert!(listed, "template.yaml does not list {method} {path} for {function}");
                served.insert((method.to_owned(), path.clone()));
            }
        }
    }
    assert_eq!(granted, served, "the access table beside the routers");
}

fn methods(item: &utoipa::openapi::PathItem) -> Vec<&'static str> {
    [
        ("GET", &item.get),
        ("PUT", &item.put),
        ("POST", &item.post),
        ("DELETE", &item.delete),
        ("PATCH", &item.patch),
        ("HEAD", &item.head),
        ("OPTIONS", &item.options),
        ("TRACE", &item.trace),
    ]
    .into_iter()
    .filter_map(|(method, operation)| operation.as_ref().map(|_| method))
    .collect()
}
