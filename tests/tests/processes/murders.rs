//! Processes to which something is done from outside, at whichever call they are.

use std::sync::Arc;
use std::time::Duration;

use local::template::Template;
use serde_json::{Value, json};
use tests::{House, eventually, order};

use crate::between::{Mishap, a_house_with_something_between};
use crate::{a_member, finished, proved, sells, shipped};

/// More calls than anything here takes, its start included.
const MOST_CALLS: u64 = 40;

/// Sends an order until it is taken.
async fn takes(house: &House, order: &Value) -> Value {
    eventually(async || {
        let answer = sells(house, std::slice::from_ref(order)).await;
        assert!(answer.status == 200 || answer.status >= 500, "{}", String::from_utf8_lossy(&answer.text));
        let result = answer.json()["results"][0].clone();
        if answer.status == 200 && result["status"] != "rejected" { Ok(result) } else { Err(answer) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_process_is_killed_at_any_call_is_taken_once_when_it_is_sent_again() {
    let (house, between) = a_house_with_something_between(shipped()).await;
    let member = a_member(&house, "00001").await;
    let mut taken = 1;
    for mishap in [Mishap::KilledBefore, Mishap::KilledAfter] {
        for call in 1..=MOST_CALLS {
            between.plans("Orders", mishap, call);
            let order = order(&format!("{mishap:?}-{call}"), &json!({ "member_id": member }), &house.now(), 10_00);
            let answer = sells(&house, std::slice::from_ref(&order)).await;
            let happened = between.happened();
            if happened {
                assert_eq!(answer.expect(500), json!({ "message": "Internal Server Error" }), "as API Gateway says");
            }
            assert_eq!(takes(&house, &order).await["points"], 10, "{mishap:?} at {call}");
            taken += 1;
            assert_eq!(proved(&house, &member).await.0, taken, "{mishap:?} at {call}");
            if !happened {
                assert!(call > 3, "an order takes more calls");
                break;
            }
            assert!(call < MOST_CALLS, "the calls never end");
        }
    }
    Arc::into_inner(house).unwrap().host.stop().await;
}

/// The shipped template, in which orders may take three seconds.
fn impatient() -> Template {
    let mut template = shipped();
    for function in &mut template.functions {
        function.timeout = Duration::from_secs(3);
    }
    template
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_hangs_is_given_up_after_its_time_and_one_that_is_out_of_memory_at_once() {
    for (template, mishap) in [(impatient(), Mishap::Frozen), (shipped(), Mishap::Starved)] {
        let (house, between) = a_house_with_something_between(template).await;
        let member = a_member(&house, "00001").await;
        let lost = house.host.lambda.as_ref().unwrap().processes("Orders");
        // The signature, the read of the member, the transaction.
        between.plans("Orders", mishap, 3);
        let order = order("A-1", &json!({ "member_id": member }), &house.now(), 10_00);
        let answer = sells(&house, std::slice::from_ref(&order)).await;
        assert!(between.happened());
        assert_eq!(answer.status, 500, "{mishap:?}: {}", String::from_utf8_lossy(&answer.text));
        assert_eq!(takes(&house, &order).await["status"], "replayed", "{mishap:?} came after the effect");
        assert_eq!(proved(&house, &member).await.0, 2, "{mishap:?}");
        assert_ne!(house.host.lambda.as_ref().unwrap().processes("Orders"), lost, "{mishap:?}");
        Arc::into_inner(house).unwrap().host.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_pass_whose_processes_are_killed_comes_to_its_end_and_counts_everybody_once() {
    let mut template = shipped();
    for queue in &mut template.queues {
        // What was lost with a process comes again soon, and as often as it takes.
        queue.visibility_seconds = 2;
        queue.redrive = None;
    }
    let (house, between) = a_house_with_something_between(template).await;
    for n in 0..12 {
        a_member(&house, &format!("{n:05}")).await;
    }
    for (mishap, call) in [(Mishap::KilledAfter, 7), (Mishap::KilledBefore, 13), (Mishap::KilledAfter, 20)] {
        let start = house.as_manager("POST", "/v1/segments/recompute").json(&json!({ "mode": "full" }));
        let _ = start.send().await.expect(202);
        between.plans("SegmentRecompute", mishap, call);
        let progress = finished(&house).await;
        assert!(between.happened(), "{mishap:?} at {call}");
        assert_eq!((&progress["members"], &progress["unreadable"]), (&json!(12), &json!(0)), "{progress}");
    }
    Arc::into_inner(house).unwrap().host.stop().await;
}
