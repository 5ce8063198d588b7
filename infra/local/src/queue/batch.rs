//! The rules that every batch of entries obeys.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Refusal;

/// SQS takes at most this many entries in one request.
const MOST_ENTRIES: usize = 10;

/// Checks a batch as a whole, then runs each entry by itself: one that fails fails alone.
pub(super) fn run(request: &Value, mut entry: impl FnMut(&Value) -> Result<Value, Refusal>) -> Result<Value, Refusal> {
    let mut successful = Vec::new();
    let mut failed = Vec::new();
    for (id, body) in entries(request)? {
        match entry(body) {
            Ok(Value::Object(mut result)) => {
                result.insert("Id".to_owned(), json!(id));
                successful.push(Value::Object(result));
            }
            Ok(_) => successful.push(json!({ "Id": id })),
            Err(refusal) => failed.push(json!({
                "Id": id,
                "Code": refusal.kind,
                "Message": refusal.message,
                "SenderFault": refusal.kind != "InternalFailure",
            })),
        }
    }
    Ok(json!({ "Successful": successful, "Failed": failed }))
}

/// The entries with their ids, once the batch as a whole is in order.
pub(super) fn entries(request: &Value) -> Result<Vec<(String, &Value)>, Refusal> {
    let entries = request.get("Entries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if entries.is_empty() {
        return Err(Refusal::new("EmptyBatchRequest", "There should be at least one entry in the request."));
    }
    if entries.len() > MOST_ENTRIES {
        let message =
            format!("Maximum number of entries per request are {MOST_ENTRIES}. You have sent {}.", entries.len());
        return Err(Refusal::new("TooManyEntriesInBatchRequest", message));
    }
    let mut seen = BTreeSet::new();
    let mut named = Vec::with_capacity(entries.len());
    for entry in entries {
        let id = entry.get("Id").and_then(Value::as_str).ok_or_else(|| Refusal::missing("Id"))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if id.is_empty() || id.len() > 80 || !id.chars().all(plain) {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores.";
            return Err(Refusal::new("InvalidBatchEntryId", message));
        }
        if !seen.insert(id) {
            return Err(Refusal::new("BatchEntryIdsNotDistinct", format!("Id {id} repeated.")));
        }
        named.push((id.to_owned(), entry));
    }
    Ok(named)
}
