//! A small world of three people, driven through the use cases, with a memory of everything that was acknowledged.

use std::collections::BTreeMap;
use std::time::Duration;

use huitou::app::App;
use huitou::cases::consents::Held;
use huitou::cases::intake::{Accepted, Customer};
use huitou::cases::merges::{Done, Wish};
use huitou::cases::people::Handle;
use huitou::cases::recompute::{Drained, all_shards};
use huitou::cases::{Error, Who};
use huitou::domain::consent::{self, Via};
use huitou::domain::coupon::{Checkout, Coupon, Discount};
use huitou::domain::earning::Event;
use huitou::domain::entry::Entry;
use huitou::domain::order::Order;
use huitou::domain::purchase::Refund;
use huitou::table::Freshness;
use huitou::values::{
    Actor, Card, Code, Fen, ForeignId, LocalDay, MemberId, Moment, Name, Reason, RowKey, SomePoints, Source,
};
use local::in_process::Fault;
use serde_json::Value;

use super::Yard;
use super::doings::{Buy, Doing, Mishap, PEOPLE};

/// Longer than any drain takes.
const ENOUGH: Duration = Duration::from_mins(10);

/// One request, ready to be sent, as often as need be, always the same.
#[derive(Clone, Debug)]
enum Call {
    Orders(Vec<(Customer, Order)>),
    Refund(ForeignId, Refund),
    Redeem(Who, String, Code, u32),
    Donate(Who, String, SomePoints),
    Hold(Who, String, SomePoints, u32),
    Capture(RowKey, Option<SomePoints>),
    Release(RowKey),
    ReserveCoupon(Who, String, Fen),
    RedeemCoupon(RowKey),
    RollBackCoupon(RowKey),
    CheckIn(Who, String),
    Adjust(Who, String, i64),
    Event(Customer, Event),
    Decide(Who, consent::Wish),
    Merge(Wish),
    /// Who goes on, and the merge.
    Undo(MemberId, RowKey),
    Drain,
}

/// What the product said to a request.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// The request made no sense here, so none was sent.
    Nothing,
    Orders(Vec<Result<Accepted, Error>>),
    Entry(Result<Entry, Error>),
    Decided(Result<Held, Error>),
    Merged(Result<Done, Error>),
    Undone(Result<(), Error>),
    Drained(Result<Drained, Error>),
}

impl Said {
    fn errors(&self) -> Vec<&Error> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Orders(results) => results.iter().filter_map(|r| r.as_ref().err()).collect(),
            Self::Entry(result) => result.as_ref().err().into_iter().collect(),
            Self::Decided(result) => result.as_ref().err().into_iter().collect(),
            Self::Merged(result) => result.as_ref().err().into_iter().collect(),
            Self::Undone(result) => result.as_ref().err().into_iter().collect(),
            Self::Drained(result) => result.as_ref().err().into_iter().collect(),
        }
    }

    /// Whether a client would have to ask again.
    fn is_unfinished(&self) -> bool {
        self.errors().iter().any(|error| matches!(error, Error::Unavailable(_)))
    }

    /// The answer without anything that differs between two worlds in which the same has happened: ids that are
    /// drawn at random, what follows from them, and how many deliveries it took.
    pub(crate) fn in_essence(&self) -> String {
        let entry = |entry: &Entry| {
            let mut value = serde_json::to_value(entry).unwrap();
            let of_a_hold = value.pointer("/what/kind").is_some_and(|kind| kind == "hold");
            forget(&mut value, &["member", "previous", "links", "hold", "reservation"]);
            if let (Some(what), true) = (value.get_mut("what"), of_a_hold) {
                forget(what, &["id"]);
            }
            value.to_string()
        };
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::Orders(results) => {
                let each = results.iter().map(|r| format!("{:?}", r.as_ref().map(|a| entry(&a.entry))));
                each.collect::<Vec<_>>().join("\n")
            }
            Self::Entry(result) => format!("{:?}", result.as_ref().map(entry)),
            Self::Decided(result) => format!("{:?}", result.as_ref().map(|held| (held.live, held.decision))),
            Self::Merged(result) => format!("{:?}", result.as_ref().map(|done| (done.at, &done.moved))),
            Self::Undone(result) => format!("{result:?}"),
            Self::Drained(result) => format!("{:?}", result.as_ref().map(|drained| drained.finished)),
        }
    }
}

