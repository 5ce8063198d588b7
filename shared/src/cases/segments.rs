//! Segments: their rules, who is in them, and why.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::customers::Sight;
use crate::cases::ledger::Patience;
use crate::cases::passes::{Earlier, Found, Matches, Pass, Work};
use crate::cases::saved::Setting;
use crate::cases::{Error, Who};
use crate::domain::attempts::seconds_until;
use crate::domain::clv::Prediction;
use crate::domain::flaw::Flaw;
use crate::domain::refusal::Refusal;
use crate::domain::rule::Rule;
use crate::domain::segmentation::{Draft, Explained, Segment, SegmentDraft, Segmentation, SetDraft};
use crate::domain::verdict::Verdict;
use crate::table::{Freshness, Hot, InSegment, Kept, SegmentPosition, StoredVersion};
use crate::values::{Actor, Code, LocalDay, MemberId, Moment, RowKey};

/// For how long a preview is held against those that come after it.
const COMPARED_FOR: Duration = Duration::from_hours(24);
/// Previews that somebody who sees groups only may ask for within that time: each is held against all before it.
const PREVIEWS_A_DAY: usize = 50;

/// Words that stand in the place of a segment's id in paths.
const RESERVED: [&str; 3] = ["check", "previews", "recompute"];

#[derive(Serialize, Deserialize)]
struct Stored {
    at: Moment,
    by: Actor,
    segmentation: Segmentation,
}

impl Setting for Segmentation {
    const SUBJECT: &'static str = "segments";

    fn kept(app: &App) -> &Kept<Self> {
        app.kept_segmentation()
    }

    fn initial(_: &App) -> Result<Self, Error> {
        Ok(Self::shipped()?)
    }

    fn read(stored: &StoredVersion) -> Result<Self, Error> {
        Ok(serde_json::from_str::<Stored>(&stored.text)?.segmentation)
    }
}

/// A segment or a set as somebody wants to have it.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// A single segment, or an entry of a set that is there.
    Segment(SegmentDraft),
    /// A set with all its entries.
    Set(SetDraft),
}

impl Wanted {
    const fn id(&self) -> &Code {
        match self {
            Self::Segment(segment) => &segment.id,
            Self::Set(set) => &set.id,
        }
    }
}

/// How far a preview has come.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Preview {
    /// Its id.
    pub id: RowKey,
    /// The rule, in canonical form.
    pub rule: String,
    /// Whether everybody has been looked at.
    pub finished: bool,
    /// Members looked at.
    pub members: u64,
    /// Who would be in. For operators: two rules that differ by fewer members than they may be told of have one answer.
    #[serde(flatten)]
    pub matches: Matches,
    /// For operators: there are fewer members than this, and no more is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fewer_than: Option<u64>,
}

/// How many members are in a segment, as somebody is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// How many; 0 where no more is told than that there are few.
    pub members: u64,
    /// There are fewer than this.
    pub fewer_than: Option<u64>,
}

/// Who looks at groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// The name.
    pub actor: Actor,
    /// Whether they are told of groups only, never of fewer than some members.
    pub groups_only: bool,
}

/// A member's segments, and why.
#[derive(Clone, Debug)]
pub struct Why {
    /// The member.
    pub member: MemberId,
    /// The day as of which was judged.
    pub as_of: LocalDay,
    /// The version of the segments' rules.
    pub version: u32,
    /// Whether the member may be addressed by what is known of them.
    pub personalised: bool,
    /// Every segment; none for somebody who may not be judged.
    pub segments: Vec<Explained>,
    /// The health score, 0 to 100, and the day on which time alone changes it.
    pub health: (u64, Option<LocalDay>),
    /// What the lifetime-value model foresees.
    pub lifetime_value: Option<Prediction>,
}

/// Segments.
#[derive(Clone, Copy, Debug)]
pub struct Segments<'a>(pub(crate) &'a App);

impl App {
    /// Segments.
    #[must_use]
    pub const fn segments(&self) -> Segments<'_> {
        Segments(self)
    }
}

