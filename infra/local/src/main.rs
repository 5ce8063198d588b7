//! The local host's command.

use std::io::Write as _;
use std::process::ExitCode;

use local::cli;
use local::commands;
use tracing::level_filters::LevelFilter;

/// The embedded table takes and gives back memory all the time: a third of the host's work with the system's allocator.
#[cfg(not(target_env = "musl"))] // where the common crate brings one
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(sentence) => return complain(&sentence, 2),
    };
    let level = std::env::var("HUITOU_LOG").ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::WARN);
    tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
    // A thread that waits for the table's lock, or decodes a page of a scan, must not be the only one.
    let threads = std::thread::available_parallelism().map_or(4, |n| n.get().max(4));
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&format!("The machine gives no threads: {error}."), 1),
    };
    match runtime.block_on(commands::perform(command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => complain(&sentence, 1),
    }
}

fn complain(sentence: &str, code: u8) -> ExitCode {
    // Without a stderr there is nobody to tell; the exit code remains.
    let _ = writeln!(std::io::stderr(), "{sentence}");
    ExitCode::from(code)
}
