//! Tickets on both tables: opened, refused, listed page by page, due, counted, and what goes out about them.

use std::time::Duration;

use huitou::app::App;
use huitou::cases::Who;
use huitou::cases::customers::Sight;
use huitou::cases::people::Acquisition;
use huitou::cases::tickets::Said;
use huitou::domain::desk::TicketLimits;
use huitou::domain::survey::{Csat, Nps, Scores};
use huitou::domain::ticket::{Channel, Handling, Kind, Matter, Priority, State, Subject};
use huitou::table::{SEND_SHARDS, Side, TICKET_SHARDS, TicketList};
use huitou::values::{Actor, Category, Code, LocalDay, MemberId, Moment, Note, Reason, RowKey, TicketId};

use super::{Transcript, ended};
use crate::yard::Yard;

/// How many open tickets a member may have here, and how many messages a day.
const LIMITS: TicketLimits = TicketLimits { open: 4, messages_a_day: 6 };

fn agent() -> Actor {
    Actor::parse("agent:li").unwrap()
}

fn note(text: &str) -> Note {
    Note::parse(text).unwrap()
}

fn matter(kind: Kind) -> Matter {
    let line = (kind == Kind::Quality).then(|| Category::parse("鞋").unwrap());
    let return_reason = (kind == Kind::SizeReturn).then(|| Code::parse("too_small").unwrap());
    Matter { subject: Subject { line, return_reason, ..Subject::default() }, ..Matter::new(kind, Channel::MiniProgram) }
}

/// A member with a session.
async fn somebody(app: &App) -> Who {
    let person = app.people().prepare(Acquisition::default()).await.unwrap();
    let transaction = person.write(app, app.table().transaction().member(&person.hot).unwrap()).unwrap();
    transaction.commit().await.unwrap();
    Who { member: person.hot.account.member, session: Some(0), by: Actor::parse("member").unwrap() }
}

/// The whole life of some tickets.
pub(super) async fn tickets(yard: &Yard, transcript: &mut Transcript) {
    let app = yard.process();
    let newest = app.desks().newest().await.unwrap();
    let desk = huitou::domain::desk::Desk { limits: LIMITS, ..newest.desk.clone() };
    transcript.note("desk", app.desks().save(desk, newest.version, agent()).await);
    let (anna, bo) = (somebody(&app).await, somebody(&app).await);
    // The desk is open for a while, so that no two deadlines are the same: in which order equal keys stand is left to
    // each table.
    let work = Duration::from_hours(3);
    while newest.desk.calendar.between(yard.now(), yard.now().plus(work)) < work {
        yard.clock.advance(Duration::from_hours(1));
    }
    let opened = opening(yard, &app, &anna, &bo, transcript).await;
    working(&app, &anna, &opened, transcript).await;
    limits(&app, anna.member, transcript).await;
    yard.clock.advance(Duration::from_hours(30));
    transcript.note("what time has done", app.tickets().drain(Duration::from_mins(1)).await);
    everything(&app, &opened, transcript).await;
    yard.clock.advance(Duration::from_hours(30));
    closing(&app, &anna, &opened, transcript).await;
    transcript.note("what time has done", app.tickets().drain(Duration::from_mins(1)).await);
    everything(&app, &opened, transcript).await;
    lists(&app, &[anna.member, bo.member], transcript).await;
    counted(&app, transcript).await;
}

/// Tickets under keys, some of them again, one too many.
async fn opening(yard: &Yard, app: &App, anna: &Who, bo: &Who, transcript: &mut Transcript) -> Vec<TicketId> {
    let mut opened = Vec::new();
    for (who, key, kind, text) in [
        (anna, "one", Kind::Quality, "开胶"),
        (anna, "two", Kind::Quality, "又开胶"),
        (anna, "three", Kind::SizeReturn, "偏小"),
        (bo, "one", Kind::Quality, "开胶"),
        (anna, "one", Kind::Quality, "开胶"),
        (anna, "one", Kind::Quality, "另一件"),
        (anna, "four", Kind::Price, "贵"),
        (anna, "five", Kind::Price, "太贵"),
    ] {
        yard.clock.advance(Duration::from_mins(1));
        let text = note(text);
        let whole = app.tickets().open(who, &Sight::All, key, matter(kind), Said::from(&text)).await;
        let id = whole.as_ref().ok().map(|whole| whole.stored.ticket.id);
        opened.extend(id.filter(|id| !opened.contains(id)));
        transcript.note("open", whole);
    }
    opened
}

