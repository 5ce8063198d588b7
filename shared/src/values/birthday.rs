//! Birthdays, which lie further back than any day of business.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Invalid, LocalDay};

/// A birthday, 1900-01-01 or later, written `1988-05-20`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Birthday(Date);

impl Birthday {
    /// Reads `1988-05-20`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const WANTED: Invalid = Invalid("a birthday from 1900 on written as 1988-05-20");
        if text.len() != 10 {
            return Err(WANTED);
        }
        let date: Date = text.parse().map_err(|_| WANTED)?;
        if date.year() >= 1900 { Ok(Self(date)) } else { Err(WANTED) }
    }

    /// Whether it lies after this day.
    #[must_use]
    pub fn is_after(self, day: LocalDay) -> bool {
        // Years before the first day of business are before every day.
        LocalDay::parse(&self.to_string()).is_ok_and(|birthday| birthday > day)
    }

    /// The birthday on which somebody becomes so many years old; none when it lies before or after the days that are
    /// kept.
    ///
    /// Whoever was born on 29 February has no birthday in a common year: the year of life is full when 28 February is
    /// over (民法典 202: 没有对应日的，月末日为期间的最后一日), so the birthday is 1 March.
    #[must_use]
    pub fn turns(self, years: i16) -> Option<LocalDay> {
        let year = self.0.year().checked_add(years)?;
        LocalDay::of_year(year, self.month_day())
    }

    /// The day of the year, without the year.
    #[must_use]
    pub fn month_day(self) -> MonthDay {
        MonthDay { month: self.0.month().unsigned_abs(), day: self.0.day().unsigned_abs() }
    }

    /// The birthday as staff may see it: the month alone, `****-05-**`.
    #[must_use]
    pub fn masked(self) -> String {
        format!("****-{:02}-**", self.0.month())
    }
}

/// A day of the year, without the year: a birthday as it comes round.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u8, u8)", into = "(u8, u8)")]
pub struct MonthDay {
    month: u8,
    day: u8,
}

impl MonthDay {
    /// A day of a month; 29 February is one.
    pub fn new(month: u8, day: u8) -> Result<Self, Invalid> {
        const WANTED: Invalid = Invalid("a day of a month");
        let leap_year = 2024;
        match (i8::try_from(month), i8::try_from(day)) {
            (Ok(m), Ok(d)) => Date::new(leap_year, m, d).map(|_| Self { month, day }).map_err(|_| WANTED),
            _ => Err(WANTED),
        }
    }

    /// The month, 1 to 12, and the day.
    #[must_use]
    pub const fn parts(self) -> (u8, u8) {
        (self.month, self.day)
    }

    /// Days from `day` until it comes round: 0 on the day itself, at most 365.
    #[must_use]
    pub fn days_until(self, day: LocalDay) -> u32 {
        let next = [day.year(), day.year().saturating_add(1)].map(|year| LocalDay::of_year(year, self));
        let next = next.into_iter().flatten().find(|next| *next >= day);
        // On the last days of the calendar it does not come round any more.
        next.and_then(|next| u32::try_from(next.days_since(day)).ok()).unwrap_or(365)
    }
}

impl TryFrom<(u8, u8)> for MonthDay {
    type Error = Invalid;

    fn try_from((month, day): (u8, u8)) -> Result<Self, Invalid> {
        Self::new(month, day)
    }
}

impl From<MonthDay> for (u8, u8) {
    fn from(day: MonthDay) -> Self {
        day.parts()
    }
}

/// It never shows whole in a debug text.
impl fmt::Debug for MonthDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}-**", self.month)
    }
}

impl fmt::Display for Birthday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A birthday never shows whole in a debug text.
impl fmt::Debug for Birthday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Serialize for Birthday {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Birthday {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::parse_str(deserializer, Self::parse)
    }
}

impl utoipa::PartialSchema for Birthday {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        super::written_as(utoipa::openapi::schema::KnownFormat::Date)
    }
}
impl utoipa::ToSchema for Birthday {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birthday_may_lie_before_the_first_day_of_business_and_shows_staff_its_month() {
        let birthday = Birthday::parse("1958-05-20").unwrap();
        assert_eq!(birthday.to_string(), "1958-05-20");
        assert_eq!(birthday.masked(), "****-05-**");
        assert_eq!(format!("{birthday:?}"), "****-05-**");
        assert!(!birthday.is_after(LocalDay::FIRST));
        for bad in ["1899-12-31", "1988-02-30", "19880520", "1988-5-20", ""] {
            assert!(Birthday::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn today_is_no_future() {
        let today = LocalDay::parse("2026-03-01").unwrap();
        assert!(!Birthday::parse("2026-03-01").unwrap().is_after(today));
        assert!(Birthday::parse("2026-03-02").unwrap().is_after(today));
    }

    fn day(text: &str) -> LocalDay {
        LocalDay::parse(text).unwrap()
    }

    #[test]
    fn somebody_born_on_29_february_is_a_year_older_on_1_march_of_a_common_year() {
        let leap = Birthday::parse("2012-02-29").unwrap();
        assert_eq!(leap.turns(4), Some(day("2016-02-29")));
        assert_eq!(leap.turns(14), Some(day("2026-03-01")));
        assert_eq!(Birthday::parse("2012-03-01").unwrap().turns(14), Some(day("2026-03-01")));
        assert_eq!(Birthday::parse("1958-05-20").unwrap().turns(14), None, "before every day of business");
    }

    #[test]
    fn a_birthday_comes_round_once_a_year() {
        let round = |birthday: &str, on: &str| Birthday::parse(birthday).unwrap().month_day().days_until(day(on));
        assert_eq!([round("1988-05-20", "2026-05-20"), round("1988-05-20", "2026-05-13")], [0, 7]);
        assert_eq!([round("1988-05-20", "2026-05-21"), round("1988-12-31", "2026-12-30")], [364, 1]);
        assert_eq!([round("1988-02-29", "2026-03-01"), round("1988-02-29", "2028-02-28")], [0, 1]);
        assert_eq!(round("1988-05-20", "9999-05-21"), 365);
        assert!(MonthDay::new(2, 29).is_ok() && MonthDay::new(2, 30).is_err() && MonthDay::new(13, 1).is_err());
    }
}
