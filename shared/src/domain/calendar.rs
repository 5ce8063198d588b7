//! The business calendar: when the service desk is open, and time counted in open hours only.
//!
//! A week of shifts, as many a day as there are; public holidays on which the desk is shut; make-up workdays on which
//! it is open by another weekday's hours although the week or a holiday says otherwise. All of it is settings, entered
//! year by year as the State Council announces it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::flaw::{Flaw, Flaws};
use crate::values::{Invalid, LocalDay, Moment, Name};

/// Minutes of a day.
const DAY: u16 = 1_440;

/// How far ahead open hours are looked for: a calendar that has none within it never opens.
const HORIZON_DAYS: i32 = 7_320;

/// The most holidays and make-up workdays: many years of them.
const MOST_EXCEPTIONS: usize = 400;

/// The longest holiday, in days.
const LONGEST_HOLIDAY: i32 = 31;

/// A time of day in China to the minute, `00:00` to `24:00`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// The beginning of a day.
    pub const MIDNIGHT: Self = Self(0);

    /// This hour and minute; `None` past midnight.
    #[must_use]
    pub const fn new(hour: u8, minute: u8) -> Option<Self> {
        let minutes = hour as u16 * 60 + minute as u16;
        if minute < 60 && minutes <= DAY { Some(Self(minutes)) } else { None }
    }

    /// Reads `09:00`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const WANTED: Invalid = Invalid("a time of day from 00:00 to 24:00, as 09:00");
        let number = |digits: &str| {
            let plain = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse::<u8>().ok().filter(|_| plain)
        };
        let (hour, minute) = text.split_once(':').ok_or(WANTED)?;
        number(hour).zip(number(minute)).and_then(|(hour, minute)| Self::new(hour, minute)).ok_or(WANTED)
    }

    /// This time on a day.
    pub(crate) fn on(self, day: LocalDay) -> Moment {
        Moment::start_of(day).plus(Duration::from_mins(u64::from(self.0)))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl fmt::Debug for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for TimeOfDay {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        String::schema()
    }
}
impl utoipa::ToSchema for TimeOfDay {}

/// Hours without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// When it begins.
    pub from: TimeOfDay,
    /// When it ends.
    pub until: TimeOfDay,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl Weekday {
    /// The weekday of a day.
    #[must_use]
    pub fn of(day: LocalDay) -> Self {
        match day.days_since(day.start_of_week()) {
            0 => Self::Monday,
            1 => Self::Tuesday,
            2 => Self::Wednesday,
            3 => Self::Thursday,
            4 => Self::Friday,
            5 => Self::Saturday,
            _ => Self::Sunday,
        }
    }
}

/// The shifts of an ordinary week; a day without any is a day off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Week {
    /// Monday's.
    pub monday: Vec<Shift>,
    /// Tuesday's.
    pub tuesday: Vec<Shift>,
    /// Wednesday's.
    pub wednesday: Vec<Shift>,
    /// Thursday's.
    pub thursday: Vec<Shift>,
    /// Friday's.
    pub friday: Vec<Shift>,
    /// Saturday's.
    pub saturday: Vec<Shift>,
    /// Sunday's.
    pub sunday: Vec<Shift>,
}

impl Week {
    /// The shifts of a weekday.
    #[must_use]
    pub fn shifts(&self, weekday: Weekday) -> &[Shift] {
        match weekday {
            Weekday::Monday => &self.monday,
            Weekday::Tuesday => &self.tuesday,
            Weekday::Wednesday => &self.wednesday,
            Weekday::Thursday => &self.thursday,
            Weekday::Friday => &self.friday,
            Weekday::Saturday => &self.saturday,
            Weekday::Sunday => &self.sunday,
        }
    }

    fn days(&self) -> [(&'static str, &[Shift]); 7] {
        [
            ("monday", &self.monday),
            ("tuesday", &self.tuesday),
            ("wednesday", &self.wednesday),
            ("thursday", &self.thursday),
            ("friday", &self.friday),
            ("saturday", &self.saturday),
            ("sunday", &self.sunday),
        ]
    }
}

/// Days on which the desk is shut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Holiday {
    /// What it is called.
    pub name: Name,
    /// The first day.
    pub from: LocalDay,
    /// The last day.
    pub until: LocalDay,
}

/// A day worked to make up for a holiday.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Workday {
    /// The day.
    pub day: LocalDay,
    /// By which weekday's hours.
    pub hours_of: Weekday,
}

