//! Fires the template's schedules by business time, so that a moved clock meets the nights it passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use huitou::clock::Clock as _;
use huitou::values::Moment;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::clock::DevClock;
use crate::handler::{Handlers, Target};
use crate::stop::Stop;
use crate::template::{Schedule, Template, TemplateError};

const LOOK_EVERY: Duration = Duration::from_millis(500);
const ATTEMPTS: u32 = 3;
const PLACE_OF_THE_TICK: &str = "<aws.scheduler.scheduled-time>";

/// When a schedule ticks.
#[derive(Debug, Clone)]
pub struct Timetable {
    rule: Rule,
}

#[derive(Debug, Clone)]
enum Rule {
    Every { millis: i64, since: Moment },
    Cron { cron: Box<Cron>, zone: TimeZone },
}

impl Timetable {
    /// Reads `rate(5 minutes)` or AWS's six-field `cron(5 0 * * ? *)`; a rate counts from `started`.
    pub fn read(schedule: &Schedule, started: Moment) -> Result<Self, TemplateError> {
        let wrong = |why: &str| TemplateError::in_schedule(&schedule.name, &schedule.expression, why);
        let inside = |kind: &str| schedule.expression.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
        let rule = if let Some(rate) = inside("rate") {
            Rule::Every { millis: read_rate(rate).map_err(wrong)?, since: started }
        } else if let Some(fields) = inside("cron") {
            Rule::Cron {
                cron: Box::new(read_cron(fields).map_err(wrong)?),
                zone: zone(&schedule.timezone).map_err(wrong)?,
            }
        } else {
            return Err(wrong("only rate(...) and cron(...) are known"));
        };
        Ok(Self { rule })
    }

    /// The latest tick after `after` and not after `now`.
    #[must_use]
    pub fn latest_tick(&self, after: Moment, now: Moment) -> Option<Moment> {
        let tick = match &self.rule {
            Rule::Every { millis, since } => {
                let passed = (now.millis() - since.millis()).div_euclid(*millis);
                (passed >= 1).then(|| Moment::from_millis(since.millis() + passed * millis)).flatten()
            }
            Rule::Cron { cron, zone } => {
                let now = Timestamp::from_millisecond(now.millis()).ok()?.to_zoned(zone.clone());
                let tick = cron.find_previous_occurrence(&now, true).ok()?;
                Moment::from_millis(tick.timestamp().as_millisecond())
            }
        };
        tick.filter(|tick| *tick > after)
    }
}

fn read_rate(text: &str) -> Result<i64, &'static str> {
    const WANTED: &str = "a rate is a whole number above zero, and minutes, hours or days";
    let (number, unit) = text.trim().split_once(' ').ok_or(WANTED)?;
    let number: i64 = number.parse().map_err(|_| WANTED)?;
    let unit = match unit.trim() {
        "minute" | "minutes" => 60_000,
        "hour" | "hours" => 3_600_000,
        "day" | "days" => 86_400_000,
        _ => return Err(WANTED),
    };
    number.checked_mul(unit).filter(|millis| *millis > 0).ok_or(WANTED)
}

/// AWS's fields are minute, hour, day of month, month, day of week (1 is Sunday) and year.
fn read_cron(fields: &str) -> Result<Cron, &'static str> {
    let parts: Vec<&str> = fields.split_whitespace().collect();
    let [_, _, day, _, weekday, _] = parts.as_slice() else {
        return Err("a cron expression has six fields: minute, hour, day of month, month, day of week, year");
    };
    if *day != "?" && *weekday != "?" {
        return Err("one of day of month and day of week has to be ?");
    }
    CronParser::builder()
        .seconds(Seconds::Required)
        .year(Year::Required)
        .alternative_weekdays(true)
        .sloppy_ranges(true) // AWS writes "every ten minutes" as 0/10
        .build()
        .parse(&format!("0 {}", parts.join(" ")))
        .map_err(|_| "a field holds something that is not allowed there")
}

/// China has kept one offset since 1991, so no time-zone database has to be carried for it.
fn zone(name: &str) -> Result<TimeZone, &'static str> {
    match name {
        "UTC" | "Etc/UTC" => Ok(TimeZone::UTC),
        "Asia/Shanghai" | "Asia/Chongqing" | "PRC" => Ok(TimeZone::fixed(Offset::constant(8))),
        _ => Err("the local host knows the time zones UTC and Asia/Shanghai"),
    }
}

/// A tick that was fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fired {
    /// The schedule's name.
    pub schedule: String,
    /// The time of the tick.
    pub at: Moment,
}

/// Every schedule of the template, with how far each has got.
pub struct Scheduler {
    clock: Arc<DevClock>,
    entries: Mutex<Vec<Entry>>,
    resting: AtomicBool,
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler").finish_non_exhaustive()
    }
}

