//! Recipients by whom a test chooses what a provider answers, and modes by which it chooses for everybody.
//!
//! | openid, external user id or address begins with | number ends with | what the provider does |
//! |---|---|---|
//! | `gone` | 9901 | knows no such recipient |
//! | `refuses` | 9902 | says that the recipient wants nothing |
//! | `limited` | 9903 | says that this recipient has had enough for now |
//! | `busy` | 9904 | fails, and says so |
//! | `hangs` | 9905 | takes the message, and says nothing for ten seconds |
//! | `content` | 9906 | refuses the template or the text |
//! | `account` | 9907 | refuses our account |
//! | anything else | anything else | takes the message |
//!
//! Of a recipient with `once` behind the word, as `busy-once-anna`, the first message is answered like this and the
//! next ones are taken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a provider hangs that says nothing: longer than anybody waits for it.
const HANGS_FOR: Duration = Duration::from_secs(10);

/// What a provider does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Taken,
    Gone,
    Refuses,
    Limited,
    Busy,
    Hangs,
    Content,
    Account,
}

const WORDS: [(&str, &str, Fate); 7] = [
    ("gone", "9901", Fate::Gone),
    ("refuses", "9902", Fate::Refuses),
    ("limited", "9903", Fate::Limited),
    ("busy", "9904", Fate::Busy),
    ("hangs", "9905", Fate::Hangs),
    ("content", "9906", Fate::Content),
    ("account", "9907", Fate::Account),
];

/// How a provider treats everybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By the recipient.
    #[default]
    Well,
    /// By the recipient, half a second late.
    Slow,
    /// It answers that it fails.
    Failing,
    /// It takes every message and says nothing.
    Silent,
    /// It says of everybody that they want nothing.
    Refusing,
    /// It does not accept our account.
    ShutOut,
}

/// The modes of all providers, by their names in the outbox, and who was met once.
#[derive(Debug, Clone, Default)]
pub struct Modes(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    modes: BTreeMap<String, Mode>,
    met: BTreeSet<String>,
}

impl Modes {
    /// Sets how a provider treats everybody from now on.
    pub fn set(&self, provider: &str, mode: Mode) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).modes.insert(provider.to_owned(), mode);
    }

    /// How a provider treats everybody.
    #[must_use]
    pub fn of(&self, provider: &str) -> Mode {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).modes.get(provider).copied().unwrap_or_default()
    }

    /// What a provider does with a message to this recipient; slow ones take their time first.
    pub(super) async fn fate(&self, provider: &str, to: &str) -> Fate {
        match self.of(provider) {
            Mode::Well => self.by_recipient(to),
            Mode::Slow => {
                tokio::time::sleep(Duration::from_millis(500)).await;
                self.by_recipient(to)
            }
            Mode::Failing => Fate::Busy,
            Mode::Silent => Fate::Hangs,
            Mode::Refusing => Fate::Refuses,
            Mode::ShutOut => Fate::Account,
        }
    }

    fn by_recipient(&self, to: &str) -> Fate {
        let named = |word: &str, ending: &str| to.starts_with(word) || (to.len() >= 11 && to.ends_with(ending));
        let found = WORDS.iter().find(|(word, ending, _)| named(word, ending));
        let Some((word, _, fate)) = found else { return Fate::Taken };
        let once = to.strip_prefix(word).is_some_and(|rest| rest.starts_with("-once"));
        let first = self.0.lock().unwrap_or_else(PoisonError::into_inner).met.insert(to.to_owned());
        if once && !first { Fate::Taken } else { *fate }
    }
}

/// How the numbers end of which a provider says this.
#[cfg(test)]
pub(super) fn ending(word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(known, _, _)| *known == word).map(|(_, ending, _)| *ending)
}

/// Says nothing, for longer than anybody waits.
pub(super) async fn hang() {
    tokio::time::sleep(HANGS_FOR).await;
}
