//! The value segments of 23,570 real customers, against counts that were worked out independently of this code.
#![cfg(test)]

use std::collections::BTreeMap;

use huitou::domain::days::{PurchaseDays, Window};
use huitou::domain::rfm::{Rfm, value_segment};
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

#[test]
fn every_customer_is_in_exactly_one_value_segment_and_the_counts_are_known() {
    let mut counts = BTreeMap::new();
    for days in customers() {
        *counts.entry(value_segment(&days, Window::Lifetime, as_of()).value.id()).or_insert(0) += 1;
    }
    let known = [
        ("active_low", 2_091),
        ("at_risk_repeat", 2_059),
        ("cooling", 753),
        ("dormant", 18_210),
        ("high_value", 29),
        ("potential", 428),
    ];
    assert_eq!(counts, BTreeMap::from(known));
}

#[test]
fn the_four_literal_rules_overlap_and_leave_gaps() {
    let customers = customers();
    let rfms: Vec<Rfm> = customers.iter().map(|days| Rfm::of(days, Window::Lifetime, as_of())).collect();
    let count = |rule: &dyn Fn(&Rfm) -> bool| rfms.iter().filter(|rfm| rule(rfm)).count();
    assert_eq!(count(&Rfm::is_high_value), 29);
    assert_eq!(count(&Rfm::is_potential), 457);
    assert_eq!(count(&Rfm::is_churn_warning), 12_054);
    assert_eq!(count(&Rfm::is_dormant), 18_210);
    assert_eq!(count(&|r| r.is_churn_warning() && r.is_dormant()), 12_054);
    let none = |r: &Rfm| !(r.is_high_value() || r.is_potential() || r.is_churn_warning() || r.is_dormant());
    assert_eq!(count(&none), 4_903);
}
