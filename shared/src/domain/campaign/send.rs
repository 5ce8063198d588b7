//! A send: one campaign's one copy for one member, from the queue to the provider and back.
//!
//! A send is claimed before a provider is asked: whoever writes the claim first may call, and nobody calls without one.
//! A claim whose process died is over after a while, and then its fate is looked up, because the provider may have been
//! asked. Whatever is not final stands in an index under the time at which it is looked at again, so that nothing is
//! lost when a queue's message is.

mod settling;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::settling::{
    MOST_ATTEMPTS, MOST_LOOKS, Provider, Settled, counts_until, hold_out, recall, settle, touch, untouch,
};

use super::counts::{Count, Counts};
use super::gates::Gate;
use super::outcome::Failure;
use crate::domain::traits::Channel;
use crate::values::{CampaignId, Code, Fen, MemberId, MessageId, Moment, RowKey, SendId, TemplateId, TicketId};

/// How long a claim counts: longer than a process takes to call a provider and to write what came of it.
pub const LEASE: Duration = Duration::from_mins(5);

/// Why a send waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// For its delay to pass.
    Delay,
    /// For the hours in which marketing may arrive.
    QuietHours,
    /// For the campaign to go on.
    Paused,
    /// For the provider, which fails.
    Circuit,
    /// For another attempt.
    Retry,
    /// For its slot in the campaign's rate.
    Rate,
}

impl Wait {
    /// As counts name it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::QuietHours => "quiet_hours",
            Self::Paused => "paused",
            Self::Circuit => "circuit",
            Self::Retry => "retry",
            Self::Rate => "rate",
        }
    }
}

/// Why a send came too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    /// Its offer was over.
    Offer,
    /// The campaign was stopped.
    Stopped,
}

impl Late {
    /// As counts name it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Stopped => "stopped",
        }
    }
}

/// What a claim has taken, and what is given back when the message surely did not go out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The shard of the campaign's budget; none for a campaign without one.
    pub shard: Option<u8>,
    /// What the message costs.
    pub cost: Fen,
    /// The subscribe template of which a credit was spent.
    pub credit: Option<TemplateId>,
}

/// A call to a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The channel.
    pub channel: Channel,
    /// When.
    pub at: Moment,
    /// What it took.
    pub taken: Taken,
}

/// Where a send stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It waits.
    Held {
        /// Until then.
        until: Moment,
        /// For what.
        why: Wait,
    },
    /// Somebody is calling the provider.
    Claimed {
        /// The call.
        call: Call,
    },
    /// The provider took it.
    Accepted {
        /// The call.
        call: Call,
        /// The provider's id of it.
        id: MessageId,
    },
    /// It waits for staff to confirm it in WeCom.
    AwaitingStaff {
        /// The call.
        call: Call,
        /// The provider's id of it.
        id: MessageId,
        /// When to ask for it next.
        look_at: Moment,
    },
    /// It reached the member.
    Delivered {
        /// The call.
        call: Call,
        /// The provider's id of it, if one was heard.
        id: Option<MessageId>,
        /// When.
        at: Moment,
    },
    /// A gate said no.
    Refused {
        /// Which.
        gate: Gate,
    },
    /// The provider said no for good, or too often.
    Failed {
        /// Why.
        reason: Failure,
        /// The channel on which it failed last.
        channel: Channel,
    },
    /// The provider took it, and could not deliver it.
    Bounced {
        /// The call.
        call: Call,
        /// Why.
        reason: Failure,
    },
    /// It came too late.
    Expired {
        /// Why.
        why: Late,
    },
    /// It may have gone out: nobody heard.
    Unknown {
        /// The call.
        call: Call,
        /// How often the provider's records were asked.
        looks: u32,
        /// When to ask them next; never again for none.
        look_at: Option<Moment>,
    },
    /// The member is in the holdout.
    Holdout,
    /// The member was merged into another one, to whom the copy goes.
    Moved {
        /// To whom.
        into: MemberId,
    },
}

/// What members do with a message, and what its provider tells of it later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// When it was opened first.
    pub opened_at: Option<Moment>,
    /// When its link was followed first.
    pub clicked_at: Option<Moment>,
    /// When an order answered it first.
    pub converted_at: Option<Moment>,
}

/// One campaign's one copy for one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Send {
    /// Its id.
    pub id: SendId,
    /// The campaign.
    pub campaign: CampaignId,
    /// The member.
    pub member: MemberId,
    /// The stay between segments that set it off; none for a launch.
    pub occasion: Option<RowKey>,
    /// When it came up.
    pub made_at: Moment,
    /// When its offer is over.
    pub expires_at: Moment,
    /// The variant, once it is assigned.
    pub variant: Option<Code>,
    /// Channels on which it surely never goes.
    pub barred: Vec<Channel>,
    /// How often a provider was asked.
    pub attempts: u32,
    /// Whether it came up by a merge, so that its page, should there be one, counts it a second time.
    pub extra: bool,
    /// Where it stands.
    pub state: State,
    /// When it came to stand there.
    pub since: Moment,
    /// What became of it afterwards.
    pub answers: Answers,
    /// The ticket that it is about, for a notice of the desk.
    pub about: Option<TicketId>,
}

