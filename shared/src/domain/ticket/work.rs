//! What an act does to a ticket, step by step.

use std::time::Duration;

use super::act::{Act, Handling, Step};
use super::record::{Record, What};
use super::state::{Ending, State};
use super::telling::Untold;
use super::{MOST_RECORDS, MOST_TEXTS, Ticket};
use crate::domain::desk::Desk;
use crate::domain::notice::{Notice, Noticed};
use crate::domain::refusal::Refusal;
use crate::domain::sla::{Alarm, ClockName, Fired, SlaClock};
use crate::domain::survey::{Consequence, Scores, Survey};
use crate::domain::tally::Tally;
use crate::values::{Actor, Moment, Reason, TicketId};

fn days(days: u32) -> Duration {
    Duration::from_hours(u64::from(days) * 24)
}

/// A ticket under somebody's hands.
pub(super) struct Work<'a> {
    pub(super) step: Step,
    desk: &'a Desk,
    now: Moment,
    moved: Option<(State, State)>,
    fired: Vec<Fired>,
    noticed: Option<Noticed>,
}

impl<'a> Work<'a> {
    pub(super) fn on(ticket: &Ticket, desk: &'a Desk, now: Moment) -> Self {
        let step = Step {
            ticket: ticket.clone(),
            records: Vec::new(),
            tallies: Vec::new(),
            asks: None,
            sends: Vec::new(),
            opens: 0,
        };
        Self { step, desk, now, moved: None, fired: Vec::new(), noticed: None }
    }

    /// What has come of it, for a ticket that was open before or was not.
    pub(super) fn done(mut self, was_open: bool) -> Step {
        let ticket = &self.step.ticket;
        self.step.opens = match (was_open, ticket.state.is_active()) {
            _ if ticket.is_internal() => 0,
            (false, true) => 1,
            (true, false) => -1,
            (true, true) | (false, false) => 0,
        };
        self.step
    }

    fn ticket(&mut self) -> &mut Ticket {
        &mut self.step.ticket
    }

    /// Writes down what has happened since the last record.
    pub(super) fn record(&mut self, what: What, by: Actor, why: Option<Reason>) {
        let (moved, fired, at) = (self.moved.take(), std::mem::take(&mut self.fired), self.now);
        let notice = self.noticed.take();
        let ticket = self.ticket();
        ticket.records += 1;
        ticket.changed_at = at;
        match what {
            What::Opened | What::MemberWrote | What::StaffWrote => ticket.messages += 1,
            What::StaffNoted => ticket.notes += 1,
            _ => {}
        }
        let number = ticket.records;
        self.step.records.push(Record {
            number,
            at,
            by,
            what,
            moved,
            fired,
            notice,
            why,
            sealed: None,
            attachments: Vec::new(),
        });
    }

    /// Lets clocks fire and the ticket close by itself, as far as that is due.
    pub(super) fn catch_up(&mut self, own: &Actor) {
        let (calendar, now) = (&self.desk.calendar, self.now);
        let ticket = &mut self.step.ticket;
        let mut fired = ticket.first_reply.fire(ClockName::FirstReply, calendar, now);
        if let Some(clock) = &mut ticket.next_reply {
            fired.extend(clock.fire(ClockName::NextReply, calendar, now));
        }
        fired.extend(ticket.resolution.fire(ClockName::Resolution, calendar, now));
        fired.sort_by_key(|fired| (fired.due, fired.alarm));
        for fired in &fired {
            match fired.alarm {
                Alarm::Warning => {}
                Alarm::Breach => self.step.tallies.push(Tally::Breached(fired.clock)),
                Alarm::Escalation => {
                    ticket.escalated_at = ticket.escalated_at.or(Some(now));
                    ticket.queue = self.desk.escalation.clone();
                }
            }
        }
        self.fired = fired;
        if self.step.ticket.closes_at.is_some_and(|at| at <= now) {
            self.close(Ending::ByTime);
        }
        if self.moved.is_some() || !self.fired.is_empty() {
            self.record(What::TimePassed, own.clone(), None);
            self.is_to_be_told();
        }
    }

