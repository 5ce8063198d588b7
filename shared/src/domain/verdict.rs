//! Verdicts: a judgement about a customer, together with the day until which it holds if nothing happens.

use crate::values::LocalDay;

/// A value, and the first day on which time alone may change it; `None` means never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict<T> {
    /// What holds now.
    pub value: T,
    /// The first day on which it has to be judged again.
    pub until: Option<LocalDay>,
}

impl<T: PartialEq> Verdict<T> {
    /// The verdict of a judgement that time can change only on certain days.
    ///
    /// `turning` are all days on which the judgement may turn, in any order; between them it can't. The verdict holds
    /// until the first of them that gives another value, so it is exact: never late, never early.
    #[must_use]
    pub fn between(
        turning: impl IntoIterator<Item = LocalDay>,
        as_of: LocalDay,
        judge: impl Fn(LocalDay) -> T,
    ) -> Self {
        let mut ahead: Vec<LocalDay> = turning.into_iter().filter(|day| *day > as_of).collect();
        ahead.sort_unstable();
        ahead.dedup();
        let value = judge(as_of);
        let until = ahead.into_iter().find(|day| judge(*day) != value);
        Self { value, until }
    }
}
