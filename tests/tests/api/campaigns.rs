//! Campaigns: written, launched, sent once to everybody who may get them, held up and ended.

use std::time::Duration;

use futures_util::future::join_all;
use huitou::values::{CampaignId, Moment};
use serde_json::{Value, json};
use tests::marketing::{by_webhook, is};
use tests::{House, Member, a_house};

#[tokio::test]
async fn a_launched_campaign_goes_once_to_everybody_who_agreed() {
    let house = a_house().await;
    let members = house.members(30).await;
    for member in &members[..20] {
        house.consents(member, "marketing.webhook").await;
    }
    let campaign = house.launches(&by_webhook()).await;
    assert_eq!(campaign["state"], "running");
    let counts = house.until(&campaign, |c| c["sent"] == 20 && c["refused"] == 10).await;
    assert_eq!(counts["audience"], 30);
    assert_eq!(counts["refused.consent"], 10);
    let mut to: Vec<String> = house.host.outbox.newest(None, 1_000).into_iter().map(|sent| sent.to).collect();
    to.sort();
    let mut wanted: Vec<String> = members[..20].iter().map(|member| member.id.clone()).collect();
    wanted.sort();
    assert_eq!(to, wanted);
}

/// What the stand-in for all providers was asked to send, by address.
fn sent_to(house: &House) -> Vec<String> {
    let mut to: Vec<String> = house.host.outbox.newest(None, 1_000).into_iter().map(|sent| sent.to).collect();
    to.sort();
    to
}

/// Members who agreed to marketing by the brand's own webhook.
async fn agreed(house: &House, count: u32) -> Vec<Member> {
    let members = house.members(count).await;
    for member in &members {
        house.consents(member, "marketing.webhook").await;
    }
    members
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut campaign = by_webhook();
    for (name, value) in changes {
        campaign[*name] = value.clone();
    }
    campaign
}

/// Lets the minute's look at the clocks happen.
async fn a_minute_passes(house: &House) {
    house.host.app.dispatch().look().await.unwrap();
    let _ = house.host.app.sending().drain(Duration::from_secs(20)).await.unwrap();
}

#[tokio::test]
async fn marketing_that_comes_up_at_night_waits_for_the_morning_and_goes_then() {
    let house = a_house().await;
    let _ = agreed(&house, 5).await;
    // The clock runs on: far enough from the hours' ends that a slow machine does not pass them.
    for (launched, goes) in [("20:00:00", true), ("21:00:00", false)] {
        house.host.clock.set(Moment::parse(&format!("2026-03-02T{launched}+08:00")).unwrap());
        let campaign = house.launches(&by_webhook()).await;
        if goes {
            let counts = house.until(&campaign, |c| is(c, "sent", 5)).await;
            assert_eq!(counts["audience"], 5);
            continue;
        }
        let held = house.until(&campaign, |c| is(c, "held.quiet_hours", 5)).await;
        assert_eq!(held["held"], 5);
        house.host.clock.set(Moment::parse("2026-03-03T07:00:00+08:00").unwrap());
        a_minute_passes(&house).await;
        house.all_queues_are_worked_off().await;
        assert!(is(&house.counts(&campaign).await, "held", 5));
        house.host.clock.set(Moment::parse("2026-03-03T08:00:00+08:00").unwrap());
        a_minute_passes(&house).await;
        let counts = house.until(&campaign, |c| is(c, "sent", 5)).await;
        assert!(is(&counts, "held", 0), "{counts}");
    }
}

#[tokio::test]
async fn a_service_message_needs_no_consent_and_keeps_no_hours() {
    let house = a_house().await;
    let _ = house.members(3).await;
    house.host.clock.set(Moment::parse("2026-03-02T23:00:00+08:00").unwrap());
    let campaign = house.launches(&with(&[("purpose", json!("service"))])).await;
    let _ = house.until(&campaign, |c| is(c, "sent", 3)).await;
}

