//! A small world of three members, in which anything may happen in any order, and what must be true after each thing.

mod checks;
mod doings;
mod naive;
pub(crate) mod programs;

use std::collections::HashMap;
use std::sync::Arc;

use huitou::domain::account::{Account, Membership};
use huitou::domain::book::Book;
use huitou::domain::consent::Floors;
use huitou::domain::entry::Entry;
use huitou::domain::order::{Order, Topic};
use huitou::domain::posting::{Failure, Posted, Settled, settled, settlement};
use huitou::domain::program::{Cap, Period, Program, Version};
use huitou::domain::proof::StoredRow;
use huitou::domain::purchase::Refunded;
use huitou::domain::refusal::Refusal;
use huitou::domain::rulebook::Rulebook;
use huitou::domain::segmentation::Segmentation;
use huitou::values::{Actor, LocalDay, MemberId, Moment, Points, RowKey};

use naive::{Brought, Naive};
use programs::Variation;

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    Buy { who: usize, amount: u64, toys: u64, ahead: bool, days_ago: u32 },
    Redeliver { order: usize, who: usize },
    Refund { order: usize, portion: Portion },
    RefundAgain { refund: usize },
    Event { who: usize, topic: Topic, days_ago: u32 },
    CheckIn { who: usize },
    Join { who: usize },
    Adjust { who: usize, points: u64, give: bool },
    Redeem { who: usize, reward: usize, quantity: u32 },
    Donate { who: usize, points: u64 },
    Hold { who: usize, percent: u64, minutes: u32 },
    Capture { hold: usize, portion: Portion },
    Release { hold: usize },
    Merge { survivor: usize, absorbed: usize },
    Undo { merge: usize },
    Wait { minutes: u64 },
    ChangeSettings { variation: Variation },
}

/// How much of what is left.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Portion {
    All,
    Percent(u64),
    TooMuch,
}

impl Portion {
    fn of(self, whole: u64) -> u64 {
        match self {
            Self::All => whole,
            Self::Percent(percent) => whole * percent / 100,
            Self::TooMuch => whole + 1,
        }
    }
}

/// Whether somebody settles the accounts while time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Only movements settle what time has done.
    Lazy,
    /// The nightly run settles every account that time has changed.
    Nightly,
}

/// One member: what the ledger stores, and what the test keeps on its own.
pub(crate) struct Member {
    pub(crate) account: Account,
    pub(crate) rows: Vec<StoredRow>,
    naive: Naive,
    /// Rows that the last proof has read.
    proven: usize,
    /// Orders that count for this member, by their place in the world's list.
    bought: Vec<usize>,
    last_check_in: Option<(LocalDay, u32)>,
}

/// An order that was taken.
struct Sold {
    order: Order,
    earned: u64,
    version: u32,
    booked_to: usize,
    refunded: Refunded,
    refunds: Vec<(String, u64)>,
}

/// A merge that was made.
struct Union {
    survivor: usize,
    absorbed: usize,
    row: Entry,
    row_in: Entry,
    brought: Brought,
    orders: Vec<usize>,
    refunds_before: usize,
    undone: bool,
}

/// One use of a limit.
struct Use {
    who: usize,
    limit: String,
    per: Vec<Period>,
    day: LocalDay,
    times: u32,
    points: u64,
}

/// The world.
pub(crate) struct World {
    pub(crate) now: Moment,
    pub(crate) members: Vec<Member>,
    versions: Vec<Arc<Version>>,
    segmentation: Arc<Segmentation>,
    table: HashMap<RowKey, String>,
    orders: Vec<Sold>,
    holds: Vec<(usize, RowKey)>,
    unions: Vec<Union>,
    uses: Vec<Use>,
    habit: Habit,
    steps: u32,
}

fn staff() -> Actor {
    Actor::parse("staff:lin").unwrap()
}

impl World {
    /// A world in which nothing has happened yet.
    pub(crate) fn new(program: Program, habit: Habit) -> Self {
        assert_eq!(program.flaws(), []);
        let now = Moment::parse("2026-03-01T10:00:00+08:00").unwrap();
        let member = |n: u8| Member {
            account: Account::new(MemberId::from_random([n; 16])),
            rows: Vec::new(),
            naive: Naive::default(),
            proven: 0,
            bought: Vec::new(),
            last_check_in: None,
        };
        let version = Version { version: 1, effective_from: now, by: staff(), program };
        Self {
            now,
            members: (1..=3).map(member).collect(),
            versions: vec![Arc::new(version)],
            segmentation: Arc::new(Segmentation::shipped().unwrap()),
            table: HashMap::new(),
            orders: Vec::new(),
            holds: Vec::new(),
            unions: Vec::new(),
            uses: Vec::new(),
            habit,
            steps: 0,
        }
    }

    /// A world in which all of this has happened, checked after each thing.
    pub(crate) fn after(program: &Program, habit: Habit, commands: &[Command]) -> Self {
        let mut world = Self::new(program.clone(), habit);
        for command in commands {
            world.run(command);
            world.check();
        }
        world
    }

    /// The settings in force.
    pub(crate) fn rules(&self) -> Rulebook {
        Rulebook {
            version: self.version_at(self.now),
            segmentation: Arc::clone(&self.segmentation),
            floors: Floors::NONE,
        }
    }

