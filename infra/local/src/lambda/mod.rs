//! Lambda on this machine: the functions' own binaries, each call in a process that does nothing else meanwhile.
//!
//! With `--binaries` this stands in the place of the routers and handlers in the host's own process. What a process
//! does to itself stays with it then, as on AWS: when it panics, ends, hangs or wants more memory than there is, its
//! call fails and the next one finds another process.

mod event;
mod process;
mod runtime;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use self::process::{Ended, Process, Running};
use self::runtime::Exchange;
use crate::cloud::{self, Cloud};
use crate::handler::{Handler, Handlers};
use crate::template::{Function, LOCAL_REGION};
use crate::wire::Surroundings;

/// Requests that may be under way at once, if nothing else is said, and so processes of one function. On AWS there are
/// a thousand, on a desk a few do.
pub const USUAL_CONCURRENCY: usize = 16;

/// Processes of a function beyond those of requests and of its queues: for a schedule, and for whoever watches.
const BESIDES: usize = 2;

/// Which binaries to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// Where they lie, under the names that the template gives them.
    pub directory: PathBuf,
    /// Where the functions reach AWS, if not at this host itself.
    pub aws: Option<String>,
}

/// One function: its processes that wait for work, and what a new one is started with.
struct Fleet {
    function: String,
    binary: PathBuf,
    environment: BTreeMap<String, String>,
    /// Megabytes.
    memory: u32,
    timeout: Duration,
    exchange: Exchange,
    free: Semaphore,
    idle: Mutex<Vec<Process>>,
    running: Running,
    calls: AtomicU64,
}

/// All functions, ready to be called, and the address at which their processes reach the host.
pub struct Lambda {
    fleets: Vec<(Function, Arc<Fleet>)>,
    serving: JoinHandle<()>,
}

impl fmt::Debug for Lambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lambda").field("functions", &self.fleets.len()).finish_non_exhaustive()
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Lambda {
    /// Opens the address for the processes; they are started when they are needed. An error is a sentence.
    ///
    /// Each function has a process for every request that may be under way, and others for its queues and schedules:
    /// neither waits for the other.
    pub async fn start(
        binaries: &Binaries,
        concurrency: usize,
        surroundings: &Surroundings,
        cloud: &Cloud,
    ) -> Result<Self, String> {
        let no_port = |error| format!("The functions' processes found no free port on 127.0.0.1: {error}.");
        // An address of their own, which still answers while the host's own door closes.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(no_port)?;
        let address = listener.local_addr().map_err(no_port)?;
        let exchange = Exchange::new(address);
        let aws = binaries.aws.clone().unwrap_or_else(|| format!("http://{address}{}", cloud::PATH));
        let fleet = |function: &Function| {
            let environment = environment(function, surroundings, &aws, address)?;
            let binary = binary(&binaries.directory, function)?;
            let of_queues: usize = function.queues.iter().map(|feed| usize::from(feed.max_concurrency)).sum();
            let most = concurrency.saturating_add(of_queues).saturating_add(BESIDES);
            Ok((function.clone(), Arc::new(Fleet::new(function, binary, environment, exchange.clone(), most))))
        };
        let fleets = surroundings.template.functions.iter().map(fleet).collect::<Result<_, String>>()?;
        let router = exchange.router().merge(cloud.router()).merge(surroundings.objects.s3_router());
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the functions' processes can't reach the host any more");
            }
        });
        Ok(Self { fleets, serving })
    }

    /// The processes of a function, by their numbers in the system.
    #[must_use]
    pub fn processes(&self, function: &str) -> Vec<u32> {
        let fleet = self.fleets.iter().find(|(known, _)| known.logical == function);
        fleet.map(|(_, fleet)| fleet.running.all()).unwrap_or_default()
    }

    /// A router for every function that has routes.
    #[must_use]
    pub fn routers(&self) -> Vec<(String, Router)> {
        let with_routes = self.fleets.iter().filter(|(function, _)| !function.routes.is_empty());
        with_routes.map(|(function, fleet)| (function.logical.clone(), over(fleet))).collect()
    }

    /// A handler for every function.
    #[must_use]
    pub fn handlers(&self) -> Handlers {
        let handler = |fleet: &Arc<Fleet>| -> Handler {
            let fleet = Arc::clone(fleet);
            Arc::new(move |event| Box::pin(Arc::clone(&fleet).call(event)))
        };
        let all = self.fleets.iter().map(|(function, fleet)| (function.logical.clone(), handler(fleet)));
        all.collect::<HashMap<_, _>>()
    }
}

