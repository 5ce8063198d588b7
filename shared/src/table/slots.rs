//! Slots: which place in a campaign's rate is the next that nobody has, one number for each campaign.
//!
//! Many take at once, so nothing is read first: the number is raised, and what it was is the answer. What a crash or a
//! lost answer takes in vain is lost, so that a campaign gets slower by them and never faster.

use aws_sdk_dynamodb::operation::update_item::UpdateItemInput;
use aws_sdk_dynamodb::types::ReturnValue;

use super::campaigns::of_campaign;
use super::{Table, Trouble, get_number, number};
use crate::values::CampaignId;

/// The part of a campaign that is the number of the next free slot.
const SLOTS: &str = "slots";

impl Table {
    /// Takes so many slots that lie together, none of them before `from`, and tells the first. One call, one write unit;
    /// two when none of them was taken since `from`, and three when somebody else was as fast.
    pub async fn take_slots(&self, campaign: CampaignId, from: u64, many: u64) -> Result<u64, Trouble> {
        for behind_others in [true, false, true] {
            if let Some(first) = self.try_slots(campaign, from, many, behind_others).await? {
                return Ok(first);
            }
        }
        Err(Trouble::Unavailable("others are faster at a campaign's slots".into()))
    }

    /// Takes slots behind those of others, or the very first from `from` on; none when the others are not so far, or
    /// farther.
    async fn try_slots(
        &self,
        campaign: CampaignId,
        from: u64,
        many: u64,
        behind_others: bool,
    ) -> Result<Option<u64>, Trouble> {
        let (set, condition, value) = if behind_others {
            ("SET #next = #next + :value", "#next >= :from", many)
        } else {
            ("SET #next = :value", "attribute_not_exists(#next) OR #next < :from", from.saturating_add(many))
        };
        let update = UpdateItemInput::builder()
            .table_name(&self.names.campaigns)
            .set_key(Some(of_campaign(campaign, SLOTS)))
            .update_expression(set)
            .condition_expression(condition)
            .expression_attribute_names("#next", "next")
            .expression_attribute_values(":from", number(from))
            .expression_attribute_values(":value", number(value))
            .return_values(ReturnValue::UpdatedNew);
        let Some(answer) = self.update(update).await? else { return Ok(None) };
        let next = answer.attributes().and_then(|item| get_number::<u64>(item, "next"));
        let next = next.ok_or_else(|| Trouble::defect("slots were taken and have no number"))?;
        Ok(Some(next.saturating_sub(many)))
    }
}
