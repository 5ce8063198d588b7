//! From text to rule.

use super::field::Kind;
use super::shape::{self, Argument, ArgumentKind, Counted, Form, Piece, Scanner, Tested, Value, Written, unquoted};
use super::vocabulary::{EVENTS, canonical, near};
use super::{
    Among, Coming, Comparison, Detail, Event, MOST_BYTES, MOST_COMPARISONS, MOST_DEPTH, Measure, Number, Relation,
    Rule, RuleError, Test, Text, Unit, Units, Vocabulary,
};
use crate::domain::age::AgeBand;
use crate::domain::consent::Purpose;
use crate::domain::days::Window;
use crate::domain::traits::{BASKET_DAYS, Channel, Reply};
use crate::values::{Category, Code, Fen, Name, Sku};

/// The most days that a rule may name: a century.
const MOST_DAYS: u64 = 36_500;
/// The most pieces that a rule may name.
const MOST_PIECES: u64 = 1_000_000_000;

/// How many bytes each byte of a text becomes at most when its rule is printed: `=` stands between two blanks.
const GROWS_TO: usize = 4;

impl Rule {
    /// Reads a rule.
    pub fn parse(text: &str, vocabulary: &Vocabulary) -> Result<Self, RuleError> {
        if text.len() > MOST_BYTES {
            return Err(RuleError::at(text, 0, Detail::TooLong, &[]));
        }
        let mut reader = Reader { text, scanner: Scanner::new(text), vocabulary, comparisons: 0 };
        let rule = reader.any(0)?;
        reader.scanner.end()?;
        if text.len() > MOST_BYTES / GROWS_TO && rule.to_string().len() > MOST_BYTES {
            return Err(RuleError::at(text, 0, Detail::TooLong, &[]));
        }
        Ok(rule)
    }
}

/// Gives the shapes of one text their meaning.
struct Reader<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
    vocabulary: &'a Vocabulary,
    comparisons: usize,
}

/// A field with its type.
enum Field {
    Number(Number),
    Text(Text),
}

impl<'a> Reader<'a> {
    fn wrong(&self, piece: Piece<'a>, detail: Detail, expected: &[&str]) -> RuleError {
        RuleError::of(self.text, piece, detail, expected)
    }

    fn wrong_type(&self, piece: Piece<'a>, field: &str, expected: &[&str]) -> RuleError {
        self.wrong(piece, Detail::WrongType(field.to_owned()), expected)
    }

    fn out_of_range(&self, piece: Piece<'a>, field: &str, expected: &str) -> RuleError {
        self.wrong(piece, Detail::OutOfRange(field.to_owned()), &[expected])
    }

    fn any(&mut self, depth: usize) -> Result<Rule, RuleError> {
        let mut parts = vec![self.all(depth)?];
        while self.scanner.takes(&shape::OR) {
            parts.push(self.all(depth)?);
        }
        Ok(Rule::any(parts))
    }

    fn all(&mut self, depth: usize) -> Result<Rule, RuleError> {
        let mut parts = vec![self.negated(depth)?];
        while self.scanner.takes(&shape::AND) {
            parts.push(self.negated(depth)?);
        }
        Ok(Rule::all(parts))
    }

    fn negated(&mut self, depth: usize) -> Result<Rule, RuleError> {
        let begins = self.scanner.next_place();
        let mut nots = 0;
        while self.scanner.takes(&shape::NOT) {
            nots += 1;
        }
        let place = self.scanner.next_place();
        let deep = |place| Err(RuleError::at(self.text, place, Detail::TooDeep, &[]));
        let rule = if depth + nots > MOST_DEPTH {
            return deep(begins);
        } else if self.scanner.takes(&shape::OPEN) {
            if depth + nots == MOST_DEPTH {
                return deep(place);
            }
            let inner = self.any(depth + nots + 1)?;
            self.scanner.take(&shape::CLOSE)?;
            inner
        } else if self.scanner.takes(&shape::EVERYONE) {
            Rule::Everyone
        } else {
            Rule::Is(self.comparison()?)
        };
        Ok((0..nots).fold(rule, |rule, _| Rule::Not(Box::new(rule))))
    }

    fn comparison(&mut self) -> Result<Comparison, RuleError> {
        let field = self.scanner.field()?;
        self.comparisons += 1;
        if self.comparisons > MOST_COMPARISONS {
            return Err(self.wrong(field.piece, Detail::TooMany, &[]));
        }
        let name = canonical(field.name.text);
        let meant = self.field(&field, &name)?;
        let test = self.scanner.tested()?;
        match meant {
            Field::Number(number) => self.number(&name, &number, &test).map(|test| Comparison::Number(number, test)),
            Field::Text(text) => self.among(&name, &text, &test).map(|among| Comparison::Text(text, among)),
        }
    }

