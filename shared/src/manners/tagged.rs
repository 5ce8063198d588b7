//! Answers that carry the version on which the next edit builds.

use axum::response::{IntoResponse, Response};
use http::header;

/// An answer with its `ETag`: the version that an edit names in `If-Match`, where
/// [`IfMatch`](super::extract::IfMatch) reads it.
#[derive(Clone, Copy, Debug)]
pub struct Tagged<V, A>(pub V, pub A);

impl<V: std::fmt::Display, A: IntoResponse> IntoResponse for Tagged<V, A> {
    fn into_response(self) -> Response {
        ([(header::ETAG, format!("\"{}\"", self.0))], self.1).into_response()
    }
}
