//! Two shares compared: the test, the interval of their difference and that of their ratio.

use serde::Serialize;

use super::{Interval, Share, float, normal};

/// Below so many expected hits or misses the plain test promises too much: Cochran's rule.
const ENOUGH: f64 = 5.0;
/// Below so many the N − 1 form does, too: Campbell's.
const FEW: f64 = 1.0;
/// Halvings of the span in which an end of a ratio is looked for; more than a float has digits.
const HALVINGS: u32 = 200;
/// No ratio of shares of members lies outside e^±60.
const WIDEST: f64 = 60.0;

/// By what two shares were tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TestOfShares)]
pub enum Test {
    /// The pooled z test, which is Pearson's chi-squared test.
    PooledZ,
    /// The same with N − 1 in place of N, for small counts.
    NMinusOne,
    /// Fisher's exact test, two-sided, for very small ones.
    Exact,
}

/// Two shares compared.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Compared {
    /// The one share less the other, from -1 to 1.
    pub difference: f64,
    /// The difference's interval.
    pub difference_interval: Interval,
    /// The one share as a multiple of the other, less one: 0.1 is a tenth more. None when the other is zero.
    pub lift: Option<f64>,
    /// The lift's interval; from -1, and open upwards when the other share may be zero.
    pub lift_interval: Interval,
    /// The test.
    pub test: Test,
    /// How probable a difference at least as great is if there is none.
    pub p: f64,
    /// Whether `p` is below the error that was agreed.
    pub significant: bool,
}

impl Compared {
    /// The one share against the other, tested and held with this error; none while either is of nobody.
    #[must_use]
    pub fn of(one: Share, other: Share, error: f64) -> Option<Self> {
        let (rate, base) = (one.rate()?, other.rate()?);
        let (test, p) = tested(one, other);
        let ratio = ratio_interval(one, other, error);
        Some(Self {
            difference: rate - base,
            difference_interval: difference_interval(one, other, error)?,
            lift: (base > 0.0).then(|| rate / base - 1.0),
            lift_interval: Interval { low: ratio.low - 1.0, high: ratio.high.map(|high| high - 1.0) },
            test,
            p,
            significant: p < error,
        })
    }
}

/// The test that the counts allow, and its two-sided probability.
fn tested(one: Share, other: Share) -> (Test, f64) {
    let whole = float(one.of + other.of);
    let (hits, misses) = (float(one.hits + other.hits), whole - float(one.hits + other.hits));
    let least = float(one.of.min(other.of)) * hits.min(misses) / whole;
    if least < FEW {
        return (Test::Exact, exact(one, other));
    }
    let (rate, base) = (float(one.hits) / float(one.of), float(other.hits) / float(other.of));
    let error = (hits / whole * (misses / whole) * (1.0 / float(one.of) + 1.0 / float(other.of))).sqrt();
    let z = (rate - base).abs() / error;
    if least < ENOUGH {
        (Test::NMinusOne, 2.0 * normal::tail(z * ((whole - 1.0) / whole).sqrt()))
    } else {
        (Test::PooledZ, 2.0 * normal::tail(z))
    }
}

/// Fisher's exact test: how probable all splits of the hits are that are at most as probable as this one.
///
/// Where it is used fewer than one of some kind is expected, so that there are at most about √N splits.
fn exact(one: Share, other: Share) -> f64 {
    let (hits, whole) = (one.hits + other.hits, one.of + other.of);
    let chance = |of_one: u64| {
        let ways = ln_choose(one.of, of_one) + ln_choose(other.of, hits - of_one) - ln_choose(whole, hits);
        ways.exp()
    };
    // As `SciPy` and R do: what differs by rounding alone is as probable.
    let most = chance(one.hits) * (1.0 + 1e-7);
    let splits = hits.saturating_sub(other.of)..=hits.min(one.of);
    splits.map(chance).filter(|chance| *chance <= most).sum::<f64>().min(1.0)
}

/// The logarithm of how many ways there are to choose so many of so many.
fn ln_choose(of: u64, chosen: u64) -> f64 {
    let ln_factorial = |n: u64| libm::lgamma(float(n) + 1.0);
    ln_factorial(of) - ln_factorial(chosen) - ln_factorial(of - chosen)
}

/// Newcombe's hybrid of both shares' score intervals.
fn difference_interval(one: Share, other: Share, error: f64) -> Option<Interval> {
    let (rate, base) = (one.rate()?, other.rate()?);
    let ends = |share: Share| share.interval(error).map(|interval| (interval.low, interval.high.unwrap_or(1.0)));
    let ((low, high), (base_low, base_high)) = (ends(one)?, ends(other)?);
    let difference = rate - base;
    Some(Interval {
        low: difference - libm::hypot(rate - low, base_high - base),
        high: Some(difference + libm::hypot(high - rate, base - base_low)),
    })
}

/// Koopman's score interval of the ratio of two shares: all ratios that the score test does not reject.
fn ratio_interval(one: Share, other: Share, error: f64) -> Interval {
    let z = normal::above(error / 2.0);
    // The score falls as the ratio rises: it is above z left of the interval and below -z right of it.
    let end = |wanted: f64| {
        let (mut low, mut high) = (-WIDEST, WIDEST);
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if ratio_score(one, other, middle.exp()) > wanted { low = middle } else { high = middle }
        }
        f64::midpoint(low, high).exp()
    };
    Interval { low: if one.hits == 0 { 0.0 } else { end(z) }, high: if other.hits == 0 { None } else { Some(end(-z)) } }
}

/// By how many standard errors the shares are off a ratio, at the most likely shares that have it.
fn ratio_score(one: Share, other: Share, ratio: f64) -> f64 {
    let (hits, of, other_hits, other_of) = (float(one.hits), float(one.of), float(other.hits), float(other.of));
    let square = (of + other_of) * ratio;
    let linear = ratio * (of + other_hits) + hits + other_of;
    let root = (linear * linear - 4.0 * square * (hits + other_hits)).max(0.0).sqrt();
    // The smaller root, in the form that loses no digits.
    let base = (2.0 * (hits + other_hits) / (linear + root)).min(1.0);
    let rate = (base * ratio).min(1.0);
    let off = hits / of - ratio * (other_hits / other_of);
    let variance = rate * (1.0 - rate) / of + ratio * ratio * base * (1.0 - base) / other_of;
    if variance > 0.0 { off / variance.sqrt() } else { off * f64::INFINITY }
}