    fn field(&self, shape: &shape::Field<'a>, name: &str) -> Result<Field, RuleError> {
        let wrong = |expected: &[&str]| self.wrong_type(shape.piece, name, expected);
        let plain = |field: Field| if shape.arguments.is_empty() { Ok(field) } else { Err(wrong(&["no parentheses"])) };
        if let Some(measure) = Measure::ALL.into_iter().find(|measure| measure.word() == name) {
            return self.window(name, shape).map(|window| Field::Number(Number::Bought(measure, window)));
        }
        match (name, shape.arguments.as_slice()) {
            ("recency", []) => Ok(Field::Number(Number::Since(Event::LastOrder))),
            ("recency", [event]) => self.event(event.piece).map(|event| Field::Number(Number::Since(event))),
            ("recency", _) => Err(wrong(&["no parentheses", "(view)"])),
            ("tenure", _) => plain(Field::Number(Number::Since(Event::FirstOrder))),
            ("birthday", _) => plain(Field::Number(Number::Until(Coming::Own))),
            ("child_birthday", _) => plain(Field::Number(Number::Until(Coming::Child))),
            ("bought", [thing, Argument { piece, kind: ArgumentKind::Span(digits) }]) if thing.names_a_thing() => {
                let days = self.days(name, *piece, digits, u64::from(BASKET_DAYS))?;
                self.thing(thing).map(|kind| Field::Number(Number::Units(Units::new(kind, days))))
            }
            ("bought", _) => Err(wrong(&["a category or sku and a window, as (category \"鞋\", 90 days)"])),
            ("invited", _) => plain(Field::Number(Number::Invited)),
            ("health", _) if self.vocabulary.health => plain(Field::Number(Number::Health)),
            ("tier", _) => plain(Field::Text(Text::Tier)),
            ("tag", _) => plain(Field::Text(Text::Tag)),
            ("source", _) => plain(Field::Text(Text::Source)),
            ("consent", _) => plain(Field::Text(Text::Consent)),
            ("child", _) => plain(Field::Text(Text::Child)),
            ("member", _) => plain(Field::Text(Text::Member)),
            ("answer", []) => Ok(Field::Text(Text::Answer(None))),
            ("answer", [channel]) => {
                self.channel(channel.piece).map(|channel| Field::Text(Text::Answer(Some(channel))))
            }
            ("answer", _) => Err(wrong(&["no parentheses", "(sms)"])),
            (other, _) => {
                let set = self.vocabulary.set(other).ok_or_else(|| self.unknown(shape.name))?;
                plain(Field::Text(Text::Set(set.id.clone())))
            }
        }
    }

    fn unknown(&self, name: Piece<'a>) -> RuleError {
        self.wrong(name, Detail::UnknownField(self.vocabulary.near(name.text)), &["a field"])
    }

    /// The window of a sum over purchase days; none for the programme's own.
    fn window(&self, name: &str, shape: &shape::Field<'a>) -> Result<Option<Window>, RuleError> {
        match shape.arguments.as_slice() {
            [] => Ok(None),
            [Argument { kind: ArgumentKind::Lifetime, .. }] => Ok(Some(Window::Lifetime)),
            [Argument { piece, kind: ArgumentKind::Span(digits) }] => {
                self.days(name, *piece, digits, MOST_DAYS).map(|days| Some(Window::Days(days)))
            }
            _ => Err(self.wrong_type(shape.piece, name, &["no parentheses", "(90 days)", "(lifetime)"])),
        }
    }

    fn event(&self, piece: Piece<'a>) -> Result<Event, RuleError> {
        let word = piece.text.to_ascii_lowercase();
        let found = EVENTS.iter().find(|(english, chinese, _)| *english == word || *chinese == word);
        let all = EVENTS.map(|(english, _, _)| english);
        found.map(|(_, _, event)| *event).ok_or_else(|| self.wrong_type(piece, "recency", &all))
    }

    fn channel(&self, piece: Piece<'a>) -> Result<Channel, RuleError> {
        let word = piece.text.to_ascii_lowercase();
        let found = Channel::ALL.into_iter().find(|channel| channel.word() == word);
        found.ok_or_else(|| self.wrong_type(piece, "answer", &Channel::ALL.map(Channel::word)))
    }

    fn thing(&self, argument: &Argument<'a>) -> Result<Kind, RuleError> {
        let (text, read) = match argument.kind {
            ArgumentKind::Category(text) => (text, Category::parse(&unquoted(text.text)).map(Kind::Category)),
            ArgumentKind::Sku(text) => (text, Sku::parse(&unquoted(text.text)).map(Kind::Sku)),
            _ => return Err(self.wrong_type(argument.piece, "bought", &["a category or sku"])),
        };
        read.map_err(|invalid| self.wrong_type(text, "bought", &[invalid.0]))
    }

