//! What each command does, and what it says.

use std::fmt::Write as _;
use std::fs;
use std::io::{Write as _, stderr, stdout};
use std::path::Path;

use huitou::clock::Clock as _;
use huitou::domain::days::Window;
use huitou::domain::program::Shipped;
use huitou::values::Moment;
use serde_json::json;

use crate::backup;
use crate::cli::{Command, Demo, HELP, Run};
use crate::data_dir;
use crate::demo::client::Connection;
use crate::demo::csv;
use crate::demo::import::{self, Imported};
use crate::demo::log::{Log, cdnow_path, read_cdnow};
use crate::demo::migration::{self, Placing};
use crate::demo::progress::Progress;
use crate::demo::summary;
use crate::demo::wake_up;
use crate::host::{Host, Options};
use crate::queue::Queues;
use crate::template::Template;
use crate::wire::{self, Bearer, ROLES};

/// Lines of a log that are told when they can't be read; the others are counted.
const BAD_LINES_TOLD: usize = 20;

/// Carries a command out; an error is one sentence for the user.
pub async fn perform(command: Command) -> Result<(), String> {
    match command {
        Command::Help => print(HELP),
        Command::Token { bearer, data } => {
            let secret = data_dir::secret(&data).map_err(|e| e.to_string())?;
            print(&wire::token(&secret, &bearer)?);
        }
        Command::Redrive { queue, data } => print(&redrive(&queue, &data)?),
        Command::Backup { file, data } => {
            let copied = backup::back_up(&file, &data).map_err(|e| e.to_string())?;
            print(&format!(
                "{} holds {}. Keep secret and master.key of {} elsewhere: without them nobody can read it.",
                file.display(),
                told_of(&copied),
                data.display()
            ));
        }
        Command::Restore { file, data } => {
            let copied = backup::restore(&file, &data).map_err(|e| e.to_string())?;
            print(&format!(
                "{} holds {} again. Whoever has left since the backup has to be erased anew.",
                data.display(),
                told_of(&copied)
            ));
        }
        Command::Run(run) => {
            let host = start(&run).await?;
            print(&greeting(&host).await);
            until_asked_to_stop(host).await;
        }
        Command::Demo(demo) => perform_demo(&demo).await?,
    }
    Ok(())
}

fn told_of(copied: &backup::Copied) -> String {
    format!("{} files of {} bytes (SHA-256 of the backup: {})", copied.parts, copied.bytes, copied.sha256)
}

/// Puts dead letters back into the queue that gave them up. The lock keeps a running host and this apart.
fn redrive(queue: &str, data: &Path) -> Result<String, String> {
    let directory = data_dir::DataDir::open(data).map_err(|e| e.to_string())?;
    let template = Template::shipped().map_err(|e| e.to_string())?;
    let queues = Queues::open(Some(&directory.file("queue.sqlite")), &template.queues).map_err(|e| e.to_string())?;
    let moved = queues.redrive(queue, None).map_err(|refusal| format!("{queue} can't be redriven: {refusal}."))?;
    Ok(format!("{moved} dead letters of {queue} are back in their queue; they go when the host runs."))
}

async fn start(run: &Run) -> Result<Host, String> {
    let programme = run.programme.as_deref().map(read_programme).transpose()?;
    let host = Host::start(&run.host).await.map_err(|e| e.to_string())?;
    if let Some(programme) = programme {
        wire::install_programme(&host.app, &programme).await?;
    }
    Ok(host)
}

fn read_programme(path: &Path) -> Result<serde_json::Value, String> {
    let text = read_text(path)?;
    serde_json::from_str(&text).map_err(|e| format!("The programme in {} is not JSON: {e}.", path.display()))
}

fn read_text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("The file {} can't be read: {e}.", path.display()))
}

