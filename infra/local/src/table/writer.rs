//! The one thread that writes to a database in a file: what waits to be written is written in one transaction.
//!
//! A commit costs more than the writes of one order: locks, the pages of the log, its index. So whatever has come while
//! the last transaction was under way shares the next one. Every write is a part that is undone by itself when it is
//! refused, and nobody is answered before all of it is committed.
//!
//! The engine wants to begin and to commit by itself in every operation. Inside a shared transaction it is told that it
//! does: SQLite's authorizer leaves those statements out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use dynoxide::DynoxideError;
use dynoxide::storage::Storage;
use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use tokio::sync::oneshot;

use super::engine::Result;
use super::wal::Log;

/// Writes in one transaction: enough that its commit costs little for each, few enough that the first does not wait long
/// for the last.
const TOGETHER: usize = 32;

/// The way to the thread that writes, which ends with the last clone.
#[derive(Clone)]
pub(super) struct Writer(Arc<Line>);

struct Line {
    /// None when the thread is to end.
    waiting: Option<Sender<Box<dyn Write>>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Line {
    /// Waits for the thread, so that the database is closed when nobody has it any more.
    fn drop(&mut self) {
        self.waiting = None;
        if let Some(thread) = self.thread.take() {
            // It catches what panics.
            let _ = thread.join();
        }
    }
}

/// A write that waits for its turn.
trait Write: Send {
    /// Does it; whether it is to stay.
    fn run(&mut self, storage: &Storage) -> bool;

    /// Tells how it ended; `lost` says why nothing of it remains, if that is so.
    fn answer(self: Box<Self>, lost: Option<&str>);
}

struct Waiting<W, E> {
    write: Option<W>,
    result: Option<Result<String>>,
    ended: E,
    answer: oneshot::Sender<Result<String>>,
}

impl<W, E> Write for Waiting<W, E>
where
    W: FnOnce(&Storage) -> Result<String> + Send,
    E: FnOnce(&Result<String>) + Send,
{
    fn run(&mut self, storage: &Storage) -> bool {
        self.result = self.write.take().map(|write| write(storage));
        matches!(self.result, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, lost: Option<&str>) {
        let result = match (lost, self.result) {
            (None, Some(result)) => result,
            // What was refused is refused, whatever became of the others.
            (Some(_), Some(Err(refusal))) => Err(refusal),
            (why, _) => Err(DynoxideError::InternalServerError(why.unwrap_or("it was not written").to_owned())),
        };
        (self.ended)(&result);
        // Who asked may have gone away; it is written all the same.
        let _ = self.answer.send(result);
    }
}

impl Writer {
    /// Starts the thread, which looks after the database's log.
    pub(super) fn start(storage: &Arc<Mutex<Storage>>, mut log: Log) -> std::io::Result<Self> {
        let (waiting, come) = channel();
        let shared = Arc::new(AtomicBool::new(false));
        let left_out = Arc::clone(&shared);
        let storage = Arc::clone(storage);
        storage.lock().unwrap_or_else(PoisonError::into_inner).conn().authorizer(Some(
            move |asked: AuthContext<'_>| match asked.action {
                AuthAction::Transaction { .. } if left_out.load(Ordering::Relaxed) => Authorization::Ignore,
                _ => Authorization::Allow,
            },
        ));
        let writing = move || write_all(&storage, &mut log, &shared, &come);
        let thread = thread::Builder::new().name("table-writer".to_owned()).spawn(writing)?;
        Ok(Self(Arc::new(Line { waiting: Some(waiting), thread: Some(thread) })))
    }

    /// Writes, together with what others write at the same time, and answers when it is committed. `ended` hears how
    /// it ended, even if who asked has gone away.
    pub(super) async fn write(
        &self,
        write: impl FnOnce(&Storage) -> Result<String> + Send + 'static,
        ended: impl FnOnce(&Result<String>) + Send + 'static,
    ) -> Result<String> {
        let gone = || DynoxideError::InternalServerError("nobody writes to the table any more".to_owned());
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { write: Some(write), result: None, ended, answer };
        let line = self.0.waiting.as_ref().ok_or_else(gone)?;
        line.send(Box::new(waiting)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

fn write_all(storage: &Mutex<Storage>, log: &mut Log, shared: &AtomicBool, come: &Receiver<Box<dyn Write>>) {
    while let Ok(first) = come.recv() {
        let mut writes = vec![first];
        writes.extend(come.try_iter().take(TOGETHER - 1));
        let ended = {
            let storage = storage.lock().unwrap_or_else(PoisonError::into_inner);
            match writes.as_mut_slice() {
                [alone] => write_alone(&storage, alone.as_mut()),
                several => write_together(&storage, shared, several),
            }
        };
        let lost = ended.err().map(|error| error.to_string());
        for write in writes {
            write.answer(lost.as_deref());
        }
        log.look_after(storage.lock().unwrap_or_else(PoisonError::into_inner).conn());
    }
}

/// Lets the engine begin and commit by itself, which for one write costs less.
fn write_alone(storage: &Storage, write: &mut dyn Write) -> rusqlite::Result<()> {
    run(storage, write);
    if storage.conn().is_autocommit() { Ok(()) } else { step(storage.conn(), "ROLLBACK") }
}

/// A write that panics is none, and must not end the thread.
fn run(storage: &Storage, write: &mut dyn Write) -> bool {
    catch_unwind(AssertUnwindSafe(|| write.run(storage))).unwrap_or(false)
}

fn write_together(storage: &Storage, shared: &AtomicBool, writes: &mut [Box<dyn Write>]) -> rusqlite::Result<()> {
    let connection = storage.conn();
    step(connection, "BEGIN IMMEDIATE")?;
    let written = writes.iter_mut().try_for_each(|write| {
        step(connection, "SAVEPOINT one")?;
        shared.store(true, Ordering::Relaxed);
        let stays = run(storage, write.as_mut());
        shared.store(false, Ordering::Relaxed);
        if !stays {
            step(connection, "ROLLBACK TO one")?;
        }
        // A disk that is full may have undone everything: then this part is not there any more, and says so.
        step(connection, "RELEASE one")
    });
    let committed = written.and_then(|()| step(connection, "COMMIT"));
    if committed.is_err() && !connection.is_autocommit() {
        step(connection, "ROLLBACK")?;
    }
    committed
}

fn step(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(statement)?.execute([]).map(drop)
}
