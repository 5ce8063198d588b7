//! Sign-up as mini programs see it: who comes in by WeChat, and what members tell about themselves.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use huitou::table::metered;
use huitou::values::MemberId;
use serde_json::{Value, json};
use tests::{House, a_house};

// --- Coming in ------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn whoever_is_new_signs_up_and_is_known_ever_after() {
    let house = a_house().await;
    let first = house.logs_in("dev:anna", &json!({})).await.expect(201);
    assert_eq!((&first["member"]["is_new"], &first["token_type"]), (&json!(true), &json!("Bearer")));
    let again = house.logs_in("dev:anna", &json!({})).await.expect(200);
    assert_eq!(again["member"], json!({ "id": first["member"]["id"], "is_new": false }));
    let other = house.logs_in("dev:bo", &json!({})).await.expect(201);
    assert_ne!(other["member"]["id"], first["member"]["id"]);
    let anna = House::member_in(&first);
    assert_eq!(house.books(&anna).await, [100, 0, 0, 0], "welcome points, once");
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_first_log_ins_at_once_make_one_member() {
    let house = a_house().await;
    let along = json!({ "phone_code": "dev:13800138000" });
    let answers = join_all((0..30).map(|_| house.logs_in("dev:anna+one", &along))).await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    let known = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((created, known), (1, 29));
    let ids: BTreeSet<String> = answers.iter().map(|answer| House::member_in(&answer.json()).id).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let anna = House::member_in(&answers[0].json());
    assert_eq!(house.books(&anna).await, [100, 0, 0, 0]);
}

#[tokio::test]
async fn a_code_counts_once() {
    let house = a_house().await;
    let _ = house.logs_in("once:anna", &json!({})).await.expect(201);
    house.logs_in("once:anna", &json!({})).await.refuses(401, "login_code_invalid");
    house.logs_in("of nobody", &json!({})).await.refuses(401, "login_code_invalid");
    let wrong_phone = json!({ "phone_code": "of nobody" });
    house.logs_in("dev:bo", &wrong_phone).await.refuses(422, "phone_code_invalid");
    let _ = house.logs_in("dev:bo", &json!({})).await.expect(201);
}

