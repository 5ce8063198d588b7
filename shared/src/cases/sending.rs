//! Sending: one member's copy of a campaign, from the queue to a provider.
//!
//! Three table calls when nothing comes between: everything is read in one, the claim is one transaction (the send, the
//! member's touch, the budget), the outcome another (the send and the campaign's counts). A fourth takes a slot where the
//! campaign has a rate and the message has waited. What is read of campaigns and circuits is kept for two seconds, so that
//! pausing and stopping work everywhere within that time.

mod circuits;
mod draining;
mod pacing;

pub use self::draining::Drained;

use crate::app::App;
use crate::cases::Error;
use crate::cases::campaigns::{Live, Stance};
use crate::cases::ledger::Patience;
use crate::cases::people::{Contacts, Opened};
use crate::channels::{Address, Failure, Fault, Message, Sent};
use crate::domain::account::{Account, Membership};
use crate::domain::campaign::Turn;
use crate::domain::campaign::assign::{Assigned, assign};
use crate::domain::campaign::circuit::Circuit;
use crate::domain::campaign::content::{Rendered, Values};
use crate::domain::campaign::counts::{Count, Counts};
use crate::domain::campaign::gates::{Conditions, Facing, Gate, Verdict, judge};
use crate::domain::campaign::send::{
    Call, LEASE, Send, Settled, State, Taken, Wait, hold_out, recall, settle, touch, untouch,
};
use crate::domain::traits::Channel;
use crate::seal::SealError;
use crate::table::{BUDGET_SHARDS, BeforeSending, Freshness, Hot, Lost, Outcome, SendKey, StoredKeys, StoredSend};
use crate::values::{InviteCode, MemberId, MessageId};

/// What came of one message of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Went {
    /// Nothing was to be done: it is final, somebody else is at it, or its time has not come.
    Nothing,
    /// It waits, is refused or is over; no provider was asked.
    Decided,
    /// A provider was asked.
    Asked,
}

/// Sending.
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a>(pub(crate) &'a App);

impl App {
    /// Sending.
    #[must_use]
    pub const fn sending(&self) -> Sending<'_> {
        Sending(self)
    }
}

/// Everything about a message that was read.
struct Scene<'a> {
    live: &'a Live,
    send: Send,
    /// Whether the member is held out: the gates are asked all the same, so that only those who would have got a copy are
    /// compared with those who did.
    held_out: bool,
    /// As stored; none for one that comes up for the first time.
    before: Option<StoredSend>,
    member: Option<(Hot, Opened)>,
}

impl Scene<'_> {
    fn version(&self) -> u64 {
        self.before.as_ref().map_or(0, |stored| stored.version)
    }
}

