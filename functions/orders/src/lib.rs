//! Orders, refunds and events: what tills, shops and the mini program report.
//!
//! A batch of orders costs two reads, and one transaction per order; a refund three reads and one transaction.

mod events;
mod orders;
mod refunds;

use huitou::manners::routes::Routes;
use huitou::routes;

/// The routes; who may call them stands in [`huitou::manners::access`].
#[must_use]
pub fn routes<R: Routes>() -> R {
    R::default().routes(routes!(orders::take)).routes(routes!(refunds::refund)).routes(routes!(events::take))
}
