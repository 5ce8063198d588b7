//! What must be true after everything that happens.

use std::collections::BTreeMap;

use huitou::domain::account::{Account, Membership};
use huitou::domain::book::{Book, Holdings};
use huitou::domain::entry::Entry;
use huitou::domain::proof::prove;
use huitou::values::{LocalDay, Points};

use super::{World, points};

/// All books, each once.
pub(crate) const BOOKS: [Book; 10] = [
    Book::Issued,
    Book::Pending,
    Book::Available,
    Book::Held,
    Book::Spent,
    Book::Expired,
    Book::Donated,
    Book::ClawedBack,
    Book::Debt,
    Book::Merged,
];

impl World {
    /// Checks everything.
    pub(crate) fn check(&mut self) {
        for who in 0..self.members.len() {
            if self.members[who].proven < self.members[who].rows.len() {
                self.is_proven(who);
                self.members[who].proven = self.members[who].rows.len();
            }
            let account = &self.members[who].account;
            in_order(&account.holdings);
            let view = self.view(who);
            in_order(&view.holdings);
            self.equals_the_naive_sum(who, &view);
            self.remembers_purchases(who, account);
        }
        let world: i64 = self.members.iter().map(|m| m.account.holdings.books.of(Book::Merged)).sum();
        assert_eq!(world, 0, "what one member brings into a merge another one gets");
        for order in &self.orders {
            let (paid, given_back) = (order.order.amount.number(), order.refunded.money.number());
            assert!(given_back <= paid, "no more is given back than was paid");
            let kept = u128::from(order.earned) * u128::from(paid - given_back) / u128::from(paid.max(1));
            let kept = if given_back == 0 { u128::from(order.earned) } else { kept };
            let taken = u128::from(order.earned) - kept;
            assert_eq!(u128::from(order.refunded.points.number()), taken, "exactly what that money had earned");
        }
    }

    fn equals_the_naive_sum(&self, who: usize, view: &Account) {
        let mut naive = self.members[who].naive.clone();
        naive.pass_time(self.now);
        let lots: Vec<_> = view.holdings.available.iter().map(|l| (l.expires_on, l.points.number())).collect();
        assert_eq!(lots, naive.free_lots(), "available");
        let pending = view.holdings.pending.iter();
        let pending: Vec<_> = pending.map(|l| ((l.matures_on, l.expires_on), l.points.number())).collect();
        assert_eq!(pending, naive.pending_lots(), "pending");
        let holds = view.holdings.holds.iter();
        let mut held: Vec<_> =
            holds.flat_map(|h| h.lots.iter().map(|l| ((h.id, l.expires_on), l.points.number()))).collect();
        held.sort_by_key(|((hold, last), _)| (*hold, last.is_none(), *last));
        assert_eq!(held, naive.held_lots(), "held");
        assert_eq!(view.holdings.debt().number(), naive.debt, "debt");
        assert_eq!(points(view, Book::Expired), naive.expired, "expired");
        assert_eq!(points(view, Book::Spent), naive.spent, "spent");
        assert_eq!(points(view, Book::Donated), naive.donated, "donated");
        assert_eq!(points(view, Book::ClawedBack), naive.clawed_back, "clawed back");
    }

    /// The purchase days are those of the orders that count for the member, however they came in.
    fn remembers_purchases(&self, who: usize, account: &Account) {
        if matches!(account.membership, Membership::MergedInto(_)) {
            return;
        }
        let mut days: BTreeMap<LocalDay, (u32, u64)> = BTreeMap::new();
        for order in self.members[who].bought.iter().map(|n| &self.orders[*n]) {
            let (paid, given_back) = (order.order.amount.number(), order.refunded.money.number());
            let day = days.entry(order.order.paid_at.day()).or_default();
            day.0 += u32::from(given_back == 0 || given_back < paid);
            day.1 += paid - given_back;
        }
        let expected: Vec<_> = days
            .into_iter()
            .filter(|(_, (orders, _))| *orders > 0)
            .map(|(day, (orders, money))| (day, orders, money))
            .collect();
        let kept = account.days.days().iter();
        let kept: Vec<_> = kept.map(|d| (d.day, d.orders, d.money.number())).collect();
        assert_eq!(kept, expected, "purchase days");
    }

    fn is_proven(&self, who: usize) {
        let member = &self.members[who];
        let proof = prove(member.account.member, &member.rows, &member.account);
        assert_eq!(proof.fault, None);
        assert_eq!(proof.entries, member.rows.len() as u64);
        let Some(last) = member.rows.last() else { return };
        let entry = Entry::read(last.key, &last.text).unwrap();
        let keys: Vec<_> = member.rows.iter().rev().skip(1).take(8).map(|row| row.key).collect();
        assert_eq!(entry.links, keys, "the journal can be read by its links");
        let books = &member.account.holdings.books;
        let shown = [entry.balance.available, entry.balance.pending, entry.balance.held].map(Points::number);
        let stored = [Book::Available, Book::Pending, Book::Held].map(|b| points(&member.account, b));
        assert_eq!(shown, stored, "a row says what was left after it");
        assert_eq!(i64::try_from(entry.balance.debt.number()).unwrap(), -books.of(Book::Debt));
    }
}

/// Whether an account is one that could stand in the books of a bank.
fn in_order(holdings: &Holdings) {
    assert!(holdings.balanced(), "{holdings:?}");
    assert_eq!(BOOKS.iter().map(|b| holdings.books.of(*b)).sum::<i64>(), 0);
    for book in BOOKS {
        let points = holdings.books.of(book);
        match book {
            Book::Issued | Book::Debt => assert!(points <= 0, "{book:?} {points}"),
            Book::Merged => {}
            _ => assert!(points >= 0, "{book:?} {points}"),
        }
    }
    let owes = holdings.books.of(Book::Debt) < 0;
    assert!(!owes || holdings.available.is_empty(), "nobody owes while there is something to pay with");
    let available: Vec<_> = holdings.available.iter().map(|l| (l.expires_on.is_none(), l.expires_on)).collect();
    assert!(available.is_sorted_by(|a, b| a < b), "soonest first, each day once: {available:?}");
    let pending = holdings.pending.iter().map(|l| (l.matures_on, l.expires_on.is_none(), l.expires_on));
    let pending: Vec<_> = pending.collect();
    assert!(pending.is_sorted_by(|a, b| a < b), "each pending lot once: {pending:?}");
    for hold in &holdings.holds {
        let lots: Vec<_> = hold.lots.iter().map(|l| (l.expires_on.is_none(), l.expires_on)).collect();
        assert!(!lots.is_empty() && lots.is_sorted_by(|a, b| a < b), "each held lot once: {lots:?}");
    }
    let held = holdings.holds.iter().flat_map(|h| h.lots.iter());
    assert!(holdings.available.iter().chain(held).all(|lot| !lot.points.is_zero()));
    assert!(holdings.pending.iter().all(|lot| !lot.points.is_zero()));
}