/// When the desk is open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// An ordinary week.
    pub week: Week,
    /// Public holidays.
    #[serde(default)]
    pub holidays: Vec<Holiday>,
    /// Make-up workdays; they go before the week and before holidays.
    #[serde(default)]
    pub workdays: Vec<Workday>,
}

impl Calendar {
    /// The shifts of a day.
    #[must_use]
    pub fn shifts(&self, day: LocalDay) -> &[Shift] {
        if let Some(workday) = self.workdays.iter().find(|workday| workday.day == day) {
            return self.week.shifts(workday.hours_of);
        }
        let holiday = self.holidays.iter().any(|holiday| (holiday.from..=holiday.until).contains(&day));
        if holiday { &[] } else { self.week.shifts(Weekday::of(day)) }
    }

    /// The moment at which this much open time has passed since `start`: within open hours or at their end, so that
    /// Friday 16:00 and one hour are Friday 17:00. Of no time at all it is `start` itself when the desk is open then,
    /// the next opening otherwise. A calendar that never opens gets there at the last moment that is kept.
    #[must_use]
    pub fn add(&self, start: Moment, business: Duration) -> Moment {
        let mut left = business;
        for (from, until) in self.open(start) {
            let span = until.since(from);
            if left <= span {
                return from.plus(left);
            }
            left = left.saturating_sub(span);
        }
        Moment::start_of(LocalDay::LAST)
    }

    /// The open time between two moments; none when the second is not later.
    #[must_use]
    pub fn between(&self, start: Moment, end: Moment) -> Duration {
        let open = self.open(start).take_while(|(from, _)| *from < end);
        open.map(|(from, until)| until.min(end).since(from)).sum()
    }

    /// Whether the desk is open at a moment. The end of a shift is not part of it.
    #[must_use]
    pub fn is_open(&self, moment: Moment) -> bool {
        let day = moment.day();
        self.shifts(day).iter().any(|shift| (shift.from.on(day)..shift.until.on(day)).contains(&moment))
    }

    /// The open spans from a moment on, none of them empty.
    fn open(&self, start: Moment) -> impl Iterator<Item = (Moment, Moment)> {
        let first = start.day().number();
        let days = (first..first.saturating_add(HORIZON_DAYS)).map_while(LocalDay::from_number);
        let spans = days.flat_map(|day| self.shifts(day).iter().map(move |s| (s.from.on(day), s.until.on(day))));
        spans.map(move |(from, until)| (from.max(start), until)).filter(|(from, until)| from < until)
    }

    /// Everything that makes the calendar unusable, with its place in the document.
    #[must_use]
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        let days = self.week.days();
        flaws.note(days.iter().all(|(_, shifts)| shifts.is_empty()), "/week", "must have at least one shift");
        for (name, shifts) in days {
            let mut free_from = TimeOfDay(0);
            for (n, shift) in shifts.iter().enumerate() {
                let pointer = format!("/week/{name}/{n}");
                flaws.note(shift.from < free_from, pointer.clone(), "must begin after the shift before has ended");
                flaws.note(shift.until <= shift.from, pointer, "must end after it begins");
                free_from = shift.until;
            }
        }
        let many = self.holidays.len() > MOST_EXCEPTIONS || self.workdays.len() > MOST_EXCEPTIONS;
        flaws.note(many, "/holidays", "must be at most 400, as well as workdays");
        for (n, holiday) in self.holidays.iter().enumerate() {
            let length = holiday.until.days_since(holiday.from);
            flaws.note(
                !(0..LONGEST_HOLIDAY).contains(&length),
                format_args!("/holidays/{n}"),
                "must end on the day it begins or later, and last at most 31 days",
            );
        }
        for (n, workday) in self.workdays.iter().enumerate() {
            let again = self.workdays.iter().take(n).any(|other| other.day == workday.day);
            flaws.note(again, format_args!("/workdays/{n}/day"), "must differ from the days before it");
            let idle = self.week.shifts(workday.hours_of).is_empty();
            flaws.note(idle, format_args!("/workdays/{n}/hours_of"), "must be a weekday that has shifts");
        }
        flaws.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Moment {
        Moment::parse(&format!("{text}:00+08:00")).unwrap()
    }

    fn hours(hours: u64) -> Duration {
        Duration::from_hours(hours)
    }

    fn shift(from: &str, until: &str) -> Shift {
        Shift { from: TimeOfDay::parse(from).unwrap(), until: TimeOfDay::parse(until).unwrap() }
    }

