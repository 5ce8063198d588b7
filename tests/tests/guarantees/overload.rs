//! More at once than can be done: turned away at once, and nothing that was acknowledged is lost or doubled.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use huitou::values::Moment;
use local::host::{Options, Store};
use local::template::Template;
use serde_json::{Value, json};
use tests::{Answer, House, Member, a_house_of, eventually, order};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// So many requests may be under way.
const CEILING: usize = 8;
/// A burst of twenty times as much.
const BURST: usize = 20 * CEILING;
const MEMBERS: usize = 24;

async fn a_small_house() -> House {
    let clock = Some(Moment::parse("2026-03-02T10:00:00+08:00").unwrap());
    let options = Options { port: 0, store: Store::Memory, clock, binaries: None, concurrency: Some(CEILING) };
    a_house_of(Template::shipped().unwrap(), &options).await
}

/// A purchase of 10 yuan by one of the members, by its number.
fn purchase(members: &[Member], number: usize) -> Value {
    let customer = json!({ "member_id": members[number % members.len()].id });
    order(&format!("P-{number}"), &customer, "2026-03-02T09:00:00+08:00", 10_00)
}

/// A request of the till whose body has not come: until it does, the request is under way.
struct Unfinished {
    stream: TcpStream,
    body: String,
}

async fn begins(house: &House, order: &Value) -> Unfinished {
    let body = json!({ "orders": [order] }).to_string();
    let mut stream = TcpStream::connect(house.host.address).await.unwrap();
    let head = format!(
        "POST /v1/orders HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        house.token("system", None),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    Unfinished { stream, body }
}

impl Unfinished {
    /// Sends the body; the answer as it comes.
    async fn ends(mut self) -> String {
        self.stream.write_all(self.body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

/// Begins as many purchases as may be under way, and waits until the house takes on nothing more.
async fn fills(house: &House, members: &[Member]) -> Vec<Unfinished> {
    let mut begun = Vec::new();
    for number in 0..CEILING {
        begun.push(begins(house, &purchase(members, number)).await);
    }
    eventually(async || {
        let probe = house.as_manager("GET", "/v1/program").send().await;
        if probe.status == 503 { Ok(()) } else { Err(probe) }
    })
    .await;
    begun
}

/// Holds an answer to say that there is too much to do, and when to come again.
#[track_caller]
fn is_turned_away(answer: &Answer) {
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("overloaded")), "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{answer:?}");
    assert!(!answer.json()["request_id"].as_str().unwrap().is_empty());
    assert_eq!(answer.cost().calls, 0);
}

/// Whether an order was acknowledged; if not, it was turned away.
#[track_caller]
fn acknowledged(answer: &Answer) -> bool {
    if answer.status == 503 {
        is_turned_away(answer);
        return false;
    }
    assert_eq!(answer.expect(200)["results"][0]["status"], "created", "an order that was turned away left nothing");
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_burst_of_twenty_times_the_capacity_each_order_is_in_the_books_once_or_was_turned_away_at_once() {
    let house = a_small_house().await;
    let members = house.members(u32::try_from(MEMBERS).unwrap()).await;
    let sends = async |number: usize| {
        let body = json!({ "orders": [purchase(&members, number)] });
        (number, house.as_till("POST", "/v1/orders").json(&body).send().await)
    };

    // The house is full of what it has begun, so all of the burst is turned away while that still waits.
    let begun = fills(&house, &members).await;
    let numbers: Vec<usize> = (CEILING..CEILING + BURST).collect();
    for (_, answer) in join_all(numbers.iter().map(|number| sends(*number))).await {
        is_turned_away(&answer);
    }
    let _ = house.call("GET", "/health").send().await.expect(200);
    for answer in join_all(begun.into_iter().map(Unfinished::ends)).await {
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"created\""), "{answer}");
    }

    // All of them again at once, and again whoever was turned away, until all are in.
    let mut waiting = numbers;
    while !waiting.is_empty() {
        let answers = join_all(waiting.iter().map(|number| sends(*number))).await;
        let left: Vec<usize> =
            answers.iter().filter(|(_, answer)| !acknowledged(answer)).map(|(number, _)| *number).collect();
        assert!(left.len() < waiting.len(), "somebody always gets in");
        waiting = left;
    }

    let mut bought = BTreeMap::<&str, u64>::new();
    for number in 0..CEILING + BURST {
        *bought.entry(&members[number % MEMBERS].id).or_default() += 1;
        let body = json!({ "orders": [purchase(&members, number)] });
        let again = house.as_till("POST", "/v1/orders").json(&body).send().await.expect(200);
        assert_eq!(again["results"][0]["status"], "replayed", "{again}");
    }
    for member in &members {
        let orders = bought[member.id.as_str()];
        let proof = house.proof(member).await;
        // The order of nothing, by which they became members, comes first.
        assert_eq!((&proof["balanced"], &proof["entries"]), (&json!(true), &json!(orders + 1)), "{proof}");
        assert_eq!(house.books(member).await, [0, 10 * orders, 0, 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_night_and_its_queue_are_worked_on_however_many_requests_wait() {
    let house = a_small_house().await;
    let members = house.members(3).await;
    for number in 0..members.len() {
        let _ = house.sells(purchase(&members, 100 + number)).await;
    }
    let begun = fills(&house, &members).await;
    // The purchases mature after seven days, by the nights in between.
    house.it_is("2026-03-11T00:06:00+08:00").await;
    house.all_queues_are_worked_off().await;
    drop(begun);
    let points = eventually(async || {
        let points = house.as_member(&members[0], "GET", "/v1/me/points").send().await;
        if points.status == 200 { Ok(points.json()) } else { Err(points) }
    })
    .await;
    assert_eq!((&points["available"], &points["pending"]), (&json!(10), &json!(0)), "{points}");
}
