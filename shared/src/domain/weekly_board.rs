//! The weekly board: eight figures of the brand, and whether one of them is unusual.

use serde::Serialize;

use super::anonymity::SmallestGroup;
use super::metric::{Metric, Observed, Reading, Target, Unit};
use super::week::{Counts, Week};
use crate::values::{Code, LocalDay};

/// The figures of the board, in its order.
const METRICS: [Metric; 8] = [
    Metric::Conversion,
    Metric::ActiveMembers,
    Metric::Repurchase,
    Metric::Retention,
    Metric::Churn,
    Metric::AverageOrder,
    Metric::LifetimeValue,
    Metric::Nps,
];
/// Weeks before this one from which on it is told what is usual.
const LEAST_HISTORY: usize = 8;
/// From this many standard deviations on a figure is abnormal. After eight weeks chance alone brings that once in 190
/// figures, after twelve once in 480 (Student's t with seven and eleven degrees of freedom).
const ABNORMAL: f64 = 4.0;

/// What was observed in a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeekOf {
    /// The week.
    pub week: Week,
    /// What was observed of the group that is asked for.
    pub observed: Observed,
}

/// Of whom a board is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Members won by this acquisition channel; all when there is none.
    pub source: Option<Code>,
    /// Members in this segment; all when there is none.
    pub segment: Option<Code>,
}

/// The weekly board.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct WeeklyBoard {
    /// The Monday.
    pub from: LocalDay,
    /// The Sunday. What was counted is as of its end.
    pub until: LocalDay,
    /// The acquisition channel that the figures are of; of all when there is none.
    pub source: Option<Code>,
    /// The segment that the figures are of; of all members when there is none.
    pub segment: Option<Code>,
    /// Members of the group.
    pub members: u64,
    /// There are fewer members in the group than this, which operators are not told more of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fewer_than: Option<u64>,
    /// The eight figures.
    pub metrics: Vec<WeeklyFigure>,
    /// Conversion by acquisition channel, those with most members first.
    pub conversion_by_source: Vec<SourceFigure>,
}

/// A figure of the weekly board.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct WeeklyFigure {
    /// What it tells.
    pub metric: Metric,
    /// In what it is counted.
    pub unit: Unit,
    /// How it is counted.
    pub english: &'static str,
    /// The same in Chinese.
    pub chinese: &'static str,
    /// What it came to; none when there was nothing to count, or of too few for whoever asks.
    pub value: Option<i32>,
    /// Of how many members, customers, orders or answers.
    pub of: Option<u64>,
    /// What the brand wants.
    pub target: Option<i32>,
    /// The mean of the weeks before; none before there are eight with a value.
    pub usual: Option<i32>,
    /// By how many standard deviations of the weeks before, the uncertainty of their mean included, it lies above their
    /// mean.
    pub deviation: Option<f64>,
    /// Whether that is abnormal: 4 or more, up or down.
    pub alert: bool,
    /// The weeks up to this one, oldest first.
    pub weeks: Vec<WeekFigure>,
}

/// What a figure came to in a week.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct WeekFigure {
    /// The Monday.
    pub from: LocalDay,
    /// What it came to.
    pub value: Option<i32>,
}

/// Conversion of an acquisition channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SourceFigure {
    /// The channel; none of members of whom it is not known, and of the channels with the fewest members.
    pub source: Option<Code>,
    /// Its members.
    pub members: u64,
    /// Per ten thousand of them, those who have bought.
    pub per_10000: u64,
}

impl WeeklyBoard {
    /// The board of the last of these weeks, which are in order; none of no week. Whoever is told of groups only hears of
    /// at least `smallest` people, by counts rounded down to multiples of it.
    #[must_use]
    pub fn of(
        group: Group,
        weeks: &[WeekOf],
        sources: &[(Option<Code>, Counts)],
        smallest: Option<SmallestGroup>,
    ) -> Option<Self> {
        let newest = weeks.last()?;
        let rounded = |count| smallest.map_or(count, |k| k.coarse(count));
        let members = rounded(newest.observed.counts.members);
        let of_source = |(source, counts): &(Option<Code>, Counts)| {
            let (members, bought) = (rounded(counts.members), rounded(counts.bought));
            let per_10000 = (bought * 10_000).checked_div(members)?;
            Some(SourceFigure { source: source.clone(), members, per_10000 })
        };
        let mut by_source: Vec<SourceFigure> = sources.iter().filter_map(of_source).collect();
        by_source.sort_by(|a, b| b.members.cmp(&a.members).then_with(|| a.source.cmp(&b.source)));
        Some(Self {
            from: newest.week.first_day(),
            until: newest.week.last_day(),
            source: group.source,
            segment: group.segment,
            members,
            fewer_than: smallest.filter(|k| !k.is_group(members)).map(SmallestGroup::number),
            metrics: METRICS.map(|metric| WeeklyFigure::of(metric, weeks, smallest)).to_vec(),
            conversion_by_source: by_source,
        })
    }
}