    fn on_workdays(shifts: &[Shift]) -> Calendar {
        let day = || shifts.to_vec();
        let week =
            Week { monday: day(), tuesday: day(), wednesday: day(), thursday: day(), friday: day(), ..Week::default() };
        Calendar { week, ..Calendar::default() }
    }

    fn nine_to_five() -> Calendar {
        on_workdays(&[shift("09:00", "17:00")])
    }

    fn holiday(from: &str, until: &str) -> Holiday {
        let day = |text| LocalDay::parse(text).unwrap();
        Holiday { name: Name::parse("假期").unwrap(), from: day(from), until: day(until) }
    }

    fn workday(day: &str, hours_of: Weekday) -> Workday {
        Workday { day: LocalDay::parse(day).unwrap(), hours_of }
    }

    #[test]
    fn an_hour_from_half_past_four_on_friday_is_half_past_nine_on_monday() {
        assert_eq!(nine_to_five().add(at("2026-03-06T16:30"), hours(1)), at("2026-03-09T09:30"));
        assert_eq!(nine_to_five().between(at("2026-03-06T16:30"), at("2026-03-09T09:30")), hours(1));
    }

    #[test]
    fn what_is_used_up_at_the_end_of_a_shift_is_over_there_and_not_at_the_next_opening() {
        assert_eq!(nine_to_five().add(at("2026-03-06T16:00"), hours(1)), at("2026-03-06T17:00"));
        assert_eq!(nine_to_five().add(at("2026-03-06T20:00"), hours(0)), at("2026-03-09T09:00"));
        assert_eq!(nine_to_five().add(at("2026-03-06T10:00"), hours(0)), at("2026-03-06T10:00"));
    }

    #[test]
    fn the_break_between_two_shifts_does_not_count() {
        let split = on_workdays(&[shift("09:00", "12:00"), shift("13:30", "18:00")]);
        assert_eq!(split.add(at("2026-03-05T11:30"), hours(1)), at("2026-03-05T14:00"));
        assert_eq!(split.between(at("2026-03-05T08:00"), at("2026-03-05T20:00")), Duration::from_mins(450));
        assert!(!split.is_open(at("2026-03-05T12:00")) && split.is_open(at("2026-03-05T13:30")));
    }

    #[test]
    fn a_make_up_saturday_is_worked_by_the_hours_it_names() {
        let calendar = Calendar { workdays: vec![workday("2026-02-28", Weekday::Monday)], ..nine_to_five() };
        assert_eq!(calendar.add(at("2026-02-27T16:30"), hours(1)), at("2026-02-28T09:30"));
        assert_eq!(nine_to_five().add(at("2026-02-27T16:30"), hours(1)), at("2026-03-02T09:30"));
    }

    #[test]
    fn a_week_of_holidays_does_not_count_and_a_workday_within_it_does() {
        let national = Calendar { holidays: vec![holiday("2026-10-01", "2026-10-07")], ..nine_to_five() };
        assert_eq!(national.add(at("2026-09-30T16:00"), hours(2)), at("2026-10-08T10:00"));
        assert_eq!(national.between(at("2026-10-01T00:00"), at("2026-10-08T00:00")), hours(0));
        let worked = Calendar { workdays: vec![workday("2026-10-03", Weekday::Friday)], ..national };
        assert_eq!(worked.add(at("2026-09-30T16:00"), hours(2)), at("2026-10-03T10:00"));
    }

