//! Tickets as members and as staff see them: two types, so that the desk's own has no way into a member's answer.

use huitou::app::App;
use huitou::cases::Error;
use huitou::cases::tickets::{Read, Whole};
use huitou::domain::attachment::{Attachment, Media};
use huitou::domain::campaign::send::Send;
use huitou::domain::notice::{Notice, Noticed};
use huitou::domain::sla::{Alarm, ClockName, Fired, SlaClock};
use huitou::domain::survey::{Nps, Scores};
use huitou::domain::ticket::{Channel, Ending, Kind, Priority, State, Telling, Ticket, What};
use huitou::domain::traits::Channel as Via;
use huitou::objects::Link;
use huitou::table::{StoredTicket, about};
use huitou::values::{Actor, Code, MemberId, Moment, Reason, SendId, TicketId};
use serde::Serialize;

use crate::matter::{OrderOf, Product};

/// A ticket in a member's list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MyTicket {
    id: TicketId,
    #[serde(rename = "type")]
    kind: Kind,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<OrderOf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<Product>,
    opened_at: Moment,
    changed_at: Moment,
    /// Until when it can be reopened by writing, once it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reopen_until: Option<Moment>,
    /// The ticket in which it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_into: Option<TicketId>,
}

impl From<&Ticket> for MyTicket {
    fn from(ticket: &Ticket) -> Self {
        Self {
            id: ticket.id,
            kind: ticket.kind,
            state: ticket.state,
            order: ticket.subject.order.clone().map(OrderOf::from),
            product: Product::of(&ticket.subject),
            opened_at: ticket.opened_at,
            changed_at: ticket.changed_at,
            reopen_until: ticket.reopen_until.filter(|_| ticket.merged_into().is_none()),
            merged_into: ticket.merged_into(),
        }
    }
}

/// A member's ticket with what was said.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MyWholeTicket {
    #[serde(flatten)]
    ticket: MyTicket,
    /// In their order.
    messages: Vec<MyMessage>,
    /// The survey, while it can be answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    survey: Option<OpenSurvey>,
}

impl MyWholeTicket {
    pub(crate) fn of(app: &App, whole: Whole) -> Result<Self, Error> {
        let ticket = &whole.stored.ticket;
        let token = app.surveys().token(ticket)?;
        let survey = token.zip(ticket.survey.as_ref());
        let messages = whole.records.into_iter().map(|read| MyMessage::of(app, ticket.member, read));
        let messages = messages.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        Ok(Self {
            ticket: ticket.into(),
            messages,
            survey: survey.map(|(token, survey)| OpenSurvey {
                path: format!("/v1/surveys/{token}"),
                token,
                expires_at: survey.expires_at,
            }),
        })
    }
}

/// A survey that can be answered.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct OpenSurvey {
    /// Counts once.
    token: String,
    /// Where to post the answer.
    path: String,
    /// Until when.
    expires_at: Moment,
}

/// Who says something.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Speaker {
    /// The member.
    Me,
    /// The brand.
    Service,
}

/// A file, to be fetched by its link.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AttachedFile {
    #[serde(rename = "type")]
    media: Media,
    bytes: u32,
    /// Counts until then; a new one comes with every answer.
    url: String,
    expires_at: Moment,
}

fn files(app: &App, member: MemberId, read: &Read) -> Result<Vec<AttachedFile>, Error> {
    let file = |attachment: &Attachment| {
        let Link { url, expires_at } = app.attachments().link(member, attachment)?;
        Ok(AttachedFile { media: attachment.media, bytes: attachment.bytes, url, expires_at })
    };
    read.record.attachments.iter().map(file).collect()
}

/// Something that was said.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct MyMessage {
    number: u32,
    at: Moment,
    from: Speaker,
    /// As it was written: to be shown as text, never as markup.
    text: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<AttachedFile>,
}

impl MyMessage {
    /// What was said; none for a record of anything else.
    pub(crate) fn of(app: &App, member: MemberId, read: Read) -> Result<Option<Self>, Error> {
        if !matches!(read.record.what, What::Opened | What::MemberWrote | What::StaffWrote) {
            return Ok(None);
        }
        let attachments = files(app, member, &read)?;
        let record = read.record;
        let from = if record.by.as_str() == "member" { Speaker::Me } else { Speaker::Service };
        let (number, at) = (record.number, record.at);
        Ok(read.text.map(|text| Self { number, at, from, text, attachments }))
    }
}

