//! AWS services inside this process: the product's calls and SDK clients reach them without a socket, other processes
//! through [`crate::cloud`].
//!
//! All ways carry the same requests in AWS's JSON protocols, so that there is one dispatch and one set of answers.

mod faults;

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use huitou::aws::{Aws, Endpoints, Retries};
use huitou::clock::SystemClock;
use huitou::entropy::SystemEntropy;
use huitou::transport::{Request, Response, Transport, TransportError};

pub use faults::{Fault, Faults};

use crate::rights;
use crate::template::Right;

const TARGET: &str = "x-amz-target";
const QUERY_ERROR: &str = "x-amzn-query-error";
/// How long a call by the SDK may take.
const SDK_TIMEOUT: Duration = Duration::from_secs(30);
/// An address for those who need one; nobody goes there.
pub(crate) const ENDPOINT: &str = "http://in-process.localhost";

/// An AWS service that answers JSON requests. Clones are the same service.
pub trait Service: Clone + Debug + Send + Sync + 'static {
    /// The content type of its answers.
    const CONTENT_TYPE: &'static str;
    /// The error type by which it asks a client to slow down.
    const THROTTLED: &'static str;

    /// The rights that a function needs for this request.
    fn needs(operation: &str, body: &[u8]) -> Vec<Right>;

    /// Answers one request for an operation, as `GetItem`.
    fn answer(self: Arc<Self>, operation: String, body: Bytes) -> impl Future<Output = Answer> + Send;

    /// The way here for the product's own calls.
    #[must_use]
    fn aws(&self) -> Aws {
        self.faulty_aws(Faults::none())
    }

    /// The same, but calls meet `faults`.
    #[must_use]
    fn faulty_aws(&self, faults: Faults) -> Aws {
        Aws {
            transport: Arc::new(Connector { service: Arc::new(self.clone()), faults }),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            signer: None,
            endpoints: Endpoints::at(ENDPOINT.to_owned()),
            retries: Retries::ORDINARY,
        }
    }

    /// An HTTP client for the AWS SDK whose every request is answered here, without a socket.
    #[must_use]
    fn http_client(&self) -> SharedHttpClient {
        self.faulty_http_client(Faults::none())
    }

    /// The same, but with a client that meets `faults`.
    #[must_use]
    fn faulty_http_client(&self, faults: Faults) -> SharedHttpClient {
        sdk_http_client(Arc::new(Connector { service: Arc::new(self.clone()), faults }))
    }
}

/// A client of an SDK over an HTTP client of a [`Service`]; it does not sign, for nobody looks, and does not watch over
/// the speed of a body that is there as a whole.
macro_rules! client {
    ($sdk:ident, $http_client:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version($sdk::config::BehaviorVersion::latest())
                .region($sdk::config::Region::from_static($crate::template::LOCAL_REGION))
                .endpoint_url($crate::in_process::ENDPOINT)
                .allow_no_auth()
                .stalled_stream_protection($sdk::config::StalledStreamProtectionConfig::disabled())
                .http_client($http_client)
                .build(),
        )
    };
}
pub(crate) use client;

/// What a service says to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// JSON.
    pub body: Bytes,
    /// The error's old name, which SDKs that grew up with SQS's query protocol still look for.
    pub query_error: Option<&'static str>,
}

impl Answer {
    /// A success.
    #[must_use]
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self { status: 200, body: body.into(), query_error: None }
    }

    /// An error of this type, with a message for a person.
    #[must_use]
    pub fn error(status: u16, kind: &str, message: &str) -> Self {
        let body = serde_json::json!({ "__type": kind, "message": message });
        Self { status, body: body.to_string().into(), query_error: None }
    }
}

#[derive(Debug)]
struct Connector<S> {
    service: Arc<S>,
    faults: Faults,
}

impl<S: Service> Connector<S> {
    /// What comes of a request: an answer, or the fault that kept it away.
    fn ask(&self, operation: String, body: Bytes) -> impl Future<Output = Result<Answer, Fault>> + Send + use<S> {
        // Asked here, where the calling function's own task runs.
        let denied = rights::check(S::needs(&operation, &body)).err();
        let fault = self.faults.next(&operation);
        let service = Arc::clone(&self.service);
        async move {
            if let Some(Fault::Unreachable) = fault {
                return Err(Fault::Unreachable);
            }
            let denied = denied.map(|denied| Answer::error(400, "AccessDeniedException", &denied.to_string()));
            let fails = || fault.and_then(|f| f.instead_of_the_call(&operation, S::THROTTLED));
            let answer = match denied.or_else(fails) {
                Some(refusal) => refusal,
                None => service.answer(operation, body).await,
            };
            if let Some(Fault::AnswerLost) = fault { Err(Fault::AnswerLost) } else { Ok(answer) }
        }
    }
}

impl<S: Service> Transport for Connector<S> {
    fn call(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let target = request.headers.get(TARGET).and_then(|target| target.to_str().ok());
        let answer = self.ask(operation_in(target), request.body);
        Box::pin(async move {
            let answer = answer.await.map_err(|fault| match fault {
                Fault::AnswerLost => TransportError::Unknown(fault.to_string()),
                _ => TransportError::NotSent(fault.to_string()),
            })?;
            Ok(respond::<S>(answer))
        })
    }
}

/// An HTTP client for the AWS SDK that calls by this.
pub fn sdk_http_client(transport: Arc<dyn Transport>) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Way(transport));
    http_client_fn(move |_, _| connector.clone())
}

/// The way of the product's own calls, as the SDK's clients take it.
#[derive(Debug)]
struct Way(Arc<dyn Transport>);

impl HttpConnector for Way {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let user = |why: &str| HttpConnectorFuture::ready(Err(ConnectorError::user(why.into())));
        let Some(body) = request.body().bytes().map(Bytes::copy_from_slice) else {
            return user("a streamed body has no place here");
        };
        let Ok(request) = request.try_into_http1x() else { return user("the request is none of HTTP") };
        let (http::request::Parts { method, uri, headers, .. }, _) = request.into_parts();
        let request = Request { method, url: uri.to_string(), headers, body, timeout: SDK_TIMEOUT };
        let transport = Arc::clone(&self.0);
        HttpConnectorFuture::new(async move {
            let answer = transport.call(request).await.map_err(|error| match error {
                TransportError::NotSent(why) => ConnectorError::io(why.into()),
                TransportError::Unknown(why) => ConnectorError::timeout(why.into()),
            })?;
            let mut said = http::Response::new(SdkBody::from(answer.body));
            *said.status_mut() = answer.status;
            *said.headers_mut() = answer.headers;
            HttpResponse::try_from(said).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

fn operation_in(target: Option<&str>) -> String {
    target.and_then(|t| t.rsplit('.').next()).unwrap_or_default().to_owned()
}

fn respond<S: Service>(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(S::CONTENT_TYPE))]);
    if let Some(code) = answer.query_error {
        headers.insert(QUERY_ERROR, HeaderValue::from_static(code));
    }
    Response { status, headers, body: answer.body }
}
