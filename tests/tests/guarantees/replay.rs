//! All purchases of 23,570 real customers, lived through day by day: what movements and nightly drains leave must be
//! what judging everybody anew finds, and a night must touch hardly anybody in vain.
//!
//! At the level of the domain: accounts in a list, and a due calendar that is kept as the table's index is: moved only
//! when somebody is due earlier, exact again when it was drained. The programme counts for life, so that the counts on
//! the last day are those that were worked out independently of this code; a tenth of the customers lives through the
//! same with the window of 365 days, and a year longer, until the windows are empty.
//!
//! Judging anew costs a debug build as much as all purchases and nights together, so of everybody a third is judged at
//! the end of each month, and all on the last day; of the tenth, all at the end of every month. The replays that must be
//! the same to the last byte, and those with missed nights, are of the tenth.
#![allow(clippy::print_stdout, reason = "a measurement is told, not only held to its limit")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use huitou::domain::account::Account;
use huitou::domain::consent::Floors;
use huitou::domain::days::{PurchaseDays, Window};
use huitou::domain::order::Order;
use huitou::domain::posting::{Posted, Settled, judged, settled, settlement};
use huitou::domain::program::{Shipped, Version};
use huitou::domain::purchase::{Rules, purchase};
use huitou::domain::rulebook::Rulebook;
use huitou::domain::segmentation::Segmentation;
use huitou::entropy::{SeededEntropy, bytes};
use huitou::values::{Actor, Code, Fen, ForeignId, LocalDay, MemberId, Moment, Source};
use local::demo::log::{Purchase, cdnow_path, read_cdnow};

const SEED: u64 = 19_970_101;

/// A member as the table would hold them.
struct Member {
    account: Account,
    /// The day under which the calendar knows the member; may be early, never late.
    due_on: Option<LocalDay>,
    /// The purchase days, told by the log alone.
    bought: PurchaseDays,
}

/// What the drains did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Drained {
    /// Members whom the calendar named.
    touched: u32,
    /// Members for whom something changed: a segment, a tier, points that lapsed.
    changed: u32,
}

struct Replay {
    rules: Rulebook,
    log: Vec<Purchase>,
    members: Vec<Member>,
    known: HashMap<String, usize>,
    calendar: BTreeSet<(LocalDay, usize)>,
    drained: Drained,
    rows: DefaultHasher,
}

fn the_log() -> Vec<Purchase> {
    read_cdnow(&std::fs::read_to_string(cdnow_path()).unwrap()).purchases
}

/// The purchases of every tenth customer.
fn a_tenth() -> Vec<Purchase> {
    the_log().into_iter().filter(|purchase| purchase.customer.ends_with('4')).collect()
}

fn day(text: &str) -> LocalDay {
    LocalDay::parse(text).unwrap()
}

fn hour(day: LocalDay, hour: u64) -> Moment {
    Moment::start_of(day).plus(Duration::from_hours(hour))
}

fn member_id(number: usize) -> MemberId {
    MemberId::from_random(u128::try_from(number).unwrap().to_be_bytes())
}

fn order(sold: &Purchase) -> Order {
    Order {
        source: Source::parse("cdnow").unwrap(),
        id: ForeignId::parse(&sold.order_id).unwrap(),
        paid_at: hour(sold.day, 12),
        amount: Fen::computed(u64::try_from(sold.fen).unwrap()),
        currency: None,
        lines: Vec::new(),
        store: None,
        guide: None,
    }
}

impl Replay {
    fn of(log: Vec<Purchase>, window: Window) -> Self {
        let mut program = Shipped::AnnualSpend.program().unwrap();
        program.window = window;
        let (by, effective_from) = (Actor::parse("huitou").unwrap(), Moment::start_of(LocalDay::FIRST));
        let version = Arc::new(Version { version: 1, effective_from, by, program });
        Self {
            rules: Rulebook { version, segmentation: Arc::new(Segmentation::shipped().unwrap()), floors: Floors::NONE },
            log,
            members: Vec::new(),
            known: HashMap::new(),
            calendar: BTreeSet::new(),
            drained: Drained::default(),
            rows: DefaultHasher::new(),
        }
    }

    /// Lives through every day up to this one: first the night, as often as `nights` says, then the purchases, and on
    /// the last day of a month `at_the_end_of_a_month`.
    fn lives_until(
        &mut self,
        last: LocalDay,
        mut nights: impl FnMut(LocalDay) -> u32,
        at_the_end_of_a_month: impl Fn(&Self, LocalDay),
    ) {
        let log = std::mem::take(&mut self.log);
        let mut coming = log.iter().peekable();
        let mut today = log[0].day;
        while today <= last {
            for _ in 0..nights(today) {
                self.drain(today);
            }
            while let Some(sold) = coming.next_if(|sold| sold.day == today) {
                self.sell(sold);
            }
            if today == today.end_of_month_after(0) {
                at_the_end_of_a_month(self, today);
            }
            today = today.plus(1);
        }
        assert_eq!(coming.next(), None, "everything was sold");
    }

