//! API Gateway's events (HTTP API, payload 2.0) to requests and answers back: a thin adapter of our own.
//!
//! Only the fields that the product needs are decoded; the generic adapter decodes all of them, for four kinds of
//! gateways, on every request.

use std::collections::HashMap;

use axum::Router;
use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Request, Response};
use serde::{Deserialize, Serialize};
use tower::ServiceExt as _;

use super::caller::ClientAddress;
use super::problem::Problem;

/// The fields of an API Gateway event that matter.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayEvent {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: HashMap<String, String>,
    request_context: Context,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    #[serde(default)]
    stage: String,
    #[serde(default)]
    request_id: String,
    http: Http,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Http {
    method: String,
    #[serde(default)]
    source_ip: Option<String>,
}

/// What API Gateway makes an answer of.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayAnswer {
    status_code: u16,
    headers: HashMap<String, String>,
    body: String,
    is_base64_encoded: bool,
}

/// Answers one event by the router.
pub async fn answer(router: Router, event: GatewayEvent) -> Result<GatewayAnswer, lambda_runtime::Error> {
    let response = match request(event) {
        Ok(request) => router.oneshot(request).await?,
        Err(problem) => axum::response::IntoResponse::into_response(problem),
    };
    respond(response).await
}

fn request(event: GatewayEvent) -> Result<Request<Body>, Problem> {
    // It never gets to the edge, so the id is the one by which API Gateway's own log knows it.
    let unreadable = || {
        let detail = "The request can't be read; check its path and the encoding of its body.";
        let mut problem = Problem::malformed("request_unreadable", detail);
        problem.request_id.clone_from(&event.request_context.request_id);
        problem
    };
    let body = match event.body {
        None => Vec::new(),
        Some(text) if event.is_base64_encoded => STANDARD.decode(text).map_err(|_| unreadable())?,
        Some(text) => text.into_bytes(),
    };
    // A named stage stands in front of the path; the default stage does not.
    let stage = format!("/{}", event.request_context.stage);
    let path = match event.raw_path.strip_prefix(&stage) {
        Some(rest) if rest.starts_with('/') => rest,
        _ => &event.raw_path,
    };
    let query = if event.raw_query_string.is_empty() { String::new() } else { format!("?{}", event.raw_query_string) };
    let mut request =
        Request::builder().method(event.request_context.http.method.as_str()).uri(format!("{path}{query}"));
    for (name, value) in &event.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            request = request.header(name, value);
        }
    }
    if let Some(address) = event.request_context.http.source_ip.as_deref().and_then(|ip| ip.parse().ok()) {
        request = request.extension(ClientAddress(address));
    }
    request.body(Body::from(body)).map_err(|_| unreadable())
}

async fn respond(response: Response<Body>) -> Result<GatewayAnswer, lambda_runtime::Error> {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await?;
    let headers =
        parts.headers.iter().filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    let headers = headers.collect();
    let (body, is_base64_encoded) = match String::from_utf8(bytes.to_vec()) {
        Ok(text) => (text, false),
        Err(binary) => (STANDARD.encode(binary.as_bytes()), true),
    };
    Ok(GatewayAnswer { status_code: parts.status.as_u16(), headers, body, is_base64_encoded })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::post;
    use serde_json::json;

    fn event(json: serde_json::Value) -> GatewayEvent {
        serde_json::from_value(json).unwrap()
    }

    #[tokio::test]
    async fn an_event_reaches_the_route_with_its_query_headers_and_body() {
        let echo = |request: axum::extract::Request| async move {
            let target = request.uri().to_string();
            let header = request.headers().get("x-test").and_then(|v| v.to_str().ok()).unwrap_or("-").to_owned();
            let body = to_bytes(request.into_body(), 1000).await.unwrap_or_default();
            format!("{target} {header} {}", String::from_utf8_lossy(&body))
        };
        let router = Router::new().route("/v1/orders", post(echo));
        let event = event(json!({
            "version": "2.0", "rawPath": "/prod/v1/orders", "rawQueryString": "a=%20b", "headers": {"X-Test": "yes"},
            "requestContext": {"stage": "prod", "http": {"method": "POST", "path": "/prod/v1/orders"}},
            "body": STANDARD.encode("{}"), "isBase64Encoded": true
        }));
        let answer = answer(router, event).await.unwrap();
        assert_eq!((answer.status_code, answer.body.as_str()), (200, "/v1/orders?a=%20b yes {}"));
    }

    #[tokio::test]
    async fn an_unreadable_body_is_a_problem_not_a_crash() {
        let event = event(json!({
            "rawPath": "/", "requestContext": {"requestId": "Kq1=", "http": {"method": "POST"}}, "body": "%%%",
            "isBase64Encoded": true
        }));
        let answer = answer(Router::new(), event).await.unwrap();
        let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(
            (answer.status_code, &problem["code"], &problem["request_id"]),
            (400, &json!("request_unreadable"), &json!("Kq1="))
        );
    }
}
