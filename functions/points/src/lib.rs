//! Points: what a member has, earned and spent; holds and coupons for checkouts; the programme's settings.
//!
//! Reading costs one table call, writing two (one read, one transaction); a journal page one more per eight rows.

mod coupons;
mod holds;
mod mine;
mod program;
mod proof;

use huitou::manners::routes::Routes;
use huitou::routes;

/// The routes; who may call them stands in [`huitou::manners::access`].
#[must_use]
pub fn routes<R: Routes>() -> R {
    R::default()
        .routes(routes!(mine::balance))
        .routes(routes!(mine::entries))
        .routes(routes!(mine::check_in))
        .routes(routes!(mine::redeem))
        .routes(routes!(mine::donate))
        .routes(routes!(proof::mine))
        .routes(routes!(proof::of_member))
        .routes(routes!(holds::hold))
        .routes(routes!(holds::capture))
        .routes(routes!(holds::release))
        .routes(routes!(holds::adjust))
        .routes(routes!(coupons::mine))
        .routes(routes!(coupons::reserve))
        .routes(routes!(coupons::redeem))
        .routes(routes!(coupons::roll_back))
        .routes(routes!(program::read, program::save))
        .routes(routes!(program::dry_run))
}
