//! Who is calling, as handlers ask for it in their arguments.

use std::net::IpAddr;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use super::problem::Problem;
use crate::cases::Who;
use crate::cases::customers::Sight;
use crate::cases::segments::Viewer;
use crate::table::about;
use crate::trust::token::{Claims, Role};
use crate::values::{Actor, MemberId, Reason};

/// Whoever is calling: the edge has checked the token or the signature, and that the role may call the route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The role.
    pub role: Role,
    /// The name under which journals and logs know the caller.
    pub actor: Actor,
    /// The member, when a member is calling.
    pub member: Option<MemberId>,
    /// The member's session number.
    pub session: Option<u32>,
    /// Why staff ask, where they say so.
    pub reason: Option<Reason>,
}

impl Caller {
    pub(super) fn of(claims: &Claims) -> Option<Self> {
        let member = match claims.role {
            Role::Member => Some(MemberId::parse(&claims.subject).ok()?),
            _ => None,
        };
        let actor = match claims.role {
            Role::Member => Actor::parse("member").ok()?,
            role => Actor::parse(&format!("{role}:{}", claims.subject)).ok()?,
        };
        Some(Self { role: claims.role, actor, member, session: member.map(|_| claims.sessions), reason: None })
    }

    /// The subject without the role: a guide's own name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.actor.as_str().split_once(':').map_or(self.actor.as_str(), |(_, name)| name)
    }

    /// This caller looking at groups.
    #[must_use]
    pub fn viewer(&self) -> Viewer {
        Viewer { actor: self.actor.clone(), groups_only: self.sees_groups_only() }
    }

    /// Whether this caller is told of groups only, never of fewer than some members.
    #[must_use]
    pub const fn sees_groups_only(&self) -> bool {
        matches!(self.role, Role::Operator)
    }

    /// Whether this is somebody of the brand.
    #[must_use]
    pub const fn is_staff(&self) -> bool {
        matches!(self.role, Role::Guide | Role::Agent | Role::Operator | Role::Manager)
    }

    /// Whose customers this caller may see: a guide own ones only.
    #[must_use]
    pub fn sight(&self) -> Sight {
        match (self.role, Actor::parse(self.name())) {
            (Role::Guide, Ok(guide)) => Sight::Own(guide),
            (Role::Guide, Err(_)) => Sight::Own(self.actor.clone()),
            _ => Sight::All,
        }
    }

    /// This caller acting on somebody's account.
    #[must_use]
    pub fn on(&self, member: MemberId) -> Who {
        about(member);
        Who { member, session: None, by: self.actor.clone() }
    }
}

/// The network address from which a request comes, as the gateway has seen it. No header is believed: whoever calls
/// writes those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Where no gateway has seen it there is none.
impl<S: Sync> OptionalFromRequestParts<S> for ClientAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Ok(parts.extensions.get::<Self>().copied())
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::unauthorized("token_missing", "Send a token as Authorization: Bearer."))
    }
}

/// The calling member, on their own account.
#[derive(Clone, Debug)]
pub struct Me(pub Who);

impl<S: Sync> FromRequestParts<S> for Me {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let member = caller.member.ok_or_else(|| Problem::forbidden("Only members have an account of their own."))?;
        Ok(Self(Who { member, session: caller.session, by: caller.actor }))
    }
}
