//! Playbooks by example, and what holds whatever playbooks a brand may think of.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use huitou::domain::account::Account;
use huitou::domain::consent::Floors;
use huitou::domain::entry::{Entry, What};
use huitou::domain::playbook::{Action, MOST_DEEP, Move, Playbook, Playbooks, Way, act, depth};
use huitou::domain::posting::{Failure, Posted};
use huitou::domain::program::{Shipped, Version};
use huitou::domain::proof::{StoredRow, prove};
use huitou::domain::refusal::Refusal;
use huitou::domain::rulebook::Rulebook;
use huitou::domain::segmentation::Segmentation;
use huitou::domain::tagging::{MOST_TAGS, retag};
use huitou::domain::traits::Tag;
use huitou::values::{Actor, Code, LocalDay, MemberId, Moment, Name, RowKey, SomePoints};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The tags that the segments of these tests are about: a member with tag 2 is in segment `t2`.
const TAGS: u8 = 4;

fn code(text: &str) -> Code {
    Code::parse(text).unwrap()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn segment_of(tag: u8) -> Code {
    code(&format!("t{tag}"))
}

fn tag(tag: u8) -> Name {
    name(&format!("标签{tag}"))
}

fn put(n: u8) -> Action {
    Action::PutTag { tag: tag(n), days: None }
}

fn take(n: u8) -> Action {
    Action::TakeTag { tag: tag(n) }
}

fn playbook(on_enter: Vec<Action>, on_leave: Vec<Action>) -> Playbook {
    let text = json!({ "goal": "试一试", "owner": "运营组" });
    Playbook { on_enter, on_leave, ..serde_json::from_value(text).unwrap() }
}

fn rules() -> Rulebook {
    let segment = |n: u8| {
        json!({ "id": segment_of(n), "name": format!("有标签{n}"), "english": format!("Has tag {n}"),
            "rule": format!("tag = \"{}\"", tag(n)) })
    };
    let text = json!({ "version": 1, "sets": [], "segments": (0..TAGS).map(segment).collect::<Vec<_>>() });
    let program = Shipped::AnnualSpend.program().unwrap();
    let by = Actor::parse("huitou").unwrap();
    Rulebook {
        version: Arc::new(Version { version: 1, effective_from: Moment::start_of(LocalDay::FIRST), by, program }),
        segmentation: Arc::new(serde_json::from_value::<Segmentation>(text).unwrap()),
        floors: Floors::NONE,
    }
}

/// A member, the playbooks, and the moves that nobody has worked on yet.
struct Brand {
    rules: Rulebook,
    playbooks: BTreeMap<Code, Playbook>,
    now: Moment,
    account: Account,
    journal: Vec<Entry>,
    stored: Vec<StoredRow>,
    stays: BTreeMap<Code, RowKey>,
    moves: VecDeque<Move>,
}

impl Brand {
    fn new(playbooks: impl IntoIterator<Item = (Code, Playbook)>) -> Self {
        Self {
            rules: rules(),
            playbooks: playbooks.into_iter().collect(),
            now: Moment::parse("2026-03-02T10:00:00+08:00").unwrap(),
            account: Account::new(MemberId::from_random([1; 16])),
            journal: Vec::new(),
            stored: Vec::new(),
            stays: BTreeMap::new(),
            moves: VecDeque::new(),
        }
    }

    /// Writes a movement down, and its moves as the stream would tell of them.
    fn book(&mut self, posted: Posted) {
        let Posted { account, entry, text, .. } = posted;
        let member = account.member;
        for segment in &entry.change.left {
            let stay = self.stays.remove(segment).unwrap();
            self.moves.push_back(Move { member, segment: segment.clone(), stay, way: Way::Left });
        }
        for segment in &entry.change.entered {
            self.stays.insert(segment.clone(), entry.row);
            self.moves.push_back(Move { member, segment: segment.clone(), stay: entry.row, way: Way::Entered });
        }
        self.account = account;
        self.stored.push(StoredRow { key: entry.row, text });
        self.journal.insert(0, entry);
    }

    fn staff_tags(&mut self, add: &[u8], remove: &[u8]) {
        let add: Vec<Tag> = add.iter().map(|n| Tag { name: tag(*n), until: None }).collect();
        let remove: Vec<Name> = remove.iter().map(|n| tag(*n)).collect();
        let row = RowKey::of("tagged", &[&self.journal.len().to_string()]);
        let by = Actor::parse("staff:lin").unwrap();
        if let Some(posted) = retag(&self.account, &add, &remove, row, &self.rules, self.now, by).unwrap() {
            self.book(posted);
        }
    }

    /// Works on the oldest move; says whether a playbook acted on it.
    fn works_on_a_move(&mut self) -> bool {
        let on = self.moves.pop_front().unwrap();
        let actions = self.playbooks.get(&on.segment).map(|playbook| playbook.on(on.way).to_vec()).unwrap_or_default();
        let cause = on.cause(&self.journal).expect("every move has a row that made it");
        let Some(depth) = depth(&cause.what).filter(|_| !actions.is_empty()) else { return false };
        let by = Actor::parse("huitou").unwrap();
        self.book(act(&self.account, &actions, &on, depth, &self.rules, self.now, by).unwrap());
        true
    }

    fn works_on_all_moves(&mut self) -> usize {
        let mut acted = 0;
        for _ in 0..10_000 {
            if self.moves.is_empty() {
                return acted;
            }
            acted += usize::from(self.works_on_a_move());
        }
        panic!("it never ends: {} moves are left", self.moves.len());
    }

    fn tags(&self) -> Vec<String> {
        self.account.traits.tags.iter().map(|tag| tag.name.to_string()).collect()
    }
}

#[test]
fn a_tag_leads_to_points_and_another_tag_once() {
    let gift = Action::GivePoints { points: SomePoints::new(50).unwrap() };
    let mut brand = Brand::new([(segment_of(0), playbook(vec![gift, put(1)], vec![]))]);
    brand.staff_tags(&[0], &[]);
    assert_eq!(brand.works_on_all_moves(), 1);
    assert_eq!(brand.tags(), ["标签0", "标签1"]);
    let What::Playbook { segment, depth, earned, .. } = &brand.journal[0].what else { panic!() };
    assert_eq!((segment.as_str(), *depth, earned.number()), ("t0", 1, 50));
}

#[test]
fn two_playbooks_that_undo_each_other_stop_after_three_acts() {
    let ping = (segment_of(0), playbook(vec![take(0), put(1)], vec![]));
    let pong = (segment_of(1), playbook(vec![take(1), put(0)], vec![]));
    let mut brand = Brand::new([ping, pong]);
    brand.staff_tags(&[0], &[]);
    assert_eq!(brand.works_on_all_moves(), usize::from(MOST_DEEP));
    // What staff do begins anew.
    brand.staff_tags(&[2], &[0, 1]);
    brand.staff_tags(&[0], &[]);
    assert_eq!(brand.works_on_all_moves(), usize::from(MOST_DEEP));
}

#[test]
fn a_member_who_came_back_and_left_again_has_left_twice() {
    let mut brand = Brand::new([(segment_of(0), playbook(vec![], vec![put(1)]))]);
    for _ in 0..2 {
        brand.staff_tags(&[0], &[]);
        brand.staff_tags(&[], &[0]);
    }
    let rows: BTreeSet<RowKey> = brand.moves.iter().map(Move::row).collect();
    assert_eq!(rows.len(), 4, "each move has a key of its own");
    let causes: Vec<u64> = brand.moves.iter().map(|on| on.cause(&brand.journal).unwrap().sequence).collect();
    assert_eq!(causes, [1, 2, 3, 4]);
    assert_eq!(brand.works_on_all_moves(), 2);
}

#[test]
fn a_tag_holds_no_shorter_for_being_put_on_again() {
    let day = |n: u32| Some(LocalDay::parse("2026-03-02").unwrap().plus(n));
    for (known, days, wanted) in [
        (None, Some(30), None),
        (day(40), Some(30), day(40)),
        (day(20), Some(30), day(30)),
        (day(20), None, None),
        (day(0), Some(1), day(1)),
    ] {
        let action = Action::PutTag { tag: tag(1), days };
        let mut brand = Brand::new([(segment_of(0), playbook(vec![action], vec![]))]);
        brand.account.traits.tags = vec![Tag { name: tag(1), until: known }];
        brand.staff_tags(&[0], &[]);
        brand.works_on_all_moves();
        let tags = &brand.account.traits.tags;
        assert_eq!(tags.iter().find(|t| t.name == tag(1)).unwrap().until, wanted, "{known:?} {days:?}");
    }
}

#[test]
fn a_member_with_too_many_tags_gets_no_more_and_no_points_either() {
    let gift = Action::GivePoints { points: SomePoints::new(50).unwrap() };
    let brand = Brand::new([]);
    let mut account = brand.account.clone();
    account.traits.tags = (0..MOST_TAGS).map(|n| Tag { name: name(&format!("{n}")), until: None }).collect();
    let on = Move { member: account.member, segment: segment_of(0), stay: RowKey::of("a", &[]), way: Way::Entered };
    let by = Actor::parse("huitou").unwrap();
    let refused = act(&account, &[gift, put(1)], &on, 1, &brand.rules, brand.now, by).unwrap_err();
    assert_eq!(refused, Failure::Refused(Refusal::TooManyTags { most: MOST_TAGS }));
}

#[test]
fn merging_accounts_moves_nobody() {
    let reason = huitou::values::Reason::parse("同一人").unwrap();
    let (into, merge) = (MemberId::from_random([2; 16]), RowKey::of("merge", &[]));
    assert_eq!(depth(&What::MergedOut { into, merge, reason, claimed: true }), None);
    assert_eq!(depth(&What::MergeReturned { merge, claimed: true, coupons: Vec::new() }), None);
    assert_eq!(depth(&What::Settlement), Some(1));
}

#[test]
fn the_shipped_playbooks_are_sound_and_do_nothing_by_themselves() {
    let shipped = Playbooks::shipped().unwrap();
    let segmentation = Segmentation::shipped().unwrap();
    let known: BTreeSet<&Code> = segmentation.segments().map(|segment| &segment.id).collect();
    assert!(shipped.by_segment.len() > 10);
    for (segment, playbook) in &shipped.by_segment {
        assert!(known.contains(segment), "{segment}");
        assert_eq!(playbook.flaws(), [], "{segment}");
        assert!(!playbook.suggestions.is_empty(), "{segment}");
        assert!(playbook.on_enter.is_empty() && playbook.on_leave.is_empty(), "{segment}");
    }
}

#[test]
fn what_is_wrong_with_a_playbook_is_told_with_its_place() {
    let flawed = |change: Value| -> Vec<String> {
        let mut text = json!({ "goal": "试一试", "owner": "运营组" });
        text.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let playbook: Playbook = serde_json::from_value(text).unwrap();
        playbook.flaws().into_iter().map(|flaw| flaw.pointer).collect()
    };
    let tagged = |days: u32| json!({ "put_tag": { "tag": "新", "days": days } });
    assert_eq!(flawed(json!({ "on_enter": [tagged(0)] })), ["/on_enter/0/put_tag/days"]);
    assert_eq!(flawed(json!({ "on_leave": [tagged(3), { "take_tag": { "tag": "新" } }] })), ["/on_leave/1"]);
    assert_eq!(flawed(json!({ "on_enter": vec![json!({ "give_points": { "points": 1 } }); 6] })), ["/on_enter"]);
    assert_eq!(flawed(json!({ "suggestions": vec!["做"; 6] })), ["/suggestions"]);
    assert_eq!(flawed(json!({ "budget": { "per": "month" } })), ["/budget"]);
    assert_eq!(flawed(json!({ "budget": { "per": "month", "times": 0 } })), ["/budget/times"]);
    assert_eq!(flawed(json!({ "budget": { "per": "month", "fen": 100 } })), ["/cost"]);
    assert_eq!(flawed(json!({ "cost": 5, "budget": { "per": "month", "fen": 4 } })), ["/budget/fen"]);
    assert!(flawed(json!({ "cost": 5, "budget": { "per": "month", "fen": 5, "times": 1 } })).is_empty());
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (0..TAGS, proptest::option::of(1_u32..4)).prop_map(|(n, days)| Action::PutTag { tag: tag(n), days }),
        (0..TAGS).prop_map(take),
        (1_u64..100).prop_map(|points| Action::GivePoints { points: SomePoints::new(points).unwrap() }),
    ]
}

