//! Who may call what: one table, the only place where roles are granted.
//!
//! A route that is not in the table answers nobody. A test holds it against `template.yaml` and the routers.

use crate::trust::token::Role;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Anybody, without a token.
    Anybody,
    /// These roles.
    Roles(&'static [Role]),
}

impl Allowed {
    /// Whether a role may call.
    #[must_use]
    pub fn admits(self, role: Role) -> bool {
        match self {
            Self::Anybody => true,
            Self::Roles(roles) => roles.contains(&role),
        }
    }
}

use Role::{Agent, Guide, Manager, Member, Operator, System};

const MEMBER: Allowed = Allowed::Roles(&[Member]);
const SYSTEM: Allowed = Allowed::Roles(&[System]);
const MANAGER: Allowed = Allowed::Roles(&[Manager]);
const SERVICE: Allowed = Allowed::Roles(&[Guide, Agent, Manager]);
const DESK: Allowed = Allowed::Roles(&[Agent, Manager]);
const MARKETING: Allowed = Allowed::Roles(&[Operator, Manager]);
const STAFF: Allowed = Allowed::Roles(&[Guide, Agent, Operator, Manager]);

/// Every route and who may call it.
pub const ACCESS: &[(&str, &str, Allowed)] = &[
    ("GET", "/health", Allowed::Anybody),
    ("GET", "/openapi.json", Allowed::Anybody),
    ("POST", "/v1/sessions", Allowed::Anybody),
    ("DELETE", "/v1/sessions", MEMBER),
    ("GET", "/v1/me", MEMBER),
    ("PUT", "/v1/me", MEMBER),
    ("POST", "/v1/me/phone", MEMBER),
    ("GET", "/v1/me/children", MEMBER),
    ("POST", "/v1/me/children", MEMBER),
    ("PUT", "/v1/me/children/{id}", MEMBER),
    ("DELETE", "/v1/me/children/{id}", MEMBER),
    ("GET", "/v1/me/consents", MEMBER),
    ("GET", "/v1/me/consents/records", MEMBER),
    ("PUT", "/v1/me/consents/{purpose}", MEMBER),
    ("GET", "/v1/me/segments", MEMBER),
    ("GET", "/v1/me/tags", MEMBER),
    ("POST", "/v1/me/tags/removals", MEMBER),
    ("GET", "/v1/audit", MANAGER),
    ("GET", "/v1/audit/proof", MANAGER),
    ("GET", "/v1/audit/breach", MANAGER),
    ("POST", "/v1/me/export", MEMBER),
    ("GET", "/v1/me/requests", MEMBER),
    ("POST", "/v1/me/requests", MEMBER),
    ("POST", "/v1/members/{id}/export", MANAGER),
    ("POST", "/v1/members/{id}/erasure", MANAGER),
    ("PUT", "/v1/members/{id}/legal-hold", MANAGER),
    ("POST", "/v1/members/{id}/requests", SERVICE),
    ("GET", "/v1/requests", DESK),
    ("PUT", "/v1/requests/{id}", MANAGER),
    // What a receipt says is known to whoever has it.
    ("POST", "/v1/erasure-receipts", Allowed::Anybody),
    ("GET", "/v1/privacy-policy", STAFF),
    ("PUT", "/v1/privacy-policy", MANAGER),
    ("GET", "/v1/me/points", MEMBER),
    ("GET", "/v1/me/points/entries", MEMBER),
    ("POST", "/v1/me/points/check-ins", MEMBER),
    ("POST", "/v1/me/points/redemptions", MEMBER),
    ("POST", "/v1/me/points/donations", MEMBER),
    ("GET", "/v1/me/points/proof", MEMBER),
    ("GET", "/v1/me/coupons", MEMBER),
    ("POST", "/v1/coupons/{code}/reserve", SYSTEM),
    ("POST", "/v1/coupons/{code}/redeem", SYSTEM),
    ("POST", "/v1/coupons/{code}/rollback", SYSTEM),
    ("POST", "/v1/points/holds", SYSTEM),
    ("POST", "/v1/points/holds/{id}/capture", SYSTEM),
    ("POST", "/v1/points/holds/{id}/release", SYSTEM),
    ("POST", "/v1/points/adjustments", MANAGER),
    ("GET", "/v1/points/proof", MANAGER),
    ("GET", "/v1/program", STAFF),
    ("PUT", "/v1/program", MANAGER),
    ("GET", "/v1/program/dry-runs/{id}", MANAGER),
    ("POST", "/v1/orders", SYSTEM),
    ("POST", "/v1/orders/{id}/refunds", SYSTEM),
    ("POST", "/v1/events", Allowed::Roles(&[System, Member])),
    ("POST", "/v1/members/lookup", SERVICE),
    ("GET", "/v1/members/{id}", SERVICE),
    ("GET", "/v1/members/{id}/contact", DESK),
    ("GET", "/v1/members/{id}/timeline", SERVICE),
    ("POST", "/v1/members/{id}/tags", SERVICE),
    ("POST", "/v1/members/{id}/notes", SERVICE),
    ("GET", "/v1/members/{id}/consents", SERVICE),
    ("POST", "/v1/members/{id}/consents/withdrawals", SERVICE),
    ("POST", "/v1/members/{id}/ids", Allowed::Roles(&[System, Manager])),
    ("POST", "/v1/members/{id}/merges", MANAGER),
    ("DELETE", "/v1/members/{id}/merges/{merge}", MANAGER),
    ("GET", "/v1/members/{id}/segments", Allowed::Roles(&[Guide, Operator, Manager])),
    ("GET", "/v1/segments", MARKETING),
    ("GET", "/v1/segments/{id}", MARKETING),
    ("PUT", "/v1/segments/{id}", MARKETING),
    ("DELETE", "/v1/segments/{id}", MARKETING),
    ("POST", "/v1/segments/check", MARKETING),
    ("POST", "/v1/segments/{id}/preview", MARKETING),
    ("GET", "/v1/segments/previews/{run}", MARKETING),
    ("GET", "/v1/segments/{id}/members", MARKETING),
    ("GET", "/v1/playbooks", MARKETING),
    ("GET", "/v1/segments/{id}/playbook", MARKETING),
    ("PUT", "/v1/segments/{id}/playbook", MANAGER),
    ("DELETE", "/v1/segments/{id}/playbook", MANAGER),
    ("POST", "/v1/segments/recompute", MANAGER),
    ("GET", "/v1/segments/recompute", MANAGER),
    ("POST", "/v1/me/tickets", MEMBER),
    ("GET", "/v1/me/tickets", MEMBER),
    ("GET", "/v1/me/tickets/{id}", MEMBER),
    ("POST", "/v1/me/tickets/{id}/messages", MEMBER),
    ("POST", "/v1/me/tickets/{id}/close", MEMBER),
    ("POST", "/v1/me/attachments", MEMBER),
    ("POST", "/v1/me/faq", MEMBER),
    ("POST", "/v1/me/faq/outcomes", MEMBER),
    ("POST", "/v1/surveys/{token}", Allowed::Anybody),
    ("POST", "/v1/tickets", Allowed::Roles(&[System, Guide, Agent, Manager])),
    ("GET", "/v1/tickets", DESK),
    ("POST", "/v1/tickets/next", DESK),
    ("GET", "/v1/tickets/{id}", DESK),
    ("PUT", "/v1/tickets/{id}", DESK),
    ("POST", "/v1/tickets/{id}/messages", DESK),
    ("POST", "/v1/tickets/{id}/merges", DESK),
    ("GET", "/v1/desk", DESK),
    ("PUT", "/v1/desk", MANAGER),
    ("GET", "/v1/reports/tickets", MANAGER),
    ("GET", "/v1/reports/weekly", MARKETING),
    ("GET", "/v1/reports/monthly", MARKETING),
    // Whoever comes here is known by a signature, by a path that nobody guesses, or by a link.
    ("GET", "/v1/wechat/push", Allowed::Anybody),
    ("POST", "/v1/wechat/push", Allowed::Anybody),
    ("POST", "/v1/receipts/{provider}/{secret}", Allowed::Anybody),
    ("GET", "/r/{token}", Allowed::Anybody),
    ("GET", "/o/{token}", Allowed::Anybody),
    ("GET", "/u/{token}", Allowed::Anybody),
    ("POST", "/u/{token}", Allowed::Anybody),
    ("GET", "/v1/campaigns", MARKETING),
    ("POST", "/v1/campaigns", MARKETING),
    ("GET", "/v1/campaigns/{id}", MARKETING),
    ("PUT", "/v1/campaigns/{id}", MARKETING),
    ("POST", "/v1/campaigns/{id}/preview", MARKETING),
    ("GET", "/v1/campaigns/{id}/report", MARKETING),
    ("POST", "/v1/campaigns/{id}/launch", MARKETING),
    ("POST", "/v1/campaigns/{id}/pause", MARKETING),
    ("POST", "/v1/campaigns/{id}/resume", MARKETING),
    ("POST", "/v1/campaigns/{id}/stop", MARKETING),
    ("GET", "/v1/scenes", MARKETING),
    ("POST", "/v1/scenes/{scene}/drafts", MARKETING),
    ("GET", "/v1/sending-limits", MARKETING),
    ("PUT", "/v1/sending-limits", MANAGER),
    ("DELETE", "/v1/me", MEMBER),
];

/// Who may call the route with this method and path pattern.
#[must_use]
pub fn allowed(method: &str, path: &str) -> Option<Allowed> {
    ACCESS.iter().find(|(m, p, _)| *m == method && *p == path).map(|(_, _, allowed)| *allowed)
}
