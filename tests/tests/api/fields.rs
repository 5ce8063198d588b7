//! Who sees what of a member: every route by every role, by the tables of roles and fields.

use std::collections::BTreeMap;

use huitou::domain::personal::{Field, Shown};
use huitou::manners::access::{ACCESS, Allowed};
use huitou::manners::fields::{TOLD, shown};
use huitou::trust::token::Role;
use serde_json::{Value, json};
use tests::{Answer, House, Member, a_house};

const STAFF: [Role; 4] = [Role::Guide, Role::Agent, Role::Operator, Role::Manager];

/// What is personal about Anna, as she wrote it: none of it stands in any answer by chance.
const SECRETS: [(Field, &str); 8] = [
    (Field::Name, "张小明"),
    (Field::Phone, "13800138000"),
    (Field::Email, "anna.zhang@example.com"),
    (Field::Birthday, "1988-05-20"),
    (Field::City, "景德镇"),
    (Field::Ids, "oUpF8uMuAJO"),
    (Field::Notes, "喜欢手工瓷器"),
    (Field::Tickets, "鞋底开胶三天了"),
];
/// Where those who say why are shown all that their row grants.
const UNMASKED: [&str; 2] = ["/v1/members/{id}/contact", "/v1/members/{id}/export"];
/// A child, of whom nobody of the brand is shown anything but what an export holds.
const CHILD: [&str; 2] = ["豆豆七七", "2020-03-04"];

/// A house with Anna in it, and everything about her that there is.
struct Scene {
    house: House,
    places: BTreeMap<&'static str, String>,
}

async fn a_scene() -> Scene {
    let house = a_house().await;
    let along = json!({ "phone_code": "dev:13800138000", "source": { "guide": "dev-guide" } });
    let anna = house.signs_up("oUpF8uMuAJO", &along).await;
    let told =
        json!({ "name": "张小明", "birthday": "1988-05-20", "email": "anna.zhang@example.com", "city": "景德镇" });
    let _ = house.as_member(&anna, "PUT", "/v1/me").json(&told).send().await.expect(200);
    let child = json!({ "name": CHILD[0], "birthday": CHILD[1], "consent": { "policy_version": 1 } });
    let added = house.as_member(&anna, "POST", "/v1/me/children").key("the-child-of-anna").json(&child).send().await;
    let _ = added.expect(201);
    let note = json!({ "text": "喜欢手工瓷器" });
    let path = format!("/v1/members/{}/notes", anna.id);
    let _ = house.as_manager("POST", &path).key("a-note-about-anna").json(&note).send().await.expect(201);
    let ticket = json!({ "type": "quality", "text": "鞋底开胶三天了" });
    let ticket = house.as_member(&anna, "POST", "/v1/me/tickets").key("a-ticket-of-anna").json(&ticket).send().await;
    let ticket = ticket.expect(201)["id"].as_str().unwrap().to_owned();
    let _ = house.buys(&anna, 100_00).await;
    let places = BTreeMap::from([("member", anna.id.clone()), ("ticket", ticket), ("segment", "new".to_owned())]);
    Scene { house, places }
}

impl Scene {
    fn member(&self) -> Member {
        Member { id: self.places["member"].clone(), card: String::new(), token: String::new() }
    }

    /// The route with Anna and what is hers in its places.
    fn path(&self, path: &str) -> String {
        let id = match path {
            p if p.starts_with("/v1/members/") => &self.places["member"],
            p if p.starts_with("/v1/tickets/") => &self.places["ticket"],
            _ => &self.places["segment"],
        };
        let place = path.replace("{id}", id).replace("{run}", &"0".repeat(32)).replace("{merge}", &"0".repeat(32));
        match path {
            "/v1/points/proof" => format!("{place}?member_id={}", self.places["member"]),
            "/v1/audit/breach" => place + "?from=2026-03-01T00:00:00%2B08:00&until=2026-03-09T00:00:00%2B08:00",
            _ => place,
        }
    }

    fn body(&self, method: &str, path: &str) -> Option<Value> {
        let anna = &self.places["member"];
        Some(match (method, path) {
            ("POST", "/v1/members/lookup") => json!({ "phone": "13800138000" }),
            ("POST", "/v1/members/{id}/tags") => json!({ "add": ["素色"] }),
            ("POST", "/v1/members/{id}/notes") => json!({ "text": "来过" }),
            ("POST", "/v1/members/{id}/consents/withdrawals") => json!({ "purpose": "profiling", "reason": "来电" }),
            ("POST", "/v1/tickets") => json!({ "member_id": anna, "type": "quality", "text": "鞋底" }),
            ("POST", "/v1/tickets/next") => json!({ "department": "after_sales" }),
            ("POST", "/v1/tickets/{id}/messages") => json!({ "text": "马上处理", "internal": true }),
            ("POST", "/v1/points/adjustments") => json!({ "member_id": anna, "points": 1, "reason": "补偿" }),
            ("POST" | "PUT", _) => json!({}),
            _ => return None,
        })
    }

