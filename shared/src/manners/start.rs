//! Start-up of a deployed function: clients once, secrets once, the connection warmed, then events for ever.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_sdk_secretsmanager::error::SdkError;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::error::display::DisplayErrorContext;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

use super::routes::Answers;
use super::{edge, gateway as events};
use crate::app::{App, Parts};
use crate::cases::tracking::Doors;
use crate::channels::settings::{ProviderSettings, Workshop};
use crate::channels::{Line, Secret};
use crate::clock::SystemClock;
use crate::domain::anonymity::SmallestGroup;
use crate::entropy::SystemEntropy;
use crate::later::Later;
use crate::objects::S3;
use crate::queue::Queue;
use crate::seal::KmsMasterKey;
use crate::secrets::Secrets;
use crate::table::{Freshness, Names, Table};
use crate::telemetry::lines::{Settings, subscriber};
use crate::transport::{HttpTransport, Transport};
use crate::trust::identity::Identity;
use crate::trust::oidc::Settings as StaffSettings;
use crate::values::{Actor, MemberId};
use crate::wechat::{WeChat, WeChatSettings};

/// For how long settings that were read may judge: the time within which a new version reaches every instance.
const SETTINGS_FRESH_FOR: Duration = Duration::from_secs(30);

/// Runs a function that answers API Gateway.
pub async fn gateway(routes: Answers) -> Result<(), Error> {
    telemetry()?;
    let app = from_environment().await?;
    let router = edge::service(&app, routes);
    let handle = |event: LambdaEvent<events::GatewayEvent>| {
        let router = router.clone();
        async move { events::answer(router, event.payload).await }
    };
    lambda_runtime::run(service_fn(handle)).await
}

/// Runs a function that takes events of whatever kind, as JSON.
pub async fn mixed<F, R>(handle: impl FnOnce(App) -> F) -> Result<(), Error>
where
    F: Fn(Value) -> R,
    R: Future<Output = Result<Value, String>>,
{
    telemetry()?;
    let handle = handle(from_environment().await?);
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        let answer = handle(event.payload);
        async move { answer.await.map_err(Error::from) }
    }))
    .await
}

/// Runs a function that answers API Gateway by `routes`, and has every other event taken by `handle`.
pub async fn both<R>(routes: Answers, handle: fn(App, Value) -> R) -> Result<(), Error>
where
    R: Future<Output = Result<Value, String>>,
{
    mixed(|app| {
        let router = edge::service(&app, routes);
        move |event: Value| {
            let (app, router) = (app.clone(), router.clone());
            async move {
                if event.get("rawPath").is_none() {
                    return handle(app, event).await;
                }
                let event = serde_json::from_value(event).map_err(|error| error.to_string())?;
                let answer = events::answer(router, event).await.map_err(|error| error.to_string())?;
                serde_json::to_value(answer).map_err(|error| error.to_string())
            }
        }
    })
    .await
}

/// Logs as JSON lines on standard output, where CloudWatch finds them and the metrics in them.
fn telemetry() -> Result<(), Error> {
    let settings = Settings::from_environment(|name| std::env::var(name).ok());
    Ok(tracing::subscriber::set_global_default(subscriber(settings, std::io::stdout))?)
}

fn variable(name: &str) -> Result<String, Error> {
    std::env::var(name).map_err(|_| Error::from(format!("the environment lacks {name}")))
}

