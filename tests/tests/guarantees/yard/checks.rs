//! What must be true after each thing.

use std::collections::{BTreeMap, BTreeSet};

use huitou::domain::account::{Account, Membership};
use huitou::domain::consent::Record;
use huitou::domain::entry::{Entry, What};
use huitou::domain::proof::prove;
use huitou::table::{DUE_SHARDS, Freshness, Hot, MembersPage, ScanShard};
use huitou::values::{LocalDay, MemberId, RowKey};

use super::doings::PEOPLE;
use super::world::{World, card, spring, till};

/// Members on one page of a full pass: fewer than there are.
const PAGE: i32 = 2;

impl World {
    /// Every account is proved, balances, and holds exactly what was acknowledged; every card leads to its one member.
    pub(crate) async fn check(&self) {
        let hots = self.everybody().await;
        let known: BTreeSet<MemberId> = self.members.iter().flatten().copied().collect();
        let stored: BTreeSet<MemberId> = hots.iter().map(|hot| hot.account.member).collect();
        assert_eq!(stored, known, "exactly those are members whose orders were acknowledged");
        let cards: Vec<_> = (0..PEOPLE).map(card).collect();
        let owners = self.yard.process().people().owners(&cards).await.unwrap();
        let wanted: Vec<_> = (0..PEOPLE).map(|who| self.members[self.owner(who)]).collect();
        assert_eq!(owners, wanted, "each card leads to its member, or to the one who goes on");
        let (mut rows, mut of_merges) = (0, 0);
        for hot in &hots {
            let who = self.members.iter().position(|m| *m == Some(hot.account.member)).unwrap();
            let seen = self.check_journal(hot).await;
            (rows, of_merges) = (rows + seen.0, of_merges + seen.1);
            assert_eq!(days(&hot.account), self.days[who], "purchase days");
            let into = self.into[who].and_then(|into| self.members[into]);
            assert_eq!(merged_into(&hot.account), into, "taken over by");
            check_due(hot);
        }
        assert_eq!(rows, self.rows.len(), "what was acknowledged is there once");
        assert_eq!(of_merges, 2 * self.merges(), "every merge and every undo is in both journals");
        let uses: usize = hots.iter().map(|hot| hot.account.coupons.len()).sum();
        assert_eq!(self.coupons_used().await, uses as u64, "the stock knows of every coupon in use, and of no other");
        let sum: i64 = hots.iter().map(|hot| hot.account.holdings.books.sum()).sum();
        assert_eq!(sum, 0, "the books of all members sum to zero");
    }

    /// Everything in [`World::check`], the due index against the items, and that everybody's profile can be opened.
    pub(crate) async fn check_thoroughly(&self) {
        self.check().await;
        let due_on = |hot: Hot| Some((hot.account.member, hot.due_on?));
        let wanted: BTreeMap<_, _> = self.everybody().await.into_iter().filter_map(due_on).collect();
        assert_eq!(self.due_index().await, wanted, "the due index names everybody once, under the item's own day");
        for who in 0..PEOPLE {
            let Some(member) = self.members[who] else { continue };
            let opened = self.yard.process().people().open(member, Freshness::Latest).await.unwrap();
            let mut held: Vec<_> = opened.handles().unwrap().into_iter().map(|(_, handle)| handle).collect();
            held.sort_by(|one, other| one.value().cmp(other.value()));
            let own = (0..PEOPLE).filter(|card| self.members[*card].is_some() && self.owner(*card) == who);
            assert_eq!(held, own.map(card).collect::<Vec<_>>(), "the profile holds the cards that lead to it");
        }
    }

    /// How many coupons the stock's counter tells.
    async fn coupons_used(&self) -> u64 {
        let app = self.yard.process();
        let program = app.programs().current().await.unwrap().program.clone();
        app.table().coupons_used(&program.coupons).await.unwrap().get(&spring()).copied().unwrap_or(0)
    }

    /// All members, by pages.
    pub(crate) async fn everybody(&self) -> Vec<Hot> {
        let app = self.yard.process();
        let (mut all, mut from) = (Vec::new(), None);
        loop {
            let MembersPage { members: mut hots, next, .. } =
                app.table().page_of_members(ScanShard::WHOLE, from, PAGE).await.unwrap();
            all.append(&mut hots);
            from = next;
            if from.is_none() {
                all.sort_by_key(|hot| hot.account.member);
                return all;
            }
        }
    }

