//! The audit trail: what staff see and change is on record, and the record can't be bent.

use aws_sdk_dynamodb::types::AttributeValue;
use huitou::cases::Error;
use huitou::cases::audit::{Bounds, Filter};
use huitou::domain::refusal::Refusal;
use huitou::values::{Actor, Moment};
use serde_json::{Value, json};
use tests::{House, Member, a_house, a_house_at};

async fn trail(house: &House, query: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/audit?limit=3&from=2026-03-02{query}{cursor}");
        let page = house.as_manager("GET", &path).send().await.expect(200);
        items.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    // Reading the trail is on record, too.
    items.retain(|item| item["route"] != "GET /v1/audit" || item["act"] == "refused");
    items
}

async fn proof(house: &House, day: &str) -> Value {
    house.as_manager("GET", &format!("/v1/audit/proof?day={day}")).send().await.expect(200)
}

async fn looks(house: &House, guide: &str, member: &Member) {
    let _ = house.as_guide(guide, "GET", &format!("/v1/members/{}", member.id)).send().await.expect(200);
}

#[tokio::test]
async fn a2_a_look_at_a_member_is_on_record_with_who_when_what_and_why() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({ "phone_code": "dev:13800138000" })).await;
    let path = format!("/v1/members/{}/contact", anna.id);
    let call = house.as_role("agent", "GET", &path).header("x-huitou-reason", "%E5%9B%9E%E7%94%B5");
    let seen = call.header("x-request-id", "a-look-at-anna-0001").send().await;
    let _ = seen.expect(200);
    let entries = trail(&house, "").await;
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(
        ["by", "role", "act", "route", "reason"].map(|field| entry[field].as_str().unwrap_or_default()),
        ["agent:dev-agent", "agent", "looked", "GET /v1/members/{id}/contact", "回电"]
    );
    assert_eq!(entry["request_id"], seen.header("x-request-id"));
    assert_eq!(entry["members"], json!([anna.id]));
    assert_eq!(entry["places"], json!({ "id": anna.id }));
    assert_eq!(entry["fields"], json!(["name", "phone", "email", "birthday"]));
    assert!(entry["at"].as_str().unwrap().starts_with("2026-03-02T10:"), "{entry}");
}

#[tokio::test]
async fn a_change_is_on_record_and_one_that_a_rule_refused_is_not() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let _ = house.gives(&anna, 100).await.expect(201);
    house
        .as_manager("POST", "/v1/points/adjustments")
        .key("too-many-00")
        .json(&json!({ "member_id": anna.id, "points": 0, "reason": "补" }))
        .send()
        .await
        .refuses(422, "empty_adjustment");
    let (program, tag) = house.program().await;
    let _ = house.as_manager("PUT", "/v1/program").header("if-match", &tag).json(&program).send().await.expect(200);
    let entries = trail(&house, "").await;
    let told: Vec<_> = entries.iter().map(|e| (e["act"].as_str().unwrap(), e["route"].as_str().unwrap())).collect();
    assert_eq!(told, [("changed", "POST /v1/points/adjustments"), ("changed", "PUT /v1/program")]);
    assert_eq!((&entries[0]["members"], &entries[1]["members"]), (&json!([anna.id]), &json!([])));
}

#[tokio::test]
async fn a2_who_asks_about_a_member_in_vain_is_on_record_and_exposed_nobody() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({ "source": { "guide": "li" } })).await;
    let path = format!("/v1/members/{}", anna.id);
    house.as_guide("wang", "GET", &path).send().await.refuses(404, "not_found");
    house.as_role("operator", "GET", &path).send().await.refuses(403, "role_not_allowed");
    let erasure = house.as_role("agent", "POST", &format!("{path}/erasure")).json(&json!({ "reason": "?" }));
    erasure.send().await.refuses(403, "role_not_allowed");
    house.as_role("agent", "GET", "/v1/members/13800138000").send().await.refuses(404, "not_found");
    house.as_role("agent", "GET", "/v1/audit").send().await.refuses(403, "role_not_allowed");
    // What holds nothing of members is nobody's curiosity, and tills are named by the log.
    house.as_role("guide", "GET", "/v1/segments").send().await.refuses(403, "role_not_allowed");
    house.as_till("GET", &path).send().await.refuses(403, "role_not_allowed");
    let entries = trail(&house, "").await;
    let told: Vec<_> = entries.iter().map(|e| ["by", "act", "route"].map(|f| e[f].as_str().unwrap())).collect();
    let wanted = [
        ["guide:wang", "refused", "GET /v1/members/{id}"],
        ["operator:dev-operator", "refused", "GET /v1/members/{id}"],
        ["agent:dev-agent", "refused", "POST /v1/members/{id}/erasure"],
        ["agent:dev-agent", "refused", "GET /v1/members/{id}"],
        ["agent:dev-agent", "refused", "GET /v1/audit"],
    ];
    assert_eq!(told, wanted);
    assert!(entries.iter().all(|entry| entry["members"] == json!([]) && entry["fields"] == json!([])), "{entries:?}");
    let places: Vec<_> = entries.iter().map(|entry| entry["places"].clone()).collect();
    let anna = json!({ "id": anna.id });
    assert_eq!(places, [anna.clone(), anna.clone(), anna, json!({}), json!({})], "no phone number on the trail");
    assert_eq!(proof(&house, "2026-03-02").await["holds"], true);
}

