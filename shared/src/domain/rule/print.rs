//! The canonical text of a rule: English keywords, one blank between words, no parenthesis too many.

use std::fmt;

use super::field::Kind;
use super::vocabulary::{EVENTS, KEYWORDS, short};
use super::{Among, Comparison, Event, Number, Rule, Test, Text, Unit};
use crate::domain::days::Window;
use crate::values::Code;

/// Stored and shown as its canonical text; to be read with the vocabulary that it refers to.
impl serde::Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("everyone"),
            Self::Is(comparison) => comparison.fmt(f),
            Self::Not(rule) => {
                f.write_str("not ")?;
                rule.inside(f, matches!(**rule, Self::All(_) | Self::Any(_)))
            }
            Self::All(parts) => joined(f, parts, " and ", |part| matches!(part, Self::Any(_))),
            Self::Any(parts) => joined(f, parts, " or ", |_| false),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Rule], word: &str, apart: impl Fn(&Rule) -> bool) -> fmt::Result {
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            f.write_str(word)?;
        }
        part.inside(f, apart(part))?;
    }
    Ok(())
}

impl Rule {
    fn inside(&self, f: &mut fmt::Formatter<'_>, parentheses: bool) -> fmt::Result {
        if parentheses { write!(f, "({self})") } else { write!(f, "{self}") }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number, test) => {
                let unit = number.unit();
                match test {
                    Test::Is(relation, wanted) => {
                        write!(f, "{number} {} {}", relation.sign(), unit.written(*wanted))
                    }
                    Test::In { not, numbers } => {
                        let numbers: Vec<String> = numbers.iter().map(|number| unit.written(*number)).collect();
                        write!(f, "{number} {}in ({})", no(*not), numbers.join(", "))
                    }
                    Test::Between { not, from, to } => {
                        let (from, to) = (unit.written(*from), unit.written(*to));
                        write!(f, "{number} {}between {from} and {to}", no(*not))
                    }
                }
            }
            Self::Text(text, Among { not, words }) => {
                let words: Vec<String> = words.iter().map(|word| text.written(word.as_str())).collect();
                match words.as_slice() {
                    [word] => write!(f, "{text} {} {word}", if *not { "!=" } else { "=" }),
                    _ => write!(f, "{text} {}in ({})", no(*not), words.join(", ")),
                }
            }
        }
    }
}

const fn no(not: bool) -> &'static str {
    if not { "not " } else { "" }
}

impl Unit {
    /// A number of this unit as rules write it.
    #[must_use]
    pub fn written(self, number: u64) -> String {
        match self {
            Self::Money if number.is_multiple_of(100) => format!("{} yuan", number / 100),
            Self::Money => format!("{number} fen"),
            Self::Days | Self::Pieces | Self::Score => number.to_string(),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Since(Event::LastOrder) => f.write_str("recency"),
            Self::Since(Event::FirstOrder) => f.write_str("tenure"),
            Self::Since(event) => write!(f, "recency({})", event.word()),
            Self::Bought(measure, None) => f.write_str(measure.word()),
            Self::Bought(measure, Some(Window::Lifetime)) => write!(f, "{}(lifetime)", measure.word()),
            Self::Bought(measure, Some(Window::Days(days))) => write!(f, "{}({days} days)", measure.word()),
            Self::Units(units) => match units.what() {
                Kind::Category(category) => {
                    write!(f, "bought(category {}, {} days)", quoted(category.as_str()), units.days())
                }
                Kind::Sku(sku) => write!(f, "bought(sku {}, {} days)", quoted(sku.as_str()), units.days()),
            },
            Self::Until(coming) => f.write_str(coming.word()),
            Self::Invited => f.write_str("invited"),
            Self::Health => f.write_str("health"),
        }
    }
}

impl Event {
    /// The word inside `recency(...)`; empty for orders.
    #[must_use]
    pub fn word(self) -> &'static str {
        EVENTS.iter().find(|(_, _, event)| *event == self).map_or("", |(word, _, _)| word)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tier => f.write_str("tier"),
            Self::Tag => f.write_str("tag"),
            Self::Source => f.write_str("source"),
            Self::Consent => f.write_str("consent"),
            Self::Child => f.write_str("child"),
            Self::Answer(None) => f.write_str("answer"),
            Self::Answer(Some(channel)) => write!(f, "answer({})", channel.word()),
            Self::Member => f.write_str("member"),
            Self::Set(set) => f.write_str(set.as_str()),
        }
    }
}

impl Text {
    /// A word of this field as rules write it.
    fn written(&self, word: &str) -> String {
        match (self, Code::parse(word)) {
            (Self::Set(set), Ok(entry)) => quoted(short(set, &entry)),
            _ => quoted(word),
        }
    }
}

/// The word, in quotes where it would be taken for something else.
fn quoted(word: &str) -> String {
    let starts = word.starts_with(|c: char| c.is_ascii_alphabetic());
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let reserved = KEYWORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword));
    if starts && plain && !reserved {
        word.to_owned()
    } else {
        format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
    }
}
