//! Settings of the desk, and the board.

use huitou::values::Moment;
use serde_json::{Value, json};
use tests::a_house_at;

use super::doings::{a_house_with_anna, changes_desk, closes, opens, queue, writes_to_member};

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

#[tokio::test]
async fn a_product_line_of_which_far_more_than_usual_complain_is_an_alert_and_a_busy_day_is_none() {
    let house = a_house_at("2026-02-10T10:00:00+08:00").await;
    let anna = house.signs_up("anna", &json!({})).await;
    house.host.scheduler.rest(true);
    // Thirty complaints in the four weeks before, three of them about coats; then twenty, ten of them about coats.
    for (day, coats, shoes) in [("2026-02-10", 3, 27), ("2026-03-02", 10, 10)] {
        house.host.clock.set(Moment::parse(&format!("{day}T10:00:00+08:00")).unwrap());
        for line in [vec!["外套"; coats], vec!["鞋"; shoes]].concat() {
            let product = json!({ "category": line });
            let body = json!({ "member_id": anna.id, "type": "quality", "text": "坏了", "product": product });
            let call = house.as_role("agent", "POST", "/v1/tickets").key(&house.a_key()).json(&body);
            let _ = call.send().await.expect(201);
        }
    }
    let board =
        house.as_manager("GET", "/v1/reports/tickets?from=2026-03-02&until=2026-03-02").send().await.expect(200);
    let line =
        |name: &str| board["lines"].as_array().unwrap().iter().find(|line| line["line"] == name).unwrap().clone();
    let (coats, shoes) = (line("外套"), line("鞋"));
    assert_eq!((&coats["per_10000"], &coats["usual_per_10000"]), (&json!(5_000), &json!(1_000)));
    assert_eq!((&coats["alert"], &shoes["alert"]), (&json!(true), &json!(false)));
    // (0.5 - 0.1) / sqrt(13/50 * 37/50 * (1/20 + 1/30)) by hand.
    assert!((coats["deviation"].as_f64().unwrap() - 3.159).abs() < 0.001, "{coats}");
}

#[tokio::test]
async fn notices_that_say_nothing_on_a_channel_of_their_plan_are_a_flaw_with_its_place() {
    let (house, _) = a_house_with_anna().await;
    let read = house.as_manager("GET", "/v1/desk").send().await;
    let mut desk = read.expect(200)["desk"].clone();
    desk["notices"]["survey"]["plan"] = json!(["sms", "wecom", "wecom"]);
    desk["notices"]["invitation"]["content"]["email"]["text"] = json!("来吧");
    desk["notices"]["manager"]["alarms"] = json!([]);
    let save = house.as_manager("PUT", "/v1/desk").header("if-match", read.header("etag")).json(&desk).send().await;
    save.refuses(422, "settings_flawed");
    let places: Vec<String> =
        save.json()["errors"].as_array().unwrap().iter().map(|e| e["pointer"].to_string()).collect();
    let wanted = [
        "/notices/survey/plan/2",
        "/notices/survey/content/sms",
        "/notices/invitation/content/email/text",
        "/notices/manager/alarms",
    ];
    assert_eq!(places, wanted.map(|place| format!("\"{place}\"")));
    let _ = changes_desk(&house, |desk| desk["notices"] = json!({})).await;
}
