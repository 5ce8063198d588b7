//! The rights of the functions: enough for everything that they do, and no more.
//!
//! That they are enough is held by every other test: the local host refuses a function what its policies in
//! `template.yaml` don't allow. That they are no more needs a run of all tests which notes what was used, as `.ci/run`
//! makes one:
//!
//! ```text
//! HUITOU_RIGHTS_USED=$PWD/target/rights-used.txt cargo test --workspace
//! HUITOU_RIGHTS_USED=$PWD/target/rights-used.txt cargo test -p tests --test rights -- --ignored
//! ```

#![cfg(test)]

use std::collections::BTreeSet;

use local::template::Template;

/// The files of the bucket, of which each has a name of its own.
const FILES: &str = "Attachments/*";

/// What functions need and no test over HTTP makes them use: function (or any), action, resource, why.
const UNSEEN: [(&str, &str, &str, &str); 9] = [
    // On one machine all functions share a process that starts once.
    (ANY, "dynamodb:Query", "Settings", "whoever asks first reads the settings for all"),
    (ANY, "dynamodb:Query", "CampaignTable", "the same with a campaign, which is kept for two seconds"),
    (ANY, "dynamodb:GetItem", "Members", "a function that starts warms its connection by a read of nobody"),
    ("Playbooks", "sqs:SendMessage", "MovesDeadLetters", "the event source tells of what it gave up, by the role"),
    ("Playbooks", "dynamodb:GetItem", "Sends", "a move that is told twice at once finds the other one's send"),
    ("Privacy", "dynamodb:BatchGetItem", "Identities", "a member with more ids than one transaction gives up"),
    ("Privacy", "dynamodb:GetItem", "TicketTable", "a ticket by which the desk followed another one up"),
    // Races of senders are played beside the host, on the app alone.
    ("CampaignSend", "sqs:SendMessage", "DispatchQueue", "a page whose message was lost is asked for again"),
    ("CampaignSend", "sqs:SendMessage", "RecomputeQueue", "the same for an audience that is a rule"),
];
const ANY: &str = "any";

fn given() -> Vec<(String, String, String)> {
    let functions = Template::shipped().unwrap().functions;
    let rights = functions.into_iter().flat_map(|function| {
        let of = function.logical;
        function.rights.into_iter().map(move |right| (of.clone(), right.action, right.resource))
    });
    rights.collect()
}

#[test]
fn no_policy_speaks_of_all_actions_or_all_resources() {
    for (function, action, resource) in given() {
        assert!(!action.contains('*'), "{function} may do {action}");
        assert!(resource == FILES || !resource.contains('*'), "{function} may do {action} on {resource}");
    }
}

#[test]
fn only_the_recompute_may_scan_and_only_the_hot_items() {
    let scanning: Vec<_> = given().into_iter().filter(|(_, action, _)| action.ends_with("Scan")).collect();
    let only = ("SegmentRecompute".to_owned(), "dynamodb:Scan".to_owned(), "Members".to_owned());
    assert_eq!(scanning, [only]);
}

#[test]
#[ignore = "judges what a run of all other tests has noted; .ci/run makes that run and then this test"]
fn every_right_that_the_template_gives_is_used() {
    let noted = std::env::var("HUITOU_RIGHTS_USED").expect("HUITOU_RIGHTS_USED names the file of noted rights");
    let noted = std::fs::read_to_string(noted).unwrap();
    let used: BTreeSet<&str> = noted.lines().collect();
    let same = |known: &str, this: &str| known == ANY || known == this;
    let given = given().into_iter().filter(|(function, action, resource)| {
        !UNSEEN.iter().any(|(by, what, on, _)| same(by, function) && same(what, action) && on == resource)
    });
    let given = given.map(|(function, action, resource)| format!("{function} {action} {resource}"));
    let unused: Vec<String> = given.filter(|right| !used.contains(right.as_str())).collect();
    assert!(unused.is_empty(), "the template gives rights that no test has used:\n{}", unused.join("\n"));
}
