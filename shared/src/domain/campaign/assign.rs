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
pub struct Assigned {
    /// The variant with this code; none for a definition without variants, which no campaign has.
    pub variant: Option<Code>,
    /// Whether the member is held out and gets nothing after all, so that it can be seen what the others would have done
    /// without.
    pub held_out: bool,
}

/// What this member gets of this campaign. Who is held out has a variant, too: the gates ask what it needs, so that who
/// is held out and who is not pass the same ones.
#[must_use]
pub fn assign(campaign: CampaignId, definition: &Definition, member: MemberId) -> Assigned {
    let hash = sha256(&[b"assignment\0", campaign.to_string().as_bytes(), &member.bytes()]);
    let (first, second) = hash.split_at(16);
    let drawn = draw(second);
    let mut sum = 0;
    let variant = definition.variants.iter().find(|variant| {
        sum += variant.weight;
        drawn < sum
    });
    Assigned { variant: variant.map(|variant| variant.id.clone()), held_out: draw(first) < definition.holdout_percent }
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

    fn campaign(weights: &[u32], holdout_percent: u32) -> Definition {
        let content = serde_json::json!({ "webhook": { "topic": "t", "fields": {} } });
        let variant = |(n, weight): (usize, &u32)| serde_json::json!({ "id": format!("v{n}"), "weight": weight, "content": content });
        serde_json::from_value(serde_json::json!({
            "name": "test", "scene": "other", "purpose": "marketing", "audience": { "segment": "dormant" },
            "plan": ["webhook"], "attribution_days": 7, "holdout_percent": holdout_percent,
            "variants": weights.iter().enumerate().map(variant).collect::<Vec<_>>(),
            "window": { "from": "2026-03-01T00:00:00+08:00", "until": "2026-03-08T00:00:00+08:00" },
        }))
        .unwrap()
    }

    fn members(count: u32) -> impl Iterator<Item = MemberId> {
        (0..count).map(|n| {
            let mut bytes = [0; 16];
            bytes.iter_mut().zip(n.to_be_bytes()).for_each(|(to, from)| *to = from);
            MemberId::from_random(bytes)
        })
    }

    /// Whether a count of so many is what a share makes probable: within five standard errors, which chance leaves once
    /// in two million.
    fn is_probable(count: usize, of: usize, percent: u32) -> bool {
        let (of, share) = (f64::from(u32::try_from(of).unwrap()), f64::from(percent) / 100.0);
        let error = (of * share * (1.0 - share)).sqrt();
        (f64::from(u32::try_from(count).unwrap()) - of * share).abs() <= 5.0 * error
    }

    #[test]
    fn weights_and_holdout_are_met_and_the_holdout_is_a_sample_of_every_variant() {
        let definition = campaign(&[60, 30, 10], 10);
        let id = CampaignId::of("test", &["one"]);
        let assigned: Vec<Assigned> = members(20_000).map(|member| assign(id, &definition, member)).collect();
        let (held_out, sent): (Vec<_>, Vec<_>) = assigned.iter().partition(|assigned| assigned.held_out);
        assert!(is_probable(held_out.len(), assigned.len(), 10), "{}", held_out.len());
        for (n, weight) in [60, 30, 10].into_iter().enumerate() {
            let id = Code::parse(&format!("v{n}")).unwrap();
            let of = |part: &[&Assigned]| part.iter().filter(|one| one.variant.as_ref() == Some(&id)).count();
            assert!(is_probable(of(&sent), sent.len(), weight), "{n}: {}", of(&sent));
            assert!(is_probable(of(&held_out), held_out.len(), weight), "{n}: {}", of(&held_out));
        }
    }

    #[test]
    fn two_campaigns_hold_out_different_members() {
        let definition = campaign(&[100], 50);
        let held_out = |name: &str, member| assign(CampaignId::of("test", &[name]), &definition, member).held_out;
        let both = members(10_000).filter(|member| held_out("one", *member) && held_out("other", *member)).count();
        assert!(is_probable(both, 10_000, 25), "{both}");
    }

    proptest! {
        #[test]
        fn a_member_gets_the_same_however_often_it_is_asked_and_the_share_of_the_holdout_moves_no_variant(
            bytes in any::<[u8; 16]>(), first in 1_u32..100, holdout in 0_u32..=90,
        ) {
            let id = CampaignId::of("test", &["one"]);
            let member = MemberId::from_random(bytes);
            let assigned = assign(id, &campaign(&[first, 100 - first], holdout), member);
            prop_assert_eq!(&assigned, &assign(id, &campaign(&[first, 100 - first], holdout), member));
            let without = assign(id, &campaign(&[first, 100 - first], 0), member);
            prop_assert_eq!(assigned.variant, without.variant);
            prop_assert!(!without.held_out);
        }
    }
}
