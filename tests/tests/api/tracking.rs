//! What comes back of messages: pushes, receipts, opt-outs, clicks.

use huitou::channels::settings::ProviderSecrets;
use huitou::wechat::push::PushKeys;
use local::host::Store;
use local::standin::{PUSH_KEY, PUSH_TOKEN, WECHAT_APP_ID};
use serde_json::{Value, json};
use tests::marketing::{a_campaign, by_sms};
use tests::{Answer, House, Member, a_house, a_house_in};

/// Late enough that no cap counts what went before.
const A_WEEK_LATER: &str = "2026-03-20T12:00:00+08:00";

fn by_subscription() -> Value {
    let message = json!({ "template": "wake-up", "data": { "thing1": "好久不见" } });
    a_campaign("subscribe", &json!({ "subscribe": message }))
}

fn by_email() -> Value {
    let mail = json!({
        "subject": "好久不见", "text": "{link} {unsubscribe}", "html": "<a href=\"{link}\">x</a> {unsubscribe}",
    });
    a_campaign("email", &json!({ "link": "https://shop.example.cn/back?from=mail", "email": mail }))
}

/// Somebody new who can be reached in every way, and agrees to marketing by all of these.
async fn anna(house: &House, purposes: &[&str]) -> Member {
    let anna = house.signs_up("anna", &json!({ "phone_code": "dev:13800138000" })).await;
    house.buys(&anna, 100_00).await;
    let _ =
        house.as_member(&anna, "PUT", "/v1/me").json(&json!({ "email": "anna@example.com" })).send().await.expect(200);
    for purpose in purposes {
        house.consents(&anna, purpose).await;
    }
    anna
}

/// WeChat pushes in secure mode.
async fn pushes(house: &House, message: &Value) -> Answer {
    let keys = PushKeys::new(PUSH_TOKEN, PUSH_KEY, WECHAT_APP_ID, false).unwrap();
    let timestamp = house.host.app.wall().seconds().to_string();
    let sealed = keys.seal(message.to_string().as_bytes(), [7; 16], &timestamp, "nonce");
    let query = format!("timestamp={timestamp}&nonce=nonce&encrypt_type=aes&msg_signature={}", sealed.signature);
    let body = json!({ "ToUserName": "gh_1", "Encrypt": sealed.encrypt });
    house.call("POST", &format!("/v1/wechat/push?{query}")).text("application/json", body.to_string()).send().await
}

/// WeChat pushes, and has to be told so.
async fn takes(house: &House, message: &Value) {
    let answer = pushes(house, message).await;
    assert_eq!((answer.status, answer.text.as_ref()), (200, b"success".as_slice()), "{message}");
}

fn popup(openid: &str, status: &str, at: u64) -> Value {
    json!({ "ToUserName": "gh_1", "FromUserName": openid, "CreateTime": at.to_string(), "MsgType": "event",
        "Event": "subscribe_msg_popup_event",
        "List": { "TemplateId": "wake-up", "SubscribeStatusString": status, "PopupScene": "0" } })
}

fn secrets(house: &House) -> ProviderSecrets {
    local::wire::secrets(&house.host.surroundings.secret).unwrap().providers
}

async fn reports(house: &House, provider: &str, body: &Value) -> Answer {
    let path = format!("/v1/receipts/{provider}/{}", secrets(house).receipts.unwrap());
    house.call("POST", &path).text("application/json", body.to_string()).send().await
}

/// The text of the last message to somebody, as the provider got it.
fn last_to(house: &House, to: &str) -> Value {
    house.host.outbox.newest(Some(to), 1).pop().unwrap().request
}

