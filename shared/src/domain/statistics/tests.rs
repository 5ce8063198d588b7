//! Against `SciPy` and statsmodels (`fixtures.py`), against the published tables, and what must hold for any shares.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Fixtures {
    normal: Vec<Normal>,
    pairs: Vec<Pair>,
    power: Vec<Power>,
}

#[derive(Deserialize)]
struct Normal {
    above: f64,
    p: f64,
}

#[derive(Deserialize)]
struct Pair {
    hits: [u64; 2],
    of: [u64; 2],
    least_expected: f64,
    pooled: Tested,
    n_minus_one: Tested,
    fisher: f64,
    wilson: [[f64; 2]; 2],
    newcombe_95: [f64; 2],
    newcombe_99: [f64; 2],
    koopman_95: Option<[f64; 2]>,
    koopman_99: Option<[f64; 2]>,
}

#[derive(Deserialize)]
struct Tested {
    p: f64,
}

#[derive(Deserialize)]
struct Power {
    base: f64,
    difference: f64,
    of: [u64; 2],
    #[serde(rename = "power")]
    shown: f64,
}

impl Pair {
    fn shares(&self) -> (Share, Share) {
        (Share::new(self.hits[0], self.of[0]), Share::new(self.hits[1], self.of[1]))
    }
}

fn fixtures() -> Fixtures {
    serde_json::from_str(include_str!("fixtures.json")).unwrap()
}

#[track_caller]
fn assert_near(found: f64, wanted: f64, within: f64) {
    assert!((found - wanted).abs() <= within * wanted.abs().max(1e-12), "{found} is not {wanted}");
}

#[track_caller]
fn assert_ends(found: Interval, wanted: [f64; 2]) {
    let high = found.high.unwrap();
    assert!((found.low - wanted[0]).abs() < 1e-9 && (high - wanted[1]).abs() < 1e-9, "{found:?} is not {wanted:?}");
}

/// An interval of ratios, which statsmodels looks for less closely, from one of lifts.
#[track_caller]
fn assert_ratios(found: Interval, wanted: [f64; 2]) {
    assert_near(found.low + 1.0, wanted[0], 1e-6);
    assert_near(found.high.unwrap() + 1.0, wanted[1], 1e-6);
}

#[test]
fn the_normal_distribution_is_that_of_scipy() {
    for known in fixtures().normal {
        assert_near(normal::tail(known.above), known.p, 1e-9);
        assert!((normal::above(known.p) - known.above).abs() < 1e-9, "{}", known.above);
    }
    assert!((normal::above(0.975) + normal::above(0.025)).abs() < 1e-12);
    assert!(normal::above(0.0).is_finite());
}

#[test]
fn every_test_is_that_of_scipy_and_each_is_used_where_it_holds() {
    let mut used = [0, 0, 0];
    for pair in fixtures().pairs {
        let (one, other) = pair.shares();
        let compared = Compared::of(one, other, USUAL_ERROR).unwrap();
        let (place, test, p) = match pair.least_expected {
            least if least < 1.0 => (0, Test::Exact, pair.fisher),
            least if least < 5.0 => (1, Test::NMinusOne, pair.n_minus_one.p),
            _ => (2, Test::PooledZ, pair.pooled.p),
        };
        used[place] += 1;
        assert_eq!((compared.test, compared.significant), (test, p < USUAL_ERROR), "{:?}", pair.hits);
        assert_near(compared.p, p, 1e-6);
    }
    assert!(used.iter().all(|times| *times >= 4), "{used:?}");
}

#[test]
fn every_interval_is_that_of_statsmodels() {
    for pair in fixtures().pairs {
        let (one, other) = pair.shares();
        assert_ends(one.interval(0.05).unwrap(), pair.wilson[0]);
        assert_ends(other.interval(0.05).unwrap(), pair.wilson[1]);
        let errors = [(0.05, pair.newcombe_95, pair.koopman_95), (0.01, pair.newcombe_99, pair.koopman_99)];
        for (error, newcombe, koopman) in errors {
            let compared = Compared::of(one, other, error).unwrap();
            assert_ends(compared.difference_interval, newcombe);
            if let Some(koopman) = koopman {
                assert_ratios(compared.lift_interval, koopman);
            }
        }
    }
}

/// Newcombe 1998, table II, method 10, to the four digits printed there.
#[test]
fn the_published_table_of_newcombe_is_met() {
    for (hits, of, low, high) in [
        ([56, 48], [70, 80], 0.0524, 0.3339),
        ([9, 3], [10, 10], 0.1705, 0.8090),
        ([6, 2], [7, 7], 0.0582, 0.8062),
        ([5, 0], [56, 29], -0.0381, 0.1926),
        ([0, 0], [10, 20], -0.1611, 0.2775),
        ([0, 0], [10, 10], -0.2775, 0.2775),
        ([10, 0], [10, 20], 0.6791, 1.0),
        ([10, 0], [10, 10], 0.6075, 1.0),
    ] {
        let compared = Compared::of(Share::new(hits[0], of[0]), Share::new(hits[1], of[1]), 0.05).unwrap();
        let found = compared.difference_interval;
        assert!((found.low - low).abs() < 5.1e-5 && (found.high.unwrap() - high).abs() < 5.1e-5, "{found:?}");
    }
}

