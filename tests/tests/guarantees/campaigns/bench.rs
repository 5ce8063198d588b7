//! How fast one consumer sends, and what a message costs at the table.
//!
//! ```text
//! cargo test --release -p tests --test guarantees campaigns::bench -- --ignored --nocapture
//! ```
//!
//! It prints the rows of the table in `tests/README.md`; the machine should have nothing else to do.
//!
//! The provider answers at once and the table is the embedded one, so what is measured is our own work and the table's.
//! The limits are loose: they hold a mistake, as a call too many or a loop that waits, not a slow machine.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use huitou::app::App;
use huitou::cases::sending::Went;
use huitou::channels::Outcome;
use huitou::table::{Cost, SendKey, metered};
use huitou::values::{CampaignId, MemberId, MessageId, SendId};
use serde_json::json;

use super::{a_campaign, launches, members};
use crate::yard::Yard;

/// Members of the bench, and of the test of costs.
const MANY: u32 = 2_000;
const SOME: u32 = 60;

/// A yard, a campaign with a budget in messages and in money, and a message for everybody in no queue yet.
async fn a_campaign_for(count: u32) -> (Yard, App, CampaignId, Vec<MemberId>) {
    let yard = Yard::in_memory(41).await;
    let app = yard.process();
    let all = members(&app, count, 0).await;
    let changes = [
        ("plan", json!(["webhook"])),
        ("holdout_percent", json!(0)),
        ("budget", json!({ "sends": 1_000_000, "fen": 100_000_000 })),
    ];
    let campaign = launches(&app, "campaign-1", a_campaign(&changes)).await;
    (yard, app, campaign, all)
}

fn key(campaign: CampaignId, member: &MemberId) -> SendKey {
    SendKey { campaign, member: *member, occasion: None, paged: true }
}

/// A batch as the queue hands it over.
async fn delivers(app: &App, keys: &[SendKey]) {
    let record = |(n, key): (usize, &SendKey)| {
        json!({ "messageId": n.to_string(), "receiptHandle": n.to_string(), "body": serde_json::to_string(key).unwrap(),
            "messageAttributes": {} })
    };
    let event = json!({ "Records": keys.iter().enumerate().map(record).collect::<Vec<_>>() });
    let answer = campaign_send::handle(app.clone(), event).await.unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
}

#[tokio::test]
async fn a_message_costs_three_calls_at_the_table_and_one_that_may_not_go_two() {
    let (yard, app, campaign, all) = a_campaign_for(SOME).await;
    // What is kept for a while is read with the first one.
    let (first, rest) = all.split_first().unwrap();
    let _ = app.sending().work(key(campaign, first)).await.unwrap();
    let mut sum = Cost::default();
    for member in rest {
        let (went, cost) = Box::pin(metered(app.sending().work(key(campaign, member)))).await;
        assert_eq!((went.is_ok(), cost.calls), (true, 3), "{cost:?}");
        sum.read_units += cost.read_units;
        sum.write_units += cost.write_units;
    }
    assert_eq!(yard.recorder.went().len(), all.len());
    let each = |units: f64| units / f64::from(SOME - 1);
    // One of each of four items read as it is now; two transactions of three items and two, at two units each, and the
    // entry in the due index that comes and goes.
    assert!(each(sum.read_units) <= 4.0 && each(sum.write_units) <= 14.0, "{sum:?}");

    let again = Box::pin(metered(app.sending().work(key(campaign, first)))).await;
    assert_eq!((again.0.unwrap(), again.1.calls), (Went::Nothing, 1), "what has gone is only read");
    let nobody = MemberId::from_random([1; 16]);
    let refused = Box::pin(metered(app.sending().work(key(campaign, &nobody)))).await;
    assert_eq!((refused.0.unwrap(), refused.1.calls), (Went::Decided, 2), "a gate's no is written down");
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    times[(times.len() - 1) * percent / 100]
}

#[tokio::test]
#[ignore = "a bench: takes a minute, and prints figures for tests/README.md"]
#[expect(clippy::print_stdout, reason = "a bench prints what it measured")]
async fn bench_of_one_consumer() {
    let (yard, app, campaign, all) = a_campaign_for(MANY).await;
    let answered: Arc<Mutex<HashMap<SendId, Instant>>> = Arc::default();
    let noting = Arc::clone(&answered);
    yard.recorder.answers(move |message, _| {
        noting.lock().unwrap_or_else(PoisonError::into_inner).insert(message.send, Instant::now());
        Outcome::Accepted(MessageId::of(message.send))
    });
    let (backlog, alone) = all.split_at(all.len() - 200);
    let keys: Vec<SendKey> = backlog.iter().map(|member| key(campaign, member)).collect();
    let started = Instant::now();
    for batch in keys.chunks(10) {
        Box::pin(delivers(&app, batch)).await;
    }
    let took = started.elapsed();
    // From the moment when the queue hands a message over to the call of its provider.
    let mut latencies = Vec::new();
    for member in alone {
        let handed = Instant::now();
        let key = key(campaign, member);
        Box::pin(delivers(&app, &[key])).await;
        let known = answered.lock().unwrap_or_else(PoisonError::into_inner);
        latencies.push(known[&key.id()].duration_since(handed));
    }
    latencies.sort_unstable();
    let a_second = f64::from(u32::try_from(keys.len()).unwrap()) / took.as_secs_f64();
    let (middle, late) = (percentile(&latencies, 50), percentile(&latencies, 99));
    let build = if cfg!(debug_assertions) { "a debug build" } else { "a release build" };
    println!("| messages a second | {a_second:.0} | {build}, {} messages |", keys.len());
    println!("| from the queue to the provider | {middle:.1?} (p50), {late:.1?} (p99) | {build}, one by one |");
    assert_eq!(yard.recorder.went().len(), all.len());
    assert!(a_second > 20.0, "{a_second} messages a second");
    assert!(late < Duration::from_secs(1), "{late:?}");
}
