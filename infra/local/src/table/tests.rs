use std::fs;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};

use super::*;
use crate::data_dir::tests::scratch;
use crate::in_process::{Fault, Faults};
use crate::template::Template;

fn tables() -> Vec<Table> {
    Template::shipped().unwrap().tables
}

fn memory() -> Embedded {
    Embedded::open(None, &tables()).unwrap()
}

fn client(embedded: &Embedded) -> Client {
    embedded.sdk()
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

async fn put_member(client: &Client, member: &str) {
    client.put_item().table_name("Members").item("member", text(member)).send().await.unwrap();
}

async fn has_member(client: &Client, member: &str) -> bool {
    let answer = client.get_item().table_name("Members").key("member", text(member)).send().await.unwrap();
    answer.item.is_some()
}

#[tokio::test]
async fn the_real_client_reads_what_it_wrote() {
    let client = client(&memory());
    put_member(&client, "m1").await;
    assert!(has_member(&client, "m1").await);
    assert!(!has_member(&client, "m2").await);
}

#[tokio::test]
async fn a_condition_that_fails_is_known_to_the_client_as_such() {
    let client = client(&memory());
    put_member(&client, "m1").await;
    let again = client
        .put_item()
        .table_name("Members")
        .item("member", text("m1"))
        .condition_expression("attribute_not_exists(#m)")
        .expression_attribute_names("#m", "member")
        .send()
        .await;
    assert!(again.unwrap_err().into_service_error().is_conditional_check_failed_exception());
}

fn transfer(row: u8) -> [TransactWriteItem; 2] {
    let put = Put::builder()
        .table_name("Journal")
        .item("row", AttributeValue::B(Blob::new([row])))
        .condition_expression("attribute_not_exists(#r)")
        .expression_attribute_names("#r", "row")
        .build()
        .unwrap();
    let update = Update::builder()
        .table_name("Members")
        .key("member", text("m1"))
        .update_expression("ADD points :p")
        .expression_attribute_values(":p", number(5))
        .build()
        .unwrap();
    [TransactWriteItem::builder().put(put).build(), TransactWriteItem::builder().update(update).build()]
}

#[tokio::test]
async fn a_transaction_happens_once_and_says_which_part_refused_the_second() {
    let client = client(&memory());
    let transact = || client.transact_write_items().set_transact_items(Some(transfer(1).to_vec())).send();
    transact().await.unwrap();
    let refused = transact().await.unwrap_err().into_service_error();
    let reasons = match refused {
        aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(e) => {
            e.cancellation_reasons.unwrap()
        }
        other => panic!("{other:?}"),
    };
    let codes: Vec<_> = reasons.iter().map(|r| r.code.as_deref().unwrap()).collect();
    assert_eq!(codes, ["ConditionalCheckFailed", "None"]);
}

#[tokio::test]
async fn the_due_index_finds_only_members_who_have_a_date() {
    let client = client(&memory());
    put_member(&client, "never").await;
    let dated = client.put_item().table_name("Members").item("member", text("soon"));
    dated.item("due_shard", number(3)).item("due_on", number(20_000)).send().await.unwrap();
    let due = client
        .query()
        .table_name("Members")
        .index_name("due")
        .key_condition_expression("due_shard = :s AND due_on <= :d")
        .expression_attribute_values(":s", number(3))
        .expression_attribute_values(":d", number(20_001))
        .send()
        .await
        .unwrap();
    assert_eq!(due.count, 1);
    assert_eq!(due.items()[0]["member"], text("soon"));
}

#[tokio::test]
async fn a_table_that_does_not_exist_is_known_to_the_client_as_such() {
    let client = client(&memory());
    let missing = client.get_item().table_name("Nothing").key("member", text("m1")).send().await;
    assert!(missing.unwrap_err().into_service_error().is_resource_not_found_exception());
}

#[tokio::test]
async fn what_was_written_is_there_after_the_file_is_opened_again() {
    let path = scratch("table-again").join("table.sqlite");
    let first = Embedded::open(Some(&path), &tables()).unwrap();
    put_member(&client(&first), "m1").await;
    drop(first);
    let second = Embedded::open(Some(&path), &tables()).unwrap();
    assert!(has_member(&client(&second), "m1").await);
}

#[test]
fn a_table_from_before_it_had_a_stream_gets_one_and_keeps_it() {
    let path = scratch("table-stream").join("table.sqlite");
    let mut before = tables();
    for table in &mut before {
        table.stream = None;
    }
    let enters = |embedded: &Embedded, member: &str| {
        let item = json!({ "segment_shard": { "S": "new#00" }, "member": { "S": member } });
        let request = json!({ "TableName": "Memberships", "Item": item });
        assert_eq!(embedded.dispatch("PutItem", request.to_string().as_bytes()).status, 200);
    };
    enters(&Embedded::open(Some(&path), &before).unwrap(), "m1");
    for (member, told) in [("m2", 1), ("m3", 2)] {
        let embedded = Embedded::open(Some(&path), &tables()).unwrap();
        enters(&embedded, member);
        assert_eq!(embedded.oldest_in_stream("Memberships", 10).unwrap().len(), told);
    }
}

#[test]
fn a_damaged_file_is_refused_in_a_sentence() {
    let path = scratch("table-damaged").join("table.sqlite");
    fs::write(&path, "this is no database, and long enough to be taken for one by its size".repeat(100)).unwrap();
    let refusal = Embedded::open(Some(&path), &tables()).unwrap_err().to_string();
    assert!(refusal.contains("is damaged") && refusal.contains("delete it to start empty"), "{refusal}");
}

#[tokio::test]
async fn a_file_with_a_hole_in_its_middle_is_refused_in_a_sentence() {
    let path = scratch("table-hole").join("table.sqlite");
    let embedded = Embedded::open(Some(&path), &tables()).unwrap();
    for n in 0..200 {
        put_member(&client(&embedded), &format!("member-{n}")).await;
    }
    drop(embedded);
    let mut bytes = fs::read(&path).unwrap();
    for byte in bytes.iter_mut().skip(4096) {
        *byte = 0x5a;
    }
    fs::write(&path, bytes).unwrap();
    let refusal = Embedded::open(Some(&path), &tables()).unwrap_err().to_string();
    assert!(refusal.contains("is damaged"), "{refusal}");
}

#[tokio::test]
async fn expired_items_go_by_business_time() {
    let embedded = memory();
    let client = client(&embedded);
    let in_1998 = Moment::parse("1998-06-30T12:00:00+08:00").unwrap();
    for (request, gone_at) in [("past", in_1998.seconds() - 1), ("future", in_1998.seconds() + 86_400)] {
        let item = client.put_item().table_name("Requests").item("request", text(request));
        item.item("gone_at", number(gone_at)).send().await.unwrap();
    }
    assert_eq!(embedded.remove_expired(&tables(), in_1998).unwrap(), 1);
    let left = client.scan().table_name("Requests").send().await.unwrap();
    assert_eq!(left.items()[0]["request"], text("future"));
}

fn impatient(embedded: &Embedded, faults: &Faults) -> Client {
    let config = Embedded::client(embedded.faulty_http_client(faults.clone())).config().to_builder();
    Client::from_conf(config.retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled()).build())
}

