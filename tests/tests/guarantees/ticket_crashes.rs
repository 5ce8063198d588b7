//! A ticket lives through its whole life while the process dies before or during any one call: whatever was asked is
//! asked again, and in the end there is the same as without any trouble. Nothing is recorded, counted, asked or opened
//! twice, and nothing is missing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should stop at once, also in its helpers"
)]

use std::time::Duration;

use huitou::app::App;
use huitou::cases::customers::Sight;
use huitou::cases::people::Acquisition;
use huitou::cases::tickets::Said;
use huitou::cases::{Error, Who};
use huitou::domain::survey::{Csat, Nps, Scores};
use huitou::domain::tally::Figures;
use huitou::domain::ticket::{Channel, Handling, Kind, Matter, Priority, Record, State, Subject, What};
use huitou::table::{Freshness, Outcome, Side, StoredTicket};
use huitou::values::{Actor, Category, LocalDay, MemberId, Note, TicketId};

use crate::yard::Yard;

const SEED: u64 = 20_260_304;

/// What happens to a ticket, in this order; and how many minutes pass before it.
const LIFE: [(u64, Event); 11] = [
    (0, Event::Opens),
    (30, Event::StaffAnswers),
    (60, Event::MemberWrites),
    (0, Event::StaffDecides),
    // The next reply is late: warning, breach, escalation.
    (3_000, Event::TimePasses),
    (5, Event::StaffNotes),
    (5, Event::MemberCloses),
    (5, Event::MemberAnswers),
    (1, Event::TimePasses),
    (5, Event::MemberWritesAgain),
    // Whoever could not be told before is by now.
    (5, Event::TimePasses),
];

#[derive(Clone, Copy, Debug)]
enum Event {
    Opens,
    StaffAnswers,
    MemberWrites,
    StaffDecides,
    TimePasses,
    StaffNotes,
    MemberCloses,
    MemberAnswers,
    MemberWritesAgain,
}

/// When the process dies.
#[derive(Clone, Copy, Debug)]
enum Death {
    Before(u64),
    During(u64),
}

struct Life {
    yard: Yard,
    member: MemberId,
    scores: Scores,
    /// The version that staff have read before they decide.
    seen: u64,
}

impl Life {
    async fn new(scores: Scores) -> Self {
        let yard = Yard::in_memory(SEED).await;
        let app = yard.process();
        let person = app.people().prepare(Acquisition::default()).await.unwrap();
        let transaction = person.write(&app, app.table().transaction().member(&person.hot).unwrap()).unwrap();
        assert!(matches!(transaction.commit().await.unwrap(), Outcome::Done));
        Self { member: person.hot.account.member, yard, scores, seen: 0 }
    }

    fn id(&self) -> TicketId {
        TicketId::of("ticket", &[&self.member.to_string(), "member", "the-ticket"])
    }

    fn who(&self) -> Who {
        Who { member: self.member, session: Some(0), by: Actor::parse("member").unwrap() }
    }

    async fn stored(&self) -> Option<StoredTicket> {
        self.yard.process().table().ticket(self.id(), Freshness::Latest).await.unwrap()
    }

    /// Time goes on; staff read what there is.
    async fn goes_on(&mut self, minutes: u64) {
        self.yard.clock.advance(Duration::from_mins(minutes));
        self.seen = self.stored().await.map_or(0, |stored| stored.version);
    }

    async fn meets(&self, app: &App, event: Event) -> Result<(), Error> {
        let (tickets, id, who) = (app.tickets(), self.id(), self.who());
        let (agent, text) = (Actor::parse("agent:li").unwrap(), Note::parse("鞋底开胶").unwrap());
        match event {
            Event::Opens => tickets.open(&who, &Sight::All, "the-ticket", matter(), Said::from(&text)).await.map(drop),
            Event::StaffAnswers => {
                tickets.staff_writes(&agent, id, "an-answer", &text, Some(State::Waiting)).await.map(drop)
            }
            Event::MemberWrites => tickets.member_writes(&who, id, "a-message", Said::from(&text)).await.map(drop),
            Event::MemberWritesAgain => tickets.member_writes(&who, id, "another", Said::from(&text)).await.map(drop),
            Event::StaffDecides => {
                let handling = Handling { priority: Some(Priority::Urgent), ..Handling::default() };
                tickets.handle(&agent, id, self.seen, handling).await.map(drop)
            }
            Event::TimePasses => tickets.drain(Duration::from_secs(9)).await.map(drop),
            Event::StaffNotes => tickets.staff_notes(&agent, id, "a-note", &text).await.map(drop),
            Event::MemberCloses => tickets.member_closes(&who, id).await.map(drop),
            Event::MemberAnswers => {
                let ticket = app.table().ticket(id, Freshness::Latest).await?.unwrap().ticket;
                // Who has answered sees no link any more, and has nothing to ask again.
                let Some(token) = app.surveys().token(&ticket)? else { return Ok(()) };
                app.surveys().answer(&token, self.scores, Some(&text)).await.map(drop)
            }
        }
    }

    /// A whole life; at one event the process dies at a call, and what was asked is asked again. Whether it died.
    async fn lives(&mut self, mishap: Option<(usize, Death)>) -> bool {
        let mut died = false;
        for (n, (minutes, event)) in LIFE.into_iter().enumerate() {
            self.goes_on(minutes).await;
            if let Some((_, death)) = mishap.filter(|(at, _)| *at == n) {
                let process = self.yard.dying_process();
                // What a process knows from before is no call.
                process.programs().current().await.unwrap();
                process.desks().current().await.unwrap();
                match death {
                    Death::Before(call) => self.yard.faults.die_before_call(call),
                    Death::During(call) => self.yard.faults.die_during_call(call),
                }
                let _ = self.meets(&process, event).await;
                let (Death::Before(call) | Death::During(call)) = death;
                died = self.yard.faults.calls() >= call;
                self.yard.faults.heal();
                match self.meets(&self.yard.process(), event).await {
                    // It has happened, and who asks again is told so.
                    Ok(()) | Err(Error::VersionMoved) => {}
                    Err(error) => panic!("{event:?} after {death:?}: {error:?}"),
                }
            } else {
                self.meets(&self.yard.process(), event).await.unwrap_or_else(|error| panic!("{event:?}: {error:?}"));
            }
        }
        died
    }

