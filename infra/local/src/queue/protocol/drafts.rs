//! Messages that are to be sent: read and held to SQS's limits.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{number, text};
use crate::queue::store::{Attribute, Attributes};
use crate::queue::{Draft, Refusal};

/// The most that a message, or a batch of them, may measure: 1 MiB.
pub(super) const MOST_BYTES: usize = 1_048_576;
const MOST_DELAY_SECONDS: u64 = 900;
const MOST_ATTRIBUTES: usize = 10;

pub(super) fn draft(request: &Value) -> Result<Draft, Refusal> {
    let body = text(request, "MessageBody").ok_or_else(|| Refusal::missing("MessageBody"))?;
    if body.is_empty() {
        return Err(Refusal::missing("MessageBody"));
    }
    if !body.chars().all(allowed) {
        return Err(Refusal::new("InvalidMessageContents", "The message contains characters outside the allowed set."));
    }
    let trace = request.pointer("/MessageSystemAttributes/AWSTraceHeader/StringValue").and_then(Value::as_str);
    let draft = Draft {
        body: body.to_owned(),
        attributes: read_attributes(request)?,
        delay: number(request, "DelaySeconds", MOST_DELAY_SECONDS)?.map(Duration::from_secs),
        trace: trace.map(str::to_owned),
    };
    if bytes(&draft) > MOST_BYTES {
        let message =
            format!("One or more parameters are invalid. Reason: Message must be shorter than {MOST_BYTES} bytes.");
        return Err(Refusal::invalid(message));
    }
    Ok(draft)
}

/// What counts towards the limit: the body, and names, types and values of the attributes.
pub(super) fn bytes(draft: &Draft) -> usize {
    let attribute = |(name, a): (&String, &Attribute)| {
        let value = a.binary.as_ref().map_or_else(|| a.string.as_ref().map_or(0, String::len), Vec::len);
        name.len() + a.data_type.len() + value
    };
    draft.body.len() + draft.attributes.iter().map(attribute).sum::<usize>()
}

/// The characters of XML 1.0, which is what SQS lets through.
fn allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn read_attributes(request: &Value) -> Result<Attributes, Refusal> {
    let given = request.get("MessageAttributes").and_then(Value::as_object).into_iter().flatten();
    let attributes: Attributes =
        given.map(|(name, value)| Ok((name.clone(), read_attribute(name, value)?))).collect::<Result<_, Refusal>>()?;
    if attributes.len() > MOST_ATTRIBUTES {
        let message = format!("Number of message attributes [{}] exceeds the allowed maximum [10].", attributes.len());
        return Err(Refusal::invalid(message));
    }
    Ok(attributes)
}

fn read_attribute(name: &str, value: &Value) -> Result<Attribute, Refusal> {
    let invalid = || Refusal::invalid(format!("The message attribute '{name}' must contain a value of its data type."));
    let data_type = text(value, "DataType").ok_or_else(invalid)?.to_owned();
    let string = text(value, "StringValue").map(str::to_owned);
    let binary =
        text(value, "BinaryValue").map(|encoded| STANDARD.decode(encoded)).transpose().map_err(|_| invalid())?;
    let fits = match data_type.split('.').next().unwrap_or_default() {
        "String" => string.as_ref().is_some_and(|s| !s.is_empty()) && binary.is_none(),
        "Number" => string.as_ref().is_some_and(|s| s.parse::<f64>().is_ok()) && binary.is_none(),
        "Binary" => binary.as_ref().is_some_and(|b| !b.is_empty()) && string.is_none(),
        _ => false,
    };
    if fits { Ok(Attribute { data_type, string, binary }) } else { Err(invalid()) }
}

pub(super) fn write_attributes(attributes: &BTreeMap<String, Attribute>) -> Value {
    let mut written = Map::new();
    for (name, attribute) in attributes {
        let mut one = json!({ "DataType": attribute.data_type });
        if let Some(object) = one.as_object_mut() {
            object.extend(attribute.string.clone().map(|s| ("StringValue".to_owned(), json!(s))));
            object.extend(attribute.binary.as_ref().map(|b| ("BinaryValue".to_owned(), json!(STANDARD.encode(b)))));
        }
        written.insert(name.clone(), one);
    }
    Value::Object(written)
}
