//! Limits of sending: how many messages may go to one member, and at which hours.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::Error;
use crate::domain::campaign::limits::{Limits, LimitsVersion};
use crate::table::{Outcome, StoredVersion};
use crate::values::{Actor, Moment};

const SUBJECT: &str = "sending-limits";

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
        if let Some(limits) = self.0.kept_limits().get(self.0.wall(), self.0.parts().settings_fresh_for) {
            return Ok(limits);
        }
        let limits = Arc::new(self.newest().await?);
        self.0.kept_limits().put(self.0.wall(), &limits);
        Ok(limits)
    }

    /// The newest limits as stored; the shipped ones before anybody has saved any. One call.
    pub async fn newest(&self) -> Result<LimitsVersion, Error> {
        match self.0.table().newest_version(SUBJECT).await? {
            Some(stored) => {
                let Stored { limits, .. } =
                    serde_json::from_str(&stored.text).map_err(|e| Error::Defect(e.to_string()))?;
                Ok(LimitsVersion { version: stored.version, limits })
            }
            None => Ok(LimitsVersion { version: 1, limits: Limits::shipped() }),
        }
    }

    /// Saves limits as the next version, provided that `seen` is still the newest. Two calls.
    pub async fn save(&self, limits: Limits, seen: u32, by: Actor) -> Result<LimitsVersion, Error> {
        let flaws = limits.flaws();
        if !flaws.is_empty() {
            return Err(Error::Flawed(flaws));
        }
        let newest = self.newest().await?;
        if newest.version != seen {
            return Err(Error::VersionMoved);
        }
        let next = LimitsVersion { version: newest.version.saturating_add(1), limits: limits.clone() };
        let stored = Stored { at: self.0.now(), by, limits };
        let text = serde_json::to_string(&stored).map_err(|e| Error::Defect(e.to_string()))?;
        let record = StoredVersion::new(SUBJECT.to_owned(), next.version, text);
        let outcome = self.0.table().transaction().version(&record)?.commit().await?;
        self.0.kept_limits().forget();
        match outcome {
            Outcome::Done => Ok(next),
            Outcome::Lost(_) => Err(Error::VersionMoved),
        }
    }
}
