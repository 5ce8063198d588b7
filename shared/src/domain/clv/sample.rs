//! Members as the models count them, gathered shard by shard, and the fit.

use serde::{Deserialize, Serialize};

use super::counts::{Counts, Grain};
use super::history::{History, float, weeks, yuan};
use super::model::Model;
use super::{BgNbd, GammaGamma, purchases, spend};
use crate::domain::days::PurchaseDays;
use crate::values::LocalDay;

/// Different purchase histories, and different spends, that are told apart exactly.
///
/// Seven or eight bytes each where a sample is kept, so that a sample stays below 400 KB, the most that one item of the table
/// holds, however many members it counts.
const ROWS: usize = 24_000;

/// Members that a fit needs, repeat buyers among them, and days for which the first of them has been known.
///
/// Measured on the log of 23,570 real customers in the tests, of whom two in five came back within 39 weeks: fits to eight
/// different parts of 500 members foresee 10 % less to 17 % more purchases than the fit to all, parts of 250 already 12 %
/// less to 33 % more. Below a quarter of a year there are few second purchases to learn a rhythm from.
const MEMBERS: u64 = 500;
const REPEAT_BUYERS: u64 = 200;
const DAYS: u32 = 91;

/// Members counted by their purchases, as far as the models tell them apart.
///
/// Each shard of a pass over all members builds its own; merged, in any order, they are exactly the sample of a single
/// pass. Size and the time of a fit do not grow with the number of members: beyond 24,000 different histories days are
/// told apart by twos, then by fours and so on, and spends by their leading binary digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    visits: Counts<Visits, ROWS>,
    spends: Counts<Spend, ROWS>,
}

/// When members bought; days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Visits {
    repeats: u32,
    recency: u32,
    age: u32,
}

impl Grain for Visits {
    /// Days are told apart by 64.
    const COARSEST: u8 = 6;

    fn blurred(self, level: u8) -> Self {
        let begin = |days: u32| days >> level << level;
        Self { recency: begin(self.recency), age: begin(self.age), ..self }
    }
}

impl Visits {
    /// The members of this row, at the middle of the days that the level doesn't tell apart.
    fn alike(self, level: u8, members: u64) -> purchases::Alike {
        let middle = f64::from((1_u32 << level) - 1) / 2.0;
        purchases::Alike {
            repeats: self.repeats,
            recency: weeks(f64::from(self.recency) + middle),
            age: weeks(f64::from(self.age) + middle),
            members: float(members),
        }
    }
}

/// What repeat buyers spent; fen over all repeat purchase days, above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Spend {
    repeats: u32,
    fen: u64,
}

impl Spend {
    /// The binary digits of the sum that the level does not tell apart: none at first, then all but twelve, eleven ...
    fn dropped(self, level: u8) -> u32 {
        let digits = u64::BITS - self.fen.leading_zeros();
        if level == 0 { 0 } else { digits.saturating_sub(13 - u32::from(level)) }
    }

    /// The members of this row, at the middle of the sums that the level doesn't tell apart.
    fn alike(self, level: u8, members: u64) -> spend::Alike {
        let middle = ((1_u64 << self.dropped(level)) - 1) / 2;
        let mean = yuan(self.fen.saturating_add(middle)) / f64::from(self.repeats);
        spend::Alike { repeats: self.repeats, mean, members: float(members) }
    }
}

impl Grain for Spend {
    /// Two binary digits: sums are told apart by a half to a third.
    const COARSEST: u8 = 11;

    fn blurred(self, level: u8) -> Self {
        let dropped = self.dropped(level);
        Self { fen: self.fen >> dropped << dropped, ..self }
    }
}

