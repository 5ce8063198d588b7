use std::fs;
use std::time::Instant as Stopwatch;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};

use super::*;
use crate::data_dir::tests::scratch;
use crate::template::{Redrive, queue_arn, queue_url};

fn queue(name: &str, visibility_seconds: u32, redrive: Option<Redrive>) -> Queue {
    Queue { name: name.to_owned(), visibility_seconds, retention_seconds: 345_600, redrive }
}

/// A queue `work` that gives up into `lost` after two receipts.
fn declared() -> Vec<Queue> {
    let redrive = Redrive { dead_letters: "lost".to_owned(), max_receive_count: 2 };
    vec![queue("lost", 30, None), queue("work", 30, Some(redrive))]
}

fn memory() -> Queues {
    Queues::open(None, &declared()).unwrap()
}

fn say(body: &str) -> Draft {
    Draft { body: body.to_owned(), ..Draft::default() }
}

fn at_once() -> Receive {
    Receive { at_most: 10, wait: Duration::ZERO, visibility: None }
}

fn hidden_for(millis: u64) -> Receive {
    Receive { visibility: Some(Duration::from_millis(millis)), ..at_once() }
}

async fn bodies(queues: &Queues, name: &str) -> Vec<String> {
    queues.receive(name, at_once()).await.unwrap().into_iter().map(|m| m.body).collect()
}

#[tokio::test]
async fn a_received_message_is_hidden_until_its_time_is_over() {
    let queues = memory();
    queues.send("work", &[say("a")]).unwrap();
    assert_eq!(queues.receive("work", hidden_for(1_500)).await.unwrap().len(), 1);
    assert!(bodies(&queues, "work").await.is_empty());
    let again = queues.receive("work", Receive { wait: Duration::from_secs(10), ..at_once() }).await.unwrap();
    assert_eq!(again[0].received, 2);
}

#[tokio::test]
async fn a_deleted_message_never_comes_back() {
    let queues = memory();
    queues.send("work", &[say("a")]).unwrap();
    let message = queues.receive("work", hidden_for(0)).await.unwrap().remove(0);
    queues.delete("work", &message.receipt).unwrap();
    queues.delete("work", &message.receipt).unwrap();
    assert!(bodies(&queues, "work").await.is_empty());
}

#[tokio::test]
async fn a_superseded_receipt_removes_nothing() {
    let queues = memory();
    queues.send("work", &[say("a")]).unwrap();
    let first = queues.receive("work", hidden_for(0)).await.unwrap().remove(0);
    let second = queues.receive("work", hidden_for(0)).await.unwrap().remove(0);
    queues.delete("work", &first.receipt).unwrap();
    queues.delete("work", "nonsense").unwrap_err();
    assert_eq!(queues.depths().unwrap()[1].1.visible, 1);
    queues.delete("work", &second.receipt).unwrap();
    assert_eq!(queues.depths().unwrap()[1].1.visible, 0);
}

#[tokio::test]
async fn a_message_received_in_vain_too_often_becomes_a_dead_letter_that_names_its_queue() {
    let queues = memory();
    queues.send("work", &[say("poison")]).unwrap();
    for _ in 0..2 {
        assert_eq!(queues.receive("work", hidden_for(0)).await.unwrap().len(), 1);
    }
    assert!(bodies(&queues, "work").await.is_empty());
    let letter = queues.receive("lost", hidden_for(0)).await.unwrap().remove(0);
    assert_eq!(letter.body, "poison");
    assert_eq!(letter.system_attributes()["DeadLetterQueueSourceArn"], queue_arn("work"));
}

#[tokio::test]
async fn dead_letters_go_back_to_where_they_came_from() {
    let queues = memory();
    queues.send("work", &[say("poison")]).unwrap();
    for _ in 0..3 {
        queues.receive("work", hidden_for(0)).await.unwrap();
    }
    assert_eq!(queues.redrive("lost", None).unwrap(), 1);
    let back = queues.receive("work", at_once()).await.unwrap().remove(0);
    assert_eq!((back.body.as_str(), back.received), ("poison", 1));
    assert_eq!(queues.dead_letter_sources("lost").unwrap(), ["work"]);
    assert!(queues.redrive("work", None).is_err());
}

