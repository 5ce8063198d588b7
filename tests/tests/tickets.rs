//! Tickets over HTTP: from a member's problem to an answer, and to knowing how it was.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should stop at once, also in its helpers"
)]

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{Answer, House, Member, a_house, a_house_at};

// --- Members --------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_member_opens_a_ticket_reads_the_answer_and_says_that_it_is_solved() {
    let (house, anna) = a_house_with_anna().await;
    let ticket = opens(&house, &anna, "quality", "鞋底开胶了").await;
    assert_eq!((&ticket["state"], &ticket["type"]), (&json!("new"), &json!("quality")));
    assert_eq!(ticket["messages"][0]["text"], "鞋底开胶了");
    let _ = writes_to_member(&house, &ticket, json!({ "text": "请拍照", "then": "waiting" })).await.expect(201);
    let seen = mine(&house, &anna, &ticket).await.expect(200);
    assert_eq!(seen["state"], "waiting");
    assert_eq!(said(&seen), [("me", "鞋底开胶了"), ("service", "请拍照")]);
    let _ = writes(&house, &anna, &ticket, "照片发了").await.expect(201);
    assert_eq!(mine(&house, &anna, &ticket).await.expect(200)["state"], "open");
    let closed = closes(&house, &anna, &ticket).await.expect(200);
    assert_eq!(closed["state"], "closed");
    assert_eq!(closes(&house, &anna, &ticket).await.expect(200), closed, "again it answers the same");
}

#[tokio::test]
async fn a_member_never_sees_what_the_desk_writes_for_itself() {
    let (house, anna) = a_house_with_anna().await;
    let ticket = opens(&house, &anna, "price", "买贵了").await;
    let note = json!({ "text": "内部备注-老客户", "internal": true });
    let _ = writes_to_member(&house, &ticket, note).await.expect(201);
    let decision = json!({ "priority": "urgent", "assignee": "me", "why": "内部原因-投诉升级" });
    let _ = decides(&house, &ticket, &decision).await.expect(200);
    house.it_is("2026-03-09T10:00:00+08:00").await;
    let list = house.as_member(&anna, "GET", "/v1/me/tickets").send().await;
    let shown = mine(&house, &anna, &ticket).await;
    let message = writes(&house, &anna, &ticket, "还在吗").await;
    let closed = closes(&house, &anna, &ticket).await;
    for answer in [&list, &shown, &message, &closed] {
        assert!(answer.status < 300);
        for secret in ["内部", "manager", "agent", "urgent", "department", "clocks", "records", "assignee"] {
            assert_eq!(answer.count(secret), 0, "{secret} in {}", answer.asked);
        }
    }
    let records = read(&house, &ticket).await["records"].clone();
    let whats: Vec<&str> = records.as_array().unwrap().iter().map(|r| r["what"].as_str().unwrap()).collect();
    assert!(whats.contains(&"noted") && whats.contains(&"handled") && whats.contains(&"time_passed"), "{whats:?}");
    assert!(records.as_array().unwrap().iter().any(|record| record["text"] == "内部备注-老客户"));
}

#[tokio::test]
async fn another_members_ticket_is_not_there() {
    let (house, anna) = a_house_with_anna().await;
    let bo = house.signs_up("bo", &json!({})).await;
    let ticket = opens(&house, &anna, "other", "在吗").await;
    mine(&house, &bo, &ticket).await.refuses(404, "not_found");
    writes(&house, &bo, &ticket, "我的").await.refuses(404, "not_found");
    closes(&house, &bo, &ticket).await.refuses(404, "not_found");
    assert_eq!(house.as_member(&bo, "GET", "/v1/me/tickets").send().await.expect(200)["items"], json!([]));
    let nowhere = json!({ "id": "0".repeat(32) });
    mine(&house, &anna, &nowhere).await.refuses(404, "not_found");
    mine(&house, &anna, &json!({ "id": "quatsch" })).await.refuses(404, "not_found");
}

