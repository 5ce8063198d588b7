//! What `template.yaml` says exists: functions, routes, event sources, schedules, tables and queues.
//!
//! The template is the only such list. A thing that is not named there exists neither on AWS nor here, and nothing in
//! this crate names one by itself.

mod intrinsics;
mod pattern;
mod resources;
mod rights;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use http::Method;

pub use intrinsics::{LOCAL_ACCOUNT, LOCAL_REGION, queue_arn, queue_url, stream_arn};
pub use pattern::Pattern;
pub use rights::Right;

/// The text of `template.yaml`, as this build was made from it.
pub const TEXT: &str = include_str!("../../../../template.yaml");

/// The template, read and resolved to local names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The functions, in the order of their names.
    pub functions: Vec<Function>,
    /// The tables, in the order of their names.
    pub tables: Vec<Table>,
    /// The queues, in the order of their names.
    pub queues: Vec<Queue>,
}

/// One function and everything that may call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name in the template.
    pub logical: String,
    /// The crate, and the binary, that it runs.
    pub binary: String,
    /// How long one call may take.
    pub timeout: Duration,
    /// Megabytes that one process may take.
    pub memory: u32,
    /// The method and path pairs that reach it.
    pub routes: Vec<Route>,
    /// The queues that feed it.
    pub queues: Vec<QueueSource>,
    /// The tables whose streams feed it.
    pub streams: Vec<StreamSource>,
    /// The schedules that start it.
    pub schedules: Vec<Schedule>,
    /// What its policies let it do.
    pub rights: BTreeSet<Right>,
    /// The environment that it is started with.
    pub environment: BTreeMap<String, String>,
}

/// One method and path of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The HTTP method.
    pub method: Method,
    /// The path; a part in braces stands for any one part.
    pub path: String,
}

/// A queue as a function's event source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSource {
    /// The queue's name.
    pub queue: String,
    /// At most this many messages in one call.
    pub batch_size: u16,
    /// At most this many calls at once.
    pub max_concurrency: u16,
}

/// A table's stream as a function's event source, read from its oldest record on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSource {
    /// The table's name.
    pub table: String,
    /// At most this many records in one call.
    pub batch_size: u16,
    /// How often a record that failed is tried again; for as long as it may be old for `None`.
    pub retries: Option<u32>,
    /// How old a record that failed may get before it is given up; as old as it likes for `None`.
    pub max_age: Option<Duration>,
    /// Whether a batch that failed as a whole is tried in halves.
    pub bisect: bool,
    /// The queue that is told of what was given up.
    pub dead_letters: Option<String>,
    /// A record counts if any of these matches, or if there is none.
    pub filters: Vec<Pattern>,
}

/// A schedule as a function's event source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its name in the template.
    pub name: String,
    /// `rate(...)` or a six-field `cron(...)`.
    pub expression: String,
    /// The time zone in which a `cron(...)` counts, as `Asia/Shanghai`; UTC when the template says nothing.
    pub timezone: String,
    /// The event, as JSON text, in which `<aws.scheduler.scheduled-time>` stands for the time of the tick.
    pub input: String,
}

/// A key-value table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its key: one part, or a hash part and a range part.
    pub key: Vec<KeyPart>,
    /// Its global secondary indexes.
    pub indexes: Vec<Index>,
    /// The attribute by which items expire, in seconds since 1970.
    pub expires_by: Option<String>,
    /// What its stream shows of every change, as `NEW_AND_OLD_IMAGES`; without one it has no stream.
    pub stream: Option<String>,
}

/// A global secondary index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: Vec<KeyPart>,
    /// `KEYS_ONLY`, `INCLUDE` or `ALL`.
    pub projection: String,
    /// The attributes that `INCLUDE` adds to the keys.
    pub included: Vec<String>,
}

/// One attribute of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPart {
    /// The attribute's name.
    pub attribute: String,
    /// `S`, `N` or `B`.
    pub kind: String,
    /// `HASH` or `RANGE`.
    pub role: String,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Seconds that a received message stays hidden.
    pub visibility_seconds: u32,
    /// Seconds that a message is kept.
    pub retention_seconds: u32,
    /// Where messages go that were received in vain too often.
    pub redrive: Option<Redrive>,
}

/// When a queue gives a message up, and to which queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The name of the dead-letter queue.
    pub dead_letters: String,
    /// Receipts after which the next one moves the message instead.
    pub max_receive_count: u32,
}

/// What is wrong with the template, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError(String);

impl TemplateError {
    pub(crate) fn without_handler(function: &str) -> Self {
        Self(format!("{function} has a queue, a stream or a schedule, but this build has no handler for it"))
    }

    pub(crate) fn without_router(function: &str) -> Self {
        Self(format!("{function} has routes, but this build has no router for it"))
    }

    pub(crate) fn in_schedule(name: &str, expression: &str, why: &str) -> Self {
        Self(format!("schedule {name} says {expression}, but {why}"))
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "template.yaml: {}.", self.0)
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// The template that this build was made from.
    pub fn shipped() -> Result<Self, TemplateError> {
        Self::parse(TEXT)
    }

    /// Reads a template's text.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let document = serde_norway::from_str(text).map_err(|e| TemplateError(format!("it is not YAML: {e}")))?;
        resources::read(&intrinsics::resolve_document(&document)?)
    }

    /// The function of this name.
    #[must_use]
    pub fn function(&self, logical: &str) -> Option<&Function> {
        self.functions.iter().find(|f| f.logical == logical)
    }
}

#[cfg(test)]
mod tests;
