//! What WeChat pushes to us: the check that it is WeChat, and the message inside (developers.weixin.qq.com, miniprogram,
//! message push).
//!
//! In secure mode the body is encrypted with a key of our own and signed by `msg_signature`; in plain mode the query's
//! `signature` vouches for nothing but the sender's knowledge of the token, so plain mode is for development only.

use aes::Aes256;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use serde::Deserialize;
use sha1::{Digest as _, Sha1};
use subtle::ConstantTimeEq as _;

use crate::digest::hex;
use crate::values::{Invalid, Moment};

/// How far WeChat's clock and ours may be apart, in seconds; an older push is a replay.
pub const SKEW: i64 = 300;

/// WeChat pads to blocks of 32 bytes, twice the cipher's.
const BLOCK: usize = 32;
/// In front of the message: sixteen random bytes and its length, four bytes big endian.
const RANDOM: usize = 16;
const HEAD: usize = RANDOM + 4;

/// The console hands out 43 characters, of which the last one's lowest bits mean nothing and need not be zero.
const KEY_TEXT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a push is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The signature is missing or wrong, or not for this content.
    #[error("the push is not signed with our token")]
    Forged,
    /// It was signed too long ago, or too far ahead.
    #[error("the push is not of this moment")]
    Stale,
    /// It is signed, but what is in it can't be read.
    #[error("the push can't be read")]
    Unreadable,
    /// It is meant for another app.
    #[error("the push is for another app")]
    AnotherApp,
}

/// The query of a push. What a caller leaves out is empty, and then wrong.
#[derive(Clone, Default, Deserialize, utoipa::IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct PushQuery {
    /// Of the token, the time and the nonce.
    pub signature: String,
    /// Seconds since 1970.
    pub timestamp: String,
    /// A random text.
    pub nonce: String,
    /// What to answer a greeting with.
    pub echostr: String,
    /// `aes` in secure mode.
    pub encrypt_type: String,
    /// Of the token, the time, the nonce and the encrypted message.
    pub msg_signature: String,
}

/// What the console of the mini program knows about pushes.
#[derive(Clone)]
pub struct PushKeys {
    token: String,
    key: [u8; 32],
    app_id: String,
    /// Whether a push in plain mode is taken.
    plain: bool,
}

/// Token and key never show.
impl std::fmt::Debug for PushKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PushKeys({})", self.app_id)
    }
}

/// An encrypted message with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedPush {
    /// The message, encrypted, in base64.
    pub encrypt: String,
    /// Of the token, the time, the nonce and the encrypted message.
    pub signature: String,
}

