//! What each command does to the ledger, and to the naive sum beside it.

use std::sync::Arc;

use huitou::domain::earning::{self, Event, Joining};
use huitou::domain::entry::What;
use huitou::domain::order::{Order, Topic};
use huitou::domain::posting::EarnedLot;
use huitou::domain::program::{Program, Version};
use huitou::domain::purchase::{self, Refund, Refunded, Rules};
use huitou::domain::refusal::Refusal;
use huitou::domain::{merge, spending};
use huitou::values::{Code, Fen, ForeignId, LocalDay, Moment, Reason, RowKey, SomePoints, Source};

use super::{Command, Portion, Sold, Union, World, computed, staff};

impl World {
    /// Lets one thing happen.
    pub(crate) fn run(&mut self, command: &Command) {
        self.steps += 1;
        match command.clone() {
            Command::Buy { who, amount, toys, ahead, days_ago } => {
                let order = self.order(amount, toys, ahead, days_ago);
                self.deliver(who, &order);
            }
            Command::Redeliver { order, who } => self.redeliver(order, who),
            Command::Refund { order, portion } => self.give_money_back(order, portion),
            Command::RefundAgain { refund } => self.give_money_back_again(refund),
            Command::Event { who, topic, days_ago } => self.takes_part(who, topic, days_ago),
            Command::CheckIn { who } => self.checks_in(who),
            Command::Join { who } => self.joins(who),
            Command::Adjust { who, points, give } => self.is_corrected(who, points, give),
            Command::Redeem { who, reward, quantity } => self.redeems(who, reward, quantity),
            Command::Donate { who, points } => self.donates(who, points),
            Command::Hold { who, percent, minutes } => self.reserves(who, percent, minutes),
            Command::Capture { hold, portion } => self.captures(hold, portion),
            Command::Release { hold } => self.releases(hold),
            Command::Merge { survivor, absorbed } => self.merges(survivor, absorbed),
            Command::Undo { merge } => self.undoes(merge),
            Command::Wait { minutes } => self.wait(minutes),
            Command::ChangeSettings { variation } => {
                let number = self.versions.len() + 1;
                let program = variation.of(&self.program());
                assert_eq!(program.flaws(), []);
                self.versions.push(Arc::new(Version {
                    version: u32::try_from(number).unwrap(),
                    effective_from: self.now,
                    by: staff(),
                    program,
                }));
            }
        }
    }

    fn order(&self, amount: u64, toys: u64, ahead: bool, days_ago: u32) -> Order {
        let (of_toys, of_books) = (amount / 100 * toys, amount / 300);
        let lines = serde_json::json!([
            { "sku": "robot", "quantity": 1, "amount": of_toys, "category": "玩具" },
            { "sku": "novel", "quantity": 2, "amount": of_books.min(amount - of_toys), "category": "图书" },
        ]);
        let ahead = if ahead && days_ago == 0 { 5 * 60_000 } else { 0 };
        let paid_at = self.now.millis() + ahead - i64::from(days_ago) * 86_400_000;
        serde_json::from_value(serde_json::json!({
            "source": "pos-1",
            "id": format!("A-{}", self.steps),
            "paid_at": Moment::from_millis(paid_at).unwrap().to_string(),
            "amount": amount,
            "lines": if toys.is_multiple_of(2) { lines } else { serde_json::json!([]) },
        }))
        .unwrap()
    }

    fn deliver(&mut self, who: usize, order: &Order) {
        let who = self.owner(who);
        let (now, then) = (self.rules(), self.version_at(order.paid_at));
        let before = self.view(who);
        let rules = Rules { now: &now, then: &then };
        let account = &self.members[who].account;
        let posted = Self::decided(purchase::purchase(account, order, &[], rules, self.now, staff())).unwrap();
        let What::Order { earned, .. } = posted.entry.what else { panic!("not an order") };
        if !self.write(who, posted) {
            return;
        }
        let day = order.paid_at.day();
        let tier = before.standing.map(|s| s.tier);
        let caps: Vec<_> = then.program.earning.cap.into_iter().collect();
        let full = worth(order, &then.program, tier.as_ref());
        assert_eq!(earned.number(), self.allowed(who, "purchases", &caps, full, day), "what the order earns");
        self.used(who, ("purchases", &caps), day, 1, earned.number());
        let (matures, last) = lot_of(&then.program, day);
        let naive = &mut self.members[who].naive;
        naive.earn(matures, last, earned.number(), self.now);
        naive.pass_time(self.now);
        self.members[who].bought.push(self.orders.len());
        self.orders.push(Sold {
            order: order.clone(),
            earned: earned.number(),
            version: then.version,
            booked_to: who,
            refunded: Refunded::default(),
            refunds: Vec::new(),
        });
        self.holds_the_tier_it_has_bought(who);
    }

