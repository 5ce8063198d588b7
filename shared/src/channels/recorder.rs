//! A provider that keeps messages instead of sending them, and answers as it is told to.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::{Known, Message, Outcome, Sender, Sent};
use crate::domain::traits::Channel;
use crate::values::{CampaignId, MessageId, SendId};

type Answering = Arc<dyn Fn(&Message, u32) -> Outcome + Send + Sync>;
type Recalling = Arc<dyn Fn(&Sent) -> Known + Send + Sync>;

/// A call that came to the recorder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Went {
    /// The send.
    pub send: SendId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// The channel.
    pub channel: Channel,
    /// Where to, in clear: the recorder is for stand-ins and tests.
    pub to: String,
    /// What the caller heard.
    pub outcome: Outcome,
}

/// The provider of every channel at once, in this process. Clones share what they have kept.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Inner>);

#[derive(Default)]
struct Inner {
    went: Mutex<Vec<Went>>,
    answering: Mutex<Option<Answering>>,
    recalling: Mutex<Option<Recalling>>,
}

impl Recorder {
    /// Everything it was asked to send, in that order.
    #[must_use]
    pub fn went(&self) -> Vec<Went> {
        self.0.went.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers like this from now on; the number counts the calls for the same send from 1. Without it everything is
    /// accepted.
    pub fn answers(&self, answering: impl Fn(&Message, u32) -> Outcome + Send + Sync + 'static) {
        *self.0.answering.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(answering));
    }

    /// Its records say this from now on. Without it they say what the caller should have heard.
    pub fn recalls(&self, recalling: impl Fn(&Sent) -> Known + Send + Sync + 'static) {
        *self.0.recalling.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(recalling));
    }

    /// Itself as the provider of one channel.
    #[must_use]
    pub fn on(&self, channel: Channel) -> Arc<dyn Sender> {
        Arc::new(OneChannel { recorder: self.clone(), channel })
    }

    fn take(&self, message: &Message) -> Outcome {
        let answering = self.0.answering.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut went = self.0.went.lock().unwrap_or_else(PoisonError::into_inner);
        let before = went.iter().filter(|known| known.send == message.send).count();
        let call = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
        let outcome = answering.map_or_else(|| Outcome::Accepted(id_of(message.send)), |answer| answer(message, call));
        went.push(Went {
            send: message.send,
            campaign: message.campaign,
            channel: message.channel,
            to: message.to.as_str().to_owned(),
            outcome: outcome.clone(),
        });
        outcome
    }

    fn recall(&self, sent: &Sent) -> Known {
        let recalling = self.0.recalling.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match recalling {
            Some(recall) => recall(sent),
            None if self.went().iter().any(|known| known.send == sent.send) => Known::Accepted(id_of(sent.send)),
            None => Known::NotSent,
        }
    }
}

fn id_of(send: SendId) -> MessageId {
    MessageId::of(send)
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("went", &self.went().len()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct OneChannel {
    recorder: Recorder,
    channel: Channel,
}

impl Sender for OneChannel {
    fn channel(&self) -> Channel {
        self.channel
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome> {
        async move { self.recorder.take(message) }.boxed()
    }

    fn look_up<'a>(&'a self, sent: &'a Sent) -> BoxFuture<'a, Known> {
        async move { self.recorder.recall(sent) }.boxed()
    }
}
