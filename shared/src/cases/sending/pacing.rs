//! How messages that have waited keep to their campaign's rate.

use super::{Scene, Sending, Step};
use crate::cases::Error;
use crate::domain::campaign::BURST;
use crate::domain::campaign::send::Wait;
use crate::values::Moment;

impl Sending<'_> {
    /// When a message may go that could go now, had it a slot in its campaign's rate; none when it has one, or takes one
    /// that begins by now. No call where there is no rate, and for what a page has paced.
    pub(super) async fn slot(self, scene: &Scene<'_>) -> Result<Option<Moment>, Error> {
        let campaign = &scene.live.campaign;
        let Some(pace) = campaign.definition.pace() else { return Ok(None) };
        if campaign.has_its_slot(&scene.send, scene.before.is_none()) {
            return Ok(None);
        }
        let now = self.0.now();
        let begins = self.0.dispatch().slots(campaign, pace, now, 1).await?;
        Ok((begins >= now.plus(BURST)).then_some(begins))
    }

    /// Writes that a message waits. One that waits for the morning takes its slot then, so that a night's messages keep to
    /// their campaign's rate. One call, and two more for a slot.
    pub(super) async fn wait(self, scene: &Scene<'_>, until: Moment, why: Wait) -> Result<Step, Error> {
        let campaign = &scene.live.campaign;
        let goes_at_all = until < scene.send.expires_at;
        let until = match campaign.definition.pace() {
            Some(pace) if why == Wait::QuietHours && goes_at_all => {
                self.0.dispatch().slots(campaign, pace, until, 1).await?
            }
            _ => until,
        };
        self.decided(&scene.send, scene.before.as_ref(), campaign.waits(&scene.send, until, why)).await
    }
}
