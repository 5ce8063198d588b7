//! Outcomes: what a provider says of a message, told apart by what may be done next.
//!
//! A message that surely did not go out may be tried again or on another channel; one that may have gone out never is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::reach::SuppressedBy;
use crate::values::MessageId;

/// What came of a call to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took it, under this id.
    Accepted(MessageId),
    /// It surely did not go out, and may be tried again.
    Retry {
        /// Not before so long.
        after: Duration,
        /// Who can't take it now.
        busy: Busy,
    },
    /// It surely did not go out, and never will like this.
    Permanent {
        /// Why.
        reason: Failure,
    },
    /// It surely did not go out: the member does not want it.
    Refused {
        /// How much of it.
        scope: Scope,
    },
    /// It may have gone out: nobody heard the answer.
    Unknown,
}

/// Who can't take a message just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// The provider fails or wants less from everybody: after some of these its circuit opens.
    Provider,
    /// This one recipient has had enough for now.
    Recipient,
}

/// Why a message never goes out like this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What is at fault.
    pub of: Fault,
    /// The provider's own code, for the record; never personal.
    pub code: String,
}

/// What is at fault when a message never goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The address: it does not exist, or not any more.
    Recipient,
    /// The template or the text: every other copy of the campaign would fail as well, so the campaign is paused.
    Content,
    /// Our account with the provider: its circuit opens.
    Account,
}

/// How much a member does not want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// No message of this subscribe template any more, until they accept one anew.
    Template,
    /// Nothing on this channel any more.
    Channel(SuppressedBy),
}

/// What a provider's records say of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// It reached the member.
    Delivered,
    /// The provider has it, under this id.
    Accepted(MessageId),
    /// The provider had it and could not deliver it.
    Failed(Failure),
    /// The provider never had it.
    NotSent,
    /// The records don't tell yet; ask again after a while.
    NotYet,
    /// The provider keeps no records that could be asked.
    Never,
}
