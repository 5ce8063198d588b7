//! How somebody came, as a mini program tells it.

use std::fmt;

use huitou::cases::people::Acquisition;
use huitou::values::Code;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Where a person came from: a channel's name, or everything that is known about it.
///
/// A name is taken as a channel in small letters, with dashes for spaces. One that can't be a channel is dropped: a
/// poster's odd scene text must not keep anybody from signing up.
#[derive(Debug, Default)]
pub(crate) struct CameBy(pub(crate) Acquisition);

impl<'de> Deserialize<'de> for CameBy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrDetails;

        impl<'de> Visitor<'de> for TextOrDetails {
            type Value = CameBy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a channel's name, or an object with channel, store, guide, campaign and cost")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<CameBy, E> {
                Ok(CameBy(Acquisition { channel: channel(text), ..Acquisition::default() }))
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<CameBy, M::Error> {
                Acquisition::deserialize(MapAccessDeserializer::new(map)).map(CameBy)
            }
        }

        deserializer.deserialize_any(TextOrDetails)
    }
}

fn channel(text: &str) -> Option<Code> {
    let words: Vec<String> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
    Code::parse(&words.join("-")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Acquisition, serde_json::Error> {
        serde_json::from_str::<CameBy>(json).map(|CameBy(acquisition)| acquisition)
    }

    #[test]
    fn a_name_is_a_channel_and_an_odd_one_is_none() {
        let channel = |json: &str| read(json).unwrap().channel.map(|code| code.as_str().to_owned());
        assert_eq!(channel(r#""Store QR ""#), Some("store-qr".to_owned()));
        assert_eq!(channel(r#""wecom""#), Some("wecom".to_owned()));
        assert_eq!(channel(r#""门店扫码""#), None);
        assert_eq!(channel(r#""""#), None);
    }

    #[test]
    fn an_object_says_more_and_nothing_unknown() {
        let told = read(r#"{"channel":"store_qr","store":"s-1","guide":"li","cost":350}"#).unwrap();
        assert_eq!(told.guide.map(|guide| guide.to_string()), Some("li".to_owned()));
        assert!(read(r#"{"chanel":"store_qr"}"#).is_err());
        assert!(read(r#"{"channel":"Store QR"}"#).is_err());
        assert!(read("7").is_err());
    }
}
