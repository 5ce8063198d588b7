//! Purchases as they come from a log: the CDNOW research data, or a CSV file of one's own.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use huitou::values::LocalDay;

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The customer's card number.
    pub customer: String,
    /// The order's own id, the same every time the log is read.
    pub order_id: String,
    /// The day of the purchase.
    pub day: LocalDay,
    /// What was paid.
    pub fen: i64,
}

/// A log that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The name of the till in the orders.
    pub source: &'static str,
    /// The purchases by day, those of a day in the order of the log.
    pub purchases: Vec<Purchase>,
    /// The lines that could not be read.
    pub bad_lines: Vec<BadLine>,
}

/// A line that could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLine {
    /// Counts from 1, the header included.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl Log {
    pub(super) fn new(source: &'static str, mut purchases: Vec<Purchase>, bad_lines: Vec<BadLine>) -> Self {
        purchases.sort_by_key(|p| p.day);
        Self { source, purchases, bad_lines }
    }

    /// The log as it was at the end of a day; all of it without one.
    #[must_use]
    pub fn until(mut self, last: Option<LocalDay>) -> Self {
        self.purchases.retain(|purchase| last.is_none_or(|last| purchase.day <= last));
        self
    }

    /// How many customers there are in it.
    #[must_use]
    pub fn customers(&self) -> u64 {
        self.purchases.iter().map(|purchase| purchase.customer.as_str()).collect::<HashSet<_>>().len() as u64
    }

    /// The log up to the end of a day, and what comes after it.
    #[must_use]
    pub fn split(self, last: LocalDay) -> (Self, Self) {
        let (before, after) = self.purchases.into_iter().partition(|purchase| purchase.day <= last);
        let part = |purchases, bad_lines| Self { source: self.source, purchases, bad_lines };
        (part(before, self.bad_lines), part(after, Vec::new()))
    }
}

/// Where the CDNOW log lies in the source tree that this program was built from.
#[must_use]
pub fn cdnow_path() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/CDNOW_master.txt")).to_owned()
}

/// Reads the CDNOW log: customer, day, number of CDs and dollars, which are read as yuan.
#[must_use]
pub fn read_cdnow(text: &str) -> Log {
    let mut purchases = Vec::new();
    let mut bad_lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()).skip(1) {
        if line.trim().is_empty() {
            continue;
        }
        match read_cdnow_line(number, line) {
            Ok(purchase) => purchases.push(purchase),
            Err(reason) => bad_lines.push(BadLine { line: number, reason }),
        }
    }
    Log::new("cdnow", purchases, bad_lines)
}

fn read_cdnow_line(number: usize, line: &str) -> Result<Purchase, String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [customer, day, _discs, dollars] = fields.as_slice() else {
        return Err("expected customer, day, number of CDs and dollars".to_owned());
    };
    Ok(Purchase {
        customer: (*customer).to_owned(),
        order_id: format!("line-{number}"),
        day: compact_day(day)?,
        fen: hundredths(dollars)?,
    })
}

/// A day written `19970101`.
fn compact_day(text: &str) -> Result<LocalDay, String> {
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let dashed = format!("{}-{}-{}", part(0, 4), part(4, 6), part(6, 8));
    LocalDay::parse(if text.len() == 8 { &dashed } else { text }).map_err(|_| format!("{text} is no day"))
}

/// An amount with two decimals, as a whole number of hundredths.
fn hundredths(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text} is no amount with two decimals");
    let (whole, part) = text.split_once('.').ok_or_else(wrong)?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || part.len() != 2 || !digits(part) {
        return Err(wrong());
    }
    format!("{whole}{part}").parse().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_real_log_is_read_to_the_last_fen() {
        let log = read_cdnow(&std::fs::read_to_string(cdnow_path()).unwrap());
        assert_eq!(log.bad_lines, []);
        assert_eq!(log.purchases.len(), 69_659);
        assert_eq!(log.purchases.iter().map(|p| p.fen).sum::<i64>(), 250_031_563);
        assert_eq!(log.purchases.iter().map(|p| &p.customer).collect::<BTreeSet<_>>().len(), 23_570);
        assert_eq!(log.purchases.iter().map(|p| &p.order_id).collect::<BTreeSet<_>>().len(), 69_659);
        assert_eq!(log.purchases.iter().filter(|p| p.fen == 0).count(), 80);
        let days = (log.purchases[0].day.to_string(), log.purchases[69_658].day.to_string());
        assert_eq!(days, ("1997-01-01".to_owned(), "1998-06-30".to_owned()));
    }

    #[test]
    fn purchases_of_one_day_stay_in_the_order_of_the_log() {
        let log = read_cdnow(
            "head\r\n 00002 19970112  1   12.00\r\n 00001 19970101  1   11.77\r\n 00002 19970112  5   77.00\r\n",
        );
        let ids: Vec<_> = log.purchases.iter().map(|p| (p.order_id.as_str(), p.fen)).collect();
        assert_eq!(ids, [("line-3", 1177), ("line-2", 1200), ("line-4", 7700)]);
        assert_eq!(log.purchases[0].customer, "00001");
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named_and_the_others_count() {
        let log = read_cdnow("head\n 1 19970101 1 1.00\n 2 19971301 1 1.00\n 3 19970101 1 1.5\n 4 19970101\n");
        assert_eq!(log.purchases.len(), 1);
        assert_eq!(log.bad_lines.iter().map(|b| b.line).collect::<Vec<_>>(), [3, 4, 5]);
    }
}
