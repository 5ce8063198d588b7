//! Limits of sending: how many messages may go to one member, and at which hours.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::Error;
use crate::cases::saved::Setting;
use crate::domain::campaign::limits::{Limits, LimitsVersion};
use crate::table::{Kept, StoredVersion};
use crate::values::{Actor, Moment};

#[derive(Serialize, Deserialize)]
struct Stored {
    at: Moment,
    by: Actor,
    limits: Limits,
}

/// Limits of sending.
#[derive(Clone, Copy, Debug)]
pub struct LimitCases<'a>(pub(crate) &'a App);

impl App {
    /// Limits of sending.
    #[must_use]
    pub const fn limits(&self) -> LimitCases<'_> {
        LimitCases(self)
    }
}

impl LimitCases<'_> {
    /// The limits in force. No call while they are fresh, one otherwise.
    pub async fn current(&self) -> Result<Arc<LimitsVersion>, Error> {
        self.0.setting().await
    }

    /// The newest limits; the shipped ones before anybody has saved any. One call.
    pub async fn newest(&self) -> Result<Arc<LimitsVersion>, Error> {
        self.0.newest_setting().await
    }

    /// Saves limits as the next version, provided that `seen` is still the newest. Two calls.
    pub async fn save(&self, limits: Limits, seen: u32, by: Actor) -> Result<LimitsVersion, Error> {
        let flaws = limits.flaws();
        if !flaws.is_empty() {
            return Err(Error::Flawed(flaws));
        }
        if self.newest().await?.version != seen {
            return Err(Error::VersionMoved);
        }
        let stored = Stored { at: self.0.now(), by, limits };
        self.0.save_setting::<LimitsVersion>(seen + 1, &stored).await?;
        Ok(LimitsVersion { version: seen + 1, limits: stored.limits })
    }
}

impl Setting for LimitsVersion {
    const SUBJECT: &'static str = "sending-limits";

    fn kept(app: &App) -> &Kept<Self> {
        app.kept_limits()
    }

    fn initial(_: &App) -> Result<Self, Error> {
        Ok(Self { version: 1, limits: Limits::shipped() })
    }

    fn read(stored: &StoredVersion) -> Result<Self, Error> {
        let Stored { limits, .. } = serde_json::from_str(&stored.text)?;
        Ok(Self { version: stored.version, limits })
    }
}
