//! A rate is a property of the campaign: whatever made its messages wait, they go no faster than it says.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use huitou::app::App;
use huitou::cases::dispatch::Task;
use huitou::channels::Outcome;
use huitou::clock::Clock as _;
use huitou::domain::campaign::Act;
use huitou::domain::campaign::send::Wait;
use huitou::domain::program::Period;
use huitou::domain::reach::FrequencyCap;
use huitou::table::{SEGMENT_SHARDS, SendKey};
use huitou::values::{CampaignId, MemberId, MessageId, Moment};
use serde_json::{Value, json};

use super::limits::waits;
use super::{ENOUGH, SENDERS, a_campaign, launches, limits, members};
use crate::yard::Yard;

const TEN_SECONDS: Duration = Duration::from_secs(10);

/// By the brand's webhook, to everybody, at so many a minute.
fn at_a_rate(rate: u32) -> Vec<(&'static str, Value)> {
    vec![("plan", json!(["webhook"])), ("holdout_percent", json!(0)), ("per_minute", json!(rate))]
}

/// The same, set off by moves: its audience is nobody's but the test's.
fn triggered(rate: u32) -> Vec<(&'static str, Value)> {
    let mut changes = at_a_rate(rate);
    changes.push(("trigger", json!({ "on": "entered", "offer_minutes": 6_000 })));
    changes
}

async fn without_caps(app: &App) {
    limits(app, vec![FrequencyCap { channel: None, per: Period::Month, most: 50 }]).await;
}