#[tokio::test]
async fn who_waits_is_woken_by_the_next_message() {
    let queues = memory();
    let sender = queues.clone();
    let started = Stopwatch::now();
    let sending = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        sender.send("work", &[say("wake")]).unwrap();
    });
    // Much longer than a busy machine may take to wake somebody.
    let wait = Duration::from_mins(10);
    let found = queues.receive("work", Receive { wait, ..at_once() }).await.unwrap();
    sending.await.unwrap();
    assert_eq!(found.len(), 1);
    assert!(started.elapsed() < wait);
}

#[tokio::test]
async fn who_waits_is_woken_when_a_hidden_message_shows_itself() {
    let queues = memory();
    queues.send("work", &[say("a")]).unwrap();
    queues.receive("work", hidden_for(150)).await.unwrap();
    let found = queues.receive("work", Receive { wait: Duration::from_secs(10), ..at_once() }).await.unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn nothing_to_receive_ends_with_the_wait() {
    let started = Stopwatch::now();
    let wanted = Receive { wait: Duration::from_millis(60), ..at_once() };
    assert!(memory().receive("work", wanted).await.unwrap().is_empty());
    assert!(started.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn an_acknowledged_message_survives_the_end_of_the_process() {
    let path = scratch("queue-survives").join("queue.sqlite");
    let first = Queues::open(Some(&path), &declared()).unwrap();
    first.send("work", &[say("kept"), say("done")]).unwrap();
    let done = first.receive("work", hidden_for(0)).await.unwrap();
    first.delete("work", &done[1].receipt).unwrap();
    // The process is not closed but left as it is: what a kill leaves is the file and its log, copied here.
    let after = path.with_file_name("after.sqlite");
    for suffix in ["", "-wal"] {
        fs::copy(format!("{}{suffix}", path.display()), format!("{}{suffix}", after.display())).unwrap();
    }
    let second = Queues::open(Some(&after), &declared()).unwrap();
    assert_eq!(bodies(&second, "work").await, ["kept"]);
}

#[test]
fn a_damaged_file_is_refused_in_a_sentence() {
    let path = scratch("queue-damaged").join("queue.sqlite");
    fs::write(&path, "not a database at all, but long enough to look like one".repeat(200)).unwrap();
    let refusal = Queues::open(Some(&path), &declared()).unwrap_err().to_string();
    assert!(refusal.contains("is damaged"), "{refusal}");
}

#[tokio::test]
async fn a_message_older_than_its_queue_keeps_messages_is_gone() {
    let queues = memory();
    queues.with_store(|store| store.send("work", &[say("old")], now_ms() - 345_601_000)).unwrap();
    queues.send("work", &[say("new")]).unwrap();
    assert_eq!(bodies(&queues, "work").await, ["new"]);
}

fn client() -> Client {
    Queues::client(memory().http_client())
}

fn string(value: &str) -> MessageAttributeValue {
    MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap()
}

#[tokio::test]
async fn the_real_client_sends_receives_and_deletes() {
    let client = client();
    let url = client.get_queue_url().queue_name("work").send().await.unwrap().queue_url.unwrap();
    let binary = MessageAttributeValue::builder().data_type("Binary").binary_value(Blob::new([1, 2])).build().unwrap();
    let message = client.send_message().queue_url(&url).message_body("你好");
    message.message_attributes("k", string("v")).message_attributes("b", binary).send().await.unwrap();
    let receive = client.receive_message().queue_url(&url).message_attribute_names("All");
    let got = receive.message_system_attribute_names(MessageSystemAttributeName::All).send().await.unwrap();
    let message = &got.messages()[0];
    assert_eq!(message.body(), Some("你好"));
    assert_eq!(message.md5_of_body(), Some("7eca689f0d3389d9dea66ae112e5cfd7"));
    assert_eq!(message.message_attributes().unwrap()["b"].binary_value().unwrap().as_ref(), [1, 2]);
    assert!(message.md5_of_message_attributes().is_some());
    assert_eq!(message.attributes().unwrap()[&MessageSystemAttributeName::ApproximateReceiveCount], "1");
    client.delete_message().queue_url(&url).receipt_handle(message.receipt_handle().unwrap()).send().await.unwrap();
}

#[tokio::test]
async fn in_a_batch_a_bad_receipt_fails_alone() {
    let client = client();
    let url = queue_url("work");
    let entry = |id: &str| SendMessageBatchRequestEntry::builder().id(id).message_body(id).build().unwrap();
    let sent =
        client.send_message_batch().queue_url(&url).entries(entry("a")).entries(entry("b")).send().await.unwrap();
    assert_eq!((sent.successful().len(), sent.failed().len()), (2, 0));
    let got = client.receive_message().queue_url(&url).max_number_of_messages(10).send().await.unwrap();
    let good = got.messages()[0].receipt_handle().unwrap();
    let entry = |id: &str, handle: &str| {
        DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(handle).build().unwrap()
    };
    let batch = client.delete_message_batch().queue_url(&url).entries(entry("good", good)).entries(entry("bad", "no"));
    let deleted = batch.send().await.unwrap();
    assert_eq!(deleted.successful()[0].id(), "good");
    assert_eq!((deleted.failed()[0].id(), deleted.failed()[0].code()), ("bad", "ReceiptHandleIsInvalid"));
}

#[tokio::test]
async fn what_goes_beyond_the_limits_is_refused_by_awss_names() {
    let client = client();
    let url = queue_url("work");
    let long = client.send_message().queue_url(&url).message_body("x".repeat(1_048_577)).send().await;
    assert_eq!(long.unwrap_err().code(), Some("InvalidParameterValue"));
    let late = client.send_message().queue_url(&url).message_body("x").delay_seconds(901).send().await;
    assert_eq!(late.unwrap_err().code(), Some("InvalidParameterValue"));
    let entry = |id: i32| SendMessageBatchRequestEntry::builder().id(id.to_string()).message_body("x").build().unwrap();
    let eleven =
        client.send_message_batch().queue_url(&url).set_entries(Some((0..11).map(entry).collect())).send().await;
    assert!(eleven.unwrap_err().into_service_error().is_too_many_entries_in_batch_request());
    let same = client.send_message_batch().queue_url(&url).entries(entry(1)).entries(entry(1)).send().await;
    assert!(same.unwrap_err().into_service_error().is_batch_entry_ids_not_distinct());
    let missing = client.get_queue_url().queue_name("nowhere").send().await;
    assert!(missing.unwrap_err().into_service_error().is_queue_does_not_exist());
    let control = client.send_message().queue_url(&url).message_body("\u{1}").send().await;
    assert!(control.unwrap_err().into_service_error().is_invalid_message_contents());
}

#[tokio::test]
async fn a_queues_attributes_tell_its_settings_and_its_depth() {
    let client = client();
    let url = queue_url("work");
    client.send_message().queue_url(&url).message_body("x").delay_seconds(60).send().await.unwrap();
    let asked = client.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::All);
    let all = asked.send().await.unwrap().attributes.unwrap();
    assert_eq!(all[&QueueAttributeName::QueueArn], queue_arn("work"));
    assert_eq!(all[&QueueAttributeName::ApproximateNumberOfMessagesDelayed], "1");
    assert!(all[&QueueAttributeName::RedrivePolicy].contains("\"maxReceiveCount\":2"));
}

#[tokio::test]
async fn a_receipt_that_is_no_longer_in_flight_cannot_be_hidden_longer() {
    let queues = memory();
    queues.send("work", &[say("a")]).unwrap();
    let message = queues.receive("work", hidden_for(0)).await.unwrap().remove(0);
    let refusal = queues.change_visibility("work", &message.receipt, Duration::from_secs(5)).unwrap_err();
    assert_eq!(refusal.kind, "MessageNotInflight");
}
