//! Sixteen senders at once, deliveries that are repeated and out of order, a table and providers that fail, processes
//! that die: nobody gets a message twice, no limit is broken, and every message is counted where it stands.

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
use huitou::channels::{Busy, Failure, Fault as ChannelFault, Known, Message, Outcome, Scope};
use huitou::domain::campaign::Act;
use huitou::domain::campaign::counts::{Count, Counts};
use huitou::domain::campaign::definition::Definition;
use huitou::domain::campaign::send::State;

use huitou::domain::consent::{Decision, Purpose};
use huitou::domain::order::Order;
use huitou::domain::program::Period;
use huitou::domain::reach::FrequencyCap;
use huitou::domain::traits::Channel;
use huitou::table::{Freshness, SEND_SHARDS, SendKey};
use huitou::values::{
    Actor, CampaignId, Fen, ForeignId, IdempotencyKey, MemberId, MessageId, Moment, OpenId, SendId, Source, TemplateId,
};
use local::in_process::Fault;
use serde_json::{Value, json};

use crate::yard::Yard;

/// Longer than any message takes.
const ENOUGH: Duration = Duration::from_mins(10);
const SENDERS: usize = 16;
const TEMPLATE: &str = "tmpl-points";

/// Numbers that are the same in every run.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for n in (1..list.len()).rev() {
            let other = usize::try_from(self.roll(n as u64 + 1)).unwrap();
            list.swap(n, other);
        }
    }
}

fn operator() -> Actor {
    Actor::parse("operator:li").unwrap()
}

