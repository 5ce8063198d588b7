//! Intake: orders, refunds and events from tills, shops and the mini program.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::app::App;
use crate::cases::ledger::{Patience, replay};
use crate::cases::people::{Acquisition, Handle};
use crate::cases::{Error, Who};
use crate::domain::account::Account;
use crate::domain::campaign::conversion::Conversion;
use crate::domain::campaign::counts::Counts;
use crate::domain::earning::{self, Event};
use crate::domain::entry::{Entry, What};
use crate::domain::occasion;
use crate::domain::order::Order;
use crate::domain::posting::Posted;
use crate::domain::purchase::{self, Refund, Rules};
use crate::domain::refusal::Refusal;
use crate::domain::rulebook::Rulebook;
use crate::table::{Freshness, Hot, Lost, Outcome, Transaction, count_shard};
use crate::values::{Actor, Code, ForeignId, MemberId, RowKey, Source};

/// Whom an order is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Customer {
    /// A member by id.
    Member(MemberId),
    /// Somebody by a handle, known or not yet.
    Handle(Handle),
}

/// How one order of a batch ended.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The row.
    pub entry: Entry,
    /// Whether it was written just now, or had been before.
    pub created: bool,
}

/// Intake.
#[derive(Clone, Copy, Debug)]
pub struct Intake<'a>(pub(crate) &'a App);

impl App {
    /// Intake of orders, refunds and events.
    #[must_use]
    pub const fn intake(&self) -> Intake<'_> {
        Intake(self)
    }
}

/// A customer of a batch: who it is, when known, and the hot item read last, whatever became of the person.
struct Known {
    customer: Customer,
    hot: Option<Hot>,
}

impl Known {
    /// Why nothing more can be booked for them.
    fn bar(&self) -> Option<Refusal> {
        self.hot.as_ref()?.account.membership.bar()
    }
}

