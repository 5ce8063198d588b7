//! The host itself: everything that the template names, started together and stopped together.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::serve::ListenerExt as _;
use huitou::app::App;
use huitou::channels::Recorder;
use huitou::clock::Clock as _;
use huitou::trust::oidc::Settings;
use huitou::values::Moment;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::clock::DevClock;
use crate::cloud::{self, Cloud};
use crate::data_dir::{DataDir, DataError, random_secret, secret};
use crate::gateway::{self, Gateway};
use crate::in_process::Service as _;
use crate::issuer::{self, Issuer};
use crate::lambda::{self, Binaries, Lambda};
use crate::objects::LocalObjects;
use crate::pump::Pump;
use crate::queue::Queues;
use crate::schedule::Scheduler;
use crate::standin::play::{self, Play};
use crate::standin::{Outbox, StandIns};
use crate::stop::{Stop, StopSource};
use crate::stream::Streaming;
use crate::table::Embedded;
use crate::template::{Function, Table, Template, TemplateError};
use crate::wire::{self, Product, Surroundings};
use crate::workbench::{self, Workbench};

/// AWS removes expired items within two days; here it need not be sooner than this either.
const REMOVE_EXPIRED_EVERY: Duration = Duration::from_mins(10);
/// A clock that is being moved is often moved again at once.
const CLOCK_SETTLES: Duration = Duration::from_secs(30);
/// How long running calls may take to end once the host was asked to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a host is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Where data is kept.
    pub store: Store,
    /// What time it is to be for business; real time for `None`.
    pub clock: Option<Moment>,
    /// The functions' own binaries, to be run in processes of their own; without them the functions run in this one.
    pub binaries: Option<Binaries>,
    /// How many requests may be under way at once, as many as is usual for `None`; all others are turned away.
    pub concurrency: Option<usize>,
}

/// Where data is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// In a directory, which is made if it is missing.
    Directory(PathBuf),
    /// Nowhere: it is gone when the host ends.
    Memory,
}

/// Why a host did not start, as one sentence that says how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartError(String);

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

impl From<DataError> for StartError {
    fn from(error: DataError) -> Self {
        Self(error.to_string())
    }
}

impl From<TemplateError> for StartError {
    fn from(error: TemplateError) -> Self {
        Self(error.to_string())
    }
}

/// A host that is running.
#[derive(Debug)]
pub struct Host {
    /// Where it answers.
    pub address: SocketAddr,
    /// Business time.
    pub clock: Arc<DevClock>,
    /// The embedded table.
    pub table: Embedded,
    /// The queue server.
    pub queues: Queues,
    /// What was sent through the stand-in providers.
    pub outbox: Outbox,
    /// What the functions found around them.
    pub surroundings: Surroundings,
    /// The app behind all functions.
    pub app: App,
    /// The schedules.
    pub scheduler: Arc<Scheduler>,
    standins: StandIns,
    stop: StopSource,
    tasks: JoinSet<()>,
    /// The functions as processes of their own, if they are.
    pub lambda: Option<Lambda>,
    _data: Option<DataDir>,
}

impl Host {
    /// Starts everything. When it returns, requests are answered.
    pub async fn start(options: &Options) -> Result<Self, StartError> {
        Self::start_of(Template::shipped()?, options).await
    }

    /// Starts what another template names, of which this build knows the functions.
    pub async fn start_of(template: Template, options: &Options) -> Result<Self, StartError> {
        if options.binaries.is_some() && options.clock.is_some() {
            let sentence = "The functions' own binaries go by real time: leave out --clock or --binaries.";
            return Err(StartError(sentence.to_owned()));
        }
        let listener = listen(options.port).await?;
        let address = listener.local_addr().map_err(|e| StartError(format!("The port could not be opened: {e}.")))?;
        let (data, secret) = match &options.store {
            Store::Directory(path) => (Some(DataDir::open(path)?), secret(path)?),
            Store::Memory => (None, random_secret()?),
        };
        let file = |name: &str| data.as_ref().map(|d| d.file(name));
        let table = Embedded::open(file("table.sqlite").as_deref(), &template.tables)?;
        let queues = Queues::open(file("queue.sqlite").as_deref(), &template.queues)?;
        let clock = Arc::new(DevClock::new());
        if let Some(moment) = options.clock {
            clock.set(moment);
        }
        let stop = StopSource::new();
        let standins = StandIns::start(stop.listen())
            .await
            .map_err(|e| StartError(format!("The stand-in providers found no free port on 127.0.0.1: {e}.")))?;
        let surroundings = Surroundings {
            template,
            table: table.aws(),
            queues: queues.aws(),
            clock: Arc::clone(&clock),
            objects: LocalObjects::new(file("objects"), &format!("http://{address}"), secret),
            providers: Some(standins.providers(&format!("http://{address}"))),
            recorder: Recorder::default(),
            wechat_url: standins.wechat_url(),
            staff: Some(provider_of_staff(&format!("http://{address}"))?),
            secret,
            directory: data.as_ref().map(|data| data.file("")),
        };
        let mut product = wire::assemble(&surroundings).await.map_err(StartError)?.held_to(&surroundings.template);
        let cloud = Cloud::new(
            &surroundings.template,
            table.clone(),
            queues.clone(),
            Arc::clone(&product.app.parts().master),
            wire::secrets_text(&surroundings.secret).map_err(StartError)?,
        );
        let usual = if options.binaries.is_some() { lambda::USUAL_CONCURRENCY } else { gateway::USUAL_CONCURRENCY };
        let concurrency = options.concurrency.unwrap_or(usual);
        let mut lambda = None;
        if let Some(binaries) = &options.binaries {
            let started = Lambda::start(binaries, concurrency, &surroundings, &cloud).await.map_err(StartError)?;
            (product.routers, product.handlers) = (started.routers(), started.handlers());
            lambda = Some(started);
        }
        let scheduler = Scheduler::new(&surroundings.template, &product.handlers, Arc::clone(&clock))?;
        let mut host = Self {
            app: product.app.clone(),
            scheduler: Arc::new(scheduler),
            address,
            clock,
            table,
            queues,
            outbox: standins.outbox.clone(),
            surroundings,
            standins,
            stop,
            tasks: JoinSet::new(),
            lambda,
            _data: data,
        };
        host.set_going(listener, product, &cloud, concurrency)?;
        Ok(host)
    }

