//! BG/NBD: how often a member buys, and whether the member still does.
//!
//! Fader, Hardie and Lee, "'Counting Your Customers' the Easy Way: An Alternative to the Pareto/NBD Model", Marketing
//! Science 24(2), 2005, pages 275-284. While alive a member buys at random with a rate of the member's own, gamma
//! distributed with shape r and rate alpha (weeks) over all members; after every repeat purchase the member leaves
//! with a probability of the member's own, beta distributed with a and b.

use serde::{Deserialize, Serialize};

use super::history::{History, weeks};
use super::likelihood::{Bounds, likeliest};

/// The four parameters; time in weeks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parameters")]
pub struct BgNbd {
    r: f64,
    alpha: f64,
    a: f64,
    b: f64,
}

#[derive(Deserialize)]
struct Parameters {
    r: f64,
    alpha: f64,
    a: f64,
    b: f64,
}

impl TryFrom<Parameters> for BgNbd {
    type Error = &'static str;

    fn try_from(Parameters { r, alpha, a, b }: Parameters) -> Result<Self, Self::Error> {
        Self::new(r, alpha, a, b).ok_or("a parameter of the purchase model is out of bounds")
    }
}

/// How far to look ahead: 1 to 1,825 days, which are five years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Horizon(u32);

impl Horizon {
    /// The longest: what a model learned says little about what comes later.
    pub const LONGEST: Self = Self(1_825);
    /// Ninety days.
    pub const QUARTER: Self = Self(90);
    /// A year of 365 days.
    pub const YEAR: Self = Self(365);

    /// So many days; `None` for no day or more than five years.
    #[must_use]
    pub fn new(days: u32) -> Option<Self> {
        (1..=Self::LONGEST.0).contains(&days).then_some(Self(days))
    }

    /// The number of days.
    #[must_use]
    pub const fn days(self) -> u32 {
        self.0
    }
}

/// The least and the most that r, alpha, a and b may be. A fit that runs into an end has found no maximum.
///
/// Alpha is at least a day: below, a first purchase says next to nothing about the second.
const BOUNDS: Bounds<4> = Bounds([(1e-3, 1e3), (1.0 / 7.0, 1e4), (1e-3, 1e3), (1e-3, 1e4)]);

/// What is left out of an expectation, as a share of it.
const REST: f64 = 1e-10;

/// Members with the same purchases: how often, how lately, how long ago the first, and how many members.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alike {
    pub(super) repeats: u32,
    /// Weeks from the first purchase to the last.
    pub(super) recency: f64,
    /// Weeks since the first purchase.
    pub(super) age: f64,
    pub(super) members: f64,
}

impl BgNbd {
    /// The model with these parameters; `None` when one is no number or outside the bounds within which the model is
    /// computed exactly.
    #[must_use]
    pub fn new(r: f64, alpha: f64, a: f64, b: f64) -> Option<Self> {
        BOUNDS.hold(&[r, alpha, a, b]).then_some(Self { r, alpha, a, b })
    }

    /// Shape of the members' purchase rates.
    #[must_use]
    pub const fn r(&self) -> f64 {
        self.r
    }

    /// Rate parameter of the members' purchase rates, in weeks: the mean member buys r / alpha times a week.
    #[must_use]
    pub const fn alpha(&self) -> f64 {
        self.alpha
    }

    /// First parameter of the members' chances to leave, whose mean is a / (a + b) per repeat purchase.
    #[must_use]
    pub const fn a(&self) -> f64 {
        self.a
    }

    /// Second parameter of the members' chances to leave.
    #[must_use]
    pub const fn b(&self) -> f64 {
        self.b
    }

    /// The parameters under which what was seen is most likely, with the logarithm of that likelihood; `None` when no
    /// parameters within the bounds are.
    ///
    /// `members` come sorted by repeats. Costs about 600 likelihoods, each three logarithms and an exponential per row.
    pub(super) fn fit(members: &[Alike]) -> Option<(Self, f64)> {
        let total = |of: fn(&Alike) -> f64| members.iter().map(|m| m.members * of(m)).sum::<f64>();
        let number = total(|_| 1.0);
        let start = [1.0, total(|m| m.age) / total(|m| f64::from(m.repeats)), 1.0, 1.0];
        let ([r, alpha, a, b], mean) =
            likeliest(start, &BOUNDS, |&[r, alpha, a, b]| Self { r, alpha, a, b }.log_likelihood(members) / number)?;
        Some((Self { r, alpha, a, b }, mean * number))
    }

