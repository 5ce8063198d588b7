//! The queue port: work that need not be done while somebody waits.

use aws_sdk_sqs::Client;

use crate::table::Trouble;

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

    /// Puts one message into the queue; it is delivered at least once. One call.
    pub async fn send(&self, text: String) -> Result<(), Trouble> {
        let sent = self.client.send_message().queue_url(&self.url).message_body(text).send().await;
        sent.map(|_| ()).map_err(|e| Trouble::Unavailable(format!("the queue took no message: {e}")))
    }
}
