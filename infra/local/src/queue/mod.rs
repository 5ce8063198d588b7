//! An SQS-compatible queue server on one SQLite file: standard queues, JSON protocol.
//!
//! A message is acknowledged after it is committed, so it survives a killed process. The queue goes by the machine's
//! clock: hiding and delaying messages is no business time.

mod batch;
mod digest;
mod moving;
mod protocol;
mod refusal;
mod store;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use refusal::Refusal;
pub use store::{Attribute, Depth, Draft, Message};

use crate::data_dir::{DataError, check_sqlite};
use crate::in_process::{self, Answer, Service};
use crate::template::{Queue, Right};
use store::Store;

/// The queue server. Clones share one store.
#[derive(Clone)]
pub struct Queues {
    shared: Arc<Shared>,
}

struct Shared {
    store: Mutex<Store>,
    wakers: Mutex<HashMap<String, Arc<Notify>>>,
}

impl fmt::Debug for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queues").finish_non_exhaustive()
    }
}

/// What a receiver asks for.
#[derive(Debug, Clone, Copy)]
pub struct Receive {
    /// At most this many messages.
    pub at_most: usize,
    /// How long to wait for the first.
    pub wait: Duration,
    /// How long the messages stay hidden; the queue's own time for `None`.
    pub visibility: Option<Duration>,
}

impl Queues {
    /// Opens a file, or a store in memory for `None`, and creates or updates the template's queues.
    pub fn open(file: Option<&Path>, queues: &[Queue]) -> Result<Self, DataError> {
        let mut store = match file {
            Some(path) => {
                check_sqlite(path)?;
                Store::open(path).map_err(|e| DataError::damaged(path, &e))?
            }
            None => Store::in_memory().map_err(|e| DataError::engine("queue", &e))?,
        };
        for queue in queues {
            store.declare(queue).map_err(|e| DataError::engine("queue", &e))?;
        }
        Ok(Self { shared: Arc::new(Shared { store: Mutex::new(store), wakers: Mutex::default() }) })
    }

    /// A client over an HTTP client of this service.
    #[must_use]
    pub fn client(http_client: SharedHttpClient) -> aws_sdk_sqs::Client {
        in_process::client!(aws_sdk_sqs, http_client)
    }

    /// Puts messages into a queue, all or none; answers their ids in the order given.
    pub fn send(&self, queue: &str, drafts: &[Draft]) -> Result<Vec<String>, Refusal> {
        let ids = self.with_store(|store| store.send(queue, drafts, now_ms()))?;
        self.wake(queue);
        Ok(ids)
    }

    /// Takes messages, waiting for the first one; an empty list when the wait is over.
    pub async fn receive(&self, queue: &str, wanted: Receive) -> Result<Vec<Message>, Refusal> {
        let deadline = Instant::now() + wanted.wait;
        let waker = self.waker(queue);
        loop {
            // Made before looking, so that a message sent between the look and the wait is not slept through.
            let mut woken = std::pin::pin!(waker.notified());
            woken.as_mut().enable();
            let found = self.with_store(|store| store.receive(queue, wanted, now_ms()))?;
            for dead_letters in &found.moved_to {
                self.wake(dead_letters);
            }
            if !found.messages.is_empty() || Instant::now() >= deadline {
                return Ok(found.messages);
            }
            let next = found.next_visible_ms.and_then(|at| u64::try_from(at - now_ms()).ok());
            let until = next.map_or(deadline, |ms| deadline.min(Instant::now() + Duration::from_millis(ms + 1)));
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Removes a message that was received; a receipt that has been superseded removes nothing.
    pub fn delete(&self, queue: &str, receipt: &str) -> Result<(), Refusal> {
        self.with_store(|store| store.delete(queue, receipt))
    }

    /// Changes how long, from now, a received message stays hidden.
    pub fn change_visibility(&self, queue: &str, receipt: &str, visibility: Duration) -> Result<(), Refusal> {
        self.with_store(|store| store.change_visibility(queue, receipt, visibility, now_ms()))?;
        self.wake(queue);
        Ok(())
    }

    /// How full each queue is, in the order of their names.
    pub fn depths(&self) -> Result<Vec<(String, Depth)>, Refusal> {
        self.with_store(|store| {
            let names = store.names("")?;
            names.into_iter().map(|name| store.depth(&name, now_ms()).map(|depth| (name, depth))).collect()
        })
    }

    fn with_store<T>(&self, run: impl FnOnce(&mut Store) -> Result<T, Refusal>) -> Result<T, Refusal> {
        run(&mut self.shared.store.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn waker(&self, queue: &str) -> Arc<Notify> {
        let mut wakers = self.shared.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(wakers.entry(queue.to_owned()).or_default())
    }

    fn wake(&self, queue: &str) {
        self.waker(queue).notify_waiters();
    }
}

impl Service for Queues {
    const CONTENT_TYPE: &'static str = "application/x-amz-json-1.0";
    const THROTTLED: &'static str = "com.amazonaws.sqs#RequestThrottled";

    fn needs(operation: &str, body: &[u8]) -> Vec<Right> {
        protocol::needs(operation, body).into_iter().collect()
    }

    async fn answer(self: Arc<Self>, operation: String, body: Bytes) -> Answer {
        match protocol::run(&self, &operation, &body).await {
            Ok(json) => Answer::ok(json.to_string()),
            Err(refusal) => refusal.into(),
        }
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
