//! Why a member is in a segment or not.

use super::{Segment, Segmentation};
use crate::domain::facts::Facts;
use crate::domain::rule::{Finding, Sets};
use crate::domain::verdict::Verdict;
use crate::values::{Code, LocalDay};

/// A segment's verdict on a member, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Explained {
    /// The segment.
    pub segment: Code,
    /// The set of which it is an entry.
    pub set: Option<Code>,
    /// Whether the member is in it.
    pub holds: bool,
    /// The day on which time alone changes that; none for never.
    pub until: Option<LocalDay>,
    /// The entry before this one in which the member is, although this one's rule holds too.
    pub taken_by: Option<Code>,
    /// The rule.
    pub rule: String,
    /// What each of its comparisons found.
    pub findings: Vec<Finding>,
    /// All of it as a sentence.
    pub english: String,
    /// All of it as a Chinese sentence.
    pub chinese: String,
}

/// Fields of rules that tell who somebody is, not what they did.
const SENSITIVE: [&str; 4] = ["birthday", "child_birthday", "child", "tag"];

impl Explained {
    /// The same without what was found about birthdays, children and labels, for readers who may not know that.
    #[must_use]
    pub fn without_sensitive(mut self) -> Self {
        let mut hidden = false;
        for finding in &mut self.findings {
            if SENSITIVE.contains(&finding.field.as_str()) {
                (finding.found, finding.until) = (None, None);
                finding.english = format!("`{}` is not shown to this role", finding.wanted);
                finding.chinese = format!("条件“{}”不向该角色显示", finding.wanted);
                hidden = true;
            }
        }
        if hidden {
            let is = if self.holds { ("In", "属于") } else { ("Not in", "不属于") };
            self.until = None;
            self.english = format!("{} `{}`; part of why is not shown to this role.", is.0, self.segment);
            self.chinese = format!("{}“{}”；部分原因不向该角色显示。", is.1, self.segment);
        }
        self
    }
}

impl Segmentation {
    /// Every segment, in order: whether a member is in it on a day, why, and until when, exactly.
    #[must_use]
    pub fn explain(&self, facts: &Facts<'_>, on: LocalDay) -> Vec<Explained> {
        let answers = self.answers(facts, on);
        let place =
            |place: usize| Verdict::tight(on, |on| self.places(facts, on).map(|all| all & super::bit(place) != 0));
        self.segments.iter().enumerate().map(|(n, segment)| explained(segment, &answers, facts, on, place(n))).collect()
    }
}

fn explained(
    segment: &Segment,
    answers: &Sets<'_>,
    facts: &Facts<'_>,
    on: LocalDay,
    is_in: Verdict<bool>,
) -> Explained {
    let rule_holds = segment.rule.judge(facts, answers, on).value;
    let entry = answers.entries.iter().find(|(set, _)| Some(*set) == segment.set.as_ref());
    let taken_by = entry.and_then(|(_, entry)| entry.value).filter(|_| rule_holds && !is_in.value).cloned();
    let findings = segment.rule.explain(facts, answers, on);
    let (mut english, mut chinese) = match (&taken_by, is_in.value) {
        (_, true) => (format!("In `{}`", segment.id), format!("属于“{}”", segment.name)),
        (Some(before), false) => (
            format!("Not in `{}`, because `{before}` comes first", segment.id),
            format!("不属于“{}”，因为 {before} 在先", segment.name),
        ),
        (None, false) => (format!("Not in `{}`", segment.id), format!("不属于“{}”", segment.name)),
    };
    if findings.is_empty() {
        english.push_str(": it takes everyone who is left");
        chinese.push_str("：其余所有人");
    } else {
        let said =
            |sentence: fn(&Finding) -> &str, between| findings.iter().map(sentence).collect::<Vec<_>>().join(between);
        english = format!("{english}: {}", said(|finding| &finding.english, "; "));
        chinese = format!("{chinese}：{}", said(|finding| &finding.chinese, "；"));
    }
    if let Some(day) = is_in.until {
        english = format!("{english}. If nothing happens, this changes on {day}.");
        chinese = format!("{chinese}。如无其他变化，{day}起改变。");
    } else {
        english.push_str(". Time alone does not change this.");
        chinese.push_str("。不会只因时间而改变。");
    }
    Explained {
        segment: segment.id.clone(),
        set: segment.set.clone(),
        holds: is_in.value,
        until: is_in.until,
        taken_by,
        rule: segment.rule.to_string(),
        findings,
        english,
        chinese,
    }
}
