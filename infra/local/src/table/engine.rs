//! The engine over one database: in a file one connection that writes and others that read beside it, in memory one for
//! both.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dynoxide::DynoxideError;
use dynoxide::storage::Storage;
use futures_util::FutureExt as _;

use super::wal::{self, Log};
use super::writer::Writer;
use crate::data_dir::DataError;

/// What the engine answers.
pub(super) type Result<T> = std::result::Result<T, DynoxideError>;

/// What is kept to undo a part of a transaction stays in memory: it is never more than one request changes. So do the
/// pages that every write needs again, 16 MB of them: a commit that has split a page looks through all. Others are found
/// in the operating system's memory, as far as SQLite maps a file: 2 GB.
const WRITER: &str = "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384; PRAGMA mmap_size = 2147418112;";

/// A reader finds its pages in the operating system's memory, not in a cache of its own that every write empties.
const READER: &str = "PRAGMA cache_size = -4096; PRAGMA mmap_size = 2147418112;";

/// The engine. Clones share one database.
#[derive(Clone)]
pub(super) struct Engine {
    storage: Arc<Mutex<Storage>>,
    beside: Option<Beside>,
}

/// What a database in a file has besides the connection that writes.
#[derive(Clone)]
struct Beside {
    writer: Writer,
    readers: Arc<Readers>,
}

/// Connections that read what was written last, and wait for no writer.
struct Readers {
    path: String,
    idle: Mutex<Vec<Storage>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("in_a_file", &self.beside.is_some()).finish_non_exhaustive()
    }
}

impl Engine {
    /// The engine over a file, or over a database in memory.
    pub(super) fn open(file: Option<&Path>) -> std::result::Result<Self, DataError> {
        let Some(path) = file else {
            let storage = Storage::memory().map_err(|e| DataError::engine("table", &e))?;
            return Ok(Self { storage: Arc::new(Mutex::new(storage)), beside: None });
        };
        let name = path.to_str().ok_or_else(|| DataError::engine("table", &"its path is not Unicode"))?.to_owned();
        let storage = Storage::new(&name).map_err(|e| DataError::damaged(path, &e))?;
        storage.conn().execute_batch(WRITER).map_err(|e| DataError::engine("table", &e))?;
        let log = Log::start(storage.conn(), path, wal::ENOUGH).map_err(|e| DataError::engine("table", &e))?;
        let storage = Arc::new(Mutex::new(storage));
        let writer = Writer::start(&storage, log).map_err(|e| DataError::engine("table", &e))?;
        let readers = Arc::new(Readers { path: name, idle: Mutex::default() });
        Ok(Self { storage, beside: Some(Beside { writer, readers }) })
    }

    /// Reads one state of the database; in a file, without waiting for who writes.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Storage) -> Result<T>) -> Result<T> {
        match &self.beside {
            Some(beside) => beside.readers.read(read),
            None => read(&self.alone()),
        }
    }

    /// Does whatever it is while nobody else writes. The calling thread waits for that.
    pub(super) fn change<T>(&self, change: impl FnOnce(&Storage) -> Result<T>) -> Result<T> {
        change(&self.alone())
    }

    /// Changes how tables are made, which no connection may remember otherwise.
    pub(super) fn define<T>(&self, define: impl FnOnce(&Storage) -> Result<T>) -> Result<T> {
        let storage = self.alone();
        let defined = define(&storage);
        if let Some(beside) = &self.beside {
            beside.readers.lock().clear();
        }
        defined
    }

    /// Writes items, all or none of them; in a file, together with what others write at the same time. `ended` hears
    /// how it ended, even if who asked has gone away.
    pub(super) async fn write(
        &self,
        write: impl FnOnce(&Storage) -> Result<String> + Send + 'static,
        ended: impl FnOnce(&Result<String>) + Send + 'static,
    ) -> Result<String> {
        if let Some(beside) = &self.beside {
            return beside.writer.write(write, ended).await;
        }
        let written = self.change(write);
        ended(&written);
        written
    }

    fn alone(&self) -> MutexGuard<'_, Storage> {
        self.storage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Readers {
    fn lock(&self) -> MutexGuard<'_, Vec<Storage>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads with a connection that nobody uses; as many are opened as read at once, and kept.
    fn read<T>(&self, read: impl FnOnce(&Storage) -> Result<T>) -> Result<T> {
        let idle = self.lock().pop();
        let reader = match idle {
            Some(reader) => reader,
            None => self.open()?,
        };
        reader.conn().prepare_cached("BEGIN")?.execute([])?;
        let answer = read(&reader);
        reader.conn().prepare_cached("COMMIT")?.execute([])?;
        self.lock().push(reader);
        answer
    }

    fn open(&self) -> Result<Storage> {
        let reader = Storage::new(&self.path)?;
        reader.conn().execute_batch(READER)?;
        Ok(reader)
    }
}

