//! Tickets: opened, followed, written to, worked on, merged, closed, and moved on by time.
//!
//! What people write is sealed under the key of the member whose matter it is. Every change is one transaction of the
//! ticket, on condition of its version, with the record of what happened; when somebody else was faster the domain
//! decides anew on what is there now.

mod acting;
mod lists;
mod opening;
mod taking;
mod time;

use std::collections::BTreeMap;

use crate::app::App;
use crate::cases::Error;
use crate::cases::people::Opened;
use crate::domain::attachment::Attachment;
use crate::domain::attempts::seconds_until;
use crate::domain::campaign::counts::Count;
use crate::domain::campaign::send::Send;
use crate::domain::desk::TicketLimits;
use crate::domain::refusal::Refusal;
use crate::domain::tally::Tally;
use crate::domain::ticket::{Record, Step, Ticket};
use crate::table::{Freshness, Lost, StoredSend, StoredTicket, TALLY_SHARDS, Transaction};
use crate::telemetry;
use crate::values::{LocalDay, MemberId, Moment, Note, TicketId};

pub use lists::{MinePosition, QueuePosition};
pub use time::Drained;

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
    pub(super) fn says(&self, said: Option<&Said<'_>>) -> bool {
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
    /// Notices that were sent to the member, as far as they were asked for.
    pub sends: Vec<Send>,
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
    /// Seals what was written into the last record.
    pub(crate) fn seal(self, opened: &Opened, step: &mut Step, said: Option<&Said<'_>>) -> Result<(), Error> {
        let id = step.ticket.id;
        if let (Some(record), Some(said)) = (step.records.last_mut(), said) {
            record.sealed = Some(opened.seal(self.0, &place(id, record.number), said.text.as_str())?);
            record.attachments.clone_from(&said.attachments);
        }
        Ok(())
    }

    /// The member's open profile; none when the member was erased and nothing can be read any more.
    pub(crate) async fn key_of(&self, member: MemberId) -> Result<Option<Opened>, Error> {
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

/// A limit that a member has reached is told; whatever else came between is tried again.
fn refused(lost: &Lost, limits: TicketLimits, now: Moment) -> Result<(), Refusal> {
    match lost {
        Lost::TooManyOpen => Err(Refusal::TooManyOpenTickets { most: limits.open }),
        Lost::SaidEnough => {
            let wait = seconds_until(Moment::start_of(now.day().plus(1)), now);
            Err(Refusal::TooManyMessages { most: limits.messages_a_day, wait })
        }
        _ => Ok(()),
    }
}

/// Tells of clocks that ran out, once it is written that they did.
fn tell_breaches(steps: &[&Step]) {
    let tallies = steps.iter().flat_map(|step| &step.tallies);
    telemetry::sla_breaches(tallies.filter(|tally| matches!(tally, Tally::Breached(_))).count());
}

/// Adds steps of different tickets, each over the version read, to a transaction: the tickets, their records, what is
/// counted, surveys and other notices. `most_open` is how many open tickets their member may have; without end for none.
pub(crate) fn write<'t>(
    mut transaction: Transaction<'t>,
    steps: &[(u64, &Step)],
    most_open: Option<u32>,
) -> Result<Transaction<'t>, Error> {
    // A counter may stand once in a transaction, however many tickets raise it.
    let mut counters = BTreeMap::<(LocalDay, u8), Vec<Tally>>::new();
    let mut opens = BTreeMap::<MemberId, i8>::new();
    for (version, step) in steps {
        let ticket = &step.ticket;
        transaction = transaction.ticket(&StoredTicket { ticket: ticket.clone(), version: *version })?;
        for record in &step.records {
            transaction = transaction.record(ticket.id, record)?;
        }
        if let Some((survey, pause)) = ticket.survey.as_ref().zip(step.asks) {
            transaction = transaction.asked(ticket.member, survey.asked_at, survey.asked_at.minus(pause))?;
        }
        for send in &step.sends {
            let mut counts = send.counts_since(None);
            counts.add(&Count::of(Count::AUDIENCE), 1);
            transaction = transaction.send(&StoredSend::new(send.clone()), &counts)?;
        }
        *opens.entry(ticket.member).or_default() += step.opens;
        // The desk's own tickets are no matters of members and are not counted as such.
        if ticket.is_internal() {
            continue;
        }
        let (day, shard) = (ticket.opened_at.day(), ticket.id.shard(TALLY_SHARDS));
        if !step.tallies.is_empty() {
            counters.entry((day, shard)).or_default().extend(step.tallies.iter().cloned());
        }
        if let (0, Some(line)) = (*version, &ticket.subject.line) {
            transaction = transaction.line(day, shard, line, ticket.kind.is_complaint())?;
        }
    }
    for (member, change) in opens.into_iter().filter(|(_, change)| *change != 0) {
        transaction = transaction.opens(member, change, most_open)?;
    }
    for ((day, shard), tallies) in counters {
        transaction = transaction.figures(day, shard, &tallies.iter().collect())?;
    }
    Ok(transaction)
}

/// A ticket with its records in clear.
pub(crate) fn whole(stored: StoredTicket, records: Vec<Record>, opened: Option<&Opened>) -> Result<Whole, Error> {
    let id = stored.ticket.id;
    let read = |record: Record| {
        let sealed = opened.zip(record.sealed.as_deref());
        let text = sealed.map(|(opened, sealed)| opened.unsealed(&place(id, record.number), sealed)).transpose()?;
        Ok(Read { record, text })
    };
    let records = records.into_iter().map(read).collect::<Result<_, Error>>()?;
    Ok(Whole { stored, records, sends: Vec::new() })
}

/// The name under which a record's text is sealed.
fn place(id: TicketId, number: u32) -> String {
    format!("ticket:{id}:{number}")
}
