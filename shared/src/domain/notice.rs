//! Notices: what a member is sent about a ticket, and what a manager is told of its clocks.
//!
//! A member's notice goes as a campaign's copy does, claimed before a provider is asked and looked up when no answer was
//! heard; its campaign is made of the settings of the desk and stands in no list. A survey is about the member's own
//! matter and needs no consent, but keeps to the hours of marketing: nobody is asked how it was at night. An invitation
//! to recommend the brand is marketing, and every gate of marketing holds for it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::campaign::content::{Content, Prices, Setting};
use super::campaign::definition::{Audience, Definition, Purpose, Variant, Window};
use super::campaign::scene::Scene;
use super::campaign::send::Send;
use super::campaign::{Campaign, State};
use super::flaw::{Flaw, Flaws};
use super::sla::Alarm;
use super::ticket::{self, Ticket};
use super::traits::Channel;
use crate::values::{Actor, CampaignId, Code, Invalid, LocalDay, Moment, Name, RowKey, SendId};

/// For how long an invitation may wait for its time.
const INVITED_FOR: Duration = Duration::from_hours(30 * 24);

/// What a member is sent about a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TicketNotice)]
pub enum Notice {
    /// How it was.
    Survey,
    /// To recommend the brand, with the member's own invite code.
    Invitation,
}

/// A notice that was sent off, as the ticket's record names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noticed {
    /// What about.
    pub about: Notice,
    /// The send, which knows what became of it.
    pub send: SendId,
}

/// What a notice says, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TicketNoticeWording)]
pub struct Wording {
    /// The channels in the order in which they are tried; the one by which the ticket came in goes first, if it is here.
    pub plan: Vec<Channel>,
    /// What it says on each. The link leads to a page of the brand's, to which a survey's token is added as `survey`; a
    /// page of the mini program is given the ticket's id as `ticket`.
    pub content: Content,
}

/// By what staff are told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StaffChannel {
    /// A message of the company's app in WeCom.
    Wecom,
    /// The brand's webhook.
    Webhook,
}

impl From<StaffChannel> for Channel {
    fn from(channel: StaffChannel) -> Self {
        match channel {
            StaffChannel::Wecom => Self::Wecom,
            StaffChannel::Webhook => Self::Webhook,
        }
    }
}

/// Who is told of clocks that run out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TicketManager)]
pub struct Manager {
    /// By what.
    pub channel: StaffChannel,
    /// Who: a user id of WeCom, or a name that the webhook's receiver knows.
    pub to: Actor,
    /// Of which alarms.
    pub alarms: Vec<Alarm>,
}

/// What goes out about tickets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TicketNotices)]
pub struct Notices {
    /// How it was; shown in the ticket only when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survey: Option<Wording>,
    /// The invitation of an advocate; none is sent when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<Wording>,
    /// Who is told of clocks that run out; nobody when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<Manager>,
}

/// The channels that may go first, and none.
const FIRST: [Option<Channel>; 5] =
    [None, Some(Channel::Subscribe), Some(Channel::Wecom), Some(Channel::Sms), Some(Channel::Email)];

/// Where a member is reached who came by this channel.
const fn reached_by(came_in: ticket::Channel) -> Option<Channel> {
    match came_in {
        ticket::Channel::MiniProgram => Some(Channel::Subscribe),
        ticket::Channel::Wecom => Some(Channel::Wecom),
        ticket::Channel::Phone => Some(Channel::Sms),
        ticket::Channel::Email => Some(Channel::Email),
        ticket::Channel::Store | ticket::Channel::Shop | ticket::Channel::Own => None,
    }
}

impl Notice {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Survey, Self::Invitation];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Survey => "survey",
            Self::Invitation => "invitation",
        }
    }

    const fn purpose(self) -> Purpose {
        match self {
            Self::Survey => Purpose::Service,
            Self::Invitation => Purpose::Marketing,
        }
    }

    /// The campaign of notices that try this channel first.
    fn campaign_id(self, first: Option<Channel>) -> CampaignId {
        CampaignId::of("notice", &[self.as_str(), first.map_or("", Channel::word)])
    }

    /// The notice of which this is a campaign, and the channel that it tries first; none for staff's own campaigns.
    #[must_use]
    pub fn of_campaign(id: CampaignId) -> Option<(Self, Option<Channel>)> {
        let all = Self::ALL.into_iter().flat_map(|notice| FIRST.map(|first| (notice, first)));
        all.into_iter().find(|(notice, first)| notice.campaign_id(*first) == id)
    }

    /// The copy for the member of a ticket, of this round of its survey.
    #[must_use]
    pub fn copy(self, ticket: &Ticket, now: Moment) -> Option<Send> {
        let survey = ticket.survey.as_ref()?;
        let occasion = RowKey::of("notice", &[self.as_str(), &ticket.id.to_string(), &survey.round.to_string()]);
        let expires_at = match self {
            Self::Survey => survey.expires_at,
            Self::Invitation => now.plus(INVITED_FOR),
        };
        let campaign = self.campaign_id(reached_by(ticket.channel));
        let send = Send::new(campaign, ticket.member, Some(occasion), expires_at, now);
        Some(Send { about: Some(ticket.id), ..send })
    }
}

