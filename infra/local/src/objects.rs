//! Object storage on one machine: files in a folder or in memory, behind links of this host that are signed like S3's.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

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
/// The largest file.
const MOST_BYTES: usize = 16 * 1024 * 1024;

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
}

#[derive(Clone, Debug)]
enum Kept {
    Folder(PathBuf),
    Memory(Arc<Mutex<BTreeMap<String, Bytes>>>),
}

impl LocalObjects {
    /// Files in a folder, or in memory, reached at this host's own address.
    #[must_use]
    pub fn new(folder: Option<PathBuf>, url: &str, secret: [u8; 32]) -> Self {
        let kept = folder.map_or_else(|| Kept::Memory(Arc::default()), Kept::Folder);
        Self { url: url.to_owned(), signs: CursorKey::new(secret), kept }
    }

    /// The routes that links lead to.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/dev/objects/{grant}", get(fetch).put(store))
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
                files.entry(key.to_owned()).or_insert(body);
                Ok(free)
            }
            Kept::Folder(folder) => {
                // Complete or not there: a file takes its name when it is whole, and a name is taken once.
                let (path, growing) = (folder.join(key), folder.join(format!("{key}.part")));
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
            Kept::Memory(files) => Ok(files.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()),
            Kept::Folder(folder) => match fs::read(folder.join(key)) {
                Ok(bytes) => Ok(Some(bytes.into())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            },
        }
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
    match tokio::task::spawn_blocking(move || objects.write(&key, body)).await {
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
