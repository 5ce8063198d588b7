//! The monthly report: what the brand wants to reach, and how far it has come.

use serde::Serialize;

use super::anonymity::SmallestGroup;
use super::metric::{Metric, Observed, Target, Unit};
use super::week::Week;
use crate::values::LocalDay;

/// The figures of the report, in its order.
const METRICS: [Metric; 10] = [
    Metric::Repurchase,
    Metric::Retention,
    Metric::Churn,
    Metric::AverageOrder,
    Metric::HighValue,
    Metric::LifetimeValue,
    Metric::Referral,
    Metric::Satisfaction,
    Metric::TicketCycle,
    Metric::SelfService,
];

/// A month, as the weeks whose Sundays lie in it: every week is in one month, and what boards showed adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month(LocalDay);

impl Month {
    /// The month of a day.
    #[must_use]
    pub fn of(day: LocalDay) -> Self {
        Self(day.start_of_month())
    }

    /// The month to which a week belongs.
    #[must_use]
    pub fn of_week(week: Week) -> Self {
        Self::of(week.last_day())
    }

    /// The month before.
    #[must_use]
    pub fn before(self) -> Self {
        Self::of(self.0.minus(1))
    }

    /// Its first week.
    #[must_use]
    pub fn first_week(self) -> Week {
        Week::of(self.0)
    }

    /// Its last week.
    #[must_use]
    pub fn last_week(self) -> Week {
        Week::before(self.0.end_of_month_after(0).plus(1))
    }
}

/// What the weeks of a month came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonthOf {
    /// How many of its weeks have been counted.
    pub weeks: u32,
    /// What was observed.
    pub observed: Observed,
}

/// The monthly report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct MonthlyReport {
    /// The Monday of the first week. The month's weeks are those whose Sundays lie in it.
    pub from: LocalDay,
    /// The Sunday of the last week.
    pub until: LocalDay,
    /// How many of them have been counted.
    pub weeks: u32,
    /// Orders of these weeks, without those that were fully refunded; none for operators, of too few buyers.
    pub orders: Option<u64>,
    /// What these came to, less refunds, in fen.
    pub money: Option<u64>,
    /// The figures.
    pub metrics: Vec<MonthlyFigure>,
}

/// A figure of the monthly report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct MonthlyFigure {
    /// What it tells.
    pub metric: Metric,
    /// In what it is counted.
    pub unit: Unit,
    /// How it is counted.
    pub english: &'static str,
    /// The same in Chinese.
    pub chinese: &'static str,
    /// What it came to; none when there was nothing to count, or of too few for whoever asks.
    pub value: Option<i32>,
    /// Of how many members, customers, orders, answers, tickets or questions.
    pub of: Option<u64>,
    /// What it came to in the month before.
    pub before: Option<i32>,
    /// What the brand wants.
    pub target: Option<i32>,
    /// Whether that is reached; none without a target or a value.
    pub reached: Option<bool>,
}

impl MonthlyReport {
    /// The report of a month beside the one before. Whoever is told of groups only hears of at least `smallest` people.
    #[must_use]
    pub fn of(month: Month, now: &MonthOf, before: Option<&MonthOf>, smallest: Option<SmallestGroup>) -> Self {
        let counts = &now.observed.counts;
        let may_be_told = smallest.is_none_or(|k| k.is_group(counts.buyers));
        let figure = |metric: Metric| {
            let read = metric.read_for(&now.observed, smallest);
            let earlier = before.and_then(|month| metric.read_for(&month.observed, smallest));
            let [english, chinese] = metric.definition();
            MonthlyFigure {
                metric,
                unit: metric.unit(),
                english,
                chinese,
                value: read.map(|read| read.value),
                of: read.map(|read| read.of),
                before: earlier.map(|read| read.value),
                target: metric.target().map(Target::line),
                reached: metric.target().zip(read).map(|(target, read)| target.is_reached(read.value)),
            }
        };
        Self {
            from: month.first_week().first_day(),
            until: month.last_week().last_day(),
            weeks: now.weeks,
            orders: may_be_told.then_some(counts.orders),
            money: may_be_told.then_some(counts.money),
            metrics: METRICS.map(figure).to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::week::Counts;

    fn day(text: &str) -> LocalDay {
        LocalDay::parse(text).unwrap()
    }

    fn days(month: Month) -> (LocalDay, LocalDay) {
        (month.first_week().first_day(), month.last_week().last_day())
    }

    #[test]
    fn every_week_is_in_the_month_of_its_sunday() {
        let march = Month::of(day("2026-03-17"));
        // 1 March is a Sunday, and so is 29 March.
        assert_eq!(days(march), (day("2026-02-23"), day("2026-03-29")));
        assert_eq!(days(march.before()), (day("2026-01-26"), day("2026-02-22")));
        let mut week = Week::of(day("2020-01-01"));
        while week.first_day() < day("2027-01-01") {
            let month = Month::of_week(week);
            assert!(month.first_week() <= week && week <= month.last_week(), "{week:?}");
            let next = Week::from_number(week.number() + 1).unwrap();
            assert!(Month::of_week(next) == month || month.last_week() == week, "{week:?}");
            week = next;
        }
    }

    #[test]
    fn a_target_is_reached_from_its_side() {
        let counts = Counts {
            customers: 100,
            repeaters: 35,
            established: 100,
            gone: 26,
            buyers: 19,
            orders: 2,
            money: 760_00,
            ..Counts::default()
        };
        let now = MonthOf { weeks: 4, observed: Observed { counts, ..Observed::default() } };
        let earlier = Counts { repeaters: 20, ..counts };
        let before = MonthOf { weeks: 4, observed: Observed { counts: earlier, ..Observed::default() } };
        let report = MonthlyReport::of(Month::of(day("2026-03-01")), &now, Some(&before), None);
        let told = |metric: Metric| {
            let figure = report.metrics.iter().find(|figure| figure.metric == metric).unwrap();
            (figure.value, figure.before, figure.reached)
        };
        assert_eq!(told(Metric::Repurchase), (Some(3_500), Some(2_000), Some(true)));
        assert_eq!(told(Metric::Churn), (Some(2_600), Some(2_600), Some(false)));
        assert_eq!(told(Metric::AverageOrder), (Some(380_00), Some(380_00), Some(true)));
        assert_eq!(told(Metric::Retention), (None, None, None));
        assert_eq!((report.orders, report.money), (Some(2), Some(760_00)));
        let k = Some(SmallestGroup::USUAL);
        let for_operators = MonthlyReport::of(Month::of(day("2026-03-01")), &now, None, k);
        assert_eq!((for_operators.orders, for_operators.money), (None, None), "of 19 buyers");
    }
}
