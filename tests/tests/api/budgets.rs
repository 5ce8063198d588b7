//! What requests cost at the table, as the header of every answer tells: the budgets are promises.

use std::time::Duration;

use huitou::table::{Cost, metered};
use huitou::values::Moment;
use serde_json::{Value, json};
use tests::{Answer, House, Member, a_house, a_house_at, order};

#[track_caller]
fn assert_costs(answer: &Answer, calls: u32, read_units: f64, write_units: f64) {
    let _ = answer.expect(answer.status.min(299));
    assert_eq!(answer.cost(), Cost { calls, read_units, write_units }, "{}", answer.asked);
}

/// One order, and what taking it cost.
async fn sale(house: &House, customer: Value, lines: Value) -> Answer {
    let mut sale = order(&format!("S-{}", house.number()), &customer, &house.now(), 60_00);
    sale["lines"] = lines;
    house.as_till("POST", "/v1/orders").json(&json!({ "orders": [sale] })).send().await
}

fn three_lines() -> Value {
    json!([
        { "sku": "TEE-WHITE-M", "quantity": 2, "amount": 30_00, "category": "上衣" },
        { "sku": "SOCKS-3", "quantity": 1, "amount": 10_00, "category": "配饰" },
        { "sku": "BAG-TOTE-01", "quantity": 1, "amount": 20_00, "category": "包袋" },
    ])
}

#[tokio::test]
async fn a_balance_costs_one_call_and_half_a_read_unit() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    for _ in 0..10 {
        let _ = house.buys(&anna, 10_00).await;
    }
    assert_costs(&house.as_member(&anna, "GET", "/v1/me/points").send().await, 1, 0.5, 0.0);
}

#[tokio::test]
async fn a_purchase_costs_one_read_and_one_transaction_however_many_came_before() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    // The first points of an account enter it into the due index.
    let _ = house.buys(&anna, 10_00).await;
    for _ in 0..10 {
        let answer = sale(&house, json!({ "member_id": anna.id }), json!([])).await;
        assert_costs(&answer, 2, 1.0, 4.0);
    }
    assert_costs(&sale(&house, json!({ "member_id": anna.id }), three_lines()).await, 2, 1.0, 4.0);
}

#[tokio::test]
async fn a_purchase_of_a_customer_with_twenty_purchase_days_costs_the_same() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    for day in 1..=20 {
        let _ = house.bought(&anna, &format!("2026-02-{day:02}T12:00:00+08:00"), 40_00).await;
    }
    assert_costs(&sale(&house, json!({ "member_id": anna.id }), three_lines()).await, 2, 1.0, 4.0);
}

#[tokio::test]
async fn a_purchase_that_raises_the_tier_costs_no_more_because_a_segment_is_due_before_the_review() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let _ = house.buys(&anna, 990_00).await;
    assert_costs(&sale(&house, json!({ "member_id": anna.id }), json!([])).await, 2, 1.0, 4.0);
    assert_eq!(house.points(&anna).await["tier"], "silver");
}

/// Two units for every membership written or deleted, and for the counts.
#[tokio::test]
async fn a_purchase_that_changes_segments_pays_for_that_change_alone() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let _ = house.bought(&anna, "2026-02-20T12:00:00+08:00", 440_00).await;
    // Five hundred yuan: out of `active_low`, into `potential` and `literal.potential`.
    let second = sale(&house, json!({ "member_id": anna.id }), json!([])).await;
    let moved = house.journal(&anna).await.concat()[0].clone();
    let moves = moved["entered"].as_array().unwrap().len() + moved["left"].as_array().unwrap().len();
    assert_costs(&second, 2, 1.0, 4.0 + 2.0 + 2.0 * f64::from(u32::try_from(moves).unwrap()));
    assert_eq!(
        (&moved["left"], &moved["entered"]),
        (&json!(["active_low"]), &json!(["literal.potential", "potential"]))
    );
}

#[tokio::test]
async fn a_card_costs_one_read_more_than_an_id() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let _ = house.buys(&anna, 10_00).await;
    assert_costs(&sale(&house, json!({ "card": anna.card }), json!([])).await, 3, 2.0, 4.0);
}

