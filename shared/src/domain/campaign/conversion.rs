//! Conversions: orders that came while a campaign's window was open, and whose campaign they are counted to.
//!
//! Two questions, two counts. *Did the campaign make people buy?* is answered by everybody in its audience alike, those
//! who got a copy and those who were held out, whatever else reached them: only then is the difference the campaign's
//! own. *Which campaign earned this order?* is answered once for each order, so that revenues of campaigns add up to no
//! more than was taken: the order is attributed to one of the copies that had gone out, never to a holdout.

use serde::{Deserialize, Serialize};

use crate::domain::traits::Channel;
use crate::values::{CampaignId, Code, SendId};

/// To which of several copies an order is attributed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// To the last one that went out before it.
    #[default]
    Last,
    /// To the first one of those whose windows are open.
    First,
}

/// What a member got of a campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CampaignArm)]
pub enum Arm {
    /// Nothing: the member was held out.
    Holdout,
    /// A copy.
    Copy {
        /// Of this variant.
        variant: Option<Code>,
        /// On this channel.
        channel: Channel,
    },
}

/// An order that came while the window of a send was open, as the order's journal row remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Conversion {
    /// The send.
    pub send: SendId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// What the member got.
    pub arm: Arm,
    /// Whether it is the member's first order in this window.
    pub first: bool,
    /// Whether the order's revenue is attributed to this send.
    pub attributed: bool,
}
