//! The week: what is counted of all members once a week.
//!
//! Counts are as of the week's last day, and of groups: by the acquisition channel, and by segment within each. What a
//! week came to never changes afterwards; a board that was shown stays as it was.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::days::Window;
use crate::values::{Code, Fen, LocalDay};

/// Acquisition channels that are told apart; those with the fewest members beyond them count as not known.
const SOURCES: usize = 16;
/// Those that are while it is counted: members come in no order, so that large ones are met before these are used up.
const SOURCES_MET: usize = 2 * SOURCES;
/// Days after a first purchase within which a second one counts as coming back.
const TO_RETURN: u32 = 30;
/// Days without a purchase after which a customer counts as gone.
const UNTIL_GONE: u32 = 90;
/// The span over which customers are looked at.
const YEAR: u32 = 365;

/// From Monday to Sunday, in China.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Week(LocalDay);

impl Week {
    /// The week of a day.
    #[must_use]
    pub fn of(day: LocalDay) -> Self {
        Self(day.start_of_week())
    }

    /// The last week that is over on a day.
    #[must_use]
    pub fn before(day: LocalDay) -> Self {
        Self::of(day).earlier(1)
    }

    /// So many weeks earlier.
    #[must_use]
    pub fn earlier(self, weeks: u32) -> Self {
        Self(self.0.minus(7 * weeks))
    }

    /// Its Monday.
    #[must_use]
    pub const fn first_day(self) -> LocalDay {
        self.0
    }

    /// Its Sunday.
    #[must_use]
    pub fn last_day(self) -> LocalDay {
        self.0.plus(6)
    }

    /// Weeks since the one that began on 1970-01-05.
    #[must_use]
    pub fn number(self) -> u32 {
        u32::try_from((self.0.number() - 4) / 7).unwrap_or(0)
    }

    /// The week of a number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        let days = i32::try_from(number).ok()?.checked_mul(7)?;
        LocalDay::from_number(days + 4).map(Self)
    }
}

/// What is counted of a group of members in a week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Members, signed up or known by orders alone.
    pub members: u64,
    /// Those who have ever bought and kept something.
    pub bought: u64,
    /// Those who bought in the week, or did something in it or since.
    pub active: u64,
    /// Those who bought in the week.
    pub buyers: u64,
    /// Their orders of the week.
    pub orders: u64,
    /// What these came to, net, in fen.
    pub money: u64,
    /// Those who bought within 365 days.
    pub customers: u64,
    /// Those who did on two days or more.
    pub repeaters: u64,
    /// Those whose first purchase ever lies in the seven days that ended 30 days ago.
    pub newcomers: u64,
    /// Those among them who bought again within 30 days of it.
    pub returned: u64,
    /// Those who bought within the 365 days that ended 90 days ago.
    pub established: u64,
    /// Those among them who have not since.
    pub gone: u64,
    /// Those at whose invitation a friend has signed up.
    pub advocates: u64,
    /// Those for whom a lifetime value is foreseen.
    pub valued: u64,
    /// The sum of it, in fen.
    pub value: u64,
}

