//! Answers: what members did with the messages that reached them, as segments' rules ask for it.
//!
//! An order that a campaign's message led to, and a word by which a member ends messages, stand in rows of their own and
//! tell it already; everything else is a row only when a rule could tell the difference.

use super::account::Account;
use super::entry::What;
use super::posting::{Failure, Posted, Posting};
use super::rulebook::Rulebook;
use super::traits::{Channel, ChannelAnswer, Reply};
use crate::values::{Actor, Moment, RowKey, SendId};

/// The member did this with a message on a channel. None when no rule could tell the difference.
pub fn answer(
    before: &Account,
    (send, channel, reply): (SendId, Channel, Reply),
    rules: &Rulebook,
    now: Moment,
    by: Actor,
) -> Result<Option<Posted>, Failure> {
    if !before.traits.is_news(ChannelAnswer { channel, reply, day: now.day() }) {
        return Ok(None);
    }
    let row = RowKey::of("answer", &[&send.to_string(), reply.word()]);
    let posting = Posting::open(before, rules, now)?;
    Ok(Some(posting.close(row, by, What::Answered { send, channel, reply })?))
}
