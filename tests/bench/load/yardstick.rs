//! The least that a server with a table does: axum over one SQLite file, a row read or a row written, nothing else.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path as Place, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::Server;
use crate::brand::Ask;

/// Rows in its table.
const ROWS: u64 = 10_000;

type Table = Arc<Mutex<Connection>>;

/// Starts it in a process of its own.
pub(crate) fn start(work: &Path) -> Server {
    Server::start(Command::new(std::env::current_exe().unwrap()).arg("yardstick").current_dir(work))
}

/// Answers until the process ends.
pub(crate) async fn serve() {
    let table = Connection::open("yardstick.sqlite").unwrap();
    let ready =
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE row (id TEXT PRIMARY KEY, text TEXT);";
    table.execute_batch(ready).unwrap();
    for n in 0..ROWS {
        table.execute("INSERT INTO row VALUES (?, ?)", (n.to_string(), "a row of a table")).unwrap();
    }
    let app = Router::new().route("/{id}", get(show)).route("/", post(keep)).with_state(Arc::new(Mutex::new(table)));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    axum::serve(axum::serve::ListenerExt::tap_io(listener, |stream| stream.set_nodelay(true).unwrap()), app)
        .await
        .unwrap();
}

async fn show(State(table): State<Table>, Place(id): Place<String>) -> Json<Value> {
    let table = table.lock().unwrap_or_else(PoisonError::into_inner);
    let mut query = table.prepare_cached("SELECT text FROM row WHERE id = ?").unwrap();
    let text: String = query.query_row([&id], |row| row.get(0)).unwrap();
    Json(json!({ "id": id, "text": text }))
}

async fn keep(State(table): State<Table>, Json(row): Json<Value>) -> Json<Value> {
    let table = table.lock().unwrap_or_else(PoisonError::into_inner);
    let mut statement = table.prepare_cached("INSERT INTO row VALUES (?, ?)").unwrap();
    let kept = statement.execute((row["id"].as_str(), row["text"].as_str())).unwrap();
    Json(json!({ "kept": kept }))
}

/// A row is read.
pub(crate) fn read() -> Ask {
    Ask::new("yardstick: a row read", |n| {
        Request::get(format!("/{}", n * 7_919 % ROWS)).header("host", "yardstick").body(Full::default()).unwrap()
    })
}

/// A row is written.
pub(crate) fn write() -> Ask {
    // Each measurement's rows are its own.
    let mine = std::time::SystemTime::now();
    Ask::new("yardstick: a row written", move |n| {
        let row = json!({ "id": format!("{mine:?}-{n}"), "text": "a row of a table" });
        Request::post("/")
            .header("host", "yardstick")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(row.to_string())))
            .unwrap()
    })
}
