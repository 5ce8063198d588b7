//! Feeds functions from tables' streams, as Lambda's event source mappings do.
//!
//! One call at a time, in the stream's order. What a function has taken care of is trimmed from the stream and nothing
//! else is, so a record comes again until it is done, also to a host that was killed meanwhile.

use std::time::Duration;

use huitou::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::data_dir::DataError;
use crate::handler::{Handlers, Target};
use crate::queue::{Draft, Queues};
use crate::stop::Stop;
use crate::table::Embedded;
use crate::template::{StreamSource, Template, TemplateError, stream_arn};

/// The pause before a record is tried again; twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// After a change, more are waited for, so that a busy table does not call its function for every one. On AWS a stream
/// is looked into every quarter of a second.
const GATHERS: Duration = Duration::from_millis(25);

/// One event source: a table's stream and the function that it feeds.
#[derive(Clone)]
struct Source {
    target: Target,
    feed: StreamSource,
    table: Embedded,
    queues: Queues,
}

/// Everything that feeds functions from streams.
pub struct Streaming {
    sources: Vec<Source>,
}

impl std::fmt::Debug for Streaming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streaming").field("sources", &self.sources.len()).finish()
    }
}

/// A record that was handed on: what has to be known of it should it come again.
struct Sent {
    number: String,
    /// When the change was, by the machine's clock, by which the engine dates it; since the epoch.
    at: Option<Duration>,
}

/// How far a source has come with the oldest record.
#[derive(Debug)]
struct Progress {
    /// At most so many records in the next call.
    most: usize,
    /// The number of the record that failed last, and how often it has.
    failed: Option<(String, u32)>,
}

/// What one look into the stream came to.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Nothing more was there.
    Idle,
    /// Something was done, and more may be there.
    Done,
    /// Something failed and is to be tried again, after so long a pause.
    Again(Duration),
}

impl Streaming {
    /// One source for every stream that the template names as an event source.
    pub fn new(
        template: &Template,
        handlers: &Handlers,
        table: &Embedded,
        queues: &Queues,
    ) -> Result<Self, TemplateError> {
        let mut sources = Vec::new();
        for function in &template.functions {
            for feed in &function.streams {
                sources.push(Source {
                    target: Target::new(function, handlers)?,
                    feed: feed.clone(),
                    table: table.clone(),
                    queues: queues.clone(),
                });
            }
        }
        Ok(Self { sources })
    }

    /// Feeds until it is time to end, then waits for the calls that are under way.
    pub async fn run(self, stop: Stop) {
        let mut running = JoinSet::new();
        for source in self.sources {
            running.spawn(source.feed(stop.clone()));
        }
        running.join_all().await;
    }
}

impl Source {
    async fn feed(self, stop: Stop) {
        let mut progress = self.fresh();
        while !stop.is_asked() {
            let step = self.step(&mut progress).await.unwrap_or_else(|error| {
                tracing::error!(table = self.feed.table, %error, "the stream could not be worked on");
                Step::Again(LONGEST_PAUSE)
            });
            let wake = async {
                match step {
                    Step::Done => {}
                    Step::Idle => {
                        self.table.written(&self.feed.table).await;
                        tokio::time::sleep(GATHERS).await;
                    }
                    Step::Again(pause) => tokio::time::sleep(pause).await,
                }
            };
            tokio::select! {
                () = wake => {}
                () = stop.clone().asked() => {}
            }
        }
    }

    fn fresh(&self) -> Progress {
        Progress { most: usize::from(self.feed.batch_size).max(1), failed: None }
    }

    /// One call with the oldest records, and what follows from its answer.
    async fn step(&self, progress: &mut Progress) -> Result<Step, DataError> {
        let all = self.table.oldest_in_stream(&self.feed.table, progress.most)?;
        let numbers: Vec<String> = all.iter().map(|record| number(record).to_owned()).collect();
        let Some(last) = numbers.last() else { return Ok(Step::Idle) };
        let wanted: Vec<Value> = all.into_iter().filter(|record| self.wants(record)).collect();
        let sent: Vec<Sent> = wanted.iter().map(Sent::of).collect();
        let failed = if wanted.is_empty() { None } else { self.call(wanted, &sent).await };
        let Some(failed) = failed else {
            self.table.trim_stream(&self.feed.table, last).await?;
            let more = numbers.len() >= progress.most;
            *progress = self.fresh();
            return Ok(if more { Step::Done } else { Step::Idle });
        };
        // What came before the one that failed is done.
        if let Some(done) = numbers.iter().take_while(|number| **number < failed).last() {
            self.table.trim_stream(&self.feed.table, done).await?;
        }
        self.retry(progress, &sent, failed).await
    }

    fn wants(&self, record: &Value) -> bool {
        self.feed.filters.is_empty() || self.feed.filters.iter().any(|filter| filter.matches(record))
    }