    /// The manager is to be told of what clocks have just fired, as far as the settings say so.
    fn is_to_be_told(&mut self) {
        let Some(manager) = &self.desk.notices.manager else { return };
        let Some(record) = self.step.records.last() else { return };
        let told_of = |fired: &&Fired| manager.alarms.contains(&fired.alarm);
        let (number, fired) = (record.number, record.fired.iter().filter(told_of).copied().collect::<Vec<_>>());
        if !fired.is_empty() {
            let untold = Untold::new(number, fired, self.now);
            self.ticket().untold.push(untold);
        }
    }

    /// Sends the member a notice, if the settings have one.
    fn sends(&mut self, about: Notice) {
        let worded = self.desk.notices.wording(about).is_some();
        let send = worded.then(|| about.copy(&self.step.ticket, self.now)).flatten();
        self.noticed = send.as_ref().map(|send| Noticed { about, send: send.id });
        self.step.sends.extend(send);
    }

    pub(super) fn perform(&mut self, act: Act, by: Actor) -> Result<(), Refusal> {
        self.has_room(&act)?;
        let (what, why) = match act {
            Act::MemberWrites => (self.member_writes()?, None),
            Act::MemberCloses => (self.member_closes()?, None),
            Act::StaffWrites(then) => (self.staff_writes(then, &by)?, None),
            Act::StaffNotes => (What::StaffNoted, None),
            Act::StaffHandles(handling) => self.handle(handling)?,
            Act::StaffTakes => (self.take(&by)?, None),
            Act::MergesInto(other, why) => (self.merge_into(other)?, Some(why)),
            Act::TakesIn(other, why) => (self.take_in(other)?, Some(why)),
            Act::Answers(round, scores) => (self.answer(round, scores)?, None),
            Act::IsFollowedBy(other) => {
                self.ticket().followed_by.push(other);
                (What::FollowedBy(other), None)
            }
            Act::AdvocateTagged(done) => (self.tagged(done)?, None),
        };
        self.record(what, by, why);
        Ok(())
    }

    fn has_room(&self, act: &Act) -> Result<(), Refusal> {
        let ticket = &self.step.ticket;
        let full = match act {
            Act::MemberWrites | Act::StaffWrites(_) => ticket.messages >= MOST_TEXTS,
            Act::StaffNotes => ticket.notes >= MOST_TEXTS,
            _ => false,
        };
        if full || ticket.records >= MOST_RECORDS { Err(Refusal::TicketFull) } else { Ok(()) }
    }

    fn member_writes(&mut self) -> Result<What, Refusal> {
        match self.step.ticket.state {
            State::Waiting => self.enter(State::Open),
            State::Resolved | State::Closed => self.reopen()?,
            State::New | State::Open | State::Reopened => {}
        }
        let (calendar, now) = (&self.desk.calendar, self.now);
        let ticket = &self.step.ticket;
        if ticket.replied_at.is_some() && ticket.next_reply.is_none() {
            let policy = self.desk.policy(ticket.kind, ticket.priority, ticket.channel).ok_or(Refusal::NoPolicy)?;
            self.ticket().next_reply = Some(SlaClock::start(policy.next_reply, calendar, now));
        }
        Ok(What::MemberWrote)
    }

    fn member_closes(&mut self) -> Result<What, Refusal> {
        if self.step.ticket.state == State::Closed {
            return Err(Refusal::TicketClosed);
        }
        self.close(Ending::ByMember);
        Ok(What::MemberClosed)
    }

    fn staff_writes(&mut self, then: Option<State>, by: &Actor) -> Result<What, Refusal> {
        let state = self.step.ticket.state;
        if state == State::Closed {
            return Err(Refusal::TicketClosed);
        }
        let (calendar, now) = (&self.desk.calendar, self.now);
        let ticket = &mut self.step.ticket;
        if ticket.replied_at.is_none() {
            ticket.replied_at = Some(now);
            ticket.first_reply.pause(calendar, now);
            self.step.tallies.push(Tally::Replied(now.since(ticket.opened_at)));
        }
        ticket.next_reply = None;
        ticket.assignee.get_or_insert_with(|| by.clone());
        let usual = matches!(state, State::New | State::Reopened).then_some(State::Open);
        let usual = usual.filter(|_| then.is_none());
        if let Some(next) = then.filter(|then| *then != state).or(usual) {
            self.go(next)?;
        }
        Ok(What::StaffWrote)
    }

