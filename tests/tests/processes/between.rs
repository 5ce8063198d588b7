//! Between the functions' processes and AWS: what a test sets happens at one of their calls.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use http_body_util::BodyExt as _;
use local::template::Template;
use tests::{Call, House};
use tokio::net::TcpListener;

use crate::a_house_of_processes;

/// What happens to the processes of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// They are killed before the call arrives.
    KilledBefore,
    /// They are killed when the call has had its effect and its answer is on its way.
    KilledAfter,
    /// They are frozen after the call has had its effect.
    Frozen,
    /// They get no more memory, and the answer is larger than what they have.
    Starved,
}

/// A mishap at the n-th call of a function from now, counted from 1.
#[derive(Debug)]
struct Plan {
    function: &'static str,
    mishap: Mishap,
    call: u64,
    seen: u64,
}

/// The numbers of a function's processes.
type Processes = Box<dyn Fn(&str) -> Vec<u32> + Send + Sync>;

/// What stands between.
#[derive(Clone, Default)]
pub(crate) struct Between(Arc<Inner>);

#[derive(Default)]
struct Inner {
    host: OnceLock<SocketAddr>,
    processes: OnceLock<Processes>,
    plan: Mutex<Option<Plan>>,
}

/// A house whose processes reach AWS through what a test can interfere with.
pub(crate) async fn a_house_with_something_between(template: Template) -> (Arc<House>, Between) {
    let between = Between::default();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(pass).with_state(between.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let house = Arc::new(a_house_of_processes(template, Some(format!("http://{address}/dev/aws"))).await);
    between.0.host.set(house.host.address).unwrap();
    let known = Arc::downgrade(&house);
    let processes = move |function: &str| {
        let house = known.upgrade();
        house.and_then(|house| Some(house.host.lambda.as_ref()?.processes(function))).unwrap_or_default()
    };
    assert!(between.0.processes.set(Box::new(processes)).is_ok());
    (house, between)
}

impl Between {
    /// Sets what happens at the n-th call of a function from now.
    pub(crate) fn plans(&self, function: &'static str, mishap: Mishap, call: u64) {
        *self.0.plan.lock().unwrap() = Some(Plan { function, mishap, call, seen: 0 });
    }

    /// Whether what was set has happened; if it hasn't, it won't any more.
    pub(crate) fn happened(&self) -> bool {
        self.0.plan.lock().unwrap().take().is_none()
    }

    /// The mishap of this call.
    fn meets(&self, function: &str) -> Option<Mishap> {
        let mut plan = self.0.plan.lock().unwrap();
        let this = plan.as_mut().filter(|plan| plan.function == function)?;
        this.seen += 1;
        let mishap = (this.seen == this.call).then_some(this.mishap)?;
        *plan = None;
        Some(mishap)
    }

    fn each(&self, function: &str, command: &str, arguments: &[&str]) {
        for process in self.0.processes.get().unwrap()(function) {
            let process = process.to_string();
            let arguments = arguments.iter().map(|argument| argument.replace("PID", &process));
            assert!(Command::new(command).args(arguments).status().unwrap().success());
        }
    }
}

async fn pass(State(between): State<Between>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signer = text("authorization").split_once("Credential=").map(|(_, rest)| rest.split('/').next().unwrap());
    let function = signer.unwrap_or_default().to_owned();
    let mishap = between.meets(&function);
    if mishap == Some(Mishap::KilledBefore) {
        between.each(&function, "kill", &["-KILL", "PID"]);
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let body = body.collect().await.unwrap().to_bytes();
    let mut call = Call::new(*between.0.host.get().unwrap(), "POST", "/dev/aws").text(text("content-type"), body);
    for name in ["authorization", "x-amz-target"] {
        call = call.header(name, text(name));
    }
    let answer = call.send().await;
    let mut text = answer.text.to_vec();
    match mishap {
        Some(Mishap::KilledAfter) => between.each(&function, "kill", &["-KILL", "PID"]),
        Some(Mishap::Frozen) => between.each(&function, "kill", &["-STOP", "PID"]),
        Some(Mishap::Starved) => {
            between.each(&function, "prlimit", &["--pid=PID", "--as=4096"]);
            text.resize(64 << 20, b' ');
        }
        Some(Mishap::KilledBefore) | None => {}
    }
    let status = StatusCode::from_u16(answer.status).unwrap();
    let kind = answer.header("content-type").to_owned();
    (status, [(header::CONTENT_TYPE, kind)], text).into_response()
}
