//! Recompute: what time alone changes, drained from the due index.
//!
//! Only members whose day has come are touched. The index may name somebody early, never late: an early entry is
//! moved forward when it is met. Draining twice, or missing a night, changes nothing but the time of the writing.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::app::App;
use crate::cases::Error;
use crate::cases::ledger::Resettled;
use crate::cases::{dispatch, dry_run, passes};
use crate::table::{DUE_SHARDS, DuePosition};
use crate::telemetry::{self, Due};
use crate::values::{CampaignId, Moment};

/// Members settled side by side.
const SIDE_BY_SIDE: usize = 8;

/// Index entries read at once.
const PAGE: i32 = 200;

/// Work for the recompute queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Task {
    /// Drain one shard of the due index.
    Due {
        /// The shard.
        shard: u8,
    },
    /// Try settings on history.
    DryRun(dry_run::Portion),
    /// Look at a part of all members.
    Pass(passes::Portion),
    /// Page a part of a campaign's audience that is a rule into the queue of messages.
    Audience {
        /// The campaign.
        campaign: CampaignId,
        /// The part.
        part: u16,
    },
}

/// How far a drain has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Drained {
    /// Members whom the index named.
    pub touched: u64,
    /// Members for whom something changed.
    pub changed: u64,
    /// Members who could not be settled, because their stored account contradicts itself; the log names them.
    pub defects: u64,
    /// Whether nobody is left for today.
    pub finished: bool,
}

/// Recompute.
#[derive(Clone, Copy, Debug)]
pub struct Recompute<'a>(pub(crate) &'a App);

impl App {
    /// Recompute.
    #[must_use]
    pub const fn recompute(&self) -> Recompute<'_> {
        Recompute(self)
    }
}

impl Recompute<'_> {
    /// Puts tasks into the queue. One call for up to ten.
    pub async fn enqueue(&self, tasks: &[Task]) -> Result<(), Error> {
        self.enqueue_after(Duration::ZERO, tasks).await
    }

    /// Puts tasks into the queue, to be done after a delay. One call for up to ten.
    pub async fn enqueue_after(&self, delay: Duration, tasks: &[Task]) -> Result<(), Error> {
        let texts = tasks.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        Ok(self.0.parts().queue.send(&texts, delay).await?)
    }

    /// Puts the drain of every shard into the queue. Two calls.
    pub async fn enqueue_due(&self) -> Result<(), Error> {
        let tasks: Vec<Task> = all_shards().into_iter().map(|shard| Task::Due { shard }).collect();
        self.enqueue(&tasks).await
    }

    /// Does one task of the queue.
    pub async fn work(&self, task: Task, budget: Duration) -> Result<(), Error> {
        match task {
            Task::Due { shard } => {
                let drained = self.drain(&[shard], budget).await?;
                if drained.finished { Ok(()) } else { self.enqueue(&[task]).await }
            }
            Task::DryRun(portion) => self.0.dry_runs().work(portion, budget).await,
            Task::Pass(portion) => self.0.passes().work(portion, budget).await,
            Task::Audience { campaign, part } => {
                self.0.dispatch().work(dispatch::Task::Page { campaign, part }, budget).await
            }
        }
    }

    /// Settles members who are due today, until nobody is left or the time is over.
    pub async fn drain(&self, shards: &[u8], budget: Duration) -> Result<Drained, Error> {
        let until = Instant::now() + budget;
        let (mut sum, mut lag) = (Drained { finished: true, ..Drained::default() }, Duration::ZERO);
        for shard in shards {
            let mut from: Option<DuePosition> = None;
            loop {
                if Instant::now() >= until {
                    telemetry::due_lag(Due::Members, lag);
                    return Ok(Drained { finished: false, ..sum });
                }
                let now = self.0.now();
                let page = self.0.table().due(*shard, now.day(), from.as_ref(), PAGE).await?;
                lag = page.members.first().map_or(lag, |due| lag.max(now.since(Moment::start_of(due.due_on))));
                let ledger = self.0.ledger();
                let settled = futures_util::stream::iter(page.members)
                    .map(|due| async move { (due.member, ledger.settle(due.member, true).await) })
                    .buffer_unordered(SIDE_BY_SIDE);
                let settled: Vec<_> = settled.collect().await;
                for (member, settled) in settled {
                    sum.touched += 1;
                    match settled {
                        Ok(settled) => sum.changed += u64::from(settled == Resettled::Changed),
                        // One account that contradicts itself must not keep the others waiting.
                        Err(Error::Defect(why)) => {
                            telemetry::ledger_fault(member, &format!("a member can't be settled: {why}"));
                            sum.defects += 1;
                        }
                        Err(other) => return Err(other),
                    }
                }
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
        }
        telemetry::due_lag(Due::Members, lag);
        Ok(sum)
    }
}

/// All shards of the due index.
#[must_use]
pub fn all_shards() -> Vec<u8> {
    (0..DUE_SHARDS).collect()
}
