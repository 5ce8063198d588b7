//! From text to rule.

use pest::Parser as _;
use pest::error::{ErrorVariant, InputLocation, LineColLocation};
use pest::iterators::{Pair, Pairs};

use super::field::Kind;
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

/// What the grammar file makes; its names stay in here, where `Rule` means a rule of the language.
mod grammar {
    #![allow(missing_docs, clippy::pedantic, reason = "generated")]

    /// The parser.
    #[derive(pest_derive::Parser)]
    #[grammar = "domain/rule/grammar.pest"]
    pub(super) struct Grammar;
}

use grammar::Rule as Shape;

/// The most days that a rule may name: a century.
const MOST_DAYS: u64 = 36_500;
/// The most pieces that a rule may name.
const MOST_PIECES: u64 = 1_000_000_000;

impl Rule {
    /// Reads a rule.
    pub fn parse(text: &str, vocabulary: &Vocabulary) -> Result<Self, RuleError> {
        if text.len() > MOST_BYTES {
            return Err(RuleError::at(text, 0, Detail::TooLong, &[]));
        }
        refuse_deep(text)?;
        let mut shapes = grammar::Grammar::parse(Shape::rule, text).map_err(|error| misshapen(text, &error))?;
        let mut reader = Reader { text, vocabulary, comparisons: 0 };
        let whole = reader.first(&mut shapes, 0)?;
        let rule = reader.any(reader.first(&mut whole.into_inner(), 0)?, 0)?;
        if rule.to_string().len() > MOST_BYTES {
            return Err(RuleError::at(text, 0, Detail::TooLong, &[]));
        }
        Ok(rule)
    }
}

impl RuleError {
    fn at(text: &str, place: usize, detail: Detail, expected: &[&str]) -> Self {
        let before = text.get(..place).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        let rest = text.get(place..).unwrap_or("");
        let found = rest.split_whitespace().next().filter(|_| !rest.starts_with(char::is_whitespace)).unwrap_or("");
        let found = found.chars().take(20).collect();
        Self { line, column, found, expected: expected.iter().map(|word| (*word).to_owned()).collect(), detail }
    }

    fn of(text: &str, shape: &Pair<'_, Shape>, detail: Detail, expected: &[&str]) -> Self {
        let found = shape.as_str().trim().chars().take(60).collect();
        Self { found, ..Self::at(text, shape.as_span().start(), detail, expected) }
    }
}

/// Refuses deep parentheses before the grammar runs, whose stack they would use up.
fn refuse_deep(text: &str) -> Result<(), RuleError> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (place, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' | '（' if !quoted => depth += 1,
            ')' | '）' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        // A field's own parentheses are one level more.
        if depth > MOST_DEPTH + 1 {
            return Err(RuleError::at(text, place, Detail::TooDeep, &[]));
        }
    }
    Ok(())
}

fn misshapen(text: &str, error: &pest::error::Error<Shape>) -> RuleError {
    let place = match error.location {
        InputLocation::Pos(place) | InputLocation::Span((place, _)) => place,
    };
    let mut expected: Vec<&str> = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives.iter().map(|shape| spoken(*shape)).collect(),
        ErrorVariant::CustomError { .. } => Vec::new(),
    };
    let mut seen = Vec::new();
    expected.retain(|word| {
        !seen.contains(word) && {
            seen.push(*word);
            true
        }
    });
    let (line, column) = match error.line_col {
        LineColLocation::Pos(at) | LineColLocation::Span(at, _) => at,
    };
    RuleError { line, column, ..RuleError::at(text, place, Detail::Shape, &expected) }
}

/// What stands in an error for a part of the grammar.
const fn spoken(shape: Shape) -> &'static str {
    match shape {
        Shape::rule | Shape::any | Shape::all | Shape::negated | Shape::comparison => "a comparison",
        Shape::field | Shape::name => "a field",
        Shape::argument | Shape::thing => "an argument",
        Shape::relation | Shape::operator => "a sign such as = or >=",
        Shape::among | Shape::within => "in",
        Shape::between | Shape::from => "between",
        Shape::value => "a value",
        Shape::amount | Shape::number | Shape::span => "a number",
        Shape::quoted => "a text in quotes",
        Shape::word => "a word",
        Shape::or => "or",
        Shape::and | Shape::to => "and",
        Shape::no => "not",
        Shape::everyone => "everyone",
        Shape::lifetime => "lifetime",
        Shape::kind => "category",
        Shape::days => "days",
        Shape::yuan => "yuan",
        Shape::fen => "fen",
        Shape::open => "(",
        Shape::close => ")",
        Shape::comma => ",",
        _ => "the end of the rule",
    }
}

