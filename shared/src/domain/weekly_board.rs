//! The weekly board: eight figures of the brand, each with its definition, its target and what is usual.

use serde::Serialize;

use super::anonymity::SmallestGroup;
use super::week::{Counts, Week};
use crate::values::{Code, LocalDay};

/// Weeks before this one from which on it is told what is usual.
const LEAST_HISTORY: usize = 8;
/// From this many standard deviations on a figure is abnormal. Among eight weeks chance alone brings that once in 190
/// figures, among twelve once in 480 (Student's t with seven and eleven degrees of freedom).
const ABNORMAL: f64 = 4.0;

/// What the board tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Members who have become customers.
    Conversion,
    /// Members who were active.
    ActiveMembers,
    /// Customers who bought again.
    Repurchase,
    /// New customers who came back within 30 days.
    #[serde(rename = "retention_30_days")]
    Retention,
    /// Customers who have gone.
    Churn,
    /// What an order comes to.
    AverageOrder,
    /// What a customer will still bring.
    LifetimeValue,
    /// The net promoter score.
    Nps,
}

/// In what a figure is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Members.
    Members,
    /// Parts of ten thousand.
    #[serde(rename = "per_10000")]
    Per10000,
    /// Fen.
    Fen,
    /// Percent of promoters less percent of detractors, -100 to 100.
    Score,
}

/// Answers to surveys in a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nps {
    /// The score, -100 to 100.
    pub score: i32,
    /// How many answers it is made of.
    pub answers: u64,
}

/// What one week came to for the group that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeekOf {
    /// The week.
    pub week: Week,
    /// What was counted.
    pub counts: Counts,
    /// What members answered; none of a group, of which no answers are kept.
    pub nps: Option<Nps>,
}

/// A figure, and of how many people or orders it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    value: i32,
    of: u64,
    people: u64,
}

impl Metric {
    /// All of them, in the order in which the board has them.
    pub const ALL: [Self; 8] = [
        Self::Conversion,
        Self::ActiveMembers,
        Self::Repurchase,
        Self::Retention,
        Self::Churn,
        Self::AverageOrder,
        Self::LifetimeValue,
        Self::Nps,
    ];

    const fn unit(self) -> Unit {
        match self {
            Self::Conversion | Self::Repurchase | Self::Retention | Self::Churn => Unit::Per10000,
            Self::ActiveMembers => Unit::Members,
            Self::AverageOrder | Self::LifetimeValue => Unit::Fen,
            Self::Nps => Unit::Score,
        }
    }

    /// What the brand wants, in the figure's unit.
    const fn target(self) -> Option<i32> {
        match self {
            Self::Repurchase => Some(3_500),
            Self::Churn => Some(2_500),
            Self::AverageOrder => Some(380_00),
            Self::Conversion | Self::ActiveMembers | Self::Retention | Self::LifetimeValue | Self::Nps => None,
        }
    }

    /// How it is counted, in English and in Chinese.
    const fn definition(self) -> [&'static str; 2] {
        match self {
            Self::Conversion => [
                "Of the members of the acquisition channel, those who have bought by the end of the week and kept something.",
                "转化率：该获客渠道的会员中，截至本周末有过有效购买（未全额退款）的比例。",
            ],
            Self::ActiveMembers => [
                "Members who bought in the week, or looked, searched, shared, reviewed, visited or checked in during it.",
                "活跃客户数：本周有购买，或有浏览、搜索、分享、评价、到店、签到等行为的会员数。",
            ],
            Self::Repurchase => [
                "Of those who bought within the 365 days up to the end of the week, those who did on two days or more.",
                "复购率：截至本周末的 365 天内有购买的客户中，在两个及以上日期购买的比例。",
            ],
            Self::Retention => [
                "Of those whose first purchase lies in the seven days that ended 30 days before the end of the week, those who bought again within 30 days of it.",
                "30 天留存率：首购落在「周末往前第 36 至 30 天」的客户中，首购后 30 天内再次购买的比例。",
            ],
            Self::Churn => [
                "Of those who bought within the 365 days that ended 90 days before the end of the week, those who have not bought since.",
                "流失率：90 天之前的 365 天内有购买的客户中，最近 90 天没有再购买的比例。",
            ],
            Self::AverageOrder => [
                "What the week's orders came to, less what was refunded of them, by their number; fully refunded ones don't count.",
                "客单价：本周订单实付金额减去退款，除以订单数；全额退款的订单不计。",
            ],
            Self::LifetimeValue => [
                "The mean over all who have bought of what BG/NBD and gamma-gamma foresee of their purchases in the next 365 days, discounted by 15 % a year.",
                "客户生命周期价值：有过购买的客户，按 BG/NBD 与 Gamma-Gamma 模型预测的未来 365 天购买价值（年折现率 15 %）的平均数。",
            ],
            Self::Nps => [
                "Percent of 9 and 10 less percent of 0 to 6 among the answers to surveys about the tickets that were opened in the week.",
                "净推荐值：对本周提交工单的满意度调查中，打 9–10 分的百分比减去打 0–6 分的百分比。",
            ],
        }
    }

