//! The shape of a rule's text: its words, and what follows what.
//!
//! ```text
//! rule       = any
//! any        = all { "or" all }
//! all        = negated { "and" negated }
//! negated    = { "not" } ( "(" any ")" | "everyone" | comparison )
//! comparison = field ( [ "not" ] "between" value "and" value
//!                    | [ "not" ] "in" "(" value { "," value } ")"
//!                    | sign value )
//! field      = name [ "(" argument { "," argument } ")" ]
//! argument   = "lifetime" | number "days" | ( "category" | "sku" ) ( quoted | word ) | name
//! value      = number [ "yuan" | "fen" | "days" ] | quoted | word
//! ```
//!
//! Blanks may stand between all of them and have to stand where two words would be one otherwise. Which fields there
//! are, which arguments they take and which values they compare with is said by [`super::parse`], so that a wrong word
//! is answered by its near ones instead of by a list of all.

use super::vocabulary::KEYWORDS;
use super::{Detail, Relation, RuleError};

/// A word or a sign of the language, in all its spellings.
#[derive(Debug)]
pub(super) struct Keyword {
    /// How an error names it.
    said: &'static str,
    /// In English: no letter may follow.
    english: &'static [&'static str],
    /// Signs and Chinese words, a longer one before what it begins with.
    signs: &'static [&'static str],
}

macro_rules! keywords {
    ($($name:ident = $said:literal: $english:expr, $signs:expr;)*) => {
        $(pub(super) const $name: Keyword = Keyword { said: $said, english: &$english, signs: &$signs };)*
    };
}

keywords! {
    OR = "or": ["or"], ["或者", "或"];
    AND = "and": ["and"], ["并且", "且"];
    NOT = "not": ["not"], ["非", "不"];
    IN = "in": ["in"], ["属于"];
    BETWEEN = "between": ["between"], ["介于"];
    TO = "and": ["and"], ["且", "和", "至"];
    EVERYONE = "everyone": ["everyone"], ["所有人"];
    LIFETIME = "lifetime": ["lifetime"], ["终身"];
    CATEGORY = "category": ["category"], ["品类"];
    SKU = "sku": ["sku"], ["货号"];
    DAYS = "days": ["days", "day"], ["天"];
    YUAN = "yuan": ["yuan"], ["元"];
    FEN = "fen": ["fen"], ["分"];
    OPEN = "(": [], ["(", "（"];
    CLOSE = ")": [], [")", "）"];
    COMMA = ",": [], [",", "，", "、"];
}

/// Signs that compare, a longer one before what it begins with.
const SIGNS: [&str; 12] = ["!=", "<=", ">=", "≠", "≤", "≥", "=", "<", ">", "＝", "＜", "＞"];

/// Chinese words with which no name begins.
const NO_NAME: [&[&str]; 6] = [AND.signs, OR.signs, NOT.signs, IN.signs, BETWEEN.signs, EVERYONE.signs];

/// Chinese words before which a name ends: no blank stands between them.
const ENDS_NAME: [&[&str]; 3] = [NOT.signs, IN.signs, BETWEEN.signs];

/// A piece of the text, with its place in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) place: usize,
}

/// What a field is compared with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    pub(super) piece: Piece<'a>,
    pub(super) written: Written<'a>,
}

/// How a value is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Written<'a> {
    Amount {
        digits: &'a str,
        unit: Option<Counted>,
    },
    /// A word, or a text in its quotes.
    Text(&'a str),
}

/// What stands behind a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Days,
    Yuan,
    Fen,
}

/// What stands in a field's parentheses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Argument<'a> {
    pub(super) piece: Piece<'a>,
    pub(super) kind: ArgumentKind<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum ArgumentKind<'a> {
    Lifetime,
    /// A number of days.
    Span(&'a str),
    Category(Piece<'a>),
    Sku(Piece<'a>),
    Name,
}

impl Argument<'_> {
    pub(super) const fn names_a_thing(&self) -> bool {
        matches!(self.kind, ArgumentKind::Category(_) | ArgumentKind::Sku(_))
    }
}

/// A field with what stands in its parentheses.
#[derive(Debug)]
pub(super) struct Field<'a> {
    pub(super) piece: Piece<'a>,
    pub(super) name: Piece<'a>,
    pub(super) arguments: Vec<Argument<'a>>,
}

/// What stands behind a field.
#[derive(Debug)]
pub(super) struct Tested<'a> {
    pub(super) piece: Piece<'a>,
    pub(super) form: Form,
    pub(super) values: Vec<Value<'a>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Sign(Relation),
    In { not: bool },
    Between { not: bool },
}

