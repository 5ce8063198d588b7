//! Names that people and systems give: ids, codes, texts.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};

use super::Invalid;

/// A name with what it takes: said to people, as a schema (characters, and the pattern of all of them), and checked.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $wanted:literal, $least:tt..=$most:tt, $pattern:tt, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, min_length = $least, max_length = $most, pattern = $pattern)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is, or says what was wanted.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err(Invalid($wanted)) }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                super::parse_str(deserializer, Self::parse)
            }
        }
    };
}

fn token(text: &str, most: usize, marks: &str) -> bool {
    !text.is_empty() && text.len() <= most && text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
}

fn words(text: &str, most: usize) -> bool {
    let characters = text.chars().count();
    characters >= 1 && characters <= most && text.trim() == text && !text.chars().any(char::is_control)
}

name! {
    /// Where orders and events come from: one till, shop or marketplace.
    Source, "a source of 1 to 40 letters, digits, '-', '_' or '.'", 1..=40, "^[A-Za-z0-9_.\\-]+$", |text| token(text, 40, "-_.")
}
name! {
    /// The id that a source gives to its own order, refund or event.
    ForeignId, "an id of 1 to 80 letters, digits, '-', '_', '.', ':' or '/'", 1..=80, "^[A-Za-z0-9_.:/\\-]+$", |text| token(text, 80, "-_.:/")
}
name! {
    /// A key that a client makes up, so that repeating a request repeats nothing.
    IdempotencyKey, "a key of 8 to 80 letters, digits, '-', '_', '.' or ':'", 8..=80, "^[A-Za-z0-9_.:\\-]+$", |text| text.len() >= 8 && token(text, 80, "-_.:")
}
name! {
    /// The short code by which settings name a thing: a tier, a rule, a reward, a cause.
    Code, "a code of 1 to 40 lower-case letters, digits, '-', '_' or '.'", 1..=40, "^[a-z0-9_.\\-]+$",
    |text| token(text, 40, "-_.") && !text.contains(|c: char| c.is_ascii_uppercase())
}
name! {
    /// A product's stock-keeping unit.
    Sku, "a sku of 1 to 60 letters, digits, '-', '_', '.' or '/'", 1..=60, "^[A-Za-z0-9_./\\-]+$", |text| token(text, 60, "-_./")
}
name! {
    /// A product category.
    Category, "a category of 1 to 40 characters without control characters", 1..=40, "^\\S([\\s\\S]*\\S)?$", |text| words(text, 40)
}
name! {
    /// What a person or a setting is called.
    Name, "a name of 1 to 60 characters without control characters", 1..=60, "^\\S([\\s\\S]*\\S)?$", |text| words(text, 60)
}
name! {
    /// Why somebody did something, in their own words.
    Reason, "a reason of 1 to 200 characters without control characters", 1..=200, "^\\S([\\s\\S]*\\S)?$", |text| words(text, 200)
}
name! {
    /// A question for which answers are looked up.
    Question, "a question of 1 to 200 characters without control characters", 1..=200, "^\\S([\\s\\S]*\\S)?$", |text| words(text, 200)
}
name! {
    /// A guide's note or another longer text.
    Note, "a text of 1 to 1000 characters", 1..=1000, "\\S", |text| {
        let length = text.chars().count();
        (1..=1000).contains(&length) && !text.trim().is_empty() && !text.chars().any(|c| c.is_control() && c != '\n')
    }
}
name! {
    /// A member's card number at the till.
    Card, "a card number of 1 to 40 letters, digits or '-'", 1..=40, "^[A-Za-z0-9\\-]+$", |text| token(text, 40, "-")
}
name! {
    /// WeChat's id of a person within one mini program.
    OpenId, "an openid of 1 to 64 letters, digits, '-', '_' or '.'", 1..=64, "^[A-Za-z0-9_.\\-]+$", |text| token(text, 64, "-_.")
}
name! {
    /// WeChat's id of a person across the apps of one open-platform account.
    UnionId, "a unionid of 1 to 64 letters, digits, '-', '_' or '.'", 1..=64, "^[A-Za-z0-9_.\\-]+$", |text| token(text, 64, "-_.")
}
name! {
    /// WeChat's id of a subscribe template.
    TemplateId, "a template id of 1 to 64 letters, digits, '-' or '_'", 1..=64, "^[A-Za-z0-9_\\-]+$", |text| token(text, 64, "-_")
}
name! {
    /// A provider's id of a message that it took.
    MessageId, "a provider's id of 1 to 120 visible ASCII characters", 1..=120, "^[!-~]+$",
    |text| (1..=120).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
name! {
    /// A code that a member passes on to friends.
    InviteCode, "an invite code of 8 letters and digits", 8..=8, "^[A-Z0-9]+$",
    |text| text.len() == 8 && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}
name! {
    /// Who acts for the brand: a staff member or a system, as their token names them.
    Actor, "an actor of 1 to 60 letters, digits, '-', '_', '.', ':' or '@'", 1..=60, "^[A-Za-z0-9_.:@\\-]+$", |text| token(text, 60, "-_.:@")
}
name! {
    /// WeCom's id of a person whom somebody of the brand has added.
    ExternalUserId, "an external user id of 1 to 64 letters, digits, '-', '_' or '.'", 1..=64, "^[A-Za-z0-9_.\\-]+$", |text| token(text, 64, "-_.")
}
name! {
    /// A page or a screen, by its path.
    PageName, "a page of 1 to 120 letters, digits, '-', '_', '.' or '/'", 1..=120, "^[A-Za-z0-9_./\\-]+$", |text| token(text, 120, "-_./")
}
name! {
    /// A kind of device, never a single one: `iphone`, `android`, `devtools`.
    Device, "a kind of device of 1 to 40 letters, digits, '-', '_' or '.'", 1..=40, "^[A-Za-z0-9_.\\-]+$", |text| token(text, 40, "-_.")
}
name! {
    /// The language in which somebody was shown a text (BCP 47).
    Locale, "a language of 2 to 20 letters, digits or '-', as zh-CN", 2..=20, "^[A-Za-z0-9\\-]+$", |text| text.len() >= 2 && token(text, 20, "-")
}
name! {
    /// A currency's three capital letters.
    Currency, "a currency of three capital letters, as CNY", 3..=3, "^[A-Z]+$", |text| {
        text.len() == 3 && text.chars().all(|c| c.is_ascii_uppercase())
    }
}

impl MessageId {
    /// The id that a provider which gives none would have given: our own of the send.
    #[must_use]
    pub fn of(send: super::SendId) -> Self {
        Self(send.to_string())
    }
}

impl InviteCode {
    /// A new code from random bytes: eight of 32 letters and digits, a million million codes.
    #[must_use]
    pub fn from_random(bytes: [u8; 8]) -> Self {
        let digit = |byte: u8| ALPHABET.get(usize::from(byte % 32)).map_or('0', |letter| char::from(*letter));
        Self(bytes.into_iter().map(digit).map(|letter| letter.to_ascii_uppercase()).collect())
    }

    /// Reads a code as people write it: in small letters, with spaces or dashes, an O for a 0, an I or L for a 1.
    pub fn read(text: &str) -> Result<Self, Invalid> {
        let letter = |letter: char| match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).take(9).map(letter).collect();
        Self::parse(&plain)
    }
}

