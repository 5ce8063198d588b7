//! Settings of the service desk: which version counts, and saving a new one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::Error;
use crate::domain::desk::{Desk, DeskVersion};
use crate::table::{Outcome, StoredVersion};
use crate::values::{Actor, LocalDay, Moment};

const SUBJECT: &str = "desk";

#[derive(Serialize, Deserialize)]
struct Stored {
    saved_at: Moment,
    by: Actor,
    desk: Desk,
}

/// Settings of the service desk.
#[derive(Clone, Copy, Debug)]
pub struct Desks<'a>(pub(crate) &'a App);

impl App {
    /// Settings of the service desk.
    #[must_use]
    pub const fn desks(&self) -> Desks<'_> {
        Desks(self)
    }
}

impl Desks<'_> {
    /// The version that counts: always the newest. No call while it is fresh, one otherwise.
    pub async fn current(&self) -> Result<Arc<DeskVersion>, Error> {
        if let Some(version) = self.0.kept_desk().get(self.0.wall(), self.0.parts().settings_fresh_for) {
            return Ok(version);
        }
        self.newest().await
    }

    /// The newest version, whatever was read before. One call.
    pub async fn newest(&self) -> Result<Arc<DeskVersion>, Error> {
        let version = match self.0.table().newest_version(SUBJECT).await? {
            None => self.shipped()?,
            Some(stored) => {
                let Stored { saved_at, by, desk } = serde_json::from_str(&stored.text)?;
                DeskVersion { version: stored.version, saved_at, by, desk }
            }
        };
        let version = Arc::new(version);
        self.0.kept_desk().put(self.0.wall(), &version);
        Ok(version)
    }

    /// Saves new settings as the next version, provided that `seen` is still the newest. Two calls.
    ///
    /// Clocks that run keep the deadlines they have until something happens to their ticket.
    pub async fn save(&self, desk: Desk, seen: u32, by: Actor) -> Result<DeskVersion, Error> {
        let flaws = desk.flaws();
        if !flaws.is_empty() {
            return Err(Error::Flawed(flaws));
        }
        if self.newest().await?.version != seen {
            return Err(Error::VersionMoved);
        }
        let version = DeskVersion { version: seen + 1, saved_at: self.0.now(), by, desk };
        let outcome = self.0.table().transaction().version(&stored(&version)?)?.commit().await?;
        self.0.kept_desk().forget();
        match outcome {
            Outcome::Done => Ok(version),
            Outcome::Lost(_) => Err(Error::VersionMoved),
        }
    }

    /// The version that counts before anybody has saved one.
    fn shipped(self) -> Result<DeskVersion, Error> {
        Ok(DeskVersion {
            version: 1,
            saved_at: Moment::start_of(LocalDay::FIRST),
            by: self.0.own_name(),
            desk: Desk::shipped()?,
        })
    }
}

fn stored(version: &DeskVersion) -> Result<StoredVersion, Error> {
    let stored = Stored { saved_at: version.saved_at, by: version.by.clone(), desk: version.desk.clone() };
    let text = serde_json::to_string(&stored)?;
    Ok(StoredVersion::new(SUBJECT.to_owned(), version.version, text))
}