#[tokio::test]
async fn a_request_that_is_repeated_opens_one_ticket_and_writes_one_message() {
    let (house, anna) = a_house_with_anna().await;
    let body = json!({ "type": "quality", "text": "开胶" });
    let open = |body: &Value| house.as_member(&anna, "POST", "/v1/me/tickets").key("a-ticket-of-it").json(body).send();
    let first = open(&body).await.expect(201);
    assert_eq!(open(&body).await.expect(201), first);
    open(&json!({ "type": "quality", "text": "别的" })).await.refuses(422, "key_reused");
    open(&json!({ "type": "price", "text": "开胶" })).await.refuses(422, "key_reused");
    let path = format!("/v1/me/tickets/{}/messages", first["id"].as_str().unwrap());
    let write =
        |text: &str| house.as_member(&anna, "POST", &path).key("a-message").json(&json!({ "text": text })).send();
    let said = write("在吗").await.expect(201);
    assert_eq!(write("在吗").await.expect(201), said);
    write("不在").await.refuses(422, "key_reused");
    assert_eq!(mine(&house, &anna, &first).await.expect(200)["messages"].as_array().unwrap().len(), 2);
    let list = house.as_member(&anna, "GET", "/v1/me/tickets").send().await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_list_goes_on_page_by_page_newest_first() {
    let (house, anna) = a_house_with_anna().await;
    let mut opened = Vec::new();
    for n in 0..25 {
        house.it_is(&format!("2026-03-02T10:{n:02}:30+08:00")).await;
        opened.insert(0, opens(&house, &anna, "other", &format!("问题{n}")).await["id"].clone());
    }
    let first = house.as_member(&anna, "GET", "/v1/me/tickets").send().await.expect(200);
    let path = format!("/v1/me/tickets?cursor={}", first["next"].as_str().unwrap());
    let second = house.as_member(&anna, "GET", &path).send().await.expect(200);
    assert_eq!(second["next"], Value::Null);
    let ids = |page: &Value| page["items"].as_array().unwrap().iter().map(|t| t["id"].clone()).collect::<Vec<_>>();
    assert_eq!([ids(&first), ids(&second)].concat(), opened);
    let bo = house.signs_up("bo", &json!({})).await;
    house.as_member(&bo, "GET", &path).send().await.refuses(400, "cursor_invalid");
}

#[tokio::test]
async fn a_closed_ticket_is_reopened_by_writing_until_the_time_for_that_is_over() {
    let (house, anna) = a_house_with_anna().await;
    let ticket = opens(&house, &anna, "quality", "开胶").await;
    let closed = closes(&house, &anna, &ticket).await.expect(200);
    assert_eq!(&closed["reopen_until"].as_str().unwrap()[..10], "2026-03-16");
    house.it_is("2026-03-15T10:00:00+08:00").await;
    let _ = writes(&house, &anna, &ticket, "又开了").await.expect(201);
    assert_eq!(mine(&house, &anna, &ticket).await.expect(200)["state"], "reopened");
    let _ = closes(&house, &anna, &ticket).await.expect(200);
    house.it_is("2026-03-30T10:00:00+08:00").await;
    writes(&house, &anna, &ticket, "又又开了").await.refuses(409, "reopen_window_over");
    decides(&house, &ticket, &json!({ "state": "reopened" })).await.refuses(409, "reopen_window_over");
}

#[tokio::test]
async fn what_is_no_ticket_is_refused_in_a_sentence() {
    let (house, anna) = a_house_with_anna().await;
    let open = |body: Value| house.as_member(&anna, "POST", "/v1/me/tickets").key(&house.a_key()).json(&body).send();
    for body in [
        json!({ "type": "quality" }),
        json!({ "type": "rant", "text": "x" }),
        json!({ "type": "quality", "text": "" }),
        json!({ "type": "quality", "text": "   " }),
        json!({ "type": "quality", "text": "很".repeat(1_001) }),
        json!({ "type": "quality", "text": "x", "priority": "urgent" }),
        json!({ "type": "quality", "text": "x", "member_id": anna.id }),
        json!({ "type": "quality", "text": "x", "order": { "source": "pos-1" } }),
        json!({ "type": "quality", "text": 5 }),
    ] {
        open(body).await.refuses(400, "body_invalid");
    }
    open(json!({ "type": "size_return", "text": "x", "return_reason": "whim" }))
        .await
        .refuses(422, "unknown_return_reason");
    let without_key = house.as_member(&anna, "POST", "/v1/me/tickets").json(&json!({ "type": "other", "text": "x" }));
    without_key.send().await.refuses(400, "idempotency_key_missing");
    let long = json!({ "type": "other", "text": "很".repeat(1_700_000) });
    open(long).await.refuses(413, "body_too_large");
}

#[tokio::test]
async fn a_script_in_a_message_stays_text() {
    let (house, anna) = a_house_with_anna().await;
    let script = "<script>alert('1')</script>\n\"'; DROP TABLE tickets; --";
    let ticket = opens(&house, &anna, "other", script).await;
    let shown = mine(&house, &anna, &ticket).await;
    assert_eq!(shown.header("content-type"), "application/json");
    assert_eq!(shown.expect(200)["messages"][0]["text"], script);
}

#[tokio::test]
async fn what_people_write_lies_sealed_in_the_table() {
    let (house, anna) = a_house_with_anna().await;
    let ticket = opens(&house, &anna, "other", "住在幸福路88号").await;
    let _ = writes_to_member(&house, &ticket, json!({ "text": "备注幸福路", "internal": true })).await.expect(201);
    let record = house.host.app.table().ticket_and_records(
        huitou::values::TicketId::parse(ticket["id"].as_str().unwrap()).unwrap(),
        huitou::table::Side::All,
    );
    let (stored, records) = record.await.unwrap().unwrap();
    let lies = format!("{stored:?}{records:?}");
    assert!(!lies.contains("幸福路") && lies.contains("sealed: Some"), "{lies}");
}

// --- Desk -----------------------------------------------------------------------------------------------------------

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
        calls.push(answer.cost().calls);
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
    let first = opens(&house, &anna, "quality", "开胶").await;
    let mut again = opens(&house, &anna, "quality", "开胶").await;
    while counted_with(&again) != counted_with(&first) {
        again = opens(&house, &anna, "quality", "开胶").await;
    }
    house.host.scheduler.rest(true);
    house.it_is("2026-03-03T17:00:00+08:00").await;
    let path = path(&again, "/merges");
    let merge = house.as_role("agent", "POST", &path).json(&json!({ "into": first["id"], "reason": "重复" }));
    let _ = merge.send().await.expect(200);
    let board = house.as_manager("GET", "/v1/reports/tickets").send().await.expect(200);
    assert_eq!(board["breaches"][0]["count"], 2);
}