fn over(fleet: &Arc<Fleet>) -> Router {
    let fleet = Arc::clone(fleet);
    Router::new().fallback(move |request: Request| {
        let fleet = Arc::clone(&fleet);
        async move {
            match event::of(request).await {
                Ok(event) => event::answer(fleet.call(event).await),
                Err(refusal) => refusal,
            }
        }
    })
}

fn binary(directory: &Path, function: &Function) -> Result<PathBuf, String> {
    let path = directory.join(&function.binary);
    if path.is_file() {
        return std::path::absolute(&path).map_err(|error| format!("{} has no place: {error}.", path.display()));
    }
    Err(format!(
        "There is no {} in {}: build it with cargo build --workspace --bins, and --release for target/release.",
        function.binary,
        directory.display()
    ))
}

/// What a process of the function finds in its environment, with AWS and the host at these addresses: what the template
/// says, and what Lambda adds.
pub fn environment(
    function: &Function,
    surroundings: &Surroundings,
    aws: &str,
    address: SocketAddr,
) -> Result<BTreeMap<String, String>, String> {
    let mut variables = function.environment.clone();
    let providers = surroundings.providers.clone().unwrap_or_default();
    // A function reaches webhooks at public addresses only, and the stand-in for one is on this machine.
    let providers = huitou::channels::settings::ProviderSettings { webhook: None, ..providers };
    let providers = serde_json::to_string(&providers).map_err(|error| format!("The providers: {error}."))?;
    let level = std::env::var("HUITOU_LOG").unwrap_or_else(|_| "warn".to_owned());
    variables.extend(
        [
            ("HUITOU_LOG", level.as_str()),
            // Nobody counts the figures of a desk.
            ("HUITOU_METRICS", "off"),
            ("SECRETS_ARN", "local"),
            ("ATTACHMENTS_URL", &format!("http://{address}{}", crate::objects::S3_PATH)),
            ("WECHAT_APP_ID", crate::standin::WECHAT_APP_ID),
            ("WECHAT_BASE_URL", &surroundings.wechat_url),
            ("PROVIDERS", &providers),
            ("AWS_ENDPOINT_URL", aws),
            ("AWS_REGION", LOCAL_REGION),
            // By this name the host knows whose policies count.
            ("AWS_ACCESS_KEY_ID", &function.logical),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_LAMBDA_FUNCTION_NAME", &function.logical),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &function.memory.to_string()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", &function.logical),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "local"),
            // Each pool of memory that a thread opens would count as used against the limit, however little is in it.
            ("MALLOC_ARENA_MAX", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    Ok(variables)
}

impl Fleet {
    fn new(
        function: &Function,
        binary: PathBuf,
        environment: BTreeMap<String, String>,
        exchange: Exchange,
        most: usize,
    ) -> Self {
        Self {
            function: function.logical.clone(),
            binary,
            environment,
            memory: function.memory,
            timeout: function.timeout,
            exchange,
            free: Semaphore::new(most.min(Semaphore::MAX_PERMITS)),
            idle: Mutex::default(),
            running: Running::default(),
            calls: AtomicU64::new(0),
        }
    }

    /// One event in, an answer or an error out. It goes on when nobody waits for it any more, as on AWS.
    async fn call(self: Arc<Self>, event: Value) -> Result<Value, String> {
        match tokio::spawn(self.carry_out(event)).await {
            Ok(answer) => answer,
            Err(failure) if failure.is_cancelled() => std::future::pending().await,
            Err(failure) => Err(failure.to_string()),
        }
    }

    async fn carry_out(self: Arc<Self>, event: Value) -> Result<Value, String> {
        let _permit = self.free.acquire().await.map_err(|error| error.to_string())?;
        let mut process = match self.waiting() {
            Some(process) => process,
            None => Process::start(&self).await.inspect_err(|why| self.lost(why))?,
        };
        let id = format!("{}-{}", self.function, self.calls.fetch_add(1, Ordering::Relaxed));
        match process.call(id, event, self.timeout).await {
            Ended::Told(answer) => {
                self.idle().push(process);
                answer
            }
            Ended::Lost(why) => {
                self.lost(&why);
                Err(why)
            }
        }
    }

    fn lost(&self, why: &str) {
        tracing::error!(function = self.function, why, "a process was lost");
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Process>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process that waits for work; those that have died while they waited are forgotten.
    fn waiting(&self) -> Option<Process> {
        let mut idle = self.idle();
        std::iter::from_fn(|| idle.pop()).find_map(|mut process| process.runs().then_some(process))
    }
}
