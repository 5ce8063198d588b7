//! Tickets: a member's matter from its opening to its closing.
//!
//! Whatever happens to a ticket is an [`Act`]: of the member, of staff, or of time. [`Ticket::act`] decides what it
//! does and gives back the ticket afterwards with a [`Record`] of who did what, when and why. Before anything else an
//! act lets time catch up, so that a clock that ran out before a reply is breached even when nobody had noticed yet:
//! every clock fires each alarm once, however late and however often it is looked at.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attachment::Attachment;
use super::desk::Desk;
use super::refusal::Refusal;
use super::sla::{Alarm, ClockName, Fired, SlaClock};
use super::survey::{Scores, Survey};
use super::tally::Tally;
use crate::values::{Actor, Category, Code, ForeignId, MemberId, Moment, Reason, Sku, Source, TicketId};

/// The most messages of one ticket, and the most notes: all of them fit into one read.
pub const MOST_TEXTS: u32 = 80;
/// The most records of one ticket that anybody but time may cause.
pub const MOST_RECORDS: u32 = 400;

const DAY_MS: u64 = 86_400_000;

macro_rules! written {
    ($(#[$doc:meta])* $name:ident as $shown:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
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

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

written! {
    /// What a ticket is about.
    Kind as TicketType {
        /// The quality of something bought.
        Quality = "quality",
        /// The delivery.
        Logistics = "logistics",
        /// A wrong size, or a return.
        SizeReturn = "size_return",
        /// A price.
        Price = "price",
        /// The member's account: points, coupons, data.
        Account = "account",
        /// A suggestion.
        Suggestion = "suggestion",
        /// Praise.
        Praise = "praise",
        /// Anything else.
        Other = "other",
    }
}

impl Kind {
    /// Whether somebody complains about what was bought, brought or charged.
    #[must_use]
    pub const fn is_complaint(self) -> bool {
        match self {
            Self::Quality | Self::Logistics | Self::SizeReturn | Self::Price => true,
            Self::Account | Self::Suggestion | Self::Praise | Self::Other => false,
        }
    }
}

written! {
    /// How urgent a ticket is, most urgent first.
    Priority as TicketPriority {
        /// Now.
        Urgent = "urgent",
        /// Before others.
        High = "high",
        /// In turn.
        Normal = "normal",
        /// When there is time.
        Low = "low",
    }
}

written! {
    /// How a ticket came in.
    Channel as TicketChannel {
        /// By the member, in the mini program.
        MiniProgram = "mini_program",
        /// By WeCom.
        Wecom = "wecom",
        /// On the phone.
        Phone = "phone",
        /// In a store.
        Store = "store",
        /// In a web shop or marketplace.
        Shop = "shop",
        /// By e-mail.
        Email = "email",
        /// By the product itself.
        Own = "own",
    }
}

written! {
    /// Where a ticket stands.
    State as TicketState {
        /// Nobody has looked at it.
        New = "new",
        /// Somebody works on it.
        Open = "open",
        /// The member has to answer first.
        Waiting = "waiting",
        /// It is solved, as staff see it.
        Resolved = "resolved",
        /// It is over.
        Closed = "closed",
        /// It was over, and is not.
        Reopened = "reopened",
    }
}

impl State {
    /// Whether staff have work to do or an answer to wait for.
    #[must_use]
    pub const fn is_active(self) -> bool {
        match self {
            Self::New | Self::Open | Self::Waiting | Self::Reopened => true,
            Self::Resolved | Self::Closed => false,
        }
    }

    /// Whether a ticket may go from here to there.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::New | Self::Reopened, Self::Open | Self::Waiting)
            | (Self::Open, Self::Waiting)
            | (Self::Waiting, Self::Open)
            | (Self::New | Self::Open | Self::Waiting | Self::Reopened, Self::Resolved | Self::Closed)
            | (Self::Resolved, Self::Closed)
            | (Self::Resolved | Self::Closed, Self::Reopened) => true,
            (
                Self::New | Self::Open | Self::Waiting | Self::Resolved | Self::Closed | Self::Reopened,
                Self::New | Self::Open | Self::Waiting | Self::Resolved | Self::Closed | Self::Reopened,
            ) => false,
        }
    }
}

/// How a ticket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TicketEnding)]
pub enum Ending {
    /// Staff closed it.
    ByStaff,
    /// The member said that it is solved.
    ByMember,
    /// It had been resolved for so long that it closed by itself.
    ByTime,
    /// It was no matter at all.
    Spam,
    /// It goes on in another ticket.
    MergedInto(TicketId),
}

/// What a ticket is about, as whoever opens it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matter {
    /// The type.
    pub kind: Kind,
    /// How it came in.
    pub channel: Channel,
    /// How urgent it is; as the settings say for its type when left out.
    pub priority: Option<Priority>,
    /// The order.
    pub order: Option<(Source, ForeignId)>,
    /// The product.
    pub sku: Option<Sku>,
    /// The product's line.
    pub line: Option<Category>,
    /// Why something is sent back: a code of the settings.
    pub return_reason: Option<Code>,
    /// The ticket that this one follows up; the member does not see it then.
    pub follows: Option<TicketId>,
    /// Whether answers were looked up before, and did not help.
    pub handed_over: bool,
}

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
            | Self::TimePassed => false,
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
        self
    }
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

