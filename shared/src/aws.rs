//! Calls to AWS with a signature of version 4: to DynamoDB, SQS, KMS and Secrets Manager in AWS's JSON protocol; mail by
//! SES is signed here too. What a client of the SDK does around a call besides is nearly half of a call's instructions and most of
//! a client's start, and nothing here needs it.

pub(crate) mod call;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningParams, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use crate::clock::Clock;
use crate::entropy::{self, Entropy};
use crate::transport::{Request, Response, Transport, TransportError};
use crate::values::Moment;

/// How long one attempt may take; four of them lie inside a request's deadline.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How what fails by itself is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// The most attempts, the first one among them.
    pub attempts: u32,
    /// At most so long the second attempt waits; each further one at most twice as long as the one before.
    pub pause: Duration,
}

impl Retries {
    /// Four attempts, of which the second waits up to a tenth of a second.
    pub const ORDINARY: Self = Self { attempts: 4, pause: Duration::from_millis(100) };
    /// None.
    pub const NONE: Self = Self { attempts: 1, pause: Duration::ZERO };
}

/// Refusals of the services here after which all SDKs of AWS try again.
const PASSING: [&str; 9] = [
    "KmsThrottled",
    "ProvisionedThroughputExceededException",
    "ReplicatedWriteConflictException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestTimeoutException",
    "Throttling",
    "ThrottlingException",
    "TransactionInProgressException",
];

/// Who signs, and for where.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The role, which never shows.
    pub identity: Identity,
    /// The region.
    pub region: String,
}

impl Signer {
    /// What a signature of a request to `service` is made of besides the request.
    pub(crate) fn params<'a>(
        &'a self,
        service: &'a str,
        settings: SigningSettings,
        now: Moment,
    ) -> Result<SigningParams<'a>, String> {
        let params = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(&self.region)
            .name(service)
            .time(UNIX_EPOCH + Duration::from_secs(u64::try_from(now.seconds()).unwrap_or(0)))
            .settings(settings)
            .build();
        params.map(Into::into).map_err(|error| error.to_string())
    }

    /// The headers of a POST of this body to `service`, with a signature among them. No call.
    ///
    /// # Errors
    ///
    /// Why it can't be signed, in a few words without anything of it.
    pub fn headers(
        &self,
        service: &str,
        url: &str,
        headers: &[(&'static str, &str)],
        body: &[u8],
        now: Moment,
    ) -> Result<HeaderMap, String> {
        let params = self.params(service, SigningSettings::default(), now)?;
        let signable = SignableRequest::new("POST", url, headers.iter().copied(), SignableBody::Bytes(body));
        let signed = sign(signable.map_err(|error| error.to_string())?, &params).map_err(|error| error.to_string())?;
        let mut request = http::Request::builder().method(Method::POST).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).map_err(|error| error.to_string())?;
        signed.into_parts().0.apply_to_request_http1x(&mut request);
        Ok(request.into_parts().0.headers)
    }
}

/// A service of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Amazon DynamoDB.
    DynamoDb,
    /// AWS KMS.
    Kms,
    /// AWS Secrets Manager.
    SecretsManager,
    /// Amazon SQS.
    Sqs,
}

impl Service {
    /// As it is called in its address and in signatures.
    const fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::Kms => "kms",
            Self::SecretsManager => "secretsmanager",
            Self::Sqs => "sqs",
        }
    }

    /// The content type of its protocol: AWS's JSON, in the version that it was born with.
    const fn protocol(self) -> &'static str {
        match self {
            Self::DynamoDb | Self::Sqs => "application/x-amz-json-1.0",
            Self::Kms | Self::SecretsManager => "application/x-amz-json-1.1",
        }
    }

    /// The variable that says where it is, as all SDKs of AWS and its command line understand it.
    const fn variable(self) -> &'static str {
        match self {
            Self::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
            Self::Kms => "AWS_ENDPOINT_URL_KMS",
            Self::SecretsManager => "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            Self::Sqs => "AWS_ENDPOINT_URL_SQS",
        }
    }
}

/// Where the services of a region are, on machines too where an emulator plays some or all of them.
#[derive(Clone, Debug)]
pub struct Endpoints {
    region: String,
    all: Option<String>,
    named: Vec<(Service, String)>,
}

