//! Notices: what members are sent about tickets, on the way from the ticket to the provider.
//!
//! A ticket writes the copy in its own transaction; from then on it is a send like any other. Here is what sending and
//! tracking ask of the desk: the campaign that a notice belongs to, whether it still makes sense, and where it leads.

use std::time::Duration;

use crate::app::App;
use crate::cases::Error;
use crate::cases::campaigns::Live;
use crate::domain::campaign::content::Link;
use crate::domain::campaign::gates::Gate;
use crate::domain::campaign::send::{Send, State, Wait};
use crate::domain::notice::{Notice, Sense};
use crate::table::Freshness;
use crate::values::CampaignId;

/// After so long it is looked whether a reopened ticket was closed again.
const REOPENED: Duration = Duration::from_hours(24);

/// Notices.
#[derive(Clone, Copy, Debug)]
pub struct Notices<'a>(pub(crate) &'a App);

impl App {
    /// Notices about tickets.
    #[must_use]
    pub const fn notices(&self) -> Notices<'_> {
        Notices(self)
    }
}

impl Notices<'_> {
    /// The campaign of a notice, as the settings of the desk have it; none when it is staff's own. No call while the
    /// settings are fresh.
    pub(crate) async fn live(&self, id: CampaignId) -> Result<Option<Live>, Error> {
        let Some((notice, first)) = Notice::of_campaign(id) else { return Ok(None) };
        let version = self.0.desks().current().await?;
        let campaign = version.desk.notices.campaign(notice, first, self.0.own_name());
        let campaign = campaign.map_err(|e| Error::Defect(e.to_string()))?;
        Ok(Some(Live::new(campaign, None, Some(notice))))
    }

    /// Where a notice comes to stand that does not go now, because of what has become of its ticket. One call for a
    /// notice, none for anything else.
    pub(crate) async fn holds(&self, live: &Live, send: &Send) -> Result<Option<State>, Error> {
        let Some((notice, ticket)) = live.notice.zip(send.about) else { return Ok(None) };
        let now = self.0.now();
        let stored = self.0.table().ticket(ticket, Freshness::Latest).await?;
        Ok(match stored.map_or(Sense::Gone, |stored| notice.sense(&stored.ticket, now)) {
            Sense::Goes => None,
            Sense::Waits => Some(live.campaign.waits(send, now.plus(REOPENED), Wait::Delay)),
            Sense::Gone => Some(State::Refused { gate: Gate::Audience }),
        })
    }

    /// Where the link of a message leads: to the page as it is, for a survey with its token, as long as it can be
    /// answered. One call for a survey.
    pub(crate) async fn page(&self, live: &Live, send: &Send, page: Link) -> Result<Link, Error> {
        let Some((Notice::Survey, ticket)) = live.notice.zip(send.about) else { return Ok(page) };
        let Some(stored) = self.0.table().ticket(ticket, Freshness::Recent).await? else { return Ok(page) };
        let token = self.0.surveys().token(&stored.ticket)?;
        Ok(token.and_then(|token| page.with("survey", &token)).unwrap_or(page))
    }
}
