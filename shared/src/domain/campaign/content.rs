//! Content: what a variant says on each channel, checked against the channel's own limits before anything is launched.
//!
//! What passes [`Content::flaws`] never breaks a limit when it is rendered: values that have no limit of their own, as
//! a name, are given room in short messages and cut to it.

mod email;
mod sms;
mod subscribe;
mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::flaw::Flaw;
use crate::domain::traits::Channel;
use crate::values::{Code, Fen, Invalid, TemplateId};

pub use email::Email;
pub use sms::{Sms, parts, units};
pub use subscribe::{Key, Kind, Subscribe};
pub use text::{NoValue, Placeholder, Text, Values};

/// Room for a name in a short message, in characters; a longer one is cut.
const NAME_ROOM: usize = 8;
/// Room for the name of a tier in a short message.
const TIER_ROOM: usize = 5;
/// Room for a number of points: no balance has more digits.
const POINTS_ROOM: usize = 13;
/// Room for a link of ours: see [`Link::OURS`].
const LINK_ROOM: usize = Link::OURS;
/// The most bytes of a WeCom text (developer.work.weixin.qq.com, path/92135).
const WECOM_MOST: usize = 4_000;
/// The most fields of a webhook.
const FIELDS_MOST: usize = 20;

/// What a variant says, by channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CampaignContent)]
pub struct Content {
    /// Where `{link}` leads in the end; followed through us, so that clicks are counted.
    #[serde(default)]
    pub link: Option<Link>,
    /// As a WeChat subscribe message.
    #[serde(default)]
    pub subscribe: Option<Subscribe>,
    /// As a message that a member of staff sends from WeCom.
    #[serde(default)]
    pub wecom: Option<Wecom>,
    /// As a text message.
    #[serde(default)]
    pub sms: Option<Sms>,
    /// As an e-mail.
    #[serde(default)]
    pub email: Option<Email>,
    /// To a webhook of the brand's own.
    #[serde(default)]
    pub webhook: Option<Webhook>,
}

/// What a message from WeCom says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WecomContent)]
pub struct Wecom {
    /// The text, at most 4000 bytes.
    pub text: Text,
}

/// What a webhook is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookContent)]
pub struct Webhook {
    /// What it is about, for the receiver.
    pub topic: Code,
    /// Fields that the receiver gets.
    #[schema(value_type = BTreeMap<String, String>)]
    pub fields: BTreeMap<Code, Text>,
}

/// Where a campaign leads: a page of the brand's, over https.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
pub struct Link(String);

impl Link {
    /// The most characters of a link of ours, by which members follow a campaign's.
    pub const OURS: usize = 80;

    /// Reads an address: `https://`, a host, at most 500 visible ASCII characters, no name and password in it.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        const WANTED: Invalid =
            Invalid("an address that begins with https://, of at most 500 visible ASCII characters");
        let rest = text.strip_prefix("https://").ok_or(WANTED)?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let plain = text.len() <= 500 && text.bytes().all(|b| b.is_ascii_graphic() && !br#"\"<>^`{|}"#.contains(&b));
        let uri = text.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| host.contains('.')));
        if plain && uri && !host.contains('@') { Ok(Self(text.to_owned())) } else { Err(WANTED) }
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Link {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// What one message costs by channel, in fen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MessagePrices)]
pub struct Prices {
    /// A subscribe message.
    #[serde(default)]
    pub subscribe: Fen,
    /// A WeCom message.
    #[serde(default)]
    pub wecom: Fen,
    /// One part of a text message.
    #[serde(default = "sms_price")]
    pub sms_part: Fen,
    /// An e-mail.
    #[serde(default)]
    pub email: Fen,
    /// A call of the webhook.
    #[serde(default)]
    pub webhook: Fen,
}

impl Prices {
    fn of(&self, channel: Channel, parts: u32) -> Fen {
        match channel {
            Channel::Subscribe => self.subscribe,
            Channel::Wecom => self.wecom,
            Channel::Sms => Fen::computed(self.sms_part.number().saturating_mul(parts.into())),
            Channel::Email => self.email,
            Channel::Webhook => self.webhook,
        }
    }
}

fn sms_price() -> Fen {
    Fen::computed(5)
}

impl Default for Prices {
    fn default() -> Self {
        Self { subscribe: Fen::ZERO, wecom: Fen::ZERO, sms_part: sms_price(), email: Fen::ZERO, webhook: Fen::ZERO }
    }
}

/// What of a campaign its contents are checked against.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The channels of its plan.
    pub channels: &'a [Channel],
    /// Whether it advertises: then it has to say how to be left alone.
    pub marketing: bool,
    /// Its coupon code.
    pub coupon: Option<&'a str>,
}

