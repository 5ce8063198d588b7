//! The lowest point of a smooth function of a few parameters, without derivatives.
//!
//! Nelder and Mead, "A Simplex Method for Function Minimization", The Computer Journal 7(4), 1965, with the coefficients
//! and the order of steps of Lagarias, Reeds, Wright and Wright, SIAM Journal on Optimization 9(1), 1998. A simplex can
//! collapse short of the lowest point, so it is set up anew where it ended until that brings nothing more. Nothing is
//! left to chance: the same function and start give the same end to the last bit.

/// Width of a fresh simplex.
const STEP: f64 = 0.5;
/// The simplex has settled when it is this narrow and its values differ by no more than [`FLAT`].
const NARROW: f64 = 1e-7;
/// Values that differ by less are one. A sum over ten thousand terms of about 1 is not known better.
const FLAT: f64 = 1e-12;
/// Steps of one simplex; four parameters take about 200.
const STEPS: usize = 2_000;
/// Fresh simplices; two is usual.
const STARTS: usize = 8;

/// A point and the function's value there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point<const N: usize> {
    pub(super) at: [f64; N],
    pub(super) value: f64,
}

/// The lowest point near `start`; `None` when the search does not settle or nothing there has a finite value.
///
/// What is no number counts as infinitely high, so a function may fence itself in.
pub(super) fn lowest<const N: usize>(start: [f64; N], height: impl Fn(&[f64; N]) -> f64) -> Option<Point<N>> {
    let look = |at: [f64; N]| {
        let value = height(&at);
        Point { at, value: if value.is_nan() { f64::INFINITY } else { value } }
    };
    let mut best = descend(look(start), &look)?;
    for _ in 1..STARTS {
        let again = descend(best, &look)?;
        let gained = best.value - again.value;
        best = again;
        if gained <= FLAT {
            return best.value.is_finite().then_some(best);
        }
    }
    None
}

fn descend<const N: usize>(start: Point<N>, look: &impl Fn([f64; N]) -> Point<N>) -> Option<Point<N>> {
    let mut simplex = vec![start];
    simplex.extend((0..N).map(|moved| {
        let mut at = start.at;
        at.iter_mut().skip(moved).take(1).for_each(|x| *x += STEP);
        look(at)
    }));
    for _ in 0..STEPS {
        simplex.sort_by(|one, other| one.value.total_cmp(&other.value));
        let (best, worst) = (*simplex.first()?, *simplex.last()?);
        if worst.value - best.value <= FLAT && width(&simplex) <= NARROW {
            return Some(best);
        }
        step(&mut simplex, look)?;
    }
    None
}

/// One step: replaces the worst point, or draws all of them towards the best. The points come sorted.
fn step<const N: usize>(simplex: &mut Vec<Point<N>>, look: &impl Fn([f64; N]) -> Point<N>) -> Option<()> {
    let worst = simplex.pop()?;
    let (best, second_worst) = (*simplex.first()?, *simplex.last()?);
    let centre = centre(simplex);
    let reflected = look(beyond(&centre, &worst.at, -1.0));
    let next = if reflected.value < best.value {
        let expanded = look(beyond(&centre, &worst.at, -2.0));
        Some(if expanded.value < reflected.value { expanded } else { reflected })
    } else if reflected.value < second_worst.value {
        Some(reflected)
    } else if reflected.value < worst.value {
        Some(look(beyond(&centre, &worst.at, -0.5))).filter(|outside| outside.value <= reflected.value)
    } else {
        Some(look(beyond(&centre, &worst.at, 0.5))).filter(|inside| inside.value < worst.value)
    };
    if let Some(next) = next {
        simplex.push(next);
    } else {
        simplex.push(worst);
        simplex.iter_mut().skip(1).for_each(|point| *point = look(beyond(&best.at, &point.at, 0.5)));
    }
    Some(())
}

fn centre<const N: usize>(points: &[Point<N>]) -> [f64; N] {
    let mut centre = [0.0; N];
    for point in points {
        for (sum, x) in centre.iter_mut().zip(point.at) {
            *sum += x;
        }
    }
    let share = 1.0 / super::history::float(points.len() as u64);
    centre.map(|sum| sum * share)
}

/// The point `times` as far from `from` as `to` is, on the line through both.
fn beyond<const N: usize>(from: &[f64; N], to: &[f64; N], times: f64) -> [f64; N] {
    let mut point = *from;
    for (x, target) in point.iter_mut().zip(to) {
        *x += times * (target - *x);
    }
    point
}

/// The largest distance of any point from the first, in any parameter.
fn width<const N: usize>(simplex: &[Point<N>]) -> f64 {
    let Some(first) = simplex.first() else { return 0.0 };
    let far = |point: &Point<N>| point.at.iter().zip(first.at).fold(0.0, |most: f64, (x, y)| most.max((x - y).abs()));
    simplex.iter().map(far).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bottom_of_a_bent_valley_is_found() {
        // Rosenbrock's valley, which leads slowly round a bend to (1, 1).
        let found = lowest([-1.2, 1.0], |[x, y]| (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2)).unwrap();
        assert!(found.value < 1e-12, "{found:?}");
        assert!(found.at.iter().all(|x| (x - 1.0).abs() < 1e-6), "{found:?}");
    }

    #[test]
    fn four_parameters_that_pull_on_each_other_settle() {
        // Powell's singular function: flat in two directions at its lowest point, the origin.
        let powell = |[a, b, c, d]: &[f64; 4]| {
            (a + 10.0 * b).powi(2) + 5.0 * (c - d).powi(2) + (b - 2.0 * c).powi(4) + 10.0 * (a - d).powi(4)
        };
        let found = lowest([3.0, -1.0, 0.0, 1.0], powell).unwrap();
        assert!(found.at.iter().all(|x| x.abs() < 1e-3), "{found:?}");
    }

    #[test]
    fn a_slope_without_a_bottom_is_no_lowest_point() {
        assert!(lowest([0.0, 0.0], |[x, y]| x + y).is_none());
        assert!(lowest([0.0], |_| f64::NAN).is_none());
    }
}