impl Endpoints {
    /// As the environment says: `AWS_ENDPOINT_URL`, and with a service's name behind it for that one.
    pub fn from_environment(region: impl Into<String>, variable: impl Fn(&str) -> Option<String>) -> Self {
        let given = |name: &str| variable(name).filter(|url| !url.is_empty());
        let services = [Service::DynamoDb, Service::Kms, Service::SecretsManager, Service::Sqs];
        let named = services.into_iter().filter_map(|service| Some((service, given(service.variable())?)));
        Self { region: region.into(), all: given("AWS_ENDPOINT_URL"), named: named.collect() }
    }

    /// Everything at one address, outside of any region.
    #[must_use]
    pub const fn at(url: String) -> Self {
        Self { region: String::new(), all: Some(url), named: Vec::new() }
    }

    /// Where a service is said to be.
    fn given(&self, service: Service) -> Option<&str> {
        let named = self.named.iter().find(|(of, _)| *of == service).map(|(_, url)| url);
        named.or(self.all.as_ref()).map(String::as_str)
    }

    /// Where a service is: as said, or else in the partition of its region.
    #[must_use]
    pub fn of(&self, service: Service) -> String {
        let (name, region) = (service.name(), &self.region);
        match self.given(service) {
            Some(url) => format!("{}/", url.trim_end_matches('/')),
            None if region.starts_with("cn-") => format!("https://{name}.{region}.amazonaws.com.cn/"),
            None => format!("https://{name}.{region}.amazonaws.com/"),
        }
    }
}

/// Why a service gave no answer that helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// It was not reached.
    #[error("it was not reached: {0}")]
    NotReached(String),
    /// It was reached, and fails or wants less: what it says of it, by its code if it gave one.
    #[error("it fails: {0}")]
    Fails(String),
    /// It refuses, by this code.
    #[error("it refuses: {0}")]
    Refuses(String),
}

/// AWS, as a function's role may ask it. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Aws {
    /// The way there.
    pub transport: Arc<dyn Transport>,
    /// Tells the time by which requests are signed.
    pub clock: Arc<dyn Clock>,
    /// Spreads further attempts, and names transactions.
    pub entropy: Arc<dyn Entropy>,
    /// Who asks; none where nobody looks at signatures.
    pub signer: Option<Signer>,
    /// Where it is.
    pub endpoints: Endpoints,
    /// How it is asked again.
    pub retries: Retries,
}

impl Aws {
    /// Asks a question that may be repeated. One to four calls to the service. `operation` is written as in
    /// `TrentService.Decrypt`.
    ///
    /// # Errors
    ///
    /// There is no answer that helps.
    pub async fn ask(&self, service: Service, operation: &str, question: &Value) -> Result<Value, NoAnswer> {
        match self.exchange(service, operation, Bytes::from(question.to_string())).await {
            Ok(answer) => read(&answer),
            Err(TransportError::NotSent(why)) => Err(NoAnswer::NotReached(why)),
            Err(TransportError::Unknown(why)) => Err(NoAnswer::Fails(why)),
        }
    }

    /// Asks until there is an answer that would stay the same, as often as [`Aws::retries`] allows: only for what may be
    /// repeated. One to four calls to the service.
    ///
    /// # Errors
    ///
    /// The last attempt had no answer.
    pub async fn exchange(&self, service: Service, operation: &str, body: Bytes) -> Result<Response, TransportError> {
        let mut attempt = 1;
        loop {
            match self.once(service, operation, body.clone()).await {
                answer if attempt >= self.retries.attempts || !answer.as_ref().map_or(true, passes) => return answer,
                _ => tokio::time::sleep(self.pause(attempt)).await,
            }
            attempt += 1;
        }
    }

    async fn once(&self, service: Service, operation: &str, body: Bytes) -> Result<Response, TransportError> {
        let url = self.endpoints.of(service);
        let headers = [("content-type", service.protocol()), ("x-amz-target", operation)];
        let headers = match &self.signer {
            Some(signer) => signer.headers(service.name(), &url, &headers, &body, self.clock.wall()),
            None => plain(&headers).map_err(|error| error.to_string()),
        };
        let headers = headers.map_err(TransportError::NotSent)?;
        self.transport.call(Request { method: Method::POST, url, headers, body, timeout: TIMEOUT }).await
    }

