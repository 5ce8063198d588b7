//! The ledger as tills, mini programs and managers see it.
#![cfg(test)]

use std::time::Duration;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use huitou::values::{Moment, RowKey};
use serde_json::{Value, json};
use tests::{House, Member, a_house, a_house_at, order};

// --- Purchases ------------------------------------------------------------------------------------------------------

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
    house.it_is("2026-03-08T23:59:00+08:00").await;
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

// --- Refunds --------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_refund_takes_back_the_points_of_the_money_given_back() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let bought = house.buys(&anna, 199_00).await;
    let mut taken = 0;
    for (id, fen, clawed_back, left) in
        [("R-1", 50_00, 50, 149), ("R-2", 1, 1, 148), ("R-3", 99, 0, 148), ("R-4", 148_00, 148, 0)]
    {
        let refund = house.refunds(&bought, id, fen).await.expect(201);
        assert_eq!((&refund["kind"], &refund["clawed_back"]), (&json!("refund"), &json!(clawed_back)), "{id}");
        assert_eq!(refund["full"], json!(left == 0), "{id}");
        assert_eq!(house.books(&anna).await, [0, left, 0, 0], "{id}");
        taken += clawed_back;
    }
    assert_eq!(taken, 199);
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn a_full_refund_takes_back_exactly_what_that_order_earned_even_if_the_rule_has_changed() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let before = house.buys(&anna, 123_45).await;
    let _ = house.changes_program(|program| program["earning"]["points"] = json!(7)).await;
    let after = house.buys(&anna, 100_00).await;
    assert_eq!((&before["points"], &after["points"]), (&json!(123), &json!(700)));
    let refund = house.refunds(&before, "R-1", 123_45).await.expect(201);
    assert_eq!(refund["clawed_back"], 123);
    assert_eq!(house.books(&anna).await, [0, 700, 0, 0]);
    let refund = house.refunds(&after, "R-1", 100_00).await.expect(201);
    assert_eq!(refund["clawed_back"], 700);
    assert_eq!(house.books(&anna).await, [0, 0, 0, 0]);
}

#[tokio::test]
async fn no_more_is_given_back_than_was_paid() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let bought = house.buys(&anna, 100_00).await;
    house.refunds(&bought, "R-1", 100_01).await.refuses(422, "refund_exceeds_paid");
    let _ = house.refunds(&bought, "R-2", 60_00).await.expect(201);
    house.refunds(&bought, "R-3", 40_01).await.refuses(422, "refund_exceeds_paid");
    assert_eq!(house.books(&anna).await, [0, 40, 0, 0]);
    let _ = house.refunds(&bought, "R-4", 40_00).await.expect(201);
    house.refunds(&bought, "R-5", 1).await.refuses(422, "refund_exceeds_paid");
    assert_eq!(house.books(&anna).await, [0, 0, 0, 0]);
}

#[tokio::test]
async fn a_refund_of_an_order_that_never_came_is_not_found() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let bought = house.buys(&anna, 100_00).await;
    house.refunds(&json!({ "source": "pos-1", "id": "never" }), "R-1", 1).await.refuses(404, "unknown_order");
    let elsewhere = json!({ "source": "pos-2", "id": bought["id"] });
    house.refunds(&elsewhere, "R-1", 1).await.refuses(404, "unknown_order");
    assert_eq!(house.books(&anna).await, [0, 100, 0, 0]);
}

#[tokio::test]
async fn a_repeated_refund_is_answered_like_the_first() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let bought = house.buys(&anna, 100_00).await;
    let first = house.refunds(&bought, "R-1", 30_00).await;
    let second = house.refunds(&bought, "R-1", 30_00).await;
    assert_eq!((second.status, &second.text), (201, &first.text));
    house.refunds(&bought, "R-1", 30_01).await.refuses(422, "key_reused");
    assert_eq!(house.books(&anna).await, [0, 70, 0, 0]);
    let rest = house.refunds(&bought, "R-2", 70_00).await;
    assert_eq!(house.refunds(&bought, "R-2", 70_00).await.text, rest.text);
    assert_eq!(house.refunds(&bought, "R-1", 30_00).await.text, first.text);
    assert_eq!(house.books(&anna).await, [0, 0, 0, 0]);
}

