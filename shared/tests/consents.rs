//! Consents under any sequence of decisions, policies and days, beside a model that keeps nothing but the records.
#![allow(clippy::unwrap_used, reason = "a test that fails should stop at once, also in its helpers")]

use std::sync::Arc;

use huitou::domain::account::Account;
use huitou::domain::consent::{ASK_AGAIN_AFTER_DAYS, Bar, Purpose, Record, Via, Wish, decide};
use huitou::domain::entry::{Entry, What};
use huitou::domain::impact_assessment::ImpactAssessment;
use huitou::domain::privacy_policy::{PolicyDraft, PrivacyPolicy, StatementDraft, Substance};
use huitou::domain::program::{Shipped, Version};
use huitou::domain::proof::{StoredRow, prove};
use huitou::domain::rulebook::Rulebook;
use huitou::domain::segmentation::Segmentation;
use huitou::domain::traits::Channel;
use huitou::values::{Actor, Birthday, LocalDay, MemberId, Moment, Name, Note, RowKey};
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Clone, Debug)]
enum Doing {
    /// The member agrees to the statement in force, or to the one before it.
    Yes(Purpose, bool),
    /// The member, or somebody for them, says no.
    No(Purpose, Via),
    /// The policy gets another text for a purpose, with a change of substance or without.
    Reword(Purpose, bool),
    /// The policy offers a purpose no more, or again.
    Toggle(Purpose),
    /// Days pass.
    Wait(u32),
    /// The member tells a birthday, so many days before today or after it fourteen years ago.
    Born(i16),
}

fn purpose() -> impl Strategy<Value = Purpose> {
    select(vec![Purpose::Sms, Purpose::Email, Purpose::Sensitive, Purpose::Personalisation])
}

fn doing() -> impl Strategy<Value = Doing> {
    prop_oneof![
        4 => (purpose(), prop::bool::weighted(0.8)).prop_map(|(purpose, current)| Doing::Yes(purpose, current)),
        4 => (purpose(), select(vec![Via::MiniProgram, Via::SmsReply, Via::Provider])).prop_map(|(p, via)| Doing::No(p, via)),
        2 => (purpose(), any::<bool>()).prop_map(|(purpose, substance)| Doing::Reword(purpose, substance)),
        1 => purpose().prop_map(Doing::Toggle),
        3 => (1_u32..50).prop_map(Doing::Wait),
        1 => (-40_i16..40).prop_map(Doing::Born),
    ]
}

/// Everything, and what a model keeps beside it.
struct World {
    account: Account,
    rows: Vec<StoredRow>,
    records: Vec<Record>,
    policy: PrivacyPolicy,
    version: u32,
    /// Each purpose with the version below which nothing counts any more.
    floors: Vec<(Purpose, u32)>,
    now: Moment,
    rules: Rulebook,
}

impl World {
    fn new() -> Self {
        let now = Moment::parse("2026-03-02T10:00:00+08:00").unwrap();
        let by = Actor::parse("huitou").unwrap();
        let program = Shipped::AnnualSpend.program().unwrap();
        let policy = PrivacyPolicy::shipped().unwrap();
        Self {
            account: Account::new(MemberId::from_random([7; 16])),
            rows: Vec::new(),
            records: Vec::new(),
            floors: policy.statements.iter().map(|statement| (statement.purpose, 1)).collect(),
            rules: Rulebook {
                version: Arc::new(Version { version: 1, effective_from: now, by, program }),
                segmentation: Arc::new(Segmentation::shipped().unwrap()),
                floors: policy.floors(),
            },
            policy,
            version: 1,
            now,
        }
    }

    fn today(&self) -> LocalDay {
        self.now.day()
    }

    fn floor(&self, purpose: Purpose) -> Option<u32> {
        self.floors.iter().find(|(known, _)| *known == purpose).map(|(_, floor)| *floor)
    }

    fn last(&self, purpose: Purpose) -> Option<&Record> {
        self.records.iter().rev().find(|record| record.purpose == purpose)
    }

    fn drafts(&self) -> Vec<StatementDraft> {
        let draft = |s: &huitou::domain::privacy_policy::Statement| StatementDraft {
            purpose: s.purpose,
            text: s.text.clone(),
            changes: Vec::new(),
        };
        self.policy.statements.iter().map(draft).collect()
    }

    fn save(&mut self, statements: Vec<StatementDraft>) {
        self.version += 1;
        let assessment = ImpactAssessment {
            number: Name::parse(&format!("PIA-{}", self.version)).unwrap(),
            made_on: self.today(),
            kept_until: self.today().years_later(3),
            purposes: Purpose::ALL.to_vec(),
        };
        let draft = PolicyDraft { statements, impact_assessments: vec![assessment] };
        self.policy = self.policy.next(self.version, &draft, self.today()).unwrap();
        self.rules.floors = self.policy.floors();
    }