    fn set_going(
        &mut self,
        listener: TcpListener,
        product: Product,
        cloud: &Cloud,
        concurrency: usize,
    ) -> Result<(), StartError> {
        let template = &self.surroundings.template;
        let scheduler = Arc::clone(&self.scheduler);
        let pump = Pump::new(template, &product.handlers, &self.queues)?;
        let streaming = Streaming::new(template, &product.handlers, &self.table, &self.queues)?;
        let ceiling = (concurrency, product.overloaded);
        let gateway = Gateway::new(template, product.routers, product.elsewhere, ceiling)?;
        let bench = Workbench {
            clock: Arc::clone(&self.clock),
            scheduler: Arc::clone(&scheduler),
            outbox: self.outbox.clone(),
            queues: self.queues.clone(),
            processes: self.lambda.is_some(),
            environments: Arc::new(self.environments()?),
        };
        let secrets = wire::secrets(&self.surroundings.secret).map_err(StartError)?;
        let play = Play {
            outbox: self.outbox.clone(),
            modes: self.standins.modes.clone(),
            receipts: secrets.providers.receipts.unwrap_or_default(),
            gateway: gateway.clone(),
            clock: Arc::clone(&self.clock),
        };
        let sweeping = remove_expired(self.table.clone(), template.tables.clone(), Arc::clone(&self.clock));
        let issuer = Issuer::new(&self.url()).map_err(|why| StartError(format!("The development issuer: {why}.")))?;
        let app = workbench::router(bench)
            .merge(issuer.router())
            .merge(cloud.router())
            .merge(play::router(play))
            .merge(self.surroundings.objects.router())
            .merge(self.surroundings.objects.s3_router())
            .fallback(move |request: Request| gateway.clone().answer(request));
        self.tasks.spawn(serve(listener, app, self.stop.listen()));
        self.tasks.spawn(pump.run(self.stop.listen()));
        self.tasks.spawn(streaming.run(self.stop.listen()));
        let stop = self.stop.listen();
        self.tasks.spawn(async move { scheduler.run(stop).await });
        let stop = self.stop.listen();
        self.tasks.spawn(async move {
            tokio::select! {
                () = sweeping => {}
                () = stop.asked() => {}
            }
        });
        Ok(())
    }

    fn environments(&self) -> Result<BTreeMap<String, BTreeMap<String, String>>, StartError> {
        let aws = format!("{}{}", self.url(), cloud::PATH);
        let of = |function: &Function| {
            let variables =
                lambda::environment(function, &self.surroundings, &aws, self.address).map_err(StartError)?;
            Ok((function.logical.clone(), variables))
        };
        self.surroundings.template.functions.iter().map(of).collect()
    }

    /// Where it answers, as `http://127.0.0.1:3000`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops taking requests, lets running ones end, and returns when everything has.
    pub async fn stop(mut self) {
        self.stop.stop();
        self.standins.end();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, ended).await.is_err() {
            tracing::warn!("some calls did not end in time; what they had not finished comes again at the next start");
            self.tasks.shutdown().await;
        }
        // Only now: whoever was still at work needed the table.
        drop(self.lambda);
    }
}

/// Whose staff tokens are believed: a provider that the environment names as the functions' does, or the development
/// issuer of this host.
fn provider_of_staff(url: &str) -> Result<Settings, StartError> {
    let named = std::env::var("STAFF_IDENTITY").unwrap_or_default();
    let named = Settings::read(&named).map_err(|wanted| StartError(format!("STAFF_IDENTITY must be {wanted}.")))?;
    Ok(named.unwrap_or_else(|| issuer::settings(url)))
}