#[tokio::test]
async fn when_wechat_says_no_nobody_is_made() {
    let house = a_house().await;
    let before = everything_stored(&house).await.len();
    for (code, status, problem, wait) in [
        ("dev-blocked", 403, "login_blocked", ""),
        ("dev-limit", 429, "login_too_often", "60"),
        ("dev-busy", 503, "login_retry", "2"),
    ] {
        let answer = house.logs_in(code, &json!({})).await;
        assert_eq!(answer.expect(status)["code"], problem);
        assert_eq!(answer.header("retry-after"), wait, "{code}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    assert_eq!(everything_stored(&house).await.len(), before);
}

// --- Phones ---------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn whoever_bought_by_phone_claims_those_points_and_days_with_the_first_log_in() {
    let house = a_house().await;
    let sale = house.sells_to(&json!({ "phone": "13800138000" }), 100_00).await;
    let id = sale["member_id"].as_str().unwrap();
    assert_eq!(house.picture(id).await["membership"], "unclaimed");
    let anna = house.signs_up("anna", &json!({ "phone_code": "dev:13800138000" })).await;
    assert_eq!(anna.id, id);
    assert_eq!(house.books(&anna).await, [100, 100, 0, 0], "the welcome, and the purchase");
    let picture = house.picture(id).await;
    assert_eq!((&picture["membership"], &picture["purchases"]["lifetime"]["days"]), (&json!("claimed"), &json!(1)));
    assert_eq!(house.logs_in("dev:anna", &json!({})).await.expect(200)["member"]["id"], anna.id);
}

#[tokio::test]
async fn a_phone_that_is_bound_later_brings_along_what_was_bought_with_it() {
    let house = a_house().await;
    let by_phone = json!({ "phone": "13800138000" });
    let kept = house.sells_to(&by_phone, 100_00).await;
    let anna = house.signs_up("anna", &json!({})).await;
    assert_ne!(kept["member_id"], anna.id);
    let bound = binds(&house, &anna.token, "dev:13800138000").await.expect(200);
    assert_eq!((&bound["phone"], &bound["phone_masked"]), (&json!("8613800138000"), &json!("138****8000")));
    assert_eq!(bound["id"], anna.id);
    assert_eq!(house.books(&anna).await, [100, 100, 0, 0]);
    assert_eq!(house.picture(&anna.id).await["purchases"]["lifetime"]["days"], 1);
    assert_eq!(house.sells_to(&by_phone, 50_00).await["member_id"], anna.id);
    assert_eq!(house.books(&anna).await, [100, 150, 0, 0]);
    let again = binds(&house, &anna.token, "dev:13800138000").await.expect(200);
    assert_eq!(again["id"], anna.id);
    assert_eq!(house.books(&anna).await, [100, 150, 0, 0]);
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn a_phone_of_somebody_who_has_signed_up_is_taken() {
    let house = a_house().await;
    let phone = json!({ "phone_code": "dev:13800138000" });
    let (anna, bo) = (house.signs_up("anna", &phone).await, house.signs_up("bo", &json!({})).await);
    let before = (house.profile(&anna).await, house.profile(&bo).await, house.points(&bo).await);
    binds(&house, &bo.token, "dev:13800138000").await.refuses(409, "phone_taken");
    house.logs_in("dev:bo", &phone).await.refuses(409, "phone_taken");
    house.logs_in("dev:cai", &phone).await.refuses(409, "phone_taken");
    let after = (house.profile(&anna).await, house.profile(&bo).await, house.points(&bo).await);
    assert_eq!(after, before);
    let cai = house.logs_in("dev:cai", &json!({})).await.expect(201);
    assert_ne!(cai["member"]["id"], anna.id, "nothing of the refused log-in was left");
}

#[tokio::test]
async fn a_lapsed_access_token_of_wechat_is_replaced_without_anybody_noticing() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let _ = binds(&house, &anna.token, "dev:13800138000").await.expect(200);
    let _ = house.at_wechat("POST", "/standin/expire-tokens").send().await.expect(204);
    let bound = binds(&house, &anna.token, "dev:13900139000").await.expect(200);
    assert_eq!(bound["phone_masked"], "139****9000");
}

// --- One person, several ids ----------------------------------------------------------------------------------------

#[tokio::test]
async fn the_unionid_makes_two_openids_one_person() {
    let house = a_house().await;
    let anna = house.signs_up("anna-here+anna", &json!({})).await;
    let there = house.logs_in("dev:anna-there+anna", &json!({})).await.expect(200);
    assert_eq!(there["member"]["id"], anna.id);
    assert_eq!(house.logs_in("dev:anna-there", &json!({})).await.expect(200)["member"]["id"], anna.id);
    assert_eq!(house.profile(&anna).await["linked"], json!(["openid", "unionid"]));
}

// --- Invitations and sources ----------------------------------------------------------------------------------------

#[tokio::test]
async fn an_invitation_rewards_both_sides_once_and_within_the_cap() {
    let house = a_house().await;
    let _ =
        house.changes_program(|program| program["invitation"]["caps"] = json!([{ "per": "month", "times": 2 }])).await;
    let anna = house.signs_up("anna", &json!({})).await;
    let code = house.profile(&anna).await["invite_code"].clone();
    for (n, inviter_has) in [(1, 300), (2, 500), (3, 500)] {
        let session = house.logs_in(&format!("dev:friend-{n}"), &json!({ "invite": code })).await.expect(201);
        assert_eq!(session["invite"], "accepted");
        let friend = House::member_in(&session);
        assert_eq!(house.books(&friend).await, [200, 0, 0, 0]);
        assert_eq!(house.books(&anna).await, [inviter_has, 0, 0, 0]);
        assert_eq!(house.picture(&friend.id).await["invited_by"], anna.id);
    }
    let known = house.logs_in("dev:friend-1", &json!({ "invite": code })).await.expect(200);
    assert_eq!(known["invite"], "not_new");
    let own = house.logs_in("dev:anna", &json!({ "invite": code })).await.expect(200);
    assert_eq!(own["invite"], "not_new");
    assert_eq!(house.books(&anna).await, [500, 0, 0, 0]);
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn an_invite_code_of_nobody_stops_no_sign_up() {
    let house = a_house().await;
    for (n, code) in ["22222222", "什么码", ""].into_iter().enumerate() {
        let session = house.logs_in(&format!("dev:friend-{n}"), &json!({ "invite": code })).await.expect(201);
        assert_eq!(session["invite"], "unknown", "{code}");
        assert_eq!(house.books(&House::member_in(&session)).await, [100, 0, 0, 0]);
    }
}

#[tokio::test]
async fn how_a_member_came_is_kept_and_shown_to_staff() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({ "source": "Store QR" })).await;
    assert_eq!(house.picture(&anna.id).await["acquisition"], json!({ "channel": "store-qr" }));
    assert_eq!(house.profile(&anna).await["source"], "store-qr");
    let details = json!({ "channel": "wecom", "store": "sh-01", "guide": "li", "campaign": "spring", "cost": 350 });
    let bo = house.signs_up("bo", &json!({ "source": details })).await;
    assert_eq!(house.picture(&bo.id).await["acquisition"], details);
    let cai = house.signs_up("cai", &json!({ "source": "门店扫码" })).await;
    assert_eq!(house.picture(&cai.id).await["acquisition"], json!({}));
    let _ = house.logs_in("dev:anna", &json!({ "source": "wecom" })).await.expect(200);
    assert_eq!(house.profile(&anna).await["source"], "store-qr", "it counts at sign-up");
}

