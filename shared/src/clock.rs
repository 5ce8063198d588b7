//! The clock port: the only place where the product learns what time it is.

use std::fmt::Debug;

use crate::values::Moment;

/// Tells the time twice, because two questions are asked of a clock.
///
/// On AWS both answers are the same. The local host can move [`Clock::now`] to replay history or to
/// see a future night, while tokens and signatures go on being judged by real time.
pub trait Clock: Debug + Send + Sync {
    /// The time of business: what day it is for orders, points, tiers and segments.
    fn now(&self) -> Moment;

    /// The time of security: by it tokens expire and signatures grow stale.
    fn wall(&self) -> Moment;
}

/// The machine's own clock, for both questions.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment::from(std::time::SystemTime::now())
    }

    fn wall(&self) -> Moment {
        self.now()
    }
}
