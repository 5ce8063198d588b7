//! Consents as a member's mini program, staff and whoever sends messages see them. The ids in the names are those of
//! `shared/src/domain/consent.md`.

use futures_util::future::join_all;
use huitou::domain::consent::{Bar, Purpose, Via, is_opt_out};
use huitou::domain::traits::Channel;
use huitou::table::Freshness;
use huitou::values::{Actor, MemberId};
use serde_json::{Value, json};
use tests::{Answer, House, Member, a_house, an_assessment, eventually};

const SMS: &str = "marketing.sms";

async fn decides(house: &House, member: &Member, purpose: &str, body: Value) -> Answer {
    house.as_member(member, "PUT", &format!("/v1/me/consents/{purpose}")).json(&body).send().await
}

async fn agrees(house: &House, member: &Member, purpose: &str) -> Value {
    let version = consent(house, member, purpose).await["statement"]["version"].clone();
    decides(house, member, purpose, json!({ "granted": true, "policy_version": version })).await.expect(200)
}

async fn refuses(house: &House, member: &Member, purpose: &str) -> Value {
    decides(house, member, purpose, json!({ "granted": false })).await.expect(200)
}

/// One purpose as the member sees it.
async fn consent(house: &House, member: &Member, purpose: &str) -> Value {
    let all = house.as_member(member, "GET", "/v1/me/consents").send().await.expect(200);
    all["items"].as_array().unwrap().iter().find(|item| item["purpose"] == purpose).cloned().unwrap_or(Value::Null)
}

async fn records(house: &House, member: &Member) -> Vec<Value> {
    let page = house.as_member(member, "GET", "/v1/me/consents/records").send().await.expect(200);
    page["items"].as_array().unwrap().clone()
}

/// Whether a time lies on the day on which the house opens.
fn is_today(time: &Value) -> bool {
    time.as_str().is_some_and(|time| time.starts_with("2026-03-02T10:0"))
}

/// What stands against sending the member something on a channel, as the sender asks right before.
async fn bar(house: &House, member: &Member, channel: Channel) -> Option<Bar> {
    let id = MemberId::parse(&member.id).unwrap();
    let hot = house.host.app.table().member(id, Freshness::Latest).await.unwrap().unwrap();
    let floors = house.host.app.rulebook().await.unwrap().floors;
    hot.account.may_be_sent(channel, floors, house.host.app.now().day()).err()
}

// --- Deciding -------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn c1_a_decision_leaves_a_record_with_everything_that_proves_it() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let statement = consent(&house, &anna, SMS).await["statement"].clone();
    let source = json!({ "page": "pages/privacy/index", "device": "iphone", "locale": "zh-CN" });
    let body = json!({ "granted": true, "policy_version": statement["version"], "source": source });
    let shown = decides(&house, &anna, SMS, body).await.expect(200);
    assert_eq!((&shown["live"], &shown["decision"]["on"]), (&json!(true), &json!("2026-03-02")));
    let _ = refuses(&house, &anna, SMS).await;

    let [no, yes] = &records(&house, &anna).await[..] else { panic!("two records") };
    assert_eq!((&yes["member_id"], &yes["purpose"], &yes["scope"]), (&json!(anna.id), &json!(SMS), &json!("general")));
    assert_eq!((&yes["policy_version"], &yes["policy_sha256"]), (&statement["version"], &statement["sha256"]));
    assert_eq!((&yes["channel"], &yes["text_locale"]), (&json!("mini_program"), &json!("zh-CN")));
    assert_eq!((&yes["source"]["page"], &yes["source"]["device"]), (&source["page"], &source["device"]));
    assert!(is_today(&yes["granted_at"]) && yes.get("withdrawn_at").is_none());
    assert!(is_today(&no["withdrawn_at"]) && no["withdrawn_via"] == "mini_program");
    assert_ne!(yes["consent_id"], no["consent_id"]);
    let hash = yes["source"]["ip_hash"].as_str().unwrap();
    assert!(hash.len() == 32 && !hash.contains("127"), "{hash}");

    let journal = house.journal(&anna).await.concat();
    let of = |record: &Value| journal.iter().find(|row| row["id"] == record["consent_id"]).unwrap().clone();
    assert_eq!(
        (&of(yes)["kind"], &of(yes)["granted"], &of(no)["granted"]),
        (&json!("consent"), &json!(true), &json!(false))
    );
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn c1_nothing_may_be_sent_without_a_consent_for_that_channel() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    assert_eq!(bar(&house, &anna, Channel::Sms).await, Some(Bar::NoConsent));
    let _ = agrees(&house, &anna, SMS).await;
    assert_eq!(bar(&house, &anna, Channel::Sms).await, None);
    for other in [Channel::Subscribe, Channel::Wecom, Channel::Email, Channel::Webhook] {
        assert_eq!(bar(&house, &anna, other).await, Some(Bar::NoConsent), "one purpose, one consent: {other:?}");
    }
}

