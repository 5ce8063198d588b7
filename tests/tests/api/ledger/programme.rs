//! The programme's settings: saved, in force, tried on history.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{House, a_house, order};

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

#[tokio::test]
async fn a_history_that_new_settings_do_not_fit_keeps_a_dry_run_from_nobody_else() {
    let house = a_house().await;
    let (anna, bo) = (house.a_member("00001").await, house.a_member("00002").await);
    let _ = house.buys(&anna, 600_00).await;
    let mut in_yuan = order("C-1", &json!({ "member_id": bo.id }), &house.now(), 100_00);
    in_yuan["currency"] = json!("CNY");
    let _ = house.sells(in_yuan).await;
    let (mut abroad, tag) = house.program().await;
    abroad["currency"] = json!("USD");
    let found = tried(&house, &tag, &abroad).await;
    assert_eq!((&found["members"], &found["skipped"]), (&json!(1), &json!(1)), "{found}");
}

/// Tries other thresholds and rates on history.
async fn dry_run(house: &House, silver: u64, rate: u32) -> Value {
    let (mut program, tag) = house.program().await;
    program["ladder"]["tiers"][1]["spend"] = json!(silver);
    program["earning"]["points"] = json!(rate);
    program["ladder"]["tiers"][1]["earn_percent"] = json!(100);
    tried(house, &tag, &program).await
}

/// Tries settings on history, and asks until the queue has done its work.
async fn tried(house: &House, tag: &str, program: &Value) -> Value {
    let started = house.as_manager("PUT", "/v1/program?dry_run=true").header("if-match", tag).json(program).send();
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
