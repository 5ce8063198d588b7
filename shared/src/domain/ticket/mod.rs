//! Tickets: a member's matter from its opening to its closing.
//!
//! Whatever happens to a ticket is an [`Act`]: of the member, of staff, or of time. [`Ticket::act`] decides what it
//! does and gives back the ticket afterwards with a [`Record`] of who did what, when and why. Before anything else an
//! act lets time catch up, so that a clock that ran out before a reply is breached even when nobody had noticed yet:
//! every clock fires each alarm once, however late and however often it is looked at.

use serde::{Deserialize, Serialize};

use super::desk::Desk;
use super::refusal::Refusal;
use super::sla::{ClockName, SlaClock};
use super::survey::Survey;
use super::tally::Tally;
use crate::values::{Actor, Category, Code, ForeignId, MemberId, Moment, Sku, Source, TicketId};

/// An enum whose values are written as one word each, the same stored, in the API and in sentences.
macro_rules! written {
    ($(#[$doc:meta])* $name:ident as $shown:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize, utoipa::ToSchema,
        )]
        #[serde(rename_all = "snake_case")]
        #[schema(as = $shown)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// All of them.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$variant),+];

            /// As it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

mod act;
mod matter;
mod record;
mod state;
#[cfg(test)]
mod tests;
mod work;

pub use act::{Act, Handling, Step};
pub use matter::{Channel, Kind, Matter, Priority};
pub use record::{Record, What};
pub use state::{Ending, State};
use work::Work;

/// The most messages of one ticket, and the most notes: all of them fit into one read.
pub const MOST_TEXTS: u32 = 80;
/// The most records of one ticket that anybody but time may cause.
pub const MOST_RECORDS: u32 = 400;

/// A ticket. What people wrote is not in here but sealed beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its id.
    pub id: TicketId,
    /// Whose matter it is.
    pub member: MemberId,
    /// The type.
    pub kind: Kind,
    /// How urgent it is.
    pub priority: Priority,
    /// How it came in.
    pub channel: Channel,
    /// The department that works on it.
    pub department: Code,
    /// The department in whose queue it is: the one for escalations once it was escalated.
    pub queue: Code,
    /// When it was opened.
    pub opened_at: Moment,
    /// When something last happened to it.
    pub changed_at: Moment,
    /// Where it stands.
    pub state: State,
    /// Who works on it.
    pub assignee: Option<Actor>,
    /// When it was escalated.
    pub escalated_at: Option<Moment>,
    /// The order.
    pub order: Option<(Source, ForeignId)>,
    /// The product.
    pub sku: Option<Sku>,
    /// The product's line.
    pub line: Option<Category>,
    /// Why something is sent back.
    pub return_reason: Option<Code>,
    /// Records so far.
    pub records: u32,
    /// Messages so far.
    pub messages: u32,
    /// Notes so far.
    pub notes: u32,
    /// The clock of the first reply.
    pub first_reply: SlaClock,
    /// The clock of the next reply, while a message of the member waits for one.
    pub next_reply: Option<SlaClock>,
    /// The clock of the resolution.
    pub resolution: SlaClock,
    /// When the first reply was given.
    pub replied_at: Option<Moment>,
    /// When it was resolved, while it is.
    pub resolved_at: Option<Moment>,
    /// When it closes by itself.
    pub closes_at: Option<Moment>,
    /// When and how it ended, while it is closed.
    pub closed: Option<(Moment, Ending)>,
    /// Until when a closed one can be reopened.
    pub reopen_until: Option<Moment>,
    /// How often it was closed.
    pub closings: u32,
    /// The survey.
    pub survey: Option<Survey>,
    /// The ticket that this one follows up.
    pub follows: Option<TicketId>,
    /// Tickets that follow this one up.
    pub followed_by: Vec<TicketId>,
    /// Duplicates that were merged into this one.
    pub duplicates: Vec<TicketId>,
}

