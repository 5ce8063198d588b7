//! Counts: how many sends of a campaign stand where, by variant and channel.
//!
//! A count is raised and lowered in the transaction that moves a send, so the counts are exact at any time.

use std::collections::BTreeMap;
use std::fmt;

use crate::domain::traits::Channel;
use crate::values::Code;

/// What is counted: a word, and for which variant and channel where these are known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count {
    /// What: `audience`, `sent`, `refused.capped`, ...
    pub what: String,
    /// The variant.
    pub variant: Option<Code>,
    /// The channel.
    pub channel: Option<Channel>,
}

impl Count {
    /// Members whose copies were put into the queue.
    pub const AUDIENCE: &'static str = "audience";
    /// Messages that were opened.
    pub const OPENED: &'static str = "opened";
    /// Messages whose link was followed.
    pub const CLICKED: &'static str = "clicked";
    /// What messages cost, in fen.
    pub const COST: &'static str = "cost";
    /// Where a member of an audience can stand, each by a word or by how it begins; whoever stands nowhere is in hand.
    pub const STANDINGS: [&'static str; 7] = ["sent", "held", "refused", "failed", "expired", "holdout", "moved"];

    /// A count of the campaign as a whole.
    #[must_use]
    pub fn of(what: &str) -> Self {
        Self { what: what.to_owned(), variant: None, channel: None }
    }

    /// Reads a count as it is written.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('|');
        let (what, variant, channel) = (parts.next()?, parts.next()?, parts.next()?);
        let known = |word: &&str| !word.is_empty();
        let channel = Some(channel).filter(known).map(|word| Channel::ALL.into_iter().find(|c| c.word() == word));
        Some(Self {
            what: what.to_owned(),
            variant: Some(variant).filter(known).map(Code::parse).transpose().ok()?,
            channel: match channel {
                Some(found) => Some(found?),
                None => None,
            },
        })
    }
}

/// As it is written: `sent|a|sms`, with nothing for what is not known.
impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variant = self.variant.as_ref().map_or("", Code::as_str);
        write!(f, "{}|{variant}|{}", self.what, self.channel.map_or("", Channel::word))
    }
}

/// How many there are of each, or by how many each changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Count, i64>);

impl Counts {
    /// Changes a count; one that comes to nothing is not kept.
    pub fn add(&mut self, count: &Count, by: i64) {
        let sum = self.0.get(count).copied().unwrap_or(0).saturating_add(by);
        if sum == 0 {
            self.0.remove(count);
        } else {
            self.0.insert(count.clone(), sum);
        }
    }

    /// Adds others.
    pub fn merge(&mut self, others: &Self) {
        others.all().for_each(|(count, by)| self.add(count, by));
    }

    /// Everything that is counted.
    pub fn all(&self) -> impl Iterator<Item = (&Count, i64)> {
        self.0.iter().map(|(count, by)| (count, *by))
    }

    /// The sum over variants and channels of what has this name, or begins with it and a dot.
    #[must_use]
    pub fn sum(&self, what: &str) -> i64 {
        let of =
            |count: &Count| count.what.strip_prefix(what).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.all().filter(|(count, _)| of(count)).map(|(_, by)| by).sum()
    }

    /// The sums over variants and channels, by word.
    #[must_use]
    pub fn by_word(&self) -> BTreeMap<String, i64> {
        let mut words = BTreeMap::new();
        for (count, by) in self.all() {
            let (whole, reason) = count.what.split_once('.').unwrap_or((&count.what, ""));
            *words.entry(whole.to_owned()).or_default() += by;
            if !reason.is_empty() {
                *words.entry(count.what.clone()).or_default() += by;
            }
        }
        words
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
