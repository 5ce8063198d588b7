//! The clocks of a ticket: how long a reply and a resolution may take, and what happens when they take longer.
//!
//! A clock counts either around the clock or in open hours. It can be paused, stopped and set going again by what is
//! left of its time. It fires a warning before its time is over, a breach when it is, and an escalation after that,
//! each once and in this order. When it will fire next is computed whenever that can change, and kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::flaw::{Flaw, Flaws};
use super::ticket::{Channel, Kind, Priority};
use crate::values::{Code, Moment};

/// The most minutes that a clock may be given: ninety days.
const MOST_MINUTES: u32 = 129_600;

/// Which hours count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ClockHours)]
pub enum Hours {
    /// Those of the business calendar.
    Business,
    /// All of them.
    AroundTheClock,
}

impl Hours {
    fn add(self, calendar: &Calendar, start: Moment, time: Duration) -> Moment {
        match self {
            Self::Business => calendar.add(start, time),
            Self::AroundTheClock => start.plus(time),
        }
    }

    fn between(self, calendar: &Calendar, start: Moment, end: Moment) -> Duration {
        match self {
            Self::Business => calendar.between(start, end),
            Self::AroundTheClock => end.since(start),
        }
    }
}

/// How long something may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// In minutes, 1 to 129600 (ninety days).
    pub minutes: u32,
    /// Which hours count.
    pub hours: Hours,
    /// The warning comes after this share of the time, 1 to 99 percent.
    pub warn_percent: u8,
    /// The escalation comes this many minutes of the same hours after the breach, 0 to 129600.
    pub escalate_minutes: u32,
}

impl Allowance {
    /// How much time passes until an alarm is due.
    fn until(self, alarm: Alarm) -> Duration {
        let whole = u64::from(self.minutes) * 60_000;
        Duration::from_millis(match alarm {
            Alarm::Warning => whole * u64::from(self.warn_percent) / 100,
            Alarm::Breach => whole,
            Alarm::Escalation => whole + u64::from(self.escalate_minutes) * 60_000,
        })
    }

    fn flaws(self, place: &str) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        let minutes = (1..=MOST_MINUTES).contains(&self.minutes);
        flaws.note(!minutes, format_args!("{place}/minutes"), "must be 1 to 129600 (ninety days)");
        flaws.note(!(1..=99).contains(&self.warn_percent), format_args!("{place}/warn_percent"), "must be 1 to 99");
        let late = self.escalate_minutes > MOST_MINUTES;
        flaws.note(late, format_args!("{place}/escalate_minutes"), "must be at most 129600 (ninety days)");
        flaws.0
    }
}

/// What some tickets are promised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SlaPolicy)]
pub struct Policy {
    /// Its code.
    pub id: Code,
    /// Types for which it holds; empty for all.
    #[serde(default)]
    pub types: Vec<Kind>,
    /// Priorities for which it holds; empty for all.
    #[serde(default)]
    pub priorities: Vec<Priority>,
    /// Channels for which it holds; empty for all.
    #[serde(default)]
    pub channels: Vec<Channel>,
    /// From the opening to the first reply.
    pub first_reply: Allowance,
    /// From a member's message to the reply to it.
    pub next_reply: Allowance,
    /// From the opening to the resolution, less the time spent waiting for the member.
    pub resolution: Allowance,
}

impl Policy {
    /// Whether it holds for such a ticket.
    #[must_use]
    pub fn holds(&self, kind: Kind, priority: Priority, channel: Channel) -> bool {
        fn names<T: PartialEq>(list: &[T], one: &T) -> bool {
            list.is_empty() || list.contains(one)
        }
        names(&self.types, &kind) && names(&self.priorities, &priority) && names(&self.channels, &channel)
    }

    /// Whether it holds for every ticket.
    #[must_use]
    pub const fn holds_always(&self) -> bool {
        self.types.is_empty() && self.priorities.is_empty() && self.channels.is_empty()
    }

    /// What one of the clocks is given.
    #[must_use]
    pub const fn allowance(&self, clock: ClockName) -> Allowance {
        match clock {
            ClockName::FirstReply => self.first_reply,
            ClockName::NextReply => self.next_reply,
            ClockName::Resolution => self.resolution,
        }
    }

    /// Everything that makes the policy unusable, with its place in the document.
    #[must_use]
    pub fn flaws(&self, place: &str) -> Vec<Flaw> {
        ClockName::ALL.iter().flat_map(|clock| self.allowance(*clock).flaws(&format!("{place}/{clock}"))).collect()
    }
}

/// Which clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockName {
    /// From the opening to the first reply.
    FirstReply,
    /// From a member's message to the reply to it.
    NextReply,
    /// From the opening to the resolution.
    Resolution,
}

impl ClockName {
    /// All clocks.
    pub const ALL: [Self; 3] = [Self::FirstReply, Self::NextReply, Self::Resolution];

    /// The clock as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstReply => "first_reply",
            Self::NextReply => "next_reply",
            Self::Resolution => "resolution",
        }
    }
}

