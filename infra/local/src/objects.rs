//! Object storage on one machine: files in a folder or in memory, behind links of this host that are signed like S3's.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode, header};
use huitou::clock::{Clock as _, SystemClock};
use huitou::domain::attachment::{FIRST_BYTES, Media};
use huitou::objects::{Beginning, LINK_LIFE, Link, Objects};
use huitou::table::Trouble;
use huitou::trust::cursor::CursorKey;
use huitou::values::Moment;
use serde::{Deserialize, Serialize};

use crate::rights;
use crate::template::Right;

/// What the template calls the files of the bucket.
const BUCKET: &str = "Attachments/*";
const UPLOADS: &str = "local-uploads";
const DOWNLOADS: &str = "local-downloads";
/// Where files lie that no message has named yet, and how long.
const UPLOADED: &str = "uploads/";
const UPLOADS_LAST: Duration = Duration::from_hours(24);
/// The largest file.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Where functions in processes of their own reach the files as if they were S3's.
pub const S3_PATH: &str = "/dev/s3";

/// What a link allows.
#[derive(Serialize, Deserialize)]
struct Grant {
    key: String,
    until: Moment,
    /// Of an upload: the type and the size that it must have.
    file: Option<(Media, u32)>,
}

/// Files on this machine.
#[derive(Clone, Debug)]
pub struct LocalObjects {
    url: String,
    signs: CursorKey,
    kept: Kept,
    /// Files that were begun to be written.
    growing: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
enum Kept {
    Folder(PathBuf),
    /// By key, with the time from which they lie there.
    Memory(Arc<Mutex<BTreeMap<String, (Moment, Bytes)>>>),
}

impl LocalObjects {
    /// Files in a folder, or in memory, reached at this host's own address.
    #[must_use]
    pub fn new(folder: Option<PathBuf>, url: &str, secret: [u8; 32]) -> Self {
        let kept = folder.map_or_else(|| Kept::Memory(Arc::default()), Kept::Folder);
        Self { url: url.to_owned(), signs: CursorKey::new(secret), kept, growing: Arc::default() }
    }

    /// The routes that links lead to.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/dev/objects/{grant}", get(fetch).put(store))
            .layer(DefaultBodyLimit::max(MOST_BYTES))
            .with_state(self.clone())
    }

    /// The routes that S3's links lead to. What is signed by them is not checked: whoever reaches this is on this
    /// machine.
    pub fn s3_router(&self) -> Router {
        Router::new()
            .route(&format!("{S3_PATH}/{{*key}}"), get(s3_fetch).put(s3_store).delete(s3_remove))
            .layer(DefaultBodyLimit::max(MOST_BYTES))
            .with_state(self.clone())
    }

    fn link(&self, list: &str, key: &str, file: Option<(Media, u32)>, now: Moment) -> Result<Link, Trouble> {
        let grant = Grant { key: key.to_owned(), until: now.plus(LINK_LIFE), file };
        let sealed = self.signs.seal(list, "", &grant).map_err(|error| Trouble::Defect(error.to_string()))?;
        Ok(Link { url: format!("{}/dev/objects/{sealed}", self.url), expires_at: grant.until })
    }

    fn grant(&self, list: &str, text: &str) -> Option<Grant> {
        let grant = self.signs.open::<Grant>(list, "", text).ok()?;
        Some(grant).filter(|grant| SystemClock.wall() < grant.until)
    }

    /// False when a file lies there already.
    fn write(&self, key: &str, body: Bytes) -> io::Result<bool> {
        match &self.kept {
            Kept::Memory(files) => {
                let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
                let free = !files.contains_key(key);
                files.entry(key.to_owned()).or_insert((SystemClock.wall(), body));
                Ok(free)
            }
            Kept::Folder(folder) => {
                // Complete or not there: a file takes its name when it is whole, and a name is taken once.
                // By a name of its own, so that two who write the same file don't write into each other's.
                let number = self.growing.fetch_add(1, Ordering::Relaxed);
                let growing = folder.join(format!("{key}.{}-{number}.part", std::process::id()));
                let path = folder.join(key);
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                fs::write(&growing, body)?;
                let linked = fs::hard_link(&growing, path);
                fs::remove_file(growing)?;
                match linked {
                    Ok(()) => Ok(true),
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                    Err(error) => Err(error),
                }
            }
        }
    }