impl PushKeys {
    /// Token and `EncodingAESKey` as the console shows them: 3 to 32 letters and digits, and 43 characters of base64.
    pub fn new(token: &str, encoding_aes_key: &str, app_id: &str, plain: bool) -> Result<Self, Invalid> {
        if !(3..=32).contains(&token.len()) || !token.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Invalid("a push token of 3 to 32 letters and digits"));
        }
        let key = KEY_TEXT.decode(encoding_aes_key).ok().filter(|_| encoding_aes_key.len() == 43);
        let key = key.and_then(|key| <[u8; 32]>::try_from(key).ok());
        let key = key.ok_or(Invalid("an EncodingAESKey of 43 characters"))?;
        Ok(Self { token: token.to_owned(), key, app_id: app_id.to_owned(), plain })
    }

    /// Whether WeChat greets us; the answer is `echostr`. `now` is the time of security.
    pub fn greeting(&self, query: &PushQuery, now: Moment) -> Result<(), PushError> {
        self.signed(&[&query.timestamp, &query.nonce], &query.signature)?;
        timely(&query.timestamp, now)
    }

    /// The message in a push, as JSON. `now` is the time of security.
    pub fn open(&self, query: &PushQuery, body: &[u8], now: Moment) -> Result<Vec<u8>, PushError> {
        #[derive(Deserialize)]
        struct Envelope {
            #[serde(rename = "Encrypt")]
            encrypt: String,
        }

        if query.encrypt_type != "aes" {
            if !self.plain {
                return Err(PushError::Forged);
            }
            self.greeting(query, now)?;
            return Ok(body.to_vec());
        }
        let envelope: Envelope = serde_json::from_slice(body).map_err(|_| PushError::Unreadable)?;
        self.signed(&[&query.timestamp, &query.nonce, &envelope.encrypt], &query.msg_signature)?;
        timely(&query.timestamp, now)?;
        self.decrypt(&envelope.encrypt)
    }

    /// Encrypts and signs a message, as WeChat does for us, and as we would for an answer with content.
    #[must_use]
    pub fn seal(&self, message: &[u8], random: [u8; RANDOM], timestamp: &str, nonce: &str) -> SealedPush {
        let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
        let mut plain = [random.as_slice(), &length, message, self.app_id.as_bytes()].concat();
        let padding = BLOCK - plain.len() % BLOCK;
        plain.resize(plain.len() + padding, u8::try_from(padding).unwrap_or_default());
        let cipher = cbc::Encryptor::<Aes256>::new(&self.key.into(), &self.vector().into());
        let encrypt = STANDARD.encode(cipher.encrypt_padded_vec::<NoPadding>(&plain));
        let signature = self.signature(&[timestamp, nonce, &encrypt]);
        SealedPush { encrypt, signature }
    }

    /// The signature of a greeting or of a push in plain mode.
    #[must_use]
    pub fn plain_signature(&self, timestamp: &str, nonce: &str) -> String {
        self.signature(&[timestamp, nonce])
    }

    /// SHA-1 over the token and the parts, sorted by their bytes; WeChat's choice of hash, not ours.
    fn signature(&self, parts: &[&str]) -> String {
        let mut parts: Vec<&str> = parts.iter().copied().chain([self.token.as_str()]).collect();
        parts.sort_unstable();
        hex(&Sha1::digest(parts.concat()))
    }

    fn signed(&self, parts: &[&str], signature: &str) -> Result<(), PushError> {
        let ours = self.signature(parts);
        if bool::from(ours.as_bytes().ct_eq(signature.as_bytes())) { Ok(()) } else { Err(PushError::Forged) }
    }

    fn vector(&self) -> [u8; 16] {
        let mut vector = [0; 16];
        vector.iter_mut().zip(self.key).for_each(|(v, k)| *v = k);
        vector
    }

    fn decrypt(&self, encrypt: &str) -> Result<Vec<u8>, PushError> {
        const UNREADABLE: PushError = PushError::Unreadable;
        let sealed = STANDARD.decode(encrypt).map_err(|_| UNREADABLE)?;
        let cipher = cbc::Decryptor::<Aes256>::new(&self.key.into(), &self.vector().into());
        // Paddings of more than a cipher's block are WeChat's own, so the general reader of paddings refuses them.
        let padded = cipher.decrypt_padded_vec::<NoPadding>(&sealed).map_err(|_| UNREADABLE)?;
        let padding = usize::from(*padded.last().ok_or(UNREADABLE)?);
        if !(1..=BLOCK).contains(&padding) {
            return Err(UNREADABLE);
        }
        let plain = padded.get(..padded.len().saturating_sub(padding)).ok_or(UNREADABLE)?;
        let length = plain.get(RANDOM..HEAD).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).ok_or(UNREADABLE)?;
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| UNREADABLE)?;
        let end = HEAD.checked_add(length).ok_or(UNREADABLE)?;
        let (message, app) = (plain.get(HEAD..end).ok_or(UNREADABLE)?, plain.get(end..).ok_or(UNREADABLE)?);
        if app == self.app_id.as_bytes() { Ok(message.to_vec()) } else { Err(PushError::AnotherApp) }
    }
}

