//! The value segments of 23,570 real customers, against counts that were worked out independently of this code.

use std::collections::BTreeMap;

use huitou::domain::days::{PurchaseDays, Window};
use huitou::domain::facts::Facts;
use huitou::domain::segmentation::Segmentation;
use huitou::domain::traits::Traits;
use huitou::values::{Fen, LocalDay};
use local::demo::log::{cdnow_path, read_cdnow};

fn customers() -> Vec<PurchaseDays> {
    let log = read_cdnow(&std::fs::read_to_string(cdnow_path()).unwrap());
    let mut customers = BTreeMap::<String, PurchaseDays>::new();
    for purchase in log.purchases {
        customers
            .entry(purchase.customer)
            .or_default()
            .buy(purchase.day, Fen::computed(u64::try_from(purchase.fen).unwrap()));
    }
    customers.into_values().collect()
}

fn as_of() -> LocalDay {
    LocalDay::parse("1998-06-30").unwrap()
}

/// The segments of every customer on the last day of the log.
fn judged() -> Vec<Vec<String>> {
    let segmentation = Segmentation::shipped().unwrap();
    let traits = Traits::default();
    let segments = |days: &PurchaseDays| {
        let window = Window::Lifetime;
        let facts = Facts::of_purchases(days, window, &traits);
        segmentation.judge(&facts, as_of()).segments.iter().map(ToString::to_string).collect()
    };
    customers().iter().map(segments).collect()
}

#[test]
fn every_customer_is_in_exactly_one_value_segment_and_the_counts_are_known() {
    let segmentation = Segmentation::shipped().unwrap();
    let value = segmentation.sets().find(|set| set.id.as_str() == "value").unwrap();
    let entries: Vec<&str> = segmentation.entries(value).map(|entry| entry.id.as_str()).collect();
    let mut counts = BTreeMap::new();
    for segments in judged() {
        let of_value: Vec<&str> = segments.iter().map(String::as_str).filter(|id| entries.contains(id)).collect();
        let [one] = of_value.as_slice() else { panic!("{of_value:?}") };
        *counts.entry((*one).to_owned()).or_insert(0) += 1;
    }
    let known = [
        ("active_low", 2_091),
        ("at_risk_repeat", 2_059),
        ("cooling", 753),
        ("dormant", 18_210),
        ("high_value", 29),
        ("potential", 428),
    ];
    assert_eq!(counts, BTreeMap::from(known.map(|(id, count)| (id.to_owned(), count))));
}

#[test]
fn the_four_literal_rules_overlap_and_leave_gaps() {
    let customers = judged();
    let is = |segments: &[String], literal: &str| segments.iter().any(|id| *id == format!("literal.{literal}"));
    let count = |rule: &dyn Fn(&[String]) -> bool| customers.iter().filter(|segments| rule(segments)).count();
    assert_eq!(count(&|s| is(s, "high_value")), 29);
    assert_eq!(count(&|s| is(s, "potential")), 457);
    assert_eq!(count(&|s| is(s, "churn_warning")), 12_054);
    assert_eq!(count(&|s| is(s, "dormant")), 18_210);
    assert_eq!(count(&|s| is(s, "churn_warning") && is(s, "dormant")), 12_054);
    assert_eq!(count(&|s| !s.iter().any(|id| id.starts_with("literal."))), 4_903);
}
