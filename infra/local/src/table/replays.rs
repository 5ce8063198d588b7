//! What DynamoDB remembers of transactions, so that one whose answer was lost can be sent again.
//!
//! The engine has such a memory itself, but goes through all of it at every transaction: after an import of some ten
//! thousand orders that costs more than the transactions. This one takes the same time however much it remembers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dynoxide::DynoxideError;
use serde_json::Value;

/// As long as DynamoDB remembers.
const REMEMBERED_FOR: Duration = Duration::from_mins(10);
/// A client sends again within seconds, and no host here does so many transactions in that time.
const REMEMBERED: usize = 20_000;

/// The transactions of the last minutes by their tokens. Clones share one memory.
#[derive(Debug, Clone, Default)]
pub(super) struct Replays(Arc<Mutex<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    by_token: HashMap<String, Entry>,
    oldest_first: VecDeque<(Instant, String)>,
}

#[derive(Debug)]
struct Entry {
    body: Vec<u8>,
    /// The answer; `None` while the transaction runs.
    answer: Option<String>,
}

impl Replays {
    /// The answer of a transaction with the same token and content that has succeeded, with the capacity of the first
    /// time. With none, the transaction is to run now, and [`Replays::end`] to follow.
    pub(super) fn begin(&self, token: &str, body: &[u8]) -> Result<Option<String>, DynoxideError> {
        self.lock(|memory| memory.begin(token, body))
    }

    /// Notes how a transaction ended.
    pub(super) fn end(&self, token: &str, result: &Result<String, DynoxideError>) {
        self.lock(|memory| match result {
            Ok(answer) => memory.succeeded(token, answer),
            Err(_) => memory.failed(token),
        });
    }

    fn lock<T>(&self, with: impl FnOnce(&mut Memory) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Memory {
    /// The answer of the first time, if there was one; else notes that the transaction runs.
    fn begin(&mut self, token: &str, body: &[u8]) -> Result<Option<String>, DynoxideError> {
        self.forget_old();
        if let Some(entry) = self.by_token.get(token) {
            if !same(&entry.body, body) {
                let message = "The token was used before, for a transaction with other parameters.";
                return Err(DynoxideError::IdempotentParameterMismatchException(message.to_owned()));
            }
            let running = || DynoxideError::LimitExceededException("The transaction is in progress.".to_owned());
            return entry.answer.clone().map(Some).ok_or_else(running);
        }
        self.by_token.insert(token.to_owned(), Entry { body: body.to_vec(), answer: None });
        Ok(None)
    }

    fn succeeded(&mut self, token: &str, answer: &str) {
        if let Some(entry) = self.by_token.get_mut(token) {
            entry.answer = Some(answer.to_owned());
            self.oldest_first.push_back((Instant::now(), token.to_owned()));
        }
    }

    fn failed(&mut self, token: &str) {
        self.by_token.remove(token);
    }

    fn forget_old(&mut self) {
        let too_old = |(since, _): &(Instant, String)| since.elapsed() > REMEMBERED_FOR;
        while self.oldest_first.len() > REMEMBERED || self.oldest_first.front().is_some_and(too_old) {
            let Some((_, token)) = self.oldest_first.pop_front() else { break };
            self.by_token.remove(&token);
        }
    }
}

/// Whether two requests say the same; a client may write the members of an object in another order.
fn same(one: &[u8], other: &[u8]) -> bool {
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    one == other || read(one) == read(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Replays {
        fn once(
            &self,
            token: &str,
            body: &[u8],
            run: impl FnOnce() -> Result<String, DynoxideError>,
        ) -> Result<String, DynoxideError> {
            if let Some(answer) = self.begin(token, body)? {
                return Ok(answer);
            }
            let result = run();
            self.end(token, &result);
            result
        }
    }

    fn answers(text: &str) -> impl FnOnce() -> Result<String, DynoxideError> {
        let text = text.to_owned();
        move || Ok(text)
    }

    #[test]
    fn the_same_token_and_content_get_the_first_answer() {
        let replays = Replays::default();
        assert_eq!(replays.once("t", br#"{"a":1,"b":2}"#, answers("first")).unwrap(), "first");
        assert_eq!(replays.once("t", br#"{"b":2,"a":1}"#, || panic!("must not run")).unwrap(), "first");
    }

    #[test]
    fn the_same_token_with_other_content_is_a_mismatch() {
        let replays = Replays::default();
        replays.once("t", b"1", answers("first")).unwrap();
        let refusal = replays.once("t", b"2", || panic!("must not run")).unwrap_err();
        assert!(matches!(refusal, DynoxideError::IdempotentParameterMismatchException(_)));
    }

    #[test]
    fn a_transaction_that_failed_is_not_remembered() {
        let replays = Replays::default();
        let failing = || Err(DynoxideError::ValidationException("no".to_owned()));
        replays.once("t", b"1", failing).unwrap_err();
        assert_eq!(replays.once("t", b"1", answers("second")).unwrap(), "second");
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let replays = Replays::default();
        for n in 0..REMEMBERED + 100 {
            replays.once(&n.to_string(), b"1", answers("")).unwrap();
        }
        assert!(replays.lock(|memory| memory.by_token.len()) <= REMEMBERED + 1);
    }
}
