//! Texts with placeholders: `{name|会员}，您有{points}积分`.
//!
//! A placeholder is one of a few that are known, in English or in Chinese, so that a misspelt one is found when the
//! text is written and not when it has gone to everybody. Behind a bar stands what it says where there is no value;
//! `{{` and `}}` are braces.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::values::{Invalid, InviteCode, LocalDay, Points};

/// What a text can say about a member or an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Placeholder {
    /// What the member wants to be called.
    Name,
    /// Points that can be spent.
    Points,
    /// The tier's name.
    Tier,
    /// Points that expire next.
    ExpiringPoints,
    /// The last day of the points that expire next.
    ExpiresOn,
    /// The campaign's coupon code.
    Coupon,
    /// The last day of the campaign's offer.
    OfferUntil,
    /// The campaign's link, followed through us so that clicks are counted.
    Link,
    /// Where one click ends all mail of this kind.
    Unsubscribe,
    /// The code that the member passes on to friends.
    Invite,
}

impl Placeholder {
    /// Every placeholder.
    pub const ALL: [Self; 10] = [
        Self::Name,
        Self::Points,
        Self::Tier,
        Self::ExpiringPoints,
        Self::ExpiresOn,
        Self::Coupon,
        Self::OfferUntil,
        Self::Link,
        Self::Unsubscribe,
        Self::Invite,
    ];

    /// The words by which a text names it: English, and Chinese.
    #[must_use]
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Name => ("name", "称呼"),
            Self::Points => ("points", "积分"),
            Self::Tier => ("tier", "等级"),
            Self::ExpiringPoints => ("expiring_points", "到期积分"),
            Self::ExpiresOn => ("expires_on", "到期日"),
            Self::Coupon => ("coupon", "优惠券"),
            Self::OfferUntil => ("offer_until", "优惠截止日"),
            Self::Link => ("link", "链接"),
            Self::Unsubscribe => ("unsubscribe", "退订链接"),
            Self::Invite => ("invite", "邀请码"),
        }
    }

    fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.words().0 == word || known.words().1 == word)
    }

    /// Whether a member may be without a value, however the campaign is set up.
    pub(super) const fn may_be_missing(self) -> bool {
        match self {
            Self::Name | Self::Tier | Self::ExpiringPoints | Self::ExpiresOn | Self::Invite => true,
            Self::Points | Self::Coupon | Self::OfferUntil | Self::Link | Self::Unsubscribe => false,
        }
    }
}

/// What placeholders stand for, for one member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// What the member wants to be called.
    pub name: Option<String>,
    /// Points that can be spent.
    pub points: Points,
    /// The tier's name.
    pub tier: Option<String>,
    /// Points that expire next, and their last day.
    pub expiring: Option<(Points, LocalDay)>,
    /// The campaign's coupon code.
    pub coupon: Option<String>,
    /// The last day of the campaign's offer.
    pub offer_until: Option<LocalDay>,
    /// The campaign's link for this send.
    pub link: Option<String>,
    /// Where one click ends all mail of this kind.
    pub unsubscribe: Option<String>,
    /// The code that the member passes on to friends.
    pub invite: Option<InviteCode>,
    /// An image that tells that the message was opened.
    pub pixel: Option<String>,
}

impl Values {
    pub(super) fn of(&self, placeholder: Placeholder) -> Option<String> {
        match placeholder {
            Placeholder::Name => self.name.clone(),
            Placeholder::Points => Some(self.points.to_string()),
            Placeholder::Tier => self.tier.clone(),
            Placeholder::ExpiringPoints => self.expiring.map(|(points, _)| points.to_string()),
            Placeholder::ExpiresOn => self.expiring.map(|(_, day)| in_chinese(day)),
            Placeholder::Coupon => self.coupon.clone(),
            Placeholder::OfferUntil => self.offer_until.map(in_chinese),
            Placeholder::Link => self.link.clone(),
            Placeholder::Unsubscribe => self.unsubscribe.clone(),
            Placeholder::Invite => self.invite.as_ref().map(ToString::to_string),
        }
    }
}

/// A day as Chinese texts and templates of subscribe messages write it: `2026年3月1日`.
fn in_chinese(day: LocalDay) -> String {
    let written = day.to_string();
    let mut parts = written.split('-').map(|part| part.trim_start_matches('0'));
    let mut next = || parts.next().unwrap_or_default();
    format!("{}年{}月{}日", next(), next(), next())
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Words(String),
    Place { placeholder: Placeholder, otherwise: Option<String> },
}

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    written: String,
    parts: Vec<Part>,
}

/// A placeholder had neither a value nor something to say instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoValue(pub Placeholder);

impl Text {
    /// The most characters of a text as it is written.
    pub const MOST: usize = 100_000;

