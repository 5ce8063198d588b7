//! The privacy policy: which version counts, and saving a new one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::Error;
use crate::domain::privacy_policy::{PolicyDraft, PolicyVersion, PrivacyPolicy};
use crate::table::{Outcome, StoredVersion};
use crate::values::{Actor, LocalDay, Moment};

const SUBJECT: &str = "privacy-policy";

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
        if let Some(version) = self.0.kept_privacy_policy().get(self.0.wall(), self.0.parts().settings_fresh_for) {
            return Ok(version);
        }
        self.newest().await
    }

    /// The newest version, whatever was read before. One call.
    pub async fn newest(&self) -> Result<Arc<PolicyVersion>, Error> {
        let version = match self.0.table().newest_version(SUBJECT).await? {
            None => self.shipped()?,
            Some(stored) => read(&stored)?,
        };
        let version = Arc::new(version);
        self.0.kept_privacy_policy().put(self.0.wall(), &version);
        Ok(version)
    }

    /// One version: what a member was told who agreed to it. One call.
    pub async fn numbered(&self, number: u32) -> Result<PolicyVersion, Error> {
        match self.0.table().version(SUBJECT, number).await? {
            Some(stored) => read(&stored),
            None if number == 1 => self.shipped(),
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
        let version = PolicyVersion { version: seen + 1, saved_at: now, by: by.clone(), policy };
        let outcome = self.0.table().transaction().version(&stored(&version)?)?.commit().await?;
        self.0.kept_privacy_policy().forget();
        if let Outcome::Lost(_) = outcome {
            return Err(Error::VersionMoved);
        }
        if version.policy.floors() != newest.policy.floors() {
            self.0.full_pass().start(by).await?;
        }
        Ok(version)
    }

    /// The version that counts before anybody has saved one.
    fn shipped(self) -> Result<PolicyVersion, Error> {
        Ok(PolicyVersion {
            version: 1,
            saved_at: Moment::start_of(LocalDay::FIRST),
            by: self.0.own_name(),
            policy: PrivacyPolicy::shipped()?,
        })
    }
}

fn read(stored: &StoredVersion) -> Result<PolicyVersion, Error> {
    let Stored { saved_at, by, policy } = serde_json::from_str(&stored.text)?;
    Ok(PolicyVersion { version: stored.version, saved_at, by, policy })
}

fn stored(version: &PolicyVersion) -> Result<StoredVersion, Error> {
    let stored = Stored { saved_at: version.saved_at, by: version.by.clone(), policy: version.policy.clone() };
    let text = serde_json::to_string(&stored)?;
    Ok(StoredVersion::new(SUBJECT.to_owned(), version.version, text))
}
