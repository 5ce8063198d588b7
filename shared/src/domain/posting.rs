//! Posting: the working copy on which a movement is decided, and how time moves points by itself.
//!
//! Every movement begins by settling what time has changed since the last one, so that a member's account is the
//! same whether it is looked at every day or once a year.

use super::account::Account;
use super::book::{Book, Broken, Hold, Leg, Lot};
use super::entry::{Balance, Change, Counted, Entry, SCHEMA, What};
use super::program::{Cap, Earning, Version};
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use super::segmentation::Judged;
use crate::values::{Actor, Code, LocalDay, Moment, Points, RowKey};

/// Why a movement did not come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A rule says no.
    Refused(Refusal),
    /// The account contradicts itself: a defect, never a client's fault.
    Broken(Broken),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

/// A decided movement: the row to write, and the account as it is afterwards.
#[derive(Clone, Debug)]
pub struct Posted {
    /// The account after the movement.
    pub account: Account,
    /// The row.
    pub entry: Entry,
    /// The row's text, as stored and hashed.
    pub text: String,
    /// The day on which time alone changes the account or its segments next.
    pub due_on: Option<LocalDay>,
}

/// What time and the rules in force make of an account that nothing else happens to.
#[derive(Clone, Debug)]
pub enum Settled {
    /// Nothing has changed; the day on which something will.
    Same(Option<LocalDay>),
    /// Something has, and is written down.
    Moved(Box<Posted>),
}

/// By which settings time does what it has to do: all that is needed as long as no segment is judged.
pub trait InForce {
    /// The programme's version.
    fn version(&self) -> &Version;
}

impl InForce for Version {
    fn version(&self) -> &Version {
        self
    }
}

impl InForce for Rulebook {
    fn version(&self) -> &Version {
        &self.version
    }
}

/// A movement being decided; it can be written down by a whole rulebook only.
#[derive(Clone, Debug)]
pub struct Posting<'a, R = Rulebook> {
    before: &'a Account,
    account: Account,
    change: Change,
    rules: &'a R,
    judged_by: u32,
    now: Moment,
}

/// What time does next to an account.
enum Tick {
    /// A pending lot can be spent from this moment on.
    Matures(super::book::PendingLot),
    /// A hold ends by itself.
    HoldEnds(RowKey, Lot),
    /// A lot lapses.
    Lapses(Lot),
    /// The tier is reviewed.
    Review,
}

impl<'a, R: InForce> Posting<'a, R> {
    /// Begins a movement at `now` under the settings in force: settles what time has changed since the account's
    /// last one.
    pub fn open(before: &'a Account, rules: &'a R, now: Moment) -> Result<Self, Broken> {
        let (account, change) = (before.clone(), Change::default());
        let mut posting = Self { before, account, change, rules, judged_by: rules.version().version, now };
        if posting.account.standing.is_none() {
            let start = rules.version().program.ladder.start(now.day());
            posting.account.standing.clone_from(&start);
            posting.change.standing = start;
        }
        posting.settle()?;
        Ok(posting)
    }

    /// The account as it stands at this point of the movement.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// Says that an earlier version of the settings judges what this movement earns.
    pub const fn judge_by(&mut self, version: &Version) {
        self.judged_by = version.version;
    }

