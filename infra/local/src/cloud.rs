//! AWS on this machine, for programs in other processes: one address for DynamoDB, SQS, KMS and Secrets Manager.
//!
//! Whoever signs with the name of a function as access key is held to that function's policies, as AWS would; anybody
//! else is a tool of the developer's and may do everything. Signatures themselves are not checked: nothing here is
//! reachable from outside of this machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use huitou::seal::{MasterKey, MemberKey, SealError};
use huitou::values::MemberId;
use serde::Deserialize;
use serde_json::json;

use crate::in_process::{Answer, Service};
use crate::queue::Queues;
use crate::rights::{self, Rights};
use crate::table::Embedded;
use crate::template::Template;

/// The largest request that an AWS tool sends.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Where it is reached, below a host's address.
pub const PATH: &str = "/dev/aws";

/// The services, and who may do what with them. Clones are the same.
#[derive(Clone, Debug)]
pub struct Cloud(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    table: Embedded,
    queues: Queues,
    master: Arc<dyn MasterKey>,
    /// What Secrets Manager keeps: one secret, as JSON.
    secret: String,
    rights: BTreeMap<String, Rights>,
}

impl Cloud {
    /// The services of a host.
    #[must_use]
    pub fn new(
        template: &Template,
        table: Embedded,
        queues: Queues,
        master: Arc<dyn MasterKey>,
        secret: String,
    ) -> Self {
        let rights = template.functions.iter().map(|function| (function.logical.clone(), Rights::of(function)));
        Self(Arc::new(Inner { table, queues, master, secret, rights: rights.collect() }))
    }

    /// The route that SDKs post to.
    pub fn router(&self) -> Router {
        Router::new()
            .route(PATH, post(take))
            .route(&format!("{PATH}/"), post(take))
            .layer(DefaultBodyLimit::max(MOST_BYTES))
            .with_state(self.clone())
    }

    async fn answer(&self, target: &str, body: Bytes) -> Response {
        let inner = &self.0;
        let (service, operation) = target.split_once('.').unwrap_or_default();
        match service {
            "DynamoDB_20120810" => of_service(&inner.table, operation, body).await,
            "AmazonSQS" => of_service(&inner.queues, operation, body).await,
            "TrentService" => respond("application/x-amz-json-1.1", self.kms(operation, &body).await),
            "secretsmanager" if operation == "GetSecretValue" => {
                let secret = json!({ "ARN": "local", "Name": "local", "SecretString": inner.secret });
                respond("application/x-amz-json-1.1", Answer::ok(secret.to_string()))
            }
            _ => {
                let sentence = "The header X-Amz-Target names no operation of DynamoDB, SQS, KMS or Secrets Manager.";
                respond("application/x-amz-json-1.0", Answer::error(400, "UnknownOperationException", sentence))
            }
        }
    }

    async fn kms(&self, operation: &str, body: &[u8]) -> Answer {
        let Ok(asked) = serde_json::from_slice::<KeyRequest>(body) else {
            return Answer::error(400, "ValidationException", "The context has to name a member.");
        };
        let member = asked.encryption_context.member;
        let done = match (operation, asked.plaintext, asked.ciphertext_blob) {
            ("Encrypt", Some(plain), None) => match STANDARD.decode(plain).map(<[u8; 32]>::try_from) {
                Ok(Ok(key)) => self
                    .0
                    .master
                    .wrap(member, &MemberKey::from_bytes(key))
                    .await
                    .map(|wrapped| json!({ "CiphertextBlob": STANDARD.encode(wrapped), "KeyId": asked.key_id })),
                _ => Err(SealError::Malformed),
            },
            ("Decrypt", None, Some(wrapped)) => match STANDARD.decode(wrapped) {
                Ok(wrapped) => self
                    .0
                    .master
                    .unwrap(member, &wrapped)
                    .await
                    .map(|key| json!({ "Plaintext": STANDARD.encode(key.bytes()), "KeyId": asked.key_id })),
                Err(_) => Err(SealError::Malformed),
            },
            _ => Err(SealError::Refused(format!("{operation} with these parameters"))),
        };
        match done {
            Ok(answer) => Answer::ok(answer.to_string()),
            Err(SealError::Unsealable | SealError::Malformed) => {
                Answer::error(400, "InvalidCiphertextException", "The bytes were not wrapped here for this member.")
            }
            Err(error) => Answer::error(400, "AccessDeniedException", &error.to_string()),
        }
    }
}

/// What the product asks of KMS.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyRequest {
    key_id: String,
    encryption_context: KeyContext,
    plaintext: Option<String>,
    ciphertext_blob: Option<String>,
}

#[derive(Deserialize)]
struct KeyContext {
    member: MemberId,
}

async fn take(State(cloud): State<Cloud>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let answer = cloud.answer(target, body);
    match signer(&headers).and_then(|name| cloud.0.rights.get(name)) {
        Some(rights) => rights.hold(answer).await,
        None => answer.await,
    }
}

/// The access key with which a request is signed.
fn signer(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    authorization.split_once("Credential=")?.1.split('/').next()
}

async fn of_service<S: Service>(service: &S, operation: &str, body: Bytes) -> Response {
    let answer = match rights::check(S::needs(operation, &body)) {
        Ok(()) => Arc::new(service.clone()).answer(operation.to_owned(), body).await,
        Err(denied) => Answer::error(400, "AccessDeniedException", &denied.to_string()),
    };
    respond(S::CONTENT_TYPE, answer)
}

fn respond(content_type: &'static str, answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, [(header::CONTENT_TYPE, content_type)], answer.body).into_response();
    if let Some(code) = answer.query_error {
        response.headers_mut().insert("x-amzn-query-error", header::HeaderValue::from_static(code));
    }
    response
}
