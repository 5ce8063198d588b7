//! Customers as guides, agents and managers see them: look-up, picture, remarks, timeline and merges.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{Answer, Call, House, Member, a_house, order};

// --- Finding --------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_member_is_found_by_phone_card_or_openid_and_by_exactly_one_of_them() {
    let house = a_house().await;
    let anna = house.signs_up("anna-open", &json!({ "phone_code": "dev:13800138000" })).await;
    let bo = house.a_member("VIP-2").await;
    for (asked, id) in [
        (json!({ "phone": "13800138000" }), &anna.id),
        (json!({ "phone": "+86 138 0013 8000" }), &anna.id),
        (json!({ "openid": "anna-open" }), &anna.id),
        (json!({ "card": "VIP-2" }), &bo.id),
    ] {
        assert_eq!(&looks_up(&house, &asked).await.expect(200)["id"], id, "{asked}");
    }
    for unclear in [json!({}), json!({ "card": "VIP-2", "openid": "anna-open" })] {
        looks_up(&house, &unclear).await.refuses(400, "lookup_unclear");
    }
    for unknown in [json!({ "card": "VIP-3" }), json!({ "phone": "13900139000" }), json!({ "openid": "nobody" })] {
        looks_up(&house, &unknown).await.refuses(404, "not_found");
    }
}

#[tokio::test]
async fn a_guide_sees_own_customers_only_and_agents_and_managers_see_all() {
    let house = a_house().await;
    let own = house.signs_up("anna", &json!({ "source": { "guide": "li" } })).await;
    let others = house.signs_up("bo", &json!({ "source": { "guide": "wang" } })).await;
    let nobodys = house.signs_up("cai", &json!({})).await;
    for member in [&own, &others, &nobodys] {
        let openid = if member == &own {
            "anna"
        } else if member == &others {
            "bo"
        } else {
            "cai"
        };
        for call in every_route(member, openid, |method, path| house.as_guide("li", method, path)) {
            let answer = call.send().await;
            if member == &own {
                assert!(matches!(answer.status, 200 | 201), "{}: {}", answer.asked, answer.status);
            } else {
                answer.refuses(404, "not_found");
            }
        }
        assert_eq!(house.picture(&member.id).await["tags"].as_array().unwrap().len(), usize::from(member == &own));
    }
    for role in ["agent", "manager"] {
        for (member, openid) in [(&own, "anna"), (&others, "bo"), (&nobodys, "cai")] {
            for call in every_route(member, openid, |method, path| house.as_role(role, method, path)) {
                let answer = call.send().await;
                assert!(matches!(answer.status, 200 | 201), "{role} {}: {}", answer.asked, answer.status);
            }
        }
    }
}

#[tokio::test]
async fn staff_see_masked_values_and_only_managers_the_whole_name() {
    let house = a_house().await;
    let along = json!({ "phone_code": "dev:13800138000", "source": { "guide": "li" } });
    let anna = house.signs_up("oUpF8uMuAJO", &along).await;
    let told = json!({ "name": "张小明", "birthday": "1988-05-20" });
    let _ = house.as_member(&anna, "PUT", "/v1/me").json(&told).send().await.expect(200);
    let path = format!("/v1/members/{}", anna.id);
    for call in
        [house.as_guide("li", "GET", &path), house.as_role("agent", "GET", &path), house.as_manager("GET", &path)]
    {
        let answer = call.send().await;
        let basics = answer.expect(200)["basics"].clone();
        let shown = ["name", "phone", "birthday"].map(|field| basics[field].as_str().unwrap_or_default().to_owned());
        assert_eq!(shown, ["张*", "138****8000", "****-05-**"]);
        for secret in ["13800138000", "1988", "oUpF8uMuAJO"] {
            assert_eq!(answer.count(secret), 0, "{secret}");
        }
        assert!(basics["full_name"].is_null() || answer.count("张小明") == 1);
    }
    assert_eq!(house.picture(&anna.id).await["basics"]["full_name"], "张小明");
    let seen = house.as_role("agent", "GET", &path).send().await;
    assert_eq!(seen.count("张小明"), 0);
}

#[tokio::test]
async fn the_picture_tells_recency_frequency_and_money_net_of_refunds() {
    let house = a_house().await;
    let anna = house.a_member("VIP-1").await;
    let _ = house.bought(&anna, "2026-02-10T12:00:00+08:00", 100_00).await;
    let _ = house.bought(&anna, "2026-02-10T18:00:00+08:00", 50_00).await;
    let last = house.bought(&anna, "2026-02-20T12:00:00+08:00", 300_00).await;
    let _ = house.refunds(&last, "R-1", 60_00).await.expect(201);
    house.it_is("2026-03-12T10:00:00+08:00").await;
    let bought = house.picture(&anna.id).await["purchases"].clone();
    // The order of nothing by which the card became known is a purchase of its day.
    assert_eq!((&bought["last"], &bought["recency_days"]), (&json!("2026-03-02"), &json!(10)), "{bought}");
    let sum = json!({ "days": 3, "orders": 4, "money": 390_00, "basket": 97_50 });
    assert_eq!((&bought["lifetime"], &bought["window"]), (&sum, &sum));
}