    /// What it comes to; none where there is nothing to divide by.
    fn read(self, week: &WeekOf) -> Option<Reading> {
        let c = &week.counts;
        let share = |part: u64, of: u64| reading((part * 10_000).checked_div(of)?, of, of);
        match self {
            Self::Conversion => share(c.bought, c.members),
            Self::ActiveMembers => reading(c.active, c.members, c.active),
            Self::Repurchase => share(c.repeaters, c.customers),
            Self::Retention => share(c.returned, c.newcomers),
            Self::Churn => share(c.gone, c.established),
            Self::AverageOrder => reading(c.money.checked_div(c.orders)?, c.orders, c.buyers),
            Self::LifetimeValue => reading(c.value.checked_div(c.valued)?, c.valued, c.valued),
            Self::Nps => week.nps.map(|nps| Reading { value: nps.score, of: nps.answers, people: nps.answers }),
        }
    }
}

fn reading(value: u64, of: u64, people: u64) -> Option<Reading> {
    Some(Reading { value: i32::try_from(value).ok()?, of, people })
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
    pub metrics: Vec<Figure>,
    /// Conversion by acquisition channel, those with most members first.
    pub conversion_by_source: Vec<SourceFigure>,
}

/// A figure of the board.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Figure {
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

/// Of whom a board is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Members won by this acquisition channel; all when there is none.
    pub source: Option<Code>,
    /// Members in this segment; all when there is none.
    pub segment: Option<Code>,
}

impl WeeklyBoard {
    /// The board of the last of these weeks, which are in order. Whoever sees groups only is told of at least
    /// `smallest` members, by counts rounded down to multiples of it.
    #[must_use]
    pub fn of(
        group: Group,
        weeks: &[WeekOf],
        sources: &[(Option<Code>, Counts)],
        smallest: Option<SmallestGroup>,
    ) -> Option<Self> {
        let weeks: Vec<WeekOf> = weeks.iter().map(|week| told(*week, smallest)).collect();
        let newest = weeks.last()?;
        let members = newest.counts.members;
        let mut by_source: Vec<SourceFigure> = sources.iter().filter_map(|one| of_source(one, smallest)).collect();
        by_source.sort_by(|a, b| b.members.cmp(&a.members).then_with(|| a.source.cmp(&b.source)));
        Some(Self {
            from: newest.week.first_day(),
            until: newest.week.last_day(),
            source: group.source,
            segment: group.segment,
            members,
            fewer_than: smallest.filter(|k| !k.is_group(members)).map(SmallestGroup::number),
            metrics: Metric::ALL.map(|metric| Figure::of(metric, &weeks, smallest)).to_vec(),
            conversion_by_source: by_source,
        })
    }
}

impl Figure {
    fn of(metric: Metric, weeks: &[WeekOf], smallest: Option<SmallestGroup>) -> Self {
        let enough = |read: &Reading| smallest.is_none_or(|k| k.is_group(read.people));
        let readings: Vec<Option<Reading>> = weeks.iter().map(|week| metric.read(week).filter(enough)).collect();
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
            of: newest.map(|read| smallest.map_or(read.of, |k| k.coarse(read.of))),
            target: metric.target(),
            usual: usual(&before),
            deviation,
            alert: deviation.is_some_and(|deviation| deviation.abs() >= ABNORMAL),
            weeks: weeks.iter().zip(&readings).map(of_week).collect(),
        }
    }
}

/// A week as it may be told: counts of people in multiples of the smallest group. Orders and money stay as they are, for
/// means are told of so many people only.
fn told(week: WeekOf, smallest: Option<SmallestGroup>) -> WeekOf {
    let Some(k) = smallest else { return week };
    let c = week.counts;
    let counts = Counts {
        members: k.coarse(c.members),
        bought: k.coarse(c.bought),
        active: k.coarse(c.active),
        customers: k.coarse(c.customers),
        repeaters: k.coarse(c.repeaters),
        newcomers: k.coarse(c.newcomers),
        returned: k.coarse(c.returned),
        established: k.coarse(c.established),
        gone: k.coarse(c.gone),
        ..c
    };
    WeekOf { counts, ..week }
}

fn of_source((source, counts): &(Option<Code>, Counts), smallest: Option<SmallestGroup>) -> Option<SourceFigure> {
    let rounded = |count| smallest.map_or(count, |k| k.coarse(count));
    let (members, bought) = (rounded(counts.members), rounded(counts.bought));
    let per_10000 = (bought * 10_000).checked_div(members)?;
    Some(SourceFigure { source: source.clone(), members, per_10000 })
}

fn usual(before: &[i32]) -> Option<i32> {
    let sum: i64 = before.iter().map(|value| i64::from(*value)).sum();
    let count = i64::try_from(before.len()).ok().filter(|_| before.len() >= LEAST_HISTORY)?;
    i32::try_from(sum / count).ok()
}