#[tokio::test]
async fn points_that_were_spent_before_the_refund_are_owed_and_the_next_ones_pay() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let bought = house.buys(&anna, 1_000_00).await;
    house.it_is("2026-03-09T10:00:00+08:00").await;
    let _ = house.redeems(&anna, "cash-10", 1).await.expect(201);
    let refund = house.refunds(&bought, "R-1", 1_000_00).await.expect(201);
    assert_eq!(refund["clawed_back"], 1000);
    assert_eq!(house.books(&anna).await, [0, 0, 0, 1000]);
    house.redeems(&anna, "cash-10", 1).await.refuses(422, "not_enough_points");
    let _ = house.gives(&anna, 300).await.expect(201);
    assert_eq!(house.books(&anna).await, [0, 0, 0, 700]);
    let _ = house.buys(&anna, 500_00).await;
    house.it_is("2026-03-16T10:00:00+08:00").await;
    let earned = 600; // five hundred yuan, as silver since the purchase of a thousand
    assert_eq!(house.books(&anna).await, [0, 0, 0, 700 - earned]);
    let _ = house.gives(&anna, 250).await.expect(201);
    assert_eq!(house.books(&anna).await, [150, 0, 0, 0]);
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

// --- Spending -------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_reward_costs_its_points_once_however_often_it_is_asked_for_with_one_key() {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 2_500).await;
    let redeem = |key: &str, body: Value| {
        house.as_member(&anna, "POST", "/v1/me/points/redemptions").key(key).json(&body).send()
    };
    let first = redeem("one-key-1", json!({ "reward": "cash-10", "quantity": 2 })).await;
    assert_eq!(first.expect(201)["points"], 2_000);
    let again = redeem("one-key-1", json!({ "quantity": 2, "reward": "cash-10" })).await;
    assert_eq!((again.status, &again.text), (201, &first.text));
    redeem("one-key-1", json!({ "reward": "cash-10" })).await.refuses(422, "key_reused");
    redeem("one-key-1", json!({ "reward": "tote", "quantity": 2 })).await.refuses(422, "key_reused");
    redeem("one-key-2", json!({ "reward": "cash-10" })).await.refuses(422, "not_enough_points");
    redeem("one-key-3", json!({ "reward": "yacht" })).await.refuses(422, "unknown_reward");
    assert_eq!(house.books(&anna).await, [500, 0, 0, 0]);
}

#[tokio::test]
async fn a_key_belongs_to_the_member_who_used_it() {
    let house = a_house().await;
    let (anna, bo) = (house.a_member_with("00001", 1_000).await, house.a_member_with("00002", 1_000).await);
    for member in [&anna, &bo] {
        let call = house.as_member(member, "POST", "/v1/me/points/redemptions").key("same-key");
        let _ = call.json(&json!({ "reward": "cash-10" })).send().await.expect(201);
        assert_eq!(house.books(member).await, [0, 0, 0, 0]);
    }
}

#[tokio::test]
async fn a_reward_can_be_had_as_often_as_its_limit_says() {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 10_000).await;
    let _ = house.redeems(&anna, "tote", 2).await.expect(201);
    house.redeems(&anna, "tote", 1).await.refuses(422, "limit_reached");
    house.it_is("2027-01-01T10:00:00+08:00").await;
    let _ = house.redeems(&anna, "tote", 1).await.expect(201);
    assert_eq!(house.books(&anna).await, [4_000, 0, 0, 0]);
}

#[tokio::test]
async fn points_go_to_a_cause() {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 100).await;
    let donate =
        |key: &str, body: Value| house.as_member(&anna, "POST", "/v1/me/points/donations").key(key).json(&body).send();
    let first = donate("donation-1", json!({ "cause": "library", "points": 60 })).await;
    assert_eq!(first.expect(201)["balance"]["available"], 40);
    assert_eq!(donate("donation-1", json!({ "cause": "library", "points": 60 })).await.text, first.text);
    donate("donation-1", json!({ "cause": "library", "points": 61 })).await.refuses(422, "key_reused");
    donate("donation-2", json!({ "cause": "library", "points": 41 })).await.refuses(422, "not_enough_points");
    donate("donation-3", json!({ "cause": "moon", "points": 1 })).await.refuses(422, "unknown_cause");
    assert_eq!(house.books(&anna).await, [40, 0, 0, 0]);
}

