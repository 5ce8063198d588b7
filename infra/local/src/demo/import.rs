//! Sends a log to a host as its tills would: day by day, through `POST /v1/orders`.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use huitou::values::{LocalDay, Moment};
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Connection;
use super::log::{Log, Purchase};
use super::progress::Progress;

/// Tills that send at once; a customer always uses the same one, so that purchases stay in sequence.
const TILLS: usize = 8;
/// The most that the API takes at once.
const ORDERS_IN_A_REQUEST: usize = 25;
/// How often an order that failed for the world's sake is sent, in all.
const ROUNDS: u32 = 6;
/// The pause before the second time; it doubles.
const BREATH: Duration = Duration::from_millis(100);
const NOON: Duration = Duration::from_hours(12);
/// Rejections that are told in full; the others are counted.
const REJECTIONS_KEPT: usize = 20;

/// What became of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// Orders that were new.
    pub created: u64,
    /// Orders that had been taken before, with the same content.
    pub replayed: u64,
    /// Orders that were refused.
    pub rejected: u64,
    /// The first refusals, as sentences.
    pub rejections: Vec<String>,
    /// Different customers in the log.
    pub customers: u64,
    /// The last day of the log; the clock stands at its noon.
    pub last_day: Option<LocalDay>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Imported {
    /// All orders of the log.
    #[must_use]
    pub fn orders(&self) -> u64 {
        self.created + self.replayed + self.rejected
    }

    /// What became of a log that was sent in two parts; who bought in both counts twice.
    #[must_use]
    pub fn joined(self, after: Self) -> Self {
        let mut rejections = self.rejections;
        rejections.extend(after.rejections);
        rejections.truncate(REJECTIONS_KEPT);
        Self {
            created: self.created + after.created,
            replayed: self.replayed + after.replayed,
            rejected: self.rejected + after.rejected,
            rejections,
            customers: self.customers + after.customers,
            last_day: after.last_day.or(self.last_day),
            elapsed: self.elapsed + after.elapsed,
        }
    }

    fn add(&mut self, results: &[OrderResult]) {
        for result in results {
            match result.status.as_str() {
                "created" => self.created += 1,
                "replayed" => self.replayed += 1,
                _ => {
                    self.rejected += 1;
                    if self.rejections.len() < REJECTIONS_KEPT {
                        self.rejections.push(format!("order {}: {}", result.id, result.reason()));
                    }
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    results: Vec<OrderResult>,
}

#[derive(Deserialize)]
struct OrderResult {
    id: String,
    status: String,
    #[serde(default)]
    problem: Value,
}

impl OrderResult {
    /// Whether it failed for the world's sake only, so that it can be sent again as it is.
    fn may_pass_later(&self) -> bool {
        self.problem.get("status").and_then(Value::as_u64) == Some(503)
    }

    fn reason(&self) -> String {
        let text = |field: &str| self.problem.get(field).and_then(Value::as_str);
        text("detail")
            .or_else(|| text("title"))
            .or_else(|| text("code"))
            .map_or_else(|| self.problem.to_string(), str::to_owned)
    }
}

/// Sends a whole log. Safe to repeat: what had been taken is answered as replayed.
///
/// # Errors
/// One sentence when the host does not take orders at all; single orders that are refused are counted instead.
pub async fn run(host: SocketAddr, token: &str, log: &Log, mut progress: Progress) -> Result<Imported, String> {
    let started = Instant::now();
    let mut tills: Vec<Connection> = (0..TILLS).map(|_| Connection::new(host, Some(token.to_owned()))).collect();
    let mut hand = Connection::new(host, None);
    let mut imported = Imported::default();
    for day in log.purchases.chunk_by(|a, b| a.day == b.day) {
        let Some(first) = day.first() else { continue };
        move_clock(&mut hand, first.day).await?;
        let mut lanes: [Vec<&Purchase>; TILLS] = Default::default();
        for purchase in day {
            if let Some(lane) = lanes.get_mut(lane_of(&purchase.customer)) {
                lane.push(purchase);
            }
        }
        let sending = tills.iter_mut().zip(&lanes).map(|(till, lane)| send_lane(till, log.source, lane));
        for results in try_join_all(sending).await? {
            imported.add(&results);
        }
        imported.last_day = Some(first.day);
        progress.advance(day.len() as u64, &first.day.to_string());
    }
    progress.finish();
    imported.customers = log.customers();
    imported.elapsed = started.elapsed();
    Ok(imported)
}

fn lane_of(customer: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    customer.hash(&mut hasher);
    usize::try_from(hasher.finish() % TILLS as u64).unwrap_or(0)
}

fn noon_of(day: LocalDay) -> Moment {
    Moment::start_of(day).plus(NOON)
}

async fn move_clock(hand: &mut Connection, day: LocalDay) -> Result<(), String> {
    let body = json!({ "now": noon_of(day) }).to_string();
    match hand.send_patiently("POST", "/dev/clock", &body).await? {
        (200, _) => Ok(()),
        (status, body) => {
            Err(format!("The clock could not be moved to {day}: {status} {}", String::from_utf8_lossy(&body)))
        }
    }
}

async fn send_lane(till: &mut Connection, source: &str, lane: &[&Purchase]) -> Result<Vec<OrderResult>, String> {
    let mut results = Vec::with_capacity(lane.len());
    for batch in lane.chunks(ORDERS_IN_A_REQUEST) {
        let mut open = batch.to_vec();
        for round in 0..ROUNDS {
            let answered = send_batch(till, source, &open).await?;
            let (passing, ended): (Vec<_>, Vec<_>) = answered.into_iter().partition(OrderResult::may_pass_later);
            results.extend(ended);
            open.retain(|purchase| passing.iter().any(|result| result.id == purchase.order_id));
            if open.is_empty() {
                break;
            }
            if round + 1 == ROUNDS {
                results.extend(passing);
                break;
            }
            tokio::time::sleep(BREATH * 2_u32.pow(round)).await;
        }
    }
    Ok(results)
}

async fn send_batch(till: &mut Connection, source: &str, batch: &[&Purchase]) -> Result<Vec<OrderResult>, String> {
    let orders: Vec<Value> = batch.iter().map(|purchase| order(source, purchase)).collect();
    let body = json!({ "orders": orders }).to_string();
    let (status, answer) = till.send_patiently("POST", "/v1/orders", &body).await?;
    if status != 200 {
        return Err(format!("The orders were not taken: {status} {}", String::from_utf8_lossy(&answer)));
    }
    let answer: Answer =
        serde_json::from_slice(&answer).map_err(|e| format!("The answer to orders can't be read: {e}."))?;
    if answer.results.len() == batch.len() {
        Ok(answer.results)
    } else {
        Err(format!("{} orders were sent, but {} answered.", batch.len(), answer.results.len()))
    }
}

fn order(source: &str, purchase: &Purchase) -> Value {
    json!({
        "source": source,
        "id": purchase.order_id,
        "customer": { "card": purchase.customer },
        "paid_at": noon_of(purchase.day),
        "amount": purchase.fen,
    })
}

#[cfg(test)]
mod tests;
