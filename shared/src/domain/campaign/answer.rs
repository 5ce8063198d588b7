//! What becomes of a send after it went out: what its provider tells of it later, and what the member does with it.
//!
//! Providers tell late, twice, and in any order. Told again, nothing changes; told the other way round, a message that
//! bounced stays bounced.

use super::counts::{Count, Counts};
use super::outcome::Failure;
use super::send::{Answers, Send, State};
use crate::domain::reach::SuppressedBy;
use crate::values::Moment;

/// What a provider tells of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It reached the member.
    Delivered,
    /// It could not be delivered this time.
    Failed(Failure),
    /// It could not be delivered, and nothing else is to go there.
    Unwanted(SuppressedBy, Failure),
}

/// What a member does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Opens it.
    Opens,
    /// Follows its link.
    Clicks,
}

impl Send {
    /// The send after its provider has told of it; none when that is nothing new, or when no provider was asked.
    #[must_use]
    pub fn told(&self, fate: &Fate, now: Moment) -> Option<Self> {
        let call = self.call()?.clone();
        let state = match (&self.state, fate) {
            (State::Bounced { .. }, _) | (State::Delivered { .. }, Fate::Delivered) => return None,
            (State::Accepted { id, .. } | State::AwaitingStaff { id, .. }, Fate::Delivered) => {
                State::Delivered { call, id: Some(id.clone()), at: now }
            }
            (_, Fate::Delivered) => State::Delivered { call, id: None, at: now },
            (_, Fate::Failed(reason) | Fate::Unwanted(_, reason)) => State::Bounced { call, reason: reason.clone() },
        };
        Some(self.moved_to(state, now))
    }

    /// The send after the member did this for the first time, and what is counted for it; none for the second time, and
    /// for what never went out.
    #[must_use]
    pub fn answered(&self, doing: Doing, now: Moment) -> Option<(Self, Counts)> {
        let channel = self.call()?.channel;
        let (before, what, answers) = match doing {
            Doing::Opens => (self.answers.opened_at, Count::OPENED, Answers { opened_at: Some(now), ..self.answers }),
            Doing::Clicks => {
                (self.answers.clicked_at, Count::CLICKED, Answers { clicked_at: Some(now), ..self.answers })
            }
        };
        if before.is_some() {
            return None;
        }
        let mut counts = Counts::default();
        counts.add(&Count { what: what.to_owned(), variant: self.variant.clone(), channel: Some(channel) }, 1);
        Some((Self { answers, ..self.clone() }, counts))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::campaign::outcome::Fault;
    use crate::domain::campaign::send::{Call, Taken};
    use crate::domain::traits::Channel;
    use crate::values::{CampaignId, Fen, MemberId, MessageId};

    fn now() -> Moment {
        Moment::parse("2026-11-14T12:00:00+08:00").unwrap()
    }

    fn call() -> Call {
        Call { channel: Channel::Sms, at: now(), taken: Taken { shard: None, cost: Fen::computed(5), credit: None } }
    }

    fn a_send(state: State) -> Send {
        let campaign = CampaignId::of("test", &["campaign"]);
        let send = Send::new(campaign, MemberId::from_random([7; 16]), None, now(), now());
        send.moved_to(state, now())
    }

    fn accepted() -> Send {
        a_send(State::Accepted { call: call(), id: MessageId::parse("1").unwrap() })
    }

    fn failure() -> Failure {
        Failure { of: Fault::Recipient, code: "UNDELIV".to_owned() }
    }

    #[test]
    fn a_receipt_tells_once_and_a_bounce_stays_one() {
        let delivered = accepted().told(&Fate::Delivered, now()).unwrap();
        assert!(matches!(delivered.state, State::Delivered { id: Some(_), .. }));
        assert_eq!(delivered.told(&Fate::Delivered, now()), None);
        let bounced = delivered.told(&Fate::Failed(failure()), now()).unwrap();
        assert!(matches!(bounced.state, State::Bounced { .. }));
        assert_eq!(bounced.told(&Fate::Delivered, now()), None);
    }

    #[test]
    fn a_receipt_that_comes_before_the_answer_was_written_is_not_lost() {
        for state in [State::Claimed { call: call() }, State::Unknown { call: call(), looks: 1, look_at: None }] {
            let delivered = a_send(state).told(&Fate::Delivered, now()).unwrap();
            assert!(matches!(delivered.state, State::Delivered { .. }));
        }
        assert_eq!(a_send(State::Holdout).told(&Fate::Delivered, now()), None);
    }

    #[test]
    fn opening_and_clicking_count_once_each() {
        let (opened, counts) = accepted().answered(Doing::Opens, now()).unwrap();
        assert_eq!(counts.sum(Count::OPENED), 1);
        assert_eq!(opened.answered(Doing::Opens, now()), None);
        let (clicked, counts) = opened.answered(Doing::Clicks, now()).unwrap();
        assert_eq!((counts.sum(Count::CLICKED), counts.sum(Count::OPENED)), (1, 0));
        assert!(clicked.answers.opened_at.is_some() && clicked.answers.clicked_at.is_some());
        assert_eq!(a_send(State::Holdout).answered(Doing::Clicks, now()), None);
    }

    proptest! {
        /// However receipts are ordered and repeated, a send is counted in exactly one place.
        #[test]
        fn receipts_in_any_order_keep_the_sum(fates in prop::collection::vec(0_u8..3, 0..8)) {
            let first = accepted();
            let (mut send, mut counts) = (first.clone(), first.counts_since(None));
            for fate in fates {
                let fate = match fate {
                    0 => Fate::Delivered,
                    1 => Fate::Failed(failure()),
                    _ => Fate::Unwanted(SuppressedBy::Blacklist, failure()),
                };
                if let Some(next) = send.told(&fate, now()) {
                    counts.merge(&next.counts_since(Some(&send)));
                    send = next;
                }
            }
            prop_assert_eq!(counts.sum("sent"), 1);
            prop_assert_eq!(counts.sum(Count::COST), 5);
        }
    }
}
