//! The board of the service desk, made from the figures of its days.

use serde::Serialize;

use super::sla::ClockName;
use super::tally::{Figures, SPANS};
use super::ticket::{Kind, Priority, State, Ticket};
use crate::values::{Category, Code, LocalDay, Moment};

/// The reasons that the board shows.
const TOP_REASONS: usize = 3;
/// Complaints that a product line needs before its share says anything.
const LEAST_COMPLAINTS: u64 = 5;
/// Complaints about all product lines that the span before needs to be compared with.
const LEAST_HISTORY: u64 = 30;
/// From this many standard errors on a share is abnormal: by chance alone in 1 of 740 comparisons.
const ABNORMAL: f64 = 3.0;

/// The board of the service desk for a span of days. All but `queues` counts the tickets opened on those days.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct TicketBoard {
    /// The first day.
    pub from: LocalDay,
    /// The last day.
    pub until: LocalDay,
    /// Tickets opened.
    pub opened: u64,
    /// By type.
    pub types: Vec<TypeFigure>,
    /// From the opening to the first reply, by the clock on the wall.
    pub first_reply: Times,
    /// From the opening to the resolution, by the clock on the wall.
    pub resolution: Times,
    /// Clocks that ran out.
    pub breaches: Vec<BreachFigure>,
    /// How often tickets were reopened.
    pub reopened: u64,
    /// The most frequent return reasons, most frequent first.
    pub return_reasons: Vec<ReasonFigure>,
    /// Complaints (quality, logistics, size and return, price) by the hour of the day, from 0 to 23.
    pub complaints_by_hour: Vec<u64>,
    /// What members answered.
    pub satisfaction: Satisfaction,
    /// Product lines that complaints name, most complaints first.
    pub lines: Vec<LineFigure>,
    /// Questions that members looked up answers to before they opened a ticket.
    pub self_service: SelfServiceFigures,
    /// What there is to do now, by department and priority.
    pub queues: Vec<QueueFigure>,
}

/// Tickets of a type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct TypeFigure {
    /// The type.
    pub r#type: Kind,
    /// How many.
    pub opened: u64,
}

/// How long something took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Times {
    /// How often it happened.
    pub count: u64,
    /// The mean in minutes, rounded down; none when it never happened.
    pub mean_minutes: Option<u64>,
    /// How many took how long, each span beginning where the one before ends.
    pub spans: Vec<SpanFigure>,
}

/// How many took so long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SpanFigure {
    /// At most: `15m`, `1h`, `4h`, `8h`, `1d`, `3d`, or `longer`.
    pub within: &'static str,
    /// How many.
    pub count: u64,
}

/// How often a clock ran out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct BreachFigure {
    /// The clock.
    pub clock: ClockName,
    /// How often.
    pub count: u64,
    /// Per ten thousand tickets opened; of the next reply, which a ticket may owe several times, it may be more.
    pub per_10000: u64,
}

/// Returns for a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ReasonFigure {
    /// The reason, a code of the settings.
    pub reason: Code,
    /// How many.
    pub count: u64,
}

/// What members answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Satisfaction {
    /// Members asked.
    pub asked: u64,
    /// Answers.
    pub answered: u64,
    /// The mean satisfaction (CSAT, 1 to 5) in hundredths.
    pub csat_hundredths: Option<u64>,
    /// The net promoter score: percent of 9 and 10 less percent of 0 to 6, -100 to 100.
    pub nps: Option<i64>,
}

/// Questions that members looked up answers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SelfServiceFigures {
    /// Questions asked.
    pub asked: u64,
    /// Those to which there was any answer.
    pub answered: u64,
    /// Members said that it helped.
    pub solved: u64,
    /// Members said that it did not help, and opened a ticket.
    pub unsolved: u64,
    /// Solved per ten thousand of which members said the one or the other; the target is 7000.
    pub solved_per_10000: u64,
}

impl SelfServiceFigures {
    /// What these figures tell of it.
    #[must_use]
    pub fn of(figures: &Figures) -> Self {
        let [asked, answered, solved, unsolved] =
            ["asked", "answered", "solved", "unsolved"].map(|name| figures.get(&format!("faq.{name}")));
        Self { asked, answered, solved, unsolved, solved_per_10000: per_10000(solved, solved + unsolved) }
    }
}

/// Complaints about a product line.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct LineFigure {
    /// The line.
    pub line: Category,
    /// Tickets.
    pub opened: u64,
    /// Complaints.
    pub complaints: u64,
    /// Its share of all complaints that name a line, per ten thousand.
    pub per_10000: u64,
    /// The same in the 28 days before.
    pub usual_per_10000: u64,
    /// By how many standard errors the share lies above the usual one: the pooled two-proportion z. None when the line
    /// has fewer than 5 complaints or the 28 days before fewer than 30 in all.
    pub deviation: Option<f64>,
    /// Whether that is abnormal: 3 or more, which chance alone brings once in 740 comparisons.
    pub alert: bool,
}

