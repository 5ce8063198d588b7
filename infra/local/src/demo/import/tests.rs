use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};

use super::super::log::{cdnow_path, read_cdnow};
use super::*;

/// A host that takes orders and remembers how they came.
#[derive(Default)]
struct Shop {
    seen: HashSet<String>,
    last_of_customer: HashMap<String, u64>,
    clock: String,
    calls: u64,
    busy_every: u64,
    complaints: Vec<String>,
}

type Shared = Arc<Mutex<Shop>>;

async fn take(State(shop): State<Shared>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let mut shop = shop.lock().unwrap();
    shop.calls += 1;
    if shop.busy_every > 0 && shop.calls.is_multiple_of(shop.busy_every) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if headers.get("authorization").unwrap() != "Bearer till" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let results: Vec<Value> = body["orders"].as_array().unwrap().iter().map(|order| shop.take_one(order)).collect();
    Json(json!({ "results": results })).into_response()
}

impl Shop {
    fn take_one(&mut self, order: &Value) -> Value {
        let id = order["id"].as_str().unwrap().to_owned();
        let customer = order["customer"]["card"].as_str().unwrap().to_owned();
        if order["paid_at"] != self.clock.as_str() {
            self.complaints.push(format!("{id} was paid at {} but it is {}", order["paid_at"], self.clock));
        }
        if customer == "stranger" {
            return json!({ "source": "cdnow", "id": id, "status": "rejected", "problem": { "title": "No such card" } });
        }
        let status = if self.seen.insert(id.clone()) { "created" } else { "replayed" };
        let line: u64 = id.trim_start_matches("line-").parse().unwrap();
        if status == "created" && self.last_of_customer.insert(customer, line).is_some_and(|before| before > line) {
            self.complaints.push(format!("{id} came out of sequence"));
        }
        json!({ "source": "cdnow", "id": id, "status": status, "member_id": "m", "points": 0 })
    }
}

async fn set_clock(State(shop): State<Shared>, Json(body): Json<Value>) -> StatusCode {
    shop.lock().unwrap().clock = body["now"].as_str().unwrap().to_owned();
    StatusCode::OK
}

async fn a_shop(busy_every: u64) -> (SocketAddr, Shared) {
    let shop = Shared::new(Mutex::new(Shop { busy_every, ..Shop::default() }));
    let router = Router::new().route("/v1/orders", post(take)).route("/dev/clock", post(set_clock));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = router.with_state(Arc::clone(&shop));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, shop)
}

fn the_first_months() -> Log {
    let mut log = read_cdnow(&std::fs::read_to_string(cdnow_path()).unwrap());
    log.purchases.truncate(5_000);
    log
}

#[tokio::test]
async fn every_order_arrives_on_its_day_and_each_customers_in_sequence() {
    let (address, shop) = a_shop(0).await;
    let imported = run(address, "till", &the_first_months(), Progress::silent()).await.unwrap();
    assert_eq!((imported.created, imported.replayed, imported.rejected), (5_000, 0, 0));
    assert_eq!(imported.orders(), 5_000);
    assert_eq!(shop.lock().unwrap().complaints, Vec::<String>::new());
}

#[tokio::test]
async fn a_second_import_is_replayed() {
    let (address, _) = a_shop(0).await;
    let log = the_first_months();
    run(address, "till", &log, Progress::silent()).await.unwrap();
    let again = run(address, "till", &log, Progress::silent()).await.unwrap();
    assert_eq!((again.created, again.replayed), (0, 5_000));
}

#[tokio::test]
async fn a_busy_host_is_asked_again_and_nothing_is_lost() {
    let (address, shop) = a_shop(7).await;
    let mut log = the_first_months();
    log.purchases.truncate(500);
    let imported = run(address, "till", &log, Progress::silent()).await.unwrap();
    assert_eq!(imported.orders(), 500);
    assert_eq!(shop.lock().unwrap().seen.len(), 500);
}

#[tokio::test]
async fn an_order_that_is_refused_is_told_and_the_import_goes_on() {
    let (address, _) = a_shop(0).await;
    let log = read_cdnow("head\n stranger 19970101 1 1.00\n 2 19970101 1 1.00\n");
    let imported = run(address, "till", &log, Progress::silent()).await.unwrap();
    assert_eq!((imported.created, imported.rejected), (1, 1));
    assert_eq!(imported.rejections, ["order line-2: No such card"]);
}

#[tokio::test]
async fn a_host_that_takes_no_orders_ends_the_import_with_a_sentence() {
    let (address, _) = a_shop(0).await;
    let log = read_cdnow("head\n 1 19970101 1 1.00\n");
    let refusal = run(address, "wrong", &log, Progress::silent()).await.unwrap_err();
    assert!(refusal.starts_with("The orders were not taken: 401"), "{refusal}");
}
