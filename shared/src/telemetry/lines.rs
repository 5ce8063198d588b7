//! The log as JSON, one line an event; CloudWatch finds metrics in it that need neither agent nor call.
//!
//! A line with figures describes them in a field `_aws`, in the embedded metric format:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
//! A metric costs by the month and by each combination of its dimensions, so these are few and bounded: the function,
//! or what is due; by wish also the method and route as `template.yaml` writes them, never an id. Whatever else a line
//! holds can be asked for with Logs Insights at no such price.

use std::fmt;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer as _};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

use super::MEASURED;

/// Which metrics one kind of line carries.
#[derive(Debug)]
pub struct Measured {
    /// The line's message.
    pub message: &'static str,
    /// Fields that are metrics, with CloudWatch's name of the unit.
    pub metrics: &'static [(&'static str, &'static str)],
    /// The fields by which they are told apart.
    pub dimensions: &'static [&'static str],
    /// The same, for who wants to pay for each route.
    pub by_route: Option<&'static [&'static str]>,
}

/// The field in which `tracing` says what an event is.
const MESSAGE: &str = "message";
/// Bytes that most lines fit into.
const LINE: usize = 1_024;

const COUNT: &str = "Count";
const MILLISECONDS: &str = "Milliseconds";

/// Every line that carries metrics; alarms and dashboard in `template.yaml` are held to it by a test.
pub const LINES: &[Measured] = &[
    Measured {
        message: "request",
        metrics: &[("errors", COUNT), ("duration_ms", MILLISECONDS), ("rru", COUNT), ("wru", COUNT), ("calls", COUNT)],
        dimensions: &["function"],
        by_route: Some(&["function", "method", "route"]),
    },
    Measured {
        message: "work",
        metrics: &[("poison", COUNT), ("work_ms", MILLISECONDS), ("rru", COUNT), ("wru", COUNT), ("calls", COUNT)],
        dimensions: &["function"],
        by_route: None,
    },
    Measured { message: "due", metrics: &[("due_lag_s", "Seconds")], dimensions: &["due"], by_route: None },
    Measured { message: "ledger", metrics: &[("ledger_faults", COUNT)], dimensions: &[], by_route: None },
    Measured { message: "sla", metrics: &[("sla_breaches", COUNT)], dimensions: &[], by_route: None },
];

/// How the log is written.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Lines less weighty than this are left out, but for those with figures.
    pub level: LevelFilter,
    /// Which copy of the product it is: part of every line.
    pub stage: String,
    /// Which function it is, as CloudWatch names it: part of every line.
    pub function: String,
    /// Under which namespace the figures are metrics; nowhere but on AWS they are.
    pub namespace: Option<String>,
    /// Whether every route has metrics of its own.
    pub by_route: bool,
}

impl Settings {
    /// As the environment of a deployed function says: `HUITOU_LOG`, `HUITOU_STAGE`, `HUITOU_METRICS` (`off`,
    /// `function` or `route`), `HUITOU_NAMESPACE` and Lambda's `AWS_LAMBDA_FUNCTION_NAME`.
    #[must_use]
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let metrics = variable("HUITOU_METRICS").unwrap_or_default();
        let namespace = variable("HUITOU_NAMESPACE").filter(|name| !name.is_empty());
        Self {
            level: variable("HUITOU_LOG").and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO),
            stage: variable("HUITOU_STAGE").unwrap_or_default(),
            function: variable("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default(),
            namespace: namespace.filter(|_| matches!(metrics.as_str(), "function" | "route")),
            by_route: metrics == "route",
        }
    }
}

/// A subscriber that writes each event as a line of JSON.
pub fn subscriber<W>(settings: Settings, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = settings.level;
    let wanted = filter_fn(move |about| LevelFilter::from_level(*about.level()) <= level || about.target() == MEASURED);
    let lines = tracing_subscriber::fmt::layer().event_format(Lines(settings)).with_writer(writer);
    tracing_subscriber::registry().with(lines.with_filter(wanted))
}

/// Makes a line of an event.
struct Lines(Settings);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(LINE);
        self.write(event, &mut text).map_err(|_| fmt::Error)?;
        writeln!(writer, "{}", str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl Lines {
    fn write(&self, event: &Event<'_>, text: &mut Vec<u8>) -> serde_json::Result<()> {
        let about = event.metadata();
        let mut json = serde_json::Serializer::new(text);
        let mut line = json.serialize_map(None)?;
        let mut fields = Fields { line: &mut line, message: String::new(), written: Ok(()) };
        event.record(&mut fields);
        let Fields { message, written, .. } = fields;
        written?;
        if about.target() == MEASURED
            && let Some(metrics) = self.metrics(&message)
        {
            line.serialize_entry("_aws", &metrics)?;
        }
        line.serialize_entry("level", about.level().as_str())?;
        line.serialize_entry("stage", &self.0.stage)?;
        line.serialize_entry("function", &self.0.function)?;
        line.end()
    }

    /// Says of the line's figures that they are metrics.
    fn metrics(&self, message: &str) -> Option<Metrics<'_>> {
        let namespace = self.0.namespace.as_ref()?;
        let measured = LINES.iter().find(|measured| measured.message == message)?;
        let by_route = measured.by_route.filter(|_| self.0.by_route);
        let declared = Declared {
            namespace,
            dimensions: std::iter::once(measured.dimensions).chain(by_route).collect(),
            metrics: measured.metrics.iter().map(|(name, unit)| Metric { name, unit }).collect(),
        };
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, super::millis);
        Some(Metrics { timestamp, declared: [declared] })
    }
}