    /// The settings in force.
    #[must_use]
    pub fn program(&self) -> &'a super::program::Program {
        &self.rules.version().program
    }

    /// When the movement happens.
    #[must_use]
    pub const fn now(&self) -> Moment {
        self.now
    }

    /// The day on which it happens.
    #[must_use]
    pub fn today(&self) -> LocalDay {
        self.now.day()
    }

    /// Moves points.
    pub fn post(&mut self, leg: Leg) -> Result<(), Broken> {
        if leg.points.is_zero() {
            return Ok(());
        }
        self.account.holdings.apply(&leg)?;
        self.change.legs.push(leg);
        Ok(())
    }

    /// Opens a hold, so that points can be put into it.
    pub fn open_hold(&mut self, id: RowKey, until: Moment) {
        self.account.holdings.holds.push(Hold { id, until, lots: Vec::new() });
    }

    /// Points come in from `from` and can be spent at once; what the member owes is paid first.
    pub fn arrive(&mut self, from: Book, points: Points, expires_on: Option<LocalDay>) -> Result<(), Broken> {
        self.post(Leg::lot(from, Book::Available, points, expires_on))?;
        self.pay_debt(points, expires_on)
    }

    /// Held points come back and can be spent again; what the member owes is paid first.
    pub fn give_back(&mut self, hold: RowKey, lot: Lot) -> Result<(), Broken> {
        self.post(Leg { hold: Some(hold), ..Leg::lot(Book::Held, Book::Available, lot.points, lot.expires_on) })?;
        self.pay_debt(lot.points, lot.expires_on)
    }

    fn pay_debt(&mut self, arrived: Points, expires_on: Option<LocalDay>) -> Result<(), Broken> {
        let owed = self.account.holdings.debt().min(arrived);
        self.post(Leg::lot(Book::Available, Book::Debt, owed, expires_on))
    }

    /// Points earned now by anything but a purchase: they can be spent at once, until they lapse.
    pub fn earn(&mut self, points: Points) -> Result<(), Broken> {
        let expires_on = self.program().earning.expiry.last_day(self.today());
        self.arrive(Book::Issued, points, expires_on)
    }

    /// Points earned by a purchase: pending while the return window is open, then to be spent until they lapse.
    pub fn earn_into(&mut self, lot: EarnedLot, points: Points) -> Result<(), Broken> {
        if lot.matures_on > self.today() {
            let leg = Leg::lot(Book::Issued, Book::Pending, points, lot.expires_on);
            self.post(Leg { matures_on: Some(lot.matures_on), ..leg })
        } else {
            self.arrive(Book::Issued, points, lot.expires_on)
        }
    }

    /// Takes points that can be spent, soonest expiry first, into another book.
    pub fn spend(&mut self, points: Points, to: Book, hold: Option<RowKey>) -> Result<(), Failure> {
        let available = self.account.holdings.books.points(Book::Available);
        if points > available {
            return Err(Refusal::NotEnoughPoints { wanted: points, available }.into());
        }
        self.drain_available(points, to, hold)?;
        Ok(())
    }

    /// Takes up to so many points from one lot, pending or available; returns what is missing.
    pub fn drain_lot(&mut self, lot: EarnedLot, points: Points, to: Book) -> Result<Points, Broken> {
        let holdings = &self.account.holdings;
        let pending =
            holdings.pending.iter().find(|p| p.matures_on == lot.matures_on && p.expires_on == lot.expires_on);
        let from_pending = pending.map_or(Points::ZERO, |p| p.points.min(points));
        let missing = points.saturating_sub(from_pending);
        let available = holdings.available.iter().find(|a| a.expires_on == lot.expires_on);
        let from_available = available.map_or(Points::ZERO, |a| a.points.min(missing));
        let leg = Leg::lot(Book::Pending, to, from_pending, lot.expires_on);
        self.post(Leg { matures_on: Some(lot.matures_on), ..leg })?;
        self.post(Leg::lot(Book::Available, to, from_available, lot.expires_on))?;
        Ok(missing.saturating_sub(from_available))
    }

    /// Takes up to so many points that can be spent, soonest expiry first; returns what is missing.
    pub fn drain_available(&mut self, points: Points, to: Book, hold: Option<RowKey>) -> Result<Points, Broken> {
        let mut missing = points;
        for lot in self.account.holdings.available.clone() {
            let taken = lot.points.min(missing);
            self.post(Leg { hold, ..Leg::lot(Book::Available, to, taken, lot.expires_on) })?;
            missing = missing.saturating_sub(taken);
        }
        Ok(missing)
    }

    /// Counts a use of the limits, or refuses it when one of them would be exceeded.
    pub fn count(
        &mut self,
        limit: &Code,
        caps: &[Cap],
        times: u32,
        points: Points,
        day: LocalDay,
    ) -> Result<(), Refusal> {
        for cap in caps {
            let room = self.room(limit, cap, day);
            if room.times < times || room.points < points {
                return Err(Refusal::LimitReached { again_on: next_period(cap, day) });
            }
        }
        for (n, cap) in caps.iter().enumerate() {
            // Two caps of the same period, say one in times and one in points, share one count.
            if caps.iter().take(n).any(|other| other.per == cap.per) {
                continue;
            }
            let counted = Counted { limit: limit.clone(), per: cap.per, since: cap.per.start(day), times, points };
            self.change.counted.push(counted);
        }
        Ok(())
    }

    /// How many of these points the limits still allow on `day`; zero when none of them may happen again.
    #[must_use]
    pub fn allowed(&self, limit: &Code, caps: &[Cap], points: Points, day: LocalDay) -> Points {
        caps.iter().fold(points, |allowed, cap| {
            let room = self.room(limit, cap, day);
            if room.times == 0 { Points::ZERO } else { allowed.min(room.points) }
        })
    }

    fn room(&self, limit: &Code, cap: &Cap, day: LocalDay) -> Room {
        let since = cap.per.start(day);
        let mut same = self.account.used.iter().filter(|u| u.limit == *limit && u.per == cap.per);
        let forgotten = self.account.forgot(limit, cap.per, since);
        let (times, points) = match same.find(|u| u.since == since) {
            Some(used) => (used.times, used.points),
            // That period's count is gone, so the limit can only be kept by allowing nothing more.
            None if forgotten => (u32::MAX, Points::computed(u64::MAX)),
            None => (0, Points::ZERO),
        };
        Room {
            times: cap.times.map_or(u32::MAX, |most| most.saturating_sub(times)),
            points: cap.points.map_or(Points::computed(u64::MAX), |most| most.saturating_sub(points)),
        }
    }

    /// Lets time do what it has to do until now, one thing after the other in the order in which it happened.
    fn settle(&mut self) -> Result<(), Broken> {
        while let Some((_, tick)) = self.next_tick() {
            match tick {
                Tick::Matures(lot) => {
                    let leg = Leg::lot(Book::Pending, Book::Available, lot.points, lot.expires_on);
                    self.post(Leg { matures_on: Some(lot.matures_on), ..leg })?;
                    self.pay_debt(lot.points, lot.expires_on)?;
                }
                Tick::HoldEnds(hold, lot) => self.give_back(hold, lot)?,
                Tick::Lapses(lot) => self.post(Leg::lot(Book::Available, Book::Expired, lot.points, lot.expires_on))?,
                Tick::Review => self.review(),
            }
        }
        Ok(())
    }

    fn review(&mut self) {
        let Some(standing) = &self.account.standing else { return };
        // A ladder always answers; were it empty, nothing could be reviewed and the standing is left to rest.
        let next = self
            .program()
            .ladder
            .review(standing, &self.account.days)
            .unwrap_or_else(|| super::tier::Standing { review_on: LocalDay::LAST, ..standing.clone() });
        self.account.standing = Some(next.clone());
        self.change.standing = Some(next);
    }

    /// The earliest thing that time has done by now and that is not settled yet.
    fn next_tick(&self) -> Option<(Moment, Tick)> {
        let holdings = &self.account.holdings;
        let lapsing = holdings.available.first().filter(|lot| lot.expires_on.is_some());
        let lapses = lapsing.map(|lot| {
            let last = lot.expires_on.unwrap_or(LocalDay::LAST);
            (Moment::start_of(last.plus(1)), Tick::Lapses(*lot))
        });
        let matures = holdings.pending.first().map(|lot| (Moment::start_of(lot.matures_on), Tick::Matures(*lot)));
        let ends = holdings.holds.iter().min_by_key(|hold| hold.until);
        let ends = ends.and_then(|h| Some((h.until, Tick::HoldEnds(h.id, *h.lots.first()?))));
        let review = self.account.standing.as_ref().and_then(super::tier::Standing::review);
        let review = review.map(|day| (Moment::start_of(day), Tick::Review));
        let ticks = [lapses, matures, ends, review];
        ticks.into_iter().flatten().filter(|(at, _)| *at <= self.now).min_by_key(|(at, _)| *at)
    }
}

