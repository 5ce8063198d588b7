//! What a member should have, worked out the simple way: one batch of points per thing that brought points, no lots,
//! no books, no rows.

use huitou::values::{LocalDay, Moment, RowKey};

/// Where a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Pending(LocalDay),
    Free,
    Held { hold: RowKey, until: Moment, turn: usize },
}

/// Points that came together and lapse together.
#[derive(Clone, Copy, Debug)]
struct Batch {
    place: Place,
    last: Option<LocalDay>,
    points: u64,
}

/// What one member brought into a merge.
#[derive(Clone, Debug, Default)]
pub(crate) struct Brought {
    free: Vec<(Option<LocalDay>, u64)>,
    pending: Vec<(LocalDay, Option<LocalDay>, u64)>,
    debt: u64,
}

/// One member's points.
#[derive(Clone, Debug, Default)]
pub(crate) struct Naive {
    batches: Vec<Batch>,
    turns: usize,
    pub(crate) debt: u64,
    pub(crate) expired: u64,
    pub(crate) spent: u64,
    pub(crate) donated: u64,
    pub(crate) clawed_back: u64,
}

fn rank(last: Option<LocalDay>) -> (bool, Option<LocalDay>) {
    (last.is_none(), last)
}

impl Batch {
    /// When time does something to the batch, and whose turn it is among those of the same moment.
    fn turn(&self) -> Option<(Moment, usize)> {
        match self.place {
            Place::Pending(day) => Some((Moment::start_of(day), 1)),
            Place::Free => self.last.map(|last| (Moment::start_of(last.plus(1)), 0)),
            Place::Held { until, turn, .. } => Some((until, 2 + turn)),
        }
    }
}

impl Naive {
    fn sum(&self, which: impl Fn(&Batch) -> bool) -> u64 {
        self.batches.iter().filter(|b| which(b)).map(|b| b.points).sum()
    }

    pub(crate) fn available(&self) -> u64 {
        self.sum(|b| b.place == Place::Free)
    }

    pub(crate) fn held(&self, hold: RowKey) -> u64 {
        self.sum(|b| matches!(b.place, Place::Held { hold: h, .. } if h == hold))
    }

    pub(crate) fn holds_something(&self) -> bool {
        self.batches.iter().any(|b| matches!(b.place, Place::Held { .. }))
    }

    /// Available points by last day, as `(last day, points)`.
    pub(crate) fn free_lots(&self) -> Vec<(Option<LocalDay>, u64)> {
        self.grouped(|b| (b.place == Place::Free).then_some(b.last), |last| rank(*last))
    }

    /// Pending points by the day they mature and their last day.
    pub(crate) fn pending_lots(&self) -> Vec<((LocalDay, Option<LocalDay>), u64)> {
        let pending = |b: &Batch| match b.place {
            Place::Pending(day) => Some((day, b.last)),
            _ => None,
        };
        self.grouped(pending, |(day, last)| (*day, rank(*last)))
    }

    /// Held points by hold and last day.
    pub(crate) fn held_lots(&self) -> Vec<((RowKey, Option<LocalDay>), u64)> {
        let held = |b: &Batch| match b.place {
            Place::Held { hold, .. } => Some((hold, b.last)),
            _ => None,
        };
        self.grouped(held, |(hold, last)| (*hold, rank(*last)))
    }

    fn grouped<K: PartialEq, R: Ord>(
        &self,
        key: impl Fn(&Batch) -> Option<K>,
        order: impl Fn(&K) -> R,
    ) -> Vec<(K, u64)> {
        let mut groups: Vec<(K, u64)> = Vec::new();
        for batch in &self.batches {
            let Some(key) = key(batch) else { continue };
            match groups.iter_mut().find(|(other, _)| *other == key) {
                Some((_, points)) => *points += batch.points,
                None => groups.push((key, batch.points)),
            }
        }
        groups.sort_by_key(|(key, _)| order(key));
        groups
    }

    /// Lets everything happen that the clock has reached, one batch at a time.
    pub(crate) fn pass_time(&mut self, now: Moment) {
        loop {
            let due = |b: &Batch| b.turn().filter(|(at, _)| *at <= now).map(|turn| (turn, rank(b.last)));
            let next = (0..self.batches.len()).filter_map(|n| Some((due(&self.batches[n])?, n))).min();
            let Some((_, n)) = next else { break };
            let batch = self.batches.remove(n);
            if batch.place == Place::Free {
                self.expired += batch.points;
            } else {
                self.come_in(batch.last, batch.points);
            }
        }
    }

    /// Points that can be spent at once, after the debt.
    pub(crate) fn come_in(&mut self, last: Option<LocalDay>, points: u64) {
        let paid = self.debt.min(points);
        self.debt -= paid;
        self.push(Place::Free, last, points - paid);
    }

    /// A purchase's points.
    pub(crate) fn earn(&mut self, matures: LocalDay, last: Option<LocalDay>, points: u64, now: Moment) {
        if matures > now.day() {
            self.push(Place::Pending(matures), last, points);
        } else {
            self.come_in(last, points);
        }
    }

