//! Campaigns: written, launched, held up, ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::app::App;
use crate::cases::Error;
use crate::cases::dispatch::Task;
use crate::cases::ledger::Patience;
use crate::cases::segments::Viewer;
use crate::domain::account::Account;
use crate::domain::campaign::circuit::Circuit;
use crate::domain::campaign::counts::Counts;
use crate::domain::campaign::definition::Definition;
use crate::domain::campaign::gates::Room;
use crate::domain::campaign::scene::{self, Scene, SceneDraft, SceneTemplate};
use crate::domain::campaign::{Act, Campaign, State};
use crate::domain::consent::Bar;
use crate::domain::notice::Notice;
use crate::domain::rule::Rule;
use crate::domain::segmentation::Segmentation;
use crate::domain::traits::Channel;
use crate::table::{BUDGET_SHARDS, CampaignPosition, Outcome, StoredCampaign};
use crate::values::{Actor, CampaignId, Code, Fen, IdempotencyKey, Moment, RowKey};

/// For how long what was read of a campaign may decide: within that time pausing and stopping work everywhere.
const FRESH_FOR: Duration = Duration::from_secs(2);

/// The most campaigns of which a process keeps what it has read.
const MOST_KEPT: usize = 200;

/// A campaign as senders need it, read at most two seconds ago.
#[derive(Debug)]
pub struct Live {
    /// The campaign.
    pub campaign: Campaign,
    /// The rule of its audience, if that is one.
    pub rule: Option<Rule>,
    /// The notice about tickets that it is, where it is none of staff's.
    pub notice: Option<Notice>,
    /// What was left of its budget, by shard, once somebody has asked.
    rooms: OnceCell<Vec<(u8, Room)>>,
}

impl Live {
    pub(super) const fn new(campaign: Campaign, rule: Option<Rule>, notice: Option<Notice>) -> Self {
        Self { campaign, rule, notice, rooms: OnceCell::const_new() }
    }

    /// What the budget limits.
    #[must_use]
    pub const fn limited(&self) -> Room {
        match self.campaign.definition.budget {
            Some(budget) => Room { sends: budget.sends, fen: budget.fen },
            None => Room::ENDLESS,
        }
    }
}

/// What a member's account says of a campaign.
#[derive(Debug, Default)]
pub(crate) struct Stance {
    /// Channels on which marketing is barred, and why.
    pub bars: Vec<(Channel, Bar)>,
    /// Whether the member is in the audience.
    pub in_audience: bool,
}

/// What a process has read of campaigns and circuits in the last two seconds.
#[derive(Debug, Default)]
pub(crate) struct KeptCampaigns {
    campaigns: Mutex<HashMap<CampaignId, (Moment, Arc<Live>)>>,
    circuits: Mutex<Option<(Moment, KeptCircuits)>>,
}

type KeptCircuits = Arc<Vec<(Channel, Circuit, u64)>>;

impl KeptCampaigns {
    fn get(&self, id: CampaignId, wall: Moment) -> Option<Arc<Live>> {
        let kept = self.campaigns.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, live) = kept.get(&id)?;
        (wall.since(*read) < FRESH_FOR).then(|| Arc::clone(live))
    }

    fn put(&self, id: CampaignId, wall: Moment, live: &Arc<Live>) {
        let mut kept = self.campaigns.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_KEPT {
            kept.retain(|_, (read, _)| wall.since(*read) < FRESH_FOR);
        }
        kept.insert(id, (wall, Arc::clone(live)));
    }

    pub(crate) fn forget(&self, id: CampaignId) {
        self.campaigns.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    pub(crate) fn forget_circuits(&self) {
        *self.circuits.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Campaigns.
#[derive(Clone, Copy, Debug)]
pub struct Campaigns<'a>(pub(crate) &'a App);

impl App {
    /// Campaigns.
    #[must_use]
    pub const fn campaigns(&self) -> Campaigns<'_> {
        Campaigns(self)
    }
}