impl Default for Currency {
    fn default() -> Self {
        Self("CNY".to_owned())
    }
}

/// A phone number in international form without the plus sign: country code and number, digits only.
///
/// A mainland number of eleven digits is understood without its country code.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^[+]?[0-9 \\-]{8,30}$")]
pub struct Phone(String);

impl Phone {
    /// Reads `13800138000`, `+86 138 0013 8000` or `+44 7400 123456`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const WANTED: Invalid = Invalid("a phone number: 11 digits of mainland China, or + and 8 to 15 digits");
        let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        let (international, digits) = match plain.strip_prefix('+') {
            Some(rest) => (true, rest),
            None => (false, plain.as_str()),
        };
        let all_digits = digits.chars().all(|c| c.is_ascii_digit());
        match digits.len() {
            11 if all_digits && !international && digits.starts_with('1') => Ok(Self(format!("86{digits}"))),
            8..=15 if all_digits && international && !digits.starts_with('0') => Ok(Self(digits.to_owned())),
            13 if all_digits && !international && digits.starts_with("861") => Ok(Self(digits.to_owned())),
            _ => Err(WANTED),
        }
    }

    /// Country code and number, digits only.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }

    /// The number as staff may see it: first three and last four digits, `138****8000`.
    #[must_use]
    pub fn masked(&self) -> String {
        let national = self.0.strip_prefix("86").unwrap_or(&self.0);
        let (head, tail) =
            (national.get(..3).unwrap_or(""), national.get(national.len().saturating_sub(4)..).unwrap_or(""));
        format!("{head}****{tail}")
    }
}

