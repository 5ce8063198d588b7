//! What the API says about itself.

use axum::Json as Answer;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The description of the whole API, held against the routers by a test.
const DESCRIPTION: &str = include_str!("../../../infra/openapi.json");

/// Whether requests are answered.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Health {
    /// Always `ok`: what can't answer says nothing.
    status: &'static str,
    /// The version that answers.
    version: &'static str,
}

/// Whether requests are answered. Asks nobody else.
#[utoipa::path(get, path = "/health", tag = "about", responses((status = 200, body = Health)))]
pub(crate) async fn health() -> Answer<Health> {
    Answer(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// The description of this API, OpenAPI 3.1.
#[utoipa::path(get, path = "/openapi.json", tag = "about", responses((status = 200, body = serde_json::Value)))]
pub(crate) async fn description() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DESCRIPTION).into_response()
}