impl Campaigns<'_> {
    /// Makes a draft, once for a key. At most three calls.
    pub async fn create(
        &self,
        definition: Definition,
        key: &IdempotencyKey,
        by: Actor,
    ) -> Result<StoredCampaign, Error> {
        self.check(&definition).await?;
        let id = CampaignId::of("campaign", &[by.as_str(), key.as_str()]);
        let asked = RowKey::of("campaign-definition", &[&text(&definition)?]);
        let new = StoredCampaign::new(Campaign::draft(id, definition, asked, by, self.0.now()));
        let mut patience = Patience::new(self.0);
        loop {
            if let Outcome::Done = self.0.table().transaction().campaign(&new)?.commit().await? {
                return Ok(StoredCampaign { version: 1, ..new });
            }
            match self.read(id).await {
                Ok(known) => return if known.campaign.asked == asked { Ok(known) } else { Err(Error::ReusedKey) },
                // Another transaction was in the way, which may have failed.
                Err(Error::NotFound) => patience.wait().await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// The scenes that ship. No call.
    pub fn scenes(&self) -> Result<Vec<SceneTemplate>, Error> {
        scene::shipped().map_err(|e| Error::Defect(e.to_string()))
    }

    /// Makes a draft of a scene's template, once for a key. At most three calls.
    pub async fn create_of_scene(
        &self,
        scene: Scene,
        with: SceneDraft,
        key: &IdempotencyKey,
        by: Actor,
    ) -> Result<StoredCampaign, Error> {
        let template = self.scenes()?.into_iter().find(|template| template.scene == scene).ok_or(Error::NotFound)?;
        let definition = template.drafted(with).map_err(|e| Error::Defect(e.to_string()))?;
        self.create(definition, key, by).await
    }

    /// A campaign as time has left it. One call.
    pub async fn read(&self, id: CampaignId) -> Result<StoredCampaign, Error> {
        let stored = self.0.table().campaign(id).await?.ok_or(Error::NotFound)?;
        Ok(StoredCampaign { campaign: stored.campaign.aged(self.0.now()), ..stored })
    }

    /// How many of its sends stand where, as a viewer is told: rounded down for whoever sees groups only. One call.
    pub async fn counts_for(&self, campaign: &Campaign, viewer: &Viewer) -> Result<Counts, Error> {
        let counts = self.counts(campaign.id).await?;
        let k = self.0.parts().smallest_group;
        Ok(if viewer.groups_only { k.coarsened(&counts, campaign.may_come_again()) } else { counts })
    }

    /// How many of its sends stand where. One call.
    pub async fn counts(&self, id: CampaignId) -> Result<Counts, Error> {
        Ok(self.0.table().counts(id).await?)
    }

    /// A page of campaigns, newest first. One call.
    pub async fn list(
        &self,
        from: Option<CampaignPosition>,
        most: i32,
    ) -> Result<(Vec<StoredCampaign>, Option<CampaignPosition>), Error> {
        let (mut page, next) = self.0.table().campaigns(from, most).await?;
        for stored in &mut page {
            stored.campaign = stored.campaign.aged(self.0.now());
        }
        Ok((page, next))
    }

    /// Writes a draft anew, over the version that was seen. At most three calls.
    pub async fn save(&self, id: CampaignId, definition: Definition, seen: u64) -> Result<StoredCampaign, Error> {
        let stored = self.read(id).await?;
        if stored.version != seen {
            return Err(Error::VersionMoved);
        }
        if stored.campaign.state != State::Draft {
            return Err(crate::domain::refusal::Refusal::CampaignStands { state: stored.campaign.state }.into());
        }
        self.check(&definition).await?;
        let campaign = Campaign { definition, ..stored.campaign };
        self.write(StoredCampaign { campaign, ..stored }, &[]).await?.ok_or(Error::VersionMoved)
    }

    /// Launches, pauses, resumes or stops a campaign. Doing again what is done changes nothing. At most four calls.
    pub async fn act(&self, id: CampaignId, act: Act) -> Result<StoredCampaign, Error> {
        let mut patience = Patience::new(self.0);
        loop {
            let stored = self.read(id).await?;
            if act == Act::Launch && stored.campaign.state == State::Draft {
                self.check(&stored.campaign.definition).await?;
                self.is_provided(&stored.campaign.definition)?;
            }
            let next = stored.campaign.act(act, self.0.now())?;
            let mut rooms = Vec::new();
            if next.launched_at != stored.campaign.launched_at {
                rooms = shares(&next.definition);
            }
            if next == stored.campaign {
                // What the first request may have died before.
                self.follow(act, &stored.campaign).await?;
                return Ok(stored);
            }
            let written = self.write(StoredCampaign { campaign: next, ..stored }, &rooms).await?;
            if let Some(written) = written {
                self.follow(act, &written.campaign).await?;
                return Ok(written);
            }
            patience.wait().await?;
        }
    }

    /// What has to go into queues after an act.
    async fn follow(self, act: Act, campaign: &Campaign) -> Result<(), Error> {
        match act {
            Act::Launch => self.0.dispatch().begin(campaign).await,
            Act::Resume => {
                self.0.dispatch().begin(campaign).await?;
                self.0.dispatch().enqueue(&[Task::Release { campaign: campaign.id }]).await
            }
            Act::Stop => self.0.dispatch().enqueue(&[Task::Release { campaign: campaign.id }]).await,
            Act::Pause => Ok(()),
        }
    }

    /// Pauses a campaign whose content a provider has refused. Two calls, none when it is paused already. What a notice
    /// says stands in the settings of the desk: it is told, and tried again until its time is over.
    pub(crate) async fn fault(&self, id: CampaignId, said: &str) -> Result<(), Error> {
        if let Some((notice, _)) = Notice::of_campaign(id) {
            tracing::error!(
                notice = notice.as_str(),
                said,
                "a provider refused what a notice says; mend the desk's settings"
            );
            return Ok(());
        }
        let stored = self.read(id).await?;
        if let Some(paused) = stored.campaign.faulted(said, self.0.now()) {
            tracing::error!(campaign = %id, said, "a provider refused a campaign's content; it is paused");
            self.write(StoredCampaign { campaign: paused, ..stored }, &[]).await?;
        }
        Ok(())
    }

    /// Writes a campaign over the version read, at its launch with its budget; none when somebody else was faster.
    async fn write(self, stored: StoredCampaign, rooms: &[(u8, Room)]) -> Result<Option<StoredCampaign>, Error> {
        let campaign = &stored.campaign;
        let mut transaction = self.0.table().transaction().campaign(&stored)?;
        for (shard, room) in rooms {
            transaction = transaction.room(campaign.id, *shard, *room)?;
        }
        let outcome = transaction.commit().await?;
        self.0.kept_campaigns().forget(campaign.id);
        self.0.kept_triggered().forget();
        Ok(match outcome {
            Outcome::Done => Some(StoredCampaign { version: stored.version + 1, ..stored }),
            Outcome::Lost(_) => None,
        })
    }

    /// Notes that a campaign's whole audience is in the queue. Two calls.
    pub(crate) async fn dispatched(&self, id: CampaignId) -> Result<(), Error> {
        let stored = self.read(id).await?;
        if stored.campaign.dispatched_at.is_some() {
            return Ok(());
        }
        let campaign = Campaign { dispatched_at: Some(self.0.now()), ..stored.campaign };
        // Whoever was faster may have been a pause: the clocks come by again.
        self.write(StoredCampaign { campaign, ..stored }, &[]).await.map(drop)
    }

    /// Campaigns on their way whose audience would not be one under these segments. One call.
    pub(crate) async fn addressing(&self, segments: &Segmentation) -> Result<Vec<Code>, Error> {
        let now = self.0.now();
        let live = self.0.table().live_campaigns().await?.into_iter().map(|stored| stored.campaign);
        let lost =
            live.filter(|campaign| campaign.standing(now).is_live() && !campaign.definition.is_addressed(segments));
        Ok(lost.filter_map(|campaign| Code::parse(&campaign.id.to_string()).ok()).collect())
    }

    /// Notes that a campaign's window has begun. Two calls.
    pub(crate) async fn begin(&self, id: CampaignId) -> Result<(), Error> {
        let stored = self.read(id).await?;
        self.write(stored, &[]).await.map(drop)
    }

    /// Notes that a campaign's time is over, and lets go what was parked until then. Three calls.
    pub(crate) async fn end(&self, id: CampaignId) -> Result<(), Error> {
        let stored = self.read(id).await?;
        self.0.dispatch().enqueue(&[Task::Release { campaign: id }]).await?;
        self.write(stored, &[]).await.map(drop)
    }

    async fn check(self, definition: &Definition) -> Result<(), Error> {
        let flaws = definition.flaws(&*self.0.segments().newest().await?, self.0.now());
        if flaws.is_empty() { Ok(()) } else { Err(Error::Flawed(flaws)) }
    }

    /// Asked at launch alone, so that a draft may be written while a provider is still being set up.
    fn is_provided(self, definition: &Definition) -> Result<(), Error> {
        let flaws = definition.unprovided(|channel| self.0.parts().senders.of(channel).is_some());
        if flaws.is_empty() { Ok(()) } else { Err(Error::Flawed(flaws)) }
    }

    /// A campaign as it was at most two seconds ago. One call, or none.
    pub(crate) async fn live(&self, id: CampaignId) -> Result<Arc<Live>, Error> {
        if let Some(live) = self.0.kept_campaigns().get(id, self.0.wall()) {
            return Ok(live);
        }
        if let Some(live) = self.0.notices().live(id).await? {
            let live = Arc::new(live);
            self.0.kept_campaigns().put(id, self.0.wall(), &live);
            return Ok(live);
        }
        let stored = self.0.table().campaign(id).await?.ok_or(Error::NotFound)?;
        let live = Arc::new(self.live_of(stored.campaign).await?);
        self.0.kept_campaigns().put(id, self.0.wall(), &live);
        Ok(live)
    }

    /// A campaign of staff's as senders need it. No call while the rules are fresh.
    pub(crate) async fn live_of(self, campaign: Campaign) -> Result<Live, Error> {
        let rule = match &campaign.definition.audience.rule {
            Some(rule) => Some(self.0.segments().rules().await?.parse(rule).map_err(|e| Error::Defect(e.to_string()))?),
            None => None,
        };
        Ok(Live::new(campaign, rule, None))
    }

    /// What was left of a campaign's budget at most two seconds ago. One call, or none.
    pub(crate) async fn room(&self, live: &Live) -> Result<Room, Error> {
        let Some(budget) = live.campaign.definition.budget else { return Ok(Room::ENDLESS) };
        let rooms = self.rooms(live).await?;
        Ok(Room {
            sends: budget.sends.map(|_| rooms.iter().filter_map(|(_, room)| room.sends).sum()),
            fen: budget.fen.map(|_| rooms.iter().filter_map(|(_, room)| room.fen).sum()),
        })
    }

    /// A shard of a campaign's budget from which a message at this cost may be taken, looked for from one on. One call, or
    /// none.
    pub(crate) async fn shard(&self, live: &Live, first: u8, cost: Fen) -> Result<Option<u8>, Error> {
        if live.campaign.definition.budget.is_none() {
            return Ok(None);
        }
        let rooms = self.rooms(live).await?;
        let fits = |shard: u8| rooms.iter().any(|(number, room)| *number == shard && room.fits(cost));
        Ok((0..BUDGET_SHARDS).map(|n| first.wrapping_add(n) % BUDGET_SHARDS).find(|shard| fits(*shard)))
    }

    async fn rooms(self, live: &Live) -> Result<&[(u8, Room)], Error> {
        let read = || async { Ok::<_, Error>(self.0.table().rooms(live.campaign.id).await?) };
        Ok(live.rooms.get_or_try_init(read).await?)
    }

    /// Brings what is left of a budget together in one shard, when no shard has enough for a message and all of them
    /// together have. Two calls.
    pub(crate) async fn gather(&self, id: CampaignId) -> Result<(), Error> {
        let rooms = self.0.table().rooms(id).await?;
        let mut transaction = self.0.table().transaction();
        let mut whole = Room { sends: None, fen: None };
        for (_, room) in &rooms {
            whole.sends = sum(whole.sends, room.sends);
            whole.fen = sum(whole.fen.map(Fen::number), room.fen.map(Fen::number)).map(Fen::computed);
        }
        let nothing = Room { sends: whole.sends.map(|_| 0), fen: whole.fen.map(|_| Fen::ZERO) };
        for (n, (shard, seen)) in rooms.iter().enumerate() {
            let next = if n == 0 { whole } else { nothing };
            transaction = transaction.reshare(id, *shard, *seen, next)?;
        }
        // Whoever took something meanwhile has made this a picture of the past: look again.
        transaction.commit().await?;
        self.0.kept_campaigns().forget(id);
        Ok(())
    }

    /// What a member's account says of a campaign.
    pub(crate) async fn stance(&self, live: &Live, account: &Account) -> Result<Stance, Error> {
        let floors = self.0.rulebook().await?.floors;
        let today = self.0.now().day();
        let bar = |channel: &Channel| Some((*channel, account.may_be_sent(*channel, floors, today).err()?));
        let bars = live.campaign.definition.plan.iter().filter_map(bar).collect();
        Ok(Stance { bars, in_audience: self.in_audience(live, account).await? })
    }

    /// Whether the member is in the audience now, and in no segment that it leaves out.
    async fn in_audience(self, live: &Live, account: &Account) -> Result<bool, Error> {
        let definition = &live.campaign.definition;
        let audience = &definition.audience;
        if live.notice.is_some() {
            // Its ticket names the one whom it is for.
            return Ok(true);
        }
        if audience.exclude.iter().any(|segment| account.segments.contains(segment)) {
            return Ok(false);
        }
        if let Some(segment) = &audience.segment {
            let inside = account.segments.contains(segment);
            return Ok(match definition.trigger.map(|trigger| trigger.on) {
                Some(crate::domain::playbook::Way::Left) => !inside,
                Some(crate::domain::playbook::Way::Entered) | None => inside,
            });
        }
        let Some(rule) = &live.rule else { return Ok(false) };
        let rules = self.0.rulebook().await?;
        let facts = account.facts(&rules);
        Ok(rules.segmentation.judge_rule(rule, &facts, self.0.now().day()).value)
    }

    /// The circuits as they were at most two seconds ago. One call, or none.
    pub(crate) async fn circuits(&self) -> Result<KeptCircuits, Error> {
        let wall = self.0.wall();
        let kept = &self.0.kept_campaigns().circuits;
        if let Some((read, circuits)) = kept.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
            && wall.since(*read) < FRESH_FOR
        {
            return Ok(Arc::clone(circuits));
        }
        let circuits = Arc::new(self.0.table().circuits().await?);
        *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((wall, Arc::clone(&circuits)));
        Ok(circuits)
    }
}

/// A budget's shares: all of them add up to it.
fn shares(definition: &Definition) -> Vec<(u8, Room)> {
    let Some(budget) = definition.budget else { return Vec::new() };
    let share = |total: u64, shard: u8| {
        let shards = u64::from(BUDGET_SHARDS);
        total / shards + u64::from(u64::from(shard) < total % shards)
    };
    let room = |shard| Room {
        sends: budget.sends.map(|sends| share(sends, shard)),
        fen: budget.fen.map(|fen| Fen::computed(share(fen.number(), shard))),
    };
    (0..BUDGET_SHARDS).map(|shard| (shard, room(shard))).collect()
}

fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (None, other) => other,
        (one, None) => one,
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
    }
}

fn text(definition: &Definition) -> Result<String, Error> {
    serde_json::to_string(definition).map_err(|e| Error::Defect(e.to_string()))
}
