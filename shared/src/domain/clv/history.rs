//! What the models know about a member: how often, how lately, for how long and for how much.

use crate::domain::days::PurchaseDays;
use crate::values::{Fen, LocalDay};

/// A member's purchase days on one day, summed up.
///
/// Purchases of one day are one; the first purchase day makes the member known and is no repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    repeats: u32,
    recency: u32,
    age: u32,
    spend: Fen,
}

impl History {
    /// The purchase days up to `on`; `None` for somebody who has not bought by then.
    ///
    /// A day counts while an order of it is left. What was paid on the first day says nothing about the spend of a
    /// repeat, as in the published fit: first purchases are often trials, or lured by a coupon.
    #[must_use]
    pub fn of(days: &PurchaseDays, on: LocalDay) -> Option<Self> {
        let mut bought = days.days().iter().take_while(|d| d.day <= on).filter(|d| d.orders > 0);
        let first = bought.next()?.day;
        let since_first = |day: LocalDay| u32::try_from(day.days_since(first)).unwrap_or(0);
        let new = Self { repeats: 0, recency: 0, age: since_first(on), spend: Fen::ZERO };
        Some(bought.fold(new, |so_far, d| Self {
            repeats: so_far.repeats.saturating_add(1),
            recency: since_first(d.day),
            spend: so_far.spend + d.money,
            ..so_far
        }))
    }

    /// Repeat purchase days: x in the papers.
    #[must_use]
    pub const fn repeats(&self) -> u32 {
        self.repeats
    }

    /// Days from the first purchase to the last: `t_x` in the papers, which count weeks. Zero without a repeat.
    #[must_use]
    pub const fn recency(&self) -> u32 {
        self.recency
    }

    /// Days since the first purchase: T in the papers, which count weeks.
    #[must_use]
    pub const fn age(&self) -> u32 {
        self.age
    }

    /// What all repeat purchase days brought.
    #[must_use]
    pub const fn spend(&self) -> Fen {
        self.spend
    }
}

/// Weeks, the models' unit of time, from days.
pub(super) fn weeks(days: f64) -> f64 {
    days / 7.0
}

/// Yuan, the models' unit of money, from fen.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 fen, which is ninety trillion yuan")]
pub(super) fn yuan(fen: u64) -> f64 {
    fen as f64 / 100.0
}

/// A number of members or of purchases, to reckon with.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, a million times mankind")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// Yuan to the nearest fen.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates: below zero is zero, and nothing comes near 2^64 fen"
)]
pub(super) fn fen(yuan: f64) -> Fen {
    Fen::computed((yuan * 100.0).round() as u64)
}

#[cfg(test)]
impl History {
    /// A history of so many repeats, the last so many days after the first, which was so many days ago.
    pub(super) fn seen(repeats: u32, recency: u32, age: u32, spend: Fen) -> Self {
        Self { repeats, recency, age, spend }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> LocalDay {
        LocalDay::parse(text).unwrap()
    }

    #[test]
    fn the_first_day_is_no_repeat_and_a_day_counts_once() {
        let mut days = PurchaseDays::default();
        days.buy(day("2026-01-01"), Fen::yuan(500));
        days.buy(day("2026-01-15"), Fen::yuan(10));
        days.buy(day("2026-01-15"), Fen::yuan(20));
        days.buy(day("2026-02-01"), Fen::yuan(70));
        days.buy(day("2026-05-01"), Fen::yuan(999));
        let history = History::of(&days, day("2026-03-01")).unwrap();
        assert_eq!(history, History { repeats: 2, recency: 31, age: 59, spend: Fen::yuan(100) });
    }

    #[test]
    fn who_has_not_bought_by_then_has_no_history() {
        let mut days = PurchaseDays::default();
        assert_eq!(History::of(&days, day("2026-03-01")), None);
        days.buy(day("2026-03-02"), Fen::yuan(1));
        assert_eq!(History::of(&days, day("2026-03-01")), None);
        days.refund(day("2026-03-02"), Fen::ZERO, true);
        assert_eq!(History::of(&days, day("2026-03-02")), None, "money is left, but no order");
    }
}
