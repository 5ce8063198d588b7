//! The queue port: work that need not be done while somebody waits.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use crate::table::Trouble;

/// The longest delay that the queue knows, in seconds.
const MOST_DELAY: i32 = 900;

/// The queue of the recompute function.
#[derive(Clone, Debug)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// The queue at this address.
    #[must_use]
    pub const fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Puts messages into the queue, to be delivered at least once each, after a delay in whole seconds of at most
    /// fifteen minutes. One call for up to ten.
    pub async fn send(&self, texts: &[String], delay: Duration) -> Result<(), Trouble> {
        let failed = |why: String| Trouble::Unavailable(format!("the queue took not every message: {why}"));
        let seconds = i32::try_from(delay.as_secs()).unwrap_or(MOST_DELAY).min(MOST_DELAY);
        for batch in texts.chunks(10) {
            let entries = batch.iter().enumerate().map(|(n, text)| {
                let entry =
                    SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body(text).delay_seconds(seconds);
                entry.build().map_err(|e| Trouble::Defect(e.to_string()))
            });
            let entries = entries.collect::<Result<Vec<_>, _>>()?;
            let sent = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries)).send().await;
            let sent = sent.map_err(|e| failed(e.to_string()))?;
            if let Some(refused) = sent.failed().first() {
                return Err(failed(refused.message().unwrap_or(refused.code()).to_owned()));
            }
        }
        Ok(())
    }
}
