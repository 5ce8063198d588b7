//! Opening a ticket.

use super::{Said, Tickets, Whole, refused, whole, write};
use crate::cases::customers::Sight;
use crate::cases::ledger::{MOST_MERGES, Patience};
use crate::cases::people::Opened;
use crate::cases::{Error, Who};
use crate::domain::ticket::{Matter, Ticket};
use crate::table::{Freshness, Outcome, Side, StoredTicket};
use crate::values::TicketId;

impl Tickets<'_> {
    /// Opens a ticket for a member, once however often it is asked for with the same key. Two calls; three when asked
    /// again.
    pub async fn open(
        &self,
        who: &Who,
        sight: &Sight,
        key: &str,
        matter: Matter,
        said: Said<'_>,
    ) -> Result<Whole, Error> {
        let version = self.0.desks().current().await?;
        let opened = self.of_member(who, sight).await?;
        let id = TicketId::of("ticket", &[&opened.member.to_string(), who.by.as_str(), key]);
        let mut patience = Patience::new(self.0);
        loop {
            let (desk, now) = (&version.desk, self.0.now());
            let mut step = Ticket::open(id, opened.member, matter.clone(), who.by.clone(), desk, now)?;
            self.seal(&opened, &mut step, Some(&said))?;
            self.0.attachments().keep(who.member, opened.member, &said.attachments).await?;
            // Staff and systems open as many as they have to.
            let limits = who.session.map(|_| desk.limits);
            let transaction = self.0.table().transaction();
            let mut transaction = write(transaction, &[(0, &step)], limits.map(|limits| limits.open))?;
            if let Some(limits) = limits {
                transaction = transaction.said(opened.member, now.day(), limits.messages_a_day)?;
            }
            let lost = match transaction.commit().await? {
                Outcome::Done => {
                    let stored = StoredTicket { ticket: step.ticket, version: 1 };
                    return whole(stored, step.records, Some(&opened));
                }
                Outcome::Lost(lost) => lost,
            };
            if let Some((stored, records)) = self.0.table().ticket_and_records(id, Side::Shared).await? {
                let whole = whole(stored, records, Some(&opened))?;
                let same = whole.records.first().is_some_and(|read| read.says(Some(&said)))
                    && is_about(&whole.stored, &matter);
                return if same { Ok(whole) } else { Err(Error::ReusedKey) };
            }
            refused(&lost, desk.limits, now)?;
            patience.wait().await?;
        }
    }

    /// The profile of the member for whom a ticket is opened: their own session, or somebody whom staff may see, after
    /// a merge the one who goes on.
    async fn of_member(&self, who: &Who, sight: &Sight) -> Result<Opened, Error> {
        if who.session.is_some() {
            return self.0.people().own(who, Freshness::Recent).await;
        }
        let mut opened = self.0.people().open(who.member, Freshness::Recent).await?;
        for _ in 0..MOST_MERGES {
            let Some((next, _)) = opened.profile.merged else { break };
            opened = self.0.people().open(next, Freshness::Recent).await?;
        }
        sight.check(&opened.profile)?;
        Ok(opened)
    }
}

/// Whether a ticket was opened about this. Staff may have changed its type since; what else it is about stays.
fn is_about(stored: &StoredTicket, matter: &Matter) -> bool {
    let ticket = &stored.ticket;
    let kind = stored.version > 1 || ticket.kind == matter.kind;
    kind && ticket.subject == matter.subject
}