impl Counts {
    /// What one member adds, of whom the model foresees this value.
    #[must_use]
    pub fn of(account: &Account, week: Week, value: Option<Fen>) -> Self {
        let (first, last) = (week.first_day(), week.last_day());
        let within = |days, until| account.days.within(Window::Days(days), until);
        let (this_week, year) = (within(7, last), within(YEAR, last));
        let seen = account.traits.seen.iter().map(|seen| seen.day);
        let seen_since = seen.chain(account.streak.map(|streak| streak.last)).any(|day| day >= first);
        let mut bought = account.days.days().iter().filter(|day| day.orders > 0 && day.day <= last).map(|day| day.day);
        let (earliest, next) = (bought.next(), bought.next());
        let newcomer = earliest.is_some_and(|day| (TO_RETURN..TO_RETURN + 7).any(|ago| day == last.minus(ago)));
        let returned = newcomer && earliest.zip(next).is_some_and(|(day, next)| next <= day.plus(TO_RETURN));
        let established = within(YEAR, last.minus(UNTIL_GONE)).days > 0;
        let count = |holds: bool| u64::from(holds);
        Self {
            members: 1,
            bought: count(earliest.is_some()),
            active: count(this_week.days > 0 || seen_since),
            buyers: count(this_week.days > 0),
            orders: u64::from(this_week.orders),
            money: this_week.money.number(),
            customers: count(year.days > 0),
            repeaters: count(year.days > 1),
            newcomers: count(newcomer),
            returned: count(returned),
            established: count(established),
            gone: count(established && within(UNTIL_GONE, last).days == 0),
            advocates: count(account.traits.invited > 0),
            valued: count(value.is_some()),
            value: value.map_or(0, Fen::number),
        }
    }
}

impl Counts {
    /// What several weeks in a row came to: what happened in each is added up, what is so at the end is the last week's.
    #[must_use]
    pub fn over(weeks: &[Self]) -> Option<Self> {
        let (last, before) = weeks.split_last()?;
        let add = |sum: Self, week: &Self| Self {
            buyers: sum.buyers + week.buyers,
            orders: sum.orders + week.orders,
            money: sum.money + week.money,
            newcomers: sum.newcomers + week.newcomers,
            returned: sum.returned + week.returned,
            ..sum
        };
        Some(before.iter().fold(*last, add))
    }
}

impl AddAssign<&Self> for Counts {
    fn add_assign(&mut self, more: &Self) {
        self.members += more.members;
        self.bought += more.bought;
        self.active += more.active;
        self.buyers += more.buyers;
        self.orders += more.orders;
        self.money += more.money;
        self.customers += more.customers;
        self.repeaters += more.repeaters;
        self.newcomers += more.newcomers;
        self.returned += more.returned;
        self.established += more.established;
        self.gone += more.gone;
        self.advocates += more.advocates;
        self.valued += more.valued;
        self.value += more.value;
    }
}

/// The counts of all groups in a week: by acquisition channel, none where it is not known, and by segment within each,
/// none standing for all of the channel's members. A member is in as many segments as judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeekCounts(BTreeMap<Option<Code>, BTreeMap<Option<Code>, Counts>>);

impl WeekCounts {
    /// Counts a member.
    pub fn add(&mut self, account: &Account, week: Week, value: Option<Fen>) {
        let counts = Counts::of(account, week, value);
        let source = account.traits.source.clone();
        let has_place = self.0.len() < SOURCES_MET || self.0.contains_key(&source);
        let groups = self.0.entry(source.filter(|_| has_place)).or_default();
        let segments = account.segments.iter().cloned().map(Some);
        segments.chain([None]).for_each(|segment| *groups.entry(segment).or_default() += &counts);
    }

    /// Adds those of other members.
    pub fn merge(&mut self, other: Self) {
        for (source, groups) in other.0 {
            let ours = self.0.entry(source).or_default();
            for (segment, counts) in groups {
                *ours.entry(segment).or_default() += &counts;
            }
        }
    }

    /// The same with no more acquisition channels than are told apart.
    #[must_use]
    pub fn pooled(mut self) -> Self {
        let unknown = self.0.remove(&None);
        let mut known: Vec<_> = self.0.into_iter().collect();
        let members = |groups: &BTreeMap<_, Counts>| groups.get(&None).map_or(0, |all| all.members);
        known.sort_by_key(|(_, groups)| std::cmp::Reverse(members(groups)));
        let mut pooled = Self(unknown.map(|groups| (None, groups)).into_iter().collect());
        for (place, (source, groups)) in known.into_iter().enumerate() {
            pooled.merge(Self(BTreeMap::from([(source.filter(|_| place < SOURCES), groups)])));
        }
        pooled
    }