    /// Reads a text, or says what is wrong with it.
    pub fn parse(written: &str) -> Result<Self, Invalid> {
        const BRACES: Invalid =
            Invalid("braces around a placeholder only, as {name|会员}; {{ and }} where a brace is meant");
        const UNKNOWN: Invalid = Invalid(
            "one of the placeholders {name}, {points}, {tier}, {expiring_points}, {expires_on}, {coupon}, \
             {offer_until}, {link}, {unsubscribe}, {invite} or their Chinese words",
        );
        if written.is_empty() || written.chars().count() > Self::MOST {
            return Err(Invalid("a text of 1 to 100000 characters"));
        }
        if written.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err(Invalid("a text without control characters"));
        }
        let (mut parts, mut words, mut rest) = (Vec::new(), String::new(), written);
        while let Some(place) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(place);
            words.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                words.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                words.push('}');
                rest = after;
            } else {
                let (inside, after) = from.strip_prefix('{').and_then(|from| from.split_once('}')).ok_or(BRACES)?;
                let (word, otherwise) = inside.split_once('|').map_or((inside, None), |(w, o)| (w, Some(o)));
                if otherwise.is_some_and(|words| words.contains('{')) {
                    return Err(BRACES);
                }
                let placeholder = Placeholder::read(word.trim()).ok_or(UNKNOWN)?;
                if !words.is_empty() {
                    parts.push(Part::Words(std::mem::take(&mut words)));
                }
                parts.push(Part::Place { placeholder, otherwise: otherwise.map(str::to_owned) });
                rest = after;
            }
        }
        words.push_str(rest);
        if !words.is_empty() {
            parts.push(Part::Words(words));
        }
        Ok(Self { written: written.to_owned(), parts })
    }

    /// The text as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The placeholders in it and whether each says something without a value; every one once, in the order of their
    /// first places.
    #[must_use]
    pub fn placeholders(&self) -> Vec<(Placeholder, bool)> {
        let mut found: Vec<(Placeholder, bool)> = Vec::new();
        for part in &self.parts {
            if let Part::Place { placeholder, otherwise } = part {
                match found.iter_mut().find(|(known, _)| known == placeholder) {
                    Some((_, covered)) => *covered &= otherwise.is_some(),
                    None => found.push((*placeholder, otherwise.is_some())),
                }
            }
        }
        found
    }

    /// The words between the placeholders.
    #[must_use]
    pub fn words(&self) -> String {
        let words = self.parts.iter().map(|part| match part {
            Part::Words(words) => words.as_str(),
            Part::Place { .. } => "",
        });
        words.collect()
    }

    /// The text with every placeholder filled in by `value`, or by what it says without one.
    pub(super) fn filled(&self, value: impl Fn(Placeholder) -> Option<String>) -> Result<String, NoValue> {
        let mut text = String::with_capacity(self.written.len());
        for part in &self.parts {
            match part {
                Part::Words(words) => text.push_str(words),
                Part::Place { placeholder, otherwise } => {
                    let value = value(*placeholder).or_else(|| otherwise.clone());
                    text.push_str(&value.ok_or(NoValue(*placeholder))?);
                }
            }
        }
        Ok(text)
    }

    /// The longest that it becomes with values of these lengths: a member may have some values and lack others.
    pub(super) fn longest(&self, widest: impl Fn(Placeholder) -> Option<String>) -> String {
        let length = |text: &String| text.encode_utf16().count();
        let parts = self.parts.iter().map(|part| match part {
            Part::Words(words) => words.clone(),
            Part::Place { placeholder, otherwise } => {
                [widest(*placeholder), otherwise.clone()].into_iter().flatten().max_by_key(length).unwrap_or_default()
            }
        });
        parts.collect()
    }

    /// What each placeholder says, in the order of [`Text::placeholders`]: how a provider that keeps the template is
    /// told the values.
    pub(super) fn arguments(
        &self,
        value: impl Fn(Placeholder) -> Option<String>,
    ) -> Result<Vec<(Placeholder, String)>, NoValue> {
        let mut arguments: Vec<(Placeholder, String)> = Vec::new();
        for part in &self.parts {
            if let Part::Place { placeholder, otherwise } = part
                && arguments.iter().all(|(known, _)| known != placeholder)
            {
                let text = value(*placeholder).or_else(|| otherwise.clone()).ok_or(NoValue(*placeholder))?;
                arguments.push((*placeholder, text));
            }
        }
        Ok(arguments)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = String::deserialize(deserializer)?;
        Self::parse(&written).map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Text {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        String::schema()
    }
}
impl utoipa::ToSchema for Text {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(text: &str, values: &Values) -> Result<String, NoValue> {
        Text::parse(text).unwrap().filled(|placeholder| values.of(placeholder))
    }

    #[test]
    fn a_text_says_what_is_known_of_the_member() {
        let expiring = Some((Points::new(30).unwrap(), LocalDay::parse("2026-12-01").unwrap()));
        let values = Values { name: Some("小明".to_owned()), expiring, ..Values::default() };
        assert_eq!(filled("{name}，您有{points}积分", &values).unwrap(), "小明，您有0积分");
        assert_eq!(filled("{到期积分}积分 {到期日} 到期", &values).unwrap(), "30积分 2026年12月1日 到期");
    }

    #[test]
    fn without_a_value_it_says_what_stands_behind_the_bar_and_never_nothing() {
        assert_eq!(filled("{name|会员}您好", &Values::default()).unwrap(), "会员您好");
        assert_eq!(filled("{name}您好", &Values::default()), Err(NoValue(Placeholder::Name)));
    }

    #[test]
    fn braces_stand_for_placeholders_only() {
        for bad in ["", "{", "}", "{name", "name}", "{nmae}", "{}", "{name|a{b}", "a\u{0}b", "{{name}"] {
            assert!(Text::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(filled("p {{ color: red }}", &Values::default()).unwrap(), "p { color: red }");
    }

    #[test]
    fn a_placeholder_is_told_once_and_is_covered_only_if_it_is_everywhere() {
        let text = Text::parse("{tier|x}{name|会员}{tier}").unwrap();
        assert_eq!(text.placeholders(), [(Placeholder::Tier, false), (Placeholder::Name, true)]);
    }

    proptest! {
        #[test]
        fn whatever_can_be_read_is_written_as_it_was(text in "[a-z{}|称呼]{0,30}") {
            if let Ok(read) = Text::parse(&text) {
                prop_assert_eq!(read.as_str(), &text);
                let json = serde_json::to_string(&read).unwrap();
                prop_assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), read);
            }
        }

        #[test]
        fn garbage_is_refused_or_read_and_never_panics(text in "\\PC{0,60}") {
            let _ = Text::parse(&text);
        }
    }
}
