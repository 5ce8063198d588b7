//! Not there yet.
use huitou::app::App;
use utoipa_axum::router::OpenApiRouter;
/// The routes.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
}
