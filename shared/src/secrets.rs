//! The secrets of one installation: from Secrets Manager on AWS, from a file that only its owner can read on a desk.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::channels::settings::ProviderSecrets;
use crate::digest::hmac;
use crate::domain::audit;
use crate::entropy::{self, Entropy};
use crate::seal::LookupKey;
use crate::trust::cursor::CursorKey;
use crate::trust::link::LinkKey;
use crate::trust::signature::{SystemKey, SystemKeys};
use crate::trust::token::{TokenKey, TokenKeys};
use crate::values::{Actor, Invalid};
use crate::wechat::push::PushKeys;

/// All secrets, as JSON; keys in base64.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// Hashes identities; it can never be changed without hashing everybody anew.
    pub lookup_key: String,
    /// Signs cursors.
    pub cursor_key: String,
    /// Sign session tokens: the first one issues, all of them count.
    pub token_keys: Vec<NamedKey>,
    /// Check systems' signatures: all of them count, so that a system can change its key without a gap.
    pub system_keys: Vec<SystemSecret>,
    /// The mini program's app secret.
    pub wechat_secret: String,
    /// What providers of messages know the brand by.
    #[serde(default)]
    pub providers: ProviderSecrets,
}

/// A key and its id.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedKey {
    /// The id that tokens name.
    pub id: String,
    /// The key in base64.
    pub secret: String,
}

/// A system's key.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemSecret {
    /// The id that the system sends as `X-Huitou-Key`.
    pub id: String,
    /// The system's name in journals.
    pub system: Actor,
    /// The key as text.
    pub secret: String,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

fn key(text: &str) -> Result<[u8; 32], Invalid> {
    let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(Invalid("keys of 32 bytes in base64"))
}

impl Secrets {
    /// New secrets for an installation of its own, with one system of this name.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy, system: &Actor, wechat_secret: String) -> Self {
        let random = || STANDARD.encode(entropy::bytes::<32>(entropy));
        Self {
            lookup_key: random(),
            cursor_key: random(),
            token_keys: vec![NamedKey { id: "1".to_owned(), secret: random() }],
            system_keys: vec![SystemSecret { id: system.to_string(), system: system.clone(), secret: random() }],
            wechat_secret,
            providers: ProviderSecrets::default(),
        }
    }

    /// The key that signs the links in messages: of its own, drawn from the one that signs cursors.
    pub fn links(&self) -> Result<LinkKey, Invalid> {
        key(&self.cursor_key).map(|cursors| LinkKey::new(hmac(&cursors, &[b"links"])))
    }

    /// The key that seals the audit trail: of its own, drawn from the one that never changes.
    pub fn audit(&self) -> Result<audit::Key, Invalid> {
        key(&self.lookup_key).map(|lookup| audit::Key::new(hmac(&lookup, &[b"audit"])))
    }

    /// The keys of WeChat's pushes to this app; none where the console has none yet.
    pub fn pushes(&self, app_id: &str, plain: bool) -> Result<Option<PushKeys>, Invalid> {
        let push = self.providers.push.as_ref();
        push.map(|push| PushKeys::new(&push.token, &push.aes_key, app_id, plain)).transpose()
    }

    /// The key that hashes identities.
    pub fn lookup(&self) -> Result<LookupKey, Invalid> {
        key(&self.lookup_key).map(LookupKey::new)
    }

    /// The key that signs cursors.
    pub fn cursors(&self) -> Result<CursorKey, Invalid> {
        key(&self.cursor_key).map(CursorKey::new)
    }

    /// The keys of session tokens.
    pub fn tokens(&self) -> Result<TokenKeys, Invalid> {
        let keys = self.token_keys.iter().map(|named| TokenKey::new(&named.id, &key(&named.secret)?));
        let mut keys = keys.collect::<Result<Vec<_>, _>>()?.into_iter();
        let current = keys.next().ok_or(Invalid("at least one token key"))?;
        TokenKeys::new(current, keys.collect())
    }

    /// The keys of systems.
    pub fn systems(&self) -> Result<SystemKeys, Invalid> {
        let keys = self.system_keys.iter().map(|s| {
            let actor = Actor::parse(&format!("system:{}", s.system))?;
            SystemKey::new(&s.id, actor, s.secret.as_bytes())
        });
        SystemKeys::new(keys.collect::<Result<_, _>>()?)
    }
}
