//! Consent: what a member agrees to, purpose by purpose.
//!
//! Every decision is a record that is never edited; the last one for a purpose counts, and only as long as the
//! statement that the member agreed to still says the same in substance ([`super::privacy_policy`]). The last decisions
//! lie in the member's hot item, so that whoever is about to process something asks no second table: see [`Floors`] and
//! [`super::account::Account::may_be_sent`]. What the law asks, article by article and test by test, stands in
//! `consent.md`.

mod gate;
mod purpose;

use serde::{Deserialize, Serialize};

pub(in crate::domain) use gate::agrees;
pub use gate::{Bar, is_opt_out};
pub use purpose::{Purpose, Scope};

use super::account::Account;
use super::entry::What;
use super::posting::{Failure, Posted, Posting};
use super::privacy_policy::PrivacyPolicy;
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use crate::values::{Actor, ChildId, Device, LocalDay, Locale, MemberId, Moment, PageName, Reason, RowKey};

/// Days after a refusal on which nobody may be asked again (网络数据安全管理条例 22(5): 不得频繁征求同意; the figure is
/// ours).
pub const ASK_AGAIN_AFTER_DAYS: u32 = 30;

/// The layout of a stored record; older layouts stay readable.
pub const SCHEMA: u8 = 1;

/// From which version of a purpose's statement on a consent counts; nothing counts for a purpose that is not offered.
///
/// This is all of the privacy policy that a judgement needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floors([Option<u32>; Purpose::ALL.len()]);

impl Floors {
    /// Whatever was agreed to counts.
    pub const NONE: Self = Self([Some(0); Purpose::ALL.len()]);

    /// Floors of these purposes; what is not named is not offered.
    #[must_use]
    pub fn of(offered: impl IntoIterator<Item = (Purpose, u32)>) -> Self {
        let mut floors = Self::default();
        for (purpose, floor) in offered {
            if let Some(place) = floors.0.get_mut(purpose as usize) {
                *place = Some(floor);
            }
        }
        floors
    }

    /// Whether a consent to this version of the statement counts.
    #[must_use]
    pub fn admit(self, purpose: Purpose, version: u32) -> bool {
        self.0.get(purpose as usize).copied().flatten().is_some_and(|floor| version >= floor)
    }
}

/// The last decision about a purpose, as the hot item keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ConsentDecision)]
pub struct Decision {
    /// About what.
    pub purpose: Purpose,
    /// Yes or no.
    pub granted: bool,
    /// The version of the statement that was shown.
    pub policy: u32,
    /// The day.
    pub on: LocalDay,
}

impl Decision {
    /// Whether the purpose may be processed for.
    #[must_use]
    pub fn is_live(&self, floors: Floors) -> bool {
        self.granted && floors.admit(self.purpose, self.policy)
    }

    /// The first day on which the member may be asked again, after a no.
    #[must_use]
    pub fn may_ask_again_on(&self) -> Option<LocalDay> {
        (!self.granted).then(|| self.on.plus(ASK_AGAIN_AFTER_DAYS))
    }
}

/// How a decision reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// The member, in the mini program.
    MiniProgram,
    /// The member, by answering a text message with an opt-out word.
    SmsReply,
    /// The member, by a link in a message.
    MessageLink,
    /// The provider, whose own list says that the member wants nothing.
    Provider,
    /// Somebody of the brand's staff, at the member's request.
    Staff,
    /// The child's profile was deleted.
    Deletion,
}

/// Where somebody decided: what a record can show of it later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The page on which the statement stood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<PageName>,
    /// The kind of device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// The keyed hash of the network address; the address itself is kept nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_hash: Option<String>,
    /// The language of the statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
}

/// A decision as somebody brings it.
#[derive(Clone, Debug)]
pub struct Wish {
    /// About what.
    pub purpose: Purpose,
    /// About which child, where it is about one.
    pub child: Option<ChildId>,
    /// The version of the statement that was shown, to agree to it; a no needs none.
    pub agrees_to: Option<u32>,
    /// How it reached us.
    pub via: Via,
    /// Where it was decided.
    pub origin: Origin,
    /// Why, when staff write it down.
    pub reason: Option<Reason>,
}

impl Wish {
    /// A no that reached us in this way.
    #[must_use]
    pub fn no(purpose: Purpose, via: Via) -> Self {
        Self { purpose, child: None, agrees_to: None, via, origin: Origin::default(), reason: None }
    }
}