/// Why no model can be fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error, utoipa::ToSchema)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Unfit {
    /// Too few members have bought.
    #[error("{members} members have bought; a model needs {least}")]
    TooFewMembers {
        /// There are.
        members: u64,
        /// A model needs.
        least: u64,
    },
    /// Too few members came back and paid for it.
    #[error("{repeat_buyers} members have bought and paid on a second day; a model needs {least}")]
    TooFewRepeatBuyers {
        /// There are.
        repeat_buyers: u64,
        /// A model needs.
        least: u64,
    },
    /// Nobody has been known for long enough.
    #[error("the first purchase was {days} days ago; a model needs {least} days")]
    TooShort {
        /// The longest time since a first purchase.
        days: u32,
        /// A model needs.
        least: u32,
    },
    /// The members buy in a way that the purchase model does not describe, such as all at the same rhythm.
    #[error("the members' purchases do not follow the purchase model; use segments instead")]
    StrangePurchases,
    /// The members spend in a way that the spend model does not describe, such as all the same, or some without measure.
    #[error("the members' spend does not follow the spend model; use segments instead")]
    StrangeSpend,
}

impl Sample {
    /// Counts a member by the purchase days up to `on`; who has not bought by then counts for nothing.
    ///
    /// A repeat buyer who paid nothing on all repeat days counts for frequency but not for spend, whose density has no
    /// place for zero; single days without a payment lower the mean. So does the published fit.
    pub fn add(&mut self, days: &PurchaseDays, on: LocalDay) {
        let Some(history) = History::of(days, on) else { return };
        let (repeats, fen) = (history.repeats(), history.spend().number());
        self.visits.add(Visits { repeats, recency: history.recency(), age: history.age() }, 1);
        if repeats > 0 && fen > 0 {
            self.spends.add(Spend { repeats, fen }, 1);
        }
    }

    /// Adds the members of another sample, which must be other members.
    pub fn merge(&mut self, other: Self) {
        self.visits.merge(other.visits);
        self.spends.merge(other.spends);
    }

    /// The members counted.
    #[must_use]
    pub fn members(&self) -> u64 {
        self.visits.rows().map(|(_, members)| members).sum()
    }

    /// The members who came back and paid for it.
    #[must_use]
    pub fn repeat_buyers(&self) -> u64 {
        self.spends.rows().map(|(_, members)| members).sum()
    }

    /// The model under which these members' purchases are most likely.
    ///
    /// No table calls; the same sample gives the same model.
    pub fn fit(&self, version: u32, on: LocalDay) -> Result<Model, Unfit> {
        self.suffices()?;
        let visits: Vec<_> = self.visits.rows().map(|(v, n)| v.alike(self.visits.level(), n)).collect();
        let spends: Vec<_> = self.spends.rows().map(|(s, n)| s.alike(self.spends.level(), n)).collect();
        let (purchases, log_likelihood) = BgNbd::fit(&visits).ok_or(Unfit::StrangePurchases)?;
        let (spend, spend_log_likelihood) = GammaGamma::fit(&spends).ok_or(Unfit::StrangeSpend)?;
        Ok(Model {
            version,
            fitted_on: on,
            members: self.members(),
            repeat_buyers: self.repeat_buyers(),
            purchases,
            log_likelihood,
            spend,
            spend_log_likelihood,
            spend_correlation: spend::correlation(&spends),
        })
    }

