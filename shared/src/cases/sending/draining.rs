//! What is due by the clock: put into the queue of messages, the most overdue of each shard first.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::Instant;

use super::Sending;
use crate::cases::Error;
use crate::table::{DueSend, SEND_SHARDS, SendKey};
use crate::telemetry::{self, Due};

/// Index entries read at once.
const DUE_AT_ONCE: i32 = 100;

/// Sends that are moved on in the due index side by side.
const SIDE_BY_SIDE: usize = 16;

/// After so long a send whose message was lost comes up again.
const AGAIN_AFTER: Duration = Duration::from_mins(3);

/// How far a drain of the due index has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Messages put into the queue.
    pub queued: u64,
    /// Whether nothing is left for now.
    pub finished: bool,
}

impl Sending<'_> {
    /// Puts what is due into the queue of messages, until nothing is left or the time is over. A call for each shard,
    /// and one for each message; what is put into the queue comes up again after a while, should its message be lost.
    pub async fn drain(&self, budget: Duration) -> Result<Drained, Error> {
        let until = Instant::now() + budget;
        let shards = futures_util::stream::iter(0..SEND_SHARDS)
            .map(|shard| async move { self.drain_shard(shard, until).await })
            .buffer_unordered(4);
        let drained: Vec<Result<(Drained, Duration), Error>> = shards.collect().await;
        let (mut sum, mut lag) = (Drained { queued: 0, finished: true }, Duration::ZERO);
        for shard in drained {
            let (shard, late) = shard?;
            lag = lag.max(late);
            sum = Drained { queued: sum.queued + shard.queued, finished: sum.finished && shard.finished };
        }
        telemetry::due_lag(Due::Sends, lag);
        Ok(sum)
    }

    /// How far it came, and how late the oldest one was.
    async fn drain_shard(self, shard: u8, until: Instant) -> Result<(Drained, Duration), Error> {
        let (mut queued, mut lag) = (0, Duration::ZERO);
        while Instant::now() < until {
            let now = self.0.now();
            let due = self.0.table().due_sends(shard, now, DUE_AT_ONCE).await?;
            lag = due.first().map_or(lag, |due| lag.max(now.since(due.due_at)));
            let full = due.len() >= usize::try_from(DUE_AT_ONCE).unwrap_or(usize::MAX);
            let table = self.0.table();
            let again = now.plus(AGAIN_AFTER);
            let moved = futures_util::stream::iter(due)
                .map(|due: DueSend| async move { Ok((due.key, table.postpone_send(&due, again).await?)) })
                .buffered(SIDE_BY_SIDE);
            let moved: Vec<Result<(SendKey, bool), Error>> = moved.collect().await;
            let moved = moved.into_iter().collect::<Result<Vec<_>, Error>>()?;
            let ours: Vec<SendKey> = moved.iter().filter(|(_, moved)| *moved).map(|(key, _)| *key).collect();
            self.0.dispatch().enqueue_sends(&ours).await?;
            queued += ours.len() as u64;
            if !full || ours.is_empty() {
                return Ok((Drained { queued, finished: true }, lag));
            }
        }
        Ok((Drained { queued, finished: false }, lag))
    }
}
