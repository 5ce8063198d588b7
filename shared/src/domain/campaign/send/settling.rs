//! What comes of a send after its provider was asked, or its records were: where it stands then, and what is given back.

use std::time::Duration;

use super::{Call, Send, State, Taken, Wait};
use crate::domain::campaign::outcome::{Busy, Failure, Fault, Known, Outcome, Scope};
use crate::domain::reach::{HeldOut, Reach, Touch};
use crate::domain::traits::Channel;
use crate::values::{LocalDay, Moment};

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

#[cfg(test)]
mod tests;
