//! Operators are told of groups, never of so few members that they are persons.

use serde_json::{Value, json};
use tests::{Answer, House, Member, a_house};

/// Somebody of the brand with a role and a name.
struct Staff<'a>(&'a House, &'static str, &'static str);

impl Staff<'_> {
    fn call(&self, method: &str, path: &str) -> tests::Call {
        let bearer = local::wire::Bearer { role: self.1.to_owned(), member: None, subject: Some(self.2.to_owned()) };
        let token = local::wire::token(&self.0.host.surroundings.secret, &bearer).unwrap();
        self.0.call(method, path).token(&token)
    }

    /// What a rule would hold for, once everybody has been asked.
    async fn previews(&self, rule: &str) -> Value {
        let call = self.call("POST", "/v1/segments/new/preview").json(&json!({ "rule": rule }));
        let mut preview = call.send().await.json();
        while preview["finished"] == false {
            tokio::task::yield_now().await;
            preview = self.reads(&preview).await.expect(200);
        }
        preview
    }

    async fn reads(&self, preview: &Value) -> Answer {
        self.call("GET", &format!("/v1/segments/previews/{}", preview["id"].as_str().unwrap())).send().await
    }

    async fn counts(&self, segment: &str) -> (Value, Value) {
        let shown = self.call("GET", &format!("/v1/segments/{segment}")).send().await.expect(200);
        (shown["members"].clone(), shown["fewer_than"].clone())
    }
}

async fn tags(house: &House, member: &Member, tag: &str) {
    let path = format!("/v1/members/{}/tags", member.id);
    let _ = house.as_manager("POST", &path).json(&json!({ "add": [tag] })).send().await.expect(200);
}