#[tokio::test]
async fn a_batch_shares_its_reads() {
    let house = a_house().await;
    let members = house.members(25).await;
    for member in &members {
        let _ = house.buys(member, 10_00).await;
    }
    let batch = |customer: &dyn Fn(usize) -> Value| -> Vec<Value> {
        (0..25).map(|n| order(&format!("S-{}", house.number()), &customer(n), &house.now(), 10_00)).collect()
    };
    let send = |orders: Vec<Value>| house.as_till("POST", "/v1/orders").json(&json!({ "orders": orders })).send();
    let by_id = send(batch(&|n| json!({ "member_id": members[n].id }))).await;
    assert_costs(&by_id, 1 + 25, 25.0, 25.0 * 4.0);
    let by_card = send(batch(&|n| json!({ "card": members[n].card }))).await;
    assert_costs(&by_card, 2 + 25, 50.0, 25.0 * 4.0);
    let of_one = send(batch(&|_| json!({ "card": members[0].card }))).await;
    assert_costs(&of_one, 2 + 25, 2.0, 25.0 * 4.0);
}

#[tokio::test]
async fn check_ins_and_redemptions_cost_two_calls() {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 5_000).await;
    assert_costs(&house.checks_in(&anna).await, 2, 1.0, 4.0);
    assert_costs(&house.redeems(&anna, "cash-10", 1).await, 2, 1.0, 4.0);
    let gift = json!({ "cause": "library", "points": 1 });
    let donation = house.as_member(&anna, "POST", "/v1/me/points/donations").key(&house.a_key()).json(&gift);
    assert_costs(&donation.send().await, 2, 1.0, 4.0);
    let hold = house.holds(&anna, 100, 15).await;
    assert_costs(&hold, 2, 1.0, 4.0);
    // The hold's row names the member.
    assert_costs(&house.captures(&hold.json(), None).await, 3, 2.0, 4.0);
}

#[tokio::test]
async fn a_coupon_is_seen_and_reserved_by_two_calls_each_and_redeemed_by_three() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let coupon = json!({ "id": "spring", "name": "春季券", "gives": { "off": 10_00 }, "from": "2026-03-01",
        "until": "2026-03-31", "stock": 9, "per_member": 2 });
    let _ = house.changes_program(|program| program["coupons"] = json!([coupon])).await;
    let body = json!({ "member_id": anna.id, "amount": 100_00 });
    let reserve = || house.as_till("POST", "/v1/coupons/spring/reserve").key(&house.a_key()).json(&body).send();
    // The member's first reservation enters them into the due index.
    let _ = reserve().await.expect(201);
    let reserved = reserve().await;
    assert_costs(&reserved, 2, 1.0, 6.0);
    assert_costs(&house.as_member(&anna, "GET", "/v1/me/coupons").send().await, 2, 1.0, 0.0);
    let body = json!({ "reservation": reserved.json()["reservation"] });
    assert_costs(&house.as_till("POST", "/v1/coupons/spring/redeem").json(&body).send().await, 3, 2.0, 4.0);
    assert_costs(&house.as_till("POST", "/v1/coupons/spring/rollback").json(&body).send().await, 3, 2.0, 6.0);
}

#[tokio::test]
async fn a_refund_costs_four_calls() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let bought = house.buys(&anna, 100_00).await;
    // Order, what was refunded so far, member; then the row, the member and the new sum in one transaction. What
    // was not refunded before is a read of nothing, which costs half of what it costs at AWS.
    let first = house.refunds(&bought, "R-1", 10_00).await;
    assert_eq!((first.cost().calls, first.cost().write_units), (4, 6.0));
    assert_costs(&house.refunds(&bought, "R-2", 10_00).await, 4, 3.0, 6.0);
}

#[tokio::test]
async fn a_page_of_the_journal_costs_one_call_per_eight_rows_and_one_for_the_member() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    for _ in 0..29 {
        let _ = house.gives(&anna, 1).await.expect(201);
    }
    let page = house.as_member(&anna, "GET", "/v1/me/points/entries").send().await;
    assert_costs(&page, 1 + 3, 1.0 + 24.0, 0.0);
    let path = format!("/v1/me/points/entries?cursor={}", page.json()["next"].as_str().unwrap());
    assert_costs(&house.as_member(&anna, "GET", &path).send().await, 1 + 1, 1.0 + 6.0, 0.0);
}

