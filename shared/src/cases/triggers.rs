//! Triggers: a move between segments sets campaigns off, each once, however often the move is told.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::cases::Error;
use crate::cases::ledger::Patience;
use crate::domain::campaign::Campaign;
use crate::domain::campaign::counts::Count;
use crate::domain::campaign::send::Send;
use crate::domain::playbook::{self, Move};
use crate::table::{Freshness, Lost, Outcome, StoredSend};
use crate::values::Moment;

/// For how long the list of triggered campaigns may decide: within that time launching, pausing and stopping work on
/// moves everywhere.
const FRESH_FOR: Duration = Duration::from_secs(2);

/// Triggers.
#[derive(Clone, Copy, Debug)]
pub struct Triggers<'a>(pub(crate) &'a App);

impl App {
    /// Triggers.
    #[must_use]
    pub const fn triggers(&self) -> Triggers<'_> {
        Triggers(self)
    }
}

impl Triggers<'_> {
    /// Sets off the campaigns that wait for this move, and tells how many. No call for a move that none waits for, but
    /// for the list of campaigns every two seconds. Otherwise one or a few for the row that made the move, and one
    /// transaction for each campaign: the copy, which waits for its time in the due index, and the campaign's counts.
    pub async fn follow(&self, on: &Move) -> Result<usize, Error> {
        let now = self.0.now();
        let triggered = self.triggered().await?;
        let waiting: Vec<&Campaign> = triggered.iter().filter(|campaign| campaign.is_set_off_by(on, now)).collect();
        if waiting.is_empty() {
            return Ok(0);
        }
        let Some(cause) = self.0.playbooks().cause(on).await? else { return Ok(0) };
        if !playbook::somebody_moved(&cause.what) {
            return Ok(0);
        }
        let mut set_off = 0;
        for campaign in waiting {
            set_off += usize::from(self.set_off(campaign, on, cause.at).await?);
        }
        Ok(set_off)
    }

    /// Writes the copy that a move sets off; false when the campaign has addressed the member lately.
    async fn set_off(self, campaign: &Campaign, on: &Move, moved_at: Moment) -> Result<bool, Error> {
        let Some(trigger) = campaign.definition.trigger else { return Ok(false) };
        let mut patience = Patience::new(self.0);
        loop {
            let now = self.0.now();
            let send = trigger.copy(campaign, on, moved_at, now);
            match self.write(send.clone(), now, trigger.not_since(now)).await? {
                Outcome::Done => return Ok(true),
                // The move was told before, or the member was addressed by another one.
                Outcome::Lost(Lost::AddressedLately) => return Ok(false),
                Outcome::Lost(_) if self.0.table().send(send.id, Freshness::Latest).await?.is_some() => {
                    return Ok(true);
                }
                Outcome::Lost(_) => patience.wait().await?,
            }
        }
    }

    async fn write(self, send: Send, now: Moment, not_since: Option<Moment>) -> Result<Outcome, Error> {
        let mut counts = send.counts_since(None);
        counts.add(&Count::of(Count::AUDIENCE), 1);
        let (campaign, member) = (send.campaign, send.member);
        let transaction = self.0.table().transaction().send(&StoredSend::new(send), &counts)?;
        Ok(transaction.addressed(campaign, member, now, not_since)?.commit().await?)
    }

    /// Campaigns that wait for moves, as they were at most two seconds ago.
    async fn triggered(self) -> Result<Arc<Vec<Campaign>>, Error> {
        if let Some(kept) = self.0.kept_triggered().get(self.0.wall(), FRESH_FOR) {
            return Ok(kept);
        }
        let live = self.0.table().live_campaigns().await?.into_iter().map(|stored| stored.campaign);
        let triggered = Arc::new(live.filter(|campaign| !campaign.is_broadcast()).collect::<Vec<_>>());
        self.0.kept_triggered().put(self.0.wall(), &triggered);
        Ok(triggered)
    }
}
