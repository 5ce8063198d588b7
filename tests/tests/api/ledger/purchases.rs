//! Purchases: what they earn, and that each counts once.

use serde_json::{Value, json};
use tests::{Member, a_house, order};

#[tokio::test]
async fn points_of_a_purchase_can_be_spent_when_the_return_window_has_closed() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let bought = house.buys(&anna, 199_00).await;
    assert_eq!((&bought["status"], &bought["points"]), (&json!("created"), &json!(199)));
    let points = house.points(&anna).await;
    assert_eq!((&points["available"], &points["pending"]), (&json!(0), &json!(199)));
    assert_eq!(points["maturing"], json!([{ "on": "2026-03-09", "points": 199 }]));
    assert_eq!(points["expiring"], json!([{ "on": "2027-03-31", "points": 199 }]));
    house.it_is("2026-03-08T23:00:00+08:00").await;
    assert_eq!(house.books(&anna).await, [0, 199, 0, 0]);
    house.it_is("2026-03-09T00:00:00+08:00").await;
    assert_eq!(house.books(&anna).await, [199, 0, 0, 0]);
    assert_eq!(house.points(&anna).await["maturing"], json!([]));
}

#[tokio::test]
async fn a_second_delivery_is_answered_like_the_first_and_changes_nothing() {
    let house = a_house().await;
    let sale = order("A-1", &json!({ "card": "00001" }), "2026-03-02T09:00:00+08:00", 199_00);
    let first = house.sells(sale.clone()).await;
    let anna = Member {
        id: first["member_id"].as_str().unwrap().to_owned(),
        card: "00001".to_owned(),
        token: house.token("member", first["member_id"].as_str()),
    };
    let before = house.points(&anna).await;
    let _ = house.changes_program(|program| program["earning"]["points"] = json!(5)).await;
    for _ in 0..3 {
        let again = house.sells(sale.clone()).await;
        assert_eq!(again["status"], "replayed");
        assert_eq!((&again["points"], &again["member_id"]), (&first["points"], &first["member_id"]));
    }
    let twice = house.sends(&[sale.clone(), sale]).await;
    assert!(twice.iter().all(|result| result["status"] == "replayed"), "{twice:?}");
    assert_eq!(house.points(&anna).await, before);
}

#[tokio::test]
async fn what_was_booked_stays_booked_even_if_it_would_be_refused_today() {
    let house = a_house().await;
    let sale = order("A-1", &json!({ "card": "00001" }), "2026-03-02T09:00:00+08:00", 199_00);
    let first = house.sells(sale.clone()).await;
    // A clock that is set back makes the order lie in the future.
    house.it_is("2026-03-01T09:00:00+08:00").await;
    let again = house.sells(sale).await;
    assert_eq!((&again["status"], &again["points"]), (&json!("replayed"), &first["points"]));
}

#[tokio::test]
async fn one_order_twice_in_one_batch_is_booked_once() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let named = |customer: Value| order("A-1", &customer, "2026-03-02T09:00:00+08:00", 100_00);
    let results = house.sends(&[named(json!({ "card": anna.card })), named(json!({ "member_id": anna.id }))]).await;
    let mut statuses: Vec<&str> = results.iter().map(|result| result["status"].as_str().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, ["created", "replayed"]);
    assert_eq!(house.books(&anna).await, [0, 100, 0, 0]);
}

#[tokio::test]
async fn an_order_id_that_comes_back_with_other_content_is_refused() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let sale = order("A-1", &json!({ "card": "00001" }), "2026-03-02T09:00:00+08:00", 199_00);
    let _ = house.sells(sale.clone()).await;
    let before = house.points(&anna).await;
    for (field, other) in [
        ("amount", json!(199_01)),
        ("paid_at", json!("2026-03-02T09:00:01+08:00")),
        ("currency", json!("CNY")),
        ("store", json!("sh-01")),
        ("lines", json!([{ "sku": "tee", "quantity": 1, "amount": 199_00 }])),
    ] {
        let mut changed = sale.clone();
        changed[field] = other;
        assert_refused(&house.sends(&[changed]).await[0], 422, "key_reused");
    }
    assert_eq!(house.points(&anna).await, before);
}

