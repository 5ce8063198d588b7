//! WeChat's access tokens: stable ones, as `stable_token` hands them out.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const LIFE: Duration = Duration::from_hours(2);
/// Near its end a token is renewed, and the old one stays good this long.
const OVERLAP: Duration = Duration::from_mins(5);

/// The tokens that are good, the newest last.
#[derive(Debug, Default)]
pub(super) struct Tokens(Vec<Token>);

#[derive(Debug)]
struct Token {
    text: String,
    until: Instant,
}

impl Tokens {
    /// The present token and the seconds it has left; a new one when it is near its end or `force` is set.
    pub(super) fn current(&mut self, force: bool) -> (String, u64) {
        let now = Instant::now();
        self.0.retain(|token| token.until > now);
        let good = self.0.last().is_some_and(|token| token.until > now + OVERLAP);
        if force || !good {
            for token in &mut self.0 {
                token.until = token.until.min(now + OVERLAP);
            }
            self.0.push(Token { text: new_token(), until: now + LIFE });
        }
        self.0.last().map_or_else(Default::default, |t| (t.text.clone(), (t.until - now).as_secs()))
    }

    pub(super) fn accepts(&self, text: &str) -> bool {
        self.0.iter().any(|token| token.text == text && token.until > Instant::now())
    }

    pub(super) fn expire_all(&mut self) {
        self.0.clear();
    }
}

fn new_token() -> String {
    // Real ones are long, and storage that expects less should notice here.
    let mut bytes = [0_u8; 384];
    if getrandom::fill(&mut bytes).is_err() {
        tracing::error!("the machine gives no random bytes; the stand-in's token is a constant");
    }
    URL_SAFE_NO_PAD.encode(bytes)
}
