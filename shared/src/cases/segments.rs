//! Segments: their rules, who is in them, and why.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::Error;
use crate::domain::segmentation::Segmentation;
use crate::values::{Actor, Moment};

const SUBJECT: &str = "segments";

#[derive(Serialize, Deserialize)]
struct Stored {
    at: Moment,
    by: Actor,
    segmentation: Segmentation,
}

/// Segments.
#[derive(Clone, Copy, Debug)]
pub struct Segments<'a>(pub(crate) &'a App);

impl App {
    /// Segments.
    #[must_use]
    pub const fn segments(&self) -> Segments<'_> {
        Segments(self)
    }
}

impl Segments<'_> {
    /// The rules in force. No call while they are fresh, one otherwise.
    pub async fn rules(&self) -> Result<Arc<Segmentation>, Error> {
        if let Some(rules) = self.0.kept_segmentation().get(self.0.wall(), self.0.parts().settings_fresh_for) {
            return Ok(rules);
        }
        let rules = Arc::new(self.newest().await?);
        self.0.kept_segmentation().put(self.0.wall(), &rules);
        Ok(rules)
    }

    /// The newest rules as stored; the shipped ones before anybody has saved any. One call.
    pub async fn newest(&self) -> Result<Segmentation, Error> {
        let defect = |e: serde_json::Error| Error::Defect(e.to_string());
        match self.0.table().newest_version(SUBJECT).await? {
            Some(stored) => Ok(serde_json::from_str::<Stored>(&stored.text).map_err(defect)?.segmentation),
            None => Segmentation::shipped().map_err(defect),
        }
    }
}