impl Posting<'_> {
    /// Ends the movement: raises the tier if it was earned, and writes the row.
    pub fn close(mut self, row: RowKey, by: Actor, what: What) -> Result<Posted, Broken> {
        let legs = Change { legs: Vec::new(), ..self.change.clone() };
        // Facts first: a purchase counts for the tier that it earns.
        let mut facts = self.account.clone();
        facts.apply_change(&what, &Change { standing: None, ..legs }, self.today())?;
        // Only purchases raise: otherwise an account that is touched more often would stand higher.
        let raises = matches!(what, What::Order { .. } | What::MergedIn { .. });
        let as_of = as_of(&facts, self.now);
        let risen =
            facts.standing.as_ref().filter(|_| raises).and_then(|s| self.program().ladder.rise(s, &facts.days, as_of));
        self.change.standing = risen.or(self.change.standing);
        // What arrived late may have lapsed already.
        self.settle()?;
        self.write(row, by, what)
    }

    fn write(mut self, row: RowKey, by: Actor, what: What) -> Result<Posted, Broken> {
        let mut account = self.before.clone();
        account.apply_change(&what, &self.change, self.today())?;
        let judged = judged(&account, self.rules, self.now);
        (self.change.entered, self.change.left) = moves(&account.segments, &judged.segments);
        account.segments = judged.segments;
        let entry = Entry {
            schema: SCHEMA,
            row,
            member: self.before.member,
            sequence: self.before.chain.length + 1,
            at: self.now,
            by,
            program: self.judged_by,
            what,
            change: self.change,
            balance: balance(&self.account),
            previous: self.before.chain.head,
            links: self.before.chain.recent.clone(),
        };
        let text = entry.text().map_err(|_| Broken::Overflow)?;
        account.link(&entry, Entry::hash(row, &text));
        if !account.holdings.balanced() {
            return Err(Broken::Overflow);
        }
        let due_on = account.due_on().into_iter().chain(judged.until).min();
        Ok(Posted { account, entry, text, due_on })
    }
}