    /// Up at once when earned: after a purchase nobody stands lower than the purchases reach.
    fn holds_the_tier_it_has_bought(&self, who: usize) {
        let ladder = self.program().ladder;
        let days = &self.members[who].account.days;
        let as_of = days.days().last().map_or(self.now.day(), |last| last.day.max(self.now.day()));
        let bought = days.within(ladder.window, as_of);
        let reached = ladder
            .tiers
            .iter()
            .rposition(|tier| bought.money >= tier.spend && bought.days >= tier.days && bought.basket() >= tier.basket);
        let standing = self.members[who].account.standing.clone().unwrap();
        let held = ladder.tiers.iter().position(|tier| tier.id == standing.tier);
        assert!(held >= reached, "{standing:?} but {bought:?}");
    }

    fn redeliver(&mut self, order: usize, who: usize) {
        let Some(sold) = self.orders.get(order % self.orders.len().max(1)) else {
            return;
        };
        let order = sold.order.clone();
        let before = self.orders.len();
        self.deliver(who, &order);
        assert_eq!(self.orders.len(), before, "a second delivery changes nothing");
    }

    fn give_money_back(&mut self, order: usize, portion: Portion) {
        if self.orders.is_empty() {
            return;
        }
        let order = order % self.orders.len();
        let sold = &self.orders[order];
        let left = sold.order.amount.number() - sold.refunded.money.number();
        let amount = portion.of(left);
        let id = format!("R-{}", self.steps);
        let before = self.orders[order].refunded;
        let answer = self.refund(order, &id, amount);
        if amount == 0 || amount > left {
            let left = Fen::computed(left);
            assert_eq!(answer, Err(Refusal::RefundExceedsPaid { left }));
            assert_eq!(self.orders[order].refunded, before);
        } else {
            answer.unwrap();
            self.orders[order].refunds.push((id, amount));
        }
    }

    fn give_money_back_again(&mut self, refund: usize) {
        let refunds: Vec<_> = (0..self.orders.len())
            .flat_map(|n| self.orders[n].refunds.iter().map(move |(id, amount)| (n, id.clone(), *amount)))
            .collect();
        let Some((order, id, amount)) = refunds.get(refund % refunds.len().max(1)) else {
            return;
        };
        let before = self.orders[*order].refunded;
        // Refused because nothing is left, or met by the first one's row: in both cases nothing changes.
        let _ = self.refund(*order, id, *amount);
        assert_eq!(self.orders[*order].refunded, before, "a second delivery changes nothing");
    }

    fn refund(&mut self, order: usize, id: &str, amount: u64) -> Result<(), Refusal> {
        let sold = &self.orders[order];
        let who = self.owner(sold.booked_to);
        let then = self.versions.iter().find(|v| v.version == sold.version).unwrap().clone();
        let now = self.rules();
        let refund = Refund { id: ForeignId::parse(id).unwrap(), amount: Fen::computed(amount), reason: None };
        let (posted, refunded) = Self::decided(purchase::refund(
            &self.members[who].account,
            (&sold.order, computed(sold.earned)),
            sold.refunded,
            &refund,
            Rules { now: &now, then: &then },
            self.now,
            staff(),
        ))?;
        let (matures, last) = lot_of(&then.program, sold.order.paid_at.day());
        let taken = refunded.points.number() - sold.refunded.points.number();
        if self.write(who, posted) {
            self.orders[order].refunded = refunded;
            self.members[who].naive.claw_back(matures, last, taken);
        }
        Ok(())
    }

    fn takes_part(&mut self, who: usize, topic: Topic, days_ago: u32) {
        let who = self.owner(who);
        let at = Moment::from_millis(self.now.millis() - i64::from(days_ago) * 86_400_000).unwrap();
        let event = Event {
            source: Source::parse("mini").unwrap(),
            id: ForeignId::parse(&format!("E-{}", self.steps)).unwrap(),
            topic,
            about: None,
            at,
        };
        let rules = self.rules();
        let account = &self.members[who].account;
        let posted =
            Self::decided(earning::event(account, &event, event.row(None), &rules, self.now, staff())).unwrap();
        let What::Event { earned, .. } = posted.entry.what else { panic!("not an event") };
        assert!(self.write(who, posted));
        let rule = rules.program().actions.iter().find(|rule| rule.event == topic);
        let expected = rule.map_or(0, |r| self.allowed(who, topic.word(), &r.caps, r.points.number(), at.day()));
        assert_eq!(earned.number(), expected, "an event earns what its limits leave");
        self.used(who, (topic.word(), rule.map_or(&[], |r| &r.caps)), at.day(), 1, expected);
        self.earns_now(who, expected);
    }