fn any_playbook() -> impl Strategy<Value = Playbook> {
    let actions = || proptest::collection::vec(action(), 0..4);
    (actions(), actions()).prop_map(|(on_enter, on_leave)| playbook(on_enter, on_leave))
}

proptest! {
    #[test]
    fn whatever_playbooks_there_are_it_ends_and_every_act_is_accounted_for(
        books in proptest::collection::vec(any_playbook(), usize::from(TAGS)),
        staff in proptest::collection::vec((0..TAGS, any::<bool>(), 0_usize..3), 1..8),
    ) {
        let mut brand = Brand::new((0..TAGS).map(segment_of).zip(books));
        for (n, on, worked_on) in staff {
            if on { brand.staff_tags(&[n], &[]) } else { brand.staff_tags(&[], &[n]) }
            // Moves may wait while more happens.
            for _ in 0..worked_on.min(brand.moves.len()) {
                brand.works_on_a_move();
            }
        }
        brand.works_on_all_moves();
        let keys: BTreeSet<RowKey> = brand.journal.iter().map(|entry| entry.row).collect();
        prop_assert_eq!(keys.len(), brand.journal.len(), "no move is acted on twice");
        for entry in &brand.journal {
            if let What::Playbook { depth, .. } = entry.what {
                prop_assert!((1..=MOST_DEEP).contains(&depth));
            }
        }
        let proof = prove(brand.account.member, &brand.stored, &brand.account);
        prop_assert_eq!(proof.fault, None);
    }
}