impl Ticket {
    /// A new ticket and its first record.
    pub fn open(
        id: TicketId,
        member: MemberId,
        matter: Matter,
        by: Actor,
        desk: &Desk,
        now: Moment,
    ) -> Result<Step, Refusal> {
        if matter.return_reason.as_ref().is_some_and(|reason| !desk.has_return_reason(reason)) {
            return Err(Refusal::UnknownReturnReason);
        }
        let (routed, usual) = desk.route(matter.kind);
        let department = if matter.follows.is_some() { desk.escalation.clone() } else { routed };
        let priority = matter.priority.unwrap_or(usual);
        let policy = desk.policy(matter.kind, priority, matter.channel).ok_or(Refusal::NoPolicy)?;
        let clock = |name| SlaClock::start(policy.allowance(name), &desk.calendar, now);
        let ticket = Self {
            id,
            member,
            kind: matter.kind,
            priority,
            channel: matter.channel,
            queue: department.clone(),
            department,
            opened_at: now,
            changed_at: now,
            state: State::New,
            assignee: None,
            escalated_at: None,
            order: matter.order,
            sku: matter.sku,
            line: matter.line,
            return_reason: matter.return_reason,
            records: 0,
            messages: 0,
            notes: 0,
            first_reply: clock(ClockName::FirstReply),
            next_reply: None,
            resolution: clock(ClockName::Resolution),
            replied_at: None,
            resolved_at: None,
            closes_at: None,
            closed: None,
            reopen_until: None,
            closings: 0,
            survey: None,
            follows: matter.follows,
            followed_by: Vec::new(),
            duplicates: Vec::new(),
        };
        let mut work = Work::on(&ticket, desk, now);
        work.step.tallies.push(Tally::Opened(matter.kind, hour_of(now)));
        work.step.tallies.extend(matter.handed_over.then_some(Tally::HandedOver));
        work.step.tallies.extend(ticket.return_reason.map(Tally::Returned));
        work.record(What::Opened, by, None);
        Ok(work.step)
    }

    /// What an act does, time having caught up before it.
    pub fn act(&self, act: Act, by: Actor, desk: &Desk, own: &Actor, now: Moment) -> Result<Step, Refusal> {
        let mut work = Work::on(self, desk, now);
        work.catch_up(own);
        work.perform(act, by)?;
        Ok(work.step)
    }

    /// What time alone has done by now; none when it has done nothing.
    #[must_use]
    pub fn pass_time(&self, desk: &Desk, own: &Actor, now: Moment) -> Option<Step> {
        let mut work = Work::on(self, desk, now);
        work.catch_up(own);
        Some(work.step).filter(|step| !step.records.is_empty())
    }

    /// What is left when the member is erased: what the boards count, closed, with nothing to be done about it.
    #[must_use]
    pub fn erased(&self, now: Moment) -> Self {
        let closed = self.closed.filter(|_| self.state == State::Closed).or(Some((now, Ending::Erased)));
        let (first_reply, resolution) = (self.first_reply.stopped(), self.resolution.stopped());
        Self {
            state: State::Closed,
            changed_at: now,
            assignee: None,
            next_reply: None,
            closes_at: None,
            closed,
            reopen_until: None,
            survey: None,
            first_reply,
            resolution,
            ..self.clone()
        }
    }

    /// When it has to be looked at again if nothing happens: a clock fires, it closes by itself, or an advocate waits
    /// for the tag.
    #[must_use]
    pub fn due_at(&self) -> Option<Moment> {
        let clocks = self.clocks().filter_map(|(_, clock)| clock.next());
        let tag = self.survey.as_ref().filter(|survey| survey.tag_pending).and(Some(self.changed_at));
        clocks.chain(self.closes_at).chain(tag).min()
    }

    /// When the first of its clocks that count now runs out, or ran out.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        self.clocks().filter(|(_, clock)| clock.is_running()).filter_map(|(_, clock)| clock.due()).min()
    }

    /// Its clocks.
    pub fn clocks(&self) -> impl Iterator<Item = (ClockName, &SlaClock)> {
        let next = self.next_reply.as_ref().map(|clock| (ClockName::NextReply, clock));
        [(ClockName::FirstReply, &self.first_reply)]
            .into_iter()
            .chain(next)
            .chain([(ClockName::Resolution, &self.resolution)])
    }

    /// Whether it waits in the queue for somebody to take it.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.assignee.is_none() && self.state.is_active() && self.state != State::Waiting
    }

    /// Whether it is the desk's own and the member does not see it.
    #[must_use]
    pub const fn is_internal(&self) -> bool {
        self.follows.is_some()
    }

    /// The ticket in which it goes on.
    #[must_use]
    pub const fn merged_into(&self) -> Option<TicketId> {
        match self.closed {
            Some((_, Ending::MergedInto(other))) => Some(other),
            _ => None,
        }
    }
}

/// The hour of the day in China.
fn hour_of(moment: Moment) -> u8 {
    let hours = moment.since(Moment::start_of(moment.day())).as_secs() / 3_600;
    u8::try_from(hours).unwrap_or(0)
}