impl std::fmt::Display for ClockName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a clock fires, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ClockAlarm)]
pub enum Alarm {
    /// The time is nearly over.
    Warning,
    /// The time is over.
    Breach,
    /// It has been over for so long that a manager has to know.
    Escalation,
}

impl Alarm {
    const fn after(fired: Option<Self>) -> Option<Self> {
        match fired {
            None => Some(Self::Warning),
            Some(Self::Warning) => Some(Self::Breach),
            Some(Self::Breach) => Some(Self::Escalation),
            Some(Self::Escalation) => None,
        }
    }
}

/// Something that a clock fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ClockFired)]
pub struct Fired {
    /// Which clock.
    pub clock: ClockName,
    /// What.
    pub alarm: Alarm,
    /// When it was due; it may have been noticed later.
    pub due: Moment,
}

/// A clock of a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlaClock {
    /// What it was given.
    pub allowance: Allowance,
    /// The last alarm that was fired.
    pub fired: Option<Alarm>,
    /// When its time was over, once that has happened.
    pub breached_at: Option<Moment>,
    used: Duration,
    running_since: Option<Moment>,
    next: Option<(Alarm, Moment)>,
    due: Option<Moment>,
}

impl SlaClock {
    /// A clock that runs from now on.
    #[must_use]
    pub fn start(allowance: Allowance, calendar: &Calendar, now: Moment) -> Self {
        let mut clock = Self {
            allowance,
            fired: None,
            breached_at: None,
            used: Duration::ZERO,
            running_since: Some(now),
            next: None,
            due: None,
        };
        clock.look_ahead(calendar);
        clock
    }

