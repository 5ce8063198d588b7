//! Where the product is put together for one machine: the functions' routers and handlers over the local services.
//!
//! Everything else in this crate knows functions by name only.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::config::Credentials;
use axum::Router;
use huitou::app::{App, Parts};
use huitou::aws::Aws;
use huitou::cases::tracking::Doors;
use huitou::channels::settings::{ProviderSettings, Workshop};
use huitou::channels::{Line, Recorder, Secret, Senders};
use huitou::clock::{Clock as _, SystemClock};
use huitou::domain::anonymity::SmallestGroup;
use huitou::domain::program::Program;
use huitou::entropy::{Entropy, SystemEntropy};
use huitou::manners::edge;
use huitou::manners::routes::{Answers, Described};
use huitou::queue::Queue;
use huitou::seal::{FileMasterKey, MasterKey};
use huitou::secrets::Secrets;
use huitou::table::{Names, Table};
use huitou::transport::{HttpTransport, Transport};
use huitou::trust::identity::Identity;
use huitou::trust::token::{Claims, Role};
use huitou::values::{Actor, Invalid, LocalDay, Moment};
use huitou::wechat::{WeChat, WeChatSettings};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::clock::DevClock;
use crate::description;
use crate::handler::{Handler, Handlers};
use crate::objects::LocalObjects;
use crate::rights::{GuardedKey, Rights};
use crate::standin::{self, WECHAT_APP_ID, WECHAT_SECRET};
use crate::template::Template;

/// The one system that every local host knows; its key is printed at start.
pub const SYSTEM: &str = "dev-till";

/// How long a token of the `token` command counts: a working day and a bit.
const TOKEN_LIFE: Duration = Duration::from_hours(12);

/// What the functions find around them on this machine.
#[derive(Debug)]
pub struct Surroundings {
    /// What exists, and the environment of every function.
    pub template: Template,
    /// The way to the embedded table.
    pub table: Aws,
    /// The way to the embedded queues.
    pub queues: Aws,
    /// Business time, and real time.
    pub clock: Arc<DevClock>,
    /// Files of members.
    pub objects: LocalObjects,
    /// The providers of messages, all of them stand-ins; with none the recorder stands for every one of them.
    pub providers: Option<ProviderSettings>,
    /// What stands for the providers of messages in this process.
    pub recorder: Recorder,
    /// What stands for `https://api.weixin.qq.com`.
    pub wechat_url: String,
    /// Which provider's staff tokens are believed.
    pub staff: Option<huitou::trust::oidc::Settings>,
    /// From which this host derives its secrets; the same as long as its data directory lives.
    pub secret: [u8; 32],
    /// Where the master key's file lies; none for a host in memory.
    pub directory: Option<PathBuf>,
}

/// The product, ready to be called.
pub struct Product {
    /// The app behind all of it.
    pub app: App,
    /// Each function's router, by the function's name in the template.
    pub routers: Vec<(String, Router)>,
    /// Says of what no function is listed for that it is not there, with a request id and a line in the log.
    pub elsewhere: Router,
    /// Turns away what comes while there is too much to do, in the same way.
    pub overloaded: Router,
    /// The handlers of functions that a queue or a schedule calls.
    pub handlers: Handlers,
}

impl Product {
    /// The same product, of which every function may do what its policies allow and nothing else.
    #[must_use]
    pub fn held_to(mut self, template: &Template) -> Self {
        for function in &template.functions {
            let rights = Rights::of(function);
            for (_, router) in self.routers.iter_mut().filter(|(name, _)| *name == function.logical) {
                *router = rights.over_router(std::mem::take(router));
            }
            if let Some(handler) = self.handlers.get_mut(&function.logical) {
                *handler = rights.over_handler(Arc::clone(handler));
            }
        }
        self
    }
}

impl std::fmt::Debug for Product {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Product").finish_non_exhaustive()
    }
}

/// A caller's role, as tokens name it.
pub const ROLES: [&str; 6] = ["member", "system", "guide", "agent", "operator", "manager"];

/// For whom a token is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// One of [`ROLES`].
    pub role: String,
    /// The member that a member's token is for.
    pub member: Option<String>,
    /// A name for the logs and the audit trail.
    pub subject: Option<String>,
}

/// Randomness that is always the same for one secret: so the `token` command and a running host agree.
#[derive(Debug)]
struct Derived {
    secret: [u8; 32],
    drawn: AtomicU64,
}

impl Entropy for Derived {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let count = self.drawn.fetch_add(1, Ordering::Relaxed);
            let block = Sha256::new().chain_update(self.secret).chain_update(count.to_be_bytes()).finalize();
            chunk.iter_mut().zip(block).for_each(|(byte, random)| *byte = random);
        }
    }
}

