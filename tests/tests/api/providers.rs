//! Providers that fail, tell of messages and pass on answers, as anybody sees it from outside: over HTTP alone, with the
//! stand-ins played by the host's own routes.

use serde_json::{Value, json};
use tests::marketing::{a_campaign, by_sms, is};
use tests::{House, Member, a_house};

/// Members who agree to text messages.
async fn phones(house: &House, count: u32) -> Vec<Member> {
    let mut members = Vec::new();
    for n in 0..count {
        members.push(house.a_member_by_phone(&format!("138001380{n:02}")).await);
    }
    members
}

/// Lets the clock go on, minute by minute, until a campaign's counts are as wanted.
async fn in_time(house: &House, campaign: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..60 {
        house.all_queues_are_worked_off().await;
        let counts = house.counts(campaign).await;
        if wanted(&counts) {
            return counts;
        }
        house.passes(1).await;
    }
    panic!("{}", house.counts(campaign).await);
}

/// Whether every member's message stands somewhere where it waits or has ended.
fn all_stand(counts: &Value, all: i64) -> bool {
    let sum: i64 =
        ["sent", "held", "refused", "failed", "expired"].iter().filter_map(|word| counts[*word].as_i64()).sum();
    sum == all && is(counts, "audience", all)
}

#[tokio::test]
async fn messages_wait_while_a_provider_is_down_and_go_once_when_it_is_well_again() {
    let house = a_house().await;
    let members = phones(&house, 8).await;
    house.provider_is("aliyun", "failing").await;
    let campaign = house.launches(&by_sms()).await;
    let counts = house.until(&campaign, |c| all_stand(c, 8)).await;
    assert!(is(&counts, "held", 8) && is(&counts, "sent", 0), "{counts}");
    // Minutes later nothing has gone, and nothing is lost.
    for _ in 0..3 {
        house.passes(1).await;
        house.all_queues_are_worked_off().await;
    }
    let counts = house.until(&campaign, |c| all_stand(c, 8)).await;
    assert!(is(&counts, "held", 8), "{counts}");
    house.provider_is("aliyun", "well").await;
    let counts = in_time(&house, &campaign, |c| is(c, "sent", 8)).await;
    assert!(is(&counts, "held", 0) && is(&counts, "failed", 0), "{counts}");
    let mut to: Vec<Value> = house.outbox(None).await.into_iter().map(|sent| sent["to"].clone()).collect();
    to.sort_by_key(Value::to_string);
    to.dedup();
    assert_eq!((to.len(), house.outbox(None).await.len()), (members.len(), members.len()), "one copy for each");
}