impl Segments<'_> {
    /// The rules in force. No call while they are fresh, one otherwise.
    pub async fn rules(&self) -> Result<Arc<Segmentation>, Error> {
        self.0.setting().await
    }

    /// The newest rules; the shipped ones before anybody has saved any. One call.
    pub async fn newest(&self) -> Result<Arc<Segmentation>, Error> {
        self.0.newest_setting().await
    }

    /// How many members are in each segment, exactly. One call.
    pub async fn counts(&self) -> Result<BTreeMap<Code, u64>, Error> {
        Ok(self.0.table().segment_counts().await?)
    }

    /// Saves a segment or a set as part of the next version, and starts a full pass by it. At most twelve calls.
    ///
    /// `seen` is the version on which a change builds; what is new may be saved without.
    pub async fn save(&self, wanted: Wanted, seen: Option<u32>, by: &Actor) -> Result<Arc<Segmentation>, Error> {
        let newest = self.newest().await?;
        let mut draft = Draft::from(newest.as_ref().clone());
        if RESERVED.contains(&wanted.id().as_str()) {
            return Err(Refusal::IdTaken.into());
        }
        let (known, place) = match &wanted {
            Wanted::Segment(segment) => put_segment(&mut draft, segment)?,
            Wanted::Set(set) => put_set(&mut draft, set)?,
        };
        match seen {
            Some(seen) if seen != newest.version() => return Err(Error::VersionMoved),
            None if known => return Err(Error::VersionMissing),
            _ => {}
        }
        self.next(&newest, draft, &place, by).await
    }

    /// Deletes a single segment or a set, unless rules refer to it, and starts a full pass by which everybody leaves it.
    pub async fn delete(&self, id: &Code, seen: u32, by: &Actor) -> Result<(), Error> {
        let newest = self.newest().await?;
        let mut draft = Draft::from(newest.as_ref().clone());
        if draft.sets.iter().any(|set| set.entries.iter().any(|entry| entry.id == *id)) {
            return Err(Refusal::EntryOfSet.into());
        }
        let before = draft.sets.len() + draft.segments.len();
        draft.segments.retain(|segment| segment.id != *id);
        draft.sets.retain(|set| set.id != *id);
        if draft.sets.len() + draft.segments.len() == before {
            return Err(Error::NotFound);
        }
        if seen != newest.version() {
            return Err(Error::VersionMoved);
        }
        // Rules that name the set can't be read without it.
        if let Err(flaws) = Segmentation::try_from(draft.clone()) {
            let users = flaws.0.iter().filter_map(|flaw| id_at(&draft, &flaw.pointer)).collect();
            return Err(Refusal::SegmentInUse { users }.into());
        }
        self.next(&newest, draft, "", by).await.map(|_| ())
    }

    async fn next(
        &self,
        newest: &Segmentation,
        draft: Draft,
        place: &str,
        by: &Actor,
    ) -> Result<Arc<Segmentation>, Error> {
        let draft = Draft { version: newest.version() + 1, ..draft };
        let segmentation = Segmentation::try_from(draft).map_err(|flaws| Error::Flawed(within(flaws.0, place)))?;
        let flaws = segmentation.flaws();
        if !flaws.is_empty() {
            return Err(Error::Flawed(within(flaws, place)));
        }
        self.refuse_if_addressed(newest, &segmentation).await?;
        let stored = Stored { at: self.0.now(), by: by.clone(), segmentation };
        self.0.save_setting::<Segmentation>(stored.segmentation.version(), &stored).await?;
        // A pass that is under way judges by the rules that it finds; the nightly schedule sees to the rest.
        self.0.full_pass().start(by).await?;
        Ok(Arc::new(stored.segmentation))
    }

    /// A segment that is gone must not be the audience of a campaign that is on its way. No call when none is gone, one
    /// otherwise.
    async fn refuse_if_addressed(&self, newest: &Segmentation, next: &Segmentation) -> Result<(), Error> {
        let stays = |id: &Code| next.segments().any(|segment| segment.id == *id);
        if newest.segments().all(|segment| stays(&segment.id)) {
            return Ok(());
        }
        let users = self.0.campaigns().addressing(next).await?;
        if users.is_empty() { Ok(()) } else { Err(Refusal::SegmentInUse { users }.into()) }
    }

    /// How many members are in each segment as a viewer is told: whoever sees groups only is told nothing of fewer than
    /// make a group, and of segments that staff have written a multiple of that. One call.
    pub async fn counts_for(&self, viewer: &Viewer) -> Result<BTreeMap<Code, Told>, Error> {
        let (rules, counts) = (self.rules().await?, self.counts().await?);
        let (k, shipped) = (self.0.parts().smallest_group, Segmentation::shipped()?);
        let told = |segment: &Segment| {
            let members = counts.get(&segment.id).copied().unwrap_or(0);
            if !viewer.groups_only {
                return Told { members, fewer_than: None };
            }
            let ships = shipped.segments().any(|ours| is_same(ours, segment));
            let shown = if ships { k.exact(members) } else { k.coarse(members) };
            Told { members: shown, fewer_than: (shown == 0).then(|| k.number()) }
        };
        Ok(rules.segments().map(|segment| (segment.id.clone(), told(segment))).collect())
    }

    /// That a segment has as many members as make a group. One call.
    pub async fn refuse_unless_group(&self, id: &Code) -> Result<(), Error> {
        let k = self.0.parts().smallest_group;
        let members = self.counts().await?.get(id).copied().unwrap_or(0);
        let known = self.rules().await?.segments().any(|segment| segment.id == *id);
        if known && !k.is_group(members) { Err(Refusal::GroupTooSmall { least: k.number() }.into()) } else { Ok(()) }
    }

    /// Members of a segment from a place on. One call, and one per shard looked at.
    pub async fn members(
        &self,
        id: &Code,
        from: Option<SegmentPosition>,
        most: usize,
    ) -> Result<(Vec<InSegment>, Option<SegmentPosition>), Error> {
        if !self.rules().await?.segments().any(|segment| segment.id == *id) {
            return Err(Error::NotFound);
        }
        Ok(self.0.table().members_of(id, from, most).await?)
    }

    /// Starts counting whom a rule would hold for. Four calls; two more for whoever sees groups only, because what they
    /// have asked lately is asked along.
    pub async fn preview(&self, rule: &Rule, by: &Viewer) -> Result<RowKey, Error> {
        let id = RowKey::from_bytes(crate::entropy::bytes(self.0.entropy()));
        let rule = rule.to_string();
        let beside = if by.groups_only { self.beside(id, &rule, &by.actor).await? } else { Vec::new() };
        self.0.passes().start(id, Work::Preview { rule, beside }, by.actor.clone()).await?;
        Ok(id)
    }

    /// Notes a preview among those that somebody asked for within a day, and returns the others.
    async fn beside(&self, id: RowKey, rule: &str, by: &Actor) -> Result<Vec<Earlier>, Error> {
        let subject = format!("previews#{by}");
        let mut patience = Patience::new(self.0);
        loop {
            let stored = self.0.table().newest_version(&subject).await?;
            let revision = stored.as_ref().map_or(0, |stored| stored.revision);
            let known: Option<Vec<Earlier>> = stored.map(|stored| serde_json::from_str(&stored.text)).transpose()?;
            let now = self.0.now();
            let lately = |earlier: &Earlier| now.since(earlier.at) < COMPARED_FOR;
            let earlier: Vec<Earlier> = known.unwrap_or_default().into_iter().filter(lately).collect();
            if earlier.len() >= PREVIEWS_A_DAY {
                let oldest = earlier.iter().map(|earlier| earlier.at).min().unwrap_or(now);
                let wait = seconds_until(oldest.plus(COMPARED_FOR), now);
                return Err(Refusal::TooManyPreviews { most: PREVIEWS_A_DAY, wait }.into());
            }
            let mut all = earlier.clone();
            all.push(Earlier { pass: id, rule: rule.to_owned(), at: now });
            let record = StoredVersion::new(subject.clone(), 1, serde_json::to_string(&all)?);
            if self.0.table().replace_version(&StoredVersion { revision, ..record }).await? {
                return Ok(earlier);
            }
            patience.wait().await?;
        }
    }

    /// How far a preview has come. One call; for whoever sees groups only one more where an earlier preview answers, and
    /// nobody else's previews are there.
    pub async fn previewed(&self, id: RowKey, by: &Viewer) -> Result<Preview, Error> {
        let (pass, mut preview) = self.counted(id).await?;
        if !by.groups_only {
            preview.matches.apart.clear();
            return Ok(preview);
        }
        if pass.by != by.actor {
            return Err(Error::NotFound);
        }
        let Work::Preview { beside, .. } = &pass.work else { return Err(Error::NotFound) };
        let k = self.0.parts().smallest_group;
        let apart = std::mem::take(&mut preview.matches.apart);
        let near = beside.iter().zip(apart).find(|(_, apart)| !k.is_group(*apart)).map(|(earlier, _)| earlier.pass);
        if let Some(near) = near.filter(|_| preview.finished) {
            // What this one is near to may itself have been answered by an earlier one.
            let earlier = Box::pin(self.previewed(near, by)).await?;
            preview.matches = earlier.matches;
            (preview.finished, preview.fewer_than) = (earlier.finished, earlier.fewer_than);
        } else if !preview.finished || !k.is_group(preview.matches.count) {
            preview.fewer_than = preview.finished.then(|| k.number());
            preview.matches = Matches::default();
        }
        Ok(preview)
    }

    /// What a preview has counted, for nobody's eyes yet.
    async fn counted(&self, id: RowKey) -> Result<(Pass, Preview), Error> {
        let reached = self.0.passes().reached(id).await?;
        let Work::Preview { rule, beside } = &reached.pass.work else { return Err(Error::NotFound) };
        let mut matches = Matches { apart: vec![0; beside.len()], ..Matches::default() };
        for found in reached.found {
            if let Found::Preview(part) = found {
                matches.count += part.count;
                matches.sample.extend(part.sample);
                matches.apart.iter_mut().zip(part.apart).for_each(|(sum, apart)| *sum += apart);
            }
        }
        matches.sample.truncate(crate::cases::passes::SHOWN);
        let rule = rule.clone();
        let preview =
            Preview { id, rule, finished: reached.finished, members: reached.members, matches, fewer_than: None };
        Ok((reached.pass, preview))
    }

    /// Why a member is in each segment or not. One call, two for a guide.
    pub async fn explain(&self, asked: MemberId, sight: &Sight) -> Result<Why, Error> {
        let hot = self.0.customers().reach(asked, sight).await?;
        self.why(&hot).await
    }

    /// The same for the member's own self: the law gives everybody the right to have it explained (PIPL 24, 48). One
    /// call.
    pub async fn explain_mine(&self, who: &Who) -> Result<Why, Error> {
        let hot = self.0.ledger().open(who, Freshness::Recent).await?;
        self.why(&hot).await
    }

    async fn why(self, hot: &Hot) -> Result<Why, Error> {
        let (rules, today) = (self.0.rulebook().await?, self.0.now().day());
        let settled = crate::domain::posting::settled(&hot.account, &rules.version, self.0.now());
        let account = settled.map_err(crate::cases::ledger::defect)?;
        let facts = account.facts(&rules);
        let judged = account.may_be_judged(today);
        let health = if judged { rules.segmentation.health(&facts, today) } else { Verdict::forever(0) };
        Ok(Why {
            member: account.member,
            as_of: today,
            version: rules.segmentation.version(),
            personalised: account.may_be_personalised(today),
            segments: if judged { rules.segmentation.explain(&facts, today) } else { Vec::new() },
            health: (health.value, health.until),
            lifetime_value: if judged { self.0.lifetime_values().of(&account.days).await? } else { None },
        })
    }
}