impl Intake<'_> {
    /// A batch of orders, each accepted or refused by itself, answered in the order sent.
    ///
    /// Two reads for the whole batch (who has the handles, the hot items), then one transaction per order of four
    /// write units, and two more for every campaign whose window is open for the customer. One customer's orders are
    /// booked one after the other, different customers' side by side. After an order that failed for the world's sake,
    /// the same customer's later ones of the batch are left for the retry, so that their sequence is kept.
    pub async fn orders(
        &self,
        orders: &[(Customer, Order)],
        by: &Actor,
    ) -> Result<Vec<Result<Accepted, Error>>, Error> {
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut customers: Vec<&Customer> = Vec::new();
        for (place, (customer, _)) in orders.iter().enumerate() {
            let group = customers.iter().position(|c| *c == customer).unwrap_or_else(|| {
                customers.push(customer);
                customers.len() - 1
            });
            groups.entry(group).or_default().push(place);
        }
        let known = self.look_up(&customers).await?;
        // Once for all of them: customers side by side would each find nothing read yet.
        self.0.rulebook().await?;
        let booked =
            by_member(known.into_iter().zip(groups.into_values())).into_iter().map(|(known, places)| async move {
                let orders = places.iter().filter_map(|place| orders.get(*place)).map(|(_, order)| order);
                let results = self.orders_of_one(known, orders, by).await;
                places.into_iter().zip(results).collect::<Vec<_>>()
            });
        let mut results: Vec<_> = join_all(booked).await.into_iter().flatten().collect();
        results.sort_by_key(|(place, _)| *place);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }

    async fn orders_of_one<'o>(
        &self,
        mut known: Known,
        orders: impl Iterator<Item = &'o Order>,
        by: &Actor,
    ) -> Vec<Result<Accepted, Error>> {
        let mut results = Vec::new();
        let mut stopped = None;
        for order in orders {
            let result = match &stopped {
                Some(stop) => Err(Error::clone(stop)),
                None => self.order(&mut known, order, by).await,
            };
            if let Err(error @ (Error::Unavailable(_) | Error::Defect(_))) = &result {
                stopped = Some(error.clone());
            }
            results.push(result);
        }
        results
    }

    /// Who the customers are: one call for the handles, one for the hot items.
    async fn look_up(&self, customers: &[&Customer]) -> Result<Vec<Known>, Error> {
        let handles: Vec<Handle> = customers.iter().filter_map(|c| handle(c)).cloned().collect();
        let mut owners = self.0.people().owners(&handles).await?.into_iter();
        let members: Vec<Option<MemberId>> = (customers.iter())
            .map(|customer| match customer {
                Customer::Member(member) => Some(*member),
                Customer::Handle(_) => owners.next().flatten(),
            })
            .collect();
        let mut wanted: Vec<MemberId> = members.iter().flatten().copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        let hots = if wanted.is_empty() { Vec::new() } else { self.0.table().members(&wanted).await? };
        let mut known = Vec::with_capacity(customers.len());
        for (customer, member) in customers.iter().zip(members) {
            let hot = hots.iter().find(|hot| Some(hot.account.member) == member).cloned();
            let hot = match hot {
                Some(hot) => Some(self.0.ledger().follow_to_the_end(hot, Freshness::Latest).await?),
                None => None,
            };
            known.push(Known { customer: Customer::clone(customer), hot });
        }
        Ok(known)
    }

    async fn look_up_again(&self, known: &mut Known) -> Result<(), Error> {
        if let Some(fresh) = self.look_up(&[&known.customer]).await?.pop() {
            *known = fresh;
        }
        Ok(())
    }

    async fn order(&self, known: &mut Known, order: &Order, by: &Actor) -> Result<Accepted, Error> {
        let (now, then) = (self.0.rulebook().await?, self.0.programs().at(order.paid_at).await?);
        let rules = Rules { now: &now, then: &then };
        let mut patience = Patience::new(self.0);
        loop {
            if let Some(bar) = known.bar() {
                return self.booked_before(known, order, bar).await;
            }
            let tried = match &known.hot {
                Some(hot) => self.book_order(hot, order, rules, by).await,
                None => self.book_first_order(&known.customer, order, rules, by).await,
            };
            let lost = match tried {
                Ok(Ok((accepted, after))) => {
                    known.hot = Some(after);
                    return Ok(accepted);
                }
                Ok(Err(lost)) => lost,
                Err(Error::Refused(refusal)) => return self.booked_before(known, order, refusal).await,
                Err(other) => return Err(other),
            };
            if let Lost::RowExists(entry) = lost {
                return self.replayed(known, *entry, order).await;
            }
            patience.wait().await?;
            match lost {
                Lost::Stale(_, Some(hot)) => {
                    known.hot = Some(self.0.ledger().follow_to_the_end(*hot, Freshness::Latest).await?);
                }
                _ => self.look_up_again(known).await?,
            }
        }
    }

    /// What was booked before stays booked, even if it would be refused by what has changed since. One call, and those of
    /// a replay.
    async fn booked_before(&self, known: &mut Known, order: &Order, refusal: Refusal) -> Result<Accepted, Error> {
        let earlier = self.0.table().row(order.row()).await?;
        self.replayed(known, earlier.ok_or(refusal)?, order).await
    }

    async fn book_order(
        &self,
        hot: &Hot,
        order: &Order,
        rules: Rules<'_>,
        by: &Actor,
    ) -> Result<Result<(Accepted, Hot), Lost>, Error> {
        let conversions = self.conversions(hot, order).await?;
        let posted = purchase::purchase(&hot.account, order, &conversions, rules, self.0.now(), by.clone())?;
        let hot = hot.converted(&conversions);
        let transaction = self.0.table().transaction().movement(&hot, &posted)?;
        let transaction = counted(transaction, &conversions, |conversion| conversion.bought(order.amount))?;
        let after = Hot { version: hot.version + 1, ..hot.after(&posted) };
        Ok(match transaction.commit().await? {
            Outcome::Done => Ok((created(posted), after)),
            Outcome::Lost(lost) => Err(lost),
        })
    }

    /// The campaigns that an order is a conversion of. No call for nearly everybody, and none while limits are fresh.
    async fn conversions(&self, hot: &Hot, order: &Order) -> Result<Vec<Conversion>, Error> {
        if !hot.reach.may_convert(order.paid_at) {
            return Ok(Vec::new());
        }
        let by = self.0.limits().current().await?.limits.attribution;
        Ok(hot.reach.conversions(order.paid_at, by))
    }

    /// The first order of somebody unknown makes a member whom nobody has claimed yet: key, profile and handle come
    /// into being in the same transaction as the order.
    async fn book_first_order(
        &self,
        customer: &Customer,
        order: &Order,
        rules: Rules<'_>,
        by: &Actor,
    ) -> Result<Result<(Accepted, Hot), Lost>, Error> {
        let Customer::Handle(handle) = customer else { return Err(Error::NotFound) };
        purchase::check(order, rules.then, self.0.now())?;
        // A known order of an unknown customer is a conflict, not a new person.
        let source = Acquisition {
            channel: Code::parse("order").ok(),
            store: order.store.clone(),
            guide: order.guide.clone(),
            ..Acquisition::default()
        };
        let mut person = self.0.people().prepare(source).await?;
        person.add(self.0, handle.clone())?;
        let posted = purchase::purchase(&person.hot.account, order, &[], rules, self.0.now(), by.clone())?;
        let transaction = self.0.table().transaction().movement(&person.hot, &posted)?;
        let outcome = person.write(self.0, transaction)?.commit().await?;
        let after = Hot { version: 1, ..person.hot.after(&posted) };
        Ok(match outcome {
            Outcome::Done => Ok((created(posted), after)),
            Outcome::Lost(lost) => Err(lost),
        })
    }

    /// A delivery that was made before: the same order of the same customer, or a conflict.
    async fn replayed(&self, known: &mut Known, entry: Entry, order: &Order) -> Result<Accepted, Error> {
        let same = matches!(&entry.what, What::Order { order: first, .. } if first == order);
        if !same {
            return Err(Error::ReusedKey);
        }
        self.look_up_again(known).await?;
        let member = known.hot.as_ref().map(|hot| hot.account.member);
        if member == Some(entry.member) || member == Some(self.0.ledger().books(entry.member).await?.account.member) {
            Ok(Accepted { entry, created: false })
        } else {
            Err(Error::ReusedKey)
        }
    }

    /// Money back for an order. Four calls: the order's row, what was refunded so far, the member, the transaction.
    pub async fn refund(
        &self,
        source: &Source,
        order: &ForeignId,
        refund: &Refund,
        by: &Actor,
    ) -> Result<Entry, Error> {
        let entry = self.0.table().row(Order::row_of(source, order)).await?.ok_or(Refusal::UnknownOrder)?;
        let What::Order { order, earned, conversions } = &entry.what else { return Err(Refusal::UnknownOrder.into()) };
        let versions = self.0.programs().versions().await?;
        let then =
            versions.numbered(entry.program).cloned().ok_or_else(|| Error::Defect("a version is missing".into()))?;
        let now = self.0.rulebook().await?;
        let rules = Rules { now: &now, then: &then };
        let same = |what: &What| matches!(what, What::Refund { id, amount, reason, .. } if *id == refund.id && *amount == refund.amount && *reason == refund.reason);
        let mut patience = Patience::new(self.0);
        loop {
            let hot = self.0.ledger().books(entry.member).await?;
            let tally = self.0.table().refund_tally(&order.source, &order.id).await?;
            let decided = purchase::refund(
                &hot.account,
                (order, *earned),
                tally.refunded,
                refund,
                rules,
                self.0.now(),
                by.clone(),
            );
            let (posted, after) = match decided {
                Ok(decided) => decided,
                Err(failure) => {
                    let earlier = self.0.table().row(refund.row(order)).await?;
                    return earlier.map_or(Err(failure.into()), |e| replay_refund(e, same));
                }
            };
            let transaction = self.0.table().transaction().movement(&hot, &posted)?;
            let transaction = transaction.refunded((&order.source, &order.id), &tally, after)?;
            let transaction = counted(transaction, conversions, |conversion| conversion.refunded(refund.amount))?;
            match transaction.commit().await? {
                Outcome::Done => return Ok(posted.entry),
                Outcome::Lost(Lost::RowExists(earlier)) => return replay_refund(*earlier, same),
                Outcome::Lost(_) => patience.wait().await?,
            }
        }
    }

    /// Something that a member did. Two calls; one more when the member is named by a handle, and two more for a search
    /// that shows a need.
    pub async fn event(
        &self,
        customer: &Customer,
        event: &Event,
        who: Option<&Who>,
        by: &Actor,
    ) -> Result<Entry, Error> {
        let who = match (who, customer) {
            (Some(who), _) => who.clone(),
            (None, Customer::Member(member)) => Who { member: *member, session: None, by: by.clone() },
            (None, Customer::Handle(handle)) => {
                let owner = self.0.people().owners(std::slice::from_ref(handle)).await?;
                let member = owner.into_iter().next().flatten().ok_or(Error::NotFound)?;
                Who { member, session: None, by: by.clone() }
            }
        };
        let row: RowKey = event.row(who.session.map(|_| who.member));
        let now = self.0.now();
        let same = |what: &What| matches!(what, What::Event { event: topic, about, .. } if *topic == event.topic && *about == event.about);
        let decide =
            |account: &Account, rules: &Rulebook| earning::event(account, event, row, rules, now, who.by.clone());
        let entry = self.0.ledger().book(&who, row, same, decide).await?;
        self.notice(&who, &entry).await?;
        Ok(entry)
    }

    /// Puts on the tags of the occasions that a search shows, once for the search; also when it is sent again, because
    /// the first delivery may have died between the two rows. No call for anything else.
    async fn notice(&self, who: &Who, entry: &Entry) -> Result<(), Error> {
        let rules = self.0.rulebook().await?;
        let tags = rules.program().tags_for(&entry.what, entry.at);
        if tags.is_empty() {
            return Ok(());
        }
        let row = RowKey::of("occasion", &[&entry.row.to_string()]);
        let mut patience = Patience::new(self.0);
        loop {
            let hot = self.0.ledger().open(who, Freshness::Latest).await?;
            let noticed = occasion::noticed(&hot.account, &tags, row, &rules, self.0.now(), self.0.own_name())?;
            let Some(posted) = noticed else { return Ok(()) };
            match self.0.table().transaction().movement(&hot, &posted)?.commit().await? {
                Outcome::Done | Outcome::Lost(Lost::RowExists(_)) => return Ok(()),
                Outcome::Lost(_) => patience.wait().await?,
            }
        }
    }
}

