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
