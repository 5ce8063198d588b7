//! Leaving: a member is erased, with a receipt; and the legal hold that forbids it.

use axum::Json as Answer;
use axum::extract::State;
use huitou::app::App;
use huitou::cases::erasures::Done;
use huitou::domain::erasure::Receipt;
use huitou::manners::caller::{Caller, Me};
use huitou::manners::extract::{Ids, Json};
use huitou::manners::problem::Problem;
use huitou::values::{MemberId, Reason};
use serde::{Deserialize, Serialize};

/// An erasure that was done.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Erasure {
    receipt: Receipt,
    /// The receipt, signed: `POST /v1/erasure-receipts` says whether it is genuine, and what it says. It names nobody.
    signed_receipt: String,
}

impl From<Done> for Erasure {
    fn from(done: Done) -> Self {
        Self { receipt: done.receipt, signed_receipt: done.signed }
    }
}

/// Leave. Everything that is known of the member is erased at once and for good, children, messages and files too; keys
/// are destroyed, so that no copy can be read either. What the books need stays under an id that leads to nobody. Asked again,
/// it answers with the same receipt. Whoever logs in later with the same WeChat account is a new member.
///
/// 423 `legal_hold` while the law forbids it: the request is written down.
#[utoipa::path(delete, path = "/v1/me", tag = "privacy", responses((status = 200, body = Erasure)))]
pub(crate) async fn leave(State(app): State<App>, Me(me): Me) -> Result<Answer<Erasure>, Problem> {
    Ok(Answer(Box::pin(app.erasures().erase(&me, None)).await?.into()))
}

/// Why a member is erased.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EraseMember {
    /// How and why the member asked, in the words of whoever writes it down; nothing that says who it was.
    reason: Reason,
}

/// Erase a member who has asked for it, or whose data may be kept no longer. The same as `DELETE /v1/me`.
#[utoipa::path(post, path = "/v1/members/{id}/erasure", tag = "privacy", params(("id" = MemberId, Path)), request_body = EraseMember, responses((status = 200, body = Erasure)))]
pub(crate) async fn erase(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<MemberId>,
    Json(EraseMember { reason }): Json<EraseMember>,
) -> Result<Answer<Erasure>, Problem> {
    Ok(Answer(Box::pin(app.erasures().erase(&caller.on(id), Some(&reason))).await?.into()))
}

/// A receipt as it was given out.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckReceipt {
    signed_receipt: String,
}

/// Whether a receipt is genuine, and what it says; 422 `receipt_unknown` when it is not.
#[utoipa::path(post, path = "/v1/erasure-receipts", tag = "privacy", request_body = CheckReceipt, responses((status = 200, body = Receipt)))]
pub(crate) async fn verify(
    State(app): State<App>,
    Json(CheckReceipt { signed_receipt }): Json<CheckReceipt>,
) -> Result<Answer<Receipt>, Problem> {
    Ok(Answer(app.erasures().verify(&signed_receipt)?))
}

/// A legal hold that is set or lifted.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetLegalHold {
    /// Set it, or lift it.
    hold: bool,
    /// Why. It goes into the journal, so it says nothing of who it is about.
    reason: Reason,
}

/// Where a legal hold stands.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct LegalHold {
    hold: bool,
}

/// Set or lift a legal hold. While it is set, nothing is done with the member's data but keeping it: no reading, no
/// messages, no segments, no erasure (423 `legal_hold`). Asked again, nothing changes.
#[utoipa::path(put, path = "/v1/members/{id}/legal-hold", tag = "privacy", params(("id" = MemberId, Path)), request_body = SetLegalHold, responses((status = 200, body = LegalHold)))]
pub(crate) async fn hold(
    State(app): State<App>,
    caller: Caller,
    Ids(id): Ids<MemberId>,
    Json(SetLegalHold { hold, reason }): Json<SetLegalHold>,
) -> Result<Answer<LegalHold>, Problem> {
    app.legal_holds().set(&caller.on(id), hold, &reason).await?;
    Ok(Answer(LegalHold { hold }))
}
