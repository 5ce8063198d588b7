//! Tickets as a member opens, follows and ends them.

use serde_json::{Value, json};

use super::doings::{a_house_with_anna, closes, decides, mine, opens, read, writes, writes_to_member};

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
async fn tickets_of_an_account_that_was_merged_into_this_one_are_the_members_own_until_it_is_undone() {
    let (house, anna) = a_house_with_anna().await;
    let card = house.a_member("00002").await;
    let opened = json!({ "member_id": card.id, "type": "quality", "text": "在店里买的开胶了" });
    let opened = house.as_role("agent", "POST", "/v1/tickets").key(&house.a_key()).json(&opened).send().await;
    let before = opened.expect(201);
    let own = opens(&house, &anna, "other", "在吗").await;
    mine(&house, &anna, &before).await.refuses(404, "not_found");
    let merges = format!("/v1/members/{}/merges", anna.id);
    let merge = json!({ "other": card.id, "reason": "同一人" });
    let merged = house.as_manager("POST", &merges).json(&merge).send().await.expect(201);
    let first = house.as_member(&anna, "GET", "/v1/me/tickets").send().await;
    assert_eq!((first.cost().calls, &first.json()["items"][0]["id"]), (2, &own["id"]));
    let rest = format!("/v1/me/tickets?cursor={}", first.json()["next"].as_str().unwrap());
    let rest = house.as_member(&anna, "GET", &rest).send().await.expect(200);
    assert_eq!((&rest["items"][0]["id"], &rest["next"]), (&before["id"], &Value::Null));
    let _ = writes(&house, &anna, &before, "我办了会员").await.expect(201);
    let seen = mine(&house, &anna, &before).await.expect(200);
    assert_eq!(said(&seen), [("service", "在店里买的开胶了"), ("me", "我办了会员")]);
    assert_eq!(closes(&house, &anna, &before).await.expect(200)["state"], "closed");
    let undo = format!("{merges}/{}", merged["id"].as_str().unwrap());
    assert_eq!(house.as_manager("DELETE", &undo).send().await.status, 204);
    let login = json!({ "provider": "wechat", "code": "dev:anna" });
    let session = house.call("POST", "/v1/sessions").json(&login).send().await.expect(200);
    let asks = async |path: &str| house.call("GET", path).token(session["access_token"].as_str().unwrap()).send().await;
    asks(&format!("/v1/me/tickets/{}", before["id"].as_str().unwrap())).await.refuses(404, "not_found");
    let list = asks("/v1/me/tickets").await.expect(200);
    assert_eq!((list["items"].as_array().unwrap().len(), &list["next"]), (1, &Value::Null));
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
    let about = json!({ "type": "quality", "text": "开胶", "order": { "source": "pos-1", "id": "S-1" } });
    open(&about).await.refuses(422, "key_reused");
    let _ = decides(&house, &first, &json!({ "type": "size_return" })).await.expect(200);
    assert_eq!(open(&body).await.expect(201)["id"], first["id"], "what the desk made of it is no other content");
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

fn said(ticket: &Value) -> Vec<(&str, &str)> {
    let messages = ticket["messages"].as_array().unwrap().iter();
    messages.map(|message| (message["from"].as_str().unwrap(), message["text"].as_str().unwrap())).collect()
}
