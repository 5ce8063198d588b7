//! Sealing: personal data is stored encrypted, each member's under a key of their own.
//!
//! A member's key lies in the table, itself wrapped by the house's master key ([`MasterKey`]); erasing a member
//! means destroying the wrapped key, after which every sealed field, in backups too, is noise. What a person has to
//! be found by (openid, phone, card) is stored as a keyed hash besides ([`LookupKey`]).

mod cache;
mod file;
mod kms;

use std::fmt;

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use futures_util::future::BoxFuture;

use crate::digest::hmac_of_parts;
use crate::entropy::{self, Entropy};
use crate::values::MemberId;

pub use cache::KeyCache;
pub use file::{FileMasterKey, KeyFileError};
pub use kms::KmsMasterKey;

/// The layout of sealed bytes: this byte, twelve of nonce, then AES-256-GCM's ciphertext with its tag of sixteen.
const LAYOUT: u8 = 1;
const NONCE: usize = 12;

/// Why something was not sealed or not opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The bytes are not what was sealed for this place: changed, moved from elsewhere, or sealed with a key that
    /// is gone.
    #[error("what was sealed does not open here")]
    Unsealable,
    /// The bytes are too short or of a layout that this version doesn't know.
    #[error("this is nothing that was sealed")]
    Malformed,
    /// There is more than AES-GCM may encrypt at once, 64 GiB.
    #[error("there is too much to seal at once")]
    TooLong,
    /// The key service doesn't answer just now: trying again may help.
    #[error("the key service is not available: {0}")]
    Unavailable(String),
    /// The key service refuses: permission, key or settings are wrong, and trying again won't help.
    #[error("the key service refuses: {0}")]
    Refused(String),
}

/// The master key port: wraps the members' keys, so that a copy of the table opens nothing.
///
/// A wrapped key is bound to its member: moved to another's item it doesn't unwrap.
pub trait MasterKey: fmt::Debug + Send + Sync {
    /// Wraps a member's key for storing. Costs one call to the key service, if there is one.
    fn wrap<'a>(&'a self, member: MemberId, key: &'a MemberKey) -> BoxFuture<'a, Result<Vec<u8>, SealError>>;

    /// Unwraps what [`MasterKey::wrap`] made for the same member. Costs one call to the key service, if there is
    /// one; go through a [`KeyCache`].
    fn unwrap<'a>(&'a self, member: MemberId, wrapped: &'a [u8]) -> BoxFuture<'a, Result<MemberKey, SealError>>;
}

/// Where a sealed field lives. Sealed bytes open only in the place that they were sealed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'a> {
    /// The table, or another name for the kind of item.
    pub table: &'static str,
    /// Whose field it is.
    pub member: MemberId,
    /// The field, or the item when the whole is sealed.
    pub field: &'a str,
    /// The schema number of what is inside.
    pub version: u16,
}

impl Context<'_> {
    /// `table|member|field|v`: names are ours and hold no `|`, so no two places share a text.
    fn text(&self) -> String {
        format!("{}|{}|{}|{}", self.table, self.member, self.field, self.version)
    }
}

/// The key of one member's personal data, for AES-256-GCM.
#[derive(Clone)]
pub struct MemberKey([u8; 32]);

impl MemberKey {
    /// A key for a new member.
    #[must_use]
    pub fn random(entropy: &dyn Entropy) -> Self {
        Self(entropy::bytes(entropy))
    }

    /// A key from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for wrapping only.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals a field: 29 bytes longer than the plain ones.
    ///
    /// `nonce` comes from [`entropy::bytes`] and serves once: two fields under one key and nonce give each other away.
    pub fn seal(&self, context: &Context<'_>, plain: &[u8], nonce: [u8; NONCE]) -> Result<Vec<u8>, SealError> {
        encrypt(&self.0, context.text().as_bytes(), plain, nonce)
    }

    /// Opens what [`MemberKey::seal`] sealed with the same key for the same context.
    pub fn open(&self, context: &Context<'_>, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        decrypt(&self.0, context.text().as_bytes(), sealed)
    }
}

/// The key never shows.
impl fmt::Debug for MemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemberKey")
    }
}

fn encrypt(key: &[u8; 32], about: &[u8], plain: &[u8], nonce: [u8; NONCE]) -> Result<Vec<u8>, SealError> {
    let payload = Payload { msg: plain, aad: about };
    let cipher = Aes256Gcm::new(key.into());
    let text = cipher.encrypt(&Nonce::from(nonce), payload).map_err(|_| SealError::TooLong)?;
    Ok([&[LAYOUT], nonce.as_slice(), &text].concat())
}

