//! Reports: what weeks came to, counted when the lifetime-value model has been fitted, and told as a weekly board and a
//! monthly report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::cases::Error;
use crate::cases::passes::{Work, pack, unpack};
use crate::cases::segments::Viewer;
use crate::domain::metric::{Desk, Observed};
use crate::domain::monthly_report::{Month, MonthOf, MonthlyReport};
use crate::domain::refusal::Refusal;
use crate::domain::tally::Figures;
use crate::domain::week::{Counts, Week, WeekCounts};
use crate::domain::weekly_board::{Group, WeekOf, WeeklyBoard};
use crate::table::StoredVersion;
use crate::values::{Actor, Code, LocalDay, RowKey};

const SUBJECT: &str = "week";
/// The layout of a stored week; older layouts stay readable.
const SCHEMA: u8 = 1;
/// Weeks that a board shows.
const WEEKS: u32 = 13;
/// Weeks of two months, at the most.
const TWO_MONTHS: u32 = 10;
/// The segment of those who are of high value, as it ships.
const HIGH_VALUE: &str = "high_value";

#[derive(Serialize, Deserialize)]
struct Stored {
    schema: u8,
    /// [`WeekCounts`], packed.
    counts: String,
}

/// Reports.
#[derive(Clone, Copy, Debug)]
pub struct Reports<'a>(pub(crate) &'a App);

impl App {
    /// Reports.
    #[must_use]
    pub const fn reports(&self) -> Reports<'_> {
        Reports(self)
    }
}

impl Reports<'_> {
    /// Starts counting the last week, unless that was started before. Two calls.
    pub(crate) async fn count_week(&self, by: Actor) -> Result<(), Error> {
        let week = Week::before(self.0.now().day());
        let id = RowKey::of("week", &[&week.number().to_string()]);
        self.0.passes().start(id, Work::Week, by).await
    }

    /// Keeps what a week came to. One call. Done before, it stays as it was.
    pub(crate) async fn keep(&self, week: Week, counts: WeekCounts) -> Result<(), Error> {
        let text = serde_json::to_string(&Stored { schema: SCHEMA, counts: pack(&counts.pooled())? })?;
        let record = StoredVersion::new(SUBJECT.to_owned(), week.number(), text);
        // Lost is kept before.
        self.0.table().transaction().version(&record)?.commit().await?;
        Ok(())
    }

    /// The board of the week of a day, or of the last week that was counted; refused when there is none. One call for a
    /// group, nine for everybody.
    pub async fn weekly(&self, on: Option<LocalDay>, group: Group, viewer: &Viewer) -> Result<WeeklyBoard, Error> {
        let counted = self.counted(on.map(Week::of), WEEKS).await?;
        let (newest, newest_counts) = counted.last().ok_or(Refusal::WeekNotCounted)?;
        if on.is_some_and(|day| Week::of(day) != *newest) {
            return Err(Refusal::WeekNotCounted.into());
        }
        let first = newest.earlier(WEEKS - 1);
        let mut desks = match group {
            Group { source: None, segment: None } => self.desks(first, *newest, |week| week).await?,
            _ => BTreeMap::new(),
        };
        // A week that was not counted stays a gap: weeks are told by their Mondays.
        let shown = counted.iter().filter(|(week, _)| *week >= first);
        let weeks: Vec<WeekOf> = shown
            .map(|(week, counts)| {
                let desk = desks.remove(week).unwrap_or_default();
                WeekOf { week: *week, observed: observed(counts, &group, desk) }
            })
            .collect();
        let sources: Vec<(Option<Code>, Counts)> =
            newest_counts.by_source(group.segment.as_ref()).map(|(source, counts)| (source.cloned(), counts)).collect();
        let smallest = viewer.groups_only.then(|| self.0.parts().smallest_group);
        WeeklyBoard::of(group, &weeks, &sources, smallest).ok_or_else(|| Refusal::WeekNotCounted.into())
    }

    /// The report of the month of a day, or of the month of the last week that was counted; refused before one of its
    /// weeks was. Nine calls.
    pub async fn monthly(&self, on: Option<LocalDay>, viewer: &Viewer) -> Result<MonthlyReport, Error> {
        let asked = on.map(Month::of);
        let counted = self.counted(asked.map(Month::last_week), TWO_MONTHS).await?;
        let newest = counted.last().map(|(week, _)| Month::of_week(*week)).ok_or(Refusal::WeekNotCounted)?;
        let month = asked.unwrap_or(newest);
        let span = (month.before().first_week(), month.last_week());
        let mut desks = self.desks(span.0, span.1, |week| Month::of_week(week) == month).await?;
        let mut of = |month: Month, is_this: bool| {
            let weeks: Vec<&WeekCounts> =
                counted.iter().filter(|(week, _)| Month::of_week(*week) == month).map(|(_, counts)| counts).collect();
            let everybody: Vec<Counts> = weeks.iter().map(|counts| counts.of(None, None)).collect();
            let desk = desks.remove(&is_this).unwrap_or_default();
            let observed = observed(weeks.last()?, &Group::default(), desk);
            let counts = Counts::over(&everybody)?;
            Some(MonthOf { weeks: u32::try_from(weeks.len()).ok()?, observed: Observed { counts, ..observed } })
        };
        let (now, before) = (of(month, true).ok_or(Refusal::WeekNotCounted)?, of(month.before(), false));
        let smallest = viewer.groups_only.then(|| self.0.parts().smallest_group);
        Ok(MonthlyReport::of(month, &now, before.as_ref(), smallest))
    }

    /// The newest weeks that were counted, up to one, oldest first. One call.
    async fn counted(&self, until: Option<Week>, most: u32) -> Result<Vec<(Week, WeekCounts)>, Error> {
        let until = until.map_or(u32::MAX, Week::number);
        let stored = self.0.table().versions_up_to(SUBJECT, until, most).await?;
        let mut counted = Vec::new();
        for version in stored.iter().rev() {
            let Some(week) = Week::from_number(version.version) else { continue };
            let Stored { counts, .. } = serde_json::from_str(&version.text)?;
            counted.push((week, unpack(&counts)?));
        }
        Ok(counted)
    }

    /// What became of the tickets of some weeks, by what they are put together to. One call per shard of the counters.
    async fn desks<K: Ord>(
        &self,
        from: Week,
        until: Week,
        key: impl Fn(Week) -> K,
    ) -> Result<BTreeMap<K, Desk>, Error> {
        let days = self.0.table().ticket_figures(from.first_day(), until.last_day()).await?;
        let mut sums = BTreeMap::<K, Figures>::new();
        for (day, figures) in days {
            let sum = sums.entry(key(Week::of(day))).or_default();
            figures.all().for_each(|(name, by)| sum.raise(name, by));
        }
        Ok(sums.into_iter().map(|(key, figures)| (key, Desk::of(&figures))).collect())
    }
}

fn observed(counts: &WeekCounts, group: &Group, desk: Desk) -> Observed {
    let source = group.source.as_ref();
    let high_value = match (&group.segment, Code::parse(HIGH_VALUE)) {
        (None, Ok(segment)) => counts.of(source, Some(&segment)).bought,
        // A member's segments are counted one by one, not together.
        _ => 0,
    };
    Observed { counts: counts.of(source, group.segment.as_ref()), high_value, desk }
}
