//! Asks a server as fast as it answers, over connections that stay open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Server;
use crate::brand::Ask;

/// The part of a measurement before its figures count.
const WARM_UP: Duration = Duration::from_millis(500);

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// Requests.
    pub(crate) per_second: f64,
    /// Half of them took no longer.
    pub(crate) middle: Duration,
    /// One of a hundred took longer.
    pub(crate) slow: Duration,
    /// What the server's processors worked for each.
    pub(crate) processor: Duration,
}

impl Load {
    /// The measurement in the middle, by the requests per second.
    pub(crate) fn median(mut all: Vec<Self>) -> Self {
        all.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
        all.swap_remove(all.len() / 2)
    }
}

/// Keeps so many requests on their way for so long. Any answer but a success ends the measurement.
pub(crate) async fn drive(server: &Server, connections: usize, lasts: Duration, ask: &Ask) -> Load {
    let counts_from = Instant::now() + WARM_UP;
    let until = counts_from + lasts;
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        clients.spawn(client(server.address, ask.clone(), counts_from, until));
    }
    tokio::time::sleep_until(counts_from.into()).await;
    let before = server.processor();
    tokio::time::sleep_until(until.into()).await;
    let worked = server.processor().saturating_sub(before);
    let mut times: Vec<Duration> = clients.join_all().await.into_iter().flatten().collect();
    times.sort_unstable();
    let at = |part: f64| times.get(part_of(times.len(), part)).copied().unwrap_or_default();
    let requests = u32::try_from(times.len()).unwrap_or(u32::MAX);
    Load {
        per_second: f64::from(requests) / lasts.as_secs_f64(),
        middle: at(0.50),
        slow: at(0.99),
        processor: worked / requests.max(1),
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a place in a list that fits into memory"
)]
fn part_of(all: usize, part: f64) -> usize {
    (all as f64 * part) as usize
}

/// One connection's requests, one after the other; how long those took that began and ended within the time.
async fn client(address: SocketAddr, ask: Ask, counts_from: Instant, until: Instant) -> Vec<Duration> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut times = Vec::new();
    loop {
        let request = ask.next();
        let started = Instant::now();
        let response = sender.send_request(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let ended = Instant::now();
        assert!(status.is_success(), "{}: {status} {}", ask.name, String::from_utf8_lossy(&body));
        if ended > until {
            break;
        }
        if started >= counts_from {
            times.push(ended - started);
        }
    }
    connection.abort();
    times
}

/// Numbers the requests of all connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers(Arc<AtomicU64>);

impl Numbers {
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}
