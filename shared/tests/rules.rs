//! The rule language on random rules, histories and days: what is printed is read back, and no verdict is ever late.
#![allow(clippy::unwrap_used, reason = "a test that fails should stop at once, also in its helpers")]

use huitou::domain::age::{ChildAge, Own};
use huitou::domain::consent::{Decision, Floors, Purpose};
use huitou::domain::days::{PurchaseDays, Window};
use huitou::domain::facts::Facts;
use huitou::domain::order::{Line, Topic};
use huitou::domain::rule::{Detail, Rule, SetWords, Vocabulary};
use huitou::domain::segmentation::Segmentation;
use huitou::domain::traits::{Channel, ChannelAnswer, Reply, Tag, Traits};
use huitou::domain::verdict::Verdict;
use huitou::values::{Birthday, Code, Fen, LocalDay, MonthDay, Name};
use proptest::prelude::*;
use proptest::sample::select;

/// The last day on which something may have happened.
const NOW: u32 = 800;

fn day(offset: u32) -> LocalDay {
    LocalDay::FIRST.plus(1_000 + offset)
}

fn code(text: &str) -> Code {
    Code::parse(text).unwrap()
}

fn vocabulary() -> Vocabulary {
    Segmentation::shipped().unwrap().vocabulary()
}

fn read(text: &str) -> Rule {
    Rule::parse(text, &vocabulary()).unwrap()
}

/// Everything that is known about a member, owned.
#[derive(Clone, Debug)]
struct Known {
    days: PurchaseDays,
    window: Window,
    tier: Option<Code>,
    claimed: bool,
    traits: Traits,
    children: Vec<ChildAge>,
    own: Own,
}

impl Known {
    fn facts(&self) -> Facts<'_> {
        Facts {
            days: &self.days,
            window: self.window,
            tier: self.tier.as_ref(),
            claimed: self.claimed,
            traits: &self.traits,
            own: self.own,
            children: &self.children,
            floors: Floors::NONE,
        }
    }
}

fn sometimes<T: Clone + std::fmt::Debug>(what: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    proptest::option::of(what)
}

fn window() -> impl Strategy<Value = Window> {
    prop_oneof![Just(Window::Lifetime), (1_u32..500).prop_map(Window::Days)]
}

fn topic() -> impl Strategy<Value = Topic> {
    use Topic::{Cart, Photo, Review, Search, Share, View, Visit};
    select(vec![View, Search, Cart, Review, Share, Photo, Visit])
}

