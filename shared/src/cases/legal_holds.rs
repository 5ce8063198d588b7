//! Legal holds: nothing is done with a member's data but keeping it, until a manager lifts the hold (PIPL 47).
//!
//! The hot item and the profile both say so, because requests read the one or the other; the journal says since when, by
//! whom and why.

use crate::app::App;
use crate::cases::ledger::Patience;
use crate::cases::people::{Closed, Profile};
use crate::cases::{Error, Who};
use crate::domain::erasure;
use crate::table::{Freshness, Outcome, Part, StoredPart};
use crate::values::Reason;

/// Legal holds.
#[derive(Clone, Copy, Debug)]
pub struct LegalHolds<'a>(pub(crate) &'a App);

impl App {
    /// Legal holds.
    #[must_use]
    pub const fn legal_holds(&self) -> LegalHolds<'_> {
        LegalHolds(self)
    }
}

impl LegalHolds<'_> {
    /// Sets a hold, or lifts it. Three calls, and what a change of segments writes; one when it is so already.
    pub async fn set(&self, who: &Who, set: bool, reason: &Reason) -> Result<(), Error> {
        let mut patience = Patience::new(self.0);
        loop {
            let hot = self.0.table().member(who.member, Freshness::Latest).await?.ok_or(Error::NotFound)?;
            let (rules, now) = (self.0.rulebook().await?, self.0.now());
            let Some(posted) = erasure::hold(&hot.account, set, reason, &rules, now, &who.by)? else { return Ok(()) };
            let part = self.0.table().part(who.member, &Part::Profile).await?.ok_or(Error::NotFound)?;
            let profile = Profile { closed: set.then_some(Closed::LegalHold), ..Profile::read(&part)? };
            let part = StoredPart { text: profile.text()?, ..part };
            if let Outcome::Done = self.0.table().transaction().movement(&hot, &posted)?.part(&part)?.commit().await? {
                return Ok(());
            }
            patience.wait().await?;
        }
    }
}
