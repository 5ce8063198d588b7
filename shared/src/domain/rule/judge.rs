//! Judging a member: every comparison says exactly until when it holds, and the algebra of verdicts does the rest.
//!
//! Windows count by day, the as-of day included. A fact dated after the as-of day is not there yet; the verdict then
//! ends on its day at the latest.

use super::{Among, Coming, Comparison, Event, Measure, Number, Rule, Test, Text, Units};
use crate::domain::days::{PurchaseDay, Window};
use crate::domain::facts::Facts;
use crate::domain::traits::Tag;
use crate::domain::verdict::{Verdict, earlier};
use crate::values::{Code, Fen, LocalDay, Name};

/// What the sets say about a member, and the health score: what a rule may refer to beside the facts.
#[derive(Clone, Debug)]
pub struct Sets<'a> {
    /// The score.
    pub health: Verdict<u64>,
    /// Each set's id and the entry that the member is in.
    pub entries: Vec<(&'a Code, Verdict<Option<&'a Code>>)>,
}

impl Default for Sets<'_> {
    fn default() -> Self {
        Self { health: Verdict::forever(0), entries: Vec::new() }
    }
}

impl Sets<'_> {
    fn entry(&self, set: &Code) -> Verdict<Option<&str>> {
        let found = self.entries.iter().find(|(id, _)| *id == set);
        found.map_or(Verdict::forever(None), |(_, entry)| entry.map(|entry| entry.map(Code::as_str)))
    }
}

impl Rule {
    /// Whether the rule holds for a member on a day, and until when if nothing happens: maybe early, never late.
    #[must_use]
    pub fn judge(&self, facts: &Facts<'_>, sets: &Sets<'_>, on: LocalDay) -> Verdict<bool> {
        match self {
            Self::Everyone => Verdict::forever(true),
            Self::Is(comparison) => comparison.judge(facts, sets, on),
            Self::Not(rule) => !rule.judge(facts, sets, on),
            Self::All(parts) => Verdict::all(parts.iter().map(|part| part.judge(facts, sets, on))),
            Self::Any(parts) => Verdict::any(parts.iter().map(|part| part.judge(facts, sets, on))),
        }
    }
}

impl Comparison {
    /// Whether the comparison holds, and exactly until when; for sets and the score as exactly as they are given.
    #[must_use]
    pub fn judge(&self, facts: &Facts<'_>, sets: &Sets<'_>, on: LocalDay) -> Verdict<bool> {
        match self {
            Self::Number(Number::Since(event), test) => event.judge(facts, test, on),
            Self::Number(Number::Until(coming), test) => coming.judge(facts, test, on),
            Self::Number(Number::Bought(measure, window), test) => {
                Bought::of(facts, window.unwrap_or(facts.window), on).judge(*measure, test)
            }
            Self::Number(Number::Units(units), test) => units.judge(facts, test, on),
            Self::Number(Number::Invited, test) => Verdict::forever(test.holds(u64::from(facts.traits.invited))),
            Self::Number(Number::Health, test) => sets.health.map(|score| test.holds(score)),
            Self::Text(text, among) => text.judge(facts, sets, among, on),
        }
    }
}

impl Number {
    /// The number of a member on a day; none when it is unknown.
    #[must_use]
    pub fn of(&self, facts: &Facts<'_>, sets: &Sets<'_>, on: LocalDay) -> Option<u64> {
        match self {
            Self::Since(event) => event.day(facts, on).map(|day| days_between(day, on)),
            Self::Until(coming) => coming.days(facts, on).map(u64::from),
            Self::Bought(measure, window) => {
                Some(Bought::of(facts, window.unwrap_or(facts.window), on).sums.number(*measure))
            }
            Self::Units(units) => Some(units.counted(facts, on).iter().map(|(_, units)| u64::from(*units)).sum()),
            Self::Invited => Some(u64::from(facts.traits.invited)),
            Self::Health => Some(sets.health.value),
        }
    }
}

/// Days from one to a later one.
fn days_between(from: LocalDay, on: LocalDay) -> u64 {
    u64::try_from(on.days_since(from)).unwrap_or(0)
}

/// So many days after `day`.
fn days_after(day: LocalDay, days: u64) -> LocalDay {
    day.plus(u32::try_from(days).unwrap_or(u32::MAX))
}

/// The part of a list ordered by day that is known on `on`, and the day of the first thing after it.
fn known<T>(list: &[T], on: LocalDay, day: impl Fn(&T) -> LocalDay) -> (&[T], Option<LocalDay>) {
    let end = list.partition_point(|item| day(item) <= on);
    let (known, ahead) = list.split_at_checked(end).unwrap_or((list, &[]));
    (known, ahead.first().map(day))
}

impl Event {
    /// The day of the event, as known on `on`.
    fn day(self, facts: &Facts<'_>, on: LocalDay) -> Option<LocalDay> {
        self.days(facts, on).0
    }