    async fn due_index(&self) -> BTreeMap<MemberId, LocalDay> {
        let app = self.yard.process();
        let mut index = BTreeMap::new();
        for shard in 0..DUE_SHARDS {
            let mut from = None;
            loop {
                let due = app.table().due(shard, LocalDay::LAST, from.as_ref(), 1).await.unwrap();
                for place in &due.members {
                    assert_eq!(index.insert(place.member, place.due_on), None, "the due index names somebody twice");
                }
                from = due.next;
                if from.is_none() {
                    break;
                }
            }
        }
        index
    }

    /// Proves the account and compares its rows with what was acknowledged; says how many of those there are, and how
    /// many rows of merges.
    async fn check_journal(&self, hot: &Hot) -> (usize, usize) {
        let account = &hot.account;
        assert!(account.holdings.balanced(), "{:?}", account.holdings);
        let rows = self.yard.process().table().whole_journal(account).await.unwrap();
        assert_eq!(prove(account.member, &rows, account).fault, None);
        let (mut acknowledged, mut of_merges) = (0, 0);
        let mut decided: BTreeSet<RowKey> = BTreeSet::new();
        let mut seen: BTreeSet<RowKey> = BTreeSet::new();
        for row in rows {
            let entry = Entry::read(row.key, &row.text).unwrap();
            assert!(seen.insert(entry.row), "{entry:?} is there twice");
            match entry.what {
                What::Settlement => {}
                // The night's, of which nobody has asked since.
                What::CouponRolledBack { .. } if entry.by != till() && !self.rows.contains_key(&entry.row) => {}
                What::Consent { .. } => drop(decided.insert(entry.row)),
                What::MergedIn { .. }
                | What::MergedOut { .. }
                | What::MergeTakenBack { .. }
                | What::MergeReturned { .. } => of_merges += 1,
                _ => {
                    assert_eq!(Some(&entry), self.rows.get(&entry.row), "nothing is there that nobody was told of");
                    acknowledged += 1;
                }
            }
        }
        assert_eq!(self.records(account.member).await, decided, "each decision has its row and its record");
        (acknowledged, of_merges)
    }

    /// The ids of a member's records of consent.
    async fn records(&self, member: MemberId) -> BTreeSet<RowKey> {
        let (mut ids, mut after) = (BTreeSet::new(), None);
        loop {
            let (records, next) = self.yard.process().table().consents(member, after.as_deref(), 2).await.unwrap();
            for record in records {
                let record: Record = serde_json::from_str(&record).unwrap();
                assert!(ids.insert(record.id), "{record:?} is there twice");
            }
            after = next;
            if after.is_none() {
                return ids;
            }
        }
    }

    /// The accounts as another world sees them in which the same has happened: without what is drawn at random.
    pub(crate) async fn in_essence(&self) -> Vec<String> {
        let mut views = Vec::new();
        for who in 0..PEOPLE {
            let Some(Hot { mut account, sessions, reach, due_on, version }) = self.hot(who).await else {
                views.push("nobody".to_owned());
                continue;
            };
            account.member = MemberId::from_random([0; 16]);
            if merged_into(&account).is_some() {
                account.membership = Membership::MergedInto(account.member);
            }
            account.chain.head = [0; 32];
            account.chain.recent.clear();
            account.holdings.holds.iter_mut().for_each(|hold| hold.id = RowKey::from_bytes([0; 16]));
            account.coupons.iter_mut().for_each(|one| one.reservation = RowKey::from_bytes([0; 16]));
            views.push(format!("{sessions} {due_on:?} {version} {reach:?} {account:?}"));
        }
        views
    }
}

fn merged_into(account: &Account) -> Option<MemberId> {
    if let Membership::MergedInto(member) = account.membership { Some(member) } else { None }
}

fn days(account: &Account) -> BTreeMap<LocalDay, (u32, u64)> {
    account.days.days().iter().map(|d| (d.day, (d.orders, d.money.number()))).collect()
}

/// The index may name somebody early, never late.
fn check_due(hot: &Hot) {
    let late = match (hot.due_on, hot.account.due_on()) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(indexed), Some(due)) => indexed > due,
    };
    assert!(!late, "the index says {:?}, the account {:?}", hot.due_on, hot.account.due_on());
}
