//! The operations of the embedded table: those that the product and its tools use.

use dynoxide::actions::transact_write_items::TransactWriteItemsRequest;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::replays::Replays;

/// Runs one operation; the answer is JSON.
pub(super) fn run(
    database: &Database,
    replays: &Replays,
    operation: &str,
    body: &[u8],
) -> Result<String, DynoxideError> {
    match operation {
        "GetItem" => call(body, |r| database.get_item(r)),
        "PutItem" => call(body, |r| database.put_item(r)),
        "UpdateItem" => call(body, |r| database.update_item(r)),
        "DeleteItem" => call(body, |r| database.delete_item(r)),
        "TransactWriteItems" => transact_write(database, replays, body),
        "TransactGetItems" => call(body, |r| database.transact_get_items(r)),
        "BatchGetItem" => call(body, |r| database.batch_get_item(r)),
        "BatchWriteItem" => call(body, |r| database.batch_write_item(r)),
        "Query" => call(body, |r| database.query(r)),
        "Scan" => call(body, |r| database.scan(r)),
        "CreateTable" => call(body, |r| database.create_table(r)),
        "UpdateTable" => call(body, |r| database.update_table(r)),
        "DeleteTable" => call(body, |r| database.delete_table(r)),
        "DescribeTable" => call(body, |r| database.describe_table(r)),
        "ListTables" => call(body, |r| database.list_tables(r)),
        "UpdateTimeToLive" => call(body, |r| database.update_time_to_live(r)),
        "DescribeTimeToLive" => call(body, |r| database.describe_time_to_live(r)),
        other => Err(DynoxideError::UnsupportedCapability(other.to_owned())),
    }
}

fn transact_write(database: &Database, replays: &Replays, body: &[u8]) -> Result<String, DynoxideError> {
    let mut request: TransactWriteItemsRequest = read(body)?;
    match request.client_request_token.take() {
        Some(token) => replays.once(&token, body, || write(&database.transact_write_items(request)?)),
        None => write(&database.transact_write_items(request)?),
    }
}

fn call<Request, Response>(
    body: &[u8],
    run: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<String, DynoxideError>
where
    Request: DeserializeOwned,
    Response: Serialize,
{
    write(&run(read(body)?)?)
}

fn read<Request: DeserializeOwned>(body: &[u8]) -> Result<Request, DynoxideError> {
    serde_json::from_slice(body).map_err(|e| unreadable(&e))
}

fn write(response: &impl Serialize) -> Result<String, DynoxideError> {
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