#[tokio::test]
async fn a_capture_spends_what_it_names_and_gives_the_rest_back() {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 500).await;
    let hold = house.holds(&anna, 300, 15).await.expect(201);
    assert_eq!(house.books(&anna).await, [200, 0, 300, 0]);
    house.captures(&hold, Some(301)).await.refuses(422, "capture_exceeds_hold");
    let captured = house.captures(&hold, Some(120)).await;
    assert_eq!(captured.expect(200)["points"], 120);
    assert_eq!(house.books(&anna).await, [380, 0, 0, 0]);
    assert_eq!(house.captures(&hold, Some(120)).await.text, captured.text);
    house.captures(&hold, Some(121)).await.refuses(409, "hold_closed");
    house.releases(&hold).await.refuses(409, "hold_closed");
    assert_eq!(house.books(&anna).await, [380, 0, 0, 0]);
}

#[tokio::test]
async fn a_capture_of_everything_can_be_repeated_in_either_form() {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 500).await;
    let hold = house.holds(&anna, 500, 30).await.expect(201);
    let captured = house.captures(&hold, None).await;
    assert_eq!(captured.expect(200)["points"], 500);
    assert_eq!(house.captures(&hold, Some(500)).await.text, captured.text);
    assert_eq!(house.captures(&hold, None).await.text, captured.text);
    assert_eq!(house.books(&anna).await, [0, 0, 0, 0]);
}

#[tokio::test]
async fn a_released_hold_gives_everything_back_and_stays_closed() {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 500).await;
    let hold = house.holds(&anna, 300, 15).await.expect(201);
    let released = house.releases(&hold).await;
    let _ = released.expect(200);
    assert_eq!(house.releases(&hold).await.text, released.text);
    house.captures(&hold, None).await.refuses(409, "hold_closed");
    assert_eq!(house.books(&anna).await, [500, 0, 0, 0]);
}

#[tokio::test]
async fn a_hold_that_nobody_ends_ends_by_itself() {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 500).await;
    let hold = house.holds(&anna, 300, 15).await.expect(201);
    let until = hold["until"].as_str().unwrap();
    assert!(until.starts_with("2026-03-02T10:15:"), "{until}");
    house.it_is("2026-03-02T10:14:00+08:00").await;
    assert_eq!(house.books(&anna).await, [200, 0, 300, 0]);
    house.it_is("2026-03-02T10:16:00+08:00").await;
    assert_eq!(house.books(&anna).await, [500, 0, 0, 0]);
    house.captures(&hold, None).await.refuses(409, "hold_closed");
    house.releases(&hold).await.refuses(409, "hold_closed");
    assert_eq!(house.books(&anna).await, [500, 0, 0, 0]);
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn a_hold_has_to_fit_the_balance_and_the_programme() {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 500).await;
    house.holds(&anna, 501, 15).await.refuses(422, "not_enough_points");
    house.holds(&anna, 1, 31).await.refuses(422, "hold_too_long");
    house.holds(&anna, 1, 0).await.refuses(422, "hold_too_long");
    house.captures(&json!({ "id": "0".repeat(32) }), None).await.refuses(404, "not_found");
    house.releases(&json!({ "id": "0".repeat(32) })).await.refuses(404, "not_found");
    let row = house.journal(&anna).await[0][0].clone();
    house.captures(&row, None).await.refuses(404, "not_found");
    assert_eq!(house.books(&anna).await, [500, 0, 0, 0]);
}

// --- Check-ins and corrections --------------------------------------------------------------------------------------

#[tokio::test]
async fn days_in_a_row_count_up_and_the_seventh_brings_a_bonus() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    for day in 1..=7_u64 {
        house.it_is(&format!("2026-03-{:02}T08:00:00+08:00", day + 2)).await;
        assert_eq!(house.checks_in(&anna).await.expect(201)["streak"], day);
        let bonus = if day == 7 { 10 } else { 0 };
        assert_eq!(house.books(&anna).await[0], day * 2 + bonus);
    }
    house.it_is("2026-03-11T08:00:00+08:00").await;
    assert_eq!(house.checks_in(&anna).await.expect(201)["streak"], 1, "the tenth was missed");
}

