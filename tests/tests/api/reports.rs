//! The weekly board and the monthly report, counted by their schedule from what members did.

use serde_json::{Value, json};
use tests::{Answer, House, a_house_at, eventually, order};

async fn board(house: &House, role: &str, asked: &str) -> Answer {
    house.as_role(role, "GET", &format!("/v1/reports/weekly{asked}")).send().await
}

fn value<'a>(board: &'a Value, metric: &str) -> &'a Value {
    board["metrics"].as_array().unwrap().iter().find(|one| one["metric"] == metric).unwrap()
}

/// The value of each figure and of how many it is, in the board's order.
fn values(board: &Value) -> Vec<(Value, Value)> {
    board["metrics"].as_array().unwrap().iter().map(|one| (one["value"].clone(), one["of"].clone())).collect()
}

async fn night_to(house: &House, monday: &str) {
    house.host.scheduler.rest(false);
    house.it_is(&format!("{monday}T03:34:30+08:00")).await;
    house.it_is(&format!("{monday}T03:36:00+08:00")).await;
}

/// Four known by their orders, and one who looked in and has not bought, on Sunday, 8 March.
async fn a_house_on_sunday() -> House {
    let house = a_house_at("2026-03-08T12:00:00+08:00").await;
    house.host.scheduler.rest(true);
    let anna = house.signs_up("anna", &json!({ "source": "qr" })).await;
    let _ = house.checks_in(&anna).await.expect(201);
    for (id, card, day, fen) in [
        ("A-1", "1", "2026-02-01", 100_00),
        ("A-2", "1", "2026-02-20", 100_00),
        ("A-3", "1", "2026-03-04", 300_00),
        ("B-1", "2", "2026-02-03", 100_00),
        ("C-1", "3", "2025-12-01", 100_00),
        ("D-1", "4", "2026-03-05", 100_00),
    ] {
        let _ = house.sells(order(id, &json!({ "card": card }), &format!("{day}T11:00:00+08:00"), fen)).await;
    }
    house
}

#[tokio::test]
async fn on_monday_the_week_is_counted_and_stays_as_it_was_counted() {
    let house = a_house_on_sunday().await;
    board(&house, "manager", "").await.refuses(404, "week_not_counted");
    night_to(&house, "2026-03-09").await;
    let first = eventually(async || match board(&house, "manager", "").await {
        found if found.status == 200 => Ok(found.json()),
        _ => Err("no week is counted"),
    })
    .await;
    assert_eq!(
        (&first["from"], &first["until"], &first["members"]),
        (&json!("2026-03-02"), &json!("2026-03-08"), &json!(5))
    );
    let of = |value: Value, of: u64| (value, json!(of));
    let wanted = [
        of(json!(8_000), 5),
        of(json!(3), 5),
        of(json!(2_500), 4),
        of(json!(5_000), 2),
        of(json!(10_000), 1),
        of(json!(200_00), 2),
        (Value::Null, Value::Null),
        (Value::Null, Value::Null),
    ];
    assert_eq!(values(&first), wanted, "{first:#}");
    assert_eq!(
        first["conversion_by_source"],
        json!([{ "source": "order", "members": 4, "per_10000": 10_000 }, { "source": "qr", "members": 1, "per_10000": 0 }])
    );
    assert_eq!(value(&first, "repurchase")["target"], 3_500);
    let qr = board(&house, "manager", "?source=qr").await.expect(200);
    assert_eq!((&qr["members"], &value(&qr, "active_members")["value"]), (&json!(1), &json!(1)));
    let new = board(&house, "manager", "?segment=new").await.expect(200);
    assert_eq!((&new["members"], &value(&new, "average_order")["value"]), (&json!(2), &json!(100_00)));

    // What is booked for the week afterwards does not change what was shown, and counts from the next one on.
    house.host.scheduler.rest(true);
    let late = order("D-2", &json!({ "card": "4" }), "2026-03-06T11:00:00+08:00", 100_00);
    let _ = house.sells(late).await;
    night_to(&house, "2026-03-16").await;
    let second = eventually(async || match board(&house, "manager", "").await.expect(200) {
        found if found["from"] == "2026-03-09" => Ok(found),
        _ => Err("the next week is not counted"),
    })
    .await;
    let weeks = value(&second, "repurchase")["weeks"].clone();
    assert_eq!(weeks, json!([{ "from": "2026-03-02", "value": 2_500 }, { "from": "2026-03-09", "value": 5_000 }]));
    assert_eq!(values(&board(&house, "manager", "?on=2026-03-04").await.expect(200)), wanted);
    board(&house, "manager", "?on=2026-02-25").await.refuses(404, "week_not_counted");
}

#[tokio::test]
async fn operators_are_not_told_of_a_handful_of_members() {
    let house = a_house_on_sunday().await;
    night_to(&house, "2026-03-09").await;
    let told = eventually(async || match board(&house, "operator", "").await {
        found if found.status == 200 => Ok(found.json()),
        _ => Err("no week is counted"),
    })
    .await;
    assert_eq!((&told["members"], &told["fewer_than"]), (&json!(0), &json!(20)));
    assert!(values(&told).into_iter().all(|(value, _)| value.is_null()), "{told:#}");
    assert_eq!(told["conversion_by_source"], json!([]));
    board(&house, "operator", "?week=2026-03-02").await.refuses(400, "query_invalid");
}

#[tokio::test]
async fn a_month_is_its_weeks_beside_the_month_before_and_what_the_brand_wants() {
    let house = a_house_on_sunday().await;
    let of = async |asked: &str| {
        let path = format!("/v1/reports/monthly{asked}");
        house.as_manager("GET", &path).send().await
    };
    of("").await.refuses(404, "week_not_counted");
    night_to(&house, "2026-03-09").await;
    let march = eventually(async || match of("").await {
        found if found.status == 200 => Ok(found.json()),
        _ => Err("no week is counted"),
    })
    .await;
    // 1 March is a Sunday, so that its week is the first of the month.
    assert_eq!((&march["from"], &march["until"]), (&json!("2026-02-23"), &json!("2026-03-29")));
    assert_eq!((&march["weeks"], &march["orders"], &march["money"]), (&json!(1), &json!(2), &json!(400_00)));
    let repurchase = value(&march, "repurchase");
    assert_eq!((&repurchase["value"], &repurchase["before"]), (&json!(2_500), &Value::Null));
    assert_eq!((&repurchase["target"], &repurchase["reached"]), (&json!(3_500), &json!(false)));
    assert_eq!(value(&march, "ticket_cycle")["value"], Value::Null, "no ticket was opened");
    of("?on=2026-02-10").await.refuses(404, "week_not_counted");

    night_to(&house, "2026-04-06").await;
    let april = eventually(async || match of("?on=2026-04-01").await {
        found if found.status == 200 => Ok(found.json()),
        _ => Err("no week of April is counted"),
    })
    .await;
    assert_eq!((&april["weeks"], &april["orders"]), (&json!(1), &json!(0)));
    assert_eq!(value(&april, "average_order")["value"], Value::Null, "nobody has bought");
    assert_eq!(value(&april, "average_order")["before"], 200_00);
}