#[tokio::test]
async fn an_offer_that_ends_while_the_provider_is_down_is_told_as_expired_and_goes_to_nobody() {
    let house = a_house().await;
    let _ = phones(&house, 6).await;
    house.provider_is("aliyun", "shut_out").await;
    let mut campaign = by_sms();
    campaign["window"]["until"] = json!("2026-03-02T11:00:00+08:00");
    let campaign = house.launches(&campaign).await;
    let _ = house.until(&campaign, |c| is(c, "held", 6) || is(c, "failed", 6)).await;
    house.it_is("2026-03-02T11:01:00+08:00").await;
    house.provider_is("aliyun", "well").await;
    let counts = in_time(&house, &campaign, |c| all_stand(c, 6) && is(c, "held", 0)).await;
    assert!(is(&counts, "sent", 0), "{counts}");
    assert_eq!(house.outbox(None).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_message_whose_answer_nobody_heard_is_found_in_the_records_and_not_sent_again() {
    let house = a_house().await;
    let _ = phones(&house, 1).await;
    house.provider_is("aliyun", "silent").await;
    let campaign = house.launches(&by_sms()).await;
    let _ = house.until(&campaign, |c| is(c, "sent.unknown", 1)).await;
    house.provider_is("aliyun", "well").await;
    let _ = in_time(&house, &campaign, |c| is(c, "sent.delivered", 1)).await;
    assert_eq!(house.outbox(None).await.len(), 1);
}

#[tokio::test]
async fn a_consent_withdrawn_while_a_message_waits_for_its_provider_stops_it() {
    let house = a_house().await;
    let members = phones(&house, 2).await;
    house.provider_is("aliyun", "failing").await;
    let campaign = house.launches(&by_sms()).await;
    let _ = house.until(&campaign, |c| is(c, "held", 2)).await;
    let withdraw = house.as_member(&members[0], "PUT", "/v1/me/consents/marketing.sms");
    let _ = withdraw.json(&json!({ "granted": false })).send().await.expect(200);
    house.provider_is("aliyun", "well").await;
    let _ = in_time(&house, &campaign, |c| is(c, "sent", 1) && is(c, "refused.consent", 1)).await;
    assert_eq!(house.outbox(Some("8613800138000")).await, Vec::<Value>::new());
}

#[tokio::test]
async fn receipts_and_words_sent_back_come_in_as_the_provider_sends_them() {
    let house = a_house().await;
    let members = phones(&house, 2).await;
    let campaign = house.launches(&by_sms()).await;
    let _ = house.until(&campaign, |c| is(c, "sent.accepted", 2)).await;
    let number = |sent: &[Value]| sent[0]["number"].clone();
    let first = number(&house.outbox(Some("8613800138000")).await);
    let second = number(&house.outbox(Some("8613800138001")).await);
    for _ in 0..2 {
        let told = house.develops("/dev/receipts", &json!({ "number": first, "fate": "delivered" })).await;
        assert_eq!(told, json!({ "status": 200, "answer": { "code": 0, "msg": "OK" } }));
    }
    let _ = house.develops("/dev/receipts", &json!({ "number": second, "fate": "blacklisted" })).await;
    let counts = house.counts(&campaign).await;
    assert!(is(&counts, "sent.delivered", 1) && is(&counts, "sent.bounced", 1), "{counts}");
    assert!(!house.agrees(&members[1], "marketing.sms").await);
    assert!(house.agrees(&members[0], "marketing.sms").await);
    let replied = house.develops("/dev/replies", &json!({ "from": "13800138000", "text": "td" })).await;
    assert_eq!(replied["status"], 200);
    assert!(!house.agrees(&members[0], "marketing.sms").await);
    let unknown = house.call("POST", "/dev/receipts").json(&json!({ "number": 99, "fate": "delivered" })).send().await;
    assert_eq!((unknown.status, &unknown.json()["code"]), (400, &json!("malformed")));
}

#[tokio::test]
async fn a_push_counts_in_either_mode_and_a_forged_one_in_neither() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    house.buys(&anna, 100_00).await;
    house.consents(&anna, "marketing.subscribe").await;
    let message = json!({ "template": "wake-up", "data": { "thing1": "好久不见" } });
    let campaign = a_campaign("subscribe", &json!({ "subscribe": message }));
    let popup = |at: u64| {
        json!({ "ToUserName": "gh_1", "FromUserName": "anna", "CreateTime": at.to_string(), "MsgType": "event",
            "Event": "subscribe_msg_popup_event",
            "List": { "TemplateId": "wake-up", "SubscribeStatusString": "accept", "PopupScene": "0" } })
    };
    for mode in ["secure", "plain"] {
        let forged = json!({ "message": popup(1_900_000_000), "mode": mode, "forged": true });
        let refused = house.develops("/dev/pushes", &forged).await;
        assert_eq!((&refused["status"], &refused["answer"]["code"]), (&json!(400), &json!("push_forged")));
    }
    let first = house.launches(&campaign).await;
    let _ = house.until(&first, |c| is(c, "refused.credit", 1)).await;
    for (n, mode) in ["secure", "plain"].into_iter().enumerate() {
        let at = 1_900_000_001 + u64::try_from(n).unwrap();
        let taken = house.develops("/dev/pushes", &json!({ "message": popup(at), "mode": mode })).await;
        assert_eq!(taken, json!({ "status": 200, "answer": "success" }));
        house.it_is(&format!("2026-03-{:02}T12:00:00+08:00", 10 + 8 * n)).await;
        let campaign = house.launches(&campaign).await;
        let _ = house.until(&campaign, |c| is(c, "sent", 1)).await;
        let number = house.outbox(Some("anna")).await[0]["number"].clone();
        let _ = house.develops("/dev/receipts", &json!({ "number": number, "fate": "delivered" })).await;
        let _ = house.until(&campaign, |c| is(c, "sent.delivered", 1)).await;
    }
}

#[tokio::test]
async fn a_message_by_wecom_is_delivered_when_staff_have_confirmed_it_and_not_before() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    for (id, rule) in [("ignoring", "answer = ignored"), ("untold", "not answer = ignored")] {
        let path = format!("/v1/segments/{id}");
        let _ = house.as_manager("PUT", &path).json(&json!({ "name": id, "rule": rule })).send().await.expect(200);
    }
    let ids = house.as_manager("POST", &format!("/v1/members/{}/ids", anna.id)).json(&json!({ "wecom": "wm-anna" }));
    assert!(ids.send().await.status < 300);
    house.consents(&anna, "marketing.wecom").await;
    let campaign = house.launches(&a_campaign("wecom", &json!({ "wecom": { "text": "{name|您}好，好久不见" } }))).await;
    let _ = house.until(&campaign, |c| is(c, "sent.awaiting_staff", 1)).await;
    house.passes(61).await;
    house.all_queues_are_worked_off().await;
    let counts = house.counts(&campaign).await;
    assert!(is(&counts, "sent.awaiting_staff", 1), "nobody has confirmed it: {counts}");
    let number = house.outbox(Some("wm-anna")).await[0]["number"].clone();
    let _ = house.develops("/dev/wecom/confirmations", &json!({ "number": number })).await;
    for _ in 0..3 {
        house.passes(61).await;
    }
    let _ = house.until(&campaign, |c| is(c, "sent.delivered", 1)).await;
    assert_eq!(house.outbox(Some("wm-anna")).await.len(), 1);
    assert!(is_in(&house, &anna, "ignoring").await, "it came, and nothing was done with it so far");
    assert!(!is_in(&house, &anna, "untold").await);
}

