//! The queue's file: queues and messages, every change one committed transaction.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};

use super::{Receive, Refusal, digest};
use crate::template::Queue;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS queue (
        name TEXT PRIMARY KEY,
        created_ms INTEGER NOT NULL,
        attributes TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS message (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        queue TEXT NOT NULL REFERENCES queue (name),
        id TEXT NOT NULL,
        body TEXT NOT NULL,
        attributes TEXT NOT NULL,
        trace TEXT,
        sent_ms INTEGER NOT NULL,
        visible_ms INTEGER NOT NULL,
        received INTEGER NOT NULL DEFAULT 0,
        first_received_ms INTEGER,
        came_from TEXT
    ) STRICT;
    CREATE INDEX IF NOT EXISTS message_by_visibility ON message (queue, visible_ms);
    CREATE INDEX IF NOT EXISTS message_by_age ON message (queue, sent_ms);
";

/// Message attributes by name, as SQS orders them for its sums.
pub(super) type Attributes = BTreeMap<String, Attribute>;

/// A message attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// `String`, `Number` or `Binary`, with an own label after a dot if the sender likes.
    pub data_type: String,
    /// The value, unless it is binary.
    pub string: Option<String>,
    /// The value, if it is binary.
    pub binary: Option<Vec<u8>>,
}

/// A message that is to be sent.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// The text.
    pub body: String,
    /// Message attributes by name.
    pub attributes: BTreeMap<String, Attribute>,
    /// How long it stays hidden at first; the queue's own delay for `None`.
    pub delay: Option<Duration>,
    /// The trace header, which SQS hands on.
    pub trace: Option<String>,
}

/// A message that was received.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its id, the same for every receipt.
    pub id: String,
    /// What to show to delete it; another one for every receipt.
    pub receipt: String,
    /// The text.
    pub body: String,
    /// Message attributes by name.
    pub attributes: BTreeMap<String, Attribute>,
    /// The trace header, if it was sent with one.
    pub trace: Option<String>,
    /// When it was sent, in milliseconds since 1970.
    pub sent_ms: i64,
    /// When it was first received, in milliseconds since 1970.
    pub first_received_ms: i64,
    /// How often it has been received, this time included.
    pub received: u32,
    /// The ARN of the queue that gave it up, if it is a dead letter.
    pub came_from: Option<String>,
}

impl Message {
    /// The MD5 sum of the body.
    #[must_use]
    pub fn body_md5(&self) -> String {
        digest::of_body(&self.body)
    }

    /// The MD5 sum of the attributes, if there are any.
    #[must_use]
    pub fn attributes_md5(&self) -> Option<String> {
        digest::of_attributes(&self.attributes)
    }

    /// What SQS tells about a message beside its body, by AWS's names.
    #[must_use]
    pub fn system_attributes(&self) -> BTreeMap<&'static str, String> {
        let mut all = BTreeMap::from([
            ("SenderId", "local".to_owned()),
            ("SentTimestamp", self.sent_ms.to_string()),
            ("ApproximateReceiveCount", self.received.to_string()),
            ("ApproximateFirstReceiveTimestamp", self.first_received_ms.to_string()),
        ]);
        all.extend(self.trace.clone().map(|trace| ("AWSTraceHeader", trace)));
        all.extend(self.came_from.clone().map(|arn| ("DeadLetterQueueSourceArn", arn)));
        all
    }
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Depth {
    /// Messages that can be received now.
    pub visible: u64,
    /// Messages that were received and not yet deleted.
    pub in_flight: u64,
    /// Messages whose delay is not over.
    pub delayed: u64,
}

/// What one look into a queue brought.
pub(super) struct Found {
    pub(super) messages: Vec<Message>,
    /// When the next hidden message shows itself.
    pub(super) next_visible_ms: Option<i64>,
    /// The dead-letter queues that got something.
    pub(super) moved_to: Vec<String>,
}

/// A queue's settings, by AWS's names and always as text, as its API has them.
pub(super) type Settings = BTreeMap<String, String>;

