//! The days on which a member bought: the facts behind recency, frequency and money.

use serde::{Deserialize, Serialize};

use crate::values::{Fen, LocalDay};

/// What a member bought on one day, net of refunds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PurchaseDay {
    /// The day in China on which the orders were paid.
    pub day: LocalDay,
    /// Orders of that day that are not fully refunded.
    pub orders: u32,
    /// Paid less refunded.
    #[serde(deserialize_with = "Fen::read_total")]
    pub money: Fen,
}

/// Purchase days, oldest first, one entry per day.
///
/// Five to eight bytes a day in the member's hot item; days are kept for good, because a programme with the
/// window `lifetime` counts all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PurchaseDays(Vec<PurchaseDay>);

/// The span of days that frequency and money look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// Everything up to the as-of day.
    Lifetime,
    /// This many days, the as-of day included.
    Days(u32),
}

impl Window {
    /// The first day that counts on `as_of`.
    #[must_use]
    pub fn first_day(self, as_of: LocalDay) -> LocalDay {
        match self {
            Self::Lifetime => LocalDay::FIRST,
            Self::Days(days) => as_of.minus(days.saturating_sub(1)),
        }
    }
}

/// What the purchase days say about a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purchases {
    /// The last day with a paid order, inside the window or before it.
    pub last: Option<LocalDay>,
    /// Frequency: distinct days with a paid order that is not fully refunded.
    pub days: u32,
    /// Orders that are not fully refunded.
    pub orders: u32,
    /// Money: paid less refunded.
    pub money: Fen,
}

impl Purchases {
    /// Money per order, rounded down; zero without orders.
    #[must_use]
    pub fn basket(&self) -> Fen {
        Fen::computed(self.money.number().checked_div(u64::from(self.orders)).unwrap_or(0))
    }
}

impl PurchaseDays {
    /// The days, oldest first.
    #[must_use]
    pub fn days(&self) -> &[PurchaseDay] {
        &self.0
    }

    /// A paid order.
    pub fn buy(&mut self, day: LocalDay, money: Fen) {
        self.add(PurchaseDay { day, orders: 1, money });
    }

    /// Money given back; `fully` when nothing of the order is left.
    pub fn refund(&mut self, day: LocalDay, money: Fen, fully: bool) {
        self.take(PurchaseDay { day, orders: u32::from(fully), money });
    }

    /// Adds all days of another member.
    pub fn absorb(&mut self, other: &Self) {
        other.0.iter().for_each(|day| self.add(*day));
    }

    /// Takes back what [`PurchaseDays::absorb`] added.
    pub fn release(&mut self, other: &Self) {
        other.0.iter().for_each(|day| self.take(*day));
    }

    /// What was bought inside the window that ends on `as_of`. Days after `as_of` don't count.
    #[must_use]
    pub fn within(&self, window: Window, as_of: LocalDay) -> Purchases {
        let known = self.0.get(..self.0.partition_point(|d| d.day <= as_of)).unwrap_or(&[]);
        let counted = known.get(known.partition_point(|d| d.day < window.first_day(as_of))..).unwrap_or(&[]);
        let last = known.iter().rev().find(|d| d.orders > 0).map(|d| d.day);
        counted.iter().fold(Purchases { last, ..Purchases::default() }, |sum, d| Purchases {
            last,
            days: sum.days + u32::from(d.orders > 0),
            orders: sum.orders.saturating_add(d.orders),
            money: sum.money + d.money,
        })
    }

    fn add(&mut self, more: PurchaseDay) {
        let place = self.0.partition_point(|d| d.day < more.day);
        match self.0.get_mut(place) {
            Some(day) if day.day == more.day => {
                day.orders = day.orders.saturating_add(more.orders);
                day.money = day.money + more.money;
            }
            _ => self.0.insert(place, more),
        }
    }

    fn take(&mut self, less: PurchaseDay) {
        let Ok(place) = self.0.binary_search_by_key(&less.day, |d| d.day) else {
            return;
        };
        let Some(day) = self.0.get_mut(place) else { return };
        day.orders = day.orders.saturating_sub(less.orders);
        day.money = day.money.saturating_sub(less.money);
        if day.orders == 0 && day.money.is_zero() {
            self.0.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> LocalDay {
        LocalDay::parse(text).unwrap()
    }

    fn fen(number: u64) -> Fen {
        Fen::new(number).unwrap()
    }

    #[test]
    fn frequency_counts_days_money_counts_fen_and_the_window_ends_with_the_as_of_day() {
        let mut days = PurchaseDays::default();
        days.buy(day("2026-01-01"), fen(100));
        days.buy(day("2026-01-31"), fen(200));
        days.buy(day("2026-01-31"), fen(50));
        days.buy(day("2026-02-05"), fen(999));
        let january = days.within(Window::Days(31), day("2026-01-31"));
        assert_eq!((january.days, january.orders, january.money), (2, 3, fen(350)));
        assert_eq!(days.within(Window::Days(30), day("2026-01-31")).money, fen(250));
        assert_eq!(days.within(Window::Lifetime, day("2026-02-05")).money, fen(1349));
    }

    #[test]
    fn a_fully_refunded_order_was_never_a_purchase_day() {
        let mut days = PurchaseDays::default();
        days.buy(day("2026-01-01"), fen(100));
        days.buy(day("2026-03-01"), fen(70));
        days.refund(day("2026-03-01"), fen(70), true);
        let all = days.within(Window::Lifetime, day("2026-04-01"));
        assert_eq!((all.last, all.days, all.money), (Some(day("2026-01-01")), 1, fen(100)));
    }

    #[test]
    fn the_order_of_arrival_does_not_matter() {
        let (mut forward, mut backward) = (PurchaseDays::default(), PurchaseDays::default());
        let bought = [("2026-01-01", 5), ("2026-01-03", 7), ("2026-01-02", 1), ("2026-01-03", 2)];
        for (d, m) in &bought {
            forward.buy(day(d), fen(*m));
        }
        for (d, m) in bought.iter().rev() {
            backward.buy(day(d), fen(*m));
        }
        assert_eq!(forward, backward);
    }
}
