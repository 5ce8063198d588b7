//! The ledger's rules by worked examples: one sentence about the product each, with figures to check by hand.
#![cfg(test)]

use std::sync::Arc;

use huitou::domain::account::Account;
use huitou::domain::book::Book;
use huitou::domain::consent::Floors;
use huitou::domain::days::Window;
use huitou::domain::earning::{self, Event};
use huitou::domain::entry::{Entry, What};
use huitou::domain::merge::{self, Merged};
use huitou::domain::order::{Order, Topic};
use huitou::domain::posting::{Failure, Posted, Posting, settled};
use huitou::domain::program::{Cap, Expiry, Period, Program, Shipped, Version};
use huitou::domain::purchase::{self, Refund, Refunded, Rules};
use huitou::domain::refusal::Refusal;
use huitou::domain::rulebook::Rulebook;
use huitou::domain::segmentation::Segmentation;
use huitou::domain::spending;
use huitou::values::{
    Actor, Code, Fen, ForeignId, LocalDay, MemberId, Moment, Points, Reason, RowKey, SomePoints, Source,
};

/// An order as it was booked.
struct Sold {
    order: Order,
    earned: Points,
    rules: Rulebook,
    refunded: Refunded,
}

/// A member at the till, the programme's settings, and the time of day.
struct Till {
    now: Moment,
    rules: Rulebook,
    account: Account,
    orders: Vec<Sold>,
    requests: u32,
}

fn staff() -> Actor {
    Actor::parse("staff:lin").unwrap()
}

fn day(text: &str) -> LocalDay {
    LocalDay::parse(text).unwrap()
}

fn noon(text: &str) -> Moment {
    Moment::parse(&format!("{text}T12:00:00+08:00")).unwrap()
}

/// A point a yuan that can be spent at once and lapses after 365 days, unless the example says otherwise.
fn simple() -> Program {
    let mut program = Shipped::AnnualSpend.program().unwrap();
    program.earning.pending_days = 0;
    program.earning.expiry = Expiry::AfterDays(365);
    program
}

fn program(change: impl FnOnce(&mut Program)) -> Program {
    let mut program = simple();
    change(&mut program);
    assert_eq!(program.flaws(), []);
    program
}

fn a_member(program: Program) -> Till {
    a_member_called(1, program)
}

fn a_member_called(id: u8, program: Program) -> Till {
    let now = noon("2026-03-01");
    Till {
        now,
        rules: Rulebook {
            version: Arc::new(Version { version: 1, effective_from: now, by: staff(), program }),
            segmentation: Arc::new(Segmentation::shipped().unwrap()),
            floors: Floors::NONE,
        },
        account: Account::new(MemberId::from_random([id; 16])),
        orders: Vec::new(),
        requests: 0,
    }
}

impl Till {
    /// The settings, to be changed.
    fn version(&mut self) -> &mut Version {
        Arc::make_mut(&mut self.rules.version)
    }

    fn on(&mut self, day: &str) -> &mut Self {
        self.at(noon(day))
    }

    fn at(&mut self, now: Moment) -> &mut Self {
        assert!(now >= self.now);
        self.now = now;
        self
    }

    fn row(&mut self) -> RowKey {
        self.requests += 1;
        RowKey::of("example", &[&self.account.member.to_string(), &self.requests.to_string()])
    }

    fn take(&mut self, posted: Result<Posted, Failure>) -> Entry {
        let posted = posted.unwrap();
        self.account = posted.account;
        posted.entry
    }

    /// Points that a purchase paid now earns.
    fn buys(&mut self, fen: u64) -> u64 {
        self.buys_paid_at(self.now, fen)
    }

    fn buys_paid_at(&mut self, paid_at: Moment, fen: u64) -> u64 {
        let id = self.row();
        let order = Order {
            source: Source::parse("pos-1").unwrap(),
            id: ForeignId::parse(&id.to_string()).unwrap(),
            paid_at,
            amount: Fen::new(fen).unwrap(),
            currency: None,
            lines: Vec::new(),
            store: None,
            guide: None,
        };
        let rules = Rules { now: &self.rules, then: &self.rules.version };
        let posted = purchase::purchase(&self.account, &order, &[], rules, self.now, staff());
        let What::Order { earned, .. } = self.take(posted).what else { panic!("not an order") };
        self.orders.push(Sold { order, earned, rules: self.rules.clone(), refunded: Refunded::default() });
        earned.number()
    }

