//! One process of a function, and the line over which it asks for work.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::Fleet;
use super::runtime::Connection;

/// How long a process may take to ask for its first event. AWS gives ten seconds; a busy desk may need more.
const START: Duration = Duration::from_secs(30);

/// Who waits for the answer to an event.
type Waiting = oneshot::Sender<Result<Value, String>>;

/// One event on its way into a process.
pub(super) struct Call {
    pub(super) id: String,
    pub(super) event: Value,
    /// Milliseconds since 1970 until when an answer counts.
    pub(super) deadline: i64,
    answer: Waiting,
}

/// Where a process asks for events and leaves answers.
pub(super) struct Line {
    pub(super) function: String,
    calls: tokio::sync::Mutex<mpsc::Receiver<Call>>,
    open: Mutex<Option<(String, Waiting)>>,
    asked: watch::Sender<bool>,
}

impl Line {
    /// The next event, as soon as there is one; `None` when there will never be one.
    pub(super) async fn next(&self) -> Option<(String, Value, i64)> {
        self.asked.send_replace(true);
        let call = self.calls.lock().await.recv().await?;
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some((call.id.clone(), call.answer));
        Some((call.id, call.event, call.deadline))
    }

    /// Takes the answer to the event with this id; false when nobody waits for it.
    pub(super) fn answered(&self, id: &str, answer: Result<Value, String>) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take_if(|(open, _)| open == id);
        open.is_some_and(|(_, waiting)| waiting.send(answer).is_ok())
    }
}

/// The numbers of a function's processes in the system.
#[derive(Clone, Default)]
pub(super) struct Running(Arc<Mutex<BTreeSet<u32>>>);

/// The entry of one process, which goes when this is dropped.
struct Listed {
    process: Option<u32>,
    running: Running,
}

impl Running {
    pub(super) fn all(&self) -> Vec<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    fn list(&self, process: Option<u32>) -> Listed {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(process);
        Listed { process, running: self.clone() }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        if let Some(process) = self.process {
            self.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&process);
        }
    }
}

/// A process of a function. It is killed when this is dropped.
pub(super) struct Process {
    child: Child,
    calls: mpsc::Sender<Call>,
    _connection: Connection,
    _listed: Listed,
}

/// How a call ended.
pub(super) enum Ended {
    /// By an answer, or by an error that the function told: the process can take the next call.
    Told(Result<Value, String>),
    /// The process is of no use any more, for this reason.
    Lost(String),
}

impl Process {
    /// Starts the function's binary and waits until it asks for its first event.
    pub(super) async fn start(fleet: &Fleet) -> Result<Self, String> {
        let (sender, receiver) = mpsc::channel(1);
        let line = Line {
            function: fleet.function.clone(),
            calls: tokio::sync::Mutex::new(receiver),
            open: Mutex::default(),
            asked: watch::Sender::new(false),
        };
        let mut asked = line.asked.subscribe();
        let connection = fleet.exchange.connect(line);
        let mut command = limited(fleet);
        command.env_clear().envs(&fleet.environment).env("AWS_LAMBDA_RUNTIME_API", connection.address());
        // What it logs goes where the host's own log goes; stdout is for what the user asked for.
        command.stdin(Stdio::null()).stdout(std::io::stderr()).stderr(Stdio::inherit()).kill_on_drop(true);
        let mut child =
            command.spawn().map_err(|error| format!("{} could not be started: {error}", fleet.binary.display()))?;
        let listed = fleet.running.list(child.id());
        tokio::select! {
            _ = asked.wait_for(|asked| *asked) => {
                Ok(Self { child, calls: sender, _connection: connection, _listed: listed })
            }
            ended = child.wait() => Err(format!("the process ended before its first event: {ended:?}")),
            () = tokio::time::sleep(START) => Err(format!("the process did not start within {} s", START.as_secs())),
        }
    }

    /// Whether it still runs, as far as is known.
    pub(super) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// One event in, its outcome out, within the function's timeout.
    pub(super) async fn call(&mut self, id: String, event: Value, timeout: Duration) -> Ended {
        let (answer, mut answered) = oneshot::channel();
        let until = Instant::now() + timeout;
        let deadline = huitou::values::Moment::from(std::time::SystemTime::now()).plus(timeout).millis();
        if self.calls.send(Call { id, event, deadline, answer }).await.is_err() {
            return Ended::Lost("the process takes no events".to_owned());
        }
        tokio::select! {
            biased;
            told = &mut answered => match told {
                Ok(told) => Ended::Told(told),
                Err(_) => Ended::Lost("the process hung up".to_owned()),
            },
            ended = self.child.wait() => match (answered.try_recv(), ended) {
                // It answered with its last breath.
                (Ok(told), _) => Ended::Told(told),
                (Err(_), Ok(status)) => Ended::Lost(format!("the process ended in the midst of an event: {status}")),
                (Err(_), Err(error)) => Ended::Lost(format!("the process can't be watched: {error}")),
            },
            () = tokio::time::sleep_until(until) => {
                Ended::Lost(format!("the function did not end within {} s", timeout.as_secs()))
            }
        }
    }
}

/// The function's binary with no more memory than the template gives it, where the system can hold it to that.
fn limited(fleet: &Fleet) -> Command {
    let mut command = Command::new("/bin/sh");
    let kilobytes = u64::from(fleet.memory) * 1024;
    // A shell that can't limit says so and goes on without.
    command.arg("-c").arg(format!("ulimit -v {kilobytes} 2>/dev/null; exec \"$0\"")).arg(&fleet.binary);
    command
}
