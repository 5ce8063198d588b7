//! The streams of the embedded tables: read through the engine, and trimmed of what is done.
//!
//! The engine writes a stream's records in the transaction that changes the items, and keeps them for ever, without an
//! index: every change would look through all of them for the next number. So a connection of our own gives them an
//! index, and removes what the stream's function has taken care of. What is there is what has yet to be done, so that
//! no place in the stream has to be remembered beside it, and a process that is killed goes on where it was.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dynoxide::Database;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::streams::shard_id;
use rusqlite::params;
use serde_json::Value;
use tokio::sync::Notify;

use super::past::Past;
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
    past: Past,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("tables", &self.written.len()).finish_non_exhaustive()
    }
}

/// A name for a database in memory that a second connection of this process can open, too.
pub(super) fn name_in_memory() -> String {
    static DATABASES: AtomicU64 = AtomicU64::new(0);
    format!("file:/huitou-{}?vfs=memdb", DATABASES.fetch_add(1, Ordering::Relaxed))
}

impl Streams {
    /// The streams of a database.
    pub(super) fn open(past: &Past, tables: &[Table]) -> Result<Self, DataError> {
        past.alone(|connection| connection.execute_batch(INDEX)).map_err(|e| DataError::engine("table", &e))?;
        let written = tables.iter().filter(|t| t.stream.is_some()).map(|t| (format!("\"{}\"", t.name), Notify::new()));
        Ok(Self { written: Arc::new(written.collect()), past: past.clone() })
    }

    /// Notes a write that was done: who waits for a table that it names may look.
    pub(super) fn note(&self, operation: &str, body: &[u8]) {
        if matches!(operation, "GetItem" | "BatchGetItem" | "TransactGetItems" | "Query" | "Scan") {
            return;
        }
        for (name, wish) in self.written.iter() {
            if body.windows(name.len()).any(|part| part == name.as_bytes()) {
                wish.notify_one();
            }
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
    pub(super) fn oldest(&self, database: &Database, table: &str, most: usize) -> Result<Vec<Value>, DataError> {
        let from_the_first = GetShardIteratorRequest {
            stream_arn: stream_arn(table),
            shard_id: shard_id(table),
            shard_iterator_type: "TRIM_HORIZON".to_owned(),
            sequence_number: None,
        };
        let read = || {
            let iterator = database.get_shard_iterator(from_the_first)?.shard_iterator.unwrap_or_default();
            database.get_records(GetRecordsRequest { shard_iterator: iterator, limit: Some(most) })
        };
        let answer = self.past.beside(read).map_err(|e| DataError::running("table", &e))?;
        let records = serde_json::to_value(answer.records).map_err(|e| DataError::running("table", &e))?;
        let Value::Array(mut records) = records else { return Ok(Vec::new()) };
        for record in records.iter_mut().filter_map(Value::as_object_mut) {
            record.insert("eventSourceARN".to_owned(), Value::String(stream_arn(table)));
            record.insert("awsRegion".to_owned(), Value::String(crate::template::LOCAL_REGION.to_owned()));
        }
        Ok(records)
    }

    /// Removes the records up to this number, which the stream's function has taken care of.
    pub(super) fn trim(&self, table: &str, through: &str) -> Result<(), DataError> {
        // In its answers the engine writes a record's number with a 1 before it and zeros between.
        let number = through.get(1..).and_then(|digits| digits.parse::<i64>().ok());
        let number = number.ok_or_else(|| DataError::running("table", &format!("{through} numbers no record")))?;
        let trimmed = (self.past).alone(|connection| {
            connection.prepare_cached(TRIM).and_then(|mut trim| trim.execute(params![table, number]))
        });
        trimmed.map(|_| ()).map_err(|e| DataError::running("table", &e))
    }
}
