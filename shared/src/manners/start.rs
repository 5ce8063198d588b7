//! Start-up of a deployed function: clients once, secrets once, the connection warmed, then events for ever.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::endpoint::{EndpointFuture, Params, ResolveEndpoint};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_types::endpoint::Endpoint;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

use super::routes::Answers;
use super::{edge, gateway as events};
use crate::app::{App, Parts};
use crate::aws::{Aws, Endpoints, NoAnswer, Service, Signer};
use crate::cases::programs::StoredPrograms;
use crate::cases::tracking::Doors;
use crate::channels::settings::{ProviderSettings, Workshop};
use crate::channels::{Line, Secret};
use crate::clock::{Clock as _, SystemClock};
use crate::domain::anonymity::SmallestGroup;
use crate::entropy::SystemEntropy;
use crate::later::Later;
use crate::objects::S3;
use crate::queue::Queue;
use crate::seal::KmsMasterKey;
use crate::secrets::Secrets;
use crate::table::{Names, Table};
use crate::telemetry::lines::{Settings, subscriber};
use crate::transport::{Authorities, Connections, HttpTransport, Transport};
use crate::trust::identity::Identity;
use crate::trust::oidc::Settings as StaffSettings;
use crate::values::Actor;
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
    let Connected { sdk, aws, table, programs, secrets } = connected(names).await?;
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
    let app = App::new(Parts {
        table,
        queue: Queue::new(sqs.clone(), variable("RECOMPUTE_QUEUE")?),
        dispatch_queue: Queue::new(sqs.clone(), variable("DISPATCH_QUEUE")?),
        send_queue: Queue::new(sqs, variable("SEND_QUEUE")?),
        senders: providers.senders(&secrets.providers, &shop)?,
        doors,
        clock,
        entropy,
        lookup: secrets.lookup()?,
        objects: Arc::new(S3 {
            url: variable("ATTACHMENTS_URL")?,
            signer: aws.signer.clone(),
            transport: Arc::clone(&aws.transport),
        }),
        master: Arc::new(KmsMasterKey { aws, key_id: variable("MASTER_KEY")? }),
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
    });
    // What can't be understood is told by the first request that needs it.
    programs.and_then(|stored| app.programs().keep(&stored).ok());
    Ok(app)
}

/// The clients, with their connections open, and what was read by them.
struct Connected {
    sdk: Sdk,
    aws: Aws,
    table: Table,
    programs: Option<StoredPrograms>,
    secrets: Secrets,
}

async fn connected(names: Names) -> Result<Connected, Error> {
    let mut authorities = authorities()?;
    loop {
        let sdk = Sdk::from_environment(&authorities)?;
        let (aws, table) = (sdk.aws(), Table::new(sdk.dynamodb(), names.clone()));
        let (secrets, programs) = tokio::join!(secrets(&aws), warm(&table));
        match secrets {
            // Should AWS ever be signed for by somebody else, a start takes longer until the next release.
            Err(Unread::NotReached(why)) if matches!(&authorities, Authorities::These(text) if text == AMAZON_ROOTS) => {
                tracing::warn!(why, "AWS was not reached by Amazon's authorities; the platform's are tried");
                authorities = Authorities::Platform;
            }
            Err(Unread::NotReached(why) | Unread::Wrong(why)) => return Err(Error::from(why)),
            Ok(secrets) => return Ok(Connected { sdk, aws, table, programs, secrets }),
        }
    }
}

/// Opens the connection to the table during start-up, which has the full processor, by what most requests need first.
async fn warm(table: &Table) -> Option<StoredPrograms> {
    let read = StoredPrograms::read(table, SystemClock.wall()).await;
    read.inspect_err(|trouble| tracing::warn!(%trouble, "the connection could not be warmed")).ok()
}

/// Amazon's own authorities: few, where the platform's 145 cost more processor time than the rest of a start.
const AMAZON_ROOTS: &str = include_str!("amazon-roots.pem");

/// Whose signature AWS's endpoints need: that of an authority in the text that `AWS_CA_BUNDLE` names, or else of one of
/// Amazon's.
fn authorities() -> Result<Authorities, Error> {
    if let Some(bundle) = std::env::var_os("AWS_CA_BUNDLE") {
        return Ok(Authorities::These(std::fs::read_to_string(bundle)?));
    }
    // Who signs for AWS in China is not published.
    let china = variable("AWS_REGION")?.starts_with("cn-");
    Ok(if china { Authorities::Platform } else { Authorities::These(AMAZON_ROOTS.to_owned()) })
}

