//! A function that does its work and then, once, what no function should: for tests of what a process can do to itself.
//!
//! It is the function `points` with two headers more: `x-mishap` says what happens after the work is done and before it
//! is answered, and `x-mark` names the file by which the mishap is known to have happened. A queue's message is such a
//! request, as an event of API Gateway.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "it misbehaves on purpose")]

use std::path::Path;
use std::time::Duration;

use huitou::manners::gateway::GatewayEvent;
use huitou::manners::routes::Answers;
use huitou::manners::{batch, edge, gateway, start};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    start::mixed(|app| {
        let router = edge::service(&app, points::routes::<Answers>());
        move |event: Value| {
            let router = router.clone();
            let carry_out = move |event: Value| {
                let router = router.clone();
                async move {
                    let header = |name: &str| event["headers"][name].as_str().unwrap_or_default().to_owned();
                    let (mishap, mark) = (header("x-mishap"), header("x-mark"));
                    let event: GatewayEvent = serde_json::from_value(event).unwrap();
                    let answer = gateway::answer(router, event).await.unwrap();
                    if !mark.is_empty() && !Path::new(&mark).exists() {
                        std::fs::write(&mark, &mishap).unwrap();
                        meets(&mishap);
                    }
                    serde_json::to_value(answer).unwrap()
                }
            };
            async move {
                if event.get("Records").is_none() {
                    return Ok(carry_out(event).await);
                }
                let work = |body: String| {
                    let done = carry_out(serde_json::from_str(&body).unwrap());
                    async move {
                        let answer = done.await;
                        let taken = answer["statusCode"] == 201;
                        if taken { Ok(()) } else { Err(batch::Failure::Passing(answer.to_string())) }
                    }
                };
                batch::process(event, Duration::from_secs(20), work).await
            }
        }
    })
    .await
}

fn meets(mishap: &str) {
    match mishap {
        "panic" => panic!("on purpose"),
        "exit" => std::process::exit(3),
        "hang" => loop {
            std::thread::park();
        },
        "hunger" => {
            let mut eaten: Vec<Vec<u8>> = Vec::new();
            loop {
                eaten.push(vec![1; 1 << 20]);
            }
        }
        other => panic!("{other} is no mishap"),
    }
}
