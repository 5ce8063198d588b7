//! Campaigns whatever goes wrong on the way: who is meant, and the turmoil that they live through.

mod bench;
mod limits;
mod merges;
mod races;
mod rates;

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join_all;
use huitou::app::App;
use huitou::cases::dispatch::Task;
use huitou::cases::intake::Customer;
use huitou::cases::people::Handle;
use huitou::channels::Outcome;
use huitou::domain::campaign::Act;
use huitou::domain::campaign::counts::Counts;
use huitou::domain::campaign::definition::Definition;
use huitou::domain::consent::{Decision, Purpose};
use huitou::domain::order::Order;
use huitou::domain::reach::FrequencyCap;
use huitou::table::{Freshness, SEND_SHARDS, SendKey};
use huitou::values::{
    Actor, CampaignId, Fen, ForeignId, IdempotencyKey, MemberId, Moment, OpenId, SendId, Source, TemplateId,
};
use local::in_process::Fault;
use serde_json::{Value, json};

use crate::yard::Yard;

/// Longer than any message takes.
pub(super) const ENOUGH: Duration = Duration::from_mins(10);
pub(super) const SENDERS: usize = 16;
pub(super) const TEMPLATE: &str = "tmpl-points";

/// Numbers that are the same in every run.
#[derive(Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for n in (1..list.len()).rev() {
            let other = usize::try_from(self.roll(n as u64 + 1)).unwrap();
            list.swap(n, other);
        }
    }
}

pub(super) fn operator() -> Actor {
    Actor::parse("operator:li").unwrap()
}

/// A campaign for everybody who is new, first by a subscribe message, then by the brand's webhook.
pub(super) fn a_campaign(changes: &[(&str, Value)]) -> Definition {
    let mut campaign = json!({
        "name": "唤醒", "scene": "dormant_wake_up", "purpose": "marketing", "audience": { "segment": "stage.new" },
        "plan": ["subscribe", "webhook"],
        "variants": [
            { "id": "a", "weight": 50, "content": { "subscribe": { "template": TEMPLATE, "data": { "thing1": "好久不见" } }, "webhook": { "topic": "wake-up", "fields": { "text": "好久不见" } } } },
            { "id": "b", "weight": 50, "content": { "subscribe": { "template": TEMPLATE, "data": { "thing1": "回来看看" } }, "webhook": { "topic": "wake-up", "fields": { "text": "回来看看" } } } },
        ],
        "holdout_percent": 10,
        "window": { "from": "2026-03-01T00:00:00+08:00", "until": "2026-03-20T00:00:00+08:00" },
        "attribution_days": 7,
    });
    for (name, value) in changes {
        campaign[*name] = value.clone();
    }
    serde_json::from_value(campaign).unwrap()
}

/// A member whom a first order makes.
pub(super) async fn buys_first(app: &App, handle: Handle, id: &str) -> MemberId {
    let order = Order {
        source: Source::parse("pos-1").unwrap(),
        id: ForeignId::parse(id).unwrap(),
        paid_at: app.now(),
        amount: Fen::computed(10_00),
        currency: None,
        lines: Vec::new(),
        store: None,
        guide: None,
    };
    let by = Actor::parse("system:pos-1").unwrap();
    let taken = app.intake().orders(&[(Customer::Handle(handle), order)], &by).await.unwrap().remove(0).unwrap();
    taken.entry.member
}

/// Members with an openid who agreed to marketing, each with so many credits of the template.
pub(super) async fn members(app: &App, count: u32, credits: u32) -> Vec<MemberId> {
    let template = TemplateId::parse(TEMPLATE).unwrap();
    let mut members = Vec::new();
    for n in 0..count {
        let handle = Handle::OpenId(OpenId::parse(&format!("openid-{n}")).unwrap());
        let member = buys_first(app, handle, &format!("first-{n}")).await;
        let mut hot = app.table().member(member, Freshness::Latest).await.unwrap().unwrap();
        for purpose in [Purpose::Subscribe, Purpose::Webhook] {
            hot.account.traits.decide(Decision { purpose, granted: true, policy: 1, on: app.now().day() });
        }
        (0..credits).for_each(|_| hot.reach.grant(&template));
        let _ = app.table().transaction().member(&hot).unwrap().commit().await.unwrap();
        members.push(member);
    }
    members
}

pub(super) async fn limits(app: &App, caps: Vec<FrequencyCap>) {
    let mut newest = app.limits().newest().await.unwrap().as_ref().clone();
    newest.limits.caps = caps;
    let _ = app.limits().save(newest.limits, newest.version, operator()).await.unwrap();
}

pub(super) async fn launches(app: &App, key: &str, definition: Definition) -> CampaignId {
    let key = IdempotencyKey::parse(key).unwrap();
    let stored = app.campaigns().create(definition, &key, operator()).await.unwrap();
    let _ = app.campaigns().act(stored.campaign.id, Act::Launch).await.unwrap();
    stored.campaign.id
}

