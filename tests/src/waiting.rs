//! Waiting for what happens beside a request: in queues, streams and schedules.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::house::House;

/// Longer than anything takes on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_mins(2);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Looks again and again until a look succeeds. A look that fails says what it saw instead.
pub async fn eventually<T, Seen: Debug>(look: impl AsyncFn() -> Result<T, Seen>) -> T {
    let started = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) => assert!(started.elapsed() < PATIENCE, "not so after {PATIENCE:?}, but {seen:?}"),
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

impl House {
    /// Waits until a campaign's counts are as wanted. Its report is not read, so no look at it is noted.
    pub async fn counts_until(&self, campaign: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually(async || {
            let path = format!("/v1/campaigns/{campaign}");
            let counts = self.as_manager("GET", &path).send().await.expect(200)["counts"].clone();
            if wanted(&counts) { Ok(counts) } else { Err(counts) }
        })
        .await
    }

    /// Waits until every move between segments is worked on: until then the stream holds it.
    pub async fn all_moves_are_worked_on(&self) {
        eventually(async || match self.host.table.oldest_in_stream("Memberships", 1).unwrap().first() {
            None => Ok(()),
            Some(left) => Err(left.clone()),
        })
        .await;
    }

    /// Waits until no queue holds anything that could be worked on now; what is delayed and what nobody can do waits on.
    pub async fn all_queues_are_worked_off(&self) {
        eventually(async || {
            let mut depths = self.host.queues.depths().unwrap();
            depths.retain(|(queue, depth)| !queue.contains("DeadLetters") && depth.visible + depth.in_flight > 0);
            if depths.is_empty() { Ok(()) } else { Err(depths) }
        })
        .await;
    }
}