    /// Everything that there is in the end, apart from ids, sealed bytes, and when the manager was told.
    async fn in_essence(&self) -> Essence {
        let app = self.yard.process();
        // A call whose end a process did not live to see is looked up some minutes later, so that other records come
        // before the one about it.
        let bare = |records: Vec<Record>| {
            let others = records.into_iter().filter(|record| !matches!(record.what, What::ManagerTold { .. }));
            others.map(|r| Record { number: 0, sealed: r.sealed.map(|_| String::new()), ..r })
        };
        let (stored, records) = app.table().ticket_and_records(self.id(), Side::All).await.unwrap().unwrap();
        let told = records.iter().filter_map(|record| match &record.what {
            What::ManagerTold { telling, .. } => Some(format!("{telling:?}")),
            _ => None,
        });
        let told = told.collect();
        let mut notices = Vec::new();
        for notice in records.iter().filter_map(|record| record.notice) {
            let send = app.table().send(notice.send, Freshness::Latest).await.unwrap().unwrap().send;
            notices.push(format!("{:?} {} {:?}", notice.about, send.standing(), send.about));
        }
        let mut follow_ups = Vec::new();
        for id in &stored.ticket.followed_by {
            let (_, records) = app.table().ticket_and_records(*id, Side::All).await.unwrap().unwrap();
            follow_ups.extend(bare(records));
        }
        let tags = app.customers().portrait(self.member, &Sight::All).await.unwrap().tags;
        let mut figures = Figures::default();
        let (from, until) = (LocalDay::FIRST, LocalDay::LAST);
        for (_, day) in app.table().ticket_figures(from, until).await.unwrap() {
            day.all().for_each(|(name, by)| figures.raise(name, by));
        }
        for (_, line, day) in app.table().line_figures(from, until).await.unwrap() {
            day.all().for_each(|(name, by)| figures.raise(format!("{line}.{name}"), by));
        }
        let tags = tags.iter().map(ToString::to_string).collect();
        let calls = self.yard.recorder.went().iter().map(|went| went.to.clone()).collect();
        Essence { records: bare(records).collect(), follow_ups, tags, notices, told, calls, figures }
    }
}

#[derive(Debug, PartialEq)]
struct Essence {
    records: Vec<Record>,
    follow_ups: Vec<Record>,
    tags: Vec<String>,
    notices: Vec<String>,
    told: Vec<String>,
    /// Who was called by a provider.
    calls: Vec<String>,
    figures: Figures,
}

fn matter() -> Matter {
    let line = Some(Category::parse("鞋").unwrap());
    Matter { subject: Subject { line, ..Subject::default() }, ..Matter::new(Kind::Quality, Channel::MiniProgram) }
}

fn scores(csat: u8, nps: u8) -> Scores {
    Scores { csat: Csat::try_from(csat).unwrap(), nps: Some(Nps::try_from(nps).unwrap()) }
}

async fn dies_at_every_call(scores: Scores) {
    let mut calm = Life::new(scores).await;
    calm.lives(None).await;
    let wanted = calm.in_essence().await;
    let mut deaths = 0;
    for (n, (_, event)) in LIFE.into_iter().enumerate() {
        for call in 1.. {
            let mut died = false;
            for death in [Death::Before(call), Death::During(call)] {
                let mut troubled = Life::new(scores).await;
                died |= troubled.lives(Some((n, death))).await;
                let come_out = troubled.in_essence().await;
                assert_eq!(come_out, wanted, "{event:?} with {death:?}");
            }
            if !died {
                break;
            }
            deaths += 1;
        }
    }
    assert!(deaths > 2 * LIFE.len(), "only {deaths} calls were disturbed");
}

#[tokio::test]
async fn a_bad_answer_comes_to_one_follow_up_wherever_the_process_dies() {
    let mut calm = Life::new(scores(1, 0)).await;
    calm.lives(None).await;
    let Essence { follow_ups, tags, figures, told, calls, .. } = calm.in_essence().await;
    assert_eq!((follow_ups.len(), &tags[..]), (1, &["工单已结".to_owned()][..]));
    // A warning, a breach and an escalation that were noticed at once, and the resolution's warning before them.
    assert_eq!((calls.len(), told.len()), (1, 1), "{told:?}");
    assert_eq!(["opened", "csat.1", "breached.next_reply", "鞋.complaints"].map(|name| figures.get(name)), [1; 4]);
    dies_at_every_call(scores(1, 0)).await;
}

#[tokio::test]
async fn a_solved_ticket_and_a_good_answer_come_to_one_tag_each_wherever_the_process_dies() {
    let mut calm = Life::new(scores(5, 10)).await;
    calm.lives(None).await;
    let Essence { follow_ups, tags, notices, .. } = calm.in_essence().await;
    assert_eq!((follow_ups.len(), &tags[..]), (0, &["工单已结", "推荐者"].map(str::to_owned)[..]));
    assert_eq!(notices.len(), 2, "a survey and an invitation: {notices:?}");
    dies_at_every_call(scores(5, 10)).await;
}
