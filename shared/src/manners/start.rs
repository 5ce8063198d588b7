//! Start-up of a deployed function: clients once, secrets once, the connection warmed, then events for ever.

mod clients;

use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

use self::clients::{AMAZON_ROOTS, Clients, authorities};
use super::routes::Answers;
use super::{edge, gateway as events};
use crate::app::{App, Parts};
use crate::aws::{Aws, NoAnswer, Service};
use crate::cases::programs::StoredPrograms;
use crate::cases::tracking::Doors;
use crate::channels::settings::{ProviderSettings, Workshop};
use crate::channels::{Line, Secret};
use crate::clock::{Clock as _, SystemClock};
use crate::domain::anonymity::SmallestGroup;
use crate::entropy::SystemEntropy;
use crate::objects::S3;
use crate::queue::Queue;
use crate::seal::KmsMasterKey;
use crate::secrets::Secrets;
use crate::table::{Names, Table};
use crate::telemetry::lines::{Settings, subscriber};
use crate::transport::{Authorities, HttpTransport, Transport};
use crate::trust::identity::Identity;
use crate::trust::oidc::Settings as StaffSettings;
use crate::values::Actor;
use crate::wechat::{WeChat, WeChatSettings};

/// For how long settings that were read may judge: the time within which a new version reaches every instance.
const SETTINGS_FRESH_FOR: Duration = Duration::from_secs(30);

/// As they are deployed, functions bring musl as their C library, whose allocator gives memory back at once and asks for
/// it again: a third of a further answer's time, and a tenth of a start.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

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
    let Connected { clients, table, programs, secrets } = connected(names).await?;
    let Clients { signer, aws, .. } = clients;
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
    let shop = Workshop::new(Arc::clone(&wechat), line, signer.identity.clone());
    let app = App::new(Parts {
        table,
        queue: Queue::new(aws.clone(), variable("RECOMPUTE_QUEUE")?),
        dispatch_queue: Queue::new(aws.clone(), variable("DISPATCH_QUEUE")?),
        send_queue: Queue::new(aws.clone(), variable("SEND_QUEUE")?),
        senders: providers.senders(&secrets.providers, &shop)?,
        doors,
        clock,
        entropy,
        lookup: secrets.lookup()?,
        objects: Arc::new(S3 { url: variable("ATTACHMENTS_URL")?, signer, transport: Arc::clone(&aws.transport) }),
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
    clients: Clients,
    table: Table,
    programs: Option<StoredPrograms>,
    secrets: Secrets,
}

async fn connected(names: Names) -> Result<Connected, Error> {
    let mut authorities = authorities()?;
    loop {
        let clients = Clients::from_environment(&authorities)?;
        let table = Table::new(clients.aws.clone(), names.clone());
        let (secrets, programs) = tokio::join!(secrets(&clients.aws), warm(&table));
        match secrets {
            // Should AWS ever be signed for by somebody else, a start takes longer until the next release.
            Err(Unread::NotReached(why)) if matches!(&authorities, Authorities::These(text) if text == AMAZON_ROOTS) => {
                tracing::warn!(why, "AWS was not reached by Amazon's authorities; the platform's are tried");
                authorities = Authorities::Platform;
            }
            Err(Unread::NotReached(why) | Unread::Wrong(why)) => return Err(Error::from(why)),
            Ok(secrets) => {
                clients.started();
                return Ok(Connected { clients, table, programs, secrets });
            }
        }
    }
}

/// Opens the connection to the table during start-up, which has the full processor, by what most requests need first.
async fn warm(table: &Table) -> Option<StoredPrograms> {
    let read = StoredPrograms::read(table, SystemClock.wall()).await;
    read.inspect_err(|trouble| tracing::warn!(%trouble, "the connection could not be warmed")).ok()
}

/// Why the secrets are not known.
enum Unread {
    /// No connection came about.
    NotReached(String),
    /// There was an answer.
    Wrong(String),
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
