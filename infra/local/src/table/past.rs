//! A connection of our own to the engine's database, for what the engine can't be asked to do.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rusqlite::Connection;

use crate::data_dir::DataError;

/// The way past the engine. Clones share it.
#[derive(Clone)]
pub(super) struct Past {
    connection: Arc<Mutex<Connection>>,
    /// Held by everything that uses the engine, and alone by what goes past it: two connections that wrote at once
    /// would have to wait for each other by chance.
    engine: Arc<RwLock<()>>,
}

impl fmt::Debug for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Past").finish_non_exhaustive()
    }
}

impl Past {
    /// To the database of this name, once the engine has made it.
    pub(super) fn open(name: &str) -> Result<Self, DataError> {
        let open = || {
            let connection = Connection::open(name)?;
            connection.busy_timeout(Duration::from_secs(5))?;
            Ok::<_, rusqlite::Error>(connection)
        };
        let connection = open().map_err(|e| DataError::engine("table", &e))?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), engine: Arc::new(RwLock::new(())) })
    }

    /// Uses the engine.
    pub(super) fn beside<T>(&self, run: impl FnOnce() -> T) -> T {
        let _beside = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        run()
    }

    /// Goes past the engine, while nobody uses it.
    pub(super) fn alone<T>(&self, run: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let _alone = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        run(&connection)
    }
}