#[tokio::test]
async fn an_order_belongs_to_its_first_customer() {
    let house = a_house().await;
    let (anna, bo) = (house.a_member("00001").await, house.a_member("00002").await);
    let sold_to = |customer: Value| order("A-1", &customer, "2026-03-02T09:00:00+08:00", 199_00);
    let _ = house.sells(sold_to(json!({ "member_id": anna.id }))).await;
    let before = (house.points(&anna).await, house.points(&bo).await);
    for other in [json!({ "member_id": bo.id }), json!({ "card": "00002" }), json!({ "card": "never-seen" })] {
        assert_refused(&house.sends(&[sold_to(other)]).await[0], 422, "key_reused");
    }
    assert_eq!(house.sells(sold_to(json!({ "card": "00001" }))).await["status"], "replayed");
    assert_eq!((house.points(&anna).await, house.points(&bo).await), before);
}

#[tokio::test]
async fn late_and_reordered_deliveries_come_to_the_same() {
    let house = a_house().await;
    let _ = house
        .changes_program(|program| {
            program["ladder"]["qualify"] = json!("frequency_and_basket");
            program["ladder"]["tiers"] = json!([
                { "id": "member", "name": "会员", "earn_percent": 100 },
                { "id": "silver", "name": "银卡", "days": 30, "basket": 1, "earn_percent": 120 },
            ]);
        })
        .await;
    let days = ["2026-01-05", "2026-02-26", "2026-01-05", "2026-03-01", "2025-12-31"];
    let orders = [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1], [3, 0, 4, 1, 2]];
    let mut outcomes = Vec::new();
    for (n, order_of_arrival) in orders.into_iter().enumerate() {
        let member = house.a_member(&format!("0000{n}")).await;
        for place in order_of_arrival {
            let paid_at = format!("{}T12:00:00+08:00", days[place]);
            let _ = house.bought(&member, &paid_at, 100_00 + u64::try_from(place).unwrap() * 10_00).await;
        }
        let points = house.points(&member).await;
        assert_eq!(points["next_tier"]["days"], 30 - 5, "four days and the day of the first order");
        outcomes.push(points);
    }
    assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "{outcomes:#?}");
}

#[tokio::test]
async fn a_batch_of_twenty_five_rejects_a_bad_order_alone_and_answers_in_the_order_sent() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    for customer in [json!({ "member_id": anna.id }), json!({ "card": anna.card }), json!({ "card": "unknown" })] {
        for (field, bad, code) in [
            ("currency", json!("USD"), "wrong_currency"),
            ("amount", json!(-1), "body_invalid"),
            ("paid_at", json!("2027-01-01T00:00:00+08:00"), "paid_in_the_future"),
            ("id", json!("first-00001"), "key_reused"),
        ] {
            let run = house.number();
            let mut orders: Vec<Value> =
                (0..25).map(|n| order(&format!("B-{run}-{n}"), &customer, &house.now(), 1_00)).collect();
            orders[7][field] = bad;
            let results = house.sends(&orders).await;
            assert_eq!(results.len(), 25);
            for (n, (sent, result)) in orders.iter().zip(&results).enumerate() {
                assert_eq!(result["id"], sent["id"]);
                if n == 7 {
                    assert_eq!((&result["status"], &result["problem"]["code"]), (&json!("rejected"), &json!(code)));
                } else {
                    assert_eq!((&result["status"], &result["points"]), (&json!("created"), &json!(1)), "{result}");
                }
            }
        }
    }
    assert_eq!(house.books(&anna).await, [0, 2 * 4 * 24, 0, 0]);
}

#[tokio::test]
async fn an_order_in_another_currency_is_refused() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let mut sale = order("A-1", &json!({ "card": "00001" }), &house.now(), 199_00);
    sale["currency"] = json!("USD");
    let result = house.sends(&[sale.clone()]).await.remove(0);
    assert_refused(&result, 422, "wrong_currency");
    assert_eq!(house.books(&anna).await, [0, 0, 0, 0]);
    sale["currency"] = json!("CNY");
    assert_eq!(house.sells(sale).await["points"], 199);
}

#[track_caller]
fn assert_refused(result: &Value, status: u16, code: &str) {
    assert_eq!(result["status"], "rejected", "{result}");
    let problem = &result["problem"];
    assert_eq!((&problem["status"], &problem["code"]), (&json!(status), &json!(code)), "{result}");
    assert!(!problem["detail"].as_str().unwrap().is_empty() && !problem["message"].as_str().unwrap().is_empty());
}