/// When the provider was asked, in that order.
fn times(yard: &Yard) -> Arc<Mutex<Vec<Moment>>> {
    let (clock, times) = (Arc::clone(&yard.clock), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::clone(&times);
    yard.recorder.answers(move |message, _| {
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(clock.now());
        Outcome::Accepted(MessageId::of(message.send))
    });
    times
}

/// The most that went in any minute.
fn most_in_a_minute(times: &[Moment]) -> usize {
    let in_minute = |from: &Moment| times.iter().filter(|at| (*from..from.plus(6 * TEN_SECONDS)).contains(at)).count();
    times.iter().map(in_minute).max().unwrap_or(0)
}

/// Sixteen senders work on all of these at once, each twice.
async fn are_worked_on(yard: &Yard, keys: &[SendKey]) {
    let hands = (0..SENDERS).map(|hand| async move {
        let process = yard.process();
        for key in keys.iter().cycle().take(2 * keys.len()).skip(hand).step_by(SENDERS) {
            let _ = process.sending().work(*key).await.unwrap();
        }
    });
    let _ = join_all(hands.map(Box::pin)).await;
}

fn keys(campaign: CampaignId, members: &[MemberId]) -> Vec<SendKey> {
    members.iter().map(|member| SendKey { campaign, member: *member, occasion: None, paged: false }).collect()
}

/// Lets ten seconds after ten seconds pass, with what is due by then.
async fn lives_on(yard: &Yard, times: u32) {
    let process = yard.process();
    for _ in 0..times {
        let _ = process.sending().drain(ENOUGH).await.unwrap();
        let due = yard.takes_all_of("SendQueue").await;
        let keys: Vec<SendKey> = due.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        are_worked_on(yard, &keys).await;
        yard.clock.advance(TEN_SECONDS);
    }
}

fn is_at(yard: &Yard, moment: &str) {
    let wait = Moment::parse(moment).unwrap().since(yard.now());
    yard.clock.advance(wait);
}

/// Works on a part until it is done, ten seconds after ten seconds: the most messages that went at once.
async fn pages(yard: &Yard, campaign: CampaignId, part: u16, went: &mut Vec<String>) -> usize {
    let mut most = 0;
    for _ in 0..100 {
        let app = yard.process();
        app.dispatch().work(Task::Page { campaign, part }, ENOUGH).await.unwrap();
        let queued = yard.takes_all_of("SendQueue").await;
        most = most.max(queued.len());
        went.extend(queued);
        let checkpoints = app.table().checkpoints(campaign).await.unwrap();
        if checkpoints.iter().any(|at| at.part == part && at.checkpoint.finished) {
            return most;
        }
        yard.clock.advance(TEN_SECONDS);
    }
    panic!("part {part} comes to no end");
}

#[tokio::test]
async fn a_rate_says_how_many_go_at_once_and_everybody_goes_once() {
    // Ten seconds of the rate: one message, or more than there are.
    for (rate, at_once, takes) in [(6, 1, 19), (60_000, 20, 0)] {
        let yard = Yard::in_memory(15).await;
        let app = yard.process();
        let _ = members(&app, 20, 0).await;
        let campaign = launches(&app, "campaign-1", a_campaign(&[("per_minute", json!(rate))])).await;
        let (mut went, begun) = (Vec::new(), yard.now());
        for part in 0..u16::from(SEGMENT_SHARDS) {
            let most = pages(&yard, campaign, part, &mut went).await;
            assert!(most <= at_once, "{most} at {rate} a minute");
        }
        went.sort();
        went.dedup();
        assert_eq!(went.len(), 20, "{rate} a minute");
        let (took, least) = (yard.now().since(begun), takes * TEN_SECONDS);
        assert!(took >= least && took <= least + 2 * TEN_SECONDS, "{took:?} at {rate} a minute");
    }
}

#[tokio::test]
async fn a_campaign_with_a_rate_pages_nobody_at_night_and_begins_in_the_morning() {
    let yard = Yard::in_memory(16).await;
    let app = yard.process();
    let _ = members(&app, 20, 0).await;
    is_at(&yard, "2026-03-02T22:00:00+08:00");
    let _ = launches(&app, "campaign-1", a_campaign(&at_a_rate(6))).await;
    let pages = async || {
        let app = yard.process();
        app.dispatch().look().await.unwrap();
        loop {
            let tasks = yard.takes_all_of("DispatchQueue").await;
            if tasks.is_empty() {
                return yard.takes_all_of("SendQueue").await.len();
            }
            for task in tasks {
                app.dispatch().work(serde_json::from_str(&task).unwrap(), ENOUGH).await.unwrap();
            }
        }
    };
    assert_eq!(pages().await, 0);
    is_at(&yard, "2026-03-03T07:59:00+08:00");
    assert_eq!(pages().await, 0);
    is_at(&yard, "2026-03-03T08:05:00+08:00");
    let mut went = 0;
    for _ in 0..20 {
        let burst = pages().await;
        assert!(burst <= 2, "what waited, and what ten seconds bring: {burst}");
        went += burst;
        yard.clock.advance(ENOUGH);
    }
    assert_eq!(went, 20);
}

#[tokio::test]
async fn what_waits_for_the_morning_goes_at_the_campaigns_rate_then() {
    let yard = Yard::in_memory(17).await;
    let app = yard.process();
    let all = members(&app, 20, 0).await;
    without_caps(&app).await;
    let campaign = launches(&app, "campaign-1", a_campaign(&triggered(6))).await;
    let (noon, offer) = (yard.now(), Moment::parse("2026-03-06T00:00:00+08:00").unwrap());
    for member in &all {
        let _ = waits(&app, campaign, *member, (noon, Wait::Delay), offer).await;
    }
    is_at(&yard, "2026-03-02T21:30:00+08:00");
    let times = times(&yard);
    for _ in 0..3 {
        // Told again and again, a message has one slot.
        are_worked_on(&yard, &keys(campaign, &all)).await;
    }
    assert_eq!(app.campaigns().counts(campaign).await.unwrap().sum("held.quiet_hours"), 20);
    is_at(&yard, "2026-03-03T07:59:50+08:00");
    lives_on(&yard, 60).await;
    let times = times.lock().unwrap().clone();
    assert_eq!(times.len(), 20);
    assert_eq!(times[0], Moment::parse("2026-03-03T08:00:00+08:00").unwrap());
    assert!(most_in_a_minute(&times) <= 6, "{times:?}");
}

#[tokio::test]
async fn a_crowd_that_comes_due_at_once_goes_at_the_campaigns_rate() {
    let yard = Yard::in_memory(18).await;
    let app = yard.process();
    let all = members(&app, 20, 0).await;
    without_caps(&app).await;
    let campaign = launches(&app, "campaign-1", a_campaign(&triggered(6))).await;
    let (begun, offer) = (yard.now(), Moment::parse("2026-03-06T00:00:00+08:00").unwrap());
    for (n, member) in all.iter().enumerate() {
        let why = if n % 2 == 0 { Wait::Delay } else { Wait::Circuit };
        let _ = waits(&app, campaign, *member, (begun, why), offer).await;
    }
    let times = times(&yard);
    lives_on(&yard, 1).await;
    let counts = app.campaigns().counts(campaign).await.unwrap();
    assert_eq!((counts.sum("sent"), counts.sum("held.rate")), (1, 19), "{counts:?}");
    lives_on(&yard, 6).await;
    // A pause takes slots away, and whoever goes on takes new ones.
    app.campaigns().act(campaign, Act::Pause).await.unwrap();
    yard.clock.advance(Duration::from_mins(10));
    lives_on(&yard, 1).await;
    assert_eq!(app.campaigns().counts(campaign).await.unwrap().sum("held.paused"), 13);
    app.campaigns().act(campaign, Act::Resume).await.unwrap();
    are_worked_on(&yard, &keys(campaign, &all)).await;
    lives_on(&yard, 60).await;
    let times = times.lock().unwrap().clone();
    assert_eq!(times.len(), 20);
    assert!(most_in_a_minute(&times) <= 6, "{times:?}");
    assert_eq!(yard.recorder.went().len(), 20, "one copy for each");
}

#[tokio::test]
async fn slots_that_many_take_at_once_are_nobody_elses() {
    let yard = Yard::in_memory(19).await;
    let campaign = CampaignId::of("test", &["slots"]);
    let takes = (0..SENDERS as u64).map(|hand| {
        let (app, from) = (yard.process(), 1_000 + hand % 3);
        async move {
            let mut first = Vec::new();
            for _ in 0..10 {
                first.push(app.table().take_slots(campaign, from, 3).await.unwrap());
            }
            first
        }
    });
    let mut all: Vec<u64> = join_all(takes).await.concat();
    all.sort_unstable();
    assert!(all.iter().zip(all.iter().skip(1)).all(|(one, next)| next - one >= 3), "{all:?}");
    assert!(all[0] >= 1_000);
}
