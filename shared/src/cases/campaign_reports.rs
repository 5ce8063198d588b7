//! Reports of campaigns: made from counts, never from all sends.

use crate::app::App;
use crate::cases::Error;
use crate::cases::segments::Viewer;
use crate::domain::campaign::State;
use crate::domain::campaign::report::CampaignReport;
use crate::domain::campaign::send::counts_until;
use crate::values::CampaignId;

/// Reports of campaigns.
#[derive(Clone, Copy, Debug)]
pub struct CampaignReports<'a>(pub(crate) &'a App);

impl App {
    /// Reports of campaigns.
    #[must_use]
    pub const fn campaign_reports(&self) -> CampaignReports<'_> {
        CampaignReports(self)
    }
}

impl CampaignReports<'_> {
    /// A campaign's report. Three calls, whatever the size of its audience.
    ///
    /// While orders may still count, the day on which somebody looks is noted, because every such look is a chance to
    /// take luck for an effect, and the tests have to make up for it.
    pub async fn read(&self, id: CampaignId, viewer: &Viewer) -> Result<CampaignReport, Error> {
        let (table, now) = (self.0.table(), self.0.now());
        let campaign = self.0.campaigns().read(id).await?.campaign;
        let counts = self.0.campaigns().counts_for(&campaign, viewer).await?;
        let until = counts_until(campaign.definition.window.until, campaign.definition.attribution_days);
        let begun = campaign.state != State::Draft;
        let looks = if begun && now < until { table.look_at(id, now.day()).await? } else { table.looks_at(id).await? };
        let rounded_to = viewer.groups_only.then(|| self.0.parts().smallest_group.number());
        Ok(CampaignReport::of(&campaign, &counts, rounded_to, looks, until, now))
    }
}
