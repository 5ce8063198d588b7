//! What must be true after each thing.

use std::collections::{BTreeMap, BTreeSet};

use huitou::domain::account::Account;
use huitou::domain::entry::{Entry, What};
use huitou::domain::proof::prove;
use huitou::table::{DUE_SHARDS, Hot};
use huitou::values::{LocalDay, MemberId, RowKey};

use super::doings::PEOPLE;
use super::world::{World, card};

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
        assert_eq!(owners, self.members, "each card leads to its member");
        let mut rows = 0;
        for hot in &hots {
            let who = self.members.iter().position(|m| *m == Some(hot.account.member)).unwrap();
            rows += self.check_journal(hot).await;
            assert_eq!(days(&hot.account), self.days_bought(who), "purchase days");
            check_due(hot);
        }
        assert_eq!(rows, self.rows.len(), "what was acknowledged is there once");
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
            let opened = self.yard.process().people().open(member).await.unwrap();
            assert_eq!(opened.handles().unwrap(), [card(who)], "the profile holds the card");
        }
    }

    /// All members, by pages.
    pub(crate) async fn everybody(&self) -> Vec<Hot> {
        let app = self.yard.process();
        let (mut all, mut from) = (Vec::new(), None);
        loop {
            let (mut hots, next) = app.table().all_members(from, PAGE).await.unwrap();
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

    /// Proves the account and compares its rows with what was acknowledged; says how many of those there are.
    async fn check_journal(&self, hot: &Hot) -> usize {
        let account = &hot.account;
        assert!(account.holdings.balanced(), "{:?}", account.holdings);
        let rows = self.yard.process().table().whole_journal(account).await.unwrap();
        assert_eq!(prove(account.member, &rows, account).fault, None);
        let mut acknowledged = 0;
        let mut seen: BTreeSet<RowKey> = BTreeSet::new();
        for row in rows {
            let entry = Entry::read(row.key, &row.text).unwrap();
            assert!(seen.insert(entry.row), "{entry:?} is there twice");
            if entry.what == What::Settlement {
                continue;
            }
            assert_eq!(Some(&entry), self.rows.get(&entry.row), "nothing is there that nobody was told of");
            acknowledged += 1;
        }
        acknowledged
    }

    fn days_bought(&self, who: usize) -> BTreeMap<LocalDay, (u32, u64)> {
        let mut days = BTreeMap::<LocalDay, (u32, u64)>::new();
        for sold in self.orders.iter().filter(|sold| sold.who == who) {
            let day = days.entry(sold.order.paid_at.day()).or_default();
            let given_back = !sold.refunds.is_empty() && sold.left() == 0;
            day.0 += u32::from(!given_back);
            day.1 += sold.left();
        }
        days.retain(|_, bought| *bought != (0, 0));
        days
    }

    /// The accounts as another world sees them in which the same has happened: without what is drawn at random.
    pub(crate) async fn in_essence(&self) -> Vec<String> {
        let mut views = Vec::new();
        for who in 0..PEOPLE {
            let Some(Hot { mut account, sessions, due_on, version }) = self.hot(who).await else {
                views.push("nobody".to_owned());
                continue;
            };
            account.member = MemberId::from_random([0; 16]);
            account.chain.head = [0; 32];
            account.chain.recent.clear();
            account.holdings.holds.iter_mut().for_each(|hold| hold.id = RowKey::from_bytes([0; 16]));
            views.push(format!("{sessions} {due_on:?} {version} {account:?}"));
        }
        views
    }
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
