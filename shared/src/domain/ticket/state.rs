//! Where a ticket stands, where it may go from there, and how it ends.

use serde::{Deserialize, Serialize};

use crate::values::TicketId;

written! {
    /// Where a ticket stands.
    State as TicketState {
        /// Nobody has looked at it.
        New = "new",
        /// Somebody works on it.
        Open = "open",
        /// The member has to answer first.
        Waiting = "waiting",
        /// It is solved, as staff see it.
        Resolved = "resolved",
        /// It is over.
        Closed = "closed",
        /// It was over, and is not.
        Reopened = "reopened",
    }
}

impl State {
    /// Whether staff have work to do or an answer to wait for.
    #[must_use]
    pub const fn is_active(self) -> bool {
        match self {
            Self::New | Self::Open | Self::Waiting | Self::Reopened => true,
            Self::Resolved | Self::Closed => false,
        }
    }

    /// Whether a ticket may go from here to there.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::New | Self::Reopened, Self::Open | Self::Waiting)
            | (Self::Open, Self::Waiting)
            | (Self::Waiting, Self::Open)
            | (Self::New | Self::Open | Self::Waiting | Self::Reopened, Self::Resolved | Self::Closed)
            | (Self::Resolved, Self::Closed)
            | (Self::Resolved | Self::Closed, Self::Reopened) => true,
            (
                Self::New | Self::Open | Self::Waiting | Self::Resolved | Self::Closed | Self::Reopened,
                Self::New | Self::Open | Self::Waiting | Self::Resolved | Self::Closed | Self::Reopened,
            ) => false,
        }
    }
}

/// How a ticket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TicketEnding)]
pub enum Ending {
    /// Staff closed it.
    ByStaff,
    /// The member said that it is solved.
    ByMember,
    /// It had been resolved for so long that it closed by itself.
    ByTime,
    /// It was no matter at all.
    Spam,
    /// It goes on in another ticket.
    MergedInto(TicketId),
    /// The member was erased.
    Erased,
}
