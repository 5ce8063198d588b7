//! Requests under the law: written down, due, decided, listed and gone. The ids in the names are those of
//! `shared/src/domain/consent.md`.

use std::collections::BTreeSet;

use huitou::values::Moment;
use local::template::Template;
use serde_json::{Value, json};
use tests::{a_house, a_house_at, eventually};

use super::leaving::{deletes, exports, holds, posts};

#[tokio::test]
async fn r5_a_request_is_kept_with_its_due_date_and_refused_only_with_a_reason() {
    let house = a_house_at("2026-03-02T10:00:00+08:00").await;
    let anna = house.signs_up("anna", &json!({})).await;
    let ask = async |key: &str, body: Value| {
        house.as_member(&anna, "POST", "/v1/me/requests").key(key).json(&body).send().await
    };
    let asked = ask("a-request-1", json!({ "kind": "correction" })).await.expect(201);
    assert_eq!((&asked["due_on"], &asked["status"]), (&json!("2026-03-23"), &json!("open")));
    assert_eq!(ask("a-request-1", json!({ "kind": "correction" })).await.expect(201), asked);
    ask("a-request-1", json!({ "kind": "correction", "about": "tier" })).await.refuses(422, "key_reused");
    let path = format!("/v1/requests/{}", asked["id"].as_str().unwrap());
    let decide = async |body: Value| house.as_manager("PUT", &path).json(&body).send().await;
    decide(json!({ "status": "refused" })).await.refuses(400, "reason_missing");
    decide(json!({ "status": "done", "reason": "已更正" })).await.refuses(400, "reason_out_of_place");
    let refused = json!({ "status": "refused", "reason": "身份无法核实" });
    let decided = decide(refused.clone()).await.expect(200);
    assert_eq!(decided["refused_because"], "身份无法核实");
    assert_eq!(decide(refused).await.expect(200), decided);
    decide(json!({ "status": "done" })).await.refuses(409, "decided_already");
    let mine = house.as_member(&anna, "GET", "/v1/me/requests").send().await.expect(200);
    assert_eq!(mine["items"], json!([decided]), "the member is told why");
    assert_eq!(house.as_manager("GET", "/v1/requests").send().await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn r5_twenty_requests_of_a_member_may_wait_and_another_one_when_one_of_them_is_decided() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let ask = async |key: &str| {
        let call = house.as_member(&anna, "POST", "/v1/me/requests").key(key);
        call.json(&json!({ "kind": "review", "about": "tier" })).send().await
    };
    let keys: Vec<String> = (0..30).map(|n| format!("request-{n:02}")).collect();
    let answers = futures_util::future::join_all(keys.iter().map(|key| ask(key))).await;
    let (written, refused): (Vec<_>, Vec<_>) = keys.iter().zip(answers).partition(|(_, answer)| answer.status == 201);
    assert_eq!((written.len(), refused.len()), (20, 10), "however many ask at once");
    let (late, no) = &refused[0];
    no.refuses(422, "too_many_open_requests");
    let (key, first) = &written[0];
    assert_eq!(ask(key).await.expect(201), first.json(), "what was written down is not refused");
    let letter = json!({ "kind": "access", "reason": "来信要求" });
    let _ = posts(&house, "agent", &format!("/v1/members/{}/requests", anna.id), letter).await;

    let decides = async |request: &Value| {
        let path = format!("/v1/requests/{}", request["id"].as_str().unwrap());
        let _ = house.as_manager("PUT", &path).json(&json!({ "status": "done" })).send().await.expect(200);
    };
    decides(&first.json()).await;
    ask(late).await.refuses(422, "too_many_open_requests");
    decides(&written[1].1.json()).await;
    decides(&written[1].1.json()).await;
    let _ = ask(late).await.expect(201);
    ask("one-too-many").await.refuses(422, "too_many_open_requests");
}

#[tokio::test]
async fn r5_a_member_reads_every_request_page_by_page_also_those_of_a_merged_account() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let card = house.a_member("00001").await;
    let mut asked = BTreeSet::new();
    for (member, count) in [(&card, 3), (&anna, 60)] {
        for _ in 0..count {
            let letter = json!({ "kind": "access", "reason": "来信要求" });
            let path = format!("/v1/members/{}/requests", member.id);
            let request = posts(&house, "agent", &path, letter).await;
            asked.insert(request["id"].as_str().unwrap().to_owned());
        }
    }
    let merge = json!({ "other": card.id, "reason": "同一人" });
    let _ = posts(&house, "manager", &format!("/v1/members/{}/merges", anna.id), merge).await;
    let (mut listed, mut path, mut pages) = (Vec::new(), "/v1/me/requests".to_owned(), 0);
    loop {
        let page = house.as_member(&anna, "GET", &path).send().await.expect(200);
        listed.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/me/requests?cursor={next}");
    }
    assert_eq!((listed.len(), pages), (63, 2));
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), asked);
    house.as_member(&anna, "GET", "/v1/me/requests?cursor=made-up").send().await.refuses(400, "cursor_invalid");
}

