use super::*;
use crate::domain::days::{PurchaseDays, Window};
use crate::domain::traits::Traits;
use crate::values::Fen;

fn day(offset: u32) -> LocalDay {
    LocalDay::FIRST.plus(1_000 + offset)
}

fn shipped() -> Segmentation {
    Segmentation::shipped().unwrap()
}

/// The value segment of somebody who bought `frequency` times for `yuan` in all, last `recency` days ago.
fn value(recency: u32, frequency: u32, yuan: u64) -> String {
    let mut days = PurchaseDays::default();
    let last = day(500);
    for n in 0..frequency {
        days.buy(last.minus(n), Fen::yuan(if n == 0 { yuan } else { 0 }));
    }
    let traits = Traits::default();
    let facts =
        Facts { days: &days, window: Window::Lifetime, tier: None, claimed: false, traits: &traits, children: &[] };
    let segmentation = shipped();
    let judged = segmentation.judge(&facts, last.plus(recency));
    let value = segmentation.sets().next().unwrap().clone();
    let entries: Vec<&Code> = segmentation.entries(&value).map(|entry| &entry.id).collect();
    let within: Vec<&Code> = judged.segments.iter().filter(|id| entries.contains(id)).collect();
    assert_eq!(within.len(), 1);
    within[0].to_string()
}

#[test]
fn the_edges_of_the_value_rules_lie_where_the_plan_puts_them() {
    for (recency, frequency, yuan, segment) in [
        (30, 5, 2000, "high_value"),
        (31, 5, 2000, "potential"),
        (60, 2, 500, "potential"),
        (60, 2, 499, "active_low"),
        (60, 1, 499, "new"),
        (61, 1, 0, "cooling"),
        (89, 9, 9999, "cooling"),
        (90, 1, 0, "churn_warning"),
        (90, 2, 0, "at_risk_repeat"),
        (180, 1, 0, "dormant"),
        (0, 0, 0, "prospect"),
    ] {
        assert_eq!(value(recency, frequency, yuan), segment, "{recency} days, {frequency} times, {yuan} yuan");
    }
}

#[test]
fn the_shipped_segmentation_is_stored_as_it_is_printed() {
    let stored = serde_json::to_string(&shipped()).unwrap();
    assert_eq!(serde_json::from_str::<Segmentation>(&stored).unwrap(), shipped());
}
