//! A grid over everything that rules ask for: all members whom the rules can't tell apart share a cell.
//!
//! Each field is an axis, cut where a comparison turns. Cells that no member can be in are left out:
//!
//! - without an order recency and tenure are unknown and frequency, orders, money and basket are 0;
//! - tenure is at least recency;
//! - something was bought inside a window of w days if and only if recency is below w; of the programme's own window
//!   only that something was bought at all, because its width is a setting;
//! - a wider window holds at least what a narrower one does, and lifetime at least what any does;
//! - there are at least as many orders as days with one, at most w such days in w days, and money is basket × orders;
//! - units of something were bought inside a window only if recency is below it;
//! - a birthday is at most 365 days ahead;
//! - `recency(any)` is at most any other `recency(...)` of an event.
//!
//! The bounds are checked in pairs, so a cell that only three fields together rule out is still looked at.

use super::field::{Coming, Number};
use super::{Comparison, Event, Measure, Rule, Sets, Text, Unit, vocabulary};
use crate::domain::days::Window;
use crate::domain::traits::Reply;
use crate::values::{Code, Name};

/// The most cells that are looked at.
pub const MOST_CELLS: usize = 50_000;

/// A field and what the rules can tell apart of it.
#[derive(Clone, Debug)]
enum Axis {
    /// Numbers, cut into spans; `None` at the end when the field may be unknown.
    Number(Number, Vec<Option<(u64, u64)>>),
    /// A field with one word at most: the words that rules name, another one (empty), none.
    One(Text, Vec<Option<String>>),
    /// Whether a member has this word of a field with many: no, yes.
    Has(Text, Name),
}

/// All cells of some rules.
#[derive(Clone, Debug)]
pub(in crate::domain) struct Grid {
    axes: Vec<Axis>,
}

/// A cell: a place on every axis.
pub(in crate::domain) type Cell = Vec<usize>;

/// Cells side by side, in words.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Region {
    /// In English: `recency 61..89, frequency 1, any money`.
    pub english: String,
    /// In Chinese.
    pub chinese: String,
}

impl Grid {
    /// The grid over these comparisons; those with sets and the score are to be replaced by what these ask for.
    pub(in crate::domain) fn over(comparisons: &[&Comparison]) -> Self {
        let mut grid = Self { axes: Vec::new() };
        for comparison in comparisons {
            match comparison {
                Comparison::Number(Number::Health, _) | Comparison::Text(Text::Set(_), _) => {}
                Comparison::Number(number, _) => grid.add_number(number, comparisons),
                Comparison::Text(text, among) if text.is_many() => {
                    among.words.iter().for_each(|word| grid.add_word(text, word));
                }
                Comparison::Text(text, _) => grid.add_text(text, comparisons),
            }
        }
        grid
    }

    fn add_number(&mut self, number: &Number, comparisons: &[&Comparison]) {
        if self.axes.iter().any(|axis| matches!(axis, Axis::Number(known, _) if known == number)) {
            return;
        }
        let tests = comparisons.iter().filter_map(|comparison| match comparison {
            Comparison::Number(same, test) if same == number => Some(test),
            _ => None,
        });
        let mut turns: Vec<u64> = tests.flat_map(super::Test::turns).filter(|turn| *turn > 0).collect();
        // Nothing is told apart from something by the bounds between fields.
        turns.extend(matches!(number, Number::Bought(..)).then_some(1));
        turns.sort_unstable();
        turns.dedup();
        let begins = std::iter::once(0).chain(turns.iter().copied());
        let ends = turns.iter().map(|turn| turn - 1).chain(std::iter::once(u64::MAX));
        let mut spans: Vec<_> = begins.zip(ends).map(Some).collect();
        spans.extend(matches!(number, Number::Since(_) | Number::Until(_)).then_some(None));
        self.axes.push(Axis::Number(number.clone(), spans));
    }

    fn add_word(&mut self, text: &Text, word: &Name) {
        if !self.axes.iter().any(|axis| matches!(axis, Axis::Has(known, named) if known == text && named == word)) {
            self.axes.push(Axis::Has(text.clone(), word.clone()));
        }
    }

