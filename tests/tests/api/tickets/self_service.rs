//! Answers before tickets.

use serde_json::{Value, json};
use tests::{Answer, House, Member};

use super::doings::a_house_with_anna;

#[tokio::test]
async fn a_question_is_answered_or_becomes_a_ticket_with_its_text_and_both_are_counted_once() {
    let (house, anna) = a_house_with_anna().await;
    let found = asks(&house, &anna, "衣服不合适怎么退货").await.expect(200);
    assert_eq!(found["items"][0]["id"], "returns");
    let outcome = |search: &Value, solved: bool| {
        let body = json!({ "search": search["search"], "solved": solved, "type": "size_return" });
        house.as_member(&anna, "POST", "/v1/me/faq/outcomes").json(&body).send()
    };
    assert_eq!(outcome(&found, true).await.expect(200), json!({}));
    assert_eq!(outcome(&found, true).await.expect(200), json!({}));
    let nothing = asks(&house, &anna, "裙子掉色了").await.expect(200);
    assert_eq!(nothing["items"], json!([]));
    let ticket = outcome(&nothing, false).await.expect(201)["ticket"].clone();
    assert_eq!(outcome(&nothing, false).await.expect(201)["ticket"], ticket);
    assert_eq!((&ticket["messages"][0]["text"], &ticket["type"]), (&json!("裙子掉色了"), &json!("size_return")));
    let board = house.as_manager("GET", "/v1/reports/tickets").send().await.expect(200);
    let counted = json!({ "asked": 2, "answered": 1, "solved": 1, "unsolved": 1, "solved_per_10000": 5_000 });
    assert_eq!((&board["self_service"], &board["opened"]), (&counted, &json!(1)));
}

#[tokio::test]
async fn a_search_is_its_members_own() {
    let (house, anna) = a_house_with_anna().await;
    let bo = house.signs_up("bo", &json!({})).await;
    let found = asks(&house, &anna, "怎么退货").await.expect(200);
    for search in [&found["search"], &json!("made-up")] {
        let body = json!({ "search": search, "solved": false });
        let call = house.as_member(&bo, "POST", "/v1/me/faq/outcomes").json(&body);
        call.send().await.refuses(422, "search_unknown");
    }
    for bad in ["", " ", &"很".repeat(201)] {
        asks(&house, &anna, bad).await.refuses(400, "body_invalid");
    }
    let _ = asks(&house, &anna, &"😀".repeat(200)).await.expect(200);
}

async fn asks(house: &House, member: &Member, text: &str) -> Answer {
    house.as_member(member, "POST", "/v1/me/faq").json(&json!({ "text": text })).send().await
}
