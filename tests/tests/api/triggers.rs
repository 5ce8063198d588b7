//! What sets a message off: each move of a member that brands answer by themselves, with its delay and its offer.
//!
//! The scenes that ship are launched as an operator would: the brand adds its window and its approved text message. A
//! day is in March 2026; the clock goes to a night, in which the segments are looked at, and then to the day after it.

use serde_json::{Value, json};
use tests::marketing::{by_webhook, is};
use tests::{House, Member, a_house};

use crate::tickets::doings::{opens, writes, writes_to_member};

const ANNA: &str = "13800138000";
const BO: &str = "13800138001";

/// A scene's campaign, on its way until the end of May; nobody is held out of it, so that whoever is meant gets a message.
async fn plays(house: &House, scene: &str) -> Value {
    // What came before the launch is no reason.
    house.all_moves_are_worked_on().await;
    let window = json!({ "from": "2026-03-01T00:00:00+08:00", "until": "2026-06-01T00:00:00+08:00" });
    let brand = json!({ "window": window, "sms": { "sign": "回头客", "template": "SMS_154950909" } });
    let path = format!("/v1/scenes/{scene}/drafts");
    let draft = house.as_role("operator", "POST", &path).key(&house.a_key()).json(&brand).send().await;
    let (mut definition, tag) = (draft.expect(201)["definition"].clone(), draft.header("etag").to_owned());
    definition["holdout_percent"] = json!(0);
    let path = format!("/v1/campaigns/{}", draft.expect(201)["id"].as_str().unwrap());
    let saved = house.as_role("operator", "PUT", &path).header("if-match", &tag).json(&definition).send().await;
    house.acts(&saved.expect(200), "launch").await
}

/// Somebody with a phone who agrees to text messages.
async fn comes(house: &House, name: &str, phone: &str) -> Member {
    let member = house.signs_up(name, &json!({ "phone_code": format!("dev:{phone}") })).await;
    house.consents(&member, "marketing.sms").await;
    member
}

/// How many text messages went to a phone.
async fn texts(house: &House, phone: &str) -> usize {
    house.outbox(Some(&format!("86{phone}"))).await.len()
}

/// Everything that a moved clock or a request sets off is done.
async fn settles(house: &House) {
    house.all_moves_are_worked_on().await;
    house.passes(1).await;
    house.all_queues_are_worked_off().await;
}

/// A move is told, its delay passes, and one message goes; not a minute before, and none a second time.
async fn one_goes_after(house: &House, campaign: &Value, phone: &str, minutes: u64) {
    settles(house).await;
    let counts = house.until(campaign, |c| is(c, "held.delay", 1)).await;
    assert_eq!(counts["audience"], 1);
    house.passes(minutes - 10).await;
    settles(house).await;
    assert_eq!(texts(house, phone).await, 0, "before its delay is over");
    house.passes(15).await;
    let _ = house.until(campaign, |c| is(c, "sent", 1)).await;
    for _ in 0..3 {
        settles(house).await;
    }
    assert_eq!(texts(house, phone).await, 1);
}

#[tokio::test]
async fn a_solved_ticket_is_asked_about_once_a_day_later_whatever_becomes_of_it() {
    let house = a_house().await;
    let anna = comes(&house, "anna", ANNA).await;
    let campaign = plays(&house, "ticket_closed").await;
    let ticket = opens(&house, &anna, "quality", "开胶").await;
    settles(&house).await;
    assert!(is(&house.counts(&campaign).await, "audience", 0), "a ticket that is open sets nothing off");
    let solved = || json!({ "text": "已换新", "then": "closed" });
    let _ = writes_to_member(&house, &ticket, solved()).await.expect(201);
    one_goes_after(&house, &campaign, ANNA, 1_440).await;
    // Opened again and solved again, and another one: within thirty days nobody is asked a second time.
    let _ = writes(&house, &anna, &ticket, "又开胶了").await.expect(201);
    let _ = writes_to_member(&house, &ticket, solved()).await.expect(201);
    house.it_is("2026-03-20T10:00:00+08:00").await;
    let other = opens(&house, &anna, "price", "贵").await;
    let _ = writes_to_member(&house, &other, solved()).await.expect(201);
    settles(&house).await;
    house.passes(1_500).await;
    settles(&house).await;
    assert_eq!(texts(&house, ANNA).await, 1);
    assert!(is(&house.counts(&campaign).await, "audience", 1));
    // After them, another one is another reason.
    house.it_is("2026-04-10T10:00:00+08:00").await;
    let third = opens(&house, &anna, "quality", "掉色").await;
    let _ = writes_to_member(&house, &third, solved()).await.expect(201);
    settles(&house).await;
    house.passes(1_500).await;
    let _ = house.until(&campaign, |c| is(c, "sent", 2)).await;
    assert_eq!(texts(&house, ANNA).await, 2);
}

