//! Subscribe messages: a template of WeChat's whose keys say what may stand in their place.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::{Text, Values};
use super::{Rendered, Setting, Unrendered, cut, widest};
use crate::domain::flaw::{Flaw, Flaws};
use crate::values::{Invalid, TemplateId};

/// What a subscribe message says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SubscribeContent)]
pub struct Subscribe {
    /// The template's id.
    pub template: TemplateId,
    /// The page of the mini program that opens, with its query, as `pages/offers?from=wake-up`.
    #[serde(default)]
    pub page: Option<String>,
    /// What stands at each key of the template, as `thing1`.
    #[schema(value_type = BTreeMap<String, String>)]
    pub data: BTreeMap<Key, Text>,
}

impl Subscribe {
    pub(super) fn flaws(&self, setting: &Setting<'_>) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        let page = self.page.as_deref().unwrap_or("pages/index");
        let is_page = page.len() <= 500
            && !page.starts_with('/')
            && page.bytes().all(|b| b.is_ascii_graphic())
            && !page.contains("://");
        flaws.note(!is_page, "/subscribe/page", "must be a page of the mini program, as pages/index?from=x");
        flaws.note(self.data.is_empty(), "/subscribe/data", "must have what stands at each key of the template");
        flaws.note(self.data.len() > 10, "/subscribe/data", "must have at most 10 keys");
        for (key, text) in &self.data {
            let (most, least) = (text.filled(widest(setting.coupon)), text.filled(|_| None));
            let longest = text.longest(widest(setting.coupon));
            let unfit = [most, least, Ok(longest)].into_iter().flatten().any(|value| !key.kind.takes(&value));
            let wanted = key.kind.wanted();
            let detail = format!("must be {wanted} even with the longest values: 8 characters of a name, 5 of a tier");
            flaws.note(unfit, format_args!("/subscribe/data/{key}"), &detail);
        }
        flaws.0
    }

    pub(super) fn render(&self, values: &Values) -> Result<Rendered, Unrendered> {
        let data = self.data.iter().map(|(key, text)| {
            let value = text.filled(|placeholder| Some(cut(placeholder, values.of(placeholder)?)))?;
            if key.kind.takes(&value) { Ok((*key, value)) } else { Err(Unrendered::Unfit(*key)) }
        });
        let data = data.collect::<Result<_, Unrendered>>()?;
        Ok(Rendered::Subscribe { template: self.template.clone(), page: self.page.clone(), data })
    }
}

