//! A campaign's report, as it is shown.

use serde::Serialize;

use crate::domain::campaign::State;
use crate::domain::statistics::{Caution, Compared, Interval};
use crate::domain::traits::Channel;
use crate::values::{CampaignId, Code, Fen, Moment, Name};

/// What became of a campaign.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct CampaignReport {
    /// The campaign.
    pub campaign: CampaignId,
    /// Its name.
    pub name: Name,
    /// Where it stands.
    pub state: State,
    /// When this was counted.
    pub as_of: Moment,
    /// Until when orders may still count for it.
    pub counts_until: Moment,
    /// For whoever sees groups only: every count is rounded down to a multiple of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rounded_to: Option<u64>,
    /// What became of its audience.
    pub audience: AudienceFigures,
    /// What members did, by variant and channel, in the campaign's order.
    pub funnels: Vec<Funnel>,
    /// The same over all channels of a variant.
    pub variants: Vec<VariantFigures>,
    /// Those who were held out.
    pub holdout: ArmFigures,
    /// What it cost, in fen.
    pub cost: Fen,
    /// The orders attributed to it.
    pub revenue: Revenue,
    /// Net revenue less cost, for each fen of cost; revenue, not profit. None when it cost nothing.
    pub roi: Option<f64>,
    /// Members to whom a copy went against those held out; none without either.
    pub lift: Option<Lift>,
    /// Variants against each other.
    pub tests: Vec<VariantTest>,
    /// What the lift and the tests may err, and why.
    pub caution: Caution,
    /// What a reader has to know before they decide something by it.
    pub notes: Vec<Note>,
}

/// What became of an audience. All of them but `audience` and `in_hand` together are the audience.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct AudienceFigures {
    /// Members who are in it.
    pub members: u64,
    /// Those to whom a copy went, or may have gone.
    pub sent: u64,
    /// Those whose copies wait, by what for.
    pub held: Vec<Part>,
    /// Those whom a gate refused, by which.
    pub refused: Vec<Part>,
    /// Those whose messages providers refused.
    pub failed: u64,
    /// Those for whom it was too late, by why.
    pub expired: Vec<Part>,
    /// Those who were held out.
    pub holdout: u64,
    /// Those who were merged into others, whose copies went on to them.
    pub moved: u64,
    /// Those whose copies are in the queue or at a provider at this moment.
    pub in_hand: u64,
}

/// A part of an audience.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = AudiencePart)]
pub struct Part {
    /// The reason: a gate, what is waited for, or why it was too late.
    pub reason: String,
    /// How many members.
    pub members: u64,
}

/// What became of the copies of a variant on a channel, and what members did with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = CampaignFunnel)]
pub struct Funnel {
    /// The variant.
    pub variant: Option<Code>,
    /// The channel.
    pub channel: Channel,
    /// Copies that went, or may have gone: the sum of the next five.
    pub sent: u64,
    /// Those that are known to have arrived.
    pub delivered: u64,
    /// Those that the provider took; whether they arrived is unknown.
    pub accepted: u64,
    /// Those that wait for staff to confirm them in WeCom.
    pub awaiting_staff: u64,
    /// Those that the provider could not deliver.
    pub bounced: u64,
    /// Those of which nobody knows whether they went at all.
    pub unknown: u64,
    /// Members who opened it; none where the channel doesn't tell.
    pub opened: Option<u64>,
    /// Members who followed a link.
    pub clicked: u64,
    /// Members who bought within the window.
    pub bought: u64,
    /// What the copies cost, in fen.
    pub cost: Fen,
    /// The orders attributed to them.
    pub revenue: Revenue,
}

/// Orders attributed to a campaign or a part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = CampaignRevenue)]
pub struct Revenue {
    /// How many.
    pub orders: u64,
    /// What was paid for them, in fen.
    pub paid: Fen,
    /// What of that was given back, in fen.
    pub refunded: Fen,
    /// The rest, in fen.
    pub net: Fen,
}

/// Members alike, and how many of them bought.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ArmFigures {
    /// Members.
    pub members: u64,
    /// Those who bought within the window.
    pub bought: u64,
    /// Their orders.
    pub orders: u64,
    /// The share who bought, from 0 to 1; none of nobody.
    pub share: Option<f64>,
    /// Where the share lies with an error of one in twenty.
    pub interval: Option<Interval>,
}

/// A variant over all channels.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct VariantFigures {
    /// The variant.
    pub variant: Code,
    /// Its share of those who are not held out, in percent.
    pub weight: u32,
    /// Members to whom it went, and how many of them bought.
    pub figures: ArmFigures,
}

/// What the campaign has done, by those held out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = CampaignLift)]
pub struct Lift {
    /// Members to whom a copy went.
    pub sent: ArmFigures,
    /// Against those held out.
    pub against_holdout: Compared,
    /// How many more members bought than would have without it, and between which numbers that lies.
    pub more_buyers: f64,
    /// The interval of `more_buyers`.
    pub more_buyers_interval: Interval,
    /// The smallest rise of the share that groups of this size show in four cases of five; none when they show none.
    pub detectable: Option<f64>,
}

/// One variant against another.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct VariantTest {
    /// The one.
    pub variant: Code,
    /// The other.
    pub against: Code,
    /// What comes out.
    pub compared: Compared,
}

/// Something that a reader has to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = ReportNote)]
pub struct Note {
    /// A stable code: `not_over`, `looked_at_often`, `too_few`, `rounded`, `no_holdout`, `outcomes_unknown`.
    pub code: &'static str,
    /// A sentence.
    pub english: String,
    /// The same in Chinese.
    pub chinese: String,
}
