//! How it was: asked at most once in a while, answered once.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{House, Member};

use super::doings::{a_house_with_anna, closes, decides, mine, opens, queue, read, writes, writes_to_member};

#[tokio::test]
async fn a_bad_answer_opens_a_managers_ticket_that_leads_back_and_that_the_member_does_not_see() {
    let (house, anna) = a_house_with_anna().await;
    let (ticket, path) = a_survey(&house, &anna).await;
    let answer = json!({ "csat": 1, "nps": 2, "words": "等了三天" });
    assert_eq!(house.call("POST", &path).json(&answer).send().await.expect(200)["next"], "follow_up");
    let whole = read(&house, &ticket).await;
    let follow_up = json!({ "id": whole["followed_by"][0] });
    assert_eq!(queue(&house, "management").await, [follow_up["id"].clone()]);
    let seen = read(&house, &follow_up).await;
    assert_eq!((&seen["follows"], &seen["records"][0]["text"]), (&ticket["id"], &json!("等了三天")));
    mine(&house, &anna, &follow_up).await.refuses(404, "not_found");
    writes(&house, &anna, &follow_up, "?").await.refuses(404, "not_found");
    let list = house.as_member(&anna, "GET", "/v1/me/tickets").send().await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_good_answer_tags_the_advocate() {
    let (house, anna) = a_house_with_anna().await;
    let (ticket, path) = a_survey(&house, &anna).await;
    let answer = house.call("POST", &path).json(&json!({ "csat": 5, "nps": 10 })).send().await;
    assert_eq!(answer.expect(200)["next"], "invitation");
    house.it_is("2026-03-02T10:05:00+08:00").await;
    assert_eq!(house.picture(&anna.id).await["tags"], json!(["工单已结", "推荐者"]));
    let records = read(&house, &ticket).await["records"].clone();
    let whats: Vec<&str> = records.as_array().unwrap().iter().map(|r| r["what"].as_str().unwrap()).collect();
    assert_eq!(whats, ["opened", "member_closed", "answered", "advocate_tagged"]);
}

#[tokio::test]
async fn an_advocate_is_in_the_segment_of_advocates_and_no_longer_among_the_others() {
    let (house, anna) = a_house_with_anna().await;
    for (id, rule) in [("advocates", "tag = \"推荐者\""), ("others", "not tag = \"推荐者\"")] {
        let tag = house.as_manager("GET", "/v1/segments").send().await.header("etag").to_owned();
        let save = house.as_manager("PUT", &format!("/v1/segments/{id}")).header("if-match", &tag);
        let _ = save.json(&json!({ "name": id, "rule": rule })).send().await.expect(200);
    }
    let of = |id: &'static str| {
        let list = house.as_manager("GET", "/v1/segments").send();
        async move {
            let list = list.await.expect(200);
            list["items"].as_array().unwrap().iter().find(|item| item["id"] == id).unwrap()["members"].clone()
        }
    };
    let _ = house.buys(&anna, 100_00).await;
    assert_eq!((of("advocates").await, of("others").await), (json!(0), json!(1)));
    let (_, path) = a_survey(&house, &anna).await;
    let _ = house.call("POST", &path).json(&json!({ "csat": 5, "nps": 10 })).send().await.expect(200);
    house.it_is("2026-03-02T10:05:00+08:00").await;
    assert_eq!((of("advocates").await, of("others").await), (json!(1), json!(0)));
}

#[tokio::test]
async fn who_had_a_ticket_solved_is_in_a_segment_for_a_week_and_spam_solves_nothing() {
    let (house, anna) = a_house_with_anna().await;
    let spam = opens(&house, &anna, "quality", "?").await;
    let _ = decides(&house, &spam, &json!({ "spam": true })).await.expect(200);
    assert_eq!(solved_lately(&house).await, 0);
    let ticket = opens(&house, &anna, "quality", "开胶").await;
    let _ = writes_to_member(&house, &ticket, json!({ "text": "换新", "then": "closed" })).await.expect(201);
    assert_eq!(solved_lately(&house).await, 1);
    house.it_is("2026-03-08T12:00:00+08:00").await;
    assert_eq!(solved_lately(&house).await, 1);
    house.it_is("2026-03-09T12:00:00+08:00").await;
    assert_eq!(solved_lately(&house).await, 0);
    assert!(house.proof(&anna).await["fault"].is_null());
}