/// A member who is logged in, and a ticket of theirs.
async fn a_ticket(house: &House) -> (Member, Value) {
    let anna = house.signs_up("anna", &json!({})).await;
    let body = json!({ "type": "quality", "text": "鞋底开胶" });
    let opened = house.as_member(&anna, "POST", "/v1/me/tickets").key(&house.a_key()).json(&body).send().await;
    // One read of profile and key; one transaction of ticket, record and figures, of the counters of open tickets and of
    // the day's messages, each two units, and three indexes.
    assert_costs(&opened, 2, 1.0, 13.0);
    (anna, opened.json())
}

#[tokio::test]
async fn opening_a_ticket_costs_two_calls_for_members_and_staff() {
    let house = a_house().await;
    let (anna, _) = a_ticket(&house).await;
    let body = json!({ "member_id": anna.id, "type": "quality", "text": "鞋底开胶", "product": { "category": "鞋" } });
    let opened = house.as_role("agent", "POST", "/v1/tickets").key(&house.a_key()).json(&body).send().await;
    // The product line is counted as well, and the audit trail goes along: an entry and its chain's head. What staff
    // write is no message of the member's.
    assert_costs(&opened, 2, 1.0, 13.0 + 4.0);
}

#[tokio::test]
async fn a_page_of_tickets_costs_one_call_and_a_members_own_one_more_for_the_session() {
    let house = a_house().await;
    let (anna, ticket) = a_ticket(&house).await;
    for _ in 0..24 {
        let body = json!({ "type": "quality", "text": "鞋底开胶" });
        let call = house.as_member(&anna, "POST", "/v1/me/tickets").key(&house.a_key()).json(&body);
        let _ = call.send().await.expect(201);
    }
    let page = house.as_role("agent", "GET", "/v1/tickets?department=after_sales").send().await;
    assert_eq!(page.json()["items"].as_array().unwrap().len(), 20);
    assert_costs(&page, 1 + 1, 1.0, 4.0);
    assert_costs(&house.as_member(&anna, "GET", "/v1/me/tickets").send().await, 2, 2.0, 0.0);
    let path = format!("/v1/me/tickets/{}", ticket["id"].as_str().unwrap());
    assert_costs(&house.as_member(&anna, "GET", &path).send().await, 2, 2.0, 0.0);
}

#[tokio::test]
async fn a_look_at_the_clocks_costs_what_is_due_not_what_there_is() {
    let house = a_house().await;
    let _ = a_ticket(&house).await;
    let look = || async { house.host.app.tickets().drain(Duration::from_secs(9)).await };
    let (drained, idle) = Box::pin(metered(look())).await;
    assert_eq!((drained.unwrap().changed, idle.calls, idle.write_units), (0, 4, 0.0));
    house.host.clock.set(Moment::parse("2026-03-02T14:30:00+08:00").unwrap());
    let (drained, due) = Box::pin(metered(look())).await;
    // A read and a transaction of ticket and record; then the manager is told: read again, claimed, written down.
    assert_eq!((drained.unwrap().changed, due.calls), (1, 4 + 2 + 3));
}

#[tokio::test]
async fn reading_consents_costs_one_call_and_deciding_two() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    assert_costs(&house.as_member(&anna, "GET", "/v1/me/consents").send().await, 1, 0.5, 0.0);
    let decide = |granted: bool| {
        let body = json!({ "granted": granted, "policy_version": 1 });
        house.as_member(&anna, "PUT", "/v1/me/consents/marketing.sms").json(&body).send()
    };
    // The row, the member and the record in one transaction.
    assert_costs(&decide(true).await, 2, 1.0, 6.0);
    assert_costs(&decide(false).await, 2, 1.0, 6.0);
    assert_costs(&decide(false).await, 1, 1.0, 0.0);
    assert_costs(&house.as_member(&anna, "GET", "/v1/me/consents/records").send().await, 2, 1.0, 0.0);
    let path = format!("/v1/members/{}/consents", anna.id);
    // What staff see is on record before they see it.
    assert_costs(&house.as_role("agent", "GET", &path).send().await, 1 + 1, 0.5, 4.0);
    let policy = house.as_manager("GET", "/v1/privacy-policy").send().await;
    assert_eq!((policy.cost().calls, policy.cost().write_units), (1, 0.0));
}