#[tokio::test]
async fn members_and_tills_leave_no_entries() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let _ = house.buys(&anna, 10_00).await;
    let _ = house.points(&anna).await;
    assert_eq!(trail(&house, "").await, [] as [Value; 0]);
}

#[tokio::test]
async fn the_trail_is_read_by_actor_member_and_day_and_by_managers_only() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({ "source": { "guide": "li" } })).await;
    let bo = house.signs_up("bo", &json!({ "source": { "guide": "wang" } })).await;
    looks(&house, "li", &anna).await;
    looks(&house, "wang", &bo).await;
    house.it_is("2026-03-04T09:00:00+08:00").await;
    looks(&house, "wang", &bo).await;
    let counts = |query: &'static str| {
        let house = &house;
        async move { trail(house, query).await.len() }
    };
    assert_eq!(counts("").await, 2);
    assert_eq!(counts("&until=2026-03-04").await, 3);
    assert_eq!(counts("&until=2026-03-04&by=guide:wang").await, 2);
    let about = trail(&house, &format!("&until=2026-03-04&member_id={}", anna.id)).await;
    assert_eq!((about.len(), &about[0]["by"]), (1, &json!("guide:li")));
    for role in ["guide", "agent", "operator"] {
        house.as_role(role, "GET", "/v1/audit").send().await.refuses(403, "role_not_allowed");
    }
    for wrong in ["?from=2026-03-04&until=2026-03-02", "?from=2026-01-01&until=2027-01-02"] {
        house.as_manager("GET", &format!("/v1/audit{wrong}")).send().await.refuses(400, "span_invalid");
    }
    house.as_manager("GET", "/v1/audit?limit=501").send().await.refuses(400, "limit_invalid");
}

#[tokio::test]
async fn b1_a_breach_report_says_who_saw_whom_between_two_moments() {
    let house = a_house_at("2026-03-02T10:00:00+08:00").await;
    let anna = house.signs_up("anna", &json!({ "source": { "guide": "li" } })).await;
    let bo = house.signs_up("bo", &json!({ "source": { "guide": "li" } })).await;
    looks(&house, "li", &anna).await;
    house.it_is("2026-03-03T10:00:00+08:00").await;
    looks(&house, "li", &anna).await;
    looks(&house, "li", &bo).await;
    house.it_is("2026-03-05T10:00:00+08:00").await;
    looks(&house, "li", &bo).await;
    let between = |from: &str, until: &str| {
        format!("/v1/audit/breach?from={from}T00:00:00%2B08:00&until={until}T00:00:00%2B08:00&by=guide:li")
    };
    let report = |path: String| house.as_manager("GET", &path).header("x-huitou-reason", "laptop stolen").send();
    house.as_manager("GET", &between("2026-03-02", "2026-03-06")).send().await.refuses(400, "reason_missing");
    let first = report(between("2026-03-02", "2026-03-03")).await.expect(200)["items"].clone();
    assert_eq!((&first[0]["members"], &first[0]["requests"]), (&json!([anna.id]), &json!(1)));
    let all = report(between("2026-03-02", "2026-03-06")).await.expect(200)["items"].clone();
    let mut both = vec![anna.id.clone(), bo.id.clone()];
    both.sort();
    assert_eq!((&all[0]["members"], &all[0]["requests"]), (&json!(both), &json!(4)));
    assert!(all[0]["fields"].as_array().unwrap().contains(&json!("phone")), "{all}");
    report(between("2026-03-06", "2026-03-02")).await.refuses(400, "span_invalid");
}

