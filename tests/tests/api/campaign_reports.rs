//! Reports of campaigns: what became of every member, what orders count for, and what moves between segments set off.

use huitou::domain::campaign::assign::assign;
use huitou::domain::campaign::definition::Definition;
use huitou::domain::campaign::send::{State, id};
use huitou::domain::playbook::{Move, Way};
use huitou::table::Freshness;
use huitou::values::{CampaignId, Code, MemberId};
use serde_json::{Value, json};
use tests::{House, Member, a_house};

/// Two variants by the brand's own webhook to everybody who bought once, and a holdout.
fn a_campaign(holdout: u32) -> Value {
    let content = json!({ "webhook": { "topic": "wake-up", "fields": { "text": "好久不见，回来看看" } } });
    let variant = |id: &str| json!({ "id": id, "weight": 50, "content": content });
    json!({
        "name": "老客唤醒", "scene": "dormant_wake_up", "purpose": "marketing",
        "audience": { "segment": "stage.new" }, "plan": ["webhook"],
        "variants": [variant("a"), variant("b")], "holdout_percent": holdout,
        "window": { "from": "2026-03-01T00:00:00+08:00", "until": "2026-03-21T00:00:00+08:00" },
        "attribution_days": 3,
    })
}

/// One that a move into a segment sets off, an hour later and for a day.
fn a_triggered_campaign(segment: &str, again_after_days: Option<u32>) -> Value {
    let mut campaign = a_campaign(0);
    campaign["audience"] = json!({ "segment": segment });
    campaign["trigger"] = json!({ "on": "entered", "delay_minutes": 60, "offer_minutes": 1_440 });
    if let Some(days) = again_after_days {
        campaign["trigger"]["again_after_days"] = json!(days);
    }
    campaign
}

/// A campaign that is launched.
async fn launches(house: &House, definition: &Value) -> CampaignId {
    let call = house.as_manager("POST", "/v1/campaigns").key(&house.a_key()).json(definition);
    let campaign = call.send().await.expect(201)["id"].as_str().unwrap().to_owned();
    let _ = house.as_manager("POST", &format!("/v1/campaigns/{campaign}/launch")).send().await.expect(200);
    CampaignId::parse(&campaign).unwrap()
}

async fn report(house: &House, campaign: CampaignId) -> Value {
    let path = format!("/v1/campaigns/{campaign}/report");
    house.as_manager("GET", &path).send().await.expect(200)
}

/// Waits until a campaign's counts are as wanted.
async fn until(house: &House, campaign: CampaignId, wanted: impl Fn(&Value) -> bool) {
    let _ = house.counts_until(&campaign.to_string(), wanted).await;
}

fn member_id(member: &Member) -> MemberId {
    MemberId::parse(&member.id).unwrap()
}

/// Lets a member agree to marketing by the brand's own webhook.
async fn agrees(house: &House, member: &Member) {
    let statements = house.as_member(member, "GET", "/v1/me/consents").send().await.expect(200);
    let purpose = "marketing.webhook";
    let asked = statements["items"].as_array().unwrap().iter().find(|item| item["purpose"] == purpose).unwrap();
    let agreed = json!({ "granted": true, "policy_version": asked["statement"]["version"] });
    let call = house.as_member(member, "PUT", &format!("/v1/me/consents/{purpose}")).json(&agreed);
    let _ = call.send().await.expect(200);
}

/// Members who have agreed.
async fn a_crowd(house: &House, count: u32) -> Vec<Member> {
    let members = house.members(count).await;
    for member in &members {
        agrees(house, member).await;
    }
    members
}

/// Whether a member is held out, and the variant that they get or would have got.
fn drawn(campaign: CampaignId, definition: &Value, member: &Member) -> (bool, String) {
    let definition: Definition = serde_json::from_value(definition.clone()).unwrap();
    let assigned = assign(campaign, &definition, member_id(member));
    (assigned.held_out, assigned.variant.unwrap().to_string())
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

fn variant<'r>(report: &'r Value, id: &str) -> &'r Value {
    report["variants"].as_array().unwrap().iter().find(|variant| variant["variant"] == id).unwrap()
}

