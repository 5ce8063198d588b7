//! The front door: the template's routes, and no other, in front of the functions' routers; and no more calls at once
//! than can be done.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use http::Method;
use huitou::manners::caller::ClientAddress;
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use crate::template::{Template, TemplateError};

/// Which function answers a method and path.
#[derive(Debug, Clone)]
pub struct Gateway(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    listed: Vec<Listed>,
    routers: Vec<Router>,
    elsewhere: Router,
    /// Places of calls that may be under way.
    free: Semaphore,
    overloaded: Router,
}

/// Calls that may be under way at once, if nothing else is said: a call computes for a millisecond or two, so with two
/// processors the last of them waits for a tenth of a second or two, and more of them would only wait longer.
pub const USUAL_CONCURRENCY: usize = 256;

/// Whoever watches has to hear that the house is up, also when it is full.
const ALWAYS: &str = "GET /health";

/// The listed route that a request came by, as `GET /v1/me`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteKey(pub String);

#[derive(Debug)]
struct Listed {
    key: RouteKey,
    method: Method,
    parts: Vec<Part>,
    router: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Any,
    /// `{name+}`: all that is left.
    Rest,
}

impl Gateway {
    /// Puts each function's router behind the routes that the template lists for that function, and `elsewhere` behind
    /// everything else. Of calls by listed routes as many are under way at once as `concurrency` says; `overloaded`
    /// answers all others.
    pub fn new(
        template: &Template,
        routers: Vec<(String, Router)>,
        elsewhere: Router,
        (concurrency, overloaded): (usize, Router),
    ) -> Result<Self, TemplateError> {
        let mut listed = Vec::new();
        for function in template.functions.iter().filter(|f| !f.routes.is_empty()) {
            let router = routers.iter().position(|(name, _)| *name == function.logical);
            let router = router.ok_or_else(|| TemplateError::without_router(&function.logical))?;
            let of = |route: &crate::template::Route| Listed {
                key: RouteKey(format!("{} {}", route.method, route.path)),
                method: route.method.clone(),
                parts: split(&route.path).map(Part::read).collect(),
                router,
            };
            listed.extend(function.routes.iter().map(of));
        }
        // The most exact route comes first, as the API gateway chooses: a literal beats any part, which beats the rest.
        listed.sort_by_key(|route| route.parts.iter().map(Part::vagueness).collect::<Vec<_>>());
        let routers = routers.into_iter().map(|(_, router)| router).collect();
        let free = Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS));
        Ok(Self(Arc::new(Inner { listed, routers, elsewhere, free, overloaded })))
    }

    /// Answers a request as the listed function does, or that there is no such route; or that there is too much to do,
    /// at once and without reading more than its head.
    pub async fn answer(self, mut request: Request) -> Result<Response, Infallible> {
        // Only what the socket says: whoever calls writes the headers.
        if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>().copied() {
            request.extensions_mut().insert(ClientAddress(peer.ip()));
        }
        let Some(route) = self.route_for(request.method(), request.uri().path()) else {
            return self.0.elsewhere.clone().oneshot(request).await;
        };
        let place = self.0.free.try_acquire();
        if place.is_err() && !route.is_for_whoever_watches() {
            return self.0.overloaded.clone().oneshot(request).await;
        }
        request.extensions_mut().insert(route.key.clone());
        self.0.routers.get(route.router).unwrap_or(&self.0.elsewhere).clone().oneshot(request).await
    }

    fn route_for(&self, method: &Method, path: &str) -> Option<&Listed> {
        let parts: Vec<&str> = split(path).collect();
        self.0.listed.iter().find(|route| route.method == *method && matches(&route.parts, &parts))
    }
}

impl Listed {
    fn is_for_whoever_watches(&self) -> bool {
        self.key.0 == ALWAYS
    }
}

fn split(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

fn matches(listed: &[Part], given: &[&str]) -> bool {
    match (listed, given) {
        ([], []) | ([Part::Rest], [_, ..]) => true,
        ([part, listed @ ..], [text, given @ ..]) => part.accepts(text) && matches(listed, given),
        _ => false,
    }
}

impl Part {
    fn read(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            Some(name) if name.ends_with('+') => Self::Rest,
            Some(_) => Self::Any,
            None => Self::Literal(text.to_owned()),
        }
    }

    fn accepts(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == text,
            Self::Any => !text.is_empty(),
            Self::Rest => false,
        }
    }

    fn vagueness(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Any => 1,
            Self::Rest => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::{MatchedPath, Path};
    use axum::routing::{get, post};
    use http::StatusCode;
    use http_body_util::BodyExt as _;

    use super::*;

    const TEMPLATE: &str = r"
Resources:
  One:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: one } }
    Properties:
      Events:
        A: { Type: HttpApi, Properties: { Method: GET, Path: '/v1/members/{id}' } }
        B: { Type: HttpApi, Properties: { Method: POST, Path: '/v1/members/{id}/tags' } }
  Two:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: two } }
    Properties:
      Events:
        C: { Type: HttpApi, Properties: { Method: GET, Path: /v1/members/lookup } }
