//! Assignment: which variant of a campaign a member gets, or none.
//!
//! A hash of member and campaign decides, so that it is the same however often it is asked and whoever asks, and needs
//! to be kept nowhere. The holdout and the variant come from different parts of the hash: whoever is not held out gets
//! a variant by its weight, whatever the share of the holdout.

use super::definition::Definition;
use crate::digest::sha256;
use crate::values::{CampaignId, Code, MemberId};

/// What a member gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assigned {
    /// Nothing, so that it can be seen what the others would have done without.
    Holdout,
    /// The variant with this code.
    Variant(Code),
}

/// What this member gets of this campaign; nothing for a definition without variants, which no campaign has.
#[must_use]
pub fn assign(campaign: CampaignId, definition: &Definition, member: MemberId) -> Assigned {
    let hash = sha256(&[b"assignment\0", campaign.to_string().as_bytes(), &member.bytes()]);
    let (first, second) = hash.split_at(16);
    if draw(first) < definition.holdout_percent {
        return Assigned::Holdout;
    }
    let drawn = draw(second);
    let mut sum = 0;
    for variant in &definition.variants {
        sum += variant.weight;
        if drawn < sum {
            return Assigned::Variant(variant.id.clone());
        }
    }
    Assigned::Holdout
}

/// A number from 0 to 99 from the first eight bytes. That 2^64 is no multiple of 100 favours some numbers by less than
/// one in 10^17.
fn draw(bytes: &[u8]) -> u32 {
    let number = bytes.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    u32::try_from(number % 100).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::campaign::tests::a_definition;

    fn member(n: u32) -> MemberId {
        MemberId::from_random(crate::digest::half(sha256(&[&n.to_be_bytes()])))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn shares_are_met_within_what_chance_allows(first in 1_u32..100, holdout in 0_u32..=90, seed in any::<u32>()) {
            let mut definition = a_definition();
            definition.variants[0].weight = first;
            definition.variants[1].weight = 100 - first;
            definition.holdout_percent = holdout;
            let campaign = CampaignId::of("test", &[&seed.to_string()]);
            let all = 4_000_u32;
            let (mut held_out, mut firsts) = (0_u32, 0_u32);
            for n in 0..all {
                match assign(campaign, &definition, member(n)) {
                    Assigned::Holdout => held_out += 1,
                    Assigned::Variant(id) => firsts += u32::from(id == definition.variants[0].id),
                }
            }
            // Five standard deviations of a binomial share, rounded up: once in two million draws.
            let within = |found: u32, of: u32, percent: u32| {
                let (found, of, p) = (f64::from(found), f64::from(of), f64::from(percent) / 100.0);
                (found - of * p).abs() <= 5.0 * (of * p * (1.0 - p)).sqrt() + 1.0
            };
            prop_assert!(within(held_out, all, holdout), "{held_out} of {all} at {holdout} %");
            prop_assert!(within(firsts, all - held_out, first), "{firsts} of {} at {first} %", all - held_out);
        }

        #[test]
        fn a_larger_holdout_moves_nobody_between_variants(n in any::<u32>(), more in 1_u32..=90) {
            let campaign = CampaignId::of("test", &["campaign"]);
            let mut definition = a_definition();
            definition.holdout_percent = 0;
            let before = assign(campaign, &definition, member(n));
            definition.holdout_percent = more;
            let after = assign(campaign, &definition, member(n));
            prop_assert!(after == before || after == Assigned::Holdout);
        }
    }
}
