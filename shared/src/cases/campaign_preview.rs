//! Previews: what a campaign would do if it were launched now.
//!
//! The size of a segment is known exactly; a rule is asked of all members first, by a pass. What the gates would hold
//! back is judged for all members of a small segment. Of a large one it is judged for the first of every shard: their
//! ids say nothing about them, so they stand for all.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::cases::Error;
use crate::cases::campaigns::{Campaigns, Live};
use crate::cases::people::Profile;
use crate::cases::segments::Viewer;
use crate::domain::anonymity::SmallestGroup;
use crate::domain::campaign::assign::{Assigned, assign};
use crate::domain::campaign::content::Values;
use crate::domain::campaign::gates::{Conditions, Facing, Verdict, judge};
use crate::domain::traits::Channel;
use crate::table::{Hot, SEGMENT_SHARDS, SegmentPosition};
use crate::values::{CampaignId, Code, Fen, InviteCode, MemberId, Points, share};

/// So many members of a segment are looked at: all of them, or as many of each shard.
const LOOKED_AT: usize = 96;

/// How long a request waits for a rule to be asked of everybody.
const WAIT: Duration = Duration::from_secs(6);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(150);

/// A message as a member would get it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = CampaignSample)]
pub struct Sample {
    /// The variant.
    pub variant: Code,
    /// The channel.
    pub channel: Channel,
    /// What it says, with placeholders filled in for nobody in particular.
    pub text: String,
}

/// What a campaign would do if it were launched now. For operators every count is rounded down to a multiple of the
/// smallest group that they are told of.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = CampaignPreview)]
pub struct Preview {
    /// For whoever sees groups only: every count is rounded down to a multiple of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rounded_to: Option<u64>,
    /// Members in the audience, before segments are left out; absent when a rule could not be asked of everybody in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<u64>,
    /// How many of them were looked at: all figures below are theirs.
    pub looked_at: u64,
    /// To whom it would go now, by channel.
    pub goes: BTreeMap<String, u64>,
    /// Who would wait, by reason.
    pub waits: BTreeMap<String, u64>,
    /// Who would not get it, by the gate that says no.
    pub refused: BTreeMap<String, u64>,
    /// Who is in the holdout.
    pub holdout: u64,
    /// What it would cost if all members were like those looked at, in fen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_cost: Option<Fen>,
    /// One message for each variant and channel that was met.
    pub samples: Vec<Sample>,
}

impl Preview {
    /// The same as whoever sees groups only is told.
    fn coarsened(mut self, k: SmallestGroup) -> Self {
        self.rounded_to = Some(k.number());
        self.looked_at = k.coarse(self.looked_at);
        self.holdout = k.coarse(self.holdout);
        for figures in [&mut self.goes, &mut self.waits, &mut self.refused] {
            figures.retain(|_, members| {
                *members = k.coarse(*members);
                *members > 0
            });
        }
        // What it costs, and what is said to somebody on a channel, tells of those who were looked at.
        if self.looked_at == 0 {
            (self.estimated_cost, self.samples) = (None, Vec::new());
        }
        self
    }
}