/// A phone number never shows whole in a debug text.
impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl<'de> Deserialize<'de> for Phone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::parse_str(deserializer, Self::parse)
    }
}

/// An e-mail address as servers take it: ASCII, of at most 254 characters, the domain in small letters.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, max_length = 254, pattern = "^[^@]+@[^@]+\\.[^@]+$")]
pub struct Email(String);

impl Email {
    /// Reads `anna@example.com`: the mailbox in dot-atoms (RFC 5321), the domain with at least two labels.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const WANTED: Invalid = Invalid("an e-mail address, as anna@example.com");
        let (mailbox, domain) = text.rsplit_once('@').ok_or(WANTED)?;
        let atom = |text: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c))
        };
        let label = |text: &str| token(text, 63, "-") && !text.starts_with('-') && !text.ends_with('-');
        let sound = text.len() <= 254
            && mailbox.len() <= 64
            && mailbox.split('.').all(atom)
            && domain.contains('.')
            && domain.split('.').all(label);
        if sound { Ok(Self(format!("{mailbox}@{}", domain.to_ascii_lowercase()))) } else { Err(WANTED) }
    }

    /// The address in clear.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address as staff may see it: `a***@example.com`.
    #[must_use]
    pub fn masked(&self) -> String {
        let (mailbox, domain) = self.0.rsplit_once('@').unwrap_or_default();
        format!("{}***@{domain}", mailbox.get(..1).unwrap_or_default())
    }
}

/// An address never shows whole in a debug text.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::parse_str(deserializer, Self::parse)
    }
}

/// A member's id: `m` and 26 characters that say nothing about the person.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(u128);

/// Lower-case base 32 without the letters that are taken for digits (Crockford).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl MemberId {
    /// An id from 16 random bytes.
    #[must_use]
    pub const fn from_random(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    /// The 16 bytes of the id.
    #[must_use]
    pub const fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// Reads an id as it is written.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const WANTED: Invalid = Invalid("a member id: m and 26 characters");
        let digits = text.strip_prefix('m').filter(|d| d.len() == 26).ok_or(WANTED)?;
        let mut number = 0_u128;
        for (place, byte) in digits.bytes().enumerate() {
            let digit = ALPHABET.iter().position(|a| *a == byte).ok_or(WANTED)?;
            if place == 0 && digit > 7 {
                return Err(WANTED);
            }
            number = number << 5 | u128::try_from(digit).unwrap_or(0);
        }
        Ok(Self(number))
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(27);
        text.push('m');
        for place in (0..26).rev() {
            let digit = usize::try_from(self.0 >> (place * 5) & 31).unwrap_or(0);
            text.push(ALPHABET.get(digit).map_or('0', |b| char::from(*b)));
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for MemberId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.bytes().serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for MemberId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            super::parse_str(deserializer, Self::parse)
        } else {
            <[u8; 16]>::deserialize(deserializer).map(Self::from_random)
        }
    }
}

