//! What a campaign may use up, to the last fen; what is due after an outage; what dead letters bring back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use huitou::app::{App, Parts};
use huitou::cases::Error;
use huitou::channels::Senders;
use huitou::domain::campaign::counts::{Count, Counts};
use huitou::domain::campaign::send::{Send, State, Wait};
use huitou::domain::campaign::{Act, State as Stands};
use huitou::domain::program::Period;
use huitou::domain::reach::FrequencyCap;
use huitou::domain::traits::Channel;
use huitou::table::{SEND_SHARDS, SendKey, StoredSend};
use huitou::values::{CampaignId, IdempotencyKey, MemberId, Moment};
use serde_json::{Value, json};

use super::{Dice, ENOUGH, Turmoil, a_campaign, launches, limits, members, operator};
use crate::yard::Yard;

/// By the brand's webhook alone, at so many fen a message and with so many in all.
fn at_a_price(fen: u64, budget: u64) -> Vec<(&'static str, Value)> {
    vec![
        ("plan", json!(["webhook"])),
        ("holdout_percent", json!(0)),
        ("prices", json!({ "webhook": fen })),
        ("budget", json!({ "fen": budget })),
    ]
}

fn turmoil(yard: &Yard, seed: u64, troubled: bool) -> Turmoil<'_> {
    Turmoil { yard, dice: Arc::new(Mutex::new(Dice(seed))), troubled }
}

/// What is left of a budget in money, over all shards.
async fn left(app: &App, campaign: CampaignId) -> u64 {
    let rooms = app.table().rooms(campaign).await.unwrap();
    rooms.iter().filter_map(|(_, room)| room.fen).map(huitou::values::Fen::number).sum()
}

/// A hundred fen lie in thirty-two shares of three or four: a message of seven fits into none until they are gathered.
#[tokio::test]
async fn a_budget_in_money_is_spent_to_the_last_message_that_fits_however_its_shares_lie() {
    for (seed, troubled) in [(11, false), (12, true), (13, true)] {
        for (price, most) in [(7, 14), (14, 7), (99, 1), (101, 0)] {
            let yard = Yard::in_memory(seed).await;
            let app = yard.process();
            let _ = members(&app, 20, 0).await;
            let campaign = launches(&app, "campaign-1", a_campaign(&at_a_price(price, 100))).await;
            turmoil(&yard, seed, troubled).settles().await;
            let counts = app.campaigns().counts(campaign).await.unwrap();
            let figures = (counts.sum("sent"), counts.sum(Count::COST), counts.sum("refused.budget"));
            assert_eq!(figures, (most, most * i64::try_from(price).unwrap(), 20 - most), "{price} fen, seed {seed}");
            assert_eq!(left(&app, campaign).await, 100 - u64::try_from(most).unwrap() * price);
            assert_eq!(yard.recorder.went().len(), usize::try_from(most).unwrap());
        }
    }
}

#[tokio::test]
async fn a_plan_with_a_channel_on_which_nobody_sends_is_not_launched() {
    let yard = Yard::in_memory(14).await;
    let app = yard.process();
    let by_webhook_alone = Senders::new(vec![yard.recorder.on(Channel::Webhook)]);
    let short = App::new(Parts { senders: by_webhook_alone, ..app.parts().clone() });
    let key = IdempotencyKey::parse("campaign-1").unwrap();
    let draft = short.campaigns().create(a_campaign(&[]), &key, operator()).await.unwrap().campaign.id;
    let refused = short.campaigns().act(draft, Act::Launch).await;
    let Err(Error::Flawed(flaws)) = refused else { panic!("{refused:?}") };
    assert_eq!(flaws.iter().map(|flaw| flaw.pointer.as_str()).collect::<Vec<_>>(), ["/plan/0"]);
    assert_eq!(app.campaigns().read(draft).await.unwrap().campaign.state, Stands::Draft);
    assert_eq!(app.campaigns().act(draft, Act::Launch).await.unwrap().campaign.state, Stands::Running);
}

