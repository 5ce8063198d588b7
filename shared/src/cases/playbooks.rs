//! Playbooks: which there are, and acting once on every move between segments.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::Error;
use crate::cases::ledger::Patience;
use crate::cases::saved::Setting;
use crate::domain::account::Account;
use crate::domain::entry::Entry;
use crate::domain::playbook::{self, Move, Playbook, Playbooks, Spent, Way};
use crate::domain::posting::Posted;
use crate::domain::rulebook::Rulebook;
use crate::table::{Freshness, Hot, Kept, Lost, Outcome, StoredVersion};
use crate::values::{Actor, Code, Moment};

#[derive(Serialize, Deserialize)]
struct Stored {
    at: Moment,
    by: Actor,
    playbooks: BTreeMap<Code, Playbook>,
}

impl Setting for Playbooks {
    const SUBJECT: &'static str = "playbooks";

    fn kept(app: &App) -> &Kept<Self> {
        app.kept_playbooks()
    }

    fn initial(_: &App) -> Result<Self, Error> {
        Ok(Self::shipped()?)
    }

    fn read(stored: &StoredVersion) -> Result<Self, Error> {
        let Stored { playbooks, .. } = serde_json::from_str(&stored.text)?;
        Ok(Self { version: stored.version, by_segment: playbooks })
    }
}

/// What came of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acted {
    /// The segment's playbook does nothing on such a move.
    Nothing,
    /// It acted, now or when the move was told before.
    Done,
    /// Nobody has moved by it, or too many playbooks have acted in a row.
    NotCounted,
    /// Its budget is used up.
    Spent,
    /// The member is gone, or a rule says no to the actions: more tags than one may have.
    Refused,
}

/// Playbooks.
#[derive(Clone, Copy, Debug)]
pub struct PlaybookCases<'a>(pub(crate) &'a App);

impl App {
    /// Playbooks.
    #[must_use]
    pub const fn playbooks(&self) -> PlaybookCases<'_> {
        PlaybookCases(self)
    }
}