    fn version_at(&self, moment: Moment) -> Arc<Version> {
        let newest = self.versions.iter().rev().find(|v| v.effective_from <= moment);
        newest.unwrap_or(&self.versions[0]).clone()
    }

    fn program(&self) -> Program {
        self.rules().program().clone()
    }

    /// The member's account as it stands now.
    pub(crate) fn view(&self, who: usize) -> Account {
        settled(&self.members[who].account, &self.rules().version, self.now).unwrap()
    }

    /// A key that no row has yet.
    fn fresh_row(&self) -> RowKey {
        RowKey::of("request", &[&self.steps.to_string()])
    }

    /// Who answers for this member's card today: whoever took the account over, if anybody did.
    fn owner(&self, who: usize) -> usize {
        match self.members[who].account.membership {
            Membership::MergedInto(id) => self.owner(self.members.iter().position(|m| m.account.member == id).unwrap()),
            _ => who,
        }
    }

    /// Puts a row unless its key is taken; says whether it did.
    fn write(&mut self, who: usize, posted: Posted) -> bool {
        let row = posted.entry.row;
        let rested = settled(&posted.account, &self.rules().version, self.now).unwrap();
        assert_eq!(rested, posted.account, "a movement leaves nothing to time that time has done by then");
        if self.table.contains_key(&row) {
            return false;
        }
        let member = &mut self.members[who];
        assert_eq!(posted.entry.links, member.account.chain.recent, "a row names the rows before it");
        assert_eq!(
            Entry::read(posted.entry.row, &posted.text).unwrap(),
            posted.entry,
            "a row is read as it was written"
        );
        self.table.insert(row, posted.text.clone());
        member.rows.push(StoredRow { key: row, text: posted.text });
        member.account = posted.account;
        member.naive.pass_time(self.now);
        true
    }

    /// What a decision came to; a broken account is never an answer.
    fn decided<T>(decision: Result<T, Failure>) -> Result<T, Refusal> {
        decision.map_err(|failure| match failure {
            Failure::Refused(refusal) => refusal,
            Failure::Broken(broken) => panic!("the ledger contradicts itself: {broken}"),
        })
    }

    fn wait(&mut self, minutes: u64) {
        let day = 24 * 60;
        let mut left = minutes;
        // A night run that is a little late, skips nights and never runs at midnight sharp.
        let stride = day.max(minutes / 25) + 7;
        let mut looked: Vec<Account> = self.members.iter().map(|m| m.account.clone()).collect();
        while left > 0 {
            let step = stride.min(left);
            left -= step;
            self.now = self.now.plus(std::time::Duration::from_secs(step * 60));
            let rules = self.rules();
            for account in &mut looked {
                *account = settled(account, &rules.version, self.now).unwrap();
            }
            if self.habit == Habit::Nightly {
                (0..self.members.len()).for_each(|who| self.settle(who));
            }
        }
        let written = |who: usize| self.members[who].account.chain.length > 0;
        for (who, account) in looked.into_iter().enumerate().filter(|(who, _)| written(*who)) {
            assert_eq!(account.holdings, self.view(who).holdings, "looking often changes nothing");
            assert_eq!(account.standing, self.view(who).standing, "looking often changes no tier");
        }
    }

    fn settle(&mut self, who: usize) {
        let account = self.members[who].account.clone();
        let rules = self.rules();
        if account.chain.length == 0 {
            return;
        }
        if let Settled::Moved(posted) = settlement(&account, &rules, self.now, staff()).unwrap() {
            assert!(self.write(who, *posted));
        }
    }

    /// Points that the limits leave, worked out from the whole history of their uses.
    fn allowed(&self, who: usize, limit: &str, caps: &[Cap], points: u64, day: LocalDay) -> u64 {
        let mut allowed = points;
        for cap in caps {
            let since = cap.per.start(day);
            let uses = || self.uses.iter().filter(|u| u.who == who && u.limit == limit && u.per.contains(&cap.per));
            let mut later: Vec<LocalDay> = uses().map(|u| cap.per.start(u.day)).filter(|s| *s > since).collect();
            later.sort_unstable();
            later.dedup();
            // Only two periods are remembered; what comes later than that for an older one brings nothing.
            if later.len() >= 2 {
                return 0;
            }
            let same = || uses().filter(|u| cap.per.start(u.day) == since);
            if cap.times.is_some_and(|most| same().map(|u| u.times).sum::<u32>() >= most) {
                return 0;
            }
            let already: u64 = same().map(|u| u.points).sum();
            let room = cap.points.map_or(u64::MAX, |most| most.number().saturating_sub(already));
            allowed = allowed.min(room);
        }
        allowed
    }

    /// Remembers a use of these limits; what brings nothing uses nothing.
    fn used(&mut self, who: usize, (limit, caps): (&str, &[Cap]), day: LocalDay, times: u32, points: u64) {
        if points > 0 {
            let per = caps.iter().map(|cap| cap.per).collect();
            self.uses.push(Use { who, limit: limit.to_owned(), per, day, times, points });
        }
    }
}

fn points(account: &Account, book: Book) -> u64 {
    u64::try_from(account.holdings.books.of(book)).unwrap()
}

fn computed(points: u64) -> Points {
    Points::computed(points)
}