#[tokio::test]
async fn a_member_checks_in_once_a_day_and_a_repeated_request_is_no_second_one() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let check_in = |key: &str| house.as_member(&anna, "POST", "/v1/me/points/check-ins").key(key).send();
    let first = check_in("today-0001").await;
    let _ = first.expect(201);
    let again = check_in("today-0001").await;
    assert_eq!((again.status, &again.text), (201, &first.text));
    check_in("today-0002").await.refuses(409, "checked_in_already");
    house.it_is("2026-03-02T23:59:00+08:00").await;
    check_in("today-0003").await.refuses(409, "checked_in_already");
    assert_eq!(house.books(&anna).await, [2, 0, 0, 0]);
    house.it_is("2026-03-03T00:00:00+08:00").await;
    assert_eq!(check_in("today-0001").await.text, first.text, "yesterday's key is yesterday's check-in");
    assert_eq!(check_in("tomorrow-1").await.expect(201)["streak"], 2);
}

#[tokio::test]
async fn a_correction_gives_or_takes_and_says_why() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let given = house.gives(&anna, 80).await.expect(201);
    assert_eq!((&given["kind"], &given["reason"]), (&json!("adjustment"), &json!("门店补偿")));
    let _ = house.gives(&anna, -30).await.expect(201);
    assert_eq!(house.books(&anna).await, [50, 0, 0, 0]);
    house.gives(&anna, -51).await.refuses(422, "not_enough_points");
    house.gives(&anna, 0).await.refuses(422, "empty_adjustment");
    house.gives(&anna, 1_000_000_001).await.refuses(422, "empty_adjustment");
    house.gives(&anna, i64::MIN).await.refuses(422, "empty_adjustment");
    assert_eq!(house.books(&anna).await, [50, 0, 0, 0]);
}

// --- Journal and proof ----------------------------------------------------------------------------------------------

#[tokio::test]
async fn the_journal_is_read_page_by_page_without_a_gap() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    for _ in 0..2 {
        let run = house.number();
        let orders: Vec<Value> = (0..25)
            .map(|n| order(&format!("J-{run}-{n}"), &json!({ "member_id": anna.id }), &house.now(), 1_00))
            .collect();
        let _ = house.sends(&orders).await;
    }
    let pages = house.journal(&anna).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [24, 24, 3]);
    let rows: Vec<&Value> = pages.iter().flatten().collect();
    let sequences: Vec<u64> = rows.iter().map(|row| row["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (1..=51).rev().collect::<Vec<_>>());
    let balances: Vec<u64> = rows.iter().map(|row| row["balance"]["pending"].as_u64().unwrap()).collect();
    assert_eq!(balances, (0..=50).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_movement_has_one_id_and_names_what_it_is_about_beside_it() {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 500).await;
    let sale = house.buys(&anna, 100_00).await;
    let refund = house.refunds(&sale, "R-1", 10_00).await;
    let hold = house.holds(&anna, 10, 15).await;
    let event = json!({ "source": "shop", "id": "E-1", "event": "review", "at": house.now(),
        "customer": { "member_id": anna.id } });
    let event = house.as_till("POST", "/v1/events").json(&json!({ "events": [event] })).send().await;
    for (answer, own_id) in [
        (&refund, (refund.json()["refund"].clone(), json!("R-1"))),
        (&hold, (hold.json()["hold"].clone(), hold.json()["id"].clone())),
        (&event, (event.json()["results"][0]["recorded"]["event_id"].clone(), json!("E-1"))),
    ] {
        assert_eq!(answer.count("\"id\":"), 1, "{}: {}", answer.asked, String::from_utf8_lossy(&answer.text));
        assert_eq!(own_id.0, own_id.1);
    }
}

#[tokio::test]
async fn a_journal_of_exactly_one_page_has_no_next_one() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    for _ in 0..23 {
        let _ = house.gives(&anna, 1).await.expect(201);
    }
    let pages = house.journal(&anna).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [24]);
}

#[tokio::test]
async fn a_page_stays_what_it_was_while_new_rows_come() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    for _ in 0..30 {
        let _ = house.gives(&anna, 1).await.expect(201);
    }
    let first = house.as_member(&anna, "GET", "/v1/me/points/entries").send().await.expect(200);
    let path = format!("/v1/me/points/entries?cursor={}", first["next"].as_str().unwrap());
    let second = house.as_member(&anna, "GET", &path).send().await.expect(200);
    let _ = house.gives(&anna, 1).await.expect(201);
    assert_eq!(house.as_member(&anna, "GET", &path).send().await.expect(200), second);
}