    fn run(&mut self, doing: &Doing) {
        match doing {
            Doing::Yes(purpose, current) => {
                let version = self.policy.statement(*purpose).map_or(1, |statement| statement.version);
                let seen = if *current { version } else { version + 1 };
                self.decide(&Wish { agrees_to: Some(seen), ..Wish::no(*purpose, Via::MiniProgram) });
            }
            Doing::No(purpose, via) => self.decide(&Wish::no(*purpose, *via)),
            Doing::Reword(purpose, substance) => {
                let mut drafts = self.drafts();
                for draft in drafts.iter_mut().filter(|draft| draft.purpose == *purpose) {
                    draft.text.use_of_data = Note::parse(&format!("第{}版", self.version + 1)).unwrap();
                    draft.changes = if *substance { vec![Substance::Type] } else { Vec::new() };
                }
                self.save(drafts);
                let version = self.version;
                for (_, floor) in self.floors.iter_mut().filter(|(known, _)| known == purpose && *substance) {
                    *floor = version;
                }
            }
            Doing::Toggle(purpose) => {
                let mut drafts = self.drafts();
                let before = drafts.len();
                drafts.retain(|draft| draft.purpose != *purpose);
                self.floors.retain(|(known, _)| known != purpose);
                if drafts.len() == before {
                    let shipped = PrivacyPolicy::shipped().unwrap();
                    let text = shipped.statement(*purpose).unwrap().text.clone();
                    drafts.push(StatementDraft { purpose: *purpose, text, changes: Vec::new() });
                    self.floors.push((*purpose, self.version + 1));
                }
                self.save(drafts);
            }
            Doing::Wait(days) => self.now = Moment::start_of(self.today().plus(*days)),
            Doing::Born(days) => {
                let day = if *days < 0 {
                    self.today().minus(days.unsigned_abs().into())
                } else {
                    self.today().plus(days.unsigned_abs().into())
                };
                let text = day.to_string();
                let born = format!("{}-{}", day.year() - 14, text.split_once('-').unwrap().1);
                let birthday =
                    Birthday::parse(&born).or_else(|_| Birthday::parse(&born.replace("02-29", "03-01"))).unwrap();
                self.account.own = self.account.own.told_again(Some(birthday), self.today());
            }
        }
    }

    fn decide(&mut self, wish: &Wish) {
        let by = Actor::parse("member").unwrap();
        let decided = decide(&self.account, wish, &self.policy, &self.rules, self.now, &by);
        let Ok(Some(decided)) = decided else { return };
        assert_eq!(decided.record.id, decided.posted.entry.row, "the record and its row are one");
        self.rows.push(StoredRow { key: decided.posted.entry.row, text: decided.posted.text });
        self.records.push(decided.record);
        self.account = decided.posted.account;
    }

    /// Whether the last record is a yes to a statement that still says the same in substance.
    fn is_live_by_the_records(&self, purpose: Purpose) -> bool {
        let young = |r: &Record| self.account.own.minor_until.is_some_and(|until| r.at().unwrap().day() < until);
        let void = |r: &Record| r.granted_at.is_some() && purpose.is_for_grown_ups() && young(r);
        let last = self.last(purpose).is_some_and(|record| record.granted_at.is_some() && !void(record));
        let counts = self.last(purpose).zip(self.floor(purpose)).is_some_and(|(r, floor)| r.policy_version >= floor);
        let grown = !purpose.is_for_grown_ups() || !self.account.own.is_minor(self.today());
        match purpose {
            Purpose::Personalisation => grown && self.last(purpose).is_none_or(|record| record.granted_at.is_some()),
            _ => last && counts && grown,
        }
    }

    fn check(&self) {
        for purpose in [Purpose::Sms, Purpose::Email, Purpose::Sensitive, Purpose::Personalisation] {
            let live = self.account.agrees_to(purpose, self.policy.floors(), self.today());
            assert_eq!(live, self.is_live_by_the_records(purpose), "{purpose:?}");
        }
        for (channel, purpose) in [(Channel::Sms, Purpose::Sms), (Channel::Email, Purpose::Email)] {
            let sent = self.account.may_be_sent(channel, self.policy.floors(), self.today());
            assert_eq!(sent.is_ok(), self.is_live_by_the_records(purpose));
            if self.last(purpose).is_some_and(|record| record.withdrawn_at.is_some()) {
                assert!(matches!(sent, Err(Bar::NoConsent | Bar::UnderFourteen)), "withdrawn, and yet {sent:?}");
            }
        }
        assert_eq!(
            self.account.may_be_personalised(self.today()),
            self.is_live_by_the_records(Purpose::Personalisation)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_last_record_and_the_policy_in_force_decide_and_nothing_else(
        doings in proptest::collection::vec(doing(), 1..40)
    ) {
        let mut world = World::new();
        for doing in &doings {
            let before = world.records.clone();
            world.run(doing);
            prop_assert_eq!(&world.records[..before.len()], &before[..], "records are never edited");
            world.check();
        }
        let ids: std::collections::BTreeSet<RowKey> = world.records.iter().map(|record| record.id).collect();
        prop_assert_eq!(ids.len(), world.records.len());
        let proof = prove(world.account.member, &world.rows, &world.account);
        prop_assert_eq!(proof.fault, None);
        for (row, record) in world.rows.iter().zip(&world.records) {
            let entry = Entry::read(row.key, &row.text).unwrap();
            let What::Consent { purpose, granted, policy, .. } = entry.what else { panic!("{entry:?}") };
            prop_assert_eq!((purpose, granted, policy), (record.purpose, record.granted_at.is_some(), record.policy_version));
        }
    }

    #[test]
    fn a_no_is_repeated_at_most_once_in_thirty_days_and_a_yes_never(
        gaps in proptest::collection::vec(0_u32..20, 1..30), granted in any::<bool>()
    ) {
        let mut world = World::new();
        for gap in gaps {
            world.run(&Doing::Wait(gap));
            world.run(&if granted { Doing::Yes(Purpose::Sms, true) } else { Doing::No(Purpose::Sms, Via::MiniProgram) });
        }
        if granted {
            prop_assert_eq!(world.records.len(), 1);
        }
        for pair in world.records.windows(2) {
            let days = |record: &Record| record.at().unwrap().day();
            let between = u32::try_from(days(&pair[1]).days_since(days(&pair[0]))).unwrap();
            prop_assert!(between >= ASK_AGAIN_AFTER_DAYS);
        }
    }
}
