//! Requests as API Gateway's events (HTTP API, payload 2.0), and its answers of what functions say.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use huitou::manners::caller::ClientAddress;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::gateway::RouteKey;
use crate::template::LOCAL_ACCOUNT;

/// The largest request that API Gateway takes.
const MOST_BYTES: usize = 10 * 1024 * 1024;

/// A request as an event; or the answer that API Gateway gives to one that is too large.
pub(super) async fn of(request: Request) -> Result<Value, Response> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MOST_BYTES)
        .await
        .map_err(|_| said(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"))?;
    // Text goes as it is, everything else in base64.
    let (body, encoded) = match std::str::from_utf8(&body) {
        Ok(text) if is_text(&parts.headers) => (text.to_owned(), false),
        _ => (STANDARD.encode(&body), true),
    };
    let key = parts.extensions.get::<RouteKey>().map_or("$default", |key| &key.0);
    let address = parts.extensions.get::<ClientAddress>().map(|address| address.0.to_string()).unwrap_or_default();
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let headers = joined(&parts.headers);
    let agent = headers.get(header::USER_AGENT.as_str()).cloned().unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": LOCAL_ACCOUNT,
            "apiId": "local",
            "domainName": "localhost",
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": address,
                "userAgent": agent,
            },
            "routeKey": key,
            "stage": "$default",
        },
        "isBase64Encoded": encoded,
    });
    if let (false, Some(event)) = (body.is_empty(), event.as_object_mut()) {
        event.insert("body".to_owned(), body.into());
    }
    Ok(event)
}

fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("text/plain");
    ["text/", "application/json", "application/xml", "application/javascript"].iter().any(|text| kind.starts_with(text))
}

/// Names in lower case, and repeated ones in one line.
fn joined(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut joined = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let Ok(value) = value.to_str() else { continue };
        joined
            .entry(name.as_str().to_owned())
            .and_modify(|line| {
                line.push(',');
                line.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
    joined
}

/// What a function answers with.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// What API Gateway makes of what a function said.
pub(super) fn answer(said_by_function: Result<Value, String>) -> Response {
    let answer = said_by_function.ok().and_then(|answer| Answer::deserialize(answer).ok());
    answer.and_then(respond).unwrap_or_else(|| said(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))
}

fn respond(answer: Answer) -> Option<Response> {
    let body = if answer.is_base64_encoded { STANDARD.decode(answer.body).ok()? } else { answer.body.into_bytes() };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status_code).ok()?;
    for (name, value) in answer.headers {
        let name = HeaderName::try_from(name).ok()?;
        if name != header::CONTENT_LENGTH {
            response.headers_mut().insert(name, HeaderValue::try_from(value).ok()?);
        }
    }
    Some(response)
}

/// API Gateway's own words.
fn said(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}