/// By how many standard deviations a value lies above the mean of those before; none when they are too few or all alike.
///
/// The prediction of one more normal value from a sample: (x - mean) / (s √(1 + 1/n)) is Student's t.
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

    fn week(number: u32, counts: Counts) -> WeekOf {
        WeekOf { week: Week::from_number(number).unwrap(), counts, nps: None }
    }

    fn of(weeks: &[WeekOf], smallest: Option<SmallestGroup>) -> WeeklyBoard {
        WeeklyBoard::of(Group::default(), weeks, &[], smallest).unwrap()
    }

    fn figure(board: &WeeklyBoard, metric: Metric) -> Figure {
        board.metrics.iter().find(|figure| figure.metric == metric).unwrap().clone()
    }

    const COUNTS: Counts = Counts {
        members: 1_000,
        bought: 400,
        active: 210,
        buyers: 100,
        orders: 120,
        money: 42_000_00,
        customers: 300,
        repeaters: 99,
        newcomers: 39,
        returned: 13,
        established: 250,
        gone: 70,
        valued: 400,
        value: 80_000_00,
    };

    #[test]
    fn the_eight_figures_come_from_the_counts() {
        let newest = WeekOf { nps: Some(Nps { score: -12, answers: 50 }), ..week(2_930, COUNTS) };
        let board = of(&[newest], None);
        let told: Vec<(Option<i32>, Option<u64>)> = board.metrics.iter().map(|one| (one.value, one.of)).collect();
        assert_eq!(
            told,
            [
                (Some(4_000), Some(1_000)),
                (Some(210), Some(1_000)),
                (Some(3_300), Some(300)),
                (Some(3_333), Some(39)),
                (Some(2_800), Some(250)),
                (Some(350_00), Some(120)),
                (Some(200_00), Some(400)),
                (Some(-12), Some(50)),
            ]
        );
        assert_eq!(figure(&board, Metric::Repurchase).target, Some(3_500));
    }

    #[test]
    fn nothing_to_divide_by_is_no_figure_and_no_zero() {
        let board = of(&[week(2_930, Counts { members: 5, ..Counts::default() })], None);
        let values: Vec<Option<i32>> = board.metrics.iter().map(|one| one.value).collect();
        assert_eq!(values, [Some(0), Some(0), None, None, None, None, None, None]);
    }

    #[test]
    fn a_figure_far_from_the_weeks_before_is_an_alert_and_a_usual_one_is_not() {
        let weeks = |last: u64| -> Vec<WeekOf> {
            let active = [200, 210, 190, 205, 195, 200, 210, 190, last];
            active.into_iter().zip(2_900..).map(|(active, n)| week(n, Counts { active, ..COUNTS })).collect()
        };
        let usual = figure(&of(&weeks(215), None), Metric::ActiveMembers);
        assert_eq!((usual.usual, usual.alert), (Some(200), false));
        let high = figure(&of(&weeks(240), None), Metric::ActiveMembers);
        // (240 - 200) / (sqrt(450 / 7) * sqrt(1 + 1 / 8)) by hand.
        assert!((high.deviation.unwrap() - 4.704).abs() < 0.001, "{high:?}");
        assert!(high.alert && figure(&of(&weeks(160), None), Metric::ActiveMembers).alert);
        let young = figure(&of(&weeks(240)[1..], None), Metric::ActiveMembers);
        assert_eq!((young.usual, young.deviation, young.alert), (None, None, false), "seven weeks are too few");
        let still = figure(&of(&weeks(240), None), Metric::Churn);
        assert_eq!((still.deviation, still.alert), (None, false), "weeks that are all alike have no spread");
    }

    #[test]
    fn operators_are_told_of_groups_only() {
        let k = SmallestGroup::USUAL;
        let board = of(&[week(2_930, COUNTS)], Some(k));
        assert_eq!(figure(&board, Metric::Retention).value, Some(0), "13 of 39 are 0 of 20");
        assert_eq!(
            (figure(&board, Metric::Repurchase).value, figure(&board, Metric::Repurchase).of),
            (Some(2_666), Some(300))
        );
        assert_eq!(figure(&board, Metric::AverageOrder).value, Some(350_00));
        let few = Counts { buyers: 19, members: 19, bought: 19, ..COUNTS };
        let board = of(&[week(2_930, few)], Some(k));
        assert_eq!((board.members, board.fewer_than), (0, Some(20)));
        assert_eq!(figure(&board, Metric::AverageOrder).value, None);
        assert_eq!(figure(&board, Metric::Conversion).value, None);
        let one = [(None, Counts { members: 19, bought: 1, ..Counts::default() })];
        assert!(
            WeeklyBoard::of(Group::default(), &[week(2_930, few)], &one, Some(k))
                .unwrap()
                .conversion_by_source
                .is_empty()
        );
    }
}
