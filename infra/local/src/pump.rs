//! Feeds functions from queues, as Lambda's event source mappings do.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::handler::{Handlers, Target};
use crate::queue::{Message, Queues, Receive};
use crate::stop::Stop;
use crate::template::{LOCAL_REGION, QueueSource, Template, TemplateError, queue_arn};

const WAIT: Duration = Duration::from_secs(20);
/// A pause after the queue itself failed, so that a broken disk does not become a busy loop.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);

/// One event source: a queue and the function that it feeds.
#[derive(Clone)]
struct Source {
    target: Target,
    feed: QueueSource,
    queues: Queues,
}

/// Everything that feeds functions from queues.
pub struct Pump {
    sources: Vec<Source>,
}

impl std::fmt::Debug for Pump {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pump").field("sources", &self.sources.len()).finish()
    }
}

impl Pump {
    /// A pump for every queue that the template names as an event source.
    pub fn new(template: &Template, handlers: &Handlers, queues: &Queues) -> Result<Self, TemplateError> {
        let mut sources = Vec::new();
        for function in &template.functions {
            for feed in &function.queues {
                sources.push(Source {
                    target: Target::new(function, handlers)?,
                    feed: feed.clone(),
                    queues: queues.clone(),
                });
            }
        }
        Ok(Self { sources })
    }

    /// Pumps until it is time to end, then waits for the calls that are under way.
    pub async fn run(self, stop: Stop) {
        let mut running = JoinSet::new();
        for source in self.sources {
            running.spawn(source.pump(stop.clone()));
        }
        running.join_all().await;
    }
}

impl Source {
    async fn pump(self, stop: Stop) {
        let free = Arc::new(Semaphore::new(usize::from(self.feed.max_concurrency)));
        let mut calls = JoinSet::new();
        let wanted = Receive { at_most: usize::from(self.feed.batch_size.min(10)), wait: WAIT, visibility: None };
        while !stop.is_asked() {
            let Ok(permit) = Arc::clone(&free).acquire_owned().await else {
                break;
            };
            let received = tokio::select! {
                received = self.queues.receive(&self.feed.queue, wanted) => received,
                () = stop.clone().asked() => break,
            };
            match received {
                Ok(messages) if messages.is_empty() => {}
                Ok(messages) => {
                    let source = self.clone();
                    calls.spawn(async move {
                        source.call(messages).await;
                        drop(permit);
                    });
                }
                Err(refusal) => {
                    tracing::error!(queue = self.feed.queue, %refusal, "the queue could not be read");
                    tokio::time::sleep(AFTER_TROUBLE).await;
                }
            }
            while calls.try_join_next().is_some() {}
        }
        calls.join_all().await;
    }

    /// One call with one batch; what the function took care of is deleted, and the rest comes again by itself.
    async fn call(&self, messages: Vec<Message>) {
        let event = json!({ "Records": messages.iter().map(|m| self.record(m)).collect::<Vec<_>>() });
        let failed = match self.target.call(event).await {
            Ok(answer) => failures(&answer, &messages),
            Err(error) => {
                tracing::error!(function = self.target.function, error, "a batch failed as a whole");
                None
            }
        };
        let Some(failed) = failed else { return };
        for message in messages.iter().filter(|m| !failed.contains(&m.id)) {
            if let Err(refusal) = self.queues.delete(&self.feed.queue, &message.receipt) {
                tracing::error!(queue = self.feed.queue, %refusal, "a message that was done could not be deleted");
            }
        }
    }

    fn record(&self, message: &Message) -> Value {
        let attributes: Map<String, Value> = message
            .attributes
            .iter()
            .map(|(name, a)| {
                let value = json!({
                    "dataType": a.data_type,
                    "stringValue": a.string,
                    "binaryValue": a.binary.as_ref().map(|b| STANDARD.encode(b)),
                    "stringListValues": [],
                    "binaryListValues": [],
                });
                (name.clone(), value)
            })
            .collect();
        let mut record = json!({
            "messageId": message.id,
            "receiptHandle": message.receipt,
            "body": message.body,
            "attributes": message.system_attributes(),
            "messageAttributes": attributes,
            "md5OfBody": message.body_md5(),
            "eventSource": "aws:sqs",
            "eventSourceARN": queue_arn(&self.feed.queue),
            "awsRegion": LOCAL_REGION,
        });
        if let Some(object) = record.as_object_mut() {
            object.extend(message.attributes_md5().map(|md5| ("md5OfMessageAttributes".to_owned(), json!(md5))));
        }
        record
    }
}

