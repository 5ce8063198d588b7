//! Passes: something done for every member, in parallel parts that survive a crash.
//!
//! A pass is a record, one message per part in the recompute queue, and one record per part with the place reached and
//! what was found so far. A part works until its time is over, writes its place every few pages, and hands over to a
//! message that goes on there. A message goes on from the place reached, wherever that is: one that comes again because
//! its work failed on the way loses nothing. Of two that work on one part at once, the second to write its place ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::app::App;
use crate::cases::Error;
use crate::cases::ledger::Resettled;
use crate::cases::recompute::Task;
use crate::domain::clv::{Model, Sample};
use crate::domain::posting::judged;
use crate::domain::rule::Rule;
use crate::domain::rulebook::Rulebook;
use crate::domain::week::{Week, WeekCounts};
use crate::table::{Hot, Outcome, ScanShard, StoredVersion};
use crate::telemetry;
use crate::values::{Actor, Code, MemberId, Moment, RowKey};

/// Parts of a pass: as many as messages that the queue's event source lets run at once.
pub const PARTS: u16 = 8;

/// Members read at once: a page that an embedded table can give without holding up requests for long.
const PAGE: i32 = 500;

/// Pages after which a part that only reads writes its place: what it has found may be as large as an item can be.
const PAGES_READ: u32 = 20;

/// Members written side by side by one part.
const SIDE_BY_SIDE: usize = 8;

/// Members that one part changes in a second. A table that is new to load takes 4,000 write units a second; eight parts
/// that each write forty members of about ten units stay below.
const CHANGES_PER_SECOND: u32 = 40;

/// After so long without a sign of life, a part's message is taken for lost.
const STALLED: Duration = Duration::from_mins(15);

/// Defects that are named; the others are counted.
const DEFECTS_NAMED: usize = 20;

/// Members that a preview shows.
pub(crate) const SHOWN: usize = 20;

const fn first() -> u32 {
    1
}

/// What a pass does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum Work {
    /// Judges everybody anew and writes what differs.
    Full {
        /// The versions of programme and segments by which it judges.
        rules: (u32, u32),
        /// The version of the privacy policy by which consents count.
        #[serde(default = "first")]
        policy: u32,
        /// Whether an earlier pass has finished under the same rules: then nobody may differ, and who does is a defect.
        repair: bool,
    },
    /// Counts who a rule would hold for; writes nothing.
    Preview {
        /// The rule, in canonical form.
        rule: String,
        /// The rules of earlier previews, from which it is told how far this one is apart.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        beside: Vec<Earlier>,
    },
    /// Gathers purchase histories and fits the lifetime-value model.
    Fit {
        /// The version that the model will have.
        model: u32,
    },
    /// Counts what the last week came to.
    Week,
}

/// An earlier preview.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// Its pass.
    pub pass: RowKey,
    /// Its rule.
    pub rule: String,
    /// When it was asked for.
    pub at: Moment,
}

/// A pass as it was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// Its id.
    pub id: RowKey,
    /// When it was started.
    pub started_at: Moment,
    /// By whom.
    pub by: Actor,
    /// What it does.
    #[serde(flatten)]
    pub work: Work,
}

impl Pass {
    /// The week that it counts: the last one that was over when it was started.
    fn week(&self) -> Week {
        Week::before(self.started_at.day())
    }
}

/// A part of a pass, as a queue message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portion {
    /// The pass.
    pub pass: RowKey,
    /// The part.
    pub part: u16,
}

/// What a full pass has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Tally {
    /// Members whose day had come and who had not been drained yet.
    pub due: u64,
    /// Members whose segments the new rules changed, or made due earlier.
    pub changed: u64,
    /// Members whose stored segments were not what they should have been; see the log.
    pub defects: u64,
    /// The first of them.
    pub defective: Vec<MemberId>,
    /// Members by segment, as judged.
    pub segments: BTreeMap<Code, u64>,
}

