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

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Moment {
        Moment::parse("2026-11-02T12:00:00+08:00").unwrap()
    }

    fn opened() -> Circuit {
        (0..FAILURES).fold(Circuit::default(), |circuit, _| circuit.after(Provider::Failing, now()).unwrap())
    }

    #[test]
    fn some_failures_in_a_row_open_it_and_a_good_answer_between_them_does_not_let_it_come_to_that() {
        let mut circuit = Circuit::default();
        for _ in 0..FAILURES - 1 {
            circuit = circuit.after(Provider::Failing, now()).unwrap();
            assert_eq!(circuit.passes(now()), Passing::Freely);
        }
        assert_eq!(circuit.after(Provider::Well, now()), Some(Circuit::default()));
        let open = circuit.after(Provider::Failing, now()).unwrap();
        assert_eq!(open.passes(now()), Passing::NotBefore(now().plus(FIRST)));
        assert_eq!(open.after(Provider::Failing, now()), None, "what was under way says nothing new");
    }

    #[test]
    fn one_probe_goes_while_the_others_wait_and_decides() {
        let later = now().plus(FIRST);
        assert_eq!(opened().passes(later), Passing::AsProbe);
        let probed = opened().probed(later);
        assert_eq!(probed.passes(later), Passing::NotBefore(later.plus(PROBE)));
        assert_eq!(probed.after(Provider::Well, later), Some(Circuit::default()));
        let again = probed.after(Provider::Failing, later).unwrap();
        assert_eq!(again.passes(later), Passing::NotBefore(later.plus(FIRST * 2)), "twice as long as before");
    }

    #[test]
    fn an_account_that_is_shut_out_opens_it_at_once_and_a_message_nobody_heard_of_says_nothing() {
        let shut = Circuit::default().after(Provider::ShutOut, now()).unwrap();
        assert_eq!(shut.passes(now()), Passing::NotBefore(now().plus(LONGEST)));
        assert_eq!(opened().after(Provider::Silent, now()), None);
    }
}