/// A record of one decision. Written once, never edited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The layout, [`SCHEMA`].
    pub schema: u8,
    /// Its id.
    pub id: RowKey,
    /// Whose.
    pub member: MemberId,
    /// About what.
    pub purpose: Purpose,
    /// About which child.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child: Option<ChildId>,
    /// Under which rule it was asked for.
    pub scope: Scope,
    /// The version of the statement; the last one agreed to, when it is not offered any more.
    pub policy_version: u32,
    /// SHA-256 of the statement in hexadecimal; none when it is not offered any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_sha256: Option<String>,
    /// How it reached us.
    pub channel: Via,
    /// Where it was decided.
    #[serde(default)]
    pub source: Origin,
    /// When it was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted_at: Option<Moment>,
    /// When it was withdrawn or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<Moment>,
    /// How it was withdrawn or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_via: Option<Via>,
    /// The member whose phone says who the guardian is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardian: Option<MemberId>,
    /// Why, when staff wrote it down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Who wrote it down.
    pub by: Actor,
}

impl Record {
    /// The record of a wish.
    #[must_use]
    pub fn of(id: RowKey, member: MemberId, wish: &Wish, told: Told, now: Moment, by: Actor) -> Self {
        let granted = wish.agrees_to.is_some();
        let scope = wish.purpose.scope();
        Self {
            schema: SCHEMA,
            id,
            member,
            purpose: wish.purpose,
            child: wish.child,
            scope,
            policy_version: told.version,
            policy_sha256: told.sha256,
            channel: wish.via,
            source: wish.origin.clone(),
            granted_at: granted.then_some(now),
            withdrawn_at: (!granted).then_some(now),
            withdrawn_via: (!granted).then_some(wish.via),
            guardian: (scope == Scope::Guardian).then_some(member),
            reason: wish.reason.clone(),
            by,
        }
    }

    /// When it was decided.
    #[must_use]
    pub fn at(&self) -> Option<Moment> {
        self.granted_at.or(self.withdrawn_at)
    }
}

/// The statement about which somebody decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its version.
    pub version: u32,
    /// SHA-256 of its text; none when it is not offered any more.
    pub sha256: Option<String>,
}

/// What a decision comes to.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The movement.
    pub posted: Posted,
    /// The record.
    pub record: Record,
}

/// The statement that a wish is about, if the wish can be had.
///
/// A yes is to the statement as it stands. A no needs nothing: withdrawing is as easy as agreeing (PIPL 15), also when
/// the purpose is not offered any more.
pub fn told(account: &Account, wish: &Wish, policy: &PrivacyPolicy, today: LocalDay) -> Result<Told, Refusal> {
    let statement = policy.statement(wish.purpose);
    let told = |version| Told { version, sha256: statement.map(|statement| statement.sha256.clone()) };
    let Some(seen) = wish.agrees_to else {
        let earlier = account.traits.decision(wish.purpose).map(|decision| decision.policy);
        return Ok(told(statement.map(|statement| statement.version).or(earlier).unwrap_or(0)));
    };
    let offered = statement.ok_or(Refusal::PurposeNotOffered)?;
    if seen != offered.version {
        return Err(Refusal::StatementMoved { current: offered.version });
    }
    if wish.purpose.is_for_grown_ups() && account.own.is_minor(today) {
        return Err(Refusal::UnderFourteen);
    }
    Ok(told(seen))
}

/// Whether a wish says what was decided before, and nothing has happened since that makes it a decision anew.
///
/// A no that comes again after the member may have been asked again is another no.
#[must_use]
pub fn says_the_same(before: Option<&Decision>, granted: bool, version: u32, today: LocalDay) -> bool {
    before.is_some_and(|before| match (before.granted, granted) {
        (true, true) => before.policy == version,
        (false, false) => before.may_ask_again_on().is_some_and(|again| today < again),
        _ => false,
    })
}

/// What a member decides about a purpose: a movement and its record. None when it was decided so before.
pub fn decide(
    before: &Account,
    wish: &Wish,
    policy: &PrivacyPolicy,
    rules: &Rulebook,
    now: Moment,
    by: &Actor,
) -> Result<Option<Decided>, Failure> {
    let told = told(before, wish, policy, now.day())?;
    let granted = wish.agrees_to.is_some();
    if says_the_same(before.decision(wish.purpose), granted, told.version, now.day()) {
        return Ok(None);
    }
    let row = row(before, wish.purpose);
    let what = What::Consent { purpose: wish.purpose, granted, policy: told.version, via: wish.via };
    let posted = Posting::open(before, rules, now)?.close(row, by.clone(), what)?;
    Ok(Some(Decided { posted, record: Record::of(row, before.member, wish, told, now, by.clone()) }))
}

/// The key of the next decision's row; the record has the same id.
#[must_use]
pub fn row(before: &Account, purpose: Purpose) -> RowKey {
    let sequence = (before.chain.length + 1).to_string();
    RowKey::of("consent", &[&before.member.to_string(), purpose.word(), &sequence])
}