    fn add_text(&mut self, text: &Text, comparisons: &[&Comparison]) {
        if self.axes.iter().any(|axis| matches!(axis, Axis::One(known, _) if known == text)) {
            return;
        }
        let named = comparisons.iter().filter_map(|comparison| match comparison {
            Comparison::Text(same, among) if same == text => {
                Some(among.words.iter().map(|word| word.as_str().to_owned()))
            }
            _ => None,
        });
        let mut words: Vec<String> = named.flatten().collect();
        words.sort_unstable();
        words.dedup();
        let all: Option<usize> = match text {
            Text::Member => Some(2),
            Text::Answer(_) => Some(Reply::ALL.len()),
            _ => None,
        };
        if all.is_none_or(|all| words.len() < all) {
            words.push(String::new());
        }
        let mut words: Vec<_> = words.into_iter().map(Some).collect();
        words.extend((*text != Text::Member).then_some(None));
        self.axes.push(Axis::One(text.clone(), words));
    }

    /// How many cells there are, possible or not.
    pub(in crate::domain) fn size(&self) -> usize {
        self.axes.iter().map(Axis::length).fold(1, usize::saturating_mul)
    }

    /// The names of the fields.
    pub(in crate::domain) fn fields(&self) -> Vec<String> {
        self.axes.iter().map(Axis::name).collect()
    }

    /// The cell with this number, below [`Grid::size`].
    pub(in crate::domain) fn cell(&self, number: usize) -> Cell {
        let mut rest = number;
        let place = |axis: &Axis| {
            let place = rest % axis.length();
            rest /= axis.length();
            place
        };
        self.axes.iter().map(place).collect()
    }

    /// Whether a rule holds for the members of a cell.
    pub(in crate::domain) fn holds(&self, rule: &Rule, cell: &[usize], sets: &Sets<'_>) -> bool {
        match rule {
            Rule::Everyone => true,
            Rule::Not(rule) => !self.holds(rule, cell, sets),
            Rule::All(parts) => parts.iter().all(|part| self.holds(part, cell, sets)),
            Rule::Any(parts) => parts.iter().any(|part| self.holds(part, cell, sets)),
            Rule::Is(Comparison::Number(Number::Health, test)) => test.holds(sets.health.value),
            Rule::Is(Comparison::Number(number, test)) => {
                self.span(number, cell).is_some_and(|(from, _)| test.holds(from))
            }
            Rule::Is(Comparison::Text(text, among)) => match text {
                Text::Set(set) => {
                    let found = sets.entries.iter().find(|(id, _)| *id == set).and_then(|(_, entry)| entry.value);
                    found.map(Code::as_str).is_some_and(|word| among.names(word) != among.not)
                }
                text if text.is_many() => {
                    let has = |(axis, place): (&Axis, &usize)| {
                        *place == 1
                            && matches!(axis, Axis::Has(known, word) if known == text && among.words.contains(word))
                    };
                    self.axes.iter().zip(cell).any(has) != among.not
                }
                text => self.word(text, cell).is_some_and(|word| among.names(word) != among.not),
            },
        }
    }

    /// The span of a number in a cell; none where it is unknown.
    fn span(&self, number: &Number, cell: &[usize]) -> Option<(u64, u64)> {
        self.axes.iter().zip(cell).find_map(|(axis, place)| match axis {
            Axis::Number(known, spans) if known == number => spans.get(*place).copied().flatten(),
            _ => None,
        })
    }

    fn word(&self, text: &Text, cell: &[usize]) -> Option<&str> {
        self.axes.iter().zip(cell).find_map(|(axis, place)| match axis {
            Axis::One(known, words) if known == text => words.get(*place).and_then(Option::as_deref),
            _ => None,
        })
    }

