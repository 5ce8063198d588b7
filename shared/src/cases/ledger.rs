//! The ledger: every movement of a member's points goes through one function, `Ledger::book`.

use std::time::Duration;

use crate::app::App;
use crate::cases::{Error, Who};
use crate::domain::account::{Account, Membership};
use crate::domain::book::Broken;
use crate::domain::coupon::CouponUse;
use crate::domain::entry::{Balance, Entry, What};
use crate::domain::posting::{Failure, Posted, Settled, balance, settled, settlement};
use crate::domain::proof::{Proof, prove};
use crate::domain::refusal::Refusal;
use crate::domain::rulebook::Rulebook;
use crate::domain::tier::{NextTier, Standing};
use crate::domain::{coupon, earning, spending};
use crate::table::{Freshness, Hot, Lost, Outcome, Page, Transaction, Trouble};
use crate::telemetry;
use crate::values::{Code, LocalDay, MemberId, Points, Reason, RowKey, SomePoints};

/// How long a movement keeps trying while others change the same account.
const PATIENCE: Duration = Duration::from_secs(12);

/// Rounds that a movement has at least, however slow the table is.
const FEWEST_ROUNDS: u32 = 3;

/// How often a read follows an account that was merged into another one.
pub(crate) const MOST_MERGES: usize = 8;

/// The ledger.
#[derive(Clone, Copy, Debug)]
pub struct Ledger<'a>(pub(crate) &'a App);

impl App {
    /// The ledger.
    #[must_use]
    pub const fn ledger(&self) -> Ledger<'_> {
        Ledger(self)
    }
}

/// A member's points as they stand now.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The four figures.
    pub balance: Balance,
    /// What lapses when, soonest first.
    pub expiring: Vec<(LocalDay, Points)>,
    /// What can be spent from when on, soonest first.
    pub maturing: Vec<(LocalDay, Points)>,
    /// The tier held.
    pub standing: Option<Standing>,
    /// The tier that the next review would give if nothing more were bought.
    pub projected: Option<Code>,
    /// What is missing for the next tier.
    pub next: Option<NextTier>,
    /// Raised by every change.
    pub version: u64,
}

/// What a proof found, beside the balance that it proves.
#[derive(Clone, Debug)]
pub struct Proven {
    /// The proof.
    pub proof: Proof,
    /// The balance as it stands now.
    pub balance: Balance,
}

/// What settling a member came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resettled {
    /// There was nothing to write.
    Same,
    /// Only the due index knew another day.
    Dated,
    /// Something had changed.
    Changed,
}

/// Something decided on an account.
pub(crate) trait Decide: Fn(&Account, &Rulebook) -> Result<Posted, Failure> {}
impl<F: Fn(&Account, &Rulebook) -> Result<Posted, Failure>> Decide for F {}