/// The lot into which a purchase of one day earns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarnedLot {
    /// The first day on which its points can be spent.
    pub matures_on: LocalDay,
    /// The last day on which they can be spent; never before they mature.
    pub expires_on: Option<LocalDay>,
}

impl EarnedLot {
    /// The lot for a purchase on `day`.
    #[must_use]
    pub fn of(earning: &Earning, day: LocalDay) -> Self {
        let matures_on = day.plus(earning.pending_days);
        Self { matures_on, expires_on: earning.expiry.last_day(day).map(|last| last.max(matures_on)) }
    }
}

struct Room {
    times: u32,
    points: Points,
}

fn next_period(cap: &Cap, day: LocalDay) -> Option<LocalDay> {
    use super::program::Period;
    match cap.per {
        Period::Day => Some(day.plus(1)),
        Period::Week => Some(day.start_of_week().plus(7)),
        Period::Month => Some(day.end_of_month_after(0).plus(1)),
        Period::Year => Some(day.end_of_year_after(0).plus(1)),
        Period::Ever => None,
    }
}

/// The four figures that a member sees.
#[must_use]
pub fn balance(account: &Account) -> Balance {
    let books = &account.holdings.books;
    Balance {
        available: books.points(Book::Available),
        pending: books.points(Book::Pending),
        held: books.points(Book::Held),
        debt: books.points(Book::Debt),
    }
}

/// The segments that an account is in at `now`, and until when.
#[must_use]
pub fn judged(account: &Account, rules: &Rulebook, now: Moment) -> Judged {
    if !account.membership.is_in_use() {
        return Judged::default();
    }
    let on = as_of(account, now);
    // Nobody under 14 is judged at all, nor whoever restricts it (儿童个人信息网络保护规定 13, 14; PIPL 44).
    if !account.may_be_judged(on) {
        return Judged { segments: Vec::new(), until: account.own.minor_until.filter(|day| *day > on) };
    }
    rules.segmentation.judge(&account.facts(rules), on)
}

/// The day as of which an account is judged. A till whose clock runs ahead may have sold tomorrow; that order counts at
/// once too.
fn as_of(account: &Account, now: Moment) -> LocalDay {
    let last = account.days.days().last().map(|bought| bought.day);
    now.day().max(last.unwrap_or(LocalDay::FIRST))
}

/// The segments entered and left between two sorted lists.
fn moves(before: &[Code], after: &[Code]) -> (Vec<Code>, Vec<Code>) {
    let without = |of: &[Code], other: &[Code]| of.iter().filter(|code| !other.contains(code)).cloned().collect();
    (without(after, before), without(before, after))
}

/// What time and the rules in force have made of an account by `now`.
pub fn settlement(before: &Account, rules: &Rulebook, now: Moment, by: Actor) -> Result<Settled, Broken> {
    let posting = Posting::open(before, rules, now)?;
    let judged = judged(&posting.account, rules, now);
    if posting.change == Change::default() && judged.segments == before.segments {
        return Ok(Settled::Same(before.due_on().into_iter().chain(judged.until).min()));
    }
    let sequence = (before.chain.length + 1).to_string();
    let row = RowKey::of("settlement", &[&before.member.to_string(), &sequence]);
    Ok(Settled::Moved(Box::new(posting.close(row, by, What::Settlement)?)))
}

/// The account as it stands at `now`, with all that time has changed, without writing anything.
pub fn settled(account: &Account, version: &Version, now: Moment) -> Result<Account, Broken> {
    Ok(Posting::open(account, version, now)?.account)
}
