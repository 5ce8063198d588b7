//! Paths, ids, keys and cursors that lead nowhere.

use serde_json::{Value, json};
use tests::{Answer, a_house, assert_problem, order};

use super::{a_scene, state, text};

#[tokio::test]
async fn what_is_not_there_is_answered_like_any_other_problem() {
    let house = a_house().await;
    for (method, path) in
        [("GET", "/"), ("GET", "/v1/nothing"), ("DELETE", "/v1/program"), ("PATCH", "/v1/me"), ("GET", "/v1//me")]
    {
        let answer = house.call(method, path).send().await;
        answer.refuses(404, "not_found");
        assert_eq!(answer.problem()["request_id"], answer.header("x-request-id"), "{}", answer.asked);
    }
    let answer = house.call("GET", "/v1/nothing").header("x-request-id", "till-7").send().await;
    assert_eq!(answer.problem()["request_id"], "till-7");
}

#[tokio::test]
async fn an_odd_id_in_a_path_is_not_found() {
    let (house, anna, _) = a_scene().await;
    let before = state(&house, &anna).await;
    let long = "a".repeat(81);
    let odd = ["%E5%90%8D", "%2F", "..%2F..%2Fme", "%22", "'", "a%20b", "%00", "%FF", "%E2%80%AE", "%25", &long, "-1"];
    for id in odd {
        for (role, method, path, body) in [
            ("system", "POST", "/v1/orders/{id}/refunds", json!({ "source": "pos-1", "id": "R-1", "amount": 1 })),
            ("system", "POST", "/v1/points/holds/{id}/capture", json!({})),
            ("system", "POST", "/v1/points/holds/{id}/release", json!({})),
            ("system", "POST", "/v1/coupons/{id}/redeem", json!({ "reservation": "0".repeat(32) })),
            ("manager", "GET", "/v1/program/dry-runs/{id}", Value::Null),
            ("manager", "GET", "/v1/members/{id}", Value::Null),
            ("manager", "GET", "/v1/members/{id}/timeline", Value::Null),
            ("manager", "POST", "/v1/members/{id}/tags", json!({ "add": ["素色"] })),
            ("manager", "POST", "/v1/members/{id}/notes", json!({ "text": "试穿" })),
            ("manager", "POST", "/v1/members/{id}/merges", json!({ "other": anna.id, "reason": "同一人" })),
            ("manager", "DELETE", "/v1/members/{id}/merges/0", Value::Null),
        ] {
            let call = house.as_role(role, method, &path.replace("{id}", id)).key(&house.a_key());
            let answer = if body.is_null() { call.send().await } else { call.json(&body).send().await };
            assert_eq!(answer.problem()["status"], 404, "{}", answer.asked);
        }
        let proof = house.as_manager("GET", &format!("/v1/points/proof?member_id={id}")).send().await;
        assert_eq!(proof.problem()["status"], 400, "{}", proof.asked);
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn an_odd_id_in_a_body_is_refused() {
    let (house, anna, routes) = a_scene().await;
    let before = state(&house, &anna).await;
    let long = "a".repeat(201);
    for route in &routes {
        let good = route.good.as_object().unwrap();
        let ids = ["source", "id", "member_id", "reward", "cause", "card", "other", "event", "at", "paid_at", "mode"];
        for name in ids.into_iter().filter(|name| good.contains_key(*name)) {
            for odd in ["", "名", "a b", "a\u{0}b", "'; DROP TABLE members; --", "\"", "a\nb", "\u{202e}x", &long] {
                let mut body = good.clone();
                body.insert(name.to_owned(), json!(odd));
                route.assert_refused(&route.send(&house, &text(&body)).await, &format!("{name} is {odd:?}"));
            }
        }
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn a_customer_is_named_in_exactly_one_way() {
    let (house, anna, _) = a_scene().await;
    let before = state(&house, &anna).await;
    for customer in [
        json!({}),
        json!({ "card": "00001", "member_id": anna.id }),
        json!({ "card": null }),
        json!({ "phone": "12" }),
        json!({ "name": "Anna" }),
        json!("00001"),
        json!([]),
        json!([null, null, null, "00001"]),
    ] {
        let sale = order("C-1", &customer, &house.now(), 1_00);
        let result = house.sends(&[sale]).await.remove(0);
        assert_eq!(result["status"], "rejected", "{customer}");
        assert_problem(&result["problem"], &customer.to_string());
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn a_batch_has_one_to_twenty_five_parts() {
    let (house, anna, routes) = a_scene().await;
    let before = state(&house, &anna).await;
    for route in &routes {
        let Some(list) = route.batch else { continue };
        for count in [0, 26] {
            let body = json!({ list: vec![route.good.clone(); count] });
            route.call(&house).json(&body).send().await.refuses(400, "batch_size");
        }
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn what_moves_value_needs_a_sound_key() {
    let (house, anna, _) = a_scene().await;
    let before = state(&house, &anna).await;
    let long = "k".repeat(81);
    for (role, path, body) in [
        ("member", "/v1/me/points/check-ins", json!({})),
        ("member", "/v1/me/points/redemptions", json!({ "reward": "cash-10" })),
        ("member", "/v1/me/points/donations", json!({ "cause": "library", "points": 1 })),
        ("system", "/v1/points/holds", json!({ "member_id": anna.id, "points": 1 })),
        ("system", "/v1/coupons/spring/reserve", json!({ "member_id": anna.id, "amount": 1 })),
        ("manager", "/v1/points/adjustments", json!({ "member_id": anna.id, "points": 1, "reason": "补偿" })),
        ("manager", &format!("/v1/members/{}/notes", anna.id), json!({ "text": "试穿" })),
    ] {
        let call = || house.call("POST", path).token(&house.token(role, Some(&anna.id))).json(&body);
        call().send().await.refuses(400, "idempotency_key_missing");
        for key in ["", "short", &long, "with space", "with/slash", "键键键键键键键键"] {
            call().key(key).send().await.refuses(400, "idempotency_key_invalid");
        }
    }
    assert_eq!(state(&house, &anna).await, before);
}

#[tokio::test]
async fn a_cursor_leads_on_in_its_own_list_only() {
    let (house, anna, _) = a_scene().await;
    let bo = house.a_member("00002").await;
    for _ in 0..30 {
        let _ = house.gives(&anna, 1).await.expect(201);
        let _ = house.gives(&bo, 1).await.expect(201);
    }
    let timeline = format!("/v1/members/{}/timeline", anna.id);
    let cursor = |answer: Answer| answer.expect(200)["next"].as_str().unwrap().to_owned();
    let mine = cursor(house.as_member(&anna, "GET", "/v1/me/points/entries").send().await);
    let hers = cursor(house.as_member(&bo, "GET", "/v1/me/points/entries").send().await);
    let staffs = cursor(house.as_manager("GET", &timeline).send().await);
    let read = |cursor: String| house.as_member(&anna, "GET", &format!("/v1/me/points/entries?cursor={cursor}")).send();
    let _ = read(mine.clone()).await.expect(200);
    for place in [0, 1, mine.len() / 2, mine.len() - 2] {
        let other = if mine.as_bytes()[place] == b'A' { "B" } else { "A" };
        let mut changed = mine.clone();
        changed.replace_range(place..=place, other);
        read(changed).await.refuses(400, "cursor_invalid");
        read(mine[..place].to_owned()).await.refuses(400, "cursor_invalid");
    }
    for made_up in [hers, staffs, "%E5%90%8D".to_owned(), "A".repeat(3_000), format!("{mine}%3D")] {
        read(made_up).await.refuses(400, "cursor_invalid");
    }
    house.as_manager("GET", &format!("{timeline}?cursor={mine}")).send().await.refuses(400, "cursor_invalid");
    for query in ["page=2", &format!("cursor={mine}&cursor={mine}"), &format!("cursor={mine}&limit=1000")] {
        let path = format!("/v1/me/points/entries?{query}");
        house.as_member(&anna, "GET", &path).send().await.refuses(400, "query_invalid");
    }
}
