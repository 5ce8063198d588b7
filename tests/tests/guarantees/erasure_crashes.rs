//! A member leaves while the process dies before or during any one call: asked again, or met by the clock, the erasure goes
//! on, and in the end there is the same as without any trouble. Nothing of the person is left, and nothing is counted twice.

use std::time::Duration;

use huitou::app::App;
use huitou::cases::customers::Sight;
use huitou::cases::intake::Customer;
use huitou::cases::people::{Acquisition, Handle};
use huitou::cases::tickets::Said;
use huitou::cases::{Error, Who};
use huitou::domain::account::Membership;
use huitou::domain::campaign::send::Send;
use huitou::domain::erasure::{Erased, Kept};
use huitou::domain::order::Order;
use huitou::domain::proof::prove;
use huitou::domain::refusal::Refusal;
use huitou::domain::ticket::{Channel, Kind, Matter};
use huitou::table::{Freshness, Outcome, Side, StoredSend};
use huitou::values::{Actor, CampaignId, Card, Fen, ForeignId, MemberId, Note, OpenId, Phone, Source, TicketId};

use crate::yard::Yard;

const SEED: u64 = 20_260_305;
const ENOUGH: Duration = Duration::from_secs(20);

/// More calls than an erasure takes.
const MOST_CALLS: u64 = 200;

#[derive(Clone, Copy, Debug)]
enum Death {
    Before(u64),
    During(u64),
}

/// What is there in the end.
#[derive(Debug, PartialEq)]
struct Essence {
    erased: Erased,
    kept: Kept,
    parts: Vec<String>,
    beside_tickets: usize,
    refused: Option<i64>,
    held: Option<i64>,
    segments: u64,
    rows: usize,
}

struct Life {
    yard: Yard,
    member: MemberId,
    ticket: TicketId,
    campaign: CampaignId,
}

fn by() -> Actor {
    Actor::parse("member").unwrap()
}

fn handles() -> [Handle; 3] {
    [
        Handle::OpenId(OpenId::parse("o-anna-000000000000000000000").unwrap()),
        Handle::Phone(Phone::parse("+8613800138000").unwrap()),
        Handle::Card(Card::parse("00001").unwrap()),
    ]
}

impl Life {
    async fn new() -> Self {
        let yard = Yard::in_memory(SEED).await;
        let app = yard.process();
        let mut person = app.people().prepare(Acquisition::default()).await.unwrap();
        for handle in handles() {
            person.add(&app, handle).unwrap();
        }
        let member = person.hot.account.member;
        let transaction = person.write(&app, app.table().transaction().member(&person.hot).unwrap()).unwrap();
        assert!(matches!(transaction.commit().await.unwrap(), Outcome::Done));
        let order = Order {
            source: Source::parse("pos-1").unwrap(),
            id: ForeignId::parse("A-1").unwrap(),
            paid_at: yard.now(),
            amount: Fen::computed(20_000),
            currency: None,
            lines: Vec::new(),
            store: None,
            guide: None,
        };
        let booked = app.intake().orders(&[(Customer::Member(member), order)], &by()).await.unwrap();
        assert!(booked[0].is_ok());
        let who = Who { member, session: Some(0), by: by() };
        let text = Note::parse("鞋底开胶").unwrap();
        let matter = Matter::new(Kind::Quality, Channel::MiniProgram);
        let opened = app.tickets().open(&who, &Sight::All, "a-ticket", matter, Said::from(&text)).await.unwrap();
        let ticket = opened.stored.ticket.id;
        let agent = Actor::parse("agent:li").unwrap();
        app.tickets().staff_writes(&agent, ticket, "an-answer", &text, None).await.unwrap();
        app.remarks().note(&Who { session: None, by: agent, ..who }, &Sight::All, "a-note", &text).await.unwrap();
        let campaign = CampaignId::of("campaign", &["test"]);
        let waits = Send::new(campaign, member, None, yard.now().plus(Duration::from_hours(48)), yard.now());
        let counts = waits.counts_since(None);
        let transaction = app.table().transaction().send(&StoredSend::new(waits), &counts).unwrap();
        assert!(matches!(transaction.commit().await.unwrap(), Outcome::Done));
        Self { yard, member, ticket, campaign }
    }

    async fn leaves(&self, app: &App) -> Result<(Erased, Kept), Error> {
        let who = Who { member: self.member, session: Some(0), by: by() };
        let done = app.erasures().erase(&who, None).await?;
        assert_eq!(app.erasures().verify(&done.signed), Ok(done.receipt.clone()));
        Ok((done.receipt.erased, done.receipt.kept))
    }