/// Writes a message that waits until a moment.
pub(super) async fn waits(
    app: &App,
    campaign: CampaignId,
    member: MemberId,
    (until, why): (Moment, Wait),
    expires_at: Moment,
) -> Send {
    let new = Send::new(campaign, member, None, expires_at, app.now());
    let send = new.moved_to(State::Held { until, why }, app.now());
    let mut counts = Counts::default();
    counts.add(&Count::of(Count::AUDIENCE), 1);
    counts.merge(&send.counts_since(None));
    let stored = StoredSend::new(send.clone());
    let _ = app.table().transaction().send(&stored, &counts).unwrap().commit().await.unwrap();
    send
}

#[tokio::test]
async fn what_was_due_during_an_outage_goes_in_its_order_and_what_came_too_late_is_told() {
    let yard = Yard::in_memory(21).await;
    let app = yard.process();
    let all = members(&app, 40, 0).await;
    limits(&app, vec![FrequencyCap { channel: None, per: Period::Month, most: 50 }]).await;
    // Launched with nobody in it: everything that goes was waiting.
    let changes = [
        ("plan", json!(["webhook"])),
        ("holdout_percent", json!(0)),
        ("trigger", json!({ "on": "entered", "offer_minutes": 600 })),
    ];
    let campaign = launches(&app, "campaign-1", a_campaign(&changes)).await;
    let mut due = BTreeMap::new();
    for (n, member) in (0_u64..).zip(&all) {
        // Written in any order; every fourth offer ends while nobody works.
        let until = app.now().plus(Duration::from_mins((n * 17) % 40));
        let offer = Duration::from_mins(if n % 4 == 0 { 90 } else { 600 });
        let send = waits(&app, campaign, *member, (until, Wait::QuietHours), app.now().plus(offer)).await;
        due.insert(send.id, until);
    }
    yard.clock.advance(Duration::from_hours(2));
    let drained = app.sending().drain(ENOUGH).await.unwrap();
    assert_eq!((drained.queued, drained.finished), (40, true));
    let queued: Vec<SendKey> =
        yard.takes_all_of("SendQueue").await.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    for shard in 0..SEND_SHARDS {
        let of_shard = queued.iter().map(SendKey::id).filter(|id| id.shard(SEND_SHARDS) == shard);
        let times: Vec<Moment> = of_shard.map(|id| due[&id]).collect();
        assert!(times.is_sorted(), "shard {shard}: {times:?}");
    }
    for key in &queued {
        let _ = app.sending().work(*key).await.unwrap();
    }
    let counts = app.campaigns().counts(campaign).await.unwrap();
    let figures = ["sent", "expired.offer", "held"].map(|word| counts.sum(word));
    assert_eq!(figures, [30, 10, 0], "{counts:?}");
    assert_eq!(yard.recorder.went().len(), 30);
}

#[tokio::test]
async fn dead_letters_that_are_put_back_are_sent_once() {
    let yard = Yard::in_memory(31).await;
    let app = yard.process();
    let _ = members(&app, 12, 0).await;
    let changes = [("plan", json!(["webhook"])), ("holdout_percent", json!(0))];
    let campaign = launches(&app, "campaign-1", a_campaign(&changes)).await;
    let turmoil = turmoil(&yard, 31, false);
    turmoil.dispatches().await;
    // A consumer takes every message again and again, and is never done with one.
    yard.gives_up_all_of("SendQueue").await;
    assert_eq!(yard.takes_all_of("SendQueue").await, Vec::<String>::new());
    assert_eq!(yard.recorder.went().len(), 0);
    assert_eq!(yard.redrives("SendDeadLetters"), 12);
    turmoil.sends().await;
    assert_eq!(app.campaigns().counts(campaign).await.unwrap().sum("sent"), 12);
    assert_eq!(yard.redrives("SendDeadLetters"), 0);
    turmoil.settles().await;
    assert_eq!(yard.recorder.went().len(), 12);
}
