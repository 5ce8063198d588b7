//! Lifetime value against the published results on the purchases of real customers.
//!
//! The models' authors fitted them to 2,357 of the 23,570 CDNOW customers, with the purchases up to 1997-09-30, and
//! published parameters, likelihood and predictions; dollars are read as yuan.
#![allow(clippy::unwrap_used, reason = "a test that fails should stop at once, also in its helpers")]

use std::collections::BTreeMap;
use std::path::Path;

use huitou::domain::account::Account;
use huitou::domain::clv::{GammaGamma, History, Horizon, Model, Sample};
use huitou::domain::days::PurchaseDays;
use huitou::domain::week::{Counts, Week, WeekCounts};
use huitou::values::{Fen, LocalDay, MemberId};
use local::demo::log::{cdnow_path, read_cdnow};

/// All customers, by their number.
fn customers() -> BTreeMap<String, PurchaseDays> {
    let log = read_cdnow(&std::fs::read_to_string(cdnow_path()).unwrap());
    let mut customers = BTreeMap::<String, PurchaseDays>::new();
    for purchase in log.purchases {
        let fen = Fen::computed(u64::try_from(purchase.fen).unwrap());
        customers.entry(purchase.customer).or_default().buy(purchase.day, fen);
    }
    customers
}

/// The tenth of the customers to whom the authors fitted their models, in the authors' order.
fn authors_tenth() -> Vec<PurchaseDays> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/CDNOW_sample.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let mut chosen: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    chosen.dedup();
    let mut customers = customers();
    chosen.into_iter().map(|number| customers.remove(number).unwrap()).collect()
}

fn end_of_calibration() -> LocalDay {
    LocalDay::parse("1997-09-30").unwrap()
}

fn sample<'a>(members: impl IntoIterator<Item = &'a PurchaseDays>, on: LocalDay) -> Sample {
    let mut sample = Sample::default();
    for days in members {
        sample.add(days, on);
    }
    sample
}

fn authors_model() -> Model {
    sample(&authors_tenth(), end_of_calibration()).fit(1, end_of_calibration()).unwrap()
}

#[test]
fn the_fit_finds_the_published_parameters_and_likelihood() {
    let model = authors_model();
    let bg = model.purchases;
    let found = format!("r={:.3} alpha={:.3} a={:.3} b={:.3}", bg.r(), bg.alpha(), bg.a(), bg.b());
    assert_eq!(found, "r=0.243 alpha=4.414 a=0.793 b=2.426");
    assert_eq!(format!("{:.1}", model.log_likelihood), "-9582.4");
    let gg = model.spend;
    assert_eq!(format!("p={:.2} q={:.2} gamma={:.2}", gg.p(), gg.q(), gg.gamma()), "p=6.25 q=3.74 gamma=15.44");
    assert_eq!((model.members, model.repeat_buyers), (2_357, 946));
}

#[test]
fn the_first_ten_customers_will_spend_what_the_authors_spreadsheet_says() {
    let model = GammaGamma::new(6.25, 3.74, 15.44).unwrap();
    // The spreadsheet reckons with parameters that are not rounded.
    for (days, wanted) in
        authors_tenth().iter().zip([24.65, 18.91, 35.17, 35.17, 35.17, 71.46, 18.91, 35.17, 27.28, 35.17])
    {
        let found = model.expected(&History::of(days, end_of_calibration()).unwrap());
        assert!((found - wanted).abs() < 0.05, "{found} for {wanted}");
    }
}

#[test]
fn the_order_of_members_and_shards_does_not_change_the_model() {
    let members = authors_tenth();
    let mut shards = sample(members.iter().step_by(3), end_of_calibration());
    for first in [2, 1] {
        shards.merge(sample(members.iter().skip(first).step_by(3), end_of_calibration()));
    }
    let backwards = sample(members.iter().rev(), end_of_calibration());
    let one_pass = sample(&members, end_of_calibration());
    assert_eq!(shards.fit(1, end_of_calibration()), one_pass.fit(1, end_of_calibration()));
    assert_eq!(backwards.fit(1, end_of_calibration()), one_pass.fit(1, end_of_calibration()));
}

#[test]
fn telling_days_apart_by_eights_hardly_moves_a_prediction() {
    let members = authors_tenth();
    let value = |model: &Model| -> u64 {
        members.iter().filter_map(|days| model.predict(days, end_of_calibration())).map(|p| p.value.number()).sum()
    };
    let exact = sample(&members, end_of_calibration());
    let text = serde_json::to_string(&exact).unwrap();
    let by_eights: Sample = serde_json::from_str(&text.replace("\"level\":0", "\"level\":3")).unwrap();
    assert_ne!(by_eights, exact);
    let exact = value(&exact.fit(1, end_of_calibration()).unwrap());
    let by_eights = value(&by_eights.fit(1, end_of_calibration()).unwrap());
    assert!(by_eights.abs_diff(exact) < exact / 200, "{by_eights} for {exact}");
}

#[test]
fn what_the_customers_then_bought_bears_the_ranking_out() {
    let model = authors_model();
    let horizon = Horizon::new(273).unwrap(); // the rest of the log
    let mut members: Vec<(f64, usize)> = authors_tenth()
        .iter()
        .map(|days| {
            let foreseen = model.purchases.expected(&History::of(days, end_of_calibration()).unwrap(), horizon);
            (foreseen, days.days().iter().filter(|bought| bought.day > end_of_calibration()).count())
        })
        .collect();
    members.sort_by(|one, other| other.0.total_cmp(&one.0));
    let bought = |members: &[(f64, usize)]| members.iter().map(|member| member.1).sum::<usize>();
    let foreseen: f64 = members.iter().map(|member| member.0).sum();
    assert_eq!(bought(&members), 1_882);
    assert!((1_600.0..1_882.0).contains(&foreseen), "a little too cautious: {foreseen}");
    let tenth = &members[..members.len() / 10];
    assert!(bought(tenth) * 100 >= 1_882 * 45, "the first tenth bought {} times", bought(tenth));
}

/// What the weeks of the real customers came to, beside a reckoning of the log that shares no code with ours.
#[test]
fn two_weeks_of_real_customers_are_counted_as_the_log_says() {
    let week = |first: &str| {
        let mut counts = WeekCounts::default();
        for days in customers().into_values() {
            let account = Account { days, ..Account::new(MemberId::from_random([1; 16])) };
            counts.add(&account, Week::of(LocalDay::parse(first).unwrap()), None);
        }
        counts.of(None, None)
    };
    let shown = |c: Counts| {
        let people =
            [c.members, c.bought, c.buyers, c.customers, c.repeaters, c.newcomers, c.returned, c.established, c.gone];
        (people, c.orders, c.money)
    };
    let april = ([23_570, 23_570, 802, 23_570, 5_981, 1_898, 333, 4_790, 3_479], 883, 3_388_259);
    assert_eq!(shown(week("1997-04-14")), april);
    let june = ([23_570, 23_570, 338, 8_366, 5_125, 0, 0, 9_551, 6_711], 381, 1_306_332);
    assert_eq!(shown(week("1998-06-22")), june);
}
