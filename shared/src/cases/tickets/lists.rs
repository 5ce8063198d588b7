//! Reading tickets: lists of them, and one with everything that the reader may see.

use futures_util::future::{try_join, try_join_all};
use serde::{Deserialize, Serialize};

use super::{Tickets, Whole, owned, whole};
use crate::cases::{Error, Who};
use crate::table::{Freshness, Side, StoredTicket, TicketList, TicketPage, TicketPosition};
use crate::values::{Code, MemberId, TicketId};

/// Tickets on a page.
const PAGE: i32 = 20;

/// Where the queues of all departments go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuePosition {
    department: Code,
    within: Option<TicketPosition>,
}

/// Where a member's own tickets go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinePosition {
    /// The account, of those that were merged into one.
    of: MemberId,
    within: Option<TicketPosition>,
}

impl Tickets<'_> {
    /// A page of a list of tickets. One call.
    pub async fn list(&self, list: &TicketList, from: Option<&TicketPosition>) -> Result<TicketPage, Error> {
        Ok(self.0.table().tickets(list, from, PAGE).await?)
    }

    /// A page of the queues of all departments, one after the other in the order of the settings. One call, and one
    /// more for every department before it that has nothing to do.
    pub async fn queues(
        &self,
        from: Option<QueuePosition>,
    ) -> Result<(Vec<StoredTicket>, Option<QueuePosition>), Error> {
        let version = self.0.desks().current().await?;
        let departments: Vec<&Code> = version.desk.departments.iter().map(|department| &department.id).collect();
        let (first, mut within) = from.map_or((None, None), |from| (Some(from.department), from.within));
        let start = first.map_or(0, |first| departments.iter().position(|id| **id == first).unwrap_or(0));
        let mut left = departments.into_iter().skip(start).peekable();
        while let Some(department) = left.next() {
            let page = self.list(&TicketList::Queue(department.clone()), within.take().as_ref()).await?;
            let next = match (page.next, left.peek()) {
                (Some(within), _) => Some(QueuePosition { department: department.clone(), within: Some(within) }),
                (None, Some(next)) => Some(QueuePosition { department: (*next).clone(), within: None }),
                (None, None) => None,
            };
            if !page.tickets.is_empty() || next.is_none() {
                return Ok((page.tickets, next));
            }
        }
        Ok((Vec::new(), None))
    }

    /// A page of the member's own tickets, newest first; behind them those of accounts that were merged into this one,
    /// one account after the other. One call, and beside it the one that every session is checked by; one more for
    /// every account that has nothing.
    pub async fn mine(
        &self,
        who: &Who,
        from: Option<MinePosition>,
    ) -> Result<(Vec<StoredTicket>, Option<MinePosition>), Error> {
        let MinePosition { of, within } = from.unwrap_or(MinePosition { of: who.member, within: None });
        let list = TicketList::Of(of);
        let people = self.0.people();
        let session = people.own(who, Freshness::Recent);
        let (opened, mut page) = Box::pin(try_join(session, self.list(&list, within.as_ref()))).await?;
        let accounts: Vec<MemberId> = opened.all_accounts().collect();
        // A merge may have been undone since the page before.
        let Some(place) = accounts.iter().position(|account| *account == of) else { return Ok((Vec::new(), None)) };
        let (mut of, mut left) = (of, accounts.into_iter().skip(place + 1));
        loop {
            if page.next.is_some() {
                return Ok((page.tickets, page.next.map(|within| MinePosition { of, within: Some(within) })));
            }
            let next = left.next();
            match next {
                Some(next) if page.tickets.is_empty() => {
                    of = next;
                    page = self.list(&TicketList::Of(next), None).await?;
                }
                next => return Ok((page.tickets, next.map(|of| MinePosition { of, within: None }))),
            }
        }
    }

    /// The member's own ticket, without anything of the desk's. Two calls side by side; one more when the ticket is of
    /// an account that was merged into this one.
    pub async fn read_mine(&self, who: &Who, id: TicketId) -> Result<Whole, Error> {
        let read = async { Ok(self.0.table().ticket_and_records(id, Side::Shared).await?) };
        let people = self.0.people();
        let (opened, read) = Box::pin(try_join(people.own(who, Freshness::Recent), read)).await?;
        let (stored, records) = read.ok_or(Error::NotFound)?;
        owned(&stored.ticket, &opened.all_accounts().collect::<Vec<_>>())?;
        if stored.ticket.member == opened.member {
            return whole(stored, records, Some(&opened));
        }
        let opened = self.key_of(stored.ticket.member).await?;
        whole(stored, records, opened.as_ref())
    }

    /// A ticket with all its records, for staff, and what became of its notices. Two calls, and one for each notice.
    pub async fn read(&self, id: TicketId) -> Result<Whole, Error> {
        let (stored, records) = self.0.table().ticket_and_records(id, Side::All).await?.ok_or(Error::NotFound)?;
        let notices = records.iter().filter_map(|record| record.notice);
        let sends = try_join_all(notices.map(|notice| self.0.table().send(notice.send, Freshness::Recent)));
        let sends = async { Ok(sends.await?) };
        let (opened, sends) = Box::pin(try_join(self.key_of(stored.ticket.member), sends)).await?;
        let sends = sends.into_iter().flatten().map(|stored| stored.send).collect();
        Ok(Whole { sends, ..whole(stored, records, opened.as_ref())? })
    }
}