impl Campaigns<'_> {
    /// What a campaign would do if it were launched now. For a segment at most 21 calls, for a rule those of a pass.
    pub async fn preview(&self, id: CampaignId, by: &Viewer) -> Result<Preview, Error> {
        let stored = self.read(id).await?;
        // With a budget that nobody has used.
        let live = self.live_of(stored.campaign).await?;
        let (audience, members) = match &live.campaign.definition.audience.segment {
            Some(segment) => {
                let counts = self.0.segments().counts_for(by).await?;
                let size = counts.get(segment).map_or(0, |told| told.members);
                (Some(size), self.some_of(segment, size).await?)
            }
            None => self.some_by_rule(&live, by).await?,
        };
        let hots = if members.is_empty() { Vec::new() } else { self.0.table().members(&members).await? };
        let profiles = if members.is_empty() { Vec::new() } else { self.0.table().profiles(&members).await? };
        let mut preview = Preview {
            rounded_to: None,
            audience,
            looked_at: 0,
            goes: BTreeMap::new(),
            waits: BTreeMap::new(),
            refused: BTreeMap::new(),
            holdout: 0,
            estimated_cost: None,
            samples: Vec::new(),
        };
        let mut cost = 0;
        for hot in &hots {
            let part = profiles.iter().find(|part| part.member == hot.account.member);
            let profile = part.map(Profile::read).transpose()?;
            cost += self.look_at(&live, hot, profile.as_ref(), &mut preview).await?.number();
        }
        if let (Some(audience), 1..) = (audience, preview.looked_at) {
            preview.estimated_cost = Some(Fen::computed(share(cost, audience, preview.looked_at)));
        }
        Ok(if by.groups_only { preview.coarsened(self.0.parts().smallest_group) } else { preview })
    }

    /// Judges one member, adds them to the preview, and says what their message would cost.
    async fn look_at(
        self,
        live: &Live,
        hot: &Hot,
        profile: Option<&Profile>,
        preview: &mut Preview,
    ) -> Result<Fen, Error> {
        let (definition, now) = (&live.campaign.definition, self.0.now());
        let mut send = live.campaign.copy_for(hot.account.member, None, now);
        preview.looked_at += 1;
        let Assigned { variant, held_out } = assign(live.campaign.id, definition, hot.account.member);
        if held_out {
            preview.holdout += 1;
            return Ok(Fen::ZERO);
        }
        send.variant = variant;
        let stance = self.stance(live, &hot.account).await?;
        let limits = self.0.limits().current().await?;
        let known = |channel: &Channel| profile.is_some_and(|profile| has_address(profile, *channel));
        let provided = |channel: &Channel| self.0.parts().senders.of(*channel).is_some();
        let reachable: Vec<Channel> =
            definition.plan.iter().copied().filter(|channel| known(channel) && provided(channel)).collect();
        let facing =
            Facing { bars: &stance.bars, reach: &hot.reach, in_audience: stance.in_audience, reachable: &reachable };
        let room = live.limited();
        let conditions =
            Conditions { definition, limits: &limits.limits, room, circuits: &[], keeps_hours: false, now };
        match judge(&send, Some(&facing), &conditions) {
            Verdict::No(gate) => raise(&mut preview.refused, gate.word()),
            Verdict::Wait { why, .. } => raise(&mut preview.waits, why.word()),
            Verdict::Go { channel, .. } => {
                raise(&mut preview.goes, channel.word());
                let variant = send.variant.as_ref().and_then(|id| definition.variant(id));
                let Some(variant) = variant else { return Ok(Fen::ZERO) };
                let Ok(rendered) = variant.content.render(channel, &somebodys(live)) else { return Ok(Fen::ZERO) };
                if !preview.samples.iter().any(|one| one.variant == variant.id && one.channel == channel) {
                    preview.samples.push(Sample { variant: variant.id.clone(), channel, text: rendered.text() });
                }
                return Ok(rendered.cost(&definition.prices));
            }
        }
        Ok(Fen::ZERO)
    }

    /// All members of a small segment, the first of every shard of a large one. A call for each shard.
    async fn some_of(self, segment: &Code, size: u64) -> Result<Vec<MemberId>, Error> {
        let small = size <= LOOKED_AT as u64;
        let of_each = if small { LOOKED_AT } else { LOOKED_AT / usize::from(SEGMENT_SHARDS) };
        let shards = (0..SEGMENT_SHARDS).map(|shard| async move {
            let first = SegmentPosition { shard, after: None };
            let (members, _) = self.0.table().members_of_shard(segment, first, of_each).await?;
            Ok::<_, Error>(members.into_iter().map(|one| one.member).collect::<Vec<_>>())
        });
        let mut some = futures_util::future::try_join_all(shards).await?.concat();
        some.truncate(LOOKED_AT);
        Ok(some)
    }

    /// How many a rule holds for, when everybody has been asked in time, and some of them.
    async fn some_by_rule(self, live: &Live, by: &Viewer) -> Result<(Option<u64>, Vec<MemberId>), Error> {
        let Some(rule) = &live.rule else {
            return Err(Error::Defect("an audience is neither segment nor rule".into()));
        };
        let run = self.0.segments().preview(rule, by).await?;
        let until = Instant::now() + WAIT;
        loop {
            let found = self.0.segments().previewed(run, by).await?;
            if found.finished || Instant::now() >= until {
                return Ok((found.finished.then_some(found.matches.count), found.matches.sample));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// What placeholders stand for in a sample: staff who plan campaigns see nothing of anybody.
fn somebodys(live: &Live) -> Values {
    let definition = &live.campaign.definition;
    let day = definition.window.until.last_day();
    let link = || Some("https://example.com/r/0000".to_owned());
    Values {
        name: Some("王女士".to_owned()),
        points: Points::computed(1_280),
        tier: Some("金卡".to_owned()),
        expiring: Some((Points::computed(300), day)),
        coupon: definition.coupon.as_ref().map(ToString::to_string),
        offer_until: Some(day),
        link: link(),
        unsubscribe: link(),
        invite: InviteCode::parse("H8K3M5T2").ok(),
        pixel: link(),
    }
}

fn raise(figures: &mut BTreeMap<String, u64>, word: &str) {
    *figures.entry(word.to_owned()).or_default() += 1;
}

/// Whether a profile holds an address for a channel; that it is sealed does not matter.
fn has_address(profile: &Profile, channel: Channel) -> bool {
    let field = match channel {
        Channel::Subscribe => "openid",
        Channel::Wecom => "wecom",
        Channel::Sms => "phone",
        Channel::Email => "email",
        Channel::Webhook => return true,
    };
    profile.sealed.contains_key(field)
}