    /// Points that a refund of the so-many-th order takes back.
    fn gives_back(&mut self, order: usize, fen: u64) -> u64 {
        let id = self.row();
        let refund =
            Refund { id: ForeignId::parse(&id.to_string()).unwrap(), amount: Fen::new(fen).unwrap(), reason: None };
        let sold = &self.orders[order];
        let (posted, refunded) = purchase::refund(
            &self.account,
            (&sold.order, sold.earned),
            sold.refunded,
            &refund,
            Rules { now: &self.rules, then: &sold.rules.version },
            self.now,
            staff(),
        )
        .unwrap();
        self.account = posted.account;
        let before = std::mem::replace(&mut self.orders[order].refunded, refunded);
        refunded.points.number() - before.points.number()
    }

    fn donates(&mut self, points: u64) -> Result<(), Refusal> {
        let row = self.row();
        let cause = Code::parse("library").unwrap();
        let some = SomePoints::new(points).unwrap();
        match spending::donate(&self.account, &cause, some, row, &self.rules, self.now, staff()) {
            Err(Failure::Refused(refusal)) => Err(refusal),
            posted => {
                self.take(posted);
                Ok(())
            }
        }
    }

    fn holds(&mut self, points: u64, minutes: u32) -> RowKey {
        let row = self.row();
        let some = SomePoints::new(points).unwrap();
        let posted = spending::hold(&self.account, some, minutes, row, &self.rules, self.now, staff());
        self.take(posted);
        row
    }

    fn captures(&mut self, hold: RowKey, points: u64) -> Result<(), Refusal> {
        let some = SomePoints::new(points).unwrap();
        match spending::capture(&self.account, hold, Some(some), &self.rules, self.now, staff()) {
            Err(Failure::Refused(refusal)) => Err(refusal),
            posted => {
                self.take(posted);
                Ok(())
            }
        }
    }

    fn reviews(&mut self) -> u64 {
        self.reviewed_at(self.now)
    }

    fn reviewed_at(&mut self, at: Moment) -> u64 {
        let row = self.row();
        let event = Event {
            source: Source::parse("mini").unwrap(),
            id: ForeignId::parse(&row.to_string()).unwrap(),
            topic: Topic::Review,
            about: None,
            at,
        };
        let posted = earning::event(&self.account, &event, row, &self.rules, self.now, staff());
        let What::Event { earned, .. } = self.take(posted).what else { panic!("not an event") };
        earned.number()
    }

    /// Points that a check-in brings.
    fn checks_in(&mut self) -> u64 {
        let (row, before) = (self.row(), self.points(Book::Available));
        let posted = earning::check_in(&self.account, row, &self.rules, self.now, staff());
        self.take(posted);
        self.points(Book::Available) - before
    }

    fn view(&self) -> Account {
        settled(&self.account, &self.rules.version, self.now).unwrap()
    }

    fn points(&self, book: Book) -> u64 {
        self.view().holdings.books.points(book).number()
    }

    /// What can be spent, by last day.
    fn lots(&self) -> Vec<(String, u64)> {
        let lots = self.view().holdings.available;
        let last = |lot: &huitou::domain::book::Lot| lot.expires_on.map_or("never".to_owned(), |day| day.to_string());
        lots.iter().map(|lot| (last(lot), lot.points.number())).collect()
    }

    fn tier(&self) -> String {
        self.view().standing.unwrap().tier.to_string()
    }

    fn merges_in(&mut self, other: &mut Self) -> Merged {
        let reason = Reason::parse("同一人").unwrap();
        let now = self.now.max(other.now);
        let both = merge::merge(&self.account, &other.account, &reason, &self.rules, now, &staff()).unwrap();
        self.account = both.survivor.account.clone();
        other.account = both.absorbed.account.clone();
        both
    }

