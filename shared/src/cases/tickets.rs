//! Tickets: opened, followed, written to, worked on, merged, closed, and moved on by time.
//!
//! What people write is sealed under the key of the member whose matter it is. Every change is one transaction of the
//! ticket, on condition of its version, with the record of what happened; when somebody else was faster the domain
//! decides anew on what is there now.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::try_join;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::app::App;
use crate::cases::customers::Sight;
use crate::cases::ledger::Patience;
use crate::cases::people::Opened;
use crate::cases::{Error, Who};
use crate::domain::attachment::Attachment;
use crate::domain::desk::{Desk, DeskVersion};
use crate::domain::posting::Failure;
use crate::domain::refusal::Refusal;
use crate::domain::tagging;
use crate::domain::tally::Tally;
use crate::domain::ticket::{Act, Handling, Matter, Record, State, Step, Ticket, What};
use crate::domain::traits::Tag;
use crate::table::{
    Freshness, Lost, Outcome, Side, StoredTicket, TALLY_SHARDS, TICKET_SHARDS, TicketList, TicketPage, TicketPosition,
    Transaction,
};
use crate::telemetry::{self, Due};
use crate::values::{Actor, Code, LocalDay, MemberId, Note, Reason, RowKey, TicketId};

/// Tickets on a page.
const PAGE: i32 = 20;
/// Tickets that are looked at when somebody takes the next one.
const CANDIDATES: i32 = 10;
/// Due tickets that are worked on side by side.
const SIDE_BY_SIDE: usize = 8;
/// Due tickets that are read at once.
const DUE_AT_ONCE: i32 = 100;
/// How often a member is followed who was merged into another one.
const MOST_MERGES: usize = 8;

/// What somebody writes.
#[derive(Clone, Debug)]
pub struct Said<'a> {
    /// The text.
    pub text: &'a Note,
    /// Files, as they were accepted.
    pub attachments: Vec<Attachment>,
}

impl<'a> From<&'a Note> for Said<'a> {
    fn from(text: &'a Note) -> Self {
        Self { text, attachments: Vec::new() }
    }
}

/// A record with its text in clear.
#[derive(Clone, Debug)]
pub struct Read {
    /// The record.
    pub record: Record,
    /// What was written; none when nothing was, or when the member's key is gone.
    pub text: Option<String>,
}

impl Read {
    fn says(&self, said: Option<&Said<'_>>) -> bool {
        let attachments = said.map_or(&[][..], |said| &said.attachments);
        self.text.as_deref() == said.map(|said| said.text.as_str()) && self.record.attachments == attachments
    }
}

/// A ticket with everything that the reader may see.
#[derive(Clone, Debug)]
pub struct Whole {
    /// The ticket.
    pub stored: StoredTicket,
    /// Its records in their order.
    pub records: Vec<Read>,
}

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

/// What time has done to tickets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Tickets to which something happened.
    pub changed: u64,
    /// Tickets that could not be worked on; they are met again.
    pub failed: u64,
}

/// Something to be done to a ticket.
struct Doing<'a> {
    act: Act,
    by: Actor,
    /// What was written, if anything.
    said: Option<Said<'a>>,
    /// Makes a repeated request find what its first delivery did.
    key: Option<RowKey>,
    /// The version that the caller has seen, where the decision builds on it.
    builds_on: Option<u64>,
    /// The open profile of the member whose ticket it is, once it was read.
    opened: Option<Opened>,
    /// Who has uploaded what is attached.
    uploaded_by: Option<MemberId>,
}

impl Doing<'_> {
    fn of(act: Act, by: &Actor) -> Self {
        Self { act, by: by.clone(), said: None, key: None, builds_on: None, opened: None, uploaded_by: None }
    }
}

/// How it went to take the next ticket.
enum Attempt {
    Taken(Box<StoredTicket>),
    NothingFree,
    OthersWereFaster,
}

/// Tickets.
#[derive(Clone, Copy, Debug)]
pub struct Tickets<'a>(pub(crate) &'a App);