    /// Everything that is left, and that what is must be.
    async fn in_essence(&self, (erased, kept): (Erased, Kept)) -> Essence {
        let app = self.yard.process();
        let table = app.table();
        let hot = table.member(self.member, Freshness::Latest).await.unwrap().unwrap();
        assert_eq!((hot.account.membership, hot.sessions), (Membership::Erased, 1));
        let rows = table.whole_journal(&hot.account).await.unwrap();
        assert_eq!(prove(self.member, &rows, &hot.account).fault, None);
        assert!(app.people().owners(&handles()).await.unwrap().iter().all(Option::is_none));
        let opened = app.people().open(self.member, Freshness::Latest).await.err();
        assert_eq!(opened, Some(Error::Refused(Refusal::MemberErased)));
        let (parts, _) = table.parts_of(self.member, None).await.unwrap();
        let (ticket, _) = table.ticket_and_records(self.ticket, Side::All).await.unwrap().unwrap();
        assert_eq!(ticket.ticket.due_at(), None, "no clock runs");
        let counts = table.counts(self.campaign).await.unwrap();
        let counts: std::collections::BTreeMap<String, i64> =
            counts.all().map(|(count, by)| (count.what.clone(), by)).collect();
        let members = table.segment_counts().await.unwrap();
        Essence {
            erased,
            kept,
            parts: parts.into_iter().map(|part| part.part).collect(),
            beside_tickets: table.beside_ticket(self.ticket).await.unwrap().len(),
            refused: counts.get("refused.erased").copied(),
            held: counts.get("held.delay").copied().filter(|held| *held != 0),
            segments: members.values().sum(),
            rows: rows.len(),
        }
    }
}

#[tokio::test]
async fn r3_an_erasure_survives_a_death_at_any_call() {
    let calm = Life::new().await;
    let receipt = calm.leaves(&calm.yard.process()).await.unwrap();
    let wanted = calm.in_essence(receipt).await;
    assert_eq!((&wanted.parts[..], wanted.beside_tickets), (&["profile".to_owned()][..], 0));
    assert_eq!((wanted.refused, wanted.held, wanted.segments), (Some(1), None, 0));
    for call in 1..MOST_CALLS {
        let mut died = false;
        for death in [Death::Before(call), Death::During(call)] {
            for clock_is_faster in [false, true] {
                let troubled = Life::new().await;
                let process = troubled.yard.dying_process();
                process.programs().current().await.unwrap();
                match death {
                    Death::Before(call) => troubled.yard.faults.die_before_call(call),
                    Death::During(call) => troubled.yard.faults.die_during_call(call),
                }
                let _ = troubled.leaves(&process).await;
                died |= troubled.yard.faults.calls() >= call;
                troubled.yard.faults.heal();
                if clock_is_faster {
                    let looked = troubled.yard.process().erasures().look(ENOUGH).await.unwrap();
                    assert_eq!(looked.failed, 0, "{death:?}");
                }
                let receipt = troubled.leaves(&troubled.yard.process()).await.unwrap();
                assert_eq!(troubled.in_essence(receipt).await, wanted, "{death:?}, the clock first: {clock_is_faster}");
            }
        }
        if !died {
            assert!(call > 20, "only {} calls were disturbed", call - 1);
            return;
        }
    }
    panic!("the erasure never ran through");
}

#[tokio::test]
async fn r3_of_several_who_erase_at_once_each_has_the_same_receipt() {
    let life = Life::new().await;
    let processes: Vec<App> = (0..8).map(|_| life.yard.process()).collect();
    let erasures = processes.iter().map(|app| life.leaves(app));
    let receipts = futures_util::future::join_all(erasures).await;
    for receipt in &receipts {
        assert_eq!(receipt, &receipts[0]);
    }
    let essence = life.in_essence(receipts[0].clone().unwrap()).await;
    assert_eq!((essence.refused, essence.rows), (Some(1), 2), "one order, one row that ends it");
}

#[tokio::test]
async fn r3_an_order_that_comes_while_somebody_leaves_is_booked_before_or_refused() {
    let life = Life::new().await;
    let app = life.yard.process();
    let order = |n: u32| Order {
        source: Source::parse("pos-1").unwrap(),
        id: ForeignId::parse(&format!("B-{n}")).unwrap(),
        paid_at: life.yard.now(),
        amount: Fen::computed(1_000),
        currency: None,
        lines: Vec::new(),
        store: None,
        guide: None,
    };
    let buys = async {
        let mut booked = 0;
        for n in 0..20 {
            let results = app.intake().orders(&[(Customer::Member(life.member), order(n))], &by()).await.unwrap();
            match &results[0] {
                Ok(_) => booked += 1,
                Err(error) => assert_eq!(*error, Error::Refused(Refusal::MemberErased)),
            }
        }
        booked
    };
    let other = life.yard.process();
    let (booked, receipt) = tokio::join!(buys, life.leaves(&other));
    let essence = life.in_essence(receipt.unwrap()).await;
    assert_eq!(essence.rows, booked + 2);
}