impl Tally {
    fn defect(&mut self, member: MemberId) {
        self.defects += 1;
        if self.defective.len() < DEFECTS_NAMED {
            self.defective.push(member);
        }
    }
}

/// Whom a rule would hold for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Matches {
    /// How many members.
    pub count: u64,
    /// Some of them.
    pub sample: Vec<MemberId>,
    /// For each earlier preview: how many members are in one of the two and not in the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(ignore)]
    pub(crate) apart: Vec<u64>,
}

/// What a part has found so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Found {
    Full(Tally),
    Preview(Matches),
    /// A [`Sample`], packed.
    Fit(String),
    /// [`WeekCounts`], packed.
    Week(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    after: Option<MemberId>,
    finished: bool,
    touched_at: Moment,
    members: u64,
    /// Of how many people the items tell that were looked at.
    #[serde(default)]
    people: u64,
    unreadable: u64,
    found: Found,
}

/// How far a pass has come.
#[derive(Clone, Debug)]
pub(crate) struct Reached {
    pub pass: Pass,
    pub finished: bool,
    pub members: u64,
    pub people: u64,
    pub unreadable: u64,
    pub found: Vec<Found>,
    /// Parts that are not finished, with the last sign of life.
    open: Vec<(Portion, Moment)>,
}

/// Passes.
#[derive(Clone, Copy, Debug)]
pub struct Passes<'a>(pub(crate) &'a App);

impl App {
    /// Passes over all members.
    #[must_use]
    pub const fn passes(&self) -> Passes<'_> {
        Passes(self)
    }
}

impl Reached {
    /// Parts of which nothing has been done.
    fn unbegun(&self) -> impl Iterator<Item = Portion> {
        let started_at = self.pass.started_at;
        self.open.iter().filter(move |(_, touched)| *touched == started_at).map(|(portion, _)| *portion)
    }
}

impl Work {
    fn nothing_yet(&self) -> Result<Found, Error> {
        Ok(match self {
            Self::Full { .. } => Found::Full(Tally::default()),
            Self::Preview { .. } => Found::Preview(Matches::default()),
            Self::Fit { .. } => Found::Fit(pack(&Sample::default())?),
            Self::Week => Found::Week(pack(&WeekCounts::default())?),
        })
    }

    /// After how many pages a part writes its place. What is done twice after a crash may find less amiss the second time,
    /// so that whatever mends counts page by page.
    const fn pages_at_once(&self) -> u32 {
        match self {
            Self::Full { .. } => 1,
            Self::Preview { .. } | Self::Fit { .. } | Self::Week => PAGES_READ,
        }
    }
}

