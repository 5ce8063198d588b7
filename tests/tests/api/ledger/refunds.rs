//! Refunds: what the money given back had earned goes back, too.

use serde_json::json;
use tests::a_house;

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
