//! A fitted model, and what it says about a member.

use serde::{Deserialize, Serialize};

use super::history::{History, fen};
use super::{BgNbd, GammaGamma, Horizon};
use crate::domain::days::PurchaseDays;
use crate::values::{Fen, LocalDay};

/// A model as it was fitted; it is never changed, a later fit is a later version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// The brand's models count from 1.
    pub version: u32,
    /// The day on which it was fitted.
    pub fitted_on: LocalDay,
    /// Members whose purchases it learned from.
    pub members: u64,
    /// Those among them whose spend it learned from.
    pub repeat_buyers: u64,
    /// How often members buy, and whether they still do.
    pub purchases: BgNbd,
    /// Logarithm of the likelihood of the members' purchases; comparable between models of the same members only.
    pub log_likelihood: f64,
    /// What a purchase day brings.
    pub spend: GammaGamma,
    /// Logarithm of the density of the members' mean spends; comparable between models of the same members only.
    pub spend_log_likelihood: f64,
    /// Correlation between how often repeat buyers bought and their mean spend, -1 to 1; the model takes it for zero.
    pub spend_correlation: f64,
}

/// What a model says about a member on a day.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Prediction {
    /// Purchase days to expect within the next 90 days.
    pub purchases_90_days: f64,
    /// Purchase days to expect within the next 365 days.
    pub purchases_365_days: f64,
    /// Probability that the member still buys: above 0, at most 1, and exactly 1 for who has bought on one day only.
    pub p_alive: f64,
    /// What the purchases of the next 365 days are worth today, at a discount of 15 % a year.
    pub value: Fen,
    /// The version of the model.
    pub model: u32,
    /// The day on which the model was fitted.
    pub fitted_on: LocalDay,
}

/// What next year's yuan loses against today's: percent a year, as interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discount(u8);

impl Discount {
    /// 15 % a year, as in Fader, Hardie and Lee, "RFM and CLV: Using Iso-Value Curves for Customer Base Analysis", Journal
    /// of Marketing Research 42(4), 2005.
    pub const USUAL: Self = Self(15);

    /// So many percent a year; `None` for more than 100.
    #[must_use]
    pub fn percent(percent: u8) -> Option<Self> {
        (percent <= 100).then_some(Self(percent))
    }

    /// The force of interest: δ, by which a yuan loses exp(-δ) a day.
    fn per_day(self) -> f64 {
        (f64::from(self.0) / 100.0).ln_1p() / 365.0
    }
}

impl Model {
    /// What the model says about a member by the purchase days up to `on`; `None` for somebody who has not bought by then.
    ///
    /// No table calls; some microseconds.
    #[must_use]
    pub fn predict(&self, days: &PurchaseDays, on: LocalDay) -> Option<Prediction> {
        let history = History::of(days, on)?;
        Some(Prediction {
            purchases_90_days: self.purchases.expected(&history, Horizon::QUARTER),
            purchases_365_days: self.purchases.expected(&history, Horizon::YEAR),
            p_alive: self.purchases.p_alive(&history),
            value: self.value(&history, Horizon::YEAR, Discount::USUAL),
            model: self.version,
            fitted_on: self.fitted_on,
        })
    }

    /// What the purchases within the horizon are worth today, to the nearest fen.
    ///
    /// The expected spend per purchase day, times the expected purchase days, each discounted from its own moment: the
    /// discounted expected transactions of Fader, Hardie and Lee (2005), "RFM and CLV", with the BG/NBD in place of the
    /// Pareto/NBD. What was bought before is not part of it, nor are costs: multiply by the margin.
    #[must_use]
    pub fn value(&self, history: &History, horizon: Horizon, discount: Discount) -> Fen {
        fen(self.discounted_purchases(history, horizon, discount) * self.spend.expected(history))
    }

    /// The integral of exp(-δ t) dE(t) from now to the horizon, E(t) being the purchase days to expect by t.
    ///
    /// By parts it is exp(-δ h) E(h) + δ times the integral of exp(-δ t) E(t) dt, in which Simpson's rule over four
    /// quarters is off by less than a five-thousandth in a year and a two-hundredth in five.
    fn discounted_purchases(&self, history: &History, horizon: Horizon, discount: Discount) -> f64 {
        let days = f64::from(horizon.days());
        let by = |share: f64| {
            self.purchases.expected_within(history, share * days) * (-discount.per_day() * share * days).exp()
        };
        let end = by(1.0);
        end + discount.per_day() * days * (4.0 * by(0.25) + 2.0 * by(0.5) + 4.0 * by(0.75) + end) / 12.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> LocalDay {
        LocalDay::parse(text).unwrap()
    }

    /// The published models of the CDNOW customers.
    fn published() -> Model {
        Model {
            version: 3,
            fitted_on: day("1997-09-30"),
            members: 2_357,
            repeat_buyers: 946,
            purchases: BgNbd::new(0.243, 4.414, 0.793, 2.426).unwrap(),
            log_likelihood: -9_582.4,
            spend: GammaGamma::new(6.25, 3.74, 15.44).unwrap(),
            spend_log_likelihood: -4_055.9,
            spend_correlation: 0.11,
        }
    }

    fn regular() -> History {
        History::seen(2, 213, 272, Fen::yuan(100))
    }

    #[test]
    fn a_prediction_names_its_model_and_a_stranger_has_none() {
        let mut days = PurchaseDays::default();
        assert_eq!(published().predict(&days, day("1997-09-30")), None);
        days.buy(day("1997-01-01"), Fen::yuan(30));
        let prediction = published().predict(&days, day("1997-09-30")).unwrap();
        assert_eq!((prediction.model, prediction.fitted_on), (3, day("1997-09-30")));
        assert!(prediction.purchases_90_days < prediction.purchases_365_days);
        assert!((prediction.p_alive - 1.0).abs() < 1e-12);
    }

    #[test]
    fn without_a_discount_value_is_purchases_times_spend() {
        let model = published();
        let value = model.value(&regular(), Horizon::YEAR, Discount::percent(0).unwrap());
        let purchases = model.purchases.expected(&regular(), Horizon::YEAR);
        assert_eq!(value, fen(purchases * model.spend.expected(&regular())));
    }

    #[test]
    fn purchases_are_discounted_as_if_day_by_day() {
        // A new customer's purchases lean most to the front.
        let (model, newcomer) = (published(), History::seen(0, 0, 0, Fen::ZERO));
        for (horizon, off) in [(Horizon::YEAR, 1.0 / 5_000.0), (Horizon::LONGEST, 1.0 / 200.0)] {
            let within = |days: u32| model.purchases.expected_within(&newcomer, f64::from(days));
            let discounted = |day: u32| (-Discount::USUAL.per_day() * (f64::from(day) - 0.5)).exp();
            let by_day: f64 = (1..=horizon.days()).map(|d| (within(d) - within(d - 1)) * discounted(d)).sum();
            let found = model.discounted_purchases(&newcomer, horizon, Discount::USUAL);
            assert!((found - by_day).abs() <= by_day * off, "{found} for {by_day} in {horizon:?}");
        }
    }

    #[test]
    fn a_kept_model_says_the_same() {
        let kept: Model = postcard::from_bytes(&postcard::to_stdvec(&published()).unwrap()).unwrap();
        assert_eq!(kept, published());
        assert_eq!(Discount::percent(101), None);
        assert_eq!((Horizon::new(0), Horizon::new(1_826)), (None, None));
    }
}
