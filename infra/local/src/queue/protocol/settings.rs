//! Queues and their settings.

use serde_json::{Map, Value, json};

use super::{names, queue_of, text};
use crate::queue::store::{DEFAULTS, RedrivePolicy, Settings};
use crate::queue::{Queues, Refusal, now_ms};
use crate::template::{queue_arn, queue_url};

/// What can be set, with the range of those that are numbers.
const SETTABLE: [(&str, Option<(u64, u64)>); 12] = [
    ("DelaySeconds", Some((0, 900))),
    ("MaximumMessageSize", Some((1024, 1_048_576))),
    ("MessageRetentionPeriod", Some((60, 1_209_600))),
    ("ReceiveMessageWaitTimeSeconds", Some((0, 20))),
    ("VisibilityTimeout", Some((0, 43_200))),
    ("KmsDataKeyReusePeriodSeconds", Some((60, 86_400))),
    ("RedrivePolicy", None),
    ("RedriveAllowPolicy", None),
    ("Policy", None),
    ("KmsMasterKeyId", None),
    ("SqsManagedSseEnabled", None),
    ("FifoQueue", None),
];

pub(super) fn create(queues: &Queues, request: &Value) -> Result<Value, Refusal> {
    let name = text(request, "QueueName").ok_or_else(|| Refusal::missing("QueueName"))?;
    let settings = read(request)?;
    if name.rsplit_once('.').is_some_and(|(_, end)| end == "fifo") || settings.contains_key("FifoQueue") {
        return Err(Refusal::invalid("The local queue server has standard queues only."));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 80 || !name.chars().all(plain) {
        let message = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.";
        return Err(Refusal::invalid(message));
    }
    queues.with_store(|store| match store.settings(name) {
        Ok(old) if settings.iter().any(|(key, value)| value_of(&old, key) != Some(value.as_str())) => {
            Err(Refusal::new(
                "QueueNameExists",
                "A queue already exists with the same name and a different value for one of its attributes.",
            ))
        }
        Ok(_) => Ok(()),
        Err(_) => store.put_queue(name, &settings, now_ms()),
    })?;
    Ok(json!({ "QueueUrl": queue_url(name) }))
}

pub(super) fn set(queues: &Queues, request: &Value) -> Result<Value, Refusal> {
    let (name, changes) = (queue_of(request)?, read(request)?);
    queues.with_store(|store| {
        let mut settings = store.settings(&name)?;
        for (key, value) in changes {
            // An empty policy takes the old one away.
            if value.is_empty() {
                settings.remove(&key)
            } else {
                settings.insert(key, value)
            };
        }
        store.put_queue(&name, &settings, now_ms())
    })?;
    Ok(json!({}))
}

pub(super) fn get(queues: &Queues, request: &Value) -> Result<Value, Refusal> {
    let name = queue_of(request)?;
    let (settings, depth, created) = queues.with_store(|store| {
        Ok((store.settings(&name)?, store.depth(&name, now_ms())?, store.created_ms(&name)? / 1000))
    })?;
    let mut all: Settings = DEFAULTS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    all.extend(settings);
    all.extend(
        [
            ("QueueArn", queue_arn(&name)),
            ("CreatedTimestamp", created.to_string()),
            ("LastModifiedTimestamp", created.to_string()),
            ("ApproximateNumberOfMessages", depth.visible.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", depth.in_flight.to_string()),
            ("ApproximateNumberOfMessagesDelayed", depth.delayed.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    );
    let wanted = names(request, "AttributeNames");
    if let Some(unknown) = wanted.iter().find(|w| *w != "All" && !all.contains_key(*w) && !settable(w)) {
        return Err(Refusal::new("InvalidAttributeName", format!("Unknown Attribute {unknown}.")));
    }
    all.retain(|key, _| wanted.iter().any(|w| w == key || w == "All"));
    Ok(if all.is_empty() { json!({}) } else { json!({ "Attributes": all }) })
}

pub(super) fn own_wait_seconds(queues: &Queues, name: &str) -> Result<u64, Refusal> {
    let settings = queues.with_store(|store| store.settings(name))?;
    Ok(value_of(&settings, "ReceiveMessageWaitTimeSeconds").and_then(|v| v.parse().ok()).unwrap_or(0))
}

fn settable(name: &str) -> bool {
    SETTABLE.iter().any(|(known, _)| *known == name)
}

fn value_of<'a>(settings: &'a Settings, key: &str) -> Option<&'a str> {
    let default = DEFAULTS.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
    settings.get(key).map(String::as_str).or(default)
}

fn read(request: &Value) -> Result<Settings, Refusal> {
    let none = Map::new();
    let given = request.get("Attributes").and_then(Value::as_object).unwrap_or(&none);
    let mut settings = Settings::new();
    for (name, value) in given {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let Some((_, range)) = SETTABLE.iter().find(|(known, _)| known == name) else {
            return Err(Refusal::new("InvalidAttributeName", format!("Unknown Attribute {name}.")));
        };
        let in_range = range.is_none_or(|(least, most)| value.parse().is_ok_and(|n: u64| (least..=most).contains(&n)));
        let policy_reads =
            name != "RedrivePolicy" || value.is_empty() || serde_json::from_str::<RedrivePolicy>(&value).is_ok();
        if !in_range || !policy_reads {
            return Err(Refusal::new("InvalidAttributeValue", format!("Invalid value for the parameter {name}.")));
        }
        settings.insert(name.clone(), value);
    }
    Ok(settings)
}
