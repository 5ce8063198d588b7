//! The queue: taking the next ticket, and merging duplicates.

use futures_util::future::try_join;

use super::{Tickets, tell_breaches, write};
use crate::cases::Error;
use crate::cases::ledger::Patience;
use crate::domain::desk::Desk;
use crate::domain::refusal::Refusal;
use crate::domain::ticket::Act;
use crate::table::{Freshness, Outcome, StoredTicket, TicketList};
use crate::values::{Actor, Code, Reason, TicketId};

/// Tickets that are looked at when somebody takes the next one.
const CANDIDATES: i32 = 10;

/// How it went to take the next ticket.
enum Attempt {
    Taken(Box<StoredTicket>),
    NothingFree,
    OthersWereFaster,
}

impl Tickets<'_> {
    /// Takes the most urgent ticket of a department's queue that nobody has; none when there is none. Two calls, and
    /// one more for every ticket that somebody else took at the same moment.
    pub async fn take_next(&self, by: &Actor, department: &Code) -> Result<Option<StoredTicket>, Error> {
        let version = self.0.desks().current().await?;
        if !version.desk.has_department(department) {
            return Err(Refusal::UnknownDepartment.into());
        }
        let mut patience = Patience::new(self.0);
        loop {
            match self.try_take(by, department, &version.desk).await? {
                Attempt::Taken(stored) => return Ok(Some(*stored)),
                Attempt::NothingFree => return Ok(None),
                Attempt::OthersWereFaster => patience.wait().await?,
            }
        }
    }

    async fn try_take(&self, by: &Actor, department: &Code, desk: &Desk) -> Result<Attempt, Error> {
        let list = TicketList::Queue(department.clone());
        let (mut from, mut attempt) = (None, Attempt::NothingFree);
        loop {
            let page = self.0.table().tickets(&list, from.as_ref(), CANDIDATES).await?;
            // What is free stands before everything else.
            let last = page.next.is_none() || page.tickets.iter().any(|stored| !stored.ticket.is_free());
            for stored in page.tickets.into_iter().filter(|stored| stored.ticket.is_free()) {
                let act = stored.ticket.act(Act::StaffTakes, by.clone(), desk, &self.0.own_name(), self.0.now());
                // Time may have closed it, or sent it to another queue.
                let Some(step) = act.ok().filter(|step| step.ticket.queue == *department) else { continue };
                let transaction = write(self.0.table().transaction(), &[(stored.version, &step)], None)?;
                if let Outcome::Done = transaction.commit().await? {
                    tell_breaches(&[&step]);
                    let stored = StoredTicket { ticket: step.ticket, version: stored.version + 1 };
                    return Ok(Attempt::Taken(Box::new(stored)));
                }
                attempt = Attempt::OthersWereFaster;
            }
            if last {
                return Ok(attempt);
            }
            from = page.next;
        }
    }

    /// Merges a duplicate into another ticket of the same member. Three calls.
    pub async fn merge(
        &self,
        by: &Actor,
        duplicate: TicketId,
        into: TicketId,
        why: &Reason,
    ) -> Result<StoredTicket, Error> {
        let version = self.0.desks().current().await?;
        let mut patience = Patience::new(self.0);
        loop {
            let table = self.0.table();
            let read = |id| async move { table.ticket(id, Freshness::Latest).await?.ok_or(Error::NotFound) };
            let (ends, goes_on) = Box::pin(try_join(read(duplicate), read(into))).await?;
            if ends.ticket.merged_into() == Some(into) {
                return Ok(goes_on);
            }
            if ends.ticket.member != goes_on.ticket.member {
                return Err(Refusal::TicketsOfTwoMembers.into());
            }
            let (desk, own, now) = (&version.desk, &self.0.own_name(), self.0.now());
            let first = ends.ticket.act(Act::MergesInto(into, why.clone()), by.clone(), desk, own, now)?;
            let second = goes_on.ticket.act(Act::TakesIn(duplicate, why.clone()), by.clone(), desk, own, now)?;
            let steps = [(ends.version, &first), (goes_on.version, &second)];
            let transaction = write(self.0.table().transaction(), &steps, None)?;
            if let Outcome::Done = transaction.commit().await? {
                tell_breaches(&[&first, &second]);
                return Ok(StoredTicket { ticket: second.ticket, version: goes_on.version + 1 });
            }
            patience.wait().await?;
        }
    }
}