impl PlaybookCases<'_> {
    /// The playbooks in force. No call while they are fresh, one otherwise.
    pub async fn current(&self) -> Result<Arc<Playbooks>, Error> {
        self.0.setting().await
    }

    /// The newest playbooks; the shipped ones before anybody has saved any. One call.
    pub async fn newest(&self) -> Result<Arc<Playbooks>, Error> {
        self.0.newest_setting().await
    }

    /// A segment's playbook, the version in which it was read, and what it has used in its budget's present period.
    /// Two calls; one without a budget.
    pub async fn of(&self, segment: &Code) -> Result<(Playbook, u32, Option<Spent>), Error> {
        let playbooks = self.newest().await?;
        let playbook = playbooks.by_segment.get(segment).cloned().ok_or(Error::NotFound)?;
        let spent = match playbook.charge(segment, self.0.now().day()) {
            Some(charge) => Some(self.0.table().spent(segment, charge.since).await?),
            None => None,
        };
        Ok((playbook, playbooks.version, spent))
    }

    /// Gives a segment its playbook, or takes it away for `None`, provided that `seen` is still the newest version.
    /// Two calls, and one for the segments when they are not fresh; answers with the next version's number.
    pub async fn save(&self, segment: &Code, playbook: Option<Playbook>, seen: u32, by: Actor) -> Result<u32, Error> {
        let newest = self.newest().await?;
        let there = match &playbook {
            Some(_) => self.0.segments().rules().await?.segments().any(|known| known.id == *segment),
            // One whose segment is gone must be deletable, too.
            None => newest.by_segment.contains_key(segment),
        };
        if !there {
            return Err(Error::NotFound);
        }
        if newest.version != seen {
            return Err(Error::VersionMoved);
        }
        let mut flaws = playbook.as_ref().map(Playbook::flaws).unwrap_or_default();
        let next = newest.next(segment, playbook);
        let stored = Stored { at: self.0.now(), by, playbooks: next.by_segment.clone() };
        flaws.extend(next.flaws(serde_json::to_string(&stored)?.len()));
        if !flaws.is_empty() {
            return Err(Error::Flawed(flaws));
        }
        self.0.save_setting::<Playbooks>(next.version, &stored).await?;
        Ok(next.version)
    }

    /// Lets the segment's playbook act on a move, once, however often the move is told.
    ///
    /// No call when it does nothing on such a move. Otherwise three when the member entered: the row that made the
    /// move, the member, one transaction. When the member left that row is looked for from the journal's newest on: four
    /// calls, and one more per eight rows since.
    pub async fn follow(&self, on: &Move) -> Result<Acted, Error> {
        let playbooks = self.current().await?;
        let Some(playbook) = playbooks.by_segment.get(&on.segment).filter(|book| !book.on(on.way).is_empty()) else {
            return Ok(Acted::Nothing);
        };
        let Some(depth) = self.depth(on).await? else { return Ok(Acted::NotCounted) };
        let rules = self.0.rulebook().await?;
        let mut patience = Patience::new(self.0);
        loop {
            let Some(hot) = self.0.table().member(on.member, Freshness::Latest).await? else {
                return Ok(Acted::Refused);
            };
            let hot = match self.0.ledger().follow(hot, Freshness::Latest).await {
                Ok(hot) => hot,
                Err(Error::Refused(_)) => return Ok(Acted::Refused),
                Err(error) => return Err(error),
            };
            let posted = match self.decide(&hot.account, playbook, on, depth, &rules) {
                Ok(posted) => posted,
                Err(Error::Refused(_)) => return Ok(Acted::Refused),
                Err(error) => return Err(error),
            };
            match self.write(&hot, &posted, playbook, on).await? {
                Outcome::Done | Outcome::Lost(Lost::RowExists(_)) => return Ok(Acted::Done),
                Outcome::Lost(Lost::Spent) => return Ok(Acted::Spent),
                // Stale or crossed; what limits other things is no part of this.
                Outcome::Lost(_) => patience.wait().await?,
            }
        }
    }

    fn decide(
        self,
        account: &Account,
        playbook: &Playbook,
        on: &Move,
        depth: u8,
        rules: &Rulebook,
    ) -> Result<Posted, Error> {
        let actions = playbook.on(on.way);
        Ok(playbook::act(account, actions, on, depth, rules, self.0.now(), self.0.own_name())?)
    }

    /// The movement, and what it takes from the budget: both or neither.
    async fn write(self, hot: &Hot, posted: &Posted, playbook: &Playbook, on: &Move) -> Result<Outcome, Error> {
        let transaction = self.0.table().transaction().movement(hot, posted)?;
        let transaction = match playbook.charge(&on.segment, self.0.now().day()) {
            Some(charge) => transaction.charge(&charge)?,
            None => transaction,
        };
        Ok(transaction.commit().await?)
    }

    /// The how-manieth playbook in a row would act; none when none is to.
    async fn depth(self, on: &Move) -> Result<Option<u8>, Error> {
        Ok(self.cause(on).await?.and_then(|cause| playbook::depth(&cause.what)))
    }

    /// The row that made a move. One call when the member entered; when they left, one for the member, and one per eight
    /// rows since the stay began.
    pub(crate) async fn cause(self, on: &Move) -> Result<Option<Entry>, Error> {
        match on.way {
            Way::Entered => Ok(self.0.table().row(on.stay).await?),
            Way::Left => self.leaving(on).await,
        }
    }

    /// The row by which the member left.
    async fn leaving(self, on: &Move) -> Result<Option<Entry>, Error> {
        let Some(hot) = self.0.table().member(on.member, Freshness::Latest).await? else { return Ok(None) };
        let (mut journal, mut links) = (Vec::new(), hot.account.chain.recent);
        while !links.is_empty() && journal.iter().all(|entry: &Entry| entry.row != on.stay) {
            let mut page = self.0.table().rows_from(links, 1).await?;
            journal.append(&mut page.entries);
            links = page.next;
        }
        Ok(on.cause(&journal).cloned())
    }
}