#[tokio::test]
async fn a_consent_that_is_withdrawn_between_queue_and_send_stops_the_send() {
    let house = a_house().await;
    let members = agreed(&house, 2).await;
    house.host.clock.set(Moment::parse("2026-03-02T22:00:00+08:00").unwrap());
    let campaign = house.launches(&by_webhook()).await;
    let _ = house.until(&campaign, |c| is(c, "held.quiet_hours", 2)).await;
    let withdraw = house.as_member(&members[0], "PUT", "/v1/me/consents/marketing.webhook");
    let _ = withdraw.json(&json!({ "granted": false })).send().await.expect(200);
    house.host.clock.set(Moment::parse("2026-03-03T08:00:00+08:00").unwrap());
    a_minute_passes(&house).await;
    let _ = house.until(&campaign, |c| is(c, "sent", 1) && is(c, "refused.consent", 1)).await;
    assert_eq!(sent_to(&house), [members[1].id.clone()]);
}

#[tokio::test]
async fn the_second_campaign_of_a_day_is_kept_from_who_had_the_first() {
    let house = a_house().await;
    let _ = agreed(&house, 4).await;
    let first = house.launches(&by_webhook()).await;
    let _ = house.until(&first, |c| is(c, "sent", 4)).await;
    let second = house.launches(&by_webhook()).await;
    let _ = house.until(&second, |c| is(c, "refused.capped", 4)).await;
    assert_eq!(sent_to(&house).len(), 4);
}