#[tokio::test]
async fn a_breach_report_that_would_read_or_name_too_much_says_so_in_time() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({ "source": { "guide": "li" } })).await;
    let bo = house.signs_up("bo", &json!({ "source": { "guide": "li" } })).await;
    for member in [&anna, &bo, &anna] {
        looks(&house, "li", member).await;
    }
    let moment = |text: &str| Moment::parse(text).unwrap();
    let (from, until) = (moment("2026-01-01T00:00:00+08:00"), moment("2026-04-01T00:00:00+08:00"));
    let reports = async |by: &str, bounds: Bounds| {
        let filter = Filter { from, until, by: Some(Actor::parse(by).unwrap()), about: None, minors: false };
        house.host.app.audit().breach(&filter, bounds).await
    };
    let found = reports("guide:li", Bounds::USUAL).await.unwrap();
    assert_eq!(found.values().map(|of| (of.members.len(), of.requests)).collect::<Vec<_>>(), [(2, 3)]);
    let little = Bounds { bytes: 200, ..Bounds::USUAL };
    let refused = reports("guide:nobody", little).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::SpanTooWide)), "what is read counts, not what fits: {refused:?}");
    let refused = reports("guide:li", Bounds { members: 1, ..Bounds::USUAL }).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(Refusal::SpanTooWide)), "{refused:?}");
}

#[tokio::test]
async fn a_list_of_today_that_is_followed_past_midnight_comes_to_its_end() {
    let house = a_house_at("2026-03-02T23:59:00+08:00").await;
    let anna = house.signs_up("anna", &json!({ "source": { "guide": "li" } })).await;
    for _ in 0..3 {
        looks(&house, "li", &anna).await;
    }
    let page = async |cursor: &str| {
        let path = format!("/v1/audit?by=guide:li&limit=2{cursor}");
        house.as_manager("GET", &path).send().await.expect(200)
    };
    let first = page("").await;
    house.it_is("2026-03-03T00:01:00+08:00").await;
    looks(&house, "li", &anna).await;
    let second = page(&format!("&cursor={}", first["next"].as_str().unwrap())).await;
    let days = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|entry| entry["at"].as_str().unwrap()[..10].to_owned()).collect()
    };
    assert_eq!((days(&first), days(&second)), (vec!["2026-03-02".to_owned(); 2], vec!["2026-03-02".to_owned()]));
    assert_eq!(second.get("next"), None, "what came after midnight is of another day");
}

#[tokio::test]
async fn a_day_proves_itself_until_an_entry_is_changed_or_missing() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({ "source": { "guide": "li" } })).await;
    for _ in 0..5 {
        looks(&house, "li", &anna).await;
    }
    let proven = proof(&house, "2026-03-02").await;
    assert_eq!((&proven["holds"], &proven["faults"]), (&json!(true), &json!([])), "{proven}");
    assert!(proven["entries"].as_u64().unwrap() >= 5, "{proven}");

    let entries = stored(&house).await;
    let last = entries.last().unwrap().clone();
    let changed = last["entry"].as_s().unwrap().replace("guide:li", "guide:wu");
    let (table, name) = (&house.host.table.sdk(), "AuditTrail");
    let mut bent = last.clone();
    bent.insert("entry".into(), AttributeValue::S(changed));
    for lie in [Some(bent), None] {
        if let Some(bent) = lie {
            let _ = table.put_item().table_name(name).set_item(Some(bent)).send().await.unwrap();
        } else {
            let delete = table.delete_item().table_name(name);
            let delete = delete.key("day", last["day"].clone()).key("part", last["part"].clone());
            let _ = delete.send().await.unwrap();
        }
        let proven = proof(&house, "2026-03-02").await;
        assert_eq!((&proven["holds"], proven["faults"].as_array().unwrap().len()), (&json!(false), 1), "{proven}");
    }
    let _ = table.put_item().table_name(name).set_item(Some(last)).send().await.unwrap();
    assert_eq!(proof(&house, "2026-03-02").await["holds"], true);
}

/// The entries as they lie in the table, by their time.
async fn stored(house: &House) -> Vec<std::collections::HashMap<String, AttributeValue>> {
    let all = house.host.table.sdk().scan().table_name("AuditTrail").send().await.unwrap();
    let mut entries: Vec<_> = all.items().iter().filter(|item| item.contains_key("entry")).cloned().collect();
    entries.sort_by_key(|item| item["part"].as_s().unwrap().clone());
    entries
}