/// What may stand at a key (developers.weixin.qq.com, subscribe-message, the table of parameter types). Characters are
/// counted, not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// At most 20 characters of any kind.
    Thing,
    /// At most 32 digits, with decimals.
    Number,
    /// At most 32 letters.
    Letter,
    /// At most 5 symbols.
    Symbol,
    /// At most 32 digits, letters or symbols.
    CharacterString,
    /// A time of day, or a date with one; a range with `~`.
    Time,
    /// A date, with or without a time; a range with `~`.
    Date,
    /// A currency's sign, at most 10 digits with decimals, 元 behind it.
    Amount,
    /// At most 17 digits and symbols.
    PhoneNumber,
    /// At most 8 characters; the first and the last may be Chinese.
    CarNumber,
    /// At most 10 Chinese characters, or 20 letters and symbols.
    Name,
    /// At most 5 Chinese characters.
    Phrase,
    /// One of the values that the template itself lists.
    Enum,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Thing,
        Self::Number,
        Self::Letter,
        Self::Symbol,
        Self::CharacterString,
        Self::Time,
        Self::Date,
        Self::Amount,
        Self::PhoneNumber,
        Self::CarNumber,
        Self::Name,
        Self::Phrase,
        Self::Enum,
    ];

    /// The word with which keys of this kind begin.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Thing => "thing",
            Self::Number => "number",
            Self::Letter => "letter",
            Self::Symbol => "symbol",
            Self::CharacterString => "character_string",
            Self::Time => "time",
            Self::Date => "date",
            Self::Amount => "amount",
            Self::PhoneNumber => "phone_number",
            Self::CarNumber => "car_number",
            Self::Name => "name",
            Self::Phrase => "phrase",
            Self::Enum => "enum",
        }
    }

    /// What may stand there, in a sentence's end.
    #[must_use]
    pub const fn wanted(self) -> &'static str {
        match self {
            Self::Thing => "1 to 20 characters on one line",
            Self::Number => "a number of at most 32 digits",
            Self::Letter => "1 to 32 letters",
            Self::Symbol => "1 to 5 symbols",
            Self::CharacterString => "1 to 32 digits, letters or symbols, nothing Chinese",
            Self::Time => "a time as 15:01 or 2019年10月1日 15:01, or two with ~ between them",
            Self::Date => "a date as 2019年10月1日, with or without a time, or two with ~ between them",
            Self::Amount => "an amount of at most 10 digits, as ￥12.50 or 12.50元",
            Self::PhoneNumber => "1 to 17 digits and symbols",
            Self::CarNumber => "1 to 8 characters of which only the first and the last are Chinese",
            Self::Name => "1 to 10 characters, or 1 to 20 letters and symbols",
            Self::Phrase => "1 to 5 Chinese characters",
            Self::Enum => "one of the values that the template lists, at most 20 characters",
        }
    }

    /// Whether a value may stand there. WeChat answers 47003 to one that may not.
    #[must_use]
    pub fn takes(self, value: &str) -> bool {
        let count = value.chars().count();
        let all = |most: usize, check: fn(char) -> bool| (1..=most).contains(&count) && value.chars().all(check);
        match self {
            Self::Thing | Self::Enum => all(20, |c| !c.is_control()),
            Self::Number => is_number(value, 32),
            Self::Letter => all(32, |c| c.is_ascii_alphabetic()),
            Self::Symbol => all(5, |c| !c.is_alphanumeric() && !c.is_whitespace() && !c.is_control()),
            Self::CharacterString => all(32, |c| c.is_ascii_graphic() || c == ' '),
            Self::Time => each_end(value, is_moment),
            Self::Date => each_end(value, |end| is_date(end) || is_dated_moment(end)),
            Self::Amount => is_amount(value),
            Self::PhoneNumber => all(17, |c| c.is_ascii_digit() || "+-() ".contains(c)),
            Self::CarNumber => {
                let inner = value.chars().take(count.saturating_sub(1)).skip(1);
                all(8, |c| c.is_ascii_alphanumeric() || is_chinese(c)) && inner.into_iter().all(|c| c.is_ascii())
            }
            Self::Name => {
                all(10, |c| !c.is_control()) || all(20, |c| !is_chinese(c) && !c.is_control() && !c.is_numeric())
            }
            Self::Phrase => all(5, is_chinese),
        }
    }
}

fn is_chinese(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{20000}'..='\u{323af}')
}