/// The id of a campaign's copy for a member.
#[must_use]
pub fn id(campaign: CampaignId, member: MemberId, occasion: Option<RowKey>) -> SendId {
    let occasion = occasion.map_or_else(String::new, |row| row.to_string());
    SendId::of("send", &[&campaign.to_string(), &member.to_string(), &occasion])
}

impl Send {
    /// A send that has just come up.
    #[must_use]
    pub fn new(
        campaign: CampaignId,
        member: MemberId,
        occasion: Option<RowKey>,
        expires_at: Moment,
        now: Moment,
    ) -> Self {
        Self {
            id: id(campaign, member, occasion),
            campaign,
            member,
            occasion,
            made_at: now,
            expires_at,
            variant: None,
            barred: Vec::new(),
            attempts: 0,
            extra: false,
            state: State::Held { until: now, why: Wait::Delay },
            since: now,
            answers: Answers::default(),
            about: None,
        }
    }

    /// The send where it comes to stand now.
    #[must_use]
    pub fn moved_to(&self, state: State, now: Moment) -> Self {
        Self { state, since: now, ..self.clone() }
    }

    /// The last call to a provider that may have led somewhere.
    #[must_use]
    pub const fn call(&self) -> Option<&Call> {
        match &self.state {
            State::Claimed { call }
            | State::Accepted { call, .. }
            | State::AwaitingStaff { call, .. }
            | State::Delivered { call, .. }
            | State::Bounced { call, .. }
            | State::Unknown { call, .. } => Some(call),
            State::Held { .. }
            | State::Refused { .. }
            | State::Failed { .. }
            | State::Expired { .. }
            | State::Holdout
            | State::Moved { .. } => None,
        }
    }

    /// When it is to be looked at again; none when it is final, or waits for a paused campaign to go on.
    #[must_use]
    pub fn due_at(&self) -> Option<Moment> {
        match &self.state {
            State::Held { until, why } if *why != Wait::Paused => Some((*until).min(self.expires_at)),
            State::Claimed { call } => Some(call.at.plus(LEASE)),
            State::AwaitingStaff { look_at, .. } => Some(*look_at),
            State::Unknown { look_at, .. } => *look_at,
            State::Held { .. }
            | State::Accepted { .. }
            | State::Delivered { .. }
            | State::Refused { .. }
            | State::Failed { .. }
            | State::Bounced { .. }
            | State::Expired { .. }
            | State::Holdout
            | State::Moved { .. } => None,
        }
    }

    /// Whether it waits for its paused campaign to go on.
    #[must_use]
    pub const fn is_parked(&self) -> bool {
        matches!(self.state, State::Held { why: Wait::Paused, .. })
    }

    /// Where it stands, as counts name it.
    #[must_use]
    pub fn standing(&self) -> String {
        self.counted().map_or_else(|| "claimed".to_owned(), |count| count.what)
    }

    /// What counts it where it stands; nothing while somebody is calling the provider.
    fn counted(&self) -> Option<Count> {
        let (what, channel) = match &self.state {
            State::Held { why, .. } => (format!("held.{}", why.word()), None),
            State::Claimed { .. } => return None,
            State::Accepted { call, .. } => ("sent.accepted".to_owned(), Some(call.channel)),
            State::AwaitingStaff { call, .. } => ("sent.awaiting_staff".to_owned(), Some(call.channel)),
            State::Delivered { call, .. } => ("sent.delivered".to_owned(), Some(call.channel)),
            State::Bounced { call, .. } => ("sent.bounced".to_owned(), Some(call.channel)),
            State::Unknown { call, .. } => ("sent.unknown".to_owned(), Some(call.channel)),
            State::Refused { gate } => (format!("refused.{}", gate.word()), None),
            State::Failed { channel, .. } => ("failed".to_owned(), Some(*channel)),
            State::Expired { why } => (format!("expired.{}", why.word()), None),
            State::Holdout => ("holdout".to_owned(), None),
            State::Moved { .. } => ("moved".to_owned(), None),
        };
        Some(Count { what, variant: self.variant.clone(), channel })
    }

    /// What it has cost; nothing when it surely did not go out.
    fn cost(&self) -> Option<(Count, i64)> {
        let call = match &self.state {
            State::Claimed { .. } => return None,
            _ => self.call()?,
        };
        let count = Count { what: Count::COST.to_owned(), variant: self.variant.clone(), channel: Some(call.channel) };
        Some((count, i64::try_from(call.taken.cost.number()).unwrap_or(i64::MAX)))
    }

    /// How the campaign's counts change when a send comes to stand where this one does. `before` is none for one that
    /// is written for the first time.
    #[must_use]
    pub fn counts_since(&self, before: Option<&Self>) -> Counts {
        let mut counts = Counts::default();
        for (send, sign) in [(before, -1), (Some(self), 1)] {
            let Some(send) = send else { continue };
            if let Some(count) = send.counted() {
                counts.add(&count, sign);
            }
            if let Some((count, fen)) = send.cost() {
                counts.add(&count, fen.saturating_mul(sign));
            }
        }
        counts
    }

    /// Claimed for a call.
    #[must_use]
    pub fn claimed(&self, call: Call) -> Self {
        let at = call.at;
        let claimed = self.moved_to(State::Claimed { call }, at);
        Self { attempts: self.attempts.saturating_add(1), ..claimed }
    }
}