fn days(days: u32) -> Duration {
    Duration::from_millis(u64::from(days) * DAY_MS)
}

/// A ticket under somebody's hands.
struct Work<'a> {
    step: Step,
    desk: &'a Desk,
    now: Moment,
    moved: Option<(State, State)>,
    fired: Vec<Fired>,
}

impl<'a> Work<'a> {
    fn on(ticket: &Ticket, desk: &'a Desk, now: Moment) -> Self {
        let step = Step { ticket: ticket.clone(), records: Vec::new(), tallies: Vec::new(), asks: None };
        Self { step, desk, now, moved: None, fired: Vec::new() }
    }

    fn ticket(&mut self) -> &mut Ticket {
        &mut self.step.ticket
    }

    /// Writes down what has happened since the last record.
    fn record(&mut self, what: What, by: Actor, why: Option<Reason>) {
        let (moved, fired, at) = (self.moved.take(), std::mem::take(&mut self.fired), self.now);
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
            why,
            sealed: None,
            attachments: Vec::new(),
        });
    }

    /// Lets clocks fire and the ticket close by itself, as far as that is due.
    fn catch_up(&mut self, own: &Actor) {
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
        }
    }

    fn perform(&mut self, act: Act, by: Actor) -> Result<(), Refusal> {
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
        survey.tag_pending = scores.consequence(settings) == super::survey::Consequence::Invitation;
        self.step.tallies.push(Tally::Answered(scores));
        Ok(What::Answered(scores))
    }

    fn tagged(&mut self, done: bool) -> Result<What, Refusal> {
        let survey = self.step.ticket.survey.as_mut().filter(|survey| survey.tag_pending);
        survey.ok_or(Refusal::Nothing)?.tag_pending = false;
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::survey::{Csat, Nps};

    fn at(text: &str) -> Moment {
        Moment::parse(&format!("{text}:00+08:00")).unwrap()
    }

    fn desk() -> Desk {
        Desk::shipped().unwrap()
    }

    fn actor(name: &str) -> Actor {
        Actor::parse(name).unwrap()
    }

    fn scores(csat: u8, nps: u8) -> Scores {
        Scores { csat: Csat::try_from(csat).unwrap(), nps: Some(Nps::try_from(nps).unwrap()) }
    }

    fn matter(kind: Kind) -> Matter {
        Matter {
            kind,
            channel: Channel::MiniProgram,
            priority: None,
            order: None,
            sku: None,
            line: None,
            return_reason: None,
            follows: None,
            handed_over: false,
        }
    }

    fn opened(kind: Kind, now: Moment) -> Ticket {
        let (id, member) = (TicketId::of("ticket", &["1"]), MemberId::from_random([1; 16]));
        Ticket::open(id, member, matter(kind), actor("member"), &desk(), now).unwrap().ticket
    }

    fn act(ticket: &Ticket, act: Act, now: Moment) -> Result<Step, Refusal> {
        ticket.act(act, actor("agent:li"), &desk(), &actor("huitou"), now)
    }

    fn to(state: State) -> Act {
        Act::StaffHandles(Handling { state: Some(state), ..Handling::default() })
    }

    #[test]
    fn a_ticket_goes_where_the_table_says_and_nowhere_else() {
        use State::{Closed, New, Open, Reopened, Resolved, Waiting};
        let allowed = |from: State| State::ALL.into_iter().filter(move |to| from.may_become(*to)).collect::<Vec<_>>();
        assert_eq!(allowed(New), [Open, Waiting, Resolved, Closed]);
        assert_eq!(allowed(Open), [Waiting, Resolved, Closed]);
        assert_eq!(allowed(Waiting), [Open, Resolved, Closed]);
        assert_eq!(allowed(Resolved), [Closed, Reopened]);
        assert_eq!(allowed(Closed), [Reopened]);
        assert_eq!(allowed(Reopened), [Open, Waiting, Resolved, Closed]);
    }

    #[test]
    fn who_answers_a_free_ticket_has_it_and_its_first_reply_is_given() {
        let ticket = opened(Kind::Quality, at("2026-03-02T10:00"));
        let step = act(&ticket, Act::StaffWrites(None), at("2026-03-02T11:00")).unwrap();
        assert_eq!((step.ticket.state, step.ticket.assignee), (State::Open, Some(actor("agent:li"))));
        assert_eq!(step.tallies, [Tally::Replied(Duration::from_hours(1))]);
        assert!(!step.ticket.first_reply.is_running());
        assert_eq!(step.records[0].moved, Some((State::New, State::Open)));
    }

    #[test]
    fn only_a_message_after_the_first_reply_waits_for_the_next_one() {
        let ticket = opened(Kind::Quality, at("2026-03-02T10:00"));
        let again = act(&ticket, Act::MemberWrites, at("2026-03-02T10:30")).unwrap().ticket;
        assert_eq!(again.next_reply, None);
        let answered = act(&again, Act::StaffWrites(None), at("2026-03-02T11:00")).unwrap().ticket;
        let asked = act(&answered, Act::MemberWrites, at("2026-03-02T14:00")).unwrap().ticket;
        assert_eq!(asked.next_reply.as_ref().and_then(SlaClock::due), Some(at("2026-03-02T18:00")));
        let pressed = act(&asked, Act::MemberWrites, at("2026-03-02T15:00")).unwrap().ticket;
        assert_eq!(pressed.next_reply, asked.next_reply, "the first unanswered message counts");
        assert_eq!(act(&pressed, Act::StaffWrites(None), at("2026-03-02T16:00")).unwrap().ticket.next_reply, None);
    }

    #[test]
    fn another_priority_is_promised_another_time_and_what_was_used_up_stays_so() {
        let ticket = opened(Kind::Other, at("2026-03-02T10:00"));
        let urgent = Handling { priority: Some(Priority::Urgent), ..Handling::default() };
        let step = act(&ticket, Act::StaffHandles(urgent), at("2026-03-02T11:00")).unwrap();
        assert_eq!(step.ticket.resolution.due(), Some(at("2026-03-03T10:00")), "eight hours, one of them over");
    }

    #[test]
    fn a_low_score_is_no_tag_and_a_tag_is_given_once() {
        let ticket = opened(Kind::Quality, at("2026-03-02T10:00"));
        let closed = act(&ticket, Act::MemberCloses, at("2026-03-02T11:00")).unwrap();
        assert_eq!(closed.asks, Some(Duration::from_hours(14 * 24)));
        let now = at("2026-03-02T12:00");
        let sad = act(&closed.ticket, Act::Answers(1, scores(1, 0)), now).unwrap().ticket;
        assert_eq!(sad.due_at(), None);
        let glad = act(&closed.ticket, Act::Answers(1, scores(5, 10)), now).unwrap().ticket;
        assert_eq!(glad.due_at(), Some(now));
        let tagged = act(&glad, Act::AdvocateTagged(true), now).unwrap().ticket;
        assert_eq!(tagged.due_at(), None);
        assert_eq!(act(&tagged, Act::AdvocateTagged(true), now), Err(Refusal::Nothing));
        assert_eq!(act(&glad, Act::Answers(1, scores(5, 10)), now), Err(Refusal::SurveyUsed));
        assert_eq!(act(&glad, Act::Answers(2, scores(5, 10)), now), Err(Refusal::SurveyExpired));
    }

    #[test]
    fn a_reopened_ticket_is_counted_as_resolved_once() {
        let resolved = |step: &Step| step.tallies.iter().any(|tally| matches!(tally, Tally::Resolved(_)));
        let ticket = opened(Kind::Quality, at("2026-03-02T10:00"));
        let first = act(&ticket, to(State::Closed), at("2026-03-02T11:00")).unwrap();
        let again = act(&first.ticket, Act::MemberWrites, at("2026-03-02T12:00")).unwrap();
        let second = act(&again.ticket, to(State::Closed), at("2026-03-02T13:00")).unwrap();
        assert!(resolved(&first) && !resolved(&second));
        assert_eq!(second.asks, None, "the first survey can still be answered");
    }

    #[test]
    fn a_full_ticket_takes_no_more_and_time_goes_on() {
        let mut ticket = opened(Kind::Quality, at("2026-03-02T10:00"));
        for _ in 1..MOST_TEXTS {
            ticket = act(&ticket, Act::MemberWrites, at("2026-03-02T10:00")).unwrap().ticket;
        }
        assert_eq!(act(&ticket, Act::MemberWrites, at("2026-03-02T10:00")), Err(Refusal::TicketFull));
        assert!(act(&ticket, Act::StaffNotes, at("2026-03-02T10:00")).is_ok());
        assert!(ticket.pass_time(&desk(), &actor("huitou"), at("2026-03-09T10:00")).is_some());
    }

    /// Anything that a member, staff or the desk may try.
    fn any_act() -> impl Strategy<Value = Act> {
        let state = || proptest::sample::select(State::ALL.to_vec());
        let handling = (
            proptest::option::of(state()),
            proptest::option::of(Just(actor("agent:wang"))),
            any::<bool>(),
            proptest::option::of(proptest::sample::select(Priority::ALL.to_vec())),
            proptest::option::of(proptest::sample::select(vec!["logistics", "nowhere"])),
            proptest::bool::weighted(0.1),
        );
        let handling = handling.prop_map(|(state, assignee, unassign, priority, department, spam)| Handling {
            state,
            assignee,
            unassign,
            department: department.map(|code| Code::parse(code).unwrap()),
            priority,
            spam,
            ..Handling::default()
        });
        prop_oneof![
            4 => Just(Act::MemberWrites),
            1 => Just(Act::MemberCloses),
            4 => proptest::option::of(state()).prop_map(Act::StaffWrites),
            1 => Just(Act::StaffNotes),
            4 => handling.prop_map(Act::StaffHandles),
            2 => Just(Act::StaffTakes),
            1 => (1_u32..3, 1_u8..=5, 0_u8..=10).prop_map(|(round, csat, nps)| Act::Answers(round, scores(csat, nps))),
            1 => any::<bool>().prop_map(Act::AdvocateTagged),
        ]
    }

    /// What must hold of a ticket at any time.
    fn assert_sound(ticket: &Ticket, now: Moment) -> Result<(), TestCaseError> {
        let counts = matches!(ticket.state, State::New | State::Open | State::Reopened);
        prop_assert_eq!(ticket.resolution.is_running(), counts);
        prop_assert_eq!(ticket.closed.is_some(), ticket.state == State::Closed);
        prop_assert_eq!(ticket.reopen_until.is_some(), ticket.state == State::Closed);
        prop_assert_eq!(ticket.closes_at.is_some(), ticket.state == State::Resolved);
        let replies = ticket.first_reply.is_running() || ticket.next_reply.is_some();
        prop_assert!(!replies || ticket.state.is_active());
        prop_assert!(!ticket.first_reply.is_running() || ticket.replied_at.is_none());
        prop_assert!(!ticket.is_free() || (counts && ticket.assignee.is_none()));
        // A shorter time may make something due at once; one look at the clocks leaves nothing due.
        let looked_at = ticket.pass_time(&desk(), &actor("huitou"), now).map_or(ticket.clone(), |step| step.ticket);
        let pending = ticket.survey.as_ref().is_some_and(|survey| survey.tag_pending);
        prop_assert!(pending || looked_at.due_at().is_none_or(|due| due > now));
        Ok(())
    }

    proptest! {
        #[test]
        fn whatever_members_staff_and_time_do_the_ticket_stays_sound(
            acts in proptest::collection::vec((any_act(), 0_u64..3_000, any::<bool>()), 1..60),
        ) {
            let (desk, own) = (desk(), actor("huitou"));
            let mut now = at("2026-03-02T10:00");
            let mut ticket = opened(Kind::Quality, now);
            let (mut state, mut fired, mut worked) = (State::New, BTreeMap::new(), Duration::ZERO);
            for (what, minutes, ticks) in acts {
                let before = ticket.clone();
                let later = now.plus(Duration::from_mins(minutes));
                if before.resolution.is_running() {
                    worked += desk.calendar.between(now, later);
                }
                now = later;
                let mut steps = Vec::new();
                if ticks {
                    // The schedule comes by, twice.
                    steps.extend(ticket.pass_time(&desk, &own, now));
                    if let Some(step) = steps.last() {
                        ticket = step.ticket.clone();
                    }
                    prop_assert_eq!(ticket.pass_time(&desk, &own, now), None);
                }
                if let Ok(step) = act(&ticket, what, now) {
                    ticket = step.ticket.clone();
                    steps.push(step);
                    assert_sound(&ticket, now)?;
                }
                let mut number = before.records;
                for record in steps.iter().flat_map(|step| &step.records) {
                    number += 1;
                    prop_assert_eq!(record.number, number, "no record is lost or doubled");
                    if let Some((from, to)) = record.moved {
                        prop_assert_eq!(from, state, "no transition goes unrecorded");
                        prop_assert!(from.may_become(to), "{} to {}", from, to);
                        state = to;
                    }
                    for event in record.fired.iter().filter(|event| event.clock != ClockName::NextReply) {
                        *fired.entry((event.clock, event.alarm)).or_insert(0) += 1;
                    }
                }
                prop_assert_eq!(ticket.records, number);
                prop_assert_eq!(ticket.state, state);
                prop_assert_eq!(ticket.resolution.used(&desk.calendar, now), worked, "waiting and rest do not count");
            }
            prop_assert!(fired.values().all(|times| *times == 1), "{:?}", fired);
        }

        #[test]
        fn a_stored_ticket_is_read_back_as_it_was(acts in proptest::collection::vec((any_act(), 0_u64..3_000), 0..20)) {
            let mut now = at("2026-03-02T10:00");
            let mut ticket = opened(Kind::SizeReturn, now);
            for (what, minutes) in acts {
                now = now.plus(Duration::from_mins(minutes));
                ticket = act(&ticket, what, now).map_or(ticket, |step| step.ticket);
            }
            let bytes = postcard::to_stdvec(&ticket).unwrap();
            prop_assert_eq!(postcard::from_bytes::<Ticket>(&bytes).unwrap(), ticket);
            prop_assert!(bytes.len() < 500, "{} bytes", bytes.len());
        }
    }
}
