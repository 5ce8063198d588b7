//! Programme settings: which version judges what, saving a new one, trying one on history.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::Error;
use crate::domain::program::{Program, Shipped, Version, Versions};
use crate::table::{Outcome, StoredVersion, Table, Trouble};
use crate::values::{Actor, Moment};

const SUBJECT: &str = "program";

#[derive(Serialize, Deserialize)]
struct Stored {
    effective_from: Moment,
    by: Actor,
    program: Program,
}

/// The programme's settings as they lie in the table, which a function reads while it starts.
#[derive(Debug)]
pub struct StoredPrograms {
    read_at: Moment,
    versions: Vec<StoredVersion>,
}

impl StoredPrograms {
    /// Reads all versions. One call.
    pub async fn read(table: &Table, now: Moment) -> Result<Self, Trouble> {
        Ok(Self { read_at: now, versions: table.versions(SUBJECT, 1).await? })
    }
}

/// The programme's settings.
#[derive(Clone, Copy, Debug)]
pub struct Programs<'a>(pub(crate) &'a App);

impl App {
    /// The programme's settings.
    #[must_use]
    pub const fn programs(&self) -> Programs<'_> {
        Programs(self)
    }
}

impl Programs<'_> {
    /// All versions. No call while they are fresh, one otherwise.
    pub async fn versions(&self) -> Result<Arc<Versions>, Error> {
        if let Some(versions) = self.0.kept_programs().get(self.0.wall(), self.0.parts().settings_fresh_for) {
            return Ok(versions);
        }
        let stored = StoredPrograms::read(self.0.table(), self.0.wall()).await?;
        self.keep(&stored)
    }

    /// Keeps what was read. No call.
    pub fn keep(&self, stored: &StoredPrograms) -> Result<Arc<Versions>, Error> {
        let read = stored.versions.iter().map(|v| {
            let Stored { effective_from, by, program } = serde_json::from_str(&v.text)?;
            Ok(Version { version: v.version, effective_from, by, program })
        });
        let mut versions = read.collect::<Result<Vec<_>, Error>>()?;
        if versions.iter().all(|v| v.version != 1) {
            versions.push(self.shipped()?);
        }
        let versions = Versions::new(versions).ok_or_else(|| Error::Defect("no programme".into()))?;
        let versions = Arc::new(versions);
        self.0.kept_programs().put(stored.read_at, &versions);
        Ok(versions)
    }

    /// The version in force now.
    pub async fn current(&self) -> Result<Arc<Version>, Error> {
        self.at(self.0.now()).await
    }

    /// The newest version, in force or not yet.
    pub async fn newest(&self) -> Result<Arc<Version>, Error> {
        self.0.kept_programs().forget();
        self.versions().await?.newest().cloned().ok_or_else(|| Error::Defect("no programme".into()))
    }

    /// The version that judges what happens at `moment`.
    pub async fn at(&self, moment: Moment) -> Result<Arc<Version>, Error> {
        let versions = self.versions().await?;
        versions.at(moment).cloned().ok_or_else(|| Error::Defect("no programme".into()))
    }

    /// Saves new settings as the next version, provided that `seen` is still the newest. At most two calls.
    pub async fn save(&self, program: Program, seen: u32, from: Option<Moment>, by: Actor) -> Result<Version, Error> {
        let flaws = program.flaws();
        if !flaws.is_empty() {
            return Err(Error::Flawed(flaws));
        }
        self.0.kept_programs().forget();
        let versions = self.versions().await?;
        let newest = versions.newest().map_or(0, |v| v.version);
        if newest != seen {
            return Err(Error::VersionMoved);
        }
        let effective_from = from.unwrap_or_else(|| self.0.now());
        let version = Version { version: newest + 1, effective_from, by, program };
        let outcome = self.0.table().transaction().version(&stored(&version)?)?.commit().await?;
        self.0.kept_programs().forget();
        match outcome {
            Outcome::Done => Ok(version),
            Outcome::Lost(_) => Err(Error::VersionMoved),
        }
    }

    /// The version that holds before anybody has saved one: the shipped programme, since the beginning.
    fn shipped(self) -> Result<Version, Error> {
        Ok(Version {
            version: 1,
            effective_from: Moment::start_of(crate::values::LocalDay::FIRST),
            by: self.0.own_name(),
            program: Shipped::AnnualSpend.program()?,
        })
    }
}

fn stored(version: &Version) -> Result<StoredVersion, Error> {
    let stored =
        Stored { effective_from: version.effective_from, by: version.by.clone(), program: version.program.clone() };
    let text = serde_json::to_string(&stored)?;
    Ok(StoredVersion::new(SUBJECT.to_owned(), version.version, text))
}
