//! A point in time, and the calendar day that it falls on in China.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Invalid, LocalDay};

/// China Standard Time. China has kept one offset and no summer time since 1991, before the first day that
/// the product can be told of, so a fixed offset is exact and no time-zone database has to be carried.
const CHINA: Offset = Offset::constant(8);
const DAY_MS: i64 = 86_400_000;
const CHINA_MS: i64 = 8 * 3_600_000;

/// A point in time with millisecond precision, 1992-01-01 to 9999-12-31.
///
/// Written as RFC 3339 with China's offset, read with any offset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl Moment {
    const FIRST: i64 = 694_195_200_000; // 1992-01-01T00:00+08:00
    const LAST: i64 = 253_402_214_400_000; // 9999-12-31T00:00+08:00

    /// A moment from milliseconds since 1970; `None` outside the years that are kept.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Option<Self> {
        if millis >= Self::FIRST && millis < Self::LAST { Some(Self(millis)) } else { None }
    }

    /// Milliseconds since 1970-01-01T00:00Z.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01T00:00Z, as tokens and signatures write them.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The calendar day in China.
    #[must_use]
    pub fn day(self) -> LocalDay {
        let days = (self.0 + CHINA_MS).div_euclid(DAY_MS);
        LocalDay::from_number(i32::try_from(days).unwrap_or(i32::MAX)).unwrap_or(LocalDay::LAST)
    }

    /// The first moment of a day in China.
    #[must_use]
    pub fn start_of(day: LocalDay) -> Self {
        Self(i64::from(day.number()) * DAY_MS - CHINA_MS)
    }

    /// This much later; the last kept moment when it would lie beyond.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis).min(Self::LAST - 1))
    }

    /// This much earlier; the first kept moment when it would lie before.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis).max(Self::FIRST))
    }

    /// The last day of what ends at this moment: the day before when that is midnight.
    #[must_use]
    pub fn last_day(self) -> LocalDay {
        self.minus(Duration::from_millis(1)).day()
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0 - earlier.0).unwrap_or(0))
    }

    /// Reads RFC 3339 with any offset.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const WANTED: Invalid =
            Invalid("a time in RFC 3339 with an offset, 1992 to 9999, as 2026-03-01T12:00:00+08:00");
        let timestamp: Timestamp = text.parse().map_err(|_| WANTED)?;
        Self::from_millis(timestamp.as_millisecond()).ok_or(WANTED)
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        let millis = time.duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
        Self(millis.clamp(Self::FIRST, Self::LAST - 1))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(timestamp) = Timestamp::from_millisecond(self.0) else {
            return Err(fmt::Error);
        };
        let zoned = timestamp.to_zoned(TimeZone::fixed(CHINA));
        if self.0 % 1000 == 0 {
            write!(f, "{}", zoned.strftime("%Y-%m-%dT%H:%M:%S%:z"))
        } else {
            write!(f, "{}", zoned.strftime("%Y-%m-%dT%H:%M:%S.%3f%:z"))
        }
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            super::parse_str(deserializer, Self::parse)
        } else {
            let millis = i64::deserialize(deserializer)?;
            Self::from_millis(millis).ok_or_else(|| serde::de::Error::custom("a moment outside the kept years"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_china() {
        let before = Moment::parse("2026-02-28T15:59:59.999Z").unwrap();
        let after = Moment::parse("2026-02-28T16:00:00Z").unwrap();
        assert_eq!(before.day().to_string(), "2026-02-28");
        assert_eq!(after.day().to_string(), "2026-03-01");
        assert_eq!(Moment::start_of(after.day()), after);
    }

    #[test]
    fn what_ends_at_midnight_has_its_last_day_before() {
        let last = |end: &str| Moment::parse(end).unwrap().last_day().to_string();
        assert_eq!(last("2026-03-31T00:00:00+08:00"), "2026-03-30");
        assert_eq!(last("2026-03-31T00:00:00.001+08:00"), "2026-03-31");
        assert_eq!(last("2026-03-31T23:59:59+08:00"), "2026-03-31");
    }

    #[test]
    fn a_moment_is_written_with_chinas_offset_and_read_back_the_same() {
        let moment = Moment::parse("1997-01-01T04:00:00Z").unwrap();
        assert_eq!(moment.to_string(), "1997-01-01T12:00:00+08:00");
        assert_eq!(Moment::parse(&moment.to_string()).unwrap(), moment);
        assert_eq!(
            Moment::parse("2026-03-01T12:00:00.120+08:00").unwrap().to_string(),
            "2026-03-01T12:00:00.120+08:00"
        );
    }

    #[test]
    fn a_time_without_offset_or_outside_the_kept_years_is_refused() {
        for text in ["2026-03-01T12:00:00", "1991-01-01T00:00:00Z", "", "tomorrow", "2026-13-01T00:00:00Z"] {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
    }
}
