//! Cursors: where a list goes on, as text that a client can carry but neither read meaning into nor make up.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq as _;

use crate::digest::{half, hmac_of_parts};

/// The layout of a cursor: this byte, the position as JSON, sixteen bytes of HMAC. A cursor of another layout is
/// refused, so a client that kept one over an update starts its list again.
const VERSION: u8 = 1;
const MAC: usize = 16;
/// The longest text that is looked at, in bytes: positions are a few ids.
const LONGEST: usize = 2_048;

/// Signs cursors. One key for all lists: the list and its owner are signed along.
#[derive(Clone)]
pub struct CursorKey([u8; 32]);

impl CursorKey {
    /// A key from its 32 secret bytes.
    #[must_use]
    pub const fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The cursor for a position.
    ///
    /// `list` names the list with everything that narrows it, `owner` whose view it is: a member's id, a staff
    /// member's name. Fails only for a position that JSON can't hold, such as a map with keys that are no strings.
    pub fn seal<T: Serialize>(&self, list: &str, owner: &str, position: &T) -> Result<String, serde_json::Error> {
        let mut cursor = vec![VERSION];
        serde_json::to_writer(&mut cursor, position)?;
        let mac = self.mac(list, owner, cursor.get(1..).unwrap_or_default());
        cursor.extend_from_slice(&mac);
        Ok(URL_SAFE_NO_PAD.encode(cursor))
    }

    /// The position in a cursor that [`CursorKey::seal`] made for the same list and the same owner.
    pub fn open<T: DeserializeOwned>(&self, list: &str, owner: &str, text: &str) -> Result<T, BadCursor> {
        if text.len() > LONGEST {
            return Err(BadCursor);
        }
        let cursor = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
        let (content, mac) = cursor.split_last_chunk::<MAC>().ok_or(BadCursor)?;
        let (version, position) = content.split_first().ok_or(BadCursor)?;
        let genuine = self.mac(list, owner, position).ct_eq(mac);
        if *version != VERSION || !bool::from(genuine) {
            return Err(BadCursor);
        }
        serde_json::from_slice(position).map_err(|_| BadCursor)
    }

    /// The cursors of one list as one owner sees it; the names mean what they mean to [`CursorKey::seal`].
    #[must_use]
    pub const fn of<'a>(&'a self, list: &'a str, owner: &'a str) -> Cursors<'a> {
        Cursors { key: self, list, owner }
    }

    fn mac(&self, list: &str, owner: &str, position: &[u8]) -> [u8; MAC] {
        half(hmac_of_parts(&self.0, &[&[VERSION], list.as_bytes(), owner.as_bytes(), position]))
    }
}

/// The cursors of one list as one owner sees it, where the first page needs none and the last one has none.
#[derive(Clone, Copy, Debug)]
pub struct Cursors<'a> {
    key: &'a CursorKey,
    list: &'a str,
    owner: &'a str,
}

impl Cursors<'_> {
    /// Where a client wants to go on; at the beginning without a cursor.
    pub fn open<T: DeserializeOwned>(&self, cursor: Option<&str>) -> Result<Option<T>, BadCursor> {
        cursor.map(|text| self.key.open(self.list, self.owner, text)).transpose()
    }

    /// The cursor by which a client goes on; none at the end.
    pub fn seal<T: Serialize>(&self, next: Option<&T>) -> Result<Option<String>, serde_json::Error> {
        next.map(|position| self.key.seal(self.list, self.owner, position)).transpose()
    }
}

/// The key never shows.
impl fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorKey")
    }
}

/// The cursor wasn't made here, or for another list, or for somebody else. Nobody is told which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one of this list: start again without one")]
pub struct BadCursor;

#[cfg(test)]
mod tests {
    use super::*;

    type Position = (String, u64);

    fn key() -> CursorKey {
        CursorKey::new([7; 32])
    }

    fn position() -> Position {
        ("A-1".to_owned(), 42)
    }

    #[test]
    fn a_cursor_leads_back_to_its_position() {
        let text = key().seal("tickets?status=open", "m1", &position()).unwrap();
        assert_eq!(key().open::<Position>("tickets?status=open", "m1", &text), Ok(position()));
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{text}");
    }

    #[test]
    fn another_list_another_owner_and_another_key_refuse_it() {
        let text = key().seal("tickets", "m1", &position()).unwrap();
        assert_eq!(key().open::<Position>("entries", "m1", &text), Err(BadCursor));
        assert_eq!(key().open::<Position>("tickets", "m2", &text), Err(BadCursor));
        assert_eq!(key().open::<Position>("ticketsm", "1", &text), Err(BadCursor));
        assert_eq!(CursorKey::new([8; 32]).open::<Position>("tickets", "m1", &text), Err(BadCursor));
    }

    #[test]
    fn a_changed_cut_or_made_up_cursor_is_refused() {
        let text = key().seal("tickets", "m1", &position()).unwrap();
        for (place, was) in text.char_indices() {
            let other = if was == 'A' { 'B' } else { 'A' };
            let changed: String = text.char_indices().map(|(i, c)| if i == place { other } else { c }).collect();
            assert_eq!(key().open::<Position>("tickets", "m1", &changed), Err(BadCursor), "{place}");
            assert_eq!(key().open::<Position>("tickets", "m1", &text[..place]), Err(BadCursor), "{place}");
        }
        for made_up in ["", "AQ", "=", "名", "AQID.AAA", &"A".repeat(5_000), &format!("{text}=")] {
            assert_eq!(key().open::<Position>("tickets", "m1", made_up), Err(BadCursor), "{made_up}");
        }
    }

    #[test]
    fn a_position_of_another_shape_is_refused() {
        let text = key().seal("tickets", "m1", &"only text").unwrap();
        assert_eq!(key().open::<Position>("tickets", "m1", &text), Err(BadCursor));
    }

    #[test]
    fn the_key_never_shows() {
        assert_eq!(format!("{:?}", key()), "CursorKey");
    }
}
