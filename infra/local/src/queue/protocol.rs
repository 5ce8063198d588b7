//! SQS's JSON protocol: each operation's request read, its rules kept, its answer written.

mod drafts;
mod settings;

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::store::Message;
use super::{Queues, Receive, Refusal, batch, now_ms};
use crate::template::{Right, queue_arn, queue_url};
use drafts::{MOST_BYTES, draft};

const MOST_VISIBILITY_SECONDS: u64 = 43_200;
const MOST_WAIT_SECONDS: u64 = 20;

pub(super) async fn run(queues: &Queues, operation: &str, body: &[u8]) -> Result<Value, Refusal> {
    let request: Value = serde_json::from_slice(if body.is_empty() { b"{}" } else { body })
        .map_err(|e| Refusal::invalid(format!("The request is not JSON: {e}.")))?;
    match operation {
        "CreateQueue" => settings::create(queues, &request),
        "GetQueueUrl" => get_url(queues, &request),
        "ListQueues" => list(queues, &request),
        "ListDeadLetterSourceQueues" => list_sources(queues, &request),
        "GetQueueAttributes" => settings::get(queues, &request),
        "SetQueueAttributes" => settings::set(queues, &request),
        "PurgeQueue" => queues.with_store(|s| s.purge(&queue_of(&request)?)).map(|()| json!({})),
        "DeleteQueue" => queues.with_store(|s| s.remove_queue(&queue_of(&request)?)).map(|()| json!({})),
        "SendMessage" => send(queues, &queue_of(&request)?, &request),
        "SendMessageBatch" => send_batch(queues, &request),
        "ReceiveMessage" => receive(queues, &request).await,
        "DeleteMessage" => delete(queues, &queue_of(&request)?, &request),
        "DeleteMessageBatch" => {
            let queue = queue_of(&request)?;
            batch::run(&request, |entry| delete(queues, &queue, entry))
        }
        "ChangeMessageVisibility" => change_visibility(queues, &queue_of(&request)?, &request),
        "ChangeMessageVisibilityBatch" => {
            let queue = queue_of(&request)?;
            batch::run(&request, |entry| change_visibility(queues, &queue, entry))
        }
        "StartMessageMoveTask" => start_move(queues, &request),
        other => Err(Refusal::new("UnsupportedOperation", format!("The local queue does not know {other}."))),
    }
}

/// The right that a request needs, as AWS's service authorization reference lists them: a batch needs what its parts do.
/// A request that can't be read needs none: it is refused.
pub(super) fn needs(operation: &str, body: &[u8]) -> Option<Right> {
    let queue = queue_of(&serde_json::from_slice(body).ok()?).ok()?;
    Some(Right::new(format!("sqs:{}", operation.strip_suffix("Batch").unwrap_or(operation)), queue))
}

/// The queue that a request names: the last part of its address.
fn queue_of(request: &Value) -> Result<String, Refusal> {
    let url = text(request, "QueueUrl").ok_or_else(|| Refusal::missing("QueueUrl"))?;
    Ok(url.trim_end_matches('/').rsplit('/').next().unwrap_or(url).to_owned())
}

fn text<'a>(request: &'a Value, field: &str) -> Option<&'a str> {
    request.get(field).and_then(Value::as_str)
}

/// A whole number from zero to `most`, if the field is there.
fn number(request: &Value, field: &str, most: u64) -> Result<Option<u64>, Refusal> {
    let Some(value) = request.get(field).filter(|v| !v.is_null()) else {
        return Ok(None);
    };
    let in_range = value.as_u64().filter(|n| *n <= most);
    in_range.map(Some).ok_or_else(|| {
        Refusal::invalid(format!("Value {value} for parameter {field} is invalid. It must be 0 to {most}."))
    })
}

fn get_url(queues: &Queues, request: &Value) -> Result<Value, Refusal> {
    let name = text(request, "QueueName").ok_or_else(|| Refusal::missing("QueueName"))?;
    queues.with_store(|s| s.created_ms(name))?;
    Ok(json!({ "QueueUrl": queue_url(name) }))
}

fn list(queues: &Queues, request: &Value) -> Result<Value, Refusal> {
    let names = queues.with_store(|s| s.names(text(request, "QueueNamePrefix").unwrap_or_default()))?;
    let urls: Vec<String> = names.iter().map(|name| queue_url(name)).collect();
    Ok(json!({ "QueueUrls": urls }))
}

fn list_sources(queues: &Queues, request: &Value) -> Result<Value, Refusal> {
    let sources = queues.dead_letter_sources(&queue_of(request)?)?;
    let urls: Vec<String> = sources.iter().map(|name| queue_url(name)).collect();
    // A small letter, unlike everywhere else in this protocol.
    Ok(json!({ "queueUrls": urls }))
}

