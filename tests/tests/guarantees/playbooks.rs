//! Playbooks: what happens by itself when a member enters or leaves a segment, once, whatever goes wrong on the way.

use std::time::Duration;

use futures_util::future::join_all;
use huitou::app::App;
use huitou::cases::Error;
use huitou::cases::intake::Customer;
use huitou::cases::people::Handle;
use huitou::cases::playbooks::Acted;
use huitou::domain::entry::{Entry, What};
use huitou::domain::order::Order;
use huitou::domain::playbook::{MOST_DEEP, Move, Playbook, Way};
use huitou::domain::proof::prove;
use huitou::table::{Freshness, Outcome, StoredVersion};
use huitou::values::{Actor, Card, Code, Fen, ForeignId, LocalDay, Source};
use serde_json::{Value, json};
use tests::{Answer, House, Member, a_house};

use crate::yard::Yard;

const SEED: u64 = 20_260_305;
/// More calls than acting once takes.
const MOST_CALLS: u64 = 20;

/// A playbook that does this when a member enters.
fn entering(actions: &Value) -> Value {
    json!({ "goal": "30天内完成第二次购买", "owner": "运营组", "on_enter": actions })
}

/// A tag for thirty days and twenty points.
fn a_welcome() -> Value {
    entering(&json!([{ "put_tag": { "tag": "新客礼", "days": 30 } }, { "give_points": { "points": 20 } }]))
}

async fn tag_of_all(house: &House) -> String {
    house.as_manager("GET", "/v1/playbooks").send().await.header("etag").to_owned()
}

/// Gives a segment its playbook.
async fn plays(house: &House, segment: &str, playbook: &Value) -> Answer {
    let tag = tag_of_all(house).await;
    let path = format!("/v1/segments/{segment}/playbook");
    house.as_manager("PUT", &path).header("if-match", &tag).json(playbook).send().await
}

async fn tags(house: &House, member: &Member) -> Value {
    house.picture(&member.id).await["tags"].clone()
}

/// The rows by which playbooks acted on a member, newest first.
async fn acts(house: &House, member: &Member) -> Vec<Value> {
    let rows = house.journal(member).await.concat();
    rows.into_iter().filter(|row| row["kind"] == "playbook").collect()
}

#[tokio::test]
async fn an_order_brings_what_the_playbook_of_its_segment_promises() {
    let house = a_house().await;
    let _ = plays(&house, "new", &a_welcome()).await.expect(200);
    let anna = house.a_member("00001").await;
    house.all_moves_are_worked_on().await;
    assert_eq!(tags(&house, &anna).await, json!(["新客礼"]));
    assert_eq!(house.books(&anna).await, [20, 0, 0, 0]);
    let acts = acts(&house, &anna).await;
    let [act] = &acts[..] else { panic!("{acts:?}") };
    assert_eq!((&act["segment"], &act["moved"], &act["depth"]), (&json!("new"), &json!("entered"), &json!(1)));
    assert_eq!(act["added"], json!([{ "name": "新客礼", "until": "2026-04-01" }]));
    assert!(house.proof(&anna).await["fault"].is_null());
}

#[tokio::test]
async fn leaving_a_segment_has_its_own_actions() {
    let house = a_house().await;
    let mut playbook = a_welcome();
    playbook["on_leave"] = json!([{ "take_tag": { "tag": "新客礼" } }, { "put_tag": { "tag": "已复购" } }]);
    let _ = plays(&house, "new", &playbook).await.expect(200);
    let anna = house.a_member("00001").await;
    house.it_is("2026-03-04T10:00:00+08:00").await;
    let _ = house.buys(&anna, 600_00).await;
    house.all_moves_are_worked_on().await;
    assert_eq!(tags(&house, &anna).await, json!(["已复购"]));
    let acts: Vec<Value> = acts(&house, &anna).await.iter().map(|act| act["moved"].clone()).collect();
    assert_eq!(acts, ["left", "entered"]);
}

#[tokio::test]
async fn nothing_happens_by_itself_before_anybody_asks_for_it() {
    let house = a_house().await;
    let anna = house.a_member("00001").await;
    house.all_moves_are_worked_on().await;
    assert_eq!((tags(&house, &anna).await, acts(&house, &anna).await), (json!([]), vec![]));
    let list = house.as_role("operator", "GET", "/v1/playbooks").send().await.expect(200);
    assert_eq!(list["version"], 1);
    assert_eq!(list["playbooks"]["dormant"]["goal"], "唤醒响应率达到20%");
}

