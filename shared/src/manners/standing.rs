//! A member's tier as answers show it.

use serde::Serialize;

use crate::domain::tier::Standing;
use crate::values::{Code, LocalDay};

/// Where a member stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = Standing)]
pub struct ShownStanding {
    /// The tier.
    pub tier: Code,
    /// Since when.
    pub since: LocalDay,
    /// When it is reviewed; absent for the lowest tier, which nobody can lose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review_on: Option<LocalDay>,
    /// Whether the last review found too little, so that the next one decides.
    pub grace: bool,
}

impl From<Standing> for ShownStanding {
    fn from(standing: Standing) -> Self {
        let review_on = standing.review();
        Self { tier: standing.tier, since: standing.since, review_on, grace: standing.grace }
    }
}
