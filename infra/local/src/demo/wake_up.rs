//! A dormant wake-up to the customers of the log who were dormant a month before its end, and what became of it.
//!
//! The log's customers bought compact discs in 1997 and 1998. Nobody ever wrote to them, and none of them has agreed to
//! anything: the demo lets them agree, says so, and sends to a stand-in. What they bought in the log's last month is real
//! and had nothing to do with a message, so an honest report must find no effect of one: whatever difference it shows
//! between those who got a copy and those held out is chance.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use huitou::app::App;
use huitou::cases::Who;
use huitou::domain::consent::{Origin, Purpose, Via, Wish};
use huitou::values::{Actor, Code, LocalDay, MemberId, Moment};
use serde_json::{Value, json};

use super::client::Connection;

/// How long before the log's end it is launched, and for how many days an order counts.
pub const DAYS: u32 = 30;
/// Whom it is for.
const SEGMENT: &str = "dormant";
/// Members read at once.
const PAGE: usize = 500;
/// Members who agree side by side.
const SIDE_BY_SIDE: usize = 8;
/// How often the demo looks whether all messages are out.
const LOOK: Duration = Duration::from_millis(500);
/// Within what time a message has to go out for the demo to go on waiting.
const PATIENCE: Duration = Duration::from_mins(2);

/// The wake-up: two wordings, one in ten held out, by the brand's own webhook.
fn definition(from: Moment) -> Value {
    let variant = |id: &str, text: &str| {
        let content = json!({ "webhook": { "topic": "wake-up", "fields": { "text": text } } });
        json!({ "id": id, "weight": 50, "content": content })
    };
    let day = Duration::from_hours(24);
    json!({
        "name": "沉睡唤醒", "scene": "dormant_wake_up", "purpose": "marketing",
        "audience": { "segment": SEGMENT }, "plan": ["webhook"],
        "variants": [variant("miss-you", "好久不见，回来看看新到的唱片"), variant("new-in", "本月新到的唱片，等你来听")],
        "holdout_percent": 10, "attribution_days": DAYS,
        "window": { "from": from, "until": from.plus(day) },
    })
}

/// Lets everybody in the segment agree to marketing by the brand's own webhook; how many they are.
pub async fn everybody_agrees(app: &App) -> Result<usize, String> {
    let purpose = Purpose::Webhook;
    let policy = app.privacy_policies().current().await.map_err(|e| format!("{e:?}"))?;
    let agrees_to = policy.policy.statement(purpose).map(|statement| statement.version);
    let (via, origin) = (Via::MiniProgram, Origin::default());
    let wish = Wish { purpose, child: None, agrees_to, via, origin, reason: None };
    let by = Actor::parse("demo").map_err(|e| e.to_string())?;
    let members = members(app).await?;
    let agreed = futures_util::stream::iter(members.iter().copied())
        .map(|member| {
            let (wish, by) = (&wish, by.clone());
            async move { app.consents().decide(&Who { member, session: None, by }, wish).await.map(drop) }
        })
        .buffer_unordered(SIDE_BY_SIDE);
    let agreed: Vec<_> = agreed.collect().await;
    agreed.into_iter().collect::<Result<(), _>>().map_err(|e| format!("A consent was not taken: {e:?}."))?;
    Ok(members.len())
}

async fn members(app: &App) -> Result<Vec<MemberId>, String> {
    let segment = Code::parse(SEGMENT).map_err(|e| e.to_string())?;
    let (mut members, mut from) = (Vec::new(), None);
    loop {
        let (page, next) = app.table().members_of(&segment, from, PAGE).await.map_err(|e| e.to_string())?;
        members.extend(page.into_iter().map(|member| member.member));
        from = next;
        if from.is_none() {
            return Ok(members);
        }
    }
}

/// The operator who launches it and reads its report.
#[derive(Debug)]
pub struct Operator {
    connection: Connection,
    campaign: String,
}

