//! The master key in a file, for a machine that has no key service.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{MasterKey, MemberKey, SealError, decrypt, encrypt};
use crate::digest::hex;
use crate::entropy::{self, Entropy};
use crate::values::MemberId;

const LENGTH: usize = 32;

/// Wraps members' keys with AES-256-GCM under a key from a file of 32 bytes, bound to the member's id.
///
/// Whoever can read the file and the data can read everything: it is for the local host and for tests. Costs no
/// call to anybody.
#[derive(Clone)]
pub struct FileMasterKey {
    key: [u8; LENGTH],
    entropy: Arc<dyn Entropy>,
}

/// Why a key file is not taken. Every text says how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Others than the owner may read or write the file.
    #[error("the key file {path} is open to others than its owner: run `chmod 600 {path}`", path = .0.display())]
    TooOpen(PathBuf),
    /// The file doesn't hold a key.
    #[error(
        "the key file {} does not hold exactly {LENGTH} bytes: restore it from a backup, \
         or delete it together with the data that it sealed", .0.display()
    )]
    WrongLength(PathBuf),
    /// The file could be neither read nor made.
    #[error("the key file {} can't be read or made ({source}): name a path that can be written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FileMasterKey {
    /// A master key from its bytes, kept nowhere: for data that is kept nowhere either.
    #[must_use]
    pub fn from_bytes(key: [u8; LENGTH], entropy: Arc<dyn Entropy>) -> Self {
        Self { key, entropy }
    }

    /// Reads the key from a file, or makes the file with a new key that only its owner may read.
    ///
    /// Of several processes that start at once one makes the key and all take it; a process that is killed on the
    /// way leaves no half a key. Blocks for the disk: call it at start-up.
    pub fn open_or_create(path: &Path, entropy: Arc<dyn Entropy>) -> Result<Self, KeyFileError> {
        let io = |source| KeyFileError::Io { path: path.to_owned(), source };
        if !path.try_exists().map_err(io)? {
            create(path, entropy.as_ref()).map_err(io)?;
        }
        let key = read(path)?;
        Ok(Self { key, entropy })
    }
}