    fn handle(&mut self, handling: Handling) -> Result<(What, Option<Reason>), Refusal> {
        let before = self.step.ticket.clone();
        if let Some(department) = handling.department {
            if !self.desk.has_department(&department) {
                return Err(Refusal::UnknownDepartment);
            }
            // Another department, or a manager who sends it back: it waits there for somebody to take it.
            let ticket = self.ticket();
            ticket.assignee = None;
            ticket.escalated_at = None;
            ticket.queue = department.clone();
            ticket.department = department;
        }
        let ticket = self.ticket();
        ticket.kind = handling.kind.unwrap_or(ticket.kind);
        ticket.priority = handling.priority.unwrap_or(ticket.priority);
        if handling.unassign {
            ticket.assignee = None;
        }
        if let Some(assignee) = handling.assignee {
            ticket.assignee = Some(assignee);
            if handling.state.is_none() && matches!(ticket.state, State::New | State::Reopened) {
                self.enter(State::Open);
            }
        }
        if (self.step.ticket.kind, self.step.ticket.priority) != (before.kind, before.priority) {
            self.promise_anew()?;
        }
        if handling.spam {
            if self.step.ticket.state == State::Closed {
                return Err(Refusal::TicketClosed);
            }
            self.close(Ending::Spam);
        } else if let Some(next) = handling.state.filter(|next| *next != before.state) {
            self.go(next)?;
        }
        if self.step.ticket == before {
            return Err(Refusal::Nothing);
        }
        let Ticket { assignee, department, priority, kind, .. } = self.step.ticket.clone();
        Ok((What::Handled { assignee, department, priority, kind }, handling.why))
    }

    /// Another type or priority is promised another time; what was used up stays so.
    fn promise_anew(&mut self) -> Result<(), Refusal> {
        let (calendar, now) = (&self.desk.calendar, self.now);
        let ticket = &mut self.step.ticket;
        let policy = self.desk.policy(ticket.kind, ticket.priority, ticket.channel).ok_or(Refusal::NoPolicy)?;
        ticket.first_reply.allow(policy.first_reply, calendar, now);
        if let Some(clock) = &mut ticket.next_reply {
            clock.allow(policy.next_reply, calendar, now);
        }
        ticket.resolution.allow(policy.resolution, calendar, now);
        Ok(())
    }

    fn take(&mut self, by: &Actor) -> Result<What, Refusal> {
        if !self.step.ticket.is_free() {
            return Err(Refusal::TakenAlready);
        }
        self.ticket().assignee = Some(by.clone());
        if self.step.ticket.state != State::Open {
            self.enter(State::Open);
        }
        Ok(What::Taken)
    }

    fn merge_into(&mut self, other: TicketId) -> Result<What, Refusal> {
        if other == self.step.ticket.id {
            return Err(Refusal::SameTicket);
        }
        if self.step.ticket.state == State::Closed {
            return Err(Refusal::TicketClosed);
        }
        self.close(Ending::MergedInto(other));
        Ok(What::MergedInto(other))
    }

    fn take_in(&mut self, other: TicketId) -> Result<What, Refusal> {
        if self.step.ticket.state == State::Closed {
            return Err(Refusal::TicketClosed);
        }
        self.ticket().duplicates.push(other);
        Ok(What::TookIn(other))
    }

    fn answer(&mut self, round: u32, scores: Scores) -> Result<What, Refusal> {
        let (now, settings) = (self.now, &self.desk.survey);
        let survey = self.step.ticket.survey.as_mut().filter(|survey| survey.round == round);
        let survey = survey.ok_or(Refusal::SurveyExpired)?;
        if survey.answered.is_some() {
            return Err(Refusal::SurveyUsed);
        }
        if !survey.is_open(now) {
            return Err(Refusal::SurveyExpired);
        }
        survey.answered = Some((now, scores));
        survey.tag_pending = scores.consequence(settings) == Consequence::Invitation;
        self.step.tallies.push(Tally::Answered(scores));
        Ok(What::Answered(scores))
    }