async fn listen(port: u16) -> Result<TcpListener, StartError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| {
        StartError(match error.kind() {
            ErrorKind::AddrInUse => {
                format!("Port {port} is taken: stop the other program or choose another with --port.")
            }
            ErrorKind::PermissionDenied => {
                format!("Port {port} may not be opened by this user: choose one above 1023 with --port.")
            }
            _ => format!("Port {port} could not be opened ({error}): choose another with --port."),
        })
    })
}

async fn serve(listener: TcpListener, app: Router, stop: Stop) {
    let listener = listener.tap_io(|stream| {
        // Small answers must not wait for the client's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps Nagle's algorithm");
        }
    });
    if let Err(error) = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(stop.asked())
        .await
    {
        tracing::error!(%error, "the server ended");
    }
}

/// Removes expired items now and then, and soon after the clock was moved.
async fn remove_expired(table: Embedded, tables: Vec<Table>, clock: Arc<DevClock>) {
    let mut moves = clock.moves();
    loop {
        tokio::select! {
            () = tokio::time::sleep(REMOVE_EXPIRED_EVERY) => {}
            Ok(()) = moves.changed() => tokio::time::sleep(CLOCK_SETTLES).await,
        }
        let (table, tables, now) = (table.clone(), tables.clone(), clock.now());
        match tokio::task::spawn_blocking(move || table.remove_expired(&tables, now)).await {
            Ok(Ok(removed)) => tracing::debug!(removed, "expired items are gone"),
            Ok(Err(error)) => tracing::error!(%error, "expired items stay"),
            Err(error) => tracing::error!(%error, "expired items stay"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::data_dir::tests::scratch;
    use crate::demo::client::Connection;

    fn in_memory() -> Options {
        Options { port: 0, store: Store::Memory, clock: None, binaries: None, concurrency: None }
    }

    async fn ask(host: &Host, method: &str, path: &str, body: Value) -> (u16, Value) {
        let mut connection = Connection::new(host.address, None);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, bytes) = connection.send(method, path, &body).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    #[tokio::test]
    async fn a_host_answers_the_listed_routes_and_no_other() {
        let host = Host::start(&in_memory()).await.unwrap();
        assert_eq!(ask(&host, "GET", "/health", Value::Null).await.0, 200);
        let (status, problem) = ask(&host, "GET", "/v1/nothing", Value::Null).await;
        assert_eq!((status, &problem["code"]), (404, &json!("not_found")));
        host.stop().await;
    }

    #[tokio::test]
    async fn the_clock_is_shown_and_moved_over_http() {
        let host = Host::start(&in_memory()).await.unwrap();
        let (status, moved) = ask(&host, "POST", "/dev/clock", json!({ "now": "1998-06-30T23:00:00+08:00" })).await;
        assert_eq!((status, &moved["fired"]), (200, &json!([])));
        let (_, moved) = ask(&host, "POST", "/dev/clock", json!({ "advance_seconds": 7200 })).await;
        let fired = moved["fired"].as_array().unwrap();
        assert!(fired.contains(&json!({ "schedule": "Nightly", "at": "1998-07-01T00:05:00+08:00" })), "{moved}");
        let (_, shown) = ask(&host, "GET", "/dev/clock", Value::Null).await;
        assert!(shown["now"].as_str().unwrap().starts_with("1998-07-01T01:00"));
        for wrong in [json!({}), json!({ "now": "yesterday" }), json!({ "then": 1 })] {
            assert_eq!(ask(&host, "POST", "/dev/clock", wrong).await.0, 400);
        }
        host.stop().await;
    }

    #[tokio::test]
    async fn queues_and_outbox_can_be_looked_into() {
        let host = Host::start(&in_memory()).await.unwrap();
        let (_, queues) = ask(&host, "GET", "/dev/queues", Value::Null).await;
        assert_eq!(queues["RecomputeDeadLetters"], json!({ "visible": 0, "in_flight": 0, "delayed": 0 }));
        host.outbox.note("wechat", "anna", "t1", json!({}));
        let (_, outbox) = ask(&host, "GET", "/dev/outbox?to=anna", Value::Null).await;
        assert_eq!((&outbox["total"], &outbox["messages"][0]["to"]), (&json!(1), &json!("anna")));
        host.stop().await;
    }

    #[tokio::test]
    async fn a_taken_port_is_said_in_a_sentence() {
        let host = Host::start(&in_memory()).await.unwrap();
        let port = host.address.port();
        let refusal = Host::start(&Options { port, ..in_memory() }).await.unwrap_err().to_string();
        assert_eq!(refusal, format!("Port {port} is taken: stop the other program or choose another with --port."));
        host.stop().await;
    }

    #[tokio::test]
    async fn a_directory_is_free_again_when_its_host_has_stopped() {
        let options = Options { store: Store::Directory(scratch("host").join("data")), ..in_memory() };
        let first = Host::start(&options).await.unwrap();
        let refusal = Host::start(&options).await.unwrap_err().to_string();
        assert!(refusal.contains("in use by another local host"), "{refusal}");
        first.stop().await;
        Host::start(&options).await.unwrap().stop().await;
    }
}
