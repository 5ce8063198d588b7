//! The channels port: how a message gets from the product to a member, by whichever provider.
//!
//! A provider is called once per claimed send. What it says is told apart by what may be done next: a message that
//! surely did not go out may be tried again or on another channel, one that may have gone out never is.

mod aliyun;
mod line;
pub mod receipts;
mod recorder;
mod ses;
pub mod settings;
mod signing;
pub mod smtp;
mod subscribe;
mod tencent;
#[cfg(test)]
mod tests;
mod webhook;
mod wecom;

use std::fmt;
use std::sync::Arc;

use crate::domain::campaign::content::Rendered;
use crate::domain::traits::Channel;
use crate::values::{CampaignId, MessageId, Moment, SendId};
use futures_util::future::BoxFuture;

pub use crate::domain::campaign::outcome::{Busy, Failure, Fault, Known, Outcome, Scope};
pub use aliyun::{AliyunMail, AliyunSms};
pub use line::{Account, Line};
pub use recorder::{Recorder, Went};
pub use ses::Ses;
pub use smtp::Smtp;
pub use subscribe::SubscribeMessages;
pub use tencent::TencentSms;
pub use webhook::{Secret, Webhook};
pub use wecom::WecomMessages;

/// Where a member is reached on one channel: an openid, a WeCom external user id, a phone number with its country code
/// and without the plus sign, an e-mail address; on the brand's own webhook the member's id.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address(String);

impl Address {
    /// An address as the member's profile holds it.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The address in clear, for the provider alone.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An address is personal and never shows.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(..)")
    }
}

/// One message, ready to go.
#[derive(Clone, Debug)]
pub struct Message {
    /// The send: what a provider is to give back with its receipts, where it gives something back.
    pub send: SendId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// The channel.
    pub channel: Channel,
    /// To whom.
    pub to: Address,
    /// What it says, every placeholder filled in.
    pub content: Rendered,
}

/// A message whose fate is to be looked up.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The send.
    pub send: SendId,
    /// The channel.
    pub channel: Channel,
    /// To whom.
    pub to: Address,
    /// When the provider was called.
    pub at: Moment,
    /// The provider's id, if it was heard.
    pub id: Option<MessageId>,
}

/// A provider of one channel.
pub trait Sender: fmt::Debug + Send + Sync {
    /// The channel.
    fn channel(&self) -> Channel;

    /// Whether receipts name a message by the provider's own id alone, so that it has to be kept where it finds the send.
    fn reports_by_its_own_id(&self) -> bool {
        false
    }

    /// Asks the provider to send a message; at most one call whose answer is not surely "not sent", and no retry.
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome>;

    /// What the provider's records say of a message whose answer nobody heard.
    fn look_up<'a>(&'a self, sent: &'a Sent) -> BoxFuture<'a, Known>;
}

/// The providers in use, one for each channel that has any.
#[derive(Clone, Debug, Default)]
pub struct Senders(Vec<Arc<dyn Sender>>);

impl Senders {
    /// These providers; of several for one channel the first counts.
    #[must_use]
    pub const fn new(senders: Vec<Arc<dyn Sender>>) -> Self {
        Self(senders)
    }

    /// The provider of a channel; none when the brand has none.
    #[must_use]
    pub fn of(&self, channel: Channel) -> Option<&dyn Sender> {
        self.0.iter().find(|sender| sender.channel() == channel).map(AsRef::as_ref)
    }

    /// One provider for every channel, which keeps what it is asked to send instead of sending it.
    #[must_use]
    pub fn recording(recorder: &Recorder) -> Self {
        Self(Channel::ALL.iter().map(|channel| recorder.on(*channel)).collect())
    }
}

/// Headers by which a mail client shows a way out of its own, and one click is enough (RFC 2369, RFC 8058).
fn mail_headers(unsubscribe: Option<&str>) -> Vec<(&'static str, String)> {
    let Some(address) = unsubscribe else { return Vec::new() };
    vec![
        ("List-Unsubscribe", format!("<{address}>")),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()),
    ]
}