/// The app of a deployed function, from its environment.
async fn from_environment() -> Result<App, Error> {
    let names = Names::from_environment(|name| std::env::var(name).ok()).map_err(Error::from)?;
    let (sdk, table, secrets) = connected(names).await?;
    let wechat = WeChatSettings {
        base_url: variable("WECHAT_BASE_URL")?,
        app_id: variable("WECHAT_APP_ID")?,
        secret: secrets.wechat_secret.clone(),
    };
    let transport: Arc<dyn Transport> = Arc::new(HttpTransport::new());
    let providers = ProviderSettings::read(&variable("PROVIDERS")?)?;
    let doors = Doors {
        pushes: secrets.pushes(&wechat.app_id, providers.plain_pushes)?,
        receipts: secrets.providers.receipts.clone().map(Secret),
        links: secrets.links()?,
        own_url: providers.own_url.clone(),
    };
    let wechat = Arc::new(WeChat::new(wechat, Arc::clone(&transport)));
    let staff = StaffSettings::read(&variable("STAFF_IDENTITY")?)?;
    let staff = staff.map(|settings| Arc::new(Identity::new(settings, Arc::clone(&transport))));
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let line = Line { transport: Arc::clone(&transport), clock: clock.clone(), entropy: entropy.clone() };
    let shop = Workshop::new(Arc::clone(&wechat), line, sdk.credentials.clone().into());
    let sqs = sdk.sqs();
    Ok(App::new(Parts {
        table,
        queue: Queue::new(sqs.clone(), variable("RECOMPUTE_QUEUE")?),
        dispatch_queue: Queue::new(sqs.clone(), variable("DISPATCH_QUEUE")?),
        send_queue: Queue::new(sqs, variable("SEND_QUEUE")?),
        senders: providers.senders(&secrets.providers, &shop)?,
        doors,
        clock,
        entropy,
        master: Arc::new(KmsMasterKey { client: sdk.kms(), key_id: variable("MASTER_KEY")? }),
        lookup: secrets.lookup()?,
        objects: Arc::new(S3 {
            url: variable("ATTACHMENTS_URL")?,
            region: sdk.region.to_string(),
            identity: sdk.credentials.clone().into(),
            transport,
        }),
        wechat,
        tokens: secrets.tokens()?,
        staff,
        systems: secrets.systems()?,
        cursors: secrets.cursors()?,
        audit_key: secrets.audit()?,
        smallest_group: SmallestGroup::parse(&variable("SMALLEST_GROUP")?)?,
        bearer_systems: false,
        settings_fresh_for: SETTINGS_FRESH_FOR,
        instances_follow_within: SETTINGS_FRESH_FOR,
        own_name: Actor::parse("huitou")?,
    }))
}

/// The clients, with their connections open, and the secrets.
async fn connected(names: Names) -> Result<(Sdk, Table, Secrets), Error> {
    let mut trust = Trust::from_environment()?;
    loop {
        let sdk = Sdk::from_environment(&trust)?;
        let table = Table::new(sdk.dynamodb(), names.clone());
        let (secrets, ()) = tokio::join!(sdk.secrets(), warm(&table));
        match secrets {
            // Should AWS ever be signed for by somebody else, a start takes longer until the next release.
            Err(Unread::NotReached(why)) if trust == Trust::Amazon => {
                tracing::warn!(why, "AWS was not reached by Amazon's authorities; the platform's are tried");
                trust = Trust::Platform;
            }
            Err(Unread::NotReached(why) | Unread::Wrong(why)) => return Err(Error::from(why)),
            Ok(secrets) => return Ok((sdk, table, secrets)),
        }
    }
}

/// Opens the connection to the table during start-up, which has the full processor: a read that the role may do
/// anyway, of a member who does not exist.
async fn warm(table: &Table) {
    if let Err(trouble) = table.member(MemberId::from_random([0; 16]), Freshness::Recent).await {
        tracing::warn!(%trouble, "the connection could not be warmed");
    }
}

/// Amazon's own authorities: few, where the platform's 145 cost more processor time than the rest of a start.
const AMAZON_ROOTS: &str = include_str!("amazon-roots.pem");

/// Whose signature AWS's endpoints need.
#[derive(Debug, PartialEq, Eq)]
enum Trust {
    /// That of one of Amazon's authorities.
    Amazon,
    /// That of an authority that the platform trusts.
    Platform,
    /// That of an authority in this text, as `AWS_CA_BUNDLE` names it.
    These(String),
}

impl Trust {
    fn from_environment() -> Result<Self, Error> {
        if let Some(bundle) = std::env::var_os("AWS_CA_BUNDLE") {
            return Ok(Self::These(std::fs::read_to_string(bundle)?));
        }
        // Who signs for AWS in China is not published.
        let china = variable("AWS_REGION")?.starts_with("cn-");
        Ok(if china { Self::Platform } else { Self::Amazon })
    }