    /// A random part of a span that doubles (full jitter: Brooker, "Exponential Backoff And Jitter", AWS 2015).
    fn pause(&self, attempt: u32) -> Duration {
        let [random] = entropy::bytes::<1>(&*self.entropy);
        self.retries.pause * 2_u32.pow(attempt - 1) * u32::from(random) / 255
    }
}

fn plain(headers: &[(&'static str, &str)]) -> Result<HeaderMap, InvalidHeaderValue> {
    headers.iter().map(|(name, value)| Ok((HeaderName::from_static(name), HeaderValue::from_str(value)?))).collect()
}

fn read(answer: &Response) -> Result<Value, NoAnswer> {
    if answer.status.is_success() {
        // The parser's message would quote the answer.
        return serde_json::from_slice(&answer.body)
            .map_err(|_| NoAnswer::Fails("an answer that is no JSON".to_owned()));
    }
    let code = code(answer).unwrap_or_else(|| answer.status.as_str().to_owned());
    Err(if passes(answer) { NoAnswer::Fails(code) } else { NoAnswer::Refuses(code) })
}

/// What a service calls its refusal, as `NotFoundException` in `com.amazonaws.kms#NotFoundException`.
fn code(answer: &Response) -> Option<String> {
    #[derive(Deserialize)]
    struct Said {
        #[serde(rename = "__type")]
        kind: String,
    }
    let Said { kind } = serde_json::from_slice(&answer.body).ok()?;
    Some(kind.rsplit('#').next().unwrap_or_default().to_owned())
}

/// Whether another attempt may get another answer: the service fails, wants less, or is at work on the same.
fn passes(answer: &Response) -> bool {
    let status = answer.status;
    if status.is_success() {
        return false;
    }
    status.is_server_error()
        || status == StatusCode::TOO_MANY_REQUESTS
        || code(answer).is_some_and(|code| PASSING.contains(&code.as_str()))
}

/// A service of AWS that answers what it is told to.
#[cfg(test)]
pub(crate) mod fake {
    use std::collections::VecDeque;
    use std::sync::{Mutex, PoisonError};

    use aws_sdk_dynamodb::config::Credentials;
    use futures_util::future::BoxFuture;

    use super::*;
    use crate::clock::SystemClock;

    /// By which nothing waits.
    #[derive(Debug)]
    struct NoWait;

    impl Entropy for NoWait {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    /// Says one answer after the other, the last one for ever, and remembers what it was asked.
    #[derive(Debug, Default)]
    pub(crate) struct Fake {
        answers: Mutex<VecDeque<Result<(u16, String), TransportError>>>,
        asked: Mutex<Vec<Request>>,
    }

    impl Fake {
        pub(crate) fn answering<const N: usize>(answers: [Result<(u16, Value), TransportError>; N]) -> Arc<Self> {
            let answers = answers.into_iter().map(|said| said.map(|(status, body)| (status, body.to_string())));
            Arc::new(Self { answers: Mutex::new(answers.collect()), asked: Mutex::default() })
        }

        pub(crate) fn asked(&self) -> Vec<Request> {
            self.asked.lock().unwrap().clone()
        }

        pub(crate) fn questions(&self) -> Vec<Value> {
            self.asked().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
        }
    }

    impl Transport for Fake {
        fn call(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
            self.asked.lock().unwrap().push(request);
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
            let answer = answer.unwrap().map(|(status, body)| Response {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: body.into(),
            });
            Box::pin(async { answer })
        }
    }

    /// AWS behind this, in a region of China.
    pub(crate) fn aws(fake: &Arc<Fake>) -> Aws {
        let credentials = Credentials::new("AKIDEXAMPLE", "hush", Some("token".to_owned()), None, "test");
        Aws {
            transport: fake.clone(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(NoWait),
            signer: Some(Signer { identity: credentials.into(), region: "cn-north-1".to_owned() }),
            endpoints: Endpoints::from_environment("cn-north-1", |_| None),
            retries: Retries::ORDINARY,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::fake::{Fake, aws};
    use super::*;
    use crate::entropy::SeededEntropy;

    #[tokio::test]
    async fn a_question_is_signed_and_names_its_operation() {
        let fake = Fake::answering([Ok((200, json!({"SecretString": "s"})))]);
        let answer =
            aws(&fake).ask(Service::SecretsManager, "secretsmanager.GetSecretValue", &json!({"SecretId": "a"})).await;
        assert_eq!(answer, Ok(json!({"SecretString": "s"})));
        let [request]: [Request; 1] = fake.asked().try_into().unwrap();
        assert_eq!(request.url, "https://secretsmanager.cn-north-1.amazonaws.com.cn/");
        assert_eq!(request.headers["x-amz-target"], "secretsmanager.GetSecretValue");
        assert_eq!(request.headers["content-type"], "application/x-amz-json-1.1");
        assert_eq!(request.headers["x-amz-security-token"], "token");
        let signature = request.headers["authorization"].to_str().unwrap();
        assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{signature}");
        assert!(signature.contains("/cn-north-1/secretsmanager/aws4_request"), "{signature}");
        let signed = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target";
        assert!(signature.contains(signed), "{signature}");
    }

    #[test]
    fn services_are_found_in_both_partitions_and_where_the_environment_says() {
        let in_region = |region: &str| Endpoints::from_environment(region, |_| None);
        assert_eq!(in_region("cn-north-1").of(Service::Kms), "https://kms.cn-north-1.amazonaws.com.cn/");
        assert_eq!(in_region("eu-central-1").of(Service::Sqs), "https://sqs.eu-central-1.amazonaws.com/");
        assert_eq!(in_region("eu-central-1").given(Service::Sqs), None);
        let emulated = Endpoints::from_environment("eu-central-1", |name| match name {
            "AWS_ENDPOINT_URL" => Some("http://127.0.0.1:3000/dev/aws".to_owned()),
            "AWS_ENDPOINT_URL_SECRETS_MANAGER" => Some("http://127.0.0.1:4000".to_owned()),
            _ => Some(String::new()),
        });
        assert_eq!(emulated.of(Service::DynamoDb), "http://127.0.0.1:3000/dev/aws/");
        assert_eq!(emulated.of(Service::SecretsManager), "http://127.0.0.1:4000/");
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_again_and_a_refusal_is_not() {
        let not_sent = || Err(TransportError::NotSent("refused".to_owned()));
        let passing = [
            not_sent(),
            Err(TransportError::Unknown("silence".to_owned())),
            Ok((400, json!({"__type": "ThrottlingException"}))),
            Ok((200, json!({"fine": true}))),
        ];
        let fake = Fake::answering(passing);
        assert_eq!(aws(&fake).ask(Service::Kms, "TrentService.Decrypt", &json!({})).await, Ok(json!({"fine": true})));
        assert_eq!(fake.asked().len(), 4);

        let fake = Fake::answering([not_sent()]);
        let gone = NoAnswer::NotReached("refused".to_owned());
        assert_eq!(aws(&fake).ask(Service::Kms, "TrentService.Decrypt", &json!({})).await, Err(gone));
        assert_eq!(fake.asked().len(), 4, "then it is given up");

        let fake = Fake::answering([Ok((400, json!({"__type": "com.amazonaws.kms#NotFoundException"})))]);
        let refused = NoAnswer::Refuses("NotFoundException".to_owned());
        assert_eq!(aws(&fake).ask(Service::Kms, "TrentService.Decrypt", &json!({})).await, Err(refused));
        assert_eq!(fake.asked().len(), 1);
    }

    #[tokio::test]
    async fn the_role_and_its_questions_never_show() {
        let fake = Fake::answering([Ok((200, json!({})))]);
        let aws = aws(&fake);
        aws.ask(Service::Kms, "TrentService.Decrypt", &json!({"CiphertextBlob": "hush"})).await.unwrap();
        let shown = format!("{:?} {:?}", aws.signer, fake.asked());
        assert!(shown.contains("kms.cn-north-1") && !shown.contains("hush"), "{shown}");
    }

    #[test]
    fn further_attempts_wait_longer_but_never_long() {
        let aws = Aws { entropy: Arc::new(SeededEntropy::new(1)), ..aws(&Fake::answering([])) };
        for (attempt, most) in [(1, 100), (2, 200), (3, 400)] {
            let longest = (0..100).map(|_| aws.pause(attempt)).max().unwrap();
            assert!((most / 2..=most).contains(&longest.as_millis()), "attempt {attempt} waits for {longest:?}");
        }
    }
}