/// How many members had a ticket solved lately.
async fn solved_lately(house: &House) -> u64 {
    let list = house.as_manager("GET", "/v1/segments").send().await.expect(200);
    let segment = list["items"].as_array().unwrap().iter().find(|item| item["id"] == "scene.ticket_closed").unwrap();
    segment["members"].as_u64().unwrap()
}

#[tokio::test]
async fn a_survey_link_counts_once_and_for_a_week_and_none_can_be_made_up() {
    let (house, anna) = a_house_with_anna().await;
    let (_, path) = a_survey(&house, &anna).await;
    let answer = |path: &str, body: Value| house.call("POST", path).json(&body).send();
    for bad in
        [json!({}), json!({ "csat": 0 }), json!({ "csat": 6 }), json!({ "csat": 5, "nps": 11 }), json!({ "csat": 4.5 })]
    {
        answer(&path, bad).await.refuses(400, "body_invalid");
    }
    let answers = join_all((0..10).map(|_| answer(&path, json!({ "csat": 4 })))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    answer(&path, json!({ "csat": 4 })).await.refuses(409, "survey_used");
    for forged in ["/v1/surveys/x", &format!("{path}A"), &path.replace("/v1/surveys/A", "/v1/surveys/B")] {
        answer(forged, json!({ "csat": 4 })).await.refuses(404, "survey_unknown");
    }
    let bo = house.signs_up("bo", &json!({})).await;
    let (_, late) = a_survey(&house, &bo).await;
    house.it_is("2026-03-09T12:00:00+08:00").await;
    answer(&late, json!({ "csat": 4 })).await.refuses(409, "survey_expired");
}

#[tokio::test]
async fn nobody_is_asked_twice_within_two_weeks_nor_about_spam() {
    let (house, anna) = a_house_with_anna().await;
    let _ = a_survey(&house, &anna).await;
    let asked = |ticket: Value| {
        let (house, anna) = (&house, &anna);
        async move { closes(house, anna, &ticket).await.expect(200)["survey"].is_object() }
    };
    assert!(!asked(opens(&house, &anna, "price", "贵").await).await);
    house.it_is("2026-03-16T09:30:00+08:00").await;
    assert!(!asked(opens(&house, &anna, "price", "贵").await).await);
    house.it_is("2026-03-16T10:05:00+08:00").await;
    let spam = opens(&house, &anna, "other", "广告").await;
    assert_eq!(decides(&house, &spam, &json!({ "spam": true })).await.expect(200)["ending"], "spam");
    assert_eq!(mine(&house, &anna, &spam).await.expect(200)["survey"], Value::Null);
    assert!(asked(opens(&house, &anna, "price", "贵").await).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_tickets_that_are_closed_at_once_ask_once() {
    let (house, anna) = a_house_with_anna().await;
    let mut opened = Vec::new();
    for n in 0..10 {
        opened.push(opens(&house, &anna, "price", &format!("贵{n}")).await);
    }
    let closed = join_all(opened.iter().map(|ticket| closes(&house, &anna, ticket))).await;
    let asked = closed.iter().filter(|answer| answer.expect(200)["survey"].is_object()).count();
    assert_eq!(asked, 1);
    let board = house.as_manager("GET", "/v1/reports/tickets").send().await.expect(200);
    assert_eq!((&board["satisfaction"]["asked"], &board["resolution"]["count"]), (&json!(1), &json!(10)));
}

/// A ticket that the member has closed, and the path of its survey.
async fn a_survey(house: &House, member: &Member) -> (Value, String) {
    let ticket = opens(house, member, "quality", "开胶").await;
    let closed = closes(house, member, &ticket).await.expect(200);
    (ticket, closed["survey"]["path"].as_str().unwrap().to_owned())
}
