//! The edge: what happens to every request before a handler sees it, and to every answer after.
//!
//! In this order: a request id, the body within its limit, who is calling, whether they may, the handler within its
//! deadline and with panics caught, the audit trail, the count of guesses, the cost header, one line in the log. The line holds ids and figures, never
//! personal data, tokens or bodies.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::caller::{Caller, ClientAddress};
use super::problem::{Problem, ProblemCode};
use super::routes::Routes;
use super::{access, fields};
use crate::app::App;
use crate::cases::Error;
use crate::domain::attempts::{Limit, network};
use crate::domain::audit::{Act, Draft};
use crate::table::{Cost, Deed, metered};
use crate::telemetry::{self, sound_id, trace_id, traced};
use crate::transport::percent_decoded;
use crate::trust::identity::IdentityError;
use crate::trust::signature::{SignatureError, SignedRequest, SystemCaller};
use crate::trust::token::{Role, TokenError};
use crate::values::Reason;

/// The largest body that is read.
pub const MOST_BYTES: usize = 256 * 1024;

/// The longest that a request may take; below API Gateway's 30 s, so that the client hears of it from us.
const DEADLINE: Duration = Duration::from_secs(25);

/// What a request costs at the table: `rru=..;wru=..;calls=..`.
pub const COST: HeaderName = HeaderName::from_static("x-huitou-cost");
/// The request, as the log names it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why staff ask for what is shown only to whoever says so.
pub const REASON: HeaderName = HeaderName::from_static("x-huitou-reason");

tokio::task_local! {
    static REQUEST: Scope;
}

#[derive(Default)]
struct Scope {
    cause: RefCell<Option<String>>,
}

/// The id of the request that is being answered; empty outside of one.
#[must_use]
pub(super) fn request_id() -> String {
    trace_id()
}

/// Keeps for the log why a request failed. The client is not told.
pub(super) fn note_cause(cause: &str) {
    let _ = REQUEST.try_with(|request| *request.cause.borrow_mut() = Some(cause.to_owned()));
}

/// A function's routes behind the edge.
pub fn service(app: &App, routes: impl Routes) -> Router {
    let router = routes.into_router();
    let router = if router.has_routes() { router.route_layer(from_fn_with_state(app.clone(), guard)) } else { router };
    router
        .fallback(|| async { Problem::not_found() })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                http::StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This path does not take this method.",
                "请求有误",
            )
        })
        .layer(from_fn_with_state(app.clone(), observe))
        .with_state(app.clone())
}

/// Turns away whatever comes, without looking into it: for more at once than can be done.
pub fn overloaded(app: &App) -> Router {
    Router::new().fallback(|| async { Problem::overloaded() }).layer(from_fn_with_state(app.clone(), observe))
}

/// Gives the request its id, and the answer its cost and its line in the log.
async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id_of(&app, request.headers());
    let method = request.method().clone();
    let answer = REQUEST.scope(Scope::default(), async move {
        let (mut response, cost) = metered(in_time(next.run(request))).await;
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&cost.to_string()) {
            headers.insert(COST, value);
        }
        if let Ok(value) = HeaderValue::from_str(&trace_id()) {
            headers.insert(REQUEST_ID, value);
        }
        log(method.as_str(), &response, cost, started.elapsed());
        response
    });
    traced(id, answer).await
}

async fn in_time(answer: impl Future<Output = Response>) -> Response {
    match tokio::time::timeout(DEADLINE, AssertUnwindSafe(answer).catch_unwind()).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => {
            note_cause("a handler panicked");
            Problem::defect().into_response()
        }
        Err(_late) => {
            note_cause("the deadline passed");
            Problem::unavailable().into_response()
        }
    }
}

/// Which route answered and for whom, for the log.
#[derive(Clone)]
struct Answered {
    route: String,
    role: Option<Role>,
}

fn log(method: &str, response: &Response, cost: Cost, took: Duration) {
    let answered = response.extensions().get::<Answered>();
    let cause = REQUEST.try_with(|request| request.cause.borrow().clone()).ok().flatten();
    let role = answered.and_then(|a| a.role).map(|role| role.to_string()).unwrap_or_default();
    telemetry::Answered {
        method,
        route: answered.map_or("-", |a| a.route.as_str()),
        role: &role,
        status: response.status().as_u16(),
        took,
        cost,
        cause: cause.as_deref(),
    }
    .tell();
}

