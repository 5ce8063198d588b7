//! The rule language of segments: text that operators write, read, judged with the day until which it holds, explained.
//!
//! [`Rule::parse`] reads a text, `Display` prints it canonically, [`Rule::judge`] judges a member on a day. What rules
//! may ask for is [`super::facts::Facts`]; the language is told with examples in `LANGUAGE.md`.
//!
//! A text is read once, from left to right: `shape.rs` has the grammar and says what stands where, `parse.rs` what it
//! means. A failure comes with the place and everything that could have stood there. No text can cost a deep stack or
//! much time, by [`MOST_BYTES`] and [`MOST_DEPTH`].

mod error;
mod explain;
mod field;
mod grid;
mod judge;
mod parse;
mod print;
mod shape;
mod test;
mod vocabulary;

pub use error::{Detail, RuleError};
pub use explain::Finding;
pub use field::{Coming, Event, Kind, Measure, Number, Text, Unit, Units};
pub(in crate::domain) use grid::Grid;
pub use grid::{MOST_CELLS, Region};
pub use judge::Sets;
pub use test::{Among, Relation, Test};
pub use vocabulary::{SetWords, Vocabulary, is_taken, words};

/// The longest text of a rule, in bytes.
pub const MOST_BYTES: usize = 4_096;
/// The deepest nesting of parentheses and `not`.
pub const MOST_DEPTH: usize = 32;
/// The most comparisons in one rule.
pub const MOST_COMPARISONS: usize = 100;

/// A rule: true or false for a member on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// True for everybody.
    Everyone,
    /// A field compared with something.
    Is(Comparison),
    /// The opposite.
    Not(Box<Self>),
    /// All of two or more, none of them such a list itself.
    All(Vec<Self>),
    /// Some of two or more, none of them such a list itself.
    Any(Vec<Self>),
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// A number; every comparison with an unknown one is false.
    Number(Number, Test),
    /// A word, or one of several.
    Text(Text, Among),
}

impl Rule {
    /// All of these; everybody when there are none.
    #[must_use]
    pub fn all(parts: Vec<Self>) -> Self {
        let flat = parts.into_iter().flat_map(|part| match part {
            Self::All(inner) => inner,
            other => vec![other],
        });
        Self::one_or(flat.collect(), Self::All)
    }

    /// Some of these; nobody when there are none.
    #[must_use]
    pub fn any(parts: Vec<Self>) -> Self {
        if parts.is_empty() {
            return Self::Not(Box::new(Self::Everyone));
        }
        let flat = parts.into_iter().flat_map(|part| match part {
            Self::Any(inner) => inner,
            other => vec![other],
        });
        Self::one_or(flat.collect(), Self::Any)
    }

    fn one_or(mut parts: Vec<Self>, list: fn(Vec<Self>) -> Self) -> Self {
        match parts.len() {
            0 => Self::Everyone,
            1 => parts.swap_remove(0),
            _ => list(parts),
        }
    }

    /// Every comparison of the rule, in the order of the text.
    #[must_use]
    pub fn comparisons(&self) -> Vec<&Comparison> {
        match self {
            Self::Everyone => Vec::new(),
            Self::Is(comparison) => vec![comparison],
            Self::Not(rule) => rule.comparisons(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::comparisons).collect(),
        }
    }
}