    /// The logarithm of the likelihood of what was seen, with members sorted by repeats.
    ///
    /// Equation 6 of the paper, in the form of Fader and Hardie, "Overcoming the BG/NBD Model's #NUM! Error Problem",
    /// note 027 at brucehardie.com, 2013: nothing in it overflows for members who buy often. Ratios of gamma functions
    /// whose arguments differ by a whole number are running products here, so no gamma function is left.
    fn log_likelihood(&self, members: &[Alike]) -> f64 {
        let Self { r, alpha, a, b } = *self;
        let from_start = r * alpha.ln();
        let (mut reached, mut rising) = (0, 0.0);
        let mut sum = 0.0;
        for Alike { repeats, recency, age, members } in members {
            while reached < *repeats {
                let done = f64::from(reached);
                rising += ((r + done) * (b + done) / (a + b + done)).ln();
                reached += 1;
            }
            let x = f64::from(*repeats);
            let (to_last, to_now) = ((alpha + recency).ln(), (alpha + age).ln());
            let stayed = ((r + x) * (to_last - to_now)).exp();
            let left = if *repeats > 0 { a / (b + x - 1.0) } else { 0.0 };
            sum += members * (rising + from_start - (r + x) * to_last + (stayed + left).ln());
        }
        sum
    }

    /// The probability that the member still buys: above 0, at most 1, and exactly 1 without a repeat.
    ///
    /// Fader, Hardie and Lee, "Computing P(alive) Using the BG/NBD Model", note 021 at brucehardie.com, 2008.
    #[must_use]
    pub fn p_alive(&self, history: &History) -> f64 {
        if history.repeats() == 0 {
            return 1.0;
        }
        let Self { r, alpha, a, b } = *self;
        let x = f64::from(history.repeats());
        let silence = (alpha + age(history)).ln() - (alpha + recency(history)).ln();
        let left = a / (b + x - 1.0) * ((r + x) * silence).exp();
        (1.0 / (1.0 + left)).max(f64::MIN_POSITIVE)
    }

    /// The purchase days to expect from the member within the horizon.
    ///
    /// Equation 10 of the paper, whose Gauss hypergeometric function is summed in another order: a member who never left
    /// would buy N times, N being negative binomial after what was seen, and outlives the first n purchases with the
    /// probability E((1-p)^n), so that the expectation is P(alive) times the sum over n of P(N = n) times the sum over
    /// k < n of E((1-p)^k). All terms are positive, so nothing cancels, and a = 1 and a + b = 1, where the paper's form
    /// divides zero by zero, are nothing special. Takes about 25 (1 + horizon / (alpha + age)) terms and some for each purchase.
    #[must_use]
    pub fn expected(&self, history: &History, horizon: Horizon) -> f64 {
        self.expected_within(history, f64::from(horizon.days()))
    }

    /// The purchase days to expect from the member within the next `days`, which need not be whole.
    pub(super) fn expected_within(&self, history: &History, days: f64) -> f64 {
        self.p_alive(history) * self.expected_if_alive(history, weeks(days))
    }

    fn expected_if_alive(&self, history: &History, horizon: f64) -> f64 {
        let x = f64::from(history.repeats());
        let (shape, rate, stays) = (self.r + x, self.alpha + age(history), self.b + x);
        let ahead = horizon / (rate + horizon);
        if ahead <= 0.0 {
            return 0.0;
        }
        let mut buys = Chance::of_logarithm(shape * (-ahead).ln_1p());
        let (mut outlives, mut outlived, mut sum, mut n) = (1.0, 0.0, 0.0, 0.0);
        loop {
            outlived += outlives;
            outlives *= (stays + n) / (self.a + stays + n);
            buys.times(ahead * (shape + n) / (n + 1.0));
            n += 1.0;
            let term = buys.value * outlived;
            sum += term;
            // From here on no term is more than `growth` times the one before it.
            let growth = ahead * ((shape + n) / (n + 1.0)).max(1.0) * (1.0 + outlives / outlived);
            if growth < 1.0 && term * growth <= REST * sum * (1.0 - growth) {
                return sum;
            }
        }
    }
}