    #[test]
    fn a_shift_may_last_until_midnight() {
        let late = on_workdays(&[shift("20:00", "24:00")]);
        assert_eq!(late.add(at("2026-03-02T23:30"), hours(1)), at("2026-03-03T20:30"));
        for bad in ["24:01", "9:00", "09:60", "+9:00", "0900", ""] {
            assert!(TimeOfDay::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_desk_that_never_opens_is_a_flaw_and_never_gets_there() {
        let shut = Calendar::default();
        assert_eq!(shut.flaws().len(), 1);
        assert_eq!(shut.add(at("2026-03-02T09:00"), hours(1)), Moment::start_of(LocalDay::LAST));
    }

    #[test]
    fn overlapping_shifts_backward_holidays_and_idle_workdays_are_flaws() {
        let calendar = Calendar {
            holidays: vec![holiday("2026-10-07", "2026-10-01")],
            workdays: vec![workday("2026-10-10", Weekday::Sunday), workday("2026-10-10", Weekday::Friday)],
            ..on_workdays(&[shift("09:00", "12:00"), shift("11:00", "11:00")])
        };
        let flaws = calendar.flaws();
        let places: Vec<&str> = flaws.iter().map(|flaw| flaw.pointer.as_str()).collect();
        assert_eq!(places.iter().filter(|place| place.starts_with("/week/")).count(), 10);
        for place in ["/holidays/0", "/workdays/0/hours_of", "/workdays/1/day"] {
            assert!(places.contains(&place), "{place}");
        }
    }

    /// Shifts of one day, in order and apart.
    fn shifts() -> impl Strategy<Value = Vec<Shift>> {
        proptest::collection::btree_set(0_u16..=DAY, 0..6).prop_map(|ends| {
            let ends: Vec<u16> = ends.into_iter().collect();
            let pairs = ends.chunks_exact(2);
            pairs.map(|pair| Shift { from: TimeOfDay(pair[0]), until: TimeOfDay(pair[1]) }).collect()
        })
    }

    prop_compose! {
        fn calendar()(
            week in proptest::collection::vec(shifts(), 7),
            holidays in proptest::collection::vec((0_u32..60, 0_u32..9), 0..4),
            workdays in proptest::collection::btree_set(0_u32..60, 0..4),
        ) -> Calendar {
            let base = LocalDay::parse("2026-02-02").unwrap();
            let mut week = week.into_iter();
            let mut day = || week.next().unwrap();
            let week = Week {
                monday: vec![shift("09:00", "12:00"), shift("13:00", "18:00")],
                tuesday: day(), wednesday: day(), thursday: day(), friday: day(), saturday: day(), sunday: day(),
            };
            let name = Name::parse("假期").unwrap();
            let holidays = holidays.into_iter().map(|(first, length)| Holiday {
                name: name.clone(), from: base.plus(first), until: base.plus(first + length),
            });
            let workdays = workdays.into_iter().map(|n| Workday { day: base.plus(n), hours_of: Weekday::Monday });
            Calendar { week, holidays: holidays.collect(), workdays: workdays.collect() }
        }
    }

    prop_compose! {
        fn moment()(minutes in 0_u64..100_000, millis in 0_u64..60_000) -> Moment {
            let base = Moment::start_of(LocalDay::parse("2026-02-02").unwrap());
            base.plus(Duration::from_mins(minutes)).plus(Duration::from_millis(millis))
        }
    }

    prop_compose! {
        fn business()(millis in prop_oneof![Just(0_u64), 1_u64..1_000, 0_u64..400_000_000]) -> Duration {
            Duration::from_millis(millis)
        }
    }

    proptest! {
        #[test]
        fn made_up_calendars_are_sound(calendar in calendar()) {
            prop_assert_eq!(calendar.flaws(), vec![]);
        }

        #[test]
        fn adding_is_the_inverse_of_counting(calendar in calendar(), start in moment(), business in business()) {
            prop_assert_eq!(calendar.between(start, calendar.add(start, business)), business);
        }

        #[test]
        fn adding_is_monotone_in_both_its_arguments(
            calendar in calendar(), start in moment(), later in business(), less in business(), more in business(),
        ) {
            let (less, more) = (less.min(more), less.max(more));
            prop_assert!(calendar.add(start, less) <= calendar.add(start, more));
            prop_assert!(calendar.add(start, less) <= calendar.add(start.plus(later), less));
        }

        #[test]
        fn adding_in_two_steps_is_adding_at_once(
            calendar in calendar(), start in moment(), first in business(), then in business(),
        ) {
            let then = then + Duration::from_millis(1);
            prop_assert_eq!(calendar.add(calendar.add(start, first), then), calendar.add(start, first + then));
        }

        #[test]
        fn no_time_lands_inside_closed_hours(calendar in calendar(), start in moment(), business in business()) {
            let end = calendar.add(start, business);
            let just_before = Moment::from_millis(end.millis() - 1).unwrap();
            prop_assert!(calendar.is_open(end) || calendar.is_open(just_before), "{}", end);
            if business.is_zero() {
                prop_assert!(calendar.is_open(end));
            }
        }

        #[test]
        fn counting_is_additive_and_never_more_than_the_clock_shows(
            calendar in calendar(), start in moment(), first in business(), then in business(),
        ) {
            let (middle, end) = (start.plus(first), start.plus(first).plus(then));
            let parts = calendar.between(start, middle) + calendar.between(middle, end);
            prop_assert_eq!(calendar.between(start, end), parts);
            prop_assert!(parts <= end.since(start));
        }
    }
}