#[tokio::test]
async fn a_paused_campaign_holds_what_is_queued_and_goes_on_when_it_is_resumed() {
    let house = a_house().await;
    let _ = agreed(&house, 12).await;
    let definition =
        with(&[("window", json!({ "from": "2026-03-02T12:00:00+08:00", "until": "2026-03-31T00:00:00+08:00" }))]);
    let campaign = house.launches(&definition).await;
    assert_eq!(campaign["state"], "scheduled");
    assert_eq!(house.acts(&campaign, "pause").await["state"], "paused");
    house.host.clock.set(Moment::parse("2026-03-02T12:00:00+08:00").unwrap());
    a_minute_passes(&house).await;
    assert_eq!(sent_to(&house), Vec::<String>::new());
    assert_eq!(house.acts(&campaign, "resume").await["state"], "running");
    let _ = house.until(&campaign, |c| is(c, "sent", 12)).await;

    let second = house.drafts(&with(&[("purpose", json!("service"))])).await;
    let id = CampaignId::parse(second["id"].as_str().unwrap()).unwrap();
    let _ = house.acts(&second, "launch").await;
    let _ = house.acts(&second, "pause").await;
    // What was queued before the pause is parked; what is in nobody's queue yet is not even counted.
    house.all_queues_are_worked_off().await;
    let before = house.counts(&second).await;
    a_minute_passes(&house).await;
    house.all_queues_are_worked_off().await;
    assert_eq!(house.counts(&second).await, before, "nothing goes while it is paused");
    let _ = house.acts(&second, "resume").await;
    let counts = house.until(&second, |c| is(c, "sent", 12)).await;
    assert_eq!(counts["audience"], 12);
    assert!(house.host.app.table().parked_sends(id, None, 10).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn a_stopped_campaign_sends_nothing_more_and_says_what_did_not_go() {
    let house = a_house().await;
    let _ = agreed(&house, 6).await;
    house.host.clock.set(Moment::parse("2026-03-02T22:00:00+08:00").unwrap());
    let campaign = house.launches(&by_webhook()).await;
    let _ = house.until(&campaign, |c| is(c, "held.quiet_hours", 6)).await;
    assert_eq!(house.acts(&campaign, "stop").await["state"], "stopped");
    assert_eq!(house.acts(&campaign, "stop").await["state"], "stopped", "doing it again changes nothing");
    house.host.clock.set(Moment::parse("2026-03-03T08:00:00+08:00").unwrap());
    a_minute_passes(&house).await;
    let counts = house.until(&campaign, |c| is(c, "expired.stopped", 6)).await;
    assert!(is(&counts, "held", 0));
    assert_eq!(sent_to(&house), Vec::<String>::new());
    let path = format!("/v1/campaigns/{}/launch", campaign["id"].as_str().unwrap());
    house.as_manager("POST", &path).send().await.refuses(409, "campaign_state");
}

#[tokio::test]
async fn launching_twice_sends_once() {
    let house = a_house().await;
    let _ = agreed(&house, 7).await;
    let campaign = house.drafts(&by_webhook()).await;
    // At once first, then one after the other.
    for launched in join_all((0..8).map(|_| house.acts(&campaign, "launch"))).await {
        assert_eq!(launched["state"], "running");
    }
    assert_eq!(house.acts(&campaign, "launch").await["state"], "running");
    let counts = house.until(&campaign, |c| is(c, "sent", 7)).await;
    house.all_queues_are_worked_off().await;
    assert_eq!(counts["audience"], 7);
    assert_eq!(sent_to(&house).len(), 7);
}

#[tokio::test]
async fn a_budget_is_spent_and_not_exceeded_and_the_rest_is_told() {
    let house = a_house().await;
    let _ = agreed(&house, 8).await;
    let campaign = house.launches(&with(&[("budget", json!({ "sends": 3 })), ("per_minute", json!(60_000))])).await;
    let counts = house.until(&campaign, |c| is(c, "sent", 3) && is(c, "refused.budget", 5)).await;
    assert_eq!(counts["audience"], 8);
    assert_eq!(sent_to(&house).len(), 3);
}

#[tokio::test]
async fn an_audience_may_be_a_rule_and_may_leave_segments_out() {
    let house = a_house().await;
    let members = agreed(&house, 9).await;
    let _ = house.buys(&members[0], 500_00).await;
    house.consents(&members[0], "marketing.webhook").await;
    let by_rule = with(&[
        ("audience", json!({ "rule": "frequency <= 1" })),
        ("purpose", json!("service")),
        ("per_minute", json!(60_000)),
    ]);
    let campaign = house.launches(&by_rule).await;
    let counts = house.until(&campaign, |c| c["sent"].as_i64().unwrap_or(0) > 0 && c["sent"] == c["audience"]).await;
    let audience = counts["audience"].as_i64().unwrap();
    assert!((8..=9).contains(&audience), "{counts}");
    let left_out = json!({ "name": "已买", "rule": "frequency >= 1 and money >= 400 yuan" });
    let saved = house.as_manager("PUT", "/v1/segments/spent").json(&left_out).send().await;
    let _ = saved.expect(200);
    let _ = house.buys(&members[0], 10_00).await;
    let minus = json!({ "segment": "stage.new", "exclude": ["spent"] });
    let campaign = house.launches(&with(&[("audience", minus), ("purpose", json!("service"))])).await;
    let counts = house.until(&campaign, |c| is(c, "sent", 8)).await;
    assert_eq!(counts["audience"], 8, "who is left out is not counted");
}

#[tokio::test]
async fn a_campaign_that_cant_be_used_is_refused_with_the_place_of_every_flaw() {
    let house = a_house().await;
    let wrong = [
        (
            "/window/until",
            ("window", json!({ "from": "2026-01-01T00:00:00+08:00", "until": "2026-01-02T00:00:00+08:00" })),
        ),
        ("/audience/segment", ("audience", json!({ "segment": "nobody-knows" }))),
        ("/audience", ("audience", json!({}))),
        ("/audience/rule", ("audience", json!({ "rule": "recency >>> 1" }))),
        ("/audience/exclude/0", ("audience", json!({ "segment": "stage.new", "exclude": ["stage.new"] }))),
        ("/plan", ("plan", json!([]))),
        ("/plan/1", ("plan", json!(["webhook", "webhook"]))),
        (
            "/variants",
            (
                "variants",
                json!([{ "id": "a", "weight": 90, "content": { "webhook": { "topic": "t", "fields": {} } } }]),
            ),
        ),
        ("/variants/0/content/sms", ("plan", json!(["sms"]))),
        ("/holdout_percent", ("holdout_percent", json!(91))),
        ("/per_minute", ("per_minute", json!(0))),
        ("/per_minute", ("per_minute", json!(60_001))),
        ("/budget", ("budget", json!({}))),
        ("/budget/sends", ("budget", json!({ "sends": 0 }))),
        ("/attribution_days", ("attribution_days", json!(32))),
        ("/trigger/offer_minutes", ("trigger", json!({ "on": "entered", "offer_minutes": 0 }))),
    ];
    for (pointer, change) in wrong {
        let call = house.as_manager("POST", "/v1/campaigns").key(&house.a_key()).json(&with(&[change]));
        let answer = call.send().await;
        answer.refuses(422, "settings_flawed");
        let errors = answer.json()["errors"].clone();
        assert!(errors.as_array().unwrap().iter().any(|error| error["pointer"] == pointer), "{pointer}: {errors}");
    }
}

#[tokio::test]
async fn a_draft_is_made_once_for_a_key_and_changed_over_the_version_that_was_read() {
    let house = a_house().await;
    let key = house.a_key();
    let make = |definition: Value| house.as_manager("POST", "/v1/campaigns").key(&key).json(&definition).send();
    let draft = make(by_webhook()).await.expect(201);
    assert_eq!(make(by_webhook()).await.expect(201)["id"], draft["id"]);
    make(with(&[("name", json!("另一个"))])).await.refuses(422, "key_reused");
    let path = format!("/v1/campaigns/{}", draft["id"].as_str().unwrap());
    let put = |tag: &str| {
        let call = house.as_manager("PUT", &path).header("if-match", tag);
        call.json(&with(&[("holdout_percent", json!(10))])).send()
    };
    let read = house.as_manager("GET", &path).send().await;
    assert_eq!(put(read.header("etag")).await.expect(200)["definition"]["holdout_percent"], 10);
    put(read.header("etag")).await.refuses(412, "version_moved");
    let listed = house.as_manager("GET", "/v1/campaigns").send().await.expect(200);
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["items"][0]["id"]), (1, &draft["id"]));
    let _ = house.acts(&draft, "launch").await;
    let launched = house.as_manager("GET", &path).send().await;
    put(launched.header("etag")).await.refuses(409, "campaign_state");
}