/// The secrets that this host derives from its own.
pub fn secrets(secret: &[u8; 32]) -> Result<Secrets, String> {
    let derived = Derived { secret: *secret, drawn: AtomicU64::new(0) };
    let system = Actor::parse(SYSTEM).map_err(|e| e.to_string())?;
    let secrets = Secrets::generate(&derived, &system, WECHAT_SECRET.to_owned());
    Ok(Secrets { providers: standin::secrets(&derived), ..secrets })
}

/// The same as the text that Secrets Manager keeps on AWS.
pub fn secrets_text(secret: &[u8; 32]) -> Result<String, String> {
    serde_json::to_string(&secrets(secret)?).map_err(|error| format!("The host's secrets can't be written: {error}."))
}

/// The key with which the local system signs its requests.
pub fn system_key(secret: &[u8; 32]) -> Result<String, String> {
    let mut keys = secrets(secret)?.system_keys;
    keys.pop().map(|key| key.secret).ok_or_else(|| "There is no system.".to_owned())
}

/// The routes of every function, by its name in the template.
#[must_use]
pub fn routes() -> Vec<(&'static str, Described)> {
    vec![
        ("SignUp", sign_up::routes()),
        ("Points", points::routes()),
        ("Orders", orders::routes()),
        ("Privacy", privacy::routes()),
        ("Customers", customers::routes()),
        ("Segments", segments::routes()),
        ("Playbooks", playbooks::routes()),
        ("SegmentRecompute", segment_recompute::routes()),
        ("Tickets", tickets::routes()),
        ("Campaigns", campaigns::routes()),
        ("Tracking", tracking::routes()),
    ]
}

/// The description of the whole API, as `infra/openapi.json` holds it.
pub fn document() -> Result<Value, serde_json::Error> {
    description::document(routes())
}

/// A function's handler of what comes from queues, streams and schedules.
fn handler<R>(app: &App, handle: fn(App, Value) -> R) -> Handler
where
    R: Future<Output = Result<Value, String>> + Send + 'static,
{
    let app = app.clone();
    Arc::new(move |event| Box::pin(handle(app.clone(), event)))
}

/// Puts the product together.
pub async fn assemble(surroundings: &Surroundings) -> Result<Product, String> {
    let app = App::new(parts(surroundings)?);
    let (recompute, playbooks) = (handler(&app, segment_recompute::handle), handler(&app, playbooks::handle));
    let (requests, clocks) = (handler(&app, privacy::handle), handler(&app, tickets::handle));
    let (dispatch, sender) = (handler(&app, campaigns::handle), handler(&app, campaign_send::handle));
    let routers = routes().into_iter().map(|(name, routes)| (name.to_owned(), edge::service(&app, routes)));
    // Settings are read once before the first request, so that damaged ones are told at the start.
    app.programs().current().await.map_err(|error| format!("The programme's settings can't be read: {error:?}."))?;
    app.desks().current().await.map_err(|error| format!("The desk's settings can't be read: {error:?}."))?;
    let policy = app.privacy_policies().current().await;
    policy.map_err(|error| format!("The privacy policy can't be read: {error:?}."))?;
    Ok(Product {
        routers: routers.collect(),
        elsewhere: edge::service(&app, Answers::default()),
        overloaded: edge::overloaded(&app),
        handlers: Handlers::from([
            ("SegmentRecompute".to_owned(), recompute),
            ("Playbooks".to_owned(), playbooks),
            ("Tickets".to_owned(), clocks),
            ("Privacy".to_owned(), requests),
            ("Campaigns".to_owned(), dispatch),
            ("CampaignSend".to_owned(), sender),
        ]),
        app,
    })
}

/// What the app on this machine is made of; a test may put its own clock or randomness in before it builds one.
pub fn parts(surroundings: &Surroundings) -> Result<Parts, String> {
    let wrong = |error: Invalid| format!("The host's secrets can't be used: {error}.");
    let secrets = secrets(&surroundings.secret)?;
    let environment = surroundings.template.functions.first().map(|f| f.environment.clone()).unwrap_or_default();
    let queue = |name: &str| {
        let url = environment.get(name).cloned().ok_or_else(|| format!("template.yaml names no {name}"))?;
        Ok::<_, String>(Queue::new(surroundings.queues.clone(), url))
    };
    let settings = WeChatSettings {
        base_url: surroundings.wechat_url.clone(),
        app_id: WECHAT_APP_ID.to_owned(),
        secret: secrets.wechat_secret.clone(),
    };
    let wechat = Arc::new(WeChat::new(settings, Arc::new(HttpTransport::new())));
    Ok(Parts {
        table: Table::new(surroundings.table.clone(), Names::from_environment(|name| environment.get(name).cloned())?),
        queue: queue("RECOMPUTE_QUEUE")?,
        dispatch_queue: queue("DISPATCH_QUEUE")?,
        send_queue: queue("SEND_QUEUE")?,
        senders: senders(surroundings, &secrets, &wechat)?,
        doors: doors(surroundings, &secrets).map_err(wrong)?,
        clock: Arc::clone(&surroundings.clock) as Arc<dyn huitou::clock::Clock>,
        entropy: Arc::new(SystemEntropy),
        master: master_key(surroundings)?,
        lookup: secrets.lookup().map_err(wrong)?,
        objects: Arc::new(surroundings.objects.clone()),
        wechat,
        tokens: secrets.tokens().map_err(wrong)?,
        staff: surroundings
            .staff
            .clone()
            .map(|settings| Arc::new(Identity::new(settings, Arc::new(HttpTransport::new())))),
        systems: secrets.systems().map_err(wrong)?,
        cursors: secrets.cursors().map_err(wrong)?,
        audit_key: secrets.audit().map_err(wrong)?,
        smallest_group: SmallestGroup::USUAL,
        bearer_systems: true,
        // One process is all there is: what it saves, it knows.
        settings_fresh_for: Duration::from_hours(24),
        instances_follow_within: Duration::ZERO,
        own_name: Actor::parse("huitou").map_err(wrong)?,
    })
}

