//! Tracking: what providers tell of messages after they went out, and what members do with them.
//!
//! Everything here comes from outside, more than once and in any order. What is told of a message that we never sent is
//! ignored; what is told twice changes nothing.

use futures_util::{StreamExt as _, stream};

use crate::app::App;
use crate::cases::ledger::Patience;
use crate::cases::people::Handle;
use crate::cases::{Error, Who};
use crate::channels::receipts::{Named, Reporter, Told};
use crate::channels::{Failure, Fault, Secret};
use crate::domain::answering;
use crate::domain::campaign::answer::{Doing, Fate};
use crate::domain::campaign::content::Link;
use crate::domain::campaign::send::{Answers, Send};
use crate::domain::consent::{Purpose as ConsentTo, Via, is_opt_out};
use crate::domain::reach::{Reach, SuppressedBy};
use crate::domain::refusal::Refusal;
use crate::domain::traits::{Channel, Reply};
use crate::table::{Freshness, Hot, Lost, Outcome, StoredSend};
use crate::trust::link::{LinkKey, Purpose};
use crate::values::{Actor, LocalDay, MemberId, RowKey, SendId};
use crate::wechat::event::{Event, Pushed, Subscription};
use crate::wechat::push::PushKeys;

/// Things told in one body that are worked on side by side.
const SIDE_BY_SIDE: usize = 8;

/// By what whatever comes back is known to be ours, and where it comes back to.
#[derive(Clone, Debug)]
pub struct Doors {
    /// WeChat's pushes; none where the console has no token yet.
    pub pushes: Option<PushKeys>,
    /// The last part of the path of receipts; none where nobody posts any.
    pub receipts: Option<Secret>,
    /// Signs links.
    pub links: LinkKey,
    /// Where members reach us, as `https://m.example.cn`; none where messages have no links.
    pub own_url: Option<String>,
}

/// The links of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// It leads to the campaign's page.
    pub click: Option<String>,
    /// An image that tells that the message was opened.
    pub open: Option<String>,
    /// It ends all messages of this kind.
    pub unsubscribe: Option<String>,
}

impl Doors {
    /// The links of a message.
    #[must_use]
    pub fn links(&self, send: SendId) -> Links {
        let link = |path: &str, purpose| {
            self.own_url.as_ref().map(|own| format!("{own}/{path}/{}", self.links.seal(purpose, send)))
        };
        Links {
            click: link("r", Purpose::Click),
            open: link("o", Purpose::Open),
            unsubscribe: link("u", Purpose::Unsubscribe),
        }
    }
}

/// How much of what was told was of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Taken, or known already.
    pub known: u32,
    /// About messages or members that we don't know.
    pub unknown: u32,
}

impl Taken {
    fn add(&mut self, known: bool) {
        if known { self.known += 1 } else { self.unknown += 1 }
    }
}

/// Tracking.
#[derive(Clone, Copy, Debug)]
pub struct Tracking<'a>(pub(crate) &'a App);

impl App {
    /// What comes back of messages.
    #[must_use]
    pub const fn tracking(&self) -> Tracking<'_> {
        Tracking(self)
    }
}

