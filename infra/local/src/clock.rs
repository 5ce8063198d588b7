//! A clock that can be moved: business time for one machine.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use huitou::clock::Clock;
use huitou::values::Moment;
use tokio::sync::watch;

/// Real time plus an offset that a developer sets.
///
/// [`Clock::now`] never goes back by itself, even when the machine's clock is put back; only [`DevClock::set`] can
/// take it to an earlier moment. [`Clock::wall`] is always real time.
#[derive(Debug)]
pub struct DevClock {
    state: Mutex<State>,
    moves: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    offset_ms: i64,
    latest: Moment,
}

impl Default for DevClock {
    fn default() -> Self {
        Self {
            state: Mutex::new(State { offset_ms: 0, latest: Moment::from(SystemTime::UNIX_EPOCH) }),
            moves: watch::Sender::new(0),
        }
    }
}

impl DevClock {
    /// A clock that shows real time until it is moved.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes it `moment` now; from there time goes on at its usual pace.
    pub fn set(&self, moment: Moment) {
        self.change(|state| {
            state.offset_ms = moment.millis().saturating_sub(real().millis());
            state.latest = moment;
        });
    }

    /// Moves the clock forward by `duration`.
    pub fn advance(&self, duration: Duration) {
        let step = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        self.change(|state| state.offset_ms = state.offset_ms.saturating_add(step));
    }

    /// A receiver that wakes whenever the clock was moved by hand.
    #[must_use]
    pub fn moves(&self) -> watch::Receiver<u64> {
        self.moves.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.moves.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl Clock for DevClock {
    fn now(&self) -> Moment {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = real().millis().saturating_add(state.offset_ms);
        // A moment that lies beyond the kept years is shown as the last one that was good.
        let shown = Moment::from_millis(shown).unwrap_or(state.latest);
        state.latest = state.latest.max(shown);
        state.latest
    }

    fn wall(&self) -> Moment {
        real()
    }
}

fn real() -> Moment {
    Moment::from(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    #[test]
    fn business_time_can_be_set_and_goes_on_from_there() {
        let clock = DevClock::new();
        clock.set(at("1998-06-30T12:00:00+08:00"));
        let first = clock.now();
        assert!(first.since(at("1998-06-30T12:00:00+08:00")) < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(5));
        assert!(clock.now() > first);
    }

    #[test]
    fn the_time_of_security_stays_real() {
        let clock = DevClock::new();
        clock.set(at("1998-06-30T12:00:00+08:00"));
        assert!(clock.wall() > at("2026-01-01T00:00:00+08:00"));
    }

    #[test]
    fn an_advance_moves_over_midnight_and_wakes_who_waits() {
        let clock = DevClock::new();
        let moves = clock.moves();
        clock.set(at("2026-03-01T23:59:00+08:00"));
        clock.advance(Duration::from_mins(2));
        assert_eq!(clock.now().day().to_string(), "2026-03-02");
        assert!(moves.has_changed().unwrap());
    }

    #[test]
    fn only_a_hand_takes_the_clock_back() {
        let clock = DevClock::new();
        clock.set(at("2027-01-01T00:00:00+08:00"));
        let later = clock.now();
        clock.set(at("1997-01-01T00:00:00+08:00"));
        assert!(clock.now() < later);
    }

    #[test]
    fn an_advance_beyond_the_kept_years_leaves_the_last_good_moment() {
        let clock = DevClock::new();
        let before = clock.now();
        clock.advance(Duration::from_secs(u64::MAX));
        assert!(clock.now() >= before);
    }
}
