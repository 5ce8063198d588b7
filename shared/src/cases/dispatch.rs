//! Dispatch: a launched campaign's audience is paged into the queue of messages, each member exactly once.
//!
//! The audience is read in parts, each with a checkpoint. A page is written down, and counted, before it goes into the
//! queue; a part that is carried on after a crash puts the same page into the queue again, where whoever comes second to
//! a send finds it claimed. Of two that work on one part at once, the second to write its checkpoint ends.
//!
//! A campaign with a rate goes one part after the other. Each page takes as many slots of the rate as it has members, and
//! goes when they begin; at night the slots of marketing begin in the morning, and so does the page.
//!
//! The parts of a segment are its shards. A rule is asked of all members, whom the recompute function alone may read: its
//! parts go through that function's queue.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::app::App;
use crate::cases::Error;
use crate::cases::campaigns::Live;
use crate::cases::{passes, recompute};
use crate::domain::campaign::counts::{Count, Counts};
use crate::domain::campaign::definition::Purpose;
use crate::domain::campaign::{BURST, Campaign, Pace, State};
use crate::table::{
    Checkpoint, Hot, Outcome, SEGMENT_SHARDS, ScanShard, SegmentPosition, SendKey, StoredCheckpoint, count_shard,
};
use crate::values::{CampaignId, Code, MemberId, Moment};

/// Members of a page, unless the campaign's rate asks for fewer.
const PAGE: u32 = 100;

/// Calls of the queue that are made side by side for a page.
const SIDE_BY_SIDE: usize = 4;

/// Members of whom a rule is asked at once.
const SCANNED: u32 = 500;

/// Parked messages that are let go at once.
const RELEASED_AT_ONCE: i32 = 100;

/// The longest that a queue keeps a message back. A part that waits for longer is set going by the minute's look.
const LONGEST_DELAY: Duration = Duration::from_mins(15);

/// After so long without a sign of life a part's message is taken for lost.
const STALLED: Duration = Duration::from_mins(5);

/// Work for the dispatch queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// Page a part of the audience into the queue of messages.
    Page {
        /// The campaign.
        campaign: CampaignId,
        /// The part.
        part: u16,
    },
    /// Let go what waited for a paused campaign.
    Release {
        /// The campaign.
        campaign: CampaignId,
    },
}

/// Dispatch.
#[derive(Clone, Copy, Debug)]
pub struct Dispatch<'a>(pub(crate) &'a App);

impl App {
    /// Dispatch.
    #[must_use]
    pub const fn dispatch(&self) -> Dispatch<'_> {
        Dispatch(self)
    }
}

