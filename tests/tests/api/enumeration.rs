//! What is somebody else's is answered like what is not there: a client that tries ids learns nothing.

use huitou::manners::access::ACCESS;
use huitou::trust::token::Role;
use serde_json::{Value, json};
use tests::{Answer, Call, House, Member, a_house};

/// What a guess gets to see.
#[derive(Debug, PartialEq)]
struct Seen {
    status: u16,
    problem: Value,
}

impl Seen {
    fn of(answer: &Answer) -> Self {
        let mut problem = answer.problem();
        problem["request_id"] = Value::Null;
        Self { status: answer.status, problem }
    }
}

/// Anna, who asks, and Bo, who has one of everything that has an id.
struct Scene {
    house: House,
    anna: Member,
    bo: Member,
    child: String,
    ticket: String,
}

async fn a_scene() -> Scene {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({ "phone_code": "dev:13900139000" })).await;
    let bo = json!({ "phone_code": "dev:13800138000", "source": { "guide": "wang" } });
    let bo = house.signs_up("bo", &bo).await;
    let child = json!({ "name": "豆豆", "birthday": "2020-03-04", "consent": { "policy_version": 1 } });
    let child = house.as_member(&bo, "POST", "/v1/me/children").key(&house.a_key()).json(&child).send().await;
    let ticket = json!({ "type": "quality", "text": "开胶" });
    let ticket = house.as_member(&bo, "POST", "/v1/me/tickets").key(&house.a_key()).json(&ticket).send().await;
    let id = |answer: &Answer| answer.expect(201)["id"].as_str().unwrap().to_owned();
    Scene { child: id(&child), ticket: id(&ticket), house, anna, bo }
}

impl Scene {
    /// Bo's and nobody's, for the place in a path of a member's, or of a guide's who has other customers.
    fn ids(&self, path: &str) -> Option<(&str, String)> {
        match path {
            p if p.starts_with("/v1/me/children/") => Some((&self.child, "0".repeat(32))),
            p if p.starts_with("/v1/me/tickets/") => Some((&self.ticket, "0".repeat(32))),
            p if p.starts_with("/v1/members/{id}") => Some((&self.bo.id, format!("m{}", "0".repeat(26)))),
            // Purposes are the same for everybody.
            "/v1/me/consents/{purpose}" => None,
            _ => panic!("{path} has an id, and nobody has said here whose"),
        }
    }

    fn call(&self, role: Role, method: &str, path: &str, id: &str) -> Call {
        let path = path.replace("{id}", id);
        let call = match role {
            Role::Member => self.house.as_member(&self.anna, method, &path),
            _ => self.house.as_guide("li", method, &path),
        };
        call.key(&self.house.a_key())
    }
}

fn a_body(method: &str, path: &str) -> Option<Value> {
    Some(match (method, path) {
        ("PUT", "/v1/me/children/{id}") => json!({ "name": "豆豆", "birthday": "2020-03-04" }),
        ("POST", "/v1/me/tickets/{id}/messages") => json!({ "text": "还是坏的" }),
        ("POST", "/v1/members/{id}/tags") => json!({ "add": ["素色"] }),
        ("POST", "/v1/members/{id}/notes") => json!({ "text": "来过" }),
        ("POST", "/v1/members/{id}/consents/withdrawals") => json!({ "purpose": "profiling", "reason": "来电" }),
        ("POST", "/v1/members/{id}/requests") => json!({ "kind": "review", "about": "tier", "reason": "来电" }),
        _ => return None,
    })
}

#[tokio::test]
async fn every_route_with_an_id_answers_for_somebody_elses_as_for_nobodys() {
    let scene = a_scene().await;
    let mut tried = 0;
    for (method, path, allowed) in ACCESS.iter().filter(|(_, path, _)| path.contains('{')) {
        for role in [Role::Member, Role::Guide] {
            if *allowed == huitou::manners::access::Allowed::Anybody || !allowed.admits(role) {
                continue;
            }
            let Some((bos, nobodys)) = scene.ids(path) else { continue };
            let ask = async |id: &str| {
                let call = scene.call(role, method, path, id);
                match a_body(method, path) {
                    Some(body) => call.json(&body).send().await,
                    None => call.send().await,
                }
            };
            let (foreign, unknown) = (ask(bos).await, ask(&nobodys).await);
            assert_eq!(Seen::of(&foreign), Seen::of(&unknown), "{role} {method} {path}");
            assert!(matches!(foreign.status, 403 | 404), "{role}: {}", foreign.problem());
            if role == Role::Member {
                assert_eq!(foreign.cost(), unknown.cost(), "{method} {path}");
            }
            tried += 1;
        }
    }
    assert!(tried > 10, "{tried}");
}

#[tokio::test]
async fn a_phone_of_another_guides_customer_is_like_one_that_nobody_has() {
    let scene = a_scene().await;
    let ask = async |guide: &str, phone: &str| {
        let call = scene.house.as_guide(guide, "POST", "/v1/members/lookup");
        call.json(&json!({ "phone": phone })).send().await
    };
    assert_eq!(ask("wang", "13800138000").await.expect(200)["id"], scene.bo.id.as_str());
    let (foreign, unknown) = (ask("li", "13800138000").await, ask("li", "13700137000").await);
    foreign.refuses(404, "not_found");
    assert_eq!(Seen::of(&foreign), Seen::of(&unknown));
    assert_eq!(foreign.cost(), unknown.cost(), "neither the time nor the price tells");
}

#[tokio::test]
async fn a_log_in_tells_nothing_of_an_invite_code_to_whoever_is_a_member_already() {
    let scene = a_scene().await;
    let code = scene.house.profile(&scene.bo).await["invite_code"].as_str().unwrap().to_owned();
    for invite in [code.as_str(), "AAAAAAAA"] {
        let known = scene.house.logs_in("dev:anna", &json!({ "invite": invite })).await;
        assert_eq!(known.expect(200)["invite"], "not_new", "{invite}");
    }
}