/// The settings of a queue about which its maker said nothing.
pub(super) const DEFAULTS: [(&str, &str); 6] = [
    ("DelaySeconds", "0"),
    ("MaximumMessageSize", "1048576"),
    ("MessageRetentionPeriod", "345600"),
    ("ReceiveMessageWaitTimeSeconds", "0"),
    ("SqsManagedSseEnabled", "true"),
    ("VisibilityTimeout", "30"),
];

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RedrivePolicy {
    pub(super) dead_letter_target_arn: String,
    #[serde(deserialize_with = "count_or_text")]
    pub(super) max_receive_count: u32,
}

/// Tools write the count as a number or as text, and SQS takes both.
fn count_or_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().map_err(serde::de::Error::custom)
}

pub(super) struct Store {
    pub(super) connection: Connection,
}

impl Store {
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        Self::prepare(Connection::open(path)?)
    }

    pub(super) fn in_memory() -> rusqlite::Result<Self> {
        Self::prepare(Connection::open_in_memory()?)
    }

    fn prepare(connection: Connection) -> rusqlite::Result<Self> {
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // In WAL mode a commit survives a killed process without an fsync; only a power cut could take the last ones.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(SCHEMA)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection })
    }

    /// Creates a queue of the template, or gives an old one the template's settings.
    pub(super) fn declare(&mut self, queue: &Queue) -> Result<(), Refusal> {
        let mut settings = Settings::from([
            ("VisibilityTimeout".to_owned(), queue.visibility_seconds.to_string()),
            ("MessageRetentionPeriod".to_owned(), queue.retention_seconds.to_string()),
        ]);
        if let Some(redrive) = &queue.redrive {
            let policy = RedrivePolicy {
                dead_letter_target_arn: crate::template::queue_arn(&redrive.dead_letters),
                max_receive_count: redrive.max_receive_count,
            };
            let policy = serde_json::to_string(&policy).map_err(|e| Refusal::invalid(e.to_string()))?;
            settings.insert("RedrivePolicy".to_owned(), policy);
        }
        self.put_queue(&queue.name, &settings, super::now_ms())
    }

    /// Creates a queue or replaces the settings of one.
    pub(super) fn put_queue(&mut self, name: &str, settings: &Settings, now_ms: i64) -> Result<(), Refusal> {
        let text = serde_json::to_string(settings).map_err(|e| Refusal::invalid(e.to_string()))?;
        self.connection.execute(
            "INSERT INTO queue (name, created_ms, attributes) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET attributes = ?3",
            params![name, now_ms, text],
        )?;
        Ok(())
    }

    pub(super) fn created_ms(&self, name: &str) -> Result<i64, Refusal> {
        let found = self.connection.query_row("SELECT created_ms FROM queue WHERE name = ?", [name], |r| r.get(0));
        found.optional()?.ok_or_else(Refusal::no_such_queue)
    }

    /// The settings that were made, without defaults.
    pub(super) fn settings(&self, name: &str) -> Result<Settings, Refusal> {
        let mut statement = self.connection.prepare_cached("SELECT attributes FROM queue WHERE name = ?")?;
        let text: Option<String> = statement.query_row([name], |row| row.get(0)).optional()?;
        let text = text.ok_or_else(Refusal::no_such_queue)?;
        serde_json::from_str(&text).map_err(|e| Refusal::new("InternalFailure", e.to_string()))
    }

    pub(super) fn names(&self, prefix: &str) -> Result<Vec<String>, Refusal> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT name FROM queue WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name")?;
        let names = statement.query_map([prefix], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        Ok(names)
    }

    pub(super) fn send(&mut self, queue: &str, drafts: &[Draft], now_ms: i64) -> Result<Vec<String>, Refusal> {
        let settings = self.settings(queue)?;
        let own_delay = seconds(&settings, "DelaySeconds");
        let transaction = self.connection.transaction()?;
        let mut ids = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let id = new_id()?;
            let attributes = serde_json::to_string(&draft.attributes).map_err(|e| Refusal::invalid(e.to_string()))?;
            transaction
                .prepare_cached(
                    "INSERT INTO message (queue, id, body, attributes, trace, sent_ms, visible_ms)
                     VALUES (?, ?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![
                    queue,
                    id,
                    draft.body,
                    attributes,
                    draft.trace,
                    now_ms,
                    later(now_ms, draft.delay.unwrap_or(own_delay)),
                ])?;
            ids.push(id);
        }
        transaction.commit()?;
        Ok(ids)
    }

    pub(super) fn receive(&mut self, queue: &str, wanted: Receive, now_ms: i64) -> Result<Found, Refusal> {
        let settings = self.settings(queue)?;
        let hidden_for = wanted.visibility.unwrap_or_else(|| seconds(&settings, "VisibilityTimeout"));
        let transaction = self.connection.transaction()?;
        forget_old(&transaction, queue, &settings, now_ms)?;
        let moved_to = give_up(&transaction, queue, &settings, now_ms)?;
        let taken: Vec<i64> = transaction
            .prepare_cached(
                "SELECT number FROM message WHERE queue = ? AND visible_ms <= ? ORDER BY visible_ms, number LIMIT ?",
            )?
            .query_map(params![queue, now_ms, wanted.at_most], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let mut messages = Vec::with_capacity(taken.len());
        for number in taken {
            let mut statement = transaction.prepare_cached(
                "UPDATE message SET received = received + 1, visible_ms = ?2,
                        first_received_ms = COALESCE(first_received_ms, ?3)
                 WHERE number = ?1
                 RETURNING number, id, body, attributes, trace, sent_ms, first_received_ms, received, came_from",
            )?;
            messages.push(statement.query_row(params![number, later(now_ms, hidden_for), now_ms], read_message)?);
        }
        let next_visible_ms = transaction
            .prepare_cached("SELECT MIN(visible_ms) FROM message WHERE queue = ? AND visible_ms > ?")?
            .query_row(params![queue, now_ms], |row| row.get(0))?;
        transaction.commit()?;
        Ok(Found { messages, next_visible_ms, moved_to })
    }

    pub(super) fn delete(&mut self, queue: &str, receipt: &str) -> Result<(), Refusal> {
        self.created_ms(queue)?;
        let (number, received) = read_receipt(receipt)?;
        self.connection
            .prepare_cached("DELETE FROM message WHERE number = ? AND queue = ? AND received = ?")?
            .execute(params![number, queue, received])?;
        Ok(())
    }

    pub(super) fn change_visibility(
        &mut self,
        queue: &str,
        receipt: &str,
        visibility: Duration,
        now_ms: i64,
    ) -> Result<(), Refusal> {
        self.created_ms(queue)?;
        let (number, received) = read_receipt(receipt)?;
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE message SET visible_ms = ? WHERE number = ? AND queue = ? AND received = ? AND visible_ms > ?",
            )?
            .execute(params![later(now_ms, visibility), number, queue, received, now_ms])?;
        if changed == 0 {
            return Err(Refusal::new("MessageNotInflight", "The specified message isn't in flight."));
        }
        Ok(())
    }

    pub(super) fn purge(&mut self, queue: &str) -> Result<(), Refusal> {
        self.created_ms(queue)?;
        self.connection.execute("DELETE FROM message WHERE queue = ?", [queue])?;
        Ok(())
    }

    pub(super) fn remove_queue(&mut self, queue: &str) -> Result<(), Refusal> {
        self.purge(queue)?;
        self.connection.execute("DELETE FROM queue WHERE name = ?", [queue])?;
        Ok(())
    }

    pub(super) fn depth(&self, queue: &str, now_ms: i64) -> Result<Depth, Refusal> {
        let settings = self.settings(queue)?;
        let oldest = now_ms - millis(seconds(&settings, "MessageRetentionPeriod"));
        let mut statement = self.connection.prepare_cached(
            "SELECT COALESCE(SUM(visible_ms <= ?2), 0),
                    COALESCE(SUM(visible_ms > ?2 AND received > 0), 0),
                    COALESCE(SUM(visible_ms > ?2 AND received = 0), 0)
             FROM message WHERE queue = ?1 AND sent_ms >= ?3",
        )?;
        let depth = statement.query_row(params![queue, now_ms, oldest], |row| {
            Ok(Depth { visible: row.get(0)?, in_flight: row.get(1)?, delayed: row.get(2)? })
        })?;
        Ok(depth)
    }
}