#[tokio::test]
async fn a_report_adds_up_to_what_every_send_and_every_order_says() {
    let house = a_house().await;
    let (members, strangers) = (a_crowd(&house, 60).await, a_house_of_strangers(&house).await);
    let definition = a_campaign(30);
    let campaign = launches(&house, &definition).await;
    until(&house, campaign, |c| c["audience"] == 65 && c["refused"] == 5).await;
    until(&house, campaign, |c| number(&c["sent"]) + number(&c["holdout"]) == 60).await;
    // Every third buys, every sixth twice, and the first who is held out, whoever that is; of two orders something comes
    // back.
    let (mut held_out, mut bought, mut paid) = (0, [0, 0], 0);
    for (n, member) in members.iter().enumerate() {
        let (out, variant) = drawn(campaign, &definition, member);
        held_out += u64::from(out);
        if n % 3 == 0 || (out && held_out == 1) {
            bought[usize::from(out)] += 1;
            let fen = 100_00 + n as u64;
            let order = house.buys(member, fen).await;
            paid += if out { 0 } else { fen };
            if n % 6 == 0 {
                let _ = house.buys(member, 50_00).await;
                paid += if out { 0 } else { 50_00 };
            }
            if n == 3 || n == 9 {
                let _ = house.refunds(&order, &format!("R-{n}"), 40_00).await.expect(201);
            }
            assert!(!variant.is_empty());
        }
    }
    let _ = house.buys(&strangers[0], 10_00).await;
    let report = report(&house, campaign).await;
    let audience = &report["audience"];
    assert_eq!((number(&audience["members"]), number(&audience["holdout"])), (65, held_out));
    assert_eq!(
        (&audience["refused"], &audience["in_hand"]),
        (&json!([{ "reason": "consent", "members": 5 }]), &json!(0))
    );
    assert_eq!(number(&report["holdout"]["bought"]), bought[1]);
    assert_eq!(number(&report["lift"]["sent"]["bought"]), bought[0]);
    assert_eq!(number(&report["lift"]["sent"]["members"]), 60 - held_out);
    let refunded = [3, 9].iter().filter(|n| !drawn(campaign, &definition, &members[**n]).0).count() as u64 * 40_00;
    let revenue = &report["revenue"];
    assert_eq!((number(&revenue["paid"]), number(&revenue["refunded"])), (paid, refunded));
    assert_eq!(number(&revenue["net"]), paid - refunded);
    let in_variants: u64 = ["a", "b"].map(|id| number(&variant(&report, id)["figures"]["members"])).iter().sum();
    assert_eq!(in_variants, 60 - held_out);
    assert!(held_out > 0 && bought[1] > 0, "{held_out} held out, {bought:?} bought");
    the_sends_say_the_same(&house, campaign, &members, &report).await;
}

/// Members who have not agreed to anything.
async fn a_house_of_strangers(house: &House) -> Vec<Member> {
    let mut strangers = Vec::new();
    for n in 0..5 {
        strangers.push(house.a_member(&format!("stranger-{n}")).await);
    }
    strangers
}

/// How many messages the brand's webhook got.
fn went(house: &House) -> usize {
    house.host.outbox.newest(None, 1_000).len()
}

async fn the_sends_say_the_same(house: &House, campaign: CampaignId, members: &[Member], report: &Value) {
    let (mut accepted, mut held_out) = (0, 0);
    for member in members {
        let send = house.host.app.table().send(id(campaign, member_id(member), None), Freshness::Latest).await;
        match send.unwrap().unwrap().send.state {
            State::Accepted { .. } => accepted += 1,
            State::Holdout => held_out += 1,
            other => panic!("{other:?}"),
        }
    }
    let funnels = report["funnels"].as_array().unwrap();
    assert_eq!(funnels.iter().map(|funnel| number(&funnel["accepted"])).sum::<u64>(), accepted);
    assert_eq!(number(&report["audience"]["holdout"]), held_out);
    assert_eq!(went(house) as u64, accepted);
}

#[tokio::test]
async fn an_order_counts_within_the_window_and_neither_before_nor_after_it() {
    let house = a_house().await;
    let members = a_crowd(&house, 3).await;
    let campaign = launches(&house, &a_campaign(0)).await;
    until(&house, campaign, |c| c["sent"] == 3).await;
    let _ = house.bought(&members[0], "2026-03-02T09:59:00+08:00", 10_00).await;
    house.it_is("2026-03-05T09:30:00+08:00").await;
    let late = house.buys(&members[1], 20_00).await;
    house.it_is("2026-03-05T10:30:00+08:00").await;
    let _ = house.buys(&members[2], 40_00).await;
    let seen = report(&house, campaign).await;
    assert_eq!((&seen["revenue"]["paid"], &seen["revenue"]["orders"]), (&json!(20_00), &json!(1)));
    // What comes back after the window still goes back.
    house.it_is("2026-03-19T10:00:00+08:00").await;
    let _ = house.refunds(&late, "R-1", 20_00).await.expect(201);
    let seen = report(&house, campaign).await;
    assert_eq!(seen["revenue"], json!({ "orders": 1, "paid": 20_00, "refunded": 20_00, "net": 0 }));
}