struct Entry {
    name: String,
    timetable: Timetable,
    input: String,
    target: Target,
    seen: Moment,
}

impl Scheduler {
    /// The schedules of the template. What lies before the clock's present time has been missed for good.
    pub fn new(template: &Template, handlers: &Handlers, clock: Arc<DevClock>) -> Result<Self, TemplateError> {
        let now = clock.now();
        let mut entries = Vec::new();
        for function in &template.functions {
            for schedule in &function.schedules {
                entries.push(Entry {
                    name: schedule.name.clone(),
                    timetable: Timetable::read(schedule, now)?,
                    input: schedule.input.clone(),
                    target: Target::new(function, handlers)?,
                    seen: now,
                });
            }
        }
        Ok(Self { clock, entries: Mutex::new(entries), resting: AtomicBool::new(false) })
    }

    /// Fires what has become due and waits until it is done.
    ///
    /// A clock that jumps over many ticks of a schedule fires the latest one only; one that is put back fires nothing
    /// and lets the same ticks come again.
    pub async fn fire_due(&self) -> Vec<Fired> {
        if self.resting.load(Ordering::Relaxed) {
            return Vec::new();
        }
        let mut entries = self.entries.lock().await;
        let mut fired = Vec::new();
        for entry in entries.iter_mut() {
            let now = self.clock.now();
            let tick = entry.timetable.latest_tick(entry.seen, now);
            entry.seen = now;
            if let Some(tick) = tick {
                entry.fire(tick).await;
                fired.push(Fired { schedule: entry.name.clone(), at: tick });
            }
        }
        fired
    }

    /// Lets the schedules rest, or go on. For an import that runs through months in a minute: what the nights would
    /// have done one by one, the first tick afterwards does at once, with the same outcome.
    pub fn rest(&self, resting: bool) {
        self.resting.store(resting, Ordering::Relaxed);
    }

    /// Fires whatever becomes due, until it is time to end.
    pub async fn run(&self, stop: Stop) {
        while !stop.is_asked() {
            self.fire_due().await;
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.clone().asked() => {}
            }
        }
    }
}

impl Entry {
    async fn fire(&self, tick: Moment) {
        let event: Value = match serde_json::from_str(&self.input.replace(PLACE_OF_THE_TICK, &in_utc(tick))) {
            Ok(event) => event,
            Err(error) => {
                tracing::error!(schedule = self.name, %error, "the input is not JSON");
                return;
            }
        };
        for attempt in 1..=ATTEMPTS {
            match self.target.call(event.clone()).await {
                Ok(_) => return,
                Err(error) => tracing::error!(schedule = self.name, attempt, error, "a scheduled call failed"),
            }
        }
    }
}