#[tokio::test]
async fn requests_under_the_law_cost_three_calls_and_tags_one_to_read_and_two_to_take_off() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let ask =
        || house.as_member(&anna, "POST", "/v1/me/requests").key(&house.a_key()).json(&json!({ "kind": "review" }));
    let asked = ask().send().await;
    // The member, what is open, and one transaction of two items, one of which stands in two indexes.
    assert_costs(&asked, 3, 2.0, 6.0);
    assert_eq!(house.as_member(&anna, "GET", "/v1/me/requests").send().await.cost().calls, 3);
    let path = format!("/v1/requests/{}", asked.json()["id"].as_str().unwrap());
    let decided = house.as_manager("PUT", &path).json(&json!({ "status": "done" })).send().await;
    assert_eq!(decided.cost().calls, 3);
    assert_costs(&house.as_member(&anna, "GET", "/v1/me/tags").send().await, 1, 0.5, 0.0);
    let tags = format!("/v1/members/{}/tags", anna.id);
    let _ = house.as_manager("POST", &tags).json(&json!({ "add": ["素色"] })).send().await.expect(200);
    let remove = house.as_member(&anna, "POST", "/v1/me/tags/removals").json(&json!({ "tags": ["素色"] }));
    assert_eq!(remove.send().await.cost().calls, 2);
}

#[tokio::test]
async fn children_cost_two_calls_to_read_and_four_to_write() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({ "phone_code": "dev:13800138000" })).await;
    let child = |height: u32| {
        let growth = json!([{ "on": "2026-01-05", "height_mm": height }]);
        json!({ "name": "豆豆", "birthday": "2020-05-20", "growth": growth })
    };
    let mut first = child(1_100);
    first["consent"] = json!({ "policy_version": 1 });
    let added = house.as_member(&anna, "POST", "/v1/me/children").key("the-first-child").json(&first).send().await;
    // Part, mark, key, row, member and record, two units each.
    assert_eq!((added.expect(201)["version"].as_u64(), added.cost().calls), (Some(1), 4));
    assert!(added.cost().write_units <= 14.0, "{:?}", added.cost());
    let path = format!("/v1/me/children/{}", added.json()["id"].as_str().unwrap());
    let edited = house.as_member(&anna, "PUT", &path).json(&child(1_105)).send().await;
    assert_eq!((edited.status, edited.cost().calls, edited.cost().write_units), (200, 4, 4.0));
    let list = house.as_member(&anna, "GET", "/v1/me/children").send().await;
    assert_eq!((list.status, list.cost().calls, list.cost().write_units), (200, 2, 0.0));
    let erased = house.as_member(&anna, "DELETE", &path).send().await;
    assert_eq!((erased.status, erased.cost().calls), (204, 4));
}

#[tokio::test]
async fn a_signature_costs_one_write_more_than_a_token() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let _ = house.buys(&anna, 10_00).await;
    let sale = order("S-1", &json!({ "member_id": anna.id }), &house.now(), 10_00);
    let call = house.call("POST", "/v1/orders").json(&json!({ "orders": [sale] }));
    assert_costs(&house.signs(call).send().await, 3, 1.0, 5.0);
}

#[tokio::test]
async fn a_recompute_costs_what_is_due_not_what_there_is() {
    let house = a_house_at("2026-03-31T10:00:00+08:00").await;
    let members = house.members(200).await;
    for due in members.iter().step_by(40) {
        let _ = house.bought(due, "2025-03-15T12:00:00+08:00", 50_00).await;
    }
    for others in members.chunks(25) {
        let sale = |n: usize| {
            order(&format!("N-{}", house.number()), &json!({ "member_id": others[n].id }), &house.now(), 10_00)
        };
        let sales: Vec<Value> = (0..others.len()).map(sale).collect();
        let _ = house.sends(&sales).await;
    }
    // A minute after midnight: the nightly schedule has not come by yet.
    house.host.clock.set(Moment::parse("2026-04-01T00:01:00+08:00").unwrap());
    let recompute = || house.as_manager("POST", "/v1/segments/recompute").json(&json!({ "mode": "due" })).send();
    let answer = recompute().await;
    assert_eq!(answer.expect(200), json!({ "touched": 5, "changed": 5, "defects": 0, "finished": true }));
    let (shards, due) = (16, 5);
    let cost = answer.cost();
    assert_eq!(cost.calls, shards + due * 2);
    // Per member two items of a kilobyte, the entry in the due index that moves, and what a change of segments writes.
    assert!(cost.write_units <= f64::from(due) * 16.0, "{cost:?}");
    let again = recompute().await;
    assert_eq!(again.expect(200), json!({ "touched": 0, "changed": 0, "defects": 0, "finished": true }));
    // That the manager asked is on record.
    assert_eq!((again.cost().calls, again.cost().write_units), (shards + 1, 4.0));
}