    async fn asks(&self, role: Role, method: &str, path: &str) -> Answer {
        let call = self.house.as_role(role.as_str(), method, &self.path(path));
        let call = call.key(&self.house.a_key()).header("x-huitou-reason", "%E5%9B%9E%E7%94%B5");
        match self.body(method, path) {
            Some(body) => call.json(&body).send().await,
            None => call.send().await,
        }
    }
}

fn admitted(role: Role, allowed: Allowed) -> bool {
    matches!(allowed, Allowed::Roles(_)) && allowed.admits(role)
}

#[tokio::test]
async fn a2_no_answer_of_any_route_shows_a_role_what_its_row_does_not_grant() {
    let scene = a_scene().await;
    for (method, path, allowed) in ACCESS {
        for role in STAFF.into_iter().filter(|role| admitted(*role, *allowed)) {
            let answer = scene.asks(role, method, path).await;
            for (field, secret) in SECRETS {
                let told = TOLD.iter().find(|told| (told.method, told.path) == (*method, *path));
                let told = told.is_some_and(|told| told.fields.contains(&field));
                let granted = told
                    && match shown(role, field) {
                        Shown::Whole => true,
                        Shown::WholeForAReason => UNMASKED.contains(path),
                        Shown::Masked | Shown::Not => false,
                    };
                assert!(granted || answer.count(secret) == 0, "{role} sees {field:?} in {}", answer.asked);
            }
            for secret in CHILD {
                let granted = *path == "/v1/members/{id}/export" && shown(role, Field::Children) != Shown::Not;
                assert!(granted || answer.count(secret) == 0, "{role} sees a child in {}", answer.asked);
            }
        }
    }
}

#[tokio::test]
async fn what_a_row_grants_is_there() {
    let scene = a_scene().await;
    let path = "/v1/members/{id}/contact";
    for (role, field, sees) in [
        (Role::Agent, Field::Name, true),
        (Role::Agent, Field::Phone, true),
        (Role::Agent, Field::Birthday, false),
        (Role::Manager, Field::Email, true),
        (Role::Manager, Field::Birthday, true),
    ] {
        let answer = scene.asks(role, "GET", path).await;
        let _ = answer.expect(200);
        let secret = SECRETS.iter().find(|(known, _)| *known == field).unwrap().1;
        assert_eq!(answer.count(secret), usize::from(sees), "{role} {field:?}");
    }
    for (method, path, secret) in [
        ("GET", "/v1/members/{id}", "喜欢手工瓷器"),
        ("POST", "/v1/members/lookup", "景德镇"),
        ("GET", "/v1/tickets/{id}", "鞋底开胶三天了"),
    ] {
        assert_eq!(scene.asks(Role::Agent, method, path).await.count(secret), 1, "{path}");
    }
}

#[tokio::test]
async fn nobody_is_unmasked_without_a_reason() {
    let scene = a_scene().await;
    let path = format!("/v1/members/{}/contact", scene.member().id);
    for role in ["agent", "manager"] {
        scene.house.as_role(role, "GET", &path).send().await.refuses(400, "reason_missing");
        for unreadable in ["%E5%9B", "%zz", &"a".repeat(201), "%0A"] {
            let call = scene.house.as_role(role, "GET", &path).header("x-huitou-reason", unreadable);
            call.send().await.refuses(400, "reason_invalid");
        }
    }
    scene.house.as_guide("dev-guide", "GET", &path).send().await.refuses(403, "role_not_allowed");
}

#[tokio::test]
async fn m3_staff_look_at_somebody_under_fourteen_only_for_a_reason() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({ "phone_code": "dev:13800138000" })).await;
    let agreed = json!({ "granted": true, "policy_version": 1 });
    let _ = house.as_member(&anna, "PUT", "/v1/me/consents/minor").json(&agreed).send().await.expect(200);
    let told = json!({ "birthday": "2015-05-20" });
    let _ = house.as_member(&anna, "PUT", "/v1/me").json(&told).send().await.expect(200);
    let path = format!("/v1/members/{}", anna.id);
    house.as_manager("GET", &path).send().await.refuses(400, "reason_missing");
    let call = house.as_manager("GET", &path).header("x-huitou-reason", "complaint%2012");
    assert_eq!(call.send().await.expect(200)["id"], anna.id.as_str());
}