/// Koopman 1984, his example: 36 of 40 against 16 of 80.
#[test]
fn the_published_example_of_koopman_is_met() {
    let compared = Compared::of(Share::new(36, 40), Share::new(16, 80), 0.05).unwrap();
    let found = compared.lift_interval;
    assert!((found.low + 1.0 - 2.939).abs() < 1e-3 && (found.high.unwrap() + 1.0 - 7.152).abs() < 1e-3, "{found:?}");
}

#[test]
fn power_is_that_of_statsmodels_and_a_detectable_difference_has_four_in_five() {
    for known in fixtures().power {
        let of = (known.of[0], known.of[1]);
        assert_near(power(known.base, known.difference, of), known.shown, 1e-6);
        let detectable = detectable(known.base, of).unwrap();
        assert_near(power(known.base, detectable, of), 0.8, 1e-9);
    }
    assert_eq!(detectable(0.1, (0, 100)), None);
    assert_eq!(detectable(0.9, (3, 3)), None);
}

#[test]
fn nobody_can_be_compared_with_nobody() {
    assert_eq!(Compared::of(Share::new(0, 0), Share::new(1, 2), 0.05), None);
    assert_eq!(Share::new(0, 0).rate(), None);
}

#[test]
fn however_often_one_looks_all_looks_together_err_one_time_in_twenty() {
    for (comparisons, looks) in [(1, 0), (1, 1), (2, 5), (6, 300)] {
        let all = |look: Caution| look.error * f64::from(comparisons);
        let before: f64 = (1..=looks).map(|look| all(Caution::at(look, false, comparisons))).sum();
        assert_near(before + all(Caution::at(looks, true, comparisons)), USUAL_ERROR, 1e-9);
    }
    assert_near(Caution::at(0, true, 1).error, 0.05, 1e-12);
    assert_near(Caution::at(1, false, 1).error, 0.025, 1e-12);
    assert_eq!(Caution::at(0, false, 0), Caution::at(1, false, 1));
}

fn a_share() -> impl Strategy<Value = Share> {
    (1_u64..3_000).prop_flat_map(|of| (0..=of, Just(of))).prop_map(|(hits, of)| Share::new(hits, of))
}

proptest! {
    #[test]
    fn turning_the_question_round_turns_the_answer_round(one in a_share(), other in a_share(), error in 0.0005_f64..0.3) {
        let (there, back) = (Compared::of(one, other, error).unwrap(), Compared::of(other, one, error).unwrap());
        prop_assert!((there.p - back.p).abs() <= 1e-9);
        prop_assert_eq!(there.test, back.test);
        prop_assert!((there.difference + back.difference).abs() < 1e-12);
        let (there_ends, back_ends) = (there.difference_interval, back.difference_interval);
        prop_assert!((there_ends.low + back_ends.high.unwrap()).abs() < 1e-9);
        // The ratio's lower end is the reciprocal of the other ratio's upper end.
        let (low, high) = (there.lift_interval.low + 1.0, back.lift_interval.high.map(|high| high + 1.0));
        match high {
            Some(high) => prop_assert!((low * high - 1.0).abs() < 1e-6, "{low} {high}"),
            None => prop_assert!(low == 0.0),
        }
    }

    #[test]
    fn an_interval_holds_what_was_seen_and_lies_where_shares_can_lie(one in a_share(), other in a_share(), error in 0.0005_f64..0.3) {
        let compared = Compared::of(one, other, error).unwrap();
        let ends = compared.difference_interval;
        prop_assert!(-1.0 - 1e-9 <= ends.low && ends.high.unwrap() <= 1.0 + 1e-9);
        prop_assert!(ends.low <= compared.difference + 1e-12 && compared.difference <= ends.high.unwrap() + 1e-12);
        let ratios = compared.lift_interval;
        prop_assert!(ratios.low >= -1.0);
        if let Some(lift) = compared.lift {
            prop_assert!(ratios.low <= lift + 1e-9 * (1.0 + lift));
            prop_assert!(ratios.high.is_none_or(|high| lift <= high + 1e-9 * (1.0 + lift)));
        }
        prop_assert!((0.0..=1.0 + 1e-9).contains(&compared.p));
        prop_assert_eq!(compared.significant, compared.p < error);
    }

    #[test]
    fn more_members_show_smaller_differences(base in 0.01_f64..0.5, of in 50_u64..5_000) {
        let (few, many) = (detectable(base, (of, of)), detectable(base, (4 * of, 4 * of)));
        if let (Some(few), Some(many)) = (few, many) {
            prop_assert!(many < few);
        }
    }
}