#[tokio::test]
async fn a_segment_stays_while_a_campaign_on_its_way_addresses_it() {
    let house = a_house().await;
    let rule = json!({ "name": "试点", "rule": "frequency >= 1" });
    let saved = house.as_manager("PUT", "/v1/segments/pilot").json(&rule).send().await;
    let tag = saved.header("etag").to_owned();
    let _ = saved.expect(200);
    let campaign = house.launches(&with(&[("audience", json!({ "segment": "pilot" }))])).await;
    let delete = || house.as_manager("DELETE", "/v1/segments/pilot").header("if-match", &tag).send();
    delete().await.refuses(409, "segment_in_use");
    let _ = house.acts(&campaign, "stop").await;
    assert_eq!(delete().await.status, 204);
}

#[tokio::test]
async fn a_copy_for_a_member_who_was_merged_goes_to_the_survivor_once() {
    let house = a_house().await;
    let members = agreed(&house, 3).await;
    house.host.clock.set(Moment::parse("2026-03-02T22:00:00+08:00").unwrap());
    let campaign = house.launches(&by_webhook()).await;
    let _ = house.until(&campaign, |c| is(c, "held.quiet_hours", 3)).await;
    let merge = json!({ "other": members[1].id, "reason": "同一人" });
    let path = format!("/v1/members/{}/merges", members[0].id);
    let _ = house.as_manager("POST", &path).json(&merge).send().await;
    house.host.clock.set(Moment::parse("2026-03-03T08:00:00+08:00").unwrap());
    a_minute_passes(&house).await;
    let counts = house.until(&campaign, |c| is(c, "sent", 2) && is(c, "moved", 1)).await;
    assert_eq!(counts["audience"], 3);
    let mut wanted = vec![members[0].id.clone(), members[2].id.clone()];
    wanted.sort();
    assert_eq!(sent_to(&house), wanted);
}