    fn store(&self) -> TrustStore {
        let certificates = match self {
            Self::Amazon => AMAZON_ROOTS,
            Self::These(text) => text,
            Self::Platform => return TrustStore::default(),
        };
        TrustStore::empty().with_pem_certificate(certificates.as_bytes())
    }
}

/// Why the secrets are not known.
enum Unread {
    /// No connection came about.
    NotReached(String),
    /// There was an answer.
    Wrong(String),
}

/// What all SDK clients share: one HTTP client with one TLS stack, and the role's credentials, which Lambda puts
/// into the environment, so no chain of providers has to be tried.
#[derive(Clone)]
struct Sdk {
    http: Http,
    region: Region,
    credentials: Credentials,
}

/// The SDK's HTTP client, made once. By itself it would be made twice more for every service, to see whether it can be
/// made at all, and reading the authorities is most of that; the first call, during the start, shows it as well.
#[derive(Clone, Debug)]
struct Http(SharedHttpClient);

impl HttpClient for Http {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

/// A client of one service. Four attempts with jitter and three seconds for each lie inside the request's deadline.
macro_rules! client {
    ($sdk:ident, $shared:expr) => {{
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(3)).build();
        let mut config = $sdk::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client($shared.http.clone())
            .region($shared.region.clone())
            .credentials_provider($shared.credentials.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .timeout_config(timeouts);
        config.set_endpoint_url(std::env::var("AWS_ENDPOINT_URL").ok().filter(|url| !url.is_empty()));
        $sdk::Client::from_conf(config.build())
    }};
}

impl Sdk {
    fn from_environment(trust: &Trust) -> Result<Self, Error> {
        let credentials = Credentials::new(
            variable("AWS_ACCESS_KEY_ID")?,
            variable("AWS_SECRET_ACCESS_KEY")?,
            std::env::var("AWS_SESSION_TOKEN").ok(),
            None,
            "environment",
        );
        let context = TlsContext::builder().with_trust_store(trust.store()).build()?;
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(context)
            .build_https();
        Ok(Self { http: Http(http), region: Region::new(variable("AWS_REGION")?), credentials })
    }

    fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        client!(aws_sdk_dynamodb, self)
    }

    fn sqs(&self) -> Later<aws_sdk_sqs::Client> {
        let shared = self.clone();
        Later::new(move || client!(aws_sdk_sqs, shared))
    }

    fn kms(&self) -> Later<aws_sdk_kms::Client> {
        let shared = self.clone();
        Later::new(move || client!(aws_sdk_kms, shared))
    }

    async fn secrets(&self) -> Result<Secrets, Unread> {
        let wrong = |why: &str| Unread::Wrong(why.to_owned());
        let name = variable("SECRETS_ARN").map_err(|error| Unread::Wrong(error.to_string()))?;
        let client = client!(aws_sdk_secretsmanager, self);
        let answer = client.get_secret_value().secret_id(name).send().await.map_err(|error| match &error {
            SdkError::DispatchFailure(_) => Unread::NotReached(DisplayErrorContext(&error).to_string()),
            _ => Unread::Wrong(DisplayErrorContext(&error).to_string()),
        })?;
        let text = answer.secret_string().ok_or_else(|| wrong("the secret has no text"))?;
        // The parser's message would quote the secret.
        serde_json::from_str(text).map_err(|_| wrong("the secret is not in the documented form"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazons_authorities_can_be_read_and_no_others_are_trusted() {
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(TlsContext::builder().with_trust_store(Trust::Amazon.store()).build().unwrap());
        // A connector is made at once, and would panic over a damaged certificate.
        drop(http.build_https());
        assert_eq!(AMAZON_ROOTS.matches("BEGIN CERTIFICATE").count(), 5);
        assert!(format!("{:?}", Trust::Amazon.store()).contains("enable_native_roots: false"));
    }
}
