//! Proof: a balance built again from the journal.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::cases::ledger::Proven;
use huitou::domain::proof::Fault;
use huitou::manners::caller::{Caller, Me};
use huitou::manners::extract::Query;
use huitou::manners::problem::Problem;
use huitou::values::{MemberId, Points};
use serde::{Deserialize, Serialize};

/// What a proof found.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ProofAnswer {
    /// Whether the journal is whole and adds up to the stored account, book by book, lot by lot.
    balanced: bool,
    /// Rows of the journal.
    entries: u64,
    /// SHA-256 of the last row: write it down to be able to tell later that nothing before it was changed.
    head: String,
    /// What is wrong, when something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
    /// Can be spent now.
    available: Points,
    /// Not yet.
    pending: Points,
    /// Reserved.
    held: Points,
    /// Owed.
    debt: Points,
}

impl From<Proven> for ProofAnswer {
    fn from(proven: Proven) -> Self {
        Self {
            balanced: proven.proof.fault.is_none(),
            entries: proven.proof.entries,
            head: proven.proof.head,
            fault: proven.proof.fault,
            available: proven.balance.available,
            pending: proven.balance.pending,
            held: proven.balance.held,
            debt: proven.balance.debt,
        }
    }
}

/// Prove the own balance.
#[utoipa::path(get, path = "/v1/me/points/proof", tag = "points", responses((status = 200, body = ProofAnswer)))]
pub(crate) async fn mine(State(app): State<App>, Me(me): Me) -> Result<Answer<ProofAnswer>, Problem> {
    Ok(Answer(app.ledger().proof(&me).await?.into()))
}

/// Whose balance to prove.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfMember {
    /// The member.
    member_id: MemberId,
}

/// Prove a member's balance.
#[utoipa::path(get, path = "/v1/points/proof", tag = "points", params(OfMember), responses((status = 200, body = ProofAnswer)))]
pub(crate) async fn of_member(
    State(app): State<App>,
    caller: Caller,
    Query(of): Query<OfMember>,
) -> Result<Answer<ProofAnswer>, Problem> {
    Ok(Answer(app.ledger().proof(&caller.on(of.member_id)).await?.into()))
}