// --- Remarks --------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn tags_come_and_go_and_forty_are_enough() {
    let house = a_house().await;
    let anna = house.a_member("VIP-1").await;
    let path = format!("/v1/members/{}/tags", anna.id);
    let tag = |body: Value| house.as_manager("POST", &path).json(&body).send();
    let both = tag(json!({ "add": ["素色", "羊毛"] })).await.expect(200);
    assert_eq!(both, json!({ "tags": ["素色", "羊毛"] }));
    assert_eq!(tag(json!({ "add": ["羊毛"] })).await.expect(200), both, "again changes nothing");
    let one = tag(json!({ "add": ["试穿"], "remove": ["素色", "没有"] })).await.expect(200);
    assert_eq!(one, json!({ "tags": ["羊毛", "试穿"] }));
    let many: Vec<String> = (0..39).map(|n| format!("t{n}")).collect();
    tag(json!({ "add": many })).await.refuses(422, "too_many_tags");
    assert_eq!(house.picture(&anna.id).await["tags"], one["tags"]);
    assert_eq!(tag(json!({ "add": many[..38] })).await.expect(200)["tags"].as_array().unwrap().len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_asked_for_ten_times_at_once_is_written_once() {
    let house = a_house().await;
    let anna = house.a_member("VIP-1").await;
    let path = format!("/v1/members/{}/notes", anna.id);
    let note = |text: &str| house.as_manager("POST", &path).key("one-note-1").json(&json!({ "text": text })).send();
    let answers = join_all((0..10).map(|_| note("喜欢羊毛"))).await;
    for answer in &answers {
        assert_eq!(answer.expect(201), answers[0].json());
    }
    assert_eq!(house.picture(&anna.id).await["notes"], json!([answers[0].json()]));
    note("别的话").await.refuses(422, "key_reused");
}

#[tokio::test]
async fn the_timeline_tells_everything_once_newest_first_page_by_page() {
    let house = a_house().await;
    let anna = house.a_member("VIP-1").await;
    for _ in 0..60 {
        let _ = house.gives(&anna, 1).await.expect(201);
    }
    let mut path = format!("/v1/members/{}/timeline", anna.id);
    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let page = house.as_role("agent", "GET", &path).send().await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["sequence"].as_u64().unwrap()));
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/members/{}/timeline?cursor={next}", anna.id);
    }
    assert_eq!(seen, (1..=61).rev().collect::<Vec<u64>>());
    assert!(pages > 1);
}

// --- Merges ---------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_preview_tells_what_would_pass_and_changes_nothing() {
    let house = a_house().await;
    let (anna, card) = two_halves(&house).await;
    let before = (house.picture(&anna.id).await, house.picture(&card.id).await);
    let seen = merge(&house, &anna, &card, true).await.expect(200);
    assert_eq!((&seen["points"], &seen["days"], &seen["handles"]), (&json!(150), &json!(1), &json!(["card"])));
    assert_eq!((&seen["conflicts"], &seen["preview"], &seen["id"]), (&json!([]), &json!(true), &Value::Null));
    assert_eq!((house.picture(&anna.id).await, house.picture(&card.id).await), before);
}

#[tokio::test]
async fn a_merge_moves_points_days_and_ids_and_an_undo_gives_everything_back() {
    let house = a_house().await;
    let (anna, card) = two_halves(&house).await;
    let before = (house.books(&anna).await, house.books(&card).await);
    let done = merge(&house, &anna, &card, false).await.expect(201);
    assert_eq!(merge(&house, &anna, &card, false).await.expect(201), done, "again it answers the same");
    assert_eq!(house.books(&anna).await, [150, 100, 0, 0]);
    assert_eq!(house.picture(&anna.id).await["purchases"]["lifetime"]["days"], 1);
    let followed = house.picture(&card.id).await;
    assert_eq!((&followed["id"], &followed["followed_from"]), (&json!(anna.id), &json!(card.id)));
    let sale = house.sells_to(&json!({ "card": "VIP-1" }), 30_00).await;
    assert_eq!(sale["member_id"], anna.id);
    assert_eq!(house.books(&anna).await, [150, 130, 0, 0]);

    let _ = undo(&house, &anna, &done).await.expect(204);
    let _ = undo(&house, &anna, &done).await.expect(204);
    house.as_member(&anna, "GET", "/v1/me").send().await.refuses(401, "session_ended");
    let anna = House::member_in(&house.logs_in("dev:anna", &json!({})).await.expect(200));
    assert_eq!(house.books(&anna).await, [before.0[0], before.0[1] + 30, 0, 0], "what came later stays");
    assert_eq!(house.books(&card).await, before.1);
    assert_eq!(looks_up(&house, &json!({ "card": "VIP-1" })).await.expect(200)["id"], card.id);
    assert_eq!(house.picture(&card.id).await["purchases"]["lifetime"]["days"], 1);
    for member in [&anna, &card] {
        assert_eq!(house.proof(member).await["balanced"], true);
    }
}

