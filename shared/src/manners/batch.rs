//! Batches of queue messages, of which each record stands for itself, and of a stream's records, which have an order.
//!
//! A record is parsed by itself, worked on with a panic caught, and handed back alone when it fails; none is begun
//! when the deadline is near. What is poison fails again until the queue moves it to its dead letters; the reason is
//! in the log under the message's id.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cases::Error;

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
}

/// Works on every record of an SQS event within `budget` and names those to be delivered again.
pub async fn process<F, R>(event: Value, budget: Duration, work: F) -> Result<Value, String>
where
    F: Fn(String) -> R,
    R: Future<Output = Result<(), Failure>>,
{
    let until = Instant::now() + budget;
    let records = event.get("Records").and_then(Value::as_array).cloned().unwrap_or_default();
    let outcomes = futures_util::stream::iter(records).map(|record| {
        let work = &work;
        async move {
            let Ok(record) = serde_json::from_value::<Record>(record) else {
                tracing::error!("a queue record can't be read");
                return None;
            };
            if Instant::now() >= until {
                return Some(record.message_id);
            }
            let failure = match AssertUnwindSafe(work(record.body)).catch_unwind().await {
                Ok(Ok(())) => return None,
                Ok(Err(failure)) => failure,
                Err(_panic) => Failure::Poison("the work panicked".to_owned()),
            };
            match failure {
                Failure::Poison(why) => tracing::error!(message_id = record.message_id, why, "poison message"),
                Failure::Passing(why) => tracing::warn!(message_id = record.message_id, why, "message will be retried"),
            }
            Some(record.message_id)
        }
    });
    let failed: Vec<_> = outcomes.buffer_unordered(SIDE_BY_SIDE).filter_map(|id| async move { id }).collect().await;
    let failed: Vec<Value> = failed.into_iter().map(|id| json!({ "itemIdentifier": id })).collect();
    Ok(json!({ "batchItemFailures": failed }))
}

/// Works on a table's stream records one after the other within `budget`. At the first that fails it stops and names
/// it: the stream goes on from there, so nothing is done out of order.
pub async fn in_order<F, R>(event: Value, budget: Duration, work: F) -> Result<Value, String>
where
    F: Fn(Value) -> R,
    R: Future<Output = Result<(), Failure>>,
{
    let until = Instant::now() + budget;
    let Some(Value::Array(records)) = event.get("Records").cloned() else {
        return Err("the event has no records".to_owned());
    };
    for record in records {
        let number = record.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str).map(str::to_owned);
        let number = number.ok_or("a record has no sequence number")?;
        let give_back = json!({ "batchItemFailures": [{ "itemIdentifier": number }] });
        if Instant::now() >= until {
            return Ok(give_back);
        }
        let failure = match AssertUnwindSafe(work(record)).catch_unwind().await {
            Ok(Ok(())) => continue,
            Ok(Err(failure)) => failure,
            Err(_panic) => Failure::Poison("the work panicked".to_owned()),
        };
        match failure {
            Failure::Poison(why) => tracing::error!(sequence_number = number, why, "poison record"),
            Failure::Passing(why) => tracing::warn!(sequence_number = number, why, "record will be retried"),
        }
        return Ok(give_back);
    }
    Ok(json!({ "batchItemFailures": [] }))
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