    fn sell(&mut self, sold: &Purchase) {
        let next = self.members.len();
        let place = *self.known.entry(sold.customer.clone()).or_insert(next);
        if place == next {
            let (account, bought) = (Account::new(member_id(place)), PurchaseDays::default());
            self.members.push(Member { account, due_on: None, bought });
        }
        let (order, by) = (order(sold), Actor::parse("till:1").unwrap());
        let rules = Rules { now: &self.rules, then: &self.rules.version };
        let member = &mut self.members[place];
        member.bought.buy(sold.day, order.amount);
        let posted = purchase(&member.account, &order, &[], rules, order.paid_at, by).unwrap();
        let earlier = [member.due_on, posted.due_on].into_iter().flatten().min();
        self.note(place, posted, earlier);
    }

    fn drain(&mut self, today: LocalDay) {
        let due: Vec<(LocalDay, usize)> = self.calendar.range(..(today.plus(1), 0)).copied().collect();
        for (_, place) in due {
            self.drained.touched += 1;
            let by = Actor::parse("huitou").unwrap();
            match settlement(&self.members[place].account, &self.rules, hour(today, 3), by).unwrap() {
                Settled::Same(due_on) => self.due(place, due_on),
                Settled::Moved(posted) => {
                    self.drained.changed += 1;
                    let due_on = posted.due_on;
                    self.note(place, *posted, due_on);
                }
            }
        }
    }

    fn note(&mut self, place: usize, posted: Posted, due_on: Option<LocalDay>) {
        self.rows.write(posted.text.as_bytes());
        self.members[place].account = posted.account;
        self.due(place, due_on);
    }

    fn due(&mut self, place: usize, due_on: Option<LocalDay>) {
        let before = std::mem::replace(&mut self.members[place].due_on, due_on);
        if let Some(day) = before {
            self.calendar.remove(&(day, place));
        }
        if let Some(day) = due_on {
            self.calendar.insert((day, place));
        }
    }

    /// What events and nights have left is what judging everybody anew finds, from what the log alone tells.
    fn is_as_if_judged_anew(&self, today: LocalDay) {
        self.are_as_if_judged_anew(&self.members, today);
    }

    /// The same for every third member, others in every month.
    fn a_third_is_as_if_judged_anew(&self, today: LocalDay) {
        let third = self.members.chunks(self.members.len().div_ceil(3)).nth(months(today) % 3).unwrap_or(&[]);
        self.are_as_if_judged_anew(third, today);
    }

    fn are_as_if_judged_anew(&self, members: &[Member], today: LocalDay) {
        let now = hour(today, 23);
        for Member { account, due_on, bought } in members {
            assert_eq!(account.days, *bought, "{}", account.member);
            let standing = settled(account, &self.rules.version, now).unwrap().standing;
            assert_eq!(account.standing, standing, "{} on {today}", account.member);
            let anew = Account { days: bought.clone(), standing, ..Account::new(account.member) };
            let traits = account.traits.clone();
            let anew = judged(&Account { traits, ..anew }, &self.rules, now);
            assert_eq!(account.segments, anew.segments, "{} on {today}", account.member);
            let exact = account.due_on().into_iter().chain(anew.until).min();
            let late = exact.is_some_and(|day| due_on.is_none_or(|known| known > day));
            assert!(!late, "{} is due on {exact:?}, but known under {due_on:?}", account.member);
        }
    }

    fn segments(&self) -> Vec<&[Code]> {
        self.members.iter().map(|member| member.account.segments.as_slice()).collect()
    }

    /// Everything that would be stored: accounts byte by byte, days, and the texts of all rows in the order of writing.
    fn to_the_last_byte(&self) -> (Vec<u8>, u64) {
        let stored: Vec<_> = self.members.iter().map(|member| (&member.account, member.due_on)).collect();
        (postcard::to_stdvec(&stored).unwrap(), self.rows.finish())
    }
}

/// Members by segment.
fn counts(replays: &[Replay]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for segment in replays.iter().flat_map(Replay::segments).flatten() {
        *counts.entry(segment.as_str()).or_default() += 1;
    }
    counts
}