#[tokio::test]
async fn playbooks_cost_one_call_to_read_one_for_the_budget_and_two_to_save() {
    let house = a_house().await;
    let _ = house.a_member("00001").await;
    // The shipped ones are in no table, and what is not there costs half of what it costs at AWS.
    let list = house.as_manager("GET", "/v1/playbooks").send().await;
    assert_eq!((list.cost().calls, list.cost().write_units), (1, 0.0));
    let path = "/v1/segments/new/playbook";
    let playbook = json!({ "goal": "复购", "owner": "运营组", "budget": { "per": "month", "times": 5 } });
    let saved = house.as_manager("PUT", path).header("if-match", list.header("etag")).json(&playbook).send().await;
    assert_eq!((saved.status, saved.cost().calls), (200, 2));
    let shown = house.as_manager("GET", path).send().await;
    assert_eq!((shown.status, shown.cost().calls, shown.cost().write_units), (200, 2, 0.0));
}

#[tokio::test]
async fn scenes_cost_nothing_to_read_and_a_draft_of_one_two_calls() {
    let house = a_house().await;
    assert_costs(&house.as_role("operator", "GET", "/v1/scenes").send().await, 0, 0.0, 0.0);
    let window = json!({ "window": { "from": "2026-03-01T00:00:00+08:00", "until": "2026-03-31T00:00:00+08:00" } });
    let call = house.as_role("operator", "POST", "/v1/scenes/festival/drafts").key(&house.a_key()).json(&window);
    let draft = call.send().await;
    // The segments as they are now, and the draft.
    assert_eq!((draft.expect(201)["state"].as_str(), draft.cost().calls), (Some("draft"), 2));
    let path = format!("/v1/campaigns/{}", draft.json()["id"].as_str().unwrap());
    let read = house.as_role("operator", "GET", &path).send().await;
    assert_eq!((read.status, read.cost().calls, read.cost().write_units), (200, 2, 0.0));
}

#[tokio::test]
async fn a_receipt_costs_four_calls_and_told_again_two() {
    let house = a_house().await;
    let _ = house.a_member_by_phone("13800138000").await;
    let sms = json!({ "sign": "回头客", "template": "SMS_1", "text": "好久不见，拒收请回复R" });
    let campaign = house
        .launches(&json!({
            "name": "老客唤醒", "scene": "dormant_wake_up", "purpose": "marketing", "plan": ["sms"],
            "audience": { "segment": "stage.new" },
            "variants": [{ "id": "a", "weight": 100, "content": { "sms": sms } }],
            "window": { "from": "2026-03-01T00:00:00+08:00", "until": "2026-03-31T00:00:00+08:00" },
            "attribution_days": 7,
        }))
        .await;
    let _ = house.until(&campaign, |counts| counts["sent"] == 1).await;
    let send = house.outbox(None).await[0]["request"]["OutId"].clone();
    let secrets = local::wire::secrets(&house.host.surroundings.secret).unwrap();
    let path = format!("/v1/receipts/aliyun/{}", secrets.providers.receipts.unwrap());
    let report = json!([{ "phone_number": "13800138000", "success": true, "err_code": "DELIVERED", "out_id": send }]);
    let tells = || house.call("POST", &path).json(&report).send();
    // The message read and written; the member read and written, who is told to have done nothing with it so far.
    let first = tells().await;
    assert_eq!((first.status, first.cost().calls), (200, 4));
    let again = tells().await;
    assert_eq!((again.status, again.cost().calls, again.cost().write_units), (200, 2, 0.0));
}
