//! A child's profile, as the guardian keeps it: what to call the child, the birthday, the growth file.

use serde::{Deserialize, Serialize};

use super::age::under_fourteen_until;
use super::flaw::{Flaw, Flaws};
use super::refusal::Refusal;
use crate::values::{Birthday, LocalDay, Name};

/// The most children of one member.
pub const MOST_CHILDREN: usize = 10;
/// The most entries of one growth file: one a month until 14, and some.
pub const MOST_ENTRIES: usize = 200;
/// Heights that a child has, in millimetres.
const HEIGHTS: std::ops::RangeInclusive<u32> = 200..=2_300;

/// How big a child was on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// The day; each day has one entry.
    pub on: LocalDay,
    /// The height in millimetres, 200 to 2300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height_mm: Option<u32>,
    /// The size that fitted: `110`, `27码`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Name>,
}

/// What a guardian tells about a child. All of it is stored sealed, under a key of the child's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// What to call the child.
    pub name: Name,
    /// The birthday.
    pub birthday: Birthday,
    /// The growth file, oldest first.
    pub growth: Vec<Growth>,
}

impl Child {
    /// A child with the growth file in order of days.
    #[must_use]
    pub fn new(name: Name, birthday: Birthday, mut growth: Vec<Growth>) -> Self {
        growth.sort_by_key(|entry| entry.on);
        Self { name, birthday, growth }
    }

    /// Whether it may have a guardian's profile: somebody who is born, and not yet 14.
    pub fn check_age(&self, today: LocalDay) -> Result<(), Refusal> {
        if self.birthday.is_after(today) {
            return Err(Refusal::BirthdayInTheFuture);
        }
        under_fourteen_until(self.birthday, today).map(|_| ()).ok_or(Refusal::NoChild)
    }

    /// Everything that is wrong with the growth file, with its place in the request.
    #[must_use]
    pub fn flaws(&self, today: LocalDay) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        flaws.note(self.growth.len() > MOST_ENTRIES, "/growth", "must be at most 200 entries");
        let mut before: Option<LocalDay> = None;
        for (n, entry) in self.growth.iter().enumerate().take(MOST_ENTRIES) {
            let place = |field: &str| format!("/growth/{n}/{field}");
            flaws.note(before == Some(entry.on), place("on"), "must differ from the days of the other entries");
            let in_life = !self.birthday.is_after(entry.on) && entry.on <= today;
            flaws.note(!in_life, place("on"), "must lie between the birthday and today");
            flaws.note(
                entry.height_mm.is_some_and(|mm| !HEIGHTS.contains(&mm)),
                place("height_mm"),
                "must be 200 to 2300",
            );
            flaws.note(
                entry.height_mm.is_none() && entry.size.is_none(),
                format_args!("/growth/{n}"),
                "must have height_mm or size",
            );
            before = Some(entry.on);
        }
        flaws.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> LocalDay {
        LocalDay::parse(text).unwrap()
    }

    fn child(birthday: &str, growth: Vec<Growth>) -> Child {
        Child::new(Name::parse("豆豆").unwrap(), Birthday::parse(birthday).unwrap(), growth)
    }

    fn entry(on: &str, height_mm: u32) -> Growth {
        Growth { on: day(on), height_mm: Some(height_mm), size: None }
    }

    #[test]
    fn m1_a_guardians_profile_is_for_somebody_born_and_not_yet_fourteen() {
        let today = day("2026-03-01");
        let check = |birthday: &str| child(birthday, Vec::new()).check_age(today);
        assert_eq!(check("2026-03-01"), Ok(()));
        assert_eq!(check("2026-03-02"), Err(Refusal::BirthdayInTheFuture));
        assert_eq!(check("2012-03-02"), Ok(()));
        assert_eq!(check("2012-02-29"), Err(Refusal::NoChild), "14 today, because 2026 has no 29 February");
        assert_eq!(check("1988-05-20"), Err(Refusal::NoChild));
    }

    #[test]
    fn a_growth_file_is_in_order_and_within_the_childs_life() {
        let today = day("2026-03-01");
        let good = child("2020-05-20", vec![entry("2025-01-01", 1_050), entry("2024-01-01", 980)]);
        assert_eq!(good.flaws(today), []);
        assert_eq!(good.growth[0].on, day("2024-01-01"));
        let none = Growth { on: day("2025-01-03"), height_mm: None, size: None };
        let bad = [
            entry("2019-01-01", 500),
            entry("2025-01-01", 9),
            entry("2025-01-01", 900),
            none,
            entry("2026-03-02", 900),
        ];
        let places: Vec<String> =
            child("2020-05-20", bad.to_vec()).flaws(today).into_iter().map(|f| f.pointer).collect();
        assert_eq!(places, ["/growth/0/on", "/growth/1/height_mm", "/growth/2/on", "/growth/3", "/growth/4/on"]);
        let many = (0..201).map(|n| Growth { on: day("2024-01-01").plus(n), ..entry("2024-01-01", 900) }).collect();
        assert_eq!(child("2020-05-20", many).flaws(today)[0].pointer, "/growth");
    }
}