/// Whether somebody is in a segment.
async fn is_in(house: &House, member: &Member, segment: &str) -> bool {
    house.all_moves_are_worked_on().await;
    let path = format!("/v1/segments/{segment}/members");
    let page = house.as_manager("GET", &path).send().await.expect(200);
    page["items"].as_array().unwrap().iter().any(|known| known["member_id"] == member.id)
}

#[tokio::test]
async fn what_members_do_with_messages_moves_them_between_segments() {
    let house = a_house().await;
    for (id, rule) in [
        ("ignoring", "answer = ignored"),
        ("clicking", "answer(email) = clicked"),
        ("buying", "answer = converted"),
        ("refusing", "answer(sms) = refused"),
    ] {
        let path = format!("/v1/segments/{id}");
        let _ = house.as_manager("PUT", &path).json(&json!({ "name": id, "rule": rule })).send().await.expect(200);
    }
    let anna = house.signs_up("anna", &json!({ "phone_code": "dev:13800138000" })).await;
    house.buys(&anna, 100_00).await;
    let mail = json!({ "email": "anna@example.com" });
    let _ = house.as_member(&anna, "PUT", "/v1/me").json(&mail).send().await.expect(200);
    for purpose in ["marketing.sms", "marketing.email"] {
        house.consents(&anna, purpose).await;
    }
    let campaign = house.launches(&by_sms()).await;
    let _ = house.until(&campaign, |c| is(c, "sent", 1)).await;
    let number = house.outbox(Some("8613800138000")).await[0]["number"].clone();
    let _ = house.develops("/dev/receipts", &json!({ "number": number, "fate": "delivered" })).await;
    assert!(is_in(&house, &anna, "ignoring").await, "it came, and nothing was done with it so far");

    house.it_is("2026-03-10T12:00:00+08:00").await;
    let content = json!({ "link": "https://shop.example.cn/back",
        "email": { "subject": "好久不见", "text": "{link} {unsubscribe}" } });
    let campaign = house.launches(&a_campaign("email", &content)).await;
    let _ = house.until(&campaign, |c| is(c, "sent", 1)).await;
    let sent = house.outbox(Some("anna@example.com")).await.remove(0);
    let text = sent["request"]["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().unwrap();
    let click = text.split(' ').next().unwrap().strip_prefix(&house.host.url()).unwrap().to_owned();
    for _ in 0..2 {
        assert_eq!(house.call("GET", &click).send().await.status, 302);
    }
    // The receipt comes after the click, as it may.
    let _ = house.develops("/dev/receipts", &json!({ "number": sent["number"], "fate": "delivered" })).await;
    assert!(is_in(&house, &anna, "clicking").await);
    assert!(!is_in(&house, &anna, "ignoring").await);
    house.buys(&anna, 50_00).await;
    assert!(is_in(&house, &anna, "buying").await);
    let _ = house.develops("/dev/replies", &json!({ "from": "13800138000", "text": "R" })).await;
    assert!(is_in(&house, &anna, "refusing").await);
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn the_routes_of_developers_say_what_they_take() {
    let house = a_house().await;
    let modes = house.call("GET", "/dev/providers").send().await.expect(200);
    assert_eq!((&modes["aliyun"], modes.as_object().unwrap().len()), (&json!("well"), 8));
    for (path, body) in [
        ("/dev/providers", json!({ "provider": "nobody", "mode": "well" })),
        ("/dev/providers", json!({ "provider": "aliyun", "mode": "odd" })),
        ("/dev/receipts", json!({})),
        ("/dev/replies", json!({ "from": "13800138000" })),
        ("/dev/pushes", json!({ "mode": "secure" })),
        ("/dev/wecom/confirmations", json!({ "number": 1 })),
    ] {
        let answer = house.call("POST", path).json(&body).send().await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("malformed")), "{path}");
    }
}
