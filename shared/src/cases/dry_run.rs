//! Dry runs: what new settings would have done, tried on every member's own history before they are saved.
//!
//! A run goes through the queue in portions. Its record holds the place reached; a message goes on from there, wherever
//! that is, so one that comes again because its work failed on the way loses nothing. Of two that work at once, the
//! second to write its place ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::app::App;
use crate::cases::Error;
use crate::cases::recompute::Task;
use crate::domain::account::{Account, Membership};
use crate::domain::entry::{Entry, What};
use crate::domain::order::Order;
use crate::domain::posting::{Failure, settled};
use crate::domain::program::{Program, Version};
use crate::domain::purchase::{Refund, Refunded, Rules, purchase, refund};
use crate::domain::rulebook::Rulebook;
use crate::table::{Hot, ScanShard, StoredVersion};
use crate::values::{Actor, Code, MemberId, Moment, Points, RowKey};

/// Members read at once.
const PAGE: i32 = 100;

/// Members of a tier, now and under the new settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TierCount {
    /// Now.
    pub now: u64,
    /// Under the new settings.
    pub then: u64,
}

/// What a dry run has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DryRun {
    /// Its id.
    pub id: RowKey,
    /// Who asked.
    pub by: Actor,
    /// When.
    pub started_at: Moment,
    /// Whether all members have been looked at.
    pub finished: bool,
    /// Members looked at.
    pub members: u64,
    /// Members left out, whose history can't be replayed by these settings or not at all; the log says why.
    #[serde(default)]
    pub skipped: u64,
    /// Orders replayed.
    pub orders: u64,
    /// Points that these orders earned, less what refunds took back.
    pub points_now: Points,
    /// The same under the new settings.
    pub points_then: Points,
    /// Members who would have a higher tier.
    pub upgraded: u64,
    /// Members who would have a lower tier.
    pub downgraded: u64,
    /// Members by tier.
    pub tiers: BTreeMap<Code, TierCount>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    result: DryRun,
    next: Option<MemberId>,
    program: Program,
}

/// A portion of a dry run, as a queue message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portion {
    /// The run.
    pub id: RowKey,
}

/// Dry runs.
#[derive(Clone, Copy, Debug)]
pub struct DryRuns<'a>(pub(crate) &'a App);

impl App {
    /// Dry runs of settings.
    #[must_use]
    pub const fn dry_runs(&self) -> DryRuns<'_> {
        DryRuns(self)
    }
}