#[tokio::test]
async fn a_care_that_could_not_go_while_its_offer_held_is_told_as_expired() {
    let house = a_house().await;
    let anna = comes(&house, "anna", ANNA).await;
    let campaign = plays(&house, "ticket_closed").await;
    let ticket = opens(&house, &anna, "quality", "开胶").await;
    let _ = writes_to_member(&house, &ticket, json!({ "text": "已换新", "then": "closed" })).await.expect(201);
    settles(&house).await;
    let _ = house.acts(&campaign, "pause").await;
    // A day of delay and five of the offer.
    house.it_is("2026-03-08T12:00:00+08:00").await;
    let _ = house.acts(&campaign, "resume").await;
    settles(&house).await;
    let _ = house.until(&campaign, |c| is(c, "expired.offer", 1)).await;
    assert_eq!(texts(&house, ANNA).await, 0);
}

#[tokio::test]
async fn who_signs_up_is_welcomed_ten_minutes_later() {
    let house = a_house().await;
    let campaign = plays(&house, "welcome").await;
    let _ = comes(&house, "anna", ANNA).await;
    settles(&house).await;
    house.passes(15).await;
    let _ = house.until(&campaign, |c| is(c, "sent", 1)).await;
    settles(&house).await;
    assert_eq!(texts(&house, ANNA).await, 1);
}

#[tokio::test]
async fn a_first_purchase_is_asked_about_three_days_later_and_the_second_one_is_not() {
    let house = a_house().await;
    let anna = comes(&house, "anna", ANNA).await;
    let campaign = plays(&house, "first_purchase").await;
    let _ = house.buys(&anna, 100_00).await;
    one_goes_after(&house, &campaign, ANNA, 4_320).await;
    let _ = house.buys(&anna, 100_00).await;
    settles(&house).await;
    house.passes(4_400).await;
    settles(&house).await;
    assert_eq!(texts(&house, ANNA).await, 1);
}

#[tokio::test]
async fn who_has_not_bought_again_after_thirty_days_is_invited_and_who_has_is_not() {
    let house = a_house().await;
    let (anna, bo) = (comes(&house, "anna", ANNA).await, comes(&house, "bo", BO).await);
    let campaign = plays(&house, "no_repeat").await;
    let _ = (house.buys(&anna, 100_00).await, house.buys(&bo, 100_00).await);
    house.it_is("2026-03-20T10:00:00+08:00").await;
    let _ = house.buys(&bo, 50_00).await;
    house.it_is("2026-03-31T01:00:00+08:00").await;
    settles(&house).await;
    assert!(is(&house.counts(&campaign).await, "audience", 0), "on the thirtieth day nothing is late");
    house.it_is("2026-04-01T01:00:00+08:00").await;
    one_goes_after(&house, &campaign, ANNA, 600).await;
    assert_eq!(texts(&house, BO).await, 0);
}

#[tokio::test]
async fn a_birthday_is_greeted_a_week_before_it_and_once() {
    let house = a_house().await;
    let anna = comes(&house, "anna", ANNA).await;
    let campaign = plays(&house, "birthday").await;
    let told = json!({ "birthday": "1990-03-20" });
    let _ = house.as_member(&anna, "PUT", "/v1/me").json(&told).send().await.expect(200);
    house.it_is("2026-03-12T12:00:00+08:00").await;
    settles(&house).await;
    assert!(is(&house.counts(&campaign).await, "audience", 0));
    house.it_is("2026-03-13T01:00:00+08:00").await;
    one_goes_after(&house, &campaign, ANNA, 600).await;
    // The birthday passes; telling another one is no second birthday.
    house.it_is("2026-03-22T01:00:00+08:00").await;
    let told = json!({ "birthday": "1990-03-28" });
    let _ = house.as_member(&anna, "PUT", "/v1/me").json(&told).send().await.expect(200);
    settles(&house).await;
    house.passes(700).await;
    settles(&house).await;
    assert_eq!(texts(&house, ANNA).await, 1);
}

