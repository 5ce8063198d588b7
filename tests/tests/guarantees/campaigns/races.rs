//! Sixteen senders at once, deliveries that are repeated and out of order, a table and providers that fail, processes
//! that die: nobody gets a message twice, no limit is broken, and every message is counted where it stands.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use huitou::channels::{Busy, Failure, Fault as ChannelFault, Known, Message, Outcome, Scope};
use huitou::domain::campaign::counts::Count;
use huitou::domain::campaign::send::State;
use huitou::domain::program::Period;
use huitou::domain::reach::FrequencyCap;
use huitou::domain::traits::Channel;
use huitou::table::{Freshness, SendKey};
use huitou::values::{CampaignId, IdempotencyKey, MemberId, MessageId};
use local::in_process::Fault;
use serde_json::json;

use super::{Dice, Turmoil, a_campaign, launches, limits, may_have_gone, members, operator, recount, surely_not_sent};
use crate::yard::Yard;

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
        let rooms = app.table().rooms(*campaign).await.unwrap();
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

#[tokio::test]
async fn a_draft_is_made_once_although_another_transaction_is_in_the_way() {
    let yard = Yard::in_memory(20_260_306).await;
    let app = yard.process();
    let key = IdempotencyKey::parse("campaign-1").unwrap();
    let creates = async || app.campaigns().create(a_campaign(&[]), &key, operator()).await.unwrap();
    let transactions = AtomicU32::new(0);
    yard.faults.plan(move |_, operation| {
        let first = operation == "TransactWriteItems" && transactions.fetch_add(1, Ordering::Relaxed) == 0;
        first.then_some(Fault::TransactionConflict)
    });
    let made = creates().await;
    assert_eq!(creates().await, made);
}