/// Reads the body, finds out who is calling, and lets through who may.
async fn guard(State(app): State<App>, path: MatchedPath, request: Request, next: Next) -> Response {
    let route = path.as_str().to_owned();
    let method = request.method().clone();
    let address = request.extensions().get::<ClientAddress>().copied();
    let mut role = None;
    let answer = match admit(&app, &route, request).await {
        Ok((caller, request)) => {
            role = caller.as_ref().map(|caller| caller.role);
            match caller.and_then(|caller| deed(&app, &caller, &route, &request)) {
                Some(deed) => {
                    let about_members = fields::about_members(request.method().as_str(), &route);
                    on_record(&app, &deed, about_members, next.run(request)).await
                }
                None => next.run(request).await,
            }
        }
        Err(problem) => problem.into_response(),
    };
    let mut answer = counted(&app, &method, &route, address, answer).await;
    answer.extensions_mut().insert(Answered { route, role });
    answer
}

/// Counts an answer that may be to a guess against the address from which it came; what is refused too often is
/// answered with 429. What is right goes through, whatever others at the same address do.
async fn counted(
    app: &App,
    method: &Method,
    route: &str,
    address: Option<ClientAddress>,
    answer: Response,
) -> Response {
    let code = answer.extensions().get::<ProblemCode>().copied();
    let limit = code.and_then(|ProblemCode(code)| Limit::on_refusal(method.as_str(), route, code));
    let (Some(limit), Some(ClientAddress(address))) = (limit, address) else { return answer };
    match app.attempts().after_refusal(limit, &network(address).to_string()).await {
        Ok(()) => answer,
        Err(refusal) => Problem::from(refusal).into_response(),
    }
}

/// What the audit trail has to tell of a request; none where staff neither see anything of members nor change anything.
fn deed(app: &App, caller: &Caller, route: &str, request: &Request) -> Option<Arc<Deed>> {
    let method = request.method().as_str();
    let fields = fields::fields_of(method, route, caller.role);
    let act = if fields::changes(method, route) { Act::Changed } else { Act::Looked };
    if !caller.is_staff() || (act == Act::Looked && fields.is_empty()) {
        return None;
    }
    let draft = Draft { act, fields, ..draft(caller, method, route, request.uri().path()) };
    Some(Deed::new(draft, app.pen()))
}

/// Who asks for what.
fn draft(caller: &Caller, method: &str, route: &str, path: &str) -> Draft {
    Draft {
        by: caller.actor.clone(),
        act: Act::Looked,
        route: format!("{method} {route}"),
        places: places(route, path),
        fields: Vec::new(),
        reason: caller.reason.clone(),
        request: trace_id(),
    }
}

/// Answers a request that is on record before its answer leaves: by the transaction that made the change, or else now.
/// What was refused shows and changes nothing; that somebody asked about a member whom they may not see is on record.
async fn on_record(app: &App, deed: &Arc<Deed>, vain: bool, answer: impl Future<Output = Response>) -> Response {
    let answer = deed.over(answer).await;
    if !answer.status().is_success() {
        if vain
            && answer.status() == http::StatusCode::NOT_FOUND
            && let Some(refused) = deed.refused()
        {
            asked_in_vain(app, refused).await;
        }
        return answer;
    }
    match Arc::clone(deed).finish(app.table()).await {
        Ok(()) => answer,
        Err(trouble) => Problem::from(Error::from(trouble)).into_response(),
    }
}

/// Puts on record that somebody asked in vain. Nothing was shown, so the answer is the same when it can't be written.
async fn asked_in_vain(app: &App, refused: Arc<Deed>) {
    if let Err(trouble) = refused.finish(app.table()).await {
        note_cause(&trouble.to_string());
    }
}

/// What stands in a path where its route has a place.
fn places(route: &str, path: &str) -> BTreeMap<String, String> {
    let name = |part: &str| Some(part.strip_prefix('{')?.strip_suffix('}')?.to_owned());
    route.split('/').zip(path.split('/')).filter_map(|(part, given)| Some((name(part)?, given.to_owned()))).collect()
}

async fn admit(app: &App, route: &str, request: Request) -> Result<(Option<Caller>, Request), Problem> {
    let allowed = access::allowed(request.method().as_str(), route).ok_or_else(Problem::not_found)?;
    let (mut parts, body) = request.into_parts();
    let body = read_body(body).await?;
    let caller = if allowed == access::Allowed::Anybody {
        None
    } else {
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let (mut caller, once) = identify(app, (&parts.method, target), &parts.headers, &body).await?;
        if !allowed.admits(caller.role) {
            if caller.is_staff() && fields::about_members(parts.method.as_str(), route) {
                let draft = draft(&caller, parts.method.as_str(), route, parts.uri.path()).refused();
                asked_in_vain(app, Deed::new(draft, app.pen())).await;
            }
            return Err(not_allowed(caller.role));
        }
        // Only now: functions that no system may call have no right to note signatures, and no need.
        if let Some(signature) = once {
            use_up(app, &signature).await?;
        }
        caller.reason = reason(&parts.headers)?;
        if caller.reason.is_none() && fields::asks_why(parts.method.as_str(), route) {
            return Err(Problem::reason_missing());
        }
        parts.extensions.insert(caller.clone());
        Some(caller)
    };
    Ok((caller, Request::from_parts(parts, Body::from(body))))
}