fn bought() -> impl Strategy<Value = (PurchaseDays, Vec<(u32, Line)>)> {
    let order = (0..=NOW, 0_u64..300_000, 1_u32..4, select(vec!["鞋", "上衣"]), select(vec!["TEE-M", "TEE-L"]));
    proptest::collection::vec(order, 0..8).prop_map(|orders| {
        let mut days = PurchaseDays::default();
        let mut lines = Vec::new();
        for (offset, money, quantity, category, sku) in orders {
            days.buy(day(offset), Fen::computed(money));
            let line = format!(r#"{{"sku":"{sku}","quantity":{quantity},"amount":{money},"category":"{category}"}}"#);
            lines.push((offset, serde_json::from_str(&line).unwrap()));
        }
        (days, lines)
    })
}

fn traits() -> impl Strategy<Value = Traits> {
    let seen = proptest::collection::vec((topic(), 0..=NOW), 0..5);
    let tags = proptest::collection::vec((select(vec!["素色", "VIP"]), sometimes(NOW - 100..NOW + 300)), 0..3);
    let answers =
        proptest::collection::vec((select(Channel::ALL.to_vec()), select(Reply::ALL.to_vec()), 0..=NOW), 0..3);
    (seen, tags, answers, 0_u32..4, sometimes(0..=NOW), any::<bool>(), any::<bool>()).prop_map(
        |(seen, tags, answers, invited, size_return, sourced, consents)| {
            let mut traits = Traits { invited, size_return: size_return.map(day), ..Traits::default() };
            for (topic, offset) in seen {
                traits.saw(topic, day(offset));
            }
            let tag =
                |(name, until): (&str, Option<u32>)| Tag { name: Name::parse(name).unwrap(), until: until.map(day) };
            traits.retag(&tags.into_iter().map(tag).collect::<Vec<_>>(), &[]);
            let answer = |(channel, reply, offset)| ChannelAnswer { channel, reply, day: day(offset) };
            traits.answers = answers.into_iter().map(answer).collect();
            traits.source = sourced.then(|| code("wechat"));
            traits.decide(Decision { purpose: Purpose::Sms, granted: consents, policy: 1, on: day(0) });
            traits
        },
    )
}

/// The day of the year of a day.
fn round(offset: u32) -> MonthDay {
    Birthday::parse(&day(offset).to_string()).unwrap().month_day()
}

fn child() -> impl Strategy<Value = ChildAge> {
    (0..NOW + 400, 0..NOW + 400).prop_map(|(one, other)| ChildAge {
        fourth: Some(day(one.min(other))),
        seventh: Some(day(one.max(other))),
        birthday: round(one),
        policy: 1,
    })
}

fn member() -> impl Strategy<Value = Known> {
    let tier = sometimes(select(vec!["silver", "gold"]));
    let children = proptest::collection::vec(child(), 0..3);
    let birthday = sometimes((0..NOW).prop_map(round));
    (bought(), window(), tier, any::<bool>(), traits(), children, birthday).prop_map(
        |((days, lines), window, tier, claimed, mut traits, children, birthday)| {
            for (offset, line) in lines {
                traits.baskets.buy(day(offset), &[line]);
            }
            let own = Own { minor_until: None, birthday };
            Known { days, window, tier: tier.map(code), claimed, traits, children, own }
        },
    )
}

/// A test of a number up to `most`, written with `unit`.
fn number_test(most: u64, unit: &'static str) -> impl Strategy<Value = String> {
    let sign = select(vec!["=", "!=", "<", "<=", ">", ">="]);
    let no = || select(vec!["", "not "]);
    prop_oneof![
        4 => (sign, 0..most).prop_map(move |(sign, n)| format!("{sign} {n}{unit}")),
        1 => (no(), 0..most, 0..most).prop_map(move |(no, a, b)| {
            format!("{no}between {}{unit} and {}{unit}", a.min(b), a.max(b))
        }),
        1 => (no(), proptest::collection::vec(0..most, 1..4)).prop_map(move |(no, numbers)| {
            let all: Vec<String> = numbers.iter().map(|n| format!("{n}{unit}")).collect();
            format!("{no}in ({})", all.join(", "))
        }),
    ]
}

fn word_test(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let quoted = |word: &str| format!("\"{word}\"");
    prop_oneof![
        (select(vec!["=", "!="]), select(words)).prop_map(move |(sign, word)| format!("{sign} {}", quoted(word))),
        (select(vec!["", "not "]), proptest::sample::subsequence(words, 1..=words.len())).prop_map(
            move |(no, words)| { format!("{no}in ({})", words.into_iter().map(quoted).collect::<Vec<_>>().join(", ")) }
        ),
    ]
}

fn comparison() -> impl Strategy<Value = String> {
    let since = select(vec![
        "recency",
        "tenure",
        "recency(view)",
        "recency(cart)",
        "recency(any)",
        "recency(size_return)",
        "recency(visit)",
    ]);
    let counted = select(vec!["frequency", "orders"]);
    let paid = select(vec!["money", "basket"]);
    let span = || {
        prop_oneof![Just(String::new()), Just("(lifetime)".to_owned()), (1..500).prop_map(|d| format!("({d} days)"))]
    };
    let thing = select(vec!["category \"鞋\"", "category \"上衣\"", "sku TEE-M"]);
    prop_oneof![
        4 => (since, number_test(400, "")).prop_map(|(field, test)| format!("{field} {test}")),
        3 => (counted, span(), number_test(6, "")).prop_map(|(field, span, test)| format!("{field}{span} {test}")),
        2 => (paid, span(), number_test(600_000, " fen")).prop_map(|(field, span, test)| format!("{field}{span} {test}")),
        2 => (thing, 1..730, number_test(6, "")).prop_map(|(thing, d, test)| format!("bought({thing}, {d} days) {test}")),
        1 => number_test(4, "").prop_map(|test| format!("invited {test}")),
        3 => (select(vec!["birthday", "child_birthday"]), number_test(370, " days"))
            .prop_map(|(field, test)| format!("{field} {test}")),
        2 => number_test(100, "").prop_map(|test| format!("health {test}")),
        1 => word_test(&["silver", "gold"]).prop_map(|test| format!("tier {test}")),
        2 => word_test(&["素色", "VIP", "a\\\\b", "and"]).prop_map(|test| format!("tag {test}")),
        1 => word_test(&["wechat", "store"]).prop_map(|test| format!("source {test}")),
        1 => word_test(&["marketing.sms", "children"]).prop_map(|test| format!("consent {test}")),
        2 => word_test(&["0-3", "4-6", "7+"]).prop_map(|test| format!("child {test}")),
        1 => word_test(&["ignored", "clicked"]).prop_map(|test| format!("answer(sms) {test}")),
        1 => word_test(&["ignored", "converted"]).prop_map(|test| format!("answer {test}")),
        1 => word_test(&["claimed", "unclaimed"]).prop_map(|test| format!("member {test}")),
        2 => word_test(&["high_value", "dormant", "new"]).prop_map(|test| format!("value {test}")),
        1 => word_test(&["active", "stage.lost"]).prop_map(|test| format!("stage {test}")),
        1 => Just("everyone".to_owned()),
    ]
}

/// The text of a random rule, with more parentheses than it needs.
fn text() -> impl Strategy<Value = String> {
    comparison().prop_recursive(4, 24, 4, |inner| {
        let joined = |word: &'static str| move |parts: Vec<String>| format!("({})", parts.join(word));
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(joined(" and ")),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(joined(" OR ")),
            inner.prop_map(|rule| format!("not ({rule})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_printed_is_read_back(text in text()) {
        let rule = read(&text);
        let printed = rule.to_string();
        prop_assert_eq!(&read(&printed), &rule, "{}", printed);
        prop_assert_eq!(read(&printed).to_string(), printed);
    }

    #[test]
    fn a_rule_holds_or_fails_on_every_day_before_its_until(member in member(), text in text(), on in NOW..NOW + 300) {
        let rule = read(&text);
        let shipped = Segmentation::shipped().unwrap();
        let (facts, on) = (member.facts(), day(on));
        let judge = |on: LocalDay| rule.judge(&facts, &shipped.answers(&facts, on), on);
        let verdict = judge(on);
        let horizon = verdict.until.unwrap_or(on.plus(900));
        let mut later = on;
        while later < horizon {
            prop_assert_eq!(judge(later).value, verdict.value, "`{}` on {}", rule, later);
            later = later.plus(1);
        }
        prop_assert!(verdict.until.is_none_or(|until| until > on));
    }

    #[test]
    fn a_tight_verdict_ends_on_the_very_day_on_which_the_rule_turns(
        member in member(), text in text(), on in NOW..NOW + 300,
    ) {
        let rule = read(&text);
        let shipped = Segmentation::shipped().unwrap();
        let (facts, on) = (member.facts(), day(on));
        let tight = shipped.judge_rule(&rule, &facts, on);
        let value = |on: LocalDay| rule.judge(&facts, &shipped.answers(&facts, on), on).value;
        let turns = (1..900).map(|later| on.plus(later)).find(|later| value(*later) != tight.value);
        // What comes round each year may turn later than anything else.
        let until = tight.until.filter(|day| *day < on.plus(900));
        prop_assert_eq!((tight.value, until), (value(on), turns));
    }

    #[test]
    fn a_list_of_segments_changes_on_its_until_and_not_before(member in member(), on in NOW..NOW + 300) {
        let shipped = Segmentation::shipped().unwrap();
        let (facts, on) = (member.facts(), day(on));
        let judged = shipped.judge(&facts, on);
        let segments = |on: LocalDay| shipped.judge(&facts, on).segments;
        let changes = (1..900).map(|later| on.plus(later)).find(|later| segments(*later) != judged.segments);
        prop_assert_eq!(judged.until, changes);
    }

    #[test]
    fn what_has_not_happened_yet_is_not_known_and_ends_the_verdict_on_its_day(
        member in member(), text in text(), on in 0_u32..NOW,
    ) {
        let rule = read(&text);
        let shipped = Segmentation::shipped().unwrap();
        let (facts, on) = (member.facts(), day(on));
        let tight = shipped.judge_rule(&rule, &facts, on);
        let value = |on: LocalDay| rule.judge(&facts, &shipped.answers(&facts, on), on).value;
        let turns = (1..1_700).map(|later| on.plus(later)).find(|later| value(*later) != tight.value);
        prop_assert_eq!(tight.until.filter(|day| *day < on.plus(1_700)), turns);
    }

    #[test]
    fn no_text_is_more_than_refused(text in "\\PC{0,60}", words in proptest::collection::vec(
        select(vec!["recency", "(", ")", "not", "and", "<=", "30", "yuan", "tag", "\"", "\\", "in", ",", "between", "且", "金额", "\n"]), 0..30,
    )) {
        for text in [text, words.join(" ")] {
            match Rule::parse(&text, &vocabulary()) {
                // So a text of up to a quarter of the bound is never refused for what it is printed as.
                Ok(rule) => prop_assert!(rule.to_string().len() <= 4 * text.len()),
                Err(error) => {
                    prop_assert!(error.line >= 1 && error.column >= 1);
                    prop_assert!(!error.to_string().is_empty() && !error.chinese().is_empty());
                }
            }
        }
    }
}

#[test]
fn a_name_ends_where_a_chinese_keyword_begins_and_begins_with_none() {
    assert_eq!(read("等级不属于（gold，silver）"), read("tier not in (gold, silver)"));
    for text in ["并且等级 = gold", "等级 = gold 且 或 等级 = silver"] {
        let error = Rule::parse(text, &vocabulary()).unwrap_err();
        assert_eq!((error.detail, error.expected), (Detail::Shape, vec!["a comparison".to_owned()]), "{text}");
    }
}

#[test]
fn an_error_says_where_what_stands_there_and_what_could() {
    let error = |text: &str| Rule::parse(text, &vocabulary()).unwrap_err();
    let wrong = error("recency <= 30 and\n  频次 >=");
    assert_eq!((wrong.line, wrong.column, wrong.found.as_str()), (2, 8, ""));
    for (text, english, chinese) in [
        (
            "money >= 2000",
            "line 1, column 10: found `2000`, but money takes an amount with its unit, as 2000 yuan or 1999 fen",
            "第1行第10个字符：这里是“2000”，金额需要带单位的金额，如 2000元 或 1999分",
        ),
        (
            "recensy < 3",
            "line 1, column 1: there is no field and no set before this one called `recensy`; did you mean recency?",
            "第1行第1个字符：没有名为“recensy”的字段或人群组，是否指recency？",
        ),
        (
            "tier < gold",
            "line 1, column 6: found `< gold`, but tier takes =, !=, in or not in",
            "第1行第6个字符：这里是“< gold”，等级需要=、!=、in、not in",
        ),
        (
            "tenure between 9 and 3",
            "line 1, column 8: the range ends before it begins; write the smaller number first",
            "第1行第8个字符：范围的终点小于起点，应从小到大",
        ),
        (
            "value = high_valeu",
            "line 1, column 9: found `high_valeu`, but value takes high_value",
            "第1行第9个字符：这里是“high_valeu”，价值需要high_value",
        ),
    ] {
        assert_eq!((error(text).to_string().as_str(), error(text).chinese().as_str()), (english, chinese));
    }
}

#[test]
fn a_huge_or_deep_rule_is_refused_at_once() {
    let error = |text: &str| Rule::parse(text, &vocabulary()).unwrap_err().detail;
    assert_eq!(error(&"tier = gold or ".repeat(7_000)), Detail::TooLong);
    assert_eq!(error(&format!("{}everyone{}", "(".repeat(1_000), ")".repeat(1_000))), Detail::TooDeep);
    assert_eq!(error(&format!("{}everyone", "not ".repeat(1_000))), Detail::TooDeep);
    assert_eq!(error(&format!("{}everyone{}", "not (".repeat(17), ")".repeat(17))), Detail::TooDeep);
    assert_eq!(error(&vec!["orders = 1"; 101].join(" or ")), Detail::TooMany);
    let deepest = format!("{}frequency(90 days) = 1{}", "(".repeat(32), ")".repeat(32));
    assert_eq!(Rule::parse(&deepest, &vocabulary()).unwrap(), read("frequency(90 days) = 1"));
}

#[test]
fn a_birthday_is_counted_down_and_begins_again_on_the_day_after() {
    let (days, traits) = (PurchaseDays::default(), Traits::default());
    let born = |text: &str| Birthday::parse(text).unwrap().month_day();
    let on = |text: &str| LocalDay::parse(text).unwrap();
    let child = |text: &str| ChildAge { fourth: None, seventh: None, birthday: born(text), policy: 1 };
    let children = [child("2015-05-20"), child("2016-02-29")];
    let own = Own { minor_until: None, birthday: Some(born("1988-02-29")) };
    let facts = Facts { own, children: &children, ..Facts::of_purchases(&days, Window::Lifetime, &traits) };
    let shipped = Segmentation::shipped().unwrap();
    let judged = |text: &str, day: &str| shipped.judge_rule(&read(text), &facts, on(day));
    for (text, day, value, until) in [
        ("birthday <= 7", "2026-02-21", false, Some("2026-02-22")),
        ("birthday <= 7", "2026-02-22", true, Some("2026-03-02")),
        ("birthday <= 7", "2026-03-02", false, Some("2027-02-22")),
        ("birthday = 0", "2028-02-28", false, Some("2028-02-29")),
        ("birthday = 365", "2026-03-02", false, Some("2028-03-01")),
        ("birthday <= 365", "2026-03-02", true, None),
        ("child_birthday <= 30", "2026-03-02", false, Some("2026-04-20")),
        ("child_birthday <= 30", "2026-04-20", true, Some("2026-05-21")),
        ("child_birthday = 365", "2026-03-02", false, None),
    ] {
        assert_eq!(judged(text, day), Verdict { value, until: until.map(on) }, "{text} on {day}");
    }
    let always = judged("birthday <= 7 or birthday > 7", "2026-03-02");
    assert!(always.value && always.until.is_some_and(|until| until > on("2038-01-01")), "{always:?}");
}

#[test]
fn chinese_and_english_say_the_same() {
    for (chinese, english) in [
        ("最近购买<=30天且频次>=5且金额>=2000元", "recency <= 30 and frequency >= 5 and money >= 2000 yuan"),
        ("标签 属于（“素色”，“爱打折”）或 非 等级＝gold", "tag in (\"素色\", \"爱打折\") or not tier = gold"),
        ("订单数（90天） 不 介于 2 至 5", "orders(90 days) not between 2 and 5"),
        ("客单价（终身）≥19950分", "basket(lifetime) >= 19950 fen"),
        ("最近（尺码退货）<=30 且 孩子=\"4-6\"", "recency(size_return) <= 30 and child = \"4-6\""),
        ("购买（品类 \"鞋\"，90天）>=2", "bought(category \"鞋\", 90 days) >= 2"),
        ("阶段 不属于 (active, new)", "stage not in (active, new)"),
        ("所有人", "everyone"),
        ("生日<=7天且距孩子生日=0", "birthday <= 7 and child_birthday = 0"),
    ] {
        assert_eq!(read(chinese), read(english), "{chinese}");
    }
}

#[test]
fn the_canonical_text_is_plain() {
    for (written, printed) in [
        (
            "((RECENCY<=30)) AND (Frequency >= 5 AND money >= 1999 fen)",
            "recency <= 30 and frequency >= 5 and money >= 1999 fen",
        ),
        ("money >= 199900 fen", "money >= 1999 yuan"),
        ("(tier = gold or tag = \"VIP\") and not (not everyone)", "(tier = gold or tag = VIP) and not not everyone"),
        ("not (tier in (gold))", "not tier = gold"),
        ("stage = stage.active", "stage = active"),
        ("tag != \"and\"", "tag != \"and\""),
    ] {
        assert_eq!(read(written).to_string(), printed);
    }
}

#[test]
fn comparing_something_unknown_is_false_whatever_it_is_compared_with() {
    let (days, traits) = (PurchaseDays::default(), Traits::default());
    let window = Window::Lifetime;
    let facts = Facts::of_purchases(&days, window, &traits);
    let shipped = Segmentation::shipped().unwrap();
    let holds = |text: &str| shipped.judge_rule(&read(text), &facts, day(0)).value;
    for unknown in [
        "recency != 5",
        "recency >= 0",
        "tenure not in (1, 2)",
        "tier != gold",
        "source != wechat",
        "answer != clicked",
    ] {
        assert!(!holds(unknown), "{unknown}");
        assert!(holds(&format!("not {unknown}")), "{unknown}");
    }
    assert!(
        holds("tag != \"素色\" and child != \"0-3\" and consent != marketing.sms"),
        "having none is having not this one"
    );
}

#[test]
fn a_rule_may_only_refer_to_sets_that_it_is_told_of() {
    let none = Vocabulary::default();
    assert!(matches!(Rule::parse("value = high_value", &none).unwrap_err().detail, Detail::UnknownField(_)));
    assert!(matches!(Rule::parse("health < 40", &none).unwrap_err().detail, Detail::UnknownField(_)));
    let own = Vocabulary { sets: vec![SetWords { id: code("mood"), entries: vec![code("mood.good")] }], health: false };
    assert_eq!(Rule::parse("mood = good", &own).unwrap().to_string(), "mood = good");
}

/// The blocks of a page that are marked with this word, as lines.
fn blocks<'a>(page: &'a str, word: &str) -> Vec<Vec<&'a str>> {
    let begins = format!("```{word}\n");
    let blocks = page.split(&begins).skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| block.lines().collect()).collect()
}

#[test]
fn every_example_of_the_two_pages_is_read_as_it_says() {
    let pages = [include_str!("../src/domain/rule/LANGUAGE.md"), include_str!("../src/domain/rule/LANGUAGE.zh-CN.md")];
    let mut rules = Vec::new();
    for page in pages {
        for line in blocks(page, "rule").into_iter().flatten() {
            let rule = Rule::parse(line, &vocabulary());
            assert!(rule.is_ok(), "{line}: {}", rule.unwrap_err());
            rules.push((line, rule.unwrap()));
        }
        for block in blocks(page, "refused") {
            let error = Rule::parse(block[0], &vocabulary()).unwrap_err();
            assert!(block[1] == error.to_string() || block[1] == error.chinese(), "{} or {}", error, error.chinese());
        }
    }
    assert!(rules.len() > 40, "the pages have lost their examples");
    assert_eq!(rules[0].1.to_string(), rules[0].0);
}

#[test]
fn every_word_of_the_language_stands_on_the_chinese_page() {
    let page = include_str!("../src/domain/rule/LANGUAGE.zh-CN.md");
    for (english, chinese) in huitou::domain::rule::words() {
        assert!(page.contains(english) && page.contains(chinese), "{english}, {chinese}");
    }
}