    fn tagged(&mut self, done: bool) -> Result<What, Refusal> {
        let survey = self.step.ticket.survey.as_mut().filter(|survey| survey.tag_pending);
        survey.ok_or(Refusal::Nothing)?.tag_pending = false;
        self.sends(Notice::Invitation);
        Ok(What::AdvocateTagged(done))
    }

    /// Goes to another state if it may.
    fn go(&mut self, next: State) -> Result<(), Refusal> {
        let state = self.step.ticket.state;
        if !state.may_become(next) {
            return Err(Refusal::TransitionNotAllowed { from: state, to: next });
        }
        match next {
            State::Closed => self.close(Ending::ByStaff),
            State::Reopened => self.reopen()?,
            State::New | State::Open | State::Waiting | State::Resolved => self.enter(next),
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), Refusal> {
        let ticket = &self.step.ticket;
        if let Some(into) = ticket.merged_into() {
            return Err(Refusal::TicketMerged { into });
        }
        if let Some(until) = ticket.reopen_until.filter(|until| *until < self.now) {
            return Err(Refusal::ReopenWindowOver { until });
        }
        self.step.tallies.push(Tally::Reopened);
        self.enter(State::Reopened);
        Ok(())
    }

    fn close(&mut self, ending: Ending) {
        let now = self.now;
        let reopen_until = now.plus(days(self.desk.reopen_days));
        let resolved_at = self.step.ticket.resolved_at;
        self.enter(State::Closed);
        let ticket = self.ticket();
        ticket.closed = Some((now, ending));
        ticket.reopen_until = Some(reopen_until);
        ticket.resolved_at = resolved_at;
        ticket.closings += 1;
        let solved = matches!(ending, Ending::ByStaff | Ending::ByMember | Ending::ByTime);
        if solved && ticket.closings == 1 {
            let took = resolved_at.unwrap_or(now).since(ticket.opened_at);
            self.step.tallies.push(Tally::Resolved(took));
        }
        if matches!(ending, Ending::ByStaff | Ending::ByMember) {
            self.ask();
        }
    }

    /// Asks the member how it was, unless a survey of this ticket still is to be answered or surveys are off.
    fn ask(&mut self) {
        let (settings, now) = (&self.desk.survey, self.now);
        let ticket = &mut self.step.ticket;
        let pending = ticket.survey.as_ref().is_some_and(|survey| survey.is_open(now) || survey.tag_pending);
        if !settings.sent || pending || ticket.is_internal() {
            return;
        }
        ticket.survey = Some(Survey {
            round: ticket.survey.as_ref().map_or(1, |survey| survey.round + 1),
            asked_at: now,
            expires_at: now.plus(days(settings.valid_days)),
            answered: None,
            tag_pending: false,
        });
        self.step.tallies.push(Tally::Surveyed);
        self.step.asks = Some(days(settings.pause_days));
        self.sends(Notice::Survey);
    }

    /// Stands in another state from now on, with the clocks that count there.
    fn enter(&mut self, next: State) {
        let (calendar, now) = (&self.desk.calendar, self.now);
        let closes_at = now.plus(days(self.desk.close_after_days));
        let ticket = &mut self.step.ticket;
        self.moved = Some((self.moved.map_or(ticket.state, |(from, _)| from), next));
        ticket.state = next;
        ticket.closes_at = None;
        match next {
            State::New | State::Open => ticket.resolution.resume(calendar, now),
            State::Waiting => ticket.resolution.pause(calendar, now),
            State::Resolved | State::Closed => {
                ticket.first_reply.pause(calendar, now);
                ticket.resolution.pause(calendar, now);
                ticket.next_reply = None;
                if next == State::Resolved {
                    ticket.resolved_at = Some(now);
                    ticket.closes_at = Some(closes_at);
                }
            }
            State::Reopened => {
                (ticket.closed, ticket.reopen_until, ticket.resolved_at) = (None, None, None);
                if ticket.replied_at.is_none() {
                    ticket.first_reply.resume(calendar, now);
                }
                ticket.resolution.resume(calendar, now);
            }
        }
    }
}