#[tokio::test]
async fn a_segment_of_nineteen_is_not_counted_for_operators_and_one_of_twenty_is() {
    let house = a_house().await;
    let (operator, manager) = (Staff(&house, "operator", "yun"), Staff(&house, "manager", "wang"));
    let _ = house.members(19).await;
    assert_eq!(operator.counts("new").await, (json!(0), json!(20)));
    operator.call("GET", "/v1/segments/new/members").send().await.refuses(422, "group_too_small");
    assert_eq!(manager.counts("new").await, (json!(19), Value::Null));
    let _ = house.a_member("one-more").await;
    assert_eq!(operator.counts("new").await, (json!(20), Value::Null));
    let page = operator.call("GET", "/v1/segments/new/members").send().await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn a_segment_that_staff_have_written_is_counted_in_twenties() {
    let house = a_house().await;
    let (operator, manager) = (Staff(&house, "operator", "yun"), Staff(&house, "manager", "wang"));
    let rule = json!({ "name": "买过", "rule": "frequency >= 1" });
    let _ = operator.call("PUT", "/v1/segments/bought").json(&rule).send().await.expect(200);
    let _ = house.members(27).await;
    assert_eq!(manager.counts("bought").await.0, 27);
    assert_eq!(operator.counts("bought").await, (json!(20), Value::Null));
    assert_eq!(operator.counts("new").await.0, 27);
}

#[tokio::test]
async fn rules_that_differ_by_one_member_have_one_answer_for_an_operator() {
    let house = a_house().await;
    let (operator, manager) = (Staff(&house, "operator", "yun"), Staff(&house, "manager", "wang"));
    let members = house.members(25).await;
    tags(&house, &members[3], "vip").await;
    let (everybody, all_but_one) = ("frequency >= 1", "frequency >= 1 and not tag = \"vip\"");
    let first = operator.previews(everybody).await;
    assert_eq!((&first["count"], first["sample"].as_array().unwrap().len()), (&json!(25), 20));
    let second = operator.previews(all_but_one).await;
    assert_eq!((&second["count"], &second["sample"]), (&first["count"], &first["sample"]));
    // A rule for the very same members has the same answer, so that the answer tells no difference from the one above.
    let same = operator.previews("orders >= 1").await;
    assert_eq!((&same["count"], &same["sample"]), (&first["count"], &first["sample"]));
    let one = operator.previews("tag = \"vip\"").await;
    assert_eq!((&one["count"], &one["sample"], &one["fewer_than"]), (&json!(0), &json!([]), &json!(20)));
    assert_eq!(manager.previews(all_but_one).await["count"], 24);
    assert_eq!(manager.previews("tag = \"vip\"").await["count"], 1);
    // The other way round it is the narrower rule that stays.
    let other = Staff(&house, "operator", "lan");
    assert_eq!(other.previews(all_but_one).await["count"], 24);
    assert_eq!(other.previews(everybody).await["count"], 24);
}

#[tokio::test]
async fn a_day_later_a_rule_is_counted_anew() {
    let house = a_house().await;
    let operator = Staff(&house, "operator", "yun");
    let members = house.members(25).await;
    assert_eq!(operator.previews("frequency >= 1").await["count"], 25);
    tags(&house, &members[3], "vip").await;
    let all_but_one = "frequency >= 1 and not tag = \"vip\"";
    assert_eq!(operator.previews(all_but_one).await["count"], 25);
    house.it_is("2026-03-03T10:30:00+08:00").await;
    assert_eq!(operator.previews(all_but_one).await["count"], 24);
}

#[tokio::test]
async fn an_operator_reads_own_previews_only_and_fifty_a_day_at_most() {
    let house = a_house().await;
    let (operator, other) = (Staff(&house, "operator", "yun"), Staff(&house, "operator", "lan"));
    let own = operator.previews("frequency >= 1").await;
    let managers = Staff(&house, "manager", "wang").previews("frequency >= 1").await;
    other.reads(&own).await.refuses(404, "not_found");
    operator.reads(&managers).await.refuses(404, "not_found");
    let _ = operator.reads(&own).await.expect(200);
    for n in 2..=50 {
        let _ = operator.previews(&format!("frequency >= {n}")).await;
    }
    let call = operator.call("POST", "/v1/segments/new/preview").json(&json!({ "rule": "frequency >= 51" }));
    let refused = call.send().await;
    refused.refuses(429, "too_many_previews");
    let wait: u32 = refused.header("retry-after").parse().unwrap();
    let _ = house.call("POST", "/dev/clock").json(&json!({ "advance_seconds": wait })).send().await.expect(200);
    let _ = operator.previews("frequency >= 51").await;
}

#[tokio::test]
async fn a_campaigns_preview_and_report_are_counted_in_twenties_for_operators() {
    let house = a_house().await;
    let (operator, manager) = (Staff(&house, "operator", "yun"), Staff(&house, "manager", "wang"));
    let _ = house.members(27).await;
    let campaign = json!({
        "name": "老客唤醒", "scene": "dormant_wake_up", "purpose": "marketing",
        "audience": { "segment": "new" }, "plan": ["webhook"],
        "variants": [{ "id": "a", "weight": 100, "content": { "webhook": { "topic": "wake-up", "fields": { "text": "好久不见" } } } }],
        "window": { "from": "2026-03-01T00:00:00+08:00", "until": "2026-03-31T00:00:00+08:00" },
        "attribution_days": 7,
    });
    let made = operator.call("POST", "/v1/campaigns").key("a-campaign-of-yun").json(&campaign).send().await.expect(201);
    let path = |rest: &str| format!("/v1/campaigns/{}{rest}", made["id"].as_str().unwrap());
    let preview = async |staff: &Staff<'_>| staff.call("POST", &path("/preview")).send().await.expect(200);
    assert_eq!(preview(&manager).await["looked_at"], 27);
    let told = preview(&operator).await;
    assert_eq!((&told["audience"], &told["looked_at"]), (&json!(27), &json!(20)), "{told}");
    let figures: Vec<u64> = ["goes", "waits", "refused"]
        .iter()
        .flat_map(|part| told[part].as_object().unwrap().values().map(|n| n.as_u64().unwrap()))
        .collect();
    assert!(!figures.is_empty() && figures.iter().all(|n| n % 20 == 0), "{told}");
    let _ = operator.call("POST", &path("/launch")).send().await.expect(200);
    loop {
        let shown = manager.call("GET", &path("")).send().await.expect(200);
        if shown["counts"]["audience"] == 27 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(manager.call("GET", &path("/report")).send().await.expect(200)["audience"]["members"], 27);
    let report = operator.call("GET", &path("/report")).send().await.expect(200);
    assert_eq!((&report["audience"]["members"], &report["rounded_to"]), (&json!(20), &json!(20)), "{report}");
    assert!(report["notes"].as_array().unwrap().iter().any(|note| note["code"] == "rounded"), "{report}");
    assert_eq!(operator.call("GET", &path("")).send().await.expect(200)["counts"]["audience"], 20);
}
