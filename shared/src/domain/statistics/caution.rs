//! What looking often costs.

use serde::Serialize;

use super::{USUAL_ERROR, float};

/// Why the agreed error has to be shared out, and what is left of it for one test.
///
/// Whoever looks at running figures until they please will find what is not there: with five looks at the usual bound
/// one campaign in seven without any effect looks like a success (Armitage and others 1969). Bounds such as
/// Pocock's or those of O'Brien and Fleming mend this when the looks are planned beforehand. Ours are not, so the
/// error is shared out in advance over all looks that may ever come: the first may err with a half of it, the second
/// with a sixth, the kth with 1/(k(k+1)), which together are the whole. Each look's part is shared out evenly over
/// what it compares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Caution {
    /// On how many days somebody has looked, this one included.
    pub looks: u32,
    /// How many comparisons are made at a look.
    pub comparisons: u32,
    /// The error that each of them may make, all of them together one in twenty.
    pub error: f64,
}

impl Caution {
    /// What is left after so many looks, for each of so many comparisons.
    #[must_use]
    pub fn at(look: u32, comparisons: u32) -> Self {
        let (looks, comparisons) = (look.max(1), comparisons.max(1));
        let k = float(looks.into());
        Self { looks, comparisons, error: USUAL_ERROR / (k * (k + 1.0)) / float(comparisons.into()) }
    }
}