    /// Whether a member can be in the cell, as far as two fields at a time tell.
    pub(in crate::domain) fn is_possible(&self, cell: &[usize]) -> bool {
        let spans: Vec<Span<'_>> = self
            .axes
            .iter()
            .zip(cell)
            .filter_map(|(axis, place)| match axis {
                Axis::Number(number, spans) => Some((number, spans.get(*place).copied().flatten())),
                Axis::One(..) | Axis::Has(..) => None,
            })
            .collect();
        let alone = spans.iter().all(|(number, span)| match (number, span) {
            (Number::Bought(Measure::Frequency, Some(Window::Days(width))), Some((least, _))) => {
                *least <= u64::from(*width)
            }
            (Number::Until(_), Some((least, _))) => *least <= Coming::MOST_DAYS,
            _ => true,
        });
        alone && spans.iter().all(|one| spans.iter().all(|other| can_meet(*one, *other))) && is_possible_basket(&spans)
    }
}

/// What is known of a number in a cell; none where it is unknown.
type Span<'a> = (&'a Number, Option<(u64, u64)>);

/// Money is basket × orders, in each window of which a rule asks all three.
fn is_possible_basket(spans: &[Span<'_>]) -> bool {
    let of = |wanted: &Number| spans.iter().find(|(number, _)| *number == wanted).and_then(|(_, span)| *span);
    spans.iter().all(|(number, basket)| match (number, basket) {
        (Number::Bought(Measure::Basket, window), Some((least, most))) => {
            let orders = of(&Number::Bought(Measure::Orders, *window));
            let money = of(&Number::Bought(Measure::Money, *window));
            orders.zip(money).is_none_or(|((few, many), (poor, rich))| {
                least.saturating_mul(few) <= rich && (many == 0 || poor < most.saturating_add(1).saturating_mul(many))
            })
        }
        _ => true,
    })
}

/// Whether one field can be in this span while another is in that one. Asked for both orders of a pair.
fn can_meet((one, a): Span<'_>, (other, b): Span<'_>) -> bool {
    use Event::{Anything, FirstOrder, LastOrder, Seen};
    use Number::{Bought, Since, Units};
    match (one, other, a, b) {
        (Since(LastOrder), Since(FirstOrder), a, b) => match (a, b) {
            (Some((recent, _)), Some((_, longest))) => recent <= longest,
            (a, b) => a.is_none() == b.is_none(),
        },
        (Since(LastOrder | FirstOrder), Bought(_, Some(Window::Lifetime)), Some(_), Some((_, most)))
            if one_counts(other) =>
        {
            most > 0
        }
        (Since(LastOrder | FirstOrder), Bought(..) | Units(_), None, Some((least, _))) => least == 0,
        (Since(LastOrder), Bought(_, Some(Window::Days(width))), Some((recent, longest)), Some((least, most))) => {
            let within = recent < u64::from(*width);
            let beyond = longest >= u64::from(*width);
            (least == 0 || within) && (most > 0 || beyond || !one_counts(other))
        }
        (Since(LastOrder), Units(units), Some((recent, _)), Some((least, _))) => {
            least == 0 || recent < u64::from(units.days())
        }
        (Since(Seen(_)), Since(Anything), Some((_, longest)), any) => any.is_some_and(|(recent, _)| recent <= longest),
        (Bought(narrow, inner), Bought(wide, outer), Some((least, _)), Some((_, most))) => {
            if narrow == wide && *narrow != Measure::Basket && lies_in(*inner, *outer) {
                return least <= most;
            }
            let same = inner == outer;
            match (narrow, wide) {
                // Days with orders are at most the orders; something of anything needs orders.
                (Measure::Frequency, Measure::Orders) => !same || least <= most,
                (_, Measure::Frequency | Measure::Orders) => !same || least == 0 || most > 0,
                _ => true,
            }
        }
        _ => true,
    }
}

/// Whether a sum is above 0 wherever there is an order: orders of 0 yuan are orders.
const fn one_counts(number: &Number) -> bool {
    matches!(number, Number::Bought(Measure::Frequency | Measure::Orders, _))
}

/// Whether everything of one window lies in the other.
fn lies_in(inner: Option<Window>, outer: Option<Window>) -> bool {
    match (inner, outer) {
        (_, Some(Window::Lifetime)) => true,
        (Some(Window::Days(inner)), Some(Window::Days(outer))) => inner <= outer,
        _ => false,
    }
}

impl Axis {
    fn length(&self) -> usize {
        match self {
            Self::Number(_, spans) => spans.len(),
            Self::One(_, words) => words.len(),
            Self::Has(..) => 2,
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Number(number, _) => number.to_string(),
            Self::One(text, _) => text.to_string(),
            Self::Has(text, word) => format!("{text} {word}"),
        }
    }

    /// The places `from..=to` in words, English and Chinese.
    fn said(&self, from: usize, to: usize) -> (String, String) {
        let all = (from, to + 1) == (0, self.length());
        match self {
            Self::Number(number, _) if all => (format!("any {number}"), format!("{}不限", number.chinese())),
            Self::Number(number, spans) => {
                let within = spans.get(from..=to).unwrap_or(&[]);
                let known = within.first().copied().flatten().zip(within.iter().flatten().next_back());
                let unknown = within.last().is_some_and(Option::is_none);
                let range = known.map(|((least, _), (_, most))| number.unit().range(least, *most));
                let (english, chinese) = match (range, unknown) {
                    (Some(range), false) => range,
                    (Some((english, chinese)), true) => (format!("{english} or unknown"), format!("{chinese}或未知")),
                    (None, _) => ("unknown".to_owned(), "未知".to_owned()),
                };
                (format!("{number} {english}"), format!("{}{chinese}", number.chinese()))
            }
            Self::One(text, words) => {
                let name = text.to_string();
                let chinese = vocabulary::chinese(&name);
                if all {
                    return (format!("any {name}"), format!("{chinese}不限"));
                }
                let within = words.get(from..=to).unwrap_or(&[]);
                let word = |other: &str, none: &str| {
                    let word = |word: &Option<String>| match word.as_deref() {
                        Some("") => other.to_owned(),
                        Some(word) => word.to_owned(),
                        None => none.to_owned(),
                    };
                    within.iter().map(word).collect::<Vec<_>>().join("/")
                };
                (format!("{name} {}", word("another", "none")), format!("{chinese}{}", word("其他", "无")))
            }
            Self::Has(text, word) => {
                let name = text.to_string();
                let chinese = vocabulary::chinese(&name);
                match (all, from) {
                    (true, _) => (format!("with or without {name} {word}"), format!("{chinese}“{word}”不限")),
                    (false, 0) => (format!("without {name} {word}"), format!("无{chinese}“{word}”")),
                    (false, _) => (format!("with {name} {word}"), format!("有{chinese}“{word}”")),
                }
            }
        }
    }
}

impl Unit {
    /// The numbers from `least` to `most` in words, English and Chinese.
    fn range(self, least: u64, most: u64) -> (String, String) {
        let (from, after) = (self.said(least), self.said(most.saturating_add(1)));
        match self {
            Self::Money if least == most => (self.written(least), self.said(least).1),
            Self::Money if most == u64::MAX => (format!("from {}", from.0), format!("{}以上", from.1)),
            Self::Money => {
                (format!("from {} to below {}", from.0, after.0), format!("{}以上、不足{}", from.1, after.1))
            }
            _ if least == most => (least.to_string(), self.said(least).1),
            _ if most == u64::MAX => (format!("{least} or more"), format!("{}以上", from.1)),
            _ => (format!("{least}..{most}"), format!("{least}至{}", self.said(most).1)),
        }
    }
}

/// At most so many regions are told of.
const MOST_REGIONS: usize = 12;

impl Grid {
    /// The wanted cells as few regions, at most [`MOST_REGIONS`] of them.
    ///
    /// `wanted` says for each cell, by number, whether it is; none for a cell that no member can be in, which may lie in
    /// any region.
    pub(in crate::domain) fn regions(&self, wanted: &[Option<bool>]) -> Vec<Region> {
        let mut told = vec![false; wanted.len()];
        let mut regions = Vec::new();
        for number in 0..wanted.len() {
            let is_new = wanted.get(number) == Some(&Some(true)) && told.get(number) == Some(&false);
            if !is_new {
                continue;
            }
            if regions.len() == MOST_REGIONS {
                return regions;
            }
            let grown = self.grown(&self.cell(number), wanted);
            for inside in self.inside(&grown) {
                if let Some(told) = told.get_mut(inside) {
                    *told = true;
                }
            }
            let said: Vec<_> = self.axes.iter().zip(&grown).map(|(axis, (from, to))| axis.said(*from, *to)).collect();
            let (english, chinese): (Vec<_>, Vec<_>) = said.into_iter().unzip();
            regions.push(Region { english: english.join(", "), chinese: chinese.join("，") });
        }
        regions
    }

    /// The cell, grown along one axis after the other for as long as nothing unwanted comes in.
    fn grown(&self, cell: &[usize], wanted: &[Option<bool>]) -> Vec<(usize, usize)> {
        let mut grown: Vec<(usize, usize)> = cell.iter().map(|place| (*place, *place)).collect();
        for (place, axis) in self.axes.iter().enumerate() {
            let slab = |at: usize, grown: &[(usize, usize)]| {
                let mut slab = grown.to_vec();
                if let Some(range) = slab.get_mut(place) {
                    *range = (at, at);
                }
                let cells = self.inside(&slab).into_iter().filter_map(|number| wanted.get(number).copied().flatten());
                cells.fold(None, |all: Option<bool>, cell| Some(all.unwrap_or(true) && cell))
            };
            let here = grown.get(place).map_or(0, |(from, _)| *from);
            // How far nothing unwanted lies in the way, and how far something wanted does.
            let reach = |steps: &mut dyn Iterator<Item = usize>| {
                let (mut free, mut useful) = (here, here);
                for at in steps {
                    match slab(at, &grown) {
                        Some(false) => break,
                        Some(true) => (free, useful) = (at, at),
                        None => free = at,
                    }
                }
                (free, useful)
            };
            let (free_to, to) = reach(&mut (here + 1..axis.length()));
            let (free_from, from) = reach(&mut (0..here).rev());
            let whole = (free_from, free_to + 1) == (0, axis.length());
            if let Some(range) = grown.get_mut(place) {
                *range = if whole { (free_from, free_to) } else { (from, to) };
            }
        }
        grown
    }

    /// The numbers of all cells of a box.
    fn inside(&self, ranges: &[(usize, usize)]) -> Vec<usize> {
        let mut numbers = vec![0];
        let mut step = 1;
        for (axis, (from, to)) in self.axes.iter().zip(ranges) {
            let along = |number: usize| (*from..=*to).map(move |place| number + place * step);
            numbers = numbers.into_iter().flat_map(along).collect();
            step *= axis.length();
        }
        numbers
    }
}

#[cfg(test)]
impl Grid {
    /// The cell in which a member is on a day.
    pub(in crate::domain) fn cell_of(
        &self,
        facts: &crate::domain::facts::Facts<'_>,
        on: crate::values::LocalDay,
    ) -> Cell {
        let place = |axis: &Axis| match axis {
            Axis::Number(number, spans) => {
                let own = number.of(facts, &Sets::default(), on);
                spans.iter().position(|span| match (span, own) {
                    (Some((from, to)), Some(own)) => (*from..=*to).contains(&own),
                    (span, own) => span.is_none() && own.is_none(),
                })
            }
            Axis::One(text, words) => {
                let own = text.of(facts, &Sets::default(), on).first().map(|word| (*word).to_owned());
                let place = words.iter().position(|word| *word == own);
                place.or_else(|| words.iter().position(|word| word.as_deref() == Some("")))
            }
            Axis::Has(text, word) => Some(usize::from(text.of(facts, &Sets::default(), on).contains(&word.as_str()))),
        };
        self.axes.iter().map(|axis| place(axis).unwrap()).collect()
    }
}