    /// Every acquisition channel with the counts of a segment's members, or of all.
    pub fn by_source(&self, segment: Option<&Code>) -> impl Iterator<Item = (Option<&Code>, Counts)> {
        let segment = segment.cloned();
        let of = move |groups: &BTreeMap<_, Counts>| groups.get(&segment).copied().unwrap_or_default();
        self.0.iter().map(move |(source, groups)| (source.as_ref(), of(groups)))
    }

    /// The counts of those of a source, or of all, who are in a segment, or of all.
    #[must_use]
    pub fn of(&self, source: Option<&Code>, segment: Option<&Code>) -> Counts {
        let mut sum = Counts::default();
        let asked = |by: Option<&Code>| source.is_none() || by == source;
        self.by_source(segment).filter(|(by, _)| asked(*by)).for_each(|(_, counts)| sum += &counts);
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::traits::Traits;
    use crate::values::MemberId;

    fn day(text: &str) -> LocalDay {
        LocalDay::parse(text).unwrap()
    }

    fn code(text: &str) -> Code {
        Code::parse(text).unwrap()
    }

    /// A member who bought for 100 fen on each of these days.
    fn member(bought: &[&str]) -> Account {
        let mut account = Account::new(MemberId::from_random([1; 16]));
        for on in bought {
            account.days.buy(day(on), Fen::new(100).unwrap());
        }
        account
    }

    /// What somebody adds to the week from 2026-03-02 to 2026-03-08.
    fn counts(bought: &[&str]) -> Counts {
        Counts::of(&member(bought), Week::of(day("2026-03-08")), None)
    }

    #[test]
    fn a_week_runs_from_monday_to_sunday_and_is_over_on_the_monday_after() {
        let week = Week::before(day("2026-03-09"));
        assert_eq!((week.first_day(), week.last_day()), (day("2026-03-02"), day("2026-03-08")));
        assert_eq!(Week::before(day("2026-03-15")), week);
        assert_eq!(Week::from_number(week.number()), Some(week));
        assert_eq!(Week::from_number(week.earlier(1).number() + 1), Some(week));
    }

    #[test]
    fn what_is_bought_in_the_week_is_its_money_and_what_comes_after_is_not() {
        let found = counts(&["2026-03-01", "2026-03-02", "2026-03-08", "2026-03-09"]);
        assert_eq!((found.buyers, found.orders, found.money, found.active), (1, 2, 200, 1));
        let later = counts(&["2026-03-09"]);
        assert_eq!(later, Counts { members: 1, ..Counts::default() });
    }

    #[test]
    fn who_first_bought_thirty_days_ago_has_come_back_by_a_second_purchase_within_thirty_days() {
        // The seven days that ended 30 days before 8 March are 31 January to 6 February.
        let cohort = |bought: &[&str]| (counts(bought).newcomers, counts(bought).returned);
        assert_eq!(cohort(&["2026-02-06", "2026-03-08"]), (1, 1));
        assert_eq!(cohort(&["2026-01-31", "2026-03-03"]), (1, 0), "31 days later");
        assert_eq!(cohort(&["2026-01-31"]), (1, 0));
        assert_eq!(cohort(&["2026-01-30", "2026-02-01"]), (0, 0));
        assert_eq!(cohort(&["2026-02-07", "2026-02-08"]), (0, 0));
    }

    #[test]
    fn a_customer_is_gone_after_ninety_days_without_a_purchase() {
        // The 90 days that end on 8 March begin on 9 December.
        let lost = |bought: &[&str]| (counts(bought).established, counts(bought).gone);
        assert_eq!(lost(&["2025-12-08"]), (1, 1));
        assert_eq!(lost(&["2025-12-08", "2025-12-09"]), (1, 0));
        assert_eq!(lost(&["2025-12-09"]), (0, 0), "too new to be gone");
        assert_eq!(lost(&["2024-12-08"]), (0, 0), "gone more than a year ago");
    }

    #[test]
    fn who_looked_is_active_and_a_full_refund_undoes_a_purchase() {
        let mut looked = member(&["2026-03-03"]);
        looked.days.refund(day("2026-03-03"), Fen::new(100).unwrap(), true);
        let week = Week::of(day("2026-03-08"));
        assert_eq!(Counts::of(&looked, week, None), Counts { members: 1, ..Counts::default() });
        looked.streak = Some(crate::domain::account::Streak { last: day("2026-03-02"), length: 1 });
        assert_eq!(Counts::of(&looked, week, None).active, 1);
    }

    #[test]
    fn over_several_weeks_purchases_add_up_and_customers_do_not() {
        let weeks = [counts(&["2026-02-02", "2026-03-04"]), counts(&["2026-02-02", "2026-03-04", "2026-03-05"])];
        let over = Counts::over(&weeks).unwrap();
        assert_eq!((over.members, over.customers, over.repeaters), (1, 1, 1));
        assert_eq!((over.buyers, over.orders, over.money), (2, 3, 300));
        assert_eq!((over.newcomers, over.returned), (2, 2));
        assert_eq!(Counts::over(&[]), None);
    }

    #[test]
    fn parts_add_up_to_the_whole_by_source_and_segment() {
        let week = Week::of(day("2026-03-08"));
        let (mut one, mut two) = (WeekCounts::default(), WeekCounts::default());
        for (n, part) in [&mut one, &mut two].into_iter().enumerate() {
            for source in [None, Some("qr"), Some("invite")] {
                let traits = Traits { source: source.map(code), ..Traits::default() };
                let account =
                    Account { traits, segments: vec![code("new"), code("silent")], ..member(&["2026-03-03"]) };
                part.add(&account, week, Fen::new(n as u64).ok());
            }
        }
        one.merge(two);
        let all = one.of(None, None);
        assert_eq!((all.members, all.buyers, all.valued, all.value), (6, 6, 6, 3));
        assert_eq!(one.of(Some(&code("qr")), Some(&code("new"))).members, 2);
        assert_eq!(one.of(Some(&code("qr")), Some(&code("dormant"))), Counts::default());
        assert_eq!(one.clone().pooled(), one);
    }

    #[test]
    fn the_largest_sources_are_told_apart_and_nobody_is_lost() {
        let mut many = WeekCounts::default();
        for n in 0..SOURCES + 10 {
            let traits = Traits { source: Some(code(&format!("s{n}"))), ..Traits::default() };
            let account = Account { traits, ..member(&[]) };
            (0..=n).for_each(|_| many.add(&account, Week::of(day("2026-03-08")), None));
        }
        let whole = many.of(None, None);
        let pooled = many.pooled();
        assert_eq!(pooled.of(None, None), whole);
        let sources: Vec<Option<&Code>> = pooled.by_source(None).map(|(source, _)| source).collect();
        assert!(
            sources.contains(&Some(&code("s25"))) && sources.contains(&None) && !sources.contains(&Some(&code("s0")))
        );
        assert_eq!(sources.len(), SOURCES + 1);
    }

    #[test]
    fn what_a_part_of_a_pass_has_counted_stays_far_below_what_an_item_may_hold() {
        let mut counts = WeekCounts::default();
        let segments = (0..80).map(|n| code(&format!("a-segment-of-a-long-name-{n:02}"))).collect();
        let mut account = Account { segments, ..member(&["2025-12-01", "2026-02-03", "2026-03-03"]) };
        for n in 0..100 {
            account.traits.source = Some(code(&format!("shop-number-{n}")));
            (0..200).for_each(|_| counts.add(&account, Week::of(day("2026-03-08")), Fen::new(100_000).ok()));
        }
        let bytes = postcard::to_stdvec(&counts).unwrap().len();
        assert!(bytes < 200_000, "{bytes}");
    }
}