#[tokio::test]
async fn a_balance_is_proven_to_the_member_and_to_the_manager_alike() {
    let house = a_house().await;
    let anna = somebody_with_a_history(&house).await;
    let mine = house.proof(&anna).await;
    assert_eq!(mine["balanced"], true);
    assert_eq!(mine["entries"], json!(house.journal(&anna).await.concat().len()));
    assert_eq!(mine["head"].as_str().unwrap().len(), 64);
    let points = house.points(&anna).await;
    for book in ["available", "pending", "held", "debt"] {
        assert_eq!(mine[book], points[book], "{book}");
    }
    let path = format!("/v1/points/proof?member_id={}", anna.id);
    assert_eq!(house.as_manager("GET", &path).send().await.expect(200), mine);
    house.it_is("2028-01-01T10:00:00+08:00").await;
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn a_proof_fails_when_somebody_changed_any_row_of_the_journal() {
    let house = a_house().await;
    let anna = somebody_with_a_history(&house).await;
    let rows = house.journal(&anna).await.concat();
    for row in &rows {
        let id = row["id"].as_str().unwrap();
        let stored = stored_row(&house, id).await;
        store_row(&house, id, &stored.replacen("2026", "2027", 1)).await;
        let proof = house.proof(&anna).await;
        assert_eq!(proof["balanced"], false, "{stored}");
        assert!(proof["fault"]["kind"].is_string(), "{proof}");
        store_row(&house, id, "{}").await;
        assert_eq!(house.proof(&anna).await["balanced"], false, "{stored}");
        store_row(&house, id, &stored).await;
        assert_eq!(house.proof(&anna).await["balanced"], true, "{stored}");
    }
}

#[tokio::test]
async fn a_proof_fails_when_a_row_of_the_journal_is_gone() {
    let house = a_house().await;
    let anna = somebody_with_a_history(&house).await;
    for row in house.journal(&anna).await.concat() {
        let id = row["id"].as_str().unwrap();
        let stored = stored_row(&house, id).await;
        let gone = house.host.surroundings.table.delete_item().table_name("Journal").key("row", row_key(id));
        gone.send().await.unwrap();
        assert_eq!(house.proof(&anna).await["balanced"], false, "{stored}");
        store_row(&house, id, &stored).await;
    }
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

// --- Time -----------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn points_lapse_after_their_last_day_and_a_recompute_writes_it_down_once() {
    let house = a_house_at("2027-03-31T10:00:00+08:00").await;
    let (anna, bo) = (house.a_member("00001").await, house.a_member("00002").await);
    let _ = house.bought(&anna, "2026-03-02T10:00:00+08:00", 199_00).await;
    let _ = house.buys(&bo, 199_00).await;
    assert_eq!(house.books(&anna).await, [199, 0, 0, 0]);
    assert_eq!(house.recomputes().await, json!({ "touched": 0, "changed": 0, "finished": true }));
    // A minute after midnight: the nightly schedule has not come by yet.
    house.host.clock.set(Moment::parse("2027-04-01T00:01:00+08:00").unwrap());
    assert_eq!(house.books(&anna).await, [0, 0, 0, 0]);
    assert_eq!(house.journal(&anna).await[0].len(), 2);
    assert_eq!(house.recomputes().await, json!({ "touched": 1, "changed": 1, "finished": true }));
    assert_eq!(house.recomputes().await, json!({ "touched": 0, "changed": 0, "finished": true }));
    let newest = house.journal(&anna).await[0][0].clone();
    assert_eq!(newest["kind"], "settlement");
    assert_eq!((&newest["legs"][0]["to"], &newest["legs"][0]["points"]), (&json!("expired"), &json!(199)));
    assert_eq!(house.proof(&anna).await["balanced"], true);
    assert_eq!(house.books(&bo).await, [0, 199, 0, 0]);
}

#[tokio::test]
async fn a_tier_is_lost_only_at_its_review_and_after_the_grace() {
    let house = a_house().await;
    short_reviews(&house).await;
    let anna = house.a_member("00001").await;
    let bought = house.buys(&anna, 1_000_00).await;
    let _ = house.refunds(&bought, "R-1", 1_000_00).await.expect(201);
    for (now, tier, grace) in [
        ("2026-03-02T12:00:00+08:00", "silver", false),
        ("2026-03-31T23:59:00+08:00", "silver", false),
        ("2026-04-01T00:01:00+08:00", "silver", true),
        ("2026-04-10T23:59:00+08:00", "silver", true),
        ("2026-04-11T00:01:00+08:00", "member", false),
    ] {
        house.it_is(now).await;
        for recomputed in [false, true] {
            let points = house.points(&anna).await;
            assert_eq!((&points["tier"], &points["standing"]["grace"]), (&json!(tier), &json!(grace)), "{now}");
            if !recomputed {
                assert_eq!(house.recomputes().await["finished"], true);
            }
        }
    }
    let rows = house.journal(&anna).await.concat();
    let reviewed: Vec<&Value> = rows.iter().filter(|row| row["kind"] == "settlement").collect();
    let tiers: Vec<&Value> = reviewed.iter().map(|row| &row["standing"]["tier"]).collect();
    assert_eq!(tiers, ["member", "silver"], "newest first");
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn a_purchase_in_the_grace_keeps_the_tier() {
    let house = a_house().await;
    short_reviews(&house).await;
    let anna = house.a_member("00001").await;
    let _ = house.buys(&anna, 1_000_00).await;
    assert_eq!(house.points(&anna).await["projected_tier"], "member");
    house.it_is("2026-04-02T10:00:00+08:00").await;
    assert_eq!(house.points(&anna).await["standing"]["grace"], true);
    let _ = house.buys(&anna, 1_000_00).await;
    let points = house.points(&anna).await;
    assert_eq!((&points["tier"], &points["standing"]["grace"]), (&json!("silver"), &json!(false)));
    assert_eq!(points["standing"]["review_on"], "2026-05-02");
}

// --- Programme ------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn settings_are_saved_on_top_of_what_was_read() {
    let house = a_house().await;
    let (program, tag) = house.program().await;
    let save = |tag: &'static str, program: &Value| {
        house.as_manager("PUT", "/v1/program").header("if-match", tag).json(program).send()
    };
    house.as_manager("PUT", "/v1/program").json(&program).send().await.refuses(428, "if_match_missing");
    assert_eq!(tag, "\"1\"");
    let saved = save("\"1\"", &program).await;
    assert_eq!((&saved.expect(200)["version"], saved.header("etag")), (&json!(2), "\"2\""));
    save("\"1\"", &program).await.refuses(412, "version_moved");
    save("\"3\"", &program).await.refuses(412, "version_moved");
    save("\"99999999999\"", &program).await.refuses(412, "version_moved");
    for bad in ["1", "W/\"1\"", "*", "\"one\"", "\"-1\""] {
        save(bad, &program).await.refuses(400, "if_match_invalid");
    }
    let mut flawed = program.clone();
    flawed["ladder"]["tiers"][2]["spend"] = json!(1);
    let refused = save("\"2\"", &flawed).await;
    refused.refuses(422, "settings_flawed");
    assert_eq!(refused.problem()["errors"][0]["pointer"], "/ladder/tiers/2");
    assert_eq!(house.program().await, (program, "\"2\"".to_owned()));
}