/// A message that is older than its queue keeps messages is gone, whatever its state.
fn forget_old(connection: &Connection, queue: &str, settings: &Settings, now_ms: i64) -> Result<(), Refusal> {
    let oldest = now_ms - millis(seconds(settings, "MessageRetentionPeriod"));
    connection
        .prepare_cached("DELETE FROM message WHERE queue = ? AND sent_ms < ?")?
        .execute(params![queue, oldest])?;
    Ok(())
}

/// Moves messages that were received in vain too often; names the dead-letter queue if it got something.
fn give_up(connection: &Connection, queue: &str, settings: &Settings, now_ms: i64) -> Result<Vec<String>, Refusal> {
    let policy: Option<RedrivePolicy> = settings.get("RedrivePolicy").and_then(|p| serde_json::from_str(p).ok());
    let Some(policy) = policy else { return Ok(Vec::new()) };
    let dead_letters = policy.dead_letter_target_arn.rsplit(':').next().unwrap_or_default().to_owned();
    let moved = connection
        .prepare_cached(
            "UPDATE message SET queue = ?1, came_from = ?2, visible_ms = ?3
             WHERE queue = ?4 AND visible_ms <= ?3 AND received >= ?5
               AND EXISTS (SELECT 1 FROM queue WHERE name = ?1)",
        )?
        .execute(params![dead_letters, crate::template::queue_arn(queue), now_ms, queue, policy.max_receive_count])?;
    Ok(if moved > 0 { vec![dead_letters] } else { Vec::new() })
}

