use proptest::prelude::*;

use super::*;
use crate::domain::days::{PurchaseDays, Window};
use crate::domain::flaw::Flaws;
use crate::domain::order::Topic;
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
    let facts = Facts::of_purchases(&days, Window::Lifetime, &traits);
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

/// A segmentation of one set with these entries.
fn set_of(mode: &str, rules: &[(&str, &str)]) -> Segmentation {
    let entry = |(id, rule): &(&str, &str)| serde_json::json!({"id": id, "name": id, "english": id, "rule": rule});
    let entries: Vec<_> = rules.iter().map(entry).collect();
    serde_json::from_value(serde_json::json!({
        "version": 1,
        "sets": [{"id": "plan", "name": "plan", "english": "plan", "mode": mode, "entries": entries}],
        "segments": [],
    }))
    .unwrap()
}

fn coverage(segmentation: &Segmentation) -> Coverage {
    segmentation.coverage(segmentation.sets().next().unwrap())
}

const LITERAL: [(&str, &str); 4] = [
    ("high_value", "recency <= 30 and frequency >= 5 and money >= 2000 yuan"),
    ("potential", "recency <= 60 and frequency >= 2 and money >= 500 yuan"),
    ("churn_warning", "recency >= 90 and frequency <= 1"),
    ("dormant", "recency >= 180"),
];

#[test]
fn the_plans_four_rules_leave_gaps_and_overlap() {
    let found = coverage(&set_of("exactly_one", &LITERAL));
    let gaps: Vec<&str> = found.gaps.iter().map(|gap| gap.english.as_str()).collect();
    assert_eq!(
        gaps,
        [
            "recency 0..89, any frequency, money from 0 yuan to below 500 yuan",
            "recency unknown, any frequency, any money",
            "recency 0..179, frequency 2 or more, money from 0 yuan to below 500 yuan",
            "recency 0..89, frequency 1, any money",
            "recency 61..179, frequency 2 or more, any money",
        ]
    );
    assert_eq!(found.gaps[3].chinese, "最近购买0至89天，频次1，金额不限");
    let overlaps: Vec<String> =
        found.overlaps.iter().map(|o| format!("{} and {}: {}", o.first, o.second, o.regions[0].english)).collect();
    assert_eq!(
        overlaps,
        [
            "high_value and potential: recency 0..30, frequency 5 or more, money from 2000 yuan",
            "churn_warning and dormant: recency 180 or more, frequency 0..1, any money",
        ]
    );
    assert_eq!(found.unreachable, [] as [Code; 0]);
}

#[test]
fn an_overlap_is_a_flaw_only_where_exactly_one_rule_is_to_hold() {
    let pointers = |mode: &str| -> Vec<String> {
        let rules = [("few", "orders <= 3"), ("many", "orders >= 3")];
        set_of(mode, &rules).flaws().into_iter().map(|flaw| flaw.pointer).collect()
    };
    assert_eq!(pointers("first_match"), [""; 0]);
    assert_eq!(pointers("exactly_one"), ["/sets/0/entries/1/rule"]);
}

#[test]
fn an_entry_that_nobody_can_be_in_is_a_flaw() {
    let rules =
        [("all", "frequency(90 days) <= 5 or recency < 90"), ("none", "frequency(30 days) > 5"), ("left", "everyone")];
    let flaws = set_of("first_match", &rules).flaws();
    let pointers: Vec<&str> = flaws.iter().map(|flaw| flaw.pointer.as_str()).collect();
    assert_eq!(pointers, ["/sets/0/entries/1/rule", "/sets/0/entries/2/rule"]);
    assert!(flaws[0].detail.contains("nobody can be in none"), "{flaws:?}");
}

#[test]
fn a_set_that_asks_for_too_much_at_once_is_said_to_be_unchecked() {
    let rule = (0..20).map(|n| format!("tag = t{n}")).collect::<Vec<_>>().join(" and ");
    let found = coverage(&set_of("first_match", &[("some", &rule), ("rest", "everyone")]));
    assert_eq!(found.cells, 0);
    assert!(found.unchecked.is_some_and(|why| why.contains("tag t19")));
}