#[tokio::test]
async fn what_was_due_during_an_outage_goes_if_its_offer_still_holds_and_else_expires() {
    for (back, word) in [("2026-03-03T10:00:00+08:00", "sent"), ("2026-03-31T09:00:00+08:00", "expired.offer")] {
        let house = a_house().await;
        let _ = agreed(&house, 5).await;
        house.host.clock.set(Moment::parse("2026-03-02T22:00:00+08:00").unwrap());
        let campaign = house.launches(&by_webhook()).await;
        let _ = house.until(&campaign, |c| is(c, "held.quiet_hours", 5)).await;
        house.host.clock.set(Moment::parse(back).unwrap());
        a_minute_passes(&house).await;
        let _ = house.until(&campaign, |c| is(c, word, 5)).await;
    }
}

#[tokio::test]
async fn a_preview_says_who_would_get_it_what_holds_the_others_back_and_changes_nothing() {
    let house = a_house().await;
    let _ = (agreed(&house, 5).await, house.a_member("90001").await);
    let campaign = house.drafts(&by_webhook()).await;
    let path = format!("/v1/campaigns/{}/preview", campaign["id"].as_str().unwrap());
    let preview = house.as_manager("POST", &path).send().await.expect(200);
    assert_eq!((&preview["audience"], &preview["looked_at"]), (&json!(6), &json!(6)));
    assert_eq!((&preview["goes"], &preview["refused"]), (&json!({ "webhook": 5 }), &json!({ "consent": 1 })));
    assert_eq!(preview["samples"][0]["text"], "好久不见，回来看看");
    assert_eq!(sent_to(&house), Vec::<String>::new());
    let by_rule = house.drafts(&with(&[("audience", json!({ "rule": "everyone" }))])).await;
    let path = format!("/v1/campaigns/{}/preview", by_rule["id"].as_str().unwrap());
    let preview = house.as_manager("POST", &path).send().await.expect(200);
    assert_eq!((&preview["audience"], &preview["goes"]), (&json!(6), &json!({ "webhook": 5 })));
}

#[tokio::test]
async fn a_preview_looks_at_everybody_of_a_small_segment_and_at_some_of_a_large_one() {
    let house = a_house().await;
    let _ = house.members(60).await;
    let campaign = house.drafts(&by_webhook()).await;
    let path = format!("/v1/campaigns/{}/preview", campaign["id"].as_str().unwrap());
    let small = house.as_manager("POST", &path).send().await.expect(200);
    assert_eq!((&small["audience"], &small["looked_at"]), (&json!(60), &json!(60)));
    for n in 0..60 {
        let _ = house.a_member(&format!("more-{n}")).await;
    }
    let large = house.as_manager("POST", &path).send().await.expect(200);
    let looked_at = large["looked_at"].as_u64().unwrap();
    assert_eq!(large["audience"], 120);
    assert!((40..=96).contains(&looked_at), "{large}");
}

