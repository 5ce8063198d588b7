//! Why a text is no rule: where, what stands there, what could stand there.

use std::fmt;

use super::shape::Piece;
use super::{MOST_BYTES, MOST_COMPARISONS, MOST_DEPTH};

/// A text that is no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The line, from 1.
    pub line: usize,
    /// The column in that line, in characters, from 1.
    pub column: usize,
    /// What stands there; empty at the end of the text.
    pub found: String,
    /// What could stand there.
    pub expected: Vec<String>,
    /// What is wrong.
    pub detail: Detail,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Something else could stand here, nothing that does.
    Shape,
    /// The text, or its canonical form, is longer than [`MOST_BYTES`].
    TooLong,
    /// Parentheses and `not` lie deeper than [`MOST_DEPTH`].
    TooDeep,
    /// More comparisons than [`MOST_COMPARISONS`].
    TooMany,
    /// No field and no set before this one has the name; these are like it.
    UnknownField(Vec<String>),
    /// A value, argument or sign of another kind than this field takes.
    WrongType(String),
    /// A number beyond what the field can be.
    OutOfRange(String),
    /// A range that ends before it begins.
    Backwards,
}

/// Words for what could stand somewhere, English and Chinese. What is not here is written the same in both.
const EXPECTED: [(&str, &str); 17] = [
    ("a comparison", "一个条件"),
    ("a field", "一个字段"),
    ("a value", "一个值"),
    ("a number", "一个数字"),
    ("a sign such as = or >=", "比较符号，如 = 或 >="),
    ("a text in quotes", "带引号的文字"),
    ("a word", "一个词"),
    ("an argument", "一个参数"),
    ("the end of the rule", "规则结束"),
    ("a number of days, as 30", "天数，如 30"),
    ("a whole number, as 5", "整数，如 5"),
    ("an amount with its unit, as 2000 yuan or 1999 fen", "带单位的金额，如 2000元 或 1999分"),
    ("a score from 0 to 100", "0 到 100 的分数"),
    ("a code, as gold", "代码，如 gold"),
    ("a text, as \"素色\"", "文字，如 \"素色\""),
    ("no parentheses", "不带括号"),
    ("a category or sku and a window, as (category \"鞋\", 90 days)", "品类或货号和天数，如 (品类 \"鞋\", 90天)"),
];

impl RuleError {
    /// At a place of a text: what stands there is its next word.
    pub(super) fn at(text: &str, place: usize, detail: Detail, expected: &[&str]) -> Self {
        let before = text.get(..place).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        let rest = text.get(place..).unwrap_or("");
        let found = rest.split_whitespace().next().filter(|_| !rest.starts_with(char::is_whitespace)).unwrap_or("");
        let found = found.chars().take(20).collect();
        Self { line, column, found, expected: expected.iter().map(|word| (*word).to_owned()).collect(), detail }
    }

    /// At a piece of a text.
    pub(super) fn of(text: &str, piece: Piece<'_>, detail: Detail, expected: &[&str]) -> Self {
        let found = piece.text.chars().take(60).collect();
        Self { found, ..Self::at(text, piece.place, detail, expected) }
    }

    /// The sentence in Chinese.
    #[must_use]
    pub fn chinese(&self) -> String {
        let chinese = |word: &String| {
            EXPECTED.iter().find(|(english, _)| english == word).map_or(word.clone(), |(_, c)| (*c).to_owned())
        };
        let expected = self.expected.iter().map(chinese).collect::<Vec<_>>().join("、");
        let place = format!("第{}行第{}个字符", self.line, self.column);
        let found =
            if self.found.is_empty() { "规则已结束".to_owned() } else { format!("这里是“{}”", self.found) };
        match &self.detail {
            Detail::Shape => format!("{place}：{found}，应为{expected}"),
            Detail::TooLong => format!("规则过长：最多 {MOST_BYTES} 字节"),
            Detail::TooDeep => format!("{place}：嵌套过深，括号和“非”最多 {MOST_DEPTH} 层"),
            Detail::TooMany => format!("{place}：条件过多，最多 {MOST_COMPARISONS} 个"),
            Detail::UnknownField(near) if near.is_empty() => format!("{place}：没有名为“{}”的字段或人群组", self.found),
            Detail::UnknownField(near) => {
                format!("{place}：没有名为“{}”的字段或人群组，是否指{}？", self.found, near.join("、"))
            }
            Detail::WrongType(field) => {
                format!("{place}：{found}，{}需要{expected}", super::vocabulary::chinese(field))
            }
            Detail::OutOfRange(field) => {
                format!("{place}：“{}”超出范围，{}需要{expected}", self.found, super::vocabulary::chinese(field))
            }
            Detail::Backwards => format!("{place}：范围的终点小于起点，应从小到大"),
        }
    }
}

/// The sentence in English.
impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = if self.found.is_empty() { "the rule ends".to_owned() } else { format!("found `{}`", self.found) };
        let expected = one_of(&self.expected);
        match &self.detail {
            Detail::TooLong => return write!(f, "the rule is too long: at most {MOST_BYTES} bytes, also when printed"),
            _ => write!(f, "line {}, column {}: ", self.line, self.column)?,
        }
        match &self.detail {
            Detail::Shape => write!(f, "{found}, expected {expected}"),
            Detail::TooLong => Ok(()),
            Detail::TooDeep => write!(f, "nested too deep: at most {MOST_DEPTH} levels of parentheses and `not`"),
            Detail::TooMany => write!(f, "too many comparisons: at most {MOST_COMPARISONS}"),
            Detail::UnknownField(near) => {
                write!(f, "there is no field and no set before this one called `{}`", self.found)?;
                if near.is_empty() { Ok(()) } else { write!(f, "; did you mean {}?", one_of(near)) }
            }
            Detail::WrongType(field) => write!(f, "{found}, but {field} takes {expected}"),
            Detail::OutOfRange(field) => write!(f, "`{}` is out of range: {field} takes {expected}", self.found),
            Detail::Backwards => write!(f, "the range ends before it begins; write the smaller number first"),
        }
    }
}

impl std::error::Error for RuleError {}

/// `a, b or c`.
fn one_of(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}