    fn undoes(&mut self, merged: &Merged, other: &mut Self) -> Result<(), Failure> {
        let (out, into) = (&merged.absorbed.entry, &merged.survivor.entry);
        let both = merge::undo(&self.account, &other.account, out, into, &self.rules, self.now, &staff())?;
        self.account = both.survivor.account;
        other.account = both.absorbed.account;
        other.now = self.now;
        Ok(())
    }
}

fn lot(last: &str, points: u64) -> (String, u64) {
    (last.to_owned(), points)
}

#[test]
fn a_refund_takes_back_what_that_order_earned_even_if_the_rule_has_changed() {
    let mut member = a_member(simple());
    assert_eq!(member.buys(300_00), 300);
    member.version().version = 2;
    member.version().program.earning.points = 10;
    member.version().program.earning.pending_days = 7;
    assert_eq!(member.gives_back(0, 100_00), 100);
    assert_eq!(member.gives_back(0, 200_00), 200);
    assert_eq!((member.points(Book::Available), member.points(Book::ClawedBack)), (0, 300));
}

#[test]
fn partial_refunds_round_in_favour_of_the_shop_and_add_up_to_all_that_was_earned() {
    let mut member = a_member(simple());
    assert_eq!(member.buys(10_00), 10);
    // 6.67 of 10 points stay, then 3.34, then nothing.
    assert_eq!(member.gives_back(0, 3_33), 4);
    assert_eq!(member.gives_back(0, 3_33), 3);
    assert_eq!(member.gives_back(0, 3_34), 3);
    assert_eq!(member.view().days.days(), []);
}

#[test]
fn a_refund_takes_the_orders_own_lot_first_even_while_it_is_pending() {
    let mut member = a_member(program(|p| p.earning.pending_days = 7));
    member.buys(100_00);
    member.on("2026-03-20").buys(50_00);
    assert_eq!((member.points(Book::Available), member.points(Book::Pending)), (100, 50));
    assert_eq!(member.gives_back(1, 50_00), 50);
    assert_eq!((member.points(Book::Available), member.points(Book::Pending)), (100, 0));
}

#[test]
fn an_order_of_nothing_is_a_purchase_day_that_earns_nothing_and_cannot_be_refunded() {
    let mut member = a_member(simple());
    assert_eq!(member.buys(0), 0);
    let bought = member.view().days.within(Window::Lifetime, day("2026-03-01"));
    assert_eq!((bought.days, bought.orders, bought.money), (1, 1, Fen::ZERO));
    let sold = &member.orders[0];
    let refund = Refund { id: ForeignId::parse("R-1").unwrap(), amount: Fen::ZERO, reason: None };
    let rules = Rules { now: &member.rules, then: &member.rules.version };
    let original = (&sold.order, sold.earned);
    let answer = purchase::refund(&member.account, original, sold.refunded, &refund, rules, member.now, staff());
    assert_eq!(answer.err(), Some(Refusal::RefundExceedsPaid { left: Fen::ZERO }.into()));
}

#[test]
fn what_lapses_soonest_is_spent_first_whatever_came_first() {
    let mut member = a_member(program(|p| p.earning.expiry = Expiry::EndOfMonthAfter(2)));
    member.buys(50_00);
    member.version().program.earning.expiry = Expiry::AfterDays(10);
    member.on("2026-03-02").buys(30_00);
    member.version().program.earning.expiry = Expiry::Never;
    member.buys(20_00);
    let all = [lot("2026-03-12", 30), lot("2026-05-31", 50), lot("never", 20)];
    assert_eq!(member.lots(), all);
    member.donates(60).unwrap();
    assert_eq!(member.lots(), [lot("2026-05-31", 20), lot("never", 20)]);
}

