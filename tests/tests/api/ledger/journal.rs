//! The journal page by page, and the proof of a balance.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use huitou::values::RowKey;
use serde_json::{Value, json};
use tests::{House, Member, a_house, order};

#[tokio::test]
async fn the_journal_is_read_page_by_page_without_a_gap() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    for _ in 0..2 {
        let run = house.number();
        let orders: Vec<Value> = (0..25)
            .map(|n| order(&format!("J-{run}-{n}"), &json!({ "member_id": anna.id }), &house.now(), 1_00))
            .collect();
        let _ = house.sends(&orders).await;
    }
    let pages = house.journal(&anna).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [24, 24, 3]);
    let rows: Vec<&Value> = pages.iter().flatten().collect();
    let sequences: Vec<u64> = rows.iter().map(|row| row["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, (1..=51).rev().collect::<Vec<_>>());
    let balances: Vec<u64> = rows.iter().map(|row| row["balance"]["pending"].as_u64().unwrap()).collect();
    assert_eq!(balances, (0..=50).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_movement_has_one_id_and_names_what_it_is_about_beside_it() {
    let house = a_house().await;
    let anna = house.a_member_with("00001", 500).await;
    let sale = house.buys(&anna, 100_00).await;
    let refund = house.refunds(&sale, "R-1", 10_00).await;
    let hold = house.holds(&anna, 10, 15).await;
    let event = json!({ "source": "shop", "id": "E-1", "event": "review", "at": house.now(),
        "customer": { "member_id": anna.id } });
    let event = house.as_till("POST", "/v1/events").json(&json!({ "events": [event] })).send().await;
    for (answer, own_id) in [
        (&refund, (refund.json()["refund"].clone(), json!("R-1"))),
        (&hold, (hold.json()["hold"].clone(), hold.json()["id"].clone())),
        (&event, (event.json()["results"][0]["recorded"]["event_id"].clone(), json!("E-1"))),
    ] {
        assert_eq!(answer.count("\"id\":"), 1, "{}: {}", answer.asked, String::from_utf8_lossy(&answer.text));
        assert_eq!(own_id.0, own_id.1);
    }
}

#[tokio::test]
async fn a_journal_of_exactly_one_page_has_no_next_one() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    for _ in 0..23 {
        let _ = house.gives(&anna, 1).await.expect(201);
    }
    let pages = house.journal(&anna).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [24]);
}

#[tokio::test]
async fn a_page_stays_what_it_was_while_new_rows_come() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    for _ in 0..30 {
        let _ = house.gives(&anna, 1).await.expect(201);
    }
    let first = house.as_member(&anna, "GET", "/v1/me/points/entries").send().await.expect(200);
    let path = format!("/v1/me/points/entries?cursor={}", first["next"].as_str().unwrap());
    let second = house.as_member(&anna, "GET", &path).send().await.expect(200);
    let _ = house.gives(&anna, 1).await.expect(201);
    assert_eq!(house.as_member(&anna, "GET", &path).send().await.expect(200), second);
}

#[tokio::test]
async fn a_balance_is_proven_to_the_member_and_to_the_manager_alike() {
    let house = a_house().await;
    let anna = somebody_with_a_history(&house).await;
    let mine = house.proof(&anna).await;
    assert_eq!(mine["balanced"], true);
    assert_eq!(mine["entries"], json!(house.journal(&anna).await.concat().len()));
    assert_eq!(mine["head"].as_str().unwrap().len(), 64);
    let points = house.points(&anna).await;
    for book in ["available", "pending", "held", "debt"] {
        assert_eq!(mine[book], points[book], "{book}");
    }
    let path = format!("/v1/points/proof?member_id={}", anna.id);
    assert_eq!(house.as_manager("GET", &path).send().await.expect(200), mine);
    house.it_is("2028-01-01T10:00:00+08:00").await;
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

#[tokio::test]
async fn a_proof_fails_when_somebody_changed_any_row_of_the_journal() {
    let house = a_house().await;
    let anna = somebody_with_a_history(&house).await;
    let rows = house.journal(&anna).await.concat();
    for row in &rows {
        let id = row["id"].as_str().unwrap();
        let stored = stored_row(&house, id).await;
        store_row(&house, id, &stored.replacen("2026", "2027", 1)).await;
        let proof = house.proof(&anna).await;
        assert_eq!(proof["balanced"], false, "{stored}");
        assert!(proof["fault"]["kind"].is_string(), "{proof}");
        store_row(&house, id, "{}").await;
        assert_eq!(house.proof(&anna).await["balanced"], false, "{stored}");
        store_row(&house, id, &stored).await;
        assert_eq!(house.proof(&anna).await["balanced"], true, "{stored}");
    }
}

#[tokio::test]
async fn a_proof_fails_when_a_row_of_the_journal_is_gone() {
    let house = a_house().await;
    let anna = somebody_with_a_history(&house).await;
    for row in house.journal(&anna).await.concat() {
        let id = row["id"].as_str().unwrap();
        let stored = stored_row(&house, id).await;
        let gone = house.host.table.sdk().delete_item().table_name("Journal").key("row", row_key(id));
        gone.send().await.unwrap();
        assert_eq!(house.proof(&anna).await["balanced"], false, "{stored}");
        store_row(&house, id, &stored).await;
    }
    assert_eq!(house.proof(&anna).await["balanced"], true);
}

/// A dozen rows of different kinds.
async fn somebody_with_a_history(house: &House) -> Member {
    let anna = house.a_member_with("00001", 5_000).await;
    let sale = house.buys(&anna, 999_00).await;
    let _ = house.refunds(&sale, "R-1", 99_00).await.expect(201);
    let _ = house.redeems(&anna, "cash-10", 1).await.expect(201);
    let hold = house.holds(&anna, 100, 15).await.expect(201);
    let _ = house.captures(&hold, Some(40)).await.expect(200);
    let _ = house.checks_in(&anna).await.expect(201);
    for _ in 0..4 {
        let _ = house.buys(&anna, 50_00).await;
    }
    let _ = house.holds(&anna, 100, 15).await.expect(201);
    anna
}

fn row_key(id: &str) -> AttributeValue {
    AttributeValue::B(Blob::new(*RowKey::parse(id).unwrap().bytes()))
}

async fn stored_row(house: &House, id: &str) -> String {
    let table = &house.host.table.sdk();
    let answer = table.get_item().table_name("Journal").key("row", row_key(id)).send().await.unwrap();
    answer.item.unwrap()["entry"].as_s().unwrap().clone()
}

async fn store_row(house: &House, id: &str, text: &str) {
    let put = house.host.table.sdk().put_item().table_name("Journal").item("row", row_key(id));
    put.item("entry", AttributeValue::S(text.to_owned())).send().await.unwrap();
}
