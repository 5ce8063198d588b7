//! What can be done to a ticket, and what that comes to.

use std::time::Duration;

use super::Ticket;
use super::matter::{Kind, Priority};
use super::record::Record;
use super::state::{Ending, State};
use crate::domain::campaign::send::Send;
use crate::domain::notice::Notice;
use crate::domain::survey::Scores;
use crate::domain::tally::Tally;
use crate::values::{Actor, Code, Reason, TicketId};

/// Something that is done to a ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// The member writes.
    MemberWrites,
    /// The member says that it is solved.
    MemberCloses,
    /// Staff write to the member; where the ticket stands then, when they say.
    StaffWrites(Option<State>),
    /// Staff write a note for each other.
    StaffNotes,
    /// Staff decide something.
    StaffHandles(Handling),
    /// Whoever acts takes it out of the queue.
    StaffTakes,
    /// It goes on in another ticket.
    MergesInto(TicketId, Reason),
    /// A duplicate goes on here.
    TakesIn(TicketId, Reason),
    /// The survey of this round is answered.
    Answers(u32, Scores),
    /// A ticket was opened that follows this one up.
    IsFollowedBy(TicketId),
    /// The advocate has been tagged, or can't be.
    AdvocateTagged(bool),
}

/// What staff decide about a ticket; what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handling {
    /// Where it stands now.
    pub state: Option<State>,
    /// Who works on it now.
    pub assignee: Option<Actor>,
    /// Nobody works on it now: back into the queue.
    pub unassign: bool,
    /// The department that works on it now.
    pub department: Option<Code>,
    /// How urgent it is now.
    pub priority: Option<Priority>,
    /// What it is about after all.
    pub kind: Option<Kind>,
    /// It is no matter at all: closed, and nobody is asked about it.
    pub spam: bool,
    /// Why.
    pub why: Option<Reason>,
}

/// What an act does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The ticket afterwards.
    pub ticket: Ticket,
    /// What is recorded; the act itself comes last.
    pub records: Vec<Record>,
    /// What is counted.
    pub tallies: Vec<Tally>,
    /// The member is to be asked how it was, unless they were asked within this time; the ticket holds the survey.
    pub asks: Option<Duration>,
    /// Notices that are sent to the member.
    pub sends: Vec<Send>,
    /// By how many the member's open tickets change: 1, 0 or -1.
    pub opens: i8,
}

impl Step {
    /// Whether the member's matter was solved by this: the ticket was open before and is closed now, neither as spam
    /// nor by going on in another one.
    #[must_use]
    pub fn solves(&self, before: &Ticket) -> bool {
        let solved = matches!(self.ticket.closed, Some((_, Ending::ByStaff | Ending::ByMember | Ending::ByTime)));
        solved && before.closed.is_none() && !self.ticket.is_internal()
    }

    /// The same without the survey, for a member who was asked lately.
    #[must_use]
    pub fn without_survey(mut self, before: &Ticket) -> Self {
        self.ticket.survey.clone_from(&before.survey);
        self.tallies.retain(|tally| *tally != Tally::Surveyed);
        self.asks = None;
        self.sends.clear();
        for record in &mut self.records {
            record.notice = record.notice.filter(|notice| notice.about != Notice::Survey);
        }
        self
    }
}