impl Tracking<'_> {
    /// Takes a push of WeChat once. Three calls for what a member subscribed to; three to five for each message that it
    /// tells of.
    pub async fn pushed(&self, pushed: &Pushed) -> Result<Taken, Error> {
        let mut taken = Taken::default();
        match &pushed.event {
            Event::Asked(list) | Event::Changed(list) => {
                let asked = matches!(&pushed.event, Event::Asked(_));
                let change = |reach: &mut Reach| {
                    for (template, answer) in list {
                        match answer {
                            Subscription::Accepted if asked => reach.grant(template),
                            // Saying no when asked takes nothing of what was accepted before; switching off does.
                            Subscription::Rejected if !asked => reach.exhaust(template),
                            Subscription::Accepted | Subscription::Rejected => {}
                        }
                    }
                };
                taken.add(self.subscribed(pushed, change).await?);
            }
            Event::Sent(list) => {
                for (id, delivered) in list {
                    // After it has taken a message WeChat fails only by itself, not for the recipient.
                    let failed = || Fate::Failed(Failure { of: Fault::Account, code: "sent_event".to_owned() });
                    let fate = if *delivered { Fate::Delivered } else { failed() };
                    taken.add(self.receipt(Channel::Subscribe, &Named::Theirs(id.clone()), &fate).await?);
                }
            }
            Event::Other(name) => tracing::info!(event = name, "a push that nothing is done about"),
        }
        Ok(taken)
    }

    /// Changes what may go to a member, once for a push.
    async fn subscribed(self, pushed: &Pushed, change: impl Fn(&mut Reach)) -> Result<bool, Error> {
        let owners = self.0.people().owners(&[Handle::OpenId(pushed.from.clone())]).await?;
        let Some(member) = owners.into_iter().flatten().next() else { return Ok(false) };
        self.change(member, Some(pushed.key), change).await
    }

    /// Changes a member's reach, after a merge that of the one who goes on; with a push's key once for it. Two calls, one
    /// when nothing changes; one more for each merge.
    async fn change(self, member: MemberId, push: Option<RowKey>, change: impl Fn(&mut Reach)) -> Result<bool, Error> {
        let mut patience = Patience::new(self.0);
        loop {
            let Some(hot) = self.0.ledger().reached(member).await? else { return Ok(false) };
            let mut next = Hot { ..hot.clone() };
            change(&mut next.reach);
            if next.reach == hot.reach {
                return Ok(true);
            }
            let mut transaction = self.0.table().transaction().member(&next)?;
            if let Some(push) = push {
                transaction = transaction.push(push, self.0.now())?;
            }
            match transaction.commit().await? {
                Outcome::Done => return Ok(true),
                Outcome::Lost(_) => {
                    if let Some(push) = push
                        && self.0.table().push_was_seen(push).await?
                    {
                        return Ok(true);
                    }
                    patience.wait().await?;
                }
            }
        }
    }

    /// Takes what a provider tells, each thing by itself. Two to six calls for each.
    pub async fn told(&self, reporter: Reporter, told: Vec<Told>) -> Result<Taken, Error> {
        let works = stream::iter(told).map(|told| self.one(reporter, told)).buffer_unordered(SIDE_BY_SIDE);
        let results: Vec<Result<bool, Error>> = works.collect().await;
        let mut taken = Taken::default();
        for known in results {
            taken.add(known?);
        }
        Ok(taken)
    }

    async fn one(self, reporter: Reporter, told: Told) -> Result<bool, Error> {
        match told {
            Told::Receipt(named, fate) => self.receipt(reporter.channel(), &named, &fate).await,
            Told::Reply { from, text } => {
                let owners = self.0.people().owners(&[Handle::Phone(from)]).await?;
                match owners.into_iter().flatten().next() {
                    Some(member) if is_opt_out(&text) => {
                        self.opt_out(member, Channel::Sms, SuppressedBy::OptOut, Via::SmsReply).await
                    }
                    // What else members write to a number that nobody reads is left there.
                    member => Ok(member.is_some()),
                }
            }
            Told::Confirm(address) => {
                tracing::warn!(address, "receipts begin when somebody has followed this address");
                Ok(true)
            }
        }
    }

    /// What became of a message. False for one that we never sent.
    async fn receipt(self, channel: Channel, named: &Named, fate: &Fate) -> Result<bool, Error> {
        let send = match named {
            Named::Ours(send) => Some(*send),
            Named::Theirs(id) => self.0.table().named_send(channel, id).await?,
        };
        let Some(send) = send else { return Ok(false) };
        let mut patience = Patience::new(self.0);
        let stored = loop {
            let Some(stored) = self.0.table().send(send, Freshness::Latest).await? else { return Ok(false) };
            let Some(next) = stored.send.told(fate, self.0.now()) else { break stored };
            let counts = next.counts_since(Some(&stored.send));
            let next = StoredSend { send: next, version: stored.version };
            match self.0.table().transaction().send(&next, &counts)?.commit().await? {
                Outcome::Done => break next,
                Outcome::Lost(_) => patience.wait().await?,
            }
        };
        // Also when the receipt itself is nothing new: the first delivery may have died right here.
        match (fate, stored.send.call()) {
            (Fate::Unwanted(by, _), Some(call)) => {
                self.opt_out(stored.send.member, call.channel, *by, Via::Provider).await?;
            }
            (Fate::Delivered, Some(_)) => self.arrived(&stored.send).await?,
            _ => {}
        }
        Ok(true)
    }

    /// A message has reached its member, who has done nothing with it so far, unless they have: then nothing is written.
    /// As many calls as an answer.
    pub(crate) async fn arrived(&self, send: &Send) -> Result<(), Error> {
        if send.answers == Answers::default() { self.answered(send, Reply::Ignored).await } else { Ok(()) }
    }

    /// What the member did with a message, for the rules of segments. One call when no rule could tell the difference,
    /// two when one could.
    async fn answered(self, send: &Send, reply: Reply) -> Result<(), Error> {
        let Some(call) = send.call() else { return Ok(()) };
        let by = self.0.own_name();
        let who = Who { member: send.member, session: None, by: by.clone() };
        let mut patience = Patience::new(self.0);
        loop {
            let hot = match self.0.ledger().open(&who, Freshness::Latest).await {
                Ok(hot) => hot,
                // Who is gone answers nothing, and of whom the law keeps the data nothing more is written.
                Err(Error::NotFound | Error::Refused(Refusal::LegalHold | Refusal::MemberErased)) => return Ok(()),
                Err(other) => return Err(other),
            };
            let (rules, now) = (self.0.rulebook().await?, self.0.now());
            let answered = answering::answer(&hot.account, (send.id, call.channel, reply), &rules, now, by.clone())?;
            let Some(posted) = answered else { return Ok(()) };
            match self.0.table().transaction().movement(&hot, &posted)?.commit().await? {
                Outcome::Done | Outcome::Lost(Lost::RowExists(_)) => return Ok(()),
                Outcome::Lost(_) => patience.wait().await?,
            }
        }
    }

    /// Nothing goes to a member on this channel any more, at once. Asked again, nothing changes. Four calls; a dead
    /// address takes no consent back, because nobody has said no.
    async fn opt_out(self, member: MemberId, channel: Channel, by: SuppressedBy, via: Via) -> Result<bool, Error> {
        let today: LocalDay = self.0.now().day();
        if !self.change(member, None, |reach| reach.suppress(channel, by, today)).await? {
            return Ok(false);
        }
        if by != SuppressedBy::Bounce {
            let by = Actor::parse("member").map_err(|e| Error::Defect(e.to_string()))?;
            let who = Who { member, session: None, by };
            match self.0.consents().withdraw(&who, ConsentTo::of_channel(channel), via).await {
                // Under a legal hold nothing is sent anyway, and erased in between there is nobody to send to.
                Ok(_) | Err(Error::Refused(Refusal::LegalHold | Refusal::MemberErased)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Where a link leads, and notes that it was followed; none for one that is not ours, or whose campaign has no page.
    /// Three calls, five for the first click; one more for a survey, whose token is added.
    pub async fn follow(&self, token: &str) -> Result<Option<Link>, Error> {
        let Some(send) = self.0.doors().links.open(Purpose::Click, token) else { return Ok(None) };
        let Some(stored) = self.0.table().send(send, Freshness::Recent).await? else { return Ok(None) };
        let live = self.0.campaigns().live(stored.send.campaign).await?;
        let variant = stored.send.variant.as_ref().and_then(|id| live.campaign.definition.variant(id));
        let Some(link) = variant.and_then(|variant| variant.content.link.clone()) else { return Ok(None) };
        let link = self.0.notices().page(&live, &stored.send, link).await?;
        if let Err(error) = self.note(send, stored, Doing::Clicks).await {
            // Whoever wants to buy is not kept waiting for a count.
            tracing::error!(?error, "a click could not be counted");
        }
        Ok(Some(link))
    }

    /// Notes that a message was opened. Four calls for the first time, two after it; none for what is not ours.
    pub async fn opened(&self, token: &str) -> Result<(), Error> {
        let Some(send) = self.0.doors().links.open(Purpose::Open, token) else { return Ok(()) };
        match self.0.table().send(send, Freshness::Recent).await? {
            Some(stored) => self.note(send, stored, Doing::Opens).await,
            None => Ok(()),
        }
    }

    async fn note(self, id: SendId, read: StoredSend, doing: Doing) -> Result<(), Error> {
        let (mut read, mut patience) = (Some(read), Patience::new(self.0));
        let reply = match doing {
            Doing::Opens => Reply::Opened,
            Doing::Clicks => Reply::Clicked,
        };
        while let Some(stored) = read {
            // Also when it is counted already: the first time may have died between the two.
            let Some((next, counts)) = stored.send.answered(doing, self.0.now()) else {
                return self.answered(&stored.send, reply).await;
            };
            let next = StoredSend { send: next, version: stored.version };
            if let Outcome::Done = self.0.table().transaction().send(&next, &counts)?.commit().await? {
                return self.answered(&next.send, reply).await;
            }
            patience.wait().await?;
            read = self.0.table().send(id, Freshness::Latest).await?;
        }
        Ok(())
    }

    /// Whether a link ends messages of one kind. No call.
    #[must_use]
    pub fn is_way_out(&self, token: &str) -> bool {
        self.0.doors().links.open(Purpose::Unsubscribe, token).is_some()
    }

    /// Nothing of this kind goes to the member any more. False for a link that is not ours. Five calls.
    pub async fn unsubscribe(&self, token: &str) -> Result<bool, Error> {
        let Some(send) = self.0.doors().links.open(Purpose::Unsubscribe, token) else { return Ok(false) };
        let Some(stored) = self.0.table().send(send, Freshness::Recent).await? else { return Ok(false) };
        let channel = stored.send.call().map_or(Channel::Email, |call| call.channel);
        self.opt_out(stored.send.member, channel, SuppressedBy::OptOut, Via::MessageLink).await
    }
}