fn is_number(value: &str, most: usize) -> bool {
    let (whole, part) = value.split_once('.').map_or((value, None), |(whole, part)| (whole, Some(part)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && part.is_none_or(digits) && whole.len() + part.map_or(0, str::len) <= most
}

fn is_amount(value: &str) -> bool {
    let plain = value.strip_prefix(['￥', '¥', '$', '€', '£']).unwrap_or(value);
    is_number(plain.strip_suffix('元').unwrap_or(plain), 10)
}

fn each_end(value: &str, check: impl Fn(&str) -> bool) -> bool {
    let (from, until) = value.split_once('~').map_or((value, None), |(from, until)| (from, Some(until)));
    check(from.trim_end()) && until.is_none_or(|until| check(until.trim_start()))
}

fn within(text: &str, digits: std::ops::RangeInclusive<usize>, range: std::ops::RangeInclusive<u32>) -> bool {
    let written = digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    written && text.parse().is_ok_and(|number| range.contains(&number))
}

fn is_clock(text: &str) -> bool {
    let mut parts = text.split(':');
    let hour = parts.next().is_some_and(|hour| within(hour, 1..=2, 0..=23));
    let rest: Vec<&str> = parts.collect();
    hour && (1..=2).contains(&rest.len()) && rest.iter().all(|part| within(part, 2..=2, 0..=59))
}

fn is_date(text: &str) -> bool {
    let Some((year, rest)) = text.split_once('年') else { return false };
    let Some((month, rest)) = rest.split_once('月') else { return false };
    let Some(day) = rest.strip_suffix('日') else { return false };
    within(year, 4..=4, 1..=9999) && within(month, 1..=2, 1..=12) && within(day, 1..=2, 1..=31)
}

fn is_dated_moment(text: &str) -> bool {
    text.split_once(' ').is_some_and(|(date, clock)| is_date(date) && is_clock(clock))
}

fn is_moment(text: &str) -> bool {
    is_clock(text) || is_dated_moment(text)
}

/// A key of a template: a kind and a number, as `thing1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What may stand there.
    pub kind: Kind,
    number: u8,
}

impl Key {
    /// Reads `thing1`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const WANTED: Invalid = Invalid(
            "a key of a subscribe template, as thing1: thing, number, letter, symbol, character_string, time, date, \
             amount, phone_number, car_number, name, phrase or enum, and a number",
        );
        let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit());
        let word = text.strip_suffix(digits).unwrap_or(text);
        let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word).ok_or(WANTED)?;
        let number = digits.parse().ok().filter(|_| digits.len() <= 2 && !digits.starts_with('0')).ok_or(WANTED)?;
        Ok(Self { kind, number })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind.word(), self.number)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_kind_takes_what_wechat_takes_and_nothing_else() {
        let cases: [(Kind, &[&str], &[&str]); 13] = [
            (Kind::Thing, &["礼", &"礼".repeat(20)], &["", &"礼".repeat(21), "两\n行"]),
            (Kind::Number, &["0", "12.50", &"9".repeat(32)], &["", "1.", ".5", "-1", "一", &"9".repeat(33)]),
            (Kind::Letter, &["abc", &"a".repeat(32)], &["a1", "字", &"a".repeat(33)]),
            (Kind::Symbol, &["!", "#￥%&*"], &["a", "!!!!!!", " "]),
            (Kind::CharacterString, &["A-1 b", &"x".repeat(32)], &["积分", &"x".repeat(33)]),
            (Kind::Time, &["15:01", "9:00:59", "2019年10月1日 15:01", "15:01~16:00"], &["24:00", "2019年10月1日", "x"]),
            (
                Kind::Date,
                &["2019年10月1日", "2019年10月1日 15:01", "2019年10月1日~2019年10月2日"],
                &["2019-10-01", "2019年13月1日"],
            ),
            (Kind::Amount, &["￥12.50", "12元", "1234567890"], &["元", "12345678901", "1万"]),
            (Kind::PhoneNumber, &["13800138000", "+86 021-1234"], &["123456789012345678", "a"]),
            (Kind::CarNumber, &["粤A8Z888挂", "A1"], &["粤粤A1", "粤A8Z8888挂9"]),
            (Kind::Name, &["欧阳小明", "Alexander the Greatx"], &["一二三四五六七八九十一", "Alexander the Greaters"]),
            (Kind::Phrase, &["黄金会员卡"], &["VIP", "一二三四五六", ""]),
            (Kind::Enum, &["已到货"], &[""]),
        ];
        for (kind, good, bad) in cases {
            for value in good {
                assert!(kind.takes(value), "{kind:?} {value}");
            }
            for value in bad {
                assert!(!kind.takes(value), "{kind:?} {value}");
            }
        }
    }

    #[test]
    fn a_key_is_a_kind_and_a_number() {
        assert_eq!(Key::parse("character_string12").unwrap().kind, Kind::CharacterString);
        for bad in ["", "thing", "1", "thing0", "thing01", "thing100", "stuff1", "thing1x", "thing-1", "事1"] {
            assert!(Key::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn garbage_is_judged_without_a_panic(value in "\\PC{0,40}", text in "[a-z_]{0,18}[0-9]{0,3}") {
            for kind in Kind::ALL {
                let _ = kind.takes(&value);
            }
            if let Ok(key) = Key::parse(&text) {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }
}
