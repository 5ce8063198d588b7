//! The parameters under which what was seen is most likely.

use super::simplex;

/// The least and the most that each parameter may be; all above zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds<const N: usize>(pub(super) [(f64, f64); N]);

/// A maximum this near a bound, as a share of the parameter, is taken for the bound's doing.
const EDGE: f64 = 0.01;

impl<const N: usize> Bounds<N> {
    /// Whether every parameter is a number within its bounds.
    pub(super) fn hold(&self, parameters: &[f64; N]) -> bool {
        self.hold_with(parameters, 0.0)
    }

    fn hold_with(&self, parameters: &[f64; N], margin: f64) -> bool {
        let within =
            |(x, (least, most)): (&f64, (f64, f64))| *x >= least * (1.0 + margin) && *x <= most / (1.0 + margin);
        parameters.iter().zip(self.0).all(within)
    }
}

/// The parameters with the highest `log_likelihood`, and how high it is; `None` when there is no maximum within the
/// bounds.
///
/// The search is over the parameters' logarithms, so that none becomes negative and all have about the same scale.
/// `log_likelihood` is best given per member: what counts as level does not depend on it then.
pub(super) fn likeliest<const N: usize>(
    start: [f64; N],
    bounds: &Bounds<N>,
    log_likelihood: impl Fn(&[f64; N]) -> f64,
) -> Option<([f64; N], f64)> {
    let lowest = simplex::lowest(start.map(f64::ln), |logarithms| {
        let parameters = logarithms.map(f64::exp);
        if bounds.hold(&parameters) { -log_likelihood(&parameters) } else { f64::INFINITY }
    })?;
    let parameters = lowest.at.map(f64::exp);
    bounds.hold_with(&parameters, EDGE).then_some((parameters, -lowest.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten heads in forty throws, as odds.
    fn coin(odds: f64) -> f64 {
        10.0 * (odds / (1.0 + odds)).ln() + 30.0 * (1.0 / (1.0 + odds)).ln()
    }

    #[test]
    fn the_likeliest_odds_of_a_coin_are_those_that_were_seen() {
        let ([odds], at) = likeliest([1.0], &Bounds([(1e-3, 1e3)]), |[odds]| coin(*odds)).unwrap();
        assert!((odds - 1.0 / 3.0).abs() < 1e-5, "{odds}");
        assert!((at - coin(1.0 / 3.0)).abs() < 1e-9);
    }

    #[test]
    fn a_maximum_on_the_bound_is_none() {
        assert_eq!(likeliest([1.0], &Bounds([(0.5, 1e3)]), |[odds]| coin(*odds)), None);
    }
}