fn forget(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(object) => {
            object.retain(|name, _| !names.contains(&name.as_str()));
            object.values_mut().for_each(|inner| forget(inner, names));
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| forget(inner, names)),
        _ => {}
    }
}

/// An order that was acknowledged.
struct Sold {
    /// On whose account it was booked.
    who: usize,
    order: Order,
    refunds: Vec<Refund>,
}

impl Sold {
    fn left(&self) -> u64 {
        self.order.amount.number() - self.refunds.iter().map(|r| r.amount.number()).sum::<u64>()
    }
}

/// Orders that were not given back, and their money, by day.
pub(super) type Days = BTreeMap<LocalDay, (u32, u64)>;

/// A merge that was acknowledged.
struct Union {
    name: RowKey,
    survivor: usize,
    absorbed: usize,
    days: Days,
    undone: bool,
}

/// The world.
pub(crate) struct World {
    pub(crate) yard: Yard,
    pub(super) members: [Option<MemberId>; PEOPLE],
    /// Who took whose account over.
    pub(super) into: [Option<usize>; PEOPLE],
    pub(super) days: [Days; PEOPLE],
    orders: Vec<Sold>,
    unions: Vec<Union>,
    /// Everything that was acknowledged, by its row.
    pub(super) rows: BTreeMap<RowKey, Entry>,
    holds: Vec<RowKey>,
    reservations: Vec<RowKey>,
    steps: u64,
}

pub(super) fn card(who: usize) -> Handle {
    Handle::Card(Card::parse(&format!("card-{who}")).unwrap())
}

/// The coupon's code.
pub(super) fn spring() -> Code {
    Code::parse("spring").unwrap()
}

pub(super) fn till() -> Actor {
    Actor::parse("till:1").unwrap()
}

fn kulanz() -> Reason {
    Reason::parse("kulanz").unwrap()
}

fn source() -> Source {
    Source::parse("till").unwrap()
}

fn foreign(id: impl std::fmt::Display) -> ForeignId {
    ForeignId::parse(&id.to_string()).unwrap()
}

impl World {
    pub(crate) fn new(yard: Yard) -> Self {
        Self {
            yard,
            members: [None; PEOPLE],
            into: [None; PEOPLE],
            days: Default::default(),
            orders: Vec::new(),
            unions: Vec::new(),
            rows: BTreeMap::new(),
            holds: Vec::new(),
            reservations: Vec::new(),
            steps: 0,
        }
    }

    /// The same with a coupon, of which there are few.
    pub(crate) async fn with_a_coupon(self) -> Self {
        let app = self.yard.process();
        let newest = app.programs().newest().await.unwrap();
        let coupon = Coupon {
            id: spring(),
            name: Name::parse("春季券").unwrap(),
            gives: Discount::Off(Fen::computed(250)),
            at_least: Fen::computed(300),
            from: LocalDay::FIRST,
            until: LocalDay::LAST,
            stock: 3,
            per_member: 2,
            tiers: Vec::new(),
        };
        let mut program = newest.program.clone();
        program.coupons.push(coupon);
        app.programs().save(program, newest.version, None, till()).await.unwrap();
        self
    }

    /// Does something without any mishap.
    pub(crate) async fn does(&mut self, doing: &Doing) -> Said {
        self.goes_through(doing, Mishap::Nothing, Duration::ZERO).await.0
    }

