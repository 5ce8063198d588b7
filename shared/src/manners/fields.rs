//! Who sees what of a member: roles by kinds of personal data, and which kinds each answer to staff holds.
//!
//! Two tables, the only places where that is decided. Answers about members are built through a [`View`], the audit
//! trail names what they held by the same tables, and a test reads every answer of every route for what its reader's
//! row does not grant. What is in no table is shown to nobody: of children staff see nothing but what an export
//! holds, and no route has more of an address than the city.

use crate::domain::personal::{Field, Shown};
use crate::trust::token::Role;

use Shown::{Masked, Not, Whole, WholeForAReason};

/// What guides, agents, operators and managers are shown of each kind. A guide sees own customers only; a guide's row
/// for [`Field::Tickets`] is about tickets that the guide opens.
pub const FIELDS: [(Field, [Shown; 4]); 20] = [
    //                           guide    agent            operator  manager
    (Field::Name, [Masked, WholeForAReason, Not, Whole]),
    (Field::Phone, [Masked, WholeForAReason, Not, WholeForAReason]),
    (Field::Email, [Masked, WholeForAReason, Not, WholeForAReason]),
    (Field::Birthday, [Masked, Masked, Not, WholeForAReason]),
    (Field::City, [Whole, Whole, Not, Whole]),
    (Field::Gender, [Whole, Whole, Not, Whole]),
    (Field::Ids, [Masked, Masked, Not, WholeForAReason]),
    (Field::Origin, [Whole, Whole, Not, Whole]),
    (Field::Standing, [Whole, Whole, Not, Whole]),
    (Field::Journal, [Whole, Whole, Not, Whole]),
    (Field::Tags, [Whole, Whole, Not, Whole]),
    (Field::Notes, [Whole, Whole, Not, Whole]),
    (Field::Consents, [Whole, Whole, Not, Whole]),
    (Field::Tickets, [Whole, Whole, Not, Whole]),
    // An operator has to know why a rule took somebody in, and knows the member by a pseudonym only.
    (Field::Findings, [Whole, Not, Whole, Whole]),
    (Field::SensitiveFindings, [Whole, Not, Not, Whole]),
    (Field::Segments, [Whole, Not, Whole, Whole]),
    (Field::Requests, [Whole, Whole, Not, Whole]),
    // In an export that is handed out to the guardian, and nowhere else.
    (Field::Children, [Not, Not, Not, WholeForAReason]),
    (Field::Trail, [Not, Not, Not, Whole]),
];

/// How much of a kind a role is shown. Members see their own data by routes of their own; systems are told what they
/// need by id, and nothing of who somebody is.
#[must_use]
pub fn shown(role: Role, field: Field) -> Shown {
    let place = match role {
        Role::Guide => 0,
        Role::Agent => 1,
        Role::Operator => 2,
        Role::Manager => 3,
        Role::Member | Role::System => return Not,
    };
    let row = FIELDS.iter().find(|(known, _)| *known == field);
    row.and_then(|(_, shown)| shown.get(place)).copied().unwrap_or(Not)
}

const PICTURE: &[Field] = &[
    Field::Name,
    Field::Phone,
    Field::Email,
    Field::Birthday,
    Field::City,
    Field::Gender,
    Field::Ids,
    Field::Origin,
    Field::Standing,
    Field::Tags,
    Field::Notes,
];
const CONTACT: &[Field] = &[Field::Name, Field::Phone, Field::Email, Field::Birthday];
const EXPORT: &[Field] = &[
    Field::Name,
    Field::Phone,
    Field::Email,
    Field::Birthday,
    Field::City,
    Field::Gender,
    Field::Ids,
    Field::Origin,
    Field::Standing,
    Field::Journal,
    Field::Tags,
    Field::Notes,
    Field::Consents,
    Field::Tickets,
    Field::Segments,
    Field::Requests,
    Field::Children,
];
const TICKETS: &[Field] = &[Field::Tickets];

/// An answer to staff that holds something of members.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// The method.
    pub method: &'static str,
    /// The route.
    pub path: &'static str,
    /// What it holds.
    pub fields: &'static [Field],
    /// Whether the request has to say why, in `X-Huitou-Reason`.
    pub reason: bool,
}

const fn told(method: &'static str, path: &'static str, fields: &'static [Field]) -> Told {
    Told { method, path, fields, reason: false }
}

const fn told_for_a_reason(method: &'static str, path: &'static str, fields: &'static [Field]) -> Told {
    Told { method, path, fields, reason: true }
}

/// Every answer to staff that holds something of members.
pub const TOLD: &[Told] = &[
    told("POST", "/v1/members/lookup", PICTURE),
    told("GET", "/v1/members/{id}", PICTURE),
    told_for_a_reason("GET", "/v1/members/{id}/contact", CONTACT),
    told_for_a_reason("POST", "/v1/members/{id}/export", EXPORT),
    told("POST", "/v1/members/{id}/requests", &[Field::Requests]),
    told("GET", "/v1/requests", &[Field::Requests]),
    told("PUT", "/v1/requests/{id}", &[Field::Requests]),
    told("GET", "/v1/members/{id}/timeline", &[Field::Journal]),
    told("POST", "/v1/members/{id}/tags", &[Field::Tags]),
    told("POST", "/v1/members/{id}/notes", &[Field::Notes]),
    told("GET", "/v1/members/{id}/consents", &[Field::Consents]),
    told("POST", "/v1/members/{id}/consents/withdrawals", &[Field::Consents]),
    told("POST", "/v1/members/{id}/merges", &[Field::Standing]),
    told("GET", "/v1/members/{id}/segments", &[Field::Segments, Field::Findings, Field::SensitiveFindings]),
    told("GET", "/v1/points/proof", &[Field::Standing]),
    told("POST", "/v1/points/adjustments", &[Field::Journal, Field::Standing]),
    told("GET", "/v1/segments/{id}/members", &[Field::Segments]),
    told("POST", "/v1/segments/{id}/preview", &[Field::Segments]),
    told("GET", "/v1/segments/previews/{run}", &[Field::Segments]),
    told("POST", "/v1/tickets", TICKETS),
    told("GET", "/v1/tickets", TICKETS),
    told("POST", "/v1/tickets/next", TICKETS),
    told("GET", "/v1/tickets/{id}", TICKETS),
    told("PUT", "/v1/tickets/{id}", TICKETS),
    told("POST", "/v1/tickets/{id}/messages", TICKETS),
    told("POST", "/v1/tickets/{id}/merges", TICKETS),
    told("GET", "/v1/audit", &[Field::Trail]),
    told("GET", "/v1/audit/proof", &[]),
    told_for_a_reason("GET", "/v1/audit/breach", &[Field::Trail]),
];