#[tokio::test]
async fn a_budget_of_three_is_three_of_eight_and_the_playbook_shows_it() {
    let house = a_house().await;
    let mut playbook = a_welcome();
    playbook["cost"] = json!(5_00);
    playbook["budget"] = json!({ "per": "month", "times": 3 });
    let _ = plays(&house, "new", &playbook).await.expect(200);
    let members = house.members(8).await;
    house.all_moves_are_worked_on().await;
    let mut given = 0;
    for member in &members {
        given += house.books(member).await[0];
    }
    assert_eq!(given, 3 * 20);
    let shown = house.as_role("operator", "GET", "/v1/segments/new/playbook").send().await.expect(200);
    assert_eq!(shown["spent"], json!({ "times": 3, "fen": 15_00 }));
    // A new month, a new budget.
    house.it_is("2026-04-01T10:00:00+08:00").await;
    let late = house.a_member("late").await;
    house.all_moves_are_worked_on().await;
    assert_eq!(house.books(&late).await, [20, 0, 0, 0]);
}

#[tokio::test]
async fn a_playbook_is_edited_by_version_and_can_be_taken_away() {
    let house = a_house().await;
    let path = "/v1/segments/new/playbook";
    let put = |tag: &str| house.as_manager("PUT", path).header("if-match", tag).json(&a_welcome()).send();
    house.as_manager("PUT", path).json(&a_welcome()).send().await.refuses(428, "if_match_missing");
    let saved = put("\"1\"").await;
    assert_eq!((saved.expect(200)["version"].clone(), saved.header("etag")), (json!(2), "\"2\""));
    put("\"1\"").await.refuses(412, "version_moved");
    let shown = house.as_manager("GET", path).send().await.expect(200);
    assert_eq!(shown["playbook"]["on_enter"], a_welcome()["on_enter"]);

    let unknown = house.as_manager("PUT", "/v1/segments/nobody/playbook").header("if-match", "\"2\"");
    unknown.json(&a_welcome()).send().await.refuses(404, "not_found");
    let mut flawed = a_welcome();
    flawed["budget"] = json!({ "per": "week" });
    let refused = plays(&house, "new", &flawed).await;
    refused.refuses(422, "settings_flawed");
    assert_eq!(refused.problem()["errors"][0]["pointer"], "/budget");

    let delete = |tag: &str| house.as_manager("DELETE", path).header("if-match", tag).send();
    delete("\"1\"").await.refuses(412, "version_moved");
    assert_eq!(delete("\"2\"").await.status, 204);
    delete("\"3\"").await.refuses(404, "not_found");
    house.as_manager("GET", path).send().await.refuses(404, "not_found");
    let anna = house.a_member("00001").await;
    house.all_moves_are_worked_on().await;
    assert_eq!(acts(&house, &anna).await, Vec::<Value>::new());
}

/// Segments of members with the tags `ping` and `pong`, in place of the shipped ones.
async fn with_segments_of_tags(house: &House) {
    let segment = |id: &str| json!({ "id": id, "name": id, "english": id, "rule": format!("tag = \"{id}\"") });
    let segmentation = json!({ "version": 2, "sets": [], "segments": [segment("ping"), segment("pong")] });
    let text = json!({ "at": house.now(), "by": "lin", "segmentation": segmentation }).to_string();
    let version = StoredVersion::new("segments".to_owned(), 2, text);
    let saved = house.host.app.table().transaction().version(&version).unwrap().commit().await.unwrap();
    assert!(matches!(saved, Outcome::Done), "{saved:?}");
}

#[tokio::test]
async fn playbooks_that_set_each_other_off_stop_after_three_acts() {
    let house = a_house().await;
    with_segments_of_tags(&house).await;
    for (segment, other) in [("ping", "pong"), ("pong", "ping")] {
        let actions = json!([{ "take_tag": { "tag": segment } }, { "put_tag": { "tag": other } }]);
        let _ = plays(&house, segment, &entering(&actions)).await.expect(200);
    }
    let anna = house.a_member("00001").await;
    let path = format!("/v1/members/{}/tags", anna.id);
    let _ = house.as_manager("POST", &path).json(&json!({ "add": ["ping"] })).send().await.expect(200);
    house.all_moves_are_worked_on().await;
    let depths: Vec<Value> = acts(&house, &anna).await.iter().map(|act| act["depth"].clone()).collect();
    assert_eq!(depths, (1..=MOST_DEEP).rev().map(|depth| json!(depth)).collect::<Vec<_>>());
    assert_eq!(tags(&house, &anna).await, json!(["pong"]));
}