    /// The day of the event as known on `on`, and a day ahead that may be in its place.
    fn days(self, facts: &Facts<'_>, on: LocalDay) -> (Option<LocalDay>, Option<LocalDay>) {
        let traits = facts.traits;
        let single = |day: Option<LocalDay>| (day.filter(|day| *day <= on), day.filter(|day| *day > on));
        match self {
            Self::LastOrder | Self::FirstOrder => {
                let (known, ahead) = known(facts.days.days(), on, |bought| bought.day);
                let mut paid = known.iter().filter(|bought| bought.orders > 0).map(|bought| bought.day);
                (if self == Self::LastOrder { paid.next_back() } else { paid.next() }, ahead)
            }
            Self::Seen(topic) => single(traits.last_seen(topic)),
            Self::Anything => {
                let days = traits.seen.iter().map(|seen| seen.day);
                (days.clone().filter(|day| *day <= on).max(), days.filter(|day| *day > on).min())
            }
            Self::SizeReturn => single(traits.size_return),
        }
    }

    fn judge(self, facts: &Facts<'_>, test: &Test, on: LocalDay) -> Verdict<bool> {
        let (day, ahead) = self.days(facts, on);
        let Some(day) = day else {
            return Verdict { value: false, until: ahead };
        };
        let since = days_between(day, on);
        let turns = test.turns_above(since).map(|turn| days_after(day, turn));
        Verdict { value: test.holds(since), until: earlier(turns, ahead) }
    }
}

/// For so many days at most a countdown is followed. Years differ by their 29 February alone, and within twelve of them
/// there is every kind, also around a century: what has not turned by then never will.
const COUNTDOWN_DAYS: i32 = 12 * 366;

impl Coming {
    /// Days until the birthday comes round, as counted on `on`.
    fn days(self, facts: &Facts<'_>, on: LocalDay) -> Option<u32> {
        match self {
            Self::Own => facts.own.birthday.map(|birthday| birthday.days_until(on)),
            Self::Child => facts.known_children().map(|child| child.birthday.days_until(on)).min(),
        }
    }

    fn judge(self, facts: &Facts<'_>, test: &Test, on: LocalDay) -> Verdict<bool> {
        let holds = |days: u32| test.holds(u64::from(days));
        let Some(mut days) = self.days(facts, on) else { return Verdict::forever(false) };
        let value = holds(days);
        let mut from = on;
        // Most rules that never turn are told at once.
        let turns = test.turns().any(|turn| turn <= Self::MOST_DAYS && test.holds(turn) != test.holds(0));
        while turns && from.days_since(on) <= COUNTDOWN_DAYS {
            // The number counts down to 0 day by day, and begins again on the day after.
            let below = test.turns().filter_map(|turn| u32::try_from(turn).ok()?.checked_sub(1));
            let turn = below.filter(|below| *below < days && holds(*below) != value).max();
            let next = from.plus(turn.map_or(days + 1, |below| days - below));
            if next <= from {
                break;
            }
            (from, days) = (next, self.days(facts, next).unwrap_or(0));
            if holds(days) != value {
                return Verdict { value, until: Some(from) };
            }
        }
        Verdict::forever(value)
    }
}

/// Sums over purchase days.
#[derive(Clone, Copy, Default)]
struct Sums {
    days: u64,
    orders: u64,
    money: Fen,
}

impl Sums {
    fn add(self, bought: &PurchaseDay) -> Self {
        Self {
            days: self.days + u64::from(bought.orders > 0),
            orders: self.orders + u64::from(bought.orders),
            money: self.money + bought.money,
        }
    }

    fn take(self, bought: &PurchaseDay) -> Self {
        Self {
            days: self.days.saturating_sub(u64::from(bought.orders > 0)),
            orders: self.orders.saturating_sub(u64::from(bought.orders)),
            money: self.money.saturating_sub(bought.money),
        }
    }

    fn number(self, measure: Measure) -> u64 {
        match measure {
            Measure::Frequency => self.days,
            Measure::Orders => self.orders,
            Measure::Money => self.money.number(),
            Measure::Basket => self.money.number().checked_div(self.orders).unwrap_or(0),
        }
    }
}

/// What was bought inside a window, and when it leaves.
struct Bought<'a> {
    counted: &'a [PurchaseDay],
    sums: Sums,
    /// None for all time, where nothing leaves.
    width: Option<u32>,
    ahead: Option<LocalDay>,
}

impl<'a> Bought<'a> {
    fn of(facts: &Facts<'a>, window: Window, on: LocalDay) -> Self {
        let (known, ahead) = known(facts.days.days(), on, |bought| bought.day);
        let first = window.first_day(on);
        let (_, counted) =
            known.split_at_checked(known.partition_point(|bought| bought.day < first)).unwrap_or((&[], known));
        let width = match window {
            Window::Lifetime => None,
            // No window is shorter than the as-of day.
            Window::Days(days) => Some(days.max(1)),
        };
        Self { counted, sums: counted.iter().fold(Sums::default(), Sums::add), width, ahead }
    }

