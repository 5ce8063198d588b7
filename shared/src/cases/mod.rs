//! Use cases: what the product does, one at a time, over the ports.
//!
//! A use case reads what it needs, lets the domain decide, and writes the decision in one transaction. When somebody
//! else was faster it decides anew on what is there now; when the deadline comes first it says so and leaves nothing
//! half done.

pub mod attachments;
pub mod attempts;
pub mod audit;
pub mod campaign_preview;
pub mod campaign_reports;
pub mod campaigns;
pub mod census;
pub mod children;
pub mod consents;
pub mod coupons;
pub mod customers;
pub mod desks;
pub mod dispatch;
pub mod dry_run;
pub mod erasures;
pub mod exports;
pub mod full_pass;
pub mod intake;
pub mod ledger;
pub mod legal_holds;
pub mod lifetime_values;
pub mod limits;
pub mod merges;
pub mod notices;
pub mod passes;
pub mod people;
pub mod playbooks;
pub mod privacy_policies;
pub mod profiles;
pub mod programs;
pub mod recompute;
pub mod remarks;
pub mod reports;
pub mod rights_requests;
mod rulebook;
mod saved;
pub mod segments;
pub mod self_service;
pub mod sending;
pub mod sign_up;
pub mod surveys;
pub mod ticket_boards;
pub mod tickets;
pub mod tracking;
pub mod triggers;

use crate::domain::flaw::Flaw;
use crate::domain::posting::Failure;
use crate::domain::refusal::Refusal;
use crate::seal::SealError;
use crate::table::Trouble;
use crate::values::{Actor, MemberId, RowKey};
use crate::wechat::LoginError;

/// Why a use case did not do what was asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// A business rule says no.
    Refused(Refusal),
    /// The same key or id was used before for something else.
    ReusedKey,
    /// There is no such thing, or it is somebody else's.
    NotFound,
    /// The session was ended, or the account behind it lives on under another id.
    SessionEnded,
    /// WeChat's code of a login told nobody.
    Login(LoginError),
    /// WeChat's code for a phone number told none.
    PhoneCode(LoginError),
    /// What was read has been changed by somebody else since.
    VersionMoved,
    /// What is to be changed is there, and the version on which the change builds was not named.
    VersionMissing,
    /// Settings that can't be used, with every flaw named.
    Flawed(Vec<Flaw>),
    /// The world fails: try again later.
    Unavailable(String),
    /// A defect of ours.
    Defect(String),
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unavailable(what) => Self::Unavailable(what),
            Trouble::Defect(what) => Self::Defect(what),
        }
    }
}

/// What the product stores or ships as JSON, and can't write or read; what clients send is read at the door.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Defect(error.to_string())
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => Self::Refused(refusal),
            Failure::Broken(broken) => Self::Defect(broken.to_string()),
        }
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Unavailable(what) => Self::Unavailable(what),
            other => Self::Defect(other.to_string()),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// On whose account something is done, and who does it.
#[derive(Clone, Debug)]
pub struct Who {
    /// The account.
    pub member: MemberId,
    /// The number in the member's own session token; none when staff or a system acts.
    pub session: Option<u32>,
    /// Who acts, as the journal will name them.
    pub by: Actor,
}

impl Who {
    /// The key of the journal row for something that this member asked for under a key of their own.
    #[must_use]
    pub fn row(&self, kind: &str, key: &str) -> RowKey {
        RowKey::of(kind, &[&self.member.to_string(), key])
    }
}