    /// Does something in spite of a mishap: what could not be finished is asked again, after a while, of another
    /// process. Says what was answered in the end, and whether the mishap happened at all.
    pub(crate) async fn goes_through(&mut self, doing: &Doing, mishap: Mishap, later: Duration) -> (Said, bool) {
        let Some(call) = self.resolve(doing).await else { return (Said::Nothing, false) };
        let faults = self.yard.faults.clone();
        set(&faults, mishap);
        let process = if mishap.is_death() { self.yard.dying_process() } else { self.yard.process() };
        let first = perform(&process, &call).await;
        let met = match mishap {
            Mishap::Nothing | Mishap::Conflict(..) => false,
            Mishap::DiesBefore(call)
            | Mishap::DiesDuring(call)
            | Mishap::Throttled(call, _)
            | Mishap::AnswerLost(call)
            | Mishap::Unreachable(call) => faults.calls() >= call,
        };
        faults.heal();
        assert!(!first.errors().iter().any(|e| matches!(e, Error::Defect(_))), "{doing:?} {mishap:?}: {first:?}");
        if !first.is_unfinished() {
            self.remember(&call, &first, true);
            return (first, met);
        }
        assert!(mishap.is_death(), "{doing:?} should have survived {mishap:?}: {first:?}");
        self.remember(&call, &first, true);
        self.yard.clock.advance(later);
        let second = perform(&self.yard.process(), &call).await;
        assert!(!second.is_unfinished(), "{doing:?} after {mishap:?}: {second:?}");
        agree(&first, &second);
        self.remember(&call, &second, false);
        (second, met)
    }

    async fn resolve(&mut self, doing: &Doing) -> Option<Call> {
        self.steps += 1;
        let key = format!("key-{}", self.steps);
        match doing {
            Doing::Orders(buys) => Some(Call::Orders(self.batch(buys))),
            Doing::Refund { order, percent, again } => {
                let sold = self.orders.get(order.checked_rem(self.orders.len())?)?;
                let earlier = sold.refunds.last().filter(|_| *again).cloned();
                let amount = Fen::computed((sold.left() * percent).div_ceil(100));
                let refund = earlier.unwrap_or(Refund { id: foreign(&key), amount, reason: None });
                Some(Call::Refund(sold.order.id.clone(), refund))
            }
            Doing::Redeem { who, reward, quantity } => {
                let reward = ["cash-10", "tote", "styling", "moon"][*reward];
                Some(Call::Redeem(self.who(*who)?, key, Code::parse(reward).unwrap(), *quantity))
            }
            Doing::Donate { who, points } => {
                Some(Call::Donate(self.who(*who)?, key, SomePoints::new(*points).unwrap()))
            }
            Doing::Hold { who, percent, minutes } => {
                let points = (self.available(*who).await? * percent).div_ceil(100).max(1);
                Some(Call::Hold(self.who(*who)?, key, SomePoints::new(points).unwrap(), *minutes))
            }
            Doing::Capture { hold, percent } => {
                let hold = *self.holds.get(hold.checked_rem(self.holds.len())?)?;
                let held = self.rows[&hold].balance.held.number();
                let points = percent.map(|percent| SomePoints::new((held * percent).div_ceil(100).max(1)).unwrap());
                Some(Call::Capture(hold, points))
            }
            Doing::Release { hold } => Some(Call::Release(*self.holds.get(hold.checked_rem(self.holds.len())?)?)),
            Doing::ReserveCoupon { who, amount } => {
                Some(Call::ReserveCoupon(self.who(*who)?, key, Fen::computed(*amount)))
            }
            Doing::RedeemCoupon { reservation } => Some(Call::RedeemCoupon(self.reservation(*reservation)?)),
            Doing::RollBackCoupon { reservation } => Some(Call::RollBackCoupon(self.reservation(*reservation)?)),
            Doing::CheckIn { who } => Some(Call::CheckIn(self.who(*who)?, key)),
            Doing::Adjust { who, points } => Some(Call::Adjust(self.who(*who)?, key, *points)),
            Doing::Event { who, topic, by_card } => {
                let customer = match self.members[*who] {
                    Some(member) if !by_card => Customer::Member(member),
                    _ => Customer::Handle(card(*who)),
                };
                let (id, at) = (foreign(&key), self.yard.now());
                Some(Call::Event(customer, Event { source: source(), id, topic: *topic, about: None, at }))
            }
            Doing::Decide { who, purpose, granted } => {
                let agrees_to = granted.then_some(1);
                Some(Call::Decide(
                    self.who(*who)?,
                    consent::Wish { agrees_to, ..consent::Wish::no(*purpose, Via::MiniProgram) },
                ))
            }
            Doing::Merge { survivor, absorbed } => Some(Call::Merge(Wish {
                survivor: self.members[*survivor]?,
                absorbed: self.members[*absorbed]?,
                reason: kulanz(),
                by: till(),
            })),
            Doing::Undo { merge } => {
                let union = self.unions.get(merge.checked_rem(self.unions.len())?)?;
                Some(Call::Undo(self.members[union.survivor]?, union.name))
            }
            Doing::Drain => Some(Call::Drain),
            Doing::Wait { hours } => {
                self.yard.clock.advance(Duration::from_hours(*hours));
                None
            }
        }
    }

