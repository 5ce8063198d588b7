//! The full pass over the table: it finds what movements and nights have left, the counts of segments are exact, and
//! both stay so when processes die on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use huitou::app::App;
use huitou::cases::Error;
use huitou::cases::full_pass::Progress;
use huitou::cases::intake::Customer;
use huitou::cases::people::Handle;
use huitou::cases::recompute::all_shards;
use huitou::cases::segments::{Viewer, Wanted};
use huitou::domain::metric::Metric;
use huitou::domain::order::Order;
use huitou::domain::posting::judged;
use huitou::domain::segmentation::SegmentDraft;
use huitou::domain::week::Week;
use huitou::domain::weekly_board::{Group, WeeklyBoard};
use huitou::table::{Hot, MembersPage, ScanShard};
use huitou::values::{Actor, Card, Code, Fen, ForeignId, MemberId, Name, RowKey, Source};
use local::demo::log::{cdnow_path, read_cdnow};
use tests::members::{self, AT_ONCE};

use crate::yard::Yard;

const SEED: u64 = 20_260_305;

/// Longer than any drain takes.
const ENOUGH: Duration = Duration::from_mins(10);

/// After so long, a part of a pass that gives no sign of life is given out again.
const STALLED: Duration = Duration::from_mins(16);

/// More calls than anything here takes.
const MOST_CALLS: u64 = 400;

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
}

fn till() -> Actor {
    Actor::parse("till:1").unwrap()
}

fn manager() -> Actor {
    Actor::parse("staff:lin").unwrap()
}

fn code(text: &str) -> Code {
    Code::parse(text).unwrap()
}

fn card(number: &str) -> Handle {
    Handle::Card(Card::parse(number).unwrap())
}

/// Customers, in a yard of their own.
struct Town {
    yard: Yard,
    cards: BTreeSet<String>,
    sold: u32,
}

impl Town {
    async fn new() -> Self {
        Self { yard: Yard::in_memory(SEED).await, cards: BTreeSet::new(), sold: 0 }
    }

    async fn sells(&mut self, number: &str, fen: u64) {
        self.sold += 1;
        self.cards.insert(number.to_owned());
        let order = Order {
            source: Source::parse("till").unwrap(),
            id: ForeignId::parse(&self.sold.to_string()).unwrap(),
            paid_at: self.yard.now(),
            amount: Fen::computed(fen),
            currency: None,
            lines: Vec::new(),
            store: None,
            guide: None,
        };
        let batch = [(Customer::Handle(card(number)), order)];
        let booked = self.yard.process().intake().orders(&batch, &till()).await.unwrap().remove(0);
        assert!(booked.unwrap().created);
    }

    /// The next day begins, and the nightly drain comes by.
    async fn sleeps(&self, process: &App) -> Result<(), Error> {
        self.yard.clock.advance(Duration::from_hours(24));
        drain(process).await
    }

    async fn everybody(&self) -> BTreeMap<MemberId, Hot> {
        let process = self.yard.process();
        let (mut all, mut from) = (BTreeMap::new(), None);
        loop {
            let MembersPage { members, next, unreadable } =
                process.table().page_of_members(ScanShard::WHOLE, from, 100).await.unwrap();
            assert_eq!(unreadable, 0);
            all.extend(members.into_iter().map(|hot| (hot.account.member, hot)));
            from = next;
            if from.is_none() {
                return all;
            }
        }
    }

    /// The whole of a full pass, from its start to its end.
    async fn passes(&self) -> Progress {
        let process = self.yard.process();
        process.full_pass().start(&manager()).await.unwrap();
        self.yard.works_off_the_queue(&process).await.unwrap();
        process.full_pass().progress().await.unwrap()
    }

    /// Everybody's segments are what the rules say today; the counts say the same; a pass finds nothing amiss.
    async fn is_right(&self) {
        let process = self.yard.process();
        let (rules, now, everybody) = (process.rulebook().await.unwrap(), self.yard.now(), self.everybody().await);
        for (member, hot) in &everybody {
            assert_eq!(hot.account.segments, judged(&hot.account, &rules, now).segments, "{member}");
        }
        let wanted = self.by_segment().await.into_iter().map(|(id, members)| (id, members.len() as u64)).collect();
        let mut counts = process.segments().counts().await.unwrap();
        counts.retain(|_, members| *members > 0);
        assert_eq!(counts, wanted, "the counts are exact");
        let pass = self.passes().await;
        assert!(pass.finished && pass.repair, "{pass:?}");
        assert_eq!((pass.members, pass.unreadable), (everybody.len() as u64, 0));
        assert_eq!((pass.tally.due, pass.tally.changed, pass.tally.defects), (0, 0, 0), "{pass:?}");
        assert_eq!(pass.tally.segments, wanted);
        assert_eq!(self.everybody().await, everybody, "nothing was written");
    }

