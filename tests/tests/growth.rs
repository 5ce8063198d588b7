//! What grows with the number of members, and what must not.
//!
//! The full pass over many members is measured by
//!
//! ```sh
//! HUITOU_MEMBERS=100000 cargo test --release -p tests --test growth -- --nocapture
//! ```
//!
//! with 2,000 members when none are said. It writes them straight into the embedded table in memory, whose peak stands
//! beside that of the pass, and then judges everybody.
//!
//! What was measured up to a million members stands in `infra/figures.md`. Times of a debug build say nothing about reading
//! a page.
#![cfg(test)]
#![allow(clippy::print_stdout, reason = "a measurement is told, not only held to its limit")]
#![allow(clippy::large_futures, reason = "a test holds few of them, and not for long")]

#[path = "guarantees/yard/mod.rs"]
mod yard;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use bytes::Bytes;
use huitou::cases::recompute::{Drained, all_shards};
use huitou::domain::account::Account;
use huitou::domain::rulebook::Rulebook;
use huitou::table::{Cost, Hot, Names, ScanShard, Table, metered};
use huitou::values::{Actor, MemberId, Moment};
use local::in_process::{Answer, Faults, Service};
use local::table::Embedded;
use local::template::Right;
use local::template::Template;
use serde_json::json;
use tests::members::{self, AT_ONCE, write};

use yard::Yard;

const SEED: u64 = 20_260_306;

/// Longer than any drain takes.
const ENOUGH: Duration = Duration::from_mins(10);

/// Members of the page that is read again and again, as many as a pass reads at once.
const PAGE: i32 = 500;

/// How often.
const ROUNDS: u32 = 20;

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
}

/// The member of this number, who has bought at these times.
fn a_member(number: u32, rules: &Rulebook, bought: &[Moment]) -> Hot {
    members::a_member(MemberId::from_random(u128::from(number).to_be_bytes()), number, rules, bought)
}

/// A night in a house of so many members, ten of whom are due: what it did and cost.
async fn a_night(members: u32) -> (Drained, Cost) {
    let yard = Yard::in_memory(SEED).await;
    let process = yard.process();
    let (rules, now) = (process.rulebook().await.unwrap(), yard.now());
    let long_ago = Moment::start_of(now.day().minus(60));
    let all: Vec<Hot> =
        (0..members).map(|number| a_member(number, &rules, &[if number < 10 { long_ago } else { now }])).collect();
    for some in all.chunks(AT_ONCE as usize) {
        write(process.table(), some).await;
    }
    let (drained, cost) = metered(process.recompute().drain(&all_shards(), ENOUGH)).await;
    (drained.unwrap(), cost)
}

/// The most members that a test makes.
fn most() -> u32 {
    std::env::var("HUITOU_MEMBERS").map_or(2_000, |members| members.parse().unwrap())
}

#[test]
fn a_night_costs_the_same_whether_there_are_few_members_or_a_hundred_times_as_many() {
    run(async {
        let few = a_night(most() / 100).await;
        println!("{} members: {:?}; {}", most() / 100, few.0, few.1);
        assert_eq!(few.0, Drained { touched: 10, changed: 10, defects: 0, finished: true });
        for members in [most() / 10, most()] {
            let many = a_night(members).await;
            println!("{members} members: {:?}; {}", many.0, many.1);
            assert_eq!(many, few, "{members} members");
        }
    });
}

/// What a page looks like to a client, whoever asks.
#[derive(Clone, Debug)]
struct APage(Bytes);

impl Service for APage {
    const CONTENT_TYPE: &'static str = "application/x-amz-json-1.0";
    const THROTTLED: &'static str = "ThrottlingException";

    fn needs(_: &str, _: &[u8]) -> Vec<Right> {
        Vec::new()
    }

    async fn answer(self: Arc<Self>, _: String, _: Bytes) -> Answer {
        Answer::ok(self.0.clone())
    }
}

fn names() -> Names {
    let environment = Template::shipped().unwrap().functions[0].environment.clone();
    Names::from_environment(|name| environment.get(name).cloned()).unwrap()
}

/// The same page as the SDK reads it: into maps of values, then into accounts.
async fn by_the_sdk(client: &Client, table: &str) -> Vec<Account> {
    let page = client.scan().table_name(table).limit(PAGE).send().await.unwrap();
    let account = |blob: &Blob| postcard::from_bytes(blob.as_ref()).unwrap();
    page.items().iter().map(|item| account(item["account"].as_b().unwrap())).collect()
}

/// What a member of one page costs to read, in time: by the SDK's maps, and by the pass.
async fn costs_to_read(embedded: &Embedded) -> [Duration; 2] {
    let names = names();
    let scan = json!({ "TableName": names.members, "Limit": PAGE, "ReturnConsumedCapacity": "TOTAL" });
    let page = APage(embedded.dispatch("Scan", scan.to_string().as_bytes()).body);
    let client = Embedded::client(page.http_client());
    let table = Table::new(page.aws(), names.clone());
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let maps = by_the_sdk(&client, &names.members).await;
        fastest[0] = fastest[0].min(started.elapsed());
        let started = Instant::now();
        let page = table.page_of_members(ScanShard::WHOLE, None, PAGE).await.unwrap();
        fastest[1] = fastest[1].min(started.elapsed());
        let accounts: Vec<Account> = page.members.into_iter().map(|hot| hot.account).collect();
        assert_eq!(accounts, maps);
    }
    fastest.map(|page| page / PAGE.unsigned_abs())
}

/// The most memory that this process has had so far, in megabytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[test]
fn a_full_pass_reads_no_more_than_its_budget() {
    run(async {
        let wanted = most();
        let embedded = Embedded::open(None, &Template::shipped().unwrap().tables).unwrap();
        let yard = Yard::over(embedded.aws(), Faults::none(), "", SEED).await;
        let process = yard.process();
        let (rules, now) = (process.rulebook().await.unwrap(), yard.now());
        // The index for scans in parts is made by the first of them, and belongs to what is written.
        let _ = process.table().page_of_members(ScanShard { number: 0, of: 2 }, None, 1).await.unwrap();
        let started = Instant::now();
        for first in (0..wanted).step_by(AT_ONCE as usize) {
            let bought = |number: u32| vec![now; 1 + number as usize % 4];
            let last = wanted.min(first + AT_ONCE);
            let some: Vec<Hot> = (first..last).map(|number| a_member(number, &rules, &bought(number))).collect();
            write(process.table(), &some).await;
        }
        println!("{wanted} members written in {:.1?}; peak {} MB", started.elapsed(), peak());
        let written = peak();
        process.full_pass().start(&Actor::parse("staff:lin").unwrap()).await.unwrap();
        let started = Instant::now();
        let (done, cost) = metered(yard.works_off_the_queue(&process)).await;
        done.unwrap();
        let took = started.elapsed();
        let pass = process.full_pass().progress().await.unwrap();
        assert!(pass.finished && pass.members == u64::from(wanted), "{pass:?}");
        assert_eq!((pass.tally.due, pass.tally.changed, pass.tally.defects), (0, 0, 0));
        let units = cost.read_units / f64::from(wanted);
        println!(
            "judged in {took:.1?}, {:.1?} each; peak {} MB, {} MB more; {units:.4} read units a member; {cost}",
            took / wanted,
            peak(),
            peak() - written,
        );
        assert!(units <= 0.08, "{units}");
        let [maps, pass] = costs_to_read(&embedded).await;
        let ratio = maps.as_secs_f64() / pass.as_secs_f64();
        println!("a page: {maps:.2?} a member by the SDK's maps, {pass:.2?} by the pass, {ratio:.1} times");
    });
}