/// What a future of the engine comes to: with this storage they are ready when they are first asked.
pub(super) fn now<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let waits = || Err(DynoxideError::InternalServerError("the engine waits for something".to_owned()));
    future.now_or_never().unwrap_or_else(waits)
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use serde_json::{Value, json};

    use crate::data_dir::tests::scratch;
    use crate::in_process::{Answer, Service as _};
    use crate::table::Embedded;
    use crate::template::Template;

    use super::*;

    fn open(directory: &Path) -> Embedded {
        Embedded::open(Some(&directory.join("table.sqlite")), &Template::shipped().unwrap().tables).unwrap()
    }

    fn in_a_file(name: &str) -> Embedded {
        open(&scratch(name))
    }

    async fn ask(table: &Embedded, operation: &str, request: Value) -> Answer {
        Arc::new(table.clone()).answer(operation.to_owned(), request.to_string().into()).await
    }

    /// Puts a row that must not be there yet, and counts it.
    fn transfer(row: usize) -> Value {
        let row = json!({ "S": format!("row-{row}") });
        json!({ "TransactItems": [
            { "Update": {
                "TableName": "Members", "Key": { "member": { "S": "sum" } },
                "UpdateExpression": "ADD points :one", "ExpressionAttributeValues": { ":one": { "N": "1" } },
            } },
            { "Put": {
                "TableName": "Members", "Item": { "member": row },
                "ConditionExpression": "attribute_not_exists(#m)", "ExpressionAttributeNames": { "#m": "member" },
            } },
        ] })
    }

    async fn sum(table: &Embedded) -> Value {
        let request = json!({ "TableName": "Members", "Key": { "member": { "S": "sum" } } });
        let answer = ask(table, "GetItem", request).await;
        serde_json::from_slice::<Value>(&answer.body).unwrap()["Item"]["points"]["N"].clone()
    }

    /// Sends everything while nobody can write, so that it is written together.
    async fn together(table: &Embedded, requests: impl Iterator<Item = Value>) -> Vec<u16> {
        let mut answers = Box::pin(join_all(requests.map(|request| ask(table, "TransactWriteItems", request))));
        let held = table.engine.alone();
        assert!((&mut answers).now_or_never().is_none());
        drop(held);
        answers.await.into_iter().map(|answer| answer.status).collect()
    }

    #[tokio::test]
    async fn of_writes_that_are_done_together_each_is_done_or_refused_by_itself() {
        let table = in_a_file("together");
        // Every row comes twice: the second time it is refused, and must not count.
        let answers = together(&table, (0..200).map(|n| transfer(n / 2))).await;
        assert!(answers.chunks(2).all(|twice| twice == [200, 400]), "{answers:?}");
        assert_eq!(sum(&table).await, "100");
    }

    #[tokio::test]
    async fn what_was_answered_is_there_after_the_next_start() {
        let directory = scratch("answered");
        let table = open(&directory);
        assert!(together(&table, (0..100).map(transfer)).await.iter().all(|status| *status == 200));
        drop(table);
        let table = open(&directory);
        assert_eq!(sum(&table).await, "100");
    }

    #[tokio::test]
    async fn a_write_that_panics_is_none_and_the_others_are_done() {
        let table = in_a_file("panics");
        let panics = table.engine.write(|_| panic!("on purpose"), |_| ());
        let writes = together(&table, (0..10).map(transfer));
        let (panicked, written) = futures_util::join!(panics, writes);
        assert!(panicked.is_err());
        assert!(written.iter().all(|status| *status == 200), "{written:?}");
        assert_eq!(sum(&table).await, "10");
    }

    #[tokio::test]
    async fn a_write_whose_asker_has_gone_away_is_done_once() {
        let table = in_a_file("gone");
        let mut request = transfer(1);
        request["ClientRequestToken"] = json!("token-1");
        let held = table.engine.alone();
        assert!(ask(&table, "TransactWriteItems", request.clone()).now_or_never().is_none());
        drop(held);
        let answer = loop {
            let answer = ask(&table, "TransactWriteItems", request.clone()).await;
            if !String::from_utf8_lossy(&answer.body).contains("in progress") {
                break answer;
            }
        };
        assert_eq!(answer.status, 200);
        assert_eq!(sum(&table).await, "1");
    }

    #[tokio::test]
    async fn a_read_sees_what_was_answered_before() {
        let table = in_a_file("reads");
        for n in 1..=20 {
            assert_eq!(ask(&table, "TransactWriteItems", transfer(n)).await.status, 200);
            assert_eq!(sum(&table).await, n.to_string());
        }
    }

    #[tokio::test]
    async fn a_table_that_is_made_or_gone_is_so_for_every_reader() {
        let table = in_a_file("defined");
        let key = json!({ "TableName": "Things", "Key": { "thing": { "S": "a" } } });
        for _ in 0..2 {
            assert_eq!(ask(&table, "GetItem", key.clone()).await.status, 400);
            let make = json!({
                "TableName": "Things", "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{ "AttributeName": "thing", "AttributeType": "S" }],
                "KeySchema": [{ "AttributeName": "thing", "KeyType": "HASH" }],
            });
            assert_eq!(ask(&table, "CreateTable", make).await.status, 200);
            assert_eq!(ask(&table, "GetItem", key.clone()).await.status, 200);
            assert_eq!(ask(&table, "DeleteTable", json!({ "TableName": "Things" })).await.status, 200);
        }
    }
}