#[tokio::test]
async fn an_order_is_judged_by_the_settings_of_the_day_on_which_it_was_paid() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let (mut program, tag) = house.program().await;
    program["earning"]["points"] = json!(3);
    let path = "/v1/program?effective_from=2026-04-01T00:00:00%2B08:00";
    let _ = house.as_manager("PUT", path).header("if-match", &tag).json(&program).send().await.expect(200);
    assert_eq!(house.buys(&anna, 10_00).await["points"], 10);
    house.it_is("2026-04-02T10:00:00+08:00").await;
    assert_eq!(house.buys(&anna, 10_00).await["points"], 30);
    assert_eq!(house.bought(&anna, "2026-03-31T23:59:59+08:00", 10_00).await["points"], 10);
    assert_eq!(house.bought(&anna, "2026-04-01T00:00:00+08:00", 10_00).await["points"], 30);
}

#[tokio::test]
async fn a_dry_run_tells_who_would_rise_and_who_would_fall_and_changes_nothing() {
    let house = a_house().await;
    let (anna, bo) = (house.a_member("00001").await, house.a_member("00002").await);
    let _ = house.buys(&anna, 600_00).await;
    let sale = house.buys(&bo, 1_300_00).await;
    let _ = house.refunds(&sale, "R-1", 100_00).await.expect(201);
    let before = (house.points(&anna).await, house.points(&bo).await, house.program().await);

    let easier = dry_run(&house, 500_00, 2).await;
    assert_eq!((&easier["upgraded"], &easier["downgraded"]), (&json!(1), &json!(0)), "{easier}");
    assert_eq!((&easier["members"], &easier["orders"]), (&json!(2), &json!(4)));
    assert_eq!((&easier["points_now"], &easier["points_then"]), (&json!(1_800), &json!(3_600)));
    assert_eq!(easier["tiers"]["member"], json!({ "now": 1, "then": 0 }));
    assert_eq!(easier["tiers"]["silver"], json!({ "now": 1, "then": 2 }));

    let harder = dry_run(&house, 1_500_00, 1).await;
    assert_eq!((&harder["upgraded"], &harder["downgraded"]), (&json!(0), &json!(1)), "{harder}");
    assert_eq!((&harder["points_now"], &harder["points_then"]), (&json!(1_800), &json!(1_800)));

    let after = (house.points(&anna).await, house.points(&bo).await, house.program().await);
    assert_eq!(after, before);
    let unknown = format!("/v1/program/dry-runs/{}", "0".repeat(32));
    house.as_manager("GET", &unknown).send().await.refuses(404, "not_found");
}