// --- Clocks ---------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn the_deadline_skips_the_weekend() {
    // Friday; quality is solved within eight open hours.
    let house = a_house_at("2026-03-06T16:30:00+08:00").await;
    let anna = house.signs_up("anna", &json!({})).await;
    let ticket = opens(&house, &anna, "quality", "开胶").await;
    let clocks = read(&house, &ticket).await["clocks"].clone();
    let due = |n: usize| clocks[n]["due"].as_str().unwrap()[..16].to_owned();
    assert_eq!((clocks[0]["clock"].as_str(), due(0).as_str()), (Some("first_reply"), "2026-03-09T11:30"));
    assert_eq!((clocks[1]["clock"].as_str(), due(1).as_str()), (Some("resolution"), "2026-03-09T16:30"));
}

#[tokio::test]
async fn a_clock_stands_still_while_the_ticket_waits_for_the_member_and_after_it_is_resolved() {
    let (house, anna) = a_house_with_anna().await;
    let ticket = opens(&house, &anna, "quality", "开胶").await;
    house.it_is("2026-03-02T11:00:00+08:00").await;
    let _ = writes_to_member(&house, &ticket, json!({ "text": "请拍照", "then": "waiting" })).await.expect(201);
    house.it_is("2026-03-04T09:00:00+08:00").await;
    assert_eq!(fired(&house, &ticket).await, Vec::<String>::new());
    let _ = writes(&house, &anna, &ticket, "照片").await.expect(201);
    let due = resolution(&house, &ticket).await["due"].as_str().unwrap()[..16].to_owned();
    assert_eq!(due, "2026-03-04T17:00", "one of eight hours was used up");
    let _ = writes_to_member(&house, &ticket, json!({ "text": "已换新", "then": "resolved" })).await.expect(201);
    assert_eq!(resolution(&house, &ticket).await["running"], false);
    house.it_is("2026-03-09T09:00:00+08:00").await;
    let _ = writes(&house, &anna, &ticket, "还是坏").await.expect(201);
    let due = resolution(&house, &ticket).await["due"].as_str().unwrap()[..16].to_owned();
    assert_eq!(due, "2026-03-09T17:00", "by the rest, seven hours and a break");
}

#[tokio::test]
async fn every_clock_event_comes_once_however_late_and_often_the_clocks_are_looked_at() {
    let (house, anna) = a_house_with_anna().await;
    let ticket = opens(&house, &anna, "quality", "开胶").await;
    // Quality: first reply in four open hours, resolution in eight, escalation four hours after.
    house.it_is("2026-03-02T13:58:00+08:00").await;
    assert_eq!(fired(&house, &ticket).await, Vec::<String>::new());
    house.it_is("2026-03-02T14:02:00+08:00").await;
    assert_eq!(fired(&house, &ticket).await, ["first_reply warning"]);
    house.it_is("2026-03-02T15:02:00+08:00").await;
    assert_eq!(fired(&house, &ticket).await, ["first_reply warning", "first_reply breach"]);
    house.it_is("2026-03-20T09:00:00+08:00").await;
    let ticks = (0..8).map(|_| tickets::handle(house.host.app.clone(), json!({})));
    for tick in join_all(ticks).await {
        let _ = tick.unwrap();
    }
    let all = fired(&house, &ticket).await;
    let mut once = all.clone();
    once.sort();
    once.dedup();
    assert_eq!((all.len(), once.len()), (6, 6), "{all:?}");
}