/// What staff and the member do with them.
async fn working(app: &App, anna: &Who, opened: &[TicketId], transcript: &mut Transcript) {
    let (tickets, by) = (app.tickets(), agent());
    let after_sales = Code::parse("after_sales").unwrap();
    for _ in 0..2 {
        transcript.note("take", tickets.take_next(&by, &after_sales).await);
    }
    for (ticket, key) in [(0, "a"), (0, "a"), (1, "a")] {
        transcript
            .note("answer", tickets.staff_writes(&by, opened[ticket], key, &note("在看"), Some(State::Waiting)).await);
    }
    transcript.note("note", tickets.staff_notes(&by, opened[0], "b", &note("查库存")).await);
    for text in ["在吗", "在吗", "喂"] {
        let text = note(text);
        transcript.note("write", tickets.member_writes(anna, opened[0], "c", Said::from(&text)).await);
    }
    for n in 0..3 {
        let text = note("还有");
        transcript.note("more", tickets.member_writes(anna, opened[2], &format!("d{n}"), Said::from(&text)).await);
    }
    let urgent = || Handling { priority: Some(Priority::Urgent), ..Handling::default() };
    for seen in [1, 2, 99] {
        transcript.note("handle", tickets.handle(&by, opened[2], seen, urgent()).await);
    }
    let why = Reason::parse("重复").unwrap();
    for (duplicate, into) in [(1, 0), (1, 0), (3, 0), (0, 0)] {
        transcript.note("merge", tickets.merge(&by, opened[duplicate], opened[into], &why).await);
    }
}

/// What the table itself refuses.
async fn limits(app: &App, member: MemberId, transcript: &mut Transcript) {
    let (table, today) = (app.table(), app.now().day());
    for most in [Some(1), Some(1_000), None] {
        for change in [1, -1] {
            let written = table.transaction().opens(member, change, most).unwrap().commit().await;
            transcript.note("opens", ended(written));
        }
    }
    for most in [1, 1_000] {
        let written = table.transaction().said(member, today, most).unwrap().commit().await;
        transcript.note("said", ended(written));
    }
    for not_since in [app.now().minus(Duration::from_hours(1)), app.now()] {
        let somebody = MemberId::from_random([5; 16]);
        for _ in 0..2 {
            let written = table.transaction().asked(somebody, app.now(), not_since).unwrap().commit().await;
            transcript.note("asked", ended(written));
        }
    }
    let done = || table.transaction().done(TicketId::of("no", &[]), RowKey::of("no", &[]), 7).unwrap().commit();
    transcript.note("done", (ended(done().await), ended(done().await)));
    let known = table.ticket_done(TicketId::of("no", &[]), RowKey::of("no", &[])).await;
    transcript.note("was done", (known, table.ticket_done(TicketId::of("no", &[]), RowKey::of("other", &[])).await));
}

/// Closed, asked how it was, and asked no more.
async fn closing(app: &App, anna: &Who, opened: &[TicketId], transcript: &mut Transcript) {
    for ticket in [opened[0], opened[0], opened[2]] {
        let closed = app.tickets().member_closes(anna, ticket).await;
        let token = closed.as_ref().ok().map(|whole| app.surveys().token(&whole.stored.ticket));
        transcript.note("close", (&closed, token.is_some_and(|token| token.unwrap().is_some())));
    }
    let ticket = app.table().ticket(opened[0], huitou::table::Freshness::Latest).await.unwrap().unwrap().ticket;
    let token = app.surveys().token(&ticket).unwrap().unwrap();
    let scores = Scores { csat: Csat::try_from(5).unwrap(), nps: Some(Nps::try_from(10).unwrap()) };
    for _ in 0..2 {
        transcript.note("answered", app.surveys().answer(&token, scores, Some(&note("很好"))).await);
    }
}

/// Every ticket with all its records, from both sides, and its notices.
async fn everything(app: &App, opened: &[TicketId], transcript: &mut Transcript) {
    for id in opened {
        for side in [Side::Shared, Side::All] {
            transcript.note("ticket", app.table().ticket_and_records(*id, side).await);
        }
        transcript.note("as staff read it", app.tickets().read(*id).await);
    }
    for shard in 0..TICKET_SHARDS {
        for at in [app.now(), app.now().plus(Duration::from_hours(24 * 400))] {
            transcript.note("due", (shard, app.table().due_tickets(shard, at, 3).await));
        }
    }
    for shard in 0..SEND_SHARDS {
        transcript.note("due sends", (shard, app.table().due_sends(shard, app.now(), 10).await));
    }
}

/// Every list, two tickets a page.
async fn lists(app: &App, members: &[MemberId], transcript: &mut Transcript) {
    let department = |name: &str| TicketList::Queue(Code::parse(name).unwrap());
    let mine = members.iter().map(|member| TicketList::Of(*member));
    let queues = ["after_sales", "membership", "management", "nowhere"].map(department);
    for list in mine.chain(queues).chain([TicketList::AssignedTo(agent())]) {
        let mut from = None;
        for _ in 0..4 {
            let page = app.table().tickets(&list, from.as_ref(), 2).await.unwrap();
            transcript.note("page", (&list, &page));
            let Some(next) = page.next else { break };
            from = Some(next);
        }
    }
}

/// The figures of all days, in one order.
async fn counted(app: &App, transcript: &mut Transcript) {
    let (from, until) = (LocalDay::FIRST, Moment::start_of(LocalDay::LAST).day());
    let mut days = app.table().ticket_figures(from, until).await.unwrap();
    days.sort_by_key(|(day, figures)| (*day, format!("{figures:?}")));
    transcript.note("figures", days);
    transcript.note("lines", app.table().line_figures(from, until).await);
}
