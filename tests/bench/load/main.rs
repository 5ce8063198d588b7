//! How many requests a local host answers, and how that grows with the number of members.
//!
//! ```sh
//! cargo build --release -p local && cargo bench -p tests --bench load
//! cargo bench -p tests --bench load -- --members 1000000 --seconds 5    # growth, up to that many members
//! ```
//!
//! Beside it, in the same run, stands the least that a server with a table does: axum over one SQLite file. Both are
//! processes of their own on 127.0.0.1 and end with this one. Requests per second and their times belong to a machine
//! and to what else it does; processor time of the server for each request moves much less.
#![allow(clippy::print_stdout, reason = "a measurement is told")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that fails should stop at once"
)]

mod brand;
mod driver;
mod yardstick;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt as _};

use brand::{Ask, Brand};
use driver::{Load, drive};

/// The allocator of the local host, so that its table is filled as fast.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many requests are on their way at a time.
const CONNECTIONS: [usize; 3] = [1, 8, 64];

/// Members in a house whose requests are counted, and in the small house of two.
const FEW: u32 = 10_000;

/// How often the two houses take turns.
const TURNS: usize = 5;

/// A server that ends with this process.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it answers.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it, and reads from its first line where it answers.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap_or_else(|why| panic!("{command:?}: {why}"));
        let mut said = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut said, &mut line).unwrap();
        // Whatever else it says goes nowhere, but it may say it.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let address = line.split_once("http://").unwrap_or_else(|| panic!("it said {line:?}")).1;
        let address = address.split(|sign: char| !(sign.is_ascii_digit() || ".:".contains(sign))).next();
        Self { child, address: address.unwrap().parse().unwrap() }
    }

    /// The processor time that it has had, of all its threads.
    pub(crate) fn processor(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let of = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("schedstat")).ok();
        let nanoseconds = |text: String| text.split(' ').next().and_then(|first| first.parse::<u64>().ok());
        Duration::from_nanos(tasks.filter_map(|task| of(task.ok()?).and_then(nanoseconds)).sum())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Options {
    seconds: Duration,
    local: PathBuf,
    /// Up to how many members the growth is measured; not at all when none are said.
    members: Option<u32>,
}

fn options() -> Result<Option<Options>, lexopt::Error> {
    let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.parent()?.join("local")));
    let mut options =
        Options { seconds: Duration::from_secs(4), local: beside.unwrap_or_else(|| "local".into()), members: None };
    let mut parser = Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("bench") => {} // cargo's own
            Arg::Long("seconds") => options.seconds = Duration::from_secs(parser.value()?.parse()?),
            Arg::Long("local") => options.local = parser.value()?.into(),
            Arg::Long("members") => options.members = Some(parser.value()?.parse()?),
            Arg::Value(word) if word == "yardstick" => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

fn main() {
    let options = options().unwrap_or_else(|why| panic!("{why}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        match options {
            None => yardstick::serve().await,
            Some(options) => match options.members {
                Some(members) => growth(&options, members).await,
                None => throughput(&options).await,
            },
        }
    });
}

fn row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

fn measured(what: &str, of: usize, load: &Load) -> [String; 6] {
    let ms = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
    let rate = format!("{:.0}", load.per_second);
    let each = format!("{:.0}", load.processor.as_secs_f64() * 1e6);
    [what.to_owned(), of.to_string(), rate, ms(load.middle), ms(load.slow), each]
}

async fn throughput(options: &Options) {
    let work = brand::scratch();
    let yardstick = yardstick::start(work.path());
    let brand = Brand::with_members(FEW, &work.path().join("house"), &options.local).await;
    let asks = brand.requests().await;
    println!("| request | connections | requests/s | p50 ms | p99 ms | server's processor time, µs |");
    println!("|---|---|---|---|---|---|");
    for connections in CONNECTIONS {
        for ask in [yardstick::read(), yardstick::write()] {
            let load = drive(&yardstick, connections, options.seconds, &ask).await;
            row(&measured(ask.name, connections, &load));
        }
        for ask in &asks {
            let load = drive(&brand.host, connections, options.seconds, ask).await;
            row(&measured(ask.name, connections, &load));
        }
    }
}

/// The same requests in a small and a large house, by turns.
async fn growth(options: &Options, members: u32) {
    let work = brand::scratch();
    let small = Brand::with_members(FEW.min(members / 10), &work.path().join("small"), &options.local).await;
    let large = Brand::with_members(members, &work.path().join("large"), &options.local).await;
    println!("| request | members | requests/s | p50 ms | p99 ms | server's processor time, µs |");
    println!("|---|---|---|---|---|---|");
    let pairs: Vec<(Ask, Ask)> = small.requests().await.into_iter().zip(large.requests().await).collect();
    for (in_small, in_large) in pairs {
        let mut loads: [Vec<Load>; 2] = Default::default();
        for _ in 0..TURNS {
            loads[0].push(drive(&small.host, 8, options.seconds, &in_small).await);
            loads[1].push(drive(&large.host, 8, options.seconds, &in_large).await);
        }
        let [few, many] = loads.map(Load::median);
        row(&measured(in_small.name, small.members as usize, &few));
        row(&measured(in_large.name, members as usize, &many));
        let slower = |before: f64, after: f64| format!("{:+.0} %", (after / before - 1.0) * 100.0);
        row(&[
            in_small.name.to_owned(),
            "difference".to_owned(),
            slower(few.per_second, many.per_second),
            slower(few.middle.as_secs_f64(), many.middle.as_secs_f64()),
            slower(few.slow.as_secs_f64(), many.slow.as_secs_f64()),
            slower(few.processor.as_secs_f64(), many.processor.as_secs_f64()),
        ]);
    }
}
