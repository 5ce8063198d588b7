//! Books and lots: where points are, in double entry.
//!
//! Every movement takes points from one book and puts them into another, so the sum over all books is zero at any
//! time. Points that a member has or will have lie in lots, one per date of expiry, because what expires soonest is
//! spent first.

use serde::{Deserialize, Serialize};

use crate::values::{LocalDay, Moment, Points, RowKey};

/// One side of a movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Book {
    /// Where points come from: the programme's own side, minus everything ever issued.
    Issued,
    /// Earned, but the return window is still open.
    Pending,
    /// Can be spent.
    Available,
    /// Reserved for a checkout.
    Held,
    /// Spent on rewards or at checkouts.
    Spent,
    /// Lapsed.
    Expired,
    /// Given to a cause.
    Donated,
    /// Taken back for a refund or by a correction.
    ClawedBack,
    /// What the member owes, below zero: points taken back that were spent already.
    Debt,
    /// Moved from or to another member in a merge.
    Merged,
}

/// Balances of all books of one member; they sum to zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books([i64; 10]);

impl Books {
    /// The balance of one book.
    #[must_use]
    pub fn of(&self, book: Book) -> i64 {
        self.0.get(Self::place(book)).copied().unwrap_or(0)
    }

    /// The balance of a book that counts upwards.
    #[must_use]
    pub fn points(&self, book: Book) -> Points {
        Points::computed(self.of(book).unsigned_abs())
    }

    /// The sum over all books: zero, or something is broken.
    #[must_use]
    pub fn sum(&self) -> i64 {
        self.0.iter().sum()
    }

    fn add(&mut self, book: Book, points: i64) -> Result<(), Broken> {
        let slot = self.0.get_mut(Self::place(book)).ok_or(Broken::Overflow)?;
        *slot = slot.checked_add(points).ok_or(Broken::Overflow)?;
        Ok(())
    }

    fn transfer(&mut self, leg: &Leg) -> Result<(), Broken> {
        let points = i64::try_from(leg.points.number()).map_err(|_| Broken::Overflow)?;
        self.add(leg.from, -points)?;
        self.add(leg.to, points)
    }

    const fn place(book: Book) -> usize {
        book as usize
    }
}

/// What can be wrong with a movement that is to be applied: never a client's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A lot does not hold what a leg takes from it.
    #[error("a lot does not hold the points that a movement takes from it")]
    Lot,
    /// A leg names a hold that is not open.
    #[error("a movement names a hold that is not open")]
    Hold,
    /// A balance would leave the range of numbers, or debt would rise above zero.
    #[error("a balance would leave its range")]
    Overflow,
    /// The row does not continue the chain that the account ends with.
    #[error("a row does not continue the member's chain")]
    Chain,
}

/// Points moving from one book to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Leg {
    /// The book that gives.
    pub from: Book,
    /// The book that takes.
    pub to: Book,
    /// How many points; never zero.
    pub points: Points,
    /// The day on which the pending lot concerned can be spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matures_on: Option<LocalDay>,
    /// The last day on which the lot concerned can be spent; none for points that never expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_on: Option<LocalDay>,
    /// The hold concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<RowKey>,
}

impl Leg {
    /// A movement between two books in which lots play no part.
    #[must_use]
    pub const fn plain(from: Book, to: Book, points: Points) -> Self {
        Self { from, to, points, matures_on: None, expires_on: None, hold: None }
    }

    /// A movement of points that expire on this day.
    #[must_use]
    pub const fn lot(from: Book, to: Book, points: Points, expires_on: Option<LocalDay>) -> Self {
        Self { from, to, points, matures_on: None, expires_on, hold: None }
    }
}

/// Points that can be spent up to and including one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// The last day on which they can be spent.
    pub expires_on: Option<LocalDay>,
    /// How many.
    pub points: Points,
}

/// Points that can't be spent before one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingLot {
    /// The first day on which they can be spent.
    pub matures_on: LocalDay,
    /// The last day on which they can be spent.
    pub expires_on: Option<LocalDay>,
    /// How many.
    pub points: Points,
}

/// Points reserved for a checkout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The journal row that opened it.
    pub id: RowKey,
    /// When it is released by itself.
    pub until: Moment,
    /// What it holds, soonest expiry first.
    pub lots: Vec<Lot>,
}

impl Hold {
    /// How many points it holds.
    #[must_use]
    pub fn points(&self) -> Points {
        self.lots.iter().map(|lot| lot.points).sum()
    }
}

/// Everything of a member that legs move: the books, and the lots behind three of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdings {
    /// The balances.
    pub books: Books,
    /// Pending lots by maturity, then expiry.
    pub pending: Vec<PendingLot>,
    /// Available lots, soonest expiry first.
    pub available: Vec<Lot>,
    /// Open holds, oldest first.
    pub holds: Vec<Hold>,
}

