//! Receipts of providers, and what members write back.

use axum::Json as Answer;
use axum::extract::State;
use bytes::Bytes as Posted;
use http::StatusCode;
use huitou::app::App;
use huitou::channels::receipts::{Reporter, read};
use huitou::manners::extract::Ids;
use huitou::manners::problem::Problem;
use serde_json::{Value, json};

/// The most things that one body may tell; providers send a few hundred at most.
const MOST: usize = 500;

/// Take receipts of a provider: `aliyun`, `tencent` or `ses`.
///
/// Providers don't sign them: whoever knows the last part of the path is one. What is told of messages that nobody sent
/// is ignored.
#[utoipa::path(
    post, path = "/v1/receipts/{provider}/{secret}", tag = "tracking",
    params(("provider" = String, Path), ("secret" = String, Path)),
    responses((status = 200, body = Value)),
)]
pub(crate) async fn take_receipts(
    State(app): State<App>,
    Ids((provider, secret)): Ids<(String, String)>,
    body: Posted,
) -> Result<Answer<Value>, Problem> {
    let expected = app.doors().receipts.as_ref().filter(|expected| expected.is(&secret));
    let reporter = Reporter::parse(&provider).filter(|_| expected.is_some()).ok_or_else(Problem::not_found)?;
    let wanted = "Send the receipts as the provider documents them, in JSON.";
    let told = read(reporter, &body).ok_or_else(|| Problem::malformed("receipts_unreadable", wanted))?;
    if told.len() > MOST {
        let detail = format!("Send at most {MOST} receipts at once.");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "receipts_too_many", detail, "提交的内容过大"));
    }
    let taken = app.tracking().told(reporter, told).await?;
    tracing::info!(provider, known = taken.known, unknown = taken.unknown, "receipts");
    Ok(Answer(match reporter {
        Reporter::Aliyun => json!({ "code": 0, "msg": "OK" }),
        Reporter::Tencent => json!({ "result": 0, "errmsg": "OK" }),
        Reporter::Ses => json!({}),
    }))
}
