//! Sign-up: who comes in by WeChat, and what members tell about themselves.
//!
//! A log-in costs two table calls, the own profile one; writing it two. Children cost two to read, four to write.

mod about;
mod children;
mod me;
mod sessions;
mod source;

use huitou::manners::routes::Routes;
use huitou::routes;

/// The routes; who may call them stands in [`huitou::manners::access`].
#[must_use]
pub fn routes<R: Routes>() -> R {
    R::default()
        .routes(routes!(about::health))
        .routes(routes!(about::description))
        .routes(routes!(sessions::log_in, sessions::log_out))
        .routes(routes!(me::read, me::replace))
        .routes(routes!(me::bind_phone))
        .routes(routes!(children::list, children::add))
        .routes(routes!(children::replace, children::erase))
}
