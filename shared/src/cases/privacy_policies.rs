//! The privacy policy: which version counts, and saving a new one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::Error;
use crate::cases::saved::Setting;
use crate::domain::privacy_policy::{PolicyDraft, PolicyVersion, PrivacyPolicy};
use crate::table::{Kept, StoredVersion};
use crate::values::{Actor, LocalDay, Moment};

#[derive(Serialize, Deserialize)]
struct Stored {
    saved_at: Moment,
    by: Actor,
    policy: PrivacyPolicy,
}

/// The privacy policy.
#[derive(Clone, Copy, Debug)]
pub struct PrivacyPolicies<'a>(pub(crate) &'a App);

impl App {
    /// The privacy policy.
    #[must_use]
    pub const fn privacy_policies(&self) -> PrivacyPolicies<'_> {
        PrivacyPolicies(self)
    }
}

impl PrivacyPolicies<'_> {
    /// The version that counts: always the newest. No call while it is fresh, one otherwise.
    pub async fn current(&self) -> Result<Arc<PolicyVersion>, Error> {
        self.0.setting().await
    }

    /// The newest version, whatever was read before. One call.
    pub async fn newest(&self) -> Result<Arc<PolicyVersion>, Error> {
        self.0.newest_setting().await
    }

    /// One version: what a member was told who agreed to it. One call.
    pub async fn numbered(&self, number: u32) -> Result<PolicyVersion, Error> {
        match self.0.table().version(PolicyVersion::SUBJECT, number).await? {
            Some(stored) => PolicyVersion::read(&stored),
            None if number == 1 => PolicyVersion::initial(self.0),
            None => Err(Error::NotFound),
        }
    }

    /// Saves a policy as the next version, provided that `seen` is still the newest. Two calls; up to six more when
    /// consents count no longer by it, for then a full pass takes members out of the segments that ask for them.
    pub async fn save(&self, draft: &PolicyDraft, seen: u32, by: &Actor) -> Result<PolicyVersion, Error> {
        let newest = self.newest().await?;
        if newest.version != seen {
            return Err(Error::VersionMoved);
        }
        let now = self.0.now();
        let policy = newest.policy.next(seen + 1, draft, now.day()).map_err(|flaws| Error::Flawed(flaws.0))?;
        let stored = Stored { saved_at: now, by: by.clone(), policy };
        self.0.save_setting::<PolicyVersion>(seen + 1, &stored).await?;
        let version = stored.numbered(seen + 1);
        if version.policy.floors() != newest.policy.floors() {
            self.0.full_pass().start(by).await?;
        }
        Ok(version)
    }
}

impl Stored {
    fn numbered(self, version: u32) -> PolicyVersion {
        let Self { saved_at, by, policy } = self;
        PolicyVersion { version, saved_at, by, policy }
    }
}

impl Setting for PolicyVersion {
    const SUBJECT: &'static str = "privacy-policy";

    fn kept(app: &App) -> &Kept<Self> {
        app.kept_privacy_policy()
    }

    fn initial(app: &App) -> Result<Self, Error> {
        let (saved_at, policy) = (Moment::start_of(LocalDay::FIRST), PrivacyPolicy::shipped()?);
        Ok(Stored { saved_at, by: app.own_name(), policy }.numbered(1))
    }

    fn read(stored: &StoredVersion) -> Result<Self, Error> {
        Ok(serde_json::from_str::<Stored>(&stored.text)?.numbered(stored.version))
    }
}