/// A message with every placeholder filled in, as a provider is to send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rendered {
    /// A subscribe message.
    Subscribe {
        /// The template.
        template: TemplateId,
        /// The page that opens.
        page: Option<String>,
        /// What stands at each key.
        data: Vec<(Key, String)>,
    },
    /// A WeCom message.
    Wecom {
        /// The text.
        text: String,
    },
    /// A text message.
    Sms {
        /// The signature without brackets.
        sign: String,
        /// The provider's id of the template.
        template: String,
        /// The values of its variables, by name and in order.
        arguments: Vec<(&'static str, String)>,
        /// The text as the member will read it, without the signature.
        text: String,
    },
    /// An e-mail.
    Email {
        /// The subject.
        subject: String,
        /// The text.
        text: String,
        /// The same as HTML.
        html: Option<String>,
        /// Where one click ends all mail of this kind.
        unsubscribe: Option<String>,
    },
    /// A webhook's call.
    Webhook {
        /// What it is about.
        topic: Code,
        /// The fields.
        fields: Vec<(Code, String)>,
    },
}

impl Rendered {
    /// What a reader sees of it, a line for each part.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = |parts: Vec<&str>| parts.join("\n");
        match self {
            Self::Subscribe { data, .. } => lines(data.iter().map(|(_, value)| value.as_str()).collect()),
            Self::Wecom { text } => text.clone(),
            Self::Sms { sign, text, .. } => format!("【{sign}】{text}"),
            Self::Email { subject, text, .. } => format!("{subject}\n{text}"),
            Self::Webhook { fields, .. } => lines(fields.iter().map(|(_, value)| value.as_str()).collect()),
        }
    }

    /// What it costs.
    #[must_use]
    pub fn cost(&self, prices: &Prices) -> Fen {
        match self {
            Self::Subscribe { .. } => prices.of(Channel::Subscribe, 1),
            Self::Wecom { .. } => prices.of(Channel::Wecom, 1),
            Self::Sms { sign, text, .. } => prices.of(Channel::Sms, parts(units(sign, text))),
            Self::Email { .. } => prices.of(Channel::Email, 1),
            Self::Webhook { .. } => prices.of(Channel::Webhook, 1),
        }
    }
}

/// Why a content says nothing to a member on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unrendered {
    /// It has nothing for this channel.
    NoContent,
    /// A placeholder has no value.
    NoValue(Placeholder),
    /// What comes out may not stand at this key of the subscribe template.
    Unfit(Key),
}

impl Unrendered {
    /// As a send's record names it.
    #[must_use]
    pub fn word(self) -> String {
        match self {
            Self::NoContent => "no_content".to_owned(),
            Self::NoValue(placeholder) => format!("no_value.{}", placeholder.words().0),
            Self::Unfit(key) => format!("unfit.{key}"),
        }
    }
}

impl From<NoValue> for Unrendered {
    fn from(NoValue(placeholder): NoValue) -> Self {
        Self::NoValue(placeholder)
    }
}