impl Passes<'_> {
    /// Starts a pass, unless one with this id was started before. Two calls; one more when it was, because whoever started
    /// it may have died before the messages were sent.
    pub(crate) async fn start(&self, id: RowKey, work: Work, by: Actor) -> Result<(), Error> {
        let pass = Pass { id, started_at: self.0.now(), by, work };
        let record = StoredVersion::new(subject(id), 1, serde_json::to_string(&pass)?);
        let portions: Vec<Portion> = match self.0.table().transaction().version(&record)?.commit().await? {
            Outcome::Done => (0..PARTS).map(|part| Portion { pass: id, part }).collect(),
            Outcome::Lost(_) => self.reached(id).await?.unbegun().collect(),
        };
        if portions.is_empty() {
            return Ok(());
        }
        // Whoever judges by rules of yesterday must have read today's before everybody is looked at.
        let writes = matches!(pass.work, Work::Full { .. });
        let delay = if writes { self.0.parts().instances_follow_within } else { Duration::ZERO };
        let tasks: Vec<Task> = portions.into_iter().map(Task::Pass).collect();
        self.0.recompute().enqueue_after(delay, &tasks).await
    }

    /// How far a pass has come. One call.
    pub(crate) async fn reached(&self, id: RowKey) -> Result<Reached, Error> {
        let mut records = self.0.table().versions(&subject(id), 1).await?.into_iter();
        let pass: Pass = serde_json::from_str(&records.next().ok_or(Error::NotFound)?.text)?;
        let begun = records.map(|record| Ok((part_of(record.version), serde_json::from_str::<Part>(&record.text)?)));
        let mut begun = begun.collect::<Result<BTreeMap<u16, Part>, Error>>()?;
        let mut reached =
            Reached { pass, finished: true, members: 0, people: 0, unreadable: 0, found: Vec::new(), open: Vec::new() };
        for part in 0..PARTS {
            let touched_at = match begun.remove(&part) {
                Some(done) => {
                    reached.members += done.members;
                    reached.people += done.people;
                    reached.unreadable += done.unreadable;
                    reached.found.push(done.found);
                    if done.finished {
                        continue;
                    }
                    done.touched_at
                }
                None => reached.pass.started_at,
            };
            reached.open.push((Portion { pass: id, part }, touched_at));
        }
        reached.finished = reached.open.is_empty();
        Ok(reached)
    }

    /// Sends the messages of parts that have given no sign of life for long; at most one call.
    pub(crate) async fn nudge(&self, reached: &Reached) -> Result<(), Error> {
        let now = self.0.now();
        let stalled = reached.open.iter().filter(|(_, touched)| now.since(*touched) >= STALLED);
        let tasks: Vec<Task> = stalled.map(|(portion, _)| Task::Pass(*portion)).collect();
        if tasks.is_empty() { Ok(()) } else { self.0.recompute().enqueue(&tasks).await }
    }

    /// Works on one part until it is done or the time is over, and hands over to the next message.
    pub async fn work(&self, portion: Portion, budget: Duration) -> Result<(), Error> {
        let until = Instant::now() + budget;
        let job = self.0.table().version(&subject(portion.pass), 1).await?.ok_or(Error::NotFound)?;
        let pass: Pass = serde_json::from_str(&job.text)?;
        let stored = self.0.table().version(&subject(portion.pass), version_of(portion.part)).await?;
        let (mut part, mut revision) = match stored {
            Some(stored) => (serde_json::from_str::<Part>(&stored.text)?, stored.revision),
            None => (self.unbegun(&pass)?, 0),
        };
        if part.finished {
            // Delivered again after it was done; whoever did it may have died before the conclusion.
            return self.conclude(portion.pass).await;
        }
        let worker = Worker::new(self.0, &pass).await?;
        let (mut pages, mut over) = (0, false);
        while !over && !part.finished {
            let shard = ScanShard { number: portion.part, of: PARTS };
            let page = self.0.table().page_of_members(shard, part.after, PAGE).await?;
            part.members += page.members.iter().filter(|hot| hot.account.membership.is_in_use()).count() as u64;
            part.people += page.members.iter().map(|hot| hot.account.people()).sum::<u64>();
            part.unreadable += page.unreadable;
            part.found = worker.look_at(page.members, part.found).await?;
            (part.after, part.finished, part.touched_at) = (page.next, page.next.is_none(), self.0.now());
            (pages, over) = (pages + 1, Instant::now() >= until);
            if !over && !part.finished && pages % pass.work.pages_at_once() != 0 {
                continue;
            }
            let record = StoredVersion {
                revision,
                ..StoredVersion::new(subject(portion.pass), version_of(portion.part), serde_json::to_string(&part)?)
            };
            if !self.0.table().replace_version(&record).await? {
                // Another message is at work on the same part.
                return Ok(());
            }
            revision += 1;
        }
        if part.finished {
            self.conclude(portion.pass).await
        } else {
            self.0.recompute().enqueue(&[Task::Pass(portion)]).await
        }
    }

    fn unbegun(self, pass: &Pass) -> Result<Part, Error> {
        let found = pass.work.nothing_yet()?;
        Ok(Part { after: None, finished: false, touched_at: self.0.now(), members: 0, people: 0, unreadable: 0, found })
    }

    /// What is left to do when the last part is done.
    async fn conclude(&self, id: RowKey) -> Result<(), Error> {
        let reached = self.reached(id).await?;
        match reached.pass.work {
            Work::Fit { model } if reached.finished => {
                let mut sample = Sample::default();
                for found in &reached.found {
                    if let Found::Fit(packed) = found {
                        sample.merge(unpack(packed)?);
                    }
                }
                self.0.census().keep(reached.people, model).await?;
                self.0.lifetime_values().keep(&sample, model).await?;
                self.0.reports().count_week(reached.pass.by).await
            }
            Work::Week if reached.finished => {
                let mut counts = WeekCounts::default();
                for found in &reached.found {
                    if let Found::Week(packed) = found {
                        counts.merge(unpack(packed)?);
                    }
                }
                self.0.reports().keep(reached.pass.week(), counts).await
            }
            _ => Ok(()),
        }
    }
}

