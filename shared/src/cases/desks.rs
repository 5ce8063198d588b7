//! Settings of the service desk: which version counts, and saving a new one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::Error;
use crate::cases::saved::Setting;
use crate::domain::desk::{Desk, DeskVersion};
use crate::table::{Kept, StoredVersion};
use crate::values::{Actor, LocalDay, Moment};

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
        self.0.setting().await
    }

    /// The newest version, whatever was read before. One call.
    pub async fn newest(&self) -> Result<Arc<DeskVersion>, Error> {
        self.0.newest_setting().await
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
        let stored = Stored { saved_at: self.0.now(), by, desk };
        self.0.save_setting::<DeskVersion>(seen + 1, &stored).await?;
        Ok(stored.numbered(seen + 1))
    }
}

impl Stored {
    fn numbered(self, version: u32) -> DeskVersion {
        let Self { saved_at, by, desk } = self;
        DeskVersion { version, saved_at, by, desk }
    }
}

impl Setting for DeskVersion {
    const SUBJECT: &'static str = "desk";

    fn kept(app: &App) -> &Kept<Self> {
        app.kept_desk()
    }

    fn initial(app: &App) -> Result<Self, Error> {
        let stored = Stored { saved_at: Moment::start_of(LocalDay::FIRST), by: app.own_name(), desk: Desk::shipped()? };
        Ok(stored.numbered(1))
    }

    fn read(stored: &StoredVersion) -> Result<Self, Error> {
        Ok(serde_json::from_str::<Stored>(&stored.text)?.numbered(stored.version))
    }
}