#[tokio::test]
async fn a_conversion_costs_one_write_more_and_nobody_elses_order_anything() {
    let house = a_house().await;
    let members = a_crowd(&house, 2).await;
    let untouched = house.a_member("untouched").await;
    let campaign = launches(&house, &a_campaign(0)).await;
    until(&house, campaign, |c| c["sent"] == 2 && c["refused"] == 1).await;
    let sale = |member: &Member, fen: u64| {
        let id = format!("S-{}", house.number());
        let order = tests::order(&id, &json!({ "member_id": member.id }), &house.now(), fen);
        house.as_till("POST", "/v1/orders").json(&json!({ "orders": [order] })).send()
    };
    // The first points of an account enter it into the due index, and the first of the settings are read.
    for member in members.iter().chain([&untouched]) {
        let _ = sale(member, 10_00).await.expect(200);
    }
    let costs = |answer: &tests::Answer| (answer.cost().calls, answer.cost().write_units);
    assert_eq!(costs(&sale(&untouched, 10_00).await), (2, 4.0));
    let converted = sale(&members[0], 10_00).await;
    assert_eq!(costs(&converted), (2, 6.0));
    let order = json!({ "id": converted.json()["results"][0]["id"], "source": "pos-1" });
    assert_eq!(costs(&house.refunds(&order, "R-1", 1_00).await), (4, 8.0));
    // The campaign, its counts, and the note of the look.
    let path = format!("/v1/campaigns/{campaign}/report");
    let report = house.as_manager("GET", &path).send().await;
    assert_eq!((report.status, report.cost().calls, report.cost().write_units), (200, 3, 1.0));
    house.host.clock.set(huitou::values::Moment::parse("2026-03-25T10:00:00+08:00").unwrap());
    let report = house.as_manager("GET", &path).send().await;
    assert_eq!((report.status, report.cost().calls, report.cost().write_units), (200, 3, 0.0));
}

#[tokio::test]
async fn an_order_told_twice_counts_once() {
    let house = a_house().await;
    let members = a_crowd(&house, 1).await;
    let campaign = launches(&house, &a_campaign(0)).await;
    until(&house, campaign, |c| c["sent"] == 1).await;
    let order = tests::order("S-1", &json!({ "member_id": members[0].id }), &house.now(), 10_00);
    for status in ["created", "replayed", "replayed"] {
        assert_eq!(house.sells(order.clone()).await["status"], status);
    }
    let seen = report(&house, campaign).await;
    assert_eq!(
        (&seen["revenue"]["orders"], &seen["lift"], &seen["holdout"]["members"]),
        (&json!(1), &Value::Null, &json!(0))
    );
    assert!(house.proof(&members[0]).await["fault"].is_null());
}

/// Two campaigns reach the same member a day apart; the revenue of each when the member buys then.
async fn revenues(house: &House) -> [Value; 2] {
    let members = a_crowd(house, 1).await;
    let first = launches(house, &a_campaign(0)).await;
    until(house, first, |c| c["sent"] == 1).await;
    house.it_is("2026-03-03T10:00:00+08:00").await;
    let second = launches(house, &a_campaign(0)).await;
    until(house, second, |c| c["sent"] == 1).await;
    let _ = house.buys(&members[0], 10_00).await;
    let (first, second) = (report(house, first).await, report(house, second).await);
    // Each asks whether it made the member buy; one of them has earned the order.
    assert_eq!((&first["funnels"][0]["bought"], &second["funnels"][0]["bought"]), (&json!(1), &json!(1)));
    [first, second].map(|report| report["revenue"]["paid"].clone())
}

#[tokio::test]
async fn of_two_campaigns_the_last_touch_has_the_revenue_or_the_first_as_the_settings_say() {
    let house = a_house().await;
    assert_eq!(revenues(&house).await, [0, 10_00]);
    let house = a_house().await;
    let limits = house.as_manager("GET", "/v1/sending-limits").send().await;
    let mut settings = limits.json()["limits"].clone();
    assert_eq!(settings["attribution"], "last");
    settings["attribution"] = json!("first");
    let save = house.as_manager("PUT", "/v1/sending-limits").header("if-match", limits.header("etag"));
    let _ = save.json(&settings).send().await.expect(200);
    assert_eq!(revenues(&house).await, [10_00, 0]);
}