#[tokio::test]
async fn c1_the_same_decision_said_twice_is_one_record() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    for _ in 0..3 {
        let _ = agrees(&house, &anna, SMS).await;
    }
    let rows = house.journal(&anna).await.concat().len();
    for _ in 0..3 {
        let _ = refuses(&house, &anna, SMS).await;
    }
    assert_eq!(records(&house, &anna).await.len(), 2);
    assert_eq!(house.journal(&anna).await.concat().len(), rows + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn c1_equal_decisions_at_once_are_one_record_and_opposite_ones_end_in_one_of_them() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let yes = || decides(&house, &anna, SMS, json!({ "granted": true, "policy_version": 1 }));
    for answer in join_all((0..20).map(|_| yes())).await {
        assert_eq!(answer.expect(200)["live"], true);
    }
    assert_eq!(records(&house, &anna).await.len(), 1);
    let no = || decides(&house, &anna, SMS, json!({ "granted": false }));
    let both = join_all((0..10).map(|n| async move { if n % 2 == 0 { no().await } else { yes().await } })).await;
    assert!(both.iter().all(|answer| answer.status == 200));
    let journal = house.journal(&anna).await.concat();
    let rows: Vec<&Value> = journal.iter().filter(|row| row["kind"] == "consent").collect();
    assert_eq!(rows.len(), records(&house, &anna).await.len());
    assert_eq!(consent(&house, &anna, SMS).await["live"], rows[0]["granted"], "the last record counts");
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn c2_a_policy_of_other_substance_asks_again_and_one_of_other_words_does_not() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let _ = agrees(&house, &anna, SMS).await;
    let _ = agrees(&house, &anna, "marketing.email").await;

    let _ = house.rewords(SMS, "换了说法", json!([])).await.expect(200);
    let shown = consent(&house, &anna, SMS).await;
    assert_eq!((&shown["live"], &shown["statement"]["version"]), (&json!(true), &json!(2)));

    let _ = house.rewords(SMS, "换了方式", json!(["method"])).await.expect(200);
    let shown = consent(&house, &anna, SMS).await;
    assert_eq!((&shown["live"], shown.get("may_ask_again_on")), (&json!(false), None));
    assert_eq!(bar(&house, &anna, Channel::Sms).await, Some(Bar::Outdated));
    assert_eq!(bar(&house, &anna, Channel::Email).await, None, "nobody asks about what did not change");
    let old = json!({ "granted": true, "policy_version": 2 });
    decides(&house, &anna, SMS, old).await.refuses(409, "statement_moved");
    assert_eq!(agrees(&house, &anna, SMS).await["live"], true);
    let told: Vec<Value> = records(&house, &anna).await.iter().map(|record| record["policy_version"].clone()).collect();
    assert_eq!(told, [json!(3), json!(1), json!(1)]);

    let first = house.as_manager("GET", "/v1/privacy-policy?version=1").send().await.expect(200);
    let statement = first["policy"]["statements"].as_array().unwrap().iter().find(|s| s["purpose"] == SMS).unwrap();
    assert_eq!(records(&house, &anna).await[2]["policy_sha256"], statement["sha256"], "what was told stays readable");
}

