//! A function's routes: answered everywhere, described only where somebody reads the description.
//!
//! To describe a route is to make the schemas of everything that it takes and gives. All of them together were a third
//! of what a function's start cost, for a document that no deployed function makes. So a route knows how it is described
//! and leaves it at that until it is asked.

use std::fmt;

use axum::Router;
use axum::handler::Handler;
use axum::routing::MethodRouter;
use utoipa::openapi::{HttpMethod, OpenApi};
use utoipa_axum::PathItemExt as _;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::app::App;

/// How handlers are described; `utoipa_axum` takes it.
type Described = fn() -> UtoipaMethodRouter<App>;

/// Handlers of one path, as [`routes!`](crate::routes) collects them.
pub struct Route {
    router: Router<App>,
    described: Described,
}

impl Route {
    /// No handler yet; this describes those that will be there.
    #[must_use]
    pub fn described_by(described: Described) -> Self {
        Self { router: Router::new(), described }
    }

    /// With a handler for these methods of a path.
    #[must_use]
    pub fn answers<H, T>(mut self, path: &str, methods: &[HttpMethod], handler: &H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let on = |all: MethodRouter<App>, method: &HttpMethod| all.on(method.to_method_filter(), handler.clone());
        self.router = self.router.route(path, methods.iter().fold(MethodRouter::new(), on));
        self
    }
}

/// The routes of a function.
#[derive(Default)]
pub struct Routes {
    router: Router<App>,
    described: Vec<Described>,
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("router", &self.router).finish_non_exhaustive()
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("router", &self.router).finish_non_exhaustive()
    }
}

impl Routes {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With the handlers of one more path.
    #[must_use]
    pub fn routes(mut self, route: Route) -> Self {
        self.router = self.router.merge(route.router);
        self.described.push(route.described);
        self
    }

    /// What answers.
    pub fn into_router(self) -> Router<App> {
        self.router
    }

    /// The description, as far as the handlers tell it.
    #[must_use]
    pub fn description(&self) -> OpenApi {
        let all = self.described.iter().fold(OpenApiRouter::new(), |all, described| all.routes(described()));
        all.into_openapi()
    }
}

/// Collects handlers with `#[utoipa::path]` for [`Routes::routes`](crate::manners::routes::Routes::routes): those of one
/// path together, each of them for its own methods.
#[macro_export]
macro_rules! routes {
    ($($handler:path),+ $(,)?) => {{
        let route = $crate::manners::routes::Route::described_by(|| utoipa_axum::routes!($($handler),+));
        $(
            let route = utoipa_axum::paste! {
                route.answers(
                    &utoipa_axum::routes!(@path [path()] of $handler),
                    &utoipa_axum::routes!(@path [methods()] of $handler),
                    &$handler,
                )
            };
        )+
        route
    }};
}
