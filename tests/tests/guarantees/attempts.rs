//! Counters of attempts: exact under races, and what holds when they can't be reached.

use futures_util::future::join_all;
use huitou::cases::Error;
use huitou::domain::attempts::{LINKS, PHONE_CODES};
use huitou::domain::refusal::Refusal;
use local::in_process::Fault;

use crate::yard::Yard;

fn is_one_too_many(error: &Error) -> bool {
    matches!(error, Error::Refused(Refusal::TooManyAttempts { wait }) if *wait > 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_attempts_at_once_by_several_processes_as_many_pass_as_the_limit_allows() {
    let yard = Yard::in_memory(1).await;
    let processes = [yard.process(), yard.process(), yard.process()];
    let tries = (0..90).map(|n| {
        let process = processes[n % 3].clone();
        async move { process.attempts().before(&PHONE_CODES, "anna").await }
    });
    let (passed, refused): (Vec<_>, Vec<_>) = join_all(tries).await.into_iter().partition(Result::is_ok);
    assert_eq!(passed.len(), PHONE_CODES.most as usize);
    assert!(refused.iter().all(|refused| refused.as_ref().is_err_and(is_one_too_many)), "{refused:?}");
    processes[0].attempts().before(&PHONE_CODES, "bo").await.unwrap();
}

#[tokio::test]
async fn when_the_counter_cannot_be_reached_nothing_that_costs_is_done_and_a_no_stays_a_no() {
    let yard = Yard::in_memory(2).await;
    let process = yard.process();
    for fault in [Fault::Unreachable, Fault::Throttled] {
        yard.faults.plan(move |_, operation| (operation == "UpdateItem").then_some(fault));
        let closed = process.attempts().before(&PHONE_CODES, "anna").await;
        assert!(matches!(closed, Err(Error::Unavailable(_))), "{fault:?}: {closed:?}");
        assert_eq!(process.attempts().after_refusal(&LINKS, "203.0.113.9").await, Ok(()), "{fault:?}");
    }
    yard.faults.plan(|_, _| None);
    process.attempts().before(&PHONE_CODES, "anna").await.unwrap();
}

#[tokio::test]
async fn an_attempt_whose_answer_was_lost_may_count_twice_and_never_not_at_all() {
    let yard = Yard::in_memory(3).await;
    let process = yard.process();
    let mut passed = 0;
    loop {
        yard.faults.on_call(1, Fault::AnswerLost);
        match process.attempts().before(&PHONE_CODES, "anna").await {
            Ok(()) => passed += 1,
            Err(error) => {
                assert!(is_one_too_many(&error), "{error:?}");
                break;
            }
        }
    }
    assert!((1..=PHONE_CODES.most).contains(&passed), "{passed}");
}
