//! What time alone does: points lapse, tiers are reviewed.

use huitou::values::Moment;
use serde_json::{Value, json};
use tests::{House, a_house, a_house_at};

#[tokio::test]
async fn points_lapse_after_their_last_day_and_a_recompute_writes_it_down_once() {
    let house = a_house_at("2027-03-31T10:00:00+08:00").await;
    let (anna, bo) = (house.a_member("00001").await, house.a_member("00002").await);
    let _ = house.bought(&anna, "2026-03-02T10:00:00+08:00", 199_00).await;
    let _ = house.buys(&bo, 199_00).await;
    assert_eq!(house.books(&anna).await, [199, 0, 0, 0]);
    assert_eq!(house.recomputes().await, json!({ "touched": 0, "changed": 0, "defects": 0, "finished": true }));
    // A minute after midnight: the nightly schedule has not come by yet.
    house.host.clock.set(Moment::parse("2027-04-01T00:01:00+08:00").unwrap());
    assert_eq!(house.books(&anna).await, [0, 0, 0, 0]);
    assert_eq!(house.journal(&anna).await[0].len(), 2);
    assert_eq!(house.recomputes().await, json!({ "touched": 1, "changed": 1, "defects": 0, "finished": true }));
    assert_eq!(house.recomputes().await, json!({ "touched": 0, "changed": 0, "defects": 0, "finished": true }));
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
        ("2026-03-31T23:00:00+08:00", "silver", false),
        ("2026-04-01T00:01:00+08:00", "silver", true),
        ("2026-04-10T23:00:00+08:00", "silver", true),
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
    let settled = rows.iter().filter(|row| row["kind"] == "settlement");
    let reviewed: Vec<&Value> = settled.filter(|row| !row["standing"].is_null()).collect();
    let tiers: Vec<&Value> = reviewed.iter().map(|row| &row["standing"]["tier"]).collect();
    assert_eq!(tiers, ["member", "silver"], "newest first");
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn a_purchase_in_the_grace_keeps_the_tier() {
    let house = a_house().await;
    short_reviews(&house).await;
    let anna = house.a_member("00001").await;
    let lowest = house.points(&anna).await["standing"].clone();
    assert_eq!(lowest, json!({ "tier": "member", "since": "2026-03-02", "grace": false }), "nobody can lose it");
    let _ = house.buys(&anna, 1_000_00).await;
    assert_eq!(house.points(&anna).await["projected_tier"], "member");
    house.it_is("2026-04-02T10:00:00+08:00").await;
    assert_eq!(house.points(&anna).await["standing"]["grace"], true);
    let _ = house.buys(&anna, 1_000_00).await;
    let points = house.points(&anna).await;
    assert_eq!((&points["tier"], &points["standing"]["grace"]), (&json!("silver"), &json!(false)));
    assert_eq!(points["standing"]["review_on"], "2026-05-02");
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
