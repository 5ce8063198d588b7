//! Segments: their rules, how many members they have and who, and why a member is in one.
//!
//! A list costs one table call, an explanation one (two for a guide), a page of members one per shard looked at. Saving
//! a rule starts a full pass in the recompute queue; a preview is a pass, too, that writes nothing.

mod check;
mod definitions;
mod members;
mod preview;

use huitou::manners::routes::Routes;
use huitou::routes;

/// The routes; who may call them stands in [`huitou::manners::access`].
#[must_use]
pub fn routes<R: Routes>() -> R {
    R::default()
        .routes(routes!(definitions::list))
        .routes(routes!(definitions::read, definitions::save, definitions::delete))
        .routes(routes!(check::check))
        .routes(routes!(preview::start))
        .routes(routes!(preview::read))
        .routes(routes!(members::page))
        .routes(routes!(members::explain))
        .routes(routes!(members::explain_mine))
}
