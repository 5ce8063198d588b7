//! Verdicts: a judgement about a customer, together with the day until which it holds if nothing happens.
//!
//! Verdicts are put together by an algebra that never promises too much: the day of a composed verdict may be early,
//! never late. [`Verdict::tight`] follows early days until the value really turns, where the exact day is wanted.

use crate::values::LocalDay;

/// A value, and the first day on which time alone may change it; `None` means never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict<T> {
    /// What holds now.
    pub value: T,
    /// The first day on which it has to be judged again.
    pub until: Option<LocalDay>,
}

impl<T> Verdict<T> {
    /// What time alone can't change.
    #[must_use]
    pub const fn forever(value: T) -> Self {
        Self { value, until: None }
    }

    /// The same day with what `change` makes of the value.
    #[must_use]
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Verdict<U> {
        Verdict { value: change(self.value), until: self.until }
    }
}

/// So many days ahead the days of verdicts are followed.
const FOLLOWED_DAYS: i32 = 12 * 366;

/// The earlier of two days, where `None` is never.
#[must_use]
pub fn earlier(one: Option<LocalDay>, other: Option<LocalDay>) -> Option<LocalDay> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The later of two days, where `None` is never.
fn later(one: Option<LocalDay>, other: Option<LocalDay>) -> Option<LocalDay> {
    one.zip(other).map(|(one, other)| one.max(other))
}

impl Verdict<bool> {
    /// Whether all parts hold.
    ///
    /// True until the first of its parts may turn; false for as long as the most lasting of its false parts is.
    #[must_use]
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::agree(parts, true)
    }

    /// Whether some part holds: [`Verdict::all`] the other way round.
    #[must_use]
    pub fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::agree(parts, false)
    }

    /// `wanted` if every part is `wanted`; the parts that are not speak for the opposite.
    fn agree(parts: impl IntoIterator<Item = Self>, wanted: bool) -> Self {
        let mut agreed = Self::forever(wanted);
        for part in parts {
            agreed = match (agreed.value == wanted, part.value == wanted) {
                (true, true) => Self { value: wanted, until: earlier(agreed.until, part.until) },
                (true, false) => part,
                (false, false) => Self { value: !wanted, until: later(agreed.until, part.until) },
                (false, true) => agreed,
            };
        }
        agreed
    }
}

impl std::ops::Not for Verdict<bool> {
    type Output = Self;

    /// The opposite, until the same day.
    fn not(self) -> Self {
        self.map(|value| !value)
    }
}

impl<T> Verdict<Option<T>> {
    /// The first of a list whose rule holds, until one of the rules up to it may turn; none when no rule holds.
    #[must_use]
    pub fn first(list: impl IntoIterator<Item = (T, Verdict<bool>)>) -> Self {
        let mut until = None;
        for (entry, holds) in list {
            until = earlier(until, holds.until);
            if holds.value {
                return Self { value: Some(entry), until };
            }
        }
        Self { value: None, until }
    }
}

impl<T: PartialEq> Verdict<T> {
    /// The verdict on `on` with the day on which the value really turns: judges again on every day that a verdict gives,
    /// until the value is another one.
    ///
    /// Where birthdays come round for ever and the value stays the same, it is not followed beyond twelve years; then
    /// the day is early, as that of any verdict may be.
    #[must_use]
    pub fn tight(on: LocalDay, judge: impl Fn(LocalDay) -> Self) -> Self {
        let Self { value, mut until } = judge(on);
        let mut judged = on;
        // A day that doesn't lie ahead can only be the end of the calendar.
        while let Some(day) = until.filter(|day| *day > judged) {
            if judged.days_since(on) > FOLLOWED_DAYS {
                return Self { value, until };
            }
            let next = judge(day);
            if next.value != value {
                return Self { value, until: Some(day) };
            }
            (judged, until) = (day, next.until);
        }
        Self { value, until: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(offset: u32) -> LocalDay {
        LocalDay::FIRST.plus(offset)
    }

    fn verdict(value: bool, until: Option<u32>) -> Verdict<bool> {
        Verdict { value, until: until.map(day) }
    }

    #[test]
    fn all_holds_until_its_first_part_turns_and_fails_as_long_as_its_most_lasting_false_part() {
        let (soon, later, never) = (Some(3), Some(9), None);
        let all = |parts: [(bool, Option<u32>); 3]| Verdict::all(parts.map(|(value, until)| verdict(value, until)));
        assert_eq!(all([(true, later), (true, soon), (true, never)]), verdict(true, soon));
        assert_eq!(all([(false, soon), (true, soon), (false, later)]), verdict(false, later));
        assert_eq!(all([(false, soon), (false, never), (false, later)]), verdict(false, never));
    }

    #[test]
    fn any_is_all_the_other_way_round() {
        let parts = [verdict(true, Some(4)), verdict(false, Some(1)), verdict(true, Some(7))];
        assert_eq!(Verdict::any(parts), !Verdict::all(parts.map(|part| !part)));
        assert_eq!(Verdict::any(parts), verdict(true, Some(7)));
    }

    #[test]
    fn the_first_of_a_list_holds_until_one_before_it_may_take_its_place() {
        let list = [('a', verdict(false, Some(8))), ('b', verdict(true, Some(9))), ('c', verdict(true, Some(1)))];
        assert_eq!(Verdict::first(list), Verdict { value: Some('b'), until: Some(day(8)) });
        assert_eq!(Verdict::first([('a', verdict(false, None))]), Verdict::forever(None));
    }

    #[test]
    fn a_tight_verdict_is_never_early() {
        let turns_on_ten = |on: LocalDay| verdict(on >= day(10), Some(1)).with_next_day(on);
        assert_eq!(Verdict::tight(day(2), turns_on_ten), verdict(false, Some(10)));
        assert_eq!(Verdict::tight(LocalDay::LAST, |_| Verdict { value: 1, until: Some(LocalDay::LAST) }).until, None);
    }

    impl Verdict<bool> {
        fn with_next_day(self, on: LocalDay) -> Self {
            Self { until: (on < day(20)).then(|| on.plus(1)), ..self }
        }
    }
}
