//! WeChat's message push.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes as Posted;
use http::header;
use huitou::app::App;
use huitou::manners::extract::Query;
use huitou::manners::problem::Problem;
use huitou::wechat::event::Pushed;
use huitou::wechat::push::{PushError, PushKeys, PushQuery};

/// WeChat takes nothing else for a yes.
const SUCCESS: &str = "success";

fn plain(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

fn keys(app: &App) -> Result<&PushKeys, Problem> {
    app.doors().pushes.as_ref().ok_or_else(Problem::not_found)
}

fn refused(error: PushError) -> Problem {
    match error {
        PushError::Forged => Problem::malformed("push_forged", "The push is not signed with the token of this app."),
        PushError::Stale => Problem::malformed("push_stale", "The push was signed more than five minutes ago."),
        PushError::AnotherApp => Problem::malformed("push_for_another_app", "The push is for another app."),
        PushError::Unreadable => Problem::malformed("push_unreadable", "The push is signed, but can't be read."),
    }
}

/// Greet WeChat, as its console asks for when the address is entered.
#[utoipa::path(get, path = "/v1/wechat/push", tag = "tracking", responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn greet_push(State(app): State<App>, Query(query): Query<PushQuery>) -> Result<Response, Problem> {
    keys(&app)?.greeting(&query, app.wall()).map_err(refused)?;
    Ok(plain(query.echostr))
}

/// Take a push: subscriptions of a member, and what became of subscribe messages.
///
/// WeChat repeats what isn't answered within five seconds; a push counts once.
#[utoipa::path(post, path = "/v1/wechat/push", tag = "tracking", responses((status = 200, body = String, content_type = "text/plain")))]
pub(crate) async fn take_push(
    State(app): State<App>,
    Query(query): Query<PushQuery>,
    body: Posted,
) -> Result<Response, Problem> {
    let message = keys(&app)?.open(&query, &body, app.wall()).map_err(refused)?;
    if let Some(pushed) = Pushed::read(&message) {
        let taken = app.tracking().pushed(&pushed).await?;
        tracing::info!(known = taken.known, unknown = taken.unknown, "a push");
    } else {
        // It is WeChat's; that we can't use it is no reason to have it again.
        tracing::info!("a push of another form");
    }
    Ok(plain(SUCCESS.to_owned()))
}