#[tokio::test]
async fn m4_what_staff_did_about_minors_and_children_is_read_for_a_whole_year() {
    let house = a_house().await;
    let young = house.signs_up("anna", &json!({ "phone_code": "dev:13800138000" })).await;
    let agreed = json!({ "granted": true, "policy_version": 1 });
    let _ = house.as_member(&young, "PUT", "/v1/me/consents/minor").json(&agreed).send().await.expect(200);
    let told = json!({ "birthday": "2015-05-20" });
    let _ = house.as_member(&young, "PUT", "/v1/me").json(&told).send().await.expect(200);
    let grown = house.signs_up("bo", &json!({})).await;
    let call = |method: &str, path: String| house.as_manager(method, &path).header("x-huitou-reason", "complaint%2012");
    for member in [&young, &grown] {
        let _ = call("GET", format!("/v1/members/{}", member.id)).send().await.expect(200);
        let tags = call("POST", format!("/v1/members/{}/tags", member.id)).json(&json!({ "add": ["素色"] }));
        let _ = tags.send().await.expect(200);
    }
    let _ = call("POST", format!("/v1/members/{}/export", grown.id)).send().await.expect(200);
    house.it_is("2026-12-31T12:00:00+08:00").await;
    let (mut entries, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/audit?from=2026-01-01&until=2026-12-31&minors=true{cursor}");
        let page = house.as_manager("GET", &path).send().await.expect(200);
        entries.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let told: Vec<Value> = entries.iter().map(|entry| json!([entry["route"], entry["members"]])).collect();
    let wanted = json!([
        ["GET /v1/members/{id}", [young.id]],
        ["POST /v1/members/{id}/tags", [young.id]],
        ["POST /v1/members/{id}/export", [grown.id]],
    ]);
    assert_eq!(Value::from(told), wanted);
}

/// Words by which schemas name what is personal, and the kind that each of them belongs to.
const NAMES: [(&str, Field); 8] = [
    ("full_name", Field::Name),
    ("phone", Field::Phone),
    ("email", Field::Email),
    ("birthday", Field::Birthday),
    ("city", Field::City),
    ("gender", Field::Gender),
    ("notes", Field::Notes),
    ("csat", Field::Tickets),
];

#[test]
fn an_answer_whose_schema_names_something_personal_is_in_the_table() {
    let document = local::wire::document().unwrap();
    let mut met = 0;
    for (method, path, allowed) in ACCESS {
        if !STAFF.into_iter().any(|role| admitted(role, *allowed)) {
            continue;
        }
        let operation = &document["paths"][path][method.to_lowercase()];
        let told = TOLD.iter().find(|told| (told.method, told.path) == (*method, *path));
        for (status, response) in operation["responses"].as_object().unwrap() {
            if !status.starts_with('2') {
                continue;
            }
            for (name, field) in NAMES {
                if names(&document, &response["content"], name, 0) && !is_setting(path) {
                    met += 1;
                    let known = told.is_some_and(|told| told.fields.contains(&field));
                    assert!(known, "{method} {path} answers {name}, and no row says so");
                }
            }
        }
    }
    assert!(met > 12, "{met}");
}

/// Settings and plans speak of channels and counts by the same words, and hold nothing of any member.
fn is_setting(path: &str) -> bool {
    ["/v1/program", "/v1/campaigns", "/v1/scenes", "/v1/desk", "/v1/segments", "/v1/reports", "/v1/privacy-policy"]
        .iter()
        .any(|of| path.starts_with(of))
        || path.contains("playbook")
}

/// Whether a schema has a property of this name, however deep.
fn names(document: &Value, schema: &Value, name: &str, depth: u8) -> bool {
    if depth > 12 {
        return false;
    }
    match schema {
        Value::Object(fields) => fields.iter().any(|(key, value)| match key.as_str() {
            "$ref" => {
                let place = value.as_str().and_then(|place| place.strip_prefix('#')).unwrap_or_default();
                document.pointer(place).is_some_and(|schema| names(document, schema, name, depth + 1))
            }
            "properties" => {
                value.get(name).is_some()
                    || value.as_object().is_some_and(|all| all.values().any(|v| names(document, v, name, depth + 1)))
            }
            _ => names(document, value, name, depth),
        }),
        Value::Array(values) => values.iter().any(|value| names(document, value, name, depth)),
        _ => false,
    }
}
