//! What is written down about a ticket: who did what, when and why.

use serde::{Deserialize, Serialize};

use super::matter::{Kind, Priority};
use super::state::State;
use super::telling::Telling;
use crate::domain::attachment::Attachment;
use crate::domain::notice::Noticed;
use crate::domain::sla::Fired;
use crate::domain::survey::Scores;
use crate::values::{Actor, Code, Moment, Reason, TicketId};

/// What happened, as the record names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It was opened.
    Opened,
    /// The member wrote.
    MemberWrote,
    /// Staff wrote.
    StaffWrote,
    /// The member said that it is solved.
    MemberClosed,
    /// Staff wrote a note.
    StaffNoted,
    /// Staff decided something.
    Handled {
        /// Who works on it since.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assignee: Option<Actor>,
        /// The department since.
        department: Code,
        /// How urgent it is since.
        priority: Priority,
        /// What it is about since.
        kind: Kind,
    },
    /// Somebody took it.
    Taken,
    /// It went on in another ticket.
    MergedInto(TicketId),
    /// A duplicate was merged into it.
    TookIn(TicketId),
    /// The survey was answered.
    Answered(Scores),
    /// A ticket follows it up.
    FollowedBy(TicketId),
    /// The advocate was tagged; false when the member has too many tags.
    AdvocateTagged(bool),
    /// Time passed: clocks fired, or it closed by itself.
    TimePassed,
    /// The manager was told of what clocks had fired, or could not be.
    ManagerTold {
        /// The record of what they had fired.
        of: u32,
        /// How it went.
        telling: Telling,
    },
}

impl What {
    /// Whether the member may see it. Everything else is the desk's own.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        match self {
            Self::Opened | Self::MemberWrote | Self::StaffWrote | Self::MemberClosed => true,
            Self::StaffNoted
            | Self::Handled { .. }
            | Self::Taken
            | Self::MergedInto(_)
            | Self::TookIn(_)
            | Self::Answered(_)
            | Self::FollowedBy(_)
            | Self::AdvocateTagged(_)
            | Self::TimePassed
            | Self::ManagerTold { .. } => false,
        }
    }
}

/// One thing that happened to a ticket: who, when, what and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in the ticket, from 1.
    pub number: u32,
    /// When.
    pub at: Moment,
    /// Who.
    pub by: Actor,
    /// What.
    pub what: What,
    /// From which state to which, when it moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<(State, State)>,
    /// What clocks fired.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fired: Vec<Fired>,
    /// What the member is sent because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Noticed>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Reason>,
    /// What was written, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// What was attached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}
