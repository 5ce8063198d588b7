//! What a campaign is to do, as staff write it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Pace;
use super::content::{Content, Prices, Setting};
use super::scene::Scene;
use crate::domain::flaw::{Flaw, Flaws};
use crate::domain::playbook::Way;
use crate::domain::reach::TOUCH_DAYS;
use crate::domain::segmentation::Segmentation;
use crate::domain::traits::Channel;
use crate::values::{Code, Fen, Moment, Name};

/// The most variants of a campaign.
const MOST_VARIANTS: usize = 5;

/// The most segments that an audience may leave out.
const MOST_EXCLUDED: usize = 5;

/// The largest holdout, in percent: above it a campaign is none.
const LARGEST_HOLDOUT: u32 = 90;

/// The longest time from launch to end, in days.
const LONGEST_DAYS: i32 = 366;

/// The most sends a minute that a rate may say: about what paging an audience reaches, so that no rate promises more.
const FASTEST: u32 = 60_000;

/// The longest rule, in characters.
const LONGEST_RULE: usize = 2_000;

/// The longest that a triggered message waits, or its offer holds, in minutes: 90 days.
const LONGEST_MINUTES: u32 = 129_600;

/// Why a message goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CampaignPurpose)]
pub enum Purpose {
    /// To sell: it needs the member's consent for the channel, and keeps to hours and caps.
    Marketing,
    /// About something that the member has, as points that lapse: it needs no consent to marketing.
    Service,
}

/// Who gets it: a segment or a rule, minus segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// The members of this segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Code>,
    /// Or those for whom this rule holds, in the language of segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// But nobody who is in one of these segments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Code>,
}

/// One wording, by which a share of the audience is addressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Its code.
    pub id: Code,
    /// Its share in percent; those of all variants add up to 100.
    pub weight: u32,
    /// What it says.
    pub content: Content,
}

/// From when until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CampaignWindow)]
pub struct Window {
    /// Nothing goes out before.
    pub from: Moment,
    /// Nothing goes out at this moment or later.
    pub until: Moment,
}

/// What may be used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CampaignBudget)]
pub struct Budget {
    /// Messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sends: Option<u64>,
    /// Money, in fen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fen: Option<Fen>,
}

/// A move between segments that sets off one message, instead of a launch that sets off all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CampaignTrigger)]
pub struct Trigger {
    /// Into the audience's segment, or out of it.
    pub on: Way,
    /// How long after the move, in minutes.
    #[serde(default)]
    pub delay_minutes: u32,
    /// For how long after the delay the offer holds, in minutes; what could not go by then does not go.
    pub offer_minutes: u32,
    /// After how many days the same member may be addressed again; once only when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again_after_days: Option<u32>,
}

/// What a campaign is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CampaignDefinition)]
pub struct Definition {
    /// Its name, for staff.
    pub name: Name,
    /// What it is about.
    pub scene: Scene,
    /// Why it goes out.
    pub purpose: Purpose,
    /// Who gets it.
    pub audience: Audience,
    /// The channels, in the order in which they are tried: a member gets one message on the first that may be used.
    pub plan: Vec<Channel>,
    /// The wordings.
    pub variants: Vec<Variant>,
    /// How many in a hundred are left out, to be compared with.
    #[serde(default)]
    pub holdout_percent: u32,
    /// From when until when.
    pub window: Window,
    /// How many messages a minute at most, give or take ten seconds of them, up to 60000; as fast as it goes when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
    /// What may be used up; without end when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// What messages cost.
    #[serde(default)]
    pub prices: Prices,
    /// The coupon that the messages name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coupon: Option<Code>,
    /// The move that sets off a message; at launch, to everybody, when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// For how many days after a message an order counts as its answer.
    pub attribution_days: u32,
}

impl Definition {
    /// The most that one message with this content costs on a channel.
    #[must_use]
    pub fn most_cost(&self, content: &Content, channel: Channel) -> Fen {
        content.cost(channel, self.coupon.as_ref().map(Code::as_str), &self.prices)
    }

    /// Its pace; none when it goes as fast as it can.
    #[must_use]
    pub fn pace(&self) -> Option<Pace> {
        self.per_minute.map(Pace::of)
    }

