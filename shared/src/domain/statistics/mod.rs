//! Statistics of campaigns: whether one share of members differs from another, by how much, and whether so few members
//! can show it at all.
//!
//! What is compared is always members who did something among members who might have, each member counted once: shares
//! of orders or of messages are not independent, and none of this holds for them.
//!
//! | what | how | why |
//! |---|---|---|
//! | test of two shares | pooled z while every count that chance makes expect is at least 5, its N − 1 form down to 1, Fisher's exact test below | Cochran 1954; Campbell 2007, *Statistics in Medicine* 26:3661, who finds the N − 1 form right wherever at least 1 is expected, and the exact test below |
//! | interval of a share | Wilson's score | Wilson 1927; Brown, Cai, `DasGupta` 2001, *Statistical Science* 16:101 |
//! | interval of a difference | Newcombe's hybrid score, his method 10 | Newcombe 1998, *Statistics in Medicine* 17:873 |
//! | interval of a ratio | Koopman's score, which bears a share of zero where Katz's logarithm does not | Koopman 1984, *Biometrics* 40:513; Fagerland, Lydersen, Laake 2015, *Statistical Methods in Medical Research* 24:224 recommend it |
//! | members that a difference needs | the normal power of the pooled test | Fleiss, Levin, Paik 2003, *Statistical Methods for Rates and Proportions*, chapter 4 |
//! | several looks, several comparisons | Bonferroni over all that may come, see [`Caution`] | Dunn 1961; holds however the looks were chosen, which Pocock's and O'Brien and Fleming's bounds do not |
//!
//! The tests compare with `SciPy` and statsmodels; `fixtures.py` says how.
//!
//! Like [`super::clv`] this has floats, because probabilities have no exact value.

mod caution;
mod normal;
mod power;
mod shares;

use serde::Serialize;

pub use caution::Caution;
pub use power::{detectable, power};
pub use shares::{Compared, Test};

/// The error that a single test and interval may make: 1 in 20.
pub const USUAL_ERROR: f64 = 0.05;

/// Members who did something, among members who might have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    hits: u64,
    of: u64,
}

impl Share {
    /// So many of so many; what exceeds the whole is left out.
    #[must_use]
    pub const fn new(hits: u64, of: u64) -> Self {
        Self { hits: if hits > of { of } else { hits }, of }
    }

    /// The share, from 0 to 1; none of nobody.
    #[must_use]
    pub fn rate(self) -> Option<f64> {
        (self.of > 0).then(|| float(self.hits) / float(self.of))
    }

    /// Wilson's score interval; none of nobody.
    #[must_use]
    pub fn interval(self, error: f64) -> Option<Interval> {
        let (rate, of) = (self.rate()?, float(self.of));
        let z = normal::above(error / 2.0);
        let (middle, room) =
            (rate + z * z / (2.0 * of), z * (rate * (1.0 - rate) / of + z * z / (4.0 * of * of)).sqrt());
        let whole = 1.0 + z * z / of;
        let low = if self.hits == 0 { 0.0 } else { (middle - room) / whole };
        let high = if self.hits == self.of { 1.0 } else { (middle + room) / whole };
        Some(Interval { low, high: Some(high) })
    }
}

/// Between which values something lies, with all but the agreed error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end; none when the data set no bound.
    pub high: Option<f64>,
}

/// A number of members, to reckon with.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, a million times mankind")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
