//! Faults on purpose, between a client and its service: what a test sets to see whether the product survives it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::Answer;

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call never arrives: nothing ran.
    Unreachable,
    /// The call ran, but nobody hears its answer.
    AnswerLost,
    /// The service asks to slow down: nothing ran.
    Throttled,
    /// Another transaction holds an item: nothing ran. Calls that are no transaction meet it as well.
    TransactionConflict,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "the service could not be reached (a fault set by a test)",
            Self::AnswerLost => "the answer was lost (a fault set by a test)",
            Self::Throttled | Self::TransactionConflict => "refused (a fault set by a test)",
        })
    }
}

impl Fault {
    pub(super) fn instead_of_the_call(self, operation: &str, throttled: &str) -> Option<Answer> {
        match self {
            Self::Unreachable | Self::AnswerLost => None,
            Self::Throttled => Some(Answer::error(400, throttled, "Slow down (a fault set by a test).")),
            Self::TransactionConflict if operation == "TransactWriteItems" => {
                let body = serde_json::json!({
                    "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                    "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
                    "CancellationReasons": [{ "Code": "TransactionConflict", "Message": "Transaction is ongoing" }],
                });
                Some(Answer { status: 400, body: body.to_string().into(), query_error: None })
            }
            Self::TransactionConflict => Some(Answer::error(
                400,
                "com.amazonaws.dynamodb.v20120810#TransactionConflictException",
                "Transaction is ongoing for the item (a fault set by a test).",
            )),
        }
    }
}

type Plan = Box<dyn FnMut(u64, &str) -> Option<Fault> + Send>;

/// The faults that one client will meet, shared between the client and the test that sets them.
///
/// Calls count from 1, every attempt of a retry for itself, beginning anew with every plan.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    calls: u64,
    plan: Option<Plan>,
}

impl Faults {
    /// No faults, until some are set.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Asks `plan` about every call from now on: its number from 1 and its operation, as `PutItem`.
    pub fn plan(&self, plan: impl FnMut(u64, &str) -> Option<Fault> + Send + 'static) {
        self.replace(Some(Box::new(plan)));
    }

    /// Lets the `nth` call from now meet `fault`, and no other.
    pub fn on_call(&self, nth: u64, fault: Fault) {
        self.plan(move |call, _| (call == nth).then_some(fault));
    }

    /// The process dies before its `nth` call: that one and all later ones never arrive.
    pub fn die_before_call(&self, nth: u64) {
        self.plan(move |call, _| (call >= nth).then_some(Fault::Unreachable));
    }

    /// The process dies during its `nth` call: that one runs unheard, and later ones never arrive.
    pub fn die_during_call(&self, nth: u64) {
        self.plan(move |call, _| match call.cmp(&nth) {
            std::cmp::Ordering::Less => None,
            std::cmp::Ordering::Equal => Some(Fault::AnswerLost),
            std::cmp::Ordering::Greater => Some(Fault::Unreachable),
        });
    }

    /// Ends all faults and starts to count anew.
    pub fn heal(&self) {
        self.replace(None);
    }

    /// The calls seen since the last plan was set.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).calls
    }

    fn replace(&self, plan: Option<Plan>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State { calls: 0, plan };
    }

    pub(super) fn next(&self, operation: &str) -> Option<Fault> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.calls += 1;
        let call = state.calls;
        state.plan.as_mut().and_then(|plan| plan(call, operation))
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("calls", &self.calls()).finish_non_exhaustive()
    }
}