// In a yard no stream is read: a test tells of the moves itself, as often as it likes.

async fn a_yard_that_plays(playbook: &Value) -> Yard {
    let yard = Yard::in_memory(SEED).await;
    let playbook: Playbook = serde_json::from_value(playbook.clone()).unwrap();
    let by = Actor::parse("lin").unwrap();
    yard.process().playbooks().save(&new(), Some(playbook), 1, by).await.unwrap();
    yard
}

fn new() -> Code {
    Code::parse("new").unwrap()
}

/// An order of a customer, booked.
async fn buys(yard: &Yard, customer: Customer, id: &str, yuan: u64) -> Entry {
    let order = Order {
        source: Source::parse("till").unwrap(),
        id: ForeignId::parse(id).unwrap(),
        paid_at: yard.now(),
        amount: Fen::yuan(yuan),
        currency: None,
        lines: Vec::new(),
        store: None,
        guide: None,
    };
    let by = Actor::parse("till").unwrap();
    yard.process().intake().orders(&[(customer, order)], &by).await.unwrap().remove(0).unwrap().entry
}

/// Somebody's first order, and the move by which they became a new customer.
async fn enters(yard: &Yard, card: &str) -> Move {
    let customer = Customer::Handle(Handle::Card(Card::parse(card).unwrap()));
    let entry = buys(yard, customer, card, 10).await;
    assert!(entry.change.entered.contains(&new()), "{entry:?}");
    Move { member: entry.member, segment: new(), stay: entry.row, way: Way::Entered }
}

/// The order of another day by which a new customer is new no longer, and that move.
async fn leaves(yard: &Yard, entered: &Move) -> Move {
    yard.clock.advance(Duration::from_hours(24));
    let entry = buys(yard, Customer::Member(entered.member), "second", 900).await;
    assert!(entry.change.left.contains(&new()), "{entry:?}");
    Move { way: Way::Left, ..entered.clone() }
}

/// How often a playbook acted on the member of this move, by a journal that proves.
async fn acted(yard: &Yard, on: &Move) -> usize {
    let app: App = yard.process();
    let account = app.table().member(on.member, Freshness::Latest).await.unwrap().unwrap().account;
    let rows = app.table().whole_journal(&account).await.unwrap();
    assert_eq!(prove(on.member, &rows, &account).fault, None);
    let entries = rows.iter().map(|row| Entry::read(row.key, &row.text).unwrap());
    entries.filter(|entry| matches!(entry.what, What::Playbook { .. })).count()
}

async fn times_spent(yard: &Yard, month: &str) -> u32 {
    let since = LocalDay::parse(month).unwrap();
    yard.process().table().spent(&new(), since).await.unwrap().times
}

fn with_a_budget(times: u32) -> Value {
    let mut playbook = a_welcome();
    playbook["budget"] = json!({ "per": "month", "times": times });
    playbook
}

#[tokio::test]
async fn a_move_that_is_told_again_and_again_is_acted_on_once() {
    let yard = a_yard_that_plays(&with_a_budget(100)).await;
    let on = enters(&yard, "anna").await;
    for _ in 0..3 {
        let processes: Vec<App> = (0..5).map(|_| yard.process()).collect();
        let told = join_all(processes.iter().map(|app| async { app.playbooks().follow(&on).await })).await;
        assert!(told.iter().all(|acted| *acted == Ok(Acted::Done)), "{told:?}");
    }
    assert_eq!((acted(&yard, &on).await, times_spent(&yard, "2026-03-01").await), (1, 1));
}

#[tokio::test]
async fn acting_costs_three_calls_on_entering_four_on_leaving_and_none_when_nothing_is_to_be_done() {
    let mut playbook = a_welcome();
    playbook["on_leave"] = json!([{ "take_tag": { "tag": "新客礼" } }]);
    let yard = a_yard_that_plays(&playbook).await;
    let app = yard.process();
    let on = enters(&yard, "anna").await;
    let nothing = Move { segment: Code::parse("prospect").unwrap(), ..on.clone() };
    let left = leaves(&yard, &on).await;
    // Settings that were read a day ago are read again.
    let warm = enters(&yard, "warm").await;
    let _ = app.playbooks().follow(&warm).await.unwrap();
    for (on, outcome, calls) in [(nothing, Acted::Nothing, 0), (on, Acted::Done, 3), (left, Acted::Done, 4)] {
        yard.faults.heal();
        assert_eq!(app.playbooks().follow(&on).await, Ok(outcome));
        assert_eq!(yard.faults.calls(), calls, "{on:?}");
    }
}

