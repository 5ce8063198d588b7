//! Settings of the desk, and the board.

use serde_json::{Value, json};

use super::doings::{a_house_with_anna, closes, opens, queue, writes_to_member};

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
