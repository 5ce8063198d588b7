//! A function's routes: answered everywhere, described only where somebody reads the description.
//!
//! To describe a route is to make the schemas of everything that it takes and gives. A function that did it would spend a
//! third of its start on a document that nobody reads there. So a function lists its routes once, for whoever collects
//! them: a deployed function keeps the [`Answers`] and nothing of the descriptions gets into its package, and the local
//! host keeps both, [`Described`].

use std::fmt;

use axum::Router;
use axum::handler::Handler;
use axum::routing::MethodRouter;
use utoipa::openapi::{HttpMethod, OpenApi};
use utoipa_axum::PathItemExt as _;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::app::App;

/// Handlers of one path, and how they are described, as [`routes!`](crate::routes) collects them.
pub struct Route<D> {
    router: Router<App>,
    described: D,
}

impl<D> Route<D>
where
    D: Fn() -> UtoipaMethodRouter<App> + 'static,
{
    /// No handler yet; this describes those that will be there.
    #[must_use]
    pub fn described_by(described: D) -> Self {
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

impl<D> fmt::Debug for Route<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("router", &self.router).finish_non_exhaustive()
    }
}

/// Who collects the routes of a function.
pub trait Routes: Default {
    /// With the handlers of one more path.
    #[must_use]
    fn routes<D>(self, route: Route<D>) -> Self
    where
        D: Fn() -> UtoipaMethodRouter<App> + 'static;

    /// What answers.
    fn into_router(self) -> Router<App>;
}

/// Routes as a deployed function needs them: what describes them is left out, and so is not linked.
#[derive(Debug, Default)]
pub struct Answers(Router<App>);

impl Routes for Answers {
    fn routes<D>(self, route: Route<D>) -> Self
    where
        D: Fn() -> UtoipaMethodRouter<App> + 'static,
    {
        Self(self.0.merge(route.router))
    }

    fn into_router(self) -> Router<App> {
        self.0
    }
}

/// Routes with how they are described.
#[derive(Default)]
pub struct Described {
    answers: Answers,
    described: Vec<Box<dyn Fn() -> UtoipaMethodRouter<App>>>,
}

impl fmt::Debug for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Described").field("answers", &self.answers).finish_non_exhaustive()
    }
}

impl Routes for Described {
    fn routes<D>(mut self, route: Route<D>) -> Self
    where
        D: Fn() -> UtoipaMethodRouter<App> + 'static,
    {
        let Route { router, described } = route;
        self.described.push(Box::new(described));
        Self { answers: Answers(self.answers.0.merge(router)), ..self }
    }

    fn into_router(self) -> Router<App> {
        self.answers.into_router()
    }
}

impl Described {
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