#[tokio::test]
async fn r5_an_erasure_that_staff_write_down_after_a_refused_one_is_a_new_one_and_the_refusal_stays() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let asks = async || {
        let letter = json!({ "kind": "erasure", "reason": "来信要求" });
        posts(&house, "agent", &format!("/v1/members/{}/requests", anna.id), letter).await
    };
    let first = asks().await;
    assert_eq!(asks().await, first, "there is one erasure of a member");
    let path = format!("/v1/requests/{}", first["id"].as_str().unwrap());
    let refused = json!({ "status": "refused", "reason": "身份无法核实" });
    let _ = house.as_manager("PUT", &path).json(&refused).send().await.expect(200);
    house.it_is("2026-03-09T10:00:00+08:00").await;
    let again = asks().await;
    assert_eq!((&again["status"], &again["due_on"]), (&json!("open"), &json!("2026-03-30")));
    let mine = house.as_member(&anna, "GET", "/v1/me/requests").send().await.expect(200)["items"].clone();
    let told: Vec<&Value> = mine.as_array().unwrap().iter().map(|request| &request["status"]).collect();
    assert_eq!(told, ["open", "refused"], "{mine}");
    assert_eq!(mine[1]["refused_because"], "身份无法核实");
    let export = exports(&house, &anna).await["data"]["requests"].clone();
    assert!(export.to_string().contains("身份无法核实"), "it is taken along, too: {export}");
    let gone = deletes(&house, &anna).await.expect(200);
    assert_eq!(gone["receipt"]["request"], again["id"]);
}

#[tokio::test]
async fn x2_how_many_people_there_are_is_counted_on_mondays_and_told_beside_the_requests() {
    let house = a_house_at("2026-03-08T12:00:00+08:00").await;
    let anna = house.signs_up("anna", &json!({ "phone_code": "dev:13800138000" })).await;
    let mut child = json!({ "name": "豆豆七七", "birthday": "2020-05-20" });
    child["consent"] = json!({ "policy_version": 1 });
    let call = house.as_member(&anna, "POST", "/v1/me/children").key("the-first-child").json(&child);
    let _ = call.send().await.expect(201);
    let bo = house.signs_up("bo", &json!({})).await;
    holds(&house, &bo, true).await;
    let _ = house.a_member("00001").await;
    let gone = house.signs_up("cai", &json!({})).await;
    let _ = deletes(&house, &gone).await.expect(200);
    let census = async || house.as_manager("GET", "/v1/requests").send().await.expect(200)["census"].clone();
    assert_eq!(census().await, Value::Null, "nobody has counted yet");
    house.it_is("2026-03-09T03:34:30+08:00").await;
    house.it_is("2026-03-09T03:36:00+08:00").await;
    let counted = eventually(async || match census().await {
        Value::Null => Err("nobody has counted"),
        census => Ok(census),
    })
    .await;
    let wanted = json!({ "counted_on": "2026-03-09", "people": 4, "duties_from": 10_000_000, "duties_begun": false });
    assert_eq!(counted, wanted, "two members, a child, and somebody under a hold");
}