// --- Profiles -------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_profile_is_what_the_member_told_last() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let read = house.as_member(&anna, "GET", "/v1/me").send().await;
    let told = json!({ "name": "张小明", "birthday": "1988-05-20", "city": "上海", "gender": "female" });
    let tell = |tag: &'static str, told: &Value| {
        house.as_member(&anna, "PUT", "/v1/me").header("if-match", tag).json(told).send()
    };
    assert_eq!((read.header("etag"), &read.expect(200)["version"]), ("\"1\"", &json!(1)));
    let saved = tell("\"1\"", &told).await;
    assert_eq!((saved.header("etag"), &saved.expect(200)["version"]), ("\"2\"", &json!(2)));
    let shown = house.profile(&anna).await;
    for (field, value) in told.as_object().unwrap() {
        assert_eq!(&shown[field], value);
    }
    tell("\"1\"", &json!({ "name": "李四" })).await.refuses(412, "version_moved");
    assert_eq!(house.profile(&anna).await, shown);
    let _ = tell("\"2\"", &json!({ "name": "李四" })).await.expect(200);
    let shown = house.profile(&anna).await;
    assert_eq!((&shown["name"], &shown["birthday"], &shown["city"]), (&json!("李四"), &Value::Null, &Value::Null));
    let future = json!({ "birthday": "2026-03-03" });
    assert_eq!(house.as_member(&anna, "PUT", "/v1/me").json(&future).send().await.status, 422);
}

#[tokio::test]
async fn nothing_personal_is_stored_in_clear() {
    let house = a_house().await;
    let _ = house.sells_to(&json!({ "card": "VIP-77123" }), 100_00).await;
    let _ = house.sells_to(&json!({ "phone": "13800138000" }), 100_00).await;
    let anna = house.signs_up("oAnnaOpen+uAnnaUnion", &json!({ "phone_code": "dev:13800138000" })).await;
    let told = json!({ "name": "张小明", "birthday": "1988-05-20", "city": "乌鲁木齐", "gender": "female" });
    let _ = house.as_member(&anna, "PUT", "/v1/me").json(&told).send().await.expect(200);
    let path = format!("/v1/members/{}/notes", anna.id);
    let note = json!({ "text": "只穿三十六码" });
    let _ = house.as_manager("POST", &path).key(&house.a_key()).json(&note).send().await.expect(201);
    let stored = everything_stored(&house).await;
    let profile = stored.iter().find(|item| contains(item, "sealed") && contains(item, "birthday"));
    assert!(profile.is_some(), "the profile is among what was looked at");
    for secret in
        ["VIP-77123", "13800138000", "oAnnaOpen", "uAnnaUnion", "张小明", "1988-05-20", "乌鲁木齐", "只穿三十六码"]
    {
        let clear = stored.iter().find(|item| contains(item, secret));
        assert!(clear.is_none(), "{secret} in {}", String::from_utf8_lossy(clear.unwrap()));
    }
}

