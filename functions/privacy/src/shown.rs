//! Consents as answers show them.

use huitou::cases::consents::Held;
use huitou::domain::consent::{Decision, Purpose, Record, Scope, Via};
use huitou::domain::privacy_policy::Statement;
use huitou::values::{Actor, ChildId, Device, LocalDay, Locale, MemberId, Moment, PageName, Reason, RowKey};
use serde::Serialize;

/// What a member has decided about a purpose, and what they are told about it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Consent {
    purpose: Purpose,
    scope: Scope,
    /// Whether it may be processed for now. `personalisation` and `profiling` are on until they are refused.
    live: bool,
    /// The last decision; absent when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decided>,
    /// The first day on which the member may be asked again. Absent when they may be asked now.
    #[serde(skip_serializing_if = "Option::is_none")]
    may_ask_again_on: Option<LocalDay>,
    /// What the member is told; absent when the purpose is not offered any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<Statement>,
}

/// A decision.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Decided {
    granted: bool,
    /// Since when.
    on: LocalDay,
    /// The version of the statement that was shown.
    policy_version: u32,
}

impl From<Decision> for Decided {
    fn from(decision: Decision) -> Self {
        Self { granted: decision.granted, on: decision.on, policy_version: decision.policy }
    }
}

impl From<Held> for Consent {
    fn from(held: Held) -> Self {
        Self {
            purpose: held.purpose,
            scope: held.purpose.scope(),
            live: held.live,
            decision: held.decision.map(Decided::from),
            may_ask_again_on: held.may_ask_again_on,
            statement: held.statement,
        }
    }
}

/// Every purpose that is offered or was decided about.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Consents {
    items: Vec<Consent>,
}

impl From<Vec<Held>> for Consents {
    fn from(held: Vec<Held>) -> Self {
        Self { items: held.into_iter().map(Consent::from).collect() }
    }
}

/// A record of one decision.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ConsentRecord {
    consent_id: RowKey,
    member_id: MemberId,
    purpose: Purpose,
    /// The child that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    child: Option<ChildId>,
    scope: Scope,
    policy_version: u32,
    /// SHA-256 of the statement in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_sha256: Option<String>,
    /// How the decision came in.
    channel: Via,
    source: RecordSource,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_locale: Option<Locale>,
    #[serde(skip_serializing_if = "Option::is_none")]
    granted_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn_via: Option<Via>,
    /// The member whose phone says who the guardian is.
    #[serde(skip_serializing_if = "Option::is_none")]
    guardian_id: Option<MemberId>,
    /// Why, when staff wrote it down.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    /// Who wrote it down.
    by: Actor,
}

/// Where somebody decided.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct RecordSource {
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<PageName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<Device>,
    /// The keyed hash of the network address.
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_hash: Option<String>,
}

impl From<Record> for ConsentRecord {
    fn from(record: Record) -> Self {
        let source = record.source;
        Self {
            consent_id: record.id,
            member_id: record.member,
            purpose: record.purpose,
            child: record.child,
            scope: record.scope,
            policy_version: record.policy_version,
            policy_sha256: record.policy_sha256,
            channel: record.channel,
            source: RecordSource { page: source.page, device: source.device, ip_hash: source.ip_hash },
            text_locale: source.locale,
            granted_at: record.granted_at,
            withdrawn_at: record.withdrawn_at,
            withdrawn_via: record.withdrawn_via,
            guardian_id: record.guardian,
            reason: record.reason,
            by: record.by,
        }
    }
}

/// A page of records.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ConsentRecords {
    /// Newest first.
    pub(crate) items: Vec<ConsentRecord>,
    /// Send it as `cursor` to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}