/// The providers' own clients, calling stand-ins; or the recorder in their stead.
fn senders(surroundings: &Surroundings, secrets: &Secrets, wechat: &Arc<WeChat>) -> Result<Senders, String> {
    let Some(providers) = &surroundings.providers else { return Ok(Senders::recording(&surroundings.recorder)) };
    let transport: Arc<dyn Transport> = Arc::new(HttpTransport::new());
    let clock = Arc::clone(&surroundings.clock) as Arc<dyn huitou::clock::Clock>;
    let line = Line { transport: Arc::clone(&transport), clock, entropy: Arc::new(SystemEntropy) };
    let identity = Credentials::new("stand-in", "stand-in", None, None, "the local host").into();
    // The stand-in of a webhook listens on this machine, so here its transport may reach it.
    let shop = Workshop { wechat: Arc::clone(wechat), line, public: transport, identity };
    providers
        .senders(&secrets.providers, &shop)
        .map_err(|error| format!("The host's providers can't be used: {error}."))
}

fn doors(surroundings: &Surroundings, secrets: &Secrets) -> Result<Doors, Invalid> {
    let providers = surroundings.providers.as_ref();
    Ok(Doors {
        pushes: secrets.pushes(WECHAT_APP_ID, providers.is_some_and(|providers| providers.plain_pushes))?,
        receipts: secrets.providers.receipts.clone().map(Secret),
        links: secrets.links()?,
        own_url: providers.and_then(|providers| providers.own_url.clone()),
    })
}

fn master_key(surroundings: &Surroundings) -> Result<Arc<dyn MasterKey>, String> {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let key = match &surroundings.directory {
        Some(directory) => {
            let path = directory.join("master.key");
            FileMasterKey::open_or_create(&path, entropy).map_err(|error| format!("{error}."))?
        }
        None => FileMasterKey::from_bytes(surroundings.secret, entropy),
    };
    Ok(Arc::new(GuardedKey(Arc::new(key))))
}

/// A token that the local host accepts.
pub fn token(secret: &[u8; 32], bearer: &Bearer) -> Result<String, String> {
    let role: Role = bearer.role.parse().map_err(|error| format!("{error}."))?;
    let subject = match (role, &bearer.member) {
        (Role::Member, Some(member)) => member.clone(),
        (Role::Member, None) => return Err("A member's token needs the member: add --member ID.".to_owned()),
        _ => bearer.subject.clone().unwrap_or_else(|| format!("dev-{role}")),
    };
    let issued = SystemClock.wall();
    let expires = issued.plus(TOKEN_LIFE);
    // A member's own session number is not known here; the highest one counts for any.
    let sessions = if role == Role::Member { u32::MAX } else { 0 };
    let tokens = secrets(secret)?.tokens().map_err(|error| format!("{error}."))?;
    let token = tokens.issue(&Claims { role, subject, sessions, issued, expires });
    tokens.check(&token, issued).map_err(|_| "The id or the name can't be used in a token.".to_owned())?;
    Ok(token)
}

/// Makes a programme the one that has been in force since the beginning.
pub async fn install_programme(app: &App, programme: &Value) -> Result<(), String> {
    let program: Program =
        serde_json::from_value(programme.clone()).map_err(|e| format!("The programme can't be read: {e}."))?;
    let programs = app.programs();
    let newest = programs.newest().await.map_err(|error| format!("{error:?}"))?;
    if newest.program == program {
        return Ok(());
    }
    let beginning = Moment::start_of(LocalDay::FIRST);
    let saved = programs.save(program, newest.version, Some(beginning), app.own_name()).await;
    saved.map(|_| ()).map_err(|error| format!("The programme can't be used: {error:?}."))
}
