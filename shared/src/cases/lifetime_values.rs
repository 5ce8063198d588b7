//! Lifetime values: the model fitted from everybody's purchases, and what it says about a member.
//!
//! A fit is a pass that gathers histories; the model is kept as a version of its own with the day of its fit. What it
//! says about a member is worked out when it is asked for: it needs nothing but the purchase days and the model.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::Error;
use crate::cases::passes::Work;
use crate::domain::clv::{Model, Prediction, Sample};
use crate::domain::days::PurchaseDays;
use crate::table::{Outcome, StoredVersion};
use crate::values::{Actor, LocalDay, RowKey};

const SUBJECT: &str = "lifetime-value";

/// The layout of a stored fit; older layouts stay readable.
const SCHEMA: u8 = 1;

/// What became of a fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcomes {
    Fitted(Model),
    /// Too few purchases to learn from, or none that the model explains: why.
    Unfit(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stored {
    schema: u8,
    on: LocalDay,
    outcome: Outcomes,
}

/// Lifetime values.
#[derive(Clone, Copy, Debug)]
pub struct LifetimeValues<'a>(pub(crate) &'a App);

impl App {
    /// Lifetime values.
    #[must_use]
    pub const fn lifetime_values(&self) -> LifetimeValues<'_> {
        LifetimeValues(self)
    }
}

impl LifetimeValues<'_> {
    /// Starts a fit; asked again on the same day, it is the same one. Three calls.
    pub async fn start(&self, by: Actor) -> Result<(), Error> {
        let newest = self.0.table().newest_version(SUBJECT).await?;
        let model = newest.map_or(1, |stored| stored.version + 1);
        let id = RowKey::of("lifetime-value", &[&self.0.now().day().to_string()]);
        self.0.passes().start(id, Work::Fit { model }, by).await
    }

    /// Fits a model and keeps it. One call. Done before, it stays as it was.
    pub(crate) async fn keep(&self, sample: &Sample, version: u32) -> Result<(), Error> {
        let on = self.0.now().day();
        let outcome = match sample.fit(version, on) {
            Ok(model) => Outcomes::Fitted(model),
            Err(unfit) => {
                tracing::warn!(%unfit, "the lifetime-value model was not fitted");
                Outcomes::Unfit(unfit.to_string())
            }
        };
        let stored = Stored { schema: SCHEMA, on, outcome };
        let text = serde_json::to_string(&stored)?;
        let record = StoredVersion::new(SUBJECT.to_owned(), version, text);
        let outcome = self.0.table().transaction().version(&record)?.commit().await?;
        self.0.kept_model().forget();
        match outcome {
            Outcome::Done | Outcome::Lost(_) => Ok(()),
        }
    }

    /// The newest model; none before there was enough to learn from. No call while it is fresh, one otherwise.
    pub async fn model(&self) -> Result<Option<Arc<Model>>, Error> {
        if let Some(kept) = self.0.kept_model().get(self.0.wall(), self.0.parts().settings_fresh_for) {
            return Ok(kept.as_ref().clone());
        }
        let model = match self.0.table().newest_version(SUBJECT).await? {
            None => None,
            Some(stored) => {
                let stored: Stored = serde_json::from_str(&stored.text)?;
                match stored.outcome {
                    Outcomes::Fitted(model) => Some(Arc::new(model)),
                    Outcomes::Unfit(_) => None,
                }
            }
        };
        self.0.kept_model().put(self.0.wall(), &Arc::new(model.clone()));
        Ok(model)
    }

    /// What the newest model says about a member; none without one, or without a purchase.
    pub async fn of(&self, days: &PurchaseDays) -> Result<Option<Prediction>, Error> {
        let model = self.model().await?;
        Ok(model.and_then(|model| model.predict(days, self.0.now().day())))
    }
}
