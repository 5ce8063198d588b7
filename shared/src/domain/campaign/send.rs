//! A send: one campaign's one copy for one member, from the queue to the provider and back.
//!
//! A send is claimed before a provider is asked: whoever writes the claim first may call, and nobody calls without one.
//! A claim whose process died is over after a while, and then its fate is looked up, because the provider may have been
//! asked. Whatever is not final stands in an index under the time at which it is looked at again, so that nothing is
//! lost when a queue's message is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::counts::{Count, Counts};
use super::gates::Gate;
use super::outcome::{Busy, Failure, Fault, Known, Outcome, Scope};
use crate::domain::reach::{HeldOut, Reach, Touch};
use crate::domain::traits::Channel;
use crate::values::{
    CampaignId, Code, Fen, LocalDay, MemberId, MessageId, Moment, RowKey, SendId, TemplateId, TicketId,
};

/// How long a claim counts: longer than a process takes to call a provider and to write what came of it.
pub const LEASE: Duration = Duration::from_mins(5);

/// How often a provider is asked for one send before it is given up.
pub const MOST_ATTEMPTS: u32 = 8;

/// How often a provider's records are asked for a send whose answer nobody heard.
pub const MOST_LOOKS: u32 = 6;

/// The first wait between looks at a provider's records; each is twice the one before.
const FIRST_LOOK: Duration = Duration::from_mins(5);

/// How often staff's confirmation of a WeCom message is asked for.
const STAFF_LOOK: Duration = Duration::from_hours(1);

/// For how long staff may confirm.
const STAFF_DAYS: u32 = 7;

/// The shortest wait after an attempt that surely did not go out; each is twice the one before.
const FIRST_RETRY: Duration = Duration::from_secs(30);

/// The longest wait between attempts.
const LONGEST_RETRY: Duration = Duration::from_hours(1);

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

/// What is to be done about the member, the budget and the provider when a send moves on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The send where it stands now.
    pub send: Send,
    /// What the claim had taken and is to be given back, because the message surely did not go out.
    pub give_back: Option<Taken>,
    /// What the member does not want any more.
    pub unwanted: Option<Scope>,
    /// How the provider fared.
    pub provider: Provider,
    /// What a provider said of the content, for which the campaign is to be paused.
    pub content_fault: Option<String>,
}

/// How a provider fared, as its circuit judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// It answered as it should.
    Well,
    /// It failed or wants less.
    Failing,
    /// It does not accept our account.
    ShutOut,
    /// Nothing can be said.
    Silent,
}

impl Settled {
    fn of(send: Send, provider: Provider) -> Self {
        Self { send, give_back: None, unwanted: None, provider, content_fault: None }
    }
}

/// What comes of a claimed send of a campaign with this plan after a call. `chance` from 0 to 99 spreads those that try
/// again.
#[must_use]
pub fn settle(claimed: &Send, call: &Call, plan: &[Channel], outcome: Outcome, chance: u8, now: Moment) -> Settled {
    let gone = |state, provider| Settled::of(claimed.moved_to(state, now), provider);
    let call = call.clone();
    match outcome {
        Outcome::Accepted(id) if call.channel == Channel::Wecom => {
            gone(State::AwaitingStaff { call, id, look_at: now.plus(STAFF_LOOK) }, Provider::Well)
        }
        Outcome::Accepted(id) => gone(State::Accepted { call, id }, Provider::Well),
        Outcome::Unknown => {
            gone(State::Unknown { call, looks: 0, look_at: Some(now.plus(FIRST_LOOK)) }, Provider::Silent)
        }
        Outcome::Retry { after, busy } => {
            let provider = if busy == Busy::Provider { Provider::Failing } else { Provider::Well };
            not_sent(claimed, call, after, chance, provider, now)
        }
        Outcome::Permanent { reason } => refused_for_good(claimed, call, plan, reason, now),
        Outcome::Refused { scope } => {
            let mut settled = barred(claimed, call, now);
            settled.unwanted = Some(scope);
            settled
        }
    }
}

/// It surely did not go out, and may be tried again.
fn not_sent(claimed: &Send, call: Call, after: Duration, chance: u8, provider: Provider, now: Moment) -> Settled {
    let state = if claimed.attempts >= MOST_ATTEMPTS {
        let reason = Failure { of: Fault::Recipient, code: "retries_exhausted".to_owned() };
        State::Failed { reason, channel: call.channel }
    } else {
        let doubled = FIRST_RETRY.saturating_mul(1 << claimed.attempts.saturating_sub(1).min(16)).min(LONGEST_RETRY);
        let least = doubled.max(after);
        // Up to half as long again, so that those that failed together don't come together.
        State::Held { until: now.plus(least + least * u32::from(chance) / 200), why: Wait::Retry }
    };
    let mut settled = Settled::of(claimed.moved_to(state, now), provider);
    settled.give_back = Some(call.taken);
    settled
}