fn timely(timestamp: &str, now: Moment) -> Result<(), PushError> {
    let seconds: i64 = timestamp.parse().map_err(|_| PushError::Stale)?;
    if now.seconds().abs_diff(seconds) <= SKEW.unsigned_abs() { Ok(()) } else { Err(PushError::Stale) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The worked example of WeChat's page on message push.
    const ENCRYPT: &str = "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04=";

    fn keys() -> PushKeys {
        PushKeys::new("AAAAA", &"A".repeat(43), "wxba5fad812f8e6fb9", true).unwrap()
    }

    fn at(seconds: i64) -> Moment {
        Moment::from_millis(seconds * 1000).unwrap()
    }

    fn query(timestamp: &str, nonce: &str, signature: &str) -> PushQuery {
        let text = str::to_owned;
        PushQuery { timestamp: text(timestamp), nonce: text(nonce), signature: text(signature), ..PushQuery::default() }
    }

    fn secure(signature: &str) -> (PushQuery, String) {
        let query = PushQuery {
            encrypt_type: "aes".to_owned(),
            msg_signature: signature.to_owned(),
            ..query("1714112445", "415670741", "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3")
        };
        (query, serde_json::json!({ "ToUserName": "gh_97417a04a28d", "Encrypt": ENCRYPT }).to_string())
    }

    #[test]
    fn the_published_greeting_is_taken() {
        let greeting = query("1714036504", "1514711492", "f464b24fc39322e44b38aa78f5edd27bd1441696");
        assert_eq!(keys().greeting(&greeting, at(1_714_036_504)), Ok(()));
        let altered = PushQuery { nonce: "1514711493".to_owned(), ..greeting };
        assert_eq!(keys().greeting(&altered, at(1_714_036_504)), Err(PushError::Forged));
    }

    #[test]
    fn the_published_plain_push_is_taken_where_plain_pushes_are() {
        let push = query("1714037059", "486452656", "899cf89e464efb63f54ddac96b0a0a235f53aa78");
        assert_eq!(keys().open(&push, b"{}", at(1_714_037_059)), Ok(b"{}".to_vec()));
        let strict = PushKeys { plain: false, ..keys() };
        assert_eq!(strict.open(&push, b"{}", at(1_714_037_059)), Err(PushError::Forged));
    }

    #[test]
    fn the_published_secure_push_is_opened() {
        let (query, body) = secure("046e02f8204d34f8ba5fa3b1db94908f3df2e9b3");
        let message = keys().open(&query, body.as_bytes(), at(1_714_112_445)).unwrap();
        assert_eq!(message.len(), 167);
        let message: serde_json::Value = serde_json::from_slice(&message).unwrap();
        assert_eq!((&message["Event"], &message["debug_str"]), (&"debug_demo".into(), &"hello world".into()));
    }

    #[test]
    fn the_published_reply_is_sealed_byte_for_byte() {
        let reply = br#"{"demo_resp":"good luck"}"#;
        let sealed = keys().seal(reply, *b"707722b803182950", "1713424427", "415670741");
        assert_eq!(
            sealed.encrypt,
            "ELGduP2YcVatjqIS+eZbp80MNLoAUWvzzyJxgGzxZO/5sAvd070Bs6qrLARC9nVHm48Y4hyRbtzve1L32tmxSQ=="
        );
        assert_eq!(sealed.signature, "1b9339964ed2e271e7c7b6ff2b0ef902fc94dea1");
    }

    #[test]
    fn a_push_that_was_signed_otherwise_or_too_long_ago_is_refused() {
        let now = at(1_714_112_445);
        // The query's other signature says nothing about the content, so it must not open it.
        let plain = keys().plain_signature("1714112445", "415670741");
        for wrong in ["", "046e", &plain, "046E02F8204D34F8BA5FA3B1DB94908F3DF2E9B3"] {
            let (query, body) = secure(wrong);
            assert_eq!(keys().open(&query, body.as_bytes(), now), Err(PushError::Forged), "{wrong}");
        }
        let (query, body) = secure("046e02f8204d34f8ba5fa3b1db94908f3df2e9b3");
        for (seconds, taken) in [(-301, false), (-300, true), (300, true), (301, false)] {
            let opened = keys().open(&query, body.as_bytes(), at(1_714_112_445 + seconds));
            assert_eq!(opened.is_ok(), taken, "{seconds}");
        }
    }

    #[test]
    fn a_push_for_another_app_is_refused() {
        let theirs = PushKeys { app_id: "wx0000000000000000".to_owned(), ..keys() };
        let sealed = theirs.seal(b"{}", [7; 16], "1714112445", "1");
        assert_eq!(keys().decrypt(&sealed.encrypt), Err(PushError::AnotherApp));
    }

    #[test]
    fn a_key_whose_last_bits_are_not_zero_is_taken() {
        let key = format!("{}B", "A".repeat(42));
        assert!(PushKeys::new("AAAAA", &key, "wx1", true).is_ok());
        for bad in ["", "AAAA", &"A".repeat(44), &"=".repeat(43), &"名".repeat(43)] {
            assert!(PushKeys::new("AAAAA", bad, "wx1", true).is_err(), "{bad}");
        }
        for bad in ["", "AA", "a b c", &"A".repeat(33)] {
            assert!(PushKeys::new(bad, &"A".repeat(43), "wx1", true).is_err(), "{bad}");
        }
    }

    #[test]
    fn token_and_key_never_show() {
        assert_eq!(format!("{:?}", keys()), "PushKeys(wxba5fad812f8e6fb9)");
    }

    proptest! {
        #[test]
        fn whatever_is_sealed_is_opened(message in prop::collection::vec(any::<u8>(), 0..300), random: [u8; 16]) {
            let sealed = keys().seal(&message, random, "1714112445", "n");
            prop_assert_eq!(keys().decrypt(&sealed.encrypt), Ok(message));
        }

        #[test]
        fn garbage_is_refused_without_a_panic(sealed in prop::collection::vec(any::<u8>(), 0..400), text in ".*") {
            let _ = keys().decrypt(&STANDARD.encode(&sealed));
            prop_assert!(keys().decrypt(&text).is_err());
            let query = PushQuery { encrypt_type: "aes".to_owned(), ..PushQuery::default() };
            prop_assert!(keys().open(&query, &sealed, at(1_714_112_445)).is_err());
        }
    }
}
