//! Tracking: what comes back of messages. WeChat's pushes, providers' receipts, what members write back, links that
//! they follow.
//!
//! Nobody here has a token: a push is signed, a path or a link can't be guessed. What is not ours is refused or ignored,
//! and whatever comes twice counts once.

mod links;
mod pushes;
mod receipts;

use huitou::manners::routes::Routes;
use huitou::routes;

/// The routes; who may call them stands in [`huitou::manners::access`].
#[must_use]
pub fn routes<R: Routes>() -> R {
    R::default()
        .routes(routes!(pushes::greet_push))
        .routes(routes!(pushes::take_push))
        .routes(routes!(receipts::take_receipts))
        .routes(routes!(links::follow_link))
        .routes(routes!(links::note_opening))
        .routes(routes!(links::ask_way_out))
        .routes(routes!(links::unsubscribe))
}