impl Sending<'_> {
    /// Works on one message until it is final, waits, or is claimed by somebody else.
    pub async fn work(&self, key: SendKey) -> Result<Went, Error> {
        let mut went = Went::Nothing;
        let mut patience = Patience::new(self.0);
        loop {
            let live = self.0.campaigns().live(key.campaign).await?;
            let read = self.0.table().before_sending(&key).await?;
            match Box::pin(self.step(&live, &key, read)).await? {
                Step::Done(last) => return Ok(if last == Went::Nothing { went } else { last }),
                // The next channel of the plan.
                Step::GoesOn => went = Went::Asked,
                Step::Crossed => patience.wait().await?,
            }
        }
    }

    async fn step(self, live: &Live, key: &SendKey, read: BeforeSending) -> Result<Step, Error> {
        let now = self.0.now();
        let before = read.send.clone();
        let send = match &before {
            Some(stored) => stored.send.clone(),
            None => live.campaign.copy_for(key.member, key.occasion, now),
        };
        if let Some(stored) = before.as_ref().filter(|stored| key.paged && stored.send.extra) {
            return self.counted_twice(stored).await;
        }
        match &send.state {
            State::Held { .. } => {}
            State::Claimed { call } if now < call.at.plus(LEASE) => return Ok(Step::Done(Went::Nothing)),
            State::Unknown { look_at, .. } if look_at.is_none_or(|at| now < at) => {
                return Ok(Step::Done(Went::Nothing));
            }
            State::AwaitingStaff { look_at, .. } if now < *look_at => return Ok(Step::Done(Went::Nothing)),
            State::Claimed { .. } | State::Unknown { .. } | State::AwaitingStaff { .. } => {
                let (member, read) = self.survivor(key, read).await?;
                let member = self.open(read.hot, read.profile.as_ref(), read.keys, member).await?;
                return self.look_up(Scene { live, send, held_out: false, before, member }).await;
            }
            _ => return Ok(Step::Done(Went::Nothing)),
        }
        match live.campaign.turn(&send, now) {
            Turn::NotYet => return Ok(Step::Done(Went::Nothing)),
            Turn::Takes(state) => return self.decided(&send, before.as_ref(), state).await,
            Turn::Goes => {}
        }
        if let Some(state) = self.0.notices().holds(live, &send).await? {
            return self.decided(&send, before.as_ref(), state).await;
        }
        if let Some(Hot { account: Account { membership: Membership::MergedInto(into), .. }, .. }) = &read.hot {
            return self.moved(&send, before.as_ref(), *into).await;
        }
        if matches!(&read.hot, Some(hot) if matches!(hot.account.membership, Membership::OnHold { .. })) {
            return self.decided(&send, before.as_ref(), State::Refused { gate: Gate::LegalHold }).await;
        }
        let member = self.open(read.hot, read.profile.as_ref(), read.keys, key.member).await?;
        let Assigned { variant, held_out } = assign(send.campaign, &live.campaign.definition, send.member);
        Box::pin(self.judge(Scene { live, send: Send { variant, ..send }, held_out, before, member })).await
    }

    /// What was read of a member, after a merge that of the one who goes on: by their address the provider knows the
    /// message. No call without a merge.
    async fn survivor(self, key: &SendKey, read: BeforeSending) -> Result<(MemberId, BeforeSending), Error> {
        let is_merged = |hot: &Hot| matches!(hot.account.membership, Membership::MergedInto(_));
        if !read.hot.as_ref().is_some_and(is_merged) {
            return Ok((key.member, read));
        }
        let Some(Hot { account: Account { member, .. }, .. }) = self.0.ledger().reached(key.member).await? else {
            return Ok((key.member, read));
        };
        Ok((member, self.0.table().before_sending(&SendKey { member, ..*key }).await?))
    }

    /// The member as far as there still is one.
    async fn open(
        self,
        hot: Option<Hot>,
        profile: Option<&crate::table::StoredPart>,
        keys: Option<StoredKeys>,
        member: MemberId,
    ) -> Result<Option<(Hot, Opened)>, Error> {
        let (Some(hot), Some(part), Some(keys)) = (hot, profile, keys) else { return Ok(None) };
        let key = self.0.key_cache().key(self.0.master_key(), member, &keys.wrapped, self.0.wall()).await;
        match key {
            Ok(key) => Ok(Some((hot, Opened::new(part, key, keys.of_children)?))),
            Err(SealError::Unavailable(what)) => Err(Error::Unavailable(what)),
            Err(other) => Err(other.into()),
        }
    }

    /// Asks the gates, and does what they say.
    async fn judge(self, scene: Scene<'_>) -> Result<Step, Error> {
        let (live, now) = (scene.live, self.0.now());
        let definition = &live.campaign.definition;
        let limits = self.0.limits().current().await?;
        let circuits = self.0.campaigns().circuits().await?;
        let open: Vec<(Channel, Circuit)> = circuits.iter().map(|(channel, circuit, _)| (*channel, *circuit)).collect();
        let room = self.0.campaigns().room(live).await?;
        let verdict = {
            let reachable = match &scene.member {
                Some((_, opened)) => self.reachable(opened, &definition.plan)?,
                None => Vec::new(),
            };
            let stance = match &scene.member {
                Some((hot, _)) => self.0.campaigns().stance(live, &hot.account).await?,
                None => Stance::default(),
            };
            let facing = scene.member.as_ref().map(|(hot, _)| Facing {
                bars: &stance.bars,
                reach: &hot.reach,
                in_audience: stance.in_audience,
                reachable: &reachable,
            });
            let (limits, keeps_hours) = (&limits.limits, live.notice.is_some());
            let conditions = Conditions { definition, limits, room, circuits: &open, keeps_hours, now };
            judge(&scene.send, facing.as_ref(), &conditions)
        };
        match verdict {
            Verdict::No(gate) => self.decided(&scene.send, scene.before.as_ref(), State::Refused { gate }).await,
            Verdict::Wait { until, why } => self.wait(&scene, until, why).await,
            Verdict::Go { .. } if scene.held_out => self.hold_out(scene).await,
            Verdict::Go { channel, probe } => {
                if let Some(begins) = self.slot(&scene).await? {
                    return self.wait(&scene, begins, Wait::Rate).await;
                }
                if probe && !self.takes_the_probe(channel).await? {
                    return Ok(Step::Crossed);
                }
                Box::pin(self.claim(scene, channel)).await
            }
        }
    }

    fn reachable(self, opened: &Opened, plan: &[Channel]) -> Result<Vec<Channel>, Error> {
        let mut reachable = Vec::new();
        for channel in plan {
            if self.0.parts().senders.of(*channel).is_some() && address(opened, *channel)?.is_some() {
                reachable.push(*channel);
            }
        }
        Ok(reachable)
    }

    /// Writes where a send stands without a provider having been asked. One call.
    async fn decided(self, send: &Send, before: Option<&StoredSend>, state: State) -> Result<Step, Error> {
        let next = send.moved_to(state, self.0.now());
        let counts = next.counts_since(before.map(|stored| &stored.send));
        let stored = StoredSend { send: next, version: before.map_or(0, |stored| stored.version) };
        let transaction = self.0.table().transaction().send(&stored, &counts)?;
        match transaction.commit().await? {
            Outcome::Done => Ok(Step::Done(Went::Decided)),
            Outcome::Lost(_) => Ok(Step::Crossed),
        }
    }

    /// Notes that a message would go now, had the member not been held out. One call.
    async fn hold_out(self, scene: Scene<'_>) -> Result<Step, Error> {
        let (now, version) = (self.0.now(), scene.version());
        let Some((mut hot, _)) = scene.member else { return Ok(Step::Crossed) };
        let send = Send { variant: None, ..scene.send }.moved_to(State::Holdout, now);
        hold_out(&mut hot.reach, &send, scene.live.campaign.definition.attribution_days, now);
        let counts = send.counts_since(scene.before.as_ref().map(|stored| &stored.send));
        let stored = StoredSend { send, version };
        let outcome = self.0.table().transaction().send(&stored, &counts)?.member(&hot)?.commit().await?;
        Ok(if let Outcome::Done = outcome { Step::Done(Went::Decided) } else { Step::Crossed })
    }

    /// The copy of a member who was merged into another one goes to the survivor, unless a copy for them has come up
    /// already: then it is theirs that goes. Two calls.
    async fn moved(self, send: &Send, before: Option<&StoredSend>, into: MemberId) -> Result<Step, Error> {
        let now = self.0.now();
        let moved = send.moved_to(State::Moved { into }, now);
        let mut counts = moved.counts_since(before.map(|stored| &stored.send));
        let moved = StoredSend { send: moved, version: before.map_or(0, |stored| stored.version) };
        let theirs = Send::new(send.campaign, into, send.occasion, send.expires_at, now);
        let theirs = Send { extra: true, about: send.about, ..theirs };
        let known = self.0.table().send(theirs.id, Freshness::Latest).await?.is_some();
        if !known {
            counts.merge(&theirs.counts_since(None));
            counts.add(&Count::of(Count::AUDIENCE), 1);
        }
        let mut transaction = self.0.table().transaction().send(&moved, &counts)?;
        if !known {
            // Counted above: a shard of the counts may stand once in a transaction.
            transaction = transaction.send(&StoredSend::new(theirs), &Counts::default())?;
        }
        match transaction.commit().await? {
            Outcome::Done => Ok(Step::Done(Went::Decided)),
            Outcome::Lost(_) => Ok(Step::Crossed),
        }
    }

    /// A copy that came up by a merge is met by the page that has counted it as well.
    async fn counted_twice(self, stored: &StoredSend) -> Result<Step, Error> {
        let mut counts = Counts::default();
        counts.add(&Count::of(Count::AUDIENCE), -1);
        let once = StoredSend { send: Send { extra: false, ..stored.send.clone() }, version: stored.version };
        self.0.table().transaction().send(&once, &counts)?.commit().await?;
        Ok(Step::Crossed)
    }

    /// Claims a message for a channel, asks the provider, and writes what came of it.
    async fn claim(self, scene: Scene<'_>, channel: Channel) -> Result<Step, Error> {
        let (live, now) = (scene.live, self.0.now());
        let definition = &live.campaign.definition;
        let Some((hot, opened)) = &scene.member else { return Ok(Step::Crossed) };
        let content = scene.send.variant.as_ref().and_then(|id| definition.variant(id)).map(|variant| &variant.content);
        let (Some(content), Some(to)) = (content, address(opened, channel)?) else {
            return Err(Error::Defect("a message without content or address passed the gates".into()));
        };
        let values = self.values(live, hot, opened, &scene.send).await?;
        // Without a page of the brand's a link of ours would lead nowhere.
        let values = Values { link: values.link.filter(|_| content.link.is_some()), ..values };
        let rendered = match content.render(channel, &values) {
            Ok(rendered) => scene.send.about.into_iter().fold(rendered, Rendered::about),
            Err(unrendered) => {
                let reason = Failure { of: Fault::Content, code: unrendered.word() };
                let state = State::Failed { reason, channel };
                return self.decided(&scene.send, scene.before.as_ref(), state).await;
            }
        };
        let cost = rendered.cost(&definition.prices);
        let shard = self.0.campaigns().shard(live, scene.send.id.shard(BUDGET_SHARDS), cost).await?;
        if shard.is_none() && definition.budget.is_some() {
            self.0.campaigns().gather(live.campaign.id).await?;
            return Ok(Step::Crossed);
        }
        let taken = Taken { shard, cost, credit: content.credit(channel).cloned() };
        let call = Call { channel, at: now, taken };
        let claimed = scene.send.claimed(call.clone());
        let mut touched = hot.clone();
        touch(&mut touched.reach, &claimed, &call, definition.attribution_days);
        let counts = claimed.counts_since(scene.before.as_ref().map(|stored| &stored.send));
        let stored = StoredSend { send: claimed, version: scene.version() };
        let mut transaction = self.0.table().transaction().send(&stored, &counts)?.member(&touched)?;
        if let Some(shard) = shard {
            transaction = transaction.take(live.campaign.id, shard, live.limited(), cost)?;
        }
        match transaction.commit().await? {
            Outcome::Done => {}
            Outcome::Lost(Lost::Spent) => {
                self.0.kept_campaigns().forget(live.campaign.id);
                return Ok(Step::Crossed);
            }
            Outcome::Lost(_) => return Ok(Step::Crossed),
        }
        let claimed = StoredSend { version: stored.version + 1, ..stored };
        let after = Hot { version: touched.version + 1, ..touched };
        let message =
            Message { send: claimed.send.id, campaign: claimed.send.campaign, channel, to, content: rendered };
        let Some(sender) = self.0.parts().senders.of(channel) else {
            return Err(Error::Defect("a channel without a provider passed the gates".into()));
        };
        let outcome = sender.send(&message).await;
        let chance = self.chance();
        let settled = settle(&claimed.send, &call, &definition.plan, outcome, chance, self.0.now());
        self.settled(live, &claimed, settled, Some(after)).await
    }

    /// What placeholders stand for. No call.
    async fn values(self, live: &Live, hot: &Hot, opened: &Opened, send: &Send) -> Result<Values, Error> {
        let statement = self.0.ledger().statement_of(hot).await?;
        let rules = self.0.rulebook().await?;
        let tier = statement.standing.as_ref().and_then(|standing| rules.program().ladder.tier(&standing.tier));
        let links = self.0.doors().links(send.id);
        Ok(Values {
            name: opened.field("name")?,
            points: statement.balance.available,
            tier: tier.map(|tier| tier.name.to_string()),
            expiring: statement.expiring.first().map(|(day, points)| (*points, *day)),
            coupon: live.campaign.definition.coupon.as_ref().map(ToString::to_string),
            offer_until: Some(send.expires_at.last_day()),
            link: links.click,
            unsubscribe: links.unsubscribe,
            invite: opened.value("invite", InviteCode::parse)?,
            pixel: links.open,
        })
    }

    /// The provider's id of a message, where its receipts come under that id and not under ours.
    fn given_name(self, send: &Send) -> Option<&MessageId> {
        let State::Accepted { call, id } = &send.state else { return None };
        let sender = self.0.parts().senders.of(call.channel)?;
        (sender.reports_by_its_own_id() && *id != MessageId::of(send.id)).then_some(id)
    }

    fn chance(self) -> u8 {
        let [random] = crate::entropy::bytes::<1>(self.0.entropy());
        random % 100
    }

    /// Writes what came of a call: the send and the counts; where the message surely did not go out also what the claim
    /// had taken. One call when nobody has changed the member meanwhile.
    async fn settled(
        self,
        live: &Live,
        before: &StoredSend,
        settled: Settled,
        hot: Option<Hot>,
    ) -> Result<Step, Error> {
        let Some(call) = before.send.call() else {
            return Err(Error::Defect("a send was settled without a call".into()));
        };
        let counts = settled.send.counts_since(Some(&before.send));
        let stored = StoredSend { send: settled.send.clone(), version: before.version };
        let touches_member = settled.give_back.is_some() || settled.unwanted.is_some();
        let name = self.given_name(&settled.send);
        let (mut hot, mut patience) = (hot, Patience::new(self.0));
        loop {
            let mut transaction = self.0.table().transaction().send(&stored, &counts)?;
            if let Some(id) = name {
                transaction = transaction.name(call.channel, id, settled.send.id, self.0.now())?;
            }
            if touches_member {
                let current = match hot.take() {
                    Some(hot) => Some(hot),
                    None => self.0.ledger().reached(before.send.member).await?,
                };
                if let Some(mut current) = current {
                    untouch(&mut current.reach, &settled, call.channel, self.0.now().day());
                    transaction = transaction.member(&current)?;
                }
            }
            if let Some(Taken { shard: Some(shard), cost, .. }) = &settled.give_back {
                transaction = transaction.give_back(live.campaign.id, *shard, live.limited(), *cost)?;
            }
            match transaction.commit().await? {
                Outcome::Done => break,
                // Whoever was merged meanwhile is followed to the one who goes on.
                Outcome::Lost(Lost::Stale(_, newest)) => {
                    hot = newest.map(|hot| *hot).filter(|hot| !hot.account.membership.has_ended());
                }
                Outcome::Lost(_) => {
                    // Somebody else has written what became of it: a receipt, or the look at a claim that took too long.
                    let current = self.0.table().send(before.send.id, Freshness::Latest).await?;
                    if current.is_none_or(|current| current.version != before.version) {
                        return Ok(Step::Done(Went::Asked));
                    }
                    hot = None;
                    patience.wait().await?;
                }
            }
        }
        if let Some(said) = &settled.content_fault {
            self.0.campaigns().fault(live.campaign.id, said).await?;
        }
        self.fared(call.channel, settled.provider).await?;
        let goes_on = matches!(&settled.send.state, State::Held { until, .. } if *until <= self.0.now());
        Ok(if goes_on { Step::GoesOn } else { Step::Done(Went::Asked) })
    }

    /// Asks a provider's records what became of a message whose answer nobody heard.
    async fn look_up(self, scene: Scene<'_>) -> Result<Step, Error> {
        let Some(before) = scene.before else { return Ok(Step::Done(Went::Nothing)) };
        let Some(call) = before.send.call() else { return Ok(Step::Done(Went::Nothing)) };
        let to = match &scene.member {
            Some((_, opened)) => address(opened, call.channel)?,
            None => None,
        };
        let id = match &before.send.state {
            State::AwaitingStaff { id, .. } => Some(id.clone()),
            _ => None,
        };
        let known = match (self.0.parts().senders.of(call.channel), to) {
            (Some(sender), Some(to)) => {
                let sent = Sent { send: before.send.id, channel: call.channel, to, at: call.at, id };
                sender.look_up(&sent).await
            }
            // Who is gone can't be asked about.
            _ => crate::channels::Known::Never,
        };
        if known == crate::channels::Known::Delivered {
            // Before where it stands is written down: a look that dies in between is taken again.
            self.0.tracking().arrived(&before.send).await?;
        }
        let Some(settled) = recall(&before.send, known, self.chance(), self.0.now()) else {
            return Ok(Step::Done(Went::Nothing));
        };
        self.settled(scene.live, &before, settled, None).await
    }
}

/// How a step ended.
enum Step {
    /// The message is done for now.
    Done(Went),
    /// Another channel is to be tried at once.
    GoesOn,
    /// Somebody else was faster, or something read was out of date: read again.
    Crossed,
}

/// Where a member is reached on a channel; none when they are not.
fn address(opened: &Opened, channel: Channel) -> Result<Option<Address>, Error> {
    let contacts = Contacts::of(opened)?;
    let at = match channel {
        Channel::Subscribe => contacts.openid.map(|id| id.to_string()),
        Channel::Wecom => contacts.wecom.map(|id| id.to_string()),
        Channel::Sms => contacts.phone.map(|phone| phone.digits().to_owned()),
        Channel::Email => contacts.email.map(|email| email.as_str().to_owned()),
        Channel::Webhook => Some(opened.member.to_string()),
    };
    Ok(at.map(Address::new))
}
