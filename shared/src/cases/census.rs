//! The census: counted along when everybody is looked at for the lifetime-value model, once a week.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::Error;
use crate::domain::census::{Census, DUTIES_FROM};
use crate::table::StoredVersion;
use crate::values::LocalDay;

const SUBJECT: &str = "census";

#[derive(Serialize, Deserialize)]
struct Stored {
    on: LocalDay,
    people: u64,
}

/// The census.
#[derive(Clone, Copy, Debug)]
pub struct CensusCases<'a>(pub(crate) &'a App);

impl App {
    /// The census.
    #[must_use]
    pub const fn census(&self) -> CensusCases<'_> {
        CensusCases(self)
    }
}

impl CensusCases<'_> {
    /// Keeps what a pass has counted, under the number of what it was made for. One call. Done before, it stays as it was.
    pub(crate) async fn keep(&self, people: u64, number: u32) -> Result<(), Error> {
        let text = serde_json::to_string(&Stored { on: self.0.now().day(), people })?;
        let record = StoredVersion::new(SUBJECT.to_owned(), number, text);
        // Lost is kept before.
        self.0.table().transaction().version(&record)?.commit().await?;
        Ok(())
    }

    /// The newest; none before the first Monday. One call.
    pub async fn newest(&self) -> Result<Option<Census>, Error> {
        let Some(stored) = self.0.table().newest_version(SUBJECT).await? else { return Ok(None) };
        let Stored { on, people } = serde_json::from_str(&stored.text)?;
        Ok(Some(Census::of(people, on, DUTIES_FROM)))
    }
}