    /// The number of the first record that has to come again; none when all is done.
    async fn call(&self, records: Vec<Value>, sent: &[Sent]) -> Option<String> {
        let event = Value::Object([("Records".to_owned(), Value::Array(records))].into_iter().collect());
        match self.target.call(event).await {
            Ok(answer) => first_failure(&answer, sent),
            Err(error) => {
                tracing::error!(function = self.target.function, error, "a batch of a stream failed as a whole");
                sent.first().map(|record| record.number.clone())
            }
        }
    }

    /// A record failed: it is tried again, more and more of those behind it left aside, until it is given up.
    async fn retry(&self, progress: &mut Progress, sent: &[Sent], failed: String) -> Result<Step, DataError> {
        let times = match &progress.failed {
            Some((number, times)) if *number == failed => times + 1,
            _ => 1,
        };
        let alone = sent.len() == 1 || !self.feed.bisect;
        let record = sent.iter().find(|record| record.number == failed);
        let too_old = record.and_then(Sent::age).zip(self.feed.max_age).is_some_and(|(age, most)| age > most);
        let too_often = self.feed.retries.is_some_and(|most| times > most);
        if alone && (too_old || too_often) {
            let condition = if too_old { "RecordAgeExceeded" } else { "RetryAttemptsExhausted" };
            // Without halving, everything that was sent with it is given up with it.
            let lost: Vec<&Sent> = sent.iter().skip_while(|record| record.number != failed).collect();
            self.give_up(&lost, condition, times)?;
            if let Some(last) = lost.last() {
                self.table.trim_stream(&self.feed.table, &last.number).await?;
            }
            *progress = self.fresh();
            return Ok(Step::Done);
        }
        if self.feed.bisect {
            progress.most = (progress.most.min(sent.len()) / 2).max(1);
        }
        progress.failed = Some((failed, times));
        Ok(Step::Again(FIRST_PAUSE.saturating_mul(1 << times.min(16)).min(LONGEST_PAUSE)))
    }

    /// Tells the dead letters which records nobody will see again, in AWS's words.
    fn give_up(&self, records: &[&Sent], condition: &str, times: u32) -> Result<(), DataError> {
        let (first, last) = (records.first().map_or("", |r| &r.number), records.last().map_or("", |r| &r.number));
        tracing::error!(
            function = self.target.function,
            table = self.feed.table,
            first,
            last,
            condition,
            "records are given up"
        );
        let Some(queue) = &self.feed.dead_letters else { return Ok(()) };
        let letter = json!({
            "requestContext": { "condition": condition, "approximateInvokeCount": times },
            "version": "1.0",
            "timestamp": SystemClock.wall(),
            "DDBStreamBatchInfo": {
                "shardId": format!("shard-{}", self.feed.table),
                "startSequenceNumber": first,
                "endSequenceNumber": last,
                "batchSize": records.len(),
                "streamArn": stream_arn(&self.feed.table),
            },
        });
        let sent = self.queues.send(queue, &[Draft { body: letter.to_string(), ..Draft::default() }]);
        sent.map(|_| ()).map_err(|refusal| DataError::running("queue", &refusal))
    }
}

fn number(record: &Value) -> &str {
    record.pointer("/dynamodb/SequenceNumber").and_then(Value::as_str).unwrap_or_default()
}

impl Sent {
    fn of(record: &Value) -> Self {
        let at = record.pointer("/dynamodb/ApproximateCreationDateTime").and_then(Value::as_f64);
        Self { number: number(record).to_owned(), at: at.and_then(|at| Duration::try_from_secs_f64(at).ok()) }
    }

    /// How long ago the change was.
    fn age(&self) -> Option<Duration> {
        let now = u64::try_from(SystemClock.wall().seconds()).ok()?;
        Duration::from_secs(now).checked_sub(self.at?)
    }
}

/// The number of the first record that the function gave back; none when it gave back none.
///
/// As on AWS, nothing said is success, and an answer that names a record nobody sent is failure of all.
fn first_failure(answer: &Value, records: &[Sent]) -> Option<String> {
    let list = answer.get("batchItemFailures").filter(|list| !list.is_null())?;
    let known = |id: &&str| records.iter().any(|record| record.number == *id);
    let named = |item: &Value| item.get("itemIdentifier")?.as_str().filter(known).map(str::to_owned);
    let failed: Option<Vec<String>> = list.as_array().and_then(|list| list.iter().map(named).collect());
    match failed {
        Some(failed) => failed.into_iter().min(),
        None => records.first().map(|record| record.number.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::handler::Handler;
    use crate::stop::StopSource;

    const TEMPLATE: &str = r#"
Resources:
  Lost: { Type: 'AWS::SQS::Queue', Properties: {} }
  Things:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{ AttributeName: thing, AttributeType: S }]
      KeySchema: [{ AttributeName: thing, KeyType: HASH }]
      StreamSpecification: { StreamViewType: NEW_AND_OLD_IMAGES }
  Worker:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: worker } }
    Properties:
      Timeout: 5
      Events:
        Changes:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Things.StreamArn
            StartingPosition: TRIM_HORIZON
            BatchSize: 8
            MaximumRetryAttempts: 1
            BisectBatchOnFunctionError: true
            FunctionResponseTypes: [ReportBatchItemFailures]
            DestinationConfig: { OnFailure: { Destination: !GetAtt Lost.Arn } }
            FilterCriteria: { Filters: [{ Pattern: '{"dynamodb":{"Keys":{"thing":{"S":[{"anything-but":["dull"]}]}}}}' }] }
