//! The product in this process, over tables that a test can make fail: what happens in it, and what must be true
//! after each thing.
#![allow(dead_code, reason = "each test file uses its own part of the yard")]
#![allow(clippy::large_enum_variant, clippy::large_futures, reason = "a test holds few of them, and not for long")]

mod checks;
pub(crate) mod doings;
pub(crate) mod world;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use huitou::app::{App, Parts};
use huitou::aws::{Aws, Retries};
use huitou::cases::Error;
use huitou::channels::Recorder;
use huitou::clock::Clock;
use huitou::entropy::{Entropy, SeededEntropy};
use huitou::seal::FileMasterKey;
use huitou::table::{Names, Table};
use huitou::transport::{HttpTransport, Transport};
use huitou::values::Moment;
use huitou::wechat::{WeChat, WeChatSettings};
use local::clock::DevClock;
use local::in_process::{Faults, Service as _};
use local::objects::LocalObjects;
use local::queue::{Queues, Receive};
use local::standin::{WECHAT_APP_ID, WECHAT_SECRET};
use local::table::Embedded;
use local::template::Template;
use local::wire::{self, Surroundings};
use serde_json::{Value, json};
use tests::heard::keep_the_log;

/// Longer than any message takes.
const ENOUGH: Duration = Duration::from_mins(10);

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub(crate) struct HandClock(Mutex<Moment>);