impl WeeklyFigure {
    fn of(metric: Metric, weeks: &[WeekOf], smallest: Option<SmallestGroup>) -> Self {
        let read = |week: &WeekOf| metric.read_for(&week.observed, smallest);
        let readings: Vec<Option<Reading>> = weeks.iter().map(read).collect();
        let newest = readings.last().copied().flatten();
        let before: Vec<i32> = readings.iter().rev().skip(1).flatten().map(|read| read.value).collect();
        let deviation = newest.and_then(|read| deviation(read.value, &before));
        let [english, chinese] = metric.definition();
        let of_week = |(week, read): (&WeekOf, &Option<Reading>)| WeekFigure {
            from: week.week.first_day(),
            value: read.map(|read| read.value),
        };
        Self {
            metric,
            unit: metric.unit(),
            english,
            chinese,
            value: newest.map(|read| read.value),
            of: newest.map(|read| read.of),
            target: metric.target().map(Target::line),
            usual: usual(&before),
            deviation,
            alert: deviation.is_some_and(|deviation| deviation.abs() >= ABNORMAL),
            weeks: weeks.iter().zip(&readings).map(of_week).collect(),
        }
    }
}

fn usual(before: &[i32]) -> Option<i32> {
    let sum: i64 = before.iter().map(|value| i64::from(*value)).sum();
    let count = i64::try_from(before.len()).ok().filter(|_| before.len() >= LEAST_HISTORY)?;
    i32::try_from(sum / count).ok()
}

/// By how many standard deviations a value lies above the mean of those before; none when they are too few or all alike.
///
/// Of a normal value and a sample before it, (x - mean) / (s √(1 + 1/n)) is Student's t with n - 1 degrees of freedom.
fn deviation(value: i32, before: &[i32]) -> Option<f64> {
    let count = u32::try_from(before.len()).ok().filter(|_| before.len() >= LEAST_HISTORY)?;
    let n = f64::from(count);
    let mean = before.iter().map(|value| f64::from(*value)).sum::<f64>() / n;
    let squares: f64 = before.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum();
    let spread = (squares / (n - 1.0)).sqrt();
    let deviation = (f64::from(value) - mean) / (spread * (1.0 + 1.0 / n).sqrt());
    deviation.is_finite().then_some(deviation)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weeks in which so many members were active, the last one last.
    fn board(active: &[u64], smallest: Option<SmallestGroup>) -> WeeklyBoard {
        let week = |(active, number): (&u64, u32)| {
            let counts = Counts { members: 1_000, active: *active, established: 10, gone: 4, ..Counts::default() };
            WeekOf { week: Week::from_number(number).unwrap(), observed: Observed { counts, ..Observed::default() } }
        };
        let weeks: Vec<WeekOf> = active.iter().zip(2_900..).map(week).collect();
        let one = [(None, Counts { members: 19, bought: 1, ..Counts::default() })];
        WeeklyBoard::of(Group::default(), &weeks, &one, smallest).unwrap()
    }

    fn figure(board: &WeeklyBoard, metric: Metric) -> WeeklyFigure {
        board.metrics.iter().find(|figure| figure.metric == metric).unwrap().clone()
    }

    #[test]
    fn a_figure_far_from_the_weeks_before_is_an_alert_and_a_usual_one_is_not() {
        let weeks = |last| [200, 210, 190, 205, 195, 200, 210, 190, last];
        let usual = figure(&board(&weeks(215), None), Metric::ActiveMembers);
        assert_eq!((usual.usual, usual.alert), (Some(200), false));
        let high = figure(&board(&weeks(240), None), Metric::ActiveMembers);
        // (240 - 200) / (sqrt(450 / 7) * sqrt(1 + 1 / 8)) by hand.
        assert!((high.deviation.unwrap() - 4.704).abs() < 0.001, "{high:?}");
        assert!(high.alert && figure(&board(&weeks(160), None), Metric::ActiveMembers).alert);
        let young = figure(&board(&weeks(240)[1..], None), Metric::ActiveMembers);
        assert_eq!((young.usual, young.deviation, young.alert), (None, None, false), "seven weeks are too few");
        let still = figure(&board(&weeks(240), None), Metric::Churn);
        assert_eq!((still.usual, still.deviation, still.alert), (Some(4_000), None, false), "all alike have no spread");
    }

    #[test]
    fn operators_are_told_of_groups_only() {
        let told = board(&[205, 19], Some(SmallestGroup::USUAL));
        let active = figure(&told, Metric::ActiveMembers);
        let values: Vec<Option<i32>> = active.weeks.iter().map(|week| week.value).collect();
        assert_eq!((active.value, values), (None, vec![Some(200), None]));
        assert!(told.conversion_by_source.is_empty() && told.fewer_than.is_none());
        assert_eq!(board(&[205], None).conversion_by_source.len(), 1);
    }
}