    /// The lists of these segments' members are those of the accounts.
    async fn lists(&self, segments: impl IntoIterator<Item = Code>) {
        let (process, by_segment) = (self.yard.process(), self.by_segment().await);
        for segment in segments {
            let (listed, rest) = process.segments().members(&segment, None, 10_000).await.unwrap();
            assert_eq!(rest, None);
            let listed: Vec<MemberId> = listed.into_iter().map(|within| within.member).collect();
            let wanted = by_segment.get(&segment).cloned().unwrap_or_default();
            assert_eq!(listed.len(), wanted.len(), "{segment}");
            assert_eq!(BTreeSet::from_iter(listed), wanted, "{segment}");
        }
    }

    /// The lists of all segments.
    async fn lists_all(&self) {
        let rules = self.yard.process().rulebook().await.unwrap();
        self.lists(rules.segmentation.segments().map(|segment| segment.id.clone())).await;
    }

    /// Members by segment, as their accounts say.
    async fn by_segment(&self) -> BTreeMap<Code, BTreeSet<MemberId>> {
        let mut by_segment: BTreeMap<Code, BTreeSet<MemberId>> = BTreeMap::new();
        for (member, hot) in self.everybody().await {
            for segment in hot.account.segments {
                by_segment.entry(segment).or_default().insert(member);
            }
        }
        by_segment
    }

    /// Everybody as another town sees them in which the same has happened: without what is drawn at random.
    async fn in_essence(&self) -> Vec<String> {
        let process = self.yard.process();
        let cards: Vec<Handle> = self.cards.iter().map(|number| card(number)).collect();
        let everybody = self.everybody().await;
        assert_eq!(everybody.len(), cards.len());
        let owners = process.people().owners(&cards).await.unwrap();
        let essence = |owner: Option<MemberId>| {
            let Hot { mut account, due_on, version, sessions, reach } = everybody[&owner.unwrap()].clone();
            account.member = MemberId::from_random([0; 16]);
            account.chain.head = [0; 32];
            account.chain.recent = vec![RowKey::from_bytes([0; 16])];
            format!("{due_on:?} {version} {sessions} {reach:?} {account:?}")
        };
        owners.into_iter().map(essence).collect()
    }
}

async fn drain(process: &App) -> Result<(), Error> {
    let drained = process.recompute().drain(&all_shards(), ENOUGH).await?;
    assert_eq!((drained.finished, drained.defects), (true, 0));
    Ok(())
}

/// The single segment that is changed again and again, in its nth form: its members leave all at once and come back.
fn often(n: u64) -> Wanted {
    let name = |text: &str| Name::parse(text).unwrap();
    let days = if n % 2 == 1 { 2 } else { 1_000 };
    Wanted::Segment(SegmentDraft {
        id: code("often"),
        name: name("常客"),
        english: name("Often"),
        rule: format!("frequency(lifetime) >= {days}"),
    })
}

/// Saves the nth form, unless that was done before.
async fn save(process: &App, n: u64) -> Result<(), Error> {
    let before = process.segments().newest().await?.version();
    let wanted = 1 + u32::try_from(n).unwrap();
    if before == wanted {
        return Ok(());
    }
    assert_eq!(before + 1, wanted);
    process.segments().save(often(n), (n > 1).then_some(before), &manager()).await.map(|_| ())
}

/// What the nightly schedule does, and the queue after it.
async fn a_night(town: &Town) {
    let process = town.yard.process();
    process.recompute().enqueue_due().await.unwrap();
    process.full_pass().start_if_rules_changed(&manager()).await.unwrap();
    town.yard.works_off_the_queue(&process).await.unwrap();
}

/// Every hundredth customer of the log: the days are moved to the yard's time, nothing else.
#[test]
fn a_pass_over_real_customers_finds_nothing_that_movements_and_nights_have_not_settled() {
    run(async {
        let mut log = read_cdnow(&std::fs::read_to_string(cdnow_path()).unwrap()).purchases;
        log.retain(|purchase| purchase.customer.ends_with("04"));
        let mut town = Town::new().await;
        let mut today = log[0].day;
        let mut coming = log.into_iter().peekable();
        let first = town.passes().await;
        assert_eq!((first.finished, first.members), (true, 0));
        for night in 1.. {
            while let Some(sold) = coming.next_if(|sold| sold.day == today) {
                town.sells(&sold.customer, u64::try_from(sold.fen).unwrap()).await;
            }
            if night % 90 == 0 || coming.peek().is_none() {
                town.is_right().await;
                town.lists_all().await;
            }
            if coming.peek().is_none() {
                break;
            }
            town.sleeps(&town.yard.process()).await.unwrap();
            today = today.plus(1);
        }
        assert!(town.cards.len() > 200, "{}", town.cards.len());
        // Other rules, and back: everybody is judged by them, those who differ are told, and nobody is forgotten.
        for n in 1..=2 {
            save(&town.yard.process(), n).await.unwrap();
            a_night(&town).await;
            let pass = town.yard.process().full_pass().progress().await.unwrap();
            assert!(pass.finished && !pass.repair && pass.tally.changed > 0 && pass.tally.defects == 0, "{pass:?}");
            town.is_right().await;
            town.lists_all().await;
        }
    });
}