/// A clock of a ticket.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = TicketClock)]
pub(crate) struct ShownClock {
    clock: ClockName,
    /// Whether time counts now.
    running: bool,
    /// When its time is over, or was; absent while it stands still.
    #[serde(skip_serializing_if = "Option::is_none")]
    due: Option<Moment>,
    /// What it fired last.
    #[serde(skip_serializing_if = "Option::is_none")]
    fired: Option<Alarm>,
}

impl ShownClock {
    fn of((clock, shown): (ClockName, &SlaClock)) -> Self {
        Self { clock, running: shown.is_running(), due: shown.due(), fired: shown.fired }
    }
}

/// A ticket as staff see it in a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DeskTicket {
    id: TicketId,
    member_id: MemberId,
    #[serde(rename = "type")]
    kind: Kind,
    priority: Priority,
    channel: Channel,
    department: Code,
    /// The department in whose queue it is: that of escalations once it was escalated.
    queue: Code,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignee: Option<Actor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    escalated_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<OrderOf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<Product>,
    #[serde(skip_serializing_if = "Option::is_none")]
    return_reason: Option<Code>,
    opened_at: Moment,
    changed_at: Moment,
    clocks: Vec<ShownClock>,
    /// How it ended, once it is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<Ending>,
    /// The ticket that this one follows up; the member does not see this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    follows: Option<TicketId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    followed_by: Vec<TicketId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    duplicates: Vec<TicketId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    survey: Option<ShownSurvey>,
    /// To be sent as If-Match, in quotes, with a decision.
    version: u64,
}

/// The survey as staff see it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = TicketSurvey)]
pub(crate) struct ShownSurvey {
    asked_at: Moment,
    expires_at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    csat: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nps: Option<u8>,
}

impl From<&StoredTicket> for DeskTicket {
    fn from(stored: &StoredTicket) -> Self {
        let ticket = &stored.ticket;
        about(ticket.member);
        let survey = ticket.survey.as_ref().map(|survey| ShownSurvey {
            asked_at: survey.asked_at,
            expires_at: survey.expires_at,
            answered_at: survey.answered.map(|(at, _)| at),
            csat: survey.answered.map(|(_, scores)| scores.csat.number()),
            nps: survey.answered.and_then(|(_, scores)| scores.nps).map(Nps::number),
        });
        Self {
            id: ticket.id,
            member_id: ticket.member,
            kind: ticket.kind,
            priority: ticket.priority,
            channel: ticket.channel,
            department: ticket.department.clone(),
            queue: ticket.queue.clone(),
            state: ticket.state,
            assignee: ticket.assignee.clone(),
            escalated_at: ticket.escalated_at,
            order: ticket.subject.order.clone().map(OrderOf::from),
            product: Product::of(&ticket.subject),
            return_reason: ticket.subject.return_reason.clone(),
            opened_at: ticket.opened_at,
            changed_at: ticket.changed_at,
            clocks: ticket.clocks().map(ShownClock::of).collect(),
            ending: ticket.closed.map(|(_, ending)| ending),
            follows: ticket.follows,
            followed_by: ticket.followed_by.clone(),
            duplicates: ticket.duplicates.clone(),
            survey,
            version: stored.version,
        }
    }
}

/// A ticket as staff see it, with everything that happened.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DeskWholeTicket {
    #[serde(flatten)]
    ticket: DeskTicket,
    /// In their order.
    records: Vec<ShownRecord>,
}

impl DeskWholeTicket {
    pub(crate) fn of(app: &App, whole: Whole) -> Result<Self, Error> {
        let (ticket, member) = (DeskTicket::from(&whole.stored), whole.stored.ticket.member);
        let sends = whole.sends;
        let shown = |read: Read| {
            let attachments = files(app, member, &read)?;
            let notice = read.record.notice.map(|notice| ShownNotice::of(notice, &sends));
            Ok(ShownRecord { attachments, notice, ..ShownRecord::from(read) })
        };
        Ok(Self { ticket, records: whole.records.into_iter().map(shown).collect::<Result<_, Error>>()? })
    }
}

/// One thing that happened to a ticket.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = TicketRecord)]
pub(crate) struct ShownRecord {
    number: u32,
    at: Moment,
    by: Actor,
    what: Happened,
    /// Whether the member sees it, too.
    shared: bool,
    /// As it was written: to be shown as text, never as markup. Absent when the member was erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<AttachedFile>,
    /// From which state.
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_from: Option<State>,
    /// To which state.
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_to: Option<State>,
    /// What clocks fired.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fired: Vec<Fired>,
    /// What the member was sent because of it, and what became of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<ShownNotice>,
    /// The record of what clocks had fired, of which the manager was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<u32>,
    /// Why the manager was not told: a code of the provider's, or of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Reason>,
    /// Who works on it since.
    #[serde(skip_serializing_if = "Option::is_none")]
    assignee: Option<Actor>,
    /// The department since.
    #[serde(skip_serializing_if = "Option::is_none")]
    department: Option<Code>,
    /// The priority since.
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<Priority>,
    /// The type since.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    /// The other ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<TicketId>,
    /// The satisfaction that was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    csat: Option<u8>,
    /// The recommendation that was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    nps: Option<u8>,
}

