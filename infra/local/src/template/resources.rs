//! From the resolved template to typed resources.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Function, Index, KeyPart, Pattern, Queue, QueueSource, Redrive, Route, Schedule, StreamSource, Table, Template,
    TemplateError, rights,
};

/// What AWS takes when a template says nothing.
mod defaults {
    pub(super) const TIMEOUT_SECONDS: u64 = 3;
    pub(super) const MEMORY_MEGABYTES: u32 = 128;
    pub(super) const BATCH_SIZE: u16 = 10;
    pub(super) const STREAM_BATCH_SIZE: u16 = 100;
    /// AWS has no such limit; the local host needs one, and SQS event sources start with five readers.
    pub(super) const MAX_CONCURRENCY: u16 = 5;
    pub(super) const VISIBILITY_SECONDS: u32 = 30;
    pub(super) const RETENTION_SECONDS: u32 = 345_600;
}

#[derive(Deserialize)]
struct Resource {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(rename = "Metadata", default)]
    metadata: Value,
    #[serde(rename = "Properties", default)]
    properties: Value,
}

pub(super) fn read(document: &Value) -> Result<Template, TemplateError> {
    let resources: BTreeMap<String, Resource> = typed("Resources", document.get("Resources").unwrap_or(&Value::Null))?;
    let globals = document.pointer("/Globals/Function").cloned().unwrap_or_default();
    let globals: FunctionProperties = typed("Globals.Function", &globals)?;
    let mut template = Template { functions: Vec::new(), tables: Vec::new(), queues: Vec::new() };
    for (name, resource) in &resources {
        match resource.kind.as_str() {
            "AWS::Serverless::Function" => template.functions.push(function(name, resource, &globals)?),
            "AWS::DynamoDB::Table" => template.tables.push(table(name, typed(name, &resource.properties)?)?),
            "AWS::SQS::Queue" => template.queues.push(queue(name, typed(name, &resource.properties)?)?),
            _ => {}
        }
    }
    check_streams(&template)?;
    Ok(template)
}

/// A stream that feeds a function has to be there, and feeds only one here: what a function is done with is gone from it.
fn check_streams(template: &Template) -> Result<(), TemplateError> {
    let mut fed = Vec::new();
    for function in &template.functions {
        for StreamSource { table, .. } in &function.streams {
            let there = template.tables.iter().any(|t| t.name == *table && t.stream.is_some());
            if !there {
                return Err(TemplateError(format!(
                    "{} is fed by the stream of {table}, which has none",
                    function.logical
                )));
            }
            if fed.contains(&table) {
                return Err(TemplateError(format!(
                    "the stream of {table} feeds two functions; on the local host it can feed one"
                )));
            }
            fed.push(table);
        }
    }
    Ok(())
}

