//! The directory that keeps the data: opened by one host at a time, and checked before it is trusted.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

/// A data directory that this process holds alone, until it is dropped or the process ends in any way.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why data could not be opened, as one sentence that says how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataError(String);

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DataError {}

impl DataError {
    fn not_writable(path: &Path, cause: &std::io::Error) -> Self {
        let path = path.display();
        Self(format!("The data directory {path} can't be written ({cause}): choose another with --data, or --memory."))
    }

    /// For a file that is there but can't be used.
    pub(crate) fn damaged(path: &Path, cause: &dyn fmt::Display) -> Self {
        let path = path.display();
        Self(format!("The file {path} is damaged ({cause}): put back a copy, or delete it to start empty."))
    }

    /// For an engine that does not start at all.
    pub(crate) fn engine(what: &str, cause: &dyn fmt::Display) -> Self {
        Self(format!("The {what} did not start ({cause}): try another directory with --data, or --memory."))
    }

    /// Something of the host's own failed while it was running.
    pub(crate) fn running(what: &str, cause: &dyn fmt::Display) -> Self {
        Self(format!("The {what} failed ({cause})."))
    }
}

impl DataDir {
    /// Creates the directory if it is missing, and locks it.
    ///
    /// The lock is the operating system's, so what a killed process leaves behind blocks nobody.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let not_writable = |e: std::io::Error| DataError::not_writable(path, &e);
        fs::create_dir_all(path).map_err(not_writable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path.join("lock"))
            .map_err(not_writable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataError(format!(
                "The data directory {} is in use by another local host: stop it, or choose another with --data.",
                path.display()
            ))),
            Err(TryLockError::Error(e)) => Err(not_writable(e)),
        }
    }

    /// A file inside the directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// The secret by which this directory's host signs its tokens, made at the first call.
///
/// It is a file of its own that needs no lock, so that tokens can be made while the host runs.
pub fn secret(directory: &Path) -> Result<[u8; 32], DataError> {
    fs::create_dir_all(directory).map_err(|e| DataError::not_writable(directory, &e))?;
    let path = directory.join("secret");
    match private_file(&path) {
        Ok(mut file) => {
            let made = random_secret()?;
            file.write_all(&made).and_then(|()| file.sync_all()).map_err(|e| DataError::not_writable(directory, &e))?;
            Ok(made)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let bytes = fs::read(&path).map_err(|e| DataError::not_writable(directory, &e))?;
            bytes.try_into().map_err(|_| DataError::damaged(&path, &"it does not hold 32 bytes"))
        }
        Err(error) => Err(DataError::not_writable(directory, &error)),
    }
}

/// A secret that nobody keeps, for a host in memory.
pub fn random_secret() -> Result<[u8; 32], DataError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| DataError::engine("source of random bytes", &e))?;
    Ok(bytes)
}

fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Reads every page of a SQLite file, so that a damaged one is found before the first request and not by it.
///
/// A file that does not exist yet is fine. Costs about a second for a gigabyte.
pub(crate) fn check_sqlite(path: &Path) -> Result<(), DataError> {
    if !path.exists() {
        return Ok(());
    }
    let damaged = |e: rusqlite::Error| match e.sqlite_error_code() {
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            DataError(format!("The file {} can't be opened ({e}): check who owns it.", path.display()))
        }
        _ => DataError::damaged(path, &e),
    };
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(damaged)?;
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(damaged)?;
    if verdict == "ok" { Ok(()) } else { Err(DataError::damaged(path, &verdict)) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A directory of its own under the build's temporary directory, empty at the start of every test.
    pub(crate) fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("huitou-local-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn two_hosts_do_not_open_one_directory() {
        let path = scratch("two-hosts");
        let first = DataDir::open(&path).unwrap();
        let refusal = DataDir::open(&path).unwrap_err().to_string();
        assert!(refusal.contains("in use by another local host"), "{refusal}");
        drop(first);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn a_lock_file_that_was_left_behind_blocks_nobody() {
        let path = scratch("stale-lock");
        fs::write(path.join("lock"), "4711").unwrap();
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn a_directory_keeps_its_secret() {
        let path = scratch("secret");
        let first = secret(&path).unwrap();
        assert_eq!(secret(&path).unwrap(), first);
        assert_ne!(secret(&scratch("other-secret")).unwrap(), first);
        fs::write(path.join("secret"), "short").unwrap();
        assert!(secret(&path).unwrap_err().to_string().contains("is damaged"));
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_said_in_a_sentence() {
        let path = scratch("not-writable");
        fs::write(path.join("file"), "").unwrap();
        let refusal = DataDir::open(&path.join("file").join("below")).unwrap_err().to_string();
        assert!(refusal.contains("can't be written") && refusal.contains("--data"), "{refusal}");
    }
}