/// Why the secrets are not known.
enum Unread {
    /// No connection came about.
    NotReached(String),
    /// There was an answer.
    Wrong(String),
}

/// What all SDK clients share: their connections, and the role's credentials, which Lambda puts into the environment, so
/// no chain of providers has to be tried.
#[derive(Clone)]
struct Sdk {
    connections: Connections,
    endpoints: Endpoints,
    region: Region,
    credentials: Credentials,
}

/// The settings of a client of one service. Four attempts with jitter and three seconds for each lie inside the request's deadline.
macro_rules! settings {
    ($sdk:ident, $shared:expr) => {{
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(3)).build();
        $sdk::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client($shared.connections.clone())
            .region($shared.region.clone())
            .credentials_provider($shared.credentials.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .timeout_config(timeouts)
    }};
}

/// Where the table is. To find it out from the region, the SDK would read a description of all of AWS at every start.
#[derive(Debug)]
struct At(Endpoint);

impl ResolveEndpoint for At {
    fn resolve_endpoint<'a>(&'a self, _: &'a Params) -> EndpointFuture<'a> {
        EndpointFuture::ready(Ok(self.0.clone()))
    }
}

impl Sdk {
    fn from_environment(authorities: &Authorities) -> Result<Self, Error> {
        let credentials = Credentials::new(
            variable("AWS_ACCESS_KEY_ID")?,
            variable("AWS_SECRET_ACCESS_KEY")?,
            std::env::var("AWS_SESSION_TOKEN").ok(),
            None,
            "environment",
        );
        let connections = Connections::new(authorities)?;
        let endpoints = Endpoints::from_environment(|name| std::env::var(name).ok());
        Ok(Self { connections, endpoints, region: Region::new(variable("AWS_REGION")?), credentials })
    }

    fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let url = self.endpoints.of(Service::DynamoDb, self.region.as_ref());
        let at = At(Endpoint::builder().url(url).build());
        aws_sdk_dynamodb::Client::from_conf(settings!(aws_sdk_dynamodb, self).endpoint_resolver(at).build())
    }

    fn sqs(&self) -> Later<aws_sdk_sqs::Client> {
        let shared = self.clone();
        Later::new(move || {
            let mut settings = settings!(aws_sdk_sqs, shared);
            settings.set_endpoint_url(shared.endpoints.given(Service::Sqs).map(ToOwned::to_owned));
            aws_sdk_sqs::Client::from_conf(settings.build())
        })
    }

    fn aws(&self) -> Aws {
        Aws {
            transport: Arc::new(HttpTransport::over(self.connections.clone())),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            signer: Signer { identity: self.credentials.clone().into(), region: self.region.to_string() },
            endpoints: self.endpoints.clone(),
        }
    }
}

async fn secrets(aws: &Aws) -> Result<Secrets, Unread> {
    let name = variable("SECRETS_ARN").map_err(|error| Unread::Wrong(error.to_string()))?;
    let answer = aws.ask(Service::SecretsManager, "secretsmanager.GetSecretValue", &json!({ "SecretId": name })).await;
    let answer = answer.map_err(|error| match error {
        NoAnswer::NotReached(why) => Unread::NotReached(why),
        NoAnswer::Fails(_) | NoAnswer::Refuses(_) => Unread::Wrong(format!("the secret was not told: {error}")),
    })?;
    let text = answer.get("SecretString").and_then(Value::as_str);
    let text = text.ok_or_else(|| Unread::Wrong("the secret has no text".to_owned()))?;
    // The parser's message would quote the secret.
    serde_json::from_str(text).map_err(|_| Unread::Wrong("the secret is not in the documented form".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazons_authorities_can_be_read() {
        assert_eq!(AMAZON_ROOTS.matches("BEGIN CERTIFICATE").count(), 5);
        assert!(Connections::new(&Authorities::These(AMAZON_ROOTS.to_owned())).is_ok());
        assert!(Connections::new(&Authorities::These(AMAZON_ROOTS.replace("MII", "???"))).is_err());
    }
}