#[tokio::test]
async fn one_accept_is_one_message_however_often_it_is_pushed() {
    let house = a_house().await;
    anna(&house, &["marketing.subscribe"]).await;
    for _ in 0..3 {
        takes(&house, &popup("anna", "accept", 1_900_000_000)).await;
    }
    let first = house.launches(&by_subscription()).await;
    house.until(&first, |counts| counts["sent"] == 1).await;
    house.it_is(A_WEEK_LATER).await;
    let second = house.launches(&by_subscription()).await;
    house.until(&second, |counts| counts["refused.credit"] == 1).await;
    assert_eq!(house.host.outbox.total(), 1);

    // WeChat tells of the message by its own id.
    let sent = json!({ "ToUserName": "gh_1", "FromUserName": "anna", "CreateTime": "1900000001", "MsgType": "event",
        "Event": "subscribe_msg_sent_event",
        "List": [{ "TemplateId": "wake-up", "MsgID": "1", "ErrorCode": "0", "ErrorStatus": "success" }] });
    takes(&house, &sent).await;
    house.until(&first, |counts| counts["sent.delivered"] == 1).await;
}

#[tokio::test]
async fn switching_a_template_off_takes_what_was_accepted_and_saying_no_when_asked_does_not() {
    let house = a_house().await;
    anna(&house, &["marketing.subscribe"]).await;
    takes(&house, &popup("anna", "accept", 1_900_000_000)).await;
    takes(&house, &popup("anna", "reject", 1_900_000_001)).await;
    let first = house.launches(&by_subscription()).await;
    house.until(&first, |counts| counts["sent"] == 1).await;
    takes(&house, &popup("anna", "accept", 1_900_000_002)).await;
    let mut off = popup("anna", "reject", 1_900_000_003);
    off["Event"] = json!("subscribe_msg_change_event");
    takes(&house, &off).await;
    house.it_is(A_WEEK_LATER).await;
    let second = house.launches(&by_subscription()).await;
    house.until(&second, |counts| counts["refused.credit"] == 1).await;
}

