//! The rulebook in force: programme, segments and which consents count.

use crate::app::App;
use crate::cases::Error;
use crate::domain::rulebook::Rulebook;

impl App {
    /// What judges a movement that happens now. No call while all three are fresh, one for each that is not.
    pub async fn rulebook(&self) -> Result<Rulebook, Error> {
        let version = self.programs().current().await?;
        let floors = self.privacy_policies().current().await?.policy.floors();
        Ok(Rulebook { version, segmentation: self.segments().rules().await?, floors })
    }
}