/// Reads one text from left to right.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    place: usize,
    /// Where the last word or sign that was taken ends.
    taken_to: usize,
    /// What could have stood at the last place where something else stood, what was tried last first.
    expected: (usize, Vec<&'static str>),
}

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, place: 0, taken_to: 0, expected: (0, Vec::new()) }
    }

    /// Where the next word or sign stands.
    pub(super) fn next_place(&mut self) -> usize {
        self.skip();
        self.place
    }

    /// Takes a word or sign if it is the next.
    pub(super) fn takes(&mut self, keyword: &Keyword) -> bool {
        self.skip();
        let taken = length(self.rest(), keyword).and_then(|length| self.taken(length));
        if taken.is_none() {
            self.note(keyword.said);
        }
        taken.is_some()
    }

    /// Takes a word or sign, which has to be the next.
    pub(super) fn take(&mut self, keyword: &Keyword) -> Result<(), RuleError> {
        if self.takes(keyword) { Ok(()) } else { Err(self.wrong()) }
    }

    /// Nothing follows.
    pub(super) fn end(&mut self) -> Result<(), RuleError> {
        self.skip();
        if self.rest().is_empty() { Ok(()) } else { Err(self.missing("the end of the rule")) }
    }

    /// Something else could stand here: `what`, or what was looked for.
    fn missing(&mut self, what: &'static str) -> RuleError {
        self.note(what);
        self.wrong()
    }

    /// Forgets what was looked for here, because `what` says it shorter.
    fn missing_only(&mut self, what: &'static str) -> RuleError {
        self.expected.1.clear();
        self.missing(what)
    }

    pub(super) fn field(&mut self) -> Result<Field<'a>, RuleError> {
        let Some(name) = self.name() else { return Err(self.missing_only("a comparison")) };
        let mut arguments = Vec::new();
        if self.takes(&OPEN) {
            self.list(&mut arguments, Self::argument)?;
        }
        Ok(Field { piece: self.since(name.place), name, arguments })
    }

    pub(super) fn tested(&mut self) -> Result<Tested<'a>, RuleError> {
        let begins = self.next_place();
        let mut values = Vec::new();
        let not = self.takes(&NOT);
        let form = if self.takes(&BETWEEN) {
            values.push(self.value()?);
            self.take(&TO)?;
            values.push(self.value()?);
            Form::Between { not }
        } else if self.takes(&IN) {
            self.take(&OPEN)?;
            self.list(&mut values, Self::value)?;
            Form::In { not }
        } else {
            if not {
                return Err(self.wrong());
            }
            let sign = self.sign();
            let sign = sign.ok_or_else(|| self.missing("a sign such as = or >="))?;
            values.push(self.value()?);
            Form::Sign(sign)
        };
        Ok(Tested { piece: self.since(begins), form, values })
    }

    /// One or more, up to the parenthesis that closes.
    fn list<T>(&mut self, into: &mut Vec<T>, one: impl Fn(&mut Self) -> Result<T, RuleError>) -> Result<(), RuleError> {
        into.push(one(self)?);
        while self.takes(&COMMA) {
            into.push(one(self)?);
        }
        self.take(&CLOSE)
    }

    fn argument(&mut self) -> Result<Argument<'a>, RuleError> {
        let begins = self.next_place();
        let kind = self.argument_kind().ok_or_else(|| self.missing_only("an argument"))?;
        if matches!(kind, ArgumentKind::Span(_)) {
            self.take(&DAYS)?;
        }
        Ok(Argument { piece: self.since(begins), kind })
    }

    fn argument_kind(&mut self) -> Option<ArgumentKind<'a>> {
        if self.takes(&LIFETIME) {
            return Some(ArgumentKind::Lifetime);
        }
        if let Some(digits) = self.digits() {
            return Some(ArgumentKind::Span(digits));
        }
        for (keyword, kind) in [(&CATEGORY, ArgumentKind::Category as fn(_) -> _), (&SKU, ArgumentKind::Sku)] {
            let begins = self.place;
            if self.takes(keyword) {
                if let Some(text) = self.words() {
                    return Some(kind(text));
                }
                // A name may begin like this.
                self.place = begins;
            }
        }
        self.name().map(|_| ArgumentKind::Name)
    }

    fn value(&mut self) -> Result<Value<'a>, RuleError> {
        let begins = self.next_place();
        let written = if let Some(digits) = self.digits() {
            Written::Amount { digits, unit: self.counted() }
        } else {
            let Some(text) = self.words() else { return Err(self.missing_only("a value")) };
            Written::Text(text.text)
        };
        Ok(Value { piece: self.since(begins), written })
    }

    fn counted(&mut self) -> Option<Counted> {
        let units = [(&FEN, Counted::Fen), (&YUAN, Counted::Yuan), (&DAYS, Counted::Days)];
        units.into_iter().find(|(keyword, _)| self.takes(keyword)).map(|(_, unit)| unit)
    }

    fn sign(&mut self) -> Option<Relation> {
        self.skip();
        let sign = SIGNS.into_iter().find(|sign| self.rest().starts_with(sign))?;
        Relation::of_sign(self.taken(sign.len())?.text)
    }

    fn digits(&mut self) -> Option<&'a str> {
        self.skip();
        let rest = self.rest();
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        self.taken(length).map(|piece| piece.text)
    }

    /// A word, or a text in quotes.
    fn words(&mut self) -> Option<Piece<'a>> {
        self.skip();
        let length = quoted(self.rest()).or_else(|| word(self.rest()))?;
        self.taken(length)
    }

    fn name(&mut self) -> Option<Piece<'a>> {
        self.skip();
        let length = word(self.rest()).or_else(|| chinese_name(self.rest()))?;
        self.taken(length)
    }

    fn taken(&mut self, length: usize) -> Option<Piece<'a>> {
        let piece = Piece { text: self.rest().get(..length).filter(|text| !text.is_empty())?, place: self.place };
        self.place += length;
        self.taken_to = self.place;
        Some(piece)
    }

    fn since(&self, place: usize) -> Piece<'a> {
        Piece { text: self.text.get(place..self.taken_to).unwrap_or(""), place }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.place..).unwrap_or("")
    }

    fn skip(&mut self) {
        let rest = self.rest();
        self.place += rest.len() - rest.trim_start().len();
    }

    fn note(&mut self, what: &'static str) {
        let (place, expected) = &mut self.expected;
        if *place != self.place {
            *place = self.place;
            expected.clear();
        }
        if !expected.contains(&what) {
            expected.insert(0, what);
        }
    }

    fn wrong(&self) -> RuleError {
        let (place, expected) = &self.expected;
        RuleError::at(self.text, *place, Detail::Shape, expected)
    }
}