/// Looks at members for one pass.
struct Worker<'a> {
    app: &'a App,
    rules: Rulebook,
    wanted: Option<Rule>,
    /// The rules of earlier previews; none for one that can't be read any more.
    beside: Vec<Option<Rule>>,
    repair: bool,
    /// The week that is counted, if one is.
    week: Week,
    /// By which lifetime values are foreseen then.
    model: Option<Arc<Model>>,
}

/// What a full pass thinks of a member.
enum Look {
    /// Everything is as it should be.
    Right,
    /// The member's day has come.
    Due,
    /// Other segments than stored, or an earlier date.
    Differs,
}

impl<'a> Worker<'a> {
    async fn new(app: &'a App, pass: &Pass) -> Result<Self, Error> {
        app.kept_programs().forget();
        app.kept_segmentation().forget();
        let rules = app.rulebook().await?;
        let (wanted, beside, repair) = match &pass.work {
            Work::Preview { rule, beside } => {
                let rule = rules.segmentation.parse(rule).map_err(|e| Error::Defect(e.to_string()))?;
                let beside = beside.iter().map(|earlier| rules.segmentation.parse(&earlier.rule).ok()).collect();
                (Some(rule), beside, false)
            }
            Work::Full { repair, .. } => (None, Vec::new(), *repair),
            Work::Fit { .. } | Work::Week => (None, Vec::new(), false),
        };
        let model = match &pass.work {
            Work::Week => {
                app.kept_model().forget();
                app.lifetime_values().model().await?
            }
            Work::Full { .. } | Work::Preview { .. } | Work::Fit { .. } => None,
        };
        Ok(Self { app, rules, wanted, beside, repair, week: pass.week(), model })
    }

    async fn look_at(&self, members: Vec<Hot>, found: Found) -> Result<Found, Error> {
        Ok(match found {
            Found::Full(tally) => Found::Full(self.judge(members, tally).await?),
            Found::Preview(matches) => Found::Preview(self.count(&members, matches)),
            Found::Fit(packed) => {
                let mut sample: Sample = unpack(&packed)?;
                let today = self.app.now().day();
                let in_use = members.iter().filter(|hot| hot.account.membership.is_in_use());
                in_use.for_each(|hot| sample.add(&hot.account.days, today));
                Found::Fit(pack(&sample)?)
            }
            Found::Week(packed) => Found::Week(pack(&self.count_week(&members, unpack(&packed)?))?),
        })
    }

    fn count_week(&self, members: &[Hot], mut counts: WeekCounts) -> WeekCounts {
        for Hot { account, .. } in members.iter().filter(|hot| hot.account.membership.is_in_use()) {
            let foreseen = self.model.as_ref().and_then(|model| model.predict(&account.days, self.week.last_day()));
            counts.add(account, self.week, foreseen.map(|foreseen| foreseen.value));
        }
        counts
    }

