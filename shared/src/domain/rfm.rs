//! Value segments by recency, frequency and money (the plan's RFM value rules).
//!
//! Taken literally the plan's four rules overlap and leave gaps, so the shipped set is a first-match list with named
//! fillers: every customer is in exactly one segment. The four literal predicates are kept beside it.

use super::days::{PurchaseDays, Window};
use super::verdict::Verdict;
use crate::values::{Fen, LocalDay};

/// Recency, frequency and money on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfm {
    /// Days since the last paid order; none without one.
    pub recency: Option<u32>,
    /// Distinct days with a paid order inside the window.
    pub frequency: u32,
    /// Net paid inside the window.
    pub money: Fen,
}

impl Rfm {
    /// What the purchase days say on `as_of`.
    #[must_use]
    pub fn of(days: &PurchaseDays, window: Window, as_of: LocalDay) -> Self {
        let bought = days.within(window, as_of);
        let recency = bought.last.and_then(|last| u32::try_from(as_of.days_since(last)).ok());
        Self { recency, frequency: bought.days, money: bought.money }
    }

    fn within(&self, days: u32) -> bool {
        self.recency.is_some_and(|recency| recency <= days)
    }

    fn silent_for(&self, days: u32) -> bool {
        self.recency.is_some_and(|recency| recency >= days)
    }

    /// R ≤ 30 and F ≥ 5 and M ≥ 2000 yuan.
    #[must_use]
    pub fn is_high_value(&self) -> bool {
        self.within(30) && self.frequency >= 5 && self.money >= Fen::yuan(2_000)
    }

    /// R ≤ 60 and F ≥ 2 and M ≥ 500 yuan.
    #[must_use]
    pub fn is_potential(&self) -> bool {
        self.within(60) && self.frequency >= 2 && self.money >= Fen::yuan(500)
    }

    /// R ≥ 90 and F ≤ 1.
    #[must_use]
    pub fn is_churn_warning(&self) -> bool {
        self.silent_for(90) && self.frequency <= 1
    }

    /// R ≥ 180.
    #[must_use]
    pub fn is_dormant(&self) -> bool {
        self.silent_for(180)
    }

    /// The segment: the first rule of the list that holds.
    #[must_use]
    pub fn segment(&self) -> ValueSegment {
        match self {
            Self { frequency: 0, .. } => ValueSegment::Prospect,
            rfm if rfm.is_dormant() => ValueSegment::Dormant,
            rfm if rfm.is_churn_warning() => ValueSegment::ChurnWarning,
            rfm if rfm.silent_for(90) => ValueSegment::AtRiskRepeat,
            rfm if rfm.silent_for(61) => ValueSegment::Cooling,
            rfm if rfm.is_high_value() => ValueSegment::HighValue,
            rfm if rfm.is_potential() => ValueSegment::Potential,
            Self { frequency: 1, .. } => ValueSegment::New,
            _ => ValueSegment::ActiveLow,
        }
    }
}

/// The value segments; every customer is in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ValueSegment {
    /// F = 0.
    Prospect,
    /// R ≥ 180.
    Dormant,
    /// 90 ≤ R < 180 and F ≤ 1.
    ChurnWarning,
    /// 90 ≤ R < 180 and F ≥ 2.
    AtRiskRepeat,
    /// 61 ≤ R ≤ 89.
    Cooling,
    /// The plan's high value.
    HighValue,
    /// The plan's potential.
    Potential,
    /// R ≤ 60 and F = 1.
    New,
    /// Everybody else.
    ActiveLow,
}

impl ValueSegment {
    /// The segment's id, as answers and the demo name it.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Prospect => "prospect",
            Self::Dormant => "dormant",
            Self::ChurnWarning => "churn_warning",
            Self::AtRiskRepeat => "at_risk_repeat",
            Self::Cooling => "cooling",
            Self::HighValue => "high_value",
            Self::Potential => "potential",
            Self::New => "new",
            Self::ActiveLow => "active_low",
        }
    }
}

/// Recencies at which some rule turns: R ≤ n turns at n + 1, R ≥ n at n.
const TURNING_RECENCIES: [u32; 4] = [31, 61, 90, 180];

/// The value segment on `as_of`, and until when it holds if nothing is bought or given back.
#[must_use]
pub fn value_segment(days: &PurchaseDays, window: Window, as_of: LocalDay) -> Verdict<ValueSegment> {
    let last = days.within(window, as_of).last;
    let by_recency = last.into_iter().flat_map(|last| TURNING_RECENCIES.map(|recency| last.plus(recency)));
    let leaving = match window {
        Window::Lifetime => Vec::new(),
        Window::Days(width) => days.days().iter().map(|bought| bought.day.plus(width)).collect(),
    };
    Verdict::between(by_recency.chain(leaving), as_of, |day| Rfm::of(days, window, day).segment())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY_ZERO: i32 = 20_000;

    fn day(offset: u32) -> LocalDay {
        LocalDay::from_number(DAY_ZERO).unwrap().plus(offset)
    }

    fn history() -> impl Strategy<Value = PurchaseDays> {
        proptest::collection::vec((0_u32..700, 0_u64..150_000), 0..12).prop_map(|bought| {
            let mut days = PurchaseDays::default();
            for (offset, money) in bought {
                days.buy(day(offset), Fen::computed(money));
            }
            days
        })
    }

    fn window() -> impl Strategy<Value = Window> {
        prop_oneof![Just(Window::Lifetime), (1_u32..500).prop_map(Window::Days)]
    }

    proptest! {
        #[test]
        fn a_segment_holds_on_every_day_before_until_and_changes_on_it(
            days in history(), window in window(), offset in 700_u32..1_000,
        ) {
            let as_of = day(offset);
            let verdict = value_segment(&days, window, as_of);
            let judge = |on: LocalDay| Rfm::of(&days, window, on).segment();
            let horizon = verdict.until.unwrap_or(as_of.plus(1_500));
            let mut on = as_of;
            while on < horizon {
                prop_assert_eq!(judge(on), verdict.value, "on {}", on);
                on = on.plus(1);
            }
            if let Some(until) = verdict.until {
                prop_assert_ne!(judge(until), verdict.value);
            }
        }
    }

    #[test]
    fn the_edges_of_the_rules_lie_where_the_plan_puts_them() {
        let rfm = |recency, frequency, yuan: u64| Rfm { recency: Some(recency), frequency, money: Fen::yuan(yuan) };
        assert_eq!(rfm(30, 5, 2000).segment(), ValueSegment::HighValue);
        assert_eq!(rfm(31, 5, 2000).segment(), ValueSegment::Potential);
        assert_eq!(rfm(60, 2, 500).segment(), ValueSegment::Potential);
        assert_eq!(rfm(60, 2, 499).segment(), ValueSegment::ActiveLow);
        assert_eq!(rfm(60, 1, 499).segment(), ValueSegment::New);
        assert_eq!(rfm(61, 1, 0).segment(), ValueSegment::Cooling);
        assert_eq!(rfm(89, 9, 9999).segment(), ValueSegment::Cooling);
        assert_eq!(rfm(90, 1, 0).segment(), ValueSegment::ChurnWarning);
        assert_eq!(rfm(90, 2, 0).segment(), ValueSegment::AtRiskRepeat);
        assert_eq!(rfm(180, 1, 0).segment(), ValueSegment::Dormant);
        assert_eq!(Rfm { recency: None, frequency: 0, money: Fen::ZERO }.segment(), ValueSegment::Prospect);
    }
}