#[tokio::test]
async fn a_forged_push_is_refused_and_a_strange_one_ignored() {
    let house = a_house().await;
    for query in ["", "?signature=x&timestamp=1&nonce=n", "?encrypt_type=aes&msg_signature=00&timestamp=1&nonce=n"] {
        let call =
            house.call("POST", &format!("/v1/wechat/push{query}")).text("application/json", r#"{"Encrypt":"eA=="}"#);
        call.send().await.refuses(400, "push_forged");
        let greeting = house.call("GET", &format!("/v1/wechat/push{query}")).send().await;
        greeting.refuses(400, "push_forged");
    }
    for method in ["GET", "POST"] {
        house.call(method, "/v1/wechat/push?nonce=a&nonce=b").send().await.refuses(400, "query_invalid");
    }
    let call = house.call("POST", "/v1/wechat/push?encrypt_type=aes").text("application/json", "<xml>");
    call.send().await.refuses(400, "push_unreadable");
    for strange in [json!({}), json!([1]), popup("nobody-known", "accept", 1), popup("no openid", "accept", 1)] {
        takes(&house, &strange).await;
    }
    let keys = PushKeys::new(PUSH_TOKEN, PUSH_KEY, WECHAT_APP_ID, true).unwrap();
    for (ago, status) in [(0, 200), (240, 200), (360, 400)] {
        let timestamp = (house.host.app.wall().seconds() - ago).to_string();
        let signature = keys.plain_signature(&timestamp, "n");
        let path = format!("/v1/wechat/push?signature={signature}&timestamp={timestamp}&nonce=n&echostr=hello");
        let answer = house.call("GET", &path).send().await;
        assert_eq!(answer.status, status, "{ago}");
        assert!(status != 200 || answer.text.as_ref() == b"hello");
    }
}

#[tokio::test]
async fn a_receipt_moves_its_message_and_says_nothing_about_any_other() {
    let house = a_house().await;
    anna(&house, &["marketing.sms"]).await;
    let campaign = house.launches(&by_sms()).await;
    house.until(&campaign, |counts| counts["sent"] == 1).await;
    let id = last_to(&house, "8613800138000")["OutId"].clone();
    let report =
        |id: &Value| json!({ "phone_number": "13800138000", "success": true, "err_code": "DELIVERED", "out_id": id });
    let body =
        json!([report(&id), report(&id), report(&json!("0123456789abcdef0123456789abcdef")), report(&json!("x"))]);
    for _ in 0..2 {
        assert_eq!(reports(&house, "aliyun", &body).await.expect(200), json!({ "code": 0, "msg": "OK" }));
    }
    house.until(&campaign, |counts| counts["sent.delivered"] == 1 && counts["sent"] == 1).await;

    reports(&house, "aliyun", &json!(7)).await.refuses(400, "receipts_unreadable");
    reports(&house, "nobody", &json!([])).await.refuses(404, "not_found");
    let call = house.call("POST", "/v1/receipts/aliyun/guess").text("application/json", "[]");
    call.send().await.refuses(404, "not_found");
    let many: Vec<Value> = (0..501).map(|_| report(&id)).collect();
    reports(&house, "aliyun", &json!(many)).await.refuses(413, "receipts_too_many");
}

#[tokio::test]
async fn a_word_sent_back_ends_text_messages_at_once_and_nothing_else() {
    let house = a_house().await;
    let anna = anna(&house, &["marketing.sms", "marketing.email"]).await;
    let reply = |text: &str| json!([{ "phone_number": "13800138000", "content": text, "sign_name": "回头客" }]);
    let _ = reports(&house, "aliyun", &reply("好的")).await.expect(200);
    assert!(house.agrees(&anna, "marketing.sms").await);
    for _ in 0..2 {
        let _ = reports(&house, "aliyun", &reply(" ｔｄ ")).await.expect(200);
        assert!(!house.agrees(&anna, "marketing.sms").await);
    }
    assert!(house.agrees(&anna, "marketing.email").await);
    let campaign = house.launches(&by_sms()).await;
    house.until(&campaign, |counts| counts["refused"] == 1).await;
    assert_eq!(house.host.outbox.total(), 0);
    house.consents(&anna, "marketing.sms").await;
    let anew = house.launches(&by_sms()).await;
    house.until(&anew, |counts| counts["sent"] == 1).await;
    let stranger = json!([{ "phone_number": "13900139000", "content": "TD" }]);
    let _ = reports(&house, "aliyun", &stranger).await.expect(200);
}

#[tokio::test]
async fn a_bounce_for_good_ends_mail_to_an_address_but_is_no_no_of_the_members() {
    let house = a_house().await;
    let anna = anna(&house, &["marketing.email"]).await;
    let campaign = house.launches(&by_email()).await;
    house.until(&campaign, |counts| counts["sent"] == 1).await;
    let send = last_to(&house, "anna@example.com")["EmailTags"][0]["Value"].clone();
    let event = json!({ "eventType": "Bounce", "mail": { "messageId": "0100-1", "tags": { "send": [send] } },
        "bounce": { "bounceType": "Permanent", "bounceSubType": "General" } });
    let body = json!({ "Type": "Notification", "Message": event.to_string() });
    let _ = reports(&house, "ses", &body).await.expect(200);
    house.until(&campaign, |counts| counts["sent.bounced"] == 1).await;
    assert!(house.agrees(&anna, "marketing.email").await);
    house.it_is(A_WEEK_LATER).await;
    let again = house.launches(&by_email()).await;
    house.until(&again, |counts| counts["refused.suppressed"] == 1).await;
}

#[tokio::test]
async fn a_link_leads_to_the_campaigns_page_and_a_click_counts_once() {
    let house = a_house().await;
    let anna = anna(&house, &["marketing.email"]).await;
    let campaign = house.launches(&by_email()).await;
    house.until(&campaign, |counts| counts["sent"] == 1).await;
    let mail = last_to(&house, "anna@example.com");
    let body = &mail["Content"]["Simple"]["Body"];
    let text = body["Text"]["Data"].as_str().unwrap();
    let own = house.host.url();
    let (click, way_out) = text.split_once(' ').unwrap();
    let (click, way_out) = (click.strip_prefix(&own).unwrap(), way_out.strip_prefix(&own).unwrap());
    for _ in 0..2 {
        let answer = house.call("GET", click).send().await;
        assert_eq!((answer.status, answer.header("location")), (302, "https://shop.example.cn/back?from=mail"));
    }
    house.until(&campaign, |counts| counts["clicked"] == 1).await;
    let html = body["Html"]["Data"].as_str().unwrap();
    let pixel = html.split_once("<img src=\"").unwrap().1.split('"').next().unwrap();
    for _ in 0..2 {
        let answer = house.call("GET", pixel.strip_prefix(&own).unwrap()).send().await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "image/gif"));
    }
    house.until(&campaign, |counts| counts["opened"] == 1 && counts["clicked"] == 1).await;

    // A link is good for its own purpose only, and one that is made up leads nowhere.
    let token = click.strip_prefix("/r/").unwrap();
    for bad in ["/r/https:%2F%2Fevil.example", "/r/x", &format!("/u/{token}"), &format!("/r/{}", "A".repeat(32))] {
        house.call("GET", bad).send().await.refuses(404, "not_found");
    }

    // Looking at the way out ends nothing; one click does.
    assert_eq!(house.call("GET", way_out).send().await.status, 200);
    assert!(house.agrees(&anna, "marketing.email").await);
    for _ in 0..2 {
        let click = house.call("POST", way_out).text("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click");
        assert_eq!(click.send().await.status, 200);
        assert!(!house.agrees(&anna, "marketing.email").await);
    }
}

