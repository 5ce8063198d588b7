//! Every message that a stand-in provider was asked to send.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use huitou::values::Moment;
use serde::Serialize;
use serde_json::Value;

/// Messages that are kept; older ones are only counted.
const KEPT: usize = 100_000;

/// A message that would have gone out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sent {
    /// Counts from 1 in the order of sending.
    pub number: u64,
    /// By whom it would have been sent, as `wechat`.
    pub provider: &'static str,
    /// By the machine's clock.
    pub at: Moment,
    /// To whom: an openid, a number, an address.
    pub to: String,
    /// The template's id.
    pub template: String,
    /// The request, as the provider got it.
    pub request: Value,
    /// Whether staff have confirmed it, where staff have to.
    pub confirmed: bool,
}

/// The shared list of messages sent.
#[derive(Debug, Clone, Default)]
pub struct Outbox(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    total: u64,
    messages: VecDeque<Sent>,
}

impl Outbox {
    /// Notes a message and answers its number.
    pub fn note(&self, provider: &'static str, to: &str, template: &str, request: Value) -> u64 {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.total += 1;
        let number = kept.total;
        if kept.messages.len() == KEPT {
            kept.messages.pop_front();
        }
        let at = Moment::from(std::time::SystemTime::now());
        kept.messages.push_back(Sent {
            number,
            provider,
            at,
            to: to.to_owned(),
            template: template.to_owned(),
            request,
            confirmed: false,
        });
        number
    }

    /// The message with this number, as long as it is kept.
    #[must_use]
    pub fn find(&self, number: u64) -> Option<Sent> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.messages.iter().find(|sent| sent.number == number).cloned()
    }

    /// Staff confirm a message; false when there is none with this number.
    #[must_use]
    pub fn confirm(&self, number: u64) -> bool {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.messages.iter_mut().find(|sent| sent.number == number);
        found.map(|sent| sent.confirmed = true).is_some()
    }

    /// How many were sent in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// The newest messages first, at most `limit`, and only those to `to` if it is given.
    #[must_use]
    pub fn newest(&self, to: Option<&str>, limit: usize) -> Vec<Sent> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = kept.messages.iter().rev().filter(|m| to.is_none_or(|to| m.to == to));
        wanted.take(limit).cloned().collect()
    }
}
