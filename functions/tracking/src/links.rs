//! Links in messages: the click, the opening, the way out.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, StatusCode, header};
use huitou::app::App;
use huitou::manners::extract::Ids;
use huitou::manners::problem::Problem;

/// What is counted must be asked for each time, and nobody else is to learn where a link was found.
const PRIVATE: [(HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-store"), (header::REFERRER_POLICY, "no-referrer")];

/// A transparent image of one pixel.
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\
                       \x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// Follow a link of a message to the campaign's page.
///
/// A link leads nowhere but to what its campaign says; one that is not ours is not found.
#[utoipa::path(get, path = "/r/{token}", tag = "tracking", params(("token" = String, Path)), responses((status = 302)))]
pub(crate) async fn follow_link(State(app): State<App>, Ids(token): Ids<String>) -> Result<Response, Problem> {
    let link = app.tracking().follow(&token).await?.ok_or_else(Problem::not_found)?;
    let leads = [(header::LOCATION, link.as_str())];
    Ok((StatusCode::FOUND, PRIVATE, leads).into_response())
}

/// Tell that a message was opened: an image of one pixel, whoever asks.
#[utoipa::path(get, path = "/o/{token}", tag = "tracking", params(("token" = String, Path)), responses((status = 200, body = Vec<u8>, content_type = "image/gif")))]
pub(crate) async fn note_opening(State(app): State<App>, Ids(token): Ids<String>) -> Result<Response, Problem> {
    app.tracking().opened(&token).await?;
    Ok((PRIVATE, [(header::CONTENT_TYPE, "image/gif")], PIXEL).into_response())
}

fn page(text: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"zh-CN\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>退订</title><body>{text}</body></html>"
    );
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::X_FRAME_OPTIONS, "DENY")];
    (PRIVATE, kind, page).into_response()
}

/// Ask whether somebody wants no more messages of this kind: programs that look at links must not end anything.
#[utoipa::path(get, path = "/u/{token}", tag = "tracking", params(("token" = String, Path)), responses((status = 200, body = String, content_type = "text/html")))]
pub(crate) async fn ask_way_out(State(app): State<App>, Ids(token): Ids<String>) -> Result<Response, Problem> {
    if !app.tracking().is_way_out(&token) {
        return Err(Problem::not_found());
    }
    Ok(page("<p>不再接收此类消息？</p><form method=\"post\"><button>退订</button></form>"))
}

/// End all messages of this kind to a member, by one click (RFC 8058). Asking again changes nothing.
#[utoipa::path(post, path = "/u/{token}", tag = "tracking", params(("token" = String, Path)), responses((status = 200, body = String, content_type = "text/html")))]
pub(crate) async fn unsubscribe(State(app): State<App>, Ids(token): Ids<String>) -> Result<Response, Problem> {
    if !app.tracking().unsubscribe(&token).await? {
        return Err(Problem::not_found());
    }
    Ok(page("<p>已退订，您不会再收到此类消息。</p>"))
}