";

    fn gateway() -> Gateway {
        let one = Router::new()
            .route(
                "/v1/members/{id}",
                get(|Path(id): Path<String>, matched: MatchedPath| async move { format!("{id} {}", matched.as_str()) })
                    .delete(|| async { "never listed" }),
            )
            .route("/v1/members/{id}/tags", post(|| async { "tagged" }))
            .route("/v1/secret", get(|| async { "never listed" }));
        let two = Router::new().route("/v1/members/lookup", get(|| async { "two" }));
        let template = Template::parse(TEMPLATE).unwrap();
        let elsewhere = Router::new().fallback(|| async { StatusCode::MISDIRECTED_REQUEST });
        let routers = vec![("Two".to_owned(), two), ("One".to_owned(), one)];
        Gateway::new(&template, routers, elsewhere, (1, Router::new())).unwrap()
    }

    async fn ask(method: &str, path: &str) -> (u16, String) {
        let request = Request::builder().method(method).uri(path).body(axum::body::Body::empty()).unwrap();
        let response = gateway().answer(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_listed_route_reaches_its_function_with_its_path() {
        assert_eq!(ask("GET", "/v1/members/m%201?x=1").await, (200, "m 1 /v1/members/{id}".to_owned()));
        assert_eq!(ask("POST", "/v1/members/m1/tags").await, (200, "tagged".to_owned()));
    }

    #[tokio::test]
    async fn a_literal_beats_a_part_that_may_be_anything() {
        assert_eq!(ask("GET", "/v1/members/lookup").await, (200, "two".to_owned()));
    }

    #[tokio::test]
    async fn a_route_that_only_the_router_knows_does_not_exist() {
        for (method, path) in [
            ("GET", "/v1/secret"),
            ("DELETE", "/v1/members/m1"),
            ("GET", "/v1/members/"),
            ("GET", "/v1/members/m1/"),
            ("GET", "/"),
            ("HEAD", "/v1/members/m1"),
        ] {
            assert_eq!(ask(method, path).await.0, 421, "{method} {path} is for elsewhere");
        }
    }

    #[tokio::test]
    async fn a_call_beyond_the_ceiling_is_turned_away_unread_until_one_of_those_under_way_has_ended() {
        const BUSY: &str = r"
Resources:
  One:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: one } }
    Properties:
      Events:
        A: { Type: HttpApi, Properties: { Method: POST, Path: /v1/orders } }
        B: { Type: HttpApi, Properties: { Method: GET, Path: /health } }
";
        let (ends, end) = (Arc::new(Semaphore::new(0)), tokio::sync::mpsc::unbounded_channel());
        let (begun, mut begins) = end;
        let one = {
            let ends = Arc::clone(&ends);
            let slow = move || {
                let (ends, begun) = (Arc::clone(&ends), begun.clone());
                async move {
                    begun.send(()).unwrap();
                    ends.acquire().await.unwrap().forget();
                }
            };
            Router::new().route("/v1/orders", post(slow)).route("/health", get(|| async {}))
        };
        let overloaded = Router::new().fallback(|| async { StatusCode::SERVICE_UNAVAILABLE });
        let template = Template::parse(BUSY).unwrap();
        let gateway = Gateway::new(&template, vec![("One".to_owned(), one)], Router::new(), (2, overloaded)).unwrap();
        let ask = |method: &str, path: &str| {
            // Of a body that is read the reader would wait for ever.
            let body = axum::body::Body::from_stream(futures_util::stream::pending::<Result<&str, Infallible>>());
            let request = Request::builder().method(method).uri(path).body(body).unwrap();
            let answer = gateway.clone().answer(request);
            async move { answer.await.unwrap().status().as_u16() }
        };
        let under_way = [tokio::spawn(ask("POST", "/v1/orders")), tokio::spawn(ask("POST", "/v1/orders"))];
        begins.recv().await.unwrap();
        begins.recv().await.unwrap();
        for _ in 0..20 {
            assert_eq!(ask("POST", "/v1/orders").await, 503);
        }
        assert_eq!(ask("GET", "/health").await, 200, "whoever watches is answered");
        ends.add_permits(2);
        for call in under_way {
            assert_eq!(call.await.unwrap(), 200, "what was begun is ended");
        }
        ends.add_permits(1);
        assert_eq!(ask("POST", "/v1/orders").await, 200, "and there is room again");
    }

    #[test]
    fn a_function_with_routes_needs_a_router() {
        let template = Template::parse(TEMPLATE).unwrap();
        let refusal = Gateway::new(&template, Vec::new(), Router::new(), (1, Router::new())).unwrap_err().to_string();
        assert!(refusal.contains("has no router"), "{refusal}");
    }
}