/// Something that the member was sent about the ticket.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = TicketNoticeSent)]
pub(crate) struct ShownNotice {
    about: Notice,
    /// Its id, as providers and receipts know it.
    send: SendId,
    /// Where it stands, in the words of a campaign's counts: `held.quiet_hours`, `sent.accepted`, `refused.consent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<String>,
    /// The channel, once a provider was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<Via>,
    /// Since when it stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Moment>,
}

impl ShownNotice {
    fn of(Noticed { about, send: id }: Noticed, sends: &[Send]) -> Self {
        let send = sends.iter().find(|send| send.id == id);
        Self {
            about,
            send: id,
            standing: send.map(Send::standing),
            channel: send.and_then(Send::call).map(|call| call.channel),
            since: send.map(|send| send.since),
        }
    }
}

/// What happened.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TicketEvent)]
pub(crate) enum Happened {
    /// It was opened.
    Opened,
    /// The member wrote.
    MemberWrote,
    /// Staff wrote.
    StaffWrote,
    /// The member said that it is solved.
    MemberClosed,
    /// Staff wrote a note.
    Noted,
    /// Staff decided something.
    Handled,
    /// Somebody took it.
    Taken,
    /// It went on in another ticket.
    MergedInto,
    /// A duplicate was merged into it.
    TookIn,
    /// The survey was answered.
    Answered,
    /// A ticket follows it up.
    FollowedBy,
    /// The member was tagged as an advocate.
    AdvocateTagged,
    /// The member could not be tagged.
    AdvocateNotTagged,
    /// Clocks fired, or it closed by itself.
    TimePassed,
    /// The manager was told of what clocks had fired.
    ManagerTold,
    /// The manager may have been told: nobody heard the provider's answer.
    ManagerPerhapsTold,
    /// The manager could not be told.
    ManagerNotTold,
}

impl From<Read> for ShownRecord {
    fn from(read: Read) -> Self {
        let record = read.record;
        let mut shown = Self {
            number: record.number,
            at: record.at,
            by: record.by,
            what: Happened::Opened,
            shared: record.what.is_shared(),
            text: read.text,
            attachments: Vec::new(),
            moved_from: record.moved.map(|(from, _)| from),
            moved_to: record.moved.map(|(_, to)| to),
            fired: record.fired,
            notice: record.notice.map(|notice| ShownNotice::of(notice, &[])),
            of: None,
            failure: None,
            why: record.why,
            assignee: None,
            department: None,
            priority: None,
            kind: None,
            ticket: None,
            csat: None,
            nps: None,
        };
        shown.what = match record.what {
            What::Opened => Happened::Opened,
            What::MemberWrote => Happened::MemberWrote,
            What::StaffWrote => Happened::StaffWrote,
            What::MemberClosed => Happened::MemberClosed,
            What::StaffNoted => Happened::Noted,
            What::Handled { assignee, department, priority, kind } => {
                (shown.assignee, shown.department) = (assignee, Some(department));
                (shown.priority, shown.kind) = (Some(priority), Some(kind));
                Happened::Handled
            }
            What::Taken => Happened::Taken,
            What::MergedInto(other) => {
                shown.ticket = Some(other);
                Happened::MergedInto
            }
            What::TookIn(other) => {
                shown.ticket = Some(other);
                Happened::TookIn
            }
            What::Answered(Scores { csat, nps }) => {
                (shown.csat, shown.nps) = (Some(csat.number()), nps.map(Nps::number));
                Happened::Answered
            }
            What::FollowedBy(other) => {
                shown.ticket = Some(other);
                Happened::FollowedBy
            }
            What::AdvocateTagged(true) => Happened::AdvocateTagged,
            What::AdvocateTagged(false) => Happened::AdvocateNotTagged,
            What::TimePassed => Happened::TimePassed,
            What::ManagerTold { of, telling } => {
                shown.of = Some(of);
                match telling {
                    Telling::Told => Happened::ManagerTold,
                    Telling::Unknown => Happened::ManagerPerhapsTold,
                    Telling::Failed(code) => {
                        shown.failure = Some(code);
                        Happened::ManagerNotTold
                    }
                }
            }
        };
        shown
    }
}
