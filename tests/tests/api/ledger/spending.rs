//! Spending: rewards, causes, and holds for checkouts.

use serde_json::{Value, json};
use tests::a_house;

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