#[tokio::test]
async fn a_process_that_dies_at_any_call_has_acted_once_when_the_move_is_told_again() {
    let mut met_all = false;
    for call in 1..MOST_CALLS {
        let mut met = false;
        for during in [false, true] {
            let yard = a_yard_that_plays(&with_a_budget(100)).await;
            let on = enters(&yard, "anna").await;
            let dying = yard.dying_process();
            yard.faults.heal();
            if during {
                yard.faults.die_during_call(call);
            } else {
                yard.faults.die_before_call(call);
            }
            let first = dying.playbooks().follow(&on).await;
            met |= yard.faults.calls() >= call;
            yard.faults.heal();
            assert!(matches!(first, Ok(Acted::Done) | Err(Error::Unavailable(_))), "{first:?}");
            assert_eq!(yard.process().playbooks().follow(&on).await, Ok(Acted::Done), "call {call}");
            assert_eq!((acted(&yard, &on).await, times_spent(&yard, "2026-03-01").await), (1, 1), "call {call}");
        }
        if !met {
            assert!(call > 4, "settings, cause, member, transaction");
            met_all = true;
            break;
        }
    }
    assert!(met_all);
}

#[tokio::test]
async fn five_of_twelve_racing_members_fit_into_a_budget_of_five() {
    let yard = a_yard_that_plays(&with_a_budget(5)).await;
    let mut moves = Vec::new();
    for n in 0..12 {
        moves.push(enters(&yard, &format!("card-{n}")).await);
    }
    let processes: Vec<App> = moves.iter().map(|_| yard.process()).collect();
    let raced = moves.iter().zip(&processes).map(|(on, app)| async move { app.playbooks().follow(on).await.unwrap() });
    let outcomes = join_all(raced).await;
    assert_eq!(outcomes.iter().filter(|acted| **acted == Acted::Done).count(), 5, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|acted| **acted == Acted::Spent).count(), 7, "{outcomes:?}");
    let mut in_journals = 0;
    for on in &moves {
        in_journals += acted(&yard, on).await;
    }
    assert_eq!((in_journals, times_spent(&yard, "2026-03-01").await), (5, 5));
}

#[tokio::test]
async fn a_budget_in_money_ends_where_acting_once_more_would_exceed_it() {
    let mut playbook = a_welcome();
    playbook["cost"] = json!(5_00);
    playbook["budget"] = json!({ "per": "ever", "fen": 14_99 });
    let yard = a_yard_that_plays(&playbook).await;
    let mut outcomes = Vec::new();
    for n in 0..3 {
        let on = enters(&yard, &format!("card-{n}")).await;
        outcomes.push(yard.process().playbooks().follow(&on).await.unwrap());
    }
    assert_eq!(outcomes, [Acted::Done, Acted::Done, Acted::Spent]);
    let spent = yard.process().table().spent(&new(), LocalDay::FIRST).await.unwrap();
    assert_eq!((spent.times, spent.fen), (2, Fen::yuan(10)));
}

#[tokio::test]
async fn a_member_who_is_merged_after_a_move_loses_nothing_and_gains_nothing_twice() {
    let house = a_house().await;
    let _ = plays(&house, "new", &a_welcome()).await.expect(200);
    let (anna, bo) = (house.a_member("00001").await, house.a_member("00002").await);
    house.all_moves_are_worked_on().await;
    let path = format!("/v1/members/{}/merges", anna.id);
    let merge = json!({ "other": bo.id, "reason": "同一人", "preview": false });
    let merged = house.as_manager("POST", &path).key("a-merge-of-both").json(&merge).send().await;
    assert!(merged.status < 300, "{}", merged.status);
    house.all_moves_are_worked_on().await;
    assert_eq!(house.books(&anna).await, [40, 0, 0, 0]);
    assert_eq!(acts(&house, &anna).await.len(), 1, "merging moves nobody");
}