    /// True or false until so many of the oldest days have left that the sum says otherwise.
    fn judge(&self, measure: Measure, test: &Test) -> Verdict<bool> {
        let value = test.holds(self.sums.number(measure));
        let leaves = self.width.and_then(|width| {
            let left = self.counted.iter().scan(self.sums, |sums, oldest| {
                *sums = sums.take(oldest);
                Some((oldest.day.plus(width), *sums))
            });
            left.into_iter().find(|(_, sums)| test.holds(sums.number(measure)) != value).map(|(day, _)| day)
        });
        Verdict { value, until: earlier(leaves, self.ahead) }
    }
}

impl Units {
    /// What counts on `on`, oldest first.
    fn counted<'a>(&self, facts: &Facts<'a>, on: LocalDay) -> &'a [(LocalDay, u32)] {
        let (known, _) = known(facts.traits.baskets.bought(self.thing()), on, |(day, _)| *day);
        let first = Window::Days(self.days()).first_day(on);
        known.split_at_checked(known.partition_point(|(day, _)| *day < first)).map_or(known, |(_, counted)| counted)
    }

    fn judge(&self, facts: &Facts<'_>, test: &Test, on: LocalDay) -> Verdict<bool> {
        let counted = self.counted(facts, on);
        let mut left: u64 = counted.iter().map(|(_, units)| u64::from(*units)).sum();
        let value = test.holds(left);
        let leaves = counted.iter().find(|(_, units)| {
            left = left.saturating_sub(u64::from(*units));
            test.holds(left) != value
        });
        let (_, ahead) = known(facts.traits.baskets.bought(self.thing()), on, |(day, _)| *day);
        Verdict { value, until: earlier(leaves.map(|(day, _)| day.plus(self.days())), ahead) }
    }
}

impl Text {
    fn judge(&self, facts: &Facts<'_>, sets: &Sets<'_>, among: &Among, on: LocalDay) -> Verdict<bool> {
        let one = |word: Option<&str>| word.is_some_and(|word| among.names(word) != among.not);
        match self {
            Self::Tag => tagged(&facts.traits.tags, &among.words, on).map(|has| has != among.not),
            Self::Child => with_child(facts, among, on).map(|has| has != among.not),
            Self::Consent => Verdict::forever(facts.consents().any(|purpose| among.names(purpose)) != among.not),
            Self::Set(set) => sets.entry(set).map(one),
            Self::Tier | Self::Source | Self::Answer(_) | Self::Member => Verdict::forever(one(self.word_of(facts))),
        }
    }

    /// The words of a member on a day.
    #[must_use]
    pub fn of<'a>(&self, facts: &Facts<'a>, sets: &Sets<'a>, on: LocalDay) -> Vec<&'a str> {
        match self {
            Self::Tag => {
                let tags = facts.traits.tags.iter().filter(|tag| tag.until.is_none_or(|until| on < until));
                tags.map(|tag| tag.name.as_str()).collect()
            }
            Self::Child => {
                let mut bands: Vec<_> = facts.known_children().map(|child| child.band(on)).collect();
                bands.sort_unstable();
                bands.dedup();
                bands.into_iter().map(crate::domain::age::AgeBand::word).collect()
            }
            Self::Consent => facts.consents().collect(),
            Self::Set(set) => {
                let found = sets.entries.iter().find(|(id, _)| *id == set);
                found.and_then(|(_, entry)| entry.value).map(Code::as_str).into_iter().collect()
            }
            Self::Tier | Self::Source | Self::Answer(_) | Self::Member => self.word_of(facts).into_iter().collect(),
        }
    }

    /// The word of a field that has one at most and that time doesn't change.
    fn word_of<'a>(&self, facts: &Facts<'a>) -> Option<&'a str> {
        match self {
            Self::Tier => facts.tier.map(Code::as_str),
            Self::Source => facts.traits.source.as_ref().map(Code::as_str),
            Self::Member => Some(if facts.claimed { "claimed" } else { "unclaimed" }),
            Self::Answer(channel) => {
                let answers =
                    facts.traits.answers.iter().filter(|a| channel.is_none_or(|channel| a.channel == channel));
                // Of several answers on one day the strongest speaks.
                answers.max_by_key(|answer| (answer.day, answer.reply)).map(|answer| answer.reply.word())
            }
            Self::Tag | Self::Child | Self::Consent | Self::Set(_) => None,
        }
    }
}

/// Whether one of the tags holds, until the last of those that do runs out.
fn tagged(tags: &[Tag], wanted: &[Name], on: LocalDay) -> Verdict<bool> {
    let holding = |tag: &&Tag| wanted.contains(&tag.name) && tag.until.is_none_or(|until| on < until);
    Verdict::any(tags.iter().filter(holding).map(|tag| Verdict { value: true, until: tag.until }))
}

/// Whether a child is in one of the bands, until that changes on a birthday.
fn with_child(facts: &Facts<'_>, among: &Among, on: LocalDay) -> Verdict<bool> {
    let has = |on: LocalDay| facts.known_children().any(|child| among.names(child.band(on).word()));
    let rolls = |on: LocalDay| facts.known_children().filter_map(|child| child.rolls_on(on)).min();
    Verdict::tight(on, |on| Verdict { value: has(on), until: rolls(on) })
}