    fn batch(&self, buys: &[Buy]) -> Vec<(Customer, Order)> {
        let mut batch = Vec::new();
        for (place, buy) in buys.iter().enumerate() {
            let customer = match self.members[buy.who] {
                Some(member) if buy.by_id => Customer::Member(member),
                _ => Customer::Handle(card(buy.who)),
            };
            let earlier = buy.again.and_then(|n| self.orders.get(n.checked_rem(self.orders.len())?));
            let order = earlier.map_or_else(
                || Order {
                    source: source(),
                    id: foreign(format!("order-{}-{place}", self.steps)),
                    paid_at: Moment::start_of(self.yard.now().day().minus(buy.days_ago)),
                    amount: Fen::computed(buy.amount),
                    currency: None,
                    lines: Vec::new(),
                    store: None,
                    guide: None,
                },
                |sold| sold.order.clone(),
            );
            for _ in 0..=usize::from(buy.twice) {
                batch.push((customer.clone(), order.clone()));
            }
        }
        batch
    }

    fn who(&self, who: usize) -> Option<Who> {
        Some(Who { member: self.members[who]?, session: None, by: till() })
    }

    /// Who answers for this one's card: whoever took the account over, if anybody did.
    pub(super) fn owner(&self, who: usize) -> usize {
        self.into[who].map_or(who, |into| self.owner(into))
    }

    /// How many merges and undone merges there were.
    pub(super) fn merges(&self) -> usize {
        self.unions.len() + self.unions.iter().filter(|union| union.undone).count()
    }

    fn place(&self, member: MemberId) -> usize {
        self.members.iter().position(|known| *known == Some(member)).unwrap()
    }

    fn reservation(&self, place: usize) -> Option<RowKey> {
        self.reservations.get(place.checked_rem(self.reservations.len())?).copied()
    }

    async fn available(&self, who: usize) -> Option<u64> {
        let statement = self.yard.process().ledger().statement(&self.who(who)?).await.unwrap();
        Some(statement.balance.available.number())
    }

    /// Takes to memory what was acknowledged.
    fn remember(&mut self, call: &Call, said: &Said, first: bool) {
        match (call, said) {
            (Call::Orders(batch), Said::Orders(results)) => {
                assert_eq!(batch.len(), results.len(), "one answer per order");
                for ((customer, order), result) in batch.iter().zip(results) {
                    if let Ok(accepted) = result {
                        self.remember_order(customer, order, accepted, first);
                    }
                }
            }
            (Call::Refund(id, refund), Said::Entry(Ok(entry))) => {
                self.remember_refund(id, refund);
                self.remember_row(entry);
            }
            (Call::Merge(wish), Said::Merged(Ok(done))) => self.remember_merge(wish, done),
            (Call::Undo(_, name), Said::Undone(Ok(()))) => self.remember_undo(*name),
            (Call::Hold(..), Said::Entry(Ok(entry))) => {
                self.holds.push(entry.row);
                self.remember_row(entry);
            }
            (Call::ReserveCoupon(..), Said::Entry(Ok(entry))) => {
                self.reservations.push(entry.row);
                self.remember_row(entry);
            }
            (_, Said::Entry(Ok(entry))) => self.remember_row(entry),
            _ => {}
        }
    }

