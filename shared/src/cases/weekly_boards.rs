//! The weekly board: counted along when everybody is looked at for the lifetime-value model, read from what was counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::Error;
use crate::cases::passes::{pack, unpack};
use crate::cases::segments::Viewer;
use crate::domain::board::Satisfaction;
use crate::domain::tally::Figures;
use crate::domain::week::{Counts, Week, WeekCounts};
use crate::domain::weekly_board::{Group, Nps, WeekOf, WeeklyBoard};
use crate::table::StoredVersion;
use crate::values::{Code, LocalDay};

const SUBJECT: &str = "week";
/// The layout of a stored week; older layouts stay readable.
const SCHEMA: u8 = 1;
/// Weeks that a board shows.
const WEEKS: u32 = 13;

#[derive(Serialize, Deserialize)]
struct Stored {
    schema: u8,
    /// [`WeekCounts`], packed.
    counts: String,
}

/// Weekly boards.
#[derive(Clone, Copy, Debug)]
pub struct WeeklyBoards<'a>(pub(crate) &'a App);

impl App {
    /// Weekly boards.
    #[must_use]
    pub const fn weekly_boards(&self) -> WeeklyBoards<'_> {
        WeeklyBoards(self)
    }
}

impl WeeklyBoards<'_> {
    /// Keeps what a week came to. One call. Done before, it stays as it was.
    pub(crate) async fn keep(&self, week: Week, counts: WeekCounts) -> Result<(), Error> {
        let text = serde_json::to_string(&Stored { schema: SCHEMA, counts: pack(&counts.pooled())? })?;
        let record = StoredVersion::new(SUBJECT.to_owned(), week.number(), text);
        // Lost is kept before.
        self.0.table().transaction().version(&record)?.commit().await?;
        Ok(())
    }

    /// The board of the week of a day, or of the last week that was counted; not found when there is none. One call, and
    /// nine for everybody instead of a group.
    pub async fn read(&self, on: Option<LocalDay>, group: Group, viewer: &Viewer) -> Result<WeeklyBoard, Error> {
        let until = on.map_or(u32::MAX, |day| Week::of(day).number());
        let stored = self.0.table().versions_up_to(SUBJECT, until, WEEKS).await?;
        let newest = stored.first().and_then(|stored| Week::from_number(stored.version)).ok_or(Error::NotFound)?;
        if on.is_some_and(|day| Week::of(day) != newest) {
            return Err(Error::NotFound);
        }
        let mut answers = match group {
            Group { source: None, segment: None } => self.answers(newest.earlier(WEEKS - 1), newest).await?,
            _ => BTreeMap::new(),
        };
        let (mut weeks, mut sources) = (Vec::new(), Vec::new());
        for stored in stored.iter().rev() {
            // A gap stays a gap: weeks are told by their Monday.
            let Some(week) = Week::from_number(stored.version).filter(|week| *week >= newest.earlier(WEEKS - 1)) else {
                continue;
            };
            let Stored { counts, .. } = serde_json::from_str(&stored.text)?;
            let counts: WeekCounts = unpack(&counts)?;
            let of_group = counts.of(group.source.as_ref(), group.segment.as_ref());
            weeks.push(WeekOf { week, counts: of_group, nps: answers.remove(&week) });
            sources = by_source(&counts, group.segment.as_ref());
        }
        let smallest = viewer.groups_only.then(|| self.0.parts().smallest_group);
        WeeklyBoard::of(group, &weeks, &sources, smallest).ok_or(Error::NotFound)
    }

    /// What members answered about the tickets of each week. One call per shard of the counters.
    async fn answers(&self, from: Week, until: Week) -> Result<BTreeMap<Week, Nps>, Error> {
        let days = self.0.table().ticket_figures(from.first_day(), until.last_day()).await?;
        let mut weeks = BTreeMap::<Week, Figures>::new();
        for (day, figures) in days {
            let sum = weeks.entry(Week::of(day)).or_default();
            figures.all().for_each(|(name, by)| sum.raise(name, by));
        }
        let score = |figures: &Figures| {
            let satisfaction = Satisfaction::of(figures);
            let score = i32::try_from(satisfaction.nps?).ok()?;
            Some(Nps { score, answers: satisfaction.answered })
        };
        Ok(weeks.into_iter().filter_map(|(week, figures)| Some((week, score(&figures)?))).collect())
    }
}

fn by_source(counts: &WeekCounts, segment: Option<&Code>) -> Vec<(Option<Code>, Counts)> {
    counts.by_source(segment).map(|(source, counts)| (source.cloned(), counts)).collect()
}
