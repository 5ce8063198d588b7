//! Calendar days in China, the unit in which the business counts time.

use std::fmt;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Invalid, MonthDay};

/// A calendar day in China Standard Time, 1992-01-01 to 9999-12-31, written `2026-03-01`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalDay(i32);

impl LocalDay {
    /// The first day that is kept.
    pub const FIRST: Self = Self(8_035);
    /// The last day that is kept: "never" for anything that must have a date.
    pub const LAST: Self = Self(2_932_896);

    /// A day from its number, counted from 1970-01-01; `None` outside the years that are kept.
    #[must_use]
    pub const fn from_number(number: i32) -> Option<Self> {
        if number >= Self::FIRST.0 && number <= Self::LAST.0 { Some(Self(number)) } else { None }
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// This many days later, at most the last day that is kept.
    #[must_use]
    pub fn plus(self, days: u32) -> Self {
        let later = i64::from(self.0) + i64::from(days);
        i32::try_from(later).ok().and_then(Self::from_number).unwrap_or(Self::LAST)
    }

    /// This many days earlier, at least the first day that is kept.
    #[must_use]
    pub fn minus(self, days: u32) -> Self {
        let earlier = i64::from(self.0) - i64::from(days);
        i32::try_from(earlier).ok().and_then(Self::from_number).unwrap_or(Self::FIRST)
    }

    /// Days from `earlier` to this day; negative when `earlier` lies ahead.
    #[must_use]
    pub const fn days_since(self, earlier: Self) -> i32 {
        self.0 - earlier.0
    }

    /// The same day so many years later, 28 February for 29 February in a common year; at most the last day that is kept.
    #[must_use]
    pub fn years_later(self, years: u32) -> Self {
        let date = self.date().checked_add(i64::from(years.min(9_000)).years());
        date.map_or(Self::LAST, Self::from_date)
    }

    /// The last day of the month that lies `months` after this day's month.
    #[must_use]
    pub fn end_of_month_after(self, months: u32) -> Self {
        let date = self.date().first_of_month().checked_add(i64::from(months.min(120_000)).months());
        date.map_or(Self::LAST, |d| Self::from_date(d.last_of_month()))
    }

    /// 31 December of the year that lies `years` after this day's year.
    #[must_use]
    pub fn end_of_year_after(self, years: u32) -> Self {
        let date = self.date().first_of_year().checked_add(i64::from(years.min(9_000)).years());
        date.map_or(Self::LAST, |d| Self::from_date(d.last_of_year()))
    }

    /// The Monday of this day's week.
    #[must_use]
    pub fn start_of_week(self) -> Self {
        let monday_offset = self.date().weekday().to_monday_zero_offset();
        self.minus(u32::try_from(monday_offset).unwrap_or(0))
    }

    /// The first day of this day's month.
    #[must_use]
    pub fn start_of_month(self) -> Self {
        Self::from_date(self.date().first_of_month())
    }

    /// 1 January of this day's year.
    #[must_use]
    pub fn start_of_year(self) -> Self {
        Self::from_date(self.date().first_of_year())
    }

    /// The year.
    #[must_use]
    pub fn year(self) -> i16 {
        self.date().year()
    }

    /// The day of this year on which a day of the year comes round, 1 March for 29 February in a common year; none
    /// outside the years that are kept.
    #[must_use]
    pub fn of_year(year: i16, day: MonthDay) -> Option<Self> {
        let (month, day) = day.parts();
        let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?);
        let date = date.or_else(|_| Date::new(year, 3, 1)).ok()?;
        Self::from_number(Self::number_of(date))
    }

    /// Reads `2026-03-01`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const WANTED: Invalid = Invalid("a day from 1992 to 9999 written as 2026-03-01");
        if text.len() != 10 {
            return Err(WANTED);
        }
        let date: Date = text.parse().map_err(|_| WANTED)?;
        Self::from_number(Self::number_of(date)).ok_or(WANTED)
    }

    fn date(self) -> Date {
        // Every kept day number is a date that the calendar knows.
        Date::constant(1970, 1, 1).saturating_add(self.0.days())
    }

    fn from_date(date: Date) -> Self {
        Self::from_number(Self::number_of(date)).unwrap_or(Self::LAST)
    }

    fn number_of(date: Date) -> i32 {
        date.since(Date::constant(1970, 1, 1)).map_or(0, |span| span.get_days())
    }
}

impl fmt::Display for LocalDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.date(), f)
    }
}

impl fmt::Debug for LocalDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for LocalDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_i32(self.0) }
    }
}

impl<'de> Deserialize<'de> for LocalDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            super::parse_str(deserializer, Self::parse)
        } else {
            let number = i32::deserialize(deserializer)?;
            Self::from_number(number).ok_or_else(|| serde::de::Error::custom("a day outside the kept years"))
        }
    }
}

impl utoipa::PartialSchema for LocalDay {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        super::written_as(utoipa::openapi::schema::KnownFormat::Date)
    }
}
impl utoipa::ToSchema for LocalDay {}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> LocalDay {
        LocalDay::parse(text).unwrap()
    }

    #[test]
    fn the_ends_of_the_calendar_are_where_the_documents_say() {
        assert_eq!(LocalDay::FIRST.to_string(), "1992-01-01");
        assert_eq!(LocalDay::LAST.to_string(), "9999-12-31");
        assert_eq!(LocalDay::LAST.plus(1), LocalDay::LAST);
        assert_eq!(LocalDay::FIRST.minus(1), LocalDay::FIRST);
    }

    #[test]
    fn months_and_years_end_on_their_last_day() {
        assert_eq!(day("2026-01-31").end_of_month_after(1), day("2026-02-28"));
        assert_eq!(day("2027-03-15").end_of_month_after(11), day("2028-02-29"));
        assert_eq!(day("2026-03-01").end_of_month_after(0), day("2026-03-31"));
        assert_eq!(day("2026-03-01").end_of_year_after(1), day("2027-12-31"));
    }

    #[test]
    fn periods_begin_on_monday_on_the_first_and_on_new_years_day() {
        assert_eq!(day("2026-11-22").start_of_week(), day("2026-11-16"));
        assert_eq!(day("2026-11-16").start_of_week(), day("2026-11-16"));
        assert_eq!(day("2026-11-22").start_of_month(), day("2026-11-01"));
        assert_eq!(day("2026-11-22").start_of_year(), day("2026-01-01"));
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in ["2026-02-29", "1991-12-31", "2026-3-1", "20260301", "", "2026-03-01T00:00:00Z"] {
            assert!(LocalDay::parse(text).is_err(), "{text}");
        }
    }
}
