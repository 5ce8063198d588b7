//! Links that members follow: short, signed, and without a word about the member or about where they lead.
//!
//! A link names a send and what it is for; where it leads stands in the campaign, so a link can't be turned into one to
//! somebody else's page.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;

use crate::digest::hmac_of_parts;
use crate::values::SendId;

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It leads to the campaign's page.
    Click,
    /// It is an image that tells that a message was opened.
    Open,
    /// It ends all messages of this kind.
    Unsubscribe,
}

impl Purpose {
    const fn number(self) -> u8 {
        match self {
            Self::Click => 1,
            Self::Open => 2,
            Self::Unsubscribe => 3,
        }
    }
}

/// Bytes of the signature: the sixteen bytes of a send's id can't be guessed either.
const MAC: usize = 8;
const ID: usize = 16;

/// Signs links.
#[derive(Clone)]
pub struct LinkKey([u8; 32]);

/// The key never shows.
impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey")
    }
}

impl LinkKey {
    /// A key from its 32 secret bytes.
    #[must_use]
    pub const fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The token of a link: 32 characters.
    #[must_use]
    pub fn seal(&self, purpose: Purpose, send: SendId) -> String {
        URL_SAFE_NO_PAD.encode([send.bytes().as_slice(), &self.mac(purpose, send)].concat())
    }

    /// The send of a link that [`LinkKey::seal`] made for this purpose; none for anything else.
    #[must_use]
    pub fn open(&self, purpose: Purpose, token: &str) -> Option<SendId> {
        if token.len() != 32 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (id, mac) = bytes.split_at_checked(ID)?;
        let send = SendId::from_bytes(id.try_into().ok()?);
        bool::from(self.mac(purpose, send).as_slice().ct_eq(mac)).then_some(send)
    }

    fn mac(&self, purpose: Purpose, send: SendId) -> [u8; MAC] {
        let digest = hmac_of_parts(&self.0, &[b"link", &[purpose.number()], send.bytes()]);
        let mut mac = [0; MAC];
        mac.iter_mut().zip(digest).for_each(|(m, d)| *m = d);
        mac
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> LinkKey {
        LinkKey::new([7; 32])
    }

    #[test]
    fn a_link_leads_to_its_send_and_is_good_for_one_purpose() {
        let send = SendId::of("test", &["one"]);
        let token = key().seal(Purpose::Click, send);
        assert_eq!(token.len(), 32);
        assert_eq!(key().open(Purpose::Click, &token), Some(send));
        assert_eq!(key().open(Purpose::Unsubscribe, &token), None);
        assert_eq!(LinkKey::new([8; 32]).open(Purpose::Click, &token), None);
    }

    proptest! {
        #[test]
        fn a_link_that_was_altered_or_made_up_leads_nowhere(name in ".*", place in 0_usize..32, letter in "[A-Za-z0-9_-]") {
            let token = key().seal(Purpose::Click, SendId::of("test", &[&name]));
            let mut altered = token.clone();
            altered.replace_range(place..=place, &letter);
            prop_assert_eq!(key().open(Purpose::Click, &altered).is_some(), altered == token);
            prop_assert_eq!(key().open(Purpose::Click, &name), None);
        }
    }
}