#[test]
fn points_can_be_spent_up_to_the_end_of_their_last_day() {
    let mut member = a_member(program(|p| p.earning.expiry = Expiry::AfterDays(10)));
    member.buys(30_00);
    assert_eq!(member.lots(), [lot("2026-03-11", 30)]);
    assert_eq!(member.view().due_on(), Some(day("2026-03-12")));
    let last = Moment::parse("2026-03-11T23:59:59.999+08:00").unwrap();
    assert_eq!((member.at(last).points(Book::Available), member.points(Book::Expired)), (30, 0));
    let midnight = Moment::parse("2026-03-12T00:00:00+08:00").unwrap();
    assert_eq!((member.at(midnight).points(Book::Available), member.points(Book::Expired)), (0, 30));
    assert_eq!(member.view().due_on(), None);
}

#[test]
fn points_that_never_lapse_and_those_that_lapse_with_the_calendar_are_two_lots() {
    let mut member = a_member(program(|p| p.earning.expiry = Expiry::AfterDays(u32::MAX)));
    member.buys(10_00);
    member.version().program.earning.expiry = Expiry::Never;
    member.buys(20_00);
    member.buys(30_00);
    assert_eq!(member.lots(), [lot("9999-12-31", 10), lot("never", 50)]);
}

#[test]
fn a_debt_is_paid_by_the_next_points_that_are_earned() {
    let mut member = a_member(simple());
    member.buys(100_00);
    member.donates(80).unwrap();
    assert_eq!(member.gives_back(0, 100_00), 100);
    assert_eq!((member.points(Book::Available), member.points(Book::Debt)), (0, 80));
    member.reviews();
    assert_eq!((member.points(Book::Available), member.points(Book::Debt)), (0, 60));
    member.buys(70_00);
    assert_eq!((member.points(Book::Available), member.points(Book::Debt)), (10, 0));
}

#[test]
fn a_debt_is_paid_by_pending_points_only_once_they_can_be_spent() {
    let mut member = a_member(program(|p| p.earning.pending_days = 7));
    member.buys(100_00);
    member.on("2026-03-08").donates(100).unwrap();
    member.gives_back(0, 100_00);
    member.buys(150_00);
    assert_eq!((member.points(Book::Pending), member.points(Book::Debt)), (150, 100));
    member.on("2026-03-14");
    assert_eq!((member.points(Book::Pending), member.points(Book::Debt)), (150, 100));
    member.on("2026-03-15");
    assert_eq!((member.points(Book::Available), member.points(Book::Debt)), (50, 0));
}

#[test]
fn points_of_an_order_that_comes_too_late_lapse_at_once() {
    let mut member = a_member(program(|p| p.earning.expiry = Expiry::AfterDays(30)));
    assert_eq!(member.buys_paid_at(noon("2026-01-01"), 100_00), 100);
    assert_eq!((member.points(Book::Available), member.points(Book::Expired)), (0, 100));
    assert_eq!(member.buys_paid_at(noon("2026-02-15"), 40_00), 40);
    assert_eq!(member.lots(), [lot("2026-03-17", 40)]);
    let at_rest = member.account.holdings.books;
    assert_eq!((at_rest.of(Book::Available), at_rest.of(Book::Expired)), (40, 100));
    let days: Vec<_> = member.account.days.days().iter().map(|d| d.day.to_string()).collect();
    assert_eq!(days, ["2026-01-01", "2026-02-15"]);
}

#[test]
fn a_tier_is_reached_at_once_and_the_next_order_earns_by_it() {
    let mut member = a_member(simple());
    assert_eq!(member.buys(1_000_00), 1_000);
    assert_eq!(member.tier(), "silver");
    assert_eq!(member.buys(2_000_00), 2_400);
    assert_eq!(member.tier(), "gold");
    assert_eq!(member.view().standing.unwrap().review_on, day("2027-03-01"));
}

#[test]
fn an_order_that_a_fast_clock_dates_tomorrow_counts_for_the_tier_at_once() {
    let mut member = a_member(simple());
    member.at(Moment::parse("2026-03-01T23:58:00+08:00").unwrap());
    member.buys_paid_at(Moment::parse("2026-03-02T00:01:00+08:00").unwrap(), 1_000_00);
    assert_eq!(member.tier(), "silver");
}