#[tokio::test]
async fn c2_after_a_no_nobody_asks_again_for_thirty_days() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    assert_eq!(refuses(&house, &anna, SMS).await["may_ask_again_on"], "2026-04-01");
    house.it_is("2026-03-31T23:30:00+08:00").await;
    assert_eq!(refuses(&house, &anna, SMS).await["may_ask_again_on"], "2026-04-01", "the same no");
    house.it_is("2026-04-01T00:00:00+08:00").await;
    assert_eq!(consent(&house, &anna, SMS).await.get("may_ask_again_on"), None);
    assert_eq!(refuses(&house, &anna, SMS).await["may_ask_again_on"], "2026-05-01", "another no");
    assert_eq!(records(&house, &anna).await.len(), 2);
}

#[tokio::test]
async fn c3_withdrawing_takes_one_call_counts_at_once_and_everything_else_goes_on() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let _ = agrees(&house, &anna, SMS).await;
    let withdrawn = decides(&house, &anna, SMS, json!({ "granted": false })).await;
    assert_eq!(withdrawn.expect(200)["live"], false);
    assert_eq!(bar(&house, &anna, Channel::Sms).await, Some(Bar::NoConsent), "also for what waits to be sent");
    for purpose in ["marketing.email", "personalisation", "sensitive"] {
        let _ = refuses(&house, &anna, purpose).await;
    }
    let _ = house.checks_in(&anna).await.expect(201);
    let _ = house.buys(&anna, 10_00).await;
    assert_eq!(house.points(&anna).await["tier"], "member");
}

#[tokio::test]
async fn c4_separate_consents_stand_alone_and_recipients_must_be_named() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let _ = agrees(&house, &anna, "publication").await;
    assert_eq!(consent(&house, &anna, "sensitive").await["live"], false);
    assert_eq!(records(&house, &anna).await[0]["scope"], "separate");
    let abroad = json!({ "granted": true, "policy_version": 1 });
    decides(&house, &anna, "cross_border", abroad).await.refuses(422, "purpose_not_offered");
    decides(&house, &anna, "everything", json!({ "granted": false })).await.refuses(404, "not_found");
    let policy = house.as_manager("GET", "/v1/privacy-policy").send().await;
    let text = json!({ "title": "出境", "use_of_data": "……" });
    let call = house.as_manager("PUT", "/v1/privacy-policy").header("if-match", policy.header("etag"));
    let flawed = call.json(&json!({ "statements": [{ "purpose": "cross_border", "text": text }] })).send().await;
    assert_eq!(flawed.expect(422)["errors"][0]["pointer"], "/statements/0/text/recipients");
}

#[tokio::test]
async fn a1_no_policy_is_saved_before_what_it_offers_was_assessed() {
    let house = a_house().await;
    let shipped = house.as_manager("GET", "/v1/privacy-policy").send().await;
    let policy = shipped.expect(200)["policy"].clone();
    let statements: Vec<Value> = (policy["statements"].as_array().unwrap().iter())
        .map(|statement| json!({ "purpose": statement["purpose"], "text": statement["text"] }))
        .collect();
    let saves = async |assessments: Value| {
        let call = house.as_manager("PUT", "/v1/privacy-policy").header("if-match", shipped.header("etag"));
        call.json(&json!({ "statements": statements, "impact_assessments": assessments })).send().await
    };
    let unassessed = saves(json!([])).await;
    unassessed.refuses(422, "settings_flawed");
    let told = unassessed.json()["errors"].to_string();
    for word in ["children: sensitive data", "profiling: automated decisions", "marketing.sms: data that are handed on"]
    {
        assert!(told.contains(word), "{word} in {told}");
    }
    let as_shipped = saves(policy["impact_assessments"].clone()).await;
    assert_eq!(
        as_shipped.expect(422)["errors"][0]["pointer"],
        "/impact_assessments/0/number",
        "the one for development"
    );
    let mut short = an_assessment("PIA-2026-003");
    short["kept_until"] = json!("2028-12-31");
    assert_eq!(saves(json!([short])).await.expect(422)["errors"][0]["pointer"], "/impact_assessments/0/kept_until");

    let assessment = an_assessment("PIA-2026-003");
    let saved = saves(json!([assessment])).await.expect(200);
    assert_eq!(saved["policy"]["impact_assessments"], json!([assessment]), "and it stays with the version, for good");
    let anna = house.signs_up("anna", &json!({})).await;
    let told = house.as_member(&anna, "GET", "/v1/me/consents").send().await.expect(200);
    assert!(!told.to_string().contains("PIA-2026-003"), "members are told what is done with their data");
}