/// Routes that change nothing although they are no GET.
const ASKING: &[&str] =
    &["/v1/members/lookup", "/v1/segments/check", "/v1/segments/{id}/preview", "/v1/campaigns/{id}/preview"];

/// Whether a request by staff changes something.
#[must_use]
pub fn changes(method: &str, path: &str) -> bool {
    method != "GET" && !ASKING.contains(&path)
}

/// Whether a request is about members, so that it is of interest who asked in vain.
#[must_use]
pub fn about_members(method: &str, path: &str) -> bool {
    let told = TOLD.iter().any(|told| told.method == method && told.path == path && !told.fields.is_empty());
    told || path.starts_with("/v1/members/")
}

/// What a role is told by a route, kind by kind; nothing that its row does not grant.
#[must_use]
pub fn fields_of(method: &str, path: &str, role: Role) -> Vec<Field> {
    let told = TOLD.iter().find(|told| told.method == method && told.path == path);
    let fields = told.map(|told| told.fields).unwrap_or_default();
    fields.iter().copied().filter(|field| shown(role, *field) != Not).collect()
}

/// Whether a route asks why.
#[must_use]
pub fn asks_why(method: &str, path: &str) -> bool {
    TOLD.iter().any(|told| told.method == method && told.path == path && told.reason)
}

/// Through whose eyes an answer is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    role: Role,
    reason: bool,
}

impl View {
    /// What a role sees without saying why.
    #[must_use]
    pub const fn of(role: Role) -> Self {
        Self { role, reason: false }
    }

    /// What a role sees where it has said why.
    #[must_use]
    pub const fn for_a_reason(role: Role) -> Self {
        Self { role, reason: true }
    }

    fn shown(self, field: Field) -> Shown {
        match shown(self.role, field) {
            WholeForAReason => {
                if self.reason {
                    Whole
                } else {
                    Masked
                }
            }
            other => other,
        }
    }

    /// A value as far as it is shown: whole, masked, or not at all.
    #[must_use]
    pub fn text(self, field: Field, whole: &str, mask: impl FnOnce() -> String) -> Option<String> {
        match self.shown(field) {
            Not => None,
            Masked | WholeForAReason => Some(mask()),
            Whole => Some(whole.to_owned()),
        }
    }

    /// A value that is shown masked, however much more the role might see elsewhere.
    #[must_use]
    pub fn masked(self, field: Field, mask: impl FnOnce() -> String) -> Option<String> {
        (self.shown(field) != Not).then(mask)
    }

    /// A value that has no mask: whole or not at all.
    #[must_use]
    pub fn whole<T>(self, field: Field, value: T) -> Option<T> {
        (self.shown(field) == Whole).then_some(value)
    }

    /// Whether all of a kind is shown.
    #[must_use]
    pub fn sees(self, field: Field) -> bool {
        self.shown(field) == Whole
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::manners::access::{Allowed, allowed};

    #[test]
    fn every_kind_has_one_row() {
        assert!(Field::ALL.iter().all(|field| FIELDS.iter().filter(|(known, _)| known == field).count() == 1));
    }

    #[test]
    fn an_operator_is_shown_nothing_of_who_somebody_is() {
        for (field, _) in FIELDS {
            let judged = matches!(field, Field::Findings | Field::Segments);
            assert_eq!(shown(Role::Operator, field) != Not, judged, "{field:?}");
            assert_eq!((shown(Role::Member, field), shown(Role::System, field)), (Not, Not));
        }
    }

    #[test]
    fn nobody_sees_a_phone_an_address_or_an_id_whole_without_saying_why() {
        for role in Role::ALL {
            for field in [Field::Phone, Field::Email, Field::Birthday, Field::Ids] {
                assert!(!View::of(role).sees(field), "{role} {field:?}");
            }
        }
        let phone = |view: View| view.text(Field::Phone, "13800138000", || "138****8000".to_owned());
        assert_eq!(phone(View::of(Role::Agent)).as_deref(), Some("138****8000"));
        assert_eq!(phone(View::for_a_reason(Role::Agent)).as_deref(), Some("13800138000"));
        assert_eq!(phone(View::for_a_reason(Role::Guide)).as_deref(), Some("138****8000"));
        assert_eq!(phone(View::for_a_reason(Role::Operator)), None);
    }

    #[test]
    fn what_is_told_is_told_by_a_route_that_is_there_once_and_for_staff() {
        let mut seen = BTreeSet::new();
        for told in TOLD {
            assert!(seen.insert((told.method, told.path)), "{} {}", told.method, told.path);
            let Some(Allowed::Roles(_)) = allowed(told.method, told.path) else {
                panic!("{} {} is no route with roles", told.method, told.path)
            };
        }
        for path in ASKING {
            assert!(allowed("POST", path).is_some(), "{path}");
        }
    }
}