#[tokio::test]
async fn t1_three_years_after_it_was_decided_a_request_goes_and_one_that_is_open_stays() {
    let house = a_house_at("2026-03-02T10:00:00+08:00").await;
    let anna = house.signs_up("anna", &json!({})).await;
    let ask = async |body: Value| {
        let call = house.as_member(&anna, "POST", "/v1/me/requests").key(&house.a_key()).json(&body);
        call.send().await.expect(201)
    };
    let open = ask(json!({ "kind": "correction" })).await;
    let decided = ask(json!({ "kind": "review" })).await;
    let path = format!("/v1/requests/{}", decided["id"].as_str().unwrap());
    let _ = house.as_manager("PUT", &path).json(&json!({ "status": "done" })).send().await.expect(200);
    let bo = house.signs_up("bo", &json!({})).await;
    let _ = deletes(&house, &bo).await.expect(200);
    house.it_is("2026-03-02T12:00:00+08:00").await;
    let kept = async |moment: &str| {
        let tables = Template::shipped().unwrap().tables;
        let _ = house.host.table.remove_expired(&tables, Moment::parse(moment).unwrap()).unwrap();
        let page = house.host.table.sdk().scan().table_name("Requests").send().await.unwrap();
        page.items().iter().map(|item| item["request"].as_s().unwrap().clone()).collect::<BTreeSet<_>>()
    };
    assert_eq!(kept("2029-12-31T23:59:59+08:00").await.len(), 3);
    assert_eq!(kept("2030-01-01T00:00:00+08:00").await, BTreeSet::from([open["id"].as_str().unwrap().to_owned()]));
    house.as_member(&bo, "DELETE", "/v1/me").send().await.refuses(410, "member_erased");
}

#[tokio::test]
async fn r5_whoever_asks_to_be_erased_again_after_a_refusal_is_answered_in_time_again() {
    let house = a_house_at("2026-03-02T10:00:00+08:00").await;
    let anna = house.signs_up("anna", &json!({})).await;
    holds(&house, &anna, true).await;
    deletes(&house, &anna).await.refuses(423, "legal_hold");
    let open = async || house.as_manager("GET", "/v1/requests").send().await.expect(200)["items"].clone();
    let first = open().await;
    let path = format!("/v1/requests/{}", first[0]["id"].as_str().unwrap());
    let refused = json!({ "status": "refused", "reason": "司法协查期间" });
    let _ = house.as_manager("PUT", &path).json(&refused).send().await.expect(200);
    house.it_is("2026-05-06T10:00:00+08:00").await;
    deletes(&house, &anna).await.refuses(423, "legal_hold");
    let again = open().await;
    assert_eq!((&again[0]["id"], &again[0]["due_on"]), (&first[0]["id"], &json!("2026-05-27")), "{again}");
    assert!(again[0]["received_at"].as_str().unwrap().starts_with("2026-05-06"), "{again}");
}

#[tokio::test]
async fn r6_somebody_can_have_a_person_look_at_what_was_decided_by_machine() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let body = json!({ "kind": "review", "about": "stage.new" });
    let call = house.as_member(&anna, "POST", "/v1/me/requests").key(&house.a_key()).json(&body);
    let asked = call.send().await.expect(201);
    let open = house.as_manager("GET", "/v1/requests").send().await.expect(200);
    assert_eq!(open["items"], json!([asked]));
    let path = format!("/v1/requests/{}", asked["id"].as_str().unwrap());
    let done = house.as_manager("PUT", &path).json(&json!({ "status": "done" })).send().await.expect(200);
    assert_eq!(done["status"], "done");
}

#[tokio::test]
async fn r7_the_next_of_kin_are_heard_and_a_closed_account_is_an_erased_one() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let asked = json!({ "kind": "next_of_kin", "reason": "继承人来访，已核验证明" });
    let asked = posts(&house, "agent", &format!("/v1/members/{}/requests", anna.id), asked).await;
    assert_eq!(asked["kind"], "next_of_kin");
    let _ = deletes(&house, &anna).await.expect(200);
    house.as_member(&anna, "GET", "/v1/me").send().await.refuses(410, "member_erased");
}