// --- Segments -------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_segment_follows_a_consent_in_the_same_call_and_a_new_policy_by_a_full_pass() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let rule = json!({ "name": "可发短信", "rule": "授权 = marketing.sms" });
    let _ = house.as_manager("PUT", "/v1/segments/reachable").json(&rule).send().await.expect(200);
    let _ = agrees(&house, &anna, SMS).await;
    assert_eq!(house.journal(&anna).await.concat()[0]["entered"], json!(["reachable"]));
    let _ = refuses(&house, &anna, SMS).await;
    assert_eq!(house.journal(&anna).await.concat()[0]["left"], json!(["reachable"]));

    let _ = agrees(&house, &anna, SMS).await;
    let _ = house.rewords(SMS, "另作他用", json!(["purpose"])).await.expect(200);
    let in_it = || async {
        let list = house.as_manager("GET", "/v1/segments/reachable/members").send().await.expect(200);
        list["items"].as_array().unwrap().len()
    };
    // The pass takes out whose consent counts no more.
    eventually(async || match in_it().await {
        0 => Ok(()),
        left => Err(left),
    })
    .await;
    let progress = house.as_manager("GET", "/v1/segments/recompute").send().await.expect(200);
    assert_eq!((&progress["defects"], &progress["privacy_policy"]), (&json!(0), &json!(2)));
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn p1_whoever_switches_personalisation_off_keeps_points_and_tier_and_is_marked_for_whoever_addresses_them() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let rule = json!({ "name": "个性化", "rule": "consent = personalisation" });
    let _ = house.as_manager("PUT", "/v1/segments/for-you").json(&rule).send().await.expect(200);
    let _ = house.checks_in(&anna).await.expect(201);
    let path = format!("/v1/members/{}/segments", anna.id);
    let why = || async { house.as_manager("GET", &path).send().await.expect(200) };
    assert_eq!(why().await["personalised"], true, "on until refused: the law asks for a way out");
    let off = refuses(&house, &anna, "personalisation").await;
    assert_eq!(off["live"], false);
    let why = why().await;
    assert_eq!(why["personalised"], false);
    assert!(!why["items"].as_array().unwrap().is_empty(), "segments are kept for service");
    assert!(house.journal(&anna).await.concat()[0]["left"].as_array().unwrap().contains(&json!("for-you")));
    assert_eq!(house.points(&anna).await["tier"], "member");
    assert_eq!(agrees(&house, &anna, "personalisation").await["live"], true, "and on again");
}

#[tokio::test]
async fn p1_members_take_off_the_labels_that_were_put_on_them_and_leave_the_segments_of_these() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let rule = json!({ "name": "素色", "rule": "tag = \"素色\"" });
    let _ = house.as_manager("PUT", "/v1/segments/plain").json(&rule).send().await.expect(200);
    let path = format!("/v1/members/{}/tags", anna.id);
    let _ = house.as_manager("POST", &path).json(&json!({ "add": ["素色", "高跟"] })).send().await.expect(200);
    let tags = async || house.as_member(&anna, "GET", "/v1/me/tags").send().await.expect(200)["tags"].clone();
    assert_eq!(tags().await, json!(["素色", "高跟"]), "they see what was put on them");
    let remove = async |tags: Value| {
        let call = house.as_member(&anna, "POST", "/v1/me/tags/removals").json(&json!({ "tags": tags }));
        call.send().await
    };
    assert_eq!(remove(json!(["素色", "别的"])).await.expect(200)["tags"], json!(["高跟"]));
    assert_eq!(remove(json!(["素色"])).await.expect(200)["tags"], json!(["高跟"]), "asked again, nothing changes");
    remove(json!([])).await.refuses(400, "tags_invalid");
    let [newest, ..] = &house.journal(&anna).await.concat()[..] else { panic!("a row") };
    assert_eq!(newest["left"], json!(["plain"]), "in the same call: {newest}");
    assert_eq!((tags().await, house.proof(&anna).await["balanced"].clone()), (json!(["高跟"]), json!(true)));
}