#[tokio::test]
async fn what_a_member_did_not_want_holds_also_for_whoever_they_were_merged_into_meanwhile() {
    let house = a_house().await;
    let bo = house.a_member_by_phone("13800138000").await;
    let _ = house.buys(&bo, 100_00).await;
    let campaign = house.launches(&by_sms()).await;
    house.until(&campaign, |counts| counts["sent"] == 1).await;
    let cara = house.signs_up("cara", &json!({})).await;
    let merge = json!({ "other": bo.id, "reason": "同一人" });
    let path = format!("/v1/members/{}/merges", cara.id);
    let _ = house.as_manager("POST", &path).json(&merge).send().await.expect(201);

    let id = last_to(&house, "8613800138000")["OutId"].clone();
    let black = json!([{ "phone_number": "13800138000", "success": false, "err_code": "MBBLACK", "out_id": id }]);
    let _ = reports(&house, "aliyun", &black).await.expect(200);
    let export = house.as_member(&cara, "POST", "/v1/me/export").send().await.expect(200);
    let suppressed = &export["data"]["account"][0]["suppressed"];
    assert_eq!((&suppressed[0]["channel"], &suppressed[0]["by"]), (&json!("sms"), &json!("blacklist")), "{suppressed}");
}

#[tokio::test]
async fn an_offer_that_ends_at_midnight_is_good_until_the_day_before() {
    let house = a_house().await;
    anna(&house, &["marketing.sms"]).await;
    let mut campaign = by_sms();
    campaign["variants"][0]["content"]["sms"]["text"] = json!("好礼至{offer_until}，拒收请回复R");
    let campaign = house.launches(&campaign).await;
    house.until(&campaign, |counts| counts["sent"] == 1).await;
    let told = last_to(&house, "8613800138000")["TemplateParam"].to_string();
    assert!(told.contains("2026年3月30日"), "{told}");
}

#[tokio::test]
async fn a_link_leads_to_its_page_when_whoever_follows_it_is_the_first_to_ask_for_the_campaign() {
    let data = std::env::temp_dir().join(format!("huitou-links-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&data);
    let opened = async || a_house_in(Store::Directory(data.clone()), "2026-03-02T10:00:00+08:00").await;
    let house = opened().await;
    anna(&house, &["marketing.email"]).await;
    let campaign = house.launches(&by_email()).await;
    house.until(&campaign, |counts| counts["sent"] == 1).await;
    let mail = last_to(&house, "anna@example.com");
    let text = mail["Content"]["Simple"]["Body"]["Text"]["Data"].as_str().unwrap().to_owned();
    let click = text.split_once(' ').unwrap().0.strip_prefix(&house.host.url()).unwrap().to_owned();
    house.host.stop().await;

    let house = opened().await;
    let answer = house.call("GET", &click).send().await;
    assert_eq!((answer.status, answer.header("location")), (302, "https://shop.example.cn/back?from=mail"));
    house.until(&campaign, |counts| counts["clicked"] == 1).await;
    house.host.stop().await;
    std::fs::remove_dir_all(&data).unwrap();
}