/// The field `_aws`, in the format's own words.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metrics<'a> {
    timestamp: u64,
    #[serde(rename = "CloudWatchMetrics")]
    declared: [Declared<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Declared<'a> {
    namespace: &'a str,
    dimensions: Vec<&'static [&'static str]>,
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

/// Writes the fields of an event into its line.
struct Fields<'a, M: SerializeMap> {
    line: &'a mut M,
    message: String,
    written: Result<(), M::Error>,
}

impl<M: SerializeMap> Fields<'_, M> {
    fn keep(&mut self, field: &Field, value: impl Serialize) {
        if self.written.is_ok() {
            self.written = self.line.serialize_entry(field.name(), &value);
        }
    }
}

impl<M: SerializeMap> Visit for Fields<'_, M> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.keep(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        self.keep(field, &text);
        if field.name() == MESSAGE {
            self.message = text;
        }
    }
}

/// Somewhere to write lines: a test reads them again.
#[derive(Clone, Debug, Default)]
pub struct Page(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Page {
    /// What has been written so far, line by line.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        let bytes = self.0.lock().map(|bytes| bytes.clone()).unwrap_or_default();
        bytes.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Ok(mut page) = self.0.lock() {
            page.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Page {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::table::Cost;
    use crate::telemetry::{Answered, Due, due_lag};

    fn settings(metrics: &str) -> Settings {
        Settings::from_environment(|name| {
            let value = match name {
                "HUITOU_METRICS" => metrics,
                "HUITOU_NAMESPACE" => "Huitou/test",
                "HUITOU_LOG" => "error",
                "HUITOU_STAGE" => "dev",
                "AWS_LAMBDA_FUNCTION_NAME" => "test-Points-1",
                _ => return None,
            };
            Some(value.to_owned())
        })
    }

    fn written(metrics: &str, what: impl FnOnce()) -> Vec<Value> {
        // Somebody always listens: else a line that one test meets before another one listens would be off for good.
        let _ = tracing::subscriber::set_global_default(subscriber(settings("function"), std::io::sink));
        let page = Page::default();
        tracing::subscriber::with_default(subscriber(settings(metrics), page.clone()), what);
        page.lines()
    }

    fn a_request() {
        let cost = Cost { calls: 2, read_units: 1.0, write_units: 4.0 };
        let took = Duration::from_millis(12);
        let (method, route, role) = ("POST", "/v1/orders", "system");
        Answered { method, route, role, status: 503, took, cost, cause: Some("throttled") }.tell();
    }

    #[test]
    fn a_request_is_one_line_in_which_cloudwatch_finds_its_figures() {
        let lines = written("function", a_request);
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!((&line["errors"], &line["duration_ms"], &line["wru"]), (&json!(1), &json!(12), &json!(4.0)));
        assert_eq!(
            (&line["level"], &line["stage"], &line["cause"]),
            (&json!("ERROR"), &json!("dev"), &json!("throttled"))
        );
        let declared = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!((&declared["Namespace"], &declared["Dimensions"]), (&json!("Huitou/test"), &json!([["function"]])));
        assert!(line["_aws"]["Timestamp"].as_u64().unwrap() > 1_700_000_000_000);
    }

    /// What the format asks for: each metric is a number of the line, each dimension a text that is not empty.
    #[test]
    fn whatever_a_line_declares_stands_in_it() {
        let lines = written("route", || {
            a_request();
            due_lag(Due::Tickets, Duration::from_secs(3));
        });
        assert_eq!(lines.len(), 2);
        for line in lines {
            for declared in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
                for metric in declared["Metrics"].as_array().unwrap() {
                    assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric} of {line}");
                }
                for dimension in
                    declared["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap())
                {
                    assert!(line[dimension.as_str().unwrap()].as_str().is_some_and(|text| !text.is_empty()), "{line}");
                }
            }
        }
    }

    #[test]
    fn a_route_has_metrics_of_its_own_only_where_that_is_wanted() {
        let dimensions = |metrics| written(metrics, a_request)[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"].clone();
        assert_eq!(dimensions("route"), json!([["function"], ["function", "method", "route"]]));
        assert_eq!(dimensions("function"), json!([["function"]]));
    }

    #[test]
    fn without_metrics_the_line_is_the_same_and_declares_nothing() {
        let lines = written("off", a_request);
        assert_eq!((&lines[0]["message"], lines[0].get("_aws")), (&json!("request"), None));
    }

    #[test]
    fn a_quiet_log_still_counts() {
        let lines = written("function", || {
            tracing::info!("chatter");
            due_lag(Due::Members, Duration::ZERO);
            tracing::error!("trouble");
        });
        let messages: Vec<_> = lines.iter().map(|line| line["message"].clone()).collect();
        assert_eq!(messages, ["due", "trouble"]);
    }
}
