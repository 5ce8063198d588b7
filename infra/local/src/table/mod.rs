//! The embedded table: DynamoDB's operations in this process, on one file or in memory.

mod engine;
mod needs;
mod operations;
mod parts;
mod replays;
mod streams;
mod wal;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bytes::Bytes;
use dynoxide::actions::vector_lifecycle::VectorIndexLifecycle;
use huitou::values::Moment;
use serde_json::{Value, json};

use self::engine::Engine;
use self::parts::Parts;
use self::replays::Replays;
use self::streams::Streams;
use crate::data_dir::{DataError, check_sqlite};
use crate::in_process::{self, Answer, Service};
use crate::template::{KeyPart, Right, Table};

/// Items looked at in one go when expired ones are removed: few, because the engine has one lock.
const SWEEP_PAGE: u32 = 200;

/// The embedded engine. Clones share one database.
#[derive(Clone)]
pub struct Embedded {
    engine: Engine,
    vectors: Arc<VectorIndexLifecycle>,
    replays: Replays,
    parts: Parts,
    streams: Streams,
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}

impl Embedded {
    /// Opens a file, or a database in memory for `None`, and creates the tables that are missing.
    pub fn open(file: Option<&Path>, tables: &[Table]) -> Result<Self, DataError> {
        if let Some(path) = file {
            check_sqlite(path)?;
        }
        let engine = Engine::open(file)?;
        let streams = Streams::open(&engine, tables)?;
        let (vectors, replays, parts) = (Arc::default(), Replays::default(), Parts::default());
        let embedded = Self { engine, vectors, replays, parts, streams };
        embedded.create_missing(tables)?;
        Ok(embedded)
    }

    /// Answers one operation, as `GetItem`, with its JSON body. The calling thread waits for what has to be waited for.
    #[must_use]
    pub fn dispatch(&self, operation: &str, body: &[u8]) -> Answer {
        if operation == "Scan" {
            self.parts.prepare(&self.engine, body);
        }
        self.answered(operation, body, operations::run(&self.engine, &self.vectors, operation, body))
    }

    fn answered(&self, operation: &str, body: &[u8], result: engine::Result<String>) -> Answer {
        match result {
            Ok(json) => {
                self.streams.note(operation, body);
                Answer::ok(json)
            }
            Err(error) => Answer { status: error.status_code(), body: error.to_json().into(), query_error: None },
        }
    }

    /// A client of the SDK's, for whoever looks behind the product's back.
    #[must_use]
    pub fn sdk(&self) -> aws_sdk_dynamodb::Client {
        Self::client(self.http_client())
    }

    /// The same over this HTTP client.
    #[must_use]
    pub fn client(http_client: SharedHttpClient) -> aws_sdk_dynamodb::Client {
        in_process::client!(aws_sdk_dynamodb, http_client)
    }

    /// The oldest records of a table's stream that nobody has taken care of, oldest first, as event sources hand them
    /// on.
    pub fn oldest_in_stream(&self, table: &str, most: usize) -> Result<Vec<Value>, DataError> {
        self.streams.oldest(table, most)
    }

    /// Removes a stream's records up to this number, because they are taken care of.
    pub async fn trim_stream(&self, table: &str, through: &str) -> Result<(), DataError> {
        self.streams.trim(table, through).await
    }

    /// Ready when a table with a stream has been written to since the last time.
    pub async fn written(&self, table: &str) {
        self.streams.written(table).await;
    }

    /// Removes the items that have expired at `now`, which is business time; says how many.
    ///
    /// The engine's own sweep reads the machine's clock. On a host whose clock is set to 1998 it would remove
    /// everything that ever expires.
    pub fn remove_expired(&self, tables: &[Table], now: Moment) -> Result<usize, DataError> {
        let mut removed = 0;
        for table in tables {
            let Some(attribute) = &table.expires_by else { continue };
            let mut start = Value::Null;
            loop {
                let page = self.expired_page(table, attribute, now, &start)?;
                for item in page.get("Items").and_then(Value::as_array).into_iter().flatten() {
                    removed += usize::from(self.remove_one(table, attribute, now, item));
                }
                match page.get("LastEvaluatedKey") {
                    Some(key) => start = key.clone(),
                    None => break,
                }
            }
        }
        Ok(removed)
    }

    fn expired_page(&self, table: &Table, attribute: &str, now: Moment, start: &Value) -> Result<Value, DataError> {
        let mut request = json!({
            "TableName": table.name,
            "Limit": SWEEP_PAGE,
            "FilterExpression": "#at <= :now",
            "ExpressionAttributeNames": { "#at": attribute },
            "ExpressionAttributeValues": { ":now": { "N": now.seconds().to_string() } },
        });
        if let (Some(object), false) = (request.as_object_mut(), start.is_null()) {
            object.insert("ExclusiveStartKey".to_owned(), start.clone());
        }
        self.ask("Scan", &request)
    }

