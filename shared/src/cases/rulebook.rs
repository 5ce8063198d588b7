//! The rulebook in force: programme and segments together.

use crate::app::App;
use crate::cases::Error;
use crate::domain::rulebook::Rulebook;

impl App {
    /// What judges a movement that happens now. No call while both are fresh, one for each that is not.
    pub async fn rulebook(&self) -> Result<Rulebook, Error> {
        let version = self.programs().current().await?;
        Ok(Rulebook { version, segmentation: self.segments().rules().await? })
    }
}
