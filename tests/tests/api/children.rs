//! Children and members under 14, as the guardian's mini program sees them. The ids in the names are those of
//! `shared/src/domain/consent.md`.

use futures_util::future::join_all;
use huitou::domain::consent::Bar;
use huitou::domain::traits::Channel;
use huitou::table::Freshness;
use huitou::values::MemberId;
use serde_json::{Value, json};
use tests::{Answer, House, Member, a_house, a_house_at};

const NAME: &str = "豆豆七七";

/// A member with a bound phone, who can be a guardian.
async fn a_guardian(house: &House) -> Member {
    house.signs_up("anna", &json!({ "phone_code": "dev:13800138000" })).await
}

fn a_child(birthday: &str) -> Value {
    json!({ "name": NAME, "birthday": birthday, "growth": [{ "on": "2026-01-05", "height_mm": 1105, "size": "110" }] })
}

fn with_consent(mut child: Value) -> Value {
    child["consent"] = json!({ "policy_version": 1, "page": "pages/child/add", "locale": "zh-CN" });
    child
}

async fn posts(house: &House, member: &Member, key: &str, child: Value) -> Answer {
    house.as_member(member, "POST", "/v1/me/children").key(key).json(&child).send().await
}

async fn adds(house: &House, member: &Member, birthday: &str) -> Value {
    posts(house, member, &house.a_key(), with_consent(a_child(birthday))).await.expect(201)
}

async fn children(house: &House, member: &Member) -> Vec<Value> {
    let list = house.as_member(member, "GET", "/v1/me/children").send().await.expect(200);
    list["items"].as_array().unwrap().clone()
}

async fn decides(house: &House, member: &Member, purpose: &str, body: Value) -> Answer {
    house.as_member(member, "PUT", &format!("/v1/me/consents/{purpose}")).json(&body).send().await
}

async fn records(house: &House, member: &Member) -> Vec<Value> {
    let page = house.as_member(member, "GET", "/v1/me/consents/records").send().await.expect(200);
    page["items"].as_array().unwrap().clone()
}

async fn tells(house: &House, member: &Member, about: Value) -> Answer {
    house.as_member(member, "PUT", "/v1/me").json(&about).send().await
}

/// A segment by a rule.
async fn segment(house: &House, id: &str, rule: &str) {
    let body = json!({ "name": id, "rule": rule });
    let _ = house.as_manager("PUT", &format!("/v1/segments/{id}")).json(&body).send().await.expect(200);
}

async fn is_in(house: &House, segment: &str) -> bool {
    let list = house.as_manager("GET", &format!("/v1/segments/{segment}/members")).send().await.expect(200);
    !list["items"].as_array().unwrap().is_empty()
}

/// Whether a text stands in clear in any table.
async fn is_stored(house: &House, text: &str) -> bool {
    let mut found = false;
    for table in &house.host.surroundings.template.tables {
        let items = house.host.table.sdk().scan().table_name(&table.name).send().await.unwrap();
        found |= format!("{:?}", items.items()).contains(text);
    }
    found
}

// --- Consent first --------------------------------------------------------------------------------------------------