#[tokio::test]
async fn a_reply_that_comes_before_anybody_noticed_that_it_is_late_is_late_all_the_same() {
    let (house, anna) = a_house_with_anna().await;
    let ticket = opens(&house, &anna, "quality", "开胶").await;
    house.host.scheduler.rest(true);
    house.it_is("2026-03-02T16:00:00+08:00").await;
    let _ = writes_to_member(&house, &ticket, json!({ "text": "在处理" })).await.expect(201);
    house.host.scheduler.rest(false);
    house.it_is("2026-03-02T16:30:00+08:00").await;
    assert_eq!(fired(&house, &ticket).await, ["first_reply warning", "first_reply breach"]);
}

#[tokio::test]
async fn an_escalated_ticket_is_a_managers_until_it_is_sent_back() {
    let (house, anna) = a_house_with_anna().await;
    let ticket = opens(&house, &anna, "quality", "开胶").await;
    house.it_is("2026-03-03T16:00:00+08:00").await;
    assert_eq!(queue(&house, "after_sales").await, Vec::<Value>::new());
    assert_eq!(queue(&house, "management").await, [ticket["id"].clone()]);
    let back = decides(&house, &ticket, &json!({ "department": "after_sales", "why": "优先处理" })).await.expect(200);
    assert_eq!((&back["queue"], &back["escalated_at"]), (&json!("after_sales"), &Value::Null));
    assert_eq!(queue(&house, "after_sales").await, [ticket["id"].clone()]);
}

#[tokio::test]
async fn a_resolved_ticket_closes_by_itself_and_nobody_is_asked_about_it() {
    let (house, anna) = a_house_with_anna().await;
    let ticket = opens(&house, &anna, "quality", "开胶").await;
    let _ = writes_to_member(&house, &ticket, json!({ "text": "已换新", "then": "resolved" })).await.expect(201);
    house.it_is("2026-03-09T10:05:00+08:00").await;
    let seen = mine(&house, &anna, &ticket).await.expect(200);
    assert_eq!((&seen["state"], &seen["survey"]), (&json!("closed"), &Value::Null));
    assert_eq!(read(&house, &ticket).await["ending"], "by_time");
}

// --- Surveys --------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_bad_answer_opens_a_managers_ticket_that_leads_back_and_that_the_member_does_not_see() {
    let (house, anna) = a_house_with_anna().await;
    let (ticket, path) = a_survey(&house, &anna).await;
    let answer = json!({ "csat": 1, "nps": 2, "words": "等了三天" });
    assert_eq!(house.call("POST", &path).json(&answer).send().await.expect(200)["next"], "follow_up");
    let whole = read(&house, &ticket).await;
    let follow_up = json!({ "id": whole["followed_by"][0] });
    assert_eq!(queue(&house, "management").await, [follow_up["id"].clone()]);
    let seen = read(&house, &follow_up).await;
    assert_eq!((&seen["follows"], &seen["records"][0]["text"]), (&ticket["id"], &json!("等了三天")));
    mine(&house, &anna, &follow_up).await.refuses(404, "not_found");
    writes(&house, &anna, &follow_up, "?").await.refuses(404, "not_found");
    let list = house.as_member(&anna, "GET", "/v1/me/tickets").send().await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_good_answer_tags_the_advocate() {
    let (house, anna) = a_house_with_anna().await;
    let (ticket, path) = a_survey(&house, &anna).await;
    let answer = house.call("POST", &path).json(&json!({ "csat": 5, "nps": 10 })).send().await;
    assert_eq!(answer.expect(200)["next"], "invitation");
    house.it_is("2026-03-02T10:05:00+08:00").await;
    assert_eq!(house.picture(&anna.id).await["tags"], json!(["推荐者"]));
    let records = read(&house, &ticket).await["records"].clone();
    let whats: Vec<&str> = records.as_array().unwrap().iter().map(|r| r["what"].as_str().unwrap()).collect();
    assert_eq!(whats, ["opened", "member_closed", "answered", "advocate_tagged"]);
}

