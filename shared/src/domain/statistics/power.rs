//! Whether so many members can show a difference.

use super::{USUAL_ERROR, float, normal};

/// How probably a difference that is there should show.
const WANTED: f64 = 0.8;
const HALVINGS: u32 = 60;

/// How probably the test of two shares shows that one group's is greater than `base` by this much, with so many members
/// in the groups.
#[must_use]
pub fn power(base: f64, difference: f64, of: (u64, u64)) -> f64 {
    let (one, other) = (float(of.0), float(of.1));
    let rate = base + difference;
    let middle = (rate * one + base * other) / (one + other);
    let if_none = (middle * (1.0 - middle) * (1.0 / one + 1.0 / other)).sqrt();
    let if_so = (rate * (1.0 - rate) / one + base * (1.0 - base) / other).sqrt();
    let bound = normal::above(USUAL_ERROR / 2.0) * if_none;
    normal::tail((bound - difference) / if_so) + normal::tail((bound + difference) / if_so)
}

/// The smallest increase of a share over `base` that groups of so many members show in four cases of five; none when
/// not even the greatest would show.
#[must_use]
pub fn detectable(base: f64, of: (u64, u64)) -> Option<f64> {
    if of.0 == 0 || of.1 == 0 || !(0.0..1.0).contains(&base) {
        return None;
    }
    let (mut low, mut high) = (0.0, 1.0 - base);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if power(base, middle, of) < WANTED { low = middle } else { high = middle }
    }
    (power(base, low, of) > WANTED - 0.01).then_some(high)
}