    fn earns_now(&mut self, who: usize, points: u64) {
        let last = self.program().earning.expiry.last_day(self.now.day());
        self.members[who].naive.come_in(last, points);
    }

    fn checks_in(&mut self, who: usize) {
        let who = self.owner(who);
        let today = self.now.day();
        let row = RowKey::of("check-in", &[&who.to_string(), &today.to_string()]);
        let rules = self.rules();
        let answer = earning::check_in(&self.members[who].account, row, &rules, self.now, staff());
        let length = match self.members[who].last_check_in {
            Some((last, _)) if last == today => {
                return assert_eq!(Self::decided(answer).err(), Some(Refusal::CheckedInAlready));
            }
            Some((last, length)) if today.days_since(last) == 1 => length + 1,
            _ => 1,
        };
        assert!(self.write(who, Self::decided(answer).unwrap()));
        self.members[who].last_check_in = Some((today, length));
        let check_ins = &rules.program().check_ins;
        let bonus = check_ins.streaks.iter().filter(|s| length % s.every == 0).map(|s| s.points.number());
        self.earns_now(who, check_ins.points.number() + bonus.sum::<u64>());
    }

    fn joins(&mut self, who: usize) {
        let who = self.owner(who);
        let rules = self.rules();
        let joining = Joining { invited: true, source: None };
        let posted = earning::join(&self.members[who].account, joining, &rules, self.now, staff());
        if self.write(who, Self::decided(posted).unwrap()) {
            self.earns_now(who, rules.program().welcome.number() + rules.program().invitation.friend.number());
        }
    }

    fn is_corrected(&mut self, who: usize, points: u64, give: bool) {
        let who = self.owner(who);
        let signed = i64::try_from(points).unwrap() * if give { 1 } else { -1 };
        let reason = Reason::parse("更正").unwrap();
        let account = &self.members[who].account;
        let posted = earning::adjust(account, signed, reason, self.fresh_row(), &self.rules(), self.now, staff());
        let available = self.available(who);
        match Self::decided(posted) {
            Ok(posted) => {
                assert!(give || points <= available);
                assert!(self.write(who, posted));
                if give {
                    self.earns_now(who, points);
                } else {
                    self.members[who].naive.correct(points);
                }
            }
            Err(refusal) => assert!(!give && refusal == not_enough(points, available), "{refusal:?}"),
        }
    }

    /// What the naive sum says can be spent now.
    fn available(&self, who: usize) -> u64 {
        let mut naive = self.members[who].naive.clone();
        naive.pass_time(self.now);
        naive.available()
    }

    fn redeems(&mut self, who: usize, reward: usize, quantity: u32) {
        let who = self.owner(who);
        let rules = self.rules();
        let account = &self.members[who].account;
        let row = self.fresh_row();
        let Some(reward) = rules.program().rewards.get(reward) else {
            let unknown = Code::parse("yacht").unwrap();
            let answer = spending::redeem(account, &unknown, quantity, row, &rules, self.now, staff());
            return assert_eq!(Self::decided(answer).err(), Some(Refusal::UnknownReward));
        };
        let answer = spending::redeem(account, &reward.id, quantity, row, &rules, self.now, staff());
        let price = reward.points.number() * u64::from(quantity);
        let limit = format!("reward.{}", reward.id);
        let year = self.now.day().start_of_year();
        let taken = self.uses.iter().filter(|u| u.who == who && u.limit == limit && u.day >= year);
        let taken: u32 = taken.map(|u| u.times).sum();
        let limited = reward.caps.iter().any(|cap| cap.times.is_some_and(|most| taken + quantity > most));
        let available = self.available(who);
        match Self::decided(answer) {
            Ok(posted) => {
                assert!(price <= available && !limited);
                assert!(self.write(who, posted));
                self.used(who, (&limit, &reward.caps), self.now.day(), quantity, price);
                self.members[who].naive.spend(price);
            }
            Err(Refusal::LimitReached { again_on }) => {
                assert!(limited && again_on == Some(self.now.day().end_of_year_after(0).plus(1)));
            }
            Err(refusal) => assert_eq!(refusal, not_enough(price, available)),
        }
    }

