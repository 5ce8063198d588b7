//! The census: of how many people the brand holds data, and whether they are so many that further duties begin.
//!
//! Whoever processes the data of ten million people has the duties of one who processes important data (网络数据安全管理条例
//! 28): somebody named to answer for it, a risk assessment every year that goes to the authorities, a plan for the data when
//! the company ends or splits. None of them is Huitou's; that they have begun is told.

use serde::{Deserialize, Serialize};

use super::account::{Account, Membership};
use crate::values::LocalDay;

/// The number of people from which on the duties are the brand's (条例 28).
pub const DUTIES_FROM: u64 = 10_000_000;

/// How many people there are, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Census {
    /// When they were counted.
    pub counted_on: LocalDay,
    /// Members, signed up or known by orders alone, and their children.
    pub people: u64,
    /// From how many on the further duties are the brand's.
    pub duties_from: u64,
    /// Whether there are so many.
    pub duties_begun: bool,
}

impl Census {
    /// What so many people come to.
    #[must_use]
    pub const fn of(people: u64, counted_on: LocalDay, duties_from: u64) -> Self {
        Self { counted_on, people, duties_from, duties_begun: people >= duties_from }
    }
}

impl Account {
    /// The people of whom the account tells: a member and the children, nobody where the account was erased or taken
    /// over by another one. Who is under a legal hold is somebody whose data is held.
    #[must_use]
    pub fn people(&self) -> u64 {
        match self.membership {
            Membership::Unclaimed | Membership::Claimed | Membership::OnHold { .. } => {
                1 + u64::try_from(self.children.len()).unwrap_or(0)
            }
            Membership::MergedInto(_) | Membership::Erased => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::MemberId;

    #[test]
    fn x2_from_ten_million_people_on_further_duties_are_told_of() {
        let today = LocalDay::parse("2026-03-02").unwrap();
        let begun = |people| Census::of(people, today, DUTIES_FROM).duties_begun;
        assert!(!begun(0) && !begun(9_999_999) && begun(10_000_000) && begun(1_400_000_000));
    }

    #[test]
    fn x2_whoever_is_held_counts_once_and_whoever_is_gone_not_at_all() {
        let member = MemberId::from_random([1; 16]);
        let people = |membership| Account { membership, ..Account::new(member) }.people();
        assert_eq!([Membership::Unclaimed, Membership::OnHold { claimed: true }].map(people), [1, 1]);
        assert_eq!([Membership::Erased, Membership::MergedInto(member)].map(people), [0, 0]);
    }
}
