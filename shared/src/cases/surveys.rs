//! Surveys: the link that a member gets when a ticket was closed, and what the answer sets off.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::Error;
use crate::cases::ledger::Patience;
use crate::cases::tickets::{Said, write};
use crate::domain::desk::Desk;
use crate::domain::refusal::Refusal;
use crate::domain::survey::{Consequence, Scores};
use crate::domain::ticket::{Act, Channel, Kind, Matter, Priority, Step, Subject, Ticket};
use crate::table::{Freshness, Outcome};
use crate::values::{Actor, Note, TicketId};

/// What a link leads to. It is signed like a cursor, of a list that has no other pages.
#[derive(Serialize, Deserialize)]
struct Link {
    ticket: TicketId,
    round: u32,
}

const LINKS: &str = "surveys";
const NOBODYS: &str = "";

/// Surveys.
#[derive(Clone, Copy, Debug)]
pub struct Surveys<'a>(pub(crate) &'a App);

impl App {
    /// Surveys.
    #[must_use]
    pub const fn surveys(&self) -> Surveys<'_> {
        Surveys(self)
    }
}

impl Surveys<'_> {
    /// The token of a ticket's survey while it can be answered. No call: it is the same whenever it is asked for.
    pub fn token(&self, ticket: &Ticket) -> Result<Option<String>, Error> {
        let Some(survey) = ticket.survey.as_ref().filter(|survey| survey.is_open(self.0.now())) else {
            return Ok(None);
        };
        let link = Link { ticket: ticket.id, round: survey.round };
        let token = self.0.parts().cursors.seal(LINKS, NOBODYS, &link).map_err(|e| Error::Defect(e.to_string()))?;
        Ok(Some(token))
    }

    /// Takes the answer that a link brings, once. Three calls.
    ///
    /// A low score opens a ticket for a manager in the same transaction. That an advocate is to be tagged is written
    /// down in it, too, and done with the next look at the clocks.
    pub async fn answer(&self, token: &str, scores: Scores, words: Option<&Note>) -> Result<Consequence, Error> {
        let link = self.0.parts().cursors.open::<Link>(LINKS, NOBODYS, token);
        let Link { ticket, round } = link.map_err(|_| Refusal::SurveyUnknown)?;
        let version = self.0.desks().current().await?;
        let by = Actor::parse("member").map_err(|e| Error::Defect(e.to_string()))?;
        let mut patience = Patience::new(self.0);
        loop {
            let stored = self.0.table().ticket(ticket, Freshness::Latest).await?.ok_or(Refusal::SurveyUnknown)?;
            let (own, now) = (self.0.own_name(), self.0.now());
            let act = Act::Answers(round, scores);
            let mut step = stored.ticket.act(act, by.clone(), &version.desk, &own, now)?;
            let opened = match words {
                Some(_) => Some(self.0.people().open(stored.ticket.member, Freshness::Recent).await?),
                None => None,
            };
            if let Some(opened) = &opened {
                self.0.tickets().seal(opened, &mut step, words.map(Said::from).as_ref())?;
            }
            let consequence = scores.consequence(&version.desk.survey);
            let mut follow_up = None;
            if consequence == Consequence::FollowUp {
                let mut opening = self.follow_up(&step.ticket, round, &version.desk)?;
                if let Some(opened) = &opened {
                    self.0.tickets().seal(opened, &mut opening, words.map(Said::from).as_ref())?;
                }
                let act = Act::IsFollowedBy(opening.ticket.id);
                let noted = step.ticket.act(act, own.clone(), &version.desk, &own, now)?;
                step = Step { ticket: noted.ticket, records: [step.records, noted.records].concat(), ..step };
                follow_up = Some(opening);
            }
            let opening = follow_up.as_ref().map(|opening| (0, opening));
            let steps: Vec<(u64, &Step)> = [(stored.version, &step)].into_iter().chain(opening).collect();
            let transaction = write(self.0.table().transaction(), &steps, None)?;
            if let Outcome::Done = transaction.commit().await? {
                return Ok(consequence);
            }
            patience.wait().await?;
        }
    }

    /// The manager's ticket about a bad answer: the desk's own, linked to the one it is about.
    fn follow_up(self, about: &Ticket, round: u32, desk: &Desk) -> Result<Step, Error> {
        let id = TicketId::of("follow-up", &[&about.id.to_string(), &round.to_string()]);
        let matter = Matter {
            priority: Some(Priority::High),
            // What was sent back is counted once.
            subject: Subject { return_reason: None, ..about.subject.clone() },
            follows: Some(about.id),
            ..Matter::new(Kind::Other, Channel::Own)
        };
        Ok(Ticket::open(id, about.member, matter, self.0.own_name(), desk, self.0.now())?)
    }
}
