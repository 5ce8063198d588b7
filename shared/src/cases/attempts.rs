//! Attempts at what invites abuse: counted, and turned away when there were too many.
//!
//! The limits are data, in [`crate::domain::attempts`]. What counts is the table's one counter per limit, subject and
//! window; a process besides remembers which counters are full, so that whoever goes on costs no call.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::app::App;
use crate::cases::Error;
use crate::domain::attempts::{Limit, Window, seconds_until};
use crate::domain::refusal::Refusal;
use crate::table::CounterKey;
use crate::values::Moment;

/// Counters that are full, until their windows end: at most 10,000 of them, about a megabyte.
#[derive(Debug, Default)]
pub(crate) struct Full(Mutex<HashMap<CounterKey, Moment>>);

impl Full {
    const MOST: usize = 10_000;

    fn has(&self, counter: &CounterKey) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(counter)
    }

    /// With no room left the counter is not remembered: the table still knows it.
    fn add(&self, counter: CounterKey, ends: Moment, now: Moment) {
        let mut full = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if full.len() >= Self::MOST {
            full.retain(|_, ends| *ends > now);
        }
        if full.len() < Self::MOST {
            full.insert(counter, ends);
        }
    }
}

/// Attempts at what invites abuse.
#[derive(Clone, Copy, Debug)]
pub struct Attempts<'a>(pub(crate) &'a App);

impl App {
    /// Attempts at what invites abuse.
    #[must_use]
    pub const fn attempts(&self) -> Attempts<'_> {
        Attempts(self)
    }
}

impl Attempts<'_> {
    /// Counts what is about to be done by a subject that was proved; refused when there was too much of it.
    ///
    /// One call; none once this process knows that the counter is full. When the counter can't be reached nothing is
    /// done: what stands behind costs money or shows people.
    pub async fn before(&self, limit: &Limit, subject: &str) -> Result<(), Error> {
        let now = self.0.now();
        let window = limit.window(now);
        if self.count(limit, &window, subject, now).await? { Ok(()) } else { Err(too_many(&window, now).into()) }
    }

    /// Counts a refusal; in how many seconds to try again when there were too many.
    ///
    /// One call; none once this process knows that the counter is full. When the counter can't be reached the refusal
    /// is let stand: it was a no anyway.
    pub async fn after_refusal(&self, limit: &Limit, subject: &str) -> Result<(), Refusal> {
        let now = self.0.now();
        let window = limit.window(now);
        match self.count(limit, &window, subject, now).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(too_many(&window, now)),
            Err(error) => {
                tracing::warn!(?error, limit = limit.name, "a refusal could not be counted");
                Ok(())
            }
        }
    }

    async fn count(self, limit: &Limit, window: &Window, subject: &str, now: Moment) -> Result<bool, Error> {
        let about = format!("{}|{}|{subject}", window.day, window.number);
        let counter = self.0.lookup_key().hash(limit.name, &about);
        if self.0.full_counters().has(&counter) {
            return Ok(false);
        }
        let counted = self.0.table().count_attempt(counter, limit.most, window.ends).await?;
        if !counted {
            self.0.full_counters().add(counter, window.ends, now);
        }
        Ok(counted)
    }
}

fn too_many(window: &Window, now: Moment) -> Refusal {
    Refusal::TooManyAttempts { wait: seconds_until(window.ends, now) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn full_counters_are_forgotten_when_their_windows_end_and_never_pile_up() {
        let now = Moment::parse("2026-03-02T10:00:00+08:00").unwrap();
        let (soon, late) = (now.plus(Duration::from_secs(1)), now.plus(Duration::from_secs(9)));
        let full = Full::default();
        let key = |n: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_be_bytes());
            key
        };
        for n in 0..Full::MOST {
            full.add(key(n), if n == 0 { late } else { soon }, now);
        }
        full.add(key(Full::MOST), late, now);
        assert!(full.has(&key(1)) && !full.has(&key(Full::MOST)), "there is no room while all of them count");
        full.add(key(Full::MOST), late, soon);
        assert!(!full.has(&key(1)) && full.has(&key(Full::MOST)) && full.has(&key(0)));
    }
}
