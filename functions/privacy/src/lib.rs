//! Privacy: what members are told and agree to, and the audit trail of what staff were shown.
//!
//! Reading one's consents costs one table call, a decision two; one of a guardian up to five, because it creates or
//! erases what it is about.

mod audit;
mod mine;
mod policy;
mod service;
mod shown;

use huitou::app::App;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes; who may call them stands in [`huitou::manners::access`].
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(mine::list))
        .routes(routes!(mine::records))
        .routes(routes!(mine::decide))
        .routes(routes!(service::list))
        .routes(routes!(service::withdraw))
        .routes(routes!(policy::read, policy::save))
        .routes(routes!(audit::list))
        .routes(routes!(audit::prove))
        .routes(routes!(audit::breach))
}
