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

    /// The birthday as staff may see it: the month alone, `****-05-**`.
    #[must_use]
    pub fn masked(self) -> String {
        format!("****-{:02}-**", self.0.month())
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
        String::schema()
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
}
