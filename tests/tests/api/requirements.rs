//! Requirements of the law by their ids: the table names every test that carries one, and every test that it names is
//! there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use huitou::table::{INVENTORY, Left};

/// Every requirement.
const IDS: [&str; 28] = [
    "C1", "C2", "C3", "C4", "M1", "M2", "M3", "M4", "R1", "R2", "R3", "R4", "R5", "R6", "R7", "P1", "P2", "S1", "S2",
    "S3", "S4", "T1", "T2", "B1", "A1", "A2", "X1", "X2",
];
/// Letters with which ids begin.
const LETTERS: &str = "cmrpstbax";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Whether a test's name begins with an id: `c1_...`, `c4_and_m2_...`.
fn carries_an_id(name: &str) -> bool {
    let mut begin = name.chars();
    let letter = begin.next().is_some_and(|letter| LETTERS.contains(letter));
    letter && begin.next().is_some_and(|digit| digit.is_ascii_digit()) && name.split('_').count() > 2
}

/// The ids of a name: `c4` and `m2`.
fn ids(name: &str) -> Vec<String> {
    let is_id = |word: &&str| word.len() == 2 && carries_an_id(&format!("{word}_a_b"));
    name.split('_').take_while(|word| is_id(word) || *word == "and").filter(is_id).map(str::to_uppercase).collect()
}

fn functions(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            functions(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.lines().filter_map(|line| line.trim().split_once("fn ")?.1.split_once('('));
            found.extend(names.map(|(name, _)| name.to_owned()));
        }
    }
}

fn text() -> String {
    std::fs::read_to_string(root().join("shared/src/domain/consent.md")).unwrap()
}

/// Id and tests of each row.
fn table() -> Vec<(String, Vec<String>)> {
    let text = text();
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| id "));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let tests = cells[3].split('`').filter(|part| part.contains('_')).map(str::to_owned);
        (cells[0].to_owned(), tests.collect())
    };
    rows.map(row).collect()
}

#[test]
fn every_requirement_has_a_test_that_is_there_and_every_test_with_an_id_is_in_the_table() {
    let mut known = BTreeSet::new();
    for directory in ["shared/src", "shared/tests", "tests/tests", "functions", "infra"] {
        functions(&root().join(directory), &mut known);
    }
    let table = table();
    let text = text();
    for id in IDS {
        let rows = table.iter().filter(|(known, _)| known == id).count();
        let left = text.lines().filter(|line| line.starts_with(&format!("- **{id}**"))).count();
        assert_eq!(rows + left, 1, "{id} is in the table, or among what no test holds");
    }
    assert!(table.iter().all(|(id, _)| IDS.contains(&id.as_str())), "{table:?}");
    for (id, tests) in &table {
        assert!(!tests.is_empty(), "{id} has no test");
        for test in tests {
            assert!(known.contains(test), "{id} names {test}, which is nowhere");
        }
    }
    for test in known.iter().filter(|name| carries_an_id(name)) {
        for id in ids(test) {
            let row = table.iter().find(|(known, _)| *known == id);
            assert!(row.is_some_and(|(_, tests)| tests.contains(test)), "{test} is missing in the row of {id}");
        }
    }
}

#[test]
fn whatever_the_threat_model_says_stops_somebody_is_there() {
    let text = std::fs::read_to_string(root().join("shared/src/trust/threats.md")).unwrap();
    let mut known = BTreeSet::new();
    for directory in ["shared/src", "tests/tests"] {
        functions(&root().join(directory), &mut known);
    }
    let places = ["", "shared/src", "shared/src/trust", "tests/tests/api", "tests/tests/guarantees"];
    let named = text.split('`').skip(1).step_by(2);
    let named = named.filter(|word| word.contains('_') || Path::new(word).extension().is_some());
    let missing: Vec<&str> = named
        .filter(|word| !known.contains(*word) && !places.iter().any(|place| root().join(place).join(word).exists()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Network logs are kept for no less than six months (网络安全法 21), of which some have 184 days.
const SIX_MONTHS: u32 = 184;

#[test]
fn t2_logs_are_kept_for_six_months_and_the_books_for_good() {
    let template = std::fs::read_to_string(root().join("template.yaml")).unwrap();
    let kept = template
        .split("LogRetentionDays:")
        .nth(1)
        .unwrap()
        .lines()
        .find_map(|line| line.trim().strip_prefix("Default: "));
    assert!(kept.unwrap().parse::<u32>().unwrap() >= SIX_MONTHS, "{kept:?}");
    let purchases = INVENTORY.iter().filter(|known| ["Journal", "Members"].contains(&known.table));
    assert!(purchases.clone().count() > 2 && purchases.clone().all(|known| known.lapses.is_none()));
    assert!(purchases.clone().all(|known| known.left != Left::Nothing), "not even with their member");
}