/// The messages that the function gave back; `None` when the whole batch has to come again.
///
/// As on AWS, nothing said is success, and an answer that names a message nobody sent is failure of all.
fn failures(answer: &Value, messages: &[Message]) -> Option<BTreeSet<String>> {
    let list = match answer.get("batchItemFailures") {
        None | Some(Value::Null) => return Some(BTreeSet::new()),
        Some(list) => list.as_array()?,
    };
    let known = |id: &&str| messages.iter().any(|m| m.id == *id);
    list.iter()
        .map(|item| item.get("itemIdentifier").and_then(Value::as_str).filter(known).map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::handler::Handler;
    use crate::queue::Draft;
    use crate::stop::StopSource;

    const TEMPLATE: &str = r"
Resources:
  Work: { Type: 'AWS::SQS::Queue', Properties: { VisibilityTimeout: 600, RedrivePolicy: { deadLetterTargetArn: !GetAtt Lost.Arn, maxReceiveCount: 2 } } }
  Lost: { Type: 'AWS::SQS::Queue', Properties: {} }
  Worker:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: worker } }
    Properties:
      Timeout: 5
      Events:
        Source: { Type: SQS, Properties: { Queue: !GetAtt Work.Arn, BatchSize: 10, FunctionResponseTypes: [ReportBatchItemFailures], ScalingConfig: { MaximumConcurrency: 2 } } }
";

    type Answering = fn(&Value) -> Result<Value, String>;
    type Seen = Arc<Mutex<Vec<String>>>;

    /// A handler that notes every body it sees and answers by the first body of the batch.
    fn worker(answer: Answering) -> (Handlers, Seen) {
        let seen = Seen::default();
        let notes = Arc::clone(&seen);
        let handler: Handler = Arc::new(move |event| {
            let bodies = event["Records"].as_array().unwrap().iter().map(|r| r["body"].as_str().unwrap().to_owned());
            notes.lock().unwrap().extend(bodies);
            Box::pin(async move { answer(&event) })
        });
        (Handlers::from([("Worker".to_owned(), handler)]), seen)
    }

    async fn pumped(bodies: &[&str], handlers: &Handlers, until: impl Fn(&Queues) -> bool) -> Queues {
        pumped_by(&Template::parse(TEMPLATE).unwrap(), bodies, handlers, until).await
    }

    async fn pumped_by(
        template: &Template,
        bodies: &[&str],
        handlers: &Handlers,
        until: impl Fn(&Queues) -> bool,
    ) -> Queues {
        let queues = Queues::open(None, &template.queues).unwrap();
        let drafts: Vec<Draft> = bodies.iter().map(|b| Draft { body: (*b).to_owned(), ..Draft::default() }).collect();
        queues.send("Work", &drafts).unwrap();
        let source = StopSource::new();
        let pump = tokio::spawn(Pump::new(template, handlers, &queues).unwrap().run(source.listen()));
        for _ in 0..1000 {
            if until(&queues) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        source.stop();
        pump.await.unwrap();
        queues
    }

    fn left(queues: &Queues, name: &str) -> u64 {
        let depths = queues.depths().unwrap();
        let depth = depths.iter().find(|(queue, _)| queue == name).unwrap().1;
        depth.visible + depth.in_flight + depth.delayed
    }

    #[tokio::test]
    async fn what_a_function_takes_care_of_is_gone() {
        let (handlers, seen) = worker(|_| Ok(Value::Null));
        let queues = pumped(&["a", "b", "c"], &handlers, |q| left(q, "Work") == 0).await;
        assert_eq!(left(&queues, "Lost"), 0);
        assert_eq!(seen.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_message_that_is_given_back_comes_again_and_ends_with_the_dead_letters() {
        let (handlers, seen) = worker(|event| {
            let records = event["Records"].as_array().unwrap();
            let bad =
                records.iter().filter(|r| r["body"] == "bad").map(|r| json!({ "itemIdentifier": r["messageId"] }));
            Ok(json!({ "batchItemFailures": bad.collect::<Vec<_>>() }))
        });
        let mut template = Template::parse(TEMPLATE).unwrap();
        template.queues.iter_mut().for_each(|queue| queue.visibility_seconds = 1);
        let queues = pumped_by(&template, &["good", "bad"], &handlers, |q| left(q, "Lost") == 1).await;
        assert_eq!(left(&queues, "Work"), 0);
        assert_eq!(seen.lock().unwrap().iter().filter(|b| *b == "bad").count(), 2);
    }

    #[tokio::test]
    async fn after_an_error_or_a_panic_nothing_is_deleted() {
        let failing: [Answering; 2] = [|_| Err("no".to_owned()), |_| panic!("on purpose")];
        for answer in failing {
            let (handlers, seen) = worker(answer);
            let queues = pumped(&["a"], &handlers, |_| !seen.lock().unwrap().is_empty()).await;
            assert_eq!(left(&queues, "Work"), 1);
        }
    }

    #[tokio::test]
    async fn an_answer_that_names_a_stranger_makes_the_whole_batch_come_again() {
        let (handlers, seen) = worker(|_| Ok(json!({ "batchItemFailures": [{ "itemIdentifier": "stranger" }] })));
        let queues = pumped(&["a", "b"], &handlers, |_| seen.lock().unwrap().len() == 2).await;
        assert_eq!(left(&queues, "Work"), 2);
    }
}