/// How much of a text is this word or sign.
fn length(rest: &str, keyword: &Keyword) -> Option<usize> {
    let english = keyword.english.iter().find(|english| {
        let same = rest.get(..english.len()).is_some_and(|word| word.eq_ignore_ascii_case(english));
        same && !rest.as_bytes().get(english.len()).is_some_and(|next| is_inside_word(*next))
    });
    english.or_else(|| keyword.signs.iter().find(|sign| rest.starts_with(**sign))).map(|word| word.len())
}

const fn is_inside_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn word(rest: &str) -> Option<usize> {
    let length = rest.bytes().take_while(|byte| is_inside_word(*byte)).count();
    let word = rest.get(..length)?;
    let is_word = word.starts_with(|first: char| first.is_ascii_alphabetic())
        && !KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word));
    is_word.then_some(length)
}

fn chinese_name(rest: &str) -> Option<usize> {
    let begins = |rest: &str, words: &[&[&str]]| words.iter().copied().flatten().any(|word| rest.starts_with(word));
    if begins(rest, &NO_NAME) {
        return None;
    }
    let mut places = rest.char_indices();
    let ends = places.find(|(place, character)| {
        !is_chinese(*character) || *place > 0 && begins(rest.get(*place..).unwrap_or(""), &ENDS_NAME)
    });
    Some(ends.map_or(rest.len(), |(place, _)| place)).filter(|length| *length > 0)
}

/// Whether a character is one of CJK's ideographs (Unicode, blocks of the script Han).
const fn is_chinese(character: char) -> bool {
    matches!(character, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// A text in quotes, with them.
fn quoted(rest: &str) -> Option<usize> {
    if let Some(inner) = rest.strip_prefix('“') {
        let ends = inner.find(['“', '”'])?;
        return inner.get(ends..)?.starts_with('”').then_some('“'.len_utf8() + ends + '”'.len_utf8());
    }
    let mut bytes = rest.strip_prefix('"')?.bytes().enumerate();
    while let Some((place, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(place + 2),
            b'\\' if !matches!(bytes.next(), Some((_, b'"' | b'\\'))) => return None,
            _ => {}
        }
    }
    None
}

/// The text of a word or of a quoted text.
pub(super) fn unquoted(text: &str) -> String {
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