    /// Removes an item unless it has been given a longer life since it was read.
    fn remove_one(&self, table: &Table, attribute: &str, now: Moment, item: &Value) -> bool {
        let key: serde_json::Map<String, Value> =
            table.key.iter().filter_map(|k| Some((k.attribute.clone(), item.get(&k.attribute)?.clone()))).collect();
        let request = json!({
            "TableName": table.name,
            "Key": key,
            "ConditionExpression": "#at <= :now",
            "ExpressionAttributeNames": { "#at": attribute },
            "ExpressionAttributeValues": { ":now": { "N": now.seconds().to_string() } },
        });
        let answer = self.dispatch("DeleteItem", request.to_string().as_bytes());
        answer.status == 200
    }

    fn create_missing(&self, tables: &[Table]) -> Result<(), DataError> {
        let listed = self.ask("ListTables", &json!({}))?;
        let there: Vec<&str> = listed
            .get("TableNames")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for table in tables.iter().filter(|t| !there.contains(&t.name.as_str())) {
            self.ask("CreateTable", &create_request(table))?;
            if let Some(attribute) = &table.expires_by {
                let specification = json!({ "Enabled": true, "AttributeName": attribute });
                let request = json!({ "TableName": table.name, "TimeToLiveSpecification": specification });
                self.ask("UpdateTimeToLive", &request)?;
            }
        }
        tables.iter().filter(|t| there.contains(&t.name.as_str())).try_for_each(|table| self.add_stream(table))
    }

    /// Gives a table that was made without a stream the one that it has by now.
    fn add_stream(&self, table: &Table) -> Result<(), DataError> {
        let Some(specification) = stream_specification(table) else { return Ok(()) };
        let described = self.ask("DescribeTable", &json!({ "TableName": table.name }))?;
        if described.pointer("/Table/StreamSpecification/StreamEnabled") == Some(&Value::Bool(true)) {
            return Ok(());
        }
        self.ask("UpdateTable", &json!({ "TableName": table.name, "StreamSpecification": specification }))?;
        Ok(())
    }

    /// A call that the host makes for itself, and that can only fail when the engine does.
    fn ask(&self, operation: &str, request: &Value) -> Result<Value, DataError> {
        let answer = self.dispatch(operation, request.to_string().as_bytes());
        let body = String::from_utf8_lossy(&answer.body);
        if answer.status != 200 {
            return Err(DataError::engine("table", &format!("{operation}: {body}")));
        }
        serde_json::from_str(&body).map_err(|e| DataError::engine("table", &e))
    }
}

impl Service for Embedded {
    const CONTENT_TYPE: &'static str = "application/x-amz-json-1.0";
    const THROTTLED: &'static str = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";

    fn needs(operation: &str, body: &[u8]) -> Vec<Right> {
        needs::of(operation, body)
    }

    async fn answer(self: Arc<Self>, operation: String, body: Bytes) -> Answer {
        if operations::writes(&operation) {
            let written = operations::write(&self.engine, &self.replays, &operation, &body).await;
            return self.answered(&operation, &body, written);
        }
        // One item costs some tens of microseconds, less than a hop to another thread; a page of a scan costs
        // thousands of times that and must not hold up a thread that serves requests.
        if operation != "Scan" {
            return self.dispatch(&operation, &body);
        }
        tokio::task::spawn_blocking(move || self.dispatch(&operation, &body)).await.unwrap_or_else(|e| {
            Answer::error(500, "com.amazonaws.dynamodb.v20120810#InternalServerError", &e.to_string())
        })
    }
}

fn create_request(table: &Table) -> Value {
    let schema = |key: &[KeyPart]| -> Value {
        key.iter().map(|k| json!({ "AttributeName": k.attribute, "KeyType": k.role })).collect()
    };
    let mut parts: Vec<&KeyPart> = table.key.iter().chain(table.indexes.iter().flat_map(|i| &i.key)).collect();
    parts.sort_by(|a, b| a.attribute.cmp(&b.attribute));
    parts.dedup_by(|a, b| a.attribute == b.attribute);
    let definitions: Value =
        parts.iter().map(|k| json!({ "AttributeName": k.attribute, "AttributeType": k.kind })).collect();
    let indexes: Vec<Value> = table
        .indexes
        .iter()
        .map(|index| {
            let mut projection = json!({ "ProjectionType": index.projection });
            if let (Some(object), false) = (projection.as_object_mut(), index.included.is_empty()) {
                object.insert("NonKeyAttributes".to_owned(), json!(index.included));
            }
            json!({ "IndexName": index.name, "KeySchema": schema(&index.key), "Projection": projection })
        })
        .collect();
    let mut request = json!({
        "TableName": table.name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": schema(&table.key),
        "AttributeDefinitions": definitions,
    });
    if let (Some(object), false) = (request.as_object_mut(), indexes.is_empty()) {
        object.insert("GlobalSecondaryIndexes".to_owned(), Value::Array(indexes));
    }
    if let (Some(object), Some(stream)) = (request.as_object_mut(), stream_specification(table)) {
        object.insert("StreamSpecification".to_owned(), stream);
    }
    request
}

fn stream_specification(table: &Table) -> Option<Value> {
    table.stream.as_ref().map(|shows| json!({ "StreamEnabled": true, "StreamViewType": shows }))
}

#[cfg(test)]
mod tests;