#[test]
fn a_tier_that_was_not_earned_again_is_lost_after_the_review_and_its_grace() {
    let mut member = a_member(simple());
    member.buys(3_000_00);
    member.on("2026-06-01").buys(1_000_00);
    // 2027-03-01: the window of 365 days holds both orders no longer, only the second.
    member.on("2027-03-01");
    let standing = member.view().standing.unwrap();
    assert_eq!((member.tier(), standing.grace, standing.review_on), ("gold".into(), true, day("2027-03-31")));
    assert_eq!((member.on("2027-03-30").tier(), member.on("2027-03-31").tier()), ("gold".into(), "silver".into()));
    // Silver, too, is kept for a year and then reviewed; with nothing bought it ends after its own grace.
    assert_eq!(member.view().standing.unwrap().review_on, day("2028-03-30"));
    assert_eq!((member.on("2028-04-28").tier(), member.on("2028-04-29").tier()), ("silver".into(), "member".into()));
}

#[test]
fn a_purchase_in_the_grace_period_that_is_enough_keeps_the_tier() {
    let mut member = a_member(simple());
    member.buys(1_000_00);
    member.on("2027-03-10");
    assert!(member.view().standing.unwrap().grace);
    member.buys(1_000_00);
    let standing = member.view().standing.unwrap();
    assert_eq!((standing.tier.as_str(), standing.grace), ("silver", false));
    assert_eq!((standing.since, standing.review_on), (day("2026-03-01"), day("2028-03-09")));
}

#[test]
fn by_frequency_days_count_not_orders_and_the_basket_must_be_large_enough() {
    let mut member = a_member(Shipped::Frequency.program().unwrap());
    member.buys(150_00);
    member.buys(150_00);
    member.on("2026-03-02").buys(50_00);
    assert_eq!(member.tier(), "member");
    // A third day, but 399.99 yuan in four orders are a fen short of 100 each.
    member.on("2026-03-03").buys(49_99);
    assert_eq!(member.tier(), "member");
    member.buys(100_01);
    assert_eq!(member.tier(), "silver");
}

#[test]
fn a_settlement_raises_nobody() {
    let mut member = a_member(Shipped::Frequency.program().unwrap());
    for day in ["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05"] {
        member.on(day).buys(10_00);
    }
    for day in ["2026-06-01", "2026-06-02", "2026-06-03"] {
        member.on(day).buys(100_00);
    }
    // From 2027-03-06 the small baskets have left the window, and three days of 100 yuan would be enough for silver.
    member.on("2027-04-15");
    let posting = Posting::open(&member.account, &member.rules, member.now).unwrap();
    let posted = posting.close(RowKey::of("settlement", &["1"]), staff(), What::Settlement).unwrap();
    assert_eq!(posted.account.standing, member.account.standing);
    member.buys(100_00);
    assert_eq!(member.tier(), "silver");
}

#[test]
fn checking_in_every_day_brings_a_bonus_on_every_seventh_and_a_missed_day_starts_again() {
    let mut member = a_member(simple());
    let week: Vec<u64> = (1..=8).map(|n| member.on(&format!("2026-03-{n:02}")).checks_in()).collect();
    assert_eq!(week, [2, 2, 2, 2, 2, 2, 12, 2]);
    let row = member.row();
    let again = earning::check_in(&member.account, row, &member.rules, member.now, staff());
    assert_eq!(again.err(), Some(Refusal::CheckedInAlready.into()));
    member.on("2026-03-10").checks_in();
    assert_eq!(member.view().streak.unwrap().length, 1);
}