impl Dispatch<'_> {
    /// Puts tasks into the dispatch queue. One call for up to ten.
    pub async fn enqueue(&self, tasks: &[Task]) -> Result<(), Error> {
        self.enqueue_after(Duration::ZERO, tasks).await
    }

    async fn enqueue_after(self, delay: Duration, tasks: &[Task]) -> Result<(), Error> {
        let texts = tasks.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
        let texts = texts.map_err(|e| Error::Defect(e.to_string()))?;
        Ok(self.0.parts().dispatch_queue.send(&texts, delay).await?)
    }

    /// Puts parts of an audience into the queue of the function that may read it. One call for up to ten.
    async fn enqueue_parts(
        self,
        campaign: &Campaign,
        delay: Duration,
        parts: impl IntoIterator<Item = u16>,
    ) -> Result<(), Error> {
        let campaign_id = campaign.id;
        if campaign.definition.audience.rule.is_some() {
            let audience = |part| recompute::Task::Audience { campaign: campaign_id, part };
            let tasks: Vec<_> = parts.into_iter().map(audience).collect();
            return self.0.recompute().enqueue_after(delay, &tasks).await;
        }
        let page = |part| Task::Page { campaign: campaign_id, part };
        self.enqueue_after(delay, &parts.into_iter().map(page).collect::<Vec<_>>()).await
    }

    /// Puts messages into the send queue. One call for up to ten.
    pub(crate) async fn enqueue_sends(self, keys: &[SendKey]) -> Result<(), Error> {
        let texts = keys.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
        let texts = texts.map_err(|e| Error::Defect(e.to_string()))?;
        Ok(self.0.parts().send_queue.send(&texts, Duration::ZERO).await?)
    }

    /// Sets the parts of a running campaign's dispatch going, those that have begun before as well; what is going on
    /// already is not disturbed. A campaign with a rate goes one part after the other.
    pub(crate) async fn begin(self, campaign: &Campaign) -> Result<(), Error> {
        if campaign.standing(self.0.now()) != State::Running
            || !campaign.is_broadcast()
            || campaign.dispatched_at.is_some()
        {
            return Ok(());
        }
        let parts = if campaign.definition.per_minute.is_some() { 1 } else { parts(campaign) };
        self.enqueue_parts(campaign, Duration::ZERO, 0..parts).await
    }

    /// Does one task of the dispatch queue.
    pub async fn work(&self, task: Task, budget: Duration) -> Result<(), Error> {
        match task {
            Task::Page { campaign, part } => self.page(campaign, part, budget).await,
            Task::Release { campaign } => self.release(campaign, budget).await,
        }
    }

    /// Works on one part until it is done or the time is over, and hands over to the next message.
    async fn page(self, id: CampaignId, part: u16, budget: Duration) -> Result<(), Error> {
        let begun = Instant::now();
        let until = begun + budget;
        let mut at = self.checkpoint(id, part).await?;
        let burst_ends = self.0.now().plus(BURST);
        while !at.checkpoint.finished {
            let live = self.0.campaigns().live(id).await?;
            if live.campaign.standing(self.0.now()) != State::Running {
                return Ok(());
            }
            if let Some(goes_at) = at.checkpoint.goes_at.filter(|goes_at| *goes_at >= burst_ends) {
                return self.wait_for_slot(&live.campaign, part, goes_at).await;
            }
            let keys: Vec<SendKey> = at
                .checkpoint
                .page
                .iter()
                .map(|member| SendKey { campaign: id, member: *member, occasion: None, paged: true })
                .collect();
            let side_by_side = keys.chunks(keys.len().div_ceil(SIDE_BY_SIDE).max(1));
            try_join_all(side_by_side.map(|keys| self.enqueue_sends(keys))).await?;
            let Some(next) = self.turn_page(&live, at).await? else { return Ok(()) };
            at = next;
            if !at.checkpoint.finished && Instant::now() >= until {
                return self.enqueue_parts(&live.campaign, Duration::ZERO, [part]).await;
            }
        }
        self.conclude(id, part).await
    }

    /// Comes back to a part when the slots of its page begin.
    async fn wait_for_slot(self, campaign: &Campaign, part: u16, goes_at: Moment) -> Result<(), Error> {
        let wait = goes_at.since(self.0.now());
        // In whole seconds, as the queue delays.
        let wait = Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        if wait > LONGEST_DELAY { Ok(()) } else { self.enqueue_parts(campaign, wait, [part]).await }
    }

    /// Takes so many slots of a campaign's rate that lie together, not before a moment and for marketing not at night, and
    /// tells when the first begins. One or two calls; more at the end of a day.
    pub(crate) async fn slots(
        self,
        campaign: &Campaign,
        pace: Pace,
        from: Moment,
        many: usize,
    ) -> Result<Moment, Error> {
        let limits = self.0.limits().current().await?;
        let is_marketing = campaign.definition.purpose == Purpose::Marketing;
        let opens = |moment| if is_marketing { limits.limits.hours.next_open(moment) } else { moment };
        let (mut from, many) = (opens(from), u64::try_from(many).unwrap_or(u64::MAX));
        loop {
            let first = pace.begins(self.0.table().take_slots(campaign.id, pace.slot(from), many).await?);
            if opens(first) == first || first >= campaign.definition.window.until {
                return Ok(first);
            }
            from = opens(first);
        }
    }

    async fn checkpoint(self, id: CampaignId, part: u16) -> Result<StoredCheckpoint, Error> {
        let known = self.0.table().checkpoints(id).await?.into_iter().find(|stored| stored.part == part);
        let touched_at = self.0.now();
        let new = Checkpoint {
            after: None,
            read: false,
            finished: false,
            page: Vec::new(),
            members: 0,
            touched_at,
            goes_at: None,
        };
        Ok(known.unwrap_or(StoredCheckpoint { part, checkpoint: new, version: 0 }))
    }

    /// Writes down the page after the one that is in the queue now; none when somebody else has.
    async fn turn_page(self, live: &Live, at: StoredCheckpoint) -> Result<Option<StoredCheckpoint>, Error> {
        let before = at.checkpoint;
        let mut next = Checkpoint { touched_at: self.0.now(), goes_at: None, ..before };
        if next.read {
            (next.finished, next.page) = (true, Vec::new());
        } else {
            let (page, after) = self.members(live, at.part, next.after).await?;
            next.members += page.len() as u64;
            (next.page, next.after, next.read) = (page, after, after.is_none());
        }
        let campaign = &live.campaign;
        if let Some(pace) = campaign.definition.pace().filter(|_| !next.page.is_empty()) {
            next.goes_at = Some(self.slots(campaign, pace, next.touched_at, next.page.len()).await?);
        }
        let mut counts = Counts::default();
        counts.add(&Count::of(Count::AUDIENCE), i64::try_from(next.page.len()).unwrap_or(i64::MAX));
        let stored = StoredCheckpoint { checkpoint: next, ..at };
        let id = campaign.id;
        let shard = stored
            .checkpoint
            .page
            .first()
            .map_or(0, |member| count_shard(crate::domain::campaign::send::id(id, *member, None)));
        let transaction = self.0.table().transaction().checkpoint(id, &stored)?.counts(id, shard, &counts)?;
        let version = stored.version + 1;
        match transaction.commit().await? {
            Outcome::Done => Ok(Some(StoredCheckpoint { version, ..stored })),
            Outcome::Lost(_) => Ok(None),
        }
    }

    /// A page of the audience's members in one part, and the member after whom the next one begins.
    async fn members(
        self,
        live: &Live,
        part: u16,
        after: Option<MemberId>,
    ) -> Result<(Vec<MemberId>, Option<MemberId>), Error> {
        let definition = &live.campaign.definition;
        let Some(segment) = &definition.audience.segment else { return self.members_by_rule(live, part, after).await };
        let most = definition.pace().map_or(PAGE, |pace| pace.page(PAGE)) as usize;
        let shard = u8::try_from(part).unwrap_or(u8::MAX);
        let at = SegmentPosition { shard, after };
        let (page, next) = self.0.table().members_of_shard(segment, at, most).await?;
        let page: Vec<MemberId> = page.into_iter().map(|member| member.member).collect();
        let left_out = self.left_out(&definition.audience.exclude, shard, &page).await?;
        Ok((page.into_iter().filter(|member| !left_out.contains(member)).collect(), next))
    }

    /// The same for an audience that is a rule, from a page of all members.
    async fn members_by_rule(
        self,
        live: &Live,
        part: u16,
        after: Option<MemberId>,
    ) -> Result<(Vec<MemberId>, Option<MemberId>), Error> {
        let Some(rule) = &live.rule else {
            return Err(Error::Defect("an audience is neither segment nor rule".into()));
        };
        let (rules, today) = (self.0.rulebook().await?, self.0.now().day());
        let most = live.campaign.definition.pace().map_or(SCANNED, |pace| pace.page(SCANNED));
        let shard = ScanShard { number: part, of: passes::PARTS };
        let page = self.0.table().page_of_members(shard, after, i32::try_from(most).unwrap_or(i32::MAX)).await?;
        let exclude = &live.campaign.definition.audience.exclude;
        let meant = |hot: &&Hot| {
            let account = &hot.account;
            account.membership.is_in_use()
                && !exclude.iter().any(|segment| account.segments.contains(segment))
                && rules.segmentation.judge_rule(rule, &account.facts(&rules), today).value
        };
        let members = page.members.iter().filter(meant).map(|hot| hot.account.member).collect();
        Ok((members, page.next))
    }

    /// Who of a page is in a segment that the audience leaves out. Members lie in the same shard of every segment, so
    /// one call for each segment tells.
    async fn left_out(self, exclude: &[Code], shard: u8, page: &[MemberId]) -> Result<BTreeSet<MemberId>, Error> {
        let mut found = BTreeSet::new();
        if let (Some(first), Some(last)) = (page.first(), page.last()) {
            for segment in exclude {
                found.extend(self.0.table().members_between(segment, shard, *first, *last).await?);
            }
        }
        Ok(found)
    }

    /// A part is done: at a rate the next one follows, and after the last the campaign knows.
    async fn conclude(self, id: CampaignId, part: u16) -> Result<(), Error> {
        let live = self.0.campaigns().live(id).await?;
        if live.campaign.definition.per_minute.is_some() && part + 1 < parts(&live.campaign) {
            return self.enqueue_parts(&live.campaign, Duration::ZERO, [part + 1]).await;
        }
        let done = self.0.table().checkpoints(id).await?.iter().filter(|at| at.checkpoint.finished).count();
        if done >= usize::from(parts(&live.campaign)) { self.0.campaigns().dispatched(id).await } else { Ok(()) }
    }

    /// Puts what waited for a paused campaign into the queue of messages, until nothing is left or the time is over.
    async fn release(self, id: CampaignId, budget: Duration) -> Result<(), Error> {
        let until = Instant::now() + budget;
        let mut after = None;
        loop {
            let (parked, next) = self.0.table().parked_sends(id, after, RELEASED_AT_ONCE).await?;
            self.enqueue_sends(&parked).await?;
            after = next;
            if after.is_none() {
                return Ok(());
            }
            if Instant::now() >= until {
                // What is in the queue of messages by now will not be parked any more.
                return self.enqueue(&[Task::Release { campaign: id }]).await;
            }
        }
    }

    /// Looks at campaigns that are on their way: begins those whose time has come, and puts into the queue again what
    /// has stalled or was left parked. A call for the list, and two for every campaign that runs.
    pub async fn look(&self) -> Result<(), Error> {
        let now = self.0.now();
        for stored in self.0.table().live_campaigns().await? {
            let campaign = &stored.campaign;
            let id = campaign.id;
            match campaign.standing(now) {
                State::Finished => self.0.campaigns().end(id).await?,
                State::Running => {
                    if campaign.state == State::Scheduled {
                        self.begin(campaign).await?;
                        self.0.campaigns().begin(id).await?;
                    }
                    self.nudge(campaign).await?;
                    if !self.0.table().parked_sends(id, None, 1).await?.0.is_empty() {
                        self.enqueue(&[Task::Release { campaign: id }]).await?;
                    }
                }
                State::Draft | State::Scheduled | State::Paused | State::Stopped => {}
            }
        }
        Ok(())
    }

    /// Sets parts going that have given no sign of life for long.
    async fn nudge(self, campaign: &Campaign) -> Result<(), Error> {
        if !campaign.is_broadcast() || campaign.dispatched_at.is_some() {
            return Ok(());
        }
        let known = self.0.table().checkpoints(campaign.id).await?;
        let now = self.0.now();
        let begun = campaign.launched_at.unwrap_or(campaign.created_at).max(campaign.definition.window.from);
        let stalled = |part: &u16| {
            let of_part = known.iter().find(|at| at.part == *part).map(|at| &at.checkpoint);
            let touched = of_part.map_or(begun, |checkpoint| checkpoint.touched_at);
            // What waits for its slots shows no sign of life until then.
            let waits = of_part.and_then(|checkpoint| checkpoint.goes_at);
            now >= touched.plus(STALLED) && waits.is_none_or(|goes_at| now >= goes_at)
        };
        let finished = |part: &u16| known.iter().any(|at| at.part == *part && at.checkpoint.finished);
        let open = (0..parts(campaign)).filter(|part| !finished(part));
        // At a rate one part goes after the other.
        let at_once = if campaign.definition.per_minute.is_some() { 1 } else { usize::MAX };
        let open: Vec<u16> = open.take(at_once).filter(stalled).collect();
        if (0..parts(campaign)).all(|part| finished(&part)) {
            return self.0.campaigns().dispatched(campaign.id).await;
        }
        if open.is_empty() { Ok(()) } else { self.enqueue_parts(campaign, Duration::ZERO, open).await }
    }
}

/// The parts of a campaign's dispatch.
fn parts(campaign: &Campaign) -> u16 {
    if campaign.definition.audience.rule.is_some() { passes::PARTS } else { u16::from(SEGMENT_SHARDS) }
}
