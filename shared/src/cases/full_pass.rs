//! The full pass: everybody judged anew, because rules have changed, or to prove that nothing is amiss.
//!
//! Its result must equal what events and nightly drains have left. Under rules that a finished pass has already seen,
//! whoever differs is a defect, told as such.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::Error;
use crate::cases::ledger::Patience;
use crate::cases::passes::{Found, Reached, Tally, Work};
use crate::table::{Outcome, StoredVersion};
use crate::values::{Actor, Moment, RowKey};

const SUBJECT: &str = "full-pass";

/// How far a full pass has come, and what it has found.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Progress {
    /// The pass's number, from 1.
    pub number: u32,
    /// When it was started.
    pub started_at: Moment,
    /// By whom.
    pub by: Actor,
    /// The version of the programme by which it judges.
    pub program: u32,
    /// The version of the segments by which it judges.
    pub segmentation: u32,
    /// The version of the privacy policy by which consents count.
    pub privacy_policy: u32,
    /// Whether an earlier pass has finished under the same rules, so that who differs is a defect.
    pub repair: bool,
    /// Whether everybody has been looked at.
    pub finished: bool,
    /// Members looked at.
    pub members: u64,
    /// Members' items that can't be read: defects; the log names them.
    pub unreadable: u64,
    /// What was found.
    #[serde(flatten)]
    pub tally: Tally,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Pointer {
    pass: RowKey,
}

/// The full pass.
#[derive(Clone, Copy, Debug)]
pub struct FullPass<'a>(pub(crate) &'a App);

impl App {
    /// The full pass.
    #[must_use]
    pub const fn full_pass(&self) -> FullPass<'_> {
        FullPass(self)
    }
}

impl FullPass<'_> {
    /// Starts a pass, or joins the one that is under way by the same rules. Up to six calls.
    pub async fn start(&self, by: &Actor) -> Result<Progress, Error> {
        let rules = self.rules().await?;
        let mut patience = Patience::new(self.0);
        loop {
            let newest = self.newest().await?;
            if let Some((number, reached)) = &newest
                && !reached.finished
                && seen(reached) == Some(rules)
            {
                self.0.passes().nudge(reached).await?;
                return progress(*number, reached);
            }
            let number = newest.as_ref().map_or(1, |(number, _)| number + 1);
            let repair = newest.is_some_and(|(_, reached)| seen(&reached) == Some(rules));
            let pass = RowKey::of("full-pass", &[&number.to_string()]);
            // The pass first: a pointer that leads nowhere would stop all later ones.
            let work = Work::Full { rules: (rules.0, rules.1), policy: rules.2, repair };
            self.0.passes().start(pass, work, by.clone()).await?;
            let text = serde_json::to_string(&Pointer { pass })?;
            let pointer = StoredVersion::new(SUBJECT.to_owned(), number, text);
            if let Outcome::Done = self.0.table().transaction().version(&pointer)?.commit().await? {
                return progress(number, &self.0.passes().reached(pass).await?);
            }
            patience.wait().await?;
        }
    }

    /// Starts a pass when no finished one has judged by the rules in force; of one that is under way, parts that have
    /// given no sign of life for long are given out again. Three calls when there is nothing to do.
    pub async fn start_if_rules_changed(&self, by: &Actor) -> Result<(), Error> {
        let rules = self.rules().await?;
        let newest = self.newest().await?;
        if newest.is_some_and(|(_, reached)| reached.finished && seen(&reached) == Some(rules)) {
            return Ok(());
        }
        self.start(by).await.map(|_| ())
    }

    /// How far the newest pass has come. Two calls.
    pub async fn progress(&self) -> Result<Progress, Error> {
        let (number, reached) = self.newest().await?.ok_or(Error::NotFound)?;
        progress(number, &reached)
    }

    async fn newest(&self) -> Result<Option<(u32, Reached)>, Error> {
        let Some(stored) = self.0.table().newest_version(SUBJECT).await? else { return Ok(None) };
        let Pointer { pass } = serde_json::from_str(&stored.text)?;
        Ok(Some((stored.version, self.0.passes().reached(pass).await?)))
    }

    async fn rules(&self) -> Result<(u32, u32, u32), Error> {
        let rules = self.0.rulebook().await?;
        let policy = self.0.privacy_policies().current().await?;
        Ok((rules.version.version, rules.segmentation.version(), policy.version))
    }
}

/// The rules by which a pass judges.
fn seen(reached: &Reached) -> Option<(u32, u32, u32)> {
    match reached.pass.work {
        Work::Full { rules, policy, .. } => Some((rules.0, rules.1, policy)),
        _ => None,
    }
}

fn progress(number: u32, reached: &Reached) -> Result<Progress, Error> {
    let Work::Full { rules: (program, segmentation), policy, repair } = reached.pass.work else {
        return Err(Error::Defect("the newest full pass is another kind of pass".into()));
    };
    let mut tally = Tally::default();
    for found in &reached.found {
        if let Found::Full(part) = found {
            tally.due += part.due;
            tally.changed += part.changed;
            tally.defects += part.defects;
            tally.defective.extend(&part.defective);
            for (segment, members) in &part.segments {
                *tally.segments.entry(segment.clone()).or_default() += members;
            }
        }
    }
    Ok(Progress {
        number,
        started_at: reached.pass.started_at,
        by: reached.pass.by.clone(),
        program,
        segmentation,
        privacy_policy: policy,
        repair,
        finished: reached.finished,
        members: reached.members,
        unreadable: reached.unreadable,
        tally,
    })
}
