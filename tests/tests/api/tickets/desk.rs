//! Tickets as staff find, take, decide and merge them.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{Answer, House, Member, a_house};

use super::doings::{a_house_with_anna, decides, mine, opens, path, queue, read, writes, writes_to_member};

#[tokio::test]
async fn a_system_opens_a_ticket_for_a_member_by_its_signature() {
    let (house, anna) = a_house_with_anna().await;
    let body = json!({ "member_id": anna.id, "type": "logistics", "text": "快递破损" });
    let call = house.call("POST", "/v1/tickets").key("ticket-of-the-till").json(&body);
    assert_eq!(house.signs(call).send().await.expect(201)["type"], "logistics");
}

#[tokio::test]
async fn a_type_goes_to_its_department_and_the_most_urgent_comes_first() {
    let (house, anna) = a_house_with_anna().await;
    let normal = opens(&house, &anna, "size_return", "偏小").await;
    let high = opens(&house, &anna, "quality", "开胶").await;
    let low = opens(&house, &anna, "praise", "很好").await;
    let urgent = opens(&house, &anna, "other", "急").await;
    let _ = decides(&house, &urgent, &json!({ "priority": "urgent" })).await.expect(200);
    let _ = opens(&house, &anna, "logistics", "没到").await;
    let ids = |tickets: &[&Value]| tickets.iter().map(|ticket| ticket["id"].clone()).collect::<Vec<_>>();
    assert_eq!(queue(&house, "after_sales").await, ids(&[&urgent, &high, &normal, &low]));
    assert_eq!(queue(&house, "logistics").await.len(), 1);
    let _ = decides(&house, &high, &json!({ "assignee": "me" })).await.expect(200);
    let waits = json!({ "text": "尺码?", "then": "waiting" });
    let _ = writes_to_member(&house, &urgent, waits).await.expect(201);
    assert_eq!(queue(&house, "after_sales").await, ids(&[&normal, &low, &high, &urgent]), "free, taken, waiting");
    let own = house.as_role("agent", "GET", "/v1/tickets?assignee=me").send().await.expect(200);
    assert_eq!(own["items"].as_array().unwrap().len(), 2);
    let _ = decides(&house, &high, &json!({ "state": "resolved" })).await.expect(200);
    assert_eq!(queue(&house, "after_sales").await, ids(&[&normal, &low, &urgent]));
    for (query, code) in [("?department=a&assignee=me", "list_unclear"), ("?x=1", "query_invalid")] {
        house.as_manager("GET", &format!("/v1/tickets{query}")).send().await.refuses(400, code);
    }
}

