//! Many at once: what is counted once alone is counted once in a crowd.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{Answer, House, Member, a_house, order};

#[tokio::test(flavor = "multi_thread")]
async fn ten_of_fifty_racing_redemptions_win() {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 10_000).await;
    let answers = join_all((0..50).map(|_| house.redeems(&anna, "cash-10", 1))).await;
    let (won, lost) = told_apart(&answers, 201);
    assert_eq!((won.len(), lost.len()), (10, 40));
    for answer in lost {
        answer.refuses(422, "not_enough_points");
    }
    assert_eq!(house.books(&anna).await, [0, 0, 0, 0]);
    assert_whole(&house, &anna, 2 + 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_equal_requests_at_once_have_one_effect_and_one_answer() {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 10_000).await;
    let body = json!({ "reward": "cash-10" });
    let redeem = || house.as_member(&anna, "POST", "/v1/me/points/redemptions").key("one-key-1").json(&body).send();
    assert_alike(&join_all((0..50).map(|_| redeem())).await, 201);
    assert_eq!(house.books(&anna).await, [9_000, 0, 0, 0]);

    let check_in = || house.as_member(&anna, "POST", "/v1/me/points/check-ins").key("today-001").send();
    assert_alike(&join_all((0..50).map(|_| check_in())).await, 201);
    assert_eq!(house.books(&anna).await, [9_002, 0, 0, 0]);

    let body = json!({ "member_id": anna.id, "points": 9_000, "minutes": 5 });
    let hold = || house.as_till("POST", "/v1/points/holds").key("one-hold").json(&body).send();
    let holds = join_all((0..50).map(|_| hold())).await;
    assert_alike(&holds, 201);
    assert_eq!(house.books(&anna).await, [2, 0, 9_000, 0]);

    let hold = holds[0].json();
    assert_alike(&join_all((0..50).map(|_| house.captures(&hold, None))).await, 200);
    assert_eq!(house.books(&anna).await, [2, 0, 0, 0]);
    assert_whole(&house, &anna, 2 + 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_deliveries_of_one_order_at_once_are_one_order() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let sale = order("A-1", &json!({ "card": "00001" }), &house.now(), 100_00);
    let results = join_all((0..50).map(|_| house.sends(std::slice::from_ref(&sale)))).await.concat();
    let created = results.iter().filter(|result| result["status"] == "created").count();
    assert_eq!(created, 1);
    assert!(results.iter().all(|result| result["points"] == 100), "{results:?}");
    assert_eq!(house.books(&anna).await, [0, 100, 0, 0]);
    assert_whole(&house, &anna, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_first_orders_of_one_unknown_card_make_one_member() {
    let house = a_house().await;
    let sales = (0..20).map(|n| order(&format!("A-{n}"), &json!({ "card": "new-one" }), &house.now(), 10_00));
    let sales: Vec<Value> = sales.collect();
    let results = join_all(sales.iter().map(|sale| house.sends(std::slice::from_ref(sale)))).await.concat();
    assert!(results.iter().all(|result| result["status"] == "created"), "{results:?}");
    let members: BTreeSet<&str> = results.iter().map(|result| result["member_id"].as_str().unwrap()).collect();
    assert_eq!(members.len(), 1, "{members:?}");
    let id = (*members.first().unwrap()).to_owned();
    let member = Member { card: "new-one".to_owned(), token: house.token("member", Some(&id)), id };
    assert_eq!(house.books(&member).await, [0, 200, 0, 0]);
    assert_whole(&house, &member, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_at_once_never_give_back_more_than_was_paid() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    let sale = house.buys(&anna, 100_00).await;
    let ids: Vec<String> = (0..20).map(|n| format!("R-{n}")).collect();
    let answers = join_all(ids.iter().map(|id| house.refunds(&sale, id, 30_00))).await;
    let (won, lost) = told_apart(&answers, 201);
    assert_eq!((won.len(), lost.len()), (3, 17));
    for answer in lost {
        answer.refuses(422, "refund_exceeds_paid");
    }
    let taken: u64 = won.iter().map(|answer| answer.json()["clawed_back"].as_u64().unwrap()).sum();
    assert_eq!((taken, house.books(&anna).await), (90, [0, 10, 0, 0]));

    assert_alike(&join_all((0..20).map(|_| house.refunds(&sale, "R-last", 10_00))).await, 201);
    assert_eq!(house.books(&anna).await, [0, 0, 0, 0]);
    assert_whole(&house, &anna, 2 + 3 + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_at_once_never_reserve_more_than_there_is() {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 1_000).await;
    let answers = join_all((0..30).map(|_| house.holds(&anna, 150, 15))).await;
    let (won, lost) = told_apart(&answers, 201);
    assert_eq!((won.len(), lost.len()), (6, 24));
    for answer in lost {
        answer.refuses(422, "not_enough_points");
    }
    assert_eq!(house.books(&anna).await, [100, 0, 900, 0]);

    let ends = won.iter().map(|hold| hold.json()).collect::<Vec<_>>();
    let captured = join_all(ends.iter().map(|hold| house.captures(hold, None)));
    let released = join_all(ends.iter().map(|hold| house.releases(hold)));
    let (captured, released) = tokio::join!(captured, released);
    for (captured, released) in captured.iter().zip(&released) {
        let (won, lost) = if captured.status == 200 { (captured, released) } else { (released, captured) };
        let _ = won.expect(200);
        lost.refuses(409, "hold_closed");
    }
    let spent = u64::try_from(captured.iter().filter(|answer| answer.status == 200).count()).unwrap() * 150;
    assert_eq!(house.books(&anna).await, [1_000 - spent, 0, 0, 0]);
    assert_whole(&house, &anna, 2 + 6 + 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_savings_of_the_same_settings_wins() {
    let house = a_house().await;
    let (program, tag) = house.program().await;
    let save = || house.as_manager("PUT", "/v1/program").header("if-match", &tag).json(&program).send();
    let answers = join_all((0..20).map(|_| save())).await;
    let (won, lost) = told_apart(&answers, 200);
    assert_eq!((won.len(), lost.len()), (1, 19));
    for answer in lost {
        answer.refuses(412, "version_moved");
    }
    assert_eq!(house.program().await.1, "\"2\"");
}

fn told_apart(answers: &[Answer], won: u16) -> (Vec<&Answer>, Vec<&Answer>) {
    answers.iter().partition(|answer| answer.status == won)
}

#[track_caller]
fn assert_alike(answers: &[Answer], status: u16) {
    let _ = answers[0].expect(status);
    for answer in answers {
        assert_eq!((answer.status, &answer.text), (status, &answers[0].text), "{}", answer.asked);
    }
}

async fn assert_whole(house: &House, member: &Member, rows: u64) {
    let proof = house.proof(member).await;
    assert_eq!((&proof["balanced"], &proof["entries"]), (&json!(true), &json!(rows)), "{proof}");
}