impl DryRuns<'_> {
    /// Starts a run. Two calls: the record, the first message.
    pub async fn start(&self, program: Program, by: Actor) -> Result<DryRun, Error> {
        let flaws = program.flaws();
        if !flaws.is_empty() {
            return Err(Error::Flawed(flaws));
        }
        let id = RowKey::from_bytes(crate::entropy::bytes(self.0.entropy()));
        let result = DryRun {
            id,
            by,
            started_at: self.0.now(),
            finished: false,
            members: 0,
            skipped: 0,
            orders: 0,
            points_now: Points::ZERO,
            points_then: Points::ZERO,
            upgraded: 0,
            downgraded: 0,
            tiers: BTreeMap::new(),
        };
        let record = Record { result, next: None, program };
        self.keep(&record, 0).await?;
        self.hand_over(id).await?;
        Ok(record.result)
    }

    /// What a run has found so far. One call.
    pub async fn read(&self, id: RowKey) -> Result<DryRun, Error> {
        Ok(self.record(id).await?.0.result)
    }

    /// Works on one portion until the time is over, and hands over to the next.
    pub async fn work(&self, portion: Portion, budget: Duration) -> Result<(), Error> {
        let (mut record, revision) = self.record(portion.id).await?;
        if record.result.finished {
            return Ok(());
        }
        let until = Instant::now() + budget;
        let version = Arc::new(Version {
            version: u32::MAX,
            effective_from: record.result.started_at,
            by: record.result.by.clone(),
            program: record.program.clone(),
        });
        let new = Rulebook { version, ..self.0.rulebook().await? };
        while Instant::now() < until && !record.result.finished {
            let page = self.0.table().page_of_members(ScanShard::WHOLE, record.next, PAGE).await?;
            for hot in page.members.iter().filter(|hot| !matches!(hot.account.membership, Membership::MergedInto(_))) {
                match self.compare(hot, &new, &mut record.result).await {
                    Ok(()) => {}
                    Err(error @ Error::Unavailable(_)) => return Err(error),
                    // One history that can't be replayed must not keep the run from the others.
                    Err(error) => {
                        tracing::warn!(member = %hot.account.member, ?error, "a dry run leaves a member out");
                        record.result.skipped += 1;
                    }
                }
            }
            record.result.skipped += page.unreadable;
            record.next = page.next;
            record.result.finished = page.next.is_none();
        }
        let kept = self.keep(&record, revision).await?;
        // If it was not kept, another message is at work on the same run.
        if !kept || record.result.finished { Ok(()) } else { self.hand_over(portion.id).await }
    }

    /// Replays one member's orders and refunds under the new settings and adds the difference to the result.
    async fn compare(&self, hot: &Hot, new: &Rulebook, result: &mut DryRun) -> Result<(), Error> {
        let rows = self.0.table().whole_journal(&hot.account).await?;
        let entries = rows.iter().map(|row| Entry::read(row.key, &row.text)).collect::<Result<Vec<_>, _>>();
        let entries = entries.map_err(|e| Error::Defect(e.to_string()))?;
        let replay = replay(hot.account.member, &entries, new).map_err(Error::from)?;
        let current = self.0.programs().current().await?;
        let broken = |b: crate::domain::book::Broken| Error::Defect(b.to_string());
        let now = settled(&hot.account, &current, self.0.now()).map_err(broken)?;
        let then = settled(&replay.account, &new.version, self.0.now()).map_err(broken)?;
        result.members += 1;
        result.orders += replay.orders;
        result.points_now = result.points_now + replay.points_now;
        result.points_then = result.points_then + replay.points_then;
        let tier = |account: &Account| account.standing.as_ref().map(|standing| standing.tier.clone());
        let rung = |tier: &Option<Code>| new.program().ladder.tiers.iter().position(|t| Some(&t.id) == tier.as_ref());
        let (now, then) = (tier(&now), tier(&then));
        match rung(&then).cmp(&rung(&now)) {
            std::cmp::Ordering::Greater => result.upgraded += 1,
            std::cmp::Ordering::Less => result.downgraded += 1,
            std::cmp::Ordering::Equal => {}
        }
        if let Some(tier) = now {
            result.tiers.entry(tier).or_default().now += 1;
        }
        if let Some(tier) = then {
            result.tiers.entry(tier).or_default().then += 1;
        }
        Ok(())
    }

    /// A run's record, and the revision on which the next write builds.
    async fn record(&self, id: RowKey) -> Result<(Record, u64), Error> {
        let stored = self.0.table().versions(&subject(id), 1).await?;
        let stored = stored.first().ok_or(Error::NotFound)?;
        Ok((serde_json::from_str(&stored.text)?, stored.revision))
    }

    /// False when another write was faster.
    async fn keep(&self, record: &Record, revision: u64) -> Result<bool, Error> {
        let text = serde_json::to_string(record)?;
        let version = StoredVersion { revision, ..StoredVersion::new(subject(record.result.id), 1, text) };
        Ok(self.0.table().replace_version(&version).await?)
    }

    async fn hand_over(&self, id: RowKey) -> Result<(), Error> {
        self.0.recompute().enqueue(&[Task::DryRun(Portion { id })]).await
    }
}

fn subject(id: RowKey) -> String {
    format!("dry-run#{id}")
}

struct Replay {
    account: Account,
    orders: u64,
    points_now: Points,
    points_then: Points,
}

/// A member's orders and refunds, one after the other as they were booked, under other settings.
fn replay(member: MemberId, entries: &[Entry], new: &Rulebook) -> Result<Replay, Failure> {
    let rules = Rules { now: new, then: &new.version };
    let mut account = Account::new(member);
    let mut known: Vec<(&Order, Points, Refunded)> = Vec::new();
    let (mut orders, mut points_now, mut points_then) = (0, Points::ZERO, Points::ZERO);
    for entry in entries {
        match &entry.what {
            What::Order { order, earned, .. } => {
                let posted = purchase(&account, order, &[], rules, entry.at, entry.by.clone())?;
                let What::Order { earned: then, .. } = posted.entry.what else { continue };
                account = posted.account;
                known.push((order, then, Refunded::default()));
                orders += 1;
                points_now = points_now + *earned;
                points_then = points_then + then;
            }
            What::Refund { source, order, id, amount, clawed_back, reason, .. } => {
                points_now = points_now.saturating_sub(*clawed_back);
                let same = |known: &&mut (&Order, Points, Refunded)| known.0.source == *source && known.0.id == *order;
                // An order that another account brought in by a merge is replayed there, not here.
                let Some(original) = known.iter_mut().find(same) else { continue };
                let asked = Refund { id: id.clone(), amount: *amount, reason: *reason };
                let by = entry.by.clone();
                let (posted, after) =
                    refund(&account, (original.0, original.1), original.2, &asked, rules, entry.at, by)?;
                points_then = points_then.saturating_sub(after.points.saturating_sub(original.2.points));
                original.2 = after;
                account = posted.account;
            }
            _ => {}
        }
    }
    Ok(Replay { account, orders, points_now, points_then })
}