    /// The window of a field, from 1 day to `most`.
    fn days(&self, field: &str, piece: Piece<'a>, digits: &str, most: u64) -> Result<u32, RuleError> {
        let days = digits.parse::<u64>().ok().filter(|days| (1..=most).contains(days));
        let days = days.and_then(|days| u32::try_from(days).ok());
        days.ok_or_else(|| self.out_of_range(piece, field, &format!("a window of 1 to {most} days")))
    }

    fn number(&self, name: &str, field: &Number, test: &Tested<'a>) -> Result<Test, RuleError> {
        let amounts = test.values.iter().map(|value| self.amount(name, field.unit(), value));
        let numbers = amounts.collect::<Result<Vec<_>, _>>()?;
        match (test.form, numbers.as_slice()) {
            (Form::Between { not }, [from, to]) if from <= to => Ok(Test::Between { not, from: *from, to: *to }),
            (Form::Between { .. }, _) => Err(self.wrong(test.piece, Detail::Backwards, &[])),
            (Form::Sign(relation), [number]) => Ok(Test::Is(relation, *number)),
            (Form::Sign(_), _) => Ok(Test::among(false, numbers)),
            (Form::In { not }, _) => Ok(Test::among(not, numbers)),
        }
    }

    fn amount(&self, field: &str, unit: Unit, value: &Value<'a>) -> Result<u64, RuleError> {
        let expected = match unit {
            Unit::Days => "a number of days, as 30",
            Unit::Pieces => "a whole number, as 5",
            Unit::Money => "an amount with its unit, as 2000 yuan or 1999 fen",
            Unit::Score => "a score from 0 to 100",
        };
        let wrong = || self.wrong_type(value.piece, field, &[expected]);
        let Written::Amount { digits, unit: counted } = value.written else { return Err(wrong()) };
        let (times, most) = match (unit, counted) {
            (Unit::Money, Some(Counted::Yuan)) => (100, Fen::MOST.number()),
            (Unit::Money, Some(Counted::Fen)) => (1, Fen::MOST.number()),
            (Unit::Days, None | Some(Counted::Days)) => (1, MOST_DAYS),
            (Unit::Pieces, None) => (1, MOST_PIECES),
            (Unit::Score, None) => (1, 100),
            _ => return Err(wrong()),
        };
        let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(times));
        number.filter(|number| *number <= most).ok_or_else(|| {
            let expected = match unit {
                Unit::Days => format!("at most {most} days"),
                Unit::Pieces => format!("at most {most}"),
                Unit::Money => format!("at most {} yuan", most / 100),
                Unit::Score => "a score from 0 to 100".to_owned(),
            };
            self.out_of_range(value.piece, field, &expected)
        })
    }

    fn among(&self, name: &str, field: &Text, test: &Tested<'a>) -> Result<Among, RuleError> {
        let not = match test.form {
            Form::In { not } => not,
            Form::Sign(Relation::Is) => false,
            Form::Sign(Relation::IsNot) => true,
            _ => return Err(self.wrong_type(test.piece, name, &["=", "!=", "in", "not in"])),
        };
        let words = test.values.iter().map(|value| self.word(name, field, value)).collect::<Result<_, _>>()?;
        Ok(Among { not, words })
    }

    /// A word that this field may have.
    fn word(&self, name: &str, field: &Text, value: &Value<'a>) -> Result<Name, RuleError> {
        let wrong = |expected: &[&str]| self.wrong_type(value.piece, name, expected);
        let word = match value.written {
            Written::Text(text) => Name::parse(&unquoted(text)).ok(),
            Written::Amount { .. } => None,
        };
        let one_of = |all: &[&str]| word.clone().filter(|word| all.contains(&word.as_str())).ok_or_else(|| wrong(all));
        match field {
            Text::Tier | Text::Source => {
                word.filter(|word| Code::parse(word.as_str()).is_ok()).ok_or_else(|| wrong(&["a code, as gold"]))
            }
            Text::Tag => word.ok_or_else(|| wrong(&["a text, as \"素色\""])),
            Text::Consent => one_of(&Purpose::ALL.map(Purpose::word)),
            Text::Child => one_of(&AgeBand::ALL.map(AgeBand::word)),
            Text::Answer(_) => one_of(&Reply::ALL.map(Reply::word)),
            Text::Member => one_of(&["claimed", "unclaimed"]),
            Text::Set(id) => {
                let set = self.vocabulary.set(id.as_str());
                let entry = set.zip(word.as_ref()).and_then(|(set, word)| set.entry(word.as_str()));
                let name = entry.and_then(|entry| Name::parse(entry.as_str()).ok());
                name.ok_or_else(|| {
                    let known: Vec<&str> = set
                        .iter()
                        .flat_map(|set| set.entries.iter().map(|entry| super::vocabulary::short(id, entry)))
                        .collect();
                    let like = near(word.as_ref().map_or("", Name::as_str), known.iter().copied());
                    let like: Vec<&str> = like.iter().map(String::as_str).collect();
                    wrong(if like.is_empty() { &known } else { &like })
                })
            }
        }
    }
}