/// What is disturbed.
#[derive(Clone, Copy, Debug)]
enum Disturbed {
    Drain,
    Save,
    Pass,
}

/// The process dies in this call: unsent, or carried out and never heard of.
#[derive(Clone, Copy, Debug)]
enum Death {
    Before(u64),
    During(u64),
}

/// Two towns live through the same, again and again; in one of them a process dies at each table call in turn. What was
/// not finished is asked again, is delivered again, or comes by with a later night.
///
/// To have died before a call leaves the table as it is after a death during the call before it, so that drains and
/// passes are tried with the one kind only; a rule that is saved sends messages between its calls.
fn survives_a_death_at_any_call(disturbed: Disturbed, least_calls: u64) {
    run(async {
        let (mut calm, mut troubled) = (Town::new().await, Town::new().await);
        for town in [&calm, &troubled] {
            let first = town.passes().await;
            assert!(first.finished && !first.repair);
        }
        for n in 1..MOST_CALLS {
            let death = match disturbed {
                Disturbed::Drain | Disturbed::Pass => Death::During(n),
                Disturbed::Save if n % 2 == 0 => Death::During(n / 2),
                Disturbed::Save => Death::Before(n.div_ceil(2)),
            };
            lives(&mut calm, disturbed, n, None).await;
            let met = lives(&mut troubled, disturbed, n, Some(death)).await;
            assert_eq!(troubled.in_essence().await, calm.in_essence().await, "{disturbed:?}, {death:?}");
            troubled.is_right().await;
            if !matches!(disturbed, Disturbed::Drain) {
                troubled.lists([code("often")]).await;
            }
            if !met {
                let (Death::Before(call) | Death::During(call)) = death;
                troubled.lists_all().await;
                assert!(call > least_calls, "only {} calls were disturbed", call - 1);
                return;
            }
        }
        panic!("{disturbed:?} never ran through");
    });
}

/// Six people buy, time passes and rules change; says whether the death came about.
async fn lives(town: &mut Town, disturbed: Disturbed, n: u64, death: Option<Death>) -> bool {
    for customer in 0..6 {
        town.sells(&format!("card-{customer}"), 9_000 + 7_000 * customer).await;
    }
    let healthy = town.yard.process();
    // Points lapse, tiers are reviewed, segments change: everybody is due.
    town.yard.clock.advance(Duration::from_hours(24 * 24));
    match disturbed {
        Disturbed::Drain => {}
        Disturbed::Save => drain(&healthy).await.unwrap(),
        Disturbed::Pass => {
            drain(&healthy).await.unwrap();
            save(&healthy, n).await.unwrap();
        }
    }
    let met = dies(town, disturbed, n, death).await;
    if let (Disturbed::Save, true) = (disturbed, met) {
        save(&town.yard.process(), n).await.unwrap();
    }
    for _ in 0..2 {
        town.yard.clock.advance(STALLED);
        a_night(town).await;
    }
    met
}

/// A process does what is disturbed, and dies of it when it has to; says whether it did.
async fn dies(town: &Town, disturbed: Disturbed, n: u64, death: Option<Death>) -> bool {
    let faults = &town.yard.faults;
    let (process, last) = match death {
        None => (town.yard.process(), u64::MAX),
        Some(Death::Before(call) | Death::During(call)) => (town.yard.dying_process(), call),
    };
    match death {
        None => faults.heal(),
        Some(Death::Before(call)) => faults.die_before_call(call),
        Some(Death::During(call)) => faults.die_during_call(call),
    }
    let done = match disturbed {
        Disturbed::Drain => drain(&process).await,
        Disturbed::Save => save(&process, n).await,
        Disturbed::Pass => town.yard.works_off_the_queue(&process).await,
    };
    let met = faults.calls() >= last;
    faults.heal();
    match done {
        Ok(()) => assert!(!met, "nobody noticed that a call failed"),
        Err(Error::Unavailable(_)) => assert!(met),
        Err(other) => panic!("{other:?}"),
    }
    met
}

#[test]
fn a_nightly_drain_survives_a_death_at_any_call() {
    survives_a_death_at_any_call(Disturbed::Drain, 16 + 6 * 2);
}