    fn donates(&mut self, who: usize, points: u64) {
        let who = self.owner(who);
        let rules = self.rules();
        let cause = &rules.program().causes[0].id;
        let (account, some) = (&self.members[who].account, SomePoints::new(points).unwrap());
        let answer = spending::donate(account, cause, some, self.fresh_row(), &rules, self.now, staff());
        let available = self.available(who);
        match Self::decided(answer) {
            Ok(posted) => {
                assert!(points <= available && self.write(who, posted));
                self.members[who].naive.donate(points);
            }
            Err(refusal) => assert!(points > available && refusal == not_enough(points, available)),
        }
    }

    fn reserves(&mut self, who: usize, percent: u64, minutes: u32) {
        let who = self.owner(who);
        let (rules, row) = (self.rules(), self.fresh_row());
        let available = self.available(who);
        let wanted = (available * percent / 100).clamp(1, 1_000_000_000);
        let (account, some) = (&self.members[who].account, SomePoints::new(wanted).unwrap());
        let answer = Self::decided(spending::hold(account, some, minutes, row, &rules, self.now, staff()));
        let most = rules.program().hold_minutes;
        match answer {
            Ok(posted) => {
                assert!(wanted <= available && (1..=most).contains(&minutes));
                assert!(self.write(who, posted));
                let until = self.now.plus(std::time::Duration::from_secs(u64::from(minutes) * 60));
                self.members[who].naive.hold(row, until, wanted);
                self.holds.push((who, row));
            }
            Err(Refusal::HoldTooLong { most: named }) => assert!(named == most && !(1..=most).contains(&minutes)),
            Err(refusal) => assert!(wanted > available && refusal == not_enough(wanted, available)),
        }
    }

    /// Picks a hold; says whose it is, its name and how much is still in it.
    fn pick_hold(&self, hold: usize) -> Option<(usize, RowKey, u64)> {
        let (who, row) = *self.holds.get(hold % self.holds.len().max(1))?;
        let mut naive = self.members[who].naive.clone();
        naive.pass_time(self.now);
        Some((who, row, naive.held(row)))
    }

    fn captures(&mut self, place: usize, portion: Portion) {
        let Some((who, row, held)) = self.pick_hold(place) else {
            return;
        };
        let wanted = match portion {
            Portion::All => held.max(1),
            _ => portion.of(held).clamp(1, 1_000_000_000),
        };
        let some = (!matches!(portion, Portion::All)).then(|| SomePoints::new(wanted).unwrap());
        let account = &self.members[who].account;
        match Self::decided(spending::capture(account, row, some, &self.rules(), self.now, staff())) {
            Ok(posted) => {
                assert!(wanted <= held && self.write(who, posted));
                self.members[who].naive.end_hold(row, wanted);
            }
            Err(Refusal::HoldClosed) => assert_eq!(held, 0, "a hold ends once"),
            Err(refusal) => {
                assert!(wanted > held && refusal == Refusal::CaptureExceedsHold { held: computed(held) });
            }
        }
    }

    fn releases(&mut self, place: usize) {
        let Some((who, row, held)) = self.pick_hold(place) else {
            return;
        };
        let account = &self.members[who].account;
        match Self::decided(spending::release(account, row, &self.rules(), self.now, staff())) {
            Ok(posted) => {
                assert!(held > 0 && self.write(who, posted));
                self.members[who].naive.end_hold(row, 0);
            }
            Err(refusal) => assert!(held == 0 && refusal == Refusal::HoldClosed, "a hold ends once"),
        }
    }

    fn merges(&mut self, survivor: usize, absorbed: usize) {
        let (into, from) = (&self.members[survivor], &self.members[absorbed]);
        let reason = Reason::parse("同一人").unwrap();
        let answer = merge::merge(&into.account, &from.account, &reason, &self.rules(), self.now, &staff());
        let mut naive = from.naive.clone();
        naive.pass_time(self.now);
        let merged = [survivor, absorbed].iter().any(|who| self.owner(*who) != *who);
        let refusal = match () {
            () if survivor == absorbed => Some(Refusal::SameMember),
            () if merged => Some(Refusal::MergedAlready),
            () if naive.holds_something() => Some(Refusal::OpenHolds),
            () => None,
        };
        assert_eq!(answer.as_ref().err().cloned(), refusal.map(Into::into));
        let Ok(both) = answer else { return };
        let (row, row_in) = (both.absorbed.entry.clone(), both.survivor.entry.clone());
        assert!(self.write(survivor, both.survivor) && self.write(absorbed, both.absorbed));
        assert_eq!(self.view(absorbed).holdings.available, [], "nothing is left behind");
        let brought = self.members[absorbed].naive.leave();
        self.members[survivor].naive.take_over(&brought);
        let orders = self.members[absorbed].bought.clone();
        let refunds_before = self.refunds_of(&orders);
        self.members[survivor].bought.extend(&orders);
        self.unions.push(Union { survivor, absorbed, row, row_in, brought, orders, refunds_before, undone: false });
    }