/// Whether two segments are one, by their rules as they are printed.
fn is_same(one: &Segment, other: &Segment) -> bool {
    one.id == other.id && one.rule.to_string() == other.rule.to_string()
}

/// Puts a segment where one with its id is, or at the end. Whether it was there, and where it is.
fn put_segment(draft: &mut Draft, segment: &SegmentDraft) -> Result<(bool, String), Error> {
    if draft.sets.iter().any(|set| set.id == segment.id) {
        return Err(Refusal::IdTaken.into());
    }
    for (n, set) in draft.sets.iter_mut().enumerate() {
        if set.entries.iter().any(|entry| entry.id == segment.id) {
            let (known, place) = put(&mut set.entries, segment, |entry| entry.id == segment.id);
            return Ok((known, format!("/sets/{n}/entries/{place}")));
        }
    }
    let (known, place) = put(&mut draft.segments, segment, |known| known.id == segment.id);
    Ok((known, format!("/segments/{place}")))
}

/// The same for a set.
fn put_set(draft: &mut Draft, set: &SetDraft) -> Result<(bool, String), Error> {
    if draft.segments.iter().any(|segment| segment.id == set.id) {
        return Err(Refusal::IdTaken.into());
    }
    let (known, place) = put(&mut draft.sets, set, |known| known.id == set.id);
    Ok((known, format!("/sets/{place}")))
}