fn not_allowed(role: Role) -> Problem {
    Problem::forbidden(format!("The role {role} may not call this route."))
}

async fn read_body(body: Body) -> Result<Bytes, Problem> {
    to_bytes(body, MOST_BYTES).await.map_err(|_| {
        let detail = format!("A body may have at most {MOST_BYTES} bytes; send less at once.");
        Problem::new(http::StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail, "提交的内容过大")
    })
}

/// Why somebody asks. Headers are ASCII, so whatever else is in it is percent-encoded; bytes of UTF-8 are read, too.
fn reason(headers: &HeaderMap) -> Result<Option<Reason>, Problem> {
    let Some(value) = headers.get(REASON) else { return Ok(None) };
    let text = percent_decoded(value.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok());
    let reason = text.and_then(|text| Reason::parse(text.trim()).ok());
    let detail = "X-Huitou-Reason must be 1 to 200 characters, in UTF-8 and percent-encoded.";
    reason.map(Some).ok_or_else(|| Problem::malformed("reason_invalid", detail))
}

/// Who is calling, and the signature by which a system is known: that counts once.
async fn identify(
    app: &App,
    (method, target): (&Method, &str),
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(Caller, Option<SystemCaller>), Problem> {
    match SignedRequest::read(headers, method, target, body) {
        Ok(signed) => {
            let signature = app.parts().systems.check(&signed, app.wall()).map_err(unsigned)?;
            let actor = signature.actor.clone();
            let caller = Caller { role: Role::System, actor, member: None, session: None, reason: None };
            return Ok((caller, Some(signature)));
        }
        Err(SignatureError::Missing) => {}
        Err(error) => return Err(unsigned(error)),
    }
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token =
        bearer.and_then(|b| b.strip_prefix("Bearer ").or_else(|| b.strip_prefix("bearer "))).ok_or_else(|| {
            Problem::unauthorized("token_missing", "Send a token as Authorization: Bearer, or sign the request.")
        })?;
    let claims = match app.parts().tokens.check(token, app.wall()) {
        Ok(claims) => claims,
        // Not one of ours: perhaps one of the provider's, whose tokens may also be longer than ours ever are.
        Err(error @ (TokenError::UnknownKey | TokenError::Malformed)) => match &app.parts().staff {
            Some(provider) => provider.check(token, app.wall()).await.map_err(unrecognised)?,
            None => return Err(uncounted(&error)),
        },
        Err(error) => return Err(uncounted(&error)),
    };
    if claims.role == Role::System && !app.parts().bearer_systems {
        return Err(Problem::unauthorized("signature_missing", "A system signs each request; it has no token."));
    }
    let caller = Caller::of(&claims).ok_or_else(|| {
        Problem::unauthorized("token_invalid", "The token names nobody that can be known. Log in again.")
    })?;
    Ok((caller, None))
}

fn uncounted(error: &dyn std::error::Error) -> Problem {
    Problem::unauthorized("token_invalid", format!("The token does not count: {error}. Log in again."))
}

fn unrecognised(error: IdentityError) -> Problem {
    match error {
        IdentityError::Token(error) => uncounted(&error),
        IdentityError::Unavailable(why) => {
            note_cause(&why);
            Problem::unavailable()
        }
    }
}

/// A signature counts once: the same bytes again could repeat what is not named inside them.
async fn use_up(app: &App, signature: &SystemCaller) -> Result<(), Problem> {
    let first = app.table().use_signature_once(&signature.signature_digest, signature.valid_until).await;
    if !first.map_err(Error::from)? {
        let detail = "This signature was used before. Sign again with the present time; repeating the content is safe.";
        return Err(Problem::unauthorized("signature_replayed", detail));
    }
    Ok(())
}

fn unsigned(error: SignatureError) -> Problem {
    Problem::unauthorized("signature_invalid", format!("The signature does not count: {error}."))
}

/// The gateway's own id when there is one, else a new one.
fn request_id_of(app: &App, headers: &HeaderMap) -> String {
    let given = headers.get("x-amzn-trace-id").or_else(|| headers.get(REQUEST_ID)).and_then(|v| v.to_str().ok());
    given.and_then(sound_id).map_or_else(
        || format!("{:032x}", u128::from_be_bytes(crate::entropy::bytes(app.parts().entropy.as_ref()))),
        str::to_owned,
    )
}
