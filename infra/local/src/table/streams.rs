//! The streams of the embedded tables: read through the engine, and trimmed of what is done.
//!
//! The engine writes a stream's records in the transaction that changes the items, and keeps them for ever, without an
//! index: every change would look through all of them for the next number. So, past the engine, they are given an
//! index, and freed of what the stream's function has taken care of. What is there is what has yet to be done, so that
//! no place in the stream has to be remembered beside it, and a process that is killed goes on where it was.

use std::fmt;
use std::sync::Arc;

use dynoxide::actions::get_records::{self, GetRecordsRequest};
use dynoxide::actions::get_shard_iterator::{self, GetShardIteratorRequest};
use dynoxide::storage::Storage;
use dynoxide::streams::shard_id;
use rusqlite::params;
use serde_json::Value;
use tokio::sync::Notify;

use super::engine::{Engine, now};
use crate::data_dir::DataError;
use crate::template::{Table, stream_arn};

const INDEX: &str = "CREATE INDEX IF NOT EXISTS stream_order
    ON _stream_records (table_name, CAST(sequence_number AS INTEGER))";

const TRIM: &str = "DELETE FROM _stream_records WHERE table_name = ? AND CAST(sequence_number AS INTEGER) <= ?";

/// The streams of one database. Clones share them.
#[derive(Clone)]
pub(super) struct Streams {
    /// Each table with a stream: its name as requests write it, and the wish to look.
    written: Arc<Vec<(String, Notify)>>,
    engine: Engine,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("tables", &self.written.len()).finish_non_exhaustive()
    }
}

impl Streams {
    /// The streams of a database.
    pub(super) fn open(engine: &Engine, tables: &[Table]) -> Result<Self, DataError> {
        let index = engine.define(|storage| Ok(storage.conn().execute_batch(INDEX)?));
        index.map_err(|e| DataError::engine("table", &e))?;
        let written = tables.iter().filter(|t| t.stream.is_some()).map(|t| (format!("\"{}\"", t.name), Notify::new()));
        Ok(Self { written: Arc::new(written.collect()), engine: engine.clone() })
    }

    /// Notes a write that was done: who waits for a table that it names may look.
    pub(super) fn note(&self, operation: &str, body: &[u8]) {
        if matches!(operation, "GetItem" | "BatchGetItem" | "TransactGetItems" | "Query" | "Scan") {
            return;
        }
        let Ok(text) = std::str::from_utf8(body) else { return };
        for (_, wish) in self.written.iter().filter(|(name, _)| text.contains(name)) {
            wish.notify_one();
        }
    }

    /// Ready when the table has been written to since the last time.
    pub(super) async fn written(&self, table: &str) {
        match self.written.iter().find(|(name, _)| name.trim_matches('"') == table) {
            Some((_, wish)) => wish.notified().await,
            None => std::future::pending().await,
        }
    }

    /// The oldest records of a table's stream, oldest first, as event sources hand them on.
    pub(super) fn oldest(&self, table: &str, most: usize) -> Result<Vec<Value>, DataError> {
        let from_the_first = GetShardIteratorRequest {
            stream_arn: stream_arn(table),
            shard_id: shard_id(table),
            shard_iterator_type: "TRIM_HORIZON".to_owned(),
            sequence_number: None,
        };
        let answer = self.engine.read(|storage| {
            let iterator = now(get_shard_iterator::execute(storage, from_the_first))?.shard_iterator;
            let request = GetRecordsRequest { shard_iterator: iterator.unwrap_or_default(), limit: Some(most) };
            now(get_records::execute(storage, request))
        });
        let answer = answer.map_err(|e| DataError::running("table", &e))?;
        let records = serde_json::to_value(answer.records).map_err(|e| DataError::running("table", &e))?;
        let Value::Array(mut records) = records else { return Ok(Vec::new()) };
        for record in records.iter_mut().filter_map(Value::as_object_mut) {
            record.insert("eventSourceARN".to_owned(), Value::String(stream_arn(table)));
            record.insert("awsRegion".to_owned(), Value::String(crate::template::LOCAL_REGION.to_owned()));
        }
        Ok(records)
    }

    /// Removes the records up to this number, which the stream's function has taken care of.
    pub(super) async fn trim(&self, table: &str, through: &str) -> Result<(), DataError> {
        // In its answers the engine writes a record's number with a 1 before it and zeros between.
        let number = through.get(1..).and_then(|digits| digits.parse::<i64>().ok());
        let number = number.ok_or_else(|| DataError::running("table", &format!("{through} numbers no record")))?;
        let table = table.to_owned();
        let trim = move |storage: &Storage| {
            storage.conn().prepare_cached(TRIM)?.execute(params![table, number])?;
            Ok(String::new())
        };
        let trimmed = self.engine.write(trim, |_| ()).await;
        trimmed.map(|_| ()).map_err(|e| DataError::running("table", &e))
    }
}