#[tokio::test]
async fn m1_nothing_of_a_child_is_stored_without_a_guardian_who_agrees_and_is_known() {
    let house = a_house().await;
    let (unknown, anna) = (house.signs_up("bo", &json!({})).await, a_guardian(&house).await);
    posts(&house, &anna, "add-a-child", a_child("2020-05-20")).await.refuses(422, "guardian_consent_required");
    let unverified = posts(&house, &unknown, "add-a-child", with_consent(a_child("2020-05-20"))).await;
    unverified.refuses(422, "guardian_consent_required");
    let mut outdated = with_consent(a_child("2020-05-20"));
    outdated["consent"]["policy_version"] = json!(7);
    posts(&house, &anna, "add-a-child", outdated).await.refuses(409, "statement_moved");
    for member in [&unknown, &anna] {
        assert_eq!(children(&house, member).await.len(), 0);
        assert_eq!(records(&house, member).await.len(), 0);
    }

    let child = adds(&house, &anna, "2020-05-20").await;
    assert_eq!((&child["name"], &child["age_band"]), (&json!(NAME), &json!("4-6")));
    assert_eq!(child["consent"], json!({ "live": true, "policy_version": 1 }));
    let record = records(&house, &anna).await[0].clone();
    assert_eq!((&record["purpose"], &record["scope"]), (&json!("children"), &json!("guardian")));
    assert_eq!((&record["child"], &record["guardian_id"]), (&child["id"], &json!(anna.id)));
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn m1_childhood_ends_with_the_fourteenth_birthday_in_china_also_for_29_february() {
    // A minute before midnight in China is still the afternoon of the 28th in Greenwich.
    let house = a_house_at("2026-02-28T23:50:00+08:00").await;
    let anna = a_guardian(&house).await;
    let child = adds(&house, &anna, "2012-02-29").await;
    assert_eq!(child["age_band"], "7+");
    let grown = with_consent(a_child("2012-02-28"));
    posts(&house, &anna, "one-of-14", grown).await.refuses(422, "no_child");
    tells(&house, &anna, json!({ "birthday": "2012-02-29" })).await.refuses(422, "guardian_consent_required");
    house.it_is("2026-03-01T00:00:00+08:00").await;
    let anna = House::member_in(&house.logs_in("dev:anna", &json!({})).await.expect(200));
    let grown = with_consent(a_child("2012-02-29"));
    posts(&house, &anna, "14-by-now", grown).await.refuses(422, "no_child");
    let _ = tells(&house, &anna, json!({ "birthday": "2012-02-29" })).await.expect(200);
}

#[tokio::test]
async fn m1_a_member_under_fourteen_tells_nothing_before_a_guardian_has_agreed() {
    let house = a_house().await;
    let young = json!({ "name": NAME, "birthday": "2015-05-20", "city": "上海" });
    let bo = house.signs_up("bo", &json!({})).await;
    tells(&house, &bo, young.clone()).await.refuses(422, "guardian_consent_required");
    let yes = json!({ "granted": true, "policy_version": 1 });
    let by_card = house.a_member("00001").await;
    for nobody_knows in [&bo, &by_card] {
        decides(&house, nobody_knows, "minor", yes.clone()).await.refuses(422, "guardian_consent_required");
    }
    assert_eq!(house.profile(&bo).await.get("name"), None);

    let anna = a_guardian(&house).await;
    let _ = decides(&house, &anna, "minor", yes.clone()).await.expect(200);
    assert_eq!(tells(&house, &anna, young.clone()).await.expect(200)["birthday"], "2015-05-20");
    let other_city = json!({ "name": NAME, "birthday": "2015-05-20", "city": "杭州" });
    let _ = tells(&house, &anna, other_city).await.expect(200);

    let _ = decides(&house, &anna, "minor", json!({ "granted": false })).await.expect(200);
    let profile = house.profile(&anna).await;
    for field in ["name", "birthday", "city"] {
        assert_eq!(profile.get(field), None, "withdrawing erases what was stored under the consent");
    }
    tells(&house, &anna, young).await.refuses(422, "guardian_consent_required");
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn m2_the_guardian_is_told_everything_that_the_law_asks_for_and_can_say_no() {
    let house = a_house().await;
    let anna = a_guardian(&house).await;
    let all = house.as_member(&anna, "GET", "/v1/me/consents").send().await.expect(200);
    for purpose in ["children", "minor"] {
        let item = all["items"].as_array().unwrap().iter().find(|item| item["purpose"] == purpose).unwrap();
        assert_eq!((&item["scope"], &item["live"]), (&json!("guardian"), &json!(false)));
        for part in ["use_of_data", "storage", "safeguards", "refusal", "complaints", "rights"] {
            assert!(item["statement"]["text"][part].as_str().is_some_and(|text| text.len() > 20), "{part}");
        }
    }
    let no = decides(&house, &anna, "children", json!({ "granted": false })).await.expect(200);
    assert_eq!((&no["live"], &no["may_ask_again_on"]), (&json!(false), &json!("2026-04-01")));
    assert_eq!(adds(&house, &anna, "2020-05-20").await["consent"]["live"], true, "and may think better of it");
}

// --- Under 14 -------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn m3_nobody_under_fourteen_is_in_a_segment_or_is_sent_anything_until_the_birthday() {
    let house = a_house().await;
    let anna = a_guardian(&house).await;
    segment(&house, "everybody", "everyone").await;
    let sms = json!({ "granted": true, "policy_version": 1 });
    let _ = decides(&house, &anna, "marketing.sms", sms.clone()).await.expect(200);
    let _ = decides(&house, &anna, "minor", sms.clone()).await.expect(200);
    assert!(is_in(&house, "everybody").await);
    let _ = tells(&house, &anna, json!({ "birthday": "2012-03-20" })).await.expect(200);
    assert!(!is_in(&house, "everybody").await, "in the very call that tells the birthday");
    let path = format!("/v1/members/{}/segments", anna.id);
    let why = house.as_manager("GET", &path).send().await.expect(200);
    assert_eq!((&why["items"], &why["personalised"]), (&json!([]), &json!(false)));
    let bar = || async {
        let member = MemberId::parse(&anna.id).unwrap();
        let hot = house.host.app.table().member(member, Freshness::Latest).await.unwrap().unwrap();
        let floors = house.host.app.rulebook().await.unwrap().floors;
        hot.account.may_be_sent(Channel::Sms, floors, house.host.app.now().day()).err()
    };
    assert_eq!(bar().await, Some(Bar::UnderFourteen), "whatever was agreed to before");
    decides(&house, &anna, "marketing.email", sms).await.refuses(422, "under_fourteen");
    let _ = house.buys(&anna, 10_00).await;
    assert!(!is_in(&house, "everybody").await, "buying changes nothing about it");
    assert_eq!(house.points(&anna).await["pending"], 10, "points are service");

    house.it_is("2026-03-20T09:00:00+08:00").await;
    assert!(is_in(&house, "everybody").await, "the nightly drain knows the day");
    assert_eq!(bar().await, Some(Bar::NoConsent), "what was agreed to under 14 is void");
    let anna = House::member_in(&house.logs_in("dev:anna", &json!({})).await.expect(200));
    let yes = json!({ "granted": true, "policy_version": 1 });
    assert_eq!(decides(&house, &anna, "marketing.sms", yes).await.expect(200)["live"], true);
    assert_eq!(bar().await, None);
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn m3_nothing_about_a_child_lies_in_clear_anywhere() {
    let house = a_house().await;
    let anna = a_guardian(&house).await;
    let _ = adds(&house, &anna, "2020-05-20").await;
    for text in [NAME, "2020-05-20", "05-20", "1105", "豆豆"] {
        assert!(!is_stored(&house, text).await, "{text}");
    }
}

#[tokio::test]
async fn an_age_band_rolls_on_the_birthday_and_segments_follow_a_child_that_comes_or_goes() {
    let house = a_house().await;
    let anna = a_guardian(&house).await;
    segment(&house, "toddlers", "孩子 = \"0-3\"").await;
    segment(&house, "preschool", "孩子 = \"4-6\"").await;
    let child = adds(&house, &anna, "2022-03-10").await;
    assert!(is_in(&house, "toddlers").await && !is_in(&house, "preschool").await);
    house.it_is("2026-03-10T06:00:00+08:00").await;
    assert!(!is_in(&house, "toddlers").await && is_in(&house, "preschool").await, "the fourth birthday");

    let anna = House::member_in(&house.logs_in("dev:anna", &json!({})).await.expect(200));
    let journal = house.journal(&anna).await.concat();
    assert!(!journal.iter().any(|row| row.to_string().contains("2022")), "no row tells a birthday: {journal:?}");
    let path = format!("/v1/me/children/{}", child["id"].as_str().unwrap());
    let _ = house.as_member(&anna, "DELETE", &path).send().await.expect(204);
    assert!(!is_in(&house, "preschool").await);
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

// --- The guardian's rights ------------------------------------------------------------------------------------------

#[tokio::test]
async fn m4_a_guardian_sees_corrects_and_deletes_in_one_call_each() {
    let house = a_house().await;
    let anna = a_guardian(&house).await;
    let child = adds(&house, &anna, "2020-05-20").await;
    let path = format!("/v1/me/children/{}", child["id"].as_str().unwrap());
    let mut other = a_child("2021-05-20");
    other["growth"] = json!([{ "on": "2026-03-01", "height_mm": 1120 }, { "on": "2025-03-01", "size": "105" }]);
    let put = |tag: &'static str| house.as_member(&anna, "PUT", &path).header("if-match", tag).json(&other).send();
    let edited = put("\"1\"").await;
    assert_eq!((edited.header("etag"), &edited.expect(200)["growth"][0]["size"]), ("\"2\"", &json!("105")));
    put("\"1\"").await.refuses(412, "version_moved");
    assert_eq!(children(&house, &anna).await[0]["birthday"], "2021-05-20");
    let _ = house.as_member(&anna, "DELETE", &path).send().await.expect(204);
    assert_eq!(children(&house, &anna).await.len(), 0);
    house.as_member(&anna, "DELETE", &path).send().await.refuses(404, "not_found");
    put("\"2\"").await.refuses(404, "not_found");
    let last = records(&house, &anna).await[0].clone();
    assert_eq!((&last["child"], &last["withdrawn_via"]), (&child["id"], &json!("deletion")));
    let consent = decides(&house, &anna, "children", json!({ "granted": false })).await.expect(200);
    assert_eq!(consent["live"], false);
}

#[tokio::test]
async fn m4_withdrawing_erases_the_child_and_destroys_the_key_at_once() {
    let house = a_house().await;
    let anna = a_guardian(&house).await;
    let (one, two) = (adds(&house, &anna, "2020-05-20").await, adds(&house, &anna, "2023-01-01").await);
    let of = |child: &Value| child["id"].as_str().unwrap().to_owned();
    let _ = decides(&house, &anna, "children", json!({ "granted": false, "child": of(&one) })).await.expect(200);
    let left = children(&house, &anna).await;
    assert_eq!((left.len(), &left[0]["id"]), (1, &two["id"]));
    let consents = house.as_member(&anna, "GET", "/v1/me/consents").send().await.expect(200);
    let about = |consents: &Value| {
        let items = consents["items"].as_array().unwrap().clone();
        items.into_iter().find(|item| item["purpose"] == "children").unwrap()
    };
    assert_eq!(about(&consents)["live"], true, "the other child's stands");
    assert!(!is_stored(&house, &format!("child#{}", of(&one))).await, "neither part nor key");
    assert!(is_stored(&house, &format!("child#{}", of(&two))).await);

    let all = decides(&house, &anna, "children", json!({ "granted": false })).await.expect(200);
    assert_eq!((&all["live"], children(&house, &anna).await.len()), (&json!(false), 0));
    assert!(!is_stored(&house, "child#").await);
    let again = decides(&house, &anna, "children", json!({ "granted": false })).await.expect(200);
    assert_eq!(again["live"], false);
    assert_eq!(records(&house, &anna).await.len(), 4, "two yes, two no");
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn m3_and_c2_another_purpose_for_childrens_data_needs_the_guardian_anew() {
    let house = a_house().await;
    let anna = a_guardian(&house).await;
    segment(&house, "preschool", "孩子 = \"4-6\"").await;
    let child = adds(&house, &anna, "2020-05-20").await;
    let id = child["id"].as_str().unwrap().to_owned();
    let _ = house.rewords("children", "另作他用", json!(["purpose"])).await.expect(200);
    assert_eq!(children(&house, &anna).await[0]["consent"]["live"], false);
    let put = || house.as_member(&anna, "PUT", &format!("/v1/me/children/{id}")).json(&a_child("2020-05-20")).send();
    put().await.refuses(422, "guardian_consent_required");
    let _ = house.buys(&anna, 10_00).await;
    assert!(!is_in(&house, "preschool").await, "nobody judges by a child without a live consent");

    let yes = json!({ "granted": true, "policy_version": 2, "child": id });
    assert_eq!(decides(&house, &anna, "children", yes).await.expect(200)["live"], true);
    let _ = put().await.expect(200);
    assert!(is_in(&house, "preschool").await);
    let unclear = json!({ "granted": true, "policy_version": 2 });
    decides(&house, &anna, "children", unclear).await.refuses(422, "child_unclear");
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

// --- Once, and nobody else's ----------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_child_added_many_times_with_one_key_is_one_child_and_does_not_come_back_after_it_was_erased() {
    let house = a_house().await;
    let anna = a_guardian(&house).await;
    let post = || posts(&house, &anna, "one-child", with_consent(a_child("2020-05-20")));
    let added = join_all((0..20).map(|_| post())).await;
    assert!(added.iter().all(|answer| answer.status == 201), "{added:?}");
    assert_eq!((children(&house, &anna).await.len(), records(&house, &anna).await.len()), (1, 1));
    posts(&house, &anna, "one-child", with_consent(a_child("2021-05-20"))).await.refuses(422, "key_reused");
    let path = format!("/v1/me/children/{}", added[0].json()["id"].as_str().unwrap());
    let _ = house.as_member(&anna, "DELETE", &path).send().await.expect(204);
    post().await.refuses(422, "key_reused");
    assert_eq!(children(&house, &anna).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_children_are_the_most_also_when_they_come_at_once() {
    let house = a_house().await;
    let anna = a_guardian(&house).await;
    let (house, anna) = (&house, &anna);
    let post = |n: u32| async move {
        let child = json!({ "name": format!("老{n}"), "birthday": "2020-05-20" });
        posts(house, anna, &format!("child-{n:04}"), with_consent(child)).await
    };
    let answers = join_all((0..14).map(post)).await;
    let told = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((told(201), told(422)), (10, 4));
    assert_eq!(children(house, anna).await.len(), 10);
    assert_eq!(house.proof(anna).await["balanced"], true);
}

#[tokio::test]
async fn another_members_child_is_not_there() {
    let house = a_house().await;
    let anna = a_guardian(&house).await;
    let bo = house.signs_up("bo", &json!({ "phone_code": "dev:13900139000" })).await;
    let child = adds(&house, &anna, "2020-05-20").await;
    let path = format!("/v1/me/children/{}", child["id"].as_str().unwrap());
    house.as_member(&bo, "PUT", &path).json(&a_child("2020-05-20")).send().await.refuses(404, "not_found");
    house.as_member(&bo, "DELETE", &path).send().await.refuses(404, "not_found");
    let yes = json!({ "granted": true, "policy_version": 1, "child": child["id"] });
    decides(&house, &bo, "children", yes).await.refuses(404, "not_found");
    assert_eq!(children(&house, &bo).await.len(), 0);
    let flawed =
        json!({ "name": NAME, "birthday": "2020-05-20", "growth": [{ "on": "2019-01-01", "height_mm": 900 }] });
    let answer = posts(&house, &anna, "flawed-child", with_consent(flawed)).await;
    assert_eq!(answer.expect(422)["errors"][0]["pointer"], "/growth/0/on");
}

#[tokio::test]
async fn a_member_with_children_is_not_taken_over() {
    let house = a_house().await;
    let anna = a_guardian(&house).await;
    let _ = adds(&house, &anna, "2020-05-20").await;
    let bo = house.logs_in("dev:bo", &json!({})).await.expect(201);
    let merge = json!({ "other": anna.id, "reason": "同一人", "preview": true });
    let path = format!("/v1/members/{}/merges", bo["member"]["id"].as_str().unwrap());
    let outlook = house.as_manager("POST", &path).json(&merge).send().await.expect(200);
    assert!(outlook["conflicts"].as_array().unwrap().contains(&json!("children")), "{outlook}");
}