async fn perform_demo(demo: &Demo) -> Result<(), String> {
    let log = read_log(demo)?.until(demo.run.host.clock.map(Moment::day));
    let host = start(&at_its_beginning(&demo.run, &log)).await?;
    if demo.run.programme.is_none() {
        wire::install_programme(&host.app, &demo_programme()?).await?;
    }
    let till = Bearer { role: "system".to_owned(), member: None, subject: Some("demo".to_owned()) };
    let token = wire::token(&host.surroundings.secret, &till)?;
    tell(&format!("Loading {} orders through {}/v1/orders ...", log.purchases.len(), host.url()));
    // The nights in between would be done one after the other, and all of them is what the settling below does.
    host.scheduler.rest(true);
    let before = Placing::read(&host.app).await?;
    let (imported, operator) = Box::pin(load(demo, &host, &token, log)).await?;
    tell(&told(&imported));
    if let Some(clock) = demo.run.host.clock {
        host.clock.set(clock);
    }
    tell("Settling what time has changed, and proving every account ...");
    summary::settle(&host.app).await?;
    let mut summary = summary::add_up(&host.app).await?.json();
    let moves = before.moves(&Placing::read(&host.app).await?);
    host.scheduler.rest(false);
    if let Some(object) = summary.as_object_mut() {
        object.insert("orders".to_owned(), json!(imported.orders() - imported.rejected));
        object.insert("customers".to_owned(), json!(imported.customers));
        object.insert("seconds".to_owned(), json!(imported.elapsed.as_secs()));
        object.insert("moves".to_owned(), json!(moves));
    }
    let report = match operator {
        Some(mut operator) => Some(operator.reads_the_report().await?),
        None => None,
    };
    if let (Some(object), Some(report)) = (summary.as_object_mut(), &report) {
        object.insert("campaign".to_owned(), report.clone());
    }
    if demo.json {
        print(&summary.to_string());
    } else {
        print(&summary::for_people(&summary));
        if !moves.is_empty() {
            print(&format!("\n  moved between value segments since the run before{}", migration::for_people(&moves)));
        }
    }
    if let (false, Some(report)) = (demo.json, &report) {
        print(&wake_up::for_people(report));
    }
    if demo.exit {
        host.stop().await;
    } else {
        let greeting = greeting(&host).await;
        if demo.json {
            tell(&greeting);
        } else {
            print(&greeting);
        }
        until_asked_to_stop(host).await;
    }
    Ok(())
}

/// Loads a log. In the midst of it the campaign is launched, if one is asked for: what comes after is what its customers
/// really did.
async fn load(
    demo: &Demo,
    host: &Host,
    token: &str,
    log: Log,
) -> Result<(Imported, Option<wake_up::Operator>), String> {
    let progress = |log: &Log| Progress::on_stderr(log.purchases.len() as u64);
    let Some(last) = log.purchases.last().filter(|_| demo.campaign) else {
        return Ok((import::run(host.address, token, &log, progress(&log)).await?, None));
    };
    let launch = last.day.minus(wake_up::DAYS);
    let customers = log.customers();
    let (before, after) = log.split(launch);
    let imported = import::run(host.address, token, &before, progress(&before)).await?;
    summary::settle(&host.app).await?;
    tell(&format!("It is {launch}. Letting the dormant agree to messages, for which nobody ever asked them ..."));
    let members = wake_up::everybody_agrees(&host.app).await?;
    let staff = Bearer { role: "operator".to_owned(), member: None, subject: Some("demo".to_owned()) };
    let staff = wire::token(&host.surroundings.secret, &staff)?;
    let mut operator = wake_up::Operator::launches(host.address, staff, launch, host.clock.now()).await?;
    let took = operator.waits(members).await?;
    tell(&format!("{members} messages went out or were held back in {:.1} s.", took.as_secs_f64()));
    let rest = import::run(host.address, token, &after, progress(&after)).await?;
    Ok((Imported { customers, ..imported.joined(rest) }, Some(operator)))
}

/// Starts the clock with the log, unless the user says otherwise: nightly work that an interrupted import left in the
/// queue must not be done by today's date, on which everything of the log's years has lapsed.
fn at_its_beginning(run: &Run, log: &Log) -> Run {
    let first = log.purchases.first().map(|purchase| Moment::start_of(purchase.day));
    let clock = run.host.clock.or(first);
    Run { host: Options { clock, ..run.host.clone() }, ..run.clone() }
}

