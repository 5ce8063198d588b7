//! How much one member may ask of the desk: conditions in the table, so that nobody gets past them by being quick.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{Answer, House, Member};

use super::doings::{a_house_with_anna, changes_desk, closes, opens, writes, writes_to_member};

async fn asks(house: &House, member: &Member, key: &str, text: &str) -> Answer {
    let body = json!({ "type": "other", "text": text });
    house.as_member(member, "POST", "/v1/me/tickets").key(key).json(&body).send().await
}

async fn limits(house: &House, open: u32, messages_a_day: u32) {
    let limits = json!({ "open": open, "messages_a_day": messages_a_day });
    let _ = changes_desk(house, |desk| desk["limits"] = limits).await;
}

#[tokio::test]
async fn a_member_has_so_many_open_tickets_and_another_one_when_one_of_them_is_over() {
    let (house, anna) = a_house_with_anna().await;
    limits(&house, 2, 100).await;
    let first = asks(&house, &anna, "the-first", "一").await.expect(201);
    let second = asks(&house, &anna, "the-second", "二").await.expect(201);
    let refused = asks(&house, &anna, "the-third", "三").await;
    refused.refuses(422, "too_many_open_tickets");
    assert!(refused.json()["detail"].as_str().unwrap().contains("at most 2"), "{}", refused.json());
    assert_eq!(asks(&house, &anna, "the-second", "二").await.expect(201)["id"], second["id"], "no third one");
    let _ = closes(&house, &anna, &first).await.expect(200);
    let third = asks(&house, &anna, "the-third", "三").await.expect(201);
    let _ = writes_to_member(&house, &third, json!({ "text": "好了", "then": "resolved" })).await.expect(201);
    let _ = asks(&house, &anna, "the-fourth", "四").await.expect(201);
    // Who writes in an old one is answered all the same, and has three open ones then.
    let _ = writes(&house, &anna, &third, "没好").await.expect(201);
    asks(&house, &anna, "the-fifth", "五").await.refuses(422, "too_many_open_tickets");
    let bo = house.signs_up("bo", &json!({})).await;
    let _ = asks(&house, &bo, "the-first", "一").await.expect(201);
}

#[tokio::test]
async fn staff_and_systems_open_as_many_as_they_have_to() {
    let (house, anna) = a_house_with_anna().await;
    limits(&house, 1, 1).await;
    let body = json!({ "member_id": anna.id, "type": "quality", "text": "电话来访" });
    for role in ["agent", "system", "manager"] {
        let call = house.as_role(role, "POST", "/v1/tickets").key(&house.a_key()).json(&body);
        let _ = call.send().await.expect(201);
    }
    asks(&house, &anna, "my-own-one", "我自己").await.refuses(422, "too_many_open_tickets");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_tickets_at_once_as_many_are_opened_as_may_be_open() {
    let (house, anna) = a_house_with_anna().await;
    limits(&house, 3, 100).await;
    let keys: Vec<String> = (0..20).map(|n| format!("at-once-{n}")).collect();
    let answers = join_all(keys.iter().map(|key| asks(&house, &anna, key, "一起"))).await;
    let opened = answers.iter().filter(|answer| answer.status == 201).count();
    let list = house.as_member(&anna, "GET", "/v1/me/tickets").send().await.expect(200);
    assert_eq!((opened, list["items"].as_array().unwrap().len()), (3, 3));
}

#[tokio::test]
async fn a_member_writes_so_many_messages_a_day_and_goes_on_tomorrow() {
    let (house, anna) = a_house_with_anna().await;
    limits(&house, 30, 3).await;
    let ticket = opens(&house, &anna, "quality", "开胶").await;
    let path = format!("/v1/me/tickets/{}/messages", ticket["id"].as_str().unwrap());
    let write = |key: &'static str, text: &'static str| {
        house.as_member(&anna, "POST", &path).key(key).json(&json!({ "text": text })).send()
    };
    let _ = write("message-2", "在吗").await.expect(201);
    let third: Value = write("message-3", "在不在").await.expect(201);
    let refused = write("message-4", "喂").await;
    refused.refuses(429, "too_many_messages");
    // From ten in the morning until midnight.
    let seconds: u32 = refused.header("retry-after").parse().unwrap();
    assert!((1..=14 * 3_600 + 1).contains(&seconds), "{seconds}");
    assert_eq!(write("message-3", "在不在").await.expect(201), third, "said again is said once");
    asks(&house, &anna, "another-one", "另一件").await.refuses(429, "too_many_messages");
    let _ = writes_to_member(&house, &ticket, json!({ "text": "在的" })).await.expect(201);
    house.it_is("2026-03-03T00:00:01+08:00").await;
    let _ = write("message-4", "喂").await.expect(201);
}
