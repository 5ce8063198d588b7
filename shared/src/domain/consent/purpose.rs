//! Purposes: what personal data may be processed for, and under which rule each is asked for.

use serde::{Deserialize, Serialize};

use crate::domain::traits::Channel;
use crate::values::Invalid;

/// What personal data may be processed for. One purpose, one consent: none comes with another one.
///
/// Their order is stored in hot items: a new one comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Purpose {
    /// Marketing by WeChat subscribe messages.
    #[serde(rename = "marketing.subscribe")]
    Subscribe,
    /// Marketing by WeCom.
    #[serde(rename = "marketing.wecom")]
    Wecom,
    /// Marketing by text messages.
    #[serde(rename = "marketing.sms")]
    Sms,
    /// Marketing by e-mail.
    #[serde(rename = "marketing.email")]
    Email,
    /// Marketing by the brand's own webhook.
    #[serde(rename = "marketing.webhook")]
    Webhook,
    /// Choosing what somebody is shown by what is known of them. On unless refused (PIPL 24 asks for a way out).
    #[serde(rename = "personalisation")]
    Personalisation,
    /// Sensitive personal data (PIPL 29).
    #[serde(rename = "sensitive")]
    Sensitive,
    /// Handing data on to somebody else (PIPL 23).
    #[serde(rename = "third_party")]
    ThirdParty,
    /// Making something public (PIPL 25).
    #[serde(rename = "publication")]
    Publication,
    /// Taking data out of the country (PIPL 39).
    #[serde(rename = "cross_border")]
    CrossBorder,
    /// A guardian's, for a child's profile (PIPL 31, 儿童个人信息网络保护规定 9). One for each child.
    #[serde(rename = "children")]
    Children,
    /// A guardian's, for the profile of a member who is under 14 (the same articles).
    #[serde(rename = "minor")]
    Minor,
    /// Being judged by what is known: segments, score, forecast. On unless refused (PIPL 44: 限制或者拒绝).
    #[serde(rename = "profiling")]
    Profiling,
}

/// Under which rule a consent is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Plain consent (PIPL 13, 14).
    General,
    /// Separate consent: asked for by itself (PIPL 23, 25, 29, 39).
    Separate,
    /// A guardian's (PIPL 31).
    Guardian,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 13] = [
        Self::Subscribe,
        Self::Wecom,
        Self::Sms,
        Self::Email,
        Self::Webhook,
        Self::Personalisation,
        Self::Sensitive,
        Self::ThirdParty,
        Self::Publication,
        Self::CrossBorder,
        Self::Children,
        Self::Minor,
        Self::Profiling,
    ];

    /// The word by which routes, rules and answers name it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Subscribe => "marketing.subscribe",
            Self::Wecom => "marketing.wecom",
            Self::Sms => "marketing.sms",
            Self::Email => "marketing.email",
            Self::Webhook => "marketing.webhook",
            Self::Personalisation => "personalisation",
            Self::Sensitive => "sensitive",
            Self::ThirdParty => "third_party",
            Self::Publication => "publication",
            Self::CrossBorder => "cross_border",
            Self::Children => "children",
            Self::Minor => "minor",
            Self::Profiling => "profiling",
        }
    }

    /// The purpose that this word names.
    pub fn parse(word: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|purpose| purpose.word() == word);
        found.ok_or(Invalid("a purpose, as marketing.sms"))
    }

    /// Under which rule it is asked for.
    #[must_use]
    pub const fn scope(self) -> Scope {
        match self {
            Self::Subscribe
            | Self::Wecom
            | Self::Sms
            | Self::Email
            | Self::Webhook
            | Self::Personalisation
            | Self::Profiling => Scope::General,
            Self::Sensitive | Self::ThirdParty | Self::Publication | Self::CrossBorder => Scope::Separate,
            Self::Children | Self::Minor => Scope::Guardian,
        }
    }

    /// What a commercial message on this channel needs.
    #[must_use]
    pub const fn of_channel(channel: Channel) -> Self {
        match channel {
            Channel::Subscribe => Self::Subscribe,
            Channel::Wecom => Self::Wecom,
            Channel::Sms => Self::Sms,
            Channel::Email => Self::Email,
            Channel::Webhook => Self::Webhook,
        }
    }

    /// The channel whose commercial messages it is about, if it is about one.
    #[must_use]
    pub fn channel(self) -> Option<Channel> {
        Channel::ALL.into_iter().find(|channel| Self::of_channel(*channel) == self)
    }

    /// Whether nobody under 14 can have it: marketing, and being judged by what is known (儿童规定 13, 14).
    #[must_use]
    pub const fn is_for_grown_ups(self) -> bool {
        matches!(self, Self::Subscribe | Self::Wecom | Self::Sms | Self::Email | Self::Webhook)
            || self.is_on_unless_refused()
    }

    /// Whether it is on until the member says no: where the law asks for a way out, not for a way in (PIPL 24, 44).
    #[must_use]
    pub const fn is_on_unless_refused(self) -> bool {
        matches!(self, Self::Personalisation | Self::Profiling)
    }
}