"#;

    type Seen = Arc<Mutex<Vec<String>>>;

    fn thing(record: &Value) -> String {
        record["dynamodb"]["Keys"]["thing"]["S"].as_str().unwrap().to_owned()
    }

    /// A handler that notes every thing it takes care of; it gives back what is called bad, and fails as a whole, by a
    /// panic, when there is something wild.
    fn worker() -> (Handlers, Seen) {
        let seen = Seen::default();
        let notes = Arc::clone(&seen);
        let handler: Handler = Arc::new(move |event| {
            let notes = Arc::clone(&notes);
            Box::pin(async move {
                let records = event["Records"].as_array().unwrap();
                assert!(records.iter().all(|record| !thing(record).starts_with("wild")), "on purpose");
                for record in records {
                    if thing(record).starts_with("bad") {
                        return Ok(json!({ "batchItemFailures": [{ "itemIdentifier": number(record) }] }));
                    }
                    notes.lock().unwrap().push(thing(record));
                }
                Ok(Value::Null)
            })
        });
        (Handlers::from([("Worker".to_owned(), handler)]), seen)
    }

    fn put(table: &Embedded, things: &[&str]) {
        for thing in things {
            let request = json!({ "TableName": "Things", "Item": { "thing": { "S": thing } } });
            assert_eq!(table.dispatch("PutItem", request.to_string().as_bytes()).status, 200);
        }
    }

    fn left(table: &Embedded) -> usize {
        table.oldest_in_stream("Things", 1000).unwrap().len()
    }

    fn lost(queues: &Queues) -> u64 {
        queues.depths().unwrap().iter().find(|(name, _)| name == "Lost").unwrap().1.visible
    }

    /// Puts things before and after the start, and feeds until nothing is left.
    async fn fed(before: &[&str], after: &[&str]) -> (Vec<String>, u64) {
        let template = Template::parse(TEMPLATE).unwrap();
        let table = Embedded::open(None, &template.tables).unwrap();
        let queues = Queues::open(None, &template.queues).unwrap();
        let (handlers, seen) = worker();
        put(&table, before);
        let stop = StopSource::new();
        let streaming = Streaming::new(&template, &handlers, &table, &queues).unwrap();
        let running = tokio::spawn(streaming.run(stop.listen()));
        let done = || async {
            for _ in 0..1000 {
                if left(&table) == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            panic!("{} records are left", left(&table));
        };
        done().await;
        put(&table, after);
        done().await;
        stop.stop();
        running.await.unwrap();
        let seen = seen.lock().unwrap().clone();
        (seen, lost(&queues))
    }

    #[tokio::test]
    async fn changes_come_in_order_from_before_and_after_the_start() {
        let many: Vec<String> = (0..20).map(|n| format!("t{n:02}")).collect();
        let names: Vec<&str> = many.iter().map(String::as_str).collect();
        let (seen, lost) = fed(&names[..11], &names[11..]).await;
        assert_eq!((seen, lost), (many, 0));
    }

    #[tokio::test]
    async fn what_the_filter_holds_back_wakes_nobody_and_is_gone() {
        assert_eq!(fed(&["dull", "a"], &["dull"]).await, (vec!["a".to_owned()], 0));
    }

    #[tokio::test]
    async fn a_record_that_never_works_ends_with_the_dead_letters_and_those_around_it_are_done() {
        for bad in ["bad", "wild"] {
            let (seen, lost) = fed(&["a", "b", bad, "c", "d"], &["e"]).await;
            assert_eq!((seen, lost), (["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(), 1), "{bad}");
        }
    }

    #[tokio::test]
    async fn what_is_not_trimmed_comes_again_and_what_is_trimmed_does_not() {
        let template = Template::parse(TEMPLATE).unwrap();
        let table = Embedded::open(None, &template.tables).unwrap();
        put(&table, &["a", "b", "c"]);
        let two = table.oldest_in_stream("Things", 2).unwrap();
        assert_eq!(table.oldest_in_stream("Things", 2).unwrap(), two);
        table.trim_stream("Things", number(&two[1])).await.unwrap();
        assert_eq!(table.oldest_in_stream("Things", 2).unwrap().iter().map(thing).collect::<Vec<_>>(), ["c"]);
    }
}