#[tokio::test]
async fn r6_a_member_is_told_every_judgement_with_its_rule_its_version_and_the_values_used() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let _ = house.buys(&anna, 100_00).await;
    let why = house.as_member(&anna, "GET", "/v1/me/segments").send().await.expect(200);
    assert_eq!((&why["member_id"], &why["version"]), (&json!(anna.id), &json!(1)));
    let new = why["items"].as_array().unwrap().iter().find(|item| item["segment"] == "new").unwrap();
    assert_eq!((&new["holds"], &new["findings"][0]["found"]), (&json!(true), &json!("0")));
    assert!(new["rule"].as_str().is_some_and(|rule| rule.contains("recency")), "{new}");
    assert!(new["chinese"].as_str().is_some_and(|text| text.contains("最近购买")), "{new}");
}

#[tokio::test]
async fn r7_whoever_restricts_processing_is_in_no_segment_and_is_served_all_the_same() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let _ = house.buys(&anna, 100_00).await;
    assert_eq!(consent(&house, &anna, "profiling").await["live"], true, "until it is refused");
    assert_eq!(refuses(&house, &anna, "profiling").await["live"], false);
    let left = house.journal(&anna).await.concat()[0]["left"].clone();
    assert!(left.as_array().unwrap().contains(&json!("new")), "in the same call: {left}");
    let why = house.as_member(&anna, "GET", "/v1/me/segments").send().await.expect(200);
    assert_eq!((&why["items"], &why["health"], &why["personalised"]), (&json!([]), &json!(0), &json!(false)));
    let _ = house.buys(&anna, 100_00).await;
    assert_eq!(house.journal(&anna).await.concat()[0].get("entered"), None);
    assert_eq!(house.points(&anna).await["pending"], 200, "orders and points are service");
    assert_eq!(agrees(&house, &anna, "profiling").await["live"], true);
    assert!(!house.journal(&anna).await.concat()[0]["entered"].as_array().unwrap().is_empty());
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

// --- Opt-out from elsewhere -----------------------------------------------------------------------------------------

#[tokio::test]
async fn s1_a_commercial_message_needs_a_live_consent_at_the_moment_it_leaves() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let _ = agrees(&house, &anna, SMS).await;
    assert_eq!(bar(&house, &anna, Channel::Sms).await, None, "when the audience is chosen");
    let _ = refuses(&house, &anna, SMS).await;
    assert_eq!(bar(&house, &anna, Channel::Sms).await, Some(Bar::NoConsent), "when the message would leave");
}

#[tokio::test]
async fn s2_an_opt_out_word_withdraws_within_the_request_and_twice_is_once() {
    for word in ["T", "td", " TD ", "Ｔ", "ｔｄ", "n", "R", "退订", " 退 订 ", "“退订”", "拒收", "TD。"]
    {
        assert!(is_opt_out(word), "{word}");
    }
    for word in ["", "TDX", "不退订", "收到", "1", "谢谢", "T恤有货吗", "请问怎么退订？我没有订过"]
    {
        assert!(!is_opt_out(word), "{word}");
    }
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let _ = agrees(&house, &anna, SMS).await;
    let consents = house.host.app.consents();
    let member = MemberId::parse(&anna.id).unwrap();
    let who = huitou::cases::Who { member, session: None, by: Actor::parse("sms").unwrap() };
    for via in [Via::SmsReply, Via::SmsReply, Via::Provider] {
        assert!(!consents.withdraw(&who, Purpose::Sms, via).await.unwrap().live);
        assert_eq!(bar(&house, &anna, Channel::Sms).await, Some(Bar::NoConsent));
    }
    let records = records(&house, &anna).await;
    assert_eq!((records.len(), &records[0]["withdrawn_via"]), (2, &json!("sms_reply")));

    let bo = house.signs_up("bo", &json!({})).await;
    let who = huitou::cases::Who { member: MemberId::parse(&bo.id).unwrap(), ..who };
    let _ = consents.withdraw(&who, Purpose::Sms, Via::Provider).await.unwrap();
    assert_eq!(self::records(&house, &bo).await.len(), 1, "also of somebody who had never agreed");
}

