//! Coupons: one state for till, mini program and staff, and never one more than there are.

use futures_util::future::join_all;
use huitou::values::Moment;
use serde_json::{Value, json};
use tests::{Answer, House, Member, a_house};

/// A house with one coupon: 30 yuan off from 200 yuan on, once for every member, changed as wanted.
async fn a_house_with(change: Value) -> House {
    let house = a_house().await;
    let mut coupon = json!({
        "id": "spring-30", "name": "春季满减", "gives": { "off": 30_00 }, "at_least": 200_00,
        "from": "2026-03-01", "until": "2026-03-31", "stock": 1_000,
    });
    coupon.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let _ = house.changes_program(|program| program["coupons"] = json!([coupon])).await;
    house
}

async fn reserves(house: &House, member: &Member, amount: u64) -> Answer {
    let body = json!({ "member_id": member.id, "amount": amount });
    house.as_till("POST", "/v1/coupons/spring-30/reserve").key(&house.a_key()).json(&body).send().await
}

async fn goes_on(house: &House, step: &str, reserved: &Value) -> Answer {
    let body = json!({ "reservation": reserved["reservation"] });
    house.as_till("POST", &format!("/v1/coupons/spring-30/{step}")).json(&body).send().await
}

/// The coupon as the member sees it.
async fn shown(house: &House, member: &Member) -> Value {
    house.as_member(member, "GET", "/v1/me/coupons").send().await.expect(200)["items"][0].clone()
}

