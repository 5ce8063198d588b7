//! What may happen, at random or by name.

use std::ops::Range;

use huitou::domain::consent::Purpose;
use huitou::domain::order::Topic;
use proptest::prelude::*;

/// People in the world.
pub(crate) const PEOPLE: usize = 3;

/// One order of a batch.
#[derive(Clone, Debug)]
pub(crate) struct Buy {
    pub(crate) who: usize,
    pub(crate) amount: u64,
    pub(crate) days_ago: u32,
    /// Named by the member's id, when that is known, instead of by card.
    pub(crate) by_id: bool,
    /// Sent twice in the same batch.
    pub(crate) twice: bool,
    /// An order that was sent before, instead of a new one.
    pub(crate) again: Option<usize>,
}

/// Something that is asked of the product.
#[derive(Clone, Debug)]
pub(crate) enum Doing {
    Orders(Vec<Buy>),
    Refund { order: usize, percent: u64, again: bool },
    Redeem { who: usize, reward: usize, quantity: u32 },
    Donate { who: usize, points: u64 },
    Hold { who: usize, percent: u64, minutes: u32 },
    Capture { hold: usize, percent: Option<u64> },
    Release { hold: usize },
    ReserveCoupon { who: usize, amount: u64 },
    RedeemCoupon { reservation: usize },
    RollBackCoupon { reservation: usize },
    CheckIn { who: usize },
    Adjust { who: usize, points: i64 },
    Event { who: usize, topic: Topic, by_card: bool },
    Decide { who: usize, purpose: Purpose, granted: bool },
    Merge { survivor: usize, absorbed: usize },
    Undo { merge: usize },
    Drain,
    Wait { hours: u64 },
}

impl Doing {
    /// One purchase of somebody named by card.
    pub(crate) fn buys(who: usize, amount: u64) -> Self {
        Self::Orders(vec![Buy { who, amount, days_ago: 0, by_id: false, twice: false, again: None }])
    }

    pub(crate) fn days(days: u64) -> Self {
        Self::Wait { hours: 24 * days }
    }
}

/// What goes wrong while something is done. Calls to the table count from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mishap {
    Nothing,
    /// The process dies before this call.
    DiesBefore(u64),
    /// The process dies during this call, which is carried out.
    DiesDuring(u64),
    /// The table asks to slow down, so often.
    Throttled(u64, u64),
    /// This transaction meets another one, so often.
    Conflict(u64, u64),
    /// This call is carried out, but its answer is lost.
    AnswerLost(u64),
    /// This call does not arrive.
    Unreachable(u64),
}

impl Mishap {
    pub(crate) fn is_death(self) -> bool {
        matches!(self, Self::DiesBefore(_) | Self::DiesDuring(_))
    }
}

fn who() -> Range<usize> {
    0..PEOPLE
}

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0_u64), 2 => 1_u64..200, 8 => 200_u64..20_000, 3 => 20_000_u64..100_000]
}

fn buy() -> impl Strategy<Value = Buy> {
    let days_ago = prop_oneof![6 => Just(0_u32), 2 => 1_u32..30];
    let again = prop_oneof![6 => Just(None), 1 => any::<usize>().prop_map(Some)];
    (who(), amount(), days_ago, any::<bool>(), prop::bool::weighted(0.1), again)
        .prop_map(|(who, amount, days_ago, by_id, twice, again)| Buy { who, amount, days_ago, by_id, twice, again })
}

/// Anything that may happen.
pub(crate) fn doing() -> impl Strategy<Value = Doing> {
    let topic = prop_oneof![Just(Topic::Review), Just(Topic::Share), Just(Topic::Photo), Just(Topic::View)];
    let purpose = prop_oneof![Just(Purpose::Sms), Just(Purpose::Personalisation), Just(Purpose::Profiling)];
    let percent = prop_oneof![3 => 1_u64..100, 2 => Just(100_u64), 1 => Just(120_u64)];
    prop_oneof![
        12 => prop::collection::vec(buy(), 1..5).prop_map(Doing::Orders),
        5 => (any::<usize>(), percent.clone(), prop::bool::weighted(0.2))
            .prop_map(|(order, percent, again)| Doing::Refund { order, percent, again }),
        3 => (who(), 0_usize..4, 1_u32..3).prop_map(|(who, reward, quantity)| Doing::Redeem { who, reward, quantity }),
        2 => (who(), 1_u64..300).prop_map(|(who, points)| Doing::Donate { who, points }),
        5 => (who(), percent.clone(), prop_oneof![1_u32..600, Just(700)])
            .prop_map(|(who, percent, minutes)| Doing::Hold { who, percent, minutes }),
        4 => (any::<usize>(), prop::option::of(percent)).prop_map(|(hold, percent)| Doing::Capture { hold, percent }),
        2 => any::<usize>().prop_map(|hold| Doing::Release { hold }),
        4 => (who(), amount()).prop_map(|(who, amount)| Doing::ReserveCoupon { who, amount }),
        2 => any::<usize>().prop_map(|reservation| Doing::RedeemCoupon { reservation }),
        2 => any::<usize>().prop_map(|reservation| Doing::RollBackCoupon { reservation }),
        2 => who().prop_map(|who| Doing::CheckIn { who }),
        3 => (who(), prop_oneof![3 => 1_i64..500, 2 => -200_i64..0]).prop_map(|(who, points)| Doing::Adjust { who, points }),
        2 => (who(), topic, any::<bool>()).prop_map(|(who, topic, by_card)| Doing::Event { who, topic, by_card }),
        4 => (who(), purpose, any::<bool>()).prop_map(|(who, purpose, granted)| Doing::Decide { who, purpose, granted }),
        3 => (who(), who()).prop_map(|(survivor, absorbed)| Doing::Merge { survivor, absorbed }),
        3 => any::<usize>().prop_map(|merge| Doing::Undo { merge }),
        3 => Just(Doing::Drain),
        7 => prop_oneof![3 => 1_u64..30, 3 => 30_u64..200, 1 => 200_u64..1_500].prop_map(|hours| Doing::Wait { hours }),
    ]
}

/// Anything that may go wrong.
pub(crate) fn mishap() -> impl Strategy<Value = Mishap> {
    let call = || 1_u64..9;
    prop_oneof![
        2 => Just(Mishap::Nothing),
        4 => call().prop_map(Mishap::DiesBefore),
        6 => call().prop_map(Mishap::DiesDuring),
        2 => (call(), 1_u64..4).prop_map(|(call, times)| Mishap::Throttled(call, times)),
        2 => (1_u64..4, 1_u64..3).prop_map(|(nth, times)| Mishap::Conflict(nth, times)),
        2 => call().prop_map(Mishap::AnswerLost),
        1 => call().prop_map(Mishap::Unreachable),
    ]
}