/// The shipped programme, except that frequency and money look at all purchases there ever were.
fn demo_programme() -> Result<serde_json::Value, String> {
    let mut program = Shipped::AnnualSpend.program().map_err(|e| e.to_string())?;
    program.window = Window::Lifetime;
    serde_json::to_value(program).map_err(|e| e.to_string())
}

fn read_log(demo: &Demo) -> Result<Log, String> {
    let log = match &demo.file {
        Some(path) => csv::read(&read_text(path)?)?,
        None => read_cdnow(&read_text(&cdnow_path())?),
    };
    for bad in log.bad_lines.iter().take(BAD_LINES_TOLD) {
        tell(&format!("Left out {bad}."));
    }
    if let Some(more @ 1..) = log.bad_lines.len().checked_sub(BAD_LINES_TOLD) {
        tell(&format!("Left out {more} more lines."));
    }
    if log.purchases.is_empty() {
        return Err("The log holds no purchase that can be read: nothing to load.".to_owned());
    }
    Ok(log)
}

fn told(imported: &Imported) -> String {
    let mut text = format!(
        "{} orders of {} customers in {:.1} s: {} new, {} known already, {} refused.",
        imported.orders(),
        imported.customers,
        imported.elapsed.as_secs_f64(),
        imported.created,
        imported.replayed,
        imported.rejected
    );
    for rejection in &imported.rejections {
        // Writing to a string can't fail.
        let _ = write!(text, "\nRefused {rejection}");
    }
    text
}

/// Logs the stand-in's Anna in, as the mini program would, so that a member's token is at hand.
async fn member_token(host: &Host) -> Option<String> {
    let mut connection = Connection::new(host.address, None);
    let body = json!({ "provider": "wechat", "code": "dev:anna" }).to_string();
    let (_, answer) = connection.send("POST", "/v1/sessions", &body).await.ok()?;
    let answer: serde_json::Value = serde_json::from_slice(&answer).ok()?;
    answer.get("access_token")?.as_str().map(str::to_owned)
}

/// Where the host answers, with tokens and calls to try.
async fn greeting(host: &Host) -> String {
    let url = host.url();
    let mut text = format!("Huitou answers on {url} (Ctrl-C stops it).\n");
    let mut a_token = None;
    if let Some(token) = member_token(host).await {
        let _ = write!(text, "\n   member  {token}");
    }
    for role in ROLES.iter().filter(|role| **role != "member") {
        let bearer = Bearer { role: (*role).to_owned(), member: None, subject: None };
        if let Ok(token) = wire::token(&host.surroundings.secret, &bearer) {
            let _ = write!(text, "\n{role:>9}  {token}");
            if *role == "manager" {
                a_token = Some(token);
            }
        }
    }
    if let Ok(key) = wire::system_key(&host.surroundings.secret) {
        let _ = write!(text, "\n\nA system signs with X-Huitou-Key: {} and the secret {key}", wire::SYSTEM);
    }
    let _ = write!(text, "\n\nTry:\n  curl {url}/health");
    let _ = write!(
        text,
        "\n  curl {url}/v1/sessions -H 'content-type: application/json' -d '{{\"provider\":\"wechat\",\"code\":\"dev:anna\"}}'"
    );
    if let Some(token) = a_token {
        let _ = write!(text, "\n  curl {url}/v1/program -H 'authorization: Bearer {token}'");
    }
    let _ = write!(text, "\n\nWhat was sent: {url}/dev/outbox   Queues: {url}/dev/queues   Clock: {url}/dev/clock");
    text
}

async fn until_asked_to_stop(host: Host) {
    asked_to_stop().await;
    tell("Stopping.");
    host.stop().await;
}

/// Ready at Ctrl-C, and on Unix at SIGTERM.
async fn asked_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// On stdout: what was asked for. A reader that has gone away is no reason to fail.
fn print(text: &str) {
    let _ = writeln!(stdout(), "{text}");
}

/// On stderr: what goes on meanwhile.
fn tell(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}
