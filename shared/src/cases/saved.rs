//! Settings that staff save: every version stays as it was saved, and the newest counts.

use std::sync::Arc;

use serde::Serialize;

use crate::app::App;
use crate::cases::Error;
use crate::table::{Kept, Outcome, StoredVersion};

/// Settings of one kind.
pub(crate) trait Setting: Sized {
    /// Under what their versions are stored.
    const SUBJECT: &'static str;

    /// Where an instance keeps them while they are fresh.
    fn kept(app: &App) -> &Kept<Self>;

    /// The version that counts before anybody has saved one.
    fn initial(app: &App) -> Result<Self, Error>;

    /// A version as it was stored.
    fn read(stored: &StoredVersion) -> Result<Self, Error>;
}

impl App {
    /// The settings in force. No call while they are fresh, one otherwise.
    pub(crate) async fn setting<S: Setting>(&self) -> Result<Arc<S>, Error> {
        match S::kept(self).get(self.wall(), self.parts().settings_fresh_for) {
            Some(fresh) => Ok(fresh),
            None => self.newest_setting().await,
        }
    }

    /// The newest settings, whatever was read before. One call.
    pub(crate) async fn newest_setting<S: Setting>(&self) -> Result<Arc<S>, Error> {
        let newest = match self.table().newest_version(S::SUBJECT).await? {
            Some(stored) => S::read(&stored)?,
            None => S::initial(self)?,
        };
        let newest = Arc::new(newest);
        S::kept(self).put(self.wall(), &newest);
        Ok(newest)
    }

    /// Saves settings as this version, unless another was saved as it. One call.
    pub(crate) async fn save_setting<S: Setting>(&self, version: u32, stored: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_string(stored)?;
        let record = StoredVersion::new(S::SUBJECT.to_owned(), version, text);
        let outcome = self.table().transaction().version(&record)?.commit().await?;
        S::kept(self).forget();
        match outcome {
            Outcome::Done => Ok(()),
            Outcome::Lost(_) => Err(Error::VersionMoved),
        }
    }
}