#[tokio::test]
async fn a_call_that_never_arrives_changes_nothing() {
    let (embedded, faults) = (memory(), Faults::none());
    let client = impatient(&embedded, &faults);
    faults.on_call(1, Fault::Unreachable);
    let put = client.put_item().table_name("Members").item("member", text("m1")).send().await;
    assert!(matches!(put, Err(SdkError::DispatchFailure(_))));
    assert!(!has_member(&client, "m1").await);
    assert_eq!(faults.calls(), 2);
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_has_happened() {
    let (embedded, faults) = (memory(), Faults::none());
    let client = impatient(&embedded, &faults);
    faults.on_call(1, Fault::AnswerLost);
    assert!(client.put_item().table_name("Members").item("member", text("m1")).send().await.is_err());
    assert!(has_member(&client, "m1").await);
}

#[tokio::test]
async fn a_process_that_died_makes_no_further_call() {
    let (embedded, faults) = (memory(), Faults::none());
    let client = impatient(&embedded, &faults);
    faults.die_during_call(1);
    for member in ["m1", "m2"] {
        assert!(client.put_item().table_name("Members").item("member", text(member)).send().await.is_err());
    }
    faults.heal();
    assert!(has_member(&client, "m1").await);
    assert!(!has_member(&client, "m2").await);
}

#[tokio::test]
async fn throttling_and_conflicts_look_as_they_do_on_aws() {
    let (embedded, faults) = (memory(), Faults::none());
    let client = impatient(&embedded, &faults);
    faults.on_call(1, Fault::Throttled);
    let throttled = client.get_item().table_name("Members").key("member", text("m1")).send().await.unwrap_err();
    assert!(throttled.into_service_error().is_provisioned_throughput_exceeded_exception());
    faults.on_call(1, Fault::TransactionConflict);
    let conflict = client.transact_write_items().set_transact_items(Some(transfer(1).to_vec())).send().await;
    assert!(conflict.unwrap_err().into_service_error().is_transaction_canceled_exception());
    faults.on_call(1, Fault::TransactionConflict);
    let put = client.put_item().table_name("Members").item("member", text("m1")).send().await.unwrap_err();
    assert_eq!(put.code(), Some("TransactionConflictException"));
}

#[tokio::test]
async fn one_lost_call_is_repeated_by_the_client_itself() {
    let (embedded, faults) = (memory(), Faults::none());
    let client = Embedded::client(embedded.faulty_http_client(faults.clone()));
    faults.on_call(1, Fault::Unreachable);
    put_member(&client, "m1").await;
    assert_eq!(faults.calls(), 2);
}

#[tokio::test]
async fn a_transaction_whose_answer_was_lost_is_repeated_without_happening_twice() {
    let (embedded, faults) = (memory(), Faults::none());
    let client = Embedded::client(embedded.faulty_http_client(faults.clone()));
    faults.on_call(1, Fault::AnswerLost);
    client.transact_write_items().set_transact_items(Some(transfer(1).to_vec())).send().await.unwrap();
    assert_eq!(faults.calls(), 2);
    let answer = client.get_item().table_name("Members").key("member", text("m1")).send().await.unwrap();
    assert_eq!(answer.item.unwrap()["points"], number(5));
}

/// A transaction whose last item is in a table that is not there.
fn half_into_nowhere(member: &str) -> Value {
    json!({ "TransactItems": [
        { "Put": { "TableName": "Members", "Item": { "member": { "S": member } } } },
        { "Put": { "TableName": "Nowhere", "Item": { "thing": { "S": "a" } } } },
    ] })
}

#[tokio::test]
async fn a_transaction_that_names_a_table_which_is_not_there_writes_nothing() {
    let directory = scratch("nowhere");
    for embedded in [memory(), Embedded::open(Some(&directory.join("table.sqlite")), &tables()).unwrap()] {
        let service = Arc::new(embedded.clone());
        // Alone, and several together, as the writer of a file takes them.
        for count in [1, 5] {
            let requests = (0..count).map(|n| half_into_nowhere(&format!("m{count}-{n}")).to_string());
            let writes = requests.map(|body| Arc::clone(&service).answer("TransactWriteItems".to_owned(), body.into()));
            for answer in futures_util::future::join_all(writes).await {
                let said = String::from_utf8_lossy(&answer.body).into_owned();
                assert!(answer.status == 400 && said.contains("ResourceNotFoundException"), "{said}");
            }
        }
        let left = client(&embedded).scan().table_name("Members").send().await.unwrap();
        assert_eq!(left.count(), 0);
    }
}
