//! Quiet hours: when marketing may arrive, and when it waits for the morning.

use serde::{Deserialize, Serialize};

use crate::domain::calendar::TimeOfDay;
use crate::values::Moment;

/// The hours of the day in China in which marketing may arrive; it waits outside of them.
///
/// 08:00 to 21:00 unless a brand wants less: what providers of text messages allow for marketing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SendingHours)]
pub struct Hours {
    /// From this minute on.
    pub from: TimeOfDay,
    /// Before this minute.
    pub until: TimeOfDay,
}

impl Hours {
    /// When something that comes up now may go; the moment itself within the hours.
    #[must_use]
    pub fn next_open(&self, now: Moment) -> Moment {
        let today = now.day();
        let opens = self.from.on(today);
        if now < opens {
            opens
        } else if now < self.until.on(today) {
            now
        } else {
            self.from.on(today.plus(1))
        }
    }

    /// Whether the hours end after they begin.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.from < self.until
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shipped() -> Hours {
        Hours { from: TimeOfDay::parse("08:00").unwrap(), until: TimeOfDay::parse("21:00").unwrap() }
    }

    fn at(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    #[test]
    fn s4_the_last_second_of_the_evening_may_go_and_the_next_one_waits_for_the_morning() {
        for (now, goes) in [
            ("2026-11-02T20:59:59.999+08:00", "2026-11-02T20:59:59.999+08:00"),
            ("2026-11-02T21:00:00+08:00", "2026-11-03T08:00:00+08:00"),
            ("2026-11-03T00:00:00+08:00", "2026-11-03T08:00:00+08:00"),
            ("2026-11-03T07:59:59.999+08:00", "2026-11-03T08:00:00+08:00"),
            ("2026-11-03T08:00:00+08:00", "2026-11-03T08:00:00+08:00"),
            // Shanghai's evening, wherever the clock was read.
            ("2026-12-31T13:00:00Z", "2027-01-01T08:00:00+08:00"),
        ] {
            assert_eq!(shipped().next_open(at(now)), at(goes), "{now}");
        }
    }

    proptest! {
        #[test]
        fn what_may_go_goes_within_the_hours_and_never_earlier(
            seconds in 0_u64..40_000_000, from in 0_u8..23, length in 1_u8..24,
        ) {
            let hours = Hours {
                from: TimeOfDay::new(from, 0).unwrap(),
                until: TimeOfDay::new((from + length).min(24), 0).unwrap(),
            };
            let now = at("2026-01-01T00:00:00+08:00").plus(std::time::Duration::from_secs(seconds));
            let goes = hours.next_open(now);
            prop_assert!(goes >= now);
            prop_assert_eq!(hours.next_open(goes), goes, "open when it opens");
            prop_assert!(goes >= hours.from.on(goes.day()) && goes < hours.until.on(goes.day()));
        }
    }
}
