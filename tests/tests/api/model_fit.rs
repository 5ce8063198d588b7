//! The lifetime-value model, fitted by its schedule from what members have really bought.

use std::collections::BTreeSet;

use local::demo::log::{cdnow_path, read_cdnow};
use serde_json::{Value, json};
use tests::{House, a_house_at, eventually, order};

/// Every thirtieth of the 23,570 real customers, with all purchases, sent as a till sends them.
async fn a_house_of_real_customers() -> (House, Vec<String>) {
    let house = a_house_at("1998-06-30T12:00:00+08:00").await;
    house.host.scheduler.rest(true);
    let log = read_cdnow(&std::fs::read_to_string(cdnow_path()).unwrap());
    let chosen = |card: &str| card.parse::<u32>().is_ok_and(|card| card % 30 == 0);
    let purchases = log.purchases.into_iter().filter(|purchase| chosen(&purchase.customer));
    let sale = |(n, purchase): (usize, local::demo::log::Purchase)| {
        let paid_at = format!("{}T11:00:00+08:00", purchase.day);
        let fen = u64::try_from(purchase.fen).unwrap();
        order(&format!("L-{n}"), &json!({ "card": purchase.customer }), &paid_at, fen)
    };
    let sales: Vec<Value> = purchases.enumerate().map(sale).collect();
    let mut members = BTreeSet::new();
    for batch in sales.chunks(25) {
        for result in house.sends(batch).await {
            members.insert(result["member_id"].as_str().unwrap().to_owned());
        }
    }
    (house, members.into_iter().collect())
}

#[tokio::test]
async fn on_monday_night_the_model_is_fitted_and_every_buyers_reasons_carry_what_it_foresees() {
    let (house, members) = a_house_of_real_customers().await;
    assert!(members.len() > 700, "{}", members.len());
    let of = async |member: &str| {
        let path = format!("/v1/members/{member}/segments");
        house.as_manager("GET", &path).send().await.expect(200)["lifetime_value"].clone()
    };
    assert_eq!(of(&members[0]).await, Value::Null, "nothing is foreseen before there is a model");

    house.host.scheduler.rest(false);
    house.it_is("1998-07-06T03:34:30+08:00").await;
    house.it_is("1998-07-06T03:36:00+08:00").await;
    for member in members.iter().step_by(50) {
        let foreseen = eventually(async || match of(member).await {
            Value::Null => Err("nothing is foreseen"),
            foreseen => Ok(foreseen),
        })
        .await;
        let alive = foreseen["p_alive"].as_f64().unwrap();
        assert!(alive > 0.0 && alive <= 1.0, "{foreseen}");
        assert!(foreseen["purchases_90_days"].as_f64().unwrap() < foreseen["purchases_365_days"].as_f64().unwrap());
        assert!(foreseen["value"].is_u64(), "{foreseen}");
        assert_eq!((&foreseen["model"], &foreseen["fitted_on"]), (&json!(1), &json!("1998-07-06")));
    }
}