#[tokio::test]
async fn s3_the_proof_of_an_sms_consent_outlives_its_withdrawal() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let _ = agrees(&house, &anna, SMS).await;
    let _ = refuses(&house, &anna, SMS).await;
    house.it_is("2026-09-02T10:00:00+08:00").await;
    let anna = House::member_in(&house.logs_in("dev:anna", &json!({})).await.expect(200));
    let records = records(&house, &anna).await;
    assert!(records.len() == 2 && is_today(&records[1]["granted_at"]));
}

#[tokio::test]
async fn staff_write_down_a_withdrawal_with_its_reason_and_never_a_consent() {
    let house = a_house().await;
    let source = json!({ "source": { "channel": "store_qr", "guide": "li" } });
    let anna = house.signs_up("anna", &source).await;
    let _ = agrees(&house, &anna, SMS).await;
    let path = format!("/v1/members/{}/consents", anna.id);
    let withdrawal = json!({ "purpose": SMS, "reason": "顾客到店要求" });
    let post = |name: &str| house.as_guide(name, "POST", &format!("{path}/withdrawals")).json(&withdrawal).send();
    post("wang").await.refuses(404, "not_found");
    assert_eq!(consent(&house, &anna, SMS).await["live"], true);
    assert_eq!(post("li").await.expect(200)["live"], false);
    let seen = house.as_role("agent", "GET", &path).send().await.expect(200);
    assert!(seen["items"].as_array().unwrap().iter().any(|item| item["purpose"] == SMS && item["live"] == false));
    let record = records(&house, &anna).await[0].clone();
    assert_eq!(
        (&record["channel"], &record["by"], &record["reason"]),
        (&json!("staff"), &json!("guide:li"), &json!("顾客到店要求"))
    );
    let no_reason = house.as_role("agent", "POST", &format!("{path}/withdrawals")).json(&json!({ "purpose": SMS }));
    no_reason.send().await.refuses(400, "body_invalid");
}

#[tokio::test]
async fn a_yes_names_what_it_agrees_to() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    decides(&house, &anna, SMS, json!({ "granted": true })).await.refuses(400, "policy_version_missing");
    let later = json!({ "granted": true, "policy_version": 9 });
    decides(&house, &anna, SMS, later).await.refuses(409, "statement_moved");
    let child = json!({ "granted": false, "child": "0".repeat(32) });
    decides(&house, &anna, SMS, child).await.refuses(400, "child_out_of_place");
    assert_eq!(records(&house, &anna).await.len(), 0);
}

#[tokio::test]
async fn a_no_of_a_member_who_is_taken_over_comes_along_and_a_yes_does_not() {
    let house = a_house().await;
    let anna = house.signs_up("anna", &json!({})).await;
    let other = house.a_member("00007").await;
    let _ = agrees(&house, &anna, SMS).await;
    let _ = refuses(&house, &other, SMS).await;
    let _ = agrees(&house, &other, "marketing.wecom").await;
    let merge = json!({ "other": other.id, "reason": "同一人" });
    let call = house.as_manager("POST", &format!("/v1/members/{}/merges", anna.id)).json(&merge);
    let _ = call.send().await.expect(201);
    assert_eq!(consent(&house, &anna, SMS).await["live"], false);
    assert_eq!(consent(&house, &anna, "marketing.wecom").await["live"], false);
    assert_eq!(house.proof(&anna).await["balanced"], true);
}