fn read_message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let number: i64 = row.get(0)?;
    let received: u32 = row.get(7)?;
    let attributes: String = row.get(3)?;
    Ok(Message {
        receipt: write_receipt(number, received),
        id: row.get(1)?,
        body: row.get(2)?,
        attributes: serde_json::from_str(&attributes).unwrap_or_default(),
        trace: row.get(4)?,
        sent_ms: row.get(5)?,
        first_received_ms: row.get(6)?,
        received,
        came_from: row.get(8)?,
    })
}

/// A receipt names the message and the receipt's own number, so that an old one is told from the newest.
fn write_receipt(number: i64, received: u32) -> String {
    URL_SAFE_NO_PAD.encode(format!("huitou/{number}/{received}"))
}

fn read_receipt(receipt: &str) -> Result<(i64, u32), Refusal> {
    let refusal = || Refusal::bad_receipt(receipt);
    let bytes = URL_SAFE_NO_PAD.decode(receipt).map_err(|_| refusal())?;
    let text = String::from_utf8(bytes).map_err(|_| refusal())?;
    let rest = text.strip_prefix("huitou/").ok_or_else(refusal)?;
    let (number, received) = rest.split_once('/').ok_or_else(refusal)?;
    Ok((number.parse().map_err(|_| refusal())?, received.parse().map_err(|_| refusal())?))
}

/// A random UUID, version 4.
pub(super) fn new_id() -> Result<String, Refusal> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|e| Refusal::new("InternalFailure", e.to_string()))?;
    let number =
        u128::from_be_bytes(bytes) & !(0xf000_u128 << 64) & !(0xc000_u128 << 48) | (0x4000 << 64) | (0x8000 << 48);
    let hex = format!("{number:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Ok(format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)))
}

/// A setting that counts seconds, or its default.
fn seconds(settings: &Settings, name: &str) -> Duration {
    let default = DEFAULTS.iter().find(|(known, _)| *known == name).map_or("0", |(_, value)| value);
    Duration::from_secs(settings.get(name).map_or(default, String::as_str).parse().unwrap_or(0))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn later(now_ms: i64, duration: Duration) -> i64 {
    now_ms.saturating_add(millis(duration))
}
