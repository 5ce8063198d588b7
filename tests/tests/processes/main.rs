//! The functions' own binaries, in processes that are killed, frozen and starved in the middle of their work.
//!
//! Everything else in these tests runs the functions in one process. Here they run as on Lambda, and what a process
//! does to itself, or what is done to it, must leave nothing half done: asked again, the same is done once, and whoever
//! comes next finds a process that works.
#![cfg(test)]
#![cfg(target_os = "linux")]

mod between;
mod events;
mod mishaps;
mod murders;
mod ordinary;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use local::host::{Options, Store};
use local::lambda::Binaries;
use local::template::Template;
use serde_json::{Value, json};
use tests::{Answer, House, a_house_of, eventually, order};

/// The functions that are called here.
const FUNCTIONS: [&str; 4] = ["SignUp", "Points", "Orders", "SegmentRecompute"];

/// Where the binaries of this build lie. Cargo builds those of other crates for a test only when it is asked to.
fn binaries() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let directory = Path::new(env!("CARGO_BIN_EXE_unruly")).parent().unwrap().to_owned();
        let mut cargo = Command::new(env!("CARGO"));
        // The whole workspace is named so that nothing is compiled again with other features.
        cargo.args(["build", "--locked", "--workspace"]).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        for function in shipped().functions {
            cargo.args(["--bin", &function.binary]);
        }
        // What Cargo tells this test about its own crate is not for another build: ring's is made anew when it changes.
        let of_this_crate = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(of_this_crate) {
                cargo.env_remove(name);
            }
        }
        if directory.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the functions can't be built");
        directory
    });
    built.clone()
}

/// The shipped template with the functions that are called here.
fn shipped() -> Template {
    let mut template = Template::shipped().unwrap();
    template.functions.retain(|function| FUNCTIONS.contains(&function.logical.as_str()));
    assert_eq!(template.functions.len(), FUNCTIONS.len());
    template
}

/// A house whose functions are processes, which reach AWS there, if not at the host itself.
async fn a_house_of_processes(template: Template, aws: Option<String>) -> House {
    let binaries = Some(Binaries { directory: binaries(), aws });
    a_house_of(template, &Options { port: 0, store: Store::Memory, clock: None, binaries, concurrency: None }).await
}

/// Orders of the till, signed, as a deployed function wants them.
async fn sells(house: &House, orders: &[Value]) -> Answer {
    // A signature counts once, and the same orders may come again within the second.
    let body = json!({ "orders": orders }).to_string() + &" ".repeat(house.number() as usize);
    house.signs(house.call("POST", "/v1/orders").text("application/json", body)).send().await
}

/// A member who has come by an order of nothing.
async fn a_member(house: &House, card: &str) -> String {
    let first = order(&format!("first-{card}"), &json!({ "card": card }), &house.now(), 0);
    let taken = sells(house, &[first]).await.expect(200);
    taken["results"][0]["member_id"].as_str().unwrap().to_owned()
}

/// Points given by hand.
fn gift(member: &str, points: i64) -> Value {
    json!({ "member_id": member, "points": points, "reason": "门店补偿" })
}

/// What the proof of a member's account says, which must be without fault: entries and points that can be spent.
async fn proved(house: &House, member: &str) -> (u64, u64) {
    let path = format!("/v1/points/proof?member_id={member}");
    let proof = house.as_manager("GET", &path).send().await.expect(200);
    assert_eq!(proof["balanced"], true, "{proof}");
    (proof["entries"].as_u64().unwrap(), proof["available"].as_u64().unwrap())
}

/// Waits until the full pass that is under way has looked at everybody.
async fn finished(house: &House) -> Value {
    eventually(async || {
        let progress = house.as_manager("GET", "/v1/segments/recompute").send().await;
        if progress.status == 200 && progress.json()["finished"] == true { Ok(progress.json()) } else { Err(progress) }
    })
    .await
}