    fn suffices(&self) -> Result<(), Unfit> {
        let (members, repeat_buyers) = (self.members(), self.repeat_buyers());
        let days = self.visits.rows().map(|(visits, _)| visits.age).max().unwrap_or(0);
        if members < MEMBERS {
            return Err(Unfit::TooFewMembers { members, least: MEMBERS });
        }
        if repeat_buyers < REPEAT_BUYERS {
            return Err(Unfit::TooFewRepeatBuyers { repeat_buyers, least: REPEAT_BUYERS });
        }
        if days < DAYS {
            return Err(Unfit::TooShort { days, least: DAYS });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::values::Fen;

    fn today() -> LocalDay {
        LocalDay::parse("2026-03-01").unwrap()
    }

    fn member() -> impl Strategy<Value = PurchaseDays> {
        proptest::collection::vec((0_u32..2_000, 0_u64..150_000), 0..8).prop_map(|bought| {
            let mut days = PurchaseDays::default();
            for (ago, fen) in bought {
                days.buy(today().minus(ago), Fen::computed(fen));
            }
            days
        })
    }

    fn sample(members: &[PurchaseDays]) -> Sample {
        let mut sample = Sample::default();
        for days in members {
            sample.add(days, today());
        }
        sample
    }

    proptest! {
        #[test]
        fn shards_put_together_and_kept_in_between_are_the_sample_of_one_pass(
            members in proptest::collection::vec(member(), 0..30),
            split in any::<prop::sample::Index>(),
        ) {
            let whole = sample(&members);
            let (left, right) = members.split_at(split.index(members.len() + 1));
            let kept = postcard::to_stdvec(&sample(left)).unwrap();
            let mut merged = sample(right);
            merged.merge(postcard::from_bytes(&kept).unwrap());
            prop_assert_eq!(&merged, &whole);
            let text = serde_json::to_string(&whole).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Sample>(&text).unwrap(), &whole);
        }

        #[test]
        fn a_sum_is_blurred_by_less_than_the_share_that_its_level_promises(fen in 1_u64.., level in 0_u8..=11) {
            let exact = Spend { repeats: 1, fen };
            let blurred = exact.blurred(level);
            prop_assert_eq!(blurred.blurred(level), blurred);
            prop_assert_eq!(blurred.blurred(11), exact.blurred(11));
            let (found, wanted) = (blurred.alike(level, 1).mean, exact.alike(0, 1).mean);
            let promised = if level == 0 { 0.0 } else { 1.0 / f64::from(1_u32 << (13 - level)) };
            prop_assert!((found - wanted).abs() <= wanted * promised * (1.0 + 1e-9), "{found} for {wanted}");
        }
    }

    /// So many members who came a hundred days ago, of whom so many came back.
    fn shop(members: u64, back: u64) -> Sample {
        let mut shop = Sample::default();
        shop.visits.add(Visits { repeats: 0, recency: 0, age: 100 }, members - back);
        shop.visits.add(Visits { repeats: 1, recency: 30, age: 100 }, back);
        shop.spends.add(Spend { repeats: 1, fen: 10_000 }, back);
        shop
    }

    #[test]
    fn too_little_to_learn_from_is_refused_with_what_is_missing() {
        let few = Unfit::TooFewMembers { members: 499, least: 500 };
        assert_eq!(shop(499, 400).fit(1, today()), Err(few));
        assert_eq!(few.to_string(), "499 members have bought; a model needs 500");
        let strangers = Unfit::TooFewRepeatBuyers { repeat_buyers: 199, least: 200 };
        assert_eq!(shop(10_000, 199).fit(1, today()), Err(strangers));
        let mut young = Sample::default();
        young.visits.add(Visits { repeats: 1, recency: 30, age: 90 }, 500);
        young.spends.add(Spend { repeats: 1, fen: 10_000 }, 500);
        assert_eq!(young.fit(1, today()), Err(Unfit::TooShort { days: 90, least: 91 }));
        assert_eq!(Sample::default().fit(1, today()), Err(Unfit::TooFewMembers { members: 0, least: 500 }));
    }

    #[test]
    fn a_sample_of_very_many_members_still_fits_into_one_item_of_the_table() {
        let mut many = Sample::default();
        for n in 0..100_000_u32 {
            // No two alike: 7, 600 and 1,201 have no common divisor.
            let repeats = 1 + n % 7;
            many.visits.add(Visits { repeats, recency: n % 600, age: 600 + n % 1_201 }, 200);
            many.spends.add(Spend { repeats, fen: 10_000 + u64::from(n) * 9_973 }, 200);
        }
        assert_eq!((many.members(), many.repeat_buyers()), (20_000_000, 20_000_000));
        assert!(many.visits.level() > 0 && many.spends.level() > 0);
        assert!(postcard::to_stdvec(&many).unwrap().len() < 400_000);
    }

    #[test]
    fn members_who_all_buy_on_the_same_days_are_no_case_for_the_model() {
        assert_eq!(shop(1_000, 1_000).fit(1, today()), Err(Unfit::StrangePurchases));
    }

    #[test]
    fn who_comes_back_for_a_present_counts_for_frequency_alone() {
        let mut days = PurchaseDays::default();
        days.buy(today().minus(10), Fen::yuan(20));
        days.buy(today().minus(5), Fen::ZERO);
        let one = sample(&[days]);
        assert_eq!((one.members(), one.repeat_buyers()), (1, 0));
        assert_eq!(one.visits.rows().collect::<Vec<_>>(), [(Visits { repeats: 1, recency: 5, age: 10 }, 1)]);
    }
}
