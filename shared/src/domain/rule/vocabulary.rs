//! The words of the language, English and Chinese, and the sets that a rule may refer to.

use crate::domain::order::Topic;
use crate::values::Code;

/// A set that rules may refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetWords {
    /// Its id: the field in rules.
    pub id: Code,
    /// Its entries.
    pub entries: Vec<Code>,
}

impl SetWords {
    /// The entry that a rule means by this word: its id, or its id without the set's own in front.
    #[must_use]
    pub fn entry(&self, word: &str) -> Option<&Code> {
        self.entries.iter().find(|entry| entry.as_str() == word || short(&self.id, entry) == word)
    }
}

/// An entry's id as rules print it: `active` for `stage.active` of the set `stage`.
#[must_use]
pub(in crate::domain) fn short<'a>(set: &Code, entry: &'a Code) -> &'a str {
    let id = entry.as_str();
    id.strip_prefix(set.as_str()).and_then(|rest| rest.strip_prefix('.')).filter(|rest| !rest.is_empty()).unwrap_or(id)
}

/// What a rule may refer to beside the facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vocabulary {
    /// Sets, in the order in which they are judged.
    pub sets: Vec<SetWords>,
    /// Whether there is a health score.
    pub health: bool,
}

/// Keywords, which stand for a word of their own only in quotes.
pub(super) const KEYWORDS: [&str; 6] = ["and", "or", "not", "in", "between", "everyone"];

/// Fields: the English name, which is canonical, and its Chinese synonyms.
pub(super) const FIELDS: [(&str, &[&str]); 18] = [
    ("recency", &["最近购买", "最近"]),
    ("tenure", &["首次购买", "首购"]),
    ("birthday", &["距生日", "生日"]),
    ("child_birthday", &["距孩子生日", "孩子生日"]),
    ("frequency", &["频次"]),
    ("orders", &["订单数"]),
    ("money", &["金额"]),
    ("basket", &["客单价"]),
    ("bought", &["购买件数", "购买"]),
    ("invited", &["邀请数", "邀请"]),
    ("tier", &["等级"]),
    ("tag", &["标签"]),
    ("source", &["来源"]),
    ("consent", &["授权"]),
    ("child", &["孩子"]),
    ("answer", &["回应"]),
    ("member", &["会员"]),
    ("health", &["健康度"]),
];

/// Whether a set can't have this name, because a field or a keyword has it.
#[must_use]
pub fn is_taken(name: &str) -> bool {
    KEYWORDS.contains(&name) || FIELDS.iter().any(|(english, _)| *english == name)
}

/// Chinese names of the sets that ship.
const SETS: [(&str, &str); 3] = [("value", "价值"), ("stage", "阶段"), ("journey", "旅程")];

/// What days may be counted from, as `recency(...)` names it.
pub(super) const EVENTS: [(&str, &str, super::Event); 9] = [
    ("view", "浏览", super::Event::Seen(Topic::View)),
    ("search", "搜索", super::Event::Seen(Topic::Search)),
    ("cart", "加购", super::Event::Seen(Topic::Cart)),
    ("review", "评价", super::Event::Seen(Topic::Review)),
    ("share", "分享", super::Event::Seen(Topic::Share)),
    ("photo", "晒图", super::Event::Seen(Topic::Photo)),
    ("visit", "到店", super::Event::Seen(Topic::Visit)),
    ("any", "任何", super::Event::Anything),
    ("size_return", "尺码退货", super::Event::SizeReturn),
];

/// Every field and event with its Chinese names.
pub fn words() -> impl Iterator<Item = (&'static str, &'static str)> {
    let fields = FIELDS.iter().flat_map(|(english, chinese)| chinese.iter().map(|chinese| (*english, *chinese)));
    fields.chain(EVENTS.iter().map(|(english, chinese, _)| (*english, *chinese)))
}

/// The canonical English name of a field or set; the name itself when it has none.
pub(super) fn canonical(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let field = FIELDS.iter().find(|(_, chinese)| chinese.contains(&name)).map(|(english, _)| *english);
    let set = SETS.iter().find(|(_, chinese)| *chinese == name).map(|(english, _)| *english);
    field.or(set).map_or(lower, str::to_owned)
}

/// The Chinese name of a field, a set or an event; the name itself when it has none.
pub(super) fn chinese(name: &str) -> &str {
    let fields = FIELDS.iter().filter_map(|(english, chinese)| Some((*english, *chinese.first()?)));
    let events = EVENTS.iter().map(|(english, chinese, _)| (*english, *chinese));
    let mut known = fields.chain(events).chain(SETS);
    known.find(|(english, _)| *english == name).map_or(name, |(_, chinese)| chinese)
}

impl Vocabulary {
    /// The set with this id.
    #[must_use]
    pub fn set(&self, id: &str) -> Option<&SetWords> {
        self.sets.iter().find(|set| set.id.as_str() == id)
    }

    /// Fields and sets whose names are much like this one, the nearest first.
    #[must_use]
    pub fn near(&self, name: &str) -> Vec<String> {
        let fields = FIELDS.iter().flat_map(|(english, chinese)| std::iter::once(english).chain(chinese.iter()));
        let sets = self.sets.iter().map(|set| set.id.as_str());
        near(&name.to_ascii_lowercase(), fields.copied().chain(sets))
    }
}

/// Up to three words that are much like this one, the nearest first.
pub(super) fn near<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    const LIKE: f64 = 0.65;
    const AS_GOOD_AS_THE_BEST: f64 = 0.1;
    let mut like: Vec<(f64, &str)> = known.map(|known| (strsim::jaro_winkler(word, known), known)).collect();
    like.retain(|(likeness, _)| *likeness >= LIKE);
    like.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let best = like.first().map_or(1.0, |(likeness, _)| *likeness);
    like.retain(|(likeness, _)| *likeness > best - AS_GOOD_AS_THE_BEST);
    like.into_iter().take(3).map(|(_, known)| known.to_owned()).collect()
}