    /// Whether time counts.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.running_since.is_some()
    }

    /// When its time is over, or was; none while it stands still in time.
    #[must_use]
    pub fn due(&self) -> Option<Moment> {
        self.breached_at.or(self.due)
    }

    /// When it fires next, if nothing happens before.
    #[must_use]
    pub fn next(&self) -> Option<Moment> {
        self.next.map(|(_, at)| at)
    }

    /// The time used up by now.
    #[must_use]
    pub fn used(&self, calendar: &Calendar, now: Moment) -> Duration {
        let running = self.running_since.map(|since| self.allowance.hours.between(calendar, since, now));
        self.used + running.unwrap_or_default()
    }

    /// Stands still from now on; what is left of the time is kept.
    pub fn pause(&mut self, calendar: &Calendar, now: Moment) {
        self.used = self.used(calendar, now);
        self.running_since = None;
        self.look_ahead(calendar);
    }

    /// Runs on from now, by what is left of the time.
    pub fn resume(&mut self, calendar: &Calendar, now: Moment) {
        if self.running_since.is_none() {
            self.running_since = Some(now);
            self.look_ahead(calendar);
        }
    }

    /// Is given another time; what was used up and fired stays so.
    pub fn allow(&mut self, allowance: Allowance, calendar: &Calendar, now: Moment) {
        if self.allowance != allowance {
            let running = self.is_running();
            self.pause(calendar, now);
            self.allowance = allowance;
            if running {
                self.resume(calendar, now);
            }
        }
    }

    /// Stands still for good: nothing fires any more.
    #[must_use]
    pub fn stopped(&self) -> Self {
        Self { running_since: None, next: None, due: None, ..self.clone() }
    }

    /// Fires what has become due by now, each alarm once.
    pub fn fire(&mut self, name: ClockName, calendar: &Calendar, now: Moment) -> Vec<Fired> {
        let mut all = Vec::new();
        while let Some((alarm, due)) = self.next.filter(|(_, due)| *due <= now) {
            self.fired = Some(alarm);
            if alarm == Alarm::Breach {
                self.breached_at = Some(due);
            }
            all.push(Fired { clock: name, alarm, due });
            self.look_ahead(calendar);
        }
        all
    }

    fn look_ahead(&mut self, calendar: &Calendar) {
        let at = |alarm, since| {
            // An alarm that was passed while it could not fire, as by a shorter allowance, is due at once.
            let left = self.allowance.until(alarm).checked_sub(self.used).filter(|left| !left.is_zero());
            left.map_or(since, |left| self.allowance.hours.add(calendar, since, left))
        };
        let alarm = Alarm::after(self.fired);
        let (next, due) = match self.running_since {
            Some(since) => (alarm.map(|alarm| (alarm, at(alarm, since))), Some(at(Alarm::Breach, since))),
            None => (None, None),
        };
        (self.next, self.due) = (next, due);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::desk::Desk;

    fn at(text: &str) -> Moment {
        Moment::parse(&format!("{text}:00+08:00")).unwrap()
    }

    fn four_hours() -> Allowance {
        Allowance { minutes: 240, hours: Hours::Business, warn_percent: 75, escalate_minutes: 60 }
    }

    /// Monday to Friday, 9 to 12 and 13 to 18.
    fn calendar() -> Calendar {
        Desk::shipped().unwrap().calendar
    }

    fn alarms(fired: &[Fired]) -> Vec<(Alarm, Moment)> {
        fired.iter().map(|fired| (fired.alarm, fired.due)).collect()
    }

    #[test]
    fn a_clock_warns_is_breached_and_escalates_each_once_at_its_time() {
        let calendar = calendar();
        let mut clock = SlaClock::start(four_hours(), &calendar, at("2026-03-06T15:00"));
        assert_eq!(clock.due(), Some(at("2026-03-09T10:00")));
        let mut fire = |now| alarms(&clock.fire(ClockName::Resolution, &calendar, at(now)));
        assert_eq!(fire("2026-03-06T17:59"), []);
        let warning = (Alarm::Warning, at("2026-03-06T18:00"));
        assert_eq!(fire("2026-03-06T18:00"), [warning]);
        assert_eq!(fire("2026-03-09T09:59"), []);
        let late = fire("2026-03-09T12:00");
        assert_eq!(late, [(Alarm::Breach, at("2026-03-09T10:00")), (Alarm::Escalation, at("2026-03-09T11:00"))]);
        assert_eq!(fire("2027-01-01T00:00"), []);
    }

    #[test]
    fn a_paused_clock_stands_still_and_runs_on_by_the_rest() {
        let calendar = calendar();
        let mut clock = SlaClock::start(four_hours(), &calendar, at("2026-03-05T09:00"));
        clock.pause(&calendar, at("2026-03-05T10:00"));
        assert_eq!((clock.due(), clock.next()), (None, None));
        assert_eq!(clock.fire(ClockName::Resolution, &calendar, at("2026-03-20T10:00")), []);
        clock.resume(&calendar, at("2026-03-10T16:00"));
        assert_eq!(clock.due(), Some(at("2026-03-11T10:00")), "two hours on Tuesday, one on Wednesday");
    }

    #[test]
    fn a_clock_that_was_breached_and_paused_escalates_by_the_rest() {
        let calendar = calendar();
        let mut clock = SlaClock::start(four_hours(), &calendar, at("2026-03-05T09:00"));
        let fired = clock.fire(ClockName::Resolution, &calendar, at("2026-03-05T14:30"));
        assert_eq!(fired.len(), 2);
        clock.pause(&calendar, at("2026-03-05T14:30"));
        clock.resume(&calendar, at("2026-03-06T09:00"));
        assert_eq!(clock.next(), Some(at("2026-03-06T09:30")));
        assert_eq!(clock.due(), Some(at("2026-03-05T14:00")), "the breach stays where it was");
    }

    #[test]
    fn a_shorter_time_fires_at_once_what_it_has_passed() {
        let calendar = calendar();
        let mut clock = SlaClock::start(four_hours(), &calendar, at("2026-03-05T09:00"));
        let hour = Allowance { minutes: 60, ..four_hours() };
        clock.allow(hour, &calendar, at("2026-03-05T11:00"));
        let fired = clock.fire(ClockName::Resolution, &calendar, at("2026-03-05T11:00"));
        assert_eq!(
            fired.iter().map(|f| f.alarm).collect::<Vec<_>>(),
            [Alarm::Warning, Alarm::Breach, Alarm::Escalation]
        );
    }

    proptest! {
        #[test]
        fn however_often_and_late_a_clock_is_asked_it_fires_each_stage_once_and_in_order(
            asked in proptest::collection::btree_set(0_u64..20_000, 1..40),
            pauses in proptest::collection::vec((0_u64..10_000, 1_u64..3_000), 0..4),
        ) {
            let calendar = calendar();
            let start = at("2026-03-05T09:00");
            let mut clock = SlaClock::start(four_hours(), &calendar, start);
            let mut fired = Vec::new();
            for minute in asked {
                let now = start.plus(Duration::from_mins(minute));
                fired.extend(clock.fire(ClockName::Resolution, &calendar, now));
                if pauses.iter().any(|(from, length)| (*from..from + length).contains(&minute)) {
                    clock.pause(&calendar, now);
                } else {
                    clock.resume(&calendar, now);
                }
            }
            clock.resume(&calendar, start.plus(Duration::from_mins(20_000)));
            fired.extend(clock.fire(ClockName::Resolution, &calendar, start.plus(Duration::from_hours(2_000))));
            let alarms: Vec<Alarm> = fired.iter().map(|fired| fired.alarm).collect();
            prop_assert_eq!(alarms, [Alarm::Warning, Alarm::Breach, Alarm::Escalation]);
            prop_assert!(fired.windows(2).all(|pair| pair[0].due <= pair[1].due));
        }

        #[test]
        fn pauses_never_lose_or_make_time(steps in proptest::collection::vec((1_u64..600, 1_u64..600), 1..8)) {
            let calendar = calendar();
            let (mut now, mut worked) = (at("2026-03-05T09:00"), Duration::ZERO);
            let mut clock = SlaClock::start(four_hours(), &calendar, now);
            for (run, rest) in steps {
                let paused = now.plus(Duration::from_mins(run));
                worked += calendar.between(now, paused);
                clock.pause(&calendar, paused);
                now = paused.plus(Duration::from_mins(rest));
                clock.resume(&calendar, now);
                prop_assert_eq!(clock.used(&calendar, now), worked);
            }
        }
    }
}