#[test]
fn what_purchases_bring_in_a_month_is_limited_and_a_late_order_counts_for_its_own_month() {
    let cap = Cap { per: Period::Month, times: None, points: Points::new(100).ok() };
    let mut member = a_member(program(|p| p.earning.cap = Some(cap)));
    assert_eq!((member.buys(80_00), member.buys(80_00), member.buys(80_00)), (80, 20, 0));
    assert_eq!(member.buys_paid_at(noon("2026-02-28"), 70_00), 70);
    assert_eq!(member.buys_paid_at(noon("2026-02-27"), 70_00), 30);
    assert_eq!(member.on("2026-04-01").buys(80_00), 80);
    // February's count was given up for April's: what is still late for it can only bring nothing.
    assert_eq!(member.buys_paid_at(noon("2026-02-26"), 70_00), 0);
    assert_eq!(member.buys_paid_at(noon("2026-03-31"), 70_00), 0);
}

#[test]
fn two_caps_of_the_same_period_count_every_use_once() {
    let caps = [(Some(3), None), (None, Points::new(50).ok())];
    let caps = caps.map(|(times, points)| Cap { per: Period::Day, times, points });
    let mut member = a_member(program(|p| p.actions[0].caps = caps.to_vec()));
    assert_eq!((member.reviews(), member.reviews(), member.reviews(), member.reviews()), (20, 20, 10, 0));
    assert_eq!(member.on("2026-03-02").reviews(), 20);
    assert_eq!(member.reviewed_at(noon("2026-03-01")), 0);
}

#[test]
fn a_capture_spends_a_part_of_a_hold_and_the_rest_comes_back() {
    let mut member = a_member(simple());
    member.buys(100_00);
    let hold = member.holds(60, 30);
    assert_eq!((member.points(Book::Available), member.points(Book::Held)), (40, 60));
    let most = Refusal::CaptureExceedsHold { held: Points::computed(60) };
    assert_eq!(member.captures(hold, 61), Err(most));
    member.captures(hold, 45).unwrap();
    assert_eq!((member.points(Book::Available), member.points(Book::Spent)), (55, 45));
    assert_eq!(member.captures(hold, 1), Err(Refusal::HoldClosed));
}

#[test]
fn a_hold_that_times_out_gives_back_its_points_but_not_those_that_have_lapsed_meanwhile() {
    let mut member = a_member(program(|p| p.earning.expiry = Expiry::AfterDays(10)));
    member.buys(30_00);
    member.on("2026-03-05").buys(20_00);
    member.at(Moment::parse("2026-03-11T23:50:00+08:00").unwrap());
    let hold = member.holds(40, 30);
    member.at(Moment::parse("2026-03-12T00:19:00+08:00").unwrap());
    assert_eq!((member.points(Book::Held), member.points(Book::Expired)), (40, 0));
    member.at(Moment::parse("2026-03-12T00:20:00+08:00").unwrap());
    assert_eq!(member.lots(), [lot("2026-03-15", 20)]);
    assert_eq!((member.points(Book::Held), member.points(Book::Expired)), (0, 30));
    assert_eq!(member.captures(hold, 10), Err(Refusal::HoldClosed));
}

#[test]
fn a_merge_brings_points_and_days_along_and_what_was_spent_before_its_undo_is_owed() {
    let (mut kept, mut other) = (a_member(simple()), a_member_called(2, simple()));
    kept.buys(100_00);
    other.buys(950_00);
    let merged = kept.merges_in(&mut other);
    assert_eq!((kept.points(Book::Available), other.points(Book::Available)), (1_050, 0));
    assert_eq!(kept.tier(), "silver");
    kept.on("2026-03-02").donates(300).unwrap();
    kept.undoes(&merged, &mut other).unwrap();
    assert_eq!((kept.points(Book::Available), kept.points(Book::Debt)), (0, 200));
    assert_eq!(other.lots(), [lot("2027-03-01", 950)]);
    let money = |till: &Till| till.account.days.within(Window::Lifetime, day("2026-03-02")).money;
    assert_eq!((money(&kept), money(&other)), (Fen::new(100_00).unwrap(), Fen::new(950_00).unwrap()));
    let merged_book = |till: &Till| till.account.holdings.books.of(Book::Merged);
    assert_eq!((merged_book(&kept), merged_book(&other)), (0, 0));
}