/// Order of lots: what expires soonest comes first, what never expires last.
fn expiry_rank(expires_on: Option<LocalDay>) -> (bool, Option<LocalDay>) {
    // "Never" and the last day of the calendar are two lots.
    (expires_on.is_none(), expires_on)
}

fn take_from(lots: &mut Vec<Lot>, expires_on: Option<LocalDay>, points: Points) -> Result<(), Broken> {
    let place = lots.iter().position(|lot| lot.expires_on == expires_on).ok_or(Broken::Lot)?;
    let lot = lots.get_mut(place).ok_or(Broken::Lot)?;
    lot.points = lot.points.checked_sub(points).ok_or(Broken::Lot)?;
    if lot.points.is_zero() {
        lots.remove(place);
    }
    Ok(())
}

fn put_into(lots: &mut Vec<Lot>, expires_on: Option<LocalDay>, points: Points) {
    let rank = expiry_rank(expires_on);
    let place = lots.partition_point(|lot| expiry_rank(lot.expires_on) < rank);
    match lots.get_mut(place) {
        Some(lot) if lot.expires_on == expires_on => lot.points = lot.points + points,
        _ => lots.insert(place, Lot { expires_on, points }),
    }
}

impl Holdings {
    /// Moves points as the leg says. On an error nothing may be kept of the whole movement.
    pub fn apply(&mut self, leg: &Leg) -> Result<(), Broken> {
        match leg.from {
            Book::Available => take_from(&mut self.available, leg.expires_on, leg.points)?,
            Book::Pending => self.take_pending(leg)?,
            Book::Held => self.take_held(leg)?,
            _ => {}
        }
        match leg.to {
            Book::Available => put_into(&mut self.available, leg.expires_on, leg.points),
            Book::Pending => self.put_pending(leg)?,
            Book::Held => self.put_held(leg)?,
            _ => {}
        }
        self.books.transfer(leg)?;
        if self.books.of(Book::Debt) > 0 { Err(Broken::Overflow) } else { Ok(()) }
    }

    /// What the member owes.
    #[must_use]
    pub fn debt(&self) -> Points {
        self.books.points(Book::Debt)
    }

    /// The lots hold what the books say, the books sum to zero, and nothing but debt and the issuing side is negative.
    #[must_use]
    pub fn balanced(&self) -> bool {
        let pending: Points = self.pending.iter().map(|lot| lot.points).sum();
        let available: Points = self.available.iter().map(|lot| lot.points).sum();
        let held: Points = self.holds.iter().map(Hold::points).sum();
        let equal = |book, points: Points| i64::try_from(points.number()) == Ok(self.books.of(book));
        equal(Book::Pending, pending)
            && equal(Book::Available, available)
            && equal(Book::Held, held)
            && self.books.sum() == 0
            && self.books.of(Book::Debt) <= 0
            && [Book::Spent, Book::Expired, Book::Donated, Book::ClawedBack].iter().all(|b| self.books.of(*b) >= 0)
    }

    fn take_pending(&mut self, leg: &Leg) -> Result<(), Broken> {
        let same = |lot: &PendingLot| Some(lot.matures_on) == leg.matures_on && lot.expires_on == leg.expires_on;
        let place = self.pending.iter().position(same).ok_or(Broken::Lot)?;
        let lot = self.pending.get_mut(place).ok_or(Broken::Lot)?;
        lot.points = lot.points.checked_sub(leg.points).ok_or(Broken::Lot)?;
        if lot.points.is_zero() {
            self.pending.remove(place);
        }
        Ok(())
    }

    fn put_pending(&mut self, leg: &Leg) -> Result<(), Broken> {
        let matures_on = leg.matures_on.ok_or(Broken::Lot)?;
        let rank = |m: LocalDay, e: Option<LocalDay>| (m, expiry_rank(e));
        let wanted = rank(matures_on, leg.expires_on);
        let place = self.pending.partition_point(|lot| rank(lot.matures_on, lot.expires_on) < wanted);
        match self.pending.get_mut(place) {
            Some(lot) if lot.matures_on == matures_on && lot.expires_on == leg.expires_on => {
                lot.points = lot.points + leg.points;
            }
            _ => self.pending.insert(place, PendingLot { matures_on, expires_on: leg.expires_on, points: leg.points }),
        }
        Ok(())
    }

    fn take_held(&mut self, leg: &Leg) -> Result<(), Broken> {
        let place = self.holds.iter().position(|hold| Some(hold.id) == leg.hold).ok_or(Broken::Hold)?;
        let hold = self.holds.get_mut(place).ok_or(Broken::Hold)?;
        take_from(&mut hold.lots, leg.expires_on, leg.points)?;
        if hold.lots.is_empty() {
            self.holds.remove(place);
        }
        Ok(())
    }

    fn put_held(&mut self, leg: &Leg) -> Result<(), Broken> {
        let hold = self.holds.iter_mut().find(|hold| Some(hold.id) == leg.hold).ok_or(Broken::Hold)?;
        put_into(&mut hold.lots, leg.expires_on, leg.points);
        Ok(())
    }
}