    fn count(&self, members: &[Hot], mut matches: Matches) -> Matches {
        let Some(wanted) = &self.wanted else { return matches };
        let today = self.app.now().day();
        let judged = |hot: &&Hot| hot.account.membership.is_in_use() && hot.account.may_be_judged(today);
        matches.apart.resize(self.beside.len(), 0);
        for hot in members.iter().filter(judged) {
            let facts = hot.account.facts(&self.rules);
            let holds = self.rules.segmentation.judge_rule(wanted, &facts, today).value;
            for (apart, rule) in matches.apart.iter_mut().zip(&self.beside) {
                let same = |rule| self.rules.segmentation.judge_rule(rule, &facts, today).value == holds;
                *apart += u64::from(!rule.as_ref().is_some_and(same));
            }
            if holds {
                matches.count += 1;
                if matches.sample.len() < SHOWN {
                    matches.sample.push(hot.account.member);
                }
            }
        }
        matches
    }

    async fn judge(&self, members: Vec<Hot>, mut tally: Tally) -> Result<Tally, Error> {
        let mut differing = Vec::new();
        for hot in members {
            let now = self.app.now();
            let found = judged(&hot.account, &self.rules, now);
            let exact = hot.account.due_on().into_iter().chain(found.until).min();
            let late = exact.is_some_and(|day| hot.due_on.is_none_or(|stored| stored > day));
            let look = match () {
                () if hot.due_on.is_some_and(|day| day <= now.day()) => Look::Due,
                () if late || found.segments != hot.account.segments => Look::Differs,
                () => Look::Right,
            };
            for segment in found.segments {
                *tally.segments.entry(segment).or_default() += 1;
            }
            if !matches!(look, Look::Right) {
                differing.push((hot.account.member, look));
            }
        }
        let started = Instant::now();
        let (count, ledger) = (differing.len(), self.app.ledger());
        let settled: Vec<_> = futures_util::stream::iter(differing)
            .map(|(member, look)| async move { (member, look, ledger.settle(member, false).await) })
            .buffer_unordered(SIDE_BY_SIDE)
            .collect()
            .await;
        for (member, look, settled) in settled {
            match settled {
                Ok(resettled) => self.note(&mut tally, member, &look, resettled),
                // One account that contradicts itself must not keep the pass from the others.
                Err(Error::Defect(why)) => {
                    telemetry::ledger_fault(member, &format!("a member can't be settled: {why}"));
                    tally.defect(member);
                }
                Err(other) => return Err(other),
            }
        }
        let pace = Duration::from_secs(1) / CHANGES_PER_SECOND;
        let least = pace.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
        // A handful of members is no load.
        if count > SIDE_BY_SIDE {
            tokio::time::sleep(least.saturating_sub(started.elapsed())).await;
        }
        Ok(tally)
    }

    /// A member who differs from what a finished pass under the same rules left, and whom nothing has moved since, is a
    /// defect of ours: mended, but told.
    fn note(&self, tally: &mut Tally, member: MemberId, look: &Look, changed: Resettled) {
        match (look, changed) {
            (Look::Due, _) => tally.due += 1,
            (_, Resettled::Same) | (Look::Right, _) => {}
            (Look::Differs, _) if self.repair => {
                telemetry::ledger_fault(member, "a member's stored segments were wrong; they are mended");
                tally.defect(member);
            }
            (Look::Differs, _) => tally.changed += 1,
        }
    }
}

fn subject(id: RowKey) -> String {
    format!("pass#{id}")
}

/// The pass itself is version 1 of its subject, its parts follow.
fn version_of(part: u16) -> u32 {
    u32::from(part) + 2
}

fn part_of(version: u32) -> u16 {
    u16::try_from(version.saturating_sub(2)).unwrap_or(u16::MAX)
}

/// Many small numbers as text that is half as long as JSON.
pub(super) fn pack(found: &impl Serialize) -> Result<String, Error> {
    let bytes = postcard::to_stdvec(found).map_err(|e| Error::Defect(e.to_string()))?;
    Ok(STANDARD_NO_PAD.encode(bytes))
}

/// What was packed.
pub(super) fn unpack<T: DeserializeOwned>(packed: &str) -> Result<T, Error> {
    let bytes = STANDARD_NO_PAD.decode(packed).map_err(|e| Error::Defect(e.to_string()))?;
    postcard::from_bytes(&bytes).map_err(|e| Error::Defect(e.to_string()))
}
