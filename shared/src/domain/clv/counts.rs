//! Counting what is alike in a table that cannot grow without end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A key that can be told apart less finely.
pub(super) trait Grain: Copy + Ord {
    /// The coarsest level there is; zero is exact.
    const COARSEST: u8;

    /// The key at a level. Keys that are one at some level are one at all coarser ones, and blurring twice is blurring
    /// to the coarser level.
    fn blurred(self, level: u8) -> Self;
}

/// How many times each key was counted.
///
/// While there are few different keys they are kept exactly. With more than `MOST` of them all are blurred to the first
/// level that leaves no more. That level depends on the set of keys alone: a part of a set never needs a coarser level
/// than the whole, so neither the order of counting nor how the keys were split between tables changes what comes out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    from = "Rows<K>",
    into = "Rows<K>",
    bound(serialize = "K: Grain + Serialize", deserialize = "K: Grain + Deserialize<'de>")
)]
pub(super) struct Counts<K, const MOST: usize> {
    level: u8,
    counts: BTreeMap<K, u64>,
}

#[derive(Serialize, Deserialize)]
struct Rows<K> {
    level: u8,
    rows: Vec<(K, u64)>,
}

impl<K, const MOST: usize> Default for Counts<K, MOST> {
    fn default() -> Self {
        Self { level: 0, counts: BTreeMap::new() }
    }
}

impl<K: Grain, const MOST: usize> From<Rows<K>> for Counts<K, MOST> {
    fn from(Rows { level, rows }: Rows<K>) -> Self {
        let mut counts = Self { level: level.min(K::COARSEST), counts: BTreeMap::new() };
        for (key, times) in rows {
            counts.add(key, times);
        }
        counts
    }
}

impl<K: Grain, const MOST: usize> From<Counts<K, MOST>> for Rows<K> {
    fn from(Counts { level, counts }: Counts<K, MOST>) -> Self {
        Self { level, rows: counts.into_iter().collect() }
    }
}

impl<K: Grain, const MOST: usize> Counts<K, MOST> {
    /// Counts a key so many times.
    pub(super) fn add(&mut self, key: K, times: u64) {
        let count = self.counts.entry(key.blurred(self.level)).or_default();
        *count = count.saturating_add(times);
        while self.counts.len() > MOST && self.level < K::COARSEST {
            self.blur(self.level + 1);
        }
    }

    /// Adds everything that the other table counted.
    pub(super) fn merge(&mut self, other: Self) {
        if other.level > self.level {
            self.blur(other.level);
        }
        for (key, times) in other.counts {
            self.add(key, times);
        }
    }

    fn blur(&mut self, level: u8) {
        self.level = level;
        for (key, times) in std::mem::take(&mut self.counts) {
            let count = self.counts.entry(key.blurred(level)).or_default();
            *count = count.saturating_add(times);
        }
    }

    /// How finely keys are told apart.
    pub(super) fn level(&self) -> u8 {
        self.level
    }

    /// The keys at that level in ascending order, and how many times each was counted.
    pub(super) fn rows(&self) -> impl Iterator<Item = (K, u64)> {
        self.counts.iter().map(|(key, times)| (*key, *times))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Grain for u32 {
        const COARSEST: u8 = 31;

        fn blurred(self, level: u8) -> Self {
            self >> level << level
        }
    }

    type Small = Counts<u32, 8>;

    fn counted(keys: &[u32]) -> Small {
        let mut counts = Small::default();
        for key in keys {
            counts.add(*key, 1);
        }
        counts
    }

    proptest! {
        #[test]
        fn neither_order_nor_split_changes_the_table(
            keys in proptest::collection::vec(0_u32..500, 0..40),
            split in any::<prop::sample::Index>(),
        ) {
            let whole = counted(&keys);
            let backwards: Vec<u32> = keys.iter().rev().copied().collect();
            prop_assert_eq!(&counted(&backwards), &whole);
            let (left, right) = keys.split_at(split.index(keys.len() + 1));
            let mut merged = counted(left);
            merged.merge(counted(right));
            prop_assert_eq!(&merged, &whole);
            prop_assert!(whole.counts.len() <= 8);
            prop_assert_eq!(whole.rows().map(|(_, times)| times).sum::<u64>(), keys.len() as u64);
        }
    }

    #[test]
    fn few_keys_are_kept_exactly_and_many_are_blurred_just_enough() {
        assert_eq!(counted(&[1, 2, 3, 100, 101, 102, 200, 201]).level(), 0);
        let blurred = counted(&[1, 2, 3, 100, 101, 102, 200, 201, 202]);
        assert_eq!(blurred.level(), 1);
        assert_eq!(blurred.rows().collect::<Vec<_>>(), [(0, 1), (2, 2), (100, 2), (102, 1), (200, 2), (202, 1)]);
    }
}