// --- Helpers --------------------------------------------------------------------------------------------------------

#[track_caller]
fn assert_refused(result: &Value, status: u16, code: &str) {
    assert_eq!(result["status"], "rejected", "{result}");
    let problem = &result["problem"];
    assert_eq!((&problem["status"], &problem["code"]), (&json!(status), &json!(code)), "{result}");
    assert!(!problem["detail"].as_str().unwrap().is_empty() && !problem["message"].as_str().unwrap().is_empty());
}

/// A tier is kept for thirty days and ten of grace; only the last twenty days count.
async fn short_reviews(house: &House) {
    let _ = house
        .changes_program(|program| {
            program["ladder"]["window"] = json!({ "days": 20 });
            program["ladder"]["review_days"] = json!(30);
            program["ladder"]["grace_days"] = json!(10);
        })
        .await;
}

/// A dozen rows of different kinds.
async fn somebody_with_a_history(house: &House) -> Member {
    let anna = house.a_member_with("00001", 5_000).await;
    let sale = house.buys(&anna, 999_00).await;
    let _ = house.refunds(&sale, "R-1", 99_00).await.expect(201);
    let _ = house.redeems(&anna, "cash-10", 1).await.expect(201);
    let hold = house.holds(&anna, 100, 15).await.expect(201);
    let _ = house.captures(&hold, Some(40)).await.expect(200);
    let _ = house.checks_in(&anna).await.expect(201);
    for _ in 0..4 {
        let _ = house.buys(&anna, 50_00).await;
    }
    let _ = house.holds(&anna, 100, 15).await.expect(201);
    anna
}

fn row_key(id: &str) -> AttributeValue {
    AttributeValue::B(Blob::new(*RowKey::parse(id).unwrap().bytes()))
}

async fn stored_row(house: &House, id: &str) -> String {
    let table = &house.host.surroundings.table;
    let answer = table.get_item().table_name("Journal").key("row", row_key(id)).send().await.unwrap();
    answer.item.unwrap()["entry"].as_s().unwrap().clone()
}

async fn store_row(house: &House, id: &str, text: &str) {
    let put = house.host.surroundings.table.put_item().table_name("Journal").item("row", row_key(id));
    put.item("entry", AttributeValue::S(text.to_owned())).send().await.unwrap();
}

/// Tries other settings on history, and asks until the queue has done its work.
async fn dry_run(house: &House, silver: u64, rate: u32) -> Value {
    let (mut program, tag) = house.program().await;
    program["ladder"]["tiers"][1]["spend"] = json!(silver);
    program["earning"]["points"] = json!(rate);
    program["ladder"]["tiers"][1]["earn_percent"] = json!(100);
    let started = house.as_manager("PUT", "/v1/program?dry_run=true").header("if-match", &tag).json(&program).send();
    let started = started.await;
    let _ = started.expect(202);
    let asked = async {
        loop {
            let found = house.as_manager("GET", started.header("location")).send().await.expect(200);
            if found["finished"] == true {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), asked).await.unwrap()
}