#[tokio::test]
async fn two_people_are_not_merged() {
    let house = a_house().await;
    let (anna, bo) = (house.signs_up("anna", &json!({})).await, house.signs_up("bo", &json!({})).await);
    assert_eq!(merge(&house, &anna, &bo, true).await.expect(200)["conflicts"], json!(["openid"]));
    merge(&house, &anna, &bo, false).await.refuses(409, "conflicting_identities");
    merge(&house, &anna, &anna, false).await.refuses(422, "same_member");
    assert_eq!(house.books(&bo).await, [100, 0, 0, 0]);
}

#[tokio::test]
async fn points_held_for_a_checkout_stand_against_a_merge() {
    let house = a_house().await;
    let (anna, card) = two_halves(&house).await;
    let hold = house.holds(&card, 50, 15).await.expect(201);
    merge(&house, &anna, &card, false).await.refuses(409, "open_holds");
    let _ = house.releases(&hold).await.expect(200);
    let _ = merge(&house, &anna, &card, false).await.expect(201);
}

#[tokio::test]
async fn a_merge_is_not_undone_after_a_refund_of_an_order_that_came_along() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let sale = house.sells(order("A-1", &json!({ "card": "VIP-1" }), &house.now(), 100_00)).await;
    let card = of_sale(&house, &sale);
    let done = merge(&house, &anna, &card, false).await.expect(201);
    let _ = house.refunds(&sale, "R-1", 40_00).await.expect(201);
    assert_eq!(house.books(&anna).await, [100, 60, 0, 0]);
    undo(&house, &anna, &done).await.refuses(409, "refunded_since");
    assert_eq!(house.books(&anna).await, [100, 60, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_merges_at_once_are_one_merge() {
    let house = a_house().await;
    let (anna, card) = two_halves(&house).await;
    let answers = join_all((0..10).map(|_| merge(&house, &anna, &card, false))).await;
    for answer in &answers {
        assert_eq!(answer.expect(201), answers[0].json());
    }
    assert_eq!(house.books(&anna).await, [150, 100, 0, 0]);
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

// --- Helpers --------------------------------------------------------------------------------------------------------

async fn looks_up(house: &House, asked: &Value) -> Answer {
    house.as_manager("POST", "/v1/members/lookup").json(asked).send().await
}

/// Every call about a member that guides may make.
fn every_route(member: &Member, openid: &str, call: impl Fn(&str, &str) -> Call) -> Vec<Call> {
    let path = format!("/v1/members/{}", member.id);
    vec![
        call("POST", "/v1/members/lookup").json(&json!({ "openid": openid })),
        call("GET", &path),
        call("GET", &format!("{path}/timeline")),
        call("POST", &format!("{path}/tags")).json(&json!({ "add": ["素色"] })),
        call("POST", &format!("{path}/notes")).key("a-note-of-it").json(&json!({ "text": "喜欢羊毛" })),
    ]
}

/// A person who has signed up, and a card of the same person with 50 points, a purchase day and 100 points pending.
async fn two_halves(house: &House) -> (Member, Member) {
    let anna = house.signs_up("anna", &json!({})).await;
    let card = of_sale(house, &house.sells_to(&json!({ "card": "VIP-1" }), 100_00).await);
    let _ = house.gives(&card, 50).await.expect(201);
    (anna, card)
}

fn of_sale(house: &House, sale: &Value) -> Member {
    let id = sale["member_id"].as_str().unwrap().to_owned();
    Member { card: "VIP-1".to_owned(), token: house.token("member", Some(&id)), id }
}

async fn merge(house: &House, survivor: &Member, other: &Member, preview: bool) -> Answer {
    let body = json!({ "other": other.id, "reason": "同一个人", "preview": preview });
    house.as_manager("POST", &format!("/v1/members/{}/merges", survivor.id)).json(&body).send().await
}

async fn undo(house: &House, survivor: &Member, done: &Value) -> Answer {
    let path = format!("/v1/members/{}/merges/{}", survivor.id, done["id"].as_str().unwrap());
    house.as_manager("DELETE", &path).send().await
}

#[tokio::test]
async fn p2_what_a_purchase_earns_and_a_reward_costs_does_not_depend_on_who_buys() {
    let house = a_house().await;
    let plain = house.signs_up("bo", &json!({})).await;
    let known = house.signs_up("anna", &json!({ "phone_code": "dev:13800138000" })).await;
    let told = json!({ "name": "欧阳晓彤", "birthday": "1990-03-02", "city": "上海", "gender": "female" });
    let _ = house.as_member(&known, "PUT", "/v1/me").json(&told).send().await.expect(200);
    let tags = json!({ "add": ["高消费"] });
    let path = format!("/v1/members/{}/tags", known.id);
    let _ = house.as_manager("POST", &path).json(&tags).send().await.expect(200);
    for member in [&plain, &known] {
        let _ = house.gives(member, 1_000).await.expect(201);
    }
    let bought = [house.buys(&plain, 2_345_00).await, house.buys(&known, 2_345_00).await];
    assert_eq!(bought[0]["points"], bought[1]["points"], "on her birthday, and for all that is known of her");
    assert_eq!(house.books(&plain).await, house.books(&known).await);
}