#[tokio::test]
async fn many_looks_at_once_are_all_on_record_and_every_chain_holds() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({ "source": { "guide": "li" } })).await;
    let _ = futures_util::future::join_all((0..24).map(|_| looks(&house, "li", &anna))).await;
    assert_eq!(trail(&house, "&by=guide:li").await.len(), 24);
    assert_eq!(proof(&house, "2026-03-02").await["holds"], true);
}

#[tokio::test]
async fn without_an_entry_staff_are_shown_nothing_and_members_go_on() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({ "phone_code": "dev:13800138000" })).await;
    let _ = house.gives(&anna, 100).await.expect(201);
    let before = house.books(&anna).await;
    let table = &house.host.table.sdk();
    let _ = table.delete_table().table_name("AuditTrail").send().await.unwrap();
    let seen = house.as_manager("GET", &format!("/v1/members/{}", anna.id)).send().await;
    assert!(seen.status >= 500 && seen.count("138****8000") == 0, "{}", seen.status);
    assert_eq!(house.books(&anna).await, before, "a member's own read needs no entry");
}

#[tokio::test]
async fn a_change_that_can_not_be_put_on_record_is_none() {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 100).await;
    let everything = async || {
        let mut all = std::collections::BTreeMap::new();
        for table in house.host.surroundings.template.tables.iter().filter(|table| table.name != "AuditTrail") {
            let page = house.host.table.sdk().scan().table_name(&table.name).send().await.unwrap();
            let mut items: Vec<String> = page.items().iter().map(sorted).collect();
            items.sort();
            all.insert(table.name.clone(), items);
        }
        all
    };
    let (program, tag) = house.program().await;
    let before = everything().await;
    let _ = house.host.table.sdk().delete_table().table_name("AuditTrail").send().await.unwrap();
    let member = format!("/v1/members/{}", anna.id);
    for (method, path, body) in [
        ("POST", "/v1/points/adjustments", json!({ "member_id": anna.id, "points": 5, "reason": "补偿" })),
        ("PUT", "/v1/program", program),
        ("POST", &format!("{member}/tags"), json!({ "add": ["素色"] })),
        ("POST", &format!("{member}/notes"), json!({ "text": "来过" })),
        ("POST", &format!("{member}/requests"), json!({ "kind": "review", "reason": "来电" })),
        ("PUT", &format!("{member}/legal-hold"), json!({ "hold": true, "reason": "司法协查" })),
        ("POST", &format!("{member}/erasure"), json!({ "reason": "来电" })),
        ("PUT", "/v1/segments/lovers", json!({ "name": "常客", "rule": "frequency >= 1" })),
        ("POST", "/v1/tickets", json!({ "member_id": anna.id, "type": "quality", "text": "开胶" })),
    ] {
        let call = house.as_manager(method, path).key(&house.a_key()).header("if-match", &tag);
        let answer = call.json(&body).send().await;
        assert!(answer.status >= 500, "{}: {} {}", answer.asked, answer.status, answer.json());
        assert_eq!(everything().await, before, "{} was refused and happened", answer.asked);
    }
}

fn sorted(item: &std::collections::HashMap<String, AttributeValue>) -> String {
    format!("{:?}", item.iter().collect::<std::collections::BTreeMap<_, _>>())
}

#[tokio::test]
async fn a_chain_whose_head_has_moved_is_left_alone_and_the_work_goes_on() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({ "source": { "guide": "li" } })).await;
    looks(&house, "li", &anna).await;
    let table = &house.host.table.sdk();
    let all = table.scan().table_name("AuditTrail").send().await.unwrap();
    for head in all.items().iter().filter(|item| item.contains_key("number")) {
        let mut moved = head.clone();
        moved.insert("number".into(), AttributeValue::N("99".to_owned()));
        let _ = table.put_item().table_name("AuditTrail").set_item(Some(moved)).send().await.unwrap();
    }
    looks(&house, "li", &anna).await;
    let _ = house.gives(&anna, 100).await.expect(201);
    let told: Vec<Value> = trail(&house, "").await.into_iter().map(|entry| entry["route"].clone()).collect();
    assert_eq!(told, ["GET /v1/members/{id}", "GET /v1/members/{id}", "POST /v1/points/adjustments"]);
    assert_eq!(proof(&house, "2026-03-02").await["holds"], false, "it shows that somebody has moved it");
}