fn send(queues: &Queues, queue: &str, request: &Value) -> Result<Value, Refusal> {
    let draft = draft(request)?;
    let mut answer = json!({ "MD5OfMessageBody": super::digest::of_body(&draft.body) });
    let attributes_md5 = super::digest::of_attributes(&draft.attributes);
    let ids = queues.send(queue, &[draft])?;
    if let Some(object) = answer.as_object_mut() {
        object.insert("MessageId".to_owned(), json!(ids.first()));
        object.extend(attributes_md5.map(|md5| ("MD5OfMessageAttributes".to_owned(), json!(md5))));
    }
    Ok(answer)
}

fn send_batch(queues: &Queues, request: &Value) -> Result<Value, Refusal> {
    let queue = queue_of(request)?;
    queues.with_store(|s| s.created_ms(&queue))?;
    let bytes: usize = batch::entries(request)?
        .into_iter()
        .filter_map(|(_, entry)| draft(entry).ok())
        .map(|d| drafts::bytes(&d))
        .sum();
    if bytes > MOST_BYTES {
        let message = format!("Batch requests cannot be longer than {MOST_BYTES} bytes. You have sent {bytes} bytes.");
        return Err(Refusal::new("BatchRequestTooLong", message));
    }
    batch::run(request, |entry| send(queues, &queue, entry))
}

async fn receive(queues: &Queues, request: &Value) -> Result<Value, Refusal> {
    let queue = queue_of(request)?;
    let at_most = number(request, "MaxNumberOfMessages", 10)?.unwrap_or(1);
    if at_most == 0 {
        return Err(Refusal::invalid("MaxNumberOfMessages must be 1 to 10."));
    }
    let wait = match number(request, "WaitTimeSeconds", MOST_WAIT_SECONDS)? {
        Some(seconds) => seconds,
        None => settings::own_wait_seconds(queues, &queue)?,
    };
    let wanted = Receive {
        at_most: usize::try_from(at_most).unwrap_or(1),
        wait: Duration::from_secs(wait),
        visibility: number(request, "VisibilityTimeout", MOST_VISIBILITY_SECONDS)?.map(Duration::from_secs),
    };
    let messages = queues.receive(&queue, wanted).await?;
    if messages.is_empty() {
        return Ok(json!({}));
    }
    let written: Vec<Value> = messages.iter().map(|message| write_message(message, request)).collect();
    Ok(json!({ "Messages": written }))
}

fn write_message(message: &Message, request: &Value) -> Value {
    let mut written = Map::new();
    written.insert("MessageId".to_owned(), json!(message.id));
    written.insert("ReceiptHandle".to_owned(), json!(message.receipt));
    written.insert("Body".to_owned(), json!(message.body));
    written.insert("MD5OfBody".to_owned(), json!(message.body_md5()));
    let mut wanted = names(request, "MessageSystemAttributeNames");
    wanted.extend(names(request, "AttributeNames"));
    let mut system = message.system_attributes();
    system.retain(|name, _| wanted.iter().any(|w| w == name || w == "All"));
    if !system.is_empty() {
        written.insert("Attributes".to_owned(), json!(system));
    }
    let wanted = names(request, "MessageAttributeNames");
    let mut own = message.attributes.clone();
    own.retain(|name, _| wanted.iter().any(|w| w == name || w == "All" || matches_prefix(w, name)));
    if let Some(md5) = super::digest::of_attributes(&own) {
        written.insert("MessageAttributes".to_owned(), drafts::write_attributes(&own));
        written.insert("MD5OfMessageAttributes".to_owned(), json!(md5));
    }
    Value::Object(written)
}

/// `shop.*` stands for every name that starts with `shop.`, and `.*` for every name.
fn matches_prefix(wanted: &str, name: &str) -> bool {
    wanted.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix))
}

fn names(request: &Value, field: &str) -> Vec<String> {
    let list = request.get(field).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn receipt(request: &Value) -> Result<&str, Refusal> {
    text(request, "ReceiptHandle").ok_or_else(|| Refusal::missing("ReceiptHandle"))
}

fn delete(queues: &Queues, queue: &str, request: &Value) -> Result<Value, Refusal> {
    queues.delete(queue, receipt(request)?).map(|()| json!({}))
}

fn change_visibility(queues: &Queues, queue: &str, request: &Value) -> Result<Value, Refusal> {
    let seconds = number(request, "VisibilityTimeout", MOST_VISIBILITY_SECONDS)?
        .ok_or_else(|| Refusal::missing("VisibilityTimeout"))?;
    queues.change_visibility(queue, receipt(request)?, Duration::from_secs(seconds)).map(|()| json!({}))
}

fn start_move(queues: &Queues, request: &Value) -> Result<Value, Refusal> {
    let source = text(request, "SourceArn").ok_or_else(|| Refusal::missing("SourceArn"))?;
    let name = |arn: &str| arn.rsplit(':').next().unwrap_or_default().to_owned();
    let destination = text(request, "DestinationArn").map(name);
    let known = queues.with_store(|s| s.created_ms(&name(source)));
    known.map_err(|_| Refusal::new("ResourceNotFoundException", "The resource that you specified does not exist."))?;
    queues.redrive(&name(source), destination.as_deref())?;
    Ok(json!({ "TaskHandle": format!("{}/{}", queue_arn(&name(source)), now_ms()) }))
}
