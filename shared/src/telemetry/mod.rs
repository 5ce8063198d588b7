//! Telemetry: what the log tells, which of its figures are counted, and the id that leads from a request through the
//! queues to whatever it caused.
//!
//! There is no agent and no call: on AWS a line that carries figures says in itself that they are metrics (see
//! [`lines`]). Nothing personal is in any line; ids are.

pub mod lines;

use std::time::Duration;

use crate::table::Cost;
use crate::values::MemberId;

/// Under this target stand the lines whose figures are metrics; which ones, [`lines`] says.
const MEASURED: &str = "measured";

/// The longest id that is taken from outside.
const MOST_ID: usize = 100;

tokio::task_local! {
    static TRACE: String;
}

/// Does some work under the id of the request, or of the tick of a schedule, that caused it.
pub async fn traced<F: Future>(id: String, work: F) -> F::Output {
    TRACE.scope(id, work).await
}

/// The id under which this work is done; empty outside of any.
#[must_use]
pub fn trace_id() -> String {
    TRACE.try_with(String::clone).unwrap_or_default()
}

/// An id that came from outside, if it is fit for a log.
#[must_use]
pub fn sound_id(id: &str) -> Option<&str> {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b"-=;:_.".contains(&b);
    (!id.is_empty() && id.len() <= MOST_ID && id.bytes().all(sound)).then_some(id)
}

/// A request that was answered.
#[derive(Debug)]
pub(crate) struct Answered<'a> {
    pub(crate) method: &'a str,
    pub(crate) route: &'a str,
    pub(crate) role: &'a str,
    pub(crate) status: u16,
    pub(crate) took: Duration,
    pub(crate) cost: Cost,
    /// Why it failed, which the client is not told.
    pub(crate) cause: Option<&'a str>,
}

impl Answered<'_> {
    pub(crate) fn tell(&self) {
        let Self { method, route, role, status, cause, .. } = *self;
        let Cost { read_units: rru, write_units: wru, calls } = self.cost;
        let (request_id, duration_ms, errors) = (trace_id(), millis(self.took), u64::from(status >= 500));
        if let Some(cause) = cause {
            tracing::error!(target: MEASURED, request_id, method, route, role, status, duration_ms, errors, rru, wru, calls, cause, "request");
        } else {
            tracing::info!(target: MEASURED, request_id, method, route, role, status, duration_ms, errors, rru, wru, calls, "request");
        }
    }
}

/// Work that nobody waits for: a batch of messages, or what a schedule asks for.
#[derive(Debug)]
pub(crate) struct Worked<'a> {
    /// `batch` or `schedule`.
    pub(crate) source: &'static str,
    /// The requests behind it, apart from each other by spaces.
    pub(crate) request_ids: &'a str,
    pub(crate) records: usize,
    /// Records that come again.
    pub(crate) failed: usize,
    /// Of these, the ones that will never work.
    pub(crate) poison: usize,
    pub(crate) took: Duration,
    pub(crate) cost: Cost,
}

impl Worked<'_> {
    pub(crate) fn tell(&self) {
        let Self { source, request_ids, records, failed, poison, .. } = *self;
        let Cost { read_units: rru, write_units: wru, calls } = self.cost;
        let work_ms = millis(self.took);
        tracing::info!(target: MEASURED, source, request_ids, records, failed, poison, work_ms, rru, wru, calls, "work");
    }
}

/// What waits for its time in an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Members whom time alone changes.
    Members,
    /// Tickets with a clock.
    Tickets,
    /// Messages of campaigns.
    Sends,
    /// Requests under the law.
    Requests,
}

impl Due {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::Tickets => "tickets",
            Self::Sends => "sends",
            Self::Requests => "requests",
        }
    }
}

/// How long ago the time of the oldest one came that was still waiting; zero when none was.
pub fn due_lag(due: Due, lag: Duration) {
    tracing::info!(target: MEASURED, due = due.as_str(), due_lag_s = lag.as_secs(), "due");
}

/// An account that contradicts itself or its journal: a defect of ours, or a row that somebody changed.
pub(crate) fn ledger_fault(member: MemberId, found: &str) {
    tracing::error!(target: MEASURED, %member, found, ledger_faults = 1_u64, "ledger");
}

/// Clocks of tickets that ran out; says nothing of none.
pub(crate) fn sla_breaches(breaches: usize) {
    if breaches > 0 {
        tracing::info!(target: MEASURED, sla_breaches = breaches, "sla");
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
