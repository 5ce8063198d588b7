//! Customers: members as guides, the service desk and managers see them.
//!
//! A look-up costs five table calls, the picture of a member four; a timeline page two, and one more per eight rows.
//! A guide's own customers are all that a guide sees.

mod find;
mod ids;
mod merges;
mod portrait;
mod remarks;
mod timeline;

use huitou::manners::routes::Routes;
use huitou::routes;

/// The routes; who may call them stands in [`huitou::manners::access`].
#[must_use]
pub fn routes<R: Routes>() -> R {
    R::default()
        .routes(routes!(find::look_up))
        .routes(routes!(find::show))
        .routes(routes!(find::contact))
        .routes(routes!(timeline::page))
        .routes(routes!(remarks::tag))
        .routes(routes!(remarks::note))
        .routes(routes!(ids::link))
        .routes(routes!(merges::merge))
        .routes(routes!(merges::undo))
}