impl App {
    /// Tickets.
    #[must_use]
    pub const fn tickets(&self) -> Tickets<'_> {
        Tickets(self)
    }
}

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
            let transaction = write(self.0.table().transaction(), &[(0, &step)])?;
            if let Outcome::Done = transaction.commit().await? {
                let stored = StoredTicket { ticket: step.ticket, version: 1 };
                return whole(stored, step.records, Some(&opened));
            }
            if let Some((stored, records)) = self.0.table().ticket_and_records(id, Side::Shared).await? {
                let whole = whole(stored, records, Some(&opened))?;
                let same = whole.records.first().is_some_and(|read| read.says(Some(&said)))
                    && is_about(&whole.stored, &matter);
                return if same { Ok(whole) } else { Err(Error::ReusedKey) };
            }
            patience.wait().await?;
        }
    }

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

    /// A ticket with all its records, for staff. Two calls.
    pub async fn read(&self, id: TicketId) -> Result<Whole, Error> {
        let (stored, records) = self.0.table().ticket_and_records(id, Side::All).await?.ok_or(Error::NotFound)?;
        let opened = self.key_of(stored.ticket.member).await?;
        whole(stored, records, opened.as_ref())
    }

    /// A message of the member. Three calls; five when asked again.
    ///
    /// Answers with the ticket, too.
    pub async fn member_writes(
        &self,
        who: &Who,
        id: TicketId,
        key: &str,
        said: Said<'_>,
    ) -> Result<(StoredTicket, Read), Error> {
        let opened = self.0.people().own(who, Freshness::Recent).await?;
        let accounts: Vec<MemberId> = opened.all_accounts().collect();
        let key = Some(RowKey::of("message", &[&who.member.to_string(), key]));
        let act = Doing::of(Act::MemberWrites, &who.by);
        let doing = Doing { said: Some(said), key, opened: Some(opened), uploaded_by: Some(who.member), ..act };
        self.carry_out(id, doing, |ticket| owned(ticket, &accounts)).await
    }

    /// The member says that it is solved. Four calls. Asking again changes nothing.
    pub async fn member_closes(&self, who: &Who, id: TicketId) -> Result<Whole, Error> {
        let mine = self.read_mine(who, id).await?;
        if mine.stored.ticket.state == State::Closed {
            return Ok(mine);
        }
        let doing = Doing::of(Act::MemberCloses, &who.by);
        // A ticket does not change hands: it was the member's own a moment ago.
        let (stored, read) = self.carry_out(id, doing, |_| Ok(())).await?;
        let records = mine.records.into_iter().chain([read]).collect();
        Ok(Whole { stored, records })
    }

    /// A message of staff to the member; where the ticket stands then, if they say. Three calls; five when asked again.
    pub async fn staff_writes(
        &self,
        by: &Actor,
        id: TicketId,
        key: &str,
        text: &Note,
        then: Option<State>,
    ) -> Result<Read, Error> {
        self.desk_writes(by, id, key, text, Act::StaffWrites(then)).await
    }

    /// A note of staff for each other, which the member never sees. Three calls; five when asked again.
    pub async fn staff_notes(&self, by: &Actor, id: TicketId, key: &str, text: &Note) -> Result<Read, Error> {
        self.desk_writes(by, id, key, text, Act::StaffNotes).await
    }

    /// What staff decide about a ticket, building on the version that they have seen. Two calls, three for what solves it.
    pub async fn handle(&self, by: &Actor, id: TicketId, seen: u64, handling: Handling) -> Result<StoredTicket, Error> {
        let doing = Doing { builds_on: Some(seen), ..Doing::of(Act::StaffHandles(handling), by) };
        Ok(self.carry_out(id, doing, |_| Ok(())).await?.0)
    }

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
                let transaction = write(self.0.table().transaction(), &[(stored.version, &step)])?;
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
            let transaction = write(self.0.table().transaction(), &steps)?;
            if let Outcome::Done = transaction.commit().await? {
                tell_breaches(&[&first, &second]);
                return Ok(StoredTicket { ticket: second.ticket, version: goes_on.version + 1 });
            }
            patience.wait().await?;
        }
    }

    /// Does what time has made due, until nothing is left or the time for it is over. A call per shard, and two for
    /// every ticket that is due. Doing it twice, late or side by side changes nothing but when it is written.
    pub async fn drain(&self, budget: Duration) -> Result<Drained, Error> {
        let until = Instant::now() + budget;
        let (mut sum, mut lag) = (Drained::default(), Duration::ZERO);
        for shard in 0..TICKET_SHARDS {
            while Instant::now() < until {
                let now = self.0.now();
                let due = self.0.table().due_tickets(shard, now, DUE_AT_ONCE).await?;
                lag = due.first().map_or(lag, |(_, at)| lag.max(now.since(*at)));
                let before = sum.changed;
                let ids: Vec<TicketId> = due.iter().map(|(id, _)| *id).collect();
                let settled = futures_util::stream::iter(ids)
                    .map(|id| async move { (id, self.settle(id).await) })
                    .buffer_unordered(SIDE_BY_SIDE);
                let settled: Vec<_> = settled.collect().await;
                for (id, outcome) in settled {
                    match outcome {
                        Ok(changed) => sum.changed += u64::from(changed),
                        Err(error) => {
                            tracing::error!(ticket = %id, ?error, "a ticket's clocks were not looked at");
                            sum.failed += 1;
                        }
                    }
                }
                // What is left after a full page without any progress would only be met again.
                if due.len() < usize::try_from(DUE_AT_ONCE).unwrap_or(usize::MAX) || sum.changed == before {
                    break;
                }
            }
        }
        telemetry::due_lag(Due::Tickets, lag);
        Ok(sum)
    }

    /// Does what time has made due on one ticket; false when nothing was.
    async fn settle(&self, id: TicketId) -> Result<bool, Error> {
        let version = self.0.desks().current().await?;
        let mut patience = Patience::new(self.0);
        loop {
            let Some(stored) = self.0.table().ticket(id, Freshness::Latest).await? else { return Ok(false) };
            let Some(step) = self.due_step(&stored.ticket, &version.desk).await? else { return Ok(false) };
            let transaction = write(self.0.table().transaction(), &[(stored.version, &step)])?;
            let transaction = self.with_closed_tag(transaction, &stored.ticket, &step, &version.desk).await?;
            if let Outcome::Done = transaction.commit().await? {
                tell_breaches(&[&step]);
                return Ok(true);
            }
            patience.wait().await?;
        }
    }

    async fn due_step(&self, ticket: &Ticket, desk: &Desk) -> Result<Option<Step>, Error> {
        let (own, now) = (self.0.own_name(), self.0.now());
        if ticket.due_at().is_none_or(|due| due > now) {
            return Ok(None);
        }
        if !ticket.survey.as_ref().is_some_and(|survey| survey.tag_pending) {
            return Ok(ticket.pass_time(desk, &own, now));
        }
        // The tag comes first: giving it twice changes nothing, forgetting it would.
        let tag = [Tag { name: desk.survey.advocate_tag.clone(), until: None }];
        let tagged = match self.0.remarks().tag(ticket.member, &Sight::All, &tag, &[], &own).await {
            Ok(_) => true,
            Err(Error::Refused(_) | Error::NotFound) => false,
            Err(error) => return Err(error),
        };
        Ok(Some(ticket.act(Act::AdvocateTagged(tagged), own.clone(), desk, &own, now)?))
    }

    async fn desk_writes(&self, by: &Actor, id: TicketId, key: &str, text: &Note, act: Act) -> Result<Read, Error> {
        let key = Some(RowKey::of("desk-message", &[by.as_str(), key]));
        let doing = Doing { said: Some(text.into()), key, ..Doing::of(act, by) };
        Ok(self.carry_out(id, doing, |_| Ok(())).await?.1)
    }

    /// Reads the ticket, lets the domain decide, and writes the decision, until nobody else was faster.
    async fn carry_out(
        &self,
        id: TicketId,
        mut doing: Doing<'_>,
        may: impl Fn(&Ticket) -> Result<(), Error>,
    ) -> Result<(StoredTicket, Read), Error> {
        let version = self.0.desks().current().await?;
        let (mut patience, mut may_ask) = (Patience::new(self.0), true);
        loop {
            let stored = self.0.table().ticket(id, Freshness::Latest).await?.ok_or(Error::NotFound)?;
            may(&stored.ticket)?;
            if doing.builds_on.is_some_and(|seen| seen != stored.version) {
                return Err(Error::VersionMoved);
            }
            let whose = stored.ticket.member;
            if doing.said.is_some() && doing.opened.as_ref().is_none_or(|opened| opened.member != whose) {
                doing.opened = Some(self.0.people().open(whose, Freshness::Recent).await?);
            }
            let step = match self.decide(&stored.ticket, &doing, &version, may_ask) {
                Ok(step) => step,
                // A repeated request may be refused by what its first delivery did.
                Err(refused) => return self.replay(id, &doing).await?.ok_or(refused),
            };
            if let Some((by, said)) = doing.uploaded_by.zip(doing.said.as_ref()) {
                self.0.attachments().keep(by, whose, &said.attachments).await?;
            }
            let transaction = write(self.0.table().transaction(), &[(stored.version, &step)])?;
            let mut transaction = self.with_closed_tag(transaction, &stored.ticket, &step, &version.desk).await?;
            if let Some(key) = doing.key {
                transaction = transaction.done(id, key, step.ticket.records)?;
            }
            match transaction.commit().await? {
                Outcome::Done => {
                    tell_breaches(&[&step]);
                    let stored = StoredTicket { ticket: step.ticket, version: stored.version + 1 };
                    let record = step.records.into_iter().last().ok_or_else(|| Error::Defect("nothing done".into()))?;
                    return Ok((stored, Read { record, text: doing.said.map(|said| said.text.as_str().to_owned()) }));
                }
                Outcome::Lost(lost) => {
                    if let Some(done) = self.replay(id, &doing).await? {
                        return Ok(done);
                    }
                    may_ask &= !matches!(lost, Lost::AskedLately);
                }
            }
            patience.wait().await?;
        }
    }

    /// Adds to what solves a ticket the tag that its member bears from then on: in the same transaction, so that no
    /// crash forgets it. One call more, for the member.
    async fn with_closed_tag<'t>(
        &self,
        transaction: Transaction<'t>,
        before: &Ticket,
        step: &Step,
        desk: &Desk,
    ) -> Result<Transaction<'t>, Error> {
        let Some(closed) = desk.closed_tag.as_ref().filter(|_| step.solves(before)) else { return Ok(transaction) };
        let Some(hot) = self.0.table().member(before.member, Freshness::Latest).await? else { return Ok(transaction) };
        let hot = match self.0.ledger().follow(hot, Freshness::Latest).await {
            Ok(hot) => hot,
            // Nobody is tagged who was erased, or whose data is only kept.
            Err(Error::Refused(_)) => return Ok(transaction),
            Err(error) => return Err(error),
        };
        let (rules, now) = (self.0.rulebook().await?, self.0.now());
        let tag = [Tag { name: closed.tag.clone(), until: Some(now.day().plus(closed.days)) }];
        let row = RowKey::of("ticket-closed", &[&before.id.to_string(), &step.ticket.closings.to_string()]);
        match tagging::retag(&hot.account, &tag, &[], row, &rules, now, self.0.own_name()) {
            Ok(Some(posted)) => Ok(transaction.movement(&hot, &posted)?),
            // A member with as many tags as one may have is no reason to leave a ticket open.
            Ok(None) | Err(Failure::Refused(_)) => Ok(transaction),
            Err(failure) => Err(failure.into()),
        }
    }

    fn decide(self, ticket: &Ticket, doing: &Doing<'_>, version: &DeskVersion, may_ask: bool) -> Result<Step, Error> {
        let (own, now) = (self.0.own_name(), self.0.now());
        let mut step = ticket.act(doing.act.clone(), doing.by.clone(), &version.desk, &own, now)?;
        if !may_ask {
            step = step.without_survey(ticket);
        }
        if let Some(opened) = &doing.opened {
            self.seal(opened, &mut step, doing.said.as_ref())?;
        }
        Ok(step)
    }

    /// What a request did that was made before; none when it was not.
    async fn replay(&self, id: TicketId, doing: &Doing<'_>) -> Result<Option<(StoredTicket, Read)>, Error> {
        let Some(key) = doing.key else { return Ok(None) };
        let Some(number) = self.0.table().ticket_done(id, key).await? else { return Ok(None) };
        let (stored, records) = self.0.table().ticket_and_records(id, Side::All).await?.ok_or(Error::NotFound)?;
        let whole = whole(stored, records, doing.opened.as_ref())?;
        let read = whole.records.into_iter().find(|read| read.record.number == number);
        let read = read.ok_or_else(|| Error::Defect("a record that was made is missing".into()))?;
        let noted = matches!(doing.act, Act::StaffNotes) == (read.record.what == What::StaffNoted);
        let same = noted && read.says(doing.said.as_ref());
        if same { Ok(Some((whole.stored, read))) } else { Err(Error::ReusedKey) }
    }

    /// Seals what was written into the last record.
    pub(crate) fn seal(self, opened: &Opened, step: &mut Step, said: Option<&Said<'_>>) -> Result<(), Error> {
        let id = step.ticket.id;
        if let (Some(record), Some(said)) = (step.records.last_mut(), said) {
            record.sealed = Some(opened.seal(self.0, &place(id, record.number), said.text.as_str())?);
            record.attachments.clone_from(&said.attachments);
        }
        Ok(())
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

    /// The member's open profile; none when the member was erased and nothing can be read any more.
    async fn key_of(&self, member: MemberId) -> Result<Option<Opened>, Error> {
        match self.0.people().open(member, Freshness::Recent).await {
            Ok(opened) => Ok(Some(opened)),
            Err(Error::NotFound | Error::Refused(Refusal::MemberErased)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A member sees and touches tickets of own accounts only, and none of the desk's own; everything else is not there.
fn owned(ticket: &Ticket, accounts: &[MemberId]) -> Result<(), Error> {
    if accounts.contains(&ticket.member) && !ticket.is_internal() { Ok(()) } else { Err(Error::NotFound) }
}

/// Tells of clocks that ran out, once it is written that they did.
fn tell_breaches(steps: &[&Step]) {
    let tallies = steps.iter().flat_map(|step| &step.tallies);
    telemetry::sla_breaches(tallies.filter(|tally| matches!(tally, Tally::Breached(_))).count());
}

/// Adds steps of different tickets, each over the version read, to a transaction: the tickets, their records, what is
/// counted, surveys.
pub(crate) fn write<'t>(mut transaction: Transaction<'t>, steps: &[(u64, &Step)]) -> Result<Transaction<'t>, Error> {
    // A counter may stand once in a transaction, however many tickets raise it.
    let mut counters = BTreeMap::<(LocalDay, u8), Vec<Tally>>::new();
    for (version, step) in steps {
        let ticket = &step.ticket;
        transaction = transaction.ticket(&StoredTicket { ticket: ticket.clone(), version: *version })?;
        for record in &step.records {
            transaction = transaction.record(ticket.id, record)?;
        }
        if let Some((survey, pause)) = ticket.survey.as_ref().zip(step.asks) {
            transaction = transaction.asked(ticket.member, survey.asked_at, survey.asked_at.minus(pause))?;
        }
        // The desk's own tickets are no matters of members and are not counted as such.
        if ticket.is_internal() {
            continue;
        }
        let (day, shard) = (ticket.opened_at.day(), ticket.id.shard(TALLY_SHARDS));
        if !step.tallies.is_empty() {
            counters.entry((day, shard)).or_default().extend(step.tallies.iter().cloned());
        }
        if let (0, Some(line)) = (*version, &ticket.line) {
            transaction = transaction.line(day, shard, line, ticket.kind.is_complaint())?;
        }
    }
    for ((day, shard), tallies) in counters {
        transaction = transaction.figures(day, shard, &tallies.iter().collect())?;
    }
    Ok(transaction)
}

/// Whether a ticket was opened about this. Staff may have changed its type since; what else it is about stays.
fn is_about(stored: &StoredTicket, matter: &Matter) -> bool {
    let ticket = &stored.ticket;
    let kind = stored.version > 1 || ticket.kind == matter.kind;
    kind && (&ticket.order, &ticket.sku, &ticket.line, &ticket.return_reason)
        == (&matter.order, &matter.sku, &matter.line, &matter.return_reason)
}

/// A ticket with its records in clear.
pub(crate) fn whole(stored: StoredTicket, records: Vec<Record>, opened: Option<&Opened>) -> Result<Whole, Error> {
    let id = stored.ticket.id;
    let read = |record: Record| {
        let sealed = opened.zip(record.sealed.as_deref());
        let text = sealed.map(|(opened, sealed)| opened.unsealed(&place(id, record.number), sealed)).transpose()?;
        Ok(Read { record, text })
    };
    Ok(Whole { stored, records: records.into_iter().map(read).collect::<Result<_, Error>>()? })
}

/// The name under which a record's text is sealed.
fn place(id: TicketId, number: u32) -> String {
    format!("ticket:{id}:{number}")
}