/// Gives the shapes of one text their meaning.
struct Reader<'a> {
    text: &'a str,
    vocabulary: &'a Vocabulary,
    comparisons: usize,
}

/// A field with its type.
enum Field {
    Number(Number),
    Text(Text),
}

type Shapes<'a> = Pairs<'a, Shape>;
type One<'a> = Pair<'a, Shape>;

impl<'a> Reader<'a> {
    /// The next part, which the grammar promises.
    fn first(&self, shapes: &mut Shapes<'a>, place: usize) -> Result<One<'a>, RuleError> {
        shapes.next().ok_or_else(|| RuleError::at(self.text, place, Detail::Shape, &["a comparison"]))
    }

    fn wrong(&self, shape: &One<'a>, detail: Detail, expected: &[&str]) -> RuleError {
        RuleError::of(self.text, shape, detail, expected)
    }

    fn out_of_range(&self, shape: &One<'a>, field: &str, expected: &str) -> RuleError {
        self.wrong(shape, Detail::OutOfRange(field.to_owned()), &[expected])
    }

    fn any(&mut self, shape: One<'a>, depth: usize) -> Result<Rule, RuleError> {
        let parts = shape.into_inner().filter(|part| part.as_rule() == Shape::all);
        parts.map(|part| self.all(part, depth)).collect::<Result<_, _>>().map(Rule::any)
    }

    fn all(&mut self, shape: One<'a>, depth: usize) -> Result<Rule, RuleError> {
        let parts = shape.into_inner().filter(|part| part.as_rule() == Shape::negated);
        parts.map(|part| self.negated(part, depth)).collect::<Result<_, _>>().map(Rule::all)
    }

    fn negated(&mut self, shape: One<'a>, depth: usize) -> Result<Rule, RuleError> {
        let place = shape.as_span().start();
        let (mut nots, mut rule) = (0, None);
        for part in shape.into_inner() {
            match part.as_rule() {
                Shape::no => nots += 1,
                Shape::any if depth + nots < MOST_DEPTH => rule = Some(self.any(part, depth + nots + 1)?),
                Shape::any => return Err(self.wrong(&part, Detail::TooDeep, &[])),
                Shape::everyone => rule = Some(Rule::Everyone),
                Shape::comparison => rule = Some(Rule::Is(self.comparison(part)?)),
                _ => {}
            }
        }
        if depth + nots > MOST_DEPTH {
            return Err(RuleError::at(self.text, place, Detail::TooDeep, &[]));
        }
        let rule = rule.ok_or_else(|| RuleError::at(self.text, place, Detail::Shape, &["a comparison"]))?;
        Ok((0..nots).fold(rule, |rule, _| Rule::Not(Box::new(rule))))
    }

    fn comparison(&mut self, shape: One<'a>) -> Result<Comparison, RuleError> {
        self.comparisons += 1;
        if self.comparisons > MOST_COMPARISONS {
            return Err(self.wrong(&shape, Detail::TooMany, &[]));
        }
        let place = shape.as_span().start();
        let mut parts = shape.into_inner();
        let field = self.first(&mut parts, place)?;
        let test = self.first(&mut parts, place)?;
        let name = field.clone().into_inner().next().map_or_else(String::new, |name| canonical(name.as_str()));
        match self.field(&field, &name)? {
            Field::Number(number) => self.number(&name, &number, test).map(|test| Comparison::Number(number, test)),
            Field::Text(text) => self.among(&name, &text, test).map(|among| Comparison::Text(text, among)),
        }
    }

    fn field(&self, shape: &One<'a>, name: &str) -> Result<Field, RuleError> {
        let arguments = shape.clone().into_inner().filter(|part| part.as_rule() == Shape::argument);
        let arguments: Vec<One<'a>> = arguments.flat_map(Pair::into_inner).collect();
        let wrong = |expected: &[&str]| self.wrong(shape, Detail::WrongType(name.to_owned()), expected);
        let plain = |field: Field| if arguments.is_empty() { Ok(field) } else { Err(wrong(&["no parentheses"])) };
        if let Some(measure) = Measure::ALL.into_iter().find(|measure| measure.word() == name) {
            return self.window(name, shape, &arguments).map(|window| Field::Number(Number::Bought(measure, window)));
        }
        match (name, arguments.as_slice()) {
            ("recency", []) => Ok(Field::Number(Number::Since(Event::LastOrder))),
            ("recency", [event]) => self.event(event).map(|event| Field::Number(Number::Since(event))),
            ("recency", _) => Err(wrong(&["no parentheses", "(view)"])),
            ("tenure", _) => plain(Field::Number(Number::Since(Event::FirstOrder))),
            ("birthday", _) => plain(Field::Number(Number::Until(Coming::Own))),
            ("child_birthday", _) => plain(Field::Number(Number::Until(Coming::Child))),
            ("bought", [thing, span]) if (thing.as_rule(), span.as_rule()) == (Shape::thing, Shape::span) => {
                let days = self.days(name, span, u64::from(BASKET_DAYS))?;
                self.kind(thing).map(|kind| Field::Number(Number::Units(Units::new(kind, days))))
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
            ("answer", [channel]) => self.channel(channel).map(|channel| Field::Text(Text::Answer(Some(channel)))),
            ("answer", _) => Err(wrong(&["no parentheses", "(sms)"])),
            (other, _) => match self.vocabulary.set(other) {
                Some(set) => plain(Field::Text(Text::Set(set.id.clone()))),
                None => Err(self.unknown(shape)),
            },
        }
    }

    /// The window of a sum over purchase days; none for the programme's own.
    fn window(&self, name: &str, shape: &One<'a>, arguments: &[One<'a>]) -> Result<Option<Window>, RuleError> {
        match arguments {
            [] => Ok(None),
            [all] if all.as_rule() == Shape::lifetime => Ok(Some(Window::Lifetime)),
            [span] if span.as_rule() == Shape::span => {
                self.days(name, span, MOST_DAYS).map(|days| Some(Window::Days(days)))
            }
            _ => {
                let expected = ["no parentheses", "(90 days)", "(lifetime)"];
                Err(self.wrong(shape, Detail::WrongType(name.to_owned()), &expected))
            }
        }
    }

    fn unknown(&self, shape: &One<'a>) -> RuleError {
        let name = shape.clone().into_inner().next().unwrap_or_else(|| shape.clone());
        self.wrong(&name, Detail::UnknownField(self.vocabulary.near(name.as_str())), &["a field"])
    }

    fn event(&self, shape: &One<'a>) -> Result<Event, RuleError> {
        let word = shape.as_str().to_ascii_lowercase();
        let found = EVENTS.iter().find(|(english, chinese, _)| *english == word || *chinese == word);
        let all = EVENTS.map(|(english, _, _)| english);
        found.map(|(_, _, event)| *event).ok_or_else(|| self.wrong(shape, Detail::WrongType("recency".into()), &all))
    }

    fn channel(&self, shape: &One<'a>) -> Result<Channel, RuleError> {
        let word = shape.as_str().to_ascii_lowercase();
        let all = Channel::ALL.map(Channel::word);
        let found = Channel::ALL.into_iter().find(|channel| channel.word() == word);
        found.ok_or_else(|| self.wrong(shape, Detail::WrongType("answer".into()), &all))
    }

    fn kind(&self, shape: &One<'a>) -> Result<Kind, RuleError> {
        let place = shape.as_span().start();
        let mut parts = shape.clone().into_inner();
        let kind = self.first(&mut parts, place)?;
        let text = self.first(&mut parts, place)?;
        let plain = unquoted(&text);
        let read = if matches!(kind.as_str().to_ascii_lowercase().as_str(), "category" | "品类") {
            Category::parse(&plain).map(Kind::Category)
        } else {
            Sku::parse(&plain).map(Kind::Sku)
        };
        read.map_err(|invalid| self.wrong(&text, Detail::WrongType("bought".into()), &[invalid.0]))
    }

    /// The window of a field, from 1 day to `most`.
    fn days(&self, field: &str, span: &One<'a>, most: u64) -> Result<u32, RuleError> {
        let number = span.clone().into_inner().next().and_then(|number| number.as_str().parse::<u64>().ok());
        let days = number.filter(|days| (1..=most).contains(days)).and_then(|days| u32::try_from(days).ok());
        days.ok_or_else(|| self.out_of_range(span, field, &format!("a window of 1 to {most} days")))
    }

    fn number(&self, name: &str, field: &Number, test: One<'a>) -> Result<Test, RuleError> {
        let shape = test.as_rule();
        let whole = test.clone();
        let (not, sign, values) = parts(test);
        let numbers =
            values.iter().map(|value| self.amount(name, field.unit(), value)).collect::<Result<Vec<_>, _>>()?;
        match (shape, numbers.as_slice()) {
            (Shape::between, [from, to]) if from <= to => Ok(Test::Between { not, from: *from, to: *to }),
            (Shape::between, _) => Err(self.wrong(&whole, Detail::Backwards, &[])),
            (Shape::relation, [number]) => match sign {
                Some(relation) => Ok(Test::Is(relation, *number)),
                None => Err(self.wrong(&whole, Detail::Shape, &["a sign such as = or >="])),
            },
            _ => Ok(Test::among(not, numbers)),
        }
    }

    fn amount(&self, field: &str, unit: Unit, value: &One<'a>) -> Result<u64, RuleError> {
        let expected = match unit {
            Unit::Days => "a number of days, as 30",
            Unit::Pieces => "a whole number, as 5",
            Unit::Money => "an amount with its unit, as 2000 yuan or 1999 fen",
            Unit::Score => "a score from 0 to 100",
        };
        let wrong = || self.wrong(value, Detail::WrongType(field.to_owned()), &[expected]);
        let amount = value.clone().into_inner().next().filter(|amount| amount.as_rule() == Shape::amount);
        let mut parts = amount.ok_or_else(wrong)?.into_inner();
        let digits = parts.next().ok_or_else(wrong)?;
        let (times, most) = match (unit, parts.next().map(|unit| unit.as_rule())) {
            (Unit::Money, Some(Shape::yuan)) => (100, Fen::MOST.number()),
            (Unit::Money, Some(Shape::fen)) => (1, Fen::MOST.number()),
            (Unit::Days, None | Some(Shape::days)) => (1, MOST_DAYS),
            (Unit::Pieces, None) => (1, MOST_PIECES),
            (Unit::Score, None) => (1, 100),
            _ => return Err(wrong()),
        };
        let number = digits.as_str().parse::<u64>().ok().and_then(|number| number.checked_mul(times));
        number.filter(|number| *number <= most).ok_or_else(|| {
            let expected = match unit {
                Unit::Days => format!("at most {most} days"),
                Unit::Pieces => format!("at most {most}"),
                Unit::Money => format!("at most {} yuan", most / 100),
                Unit::Score => "a score from 0 to 100".to_owned(),
            };
            self.out_of_range(value, field, &expected)
        })
    }

    fn among(&self, name: &str, field: &Text, test: One<'a>) -> Result<Among, RuleError> {
        let whole = test.clone();
        let (shape, (not, sign, values)) = (test.as_rule(), parts(test));
        let not = match (shape, sign) {
            (Shape::among, _) => not,
            (Shape::relation, Some(Relation::Is)) => false,
            (Shape::relation, Some(Relation::IsNot)) => true,
            _ => return Err(self.wrong(&whole, Detail::WrongType(name.to_owned()), &["=", "!=", "in", "not in"])),
        };
        let words = values.into_iter().map(|value| self.word(name, field, &value)).collect::<Result<_, _>>()?;
        Ok(Among { not, words })
    }

    /// A word that this field may have.
    fn word(&self, name: &str, field: &Text, value: &One<'a>) -> Result<Name, RuleError> {
        let wrong = |expected: &[&str]| self.wrong(value, Detail::WrongType(name.to_owned()), expected);
        let text = value.clone().into_inner().next().filter(|text| text.as_rule() != Shape::amount);
        let text = text.map(|text| unquoted(&text));
        let word = text.as_deref().and_then(|text| Name::parse(text).ok());
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

/// Whether a test is negated, its sign, and its values.
fn parts(test: One<'_>) -> (bool, Option<Relation>, Vec<One<'_>>) {
    let (mut not, mut sign, mut values) = (false, None, Vec::new());
    for part in test.into_inner() {
        match part.as_rule() {
            Shape::no => not = true,
            Shape::operator => sign = Relation::of_sign(part.as_str()),
            Shape::value => values.push(part),
            _ => {}
        }
    }
    (not, sign, values)
}

/// The text of a word or of a quoted text.
fn unquoted(shape: &One<'_>) -> String {
    let text = shape.as_str();
    if let Some(inner) = text.strip_prefix('“').and_then(|rest| rest.strip_suffix('”')) {
        return inner.to_owned();
    }
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return text.to_owned();
    };
    let mut plain = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        plain.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    plain
}
