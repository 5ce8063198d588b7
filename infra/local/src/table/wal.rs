//! The way of the log back into the database: a thread of its own copies it while others write.
//!
//! SQLite would have the write that fills the log copy all of it, and in a database of gigabytes everybody waits
//! meanwhile for thousands of pages that lie far from each other. So the thread copies what is there when the log has
//! grown long enough; then the writer copies what was written since, which is little, and the next write begins the
//! log anew (SQLite, "Write-Ahead Logging", 2.1 and 3.1).

use std::cell::Cell;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use rusqlite::hooks::Wal;

/// Pages of a log that is copied: 32 MB. A page that many writes change is copied once for all of them.
pub(super) const ENOUGH: usize = 8_000;

/// Pages of a log that whoever commits copies, whatever else is under way.
const FAR_TOO_MANY: usize = 16 * ENOUGH;

thread_local! {
    /// Pages of the log after this thread's last commit.
    static LOGGED: Cell<usize> = const { Cell::new(0) };
}

/// Copies the log of one database, whenever the thread that writes says that it has committed.
pub(super) struct Log {
    enough: usize,
    /// None when the thread is to end.
    due: Option<SyncSender<()>>,
    copied: Receiver<()>,
    under_way: bool,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Log {
    fn drop(&mut self) {
        self.due = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Log {
    /// Starts the thread beside this connection, which writes; it copies a log of so many pages.
    pub(super) fn start(writes: &Connection, file: &Path, enough: usize) -> std::io::Result<Self> {
        let copies = Connection::open(file).map_err(std::io::Error::other)?;
        writes.wal_hook(Some(|log, pages| {
            committed(log, pages);
            Ok(())
        }));
        let (due, wanted) = sync_channel(1);
        let (done, copied) = channel();
        let copying = move || {
            while wanted.recv().is_ok() {
                copy(&copies);
                // Much has come meanwhile; the second time little does, and that is left to the writer.
                copy(&copies);
                if done.send(()).is_err() {
                    break;
                }
            }
        };
        let thread = thread::Builder::new().name("table-log".to_owned()).spawn(copying)?;
        Ok(Self { enough, due: Some(due), copied, under_way: false, thread: Some(thread) })
    }

    /// To be called by the thread that writes, after each commit.
    pub(super) fn look_after(&mut self, writes: &Connection) {
        if !self.under_way {
            let begins = LOGGED.get() >= self.enough;
            self.under_way = begins && self.due.as_ref().is_some_and(|due| due.try_send(()).is_ok());
        } else if self.copied.try_recv().is_ok() {
            self.finish(writes);
        }
    }

    /// Copies what was written meanwhile, while nobody writes: only a log that is copied whole is begun anew.
    fn finish(&mut self, writes: &Connection) {
        self.under_way = false;
        copy(writes);
    }
}

fn committed(log: &Wal, pages: i32) {
    let pages = usize::try_from(pages).unwrap_or(0);
    LOGGED.set(pages);
    if pages >= FAR_TOO_MANY {
        // What is committed is, whether or not its log was copied.
        let _ = log.checkpoint();
    }
}

/// Copies what is committed, and waits for nobody. A log that can't be copied stays, and is copied with what comes.
fn copy(connection: &Connection) {
    let copied = connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)");
    let _ = copied.and_then(|mut copied| copied.query_row([], |_| Ok(())));
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::data_dir::tests::scratch;

    const SMALL: usize = 20;
    const PAGE: usize = 4_096;

    /// A database of rows of a page, with a log that is copied early.
    struct House {
        file: PathBuf,
        writes: Connection,
        log: Log,
    }

    impl House {
        fn open(name: &str) -> Self {
            let file = scratch(name).join("a.sqlite");
            let writes = Connection::open(&file).unwrap();
            let schema = "PRAGMA journal_mode = WAL; CREATE TABLE row (text BLOB)";
            writes.execute_batch(schema).unwrap();
            let log = Log::start(&writes, &file, SMALL).unwrap();
            Self { file, writes, log }
        }

        fn insert(&self) {
            self.writes.execute("INSERT INTO row VALUES (zeroblob(?))", [PAGE]).unwrap();
        }

        /// Writes rows, and after each lets whatever is under way come to its end.
        fn write(&mut self, rows: usize) {
            for _ in 0..rows {
                self.insert();
                self.log.look_after(&self.writes);
                while self.log.under_way {
                    thread::yield_now();
                    self.log.look_after(&self.writes);
                }
            }
        }
    }

    fn pages(file: &Path) -> usize {
        usize::try_from(std::fs::metadata(file).unwrap().len()).unwrap() / PAGE
    }

    fn rows(connection: &Connection) -> usize {
        connection.query_row("SELECT count(*) FROM row", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_log_is_copied_beside_its_writer_and_begun_anew() {
        let mut house = House::open("log");
        house.write(50 * SMALL);
        assert!(pages(&house.file.with_file_name("a.sqlite-wal")) < 2 * SMALL);
        assert!(pages(&house.file) > 49 * SMALL);
    }

    #[test]
    fn what_is_written_while_the_log_is_copied_is_copied_by_its_writer() {
        let mut house = House::open("log-rest");
        house.insert();
        // Whoever reads keeps the thread from copying all, as a write does that comes meanwhile.
        let reader = Connection::open(&house.file).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(rows(&reader), 1);
        while !house.log.under_way {
            house.insert();
            house.log.look_after(&house.writes);
        }
        house.log.copied.recv().unwrap();
        reader.execute_batch("COMMIT").unwrap();
        house.insert();
        house.log.finish(&house.writes);
        house.insert();
        assert!(LOGGED.get() < SMALL / 2, "the log is begun anew");
    }

    #[test]
    fn a_reader_who_stays_holds_up_no_writer_and_the_log_only_as_long() {
        let mut house = House::open("log-read");
        house.write(1);
        let reader = Connection::open(&house.file).unwrap();
        reader.execute_batch("BEGIN").unwrap();
        assert_eq!(rows(&reader), 1);
        house.write(5 * SMALL);
        assert!(LOGGED.get() > 5 * SMALL);
        assert_eq!(rows(&reader), 1, "what was there when the reader began");
        reader.execute_batch("COMMIT").unwrap();
        house.write(SMALL);
        assert!(LOGGED.get() < 2 * SMALL);
        assert_eq!(rows(&reader), 1 + 6 * SMALL);
    }
}
