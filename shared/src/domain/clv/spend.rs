//! Gamma-gamma: how much a member's purchase day brings.
//!
//! Fader and Hardie, "The Gamma-Gamma Model of Monetary Value", note 025 at brucehardie.com, 2013. What a member spends
//! on a day is gamma distributed with shape p and a rate of the member's own, which over all members is gamma distributed
//! with shape q and rate gamma (yuan); how much does not depend on how often.

use libm::lgamma;
use serde::{Deserialize, Serialize};

use super::history::{History, yuan};
use super::likelihood::{Bounds, likeliest};

/// The three parameters; money in yuan.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parameters")]
pub struct GammaGamma {
    p: f64,
    q: f64,
    gamma: f64,
}

#[derive(Deserialize)]
struct Parameters {
    p: f64,
    q: f64,
    gamma: f64,
}

impl TryFrom<Parameters> for GammaGamma {
    type Error = &'static str;

    fn try_from(Parameters { p, q, gamma }: Parameters) -> Result<Self, Self::Error> {
        Self::new(p, q, gamma).ok_or("a parameter of the spend model is out of bounds")
    }
}

/// The least and the most that p, q and gamma may be. A fit that runs into an end has found no maximum.
///
/// With q of 1 or less the members' mean spend is infinite: such a model can't say what a new member will spend.
const BOUNDS: Bounds<3> = Bounds([(1e-2, 1e3), (1.001, 1e3), (1e-3, 1e8)]);

/// Members with as many repeat purchase days and the same mean spend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alike {
    pub(super) repeats: u32,
    /// Yuan per repeat purchase day; above zero.
    pub(super) mean: f64,
    pub(super) members: f64,
}

impl GammaGamma {
    /// The model with these parameters; `None` when one is no number or outside the bounds.
    #[must_use]
    pub fn new(p: f64, q: f64, gamma: f64) -> Option<Self> {
        BOUNDS.hold(&[p, q, gamma]).then_some(Self { p, q, gamma })
    }

    /// Shape of a member's spend per day: the higher, the more alike a member's purchases.
    #[must_use]
    pub const fn p(&self) -> f64 {
        self.p
    }

    /// Shape of the members' rates: the higher, the more alike the members.
    #[must_use]
    pub const fn q(&self) -> f64 {
        self.q
    }

    /// Rate parameter of the members' rates, in yuan.
    #[must_use]
    pub const fn gamma(&self) -> f64 {
        self.gamma
    }

    /// The parameters under which what was seen is most likely, with the logarithm of that likelihood; `None` when no
    /// parameters within the bounds are.
    ///
    /// `members` come sorted by repeats.
    pub(super) fn fit(members: &[Alike]) -> Option<(Self, f64)> {
        let number: f64 = members.iter().map(|m| m.members).sum();
        let mean = members.iter().map(|m| m.members * m.mean).sum::<f64>() / number;
        let ([p, q, gamma], mean) = likeliest([1.0, 2.0, mean], &BOUNDS, |&[p, q, gamma]| {
            Self { p, q, gamma }.log_likelihood(members) / number
        })?;
        Some((Self { p, q, gamma }, mean * number))
    }

    /// The logarithm of the likelihood of what was seen (equation 1a of the note), with members sorted by repeats.
    fn log_likelihood(&self, members: &[Alike]) -> f64 {
        let Self { p, q, gamma } = *self;
        let (mut repeats, mut of_repeats) = (0, 0.0);
        let mut sum = 0.0;
        for alike in members {
            let x = f64::from(alike.repeats);
            if alike.repeats != repeats {
                repeats = alike.repeats;
                of_repeats = lgamma(p * x + q) - lgamma(p * x) - lgamma(q) + q * gamma.ln() + p * x * x.ln();
            }
            let of_mean = (p * x - 1.0) * alike.mean.ln() - (p * x + q) * (gamma + x * alike.mean).ln();
            sum += alike.members * (of_repeats + of_mean);
        }
        sum
    }

    /// What the member's next purchase day brings in the mean, in yuan (equation 5 of the note): between the member's own
    /// mean and that of all members, the nearer to the own one the more repeats there are.
    ///
    /// Repeats that brought nothing say nothing, as in the fit.
    #[must_use]
    pub fn expected(&self, history: &History) -> f64 {
        let Self { p, q, gamma } = *self;
        let spend = yuan(history.spend().number());
        let repeats = if spend > 0.0 { f64::from(history.repeats()) } else { 0.0 };
        p * (gamma + spend) / (p * repeats + q - 1.0)
    }
}

/// The correlation between how often members bought and their mean spend, -1 to 1; 0 when either is the same for all.
pub(super) fn correlation(members: &[Alike]) -> f64 {
    let mean_of = |of: &dyn Fn(&Alike) -> f64| {
        members.iter().map(|m| m.members * of(m)).sum::<f64>() / members.iter().map(|m| m.members).sum::<f64>()
    };
    let (repeats, spend) = (mean_of(&|m| f64::from(m.repeats)), mean_of(&|m| m.mean));
    let together = mean_of(&|m| (f64::from(m.repeats) - repeats) * (m.mean - spend));
    let apart = mean_of(&|m| (f64::from(m.repeats) - repeats).powi(2)) * mean_of(&|m| (m.mean - spend).powi(2));
    if apart > 0.0 { (together / apart.sqrt()).clamp(-1.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Fen;

    fn published() -> GammaGamma {
        GammaGamma::new(6.25, 3.74, 15.44).unwrap()
    }

    fn spends(repeats: u32, yuan: u64) -> f64 {
        published().expected(&History::seen(repeats, 0, 0, Fen::yuan(yuan)))
    }

    #[test]
    fn who_never_came_back_spends_like_everybody_and_who_often_did_like_before() {
        assert!((spends(0, 0) - 6.25 * 15.44 / 2.74).abs() < 1e-9);
        assert!((spends(1_000, 123_000) - 123.0).abs() < 0.1);
        assert!(spends(1, 100) > spends(0, 0) && spends(1, 100) < 100.0);
    }

    #[test]
    fn repeats_that_brought_nothing_say_nothing() {
        assert!((spends(3, 0) - spends(0, 0)).abs() < 1e-12);
    }

    #[test]
    fn a_model_read_from_the_store_is_within_bounds() {
        let text = serde_json::to_string(&published()).unwrap();
        assert_eq!(serde_json::from_str::<GammaGamma>(&text).unwrap(), published());
        let without_mean = text.replace("3.74", "1.0");
        assert!(serde_json::from_str::<GammaGamma>(&without_mean).is_err());
    }

    #[test]
    fn correlation_is_one_on_a_line_and_zero_without_a_spread() {
        let member = |repeats: u32, mean: f64| Alike { repeats, mean, members: 2.0 };
        assert!((correlation(&[member(1, 10.0), member(2, 20.0), member(3, 30.0)]) - 1.0).abs() < 1e-12);
        assert!((correlation(&[member(1, 30.0), member(2, 20.0)]) + 1.0).abs() < 1e-12);
        assert!(correlation(&[member(1, 30.0), member(1, 20.0)]).abs() < 1e-12);
    }
}
