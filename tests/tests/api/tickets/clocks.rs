//! What time does to tickets.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{House, a_house_at};

use super::doings::{a_house_with_anna, decides, mine, opens, queue, read, resolution, writes, writes_to_member};

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

/// Everything that the clocks of a ticket have fired, in order.
async fn fired(house: &House, ticket: &Value) -> Vec<String> {
    let records = read(house, ticket).await["records"].clone();
    let all = records.as_array().unwrap().iter().filter_map(|record| record["fired"].as_array()).flatten();
    all.map(|fired| format!("{} {}", fired["clock"].as_str().unwrap(), fired["alarm"].as_str().unwrap())).collect()
}
