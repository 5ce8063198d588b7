//! No log says who somebody is: read when all other tests are through, for everything that they have told of people.
//!
//! ```text
//! HUITOU_HEARD=$PWD/target/heard cargo test --workspace
//! HUITOU_HEARD=$PWD/target/heard cargo test -p tests --test silence -- --ignored
//! ```
//!
//! Read is what every process of the tests has logged, and whatever else lies in that directory: `.ci/run` puts there
//! what the test run itself has printed, in which functions' processes log.

#![cfg(test)]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tests::heard::{HEARD, LOGGED};

/// What was heard, and what it is.
fn heard(directory: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(directory.join(HEARD)).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| ["text", "kind"].map(|name| line[name].as_str().unwrap().to_owned()).into()).collect()
}

/// Lines in which something stands that was heard, each with what it is.
fn told<'a>(heard: &BTreeMap<String, String>, log: &'a str) -> Vec<(String, &'a str)> {
    let leaks = log.lines().filter_map(|line| {
        let (_, kind) = heard.iter().find(|(text, _)| line.contains(text.as_str()))?;
        Some((kind.clone(), line))
    });
    leaks.collect()
}

#[test]
#[ignore = "reads what a run of all other tests has heard and logged; .ci/run makes that run and then this test"]
fn no_line_of_any_log_tells_who_somebody_is() {
    let directory = std::env::var("HUITOU_HEARD").expect("HUITOU_HEARD names the directory of what was heard");
    let directory = Path::new(&directory);
    let heard = heard(directory);
    for kind in ["Of(Phone)", "Of(Name)", "Of(Email)", "Of(Ids)", "Of(Birthday)", "OfAChild", "Token"] {
        assert!(heard.values().any(|known| known == kind), "no test has told of {kind}");
    }
    let mut lines = 0;
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_name() == HEARD {
            continue;
        }
        let log = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
        lines += log.lines().count();
        let leaks = told(&heard, &log);
        assert!(leaks.is_empty(), "{} tells of people: {:?}", entry.path().display(), &leaks[..leaks.len().min(20)]);
    }
    assert!(directory.join(LOGGED).exists() && lines > 1_000, "so many tests log more than {lines} lines");
}

#[test]
fn a_phone_number_in_a_log_is_found() {
    let heard = BTreeMap::from([("13800138000".to_owned(), "Of(Phone)".to_owned())]);
    let log = "{\"message\":\"request\",\"route\":\"/v1/me\"}\n{\"message\":\"no such phone: 13800138000\"}\n";
    let leaks = told(&heard, log);
    assert_eq!(leaks, [("Of(Phone)".to_owned(), log.lines().nth(1).unwrap())]);
}