    fn refunds_of(&self, orders: &[usize]) -> usize {
        orders.iter().map(|n| self.orders[*n].refunds.len()).sum()
    }

    fn undoes(&mut self, merge: usize) {
        let Some(n) = merge.checked_rem(self.unions.len()) else {
            return;
        };
        let union = &self.unions[n];
        let (survivor, absorbed) = (union.survivor, union.absorbed);
        // A refund between a merge and its undo is booked to the survivor for good, so the purchase days of both are
        // no longer those of their own orders.
        if !union.undone && self.refunds_of(&union.orders) != union.refunds_before {
            return;
        }
        let answer = Self::decided(merge::undo(
            &self.members[survivor].account,
            &self.members[absorbed].account,
            &union.row,
            &union.row_in,
            &self.rules(),
            self.now,
            &staff(),
        ));
        if union.undone {
            // Refused, or met by the row of the first undo.
            assert!(answer.is_err() || self.table.contains_key(&answer.unwrap().absorbed.entry.row));
            return;
        }
        if self.owner(survivor) != survivor {
            return assert_eq!(answer.err(), Some(Refusal::MergedAlready), "the last merge is undone first");
        }
        let both = answer.unwrap();
        assert!(self.write(survivor, both.survivor) && self.write(absorbed, both.absorbed));
        self.give_up(n);
    }

    fn give_up(&mut self, union: usize) {
        self.unions[union].undone = true;
        let union = &self.unions[union];
        let brought = union.brought.not_lapsed(self.now.day());
        let fresh = self.program().earning.expiry.last_day(self.now.day());
        let survivor = &mut self.members[union.survivor];
        survivor.naive.hand_back(&brought, fresh);
        survivor.naive.pass_time(self.now);
        for order in &union.orders {
            let place = survivor.bought.iter().position(|n| n == order).unwrap();
            survivor.bought.remove(place);
        }
        let absorbed = &mut self.members[union.absorbed];
        absorbed.naive.come_back(&brought);
        absorbed.naive.pass_time(self.now);
    }
}

fn not_enough(wanted: u64, available: u64) -> Refusal {
    Refusal::NotEnoughPoints { wanted: computed(wanted), available: computed(available) }
}

/// The lot of a purchase, from the settings' words: pending for the return window, lapsing as the settings say, but
/// never before it can be spent.
fn lot_of(program: &Program, day: LocalDay) -> (LocalDay, Option<LocalDay>) {
    let matures = LocalDay::from_number(day.number() + i32::try_from(program.earning.pending_days).unwrap()).unwrap();
    let last = program.earning.expiry.last_day(day).map(|last| if last < matures { matures } else { last });
    assert_eq!(EarnedLot::of(&program.earning, day), EarnedLot { matures_on: matures, expires_on: last });
    (matures, last)
}

/// What an order is worth: fen by fen at the best rate that holds for its line, times the tier, rounded down once.
fn worth(order: &Order, program: &Program, tier: Option<&Code>) -> u64 {
    let ladder = &program.ladder.tiers;
    let tier_percent = ladder.iter().find(|t| Some(&t.id) == tier).unwrap_or(&ladder[0]).earn_percent;
    let in_lines: u64 = order.lines.iter().map(|line| line.amount.number()).sum();
    let mut parts: Vec<_> = order.lines.iter().map(|line| (line.amount.number(), line.category.as_ref())).collect();
    parts.push((order.amount.number() - in_lines, None));
    let mut hundredths_of_percent = 0_u128;
    for (fen, category) in parts {
        let mut best = None;
        for rule in &program.earning.rules {
            let fits = (rule.categories.is_empty() || category.is_some_and(|c| rule.categories.contains(c)))
                && (rule.tiers.is_empty() || tier.is_some_and(|t| rule.tiers.contains(t)))
                && order.amount >= rule.at_least;
            best = best.max(fits.then_some(rule.percent));
        }
        hundredths_of_percent += u128::from(fen) * u128::from(best.unwrap_or(100)) * u128::from(tier_percent);
    }
    let earned =
        hundredths_of_percent * u128::from(program.earning.points) / u128::from(program.earning.per_fen) / 10_000;
    u64::try_from(earned).unwrap().min(1_000_000_000)
}