#[tokio::test]
async fn a_childs_birthday_is_told_to_the_guardian_once() {
    let house = a_house().await;
    let anna = comes(&house, "anna", ANNA).await;
    let campaign = plays(&house, "child_birthday").await;
    let consent = json!({ "policy_version": 1, "page": "pages/child/add", "locale": "zh-CN" });
    let child = json!({ "name": "豆豆", "birthday": "2020-03-20", "consent": consent });
    let added = house.as_member(&anna, "POST", "/v1/me/children").key(&house.a_key()).json(&child).send().await;
    let _ = added.expect(201);
    house.it_is("2026-03-13T01:00:00+08:00").await;
    one_goes_after(&house, &campaign, ANNA, 600).await;
}

/// Something that a shop saw a member do just now.
async fn does(house: &House, member: &Member, what: &str) {
    let event = json!({ "source": "shop", "id": house.a_key(), "event": what, "at": house.now(),
        "customer": { "member_id": member.id } });
    let answer = house.as_till("POST", "/v1/events").json(&json!({ "events": [event] })).send().await.expect(200);
    assert!(answer["results"][0]["recorded"].is_object(), "{answer}");
}

#[tokio::test]
async fn who_looks_and_does_not_buy_is_written_to_and_who_buys_meanwhile_is_not() {
    let house = a_house().await;
    let (anna, bo) = (comes(&house, "anna", ANNA).await, comes(&house, "bo", BO).await);
    let campaign = plays(&house, "browse_not_bought").await;
    for member in [&anna, &anna, &bo] {
        does(&house, member, "view").await;
    }
    settles(&house).await;
    let _ = house.buys(&bo, 10_00).await;
    house.passes(125).await;
    let counts = house.until(&campaign, |c| is(c, "sent", 1) && is(c, "refused.audience", 1)).await;
    assert_eq!(counts["audience"], 2);
    assert_eq!((texts(&house, ANNA).await, texts(&house, BO).await), (1, 0));
    // Within two weeks another look is no reason.
    house.it_is("2026-03-10T10:00:00+08:00").await;
    does(&house, &anna, "view").await;
    settles(&house).await;
    house.passes(125).await;
    settles(&house).await;
    assert_eq!(texts(&house, ANNA).await, 1);
}

#[tokio::test]
async fn who_leaves_a_full_cart_is_reminded_an_hour_later() {
    let house = a_house().await;
    let anna = comes(&house, "anna", ANNA).await;
    let campaign = plays(&house, "cart_recovery").await;
    does(&house, &anna, "cart").await;
    one_goes_after(&house, &campaign, ANNA, 60).await;
}

#[tokio::test]
async fn leaving_a_segment_sets_a_message_off_unless_the_member_is_back_by_then() {
    let house = a_house().await;
    let mut campaign = by_webhook();
    campaign["audience"] = json!({ "segment": "scene.cart_left" });
    campaign["trigger"] = json!({ "on": "left", "delay_minutes": 60, "offer_minutes": 1_440 });
    let campaign = house.launches(&campaign).await;
    let members = [house.a_member("00001").await, house.a_member("00002").await];
    house.it_is("2026-03-10T10:00:00+08:00").await;
    for member in &members {
        house.consents(member, "marketing.webhook").await;
        does(&house, member, "cart").await;
    }
    settles(&house).await;
    assert!(is(&house.counts(&campaign).await, "audience", 0), "coming in is no leaving");
    // Both leave when the cart is three days old; one of them fills another.
    house.it_is("2026-03-14T10:00:00+08:00").await;
    settles(&house).await;
    let _ = house.until(&campaign, |c| is(c, "held.delay", 2)).await;
    does(&house, &members[1], "cart").await;
    settles(&house).await;
    house.passes(65).await;
    let _ = house.until(&campaign, |c| is(c, "sent", 1) && is(c, "refused.audience", 1)).await;
    let sent: Vec<Value> = house.outbox(Some(&members[0].id)).await;
    assert_eq!((sent.len(), house.outbox(Some(&members[1].id)).await.len()), (1, 0));
}
