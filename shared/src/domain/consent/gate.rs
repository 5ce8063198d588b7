//! The gate: what may be done with a member, asked of the hot item alone, right before it is done.

use serde::{Deserialize, Serialize};

use super::{Decision, Floors, Purpose};
use crate::domain::account::Account;
use crate::domain::age::Own;
use crate::domain::traits::{Channel, Traits};
use crate::values::LocalDay;

/// Why a member may not be sent a commercial message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// The member is under 14.
    UnderFourteen,
    /// The member never agreed, or has withdrawn.
    NoConsent,
    /// The member agreed to something else than what the statement says now.
    Outdated,
}

/// Whether somebody who is not under 14 now agrees to a purpose, as their decisions say.
pub(in crate::domain) fn agrees(traits: &Traits, own: Own, purpose: Purpose, floors: Floors) -> bool {
    let decision = traits.decision(purpose).filter(|decision| !own.voids(decision));
    if purpose.is_on_unless_refused() {
        decision.is_none_or(|decision| decision.granted)
    } else {
        decision.is_some_and(|decision| decision.is_live(floors))
    }
}

impl Account {
    /// Whether a commercial message on this channel may be sent to the member on a day, or what stands against it.
    /// Asked when an audience is chosen, and again right before each message leaves.
    pub fn may_be_sent(&self, channel: Channel, floors: Floors, on: LocalDay) -> Result<(), Bar> {
        let decision = self.decision(Purpose::of_channel(channel)).filter(|decision| decision.granted);
        match decision {
            _ if self.own.is_minor(on) => Err(Bar::UnderFourteen),
            None => Err(Bar::NoConsent),
            Some(decision) if decision.is_live(floors) => Ok(()),
            Some(_) => Err(Bar::Outdated),
        }
    }

    /// The last decision about a purpose, unless it is void.
    pub(super) fn decision(&self, purpose: Purpose) -> Option<&Decision> {
        self.traits.decision(purpose).filter(|decision| !self.own.voids(decision))
    }

    /// Whether a purpose may be processed for on a day.
    #[must_use]
    pub fn agrees_to(&self, purpose: Purpose, floors: Floors, on: LocalDay) -> bool {
        let closed = purpose.is_for_grown_ups() && self.own.is_minor(on);
        !closed && agrees(&self.traits, self.own, purpose, floors)
    }

    /// Whether the member may be judged by what is known of them: nobody under 14 is, nor whoever restricts it, nor who was
    /// erased or is under a legal hold. Who is not judged is in no segment.
    #[must_use]
    pub fn may_be_judged(&self, on: LocalDay) -> bool {
        self.membership.bar().is_none() && self.agrees_to(Purpose::Profiling, Floors::NONE, on)
    }

    /// Whether what the member is shown may be chosen by what is known of them.
    #[must_use]
    pub fn may_be_personalised(&self, on: LocalDay) -> bool {
        self.may_be_judged(on) && self.agrees_to(Purpose::Personalisation, Floors::NONE, on)
    }
}

/// Whether an answer to a text message asks for no more of them: `T`, `TD`, `N`, `R`, `退订` and their like, in small
/// letters, with blanks or in full width.
///
/// The words are those that the large providers print at the end of marketing messages: T and TD and N at Aliyun and
/// Tencent, R at Huawei.
#[must_use]
pub fn is_opt_out(text: &str) -> bool {
    const WORDS: [&str; 10] = ["T", "TD", "N", "R", "0000", "STOP", "QX", "退订", "取消", "拒收"];
    let fold = |c: char| match u32::from(c) {
        // Full-width forms of ASCII.
        wide @ 0xFF01..=0xFF5E => char::from_u32(wide - 0xFEE0).unwrap_or(c),
        _ => c,
    };
    let is_mark = |c: char| c.is_whitespace() || matches!(c, '.' | '。' | '!' | '"' | '“' | '”' | '\'');
    let plain: String = text.chars().take(40).map(fold).filter(|c| !is_mark(*c)).collect();
    WORDS.contains(&plain.to_ascii_uppercase().as_str())
}
