//! The operations of the embedded table: those that the product and its tools use.

use dynoxide::DynoxideError;
use dynoxide::actions::transact_write_items::{self, TransactWriteItemsRequest};
use dynoxide::actions::vector_lifecycle::VectorIndexLifecycle;
use dynoxide::actions::{
    batch_get_item, batch_write_item, create_table, delete_item, delete_table, describe_table, describe_time_to_live,
    get_item, list_tables, put_item, query, scan, transact_get_items, update_item, update_table, update_time_to_live,
};
use dynoxide::storage::Storage;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::engine::{Engine, Result, now};
use super::replays::Replays;

/// Whether an operation writes items, all or none of them: many do so at once.
pub(super) fn writes(operation: &str) -> bool {
    matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems")
}

/// A write of items that is ready to be done.
struct Prepared {
    token: Option<String>,
    write: Box<dyn FnOnce(&Storage) -> Result<String> + Send>,
}

fn prepare(operation: &str, body: &[u8]) -> Result<Prepared> {
    let write: Box<dyn FnOnce(&Storage) -> Result<String> + Send> = match operation {
        "PutItem" => {
            let request = read(body)?;
            Box::new(|storage| json(&now(put_item::execute(storage, request))?))
        }
        "UpdateItem" => {
            let request = read(body)?;
            Box::new(|storage| json(&now(update_item::execute(storage, request))?))
        }
        "DeleteItem" => {
            let request = read(body)?;
            Box::new(|storage| json(&now(delete_item::execute(storage, request))?))
        }
        _ => {
            let mut request: TransactWriteItemsRequest = read(body)?;
            let token = request.client_request_token.take();
            let write = Box::new(|storage: &Storage| json(&now(transact_write_items::execute(storage, request))?));
            return Ok(Prepared { token, write });
        }
    };
    Ok(Prepared { token: None, write })
}

/// Does one of the [`writes`], together with what others write at the same time; the answer is JSON.
pub(super) async fn write(engine: &Engine, replays: &Replays, operation: &str, body: &[u8]) -> Result<String> {
    let Prepared { token, write } = prepare(operation, body)?;
    let Some(token) = token else { return engine.write(write, |_| ()).await };
    if let Some(answer) = replays.begin(&token, body)? {
        return Ok(answer);
    }
    let replays = replays.clone();
    engine.write(write, move |written| replays.end(&token, written)).await
}

/// Runs any operation while the calling thread waits; the answer is JSON.
pub(super) fn run(engine: &Engine, vectors: &VectorIndexLifecycle, operation: &str, body: &[u8]) -> Result<String> {
    match operation {
        "GetItem" => call(body, |r| engine.read(|s| now(get_item::execute(s, r)))),
        "TransactGetItems" => call(body, |r| engine.read(|s| now(transact_get_items::execute(s, r)))),
        "BatchGetItem" => call(body, |r| engine.read(|s| now(batch_get_item::execute(s, r)))),
        "Query" => call(body, |r| engine.read(|s| now(query::execute(s, r)))),
        "Scan" => call(body, |r| engine.read(|s| now(scan::execute(s, r)))),
        "BatchWriteItem" => call(body, |r| engine.change(|s| now(batch_write_item::execute(s, r)))),
        "ListTables" => call(body, |r| engine.change(|s| now(list_tables::execute(s, r)))),
        "DescribeTable" => call(body, |r| engine.change(|s| now(describe_table::execute(s, r, vectors)))),
        "DescribeTimeToLive" => call(body, |r| engine.change(|s| now(describe_time_to_live::execute(s, r)))),
        "CreateTable" => call(body, |r| engine.define(|s| now(create_table::execute(s, r)))),
        "UpdateTable" => call(body, |r| engine.define(|s| now(update_table::execute(s, r, vectors)))),
        "DeleteTable" => call(body, |r| engine.define(|s| now(delete_table::execute(s, r, vectors)))),
        "UpdateTimeToLive" => call(body, |r| engine.define(|s| now(update_time_to_live::execute(s, r)))),
        // The host's own writes; they carry no token.
        operation if writes(operation) => engine.change(prepare(operation, body)?.write),
        other => Err(DynoxideError::UnsupportedCapability(other.to_owned())),
    }
}

fn call<Request, Response>(body: &[u8], run: impl FnOnce(Request) -> Result<Response>) -> Result<String>
where
    Request: DeserializeOwned,
    Response: Serialize,
{
    json(&run(read(body)?)?)
}

fn read<Request: DeserializeOwned>(body: &[u8]) -> Result<Request> {
    serde_json::from_slice(body).map_err(|e| unreadable(&e))
}

fn json(response: &impl Serialize) -> Result<String> {
    serde_json::to_string(response).map_err(|e| DynoxideError::InternalServerError(e.to_string()))
}

/// The engine marks in the text which of AWS's two errors a request that can't be read deserves.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    let text = error.to_string();
    match text.split_once(':') {
        Some((marker, rest)) if marker.starts_with("VALIDATION") => DynoxideError::ValidationException(rest.to_owned()),
        Some((marker, rest)) if marker.starts_with("SERIALIZATION") => {
            DynoxideError::SerializationException(rest.to_owned())
        }
        _ if error.is_data() && text.contains("missing field") => DynoxideError::ValidationException(text),
        _ => DynoxideError::SerializationException(text),
    }
}