    fn remember_order(&mut self, customer: &Customer, order: &Order, accepted: &Accepted, first: bool) {
        let entry = &accepted.entry;
        assert_eq!(entry.row, order.row());
        let known = self.rows.contains_key(&entry.row);
        assert!(!(known && accepted.created), "{} was created twice", order.id);
        assert!(known || accepted.created || !first, "{} was replayed before it was created", order.id);
        if !known {
            let named = (0..PEOPLE).find(|who| match customer {
                Customer::Member(member) => self.members[*who] == Some(*member),
                Customer::Handle(handle) => *handle == card(*who),
            });
            let who = self.owner(named.unwrap());
            let member = *self.members[who].get_or_insert(entry.member);
            assert_eq!(member, entry.member, "the order went to somebody else");
            add(&mut self.days[who], order.paid_at.day(), (1, order.amount.number()));
            self.orders.push(Sold { who, order: order.clone(), refunds: Vec::new() });
            // The same list in every world, however many deliveries it took.
            self.orders.sort_by(|one, other| one.order.id.cmp(&other.order.id));
        }
        self.remember_row(entry);
    }

    fn remember_merge(&mut self, wish: &Wish, done: &Done) {
        // Asked again, it answers with the merge that is there.
        if self.unions.iter().any(|union| union.name == done.merge) {
            return;
        }
        let (survivor, absorbed) = (self.place(wish.survivor), self.place(wish.absorbed));
        let days = self.days[absorbed].clone();
        for (day, bought) in &days {
            add(&mut self.days[survivor], *day, *bought);
        }
        self.into[absorbed] = Some(survivor);
        self.unions.push(Union { name: done.merge, survivor, absorbed, days, undone: false });
    }

    fn remember_undo(&mut self, name: RowKey) {
        let union = self.unions.iter_mut().find(|union| union.name == name).unwrap();
        if std::mem::replace(&mut union.undone, true) {
            return;
        }
        self.into[union.absorbed] = None;
        for (day, bought) in &union.days {
            take(&mut self.days[union.survivor], *day, *bought);
        }
    }

    fn remember_refund(&mut self, id: &ForeignId, refund: &Refund) {
        let place = self.orders.iter().position(|sold| sold.order.id == *id).unwrap();
        let owner = self.owner(self.orders[place].who);
        let sold = &mut self.orders[place];
        if !sold.refunds.contains(refund) {
            sold.refunds.push(refund.clone());
            let given_back = u32::from(sold.left() == 0);
            take(&mut self.days[owner], sold.order.paid_at.day(), (given_back, refund.amount.number()));
        }
    }

    fn remember_row(&mut self, entry: &Entry) {
        let known = self.rows.entry(entry.row).or_insert_with(|| entry.clone());
        assert_eq!(known, entry, "a row was answered in two ways");
    }

    /// The latest hot item of somebody who is known.
    pub(super) async fn hot(&self, who: usize) -> Option<huitou::table::Hot> {
        let table = self.yard.process().table().clone();
        table.member(self.members[who]?, Freshness::Latest).await.unwrap()
    }
}

fn add(days: &mut Days, day: LocalDay, (orders, money): (u32, u64)) {
    let bought = days.entry(day).or_default();
    *bought = (bought.0 + orders, bought.1 + money);
}