fn typed<T: DeserializeOwned>(what: &str, value: &Value) -> Result<T, TemplateError> {
    let nothing = Value::Object(serde_json::Map::new());
    T::deserialize(if value.is_null() { &nothing } else { value })
        .map_err(|e| TemplateError(format!("{what} is not as the local host expects it: {e}")))
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct FunctionProperties {
    timeout: Option<u64>,
    memory_size: Option<u32>,
    environment: Environment,
    events: BTreeMap<String, Event>,
    policies: Vec<Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Environment {
    variables: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(tag = "Type", content = "Properties")]
enum Event {
    HttpApi(HttpEvent),
    #[serde(rename = "SQS")]
    Sqs(QueueEvent),
    #[serde(rename = "DynamoDB")]
    Stream(StreamEvent),
    ScheduleV2(ScheduleEvent),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HttpEvent {
    method: String,
    path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct QueueEvent {
    queue: String,
    batch_size: Option<u16>,
    #[serde(default)]
    scaling_config: ScalingConfig,
    #[serde(default)]
    function_response_types: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct ScalingConfig {
    maximum_concurrency: Option<u16>,
}

/// What is not listed here the local host does not do, and says so.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct StreamEvent {
    stream: String,
    starting_position: String,
    batch_size: Option<u16>,
    maximum_retry_attempts: Option<i64>,
    maximum_record_age_in_seconds: Option<i64>,
    #[serde(default)]
    bisect_batch_on_function_error: bool,
    #[serde(default)]
    function_response_types: Vec<String>,
    #[serde(default)]
    destination_config: DestinationConfig,
    #[serde(default)]
    filter_criteria: FilterCriteria,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct DestinationConfig {
    on_failure: Option<Destination>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Destination {
    destination: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct FilterCriteria {
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    pattern: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ScheduleEvent {
    schedule_expression: String,
    schedule_expression_timezone: Option<String>,
    #[serde(default)]
    input: String,
}

fn function(name: &str, resource: &Resource, globals: &FunctionProperties) -> Result<Function, TemplateError> {
    let own: FunctionProperties = typed(name, &resource.properties)?;
    let binary = resource.metadata.pointer("/BuildProperties/Binary").and_then(Value::as_str);
    let variables = globals.environment.variables.iter().chain(&own.environment.variables);
    let mut function = Function {
        logical: name.to_owned(),
        binary: binary.ok_or_else(|| TemplateError(format!("{name} names no binary in its metadata")))?.to_owned(),
        timeout: Duration::from_secs(own.timeout.or(globals.timeout).unwrap_or(defaults::TIMEOUT_SECONDS)),
        memory: own.memory_size.or(globals.memory_size).unwrap_or(defaults::MEMORY_MEGABYTES),
        routes: Vec::new(),
        queues: Vec::new(),
        streams: Vec::new(),
        schedules: Vec::new(),
        rights: rights::read(name, &own.policies)?,
        environment: variables.map(|(key, value)| (key.clone(), plain(value))).collect(),
    };
    for (event, source) in own.events {
        match source {
            Event::HttpApi(http) => function.routes.push(route(&http)?),
            Event::Sqs(queue) => function.queues.push(queue_source(name, &queue)?),
            Event::Stream(stream) => function.streams.push(stream_source(name, &stream)?),
            Event::ScheduleV2(schedule) => function.schedules.push(Schedule {
                name: event,
                expression: schedule.schedule_expression,
                timezone: schedule.schedule_expression_timezone.unwrap_or_else(|| "UTC".to_owned()),
                input: schedule.input,
            }),
        }
    }
    Ok(function)
}

/// An environment variable is text, whatever the template wrote.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn route(event: &HttpEvent) -> Result<Route, TemplateError> {
    let method = Method::from_bytes(event.method.to_uppercase().as_bytes())
        .map_err(|_| TemplateError(format!("{} is no HTTP method", event.method)))?;
    Ok(Route { method, path: event.path.clone() })
}

fn queue_source(function: &str, event: &QueueEvent) -> Result<QueueSource, TemplateError> {
    // Without it one bad message would make the whole batch come again, and the pump counts on it.
    if !event.function_response_types.iter().any(|kind| kind == "ReportBatchItemFailures") {
        return Err(TemplateError(format!("a queue of {function} lacks ReportBatchItemFailures")));
    }
    Ok(QueueSource {
        queue: name_in_arn(&event.queue),
        batch_size: event.batch_size.unwrap_or(defaults::BATCH_SIZE),
        max_concurrency: event.scaling_config.maximum_concurrency.unwrap_or(defaults::MAX_CONCURRENCY),
    })
}

fn stream_source(function: &str, event: &StreamEvent) -> Result<StreamSource, TemplateError> {
    if !event.function_response_types.iter().any(|kind| kind == "ReportBatchItemFailures") {
        return Err(TemplateError(format!("a stream of {function} lacks ReportBatchItemFailures")));
    }
    if event.starting_position != "TRIM_HORIZON" {
        let position = &event.starting_position;
        return Err(TemplateError(format!(
            "a stream of {function} starts at {position}; on the local host it starts at TRIM_HORIZON"
        )));
    }
    let table = event.stream.split('/').nth(1);
    let table = table.ok_or_else(|| TemplateError(format!("a stream of {function} is no table's StreamArn")))?;
    let destination = event.destination_config.on_failure.as_ref();
    let filters = event.filter_criteria.filters.iter().map(|filter| Pattern::parse(&filter.pattern));
    Ok(StreamSource {
        table: table.to_owned(),
        batch_size: event.batch_size.unwrap_or(defaults::STREAM_BATCH_SIZE),
        // AWS writes "without end" as -1, which is also what it takes when a template says nothing.
        retries: event.maximum_retry_attempts.and_then(|most| u32::try_from(most).ok()),
        max_age: event.maximum_record_age_in_seconds.and_then(|s| u64::try_from(s).ok()).map(Duration::from_secs),
        bisect: event.bisect_batch_on_function_error,
        dead_letters: destination.map(|queue| name_in_arn(&queue.destination)),
        filters: filters.collect::<Result<_, _>>()?,
    })
}

fn name_in_arn(arn: &str) -> String {
    arn.rsplit(':').next().unwrap_or(arn).to_owned()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TableProperties {
    table_name: Option<String>,
    attribute_definitions: Vec<AttributeDefinition>,
    key_schema: Vec<KeyElement>,
    #[serde(default)]
    global_secondary_indexes: Vec<IndexProperties>,
    time_to_live_specification: Option<TimeToLive>,
    stream_specification: Option<StreamSpecification>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamSpecification {
    stream_view_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributeDefinition {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyElement {
    attribute_name: String,
    key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexProperties {
    index_name: String,
    key_schema: Vec<KeyElement>,
    projection: Projection,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Projection {
    projection_type: String,
    #[serde(default)]
    non_key_attributes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TimeToLive {
    attribute_name: String,
    enabled: bool,
}

fn table(name: &str, properties: TableProperties) -> Result<Table, TemplateError> {
    let defined = &properties.attribute_definitions;
    let mut indexes = Vec::new();
    for index in properties.global_secondary_indexes {
        indexes.push(Index {
            key: key(name, &index.key_schema, defined)?,
            name: index.index_name,
            projection: index.projection.projection_type,
            included: index.projection.non_key_attributes,
        });
    }
    Ok(Table {
        key: key(name, &properties.key_schema, defined)?,
        name: properties.table_name.unwrap_or_else(|| name.to_owned()),
        indexes,
        expires_by: properties.time_to_live_specification.filter(|ttl| ttl.enabled).map(|ttl| ttl.attribute_name),
        stream: properties.stream_specification.map(|stream| stream.stream_view_type),
    })
}

fn key(table: &str, schema: &[KeyElement], defined: &[AttributeDefinition]) -> Result<Vec<KeyPart>, TemplateError> {
    let part = |element: &KeyElement| {
        let definition = defined.iter().find(|d| d.attribute_name == element.attribute_name);
        let kind = definition
            .map(|d| d.attribute_type.clone())
            .ok_or_else(|| TemplateError(format!("{table} does not define {}", element.attribute_name)))?;
        Ok(KeyPart { attribute: element.attribute_name.clone(), kind, role: element.key_type.clone() })
    };
    schema.iter().map(part).collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct QueueProperties {
    queue_name: Option<String>,
    visibility_timeout: u32,
    message_retention_period: u32,
    redrive_policy: Option<RedrivePolicy>,
}

impl Default for QueueProperties {
    fn default() -> Self {
        Self {
            queue_name: None,
            visibility_timeout: defaults::VISIBILITY_SECONDS,
            message_retention_period: defaults::RETENTION_SECONDS,
            redrive_policy: None,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RedrivePolicy {
    dead_letter_target_arn: String,
    max_receive_count: u32,
}

fn queue(name: &str, properties: QueueProperties) -> Result<Queue, TemplateError> {
    let name = properties.queue_name.unwrap_or_else(|| name.to_owned());
    if name.rsplit_once('.').is_some_and(|(_, end)| end == "fifo") {
        return Err(TemplateError(format!("{name} is a FIFO queue; the local host has standard queues only")));
    }
    Ok(Queue {
        name,
        visibility_seconds: properties.visibility_timeout,
        retention_seconds: properties.message_retention_period,
        redrive: properties.redrive_policy.map(|policy| Redrive {
            dead_letters: name_in_arn(&policy.dead_letter_target_arn),
            max_receive_count: policy.max_receive_count,
        }),
    })
}