    /// The variant with this code.
    #[must_use]
    pub fn variant(&self, id: &Code) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.id == *id)
    }

    /// Whether its audience is one under these segments.
    #[must_use]
    pub fn is_addressed(&self, segments: &Segmentation) -> bool {
        let mut flaws = Flaws::default();
        self.audience_flaws(segments, &mut flaws);
        flaws.0.is_empty()
    }

    /// Everything that is wrong with it now, under these segments; empty when it can be used.
    #[must_use]
    pub fn flaws(&self, segments: &Segmentation, now: Moment) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        self.audience_flaws(segments, &mut flaws);
        self.plan_flaws(&mut flaws);
        self.variant_flaws(&mut flaws);
        self.limit_flaws(now, &mut flaws);
        self.trigger_flaws(&mut flaws);
        flaws.0
    }

    /// The channels of its plan on which nobody would send: without a provider they would be passed over in silence.
    #[must_use]
    pub fn unprovided(&self, provided: impl Fn(Channel) -> bool) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        for (n, channel) in self.plan.iter().enumerate() {
            let detail = "must be a channel with a provider: set one up, or take the channel out of the plan";
            flaws.note(!provided(*channel), format_args!("/plan/{n}"), detail);
        }
        flaws.0
    }

    fn audience_flaws(&self, segments: &Segmentation, flaws: &mut Flaws) {
        let known = |id: &Code| segments.segments().any(|segment| segment.id == *id);
        let Audience { segment, rule, exclude } = &self.audience;
        let one = segment.is_some() != rule.is_some();
        flaws.note(!one, "/audience", "must name a segment or a rule, and not both");
        if let Some(segment) = segment {
            flaws.note(!known(segment), "/audience/segment", "must be a segment; there is none with this id");
        }
        if let Some(rule) = rule {
            let long = rule.chars().count() > LONGEST_RULE;
            flaws.note(long, "/audience/rule", &format!("must have at most {LONGEST_RULE} characters"));
            if let (false, Err(error)) = (long, segments.parse(rule)) {
                flaws.note(true, "/audience/rule", &error.to_string());
            }
        }
        flaws.note(exclude.len() > MOST_EXCLUDED, "/audience/exclude", "must be at most 5 segments");
        for (n, id) in exclude.iter().enumerate() {
            let pointer = format!("/audience/exclude/{n}");
            flaws.note(!known(id), &pointer, "must be a segment; there is none with this id");
            flaws.note(segment.as_ref() == Some(id), &pointer, "must not be the audience itself: nobody would be left");
        }
    }

    fn plan_flaws(&self, flaws: &mut Flaws) {
        flaws.note(self.plan.is_empty(), "/plan", "must name at least one channel");
        for (n, channel) in self.plan.iter().enumerate() {
            let again = self.plan.iter().take(n).any(|other| other == channel);
            flaws.note(again, format_args!("/plan/{n}"), "must differ from the channels before it");
        }
    }

    fn variant_flaws(&self, flaws: &mut Flaws) {
        let count = self.variants.len();
        flaws.note(!(1..=MOST_VARIANTS).contains(&count), "/variants", "must be 1 to 5");
        let sum: u64 = self.variants.iter().map(|variant| u64::from(variant.weight)).sum();
        let detail = format!("must have weights that add up to 100; these add up to {sum}");
        flaws.note(count > 0 && sum != 100, "/variants", &detail);
        let setting = Setting {
            channels: &self.plan,
            marketing: self.purpose == Purpose::Marketing,
            coupon: self.coupon.as_ref().map(Code::as_str),
        };
        let mut ids = BTreeSet::new();
        for (n, variant) in self.variants.iter().enumerate() {
            flaws.note(variant.weight == 0, format_args!("/variants/{n}/weight"), "must be at least 1");
            let again = !ids.insert(&variant.id);
            flaws.note(again, format_args!("/variants/{n}/id"), "must differ from the ids before it");
            for flaw in variant.content.flaws(&setting) {
                flaws.note(true, format_args!("/variants/{n}/content{}", flaw.pointer), &flaw.detail);
            }
        }
        let most = self.holdout_percent > LARGEST_HOLDOUT;
        flaws.note(most, "/holdout_percent", &format!("must be at most {LARGEST_HOLDOUT}"));
    }

    fn limit_flaws(&self, now: Moment, flaws: &mut Flaws) {
        let Window { from, until } = self.window;
        flaws.note(until <= from, "/window/until", "must lie after from");
        flaws.note(from < until && until <= now, "/window/until", "must not lie in the past");
        let long = until.day().days_since(from.day()) > LONGEST_DAYS;
        flaws.note(long, "/window/until", &format!("must lie at most {LONGEST_DAYS} days after from"));
        let rate = self.per_minute.is_some_and(|rate| !(1..=FASTEST).contains(&rate));
        flaws.note(rate, "/per_minute", &format!("must be 1 to {FASTEST}; leave it out for no limit"));
        if let Some(Budget { sends, fen }) = self.budget {
            flaws.note(sends.is_none() && fen.is_none(), "/budget", "must limit sends, fen or both");
            flaws.note(sends == Some(0), "/budget/sends", "must be at least 1");
            flaws.note(fen.is_some_and(Fen::is_zero), "/budget/fen", "must be at least 1");
        }
        let days = self.attribution_days > TOUCH_DAYS;
        flaws.note(days, "/attribution_days", &format!("must be at most {TOUCH_DAYS}"));
    }

    fn trigger_flaws(&self, flaws: &mut Flaws) {
        let Some(trigger) = self.trigger else { return };
        let without = self.audience.segment.is_none();
        flaws.note(without, "/trigger", "needs an audience that is a segment, into which or out of which members move");
        let delay = trigger.delay_minutes > LONGEST_MINUTES;
        flaws.note(delay, "/trigger/delay_minutes", &format!("must be at most {LONGEST_MINUTES}"));
        let offer = !(1..=LONGEST_MINUTES).contains(&trigger.offer_minutes);
        flaws.note(offer, "/trigger/offer_minutes", &format!("must be 1 to {LONGEST_MINUTES}"));
        flaws.note(trigger.again_after_days == Some(0), "/trigger/again_after_days", "must be at least 1");
    }
}
