//! The queue port: work that need not be done while somebody waits.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};

use crate::later::Later;
use crate::table::Trouble;
use crate::telemetry::{sound_id, trace_id};

/// The attribute in which a message carries the id of the request that caused it.
pub(crate) const REQUEST_ID: &str = "request_id";

/// The longest delay that the queue knows, in seconds.
const MOST_DELAY: i32 = 900;

/// The queue of the recompute function.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Later<Client>,
    url: String,
}

impl Queue {
    /// The queue at this address.
    #[must_use]
    pub fn new(client: impl Into<Later<Client>>, url: String) -> Self {
        Self { client: client.into(), url }
    }

    /// Puts messages into the queue, to be delivered at least once each, after a delay in whole seconds of at most
    /// fifteen minutes, and under the id of the request that is being worked on. One call for up to ten.
    pub async fn send(&self, texts: &[String], delay: Duration) -> Result<(), Trouble> {
        let failed = |why: String| Trouble::Unavailable(format!("the queue took not every message: {why}"));
        let seconds = i32::try_from(delay.as_secs()).unwrap_or(MOST_DELAY).min(MOST_DELAY);
        let cause = trace_id();
        let cause = sound_id(&cause).map(|id| MessageAttributeValue::builder().data_type("String").string_value(id));
        let cause = cause.map(|id| id.build().map_err(|e| Trouble::Defect(e.to_string()))).transpose()?;
        let attributes = cause.map(|id| HashMap::from([(REQUEST_ID.to_owned(), id)]));
        for batch in texts.chunks(10) {
            let entries = batch.iter().enumerate().map(|(n, text)| {
                let entry = SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body(text);
                let entry = entry.delay_seconds(seconds).set_message_attributes(attributes.clone());
                entry.build().map_err(|e| Trouble::Defect(e.to_string()))
            });
            let entries = entries.collect::<Result<Vec<_>, _>>()?;
            let sent =
                self.client.get().send_message_batch().queue_url(&self.url).set_entries(Some(entries)).send().await;
            let sent = sent.map_err(|e| failed(e.to_string()))?;
            if let Some(refused) = sent.failed().first() {
                return Err(failed(refused.message().unwrap_or(refused.code()).to_owned()));
            }
        }
        Ok(())
    }
}
