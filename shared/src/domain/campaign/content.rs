//! Content: what a variant says on each channel.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::program::Flaw;
use crate::domain::traits::Channel;
use crate::values::{Fen, Note, TemplateId};

/// What a variant says, by channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// The text.
    pub text: Note,
    /// The subscribe template, where the plan has such a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateId>,
}

/// What placeholders stand for, for one member.
pub type Values = BTreeMap<String, String>;

/// A message with every placeholder filled in, as a provider is to send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// The subscribe template.
    pub template: Option<TemplateId>,
}

impl Content {
    /// What is wrong with it for these channels; pointers begin at the content.
    #[must_use]
    pub fn flaws(&self, channels: &[Channel]) -> Vec<Flaw> {
        let wants = channels.contains(&Channel::Subscribe) && self.template.is_none();
        let detail = "must be there for the channel subscribe".to_owned();
        wants.then(|| Flaw { pointer: "/template".to_owned(), detail }).into_iter().collect()
    }

    /// What it says to one member on a channel.
    #[must_use]
    pub fn render(&self, _channel: Channel, _values: &Values) -> Rendered {
        Rendered { text: self.text.as_str().to_owned(), template: self.template.clone() }
    }

    /// The subscribe template of which a send on this channel spends a credit.
    #[must_use]
    pub fn credit(&self, channel: Channel) -> Option<&TemplateId> {
        self.template.as_ref().filter(|_| channel == Channel::Subscribe)
    }

    /// What one message costs on a channel.
    #[must_use]
    pub fn cost(&self, channel: Channel) -> Fen {
        if channel == Channel::Sms { Fen::computed(5) } else { Fen::default() }
    }
}