#[tokio::test]
async fn a_checkout_reserves_a_coupon_the_paid_order_redeems_it_and_everybody_sees_one_state() {
    let house = a_house_with(json!({})).await;
    let anna = house.a_member("00001").await;
    let before = shown(&house, &anna).await;
    assert_eq!((&before["state"], &before["uses"]), (&json!("usable"), &json!([])));
    assert_eq!(before["terms"], "满200元减30元；2026-03-01至2026-03-31有效；每人限用1次，共1000张，先到先得");
    let reserved = reserves(&house, &anna, 250_00).await.expect(201);
    assert_eq!((&reserved["kind"], &reserved["off"]), (&json!("coupon_reserved"), &json!(30_00)));
    assert!(reserved["until"].as_str().unwrap().starts_with("2026-03-02T10:15:0"), "{reserved}");
    let during = shown(&house, &anna).await;
    assert_eq!((&during["state"], &during["uses"][0]["until"]), (&json!("used_up"), &reserved["until"]));
    let redeemed = goes_on(&house, "redeem", &reserved).await;
    assert_eq!(redeemed.expect(200)["off"], 30_00);
    assert_eq!(goes_on(&house, "redeem", &reserved).await.text, redeemed.text);
    let after = shown(&house, &anna).await;
    assert_eq!((&after["state"], &after["uses"][0]["off"]), (&json!("used_up"), &json!(30_00)));
    assert!(after["uses"][0]["until"].is_null(), "{after}");
    let timeline = house.as_manager("GET", &format!("/v1/members/{}/timeline", anna.id)).send().await.expect(200);
    for rows in [house.journal(&anna).await.concat(), timeline["items"].as_array().unwrap().clone()] {
        let kinds: Vec<&Value> = rows.iter().map(|row| &row["kind"]).collect();
        assert_eq!(kinds, ["coupon_redeemed", "coupon_reserved", "order"]);
    }
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn every_kind_of_coupon_takes_off_what_its_terms_say() {
    for (change, amount, off, terms) in [
        (json!({ "gives": { "off": 5_50 }, "at_least": 0 }), 3_00, 3_00, "立减5.5元；"),
        (json!({ "gives": { "off": 30_00 } }), 200_00, 30_00, "满200元减30元；"),
        (json!({ "gives": { "percent_off": { "percent": 15 } } }), 333_33, 49_99, "满200元享8.5折；"),
        (
            json!({ "gives": { "percent_off": { "percent": 20, "most": 50_00 } }, "at_least": 0 }),
            400_00,
            50_00,
            "享8折，最多优惠50元；",
        ),
        (json!({ "gives": "service", "name": "免费改衣" }), 200_00, 0, "满200元享免费改衣；"),
    ] {
        let house = a_house_with(change).await;
        let anna = house.a_member("00001").await;
        let said = shown(&house, &anna).await["terms"].as_str().unwrap().to_owned();
        assert!(said.starts_with(terms), "{said}");
        assert_eq!(reserves(&house, &anna, amount).await.expect(201)["off"], off, "{said}");
    }
}

#[tokio::test]
async fn a_coupon_says_why_it_can_not_be_used() {
    let house = a_house_with(json!({ "tiers": ["silver"] })).await;
    let anna = house.a_member("00001").await;
    let other = shown(&house, &anna).await;
    assert_eq!(other["state"], "other_tier");
    assert!(other["terms"].as_str().unwrap().ends_with("；限银卡会员使用"), "{other}");
    reserves(&house, &anna, 300_00).await.refuses(422, "coupon_for_other_tiers");
    let _ = house.buys(&anna, 1_500_00).await;
    reserves(&house, &anna, 199_99).await.refuses(422, "coupon_below_minimum");
    let body = json!({ "member_id": anna.id, "amount": 300_00, "minutes": 100_000 });
    let call = house.as_till("POST", "/v1/coupons/spring-30/reserve").key("much-too-long").json(&body);
    call.send().await.refuses(422, "hold_too_long");
    let _ = reserves(&house, &anna, 300_00).await.expect(201);
    reserves(&house, &anna, 300_00).await.refuses(422, "coupon_used_up");
    let body = json!({ "member_id": anna.id, "amount": 300_00 });
    let call = house.as_till("POST", "/v1/coupons/autumn/reserve").key("no-such-coupon").json(&body);
    call.send().await.refuses(422, "unknown_coupon");
    house.it_is("2026-04-01T00:00:00+08:00").await;
    reserves(&house, &anna, 300_00).await.refuses(422, "coupon_not_in_force");
    let items = house.as_member(&anna, "GET", "/v1/me/coupons").send().await.expect(200);
    assert_eq!(items["items"], json!([]));
}

#[tokio::test]
async fn one_key_reserves_once() {
    let house = a_house_with(json!({ "per_member": 2 })).await;
    let anna = house.a_member("00001").await;
    let reserve = |amount: u64| {
        let body = json!({ "member_id": anna.id, "amount": amount });
        house.as_till("POST", "/v1/coupons/spring-30/reserve").key("one-checkout").json(&body).send()
    };
    let first = reserve(300_00).await;
    let _ = first.expect(201);
    assert_eq!(reserve(300_00).await.text, first.text);
    reserve(300_01).await.refuses(422, "key_reused");
    let before = house.program().await.0;
    let _ = house.changes_program(|program| program["coupons"] = json!([])).await;
    assert_eq!(reserve(300_00).await.text, first.text);
    let _ = house.changes_program(|program| *program = before).await;
    assert_eq!(shown(&house, &anna).await["uses"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_order_that_is_given_up_or_sent_back_gives_its_coupon_back_once() {
    let house = a_house_with(json!({ "stock": 1 })).await;
    let (anna, bo) = (house.a_member("00001").await, house.a_member("00002").await);
    for redeemed in [false, true] {
        let reserved = reserves(&house, &anna, 300_00).await.expect(201);
        reserves(&house, &bo, 300_00).await.refuses(422, "coupon_sold_out");
        assert_eq!(shown(&house, &bo).await["state"], "sold_out");
        if redeemed {
            let _ = goes_on(&house, "redeem", &reserved).await.expect(200);
        }
        let back = goes_on(&house, "rollback", &reserved).await;
        assert_eq!(back.expect(200)["kind"], "coupon_rolled_back");
        assert_eq!(goes_on(&house, "rollback", &reserved).await.text, back.text);
        if !redeemed {
            goes_on(&house, "redeem", &reserved).await.refuses(409, "coupon_closed");
        }
        assert_eq!(shown(&house, &bo).await["state"], "usable");
    }
    let _ = reserves(&house, &bo, 300_00).await.expect(201);
    reserves(&house, &anna, 300_00).await.refuses(422, "coupon_sold_out");
}

#[tokio::test]
async fn a_reservation_that_lapses_counts_no_more_and_its_place_goes_back_in_the_night() {
    let house = a_house_with(json!({ "stock": 2 })).await;
    let (anna, bo) = (house.a_member("00001").await, house.a_member("00002").await);
    let reserved = reserves(&house, &anna, 300_00).await.expect(201);
    house.host.clock.set(Moment::parse("2026-03-02T10:16:00+08:00").unwrap());
    goes_on(&house, "redeem", &reserved).await.refuses(409, "coupon_closed");
    assert_eq!(shown(&house, &anna).await["uses"], json!([]));
    let _ = reserves(&house, &anna, 300_00).await.expect(201);
    reserves(&house, &bo, 300_00).await.refuses(422, "coupon_sold_out");
    house.it_is("2026-03-03T12:00:00+08:00").await;
    let _ = house.recomputes().await;
    let (first, second) = (reserves(&house, &bo, 300_00).await, reserves(&house, &anna, 300_00).await);
    let _ = (first.expect(201), second.expect(201));
    let rows = house.journal(&anna).await.concat();
    assert_eq!(rows.iter().filter(|row| row["kind"] == "coupon_rolled_back").count(), 2);
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn what_somebody_had_reserved_who_is_erased_goes_back_in_the_night() {
    let house = a_house_with(json!({ "stock": 1 })).await;
    let (anna, bo) = (house.signs_up("anna", &json!({})).await, house.a_member("00002").await);
    let _ = reserves(&house, &anna, 300_00).await.expect(201);
    let _ = house.as_member(&anna, "DELETE", "/v1/me").send().await.expect(200);
    reserves(&house, &bo, 300_00).await.refuses(422, "coupon_sold_out");
    house.it_is("2026-03-03T12:00:00+08:00").await;
    let _ = house.recomputes().await;
    let _ = reserves(&house, &bo, 300_00).await.expect(201);
}

#[tokio::test]
async fn of_a_stock_of_five_twenty_tills_at_once_get_five() {
    let house = a_house_with(json!({ "stock": 5 })).await;
    let members = house.members(20).await;
    let answers = join_all(members.iter().map(|member| reserves(&house, member, 300_00))).await;
    let (got, not): (Vec<&Answer>, Vec<&Answer>) = answers.iter().partition(|answer| answer.status == 201);
    assert_eq!(got.len(), 5);
    for answer in not {
        answer.refuses(422, "coupon_sold_out");
    }
    // More of it can be made by saving more.
    let _ = house.changes_program(|program| program["coupons"][0]["stock"] = json!(7)).await;
    let answers = join_all(members.iter().map(|member| reserves(&house, member, 300_00))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 2);
}

#[tokio::test]
async fn ten_tills_at_once_reserve_a_members_coupon_once() {
    let house = a_house_with(json!({})).await;
    let anna = house.a_member("00001").await;
    let answers = join_all((0..10).map(|_| reserves(&house, &anna, 300_00))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    answers.iter().filter(|answer| answer.status != 201).for_each(|answer| answer.refuses(422, "coupon_used_up"));
}

#[tokio::test]
async fn a_reservation_is_found_under_its_own_coupon_only() {
    let house = a_house_with(json!({})).await;
    let anna = house.a_member_with("00001", 100).await;
    let reserved = reserves(&house, &anna, 300_00).await.expect(201);
    let hold = house.holds(&anna, 50, 15).await.expect(201);
    for (code, reservation) in [("autumn", &reserved["reservation"]), ("spring-30", &hold["id"])] {
        for step in ["redeem", "rollback"] {
            let call = house.as_till("POST", &format!("/v1/coupons/{code}/{step}"));
            call.json(&json!({ "reservation": reservation })).send().await.refuses(404, "not_found");
        }
    }
    assert_eq!(shown(&house, &anna).await["state"], "used_up");
}

#[tokio::test]
async fn a_merge_takes_redeemed_coupons_along_and_waits_for_reserved_ones() {
    let house = a_house_with(json!({})).await;
    let (anna, other) = (house.a_member("00001").await, house.a_member("00002").await);
    let reserved = reserves(&house, &other, 300_00).await.expect(201);
    let merge = json!({ "other": other.id, "reason": "同一人" });
    let path = format!("/v1/members/{}/merges", anna.id);
    house.as_manager("POST", &path).json(&merge).send().await.refuses(409, "open_holds");
    let _ = goes_on(&house, "redeem", &reserved).await.expect(200);
    let merged = house.as_manager("POST", &path).json(&merge).send().await;
    let merged = merged.expect(201);
    reserves(&house, &anna, 300_00).await.refuses(422, "coupon_used_up");
    let undo = format!("{path}/{}", merged["id"].as_str().unwrap_or_else(|| panic!("{merged}")));
    let undone = house.as_manager("DELETE", &undo).send().await;
    assert!(undone.status < 300, "{}", undone.asked);
    let _ = reserves(&house, &anna, 300_00).await.expect(201);
    reserves(&house, &other, 300_00).await.refuses(422, "coupon_used_up");
}

#[tokio::test]
async fn a_programme_with_coupons_that_can_not_be_meant_is_refused_with_every_place() {
    let house = a_house().await;
    let (mut program, tag) = house.program().await;
    let coupon = json!({ "id": "a", "name": "一", "gives": { "off": 0 }, "from": "2026-03-02", "until": "2026-03-01",
        "stock": 0, "per_member": 11, "tiers": ["diamond"] });
    let all = json!({ "id": "a", "name": "二", "gives": { "off": 300_00 }, "at_least": 200_00,
        "from": "2026-03-01", "until": "2026-03-01", "stock": 1 });
    let percent = json!({ "id": "c", "name": "三", "gives": { "percent_off": { "percent": 100, "most": 0 } },
        "from": "2026-03-01", "until": "2026-03-01", "stock": 1 });
    program["coupons"] = json!([coupon, all, percent]);
    let refused = house.as_manager("PUT", "/v1/program").header("if-match", &tag).json(&program).send().await;
    refused.refuses(422, "settings_flawed");
    let errors = refused.problem()["errors"].as_array().unwrap().clone();
    let places: Vec<&str> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    let wanted = [
        "/coupons/0/until",
        "/coupons/0/stock",
        "/coupons/0/per_member",
        "/coupons/0/tiers",
        "/coupons/0/gives/off",
        "/coupons/1/id",
        "/coupons/1/gives/off",
        "/coupons/2/gives/percent_off/percent",
        "/coupons/2/gives/percent_off/most",
    ];
    assert_eq!(places, wanted);
}
