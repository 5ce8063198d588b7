//! Segments as operators, guides and managers meet them: right at once, exactly counted, explained.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::{Answer, House, Member, a_house, a_house_at, eventually};

/// Members by segment, as the list tells.
async fn counts(house: &House) -> BTreeMap<String, u64> {
    let list = house.as_manager("GET", "/v1/segments").send().await.expect(200);
    let count = |item: &Value| (item["id"].as_str().unwrap().to_owned(), item["members"].as_u64().unwrap());
    list["items"].as_array().unwrap().iter().map(count).filter(|(_, members)| *members > 0).collect()
}

/// All members of a segment, page by page.
async fn members(house: &House, segment: &str, limit: usize) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/segments/{segment}/members?limit={limit}{cursor}");
        let page = house.as_manager("GET", &path).send().await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        found.extend(items.iter().map(|item| item["member_id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { return found };
        cursor = format!("&cursor={next}");
    }
}

/// The ids of the segments that a member is in, by the explanation.
async fn segments_of(house: &House, member: &Member) -> Vec<String> {
    let why = why(house, member).await;
    let within = why["items"].as_array().unwrap().iter().filter(|item| item["holds"] == true);
    within.map(|item| item["segment"].as_str().unwrap().to_owned()).collect()
}

async fn why(house: &House, member: &Member) -> Value {
    let path = format!("/v1/members/{}/segments", member.id);
    house.as_manager("GET", &path).send().await.expect(200)
}

/// The newest full pass, once everybody has been looked at.
async fn full_pass(house: &House) -> Value {
    eventually(async || {
        let pass = house.as_manager("GET", "/v1/segments/recompute").send().await.expect(200);
        if pass["finished"] == true { Ok(pass) } else { Err(pass) }
    })
    .await
}

async fn saves(house: &House, id: &str, body: &Value) -> Answer {
    let tag = house.as_manager("GET", "/v1/segments").send().await.header("etag").to_owned();
    let path = format!("/v1/segments/{id}");
    house.as_manager("PUT", &path).header("if-match", &tag).json(body).send().await
}

#[tokio::test]
async fn a_purchase_a_refund_and_midnight_move_a_member_and_the_counts_follow_at_once() {
    let house = a_house_at("2026-03-01T10:00:00+08:00").await;
    let anna = house.a_member("00001").await;
    assert_eq!(segments_of(&house, &anna).await[0], "new");
    let order = house.bought(&anna, "2026-03-01T09:00:00+08:00", 2_500_00).await;
    let counted = counts(&house).await;
    assert_eq!((counted.get("new"), counted.get("stage.new")), (Some(&1), Some(&1)), "{counted:?}");
    assert_eq!(members(&house, "new", 10).await, std::slice::from_ref(&anna.id));

    house.it_is("2026-03-02T10:00:00+08:00").await;
    let second = house.buys(&anna, 10_00).await;
    assert_eq!(counts(&house).await.get("potential"), Some(&1));
    let _ = house.refunds(&second, "R-1", 10_00).await.expect(201);
    assert_eq!(counts(&house).await.get("new"), Some(&1), "what was given back was never bought");
    let _ = house.refunds(&order, "R-2", 2_500_00).await.expect(201);

    // Sixty-one days after the first purchase the member is cooling, and nobody had to ask.
    house.it_is("2026-05-02T00:06:00+08:00").await;
    eventually(async || {
        let counted = counts(&house).await;
        if counted.contains_key("cooling") { Ok(()) } else { Err(counted) }
    })
    .await;
    assert_eq!(counts(&house).await.get("cooling"), Some(&1));
    assert_eq!(members(&house, "new", 10).await, [] as [String; 0]);
    let rows = house.journal(&anna).await.concat();
    assert_eq!(rows[0]["kind"], "settlement");
    assert!(rows[0]["left"].as_array().unwrap().contains(&json!("new")), "{}", rows[0]);
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn every_member_is_in_one_entry_of_each_set_and_the_lists_are_the_counts() {
    let house = a_house().await;
    let crowd = house.members(60).await;
    for (n, member) in crowd.iter().enumerate() {
        let day = format!("{}-{:02}-15T12:00:00+08:00", 2025 + n % 2, 1 + n % 2 + n % 10 * (1 - n % 2));
        let _ = house.bought(member, &day, 100_00 * (n as u64 + 1)).await;
    }
    let list = house.as_role("manager", "GET", "/v1/segments").send().await.expect(200);
    for set in ["value", "stage", "journey"] {
        let entries = list["items"].as_array().unwrap().iter().filter(|item| item["set"] == set);
        let mut everybody = Vec::new();
        for entry in entries {
            let of_entry = members(&house, entry["id"].as_str().unwrap(), 7).await;
            assert_eq!(of_entry.len() as u64, entry["members"].as_u64().unwrap(), "{}", entry["id"]);
            everybody.extend(of_entry);
        }
        everybody.sort();
        everybody.dedup();
        assert_eq!(everybody.len(), crowd.len(), "{set}");
    }
}

#[tokio::test]
async fn an_explanation_names_the_values_the_wanted_and_the_day_of_the_next_change() {
    let house = a_house_at("2026-03-31T10:00:00+08:00").await;
    let anna = house.a_member("00001").await;
    house.it_is("2026-04-30T10:00:00+08:00").await;
    let reasons = why(&house, &anna).await;
    assert_eq!((&reasons["as_of"], &reasons["version"]), (&json!("2026-04-30"), &json!(1)));
    let of = |id: &str| {
        let items = reasons["items"].as_array().unwrap();
        items.iter().find(|item| item["segment"] == id).unwrap().clone()
    };
    let new = of("new");
    assert_eq!((&new["holds"], &new["until"]), (&json!(true), &json!("2026-05-31")), "{new}");
    assert_eq!(new["findings"][0]["found"], "30", "{new}");
    assert!(new["english"].as_str().unwrap().contains("In `new`"), "{new}");
    assert!(new["chinese"].as_str().unwrap().contains("属于"), "{new}");
    let cooling = of("cooling");
    assert_eq!((&cooling["holds"], &cooling["until"]), (&json!(false), &json!("2026-05-31")), "{cooling}");
    let rest = of("active_low");
    assert_eq!((&rest["holds"], &rest["taken_by"]), (&json!(false), &json!("new")), "{rest}");
}

#[tokio::test]
async fn a_saved_rule_is_judged_for_everybody_by_a_full_pass_and_a_deleted_one_is_left_by_all() {
    let house = a_house().await;
    let crowd = house.members(30).await;
    for member in &crowd[..12] {
        let _ = house.buys(member, 300_00).await;
    }
    let rule = "money >= 300 yuan and recency <= 1";
    let preview = house.as_manager("POST", "/v1/segments/keen/preview").json(&json!({ "rule": rule }));
    let preview = preview.send().await.expect(200);
    assert_eq!((&preview["count"], &preview["members"]), (&json!(12), &json!(30)), "{preview}");
    assert_eq!(preview["sample"].as_array().unwrap().len(), 12);
    assert_eq!(counts(&house).await.get("keen"), None, "a preview changes nothing");

    let body = json!({ "name": "热心顾客", "english": "Keen", "rule": "money >= 300元 且 最近购买 <= 1 天" });
    let saved = house.as_manager("PUT", "/v1/segments/keen").json(&body).send().await.expect(200);
    assert_eq!((&saved["rule"], &saved["version"]), (&json!(rule), &json!(2)));
    // Whoever buys before the pass comes by is judged at once.
    let _ = house.buys(&crowd[12], 300_00).await;
    let pass = full_pass(&house).await;
    assert_eq!((&pass["defects"], &pass["repair"]), (&json!(0), &json!(false)), "{pass}");
    assert_eq!(counts(&house).await.get("keen"), Some(&13));

    let delete = |tag: &str| house.as_manager("DELETE", "/v1/segments/keen").header("if-match", tag).send();
    delete("\"1\"").await.refuses(412, "version_moved");
    assert_eq!(delete("\"2\"").await.status, 204);
    let _ = full_pass(&house).await;
    assert_eq!(counts(&house).await.get("keen"), None);
    assert_eq!(house.as_manager("GET", "/v1/segments/keen").send().await.status, 404);
    assert_eq!(house.proof(&crowd[0]).await["balanced"], true);
}

#[tokio::test]
async fn a_segment_may_be_called_as_anything_of_the_tables_is() {
    let house = a_house().await;
    let names = ["member", "segment_shard", "shard", "since", "row", "version"];
    for name in names {
        let rule = json!({ "name": "大额", "rule": "money(90 days) >= 3000 yuan" });
        let _ = saves(&house, name, &rule).await.expect(200);
    }
    let anna = house.a_member("00001").await;
    let order = house.buys(&anna, 3_000_00).await;
    let counted = counts(&house).await;
    let _ = house.refunds(&order, "R-1", 3_000_00).await.expect(201);
    let after = counts(&house).await;
    for name in names {
        assert_eq!((counted.get(name), after.get(name)), (Some(&1), None), "{name}: {counted:?}, {after:?}");
    }
}

#[tokio::test]
async fn a_second_full_pass_under_the_same_rules_finds_nothing_to_change() {
    let house = a_house().await;
    for member in house.members(20).await {
        let _ = house.buys(&member, 50_00).await;
    }
    let start = || house.as_manager("POST", "/v1/segments/recompute").json(&json!({ "mode": "full" })).send();
    let (one, other) = tokio::join!(start(), start());
    let numbers = [&one.expect(202)["number"], &other.expect(202)["number"]].map(Value::clone);
    let first = full_pass(&house).await;
    assert!(numbers.iter().all(|number| *number == json!(1)) || first["number"] == json!(2), "{numbers:?}");
    let _ = start().await.expect(202);
    let again = full_pass(&house).await;
    assert_eq!(
        (&again["repair"], &again["changed"], &again["defects"]),
        (&json!(true), &json!(0), &json!(0)),
        "{again}"
    );
    let counted: BTreeMap<String, u64> = serde_json::from_value(again["segments"].clone()).unwrap();
    assert_eq!(counted, counts(&house).await);
}

#[tokio::test]
async fn the_plans_own_rules_leave_gaps_and_overlap_and_the_check_names_the_cells() {
    let house = a_house().await;
    let entry = |id: &str, rule: &str| json!({ "id": id, "name": id, "rule": rule });
    let check = async |body: Value| house.as_manager("POST", "/v1/segments/check").json(&body).send().await.expect(200);
    let plan = check(json!({ "mode": "exactly_one", "entries": [
        entry("a", "recency <= 30 and frequency >= 5 and money >= 2000 yuan"),
        entry("b", "recency <= 60 and frequency >= 2 and money >= 500 yuan"),
        entry("c", "recency >= 90 and frequency <= 1"),
        entry("d", "recency >= 180"),
    ] }))
    .await;
    assert_eq!(plan["valid"], false);
    let found = &plan["coverage"];
    assert!(found["gaps"].to_string().contains("61"), "{found}");
    assert!(!found["overlaps"].as_array().unwrap().is_empty(), "{found}");

    let shut = check(json!({ "entries": [entry("a", "everyone"), entry("b", "recency > 3")] })).await;
    assert_eq!((&shut["valid"], &shut["coverage"]["unreachable"]), (&json!(false), &json!(["b"])), "{shut}");
    let good = check(json!({ "rule": "频次 >= 2 且 非 (等级 = gold)" })).await;
    assert_eq!((&good["valid"], &good["rule"]), (&json!(true), &json!("frequency >= 2 and not tier = gold")), "{good}");
    let bad = check(json!({ "rule": "recency >= 3 and\n  monny > 5 yuan" })).await;
    assert_eq!((&bad["error"]["line"], &bad["error"]["column"]), (&json!(2), &json!(3)), "{bad}");
    assert!(bad["error"]["english"].as_str().unwrap().contains("money"), "{bad}");
}

#[tokio::test]
async fn a_rule_that_cannot_be_judged_is_refused_with_its_place_and_nothing_is_saved() {
    let house = a_house().await;
    let deep = format!("{}recency > 1{}", "(".repeat(1_000), ")".repeat(1_000));
    let nots = format!("{}recency > 1", "not ".repeat(1_000));
    let long = format!("recency > 1 {}", "or recency > 1 ".repeat(300));
    for rule in ["recency >", "monny > 5 yuan", "money > 5", "tier > 3", "recency = gold", "", &deep, &nots, &long] {
        let refused = house.as_manager("PUT", "/v1/segments/x").json(&json!({ "name": "某", "rule": rule }));
        let refused = refused.send().await;
        refused.refuses(422, "settings_flawed");
        assert_eq!(refused.json()["errors"][0]["pointer"], "/rule", "{}", refused.json());
    }
    let huge = json!({ "name": "某", "rule": "recency > 1 or ".repeat(7_000) });
    let huge = house.as_manager("PUT", "/v1/segments/x").json(&huge).send().await;
    assert!(matches!(huge.status, 413 | 422), "{}", huge.status);
    assert_eq!(house.as_manager("GET", "/v1/segments").send().await.expect(200)["version"], 1);
}

#[tokio::test]
async fn a_set_with_a_gap_is_refused_and_a_used_one_stays() {
    let house = a_house().await;
    let gap = json!({ "name": "组", "entries": [{ "id": "s.a", "name": "甲", "rule": "recency <= 10" }] });
    let refused = saves(&house, "s", &gap).await;
    refused.refuses(422, "settings_flawed");
    assert_eq!(refused.json()["errors"][0]["pointer"], "/entries", "{}", refused.json());

    let delete = |id: &str, tag: &str| {
        let path = format!("/v1/segments/{id}");
        house.as_manager("DELETE", &path).header("if-match", tag).send()
    };
    delete("value", "\"1\"").await.refuses(409, "segment_in_use");
    delete("dormant", "\"1\"").await.refuses(422, "entry_of_set");
    delete("nobody", "\"1\"").await.refuses(404, "not_found");
    saves(&house, "recompute", &json!({ "name": "某", "rule": "everyone" })).await.refuses(409, "id_taken");
    saves(&house, "value", &json!({ "name": "某", "rule": "everyone" })).await.refuses(409, "id_taken");
    let no_tag = house.as_manager("PUT", "/v1/segments/dormant").json(&json!({ "name": "沉", "rule": "recency > 9" }));
    no_tag.send().await.refuses(428, "if_match_missing");
}

#[tokio::test]
async fn a_tag_that_runs_out_takes_the_member_out_of_the_segment_that_night() {
    let house = a_house_at("2026-03-01T10:00:00+08:00").await;
    let anna = house.a_member("00001").await;
    let _ = saves(&house, "vip-week", &json!({ "name": "贵宾周", "rule": "tag = 贵宾" })).await;
    let _ = saves(&house, "vip-week", &json!({ "name": "贵宾周", "rule": "tag = \"贵宾\"" })).await.expect(200);
    let _ = full_pass(&house).await;
    let path = format!("/v1/members/{}/tags", anna.id);
    let tag = json!({ "add": ["贵宾"], "until": "2026-03-08" });
    assert_eq!(house.as_manager("POST", &path).json(&tag).send().await.expect(200), json!({ "tags": ["贵宾"] }));
    assert_eq!(members(&house, "vip-week", 5).await, std::slice::from_ref(&anna.id));
    house.host.scheduler.rest(true);
    house.it_is("2026-03-08T00:01:00+08:00").await;
    let drained = house.recomputes().await;
    assert_eq!((&drained["touched"], &drained["changed"]), (&json!(1), &json!(1)), "{drained}");
    assert_eq!(members(&house, "vip-week", 5).await, [] as [String; 0]);
}

#[tokio::test]
async fn a_merge_takes_the_absorbed_member_out_of_every_segment_and_an_undo_puts_them_back() {
    let house = a_house().await;
    let (anna, bo) = (house.a_member("00001").await, house.a_member("00002").await);
    let before = counts(&house).await;
    let path = format!("/v1/members/{}/merges", anna.id);
    let merge = json!({ "other": bo.id, "reason": "同一人" });
    let merged = house.as_manager("POST", &path).json(&merge).send().await;
    let merged = merged.expect(merged.status.min(299));
    let together = counts(&house).await;
    let everybody = |counts: &BTreeMap<String, u64>| {
        ["prospect", "new", "active_low", "potential"].iter().filter_map(|id| counts.get(*id)).sum::<u64>()
    };
    assert_eq!((everybody(&before), everybody(&together)), (2, 1), "{together:?}");
    let undo = format!("{path}/{}", merged["merge"].as_str().or(merged["id"].as_str()).unwrap());
    let undone = house.as_manager("DELETE", &undo).send().await;
    assert!(undone.status < 300, "{}", undone.json());
    assert_eq!(counts(&house).await, before);
}

#[tokio::test]
async fn whatever_comes_first_after_midnight_moves_a_member_whom_the_night_has_not_reached() {
    let house = a_house_at("2026-03-02T10:00:00+08:00").await;
    let anna = house.a_member("00001").await;
    let _ = house.buys(&anna, 100_00).await;
    assert!(segments_of(&house, &anna).await.contains(&"new".to_owned()));
    house.host.scheduler.rest(true);
    house.it_is("2026-06-02T10:00:00+08:00").await;
    let check_in = house.as_member(&anna, "POST", "/v1/me/points/check-ins").key("a-check-in-of-anna");
    let _ = check_in.send().await.expect(201);
    let counts = counts(&house).await;
    assert_eq!((counts.get("new"), counts.get("churn_warning")), (None, Some(&1)), "{counts:?}");
}

#[tokio::test]
async fn a_guide_learns_why_own_customers_are_in_a_segment_and_nothing_of_others() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let why = house.as_guide("mei", "GET", &format!("/v1/members/{}/segments", anna.id)).send().await;
    why.refuses(404, "not_found");
}