#[test]
fn saving_a_rule_survives_a_death_at_any_call() {
    survives_a_death_at_any_call(Disturbed::Save, 6);
}

#[test]
fn a_full_pass_by_new_rules_survives_a_death_at_any_call() {
    survives_a_death_at_any_call(Disturbed::Pass, 8 * 7);
}

#[test]
fn a_dry_run_survives_a_death_at_any_call() {
    run(async {
        let mut town = Town::new().await;
        for customer in 0..6 {
            town.sells(&format!("card-{customer}"), 9_000 + 7_000 * customer).await;
        }
        let healthy = town.yard.process();
        let program = healthy.programs().newest().await.unwrap().program.clone();
        for call in 1..MOST_CALLS {
            let started = healthy.dry_runs().start(program.clone(), manager()).await.unwrap();
            town.yard.faults.die_during_call(call);
            let done = town.yard.works_off_the_queue(&town.yard.dying_process()).await;
            let met = town.yard.faults.calls() >= call;
            town.yard.faults.heal();
            assert_eq!(done.is_err(), met, "{done:?}");
            town.yard.works_off_the_queue(&healthy).await.unwrap();
            let found = healthy.dry_runs().read(started.id).await.unwrap();
            assert_eq!((found.finished, found.members, found.skipped, found.orders), (true, 6, 0, 6), "{call}");
            assert_eq!(found.points_now, found.points_then);
            if !met {
                assert!(call > 6 + 4, "only {} calls were disturbed", call - 1);
                return;
            }
        }
        panic!("the dry run never ran through");
    });
}

/// The newest weekly board.
async fn board(town: &Town) -> WeeklyBoard {
    let viewer = Viewer { actor: manager(), groups_only: false };
    town.yard.process().reports().weekly(None, Group::default(), &viewer).await.unwrap()
}

#[test]
fn counting_the_week_survives_a_death_at_any_call_and_counts_everybody_once() {
    run(async {
        let mut town = Town::new().await;
        for customer in 0..6 {
            town.sells(&format!("card-{customer}"), 9_000).await;
        }
        let healthy = town.yard.process();
        for call in 1..MOST_CALLS {
            town.sells("card-0", 1_000 + call).await;
            town.yard.clock.advance(Duration::from_hours(7 * 24));
            let week = Week::before(town.yard.now().day());
            let dying = town.yard.dying_process();
            town.yard.faults.die_during_call(call);
            let started = dying.lifetime_values().start(manager()).await;
            let counted = if started.is_ok() { town.yard.works_off_the_queue(&dying).await } else { started };
            let met = town.yard.faults.calls() >= call;
            town.yard.faults.heal();
            assert_eq!(counted.is_err(), met, "{counted:?}");
            // The schedule tries again what failed, and the queue gives out again what was not done.
            healthy.lifetime_values().start(manager()).await.unwrap();
            town.yard.works_off_the_queue(&healthy).await.unwrap();
            let board = board(&town).await;
            assert_eq!((board.from, board.members), (week.first_day(), 6), "{call}");
            let order = board.metrics.iter().find(|figure| figure.metric == Metric::AverageOrder).unwrap();
            let wanted = if call == 1 { (6 * 9_000 + 1_001) / 7 } else { i32::try_from(1_000 + call).unwrap() };
            assert_eq!(order.value, Some(wanted), "{call}");
            if !met {
                assert!(call > 2 * 8 * 4, "only {} calls were disturbed", call - 1);
                return;
            }
        }
        panic!("the week was never counted without a disturbance");
    });
}

#[test]
fn a_part_that_dies_between_its_pages_counts_nobody_twice() {
    run(async {
        let town = Town::new().await;
        let healthy = town.yard.process();
        let (rules, now) = (healthy.rulebook().await.unwrap(), town.yard.now());
        // Eight parts of two pages each.
        let customer =
            |n: u32| members::a_member(MemberId::from_random(u128::from(n).to_be_bytes()), n, &rules, &[now]);
        let customers: Vec<Hot> = (0..6_000).map(customer).collect();
        for some in customers.chunks(AT_ONCE as usize) {
            members::write(healthy.table(), some).await;
        }
        for call in [9, 12, 13, 15, 60] {
            town.yard.clock.advance(Duration::from_hours(7 * 24));
            healthy.lifetime_values().start(manager()).await.unwrap();
            let dying = town.yard.dying_process();
            town.yard.faults.die_before_call(call);
            town.yard.works_off_the_queue(&dying).await.unwrap_err();
            town.yard.faults.heal();
            town.yard.works_off_the_queue(&healthy).await.unwrap();
            let board = board(&town).await;
            assert_eq!((board.from, board.members), (Week::before(town.yard.now().day()).first_day(), 6_000), "{call}");
        }
    });
}
