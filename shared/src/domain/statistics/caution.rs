//! What looking often costs.

use serde::Serialize;

use super::{USUAL_ERROR, float};

/// Why the agreed error has to be shared out, and what is left of it for one test.
///
/// Whoever looks at running figures until they please will find what is not there: with five looks at the usual bound
/// one campaign in seven without any effect looks like a success (Armitage and others 1969). Bounds such as Pocock's or
/// those of O'Brien and Fleming mend this when the looks are planned beforehand. Ours are not, so the error is shared
/// out in advance over all looks that may ever come: the first one before the end may err with a half of it, the second
/// with a sixth, the kth with 1/(k(k+1)); the look after which nothing can change any more has all that is left, which
/// is the whole error for whoever waits. Each look's part is shared out evenly over what it compares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Caution {
    /// On how many days somebody has looked before the end, today included if it is not over.
    pub looks: u32,
    /// Whether it is over, so that this look is the last that counts.
    pub last: bool,
    /// How many comparisons are made at a look.
    pub comparisons: u32,
    /// The error that each of them may make, all of them together one in twenty.
    pub error: f64,
}

impl Caution {
    /// What is left for each of so many comparisons at this look. `looks` are those before the end, this one included
    /// unless it is the `last`.
    #[must_use]
    pub fn at(looks: u32, last: bool, comparisons: u32) -> Self {
        let (looks, comparisons) = (if last { looks } else { looks.max(1) }, comparisons.max(1));
        let k = float(looks.into());
        let part = if last { k + 1.0 } else { k * (k + 1.0) };
        Self { looks, last, comparisons, error: USUAL_ERROR / part / float(comparisons.into()) }
    }
}
