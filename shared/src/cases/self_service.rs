//! Self-service: answers before a ticket is made, whether they helped, and handing over to the desk.
//!
//! Nothing of a question is kept; it travels back to the member in the search, signed, and becomes the ticket's text
//! when the answers did not help.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::customers::Sight;
use crate::cases::ledger::Patience;
use crate::cases::tickets::{Said, Whole};
use crate::cases::{Error, Who};
use crate::domain::faq::{FaqEntry, answers};
use crate::domain::refusal::Refusal;
use crate::domain::tally::{Figures, Tally};
use crate::domain::ticket::{Channel, Kind, Matter};
use crate::table::{Freshness, Outcome, TALLY_SHARDS};
use crate::values::{Note, Question, RowKey, TicketId};

const SEARCHES: &str = "faq";

#[derive(Serialize, Deserialize)]
struct Search {
    id: RowKey,
    question: Question,
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Found {
    /// By what the member says whether it helped.
    pub search: String,
    /// The best entries, best first.
    pub entries: Vec<FaqEntry>,
}

/// Self-service.
#[derive(Clone, Copy, Debug)]
pub struct SelfService<'a>(pub(crate) &'a App);

impl App {
    /// Self-service.
    #[must_use]
    pub const fn self_service(&self) -> SelfService<'_> {
        SelfService(self)
    }
}

impl SelfService<'_> {
    /// Looks for answers to a question, and counts it. Two calls: the session, and the count.
    pub async fn search(&self, who: &Who, question: Question) -> Result<Found, Error> {
        let version = self.0.desks().current().await?;
        let _ = self.0.ledger().open(who, Freshness::Recent).await?;
        let entries: Vec<FaqEntry> = answers(&version.desk.faq, question.as_str()).into_iter().cloned().collect();
        let id = RowKey::from_bytes(crate::entropy::bytes(self.0.entropy()));
        let cursors = &self.0.parts().cursors;
        let sealed = cursors.seal(SEARCHES, &who.member.to_string(), &Search { id, question });
        let search = sealed.map_err(|e| Error::Defect(e.to_string()))?;
        self.count(id, &Tally::Searched { answered: !entries.is_empty() }, false).await?;
        Ok(Found { search, entries })
    }

    /// The answers helped. Counted once. Two calls.
    pub async fn solved(&self, who: &Who, search: &str) -> Result<(), Error> {
        let Search { id, .. } = self.read(who, search)?;
        let _ = self.0.ledger().open(who, Freshness::Recent).await?;
        self.count(id, &Tally::SolvedAlone, true).await
    }

    /// The answers did not help: the question becomes a ticket, one however often it is asked for. Two calls.
    pub async fn hand_over(&self, who: &Who, search: &str, kind: Kind) -> Result<Whole, Error> {
        let Search { id, question } = self.read(who, search)?;
        let matter = Matter { handed_over: true, ..Matter::new(kind, Channel::MiniProgram) };
        let text = Note::parse(question.as_str()).map_err(|e| Error::Defect(e.to_string()))?;
        self.0.tickets().open(who, &Sight::All, &format!("faq:{id}"), matter, Said::from(&text)).await
    }

    fn read(self, who: &Who, search: &str) -> Result<Search, Error> {
        let opened = self.0.parts().cursors.open(SEARCHES, &who.member.to_string(), search);
        opened.map_err(|_| Refusal::SearchUnknown.into())
    }

    /// Counts something about a search; once, where the note that it was done says so.
    async fn count(&self, id: RowKey, tally: &Tally, once: bool) -> Result<(), Error> {
        let about = TicketId::of("faq", &[&id.to_string()]);
        let figures: Figures = [tally].into_iter().collect();
        let (day, mut patience) = (self.0.now().day(), Patience::new(self.0));
        loop {
            let mut transaction = self.0.table().transaction();
            transaction = transaction.figures(day, about.shard(TALLY_SHARDS), &figures)?;
            if once {
                transaction = transaction.done(about, id, 0)?;
            }
            match transaction.commit().await? {
                Outcome::Done => return Ok(()),
                Outcome::Lost(_) if once && self.0.table().ticket_done(about, id).await?.is_some() => return Ok(()),
                Outcome::Lost(_) => patience.wait().await?,
            }
        }
    }
}