fn age(history: &History) -> f64 {
    weeks(f64::from(history.age()))
}

fn recency(history: &History) -> f64 {
    weeks(f64::from(history.recency()))
}

/// A probability that may begin too small for a float and is multiplied until it isn't.
struct Chance {
    value: f64,
    logarithm: f64,
}

impl Chance {
    /// Above this logarithm a plain product is exact.
    const PLAIN: f64 = -600.0;

    fn of_logarithm(logarithm: f64) -> Self {
        Self { value: logarithm.exp(), logarithm }
    }

    fn times(&mut self, factor: f64) {
        if self.logarithm < Self::PLAIN {
            *self = Self::of_logarithm(self.logarithm + factor.ln());
        } else {
            self.value *= factor;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::values::Fen;

    /// The parameters that the authors published for the CDNOW customers.
    fn published() -> BgNbd {
        BgNbd::new(0.243, 4.414, 0.793, 2.426).unwrap()
    }

    fn seen(repeats: u32, recency: u32, age: u32) -> History {
        History::seen(repeats, recency, age, Fen::ZERO)
    }

    #[track_caller]
    fn assert_near(found: f64, wanted: f64, relative: f64) {
        assert!((found - wanted).abs() <= relative * wanted, "found {found}, wanted {wanted}");
    }

    #[test]
    fn the_papers_customer_will_buy_1_226_times_in_39_weeks() {
        // "x = 2, t_x = 30.43, T = 38.86", in weeks.
        let customer = seen(2, 213, 272);
        assert_eq!(format!("{:.3}", published().expected(&customer, Horizon::new(39 * 7).unwrap())), "1.226");
    }

    #[test]
    fn new_customers_buy_as_often_as_the_authors_spreadsheet_says() {
        // It reckons with parameters that are not rounded. For 78 weeks it says 1.8576, since it breaks its series off
        // after 150 terms; all terms give 1.8580.
        let fitted = BgNbd::new(0.242_594_51, 4.413_601_9, 0.792_922_2, 2.425_907_0).unwrap();
        for (days, wanted) in [(1, "0.0078"), (7, "0.0532"), (21, "0.1506"), (223, "1.0405"), (224, "1.0437")] {
            let found = fitted.expected(&seen(0, 0, 0), Horizon::new(days).unwrap());
            assert_eq!(format!("{found:.4}"), wanted, "in {days} days");
        }
    }

    /// Equation 10 as the paper writes it, reckoned with 30 digits; the last two customers with other parameters.
    #[test]
    fn the_sum_agrees_with_the_papers_hypergeometric_function() {
        let alike = BgNbd::new(30.0, 40.0, 1.7, 2.0).unwrap();
        let leaving = BgNbd::new(0.5, 4.0, 0.3, 0.4).unwrap();
        for (model, history, days, purchases, p_alive) in [
            (published(), seen(2, 213, 272), 273, 1.226_115_806_149_322, 0.726_589_721_835_494_8),
            (published(), seen(0, 0, 272), 273, 0.195_109_664_993_088_5, 1.0),
            (published(), seen(0, 0, 0), 365, 1.448_601_267_521_936, 1.0),
            (published(), seen(26, 216, 217), 364, 25.756_492_215_378_06, 0.968_851_562_851_895_9),
            (published(), seen(400, 2_800, 2_870), 365, 1.341_789_584_176_452, 0.027_935_395_921_770_99),
            (published(), seen(1, 0, 3), 1_825, 9.378_268_129_408_157, 0.731_646_792_307_714_8),
            (published(), seen(300, 300, 300), 1_825, 687.689_765_941_127_8, 0.997_376_074_965_505_1),
            (published(), seen(3_000, 3_650, 3_651), 365, 286.218_402_320_452_9, 0.999_403_479_956_992_2),
            (alike, seen(3, 70, 140), 365, 0.034_079_536_367_693_99, 0.005_703_557_652_998_445),
            (leaving, seen(0, 0, 140), 365, 0.744_027_566_374_364_4, 1.0),
        ] {
            assert_near(model.expected(&history, Horizon::new(days).unwrap()), purchases, 1e-9);
            assert_near(model.p_alive(&history), p_alive, 1e-12);
        }
    }

    #[test]
    fn where_the_papers_form_divides_zero_by_zero_there_is_nothing_special() {
        // The limits of the paper's form from above, reckoned with 30 digits.
        let days = Horizon::new(273).unwrap();
        let a_is_one = BgNbd::new(0.243, 4.414, 1.0, 2.426).unwrap();
        assert_near(a_is_one.expected(&seen(2, 213, 272), days), 1.102_216_332_509_1, 1e-9);
        let sum_is_one = BgNbd::new(0.243, 4.414, 0.4, 0.6).unwrap();
        assert_near(sum_is_one.expected(&seen(0, 0, 272), days), 0.184_795_852_396_49, 1e-9);
    }

    #[test]
    fn a_model_read_from_the_store_is_within_bounds() {
        let text = serde_json::to_string(&published()).unwrap();
        assert_eq!(serde_json::from_str::<BgNbd>(&text).unwrap(), published());
        for bad in [text.replace("0.243", "0.0"), text.replace("2.426", "-2.426"), text.replace("4.414", "1e300")] {
            assert!(serde_json::from_str::<BgNbd>(&bad).is_err(), "{bad}");
        }
        assert!(BgNbd::new(f64::NAN, 4.414, 0.793, 2.426).is_none());
    }

    /// Any model, the extremes included.
    fn model() -> impl Strategy<Value = BgNbd> {
        let [r, alpha, a, b] = BOUNDS.0.map(|(least, most)| (least.ln()..=most.ln()).prop_map(f64::exp));
        (r, alpha, a, b).prop_filter_map("at a bound, by rounding", |(r, alpha, a, b)| BgNbd::new(r, alpha, a, b))
    }

    /// Any history of up to ten years.
    fn history() -> impl Strategy<Value = History> {
        (0_u32..2_000, 0_u32..1_700, 0_u32..3_650).prop_map(|(repeats, between, silence)| {
            let recency = if repeats == 0 { 0 } else { repeats + between };
            seen(repeats, recency, recency + silence)
        })
    }

    proptest! {
        #[test]
        fn p_alive_is_a_probability_and_falls_with_silence(model in model(), before in history(), more in 1_u32..1_000) {
            let after = seen(before.repeats(), before.recency(), before.age() + more);
            let (then, now) = (model.p_alive(&before), model.p_alive(&after));
            prop_assert!(now > 0.0 && then <= 1.0);
            if before.repeats() == 0 {
                prop_assert!((now, then) == (1.0, 1.0));
            } else {
                prop_assert!(now < then || now <= f64::MIN_POSITIVE, "{now} after {then}");
            }
        }

        #[test]
        fn expected_purchases_are_finite_and_grow_with_the_horizon(
            model in model(),
            history in history(),
            days in 1_u32..1_825,
        ) {
            let shorter = model.expected(&history, Horizon::new(days).unwrap());
            let longer = model.expected(&history, Horizon::new(days + 1).unwrap());
            prop_assert!(shorter > 0.0 && longer.is_finite(), "{shorter} {longer}");
            prop_assert!(longer > shorter * (1.0 - 2.0 * REST), "{longer} after {shorter}");
            // Who may leave buys no more than who never does.
            let alive = longer / model.p_alive(&history);
            let weeks_ahead = weeks(f64::from(days + 1));
            let forever = (model.r + f64::from(history.repeats())) * weeks_ahead / (model.alpha + age(&history));
            prop_assert!(alive <= forever * (1.0 + 1e-6), "{alive} of {forever}");
        }
    }
}