/// Puts customers together who are named in several ways but are the same member, so that their orders, too, are
/// booked in the order sent.
fn by_member(customers: impl Iterator<Item = (Known, Vec<usize>)>) -> Vec<(Known, Vec<usize>)> {
    let mut members: Vec<(Known, Vec<usize>)> = Vec::new();
    for (known, mut places) in customers {
        let member = known.hot.as_ref().map(|hot| hot.account.member);
        let same = |other: &Known| member.is_some() && other.hot.as_ref().map(|hot| hot.account.member) == member;
        match members.iter_mut().find(|(other, _)| same(other)) {
            Some((_, theirs)) => {
                theirs.append(&mut places);
                theirs.sort_unstable();
            }
            None => members.push((known, places)),
        }
    }
    members
}

fn handle(customer: &Customer) -> Option<&Handle> {
    match customer {
        Customer::Member(_) => None,
        Customer::Handle(handle) => Some(handle),
    }
}

/// Adds to a transaction what an order or its refund changes in the counts of the campaigns that it is a conversion of;
/// nothing for nearly everybody.
fn counted<'t>(
    mut transaction: Transaction<'t>,
    conversions: &[Conversion],
    changes: impl Fn(&Conversion) -> Counts,
) -> Result<Transaction<'t>, Error> {
    for conversion in conversions {
        let shard = count_shard(conversion.send);
        transaction = transaction.counts(conversion.campaign, shard, &changes(conversion))?;
    }
    Ok(transaction)
}

fn created(posted: Posted) -> Accepted {
    Accepted { entry: posted.entry, created: true }
}

fn replay_refund(entry: Entry, same: impl Fn(&What) -> bool) -> Result<Entry, Error> {
    let member = entry.member;
    replay(entry, member, same)
}