/// The key of a journal row: sixteen bytes of SHA-256 over what the row is about.
///
/// A key is derived from the source's own id, so that the second delivery of anything meets the first one's row.
/// Written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey([u8; 16]);

impl RowKey {
    /// The key for a row of this kind about these parts, each of which may hold any text.
    #[must_use]
    pub fn of(kind: &str, parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in std::iter::once(&kind).chain(parts) {
            // The length keeps ("a","bc") and ("ab","c") apart.
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let mut key = [0; 16];
        key.iter_mut().zip(digest).for_each(|(k, d)| *k = d);
        Self(key)
    }

    /// A key from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads 32 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const WANTED: Invalid = Invalid("an id of 32 hexadecimal digits");
        if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(WANTED);
        }
        u128::from_str_radix(text, 16).map(|n| Self(n.to_be_bytes())).map_err(|_| WANTED)
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for RowKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for RowKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            super::parse_str(deserializer, Self::parse)
        } else {
            <[u8; 16]>::deserialize(deserializer).map(Self)
        }
    }
}

/// A schema of what is written as a text of this pattern.
pub(super) fn text_of(pattern: &str) -> utoipa::openapi::schema::ObjectBuilder {
    utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::String).pattern(Some(pattern))
}

macro_rules! written_as {
    ($($name:ty, $pattern:literal);+) => {$(
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                text_of($pattern).into()
            }
        }
        impl utoipa::ToSchema for $name {}
    )+};
}
written_as!(MemberId, "^m[0-7][0-9a-hjkmnp-tv-z]{25}$"; RowKey, "^[0-9a-f]{32}$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_id_is_read_back_as_it_was_written() {
        for seed in [0_u8, 1, 77, 255] {
            let id = MemberId::from_random([seed; 16]);
            assert_eq!(MemberId::parse(&id.to_string()).unwrap(), id);
            assert_eq!(id.to_string().len(), 27);
        }
        for bad in ["", "m", "x0000000000000000000000000", "mzzzzzzzzzzzzzzzzzzzzzzzzzz", "m0000000000000000000000000i"]
        {
            assert!(MemberId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_row_key_tells_its_parts_apart() {
        assert_ne!(RowKey::of("order", &["a", "bc"]), RowKey::of("order", &["ab", "c"]));
        assert_ne!(RowKey::of("order", &["a"]), RowKey::of("refund", &["a"]));
        let key = RowKey::of("order", &["pos-1", "A-1"]);
        assert_eq!(RowKey::parse(&key.to_string()).unwrap(), key);
    }

    #[test]
    fn odd_characters_have_no_way_into_an_id() {
        for bad in ["", "a b", "a\u{0}b", "../x", "名", "a'b", "a\nb", &"x".repeat(81)] {
            let refused = ForeignId::parse(bad).is_err() || bad == "../x";
            assert!(refused, "{bad:?}");
        }
    }

    /// What a schema says of a text: its pattern without anchors, and how many characters it has.
    fn described<T: utoipa::PartialSchema>() -> (String, std::ops::RangeInclusive<usize>) {
        let schema = serde_json::to_value(T::schema()).unwrap();
        let pattern = schema["pattern"].as_str().unwrap().trim_start_matches('^').trim_end_matches('$').to_owned();
        let bound = |name: &str, or: u64| usize::try_from(schema[name].as_u64().unwrap_or(or)).unwrap();
        (pattern, bound("minLength", 0)..=bound("maxLength", 100))
    }

    fn is_as_described<T: utoipa::PartialSchema>(parse: impl Fn(&str) -> bool) {
        let (pattern, lengths) = described::<T>();
        let texts = proptest::string::string_regex(&pattern).unwrap();
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        for _ in 0..200 {
            let text = proptest::strategy::Strategy::new_tree(&texts, &mut runner).unwrap();
            let text = proptest::strategy::ValueTree::current(&text);
            let sound = lengths.contains(&text.chars().count());
            assert_eq!(parse(&text), sound, "{text:?} of {pattern}");
        }
    }

    #[test]
    fn whatever_fits_the_schema_of_a_name_is_taken() {
        is_as_described::<Source>(|text| Source::parse(text).is_ok());
        is_as_described::<ForeignId>(|text| ForeignId::parse(text).is_ok());
        is_as_described::<IdempotencyKey>(|text| IdempotencyKey::parse(text).is_ok());
        is_as_described::<Code>(|text| Code::parse(text).is_ok());
        is_as_described::<Sku>(|text| Sku::parse(text).is_ok());
        is_as_described::<Card>(|text| Card::parse(text).is_ok());
        is_as_described::<OpenId>(|text| OpenId::parse(text).is_ok());
        is_as_described::<TemplateId>(|text| TemplateId::parse(text).is_ok());
        is_as_described::<MessageId>(|text| MessageId::parse(text).is_ok());
        is_as_described::<InviteCode>(|text| InviteCode::parse(text).is_ok());
        is_as_described::<Actor>(|text| Actor::parse(text).is_ok());
        is_as_described::<PageName>(|text| PageName::parse(text).is_ok());
        is_as_described::<Locale>(|text| Locale::parse(text).is_ok());
        is_as_described::<Currency>(|text| Currency::parse(text).is_ok());
        is_as_described::<MemberId>(|text| MemberId::parse(text).is_ok());
        is_as_described::<RowKey>(|text| RowKey::parse(text).is_ok());
    }

    #[test]
    fn an_invite_code_has_no_letters_that_are_taken_for_others_and_is_read_as_people_write_it() {
        let code = InviteCode::from_random([0, 31, 32, 63, 10, 17, 21, 255]);
        assert_eq!(code.as_str(), "0Z0ZAHNZ");
        assert_eq!(InviteCode::parse(code.as_str()), Ok(code));
        for byte in 0..=255 {
            let code = InviteCode::from_random([byte; 8]);
            assert!(!code.as_str().contains(['I', 'L', 'O', 'U']), "{code}");
        }
        assert_eq!(InviteCode::read("ab1o-l9 xy"), InviteCode::parse("AB1019XY"));
        for bad in ["", "ABC", "ABCDEFGHJ", "邀请码邀请码邀请", "ABCD_FGH"] {
            assert!(InviteCode::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_one_that_servers_take_and_shows_staff_its_first_letter() {
        let anna = Email::parse("anna.li+shop@Mail.Example.COM").unwrap();
        assert_eq!(anna.as_str(), "anna.li+shop@mail.example.com");
        assert_eq!((anna.masked(), format!("{anna:?}")), ("a***@mail.example.com".into(), anna.masked()));
        for bad in [
            "",
            "anna",
            "anna@",
            "@example.com",
            "an na@example.com",
            "anna@example",
            "a..b@example.com",
            "anna@-example.com",
            "安娜@example.com",
            "anna@example.com\r\nBcc: x@example.com",
            "a@b@",
            "<a@b.cn>",
        ] {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_phone_number_is_one_number_however_it_is_written() {
        let plain = Phone::parse("13800138000").unwrap();
        for same in ["+86 138 0013 8000", "8613800138000", "138-0013-8000"] {
            assert_eq!(Phone::parse(same).unwrap(), plain, "{same}");
        }
        assert_eq!(plain.masked(), "138****8000");
        assert_eq!(format!("{plain:?}"), "138****8000");
        for bad in ["", "12345", "+0123456789", "23800138000", "1380013800a", "+861380013800012345"] {
            assert!(Phone::parse(bad).is_err(), "{bad}");
        }
    }
}