#[tokio::test]
async fn an_advocate_is_in_the_segment_of_advocates_and_no_longer_among_the_others() {
    let (house, anna) = a_house_with_anna().await;
    for (id, rule) in [("advocates", "tag = \"推荐者\""), ("others", "not tag = \"推荐者\"")] {
        let tag = house.as_manager("GET", "/v1/segments").send().await.header("etag").to_owned();
        let save = house.as_manager("PUT", &format!("/v1/segments/{id}")).header("if-match", &tag);
        let _ = save.json(&json!({ "name": id, "rule": rule })).send().await.expect(200);
    }
    let of = |id: &'static str| {
        let list = house.as_manager("GET", "/v1/segments").send();
        async move {
            let list = list.await.expect(200);
            list["items"].as_array().unwrap().iter().find(|item| item["id"] == id).unwrap()["members"].clone()
        }
    };
    let _ = house.buys(&anna, 100_00).await;
    assert_eq!((of("advocates").await, of("others").await), (json!(0), json!(1)));
    let (_, path) = a_survey(&house, &anna).await;
    let _ = house.call("POST", &path).json(&json!({ "csat": 5, "nps": 10 })).send().await.expect(200);
    house.it_is("2026-03-02T10:05:00+08:00").await;
    assert_eq!((of("advocates").await, of("others").await), (json!(1), json!(0)));
}

#[tokio::test]
async fn a_system_opens_a_ticket_for_a_member_by_its_signature() {
    let (house, anna) = a_house_with_anna().await;
    let body = json!({ "member_id": anna.id, "type": "logistics", "text": "快递破损" });
    let call = house.call("POST", "/v1/tickets").key("ticket-of-the-till").json(&body);
    assert_eq!(house.signs(call).send().await.expect(201)["type"], "logistics");
}

