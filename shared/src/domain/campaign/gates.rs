//! Gates: whether a message may go to a member now, and on which channel.
//!
//! They are asked in one order: whether the member is still there and still meant; then for each channel of the plan
//! consent, age, suppression, quiet hours, caps, budget, credit. The first channel that passes all of them is used. Quiet
//! hours and an open circuit hold the whole message instead of pushing it to the next channel.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::circuit::Circuit;
use super::definition::{Definition, Purpose};
use super::limits::Limits;
use super::send::{Send, Wait};
use crate::domain::consent::Bar;
use crate::domain::reach::Reach;
use crate::domain::traits::Channel;
use crate::values::{Fen, Moment};

/// A gate that said no, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The member is gone.
    Erased,
    /// The member is not in the audience any more.
    Audience,
    /// No live consent to this purpose on this channel.
    Consent,
    /// Under fourteen: never addressed by marketing.
    Minor,
    /// No address, or no provider, for this channel.
    Unreachable,
    /// Nothing goes to the member on this channel.
    Suppressed,
    /// A frequency cap.
    Capped,
    /// The campaign's budget is used up.
    Budget,
    /// No subscription to this template is left.
    Credit,
    /// Under a legal hold: asked about right after `Erased`, and last here because stored sends number the gates.
    LegalHold,
}

impl Gate {
    /// As counts name it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Erased => "erased",
            Self::Audience => "audience",
            Self::Consent => "consent",
            Self::Minor => "minor",
            Self::Unreachable => "unreachable",
            Self::Suppressed => "suppressed",
            Self::Capped => "capped",
            Self::Budget => "budget",
            Self::Credit => "credit",
            Self::LegalHold => "legal_hold",
        }
    }
}

/// What is known about a member when a message is to go.
#[derive(Clone, Copy, Debug)]
pub struct Facing<'a> {
    /// What stands against a commercial message, by channel.
    pub bars: &'a [(Channel, Bar)],
    /// What lately went, and what may.
    pub reach: &'a Reach,
    /// Whether the member is in the audience.
    pub in_audience: bool,
    /// Channels on which the member has an address, and the brand a provider.
    pub reachable: &'a [Channel],
}

/// What is left of a campaign's budget, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// Messages; without end for none.
    pub sends: Option<u64>,
    /// Fen; without end for none.
    pub fen: Option<Fen>,
}

impl Room {
    /// A budget without end.
    pub const ENDLESS: Self = Self { sends: None, fen: None };

    /// Whether one more message at this cost fits in.
    #[must_use]
    pub fn fits(self, cost: Fen) -> bool {
        self.sends.is_none_or(|left| left >= 1) && self.fen.is_none_or(|left| left >= cost)
    }
}

/// Everything beside the member that decides whether a message may go.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a> {
    /// The campaign.
    pub definition: &'a Definition,
    /// How many messages may go to one member, and when.
    pub limits: &'a Limits,
    /// What is left of the budget.
    pub room: Room,
    /// Circuits that are not closed.
    pub circuits: &'a [(Channel, Circuit)],
    /// The time.
    pub now: Moment,
}

/// What is done about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on this channel.
    Go {
        /// The channel.
        channel: Channel,
        /// Whether it is the one by which an open circuit is tried.
        probe: bool,
    },
    /// It waits.
    Wait {
        /// Until then.
        until: Moment,
        /// For what.
        why: Wait,
    },
    /// It does not go.
    No(Gate),
}

/// What one channel says.
enum Said {
    Yes { probe: bool },
    Wait(Moment, Wait),
    No(Gate),
}

/// Whether and how a message may go now. Of several gates that say no for different channels, the one that was reached
/// last is told: that far the message came.
#[must_use]
pub fn judge(send: &Send, member: Option<&Facing<'_>>, conditions: &Conditions<'_>) -> Verdict {
    let Some(member) = member else { return Verdict::No(Gate::Erased) };
    if !member.in_audience {
        return Verdict::No(Gate::Audience);
    }
    let mut nos = Vec::new();
    for channel in conditions.definition.plan.iter().copied() {
        let said = if send.barred.contains(&channel) {
            Said::No(Gate::Unreachable)
        } else {
            ask(channel, send, member, conditions)
        };
        match said {
            Said::Yes { probe } => return Verdict::Go { channel, probe },
            Said::Wait(until, why) => return Verdict::Wait { until, why },
            Said::No(gate) => nos.push(gate),
        }
    }
    // The first of those that were reached last; a plan without channels is no campaign's.
    Verdict::No(nos.into_iter().min_by_key(|gate| Reverse(*gate)).unwrap_or(Gate::Unreachable))
}

fn ask(channel: Channel, send: &Send, member: &Facing<'_>, conditions: &Conditions<'_>) -> Said {
    let Conditions { definition, limits, room, circuits, now } = *conditions;
    let marketing = definition.purpose == Purpose::Marketing;
    if let Some((_, bar)) = member.bars.iter().find(|(barred, _)| marketing && *barred == channel) {
        return Said::No(match bar {
            Bar::NoConsent | Bar::Outdated => Gate::Consent,
            Bar::UnderFourteen => Gate::Minor,
        });
    }
    if !member.reachable.contains(&channel) {
        return Said::No(Gate::Unreachable);
    }
    if member.reach.suppressed(channel).is_some() {
        return Said::No(Gate::Suppressed);
    }
    let opens = limits.hours.next_open(now);
    if marketing && opens > now {
        return Said::Wait(opens, Wait::QuietHours);
    }
    if marketing && member.reach.capped(&limits.caps, channel, now.day()).is_some() {
        return Said::No(Gate::Capped);
    }
    let content = send.variant.as_ref().and_then(|id| definition.variant(id)).map(|variant| &variant.content);
    if !room.fits(content.map_or(Fen::ZERO, |content| definition.most_cost(content, channel))) {
        return Said::No(Gate::Budget);
    }
    if content.and_then(|content| content.credit(channel)).is_some_and(|template| member.reach.credit(template) == 0) {
        return Said::No(Gate::Credit);
    }
    let circuit = circuits.iter().find(|(of, _)| *of == channel).map(|(_, circuit)| circuit);
    match circuit.map(|circuit| circuit.passes(now)) {
        None | Some(super::circuit::Passing::Freely) => Said::Yes { probe: false },
        Some(super::circuit::Passing::AsProbe) => Said::Yes { probe: true },
        Some(super::circuit::Passing::NotBefore(until)) => Said::Wait(until, Wait::Circuit),
    }
}

#[cfg(test)]
mod tests;