#[tokio::test]
async fn every_day_on_which_somebody_looks_before_the_end_leaves_the_tests_a_smaller_error() {
    let house = a_house().await;
    let _ = a_crowd(&house, 20).await;
    let campaign = launches(&house, &a_campaign(30)).await;
    until(&house, campaign, |c| c.get("sent").is_some()).await;
    let caution = |report: Value| {
        let error = report["caution"]["error"].as_f64().unwrap();
        (number(&report["caution"]["looks"]), format!("{error:.6}"))
    };
    let left = |looks: u64, part: f64| (looks, format!("{:.6}", 0.05 / part / 2.0));
    // Two comparisons: the variants, and the holdout.
    assert_eq!(caution(report(&house, campaign).await), left(1, 2.0));
    assert_eq!(caution(report(&house, campaign).await), left(1, 2.0));
    house.it_is("2026-03-03T10:00:00+08:00").await;
    assert_eq!(caution(report(&house, campaign).await), left(2, 6.0));
    // Three days after the window nothing can change any more: what was not spent is left.
    house.host.clock.set(huitou::values::Moment::parse("2026-03-24T10:00:00+08:00").unwrap());
    let end = report(&house, campaign).await;
    assert_eq!(end["caution"]["last"], true);
    assert_eq!(caution(end), left(2, 3.0));
}

#[tokio::test]
async fn a_first_purchase_sets_a_campaign_off_once_and_an_hour_later() {
    let house = a_house().await;
    let campaign = launches(&house, &a_triggered_campaign("stage.new", None)).await;
    let anna = house.a_member("00001").await;
    agrees(&house, &anna).await;
    house.all_moves_are_worked_on().await;
    let seen = report(&house, campaign).await;
    assert_eq!(seen["audience"]["held"], json!([{ "reason": "delay", "members": 1 }]));
    // Told again, the move sets nothing off.
    let row = house.journal(&anna).await.concat().last().unwrap()["id"].as_str().unwrap().to_owned();
    let (member, stay) = (member_id(&anna), huitou::values::RowKey::parse(&row).unwrap());
    let told = Move { member, segment: Code::parse("stage.new").unwrap(), stay, way: Way::Entered };
    assert_eq!(house.host.app.triggers().follow(&told).await.unwrap(), 0);
    house.it_is("2026-03-02T10:45:00+08:00").await;
    assert_eq!(went(&house), 0);
    house.it_is("2026-03-02T11:30:00+08:00").await;
    until(&house, campaign, |c| c["sent"] == 1).await;
    assert_eq!(report(&house, campaign).await["audience"]["members"], 1);
    assert_eq!(went(&house), 1);
}

async fn sees(house: &House, member: &Member, event: &str) {
    let event = json!({ "source": "shop", "id": house.a_key(), "event": event, "at": house.now(),
        "customer": { "member_id": member.id } });
    let answer = house.as_till("POST", "/v1/events").json(&json!({ "events": [event] })).send().await.expect(200);
    assert!(answer["results"][0]["recorded"].is_object(), "{answer}");
}

#[tokio::test]
async fn who_leaves_a_cart_is_reminded_and_who_buys_in_time_is_not() {
    let house = a_house().await;
    let campaign = launches(&house, &a_triggered_campaign("scene.cart_left", Some(7))).await;
    let members = a_crowd(&house, 2).await;
    house.it_is("2026-03-10T10:00:00+08:00").await;
    for member in &members {
        sees(&house, member, "cart").await;
    }
    house.all_moves_are_worked_on().await;
    let _ = house.buys(&members[1], 10_00).await;
    house.it_is("2026-03-10T11:02:00+08:00").await;
    until(&house, campaign, |c| c["sent"] == 1 && c["refused.audience"] == 1).await;
    // Within the week another cart is no reason; after it, it is.
    for (day, sent) in [("2026-03-15", 1), ("2026-03-19", 2)] {
        house.it_is(&format!("{day}T10:00:00+08:00")).await;
        sees(&house, &members[0], "cart").await;
        house.all_moves_are_worked_on().await;
        house.it_is(&format!("{day}T11:02:00+08:00")).await;
        until(&house, campaign, |c| c["sent"] == sent).await;
    }
}

#[tokio::test]
async fn what_could_not_go_while_its_offer_held_is_expired_and_no_merge_sets_anything_off() {
    let house = a_house().await;
    let campaign = launches(&house, &a_triggered_campaign("stage.new", None)).await;
    let anna = house.a_member("00001").await;
    agrees(&house, &anna).await;
    house.all_moves_are_worked_on().await;
    // Nobody looks at the clocks for two days.
    house.host.scheduler.rest(true);
    house.host.clock.set(huitou::values::Moment::parse("2026-03-04T12:00:00+08:00").unwrap());
    house.host.scheduler.rest(false);
    house.it_is("2026-03-04T12:02:00+08:00").await;
    until(&house, campaign, |c| c["expired.offer"] == 1).await;
    assert_eq!(went(&house), 0);
}