/// A campaign for everybody who is new, first by a subscribe message, then by the brand's webhook.
fn a_campaign(changes: &[(&str, Value)]) -> Definition {
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

/// Members with an openid who agreed to marketing, each with so many credits of the template.
async fn members(app: &App, count: u32, credits: u32) -> Vec<MemberId> {
    let template = TemplateId::parse(TEMPLATE).unwrap();
    let mut members = Vec::new();
    for n in 0..count {
        let order = Order {
            source: Source::parse("pos-1").unwrap(),
            id: ForeignId::parse(&format!("first-{n}")).unwrap(),
            paid_at: app.now(),
            amount: Fen::computed(10_00),
            currency: None,
            lines: Vec::new(),
            store: None,
            guide: None,
        };
        let customer = Customer::Handle(Handle::OpenId(OpenId::parse(&format!("openid-{n}")).unwrap()));
        let by = Actor::parse("system:pos-1").unwrap();
        let accepted = app.intake().orders(&[(customer, order)], &by).await.unwrap().remove(0).unwrap();
        let member = accepted.entry.member;
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

async fn limits(app: &App, caps: Vec<FrequencyCap>) {
    let mut newest = app.limits().newest().await.unwrap();
    newest.limits.caps = caps;
    let _ = app.limits().save(newest.limits, newest.version, operator()).await.unwrap();
}

async fn launches(app: &App, key: &str, definition: Definition) -> CampaignId {
    let key = IdempotencyKey::parse(key).unwrap();
    let stored = app.campaigns().create(definition, &key, operator()).await.unwrap();
    let _ = app.campaigns().act(stored.campaign.id, Act::Launch).await.unwrap();
    stored.campaign.id
}

/// Lets work go on for so many steps, and then drops it where it is, as a process that dies does.
async fn dies_after<T>(steps: u64, work: impl Future<Output = T>) -> Option<T> {
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
struct Turmoil<'a> {
    yard: &'a Yard,
    dice: Arc<Mutex<Dice>>,
    troubled: bool,
}

impl Turmoil<'_> {
    fn roll(&self, sides: u64) -> u64 {
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

    async fn dispatches(&self) {
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

    async fn sends(&self) {
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

    async fn settles(&self) {
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
async fn waiting(app: &App) -> bool {
    let for_ever = Moment::parse("9000-01-01T00:00:00+08:00").unwrap();
    for shard in 0..SEND_SHARDS {
        if !app.table().due_sends(shard, for_ever, 1).await.unwrap().is_empty() {
            return true;
        }
    }
    false
}

/// Whether a call to a provider was answered by something that is surely "not sent".
fn surely_not_sent(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Retry { .. } | Outcome::Permanent { .. } | Outcome::Refused { .. })
}

/// Calls to providers by send that may have led to a message.
fn may_have_gone(yard: &Yard) -> BTreeMap<SendId, u32> {
    let mut gone = BTreeMap::new();
    for went in yard.recorder.went() {
        let count = gone.entry(went.send).or_default();
        *count += u32::from(!surely_not_sent(&went.outcome));
    }
    gone
}

/// The counts as the sends themselves tell.
async fn recount(app: &App, campaign: CampaignId, members: &[MemberId]) -> (Counts, u64) {
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

/// What a provider answers, by chance: two in three are taken.
fn moody(dice: Dice) -> impl Fn(&Message, u32) -> Outcome {
    let dice = Mutex::new(dice);
    move |message, call| {
        let after = Duration::from_secs(1);
        match dice.lock().unwrap_or_else(PoisonError::into_inner).roll(12) {
            0 => Outcome::Unknown,
            1 => Outcome::Retry { after, busy: Busy::Recipient },
            2 if call < 3 => Outcome::Retry { after, busy: Busy::Provider },
            3 => Outcome::Permanent { reason: Failure { of: ChannelFault::Recipient, code: "40003".to_owned() } },
            4 if message.channel == Channel::Subscribe => Outcome::Refused { scope: Scope::Template },
            _ => Outcome::Accepted(MessageId::of(message.send)),
        }
    }
}

async fn lives_through(seed: u64, troubled: bool) {
    let yard = Yard::in_memory(seed).await;
    let app = yard.process();
    let members = members(&app, 40, 2).await;
    limits(&app, vec![FrequencyCap { channel: None, per: Period::Month, most: 2 }]).await;
    let dice = Arc::new(Mutex::new(Dice(seed)));
    yard.recorder.answers(moody(Dice(seed ^ 0x4d)));
    // What may have gone is in the provider's records sooner or later, or never; what never came to it is not.
    let (recorder, records) = (yard.recorder.clone(), Mutex::new(Dice(seed ^ 0x63)));
    yard.recorder.recalls(move |sent| {
        let came = recorder.went().iter().any(|went| went.send == sent.send && !surely_not_sent(&went.outcome));
        match (records.lock().unwrap_or_else(PoisonError::into_inner).roll(4), came) {
            (0, _) => Known::Never,
            (1, _) => Known::NotYet,
            (_, false) => Known::NotSent,
            (2, true) => Known::Delivered,
            (_, true) => Known::Accepted(MessageId::of(sent.send)),
        }
    });
    let mut campaigns = Vec::new();
    for (key, changes) in [
        ("campaign-1", vec![]),
        ("campaign-2", vec![("budget", json!({ "sends": 13 }))]),
        ("campaign-3", vec![("budget", json!({ "sends": 11 })), ("holdout_percent", json!(0))]),
    ] {
        campaigns.push(launches(&app, key, a_campaign(&changes)).await);
    }
    let turmoil = Turmoil { yard: &yard, dice, troubled };
    turmoil.settles().await;
    // One call per send at most that may have led to a message.
    for (send, calls) in may_have_gone(&yard) {
        assert!(calls <= 1, "{send} may have gone {calls} times");
    }
    let mut by_member: BTreeMap<String, u32> = BTreeMap::new();
    let mut by_credit: BTreeMap<String, u32> = BTreeMap::new();
    let mut by_campaign: BTreeMap<CampaignId, u64> = BTreeMap::new();
    let openids: BTreeMap<String, MemberId> =
        members.iter().enumerate().map(|(n, member)| (format!("openid-{n}"), *member)).collect();
    for went in yard.recorder.went().iter().filter(|went| !surely_not_sent(&went.outcome)) {
        let member = openids.get(&went.to).map_or(went.to.clone(), ToString::to_string);
        *by_member.entry(member.clone()).or_default() += 1;
        *by_campaign.entry(went.campaign).or_default() += 1;
        if went.channel == Channel::Subscribe {
            *by_credit.entry(member).or_default() += 1;
        }
    }
    assert!(by_member.values().all(|count| *count <= 2), "a cap was broken: {by_member:?}");
    assert!(by_credit.values().all(|count| *count <= 2), "a credit was spent twice: {by_credit:?}");
    for (n, campaign) in campaigns.iter().enumerate() {
        let counts = app.campaigns().counts(*campaign).await.unwrap();
        let (recounted, sends) = recount(&app, *campaign, &members).await;
        let audience = counts.sum("audience");
        assert_eq!(audience, i64::try_from(sends).unwrap(), "{n}");
        assert_eq!(audience, 40, "{n}");
        let mut told = counts.clone();
        told.add(&Count::of("audience"), -audience);
        assert_eq!(told, recounted, "{n}");
        let ended: i64 =
            ["sent", "held", "refused", "failed", "expired", "holdout", "moved"].iter().map(|w| counts.sum(w)).sum();
        assert_eq!(ended, audience, "{n}: {counts:?}");
        let gone = by_campaign.get(campaign).copied().unwrap_or(0);
        let (_, rooms) = app.table().campaign(*campaign).await.unwrap().unwrap();
        let left: u64 = rooms.iter().filter_map(|(_, room)| room.sends).sum();
        match n {
            1 => assert_eq!((left, counts.sum("sent")), (0, 13)),
            2 => assert_eq!((left, counts.sum("sent")), (0, 11)),
            _ => assert!(rooms.is_empty()),
        }
        // A process that died between claim and call has sent nothing, and is not known to have.
        assert!(gone <= u64::try_from(counts.sum("sent")).unwrap(), "{n}: {gone} went, {counts:?}");
    }
    for member in &members {
        let hot = app.table().member(*member, Freshness::Latest).await.unwrap().unwrap();
        let mut touches = 0;
        for campaign in &campaigns {
            let key = SendKey { campaign: *campaign, member: *member, occasion: None, paged: false };
            let stored = app.table().send(key.id(), Freshness::Latest).await.unwrap().unwrap();
            assert!(!matches!(stored.send.state, State::Claimed { .. }), "{:?}", stored.send);
            touches += usize::from(stored.send.call().is_some());
        }
        assert_eq!(hot.reach.touches().len(), touches, "a touch for every message that may have gone, and no other");
    }
}

#[tokio::test]
async fn sixteen_senders_send_nothing_twice_and_count_everything() {
    lives_through(1, false).await;
}

#[tokio::test]
async fn sixteen_senders_in_turmoil_send_nothing_twice_and_count_everything() {
    for seed in 2..6 {
        lives_through(seed, true).await;
    }
}

#[tokio::test]
async fn a_provider_that_fails_is_left_alone_and_nothing_burns_until_it_is_well_again() {
    let yard = Yard::in_memory(7).await;
    let app = yard.process();
    let _ = members(&app, 40, 1).await;
    let (clock, well_at) = (Arc::clone(&yard.clock), app.now().plus(Duration::from_hours(1)));
    yard.recorder.answers(move |message, _| {
        if huitou::clock::Clock::now(clock.as_ref()) < well_at {
            return Outcome::Retry { after: Duration::from_secs(1), busy: Busy::Provider };
        }
        Outcome::Accepted(MessageId::of(message.send))
    });
    let campaign = launches(&app, "campaign-1", a_campaign(&[("holdout_percent", json!(0))])).await;
    let turmoil = Turmoil { yard: &yard, dice: Arc::new(Mutex::new(Dice(7))), troubled: false };
    turmoil.settles().await;
    let failed = yard.recorder.went().iter().filter(|went| surely_not_sent(&went.outcome)).count();
    assert!(failed < 60, "{failed} calls to a provider that was down, for 40 messages in an hour");
    assert_eq!(app.campaigns().counts(campaign).await.unwrap().sum("sent"), 40);
}