fn take(days: &mut Days, day: LocalDay, (orders, money): (u32, u64)) {
    let bought = days.entry(day).or_default();
    *bought = (bought.0 - orders, bought.1 - money);
    if *bought == (0, 0) {
        days.remove(&day);
    }
}

fn set(faults: &local::in_process::Faults, mishap: Mishap) {
    match mishap {
        Mishap::Nothing => faults.heal(),
        Mishap::DiesBefore(call) => faults.die_before_call(call),
        Mishap::DiesDuring(call) => faults.die_during_call(call),
        Mishap::Throttled(first, times) => {
            faults.plan(move |call, _| (first..first + times).contains(&call).then_some(Fault::Throttled));
        }
        Mishap::Conflict(nth, times) => {
            let mut seen = 0;
            faults.plan(move |_, operation| {
                seen += u64::from(operation == "TransactWriteItems");
                let now = operation == "TransactWriteItems" && (nth..nth + times).contains(&seen);
                now.then_some(Fault::TransactionConflict)
            });
        }
        Mishap::AnswerLost(call) => faults.on_call(call, Fault::AnswerLost),
        Mishap::Unreachable(call) => faults.on_call(call, Fault::Unreachable),
    }
}

async fn perform(app: &App, call: &Call) -> Said {
    let ledger = app.ledger();
    Said::Entry(match call {
        Call::Orders(batch) => {
            let results = app.intake().orders(batch, &till()).await;
            return Said::Orders(results.unwrap_or_else(|error| vec![Err(error); batch.len()]));
        }
        Call::Merge(wish) => return Said::Merged(app.merges().merge(wish).await),
        Call::Decide(who, wish) => return Said::Decided(app.consents().decide(who, wish).await),
        Call::Undo(survivor, merge) => return Said::Undone(app.merges().undo(*survivor, *merge, &till()).await),
        Call::Drain => return Said::Drained(app.recompute().drain(&all_shards(), ENOUGH).await),
        Call::Refund(order, refund) => app.intake().refund(&source(), order, refund, &till()).await,
        Call::Redeem(who, key, reward, quantity) => ledger.redeem(who, key, reward, *quantity).await,
        Call::Donate(who, key, points) => ledger.donate(who, key, &Code::parse("library").unwrap(), *points).await,
        Call::Hold(who, key, points, minutes) => ledger.hold(who, key, *points, *minutes).await,
        Call::Capture(hold, points) => ledger.capture(till(), *hold, *points).await,
        Call::Release(hold) => ledger.release(till(), *hold).await,
        Call::ReserveCoupon(who, key, amount) => {
            app.coupons().reserve(who, key, &spring(), Checkout { amount: *amount, minutes: 30 }).await
        }
        Call::RedeemCoupon(reservation) => app.coupons().redeem(till(), &spring(), *reservation).await,
        Call::RollBackCoupon(reservation) => app.coupons().roll_back(till(), &spring(), *reservation).await,
        Call::CheckIn(who, key) => ledger.check_in(who, key).await,
        Call::Adjust(who, key, points) => ledger.adjust(who, key, *points, &kulanz()).await,
        Call::Event(customer, event) => app.intake().event(customer, event, None, &till()).await,
    })
}

/// What the first delivery acknowledged, the second one must know already, and answer in the same words.
fn agree(first: &Said, second: &Said) {
    match (first, second) {
        (Said::Orders(first), Said::Orders(second)) => {
            for (first, second) in first.iter().zip(second) {
                let Ok(first) = first else { continue };
                let second = second.as_ref().unwrap();
                assert!(!second.created, "{:?} was acknowledged, and created again", first.entry.row);
                assert_eq!(first.entry, second.entry);
            }
        }
        (Said::Decided(Ok(first)), Said::Decided(second)) => {
            assert_eq!(Some(first.live), second.as_ref().ok().map(|second| second.live));
        }
        (Said::Entry(Ok(first)), Said::Entry(second)) => assert_eq!(Ok(first), second.as_ref()),
        _ => {}
    }
}