// --- Contacts -------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_member_is_reached_by_what_is_bound_told_and_linked_and_none_of_it_lies_in_clear() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({ "phone_code": "dev:13800138000" })).await;
    let told = json!({ "email": "Anna.Li@Example.COM" });
    let profile = house.as_member(&anna, "PUT", "/v1/me").json(&told).send().await.expect(200);
    assert_eq!(profile["email"], "Anna.Li@example.com");
    let link = |id: &str| {
        let call = house.as_till("POST", &format!("/v1/members/{id}/ids"));
        call.json(&json!({ "wecom": "wmJ2k9-Ext_01" })).send()
    };
    assert_eq!(link(&anna.id).await.expect(200)["linked"], true);
    assert_eq!(link(&anna.id).await.expect(200)["linked"], false, "once");
    let bo = house.signs_up("bo", &json!({})).await;
    link(&bo.id).await.refuses(409, "id_taken");

    let id = MemberId::parse(&anna.id).unwrap();
    let (contacts, cost) = Box::pin(metered(house.host.app.people().contacts(id))).await;
    let contacts = contacts.unwrap();
    assert_eq!(cost.calls, 1);
    assert_eq!(contacts.openid.unwrap().as_str(), "anna");
    assert_eq!(contacts.phone.unwrap().digits(), "8613800138000");
    assert_eq!(contacts.email.unwrap().as_str(), "Anna.Li@example.com");
    assert_eq!(contacts.wecom.unwrap().as_str(), "wmJ2k9-Ext_01");
    let picture = house.picture(&anna.id).await;
    assert_eq!(picture["basics"]["email"], "A***@example.com");
    for item in everything_stored(&house).await {
        assert!(!contains(&item, "Anna.Li") && !contains(&item, "wmJ2k9"));
    }
    let _ = house.as_member(&anna, "PUT", "/v1/me").json(&json!({})).send().await.expect(200);
    assert_eq!(house.host.app.people().contacts(id).await.unwrap().email, None, "what is left out is forgotten");
}

// --- Sessions -------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn logging_out_ends_all_sessions_and_a_new_log_in_begins_another() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let other_device = House::member_in(&house.logs_in("dev:anna", &json!({})).await.expect(200));
    let bo = house.signs_up("bo", &json!({})).await;
    let _ = house.as_member(&anna, "DELETE", "/v1/sessions").send().await.expect(204);
    for ended in [&anna, &other_device] {
        for path in ["/v1/me", "/v1/me/points", "/v1/me/points/entries"] {
            house.as_member(ended, "GET", path).send().await.refuses(401, "session_ended");
        }
        house.checks_in(ended).await.refuses(401, "session_ended");
    }
    let again = House::member_in(&house.logs_in("dev:anna", &json!({})).await.expect(200));
    assert_eq!(again.id, anna.id);
    assert_eq!(house.profile(&again).await["id"], anna.id);
    assert_eq!(house.profile(&bo).await["id"], bo.id, "others are not concerned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_shows_its_own_member_and_nobody_else() {
    let house = a_house().await;
    let (anna, bo) = (house.signs_up("anna", &json!({})).await, house.signs_up("bo", &json!({})).await);
    for (member, name) in [(&anna, "张三"), (&bo, "李四")] {
        let _ = house.as_member(member, "PUT", "/v1/me").json(&json!({ "name": name })).send().await.expect(200);
    }
    let mine = join_all((0..20).map(|n| house.profile(if n % 2 == 0 { &anna } else { &bo }))).await;
    for (n, shown) in mine.iter().enumerate() {
        let (member, name) = if n % 2 == 0 { (&anna, "张三") } else { (&bo, "李四") };
        assert_eq!((&shown["id"], &shown["name"]), (&json!(member.id), &json!(name)));
    }
    house.call("GET", "/v1/me").token(&format!("{}x", anna.token)).send().await.refuses(401, "token_invalid");
}

// --- Helpers --------------------------------------------------------------------------------------------------------

async fn binds(house: &House, token: &str, code: &str) -> tests::Answer {
    house.call("POST", "/v1/me/phone").token(token).json(&json!({ "phone_code": code })).send().await
}

/// Every item of every table, its texts and bytes one after the other.
async fn everything_stored(house: &House) -> Vec<Vec<u8>> {
    let mut stored = Vec::new();
    for table in &house.host.surroundings.template.tables {
        let mut from = None;
        loop {
            let scan = house.host.table.sdk().scan().table_name(&table.name).set_exclusive_start_key(from);
            let page = scan.send().await.unwrap();
            for item in page.items.unwrap_or_default() {
                let mut bytes = Vec::new();
                for (name, value) in item {
                    bytes.extend(name.into_bytes());
                    match value {
                        AttributeValue::S(text) | AttributeValue::N(text) => bytes.extend(text.into_bytes()),
                        AttributeValue::B(blob) => bytes.extend(blob.into_inner()),
                        other => bytes.extend(format!("{other:?}").into_bytes()),
                    }
                    bytes.push(0);
                }
                stored.push(bytes);
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                break;
            }
        }
    }
    stored
}

fn contains(item: &[u8], text: &str) -> bool {
    item.windows(text.len()).any(|part| part == text.as_bytes())
}