/// Nights are paid for by change: whom a drain touches, it has something to do for at least every second time.
fn nights_hardly_touch_anybody_in_vain(replays: &[Replay], whose: &str) {
    let sum = |figure: fn(&Drained) -> u32| replays.iter().map(|replay| figure(&replay.drained)).sum::<u32>();
    let (touched, changed) = (sum(|drained| drained.touched), sum(|drained| drained.changed));
    let ratio = f64::from(touched) / f64::from(changed);
    println!("{whose}: {touched} touched by nightly drains, {changed} changed, a ratio of {ratio:.3}");
    assert!(ratio <= 2.0, "{whose}: {ratio:.3}");
}

/// Months since the year 0, for taking turns.
fn months(day: LocalDay) -> usize {
    let text = day.to_string();
    let part = |range: std::ops::Range<usize>| text[range].parse::<usize>().unwrap();
    part(0..4) * 12 + part(5..7)
}

fn every_night(_: LocalDay) -> u32 {
    1
}

/// The log in two halves of the customers, each replayed on a thread of its own: customers have nothing to do with one
/// another.
fn everybody(window: Window, until: LocalDay, at_the_end_of_a_month: fn(&Replay, LocalDay)) -> Vec<Replay> {
    let is_odd = |purchase: &Purchase| purchase.customer.ends_with(['1', '3', '5', '7', '9']);
    let (odd, even) = the_log().into_iter().partition(is_odd);
    std::thread::scope(|threads| {
        let replays = [odd, even].map(|half| {
            threads.spawn(move || {
                let mut replay = Replay::of(half, window);
                replay.lives_until(until, every_night, at_the_end_of_a_month);
                replay
            })
        });
        replays.map(|replay| replay.join().unwrap()).into()
    })
}

#[test]
fn movements_and_nights_leave_what_judging_everybody_anew_finds_and_the_known_counts() {
    let last = day("1998-06-30");
    let replays = everybody(Window::Lifetime, last, Replay::a_third_is_as_if_judged_anew);
    for replay in &replays {
        replay.is_as_if_judged_anew(last);
    }
    assert_eq!(replays.iter().map(|replay| replay.members.len()).sum::<usize>(), 23_570);
    let counts = counts(&replays);
    let known = [
        ("active_low", 2_091),
        ("at_risk_repeat", 2_059),
        ("cooling", 753),
        ("dormant", 18_210),
        ("high_value", 29),
        ("potential", 428),
        ("literal.high_value", 29),
        ("literal.potential", 457),
        ("literal.churn_warning", 12_054),
        ("literal.dormant", 18_210),
    ];
    for (segment, members) in known {
        assert_eq!(counts.get(segment), Some(&members), "{segment}");
    }
    for nobody in ["prospect", "churn_warning", "new"] {
        assert_eq!(counts.get(nobody), None, "{nobody}");
    }
    nights_hardly_touch_anybody_in_vain(&replays, "everybody, lifetime");
}

#[test]
fn the_same_holds_when_purchases_leave_a_window_of_365_days() {
    let mut replay = Replay::of(a_tenth(), Window::Days(365));
    replay.lives_until(day("1999-07-31"), every_night, Replay::is_as_if_judged_anew);
    let replays = [replay];
    let counts = counts(&replays);
    // A year after the last purchase the window is empty, and everybody is lost.
    for all in ["prospect", "stage.lost", "literal.dormant"] {
        assert_eq!(counts.get(all), Some(&replays[0].members.len()), "{all}");
    }
    nights_hardly_touch_anybody_in_vain(&replays, "a tenth, 365 days");
}

#[test]
fn two_replays_are_the_same_to_the_last_byte() {
    let replayed = || {
        let mut replay = Replay::of(a_tenth(), Window::Lifetime);
        replay.lives_until(day("1998-06-30"), every_night, |_, _| ());
        replay.to_the_last_byte()
    };
    let (first, second) = (replayed(), replayed());
    assert!(first == second, "the second replay left something else");
}

#[test]
fn nights_that_are_missed_or_done_twice_end_the_same() {
    let last = day("1998-06-30");
    let mut calm = Replay::of(a_tenth(), Window::Days(365));
    calm.lives_until(last, every_night, |_, _| ());
    let mut troubled = Replay::of(a_tenth(), Window::Days(365));
    let entropy = SeededEntropy::new(SEED);
    // The last night comes about: until then somebody may be judged as of an earlier one.
    let nights = |day| {
        let [drawn] = bytes(&entropy);
        if day == last { 1 } else { [0, 0, 0, 1, 2][usize::from(drawn) % 5] }
    };
    troubled.lives_until(last, nights, |_, _| ());
    assert!(troubled.drained.touched < calm.drained.touched, "nights were missed");
    assert_eq!(troubled.segments(), calm.segments());
    troubled.is_as_if_judged_anew(last);
}