#[tokio::test]
async fn a_scene_becomes_a_draft_in_one_call_that_can_be_launched_as_it_is() {
    let house = a_house().await;
    let scenes = house.as_manager("GET", "/v1/scenes").send().await.expect(200);
    let scenes: Vec<&str> = scenes["items"].as_array().unwrap().iter().map(|s| s["scene"].as_str().unwrap()).collect();
    assert_eq!(scenes.len(), 13);
    let window = json!({ "from": "2026-03-01T00:00:00+08:00", "until": "2026-03-31T00:00:00+08:00" });
    for scene in scenes {
        let path = format!("/v1/scenes/{scene}/drafts");
        let bare = house.as_manager("POST", &path).key(&house.a_key()).json(&json!({ "window": window }));
        let draft = bare.send().await.expect(201);
        assert_eq!((&draft["definition"]["scene"], &draft["state"]), (&json!(scene), &json!("draft")));
        assert_eq!(draft["definition"]["plan"], json!(["wecom", "email"]), "nobody has approved a text message");
        assert_eq!(house.acts(&draft, "launch").await["state"], "running");
    }
    let key = house.a_key();
    let full = json!({ "window": window, "name": "三月唤醒", "link": "https://shop.example.cn/back", "coupon": "back10",
        "sms": { "sign": "回头客", "template": "SMS_154950909" } });
    let make = |body: &Value| house.as_manager("POST", "/v1/scenes/dormant_wake_up/drafts").key(&key).json(body).send();
    let draft = make(&full).await.expect(201);
    assert_eq!(make(&full).await.expect(201)["id"], draft["id"], "once for a key");
    make(&json!({ "window": window })).await.refuses(422, "key_reused");
    assert_eq!((&draft["definition"]["name"], &draft["definition"]["coupon"]), (&json!("三月唤醒"), &json!("back10")));
    assert_eq!(draft["definition"]["plan"], json!(["wecom", "sms", "email"]));
    let past = json!({ "window": { "from": "2026-01-01T00:00:00+08:00", "until": "2026-01-02T00:00:00+08:00" } });
    let late = house.as_manager("POST", "/v1/scenes/festival/drafts").key(&house.a_key()).json(&past);
    late.send().await.refuses(422, "settings_flawed");
    for scene in ["other", "nobody-knows"] {
        let path = format!("/v1/scenes/{scene}/drafts");
        let call = house.as_manager("POST", &path).key(&house.a_key()).json(&json!({ "window": window }));
        call.send().await.refuses(404, "not_found");
    }
}

/// A search for a school bag puts a tag on, the tag moves the member into a segment, the move sets the campaign off.
#[tokio::test]
async fn who_searches_for_a_school_bag_is_written_to_once_an_hour_later() {
    let house = a_house().await;
    let segment = json!({ "name": "开学季", "rule": "tag = \"开学季\" and not recency <= 3" });
    let _ = house.as_manager("PUT", "/v1/segments/back-to-school").json(&segment).send().await.expect(200);
    let trigger = json!({ "on": "entered", "delay_minutes": 60, "offer_minutes": 1_440, "again_after_days": 30 });
    let campaign = with(&[("audience", json!({ "segment": "back-to-school" })), ("trigger", trigger)]);
    let campaign = house.launches(&campaign).await;
    let members = agreed(&house, 3).await;
    house.it_is("2026-03-10T10:00:00+08:00").await;
    let searches = |member: &Member, id: &str, words: &str| {
        let event = json!({ "source": "shop", "id": id, "event": "search", "about": words, "at": house.now(),
            "customer": { "member_id": member.id } });
        house.as_till("POST", "/v1/events").json(&json!({ "events": [event] })).send()
    };
    for _ in 0..2 {
        // Sent again, it is the same search.
        let _ = searches(&members[0], "S-1", "小学生 书包").await.expect(200);
    }
    let _ = searches(&members[1], "S-2", "School Bag red").await.expect(200);
    let _ = searches(&members[2], "S-3", "帽子").await.expect(200);
    assert_eq!(house.picture(&members[0].id).await["tags"], json!(["开学季"]));
    assert_eq!(house.picture(&members[2].id).await["tags"], json!([]));
    house.all_moves_are_worked_on().await;
    let _ = house.buys(&members[1], 10_00).await;
    house.it_is("2026-03-10T11:01:00+08:00").await;
    let counts = house.until(&campaign, |c| is(c, "sent", 1) && is(c, "refused.audience", 1)).await;
    assert_eq!(counts["audience"], 2, "who bought meanwhile needs none any more");
    assert_eq!(sent_to(&house), [members[0].id.clone()]);
    // The tag ends after thirty days, and so does the stay.
    house.it_is("2026-04-09T01:00:00+08:00").await;
    assert_eq!(house.picture(&members[0].id).await["tags"], json!([]));
    assert_eq!(house.proof(&members[0]).await["balanced"], true);
}