/// The scheduler writes its ticks in UTC, to the second.
fn in_utc(tick: Moment) -> String {
    Timestamp::from_second(tick.seconds()).map_or_else(|_| tick.to_string(), |t| t.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use super::*;
    use crate::handler::Handler;

    fn at(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    fn schedule(expression: &str, timezone: &str) -> Schedule {
        Schedule {
            name: "Test".to_owned(),
            expression: expression.to_owned(),
            timezone: timezone.to_owned(),
            input: String::new(),
        }
    }

    fn latest(expression: &str, timezone: &str, now: &str) -> Option<String> {
        let long_ago = at("2000-01-01T00:00:00Z");
        let timetable = Timetable::read(&schedule(expression, timezone), long_ago).unwrap();
        timetable.latest_tick(long_ago, at(now)).map(|tick| tick.to_string())
    }

    fn refused(expression: &str, timezone: &str) -> String {
        Timetable::read(&schedule(expression, timezone), at("2026-01-01T00:00:00Z")).unwrap_err().to_string()
    }

    #[test]
    fn a_nightly_cron_ticks_by_its_own_time_zone() {
        let nightly = |now| latest("cron(5 0 * * ? *)", "Asia/Shanghai", now).unwrap();
        assert_eq!(nightly("2026-03-02T00:05:00+08:00"), "2026-03-02T00:05:00+08:00");
        assert_eq!(nightly("2026-03-02T00:04:59.999+08:00"), "2026-03-01T00:05:00+08:00");
        let in_utc = latest("cron(5 0 * * ? *)", "UTC", "2026-03-02T09:00:00+08:00").unwrap();
        assert_eq!(in_utc, "2026-03-02T08:05:00+08:00");
    }

    #[test]
    fn awss_weekdays_begin_with_sunday_and_know_their_names() {
        // 2026-03-01 is a Sunday.
        let now = "2026-03-05T12:00:00Z";
        assert_eq!(latest("cron(0 1 ? * 1 *)", "UTC", now).unwrap(), "2026-03-01T09:00:00+08:00");
        assert_eq!(latest("cron(0 1 ? * SUN *)", "UTC", now).unwrap(), "2026-03-01T09:00:00+08:00");
        assert_eq!(latest("cron(0 1 ? * MON-WED *)", "UTC", now).unwrap(), "2026-03-04T09:00:00+08:00");
    }

    #[test]
    fn the_last_day_of_a_month_steps_and_years_are_understood() {
        assert_eq!(latest("cron(0 0 L * ? *)", "UTC", "2026-03-05T00:00:00Z").unwrap(), "2026-02-28T08:00:00+08:00");
        assert_eq!(latest("cron(0/10 * * * ? *)", "UTC", "2026-03-05T00:17:00Z").unwrap(), "2026-03-05T08:10:00+08:00");
        assert_eq!(latest("cron(0 0 1 1 ? 2030)", "UTC", "2026-03-05T00:00:00Z"), None);
    }

    #[test]
    fn a_rate_ticks_for_the_first_time_when_one_period_is_over() {
        let started = at("2026-03-01T00:00:30Z");
        let timetable = Timetable::read(&schedule("rate(5 minutes)", "UTC"), started).unwrap();
        assert_eq!(timetable.latest_tick(started, at("2026-03-01T00:05:29Z")), None);
        assert_eq!(timetable.latest_tick(started, at("2026-03-01T00:16:00Z")), Some(at("2026-03-01T00:15:30Z")));
    }

    #[test]
    fn what_is_no_schedule_is_refused_in_a_sentence() {
        assert!(refused("cron(5 0 * * * *)", "UTC").contains("has to be ?"));
        assert!(refused("cron(5 0 * * ?)", "UTC").contains("six fields"));
        assert!(refused("cron(99 0 * * ? *)", "UTC").contains("not allowed there"));
        assert!(refused("rate(0 minutes)", "UTC").contains("above zero"));
        assert!(refused("at(2026-01-01T00:00:00)", "UTC").contains("only rate"));
        assert!(refused("cron(5 0 * * ? *)", "Europe/Paris").contains("time zones"));
    }

    const TEMPLATE: &str = r#"
Resources:
  Worker:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: worker } }
    Properties:
      Events:
        Nightly: { Type: ScheduleV2, Properties: { ScheduleExpression: cron(5 0 * * ? *), ScheduleExpressionTimezone: Asia/Shanghai, Input: '{"at":"<aws.scheduler.scheduled-time>"}' } }
"#;

    fn nightly() -> (Arc<DevClock>, Scheduler, Arc<StdMutex<Vec<Value>>>) {
        let events = Arc::new(StdMutex::new(Vec::new()));
        let notes = Arc::clone(&events);
        let handler: Handler = Arc::new(move |event| {
            notes.lock().unwrap().push(event);
            Box::pin(async { Ok(Value::Null) })
        });
        let clock = Arc::new(DevClock::new());
        clock.set(at("2026-03-01T23:00:00+08:00"));
        let template = Template::parse(TEMPLATE).unwrap();
        let handlers = Handlers::from([("Worker".to_owned(), handler)]);
        let scheduler = Scheduler::new(&template, &handlers, Arc::clone(&clock)).unwrap();
        (clock, scheduler, events)
    }

    #[tokio::test]
    async fn a_clock_moved_over_midnight_fires_the_night_once() {
        let (clock, scheduler, events) = nightly();
        assert!(scheduler.fire_due().await.is_empty());
        clock.advance(Duration::from_hours(2));
        assert_eq!(scheduler.fire_due().await.len(), 1);
        assert!(scheduler.fire_due().await.is_empty());
        assert_eq!(*events.lock().unwrap(), [serde_json::json!({ "at": "2026-03-01T16:05:00Z" })]);
    }

    #[tokio::test]
    async fn a_clock_that_jumps_a_month_fires_the_last_night_only() {
        let (clock, scheduler, _) = nightly();
        clock.set(at("2026-04-01T12:00:00+08:00"));
        let fired = scheduler.fire_due().await;
        assert_eq!(fired, [Fired { schedule: "Nightly".to_owned(), at: at("2026-04-01T00:05:00+08:00") }]);
    }

    #[tokio::test]
    async fn a_clock_that_is_put_back_fires_nothing() {
        let (clock, scheduler, _) = nightly();
        clock.set(at("1997-01-01T12:00:00+08:00"));
        assert!(scheduler.fire_due().await.is_empty());
        clock.set(at("1997-01-02T12:00:00+08:00"));
        assert_eq!(scheduler.fire_due().await.len(), 1);
    }
}
