//! Circuits: a provider that fails is left alone for a while, and messages wait instead of burning.
//!
//! After some failures in a row the circuit opens and nobody calls. When its time is over one message is let through as
//! a probe: if it fares well the circuit closes, if not it stays open for twice as long.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::send::Provider;
use crate::values::Moment;

/// Failures in a row after which a circuit opens.
pub const FAILURES: u32 = 5;

/// For how long it opens first.
const FIRST: Duration = Duration::from_secs(30);

/// For how long at most.
const LONGEST: Duration = Duration::from_mins(15);

/// For how long a probe may be on its way before another one is let through.
const PROBE: Duration = Duration::from_mins(1);

/// How a provider has lately fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circuit {
    /// Failures in a row.
    pub failures: u32,
    /// How often in a row it has opened.
    pub opened: u32,
    /// Until when nobody calls; closed for none.
    pub open_until: Option<Moment>,
    /// Whether a probe is on its way.
    pub probing: bool,
}

/// Whether a message may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// It may.
    Freely,
    /// It may, as the one by which the provider is tried.
    AsProbe,
    /// Not before then.
    NotBefore(Moment),
}

impl Circuit {
    /// Whether a message may pass now.
    #[must_use]
    pub fn passes(&self, now: Moment) -> Passing {
        match self.open_until {
            None => Passing::Freely,
            Some(until) if now < until => Passing::NotBefore(until),
            Some(_) => Passing::AsProbe,
        }
    }

    /// The circuit while a probe is on its way: the others wait for it.
    #[must_use]
    pub fn probed(&self, now: Moment) -> Self {
        Self { open_until: Some(now.plus(PROBE)), probing: true, ..*self }
    }

    /// The circuit after a provider has fared like this; none when it stays as it is.
    #[must_use]
    pub fn after(&self, provider: Provider, now: Moment) -> Option<Self> {
        // Calls that were under way when it opened say nothing new.
        let settled = !self.probing && self.open_until.is_some_and(|until| now < until);
        match provider {
            Provider::Failing | Provider::ShutOut if settled => None,
            Provider::Silent => None,
            Provider::Well => (*self != Self::default()).then(Self::default),
            Provider::ShutOut => Some(self.opens(LONGEST, now)),
            Provider::Failing => {
                let failures = self.failures.saturating_add(1);
                let failed = Self { failures, ..*self };
                let open = failures >= FAILURES || self.opened > 0;
                let length = FIRST.saturating_mul(1 << self.opened.min(16)).min(LONGEST);
                Some(if open { failed.opens(length, now) } else { failed })
            }
        }
    }

    fn opens(self, length: Duration, now: Moment) -> Self {
        Self { opened: self.opened.saturating_add(1), open_until: Some(now.plus(length)), probing: false, ..self }
    }
}