impl HandClock {
    pub(crate) fn advance(&self, time: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.plus(time);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Moment {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wall(&self) -> Moment {
        self.now()
    }
}

/// As on AWS, except that a process waits a hundredth of the time.
const QUICK: Retries = Retries { pause: Duration::from_millis(1), ..Retries::ORDINARY };

/// Everything around the product: what is kept, the time, and the faults that its processes meet.
pub(crate) struct Yard {
    pub(crate) clock: Arc<HandClock>,
    pub(crate) faults: Faults,
    pub(crate) recorder: Recorder,
    names: Names,
    aws: Aws,
    queues: Queues,
    model: App,
    wechat: (WeChatSettings, Arc<dyn Transport>),
}

impl Yard {
    /// A yard in memory, whose programme has short terms and low thresholds, so that much happens soon.
    pub(crate) async fn in_memory(seed: u64) -> Self {
        let template = Template::shipped().unwrap();
        let table = Embedded::open(None, &template.tables).unwrap();
        let faults = Faults::none();
        let aws = Aws { retries: QUICK, ..table.faulty_aws(faults.clone()) };
        Self::over(aws, faults, "", seed).await
    }

    /// The same yard with WeChat at this address, reached by this transport.
    pub(crate) fn with_wechat(mut self, url: String, transport: Arc<dyn Transport>) -> Self {
        self.wechat.0.base_url = url;
        self.wechat.1 = transport;
        self
    }

    /// A yard over tables elsewhere, which exist under their names in the template after a prefix.
    pub(crate) async fn over(aws: Aws, faults: Faults, prefix: &str, seed: u64) -> Self {
        keep_the_log();
        let template = Template::shipped().unwrap();
        let queues = Queues::open(None, &template.queues).unwrap();
        let environment = template.functions[0].environment.clone();
        let names = Names::from_environment(|name| environment.get(name).map(|table| format!("{prefix}{table}")));
        let surroundings = Surroundings {
            template,
            table: aws.clone(),
            queues: queues.aws(),
            clock: Arc::new(DevClock::new()),
            objects: LocalObjects::new(None, "http://127.0.0.1:9", [7; 32]),
            providers: None,
            recorder: Recorder::default(),
            wechat_url: "http://127.0.0.1:9".to_owned(),
            staff: None,
            secret: [7; 32],
            directory: None,
        };
        let clock = Arc::new(HandClock(Mutex::new(Moment::parse("2026-03-02T10:00:00+08:00").unwrap())));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(seed));
        let settings = WeChatSettings {
            base_url: surroundings.wechat_url.clone(),
            app_id: WECHAT_APP_ID.to_owned(),
            secret: WECHAT_SECRET.to_owned(),
        };
        let names = names.unwrap();
        let parts = Parts {
            table: Table::new(aws.clone(), names.clone()),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            master: Arc::new(FileMasterKey::from_bytes([9; 32], Arc::clone(&entropy))),
            entropy,
            ..wire::parts(&surroundings).unwrap()
        };
        let model = App::new(parts);
        let wechat = (settings, Arc::new(HttpTransport::new()) as Arc<dyn Transport>);
        let yard = Self { clock, faults, recorder: surroundings.recorder, names, aws, queues, model, wechat };
        wire::install_programme(&yard.process(), &quick_programme()).await.unwrap();
        yard
    }

    /// A process of its own, which has read nothing yet and sends a call again when it fails by itself.
    pub(crate) fn process(&self) -> App {
        self.process_over(self.aws.clone())
    }

    /// A process that is about to die: it sends nothing twice.
    pub(crate) fn dying_process(&self) -> App {
        self.process_over(Aws { retries: Retries::NONE, ..self.aws.clone() })
    }

    fn process_over(&self, aws: Aws) -> App {
        let (settings, transport) = &self.wechat;
        App::new(Parts {
            table: Table::new(aws, self.names.clone()),
            wechat: Arc::new(WeChat::new(settings.clone(), Arc::clone(transport))),
            ..self.model.parts().clone()
        })
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Takes everything out of a queue.
    pub(crate) async fn takes_all_of(&self, queue: &str) -> Vec<String> {
        let next = Receive { at_most: 10, wait: Duration::ZERO, visibility: None };
        let mut bodies = Vec::new();
        loop {
            let messages = self.queues.receive(queue, next).await.unwrap();
            if messages.is_empty() {
                return bodies;
            }
            for message in messages {
                self.queues.delete(queue, &message.receipt).unwrap();
                bodies.push(message.body);
            }
        }
    }

    /// Takes everything out of a queue, time and again, and is never done with it: until its dead letters have it.
    pub(crate) async fn gives_up_all_of(&self, queue: &str) {
        let next = Receive { at_most: 10, wait: Duration::ZERO, visibility: Some(Duration::ZERO) };
        while !self.queues.receive(queue, next).await.unwrap().is_empty() {}
    }

    /// Puts dead letters back into their queue; how many there were.
    pub(crate) fn redrives(&self, dead_letters: &str) -> usize {
        self.queues.redrive(dead_letters, None).unwrap()
    }

    /// Lets a process work off the recompute queue. A message whose work fails stays there, and so does what follows.
    pub(crate) async fn works_off_the_queue(&self, process: &App) -> Result<(), Error> {
        let next = Receive { at_most: 1, wait: Duration::ZERO, visibility: Some(Duration::ZERO) };
        while let Some(message) = self.queues.receive("RecomputeQueue", next).await.unwrap().pop() {
            let task = serde_json::from_str(&message.body).unwrap();
            process.recompute().work(task, ENOUGH).await?;
            self.queues.delete("RecomputeQueue", &message.receipt).unwrap();
        }
        Ok(())
    }
}

/// The shipped programme with short terms and low thresholds.
fn quick_programme() -> Value {
    let shipped = huitou::domain::program::Shipped::AnnualSpend.program().unwrap();
    let mut programme = serde_json::to_value(shipped).unwrap();
    let changes = [
        ("/earning/pending_days", json!(2)),
        ("/earning/expiry", json!({ "after_days": 20 })),
        ("/earning/cap", json!({ "per": "month", "points": 4000 })),
        ("/ladder/window", json!({ "days": 30 })),
        ("/ladder/review_days", json!(15)),
        ("/ladder/grace_days", json!(5)),
        ("/ladder/tiers/1/spend", json!(20_000)),
        ("/ladder/tiers/2/spend", json!(60_000)),
        ("/ladder/tiers/3/spend", json!(150_000)),
        ("/rewards/0/points", json!(40)),
        ("/rewards/1/points", json!(90)),
        ("/hold_minutes", json!(600)),
    ];
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match programme.pointer_mut(parent).unwrap() {
            Value::Object(object) => drop(object.insert(name.to_owned(), value)),
            Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
            other => panic!("{pointer} leads into {other}"),
        }
    }
    programme
}