/// It surely did not go out on this channel and never will: the next one is tried.
fn barred(claimed: &Send, call: Call, now: Moment) -> Settled {
    let mut send = claimed.moved_to(State::Held { until: now, why: Wait::Retry }, now);
    send.barred.push(call.channel);
    let mut settled = Settled::of(send, Provider::Well);
    settled.give_back = Some(call.taken);
    settled
}

fn refused_for_good(claimed: &Send, call: Call, plan: &[Channel], reason: Failure, now: Moment) -> Settled {
    match reason.of {
        Fault::Recipient => {
            let channel = call.channel;
            let mut settled = barred(claimed, call, now);
            if plan.iter().all(|channel| settled.send.barred.contains(channel)) {
                settled.send.state = State::Failed { reason, channel };
            }
            settled
        }
        Fault::Content => {
            let mut settled = not_sent(claimed, call, Duration::ZERO, 0, Provider::Well, now);
            settled.content_fault = Some(reason.code);
            settled
        }
        Fault::Account => not_sent(claimed, call, Duration::ZERO, 0, Provider::ShutOut, now),
    }
}

/// What comes of a send whose fate was looked up; none when it is left as it is. `chance` as in [`settle`].
#[must_use]
pub fn recall(send: &Send, known: Known, chance: u8, now: Moment) -> Option<Settled> {
    let call = send.call()?.clone();
    let (looks, awaited) = match &send.state {
        State::Unknown { looks, .. } => (looks.saturating_add(1), None),
        State::Claimed { .. } => (0, None),
        State::AwaitingStaff { id, .. } => (0, Some(id.clone())),
        _ => return None,
    };
    let later = |state| Some(Settled::of(send.moved_to(state, now), Provider::Silent));
    match (known, awaited) {
        (Known::Delivered, id) => later(State::Delivered { call, id, at: now }),
        (Known::Accepted(id), None) if call.channel == Channel::Wecom => {
            later(State::AwaitingStaff { call, id, look_at: now.plus(STAFF_LOOK) })
        }
        (Known::Failed(reason), _) => later(State::Bounced { call, reason }),
        (Known::Accepted(_) | Known::NotYet, Some(id)) => {
            let over = now >= call.at.plus(Duration::from_hours(u64::from(STAFF_DAYS) * 24));
            // Staff who have not confirmed by then never do: it is left as sent, awaiting them.
            let state = if over {
                State::Accepted { call, id }
            } else {
                State::AwaitingStaff { call, id, look_at: now.plus(STAFF_LOOK) }
            };
            later(state)
        }
        (Known::NotSent, None) => Some(not_sent(send, call, Duration::ZERO, chance, Provider::Silent, now)),
        (Known::Accepted(id), None) | (Known::NotSent | Known::Never, Some(id)) => later(State::Accepted { call, id }),
        (Known::NotYet, None) => {
            let wait = FIRST_LOOK.saturating_mul(1 << looks.min(16));
            let look_at = (looks < MOST_LOOKS).then(|| now.plus(wait));
            later(State::Unknown { call, looks, look_at })
        }
        (Known::Never, None) => later(State::Unknown { call, looks, look_at: None }),
    }
}

/// What the member's reach becomes when a send is claimed: the touch stands before the provider is asked, so that a cap
/// holds whatever happens on the way.
pub fn touch(reach: &mut Reach, send: &Send, call: &Call, attribution_days: u32) {
    reach.touch(Touch {
        send: send.id,
        campaign: send.campaign,
        variant: send.variant.clone(),
        channel: call.channel,
        at: call.at,
        counts_until: counts_until(call.at, attribution_days),
        converted: false,
    });
    if let Some(template) = &call.taken.credit {
        reach.spend(template);
    }
}

/// What the member's reach becomes when a message would go now, had they not been held out.
pub fn hold_out(reach: &mut Reach, send: &Send, attribution_days: u32, now: Moment) {
    let counts_until = counts_until(now, attribution_days);
    reach.hold_out(HeldOut { send: send.id, campaign: send.campaign, at: now, counts_until, converted: false });
}

/// Until when an order counts for a message of this moment.
#[must_use]
pub fn counts_until(at: Moment, attribution_days: u32) -> Moment {
    at.plus(Duration::from_hours(u64::from(attribution_days) * 24))
}

/// What the member's reach becomes when a message surely did not go out, or is not wanted.
pub fn untouch(reach: &mut Reach, settled: &Settled, channel: Channel, today: LocalDay) {
    if let Some(taken) = &settled.give_back {
        reach.untouch(settled.send.id);
        if let Some(template) = &taken.credit {
            match settled.unwanted {
                Some(Scope::Template) => reach.exhaust(template),
                _ => reach.grant(template),
            }
        }
    }
    if let Some(Scope::Channel(by)) = settled.unwanted {
        reach.suppress(channel, by, today);
    }
}