#[tokio::test]
async fn a_survey_link_counts_once_and_for_a_week_and_none_can_be_made_up() {
    let (house, anna) = a_house_with_anna().await;
    let (_, path) = a_survey(&house, &anna).await;
    let answer = |path: &str, body: Value| house.call("POST", path).json(&body).send();
    for bad in
        [json!({}), json!({ "csat": 0 }), json!({ "csat": 6 }), json!({ "csat": 5, "nps": 11 }), json!({ "csat": 4.5 })]
    {
        answer(&path, bad).await.refuses(400, "body_invalid");
    }
    let answers = join_all((0..10).map(|_| answer(&path, json!({ "csat": 4 })))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    answer(&path, json!({ "csat": 4 })).await.refuses(409, "survey_used");
    for forged in ["/v1/surveys/x", &format!("{path}A"), &path.replace("/v1/surveys/A", "/v1/surveys/B")] {
        answer(forged, json!({ "csat": 4 })).await.refuses(404, "survey_unknown");
    }
    let bo = house.signs_up("bo", &json!({})).await;
    let (_, late) = a_survey(&house, &bo).await;
    house.it_is("2026-03-09T12:00:00+08:00").await;
    answer(&late, json!({ "csat": 4 })).await.refuses(409, "survey_expired");
}

#[tokio::test]
async fn nobody_is_asked_twice_within_two_weeks_nor_about_spam() {
    let (house, anna) = a_house_with_anna().await;
    let _ = a_survey(&house, &anna).await;
    let asked = |ticket: Value| {
        let (house, anna) = (&house, &anna);
        async move { closes(house, anna, &ticket).await.expect(200)["survey"].is_object() }
    };
    assert!(!asked(opens(&house, &anna, "price", "贵").await).await);
    house.it_is("2026-03-16T09:59:00+08:00").await;
    assert!(!asked(opens(&house, &anna, "price", "贵").await).await);
    house.it_is("2026-03-16T10:05:00+08:00").await;
    let spam = opens(&house, &anna, "other", "广告").await;
    assert_eq!(decides(&house, &spam, &json!({ "spam": true })).await.expect(200)["ending"], "spam");
    assert_eq!(mine(&house, &anna, &spam).await.expect(200)["survey"], Value::Null);
    assert!(asked(opens(&house, &anna, "price", "贵").await).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_tickets_that_are_closed_at_once_ask_once() {
    let (house, anna) = a_house_with_anna().await;
    let mut opened = Vec::new();
    for n in 0..10 {
        opened.push(opens(&house, &anna, "price", &format!("贵{n}")).await);
    }
    let closed = join_all(opened.iter().map(|ticket| closes(&house, &anna, ticket))).await;
    let asked = closed.iter().filter(|answer| answer.expect(200)["survey"].is_object()).count();
    assert_eq!(asked, 1);
    let board = house.as_manager("GET", "/v1/reports/tickets").send().await.expect(200);
    assert_eq!((&board["satisfaction"]["asked"], &board["resolution"]["count"]), (&json!(1), &json!(10)));
}

// --- Attachments ----------------------------------------------------------------------------------------------------

const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\nand so on";

#[tokio::test]
async fn a_picture_is_announced_uploaded_attached_and_seen_by_the_desk() {
    let (house, anna) = a_house_with_anna().await;
    let link = announces(&house, &anna, "image/png", PICTURE.len()).await.expect(201);
    assert_eq!(uploads(&house, &link, "image/png", PICTURE).await.status, 200);
    assert_eq!(uploads(&house, &link, "image/png", PICTURE).await.status, 412, "a link counts for one file");
    let ticket = attaches(&house, &anna, &[&link]).await.expect(201);
    let shown = mine(&house, &anna, &ticket).await.expect(200)["messages"][0]["attachments"][0].clone();
    let seen = read(&house, &ticket).await["records"][0]["attachments"][0].clone();
    for file in [&shown, &seen] {
        assert_eq!((&file["type"], &file["bytes"]), (&json!("image/png"), &json!(PICTURE.len())));
        let fetched = house.call("GET", &path_of(file)).send().await;
        assert_eq!((fetched.status, fetched.text.as_ref()), (200, PICTURE));
        assert_eq!(fetched.header("content-disposition"), "attachment");
    }
    assert_eq!(house.call("GET", &path_of(&link)).send().await.status, 403, "an upload link fetches nothing");
    assert_eq!(house.call("GET", "/dev/objects/made-up").send().await.status, 403);
}

#[tokio::test]
async fn a_file_that_is_not_what_was_announced_is_not_attached() {
    let (house, anna) = a_house_with_anna().await;
    let refuses = |kind: &'static str, bytes: usize| announces(&house, &anna, kind, bytes);
    refuses("application/x-msdownload", 10).await.refuses(400, "body_invalid");
    refuses("image/png", 0).await.refuses(422, "attachment_too_large");
    refuses("image/png", 10 * 1024 * 1024 + 1).await.refuses(422, "attachment_too_large");
    let program = b"MZ\x90\0 a program with the name of a picture";
    let link = announces(&house, &anna, "image/png", program.len()).await.expect(201);
    attaches(&house, &anna, &[&link]).await.refuses(422, "attachment_missing");
    assert_eq!(uploads(&house, &link, "text/html", program).await.status, 403);
    assert_eq!(uploads(&house, &link, "image/png", PICTURE).await.status, 403, "another size");
    assert_eq!(uploads(&house, &link, "image/png", program).await.status, 200);
    attaches(&house, &anna, &[&link]).await.refuses(422, "attachment_false");
    assert_eq!(house.as_member(&anna, "GET", "/v1/me/tickets").send().await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_file_is_its_members_own_and_five_are_enough() {
    let (house, anna) = a_house_with_anna().await;
    let bo = house.signs_up("bo", &json!({})).await;
    let link = announces(&house, &anna, "image/png", PICTURE.len()).await.expect(201);
    assert_eq!(uploads(&house, &link, "image/png", PICTURE).await.status, 200);
    attaches(&house, &bo, &[&link]).await.refuses(422, "attachment_unknown");
    attaches(&house, &anna, &[&json!({ "attachment": "made-up" })]).await.refuses(422, "attachment_unknown");
    attaches(&house, &anna, &[&link; 6]).await.refuses(422, "too_many_attachments");
}

// --- Self-service ---------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_question_is_answered_or_becomes_a_ticket_with_its_text_and_both_are_counted_once() {
    let (house, anna) = a_house_with_anna().await;
    let found = asks(&house, &anna, "衣服不合适怎么退货").await.expect(200);
    assert_eq!(found["items"][0]["id"], "returns");
    let outcome = |search: &Value, solved: bool| {
        let body = json!({ "search": search["search"], "solved": solved, "type": "size_return" });
        house.as_member(&anna, "POST", "/v1/me/faq/outcomes").json(&body).send()
    };
    assert_eq!(outcome(&found, true).await.expect(200), json!({}));
    assert_eq!(outcome(&found, true).await.expect(200), json!({}));
    let nothing = asks(&house, &anna, "裙子掉色了").await.expect(200);
    assert_eq!(nothing["items"], json!([]));
    let ticket = outcome(&nothing, false).await.expect(201)["ticket"].clone();
    assert_eq!(outcome(&nothing, false).await.expect(201)["ticket"], ticket);
    assert_eq!((&ticket["messages"][0]["text"], &ticket["type"]), (&json!("裙子掉色了"), &json!("size_return")));
    let board = house.as_manager("GET", "/v1/reports/tickets").send().await.expect(200);
    let counted = json!({ "asked": 2, "answered": 1, "solved": 1, "unsolved": 1, "solved_per_10000": 5_000 });
    assert_eq!((&board["self_service"], &board["opened"]), (&counted, &json!(1)));
}

#[tokio::test]
async fn a_search_is_its_members_own() {
    let (house, anna) = a_house_with_anna().await;
    let bo = house.signs_up("bo", &json!({})).await;
    let found = asks(&house, &anna, "怎么退货").await.expect(200);
    for search in [&found["search"], &json!("made-up")] {
        let body = json!({ "search": search, "solved": false });
        let call = house.as_member(&bo, "POST", "/v1/me/faq/outcomes").json(&body);
        call.send().await.refuses(422, "search_unknown");
    }
    for bad in ["", " ", &"很".repeat(201)] {
        asks(&house, &anna, bad).await.refuses(400, "body_invalid");
    }
    let _ = asks(&house, &anna, &"😀".repeat(200)).await.expect(200);
}

// --- Settings and board ---------------------------------------------------------------------------------------------

#[tokio::test]
async fn settings_of_the_desk_are_saved_as_the_next_version_or_refused_with_every_flaw() {
    let (house, anna) = a_house_with_anna().await;
    let shipped = house.as_manager("GET", "/v1/desk").send().await;
    let (mut desk, tag) = (shipped.expect(200)["desk"].clone(), shipped.header("etag").to_owned());
    let save = |tag: &str, desk: &Value| house.as_manager("PUT", "/v1/desk").header("if-match", tag).json(desk).send();
    desk["escalation"] = json!("nowhere");
    desk["close_after_days"] = json!(0);
    let refused = save(&tag, &desk).await;
    refused.refuses(422, "settings_flawed");
    assert_eq!(refused.json()["errors"].as_array().unwrap().len(), 2);
    desk["escalation"] = json!("management");
    desk["close_after_days"] = json!(3);
    desk["routes"][0]["department"] = json!("products");
    assert_eq!(save(&tag, &desk).await.expect(200)["version"], 2);
    save(&tag, &desk).await.refuses(412, "version_moved");
    let _ = opens(&house, &anna, "quality", "开胶").await;
    assert_eq!(queue(&house, "products").await.len(), 1);
}

#[tokio::test]
async fn the_board_counts_what_came_in_and_how_it_went() {
    let (house, anna) = a_house_with_anna().await;
    let late = opens(&house, &anna, "quality", "开胶").await;
    for (reason, line) in [("too_small", "鞋"), ("too_small", "鞋"), ("flaw", "外套")] {
        let body =
            json!({ "type": "size_return", "text": "退", "return_reason": reason, "product": { "category": line } });
        let call = house.as_member(&anna, "POST", "/v1/me/tickets").key(&house.a_key()).json(&body);
        let _ = call.send().await.expect(201);
    }
    house.it_is("2026-03-02T11:30:00+08:00").await;
    let quick = opens(&house, &anna, "price", "贵").await;
    house.it_is("2026-03-02T15:30:30+08:00").await;
    let _ = writes_to_member(&house, &late, json!({ "text": "换新", "then": "closed" })).await.expect(201);
    let _ = closes(&house, &anna, &quick).await.expect(200);
    let board = house.as_manager("GET", "/v1/reports/tickets").send().await.expect(200);
    assert_eq!((&board["opened"], &board["first_reply"]["count"]), (&json!(5), &json!(1)));
    assert_eq!((&board["resolution"]["count"], &board["resolution"]["mean_minutes"]), (&json!(2), &json!(285)));
    assert_eq!(board["breaches"][0], json!({ "clock": "first_reply", "count": 1, "per_10000": 2_000 }));
    assert_eq!(board["return_reasons"][0], json!({ "reason": "too_small", "count": 2 }));
    assert_eq!((&board["complaints_by_hour"][10], &board["complaints_by_hour"][11]), (&json!(4), &json!(1)));
    assert_eq!((&board["lines"][0]["line"], &board["lines"][0]["complaints"]), (&json!("鞋"), &json!(2)));
    let waiting =
        json!({ "department": "after_sales", "priority": "normal", "free": 3, "taken": 0, "waiting": 0, "overdue": 0 });
    assert_eq!(board["queues"], json!([waiting]));
    house
        .as_manager("GET", "/v1/reports/tickets?from=2026-01-01&until=2026-12-31")
        .send()
        .await
        .refuses(400, "span_invalid");
    let empty =
        house.as_manager("GET", "/v1/reports/tickets?from=2026-03-03&until=2026-03-03").send().await.expect(200);
    assert_eq!((&empty["opened"], &empty["first_reply"]["mean_minutes"]), (&json!(0), &Value::Null));
}

// --- Helpers --------------------------------------------------------------------------------------------------------

/// A house on a Monday at ten, and a member who is logged in.
async fn a_house_with_anna() -> (House, Member) {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    (house, anna)
}

async fn opens(house: &House, member: &Member, kind: &str, text: &str) -> Value {
    let body = json!({ "type": kind, "text": text });
    house.as_member(member, "POST", "/v1/me/tickets").key(&house.a_key()).json(&body).send().await.expect(201)
}

fn path(ticket: &Value, rest: &str) -> String {
    format!("/v1/tickets/{}{rest}", ticket["id"].as_str().unwrap())
}

async fn mine(house: &House, member: &Member, ticket: &Value) -> Answer {
    house.as_member(member, "GET", &format!("/v1/me/tickets/{}", ticket["id"].as_str().unwrap())).send().await
}

async fn writes(house: &House, member: &Member, ticket: &Value, text: &str) -> Answer {
    let path = format!("/v1/me/tickets/{}/messages", ticket["id"].as_str().unwrap());
    house.as_member(member, "POST", &path).key(&house.a_key()).json(&json!({ "text": text })).send().await
}

async fn closes(house: &House, member: &Member, ticket: &Value) -> Answer {
    let path = format!("/v1/me/tickets/{}/close", ticket["id"].as_str().unwrap());
    house.as_member(member, "POST", &path).send().await
}

async fn writes_to_member(house: &House, ticket: &Value, body: Value) -> Answer {
    house.as_role("agent", "POST", &path(ticket, "/messages")).key(&house.a_key()).json(&body).send().await
}

async fn read(house: &House, ticket: &Value) -> Value {
    house.as_role("agent", "GET", &path(ticket, "")).send().await.expect(200)
}

/// A decision of an agent on the ticket as it is now.
async fn decides(house: &House, ticket: &Value, decision: &Value) -> Answer {
    let tag = house.as_role("agent", "GET", &path(ticket, "")).send().await.header("etag").to_owned();
    house.as_role("agent", "PUT", &path(ticket, "")).header("if-match", &tag).json(decision).send().await
}

async fn takes_next(house: &House, department: &str) -> Answer {
    house.as_role("agent", "POST", "/v1/tickets/next").json(&json!({ "department": department })).send().await
}

async fn queue(house: &House, department: &str) -> Vec<Value> {
    let page = house.as_role("agent", "GET", &format!("/v1/tickets?department={department}")).send().await.expect(200);
    page["items"].as_array().unwrap().iter().map(|ticket| ticket["id"].clone()).collect()
}

fn id_in(answer: &Answer) -> String {
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn said(ticket: &Value) -> Vec<(&str, &str)> {
    let messages = ticket["messages"].as_array().unwrap().iter();
    messages.map(|message| (message["from"].as_str().unwrap(), message["text"].as_str().unwrap())).collect()
}

/// Everything that the clocks of a ticket have fired, in order.
async fn fired(house: &House, ticket: &Value) -> Vec<String> {
    let records = read(house, ticket).await["records"].clone();
    let all = records.as_array().unwrap().iter().filter_map(|record| record["fired"].as_array()).flatten();
    all.map(|fired| format!("{} {}", fired["clock"].as_str().unwrap(), fired["alarm"].as_str().unwrap())).collect()
}

async fn resolution(house: &House, ticket: &Value) -> Value {
    let clocks = read(house, ticket).await["clocks"].clone();
    clocks.as_array().unwrap().iter().find(|clock| clock["clock"] == "resolution").unwrap().clone()
}

async fn announces(house: &House, member: &Member, kind: &str, bytes: usize) -> Answer {
    let file = json!({ "type": kind, "bytes": bytes });
    house.as_member(member, "POST", "/v1/me/attachments").json(&file).send().await
}

/// The path of a link to this host.
fn path_of(link: &Value) -> String {
    format!("/{}", link["url"].as_str().unwrap().splitn(4, '/').last().unwrap())
}

async fn uploads(house: &House, link: &Value, kind: &str, file: &'static [u8]) -> Answer {
    house.call("PUT", &path_of(link)).header("if-none-match", "*").text(kind, file).send().await
}

async fn attaches(house: &House, member: &Member, links: &[&Value]) -> Answer {
    let names: Vec<&Value> = links.iter().map(|link| &link["attachment"]).collect();
    let body = json!({ "type": "quality", "text": "见图", "attachments": names });
    house.as_member(member, "POST", "/v1/me/tickets").key(&house.a_key()).json(&body).send().await
}

async fn asks(house: &House, member: &Member, text: &str) -> Answer {
    house.as_member(member, "POST", "/v1/me/faq").json(&json!({ "text": text })).send().await
}

/// A ticket that the member has closed, and the path of its survey.
async fn a_survey(house: &House, member: &Member) -> (Value, String) {
    let ticket = opens(house, member, "quality", "开胶").await;
    let closed = closes(house, member, &ticket).await.expect(200);
    (ticket, closed["survey"]["path"].as_str().unwrap().to_owned())
}
