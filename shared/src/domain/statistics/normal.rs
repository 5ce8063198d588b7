//! The normal distribution.

use std::f64::consts::{PI, SQRT_2};

/// Where the upper tail is smaller than any error that is asked for.
const FAR: f64 = 38.0;
const ROUNDS: u32 = 60;

/// The probability of more than `z`.
pub(super) fn tail(z: f64) -> f64 {
    0.5 * libm::erfc(z / SQRT_2)
}

/// What is exceeded with this probability, from 0 to 1.
pub(super) fn above(probability: f64) -> f64 {
    if probability > 0.5 {
        return -above(1.0 - probability);
    }
    // Newton's method; from the middle outwards the tail is convex, so that no step goes too far.
    let mut z = 0.0_f64;
    for _ in 0..ROUNDS {
        let step = (tail(z) - probability) / density(z);
        if z >= FAR || step.abs() <= f64::EPSILON * z.max(1.0) {
            break;
        }
        z = (z + step).min(FAR);
    }
    z
}

fn density(z: f64) -> f64 {
    (-z * z / 2.0).exp() / (2.0 * PI).sqrt()
}
