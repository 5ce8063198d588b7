//! Segments: their rules, who is in them, and why.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::customers::Sight;
use crate::cases::passes::{Found, Matches, Work};
use crate::cases::{Error, Who};
use crate::domain::clv::Prediction;
use crate::domain::flaw::Flaw;
use crate::domain::refusal::Refusal;
use crate::domain::rule::Rule;
use crate::domain::segmentation::{Draft, Explained, SegmentDraft, Segmentation, SetDraft};
use crate::domain::verdict::Verdict;
use crate::table::{Freshness, Hot, InSegment, Outcome, SegmentPosition, StoredVersion};
use crate::values::{Actor, Code, LocalDay, MemberId, Moment, RowKey};

const SUBJECT: &str = "segments";

/// Words that stand in the place of a segment's id in paths.
const RESERVED: [&str; 3] = ["check", "previews", "recompute"];

#[derive(Serialize, Deserialize)]
struct Stored {
    at: Moment,
    by: Actor,
    segmentation: Segmentation,
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
    /// Who would be in.
    #[serde(flatten)]
    pub matches: Matches,
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
        if let Some(rules) = self.0.kept_segmentation().get(self.0.wall(), self.0.parts().settings_fresh_for) {
            return Ok(rules);
        }
        self.newest().await
    }

    /// The newest rules as stored; the shipped ones before anybody has saved any. One call.
    pub async fn newest(&self) -> Result<Arc<Segmentation>, Error> {
        let stored = self.0.table().newest_version(SUBJECT).await?;
        let rules = match stored {
            Some(stored) => serde_json::from_str::<Stored>(&stored.text)?.segmentation,
            None => Segmentation::shipped()?,
        };
        let rules = Arc::new(rules);
        self.0.kept_segmentation().put(self.0.wall(), &rules);
        Ok(rules)
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
        let text = serde_json::to_string(&stored)?;
        let record = StoredVersion::new(SUBJECT.to_owned(), stored.segmentation.version(), text);
        let outcome = self.0.table().transaction().version(&record)?.commit().await?;
        self.0.kept_segmentation().forget();
        if let Outcome::Lost(_) = outcome {
            return Err(Error::VersionMoved);
        }
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

    /// Starts counting whom a rule would hold for. Four calls.
    pub async fn preview(&self, rule: &Rule, by: Actor) -> Result<RowKey, Error> {
        let id = RowKey::from_bytes(crate::entropy::bytes(self.0.entropy()));
        self.0.passes().start(id, Work::Preview { rule: rule.to_string() }, by).await?;
        Ok(id)
    }

    /// How far a preview has come. One call.
    pub async fn previewed(&self, id: RowKey) -> Result<Preview, Error> {
        let reached = self.0.passes().reached(id).await?;
        let Work::Preview { rule } = reached.pass.work else { return Err(Error::NotFound) };
        let mut matches = Matches::default();
        for found in reached.found {
            if let Found::Preview(part) = found {
                matches.count += part.count;
                matches.sample.extend(part.sample);
            }
        }
        matches.sample.truncate(crate::cases::passes::SHOWN);
        Ok(Preview { id, rule, finished: reached.finished, members: reached.members, matches })
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
        let settled = crate::domain::posting::settled(&hot.account, &rules, self.0.now());
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
