//! What a field is compared with.

use crate::values::Name;

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `=`
    Is,
    /// `!=`
    IsNot,
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

impl Relation {
    /// The sign, as rules print it.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Is => "=",
            Self::IsNot => "!=",
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        }
    }

    /// The relation that a sign stands for, also a Chinese or mathematical one.
    #[must_use]
    pub fn of_sign(sign: &str) -> Option<Self> {
        Some(match sign {
            "=" | "＝" => Self::Is,
            "!=" | "≠" => Self::IsNot,
            "<" | "＜" => Self::Below,
            "<=" | "≤" => Self::AtMost,
            ">" | "＞" => Self::Above,
            ">=" | "≥" => Self::AtLeast,
            _ => return None,
        })
    }
}

/// A test of a number, in the field's own unit: days, pieces, fen or score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Against one number.
    Is(Relation, u64),
    /// Against two or more.
    In {
        /// None of them, instead of one of them.
        not: bool,
        /// The numbers.
        numbers: Vec<u64>,
    },
    /// Against a range.
    Between {
        /// Outside it, instead of inside.
        not: bool,
        /// The first number inside.
        from: u64,
        /// The last number inside.
        to: u64,
    },
}

impl Test {
    /// One of these numbers, or none of them.
    #[must_use]
    pub fn among(not: bool, numbers: Vec<u64>) -> Self {
        match numbers.as_slice() {
            [one] => Self::Is(if not { Relation::IsNot } else { Relation::Is }, *one),
            _ => Self::In { not, numbers },
        }
    }

    /// Whether the number passes.
    #[must_use]
    pub fn holds(&self, number: u64) -> bool {
        match self {
            Self::Is(Relation::Is, wanted) => number == *wanted,
            Self::Is(Relation::IsNot, wanted) => number != *wanted,
            Self::Is(Relation::Below, wanted) => number < *wanted,
            Self::Is(Relation::AtMost, wanted) => number <= *wanted,
            Self::Is(Relation::Above, wanted) => number > *wanted,
            Self::Is(Relation::AtLeast, wanted) => number >= *wanted,
            Self::In { not, numbers } => numbers.contains(&number) != *not,
            Self::Between { not, from, to } => (*from..=*to).contains(&number) != *not,
        }
    }

    /// Every number that may pass where the one before it doesn't, or the other way round.
    pub fn turns(&self) -> impl Iterator<Item = u64> {
        let (one, many): ([Option<u64>; 2], &[u64]) = match self {
            Self::Is(Relation::Is | Relation::IsNot, wanted) => ([Some(*wanted), wanted.checked_add(1)], &[]),
            Self::Is(Relation::Below | Relation::AtLeast, wanted) => ([Some(*wanted), None], &[]),
            Self::Is(Relation::AtMost | Relation::Above, wanted) => ([wanted.checked_add(1), None], &[]),
            Self::In { numbers, .. } => ([None, None], numbers),
            Self::Between { from, to, .. } => ([Some(*from), to.checked_add(1)], &[]),
        };
        one.into_iter().flatten().chain(many.iter().flat_map(|number| [*number, number.saturating_add(1)]))
    }

    /// The first number above `number` that turns the test.
    #[must_use]
    pub fn turns_above(&self, number: u64) -> Option<u64> {
        let now = self.holds(number);
        self.turns().filter(|turn| *turn > number && self.holds(*turn) != now).min()
    }
}

/// A test of words: one of them, or none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Among {
    /// None of them, instead of one of them.
    pub not: bool,
    /// The words; at least one.
    pub words: Vec<Name>,
}

impl Among {
    /// Whether a word is one of them; `not` doesn't count here.
    #[must_use]
    pub fn names(&self, word: &str) -> bool {
        self.words.iter().any(|name| name.as_str() == word)
    }
}
