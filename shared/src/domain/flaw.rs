//! What is wrong with settings, each with its place.

use std::fmt;

/// Something wrong with settings: where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// A JSON pointer into the settings.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

/// Everything that is wrong with settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flaws(pub Vec<Flaw>);

impl Flaws {
    /// Notes a flaw at this place if something is wrong there.
    pub(super) fn note(&mut self, wrong: bool, pointer: impl fmt::Display, detail: &str) {
        if wrong {
            self.0.push(Flaw { pointer: pointer.to_string(), detail: detail.to_owned() });
        }
    }
}

impl fmt::Display for Flaws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flaws: Vec<String> = self.0.iter().map(|flaw| format!("{} {}", flaw.pointer, flaw.detail)).collect();
        f.write_str(&flaws.join("; "))
    }
}

impl std::error::Error for Flaws {}