fn decrypt(key: &[u8; 32], about: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let (layout, rest) = sealed.split_first().ok_or(SealError::Malformed)?;
    let (nonce, text) = rest.split_first_chunk::<NONCE>().ok_or(SealError::Malformed)?;
    if *layout != LAYOUT {
        return Err(SealError::Malformed);
    }
    let payload = Payload { msg: text, aad: about };
    Aes256Gcm::new(key.into()).decrypt(&Nonce::from(*nonce), payload).map_err(|_| SealError::Unsealable)
}

/// The pepper of the house: hashes what persons are found by.
///
/// Phone numbers are few enough to try them all, so a plain hash would hide nothing; without this key the stored
/// ones say nothing about a person. It can't be changed without hashing everybody anew.
#[derive(Clone)]
pub struct LookupKey([u8; 32]);

impl LookupKey {
    /// A key from its 32 secret bytes.
    #[must_use]
    pub const fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The hash by which an identity is found: HMAC-SHA256 over its kind (`openid`, `unionid`, `phone`, `card`,
    /// `invite`) and its value. The same number as phone and as card has two hashes that nobody can relate.
    #[must_use]
    pub fn hash(&self, kind: &str, value: &str) -> [u8; 32] {
        hmac_of_parts(&self.0, &[kind.as_bytes(), value.as_bytes()])
    }
}

/// The key never shows.
impl fmt::Debug for LookupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LookupKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(seed: u8) -> MemberId {
        MemberId::from_random([seed; 16])
    }

    fn place() -> Context<'static> {
        Context { table: "members", member: member(1), field: "profile", version: 1 }
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_in_its_place() {
        let key = MemberKey::from_bytes([1; 32]);
        for plain in [b"".as_slice(), "王小明".as_bytes(), &[0; 5_000]] {
            let sealed = key.seal(&place(), plain, [2; 12]).unwrap();
            assert_eq!(sealed.len(), plain.len() + 29);
            assert_eq!(key.open(&place(), &sealed).unwrap(), plain);
        }
    }

    #[test]
    fn another_member_field_table_version_or_key_does_not_open_it() {
        let key = MemberKey::from_bytes([1; 32]);
        let sealed = key.seal(&place(), b"plain", [2; 12]).unwrap();
        for elsewhere in [
            Context { table: "tickets", ..place() },
            Context { member: member(2), ..place() },
            Context { field: "phone", ..place() },
            Context { version: 2, ..place() },
        ] {
            assert_eq!(key.open(&elsewhere, &sealed), Err(SealError::Unsealable), "{elsewhere:?}");
        }
        assert_eq!(MemberKey::from_bytes([9; 32]).open(&place(), &sealed), Err(SealError::Unsealable));
    }

    #[test]
    fn changed_cut_or_foreign_bytes_do_not_open() {
        let key = MemberKey::from_bytes([1; 32]);
        let sealed = key.seal(&place(), b"plain", [2; 12]).unwrap();
        for place_of_change in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place_of_change] ^= 1;
            assert!(key.open(&place(), &changed).is_err(), "{place_of_change}");
            assert!(key.open(&place(), &sealed[..place_of_change]).is_err(), "{place_of_change}");
        }
        assert_eq!(key.open(&place(), b""), Err(SealError::Malformed));
        assert_eq!(key.open(&place(), &[2; 40]), Err(SealError::Malformed));
    }

    #[test]
    fn sealed_bytes_of_today_open_in_every_later_version() {
        let key = MemberKey::from_bytes([1; 32]);
        let text = crate::digest::hex(&key.seal(&place(), b"plain", [2; 12]).unwrap());
        // Computed with another implementation (OpenSSL), over members|m01040g2081040g2081040g2081|profile|1.
        assert_eq!(text, "0102020202020202020202020277baa820247694778ef7d6af9614143ad9879b6997");
    }

    #[test]
    fn identities_are_found_by_kind_and_value_under_the_houses_key() {
        let key = LookupKey::new([3; 32]);
        assert_eq!(key.hash("phone", "8613800138000"), key.hash("phone", "8613800138000"));
        assert_ne!(key.hash("phone", "8613800138000"), key.hash("card", "8613800138000"));
        assert_ne!(key.hash("phone", "1"), key.hash("phon", "e1"));
        assert_ne!(key.hash("phone", "1"), LookupKey::new([4; 32]).hash("phone", "1"));
    }

    #[test]
    fn keys_never_show() {
        assert_eq!(
            format!("{:?} {:?}", MemberKey::from_bytes([1; 32]), LookupKey::new([1; 32])),
            "MemberKey LookupKey"
        );
    }
}