#[test]
fn a_debt_comes_along_in_a_merge_and_is_paid_from_what_the_survivor_has() {
    let (mut kept, mut other) = (a_member(simple()), a_member_called(2, simple()));
    kept.buys(100_00);
    other.buys(30_00);
    other.donates(30).unwrap();
    other.gives_back(0, 30_00);
    let merged = kept.merges_in(&mut other);
    assert_eq!((kept.points(Book::Available), kept.points(Book::Debt)), (70, 0));
    kept.undoes(&merged, &mut other).unwrap();
    assert_eq!((kept.points(Book::Available), other.points(Book::Debt)), (100, 30));
}

#[test]
fn nobody_owes_what_lapsed_between_a_merge_and_its_undo() {
    let short = program(|p| p.earning.expiry = Expiry::AfterDays(10));
    let (mut kept, mut other) = (a_member(short.clone()), a_member_called(2, short));
    other.buys(100_00);
    let merged = kept.merges_in(&mut other);
    kept.on("2026-03-12").undoes(&merged, &mut other).unwrap();
    assert_eq!((kept.points(Book::Expired), kept.points(Book::Debt)), (100, 0));
    assert_eq!((other.points(Book::Expired), other.points(Book::Available)), (0, 0));
}

#[test]
fn of_two_merges_in_a_row_the_last_is_undone_first() {
    let mut first = a_member_called(1, simple());
    let (mut second, mut third) = (a_member_called(2, simple()), a_member_called(3, simple()));
    first.buys(10_00);
    second.buys(20_00);
    third.buys(30_00);
    let early = second.merges_in(&mut first);
    let late = third.merges_in(&mut second);
    assert_eq!(third.points(Book::Available), 60);
    assert_eq!(second.undoes(&early, &mut first).err(), Some(Refusal::MergedAlready.into()));
    third.undoes(&late, &mut second).unwrap();
    second.undoes(&early, &mut first).unwrap();
    let left = [&first, &second, &third].map(|till| till.points(Book::Available));
    assert_eq!(left, [10, 20, 30]);
}

#[test]
fn a_day_of_very_large_orders_can_be_read_back_from_a_merges_row() {
    let (mut kept, mut other) = (a_member(simple()), a_member_called(2, simple()));
    let most = Fen::MOST.number();
    other.buys(most);
    other.buys(most);
    let merged = kept.merges_in(&mut other);
    assert_eq!(Entry::read(merged.survivor.entry.row, &merged.survivor.text).unwrap(), merged.survivor.entry);
}

#[test]
fn a_limit_in_points_is_kept_however_many_pieces_were_taken() {
    let cap = Cap { per: Period::Ever, times: None, points: Some(Points::computed(5_000_000_000)) };
    let mut member = a_member(program(|p| {
        p.rewards[0].points = Points::computed(1);
        p.rewards[0].caps = vec![cap];
    }));
    let (billion, reward) = (1_000_000_000, member.rules.program().rewards[0].id.clone());
    for _ in 0..6 {
        let (row, reason) = (member.row(), Reason::parse("更正").unwrap());
        let posted = earning::adjust(&member.account, billion, reason, row, &member.rules, member.now, staff());
        member.take(posted);
    }
    let billion = u32::try_from(billion).unwrap();
    let mut redeems = || {
        let row = member.row();
        let posted = spending::redeem(&member.account, &reward, billion, row, &member.rules, member.now, staff());
        posted.map(|posted| member.account = posted.account).is_ok()
    };
    assert_eq!([(); 6].map(|()| redeems()), [true, true, true, true, true, false]);
}

#[test]
fn time_does_one_thing_after_the_other_however_late_it_is_settled() {
    let mut member = a_member(simple());
    member.buys(40_00);
    member.version().program.earning.pending_days = 7;
    member.on("2026-03-02").holds(40, 30);
    member.buys(100_00);
    member.gives_back(0, 40_00);
    assert_eq!((member.points(Book::Held), member.points(Book::Debt)), (40, 40));
    // The hold ends before the second order's points mature, so its points pay the debt.
    member.on("2026-03-20");
    assert_eq!((member.lots(), member.points(Book::Debt)), (vec![lot("2027-03-02", 100)], 0));
}