    fn push(&mut self, place: Place, last: Option<LocalDay>, points: u64) {
        if points > 0 {
            self.batches.push(Batch { place, last, points });
        }
    }

    /// Takes points away where `which` says so, soonest last day first; says what it took and from which last days.
    fn take(&mut self, mut wanted: u64, which: impl Fn(&Batch) -> bool) -> Vec<(Option<LocalDay>, u64)> {
        let mut order: Vec<usize> = (0..self.batches.len()).filter(|n| which(&self.batches[*n])).collect();
        order.sort_by_key(|n| rank(self.batches[*n].last));
        let mut taken = Vec::new();
        for n in order {
            let part = self.batches[n].points.min(wanted);
            self.batches[n].points -= part;
            wanted -= part;
            taken.push((self.batches[n].last, part));
        }
        self.batches.retain(|b| b.points > 0);
        taken
    }

    fn take_free(&mut self, wanted: u64) -> u64 {
        total(&self.take(wanted, |b| b.place == Place::Free))
    }

    pub(crate) fn spend(&mut self, points: u64) {
        self.spent += self.take_free(points);
    }

    pub(crate) fn donate(&mut self, points: u64) {
        self.donated += self.take_free(points);
    }

    pub(crate) fn correct(&mut self, points: u64) {
        self.clawed_back += self.take_free(points);
    }

    pub(crate) fn hold(&mut self, hold: RowKey, until: Moment, points: u64) {
        self.turns += 1;
        let turn = self.turns;
        for (last, part) in self.take(points, |b| b.place == Place::Free) {
            self.push(Place::Held { hold, until, turn }, last, part);
        }
    }

    /// Ends a hold: spends so many points of it and gives the rest back.
    pub(crate) fn end_hold(&mut self, hold: RowKey, spend: u64) {
        let own = |b: &Batch| matches!(b.place, Place::Held { hold: h, .. } if h == hold);
        self.spent += total(&self.take(spend, own));
        for (last, part) in self.take(u64::MAX, own) {
            self.come_in(last, part);
        }
    }

    /// Takes points from the lot in which they came, then from what lapses soonest; the rest is owed.
    fn take_or_owe(&mut self, matures: Option<LocalDay>, last: Option<LocalDay>, points: u64) {
        let own = |b: &Batch| matures.is_some_and(|day| b.place == Place::Pending(day)) && b.last == last;
        let mut missing = points - total(&self.take(points, own));
        missing -= total(&self.take(missing, |b| b.place == Place::Free && b.last == last));
        missing -= self.take_free(missing);
        self.debt += missing;
    }

    pub(crate) fn claw_back(&mut self, matures: LocalDay, last: Option<LocalDay>, points: u64) {
        self.take_or_owe(Some(matures), last, points);
        self.clawed_back += points;
    }

    /// Everything leaves for another member.
    pub(crate) fn leave(&mut self) -> Brought {
        let brought = Brought {
            free: self.free_lots(),
            pending: self.pending_lots().into_iter().map(|((day, last), points)| (day, last, points)).collect(),
            debt: self.debt,
        };
        self.batches.clear();
        self.debt = 0;
        brought
    }

    pub(crate) fn take_over(&mut self, brought: &Brought) {
        self.debt += brought.debt;
        self.receive(brought);
        let paid = self.take_free(self.debt);
        self.debt -= paid;
    }

    fn receive(&mut self, brought: &Brought) {
        brought.free.iter().for_each(|(last, points)| self.come_in(*last, *points));
        for (day, last, points) in &brought.pending {
            self.push(Place::Pending(*day), *last, *points);
        }
    }

    /// The other side of an undone merge: what had come along leaves again.
    pub(crate) fn hand_back(&mut self, brought: &Brought, fresh: Option<LocalDay>) {
        brought.free.iter().for_each(|(last, points)| self.take_or_owe(None, *last, *points));
        brought.pending.iter().for_each(|(day, last, points)| self.take_or_owe(Some(*day), *last, *points));
        let open = self.debt.min(brought.debt);
        self.debt -= open;
        self.come_in(fresh, brought.debt - open);
    }

    pub(crate) fn come_back(&mut self, brought: &Brought) {
        self.receive(brought);
        self.debt += brought.debt;
    }
}

impl Brought {
    /// What of it can still be of use on this day.
    pub(crate) fn not_lapsed(&self, today: LocalDay) -> Self {
        let lives = |last: &Option<LocalDay>| last.is_none_or(|last| last >= today);
        Self {
            free: self.free.iter().filter(|(last, _)| lives(last)).copied().collect(),
            pending: self.pending.iter().filter(|(_, last, _)| lives(last)).copied().collect(),
            debt: self.debt,
        }
    }
}

fn total(taken: &[(Option<LocalDay>, u64)]) -> u64 {
    taken.iter().map(|(_, points)| points).sum()
}