    fn read(&self, key: &str) -> io::Result<Option<Bytes>> {
        match &self.kept {
            Kept::Memory(files) => {
                Ok(files.lock().unwrap_or_else(PoisonError::into_inner).get(key).map(|(_, file)| file.clone()))
            }
            Kept::Folder(folder) => match fs::read(folder.join(key)) {
                Ok(bytes) => Ok(Some(bytes.into())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// False when there is nothing to copy.
    fn copy_file(&self, from: &str, to: &str) -> io::Result<bool> {
        match self.read(from)? {
            // What lies there is the same: an upload is never exchanged.
            Some(file) => self.write(to, file).map(|_| true),
            None => Ok(false),
        }
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        match &self.kept {
            Kept::Memory(files) => {
                files.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
                Ok(())
            }
            Kept::Folder(folder) => match fs::remove_file(folder.join(key)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        }
    }

    /// Removes uploads of a day ago that no message has named, as the bucket's rule does.
    fn sweep(&self, now: Moment) -> io::Result<()> {
        let until = now.minus(UPLOADS_LAST);
        match &self.kept {
            Kept::Memory(files) => {
                let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
                files.retain(|key, (since, _)| !key.starts_with(UPLOADED) || *since >= until);
            }
            Kept::Folder(folder) => {
                let until = UNIX_EPOCH + Duration::from_secs(u64::try_from(until.seconds()).unwrap_or(0));
                for member in entries(&folder.join(UPLOADED))? {
                    for file in entries(&member)? {
                        if fs::metadata(&file)?.modified()? < until {
                            fs::remove_file(file)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// What lies in a folder; nothing when there is none.
fn entries(folder: &std::path::Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

impl Objects for LocalObjects {
    fn upload(&self, key: &str, media: Media, bytes: u32, now: Moment) -> Result<Link, Trouble> {
        // Who signs a link must be allowed what the link allows.
        may("s3:PutObject")?;
        self.link(UPLOADS, key, Some((media, bytes)), now)
    }

    fn download(&self, key: &str, now: Moment) -> Result<Link, Trouble> {
        may("s3:GetObject")?;
        self.link(DOWNLOADS, key, None, now)
    }

    fn beginning<'a>(&'a self, key: &'a str, _: Moment) -> BoxFuture<'a, Result<Option<Beginning>, Trouble>> {
        let may = may("s3:GetObject");
        let read = may.and_then(|()| self.read(key).map_err(|error| Trouble::Unavailable(error.to_string())));
        let beginning = |file: Bytes| Beginning {
            bytes: u64::try_from(file.len()).unwrap_or(u64::MAX),
            first: file.iter().copied().take(FIRST_BYTES).collect(),
        };
        Box::pin(async move { Ok(read?.map(beginning)) })
    }

    fn copy<'a>(&'a self, from: &'a str, to: &'a str, _: Moment) -> BoxFuture<'a, Result<bool, Trouble>> {
        let may = may("s3:GetObject").and_then(|()| may("s3:PutObject"));
        let copy = || self.copy_file(from, to).map_err(|error| Trouble::Unavailable(error.to_string()));
        let copied = may.and_then(|()| copy());
        Box::pin(async move { copied })
    }

    fn delete<'a>(&'a self, key: &'a str, _: Moment) -> BoxFuture<'a, Result<(), Trouble>> {
        let may = may("s3:DeleteObject");
        let delete = || self.remove(key).map_err(|error| Trouble::Unavailable(error.to_string()));
        let deleted = may.and_then(|()| delete());
        Box::pin(async move { deleted })
    }
}

fn may(action: &str) -> Result<(), Trouble> {
    rights::check([Right::new(action, BUCKET)]).map_err(|denied| Trouble::Defect(denied.to_string()))
}

/// Takes a file of exactly the type and size that the link was given for, once.
async fn store(
    State(objects): State<LocalObjects>,
    Path(grant): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(Grant { key, file: Some((media, bytes)), .. }) = objects.grant(UPLOADS, &grant) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let sent = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let once = headers.get(header::IF_NONE_MATCH).is_some_and(|value| value == "*");
    if !once || sent != Some(media.as_str()) || u32::try_from(body.len()) != Ok(bytes) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let stored = move || {
        objects.sweep(SystemClock.wall())?;
        objects.write(&key, body)
    };
    match tokio::task::spawn_blocking(stored).await {
        Ok(Ok(true)) => StatusCode::OK.into_response(),
        Ok(Ok(false)) => StatusCode::PRECONDITION_FAILED.into_response(),
        failed => {
            tracing::error!(?failed, "a file was not stored");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// Gives a file to be saved, never to be shown by a browser as a page of this host.
async fn fetch(State(objects): State<LocalObjects>, Path(grant): Path<String>) -> Response {
    let Some(Grant { key, .. }) = objects.grant(DOWNLOADS, &grant) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    match tokio::task::spawn_blocking(move || objects.read(&key)).await {
        Ok(Ok(Some(file))) => {
            let headers =
                [(header::CONTENT_TYPE, "application/octet-stream"), (header::CONTENT_DISPOSITION, "attachment")];
            (headers, file).into_response()
        }
        Ok(Ok(None)) => StatusCode::NOT_FOUND.into_response(),
        failed => {
            tracing::error!(?failed, "a file was not read");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// A file, or its beginning.
async fn s3_fetch(State(objects): State<LocalObjects>, Path(key): Path<String>, headers: HeaderMap) -> Response {
    let file = match tokio::task::spawn_blocking(move || objects.read(&key)).await {
        Ok(Ok(Some(file))) => file,
        Ok(Ok(None)) => return StatusCode::NOT_FOUND.into_response(),
        failed => {
            tracing::error!(?failed, "a file was not read");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let last = range.and_then(|range| range.strip_prefix("bytes=0-")?.parse::<usize>().ok());
    let Some(last) = last.filter(|_| !file.is_empty()) else { return file.into_response() };
    let part = file.slice(..file.len().min(last.saturating_add(1)));
    let range = format!("bytes 0-{}/{}", part.len() - 1, file.len());
    (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, range)], part).into_response()
}

async fn s3_remove(State(objects): State<LocalObjects>, Path(key): Path<String>) -> Response {
    match tokio::task::spawn_blocking(move || objects.remove(&key)).await {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        failed => {
            tracing::error!(?failed, "a file was not removed");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// Takes a file once, or copies one.
async fn s3_store(
    State(objects): State<LocalObjects>,
    Path(key): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let source = headers.get("x-amz-copy-source").and_then(|source| source.to_str().ok());
    let source = source.and_then(|source| Some(source.split_once(S3_PATH)?.1.trim_start_matches('/').to_owned()));
    let stored = move || match source {
        Some(source) => objects.copy_file(&source, &key).map(|there| (there, StatusCode::NOT_FOUND)),
        None => objects.write(&key, body).map(|free| (free, StatusCode::PRECONDITION_FAILED)),
    };
    match tokio::task::spawn_blocking(stored).await {
        Ok(Ok((true, _))) => StatusCode::OK.into_response(),
        Ok(Ok((false, otherwise))) => otherwise.into_response(),
        failed => {
            tracing::error!(?failed, "a file was not stored");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what_is_never_attached_goes(objects: &LocalObjects) {
        let now = SystemClock.wall();
        for key in ["uploads/m/kept", "uploads/m/lost"] {
            assert!(objects.write(key, Bytes::from_static(b"file")).unwrap());
        }
        for _ in 0..2 {
            assert!(objects.copy_file("uploads/m/kept", "m/kept").unwrap());
        }
        objects.sweep(now.plus(Duration::from_hours(23))).unwrap();
        assert!(objects.read("uploads/m/lost").unwrap().is_some());
        objects.sweep(now.plus(Duration::from_hours(25))).unwrap();
        assert_eq!(objects.read("uploads/m/lost").unwrap(), None);
        assert_eq!(objects.read("m/kept").unwrap(), Some(Bytes::from_static(b"file")));
        assert!(!objects.copy_file("uploads/m/lost", "m/lost").unwrap());
    }

    #[test]
    fn of_many_who_write_one_file_at_once_one_does_and_it_is_whole() {
        let folder = std::env::temp_dir().join(format!("huitou-objects-race-{}", std::process::id()));
        let objects = LocalObjects::new(Some(folder.clone()), "http://127.0.0.1:9", [7; 32]);
        for round in 0..20 {
            let key = format!("uploads/m/{round}");
            let written: Vec<(u8, io::Result<bool>)> = std::thread::scope(|scope| {
                let write = |writer: u8| {
                    let (objects, key) = (&objects, &key);
                    scope.spawn(move || (writer, objects.write(key, Bytes::from(vec![writer; 100_000]))))
                };
                let writers: Vec<_> = (0..4).map(write).collect();
                writers.into_iter().map(|writer| writer.join().unwrap()).collect()
            });
            let winners: Vec<u8> =
                written.iter().filter(|(_, done)| *done.as_ref().unwrap()).map(|(w, _)| *w).collect();
            let [winner] = winners.as_slice() else { panic!("{written:?}") };
            assert_eq!(objects.read(&key).unwrap().unwrap(), vec![*winner; 100_000]);
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_upload_that_no_message_names_is_gone_after_a_day_and_what_one_names_stays() {
        what_is_never_attached_goes(&LocalObjects::new(None, "http://127.0.0.1:9", [7; 32]));
        let folder = std::env::temp_dir().join(format!("huitou-objects-{}", std::process::id()));
        what_is_never_attached_goes(&LocalObjects::new(Some(folder.clone()), "http://127.0.0.1:9", [7; 32]));
        fs::remove_dir_all(folder).unwrap();
    }
}