/// Lets work go on for so many steps, and then drops it where it is, as a process that dies does.
pub(super) async fn dies_after<T>(steps: u64, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut left = steps;
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

/// Everything that is sent, dispatched and due is worked on until nothing is left, with all that can go wrong.
pub(super) struct Turmoil<'a> {
    pub(super) yard: &'a Yard,
    pub(super) dice: Arc<Mutex<Dice>>,
    pub(super) troubled: bool,
}

impl Turmoil<'_> {
    pub(super) fn roll(&self, sides: u64) -> u64 {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).roll(sides)
    }

    /// The table throttles, loses answers and is not reached, now and then.
    fn stir(&self) {
        let dice = Arc::clone(&self.dice);
        self.yard.faults.plan(move |_, _| match dice.lock().unwrap_or_else(PoisonError::into_inner).roll(60) {
            0 => Some(Fault::AnswerLost),
            1 => Some(Fault::Throttled),
            2 => Some(Fault::Unreachable),
            3 => Some(Fault::TransactionConflict),
            _ => None,
        });
    }

    pub(super) async fn dispatches(&self) {
        let mut tasks = self.yard.takes_all_of("DispatchQueue").await;
        while let Some(text) = tasks.pop() {
            let task: Task = serde_json::from_str(&text).unwrap();
            let process = self.yard.process();
            let dispatch = process.dispatch();
            let work = dispatch.work(task, ENOUGH);
            let steps = if self.troubled && self.roll(3) == 0 { 1 + self.roll(40) } else { u64::MAX };
            let done = Box::pin(dies_after(steps, work)).await;
            if !matches!(done, Some(Ok(()))) || (self.troubled && self.roll(4) == 0) {
                tasks.push(text);
            }
            tasks.extend(self.yard.takes_all_of("DispatchQueue").await);
        }
    }

    pub(super) async fn sends(&self) {
        let mut messages = self.yard.takes_all_of("SendQueue").await;
        if self.troubled {
            let again: Vec<String> = messages.iter().filter(|_| self.roll(3) == 0).cloned().collect();
            messages.extend(again);
            self.dice.lock().unwrap_or_else(PoisonError::into_inner).shuffle(&mut messages);
        }
        let hands: Vec<Vec<String>> =
            (0..SENDERS).map(|hand| messages.iter().skip(hand).step_by(SENDERS).cloned().collect()).collect();
        join_all(hands.into_iter().map(|messages| Box::pin(self.sender(messages)))).await;
    }

    async fn sender(&self, messages: Vec<String>) {
        let mut process = self.yard.process();
        for text in messages {
            let key: SendKey = serde_json::from_str(&text).unwrap();
            for _ in 0..5 {
                let steps = if self.troubled && self.roll(8) == 0 { 1 + self.roll(30) } else { u64::MAX };
                let sending = process.sending();
                match Box::pin(dies_after(steps, sending.work(key))).await {
                    Some(Ok(_)) => break,
                    Some(Err(_)) => {}
                    None => process = self.yard.process(),
                }
            }
        }
    }

    pub(super) async fn settles(&self) {
        let quiet = self.yard.process();
        let mut idle = 0;
        for round in 0..2_000 {
            if self.troubled {
                self.stir();
            }
            self.dispatches().await;
            self.sends().await;
            self.yard.faults.heal();
            quiet.dispatch().look().await.unwrap();
            let drained = quiet.sending().drain(ENOUGH).await.unwrap();
            let waiting = drained.queued > 0 || waiting(&quiet).await;
            idle = if waiting { 0 } else { idle + 1 };
            if idle > 3 {
                return;
            }
            self.yard.clock.advance(Duration::from_mins(if round < 200 { 4 } else { 90 }));
        }
        panic!("it never came to rest");
    }
}

/// Whether anything is not final yet.
pub(super) async fn waiting(app: &App) -> bool {
    let for_ever = Moment::parse("9000-01-01T00:00:00+08:00").unwrap();
    for shard in 0..SEND_SHARDS {
        if !app.table().due_sends(shard, for_ever, 1).await.unwrap().is_empty() {
            return true;
        }
    }
    false
}

/// Whether a call to a provider was answered by something that is surely "not sent".
pub(super) fn surely_not_sent(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Retry { .. } | Outcome::Permanent { .. } | Outcome::Refused { .. })
}

/// Calls to providers by send that may have led to a message.
pub(super) fn may_have_gone(yard: &Yard) -> BTreeMap<SendId, u32> {
    let mut gone = BTreeMap::new();
    for went in yard.recorder.went() {
        let count = gone.entry(went.send).or_default();
        *count += u32::from(!surely_not_sent(&went.outcome));
    }
    gone
}

/// The counts as the sends themselves tell.
pub(super) async fn recount(app: &App, campaign: CampaignId, members: &[MemberId]) -> (Counts, u64) {
    let (mut counts, mut sends) = (Counts::default(), 0);
    for member in members {
        let key = SendKey { campaign, member: *member, occasion: None, paged: false };
        if let Some(stored) = app.table().send(key.id(), Freshness::Latest).await.unwrap() {
            counts.merge(&stored.send.counts_since(None));
            sends += 1;
        }
    }
    (counts, sends)
}