impl Operator {
    /// Writes the campaign and launches it.
    pub async fn launches(host: SocketAddr, token: String, on: LocalDay, now: Moment) -> Result<Self, String> {
        let mut connection = Connection::new(host, Some(token));
        let (key, body) = (format!("demo-wake-up-{on}"), definition(now).to_string());
        let made = answered(connection.send_keyed("POST", "/v1/campaigns", &key, &body).await?, 201)?;
        let campaign = made.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let path = format!("/v1/campaigns/{campaign}/launch");
        answered(connection.send_patiently("POST", &path, "").await?, 200)?;
        Ok(Self { connection, campaign })
    }

    /// Returns when every message is out, held back or refused; how long it took.
    pub async fn waits(&mut self, members: usize) -> Result<Duration, String> {
        let (started, mut moved, mut last) = (Instant::now(), Instant::now(), 0);
        let path = format!("/v1/campaigns/{}", self.campaign);
        loop {
            let campaign = answered(self.connection.send_patiently("GET", &path, "").await?, 200)?;
            let count = |what: &str| campaign.pointer(&format!("/counts/{what}")).and_then(Value::as_u64).unwrap_or(0);
            let ended = ["sent", "holdout", "refused", "failed", "expired"].map(count).iter().sum::<u64>();
            if ended >= members as u64 {
                return Ok(started.elapsed());
            }
            if ended != last {
                (moved, last) = (Instant::now(), ended);
            }
            if moved.elapsed() > PATIENCE {
                return Err(format!("Only {ended} of {members} messages went out; then nothing happened any more."));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The report.
    pub async fn reads_the_report(&mut self) -> Result<Value, String> {
        let path = format!("/v1/campaigns/{}/report", self.campaign);
        answered(self.connection.send_patiently("GET", &path, "").await?, 200)
    }
}

fn answered((status, body): (u16, bytes::Bytes), wanted: u16) -> Result<Value, String> {
    if status != wanted {
        return Err(format!("The campaign's call was answered {status}: {}", String::from_utf8_lossy(&body)));
    }
    serde_json::from_slice(&body).map_err(|e| format!("An answer about the campaign can't be read: {e}."))
}

/// The report for people.
#[must_use]
pub fn for_people(report: &Value) -> String {
    let number = |pointer: &str| report.pointer(pointer).map(ToString::to_string).unwrap_or_default();
    let share = |pointer: &str| {
        let share = report.pointer(pointer).and_then(Value::as_f64);
        share.map_or_else(|| "-".to_owned(), |share| format!("{:.2} %", share * 100.0))
    };
    // Writing to a string can't fail.
    let mut text =
        String::from("\n  campaign: dormant wake-up, as if the dormant had agreed to it; what they bought is real\n");
    for (name, part) in [("audience", "members"), ("sent", "sent"), ("held out", "holdout")] {
        let _ = writeln!(text, "    {name:<16} {:>6} members", number(&format!("/audience/{part}")));
    }
    for (name, at) in [("sent", "/lift/sent"), ("held out", "/holdout")] {
        let bought = number(&format!("{at}/bought"));
        let [rate, low, high] = ["share", "interval/low", "interval/high"].map(|part| share(&format!("{at}/{part}")));
        let _ = writeln!(text, "    bought, {name:<8} {bought:>6} members, {rate} ({low} to {high})");
    }
    let lift = "/lift/against_holdout";
    let [difference, low, high] = ["difference", "difference_interval/low", "difference_interval/high"]
        .map(|part| share(&format!("{lift}/{part}")));
    let p = report.pointer(&format!("{lift}/p")).and_then(Value::as_f64).unwrap_or(1.0);
    let proved = report.pointer(&format!("{lift}/significant")) == Some(&Value::Bool(true));
    let verdict = if proved { "an effect is proved" } else { "no effect is proved" };
    let _ = writeln!(text, "    difference       {difference} ({low} to {high}), p = {p:.3}: {verdict}");
    let _ = writeln!(text, "    revenue          {:>6} fen, net of refunds", number("/revenue/net"));
    for note in report.get("notes").and_then(Value::as_array).into_iter().flatten() {
        let _ = writeln!(text, "    note: {}", note.get("english").and_then(Value::as_str).unwrap_or_default());
    }
    text
}
