//! Answers before a ticket is made: a member's question in Chinese, held against the questions that the desk has
//! answers to.
//!
//! The question is cut into words by the most probable path through the words that the entries know (jieba's method),
//! so that 退货 in 退货运费 does not count where 退货运费 is a word of its own. A word counts the more the fewer
//! entries have it.

use std::collections::{BTreeMap, BTreeSet};

use jieba_rs::Jieba;
use serde::{Deserialize, Serialize};

use super::flaw::{Flaw, Flaws};
use crate::values::{Code, Name, Note};

/// The most entries.
const MOST_ENTRIES: usize = 200;
/// The most words of an entry.
const MOST_WORDS: usize = 20;
/// The most answers that are shown.
const MOST_SHOWN: usize = 3;

/// A question that the desk has an answer to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FaqEntry {
    /// Its code.
    pub id: Code,
    /// The question as it is shown.
    pub question: Name,
    /// The answer.
    pub answer: Note,
    /// Words by which members ask it, 1 to 20.
    pub words: Vec<Name>,
}

/// The entries that answer a question best, best first, at most three; none when none has any of its words.
#[must_use]
pub fn answers<'a>(entries: &'a [FaqEntry], question: &str) -> Vec<&'a FaqEntry> {
    let mut holders = BTreeMap::<String, u32>::new();
    for entry in entries {
        for word in words_of(entry) {
            *holders.entry(word).or_default() += 1;
        }
    }
    let mut cutter = Jieba::empty();
    for word in holders.keys() {
        cutter.add_word(word, Some(1), None);
    }
    let question = question.to_lowercase();
    let asked: BTreeSet<&str> = cutter.cut(&question, false).into_iter().map(|token| token.word).collect();
    let all = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let weight = |word: &String| {
        let holders = holders.get(word).copied().filter(|_| asked.contains(word.as_str()));
        holders.and_then(|holders| all.checked_div(holders)?.checked_ilog2()).map_or(0, |rarity| rarity + 1)
    };
    let score = |entry: &FaqEntry| words_of(entry).iter().map(weight).sum::<u32>();
    let mut scored: Vec<(u32, &FaqEntry)> = entries.iter().map(|entry| (score(entry), entry)).collect();
    scored.retain(|(score, _)| *score > 0);
    // Stable: of equals the one that the settings name first.
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().take(MOST_SHOWN).map(|(_, entry)| entry).collect()
}

fn words_of(entry: &FaqEntry) -> BTreeSet<String> {
    entry.words.iter().map(|word| word.as_str().to_lowercase()).collect()
}

/// Everything that makes the entries unusable, with its place in the document of the desk.
#[must_use]
pub fn flaws(entries: &[FaqEntry]) -> Vec<Flaw> {
    let mut flaws = Flaws::default();
    flaws.note(entries.len() > MOST_ENTRIES, "/faq", "must be at most 200");
    for (n, entry) in entries.iter().enumerate() {
        let again = entries.iter().take(n).any(|other| other.id == entry.id);
        flaws.note(again, format_args!("/faq/{n}/id"), "must differ from the ids before it");
        let words = (1..=MOST_WORDS).contains(&entry.words.len());
        flaws.note(!words, format_args!("/faq/{n}/words"), "must be 1 to 20");
    }
    flaws.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::desk::Desk;

    fn best(question: &str) -> Vec<String> {
        let entries = Desk::shipped().unwrap().faq;
        answers(&entries, question).into_iter().map(|entry| entry.id.to_string()).collect()
    }

    #[test]
    fn a_question_finds_its_answer_in_the_words_of_members() {
        assert_eq!(best("衣服不合适怎么退货?")[0], "returns");
        assert_eq!(best("我的快递到哪了")[0], "delivery");
        assert_eq!(best("积分什么时候过期")[0], "points");
        assert_eq!(best("可以开发票吗")[0], "invoice");
    }

    #[test]
    fn a_longer_word_is_not_taken_for_the_shorter_one_inside_it() {
        let entry = |id: &str, word: &str| FaqEntry {
            id: Code::parse(id).unwrap(),
            question: Name::parse("?").unwrap(),
            answer: Note::parse("!").unwrap(),
            words: vec![Name::parse(word).unwrap()],
        };
        let entries = [entry("returns", "退货"), entry("fees", "退货运费")];
        let found = |question| answers(&entries, question).into_iter().map(|e| e.id.as_str()).collect::<Vec<_>>();
        assert_eq!(found("退货运费谁出"), ["fees"]);
        assert_eq!(found("怎么退货"), ["returns"]);
    }

    #[test]
    fn what_nobody_knows_has_no_answer() {
        for question in ["今天天气真好", "hello", "。。。", "😀"] {
            assert_eq!(best(question), Vec::<String>::new(), "{question}");
        }
    }
}
