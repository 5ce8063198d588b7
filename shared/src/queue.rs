//! The queue port: work that need not be done while somebody waits.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::operation::send_message_batch::{SendMessageBatch, SendMessageBatchInput};
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};

use crate::aws::Aws;
use crate::aws::call::call;
use crate::table::Trouble;
use crate::telemetry::{sound_id, trace_id};

/// The attribute in which a message carries the id of the request that caused it.
pub(crate) const REQUEST_ID: &str = "request_id";

/// The longest delay that the queue knows, in seconds.
const MOST_DELAY: i32 = 900;

/// A queue.
#[derive(Clone, Debug)]
pub struct Queue {
    aws: Aws,
    url: String,
}

impl Queue {
    /// The queue at this address.
    #[must_use]
    pub const fn new(aws: Aws, url: String) -> Self {
        Self { aws, url }
    }

    /// Puts messages into the queue, to be delivered at least once each, after a delay in whole seconds of at most
    /// fifteen minutes, and under the id of the request that is being worked on. One call for up to ten.
    pub async fn send(&self, texts: &[String], delay: Duration) -> Result<(), Trouble> {
        let seconds = i32::try_from(delay.as_secs()).unwrap_or(MOST_DELAY).min(MOST_DELAY);
        let cause = trace_id();
        let cause = sound_id(&cause).map(|id| MessageAttributeValue::builder().data_type("String").string_value(id));
        let cause = cause.map(|id| id.build().map_err(Trouble::defect)).transpose()?;
        let attributes = cause.map(|id| HashMap::from([(REQUEST_ID.to_owned(), id)]));
        for batch in texts.chunks(10) {
            let entries = batch.iter().enumerate().map(|(n, text)| {
                let entry = SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body(text);
                let entry = entry.delay_seconds(seconds).set_message_attributes(attributes.clone());
                entry.build().map_err(Trouble::defect)
            });
            let entries = entries.collect::<Result<Vec<_>, _>>()?;
            let batch = SendMessageBatchInput::builder().queue_url(&self.url).set_entries(Some(entries));
            let sent = call::<SendMessageBatch>(&self.aws, batch.build().map_err(Trouble::defect)?).await?;
            if let Some(refused) = sent.failed().first() {
                let why = refused.message().unwrap_or(refused.code());
                return Err(Trouble::Unavailable(format!("the queue took not every message: {why}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::fake::{Fake, aws};

    async fn sent(fake: &std::sync::Arc<Fake>, texts: usize) -> Result<(), Trouble> {
        let texts: Vec<String> = (0..texts).map(|n| format!("text {n}")).collect();
        Queue::new(aws(fake), "https://queue".to_owned()).send(&texts, Duration::from_hours(1)).await
    }

    #[tokio::test]
    async fn messages_go_ten_at_a_time_and_wait_no_longer_than_the_queue_knows() {
        let fake = Fake::answering([Ok((200, json!({ "Successful": [], "Failed": [] })))]);
        sent(&fake, 12).await.unwrap();
        let asked = fake.asked();
        assert_eq!(asked[0].url, "https://sqs.cn-north-1.amazonaws.com.cn/");
        assert_eq!(asked[0].headers["x-amz-target"], "AmazonSQS.SendMessageBatch");
        let [ten, two] = fake.questions().try_into().unwrap();
        assert_eq!((ten["Entries"].as_array().unwrap().len(), two["Entries"].as_array().unwrap().len()), (10, 2));
        assert_eq!(ten["QueueUrl"], "https://queue");
        assert_eq!(two["Entries"][1]["MessageBody"], "text 11");
        assert_eq!(two["Entries"][1]["DelaySeconds"], 900);
    }

    #[tokio::test]
    async fn a_message_that_the_queue_did_not_take_is_trouble() {
        let failed = json!({ "Id": "1", "SenderFault": false, "Code": "InternalError", "Message": "later" });
        let fake = Fake::answering([Ok((200, json!({ "Successful": [], "Failed": [failed] })))]);
        let trouble = sent(&fake, 2).await.unwrap_err();
        assert_eq!(trouble.to_string(), "not available: the queue took not every message: later");
    }

    #[tokio::test]
    async fn a_queue_that_wants_less_is_asked_again() {
        let busy = json!({ "__type": "com.amazonaws.sqs#RequestThrottled", "message": "slow down" });
        let fake = Fake::answering([Ok((400, busy)), Ok((200, json!({ "Successful": [], "Failed": [] })))]);
        sent(&fake, 1).await.unwrap();
        assert_eq!(fake.asked().len(), 2);
    }
}