/// What a department has to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct QueueFigure {
    /// The department.
    pub department: Code,
    /// How urgent.
    pub priority: Priority,
    /// Nobody has taken it.
    pub free: u64,
    /// Somebody works on it.
    pub taken: u64,
    /// It waits for the member.
    pub waiting: u64,
    /// Of all these, those with a clock that has run out.
    pub overdue: u64,
}

/// Complaints about product lines, of a span and of the 28 days before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// Line, tickets and complaints of the span.
    pub now: Vec<(Category, u64, u64)>,
    /// Line and complaints of the days before.
    pub before: Vec<(Category, u64)>,
}

impl TicketBoard {
    /// The board of these figures.
    #[must_use]
    pub fn of(from: LocalDay, until: LocalDay, figures: &Figures, lines: &Lines, queues: Vec<QueueFigure>) -> Self {
        let opened = figures.get("opened");
        let types = Kind::ALL.map(|kind| TypeFigure { r#type: kind, opened: figures.get(&format!("opened.{kind}")) });
        let breach = |clock: &ClockName| {
            let count = figures.get(&format!("breached.{clock}"));
            BreachFigure { clock: *clock, count, per_10000: per_10000(count, opened) }
        };
        Self {
            from,
            until,
            opened,
            types: types.to_vec(),
            first_reply: Times::of(figures, "replied"),
            resolution: Times::of(figures, "resolved"),
            breaches: ClockName::ALL.iter().map(breach).collect(),
            reopened: figures.get("reopened"),
            return_reasons: reasons(figures),
            complaints_by_hour: (0..24).map(|hour| figures.get(&format!("complaints.{hour:02}"))).collect(),
            satisfaction: Satisfaction::of(figures),
            lines: line_figures(lines),
            self_service: SelfServiceFigures::of(figures),
            queues,
        }
    }
}

impl Times {
    /// How long what is counted by this name took.
    #[must_use]
    pub fn of(figures: &Figures, name: &str) -> Self {
        let count = figures.get(name);
        let span = |(_, within): &(u64, &'static str)| {
            let count = figures.get(&format!("{name}.{within}"));
            SpanFigure { within, count }
        };
        let mean = figures.get(&format!("{name}.ms")).checked_div(count);
        Self { count, mean_minutes: mean.map(|millis| millis / 60_000), spans: SPANS.iter().map(span).collect() }
    }
}

impl Satisfaction {
    /// What these figures tell of it.
    #[must_use]
    pub fn of(figures: &Figures) -> Self {
        let csat: Vec<(u64, u64)> = (1..=5).map(|score| (score, figures.get(&format!("csat.{score}")))).collect();
        let answered: u64 = csat.iter().map(|(_, count)| count).sum();
        let sum: u64 = csat.iter().map(|(score, count)| score * count).sum();
        let nps = |scores: std::ops::RangeInclusive<u8>| -> u64 {
            scores.map(|score| figures.get(&format!("nps.{score:02}"))).sum()
        };
        let (promoters, detractors, all) = (nps(9..=10), nps(0..=6), nps(0..=10));
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        Self {
            asked: figures.get("surveyed"),
            answered,
            csat_hundredths: (sum * 100).checked_div(answered),
            nps: (100 * (signed(promoters) - signed(detractors))).checked_div(signed(all)),
        }
    }
}

impl QueueFigure {
    /// The figures of a department's queue, most urgent first; priorities of which there is nothing are left out.
    #[must_use]
    pub fn of<'a>(department: &Code, tickets: impl IntoIterator<Item = &'a Ticket>, now: Moment) -> Vec<Self> {
        let empty =
            |priority| Self { department: department.clone(), priority, free: 0, taken: 0, waiting: 0, overdue: 0 };
        let mut figures = Priority::ALL.map(empty);
        for ticket in tickets {
            let Some(figure) = figures.iter_mut().find(|figure| figure.priority == ticket.priority) else { continue };
            match (ticket.state, &ticket.assignee) {
                (State::Waiting, _) => figure.waiting += 1,
                (_, Some(_)) => figure.taken += 1,
                (_, None) => figure.free += 1,
            }
            figure.overdue += u64::from(ticket.deadline().is_some_and(|due| due <= now));
        }
        figures.into_iter().filter(|figure| figure.free + figure.taken + figure.waiting > 0).collect()
    }
}

fn per_10000(part: u64, whole: u64) -> u64 {
    (part * 10_000).checked_div(whole).unwrap_or(0)
}

fn reasons(figures: &Figures) -> Vec<ReasonFigure> {
    let read = |(reason, count)| Some(ReasonFigure { reason: Code::parse(reason).ok()?, count });
    let mut reasons: Vec<ReasonFigure> = figures.under("returned.").filter_map(read).collect();
    reasons.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
    reasons.truncate(TOP_REASONS);
    reasons
}

fn line_figures(lines: &Lines) -> Vec<LineFigure> {
    let all: u64 = lines.now.iter().map(|(.., complaints)| complaints).sum();
    let all_before: u64 = lines.before.iter().map(|(_, complaints)| complaints).sum();
    let figure = |(line, opened, complaints): &(Category, u64, u64)| {
        let before = lines.before.iter().filter(|(other, _)| other == line).map(|(_, complaints)| complaints).sum();
        let enough = *complaints >= LEAST_COMPLAINTS && all_before >= LEAST_HISTORY;
        let deviation = if enough { deviation((*complaints, all), (before, all_before)) } else { None };
        LineFigure {
            line: line.clone(),
            opened: *opened,
            complaints: *complaints,
            per_10000: per_10000(*complaints, all),
            usual_per_10000: per_10000(before, all_before),
            deviation,
            alert: deviation.is_some_and(|deviation| deviation >= ABNORMAL),
        }
    };
    let mut figures: Vec<LineFigure> = lines.now.iter().map(figure).collect();
    figures.sort_by(|a, b| b.complaints.cmp(&a.complaints).then_with(|| a.line.cmp(&b.line)));
    figures
}

/// The pooled two-proportion z statistic of a part of a whole beside an earlier part of an earlier whole; none when all
/// or nothing of both is the part, which leaves nothing to deviate.
fn deviation(now: (u64, u64), before: (u64, u64)) -> Option<f64> {
    // Counts beyond four thousand million are none of complaints.
    let real = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let ((part, whole), (part_before, whole_before)) = ((real(now.0), real(now.1)), (real(before.0), real(before.1)));
    let pooled = (part + part_before) / (whole + whole_before);
    let error = (pooled * (1.0 - pooled) * (1.0 / whole + 1.0 / whole_before)).sqrt();
    let deviation = (part / whole - part_before / whole_before) / error;
    deviation.is_finite().then_some(deviation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str) -> Category {
        Category::parse(name).unwrap()
    }

    fn lines(coats: u64, others: u64, coats_before: u64, others_before: u64) -> LineFigure {
        let now = vec![(line("外套"), coats, coats), (line("鞋"), others, others)];
        let before = vec![(line("外套"), coats_before), (line("鞋"), others_before)];
        line_figures(&Lines { now, before }).into_iter().find(|figure| figure.line == line("外套")).unwrap()
    }

    #[test]
    fn a_line_whose_share_of_complaints_has_jumped_is_an_alert() {
        let jump = lines(20, 20, 10, 90);
        assert_eq!((jump.per_10000, jump.usual_per_10000, jump.alert), (5_000, 1_000, true));
        // (0.5 - 0.1) / sqrt(30/140 * 110/140 * (1/40 + 1/100)) by hand.
        assert!((jump.deviation.unwrap() - 5.211).abs() < 0.001, "{jump:?}");
    }

    #[test]
    fn more_complaints_about_everything_are_no_alert_about_a_line() {
        assert!(!lines(100, 900, 10, 90).alert);
        assert!(!lines(13, 87, 10, 90).alert);
    }

    #[test]
    fn a_handful_of_complaints_or_no_history_says_nothing() {
        assert_eq!(lines(4, 0, 10, 90).deviation, None);
        assert_eq!(lines(20, 20, 1, 28).deviation, None);
        assert_eq!(lines(20, 0, 40, 0).deviation, None);
    }

    #[test]
    fn the_board_adds_up_what_was_counted() {
        let mut figures = Figures::default();
        for (name, by) in [
            ("opened", 10),
            ("opened.quality", 6),
            ("replied", 4),
            ("replied.ms", 4 * 90 * 60_000),
            ("replied.4h", 4),
            ("breached.first_reply", 2),
            ("complaints.20", 5),
            ("returned.too_small", 3),
            ("returned.flaw", 3),
            ("returned.late", 1),
            ("returned.color", 2),
            ("csat.5", 3),
            ("csat.2", 1),
            ("nps.10", 2),
            ("nps.03", 1),
            ("nps.08", 1),
            ("faq.asked", 9),
            ("faq.solved", 3),
            ("faq.unsolved", 1),
        ] {
            figures.raise(name, by);
        }
        let day = LocalDay::parse("2026-03-02").unwrap();
        let board = TicketBoard::of(day, day, &figures, &Lines::default(), Vec::new());
        assert_eq!((board.first_reply.count, board.first_reply.mean_minutes), (4, Some(90)));
        assert_eq!(board.resolution.mean_minutes, None);
        assert_eq!(board.breaches[0].per_10000, 2_000);
        assert_eq!(board.complaints_by_hour[20], 5);
        let reasons: Vec<_> = board.return_reasons.iter().map(|r| (r.reason.as_str(), r.count)).collect();
        assert_eq!(reasons, [("flaw", 3), ("too_small", 3), ("color", 2)]);
        assert_eq!((board.satisfaction.csat_hundredths, board.satisfaction.nps), (Some(425), Some(25)));
        assert_eq!((board.self_service.asked, board.self_service.solved_per_10000), (9, 7_500));
    }
}
