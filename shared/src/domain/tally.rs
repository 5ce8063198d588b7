//! What is counted about tickets: a few figures a day from which the board is made.
//!
//! Everything about a ticket is counted under the day on which it was opened, so that a day's shares are shares of the
//! same tickets: of those that came in on Monday, so many were answered, breached, resolved.

use std::collections::BTreeMap;
use std::time::Duration;

use super::sla::ClockName;
use super::survey::Scores;
use super::ticket::Kind;
use crate::values::Code;

/// One thing to be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tally {
    /// A ticket was opened, at this hour of the day.
    Opened(Kind, u8),
    /// The first reply was given, so long after the opening by the clock on the wall.
    Replied(Duration),
    /// It was closed for the first time, resolved so long after the opening by the clock on the wall.
    Resolved(Duration),
    /// A clock ran out.
    Breached(ClockName),
    /// It was reopened.
    Reopened,
    /// The member was asked how it was.
    Surveyed,
    /// The member answered.
    Answered(Scores),
    /// Something was sent back for this reason.
    Returned(Code),
    /// Answers were looked up.
    Searched {
        /// Whether there were any.
        answered: bool,
    },
    /// Answers that were looked up helped.
    SolvedAlone,
    /// They did not help, and a ticket was opened.
    HandedOver,
}

/// The upper ends of the spans by which durations are counted, in minutes, with their names.
pub const SPANS: [(u64, &str); 7] =
    [(15, "15m"), (60, "1h"), (240, "4h"), (480, "8h"), (1_440, "1d"), (4_320, "3d"), (u64::MAX, "longer")];

fn span(took: Duration) -> &'static str {
    let minutes = took.as_millis().div_ceil(60_000);
    SPANS.iter().find(|(most, _)| minutes <= u128::from(*most)).map_or("longer", |(_, name)| name)
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

impl Tally {
    /// The figures that it raises, by name, and by how much.
    #[must_use]
    pub fn figures(&self) -> Vec<(String, u64)> {
        match self {
            Self::Opened(kind, hour) => {
                let mut figures = vec![("opened".to_owned(), 1), (format!("opened.{kind}"), 1)];
                if kind.is_complaint() {
                    figures.push((format!("complaints.{hour:02}"), 1));
                }
                figures
            }
            Self::Replied(took) => timed("replied", *took),
            Self::Resolved(took) => timed("resolved", *took),
            Self::Breached(clock) => vec![(format!("breached.{clock}"), 1)],
            Self::Reopened => vec![("reopened".to_owned(), 1)],
            Self::Surveyed => vec![("surveyed".to_owned(), 1)],
            Self::Answered(scores) => {
                let nps = scores.nps.map(|nps| (format!("nps.{:02}", nps.number()), 1));
                [(format!("csat.{}", scores.csat.number()), 1)].into_iter().chain(nps).collect()
            }
            Self::Searched { answered } => {
                vec![("faq.asked".to_owned(), 1), ("faq.answered".to_owned(), u64::from(*answered))]
            }
            Self::SolvedAlone => vec![("faq.solved".to_owned(), 1)],
            Self::HandedOver => vec![("faq.unsolved".to_owned(), 1)],
            Self::Returned(reason) => vec![(format!("returned.{reason}"), 1)],
        }
    }
}

fn timed(name: &str, took: Duration) -> Vec<(String, u64)> {
    vec![(name.to_owned(), 1), (format!("{name}.ms"), millis(took)), (format!("{name}.{}", span(took)), 1)]
}

/// Figures by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures(BTreeMap<String, u64>);

impl Figures {
    /// Raises a figure.
    pub fn raise(&mut self, name: impl Into<String>, by: u64) {
        let figure = self.0.entry(name.into()).or_default();
        *figure = figure.saturating_add(by);
    }

    /// A figure; zero when it was never raised.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// All figures whose names begin like this, with the rest of the name.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
        self.0.iter().filter_map(move |(name, figure)| Some((name.strip_prefix(prefix)?, *figure)))
    }

    /// All figures.
    pub fn all(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, figure)| (name.as_str(), *figure))
    }
}

impl<'a> FromIterator<&'a Tally> for Figures {
    fn from_iter<I: IntoIterator<Item = &'a Tally>>(tallies: I) -> Self {
        let mut figures = Self::default();
        for (name, by) in tallies.into_iter().flat_map(Tally::figures) {
            figures.raise(name, by);
        }
        figures
    }
}
