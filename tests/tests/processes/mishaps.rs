//! Processes that do something to themselves, when their work is done and not answered yet.

use std::path::PathBuf;
use std::time::Duration;

use local::queue::Draft;
use local::template::{QueueSource, Template};
use serde_json::json;
use tests::{House, eventually};

use crate::{a_house_of_processes, a_member, gift, proved, shipped};

const MISHAPS: [&str; 4] = ["panic", "exit", "hang", "hunger"];
const QUEUE: &str = "RecomputeQueue";

/// The shipped template, in which the function of points misbehaves when it is told to, and is fed by a queue as well.
fn unruly() -> Template {
    let mut template = shipped();
    for function in &mut template.functions {
        function.queues.clear();
        if function.logical == "Points" {
            "unruly".clone_into(&mut function.binary);
            function.timeout = Duration::from_secs(3);
            let feed = QueueSource { queue: QUEUE.to_owned(), batch_size: 10, max_concurrency: 2 };
            function.queues.push(feed);
        }
    }
    for queue in &mut template.queues {
        queue.visibility_seconds = 4;
        queue.redrive = None;
    }
    template
}

/// The file by which a mishap is known to have happened.
fn mark(house: &House, mishap: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{mishap}-{}", house.host.address.port()))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_process_does_to_itself_the_next_request_works_and_nothing_is_doubled() {
    let house = a_house_of_processes(unruly(), None).await;
    let member = a_member(&house, "00001").await;
    for (number, mishap) in MISHAPS.iter().enumerate() {
        let mark = mark(&house, mishap);
        let _ = std::fs::remove_file(&mark);
        let gives = || {
            house
                .as_manager("POST", "/v1/points/adjustments")
                .key(&format!("gift-{mishap}"))
                .header("x-mishap", mishap)
                .header("x-mark", mark.to_str().unwrap())
                .json(&gift(&member, 5))
        };
        let _ = gives().send().await.expect(500);
        assert_eq!(std::fs::read_to_string(&mark).unwrap(), *mishap);
        // A machine that is busy may let the answer's time pass once more.
        eventually(async || match gives().send().await {
            given if given.status == 201 => Ok(()),
            refused => Err(refused),
        })
        .await;
        let (entries, points) = proved(&house, &member).await;
        assert_eq!((entries, points), (2 + number as u64, 5 * (1 + number as u64)), "{mishap}");
    }
    house.host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_process_does_to_itself_in_a_batch_each_message_is_done_once() {
    let house = a_house_of_processes(unruly(), None).await;
    let member = a_member(&house, "00001").await;
    let token = house.token("manager", None);
    let message = |number: usize, mishap: Option<&str>| {
        let mark = mishap.map(|mishap| mark(&house, mishap));
        if let Some(mark) = &mark {
            let _ = std::fs::remove_file(mark);
        }
        let event = json!({
            "rawPath": "/v1/points/adjustments",
            "headers": {
                "authorization": format!("Bearer {token}"),
                "content-type": "application/json",
                "idempotency-key": format!("message-{number:02}"),
                "x-mishap": mishap.unwrap_or_default(),
                "x-mark": mark.unwrap_or_default(),
            },
            "requestContext": { "http": { "method": "POST" } },
            "body": gift(&member, 5).to_string(),
        });
        Draft { body: event.to_string(), ..Draft::default() }
    };
    let mishaps = MISHAPS.iter().copied().map(Some).chain([None; 6]);
    let drafts: Vec<Draft> = mishaps.enumerate().map(|(number, mishap)| message(number, mishap)).collect();
    house.host.queues.send(QUEUE, &drafts).unwrap();
    house.all_queues_are_worked_off().await;
    assert!(MISHAPS.iter().all(|mishap| mark(&house, mishap).exists()));
    assert_eq!(proved(&house, &member).await, (11, 50), "one order of nothing and ten gifts");
    house.host.stop().await;
}
