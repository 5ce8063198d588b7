//! Telling the manager of alarms: each once, claimed before anybody is called.
//!
//! What clocks fire at one moment is told in one message. Whoever calls writes down first that they do; when nobody
//! hears what came of the call, the provider's records are asked before anything is sent again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Ticket;
use super::act::Step;
use super::record::What;
use super::work::Work;
use crate::domain::campaign::outcome::{Known, Outcome};
use crate::domain::campaign::send::{LEASE, MOST_ATTEMPTS};
use crate::domain::desk::Desk;
use crate::domain::sla::Fired;
use crate::values::{Actor, Moment, SendId, TicketId};

/// The wait after the first attempt that surely did not go out; each is twice the one before.
const FIRST_RETRY: Duration = Duration::from_mins(1);

/// Alarms of which the manager still is to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untold {
    /// The record that tells of them.
    pub record: u32,
    /// What clocks have fired.
    pub fired: Vec<Fired>,
    /// How often somebody was called about it.
    pub attempts: u32,
    /// Whether a call may be on its way; then `at` is when it is over at the latest.
    pub called: bool,
    /// When it is due.
    pub at: Moment,
}

/// How it went to tell the manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Telling {
    /// The provider has it.
    Told,
    /// It may have gone out: nobody heard.
    Unknown,
    /// It did not go out, and is not tried again: the provider's code, or ours.
    Failed(String),
}

/// What a call has come to, or a look at the provider's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is over.
    Over(Telling),
    /// It surely did not go out; not again before so long.
    NotSent(Duration),
    /// Nobody heard; the records tell, once nobody can be calling any more.
    Nothing,
}

impl From<Outcome> for Heard {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Accepted(_) => Self::Over(Telling::Told),
            Outcome::Retry { after, .. } => Self::NotSent(after),
            Outcome::Permanent { reason } => Self::Over(Telling::Failed(reason.code)),
            Outcome::Refused { .. } => Self::Over(Telling::Failed("refused".to_owned())),
            Outcome::Unknown => Self::Nothing,
        }
    }
}

impl From<Known> for Heard {
    fn from(known: Known) -> Self {
        match known {
            Known::Delivered | Known::Accepted(_) => Self::Over(Telling::Told),
            Known::Failed(reason) => Self::Over(Telling::Failed(reason.code)),
            Known::NotSent => Self::NotSent(Duration::ZERO),
            Known::NotYet | Known::Never => Self::Over(Telling::Unknown),
        }
    }
}

/// What is done next about an alarm that is due to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// The manager is called.
    Calls(Untold),
    /// The provider's records are asked about a call that nobody heard of.
    LooksUp(Untold),
}

impl Untold {
    /// Alarms of this record, due at once.
    #[must_use]
    pub const fn new(record: u32, fired: Vec<Fired>, now: Moment) -> Self {
        Self { record, fired, attempts: 0, called: false, at: now }
    }

    /// The id under which a provider knows the message: the same however often it is called.
    #[must_use]
    pub fn id(&self, ticket: TicketId) -> SendId {
        SendId::of("alarm", &[&ticket.to_string(), &self.record.to_string()])
    }
}

impl Ticket {
    /// What is to be told by now, the oldest first.
    #[must_use]
    pub fn to_tell(&self, now: Moment) -> Option<Call> {
        let untold = self.untold.iter().find(|untold| untold.at <= now)?.clone();
        Some(if untold.called { Call::LooksUp(untold) } else { Call::Calls(untold) })
    }

    /// The ticket claimed for a call about this record; nobody else calls until it is over.
    #[must_use]
    pub fn calling(&self, record: u32, now: Moment) -> Self {
        let mut ticket = self.clone();
        for untold in ticket.untold.iter_mut().filter(|untold| untold.record == record) {
            (untold.called, untold.at) = (true, now.plus(LEASE));
            untold.attempts = untold.attempts.saturating_add(1);
        }
        ticket
    }

    /// What has come of telling the manager of this record; none when somebody else knows already.
    #[must_use]
    pub fn heard(&self, record: u32, heard: Heard, desk: &Desk, own: &Actor, now: Moment) -> Option<Step> {
        let mut work = Work::on(self, desk, now);
        let untold = work.step.ticket.untold.iter_mut().find(|untold| untold.record == record)?;
        let telling = match heard {
            Heard::Nothing => return None,
            Heard::NotSent(_) if untold.attempts >= MOST_ATTEMPTS => Telling::Failed("retries_exhausted".to_owned()),
            Heard::NotSent(after) => {
                let doubled = FIRST_RETRY.saturating_mul(1 << untold.attempts.saturating_sub(1).min(16));
                (untold.called, untold.at) = (false, now.plus(doubled.max(after)));
                return Some(work.done(self.state.is_active()));
            }
            Heard::Over(telling) => telling,
        };
        work.step.ticket.untold.retain(|untold| untold.record != record);
        work.record(What::ManagerTold { of: record, telling }, own.clone(), None);
        Some(work.done(self.state.is_active()))
    }
}
