//! Corrections by hand.

use serde_json::json;
use tests::a_house;

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