#[test]
fn a_birthday_lies_at_most_365_days_ahead_or_is_unknown() {
    let rules = [("soon", "birthday <= 7"), ("later", "birthday between 8 and 365"), ("untold", "not birthday <= 365")];
    let found = coverage(&set_of("exactly_one", &rules));
    assert_eq!((found.gaps, found.overlaps, found.unreachable), (Vec::new(), Vec::new(), Vec::new()));
    let found = coverage(&set_of("exactly_one", &rules[..2]));
    assert_eq!(found.gaps[0].english, "birthday unknown");
    assert_eq!(found.gaps[0].chinese, "距生日未知");
    let never = coverage(&set_of("first_match", &[("never", "child_birthday > 365"), ("rest", "everyone")]));
    assert_eq!(never.unreachable, [Code::parse("never").unwrap()]);
}

fn flaws_of(change: impl FnOnce(&mut Draft)) -> Vec<(String, String)> {
    let mut draft = Draft::from(shipped());
    change(&mut draft);
    let Err(Flaws(flaws)) = Segmentation::try_from(draft) else { return Vec::new() };
    flaws.into_iter().map(|flaw| (flaw.pointer, flaw.detail)).collect()
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_place() {
    let flaws = flaws_of(|draft| {
        draft.version = 0;
        draft.health[0].steps[0].score = 99;
        draft.sets[1].id = Code::parse("money").unwrap();
        draft.sets[0].entries[1].rule = "recency >= soon".to_owned();
        draft.segments[3].id = draft.segments[2].id.clone();
    });
    let pointers: Vec<&str> = flaws.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(pointers, ["/version", "/health", "/sets/1/id", "/segments/3/id", "/sets/0/entries/1/rule"]);
    assert_eq!(flaws[4].1, "line 1, column 12: found `soon`, but recency takes a number of days, as 30");
}

#[test]
fn a_rule_refers_to_sets_before_it_only() {
    let flaws = flaws_of(|draft| draft.sets[0].entries[0].rule = "stage = prospect".to_owned());
    assert_eq!(flaws[0].0, "/sets/0/entries/0/rule");
    assert!(flaws[0].1.contains("no set before this one called `stage`"), "{flaws:?}");
    let flaws = flaws_of(|draft| draft.health[0].steps[0].rule = "health > 3".to_owned());
    assert_eq!(flaws[0].0, "/health/0/steps/0/rule");
}

#[test]
fn nobody_can_be_in_more_than_eighty_segments_at_once() {
    let with = |at_once: usize| {
        flaws_of(|draft| {
            let more = draft.segments[0].clone();
            let left = at_once - draft.segments.len() - draft.sets.len();
            draft
                .segments
                .extend((0..left).map(|n| SegmentDraft { id: Code::parse(&format!("x{n}")).unwrap(), ..more.clone() }));
        })
    };
    assert_eq!(with(80), []);
    assert_eq!(with(81)[0].0, "/segments");
}

#[test]
fn all_rules_together_fit_into_one_item_of_the_table() {
    let with = |bytes: usize| {
        flaws_of(|draft| {
            let entries = draft.sets.iter_mut().flat_map(|set| &mut set.entries);
            for segment in entries.chain(&mut draft.segments) {
                segment.rule = format!("{:<bytes$}", segment.rule);
            }
            let more = draft.segments[0].clone();
            draft
                .segments
                .extend((0..60).map(|n| SegmentDraft { id: Code::parse(&format!("x{n}")).unwrap(), ..more.clone() }));
        })
    };
    assert_eq!(with(2_500), []);
    assert_eq!(with(4_000)[0].0, "/segments");
}

/// A random history, without the rest of the facts.
fn history() -> impl Strategy<Value = (PurchaseDays, Traits)> {
    let orders = proptest::collection::vec((0_u32..500, 0_u64..300_000), 0..9);
    (orders, proptest::option::of((0_u32..500, 0_u32..500))).prop_map(|(orders, seen)| {
        let mut days = PurchaseDays::default();
        for (offset, money) in orders {
            days.buy(day(offset), Fen::computed(money));
        }
        let mut traits = Traits::default();
        if let Some((view, share)) = seen {
            traits.saw(Topic::View, day(view));
            traits.saw(Topic::Share, day(share));
        }
        (days, traits)
    })
}

proptest! {
    #[test]
    fn no_member_is_in_a_cell_that_the_check_leaves_out_and_the_check_sees_the_same_entries(
        (days, traits) in history(), width in 1_u32..400, on in 500_u32..1_000,
    ) {
        let facts = Facts::of_purchases(&days, Window::Days(width), &traits);
        let asks_much = set_of("first_match", &[
            ("a", "orders(90 days) >= 2 and money(90 days) >= 500 yuan and basket(90 days) > 250 yuan"),
            ("b", "frequency(30 days) > 1 and tenure > 45 and orders = 3 and money(lifetime) < 900 yuan"),
            ("c", "recency(any) > 40 and recency(share) < 99 and recency not between 20 and 200"),
        ]);
        for segmentation in [shipped(), asks_much] {
            for set in segmentation.sets() {
                prop_assert!(segmentation.agrees_with_its_check(set, &facts, day(on)), "{}", set.id);
            }
        }
    }
}

#[test]
fn the_shipped_sets_have_no_gap_and_every_entry_can_be_reached() {
    assert_eq!(shipped().flaws(), []);
    for set in shipped().sets() {
        let found = shipped().coverage(set);
        assert!(found.cells >= 5 && found.unchecked.is_none(), "{found:?}");
    }
}

/// Somebody who bought twice, last 42 days ago, for 600 yuan in all.
fn explained() -> Vec<Explained> {
    let mut days = PurchaseDays::default();
    days.buy(day(0), Fen::yuan(250));
    days.buy(day(58), Fen::yuan(350));
    let traits = Traits::default();
    let window = Window::Days(365);
    let facts = Facts { claimed: true, ..Facts::of_purchases(&days, window, &traits) };
    shipped().explain(&facts, day(100))
}

#[test]
fn a_member_is_explained_comparison_by_comparison_with_the_day_of_the_next_change() {
    let all = explained();
    let of = |id: &str| all.iter().find(|explained| explained.segment.as_str() == id).unwrap();
    let potential = of("potential");
    assert!(potential.holds && potential.until == Some(day(58 + 61)));
    let [recency, frequency, money] = potential.findings.as_slice() else { panic!("{potential:?}") };
    assert_eq!((recency.field.as_str(), recency.wanted.as_str()), ("recency", "recency <= 60"));
    assert_eq!((recency.found.as_deref(), recency.holds, recency.until), (Some("42"), true, Some(day(119))));
    assert_eq!(recency.english, "recency is 42 days: `recency <= 60` holds");
    assert_eq!(recency.chinese, "最近购买为42天，条件“最近购买≤60天”符合");
    assert_eq!((frequency.found.as_deref(), frequency.until), (Some("2"), Some(day(365))));
    assert_eq!((money.found.as_deref(), money.wanted.as_str()), (Some("600 yuan"), "money >= 500 yuan"));
    assert!(potential.english.ends_with(&format!("If nothing happens, this changes on {}.", day(119))));
    assert!(potential.chinese.ends_with(&format!("如无其他变化，{}起改变。", day(119))));
}

#[test]
fn an_entry_whose_rule_holds_says_which_one_before_it_took_the_member() {
    let all = explained();
    let of = |id: &str| all.iter().find(|explained| explained.segment.as_str() == id).unwrap();
    let left_over = of("active_low");
    assert!(!left_over.holds);
    assert_eq!(left_over.taken_by, Some(Code::parse("potential").unwrap()));
    assert!(left_over.english.starts_with("Not in `active_low`, because `potential` comes first"));
    assert_eq!(of("dormant").taken_by, None);
    let size_return = &of("churn.size_return").findings[0];
    assert_eq!((size_return.found.clone(), size_return.holds), (None, false));
    assert_eq!(size_return.english, "recency(size_return) is unknown: `recency(size_return) <= 30` does not hold");
}

#[test]
fn the_health_score_adds_up_and_sinks_by_time_alone() {
    let mut days = PurchaseDays::default();
    for n in 0..5 {
        days.buy(day(n), Fen::yuan(500));
    }
    let mut traits = Traits::default();
    traits.saw(Topic::View, day(4));
    let window = Window::Lifetime;
    let facts = Facts { claimed: true, ..Facts::of_purchases(&days, window, &traits) };
    let health = |on: u32| shipped().health(&facts, day(on));
    assert_eq!(health(4), Verdict { value: 100, until: Some(day(4 + 8)) });
    assert_eq!(health(12), Verdict { value: 95, until: Some(day(4 + 31)) });
    assert_eq!(health(4 + 181), Verdict::forever(45));
}
