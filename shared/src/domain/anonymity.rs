//! Anonymity: what operators, who plan for groups, are told of groups.
//!
//! Three rules, with `k` the size of the smallest group that is no person any more (20 unless the brand says otherwise):
//!
//! 1. A count of fewer than `k` members is not told; it shows as 0, with `fewer_than` beside it.
//! 2. Counts of groups that staff can aim at somebody, those of rules they wrote and those of campaigns, are rounded down
//!    to a multiple of `k`. Counts of the segments that ship are exact from `k` on: nobody can choose their rules.
//! 3. Previews of rules that one person asks for within a day are held against each other: two that differ by fewer than
//!    `k` members get one answer, that of the first. So adding a condition that singles somebody out changes nothing, and
//!    that an answer is an earlier one tells nothing either, because two rules for the same members get one answer too.
//!
//! What they can't do: several operators who work together see as many previews as they are; over days, a group that is
//! counted again and again shows when it grows past a multiple of `k`; and who knows all but one member of a group near
//! such a multiple can learn of that one. The audit trail tells who asked for what. What is counted of a campaign that may
//! come to the same member again are copies, so that `k` of them can be fewer members; of its money nothing is told.

use super::campaign::counts::{Count, Counts};
use super::campaign::report::{ATTRIBUTED_MEMBERS, PAID, REFUNDED};
use crate::values::Invalid;

/// The size of the smallest group of which operators are told something: `k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmallestGroup(u64);

impl SmallestGroup {
    /// What it is unless the brand says otherwise.
    pub const USUAL: Self = Self(20);

    /// Reads a number from 2 to 10,000: a group of one is a person.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let number = text.parse().ok().filter(|number| (2..=10_000).contains(number));
        number.map(Self).ok_or(Invalid("the smallest group that operators see, from 2 to 10000"))
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Whether so many members are no person any more.
    #[must_use]
    pub const fn is_group(self, members: u64) -> bool {
        members >= self.0
    }

    /// A count as it may be told exactly: 0 where it is of too few.
    #[must_use]
    pub const fn exact(self, members: u64) -> u64 {
        if self.is_group(members) { members } else { 0 }
    }

    /// A count rounded down to a multiple of the group's size.
    #[must_use]
    pub const fn coarse(self, members: u64) -> u64 {
        members - members % self.0
    }

    /// The counts of a campaign rounded down, and what was earned from or spent on too few members left out: all of it
    /// where one member may have several copies (`comes_again`). The audience is told as the sum of its parts, so that
    /// nobody seems to be in hand who is not.
    #[must_use]
    pub fn coarsened(self, counts: &Counts, comes_again: bool) -> Counts {
        let rounded = |by: i64| i64::try_from(self.coarse(u64::try_from(by).unwrap_or(0))).unwrap_or(0);
        let standing = |counts: &Counts| Count::STANDINGS.iter().map(|what| counts.sum(what)).sum::<i64>();
        let mut coarse = Counts::default();
        for (count, by) in counts.all().filter(|(count, _)| count.what != Count::AUDIENCE) {
            let told = match money_of(&count.what) {
                None => rounded(by),
                Some(_) if comes_again => 0,
                Some(members) => {
                    let alike = |other: &Count| {
                        other.variant == count.variant
                            && other.channel == count.channel
                            && other.what.starts_with(members)
                    };
                    let paying = counts.all().filter(|(other, _)| alike(other));
                    let paying: i64 = paying.map(|(_, by)| by).sum();
                    if self.is_group(u64::try_from(paying).unwrap_or(0)) { by } else { 0 }
                }
            };
            coarse.add(count, told);
        }
        let in_hand = counts.sum(Count::AUDIENCE).saturating_sub(standing(counts));
        coarse.add(&Count::of(Count::AUDIENCE), standing(&coarse).saturating_add(rounded(in_hand)));
        coarse
    }
}

/// For a count of money: how what is counted of the members begins whose money it is.
fn money_of(what: &str) -> Option<&'static str> {
    match what {
        // A copy went to each of them.
        Count::COST => Some("sent."),
        PAID | REFUNDED => Some(ATTRIBUTED_MEMBERS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(all: &[(&str, i64)]) -> Counts {
        let mut counts = Counts::default();
        for (what, by) in all {
            counts.add(&Count::of(what), *by);
        }
        counts
    }

    #[test]
    fn a_group_of_one_is_a_person() {
        for wrong in ["0", "1", "-20", "10001", "many", ""] {
            assert!(SmallestGroup::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(SmallestGroup::parse("20"), Ok(SmallestGroup::USUAL));
    }

    #[test]
    fn money_of_too_few_is_left_out_and_that_of_many_is_exact() {
        let k = SmallestGroup::USUAL;
        let many = counts(&[
            ("audience", 45),
            ("sent.accepted", 45),
            ("cost", 450),
            ("attributed.members", 19),
            ("attributed.orders", 19),
            ("attributed.paid", 7_777),
        ]);
        assert_eq!(k.coarsened(&many, false), counts(&[("audience", 40), ("sent.accepted", 40), ("cost", 450)]));
        let revenue = [("attributed.orders", 20), ("attributed.paid", 7_777), ("attributed.refunded", 7)];
        let enough = counts(&[&[("attributed.members", 20)], &revenue[..]].concat());
        assert_eq!(k.coarsened(&enough, false), enough);
    }

    #[test]
    fn twenty_orders_of_fewer_members_and_copies_that_come_again_tell_nothing_of_money() {
        let k = SmallestGroup::USUAL;
        let orders = counts(&[("attributed.members", 3), ("attributed.orders", 20), ("attributed.paid", 7_777)]);
        assert_eq!(k.coarsened(&orders, false), counts(&[("attributed.orders", 20)]));
        let copies = counts(&[("audience", 40), ("sent.accepted", 40), ("cost", 450)]);
        assert_eq!(k.coarsened(&copies, true), counts(&[("audience", 40), ("sent.accepted", 40)]));
    }

    #[test]
    fn the_parts_that_are_told_add_up_to_the_audience_that_is_told() {
        let k = SmallestGroup::USUAL;
        let parts = [("sent.accepted", 45), ("sent.unknown", 39), ("refused.consent", 25), ("holdout", 9)];
        let finished = k.coarsened(&counts(&[&[("audience", 118)], &parts[..]].concat()), false);
        assert_eq!((finished.sum("audience"), finished.sum("sent"), finished.sum("refused")), (80, 60, 20));
        let under_way = k.coarsened(&counts(&[&[("audience", 118 + 41)], &parts[..]].concat()), false);
        assert_eq!(under_way.sum("audience"), 80 + 40);
    }

    proptest! {
        #[test]
        fn nothing_told_is_of_fewer_than_k_and_never_more_than_there_is(k in 2_u64..100, members in 0_u64..1_000) {
            let k = SmallestGroup::parse(&k.to_string()).unwrap();
            for told in [k.exact(members), k.coarse(members)] {
                prop_assert!(told == 0 || told >= k.number());
                prop_assert!(told <= members);
            }
            prop_assert!(members - k.coarse(members) < k.number());
        }
    }
}