impl Content {
    /// What is wrong with it for a campaign like this; pointers begin at the content.
    #[must_use]
    pub fn flaws(&self, setting: &Setting<'_>) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        for channel in setting.channels {
            if !self.speaks_on(*channel) {
                let detail = format!("must be there: the plan has the channel {}", channel.word());
                flaws.push(Flaw { pointer: format!("/{}", channel.word()), detail });
            }
        }
        for (pointer, text) in self.texts() {
            flaws.extend(self.unfilled(&pointer, text, setting));
        }
        flaws.extend(self.subscribe.iter().flat_map(|content| content.flaws(setting)));
        flaws.extend(self.wecom.iter().filter_map(|content| content.flaws(setting)));
        flaws.extend(self.sms.iter().flat_map(|content| content.flaws(setting)));
        flaws.extend(self.email.iter().flat_map(|content| content.flaws(setting)));
        flaws.extend(self.webhook.iter().filter_map(Webhook::flaws));
        flaws
    }

    /// What it says to one member on a channel.
    pub fn render(&self, channel: Channel, values: &Values) -> Result<Rendered, Unrendered> {
        const NOTHING: Unrendered = Unrendered::NoContent;
        let whole = |placeholder| values.of(placeholder);
        match channel {
            Channel::Subscribe => self.subscribe.as_ref().ok_or(NOTHING)?.render(values),
            Channel::Sms => Ok(self.sms.as_ref().ok_or(NOTHING)?.render(values)?),
            Channel::Email => Ok(self.email.as_ref().ok_or(NOTHING)?.render(values)?),
            Channel::Wecom => {
                let Wecom { text } = self.wecom.as_ref().ok_or(NOTHING)?;
                Ok(Rendered::Wecom { text: text.filled(whole)? })
            }
            Channel::Webhook => {
                let Webhook { topic, fields } = self.webhook.as_ref().ok_or(NOTHING)?;
                let fields = fields.iter().map(|(name, text)| Ok((name.clone(), text.filled(whole)?)));
                Ok(Rendered::Webhook { topic: topic.clone(), fields: fields.collect::<Result<_, NoValue>>()? })
            }
        }
    }

    /// The subscribe template of which a send on this channel spends a credit.
    #[must_use]
    pub fn credit(&self, channel: Channel) -> Option<&TemplateId> {
        self.subscribe.as_ref().filter(|_| channel == Channel::Subscribe).map(|content| &content.template)
    }

    /// The most that one message costs on a channel, with this coupon code.
    #[must_use]
    pub fn cost(&self, channel: Channel, coupon: Option<&str>, prices: &Prices) -> Fen {
        let parts = self.sms.as_ref().filter(|_| channel == Channel::Sms).map_or(1, |sms| sms.most_parts(coupon));
        prices.of(channel, parts)
    }

    const fn speaks_on(&self, channel: Channel) -> bool {
        match channel {
            Channel::Subscribe => self.subscribe.is_some(),
            Channel::Wecom => self.wecom.is_some(),
            Channel::Sms => self.sms.is_some(),
            Channel::Email => self.email.is_some(),
            Channel::Webhook => self.webhook.is_some(),
        }
    }

    /// Every text with its place.
    fn texts(&self) -> Vec<(String, &Text)> {
        let mut texts = Vec::new();
        if let Some(Subscribe { data, .. }) = &self.subscribe {
            texts.extend(data.iter().map(|(key, text)| (format!("/subscribe/data/{key}"), text)));
        }
        texts.extend(self.wecom.iter().map(|wecom| ("/wecom/text".to_owned(), &wecom.text)));
        texts.extend(self.sms.iter().map(|sms| ("/sms/text".to_owned(), &sms.text)));
        if let Some(Email { subject, text, html }) = &self.email {
            texts.extend([("/email/subject".to_owned(), subject), ("/email/text".to_owned(), text)]);
            texts.extend(html.iter().map(|html| ("/email/html".to_owned(), html)));
        }
        if let Some(Webhook { fields, .. }) = &self.webhook {
            texts.extend(fields.iter().map(|(name, text)| (format!("/webhook/fields/{name}"), text)));
        }
        texts
    }

    /// Placeholders of a text that may have no value when a message goes out.
    fn unfilled(&self, pointer: &str, text: &Text, setting: &Setting<'_>) -> Vec<Flaw> {
        let wants = |placeholder: Placeholder| match placeholder {
            Placeholder::Coupon if setting.coupon.is_none() => Some("the campaign has no coupon"),
            Placeholder::Link if self.link.is_none() => Some("the content has no link"),
            Placeholder::Unsubscribe if !pointer.starts_with("/email/") => Some("only an e-mail has such a link"),
            other if other.may_be_missing() => Some("a member may be without it"),
            _ => None,
        };
        let uncovered = text.placeholders().into_iter().filter(|(_, covered)| !covered);
        let flaws = uncovered.filter_map(|(placeholder, _)| {
            let (word, why) = (placeholder.words().0, wants(placeholder)?);
            let detail = format!("{{{word}}} may have no value: {why}; say something instead, as {{{word}|...}}");
            Some(Flaw { pointer: pointer.to_owned(), detail })
        });
        flaws.collect()
    }
}

/// A value cut to its room in a short message. A character outside the first plane takes the room of two there.
fn cut(placeholder: Placeholder, value: String) -> String {
    let mut room = match placeholder {
        Placeholder::Name => NAME_ROOM,
        Placeholder::Tier => TIER_ROOM,
        _ => return value,
    };
    let fits = |c: &char| {
        let left = room.checked_sub(c.len_utf16());
        room = left.unwrap_or(0);
        left.is_some()
    };
    value.chars().take_while(fits).collect()
}

/// The longest that each placeholder says in a short message.
fn widest(coupon: Option<&str>) -> impl Fn(Placeholder) -> Option<String> {
    let coupon = coupon.map(str::to_owned);
    move |placeholder| match placeholder {
        Placeholder::Name => Some("名".repeat(NAME_ROOM)),
        Placeholder::Tier => Some("级".repeat(TIER_ROOM)),
        Placeholder::Points | Placeholder::ExpiringPoints => Some("9".repeat(POINTS_ROOM)),
        Placeholder::ExpiresOn | Placeholder::OfferUntil => Some("2026年12月31日".to_owned()),
        Placeholder::Link | Placeholder::Unsubscribe => Some("x".repeat(LINK_ROOM)),
        Placeholder::Coupon => coupon.clone(),
    }
}

impl Wecom {
    fn flaws(&self, setting: &Setting<'_>) -> Option<Flaw> {
        let longest = self.text.longest(widest(setting.coupon)).len();
        let detail = format!("must have at most {WECOM_MOST} bytes with its values; a Chinese character has three");
        (longest > WECOM_MOST).then(|| Flaw { pointer: "/wecom/text".into(), detail })
    }
}

impl Webhook {
    fn flaws(&self) -> Option<Flaw> {
        let detail = format!("must have at most {FIELDS_MOST} fields");
        (self.fields.len() > FIELDS_MOST).then(|| Flaw { pointer: "/webhook/fields".into(), detail })
    }
}

#[cfg(test)]
mod tests;