#[tokio::test]
async fn the_queues_of_all_departments_follow_one_another_page_by_page() {
    let (house, anna) = a_house_with_anna().await;
    assert_eq!(house.as_manager("GET", "/v1/tickets").send().await.expect(200), json!({ "items": [] }));
    for kind in ["suggestion", "account", "account"] {
        let _ = opens(&house, &anna, kind, "在吗").await;
    }
    for n in 0..21 {
        let _ = opens(&house, &anna, "quality", &format!("开胶{n}")).await;
    }
    let (mut departments, mut path, mut calls) = (Vec::new(), "/v1/tickets".to_owned(), Vec::new());
    loop {
        let answer = house.as_manager("GET", &path).send().await;
        let page = answer.expect(200);
        // One of them puts the look on record.
        calls.push(answer.cost().calls - 1);
        let items = page["items"].as_array().unwrap();
        departments.extend(items.iter().map(|ticket| ticket["department"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/tickets?cursor={next}");
    }
    let wanted = [("after_sales", 21), ("products", 1), ("membership", 2)];
    let wanted: Vec<&str> = wanted.iter().flat_map(|(name, count)| vec![*name; *count]).collect();
    assert_eq!(departments, wanted);
    assert_eq!(calls, [1, 1, 2, 1, 1], "logistics has nothing to do and costs a call, management ends the list");
}

#[tokio::test]
async fn staff_and_systems_open_tickets_for_members_and_a_guide_for_own_customers() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({ "source": { "guide": "li" } })).await;
    let bo = house.a_member("00002").await;
    let body = |member: &Member| json!({ "member_id": member.id, "type": "quality", "text": "开胶" });
    let open = |call: tests::Call, member: &Member| call.key(&house.a_key()).json(&body(member)).send();
    let by_guide = open(house.as_guide("li", "POST", "/v1/tickets"), &anna).await.expect(201);
    assert_eq!((&by_guide["channel"], &by_guide["member_id"]), (&json!("store"), &json!(anna.id)));
    assert_eq!(mine(&house, &anna, &by_guide).await.expect(200)["messages"][0]["from"], "service");
    open(house.as_guide("li", "POST", "/v1/tickets"), &bo).await.refuses(404, "not_found");
    assert_eq!(open(house.as_till("POST", "/v1/tickets"), &bo).await.expect(201)["channel"], "shop");
    assert_eq!(open(house.as_role("agent", "POST", "/v1/tickets"), &bo).await.expect(201)["channel"], "phone");
    let nobody = json!({ "member_id": format!("m{}", "0".repeat(26)), "type": "other", "text": "x" });
    let call = house.as_manager("POST", "/v1/tickets").key(&house.a_key()).json(&nobody);
    call.send().await.refuses(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_agents_who_take_the_next_ticket_at_once_never_take_the_same() {
    let (house, anna) = a_house_with_anna().await;
    for n in 0..15 {
        let _ = opens(&house, &anna, "logistics", &format!("没到{n}")).await;
    }
    let takes = join_all((0..20).map(|_| takes_next(&house, "logistics"))).await;
    let mut taken: Vec<String> = takes.iter().filter(|answer| answer.status == 200).map(id_in).collect();
    assert_eq!(takes.iter().filter(|answer| answer.status == 204).count(), 5);
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 15);
    takes_next(&house, "nowhere").await.refuses(422, "unknown_department");
}

#[tokio::test]
async fn a_decision_builds_on_what_was_read() {
    let (house, anna) = a_house_with_anna().await;
    let ticket = opens(&house, &anna, "quality", "开胶").await;
    let path = format!("/v1/tickets/{}", ticket["id"].as_str().unwrap());
    let seen = house.as_role("agent", "GET", &path).send().await.header("etag").to_owned();
    let decide = |tag: &str, body: Value| {
        let call = house.as_role("agent", "PUT", &path).json(&body);
        if tag.is_empty() { call.send() } else { call.header("if-match", tag).send() }
    };
    let taken = decide(&seen, json!({ "assignee": "me" })).await;
    assert_eq!(taken.expect(200)["assignee"], "agent:dev-agent");
    decide(&seen, json!({ "priority": "low" })).await.refuses(412, "version_moved");
    decide("", json!({ "priority": "low" })).await.refuses(428, "if_match_missing");
    let now = taken.header("etag");
    decide(now, json!({ "state": "new" })).await.refuses(409, "transition_not_allowed");
    decide(now, json!({ "department": "nowhere" })).await.refuses(422, "unknown_department");
    decide(now, json!({})).await.refuses(422, "nothing_to_do");
    decide(now, json!({ "assignee": "me" })).await.refuses(422, "nothing_to_do");
}

#[tokio::test]
async fn a_duplicate_goes_on_in_the_other_ticket() {
    let (house, anna) = a_house_with_anna().await;
    let (first, again) =
        (opens(&house, &anna, "quality", "开胶").await, opens(&house, &anna, "quality", "开胶!").await);
    let merge = |from: &Value, into: &Value| {
        let path = format!("/v1/tickets/{}/merges", from["id"].as_str().unwrap());
        house.as_role("agent", "POST", &path).json(&json!({ "into": into["id"], "reason": "重复" })).send()
    };
    let done = merge(&again, &first).await.expect(200);
    assert_eq!(done["duplicates"], json!([again["id"]]));
    assert_eq!(merge(&again, &first).await.expect(200), done, "asking again changes nothing");
    let seen = mine(&house, &anna, &again).await.expect(200);
    assert_eq!((&seen["state"], &seen["merged_into"]), (&json!("closed"), &first["id"]));
    assert_eq!(seen["survey"], Value::Null, "nobody is asked about a duplicate");
    writes(&house, &anna, &again, "?").await.refuses(409, "ticket_merged");
    merge(&first, &first).await.refuses(422, "same_ticket");
    let bo = house.signs_up("bo", &json!({})).await;
    let others = opens(&house, &bo, "quality", "开胶").await;
    merge(&others, &first).await.refuses(409, "tickets_of_two_members");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staff_and_the_member_write_at_once_is_all_there_once() {
    let (house, anna) = a_house_with_anna().await;
    let ticket = opens(&house, &anna, "quality", "开胶").await;
    let texts: Vec<String> = (0..10).map(|n| format!("在吗{n}")).collect();
    let members = join_all(texts.iter().map(|text| writes(&house, &anna, &ticket, text)));
    let states = ["waiting", "resolved"];
    let staffs = join_all(
        (0..10)
            .map(|n| writes_to_member(&house, &ticket, json!({ "text": format!("回复{n}"), "then": states[n % 2] }))),
    );
    let (members, staffs) = futures_util::future::join(members, staffs).await;
    for answer in members.iter().chain(&staffs) {
        assert!(matches!(answer.status, 201 | 409), "{}", String::from_utf8_lossy(&answer.text));
    }
    let written = members.iter().chain(&staffs).filter(|answer| answer.status == 201).count();
    let whole = read(&house, &ticket).await;
    let records = whole["records"].as_array().unwrap();
    let numbers: Vec<u64> = records.iter().map(|record| record["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=1 + u64::try_from(written).unwrap()).collect::<Vec<_>>());
    let mut state = json!("new");
    for record in records.iter().filter(|record| record["moved_to"].is_string()) {
        assert_eq!(record["moved_from"], state, "every transition builds on the one before");
        state = record["moved_to"].clone();
    }
    assert_eq!(whole["state"], state);
}

#[tokio::test]
async fn tickets_that_are_counted_together_can_be_merged_when_both_are_late() {
    let (house, anna) = a_house_with_anna().await;
    let counted_with = |ticket: &Value| {
        let id = huitou::values::TicketId::parse(ticket["id"].as_str().unwrap()).unwrap();
        id.shard(huitou::table::TALLY_SHARDS)
    };
    // One more than there are places to count at: two of them share one.
    let mut opened: BTreeMap<_, Value> = BTreeMap::new();
    let (first, again) = loop {
        let ticket = opens(&house, &anna, "quality", "开胶").await;
        if let Some(first) = opened.insert(counted_with(&ticket), ticket.clone()) {
            break (first, ticket);
        }
    };
    house.host.scheduler.rest(true);
    house.it_is("2026-03-03T17:00:00+08:00").await;
    let path = path(&again, "/merges");
    let merge = house.as_role("agent", "POST", &path).json(&json!({ "into": first["id"], "reason": "重复" }));
    let _ = merge.send().await.expect(200);
    let board = house.as_manager("GET", "/v1/reports/tickets").send().await.expect(200);
    assert_eq!(board["breaches"][0]["count"], 2);
}

async fn takes_next(house: &House, department: &str) -> Answer {
    house.as_role("agent", "POST", "/v1/tickets/next").json(&json!({ "department": department })).send().await
}

fn id_in(answer: &Answer) -> String {
    answer.json()["id"].as_str().unwrap().to_owned()
}