impl Ledger<'_> {
    /// Points, tier and what comes next. One call, half a read unit per 4 KB.
    pub async fn statement(&self, who: &Who) -> Result<Statement, Error> {
        let hot = self.open(who, Freshness::Recent).await?;
        self.statement_of(&hot).await
    }

    /// The same for a hot item that was read already. No call.
    pub(crate) async fn statement_of(&self, hot: &Hot) -> Result<Statement, Error> {
        let version = self.0.programs().current().await?;
        let account = settled(&hot.account, &version, self.0.now()).map_err(defect)?;
        let ladder = &version.program.ladder;
        let standing = account.standing.clone();
        let holdings = &account.holdings;
        let lots = holdings.available.iter().map(|lot| (lot.expires_on, lot.points));
        let lots = lots.chain(holdings.pending.iter().map(|lot| (lot.expires_on, lot.points)));
        Ok(Statement {
            balance: balance(&account),
            expiring: by_day(lots.filter_map(|(day, points)| Some((day?, points)))),
            maturing: by_day(holdings.pending.iter().map(|lot| (lot.matures_on, lot.points))),
            projected: standing.as_ref().map(|s| ladder.projected(s, &account.days)),
            next: standing.as_ref().and_then(|s| ladder.next(s, &account.days, self.0.now().day())),
            standing,
            version: hot.version,
        })
    }

    /// A page of the journal, newest first. Two calls, and one more per eight rows.
    pub async fn entries(&self, who: &Who, links: Option<Vec<RowKey>>, least: usize) -> Result<Page, Error> {
        let hot = self.open(who, Freshness::Latest).await?;
        let links = links.unwrap_or(hot.account.chain.recent);
        Ok(self.0.table().rows_from(links, least).await?)
    }

    /// Builds the account again from its journal and compares. One call, and one per eight rows.
    pub async fn proof(&self, who: &Who) -> Result<Proven, Error> {
        let hot = match who.session {
            Some(_) => self.open(who, Freshness::Latest).await?,
            None => self.books(who.member).await?,
        };
        let rows = self.0.table().whole_journal(&hot.account).await?;
        let proof = prove(hot.account.member, &rows, &hot.account);
        if let Some(fault) = &proof.fault {
            telemetry::ledger_fault(hot.account.member, &format!("a proof failed: {fault:?}"));
        }
        let version = self.0.programs().current().await?;
        let account = settled(&hot.account, &version, self.0.now()).map_err(defect)?;
        Ok(Proven { proof, balance: balance(&account) })
    }

    /// The daily check-in. Two calls.
    pub async fn check_in(&self, who: &Who, key: &str) -> Result<Entry, Error> {
        let (row, now) = (who.row("check-in", key), self.0.now());
        let same = |what: &What| matches!(what, What::CheckIn { .. });
        self.book(who, row, same, |account, rules| earning::check_in(account, row, rules, now, who.by.clone())).await
    }

    /// Points for a reward. Two calls.
    pub async fn redeem(&self, who: &Who, key: &str, reward: &Code, quantity: u32) -> Result<Entry, Error> {
        let (row, now) = (who.row("redemption", key), self.0.now());
        let same = |what: &What| matches!(what, What::Redemption { reward: r, quantity: q, .. } if r == reward && *q == quantity);
        let decide = |account: &Account, rules: &Rulebook| {
            spending::redeem(account, reward, quantity, row, rules, now, who.by.clone())
        };
        self.book(who, row, same, decide).await
    }

    /// Points for a cause. Two calls.
    pub async fn donate(&self, who: &Who, key: &str, cause: &Code, points: SomePoints) -> Result<Entry, Error> {
        let (row, now) = (who.row("donation", key), self.0.now());
        let same =
            |what: &What| matches!(what, What::Donation { cause: c, points: p } if c == cause && *p == points.points());
        let decide = |account: &Account, rules: &Rulebook| {
            spending::donate(account, cause, points, row, rules, now, who.by.clone())
        };
        self.book(who, row, same, decide).await
    }

    /// Points reserved for a checkout. Two calls.
    pub async fn hold(&self, who: &Who, key: &str, points: SomePoints, minutes: u32) -> Result<Entry, Error> {
        let (row, now) = (who.row("hold", key), self.0.now());
        let same = |what: &What| matches!(what, What::Hold { points: p, .. } if *p == points.points());
        let decide = |account: &Account, rules: &Rulebook| {
            spending::hold(account, points, minutes, row, rules, now, who.by.clone())
        };
        self.book(who, row, same, decide).await
    }

    /// The checkout went through. Three calls: the hold's row names the member.
    pub async fn capture(
        &self,
        by: crate::values::Actor,
        hold: RowKey,
        points: Option<SomePoints>,
    ) -> Result<Entry, Error> {
        let (who, held) = self.holder(by, hold).await?;
        let wanted = points.map_or(held, SomePoints::points);
        let (row, now) = (spending::closing_row(hold), self.0.now());
        let same = |what: &What| matches!(what, What::Capture { points: p, .. } if *p == wanted);
        let decide =
            |account: &Account, rules: &Rulebook| spending::capture(account, hold, points, rules, now, who.by.clone());
        self.book(&who, row, same, decide).await.map_err(closed)
    }

    /// The checkout was given up. Three calls.
    pub async fn release(&self, by: crate::values::Actor, hold: RowKey) -> Result<Entry, Error> {
        let (who, _) = self.holder(by, hold).await?;
        let (row, now) = (spending::closing_row(hold), self.0.now());
        let same = |what: &What| matches!(what, What::Release { .. });
        let decide = |account: &Account, rules: &Rulebook| spending::release(account, hold, rules, now, who.by.clone());
        self.book(&who, row, same, decide).await.map_err(closed)
    }

    /// A correction by hand. Two calls.
    pub async fn adjust(&self, who: &Who, key: &str, points: i64, reason: &Reason) -> Result<Entry, Error> {
        let (row, now) = (who.row("adjustment", key), self.0.now());
        let same =
            |what: &What| matches!(what, What::Adjustment { points: p, reason: r } if *p == points && r == reason);
        let decide = |account: &Account, rules: &Rulebook| {
            earning::adjust(account, points, reason.clone(), row, rules, now, who.by.clone())
        };
        self.book(who, row, same, decide).await
    }

    /// Writes down what time and the rules in force have made of a member. Two calls, and what a change of segments
    /// writes; one when there is nothing to write, and two more for each reserved coupon that has lapsed.
    ///
    /// `only_due` leaves alone a member whose day has not come.
    pub async fn settle(&self, member: MemberId, only_due: bool) -> Result<Resettled, Error> {
        let mut patience = Patience::new(self.0);
        loop {
            let Some(hot) = self.0.table().member(member, Freshness::Latest).await? else {
                return Ok(Resettled::Same);
            };
            if only_due && hot.due_on.is_none_or(|day| day > self.0.now().day()) {
                return Ok(Resettled::Same);
            }
            let rules = self.0.rulebook().await?;
            if let Some(CouponUse { reservation, coupon, .. }) = hot.account.lapsed_coupon(self.0.now()) {
                let by = self.0.own_name();
                let posted = coupon::roll_back(&hot.account, *reservation, &rules, self.0.now(), by)?;
                let transaction = self.0.table().transaction().movement(&hot, &posted)?.coupon_back(coupon)?;
                if let Outcome::Lost(_) = transaction.commit().await? {
                    patience.wait().await?;
                }
                continue;
            }
            let settled = settlement(&hot.account, &rules, self.0.now(), self.0.own_name()).map_err(defect)?;
            let transaction = self.0.table().transaction();
            let (transaction, changed) = match &settled {
                Settled::Same(due_on) if *due_on == hot.due_on => return Ok(Resettled::Same),
                Settled::Same(due_on) => (transaction.member(&Hot { due_on: *due_on, ..hot })?, Resettled::Dated),
                Settled::Moved(posted) => (transaction.settlement(&hot, posted)?, Resettled::Changed),
            };
            if let Outcome::Done = transaction.commit().await? {
                return Ok(changed);
            }
            patience.wait().await?;
        }
    }

    /// Decides a movement and writes it: the row, whose key makes it happen once, and the account. Two calls.
    ///
    /// Asked again with the same key, it answers with the row that is there; `same` tells whether that row is about
    /// the same thing.
    pub(crate) async fn book(
        &self,
        who: &Who,
        row: RowKey,
        same: impl Fn(&What) -> bool,
        decide: impl Decide,
    ) -> Result<Entry, Error> {
        self.book_with(who, row, same, decide, |transaction, _| Ok(transaction)).await
    }

    /// The same, with something that is written along, all of it or nothing: by the same rules by which it was decided.
    pub(crate) async fn book_with<'a>(
        &'a self,
        who: &Who,
        row: RowKey,
        same: impl Fn(&What) -> bool,
        decide: impl Decide,
        along: impl Fn(Transaction<'a>, &Rulebook) -> Result<Transaction<'a>, Trouble>,
    ) -> Result<Entry, Error> {
        let rules = self.0.rulebook().await?;
        let mut hot = self.open(who, Freshness::Latest).await?;
        let mut patience = Patience::new(self.0);
        loop {
            let posted = match decide(&hot.account, &rules) {
                Ok(posted) => posted,
                // A repeated request may be refused by what its first delivery did.
                Err(failure) => {
                    let earlier = self.0.table().row(row).await?;
                    return earlier.map_or(Err(failure.into()), |entry| replay(entry, hot.account.member, same));
                }
            };
            let transaction = along(self.0.table().transaction().movement(&hot, &posted)?, &rules)?;
            match transaction.commit().await? {
                Outcome::Done => return Ok(posted.entry),
                Outcome::Lost(Lost::RowExists(entry)) => return replay(*entry, hot.account.member, same),
                // Of a member's movements only coupons take from something that is used up.
                Outcome::Lost(Lost::Spent) => return Err(Refusal::CouponSoldOut.into()),
                Outcome::Lost(lost) => {
                    patience.wait().await?;
                    hot = match lost {
                        Lost::Stale(_, Some(now)) => *now,
                        _ => self.open(who, Freshness::Latest).await?,
                    };
                }
            }
        }
    }

    /// The account on which somebody acts: the member's own, or the one that goes on after a merge.
    pub(crate) async fn open(&self, who: &Who, freshness: Freshness) -> Result<Hot, Error> {
        let hot = self.0.table().member(who.member, freshness).await?.ok_or(Error::NotFound)?;
        if let Some(bar) = hot.account.membership.bar() {
            return Err(bar.into());
        }
        match who.session {
            Some(session) if session < hot.sessions => Err(Error::SessionEnded),
            Some(_) if matches!(hot.account.membership, Membership::MergedInto(_)) => Err(Error::SessionEnded),
            Some(_) => Ok(hot),
            None => self.follow(hot, freshness).await,
        }
    }

    /// Follows an account that was merged into another one to where it lives on. Whoever was erased or is under a legal
    /// hold is refused.
    pub(crate) async fn follow(&self, hot: Hot, freshness: Freshness) -> Result<Hot, Error> {
        let hot = self.follow_to_the_end(hot, freshness).await?;
        hot.account.membership.bar().map_or(Ok(hot), |bar| Err(bar.into()))
    }

    /// The account on which the books are kept, whatever became of the person: money that goes back for an order has to
    /// be booked, and what was booked can be proved.
    pub(crate) async fn books(&self, member: MemberId) -> Result<Hot, Error> {
        let hot = self.0.table().member(member, Freshness::Latest).await?.ok_or(Error::NotFound)?;
        self.follow_to_the_end(hot, Freshness::Latest).await
    }

    /// The account by whose reach a member is written to, after a merge that of the one who goes on; none of who is gone.
    /// One call, and one for each merge.
    pub(crate) async fn reached(&self, member: MemberId) -> Result<Option<Hot>, Error> {
        match self.books(member).await {
            Ok(hot) => Ok(Some(hot).filter(|hot| !hot.account.membership.has_ended())),
            Err(Error::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The account that goes on after all merges, whatever became of the person. No call, and one for each merge.
    pub(crate) async fn follow_to_the_end(&self, mut hot: Hot, freshness: Freshness) -> Result<Hot, Error> {
        for _ in 0..MOST_MERGES {
            let Membership::MergedInto(next) = hot.account.membership else { return Ok(hot) };
            hot = self.0.table().member(next, freshness).await?.ok_or(Error::NotFound)?;
        }
        Err(Error::Defect("accounts were merged in a circle".into()))
    }

    async fn holder(&self, by: crate::values::Actor, hold: RowKey) -> Result<(Who, Points), Error> {
        let entry = self.0.table().row(hold).await?.ok_or(Refusal::UnknownHold)?;
        let What::Hold { points, .. } = entry.what else { return Err(Refusal::UnknownHold.into()) };
        Ok((Who { member: entry.member, session: None, by }, points))
    }
}

/// The answer to a request that was made before.
pub(crate) fn replay(entry: Entry, member: MemberId, same: impl Fn(&What) -> bool) -> Result<Entry, Error> {
    if entry.member == member && same(&entry.what) { Ok(entry) } else { Err(Error::ReusedKey) }
}

/// A hold that was ended in another way is closed; that is no misuse of a key.
fn closed(error: Error) -> Error {
    if error == Error::ReusedKey { Refusal::HoldClosed.into() } else { error }
}

pub(crate) fn defect(broken: Broken) -> Error {
    Error::Defect(broken.to_string())
}

fn by_day(lots: impl Iterator<Item = (LocalDay, Points)>) -> Vec<(LocalDay, Points)> {
    let mut days = std::collections::BTreeMap::<LocalDay, Points>::new();
    for (day, points) in lots {
        let sum = days.entry(day).or_default();
        *sum = *sum + points;
    }
    days.into_iter().collect()
}

/// Waits a little longer each time, at random, until the deadline.
pub(crate) struct Patience<'a> {
    app: &'a App,
    until: tokio::time::Instant,
    round: u32,
}

impl<'a> Patience<'a> {
    pub(crate) fn new(app: &'a App) -> Self {
        Self { app, until: tokio::time::Instant::now() + PATIENCE, round: 0 }
    }

    pub(crate) async fn wait(&mut self) -> Result<(), Error> {
        if tokio::time::Instant::now() >= self.until && self.round >= FEWEST_ROUNDS {
            return Err(Error::Unavailable("too many changes at once on one account".into()));
        }
        self.round += 1;
        let most = 4_u64 << self.round.min(6);
        let random = u64::from_le_bytes(crate::entropy::bytes(self.app.entropy()));
        tokio::time::sleep(Duration::from_millis(random % most)).await;
        Ok(())
    }
}