/// What is to be done about a notice whose ticket may have changed since it came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// It goes.
    Goes,
    /// It waits: the ticket was reopened.
    Waits,
    /// It says nothing any more.
    Gone,
}

impl Notice {
    /// Whether a notice about a ticket still makes sense.
    #[must_use]
    pub fn sense(self, ticket: &Ticket, now: Moment) -> Sense {
        match self {
            Self::Survey if !ticket.survey.as_ref().is_some_and(|survey| survey.is_open(now)) => Sense::Gone,
            Self::Survey if ticket.closed.is_none() => Sense::Waits,
            Self::Survey | Self::Invitation => Sense::Goes,
        }
    }
}

impl Notices {
    /// What a notice says; none when it is not sent.
    #[must_use]
    pub const fn wording(&self, notice: Notice) -> Option<&Wording> {
        match notice {
            Notice::Survey => self.survey.as_ref(),
            Notice::Invitation => self.invitation.as_ref(),
        }
    }

    /// The campaign of a notice that tries this channel first, stopped when the notice is not sent; an error can't
    /// happen, a test makes all of them.
    pub fn campaign(&self, notice: Notice, first: Option<Channel>, by: Actor) -> Result<Campaign, Invalid> {
        let wording = self.wording(notice);
        let planned = wording.map(|wording| wording.plan.as_slice()).unwrap_or_default();
        let mut plan: Vec<Channel> = planned.to_vec();
        plan.sort_by_key(|channel| Some(*channel) != first);
        let content = wording.map(|wording| wording.content.clone()).unwrap_or_default();
        let beginning = Moment::start_of(LocalDay::FIRST);
        let definition = Definition {
            name: Name::parse(notice.as_str())?,
            scene: Scene::Other,
            purpose: notice.purpose(),
            audience: Audience { segment: None, rule: None, exclude: Vec::new() },
            plan,
            variants: vec![Variant { id: Code::parse("notice")?, weight: 100, content }],
            holdout_percent: 0,
            window: Window { from: beginning, until: Moment::start_of(LocalDay::LAST) },
            per_minute: None,
            budget: None,
            prices: Prices::default(),
            coupon: None,
            trigger: None,
            attribution_days: 0,
        };
        let draft = Campaign::draft(notice.campaign_id(first), definition, RowKey::of("notice", &[]), by, beginning);
        let state = if wording.is_some() { State::Running } else { State::Stopped };
        Ok(Campaign { state, launched_at: Some(beginning), dispatched_at: Some(beginning), ..draft })
    }

    /// Everything that makes them unusable, with its place in the document of the desk.
    #[must_use]
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        for notice in Notice::ALL {
            let Some(Wording { plan, content }) = self.wording(notice) else { continue };
            let place = format!("/notices/{}", notice.as_str());
            flaws.note(plan.is_empty(), format_args!("{place}/plan"), "must name at least one channel");
            for (n, channel) in plan.iter().enumerate() {
                let again = plan.iter().take(n).any(|other| other == channel);
                flaws.note(again, format_args!("{place}/plan/{n}"), "must differ from the channels before it");
            }
            let marketing = notice.purpose() == Purpose::Marketing;
            for flaw in content.flaws(&Setting { channels: plan, marketing, coupon: None }) {
                flaws.note(true, format!("{place}/content{}", flaw.pointer), &flaw.detail);
            }
        }
        let silent = self.manager.as_ref().is_some_and(|manager| manager.alarms.is_empty());
        flaws.note(silent, "/notices/manager/alarms", "must name at least one alarm; leave the manager out for none");
        flaws.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::desk::Desk;

    fn shipped() -> Notices {
        Desk::shipped().unwrap().notices
    }

    fn by() -> Actor {
        Actor::parse("huitou").unwrap()
    }

    #[test]
    fn every_notice_has_its_campaigns_and_they_lead_back_to_it() {
        for notice in Notice::ALL {
            for first in FIRST {
                let campaign = shipped().campaign(notice, first, by()).unwrap();
                assert_eq!(Notice::of_campaign(campaign.id), Some((notice, first)));
                assert_eq!(campaign.standing(Moment::start_of(LocalDay::FIRST.plus(1))), State::Running);
            }
        }
        assert_eq!(Notice::of_campaign(CampaignId::of("campaign", &["operator:li", "a-key"])), None);
    }

    #[test]
    fn the_channel_by_which_a_ticket_came_in_is_tried_first_and_no_other_is_added() {
        let plan = |first| shipped().campaign(Notice::Survey, first, by()).unwrap().definition.plan;
        let usual = shipped().survey.unwrap().plan;
        assert_eq!(plan(None), usual);
        assert_eq!(plan(Some(Channel::Sms)), usual, "the shipped settings know no template for a text message");
        assert_eq!(plan(Some(Channel::Email))[0], Channel::Email);
    }

    #[test]
    fn a_notice_that_nobody_has_worded_is_a_campaign_that_was_stopped() {
        let campaign = Notices::default().campaign(Notice::Survey, None, by()).unwrap();
        assert_eq!(campaign.state, State::Stopped);
    }

    #[test]
    fn only_an_invitation_is_marketing() {
        let purpose = |notice| shipped().campaign(notice, None, by()).unwrap().definition.purpose;
        assert_eq!([purpose(Notice::Survey), purpose(Notice::Invitation)], [Purpose::Service, Purpose::Marketing]);
    }
}
