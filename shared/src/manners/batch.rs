//! What nobody waits for: batches of queue messages, of which each record stands for itself, batches of a stream's
//! records, which have an order, and what a schedule asks for.
//!
//! A record is parsed by itself, worked on with a panic caught, and handed back alone when it fails; none is begun
//! when the deadline is near. What is poison fails again until the queue moves it to its dead letters; the reason is
//! in the log under the message's id. A message is worked on under the id of the request that caused it. Each batch and
//! each tick ends with one line of figures.

use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cases::Error;
use crate::queue::REQUEST_ID;
use crate::table::metered;
use crate::telemetry::{Worked, sound_id, trace_id, traced};

/// Records worked on side by side.
const SIDE_BY_SIDE: usize = 4;

/// Why a record failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It will never work: for the dead letters.
    Poison(String),
    /// It may work later.
    Passing(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(what) => Self::Passing(what),
            other => Self::Poison(format!("{other:?}")),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    message_id: String,
    body: String,
    #[serde(default)]
    message_attributes: HashMap<String, Attribute>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attribute {
    #[serde(default)]
    string_value: Option<String>,
}

impl Record {
    /// What is no message at all can't be given back by name either: it is told and passed over.
    fn read(record: Value) -> Option<Self> {
        let read = serde_json::from_value(record).ok();
        if read.is_none() {
            tracing::error!("a queue record can't be read");
        }
        read
    }

    /// The request behind the message; the message itself when it tells of none.
    fn request_id(&self) -> String {
        let given = self.message_attributes.get(REQUEST_ID).and_then(|attribute| attribute.string_value.as_deref());
        given.and_then(sound_id).unwrap_or(&self.message_id).to_owned()
    }
}

/// A record that has to come again.
struct Returned {
    id: String,
    poison: bool,
}

/// The records of an event, taken out of it.
fn records_of(mut event: Value) -> Option<Vec<Value>> {
    match event.get_mut("Records").map(Value::take) {
        Some(Value::Array(records)) => Some(records),
        _ => None,
    }
}

/// What came of the work on one record. A panic is poison.
async fn attempt(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let panicked = |_| Err(Failure::Poison("the work panicked".to_owned()));
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(panicked)
}

/// Works on every record of an SQS event within `budget` and names those to be delivered again.
pub async fn process<F, R>(event: Value, budget: Duration, work: F) -> Result<Value, String>
where
    F: Fn(String) -> R,
    R: Future<Output = Result<(), Failure>>,
{
    let started = Instant::now();
    let until = started + budget;
    let records = records_of(event).unwrap_or_default();
    let count = records.len();
    let readable: Vec<_> = records.into_iter().filter_map(Record::read).collect();
    let request_ids: BTreeSet<String> = readable.iter().map(Record::request_id).collect();
    let outcomes = futures_util::stream::iter(readable).map(|record| {
        let work = &work;
        traced(record.request_id(), async move {
            if Instant::now() >= until {
                return Some(Returned { id: record.message_id, poison: false });
            }
            let failure = attempt(work(record.body)).await.err()?;
            let (request_id, message_id) = (trace_id(), &record.message_id);
            let poison = matches!(failure, Failure::Poison(_));
            match failure {
                Failure::Poison(why) => tracing::error!(request_id, message_id, why, "poison message"),
                Failure::Passing(why) => tracing::warn!(request_id, message_id, why, "message will be retried"),
            }
            Some(Returned { id: record.message_id, poison })
        })
    });
    let returned = outcomes.buffer_unordered(SIDE_BY_SIDE).filter_map(|returned| async move { returned }).collect();
    let (returned, cost): (Vec<Returned>, _) = Box::pin(metered(returned)).await;
    Worked {
        source: "batch",
        request_ids: &Vec::from_iter(request_ids).join(" "),
        records: count,
        failed: returned.len(),
        poison: returned.iter().filter(|returned| returned.poison).count(),
        took: started.elapsed(),
        cost,
    }
    .tell();
    let failed: Vec<Value> = returned.into_iter().map(|returned| json!({ "itemIdentifier": returned.id })).collect();
    Ok(json!({ "batchItemFailures": failed }))
}

/// Does what a schedule asks for, under an id made of what that is and of the time of the tick.
pub async fn scheduled<T>(event: &Value, work: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let id = format!("{}-{}", text("mode").unwrap_or("tick"), text("scheduled").unwrap_or_default());
    let started = Instant::now();
    traced(sound_id(&id).unwrap_or("tick").to_owned(), async move {
        let (outcome, cost) = Box::pin(metered(work)).await;
        let failed = usize::from(outcome.is_err());
        let (request_ids, took) = (trace_id(), started.elapsed());
        Worked { source: "schedule", request_ids: &request_ids, records: 1, failed, poison: 0, took, cost }.tell();
        outcome.map_err(|error| format!("{error:?}"))
    })
    .await
}

/// Works on a table's stream records one after the other within `budget`. At the first that fails it stops and names
/// it: the stream goes on from there, so nothing is done out of order.
pub async fn in_order<F, R>(event: Value, budget: Duration, work: F) -> Result<Value, String>
where
    F: Fn(Value) -> R,
    R: Future<Output = Result<(), Failure>>,
{
    let started = Instant::now();
    let until = started + budget;
    let records = records_of(event).ok_or("the event has no records")?;
    let count = records.len();
    let (first_failure, cost) = Box::pin(metered(one_by_one(records, until, work))).await;
    let first_failure = first_failure?;
    Worked {
        source: "batch",
        request_ids: "",
        records: count,
        failed: usize::from(first_failure.is_some()),
        poison: usize::from(first_failure.as_ref().is_some_and(|returned| returned.poison)),
        took: started.elapsed(),
        cost,
    }
    .tell();
    let failed: Vec<Value> = first_failure.iter().map(|returned| json!({ "itemIdentifier": returned.id })).collect();
    Ok(json!({ "batchItemFailures": failed }))
}

/// The first record that was not worked on; none when all were.
async fn one_by_one<F, R>(records: Vec<Value>, until: Instant, work: F) -> Result<Option<Returned>, String>
where
    F: Fn(Value) -> R,
    R: Future<Output = Result<(), Failure>>,
{
    for record in records {
        let number = record.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str).map(str::to_owned);
        let number = number.ok_or("a record has no sequence number")?;
        if Instant::now() >= until {
            return Ok(Some(Returned { id: number, poison: false }));
        }
        let Err(failure) = attempt(work(record)).await else { continue };
        let poison = matches!(failure, Failure::Poison(_));
        match failure {
            Failure::Poison(why) => tracing::error!(sequence_number = number, why, "poison record"),
            Failure::Passing(why) => tracing::warn!(sequence_number = number, why, "record will be retried"),
        }
        return Ok(Some(Returned { id: number, poison }));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_failed_is_handed_back_even_when_a_record_panics() {
        let event = json!({"Records": [
            {"messageId": "good", "body": "good"}, {"messageId": "bad", "body": "bad"},
            {"messageId": "wild", "body": "wild"}, {"messageId": "fine", "body": "good"}
        ]});
        let work = |body: String| async move {
            match body.as_str() {
                "good" => Ok(()),
                "wild" => panic!("on purpose"),
                _ => Err(Failure::Passing("later".into())),
            }
        };
        let answer = process(event, Duration::from_secs(5), work).await.unwrap();
        let mut failed: Vec<_> =
            answer["batchItemFailures"].as_array().unwrap().iter().map(|f| f["itemIdentifier"].clone()).collect();
        failed.sort_by_key(ToString::to_string);
        assert_eq!(failed, ["bad", "wild"]);
    }

    #[tokio::test]
    async fn a_message_is_worked_on_under_the_id_of_the_request_that_caused_it() {
        let cause = |id: &str| json!({ "request_id": { "stringValue": id, "dataType": "String" } });
        let event = json!({"Records": [
            {"messageId": "m1", "body": "Root=1-5f-ab", "messageAttributes": cause("Root=1-5f-ab")},
            {"messageId": "m2", "body": "m2"},
            {"messageId": "m3", "body": "m3", "messageAttributes": cause("not\nfit")},
        ]});
        let work =
            |body: String| async move { if trace_id() == body { Ok(()) } else { Err(Failure::Poison(trace_id())) } };
        let answer = process(event, Duration::from_secs(5), work).await.unwrap();
        assert_eq!(answer, json!({"batchItemFailures": []}));
    }

    #[tokio::test]
    async fn what_a_schedule_asks_for_is_done_under_the_time_of_its_tick() {
        let at = "2026-03-01T16:05:00Z";
        let nightly = scheduled(&json!({"mode": "due", "scheduled": at}), async { Ok(trace_id()) }).await;
        assert_eq!(nightly.unwrap(), format!("due-{at}"));
        let minutely = scheduled(&json!({ "scheduled": at }), async { Ok(trace_id()) }).await;
        assert_eq!(minutely.unwrap(), format!("tick-{at}"));
    }

    #[tokio::test]
    async fn past_the_deadline_nothing_is_begun_and_everything_is_handed_back() {
        let event = json!({"Records": [{"messageId": "1", "body": "x"}]});
        let answer = process(event, Duration::ZERO, |_| async { panic!("must not begin") }).await.unwrap();
        assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "1"}]}));
    }

    fn a_stream(numbers: &[&str]) -> Value {
        let records: Vec<Value> = numbers.iter().map(|n| json!({"dynamodb": {"SequenceNumber": n}})).collect();
        json!({ "Records": records })
    }

    #[tokio::test]
    async fn a_stream_stops_at_the_first_record_that_fails_even_by_a_panic() {
        for wild in [false, true] {
            let seen = std::cell::RefCell::new(Vec::new());
            let work = |record: Value| {
                let number = record["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned();
                seen.borrow_mut().push(number.clone());
                async move {
                    assert!(number != "2" || !wild, "on purpose");
                    if number == "2" { Err(Failure::Passing("later".into())) } else { Ok(()) }
                }
            };
            let answer = in_order(a_stream(&["1", "2", "3"]), Duration::from_secs(5), work).await.unwrap();
            assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "2"}]}));
            assert_eq!(*seen.borrow(), ["1", "2"]);
        }
        let nothing = in_order(a_stream(&["1"]), Duration::from_secs(5), |_| async { Ok(()) }).await.unwrap();
        assert_eq!(nothing, json!({"batchItemFailures": []}));
    }
}
