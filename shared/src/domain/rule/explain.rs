//! Why a rule holds for a member or not, comparison by comparison.

use super::vocabulary::{EVENTS, chinese};
use super::{Comparison, Event, Number, Relation, Rule, Sets, Test, Unit};
use crate::domain::days::Window;
use crate::domain::facts::Facts;
use crate::domain::verdict::Verdict;
use crate::values::LocalDay;

/// What one comparison found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Finding {
    /// The field, as rules write it: `recency`, `money(lifetime)`, `tag`.
    pub field: String,
    /// The comparison, canonically: `recency <= 30`.
    pub wanted: String,
    /// The member's own value, as rules write it; none when it is unknown or there is nothing.
    pub found: Option<String>,
    /// Whether the comparison holds.
    pub holds: bool,
    /// The first day on which time alone may turn it; none for never.
    pub until: Option<LocalDay>,
    /// All of it as a sentence.
    pub english: String,
    /// All of it as a Chinese sentence.
    pub chinese: String,
}

impl Rule {
    /// What each comparison finds in a member on a day, in the order of the text.
    #[must_use]
    pub fn explain(&self, facts: &Facts<'_>, sets: &Sets<'_>, on: LocalDay) -> Vec<Finding> {
        self.comparisons().into_iter().map(|comparison| comparison.explain(facts, sets, on)).collect()
    }
}

impl Comparison {
    fn explain(&self, facts: &Facts<'_>, sets: &Sets<'_>, on: LocalDay) -> Finding {
        let Verdict { value: holds, until } = self.judge(facts, sets, on);
        let (field, found, said) = match self {
            Self::Number(number, _) => {
                let (value, unit) = (number.of(facts, sets, on), number.unit());
                let unknown = ("unknown".to_owned(), "未知".to_owned());
                (number.to_string(), value.map(|v| unit.written(v)), value.map_or(unknown, |v| unit.said(v)))
            }
            Self::Text(text, _) => {
                let words = text.of(facts, sets, on);
                let found = (!words.is_empty()).then(|| words.join(", "));
                let nothing = ("nothing".to_owned(), "空".to_owned());
                (text.to_string(), found.clone(), found.map_or(nothing, |found| (found, words.join("、"))))
            }
        };
        let wanted = self.to_string();
        let english = format!("{field} is {}: `{wanted}` {}", said.0, if holds { "holds" } else { "does not hold" });
        let outcome = if holds { "符合" } else { "不符合" };
        let chinese = format!("{}为{}，条件“{}”{outcome}", self.field_chinese(), said.1, self.chinese());
        Finding { field, wanted, found, holds, until, english, chinese }
    }

    fn field_chinese(&self) -> String {
        match self {
            Self::Number(number, _) => number.chinese(),
            Self::Text(text, _) => chinese(&text.to_string()).to_owned(),
        }
    }

    /// The comparison in Chinese, as the language reads it.
    #[must_use]
    pub fn chinese(&self) -> String {
        let field = self.field_chinese();
        let no = |not: bool| if not { "不" } else { "" };
        match self {
            Self::Number(number, test) => {
                let said = |value: u64| number.unit().said(value).1;
                match test {
                    Test::Is(relation, wanted) => format!("{field}{}{}", relation.mathematical(), said(*wanted)),
                    Test::In { not, numbers } => {
                        let all: Vec<String> = numbers.iter().map(|number| said(*number)).collect();
                        format!("{field}{}属于（{}）", no(*not), all.join("，"))
                    }
                    Test::Between { not, from, to } => {
                        format!("{field}{}介于{}至{}", no(*not), said(*from), said(*to))
                    }
                }
            }
            Self::Text(_, among) => match among.words.as_slice() {
                [word] => format!("{field}{}“{word}”", if among.not { "≠" } else { "=" }),
                words => {
                    let all: Vec<String> = words.iter().map(|word| format!("“{word}”")).collect();
                    format!("{field}{}属于（{}）", no(among.not), all.join("，"))
                }
            },
        }
    }
}

impl Relation {
    const fn mathematical(self) -> &'static str {
        match self {
            Self::IsNot => "≠",
            Self::AtMost => "≤",
            Self::AtLeast => "≥",
            Self::Is | Self::Below | Self::Above => self.sign(),
        }
    }
}

impl Unit {
    /// A number of this unit in words, English and Chinese.
    pub(super) fn said(self, number: u64) -> (String, String) {
        let written = self.written(number);
        match self {
            Self::Days if number == 1 => ("1 day".into(), "1天".into()),
            Self::Days => (format!("{number} days"), format!("{number}天")),
            Self::Money => {
                let chinese = written.replace(" yuan", "元").replace(" fen", "分");
                (written, chinese)
            }
            Self::Pieces | Self::Score => (written.clone(), written),
        }
    }
}

impl Number {
    /// The field in Chinese, as the language reads it.
    #[must_use]
    pub fn chinese(&self) -> String {
        match self {
            Self::Since(Event::LastOrder) => chinese("recency").to_owned(),
            Self::Since(Event::FirstOrder) => chinese("tenure").to_owned(),
            Self::Since(event) => {
                let word = EVENTS.iter().find(|(_, _, known)| known == event).map_or("", |(_, chinese, _)| chinese);
                format!("最近（{word}）")
            }
            Self::Bought(measure, None) => chinese(measure.word()).to_owned(),
            Self::Bought(measure, Some(Window::Lifetime)) => format!("{}（终身）", chinese(measure.word())),
            Self::Bought(measure, Some(Window::Days(days))) => format!("{}（{days}天）", chinese(measure.word())),
            Self::Units(units) => {
                let english = Self::Units(units.clone()).to_string();
                let arguments = english.trim_start_matches("bought(").trim_end_matches(" days)");
                let arguments = arguments.replace("category ", "品类").replace("sku ", "货号").replace(", ", "，");
                format!("购买件数（{arguments}天）")
            }
            Self::Until(coming) => chinese(coming.word()).to_owned(),
            Self::Invited => chinese("invited").to_owned(),
            Self::Health => chinese("health").to_owned(),
        }
    }
}