fn put<T: Clone>(list: &mut Vec<T>, new: &T, same: impl Fn(&T) -> bool) -> (bool, usize) {
    let known = list.iter().position(same);
    let place = known.unwrap_or(list.len());
    list.splice(place..list.len().min(place + 1), [new.clone()]);
    (known.is_some(), place)
}

/// Flaws with places as the client sees them, who sent one segment or set only.
fn within(flaws: Vec<Flaw>, place: &str) -> Vec<Flaw> {
    let inside = |pointer: &str| {
        pointer.strip_prefix(place).filter(|rest| rest.is_empty() || rest.starts_with('/')).map(str::to_owned)
    };
    flaws.into_iter().map(|flaw| Flaw { pointer: inside(&flaw.pointer).unwrap_or(flaw.pointer), ..flaw }).collect()
}

/// The segment whose rule a pointer into a draft leads to.
fn id_at(draft: &Draft, pointer: &str) -> Option<Code> {
    let mut steps = pointer.split('/').skip(1);
    match (steps.next()?, steps.next()?.parse::<usize>().ok()?) {
        ("segments", n) => Some(draft.segments.get(n)?.id.clone()),
        ("sets", n) => {
            let entry = steps.nth(1).and_then(|m| m.parse::<usize>().ok());
            let set = draft.sets.get(n)?;
            Some(entry.and_then(|m| set.entries.get(m)).map_or(&set.id, |entry| &entry.id).clone())
        }
        _ => None,
    }
}