fn read(path: &Path) -> Result<[u8; LENGTH], KeyFileError> {
    let io = |source| KeyFileError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    if is_open_to_others(&file).map_err(io)? {
        return Err(KeyFileError::TooOpen(path.to_owned()));
    }
    let mut bytes = Vec::with_capacity(LENGTH + 1);
    file.take(LENGTH as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
    bytes.try_into().map_err(|_| KeyFileError::WrongLength(path.to_owned()))
}

/// Writes a new key beside the path and links it there: the link appears whole or not at all, and never over an
/// older key.
fn create(path: &Path, entropy: &dyn Entropy) -> io::Result<()> {
    let key: [u8; LENGTH] = entropy::bytes(entropy);
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", hex(&entropy::bytes::<8>(entropy))));
    let draft = PathBuf::from(draft);
    let linked = write_draft(&draft, &key).and_then(|()| fs::hard_link(&draft, path));
    let removed = fs::remove_file(&draft);
    match linked {
        // Another process was faster; its key is the key.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => removed,
        linked => linked.and(removed).and_then(|()| sync_folder(path)),
    }
}

/// Data that is sealed from now on must not outlive the file's name when the power fails.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Elsewhere a folder can't be opened to be synced.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

fn write_draft(draft: &Path, key: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(draft)?;
    file.write_all(key)?;
    file.sync_all()
}

#[cfg(unix)]
fn is_open_to_others(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

/// Elsewhere a file inherits who may read it from its folder, and there is no mode to check.
#[cfg(not(unix))]
fn is_open_to_others(_: &File) -> io::Result<bool> {
    Ok(false)
}

impl MasterKey for FileMasterKey {
    fn wrap<'a>(&'a self, member: MemberId, key: &'a MemberKey) -> BoxFuture<'a, Result<Vec<u8>, SealError>> {
        let nonce = entropy::bytes(self.entropy.as_ref());
        let wrapped = encrypt(&self.key, member.to_string().as_bytes(), key.bytes(), nonce);
        Box::pin(std::future::ready(wrapped))
    }

    fn unwrap<'a>(&'a self, member: MemberId, wrapped: &'a [u8]) -> BoxFuture<'a, Result<MemberKey, SealError>> {
        let key = decrypt(&self.key, member.to_string().as_bytes(), wrapped)
            .and_then(|plain| plain.try_into().map_err(|_| SealError::Malformed))
            .map(MemberKey::from_bytes);
        Box::pin(std::future::ready(key))
    }
}

/// The key never shows.
impl fmt::Debug for FileMasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileMasterKey")
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::entropy::{SeededEntropy, SystemEntropy};

    /// A folder that is gone after the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let name = format!("huitou-{}", hex(&entropy::bytes::<8>(&SystemEntropy)));
            let folder = std::env::temp_dir().join(name);
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }

        fn key_file(&self) -> PathBuf {
            self.0.join("master.key")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn open(path: &Path) -> Result<FileMasterKey, KeyFileError> {
        FileMasterKey::open_or_create(path, Arc::new(SystemEntropy))
    }

    fn member(seed: u8) -> MemberId {
        MemberId::from_random([seed; 16])
    }

    #[tokio::test]
    async fn a_key_that_was_wrapped_before_a_restart_unwraps_after_it() {
        let folder = Folder::new();
        let key = MemberKey::random(&SeededEntropy::new(1));
        let wrapped = open(&folder.key_file()).unwrap().wrap(member(1), &key).await.unwrap();
        let again = open(&folder.key_file()).unwrap().unwrap(member(1), &wrapped).await.unwrap();
        assert_eq!(again.bytes(), key.bytes());
    }

    #[tokio::test]
    async fn a_wrapped_key_is_bound_to_its_member_and_its_master() {
        let master = FileMasterKey::from_bytes([1; 32], Arc::new(SystemEntropy));
        let wrapped = master.wrap(member(1), &MemberKey::from_bytes([5; 32])).await.unwrap();
        assert_eq!(master.unwrap(member(2), &wrapped).await.unwrap_err(), SealError::Unsealable);
        let other = FileMasterKey::from_bytes([2; 32], Arc::new(SystemEntropy));
        assert_eq!(other.unwrap(member(1), &wrapped).await.unwrap_err(), SealError::Unsealable);
        assert_eq!(master.unwrap(member(1), b"").await.unwrap_err(), SealError::Malformed);
    }

    #[test]
    fn the_file_is_made_for_its_owner_alone_and_nothing_is_left_beside_it() {
        let folder = Folder::new();
        open(&folder.key_file()).unwrap();
        let made = fs::metadata(folder.key_file()).unwrap();
        assert_eq!((made.permissions().mode() & 0o777, made.len()), (0o600, 32));
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    }

    #[test]
    fn processes_that_start_at_once_take_one_key() {
        let folder = Folder::new();
        let keys: Vec<[u8; 32]> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&folder.key_file()).unwrap().key)).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(keys.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_with_the_command_that_mends_it() {
        let folder = Folder::new();
        let path = folder.key_file();
        open(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let text = open(&path).unwrap_err().to_string();
        assert!(text.ends_with(&format!("run `chmod 600 {}`", path.display())), "{text}");
    }

    #[test]
    fn a_file_of_another_length_is_refused_and_left_as_it_is() {
        for length in [0, 31, 33] {
            let folder = Folder::new();
            let path = folder.key_file();
            fs::write(&path, vec![1; length]).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(open(&path).unwrap_err(), KeyFileError::WrongLength(_)), "{length}");
            assert_eq!(fs::metadata(&path).unwrap().len(), length as u64);
        }
    }

    #[test]
    fn a_path_that_can_not_be_written_is_named() {
        let text = open(Path::new("/nowhere/at/all/master.key")).unwrap_err().to_string();
        assert!(text.contains("/nowhere/at/all/master.key"), "{text}");
    }
}
