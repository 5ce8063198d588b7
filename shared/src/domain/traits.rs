//! Traits: what is known about a member beside purchases, points and tier, as far as segments' rules may ask for it.
//!
//! Everything here is small and stays in the member's hot item, so that a segment is judged from what one read brings.

use serde::{Deserialize, Serialize};

use super::consent::{Decision, Purpose};
use super::order::{Line, Topic};
use crate::digest::sha256;
use crate::values::{Category, Code, LocalDay, Name, Sku};

/// A tag that staff, a playbook or a survey put on a member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tag {
    /// What it says.
    pub name: Name,
    /// The first day on which it no longer holds; none when it stays.
    #[serde(default)]
    pub until: Option<LocalDay>,
}

/// A way to reach members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A WeChat subscribe message.
    Subscribe,
    /// A WeCom message.
    Wecom,
    /// A text message.
    Sms,
    /// An e-mail.
    Email,
    /// A webhook of the brand's own.
    Webhook,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 5] = [Self::Subscribe, Self::Wecom, Self::Sms, Self::Email, Self::Webhook];

    /// The word by which rules and answers name it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Wecom => "wecom",
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Webhook => "webhook",
        }
    }
}

/// What a member did with the last thing that reached them on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Nothing.
    Ignored,
    /// Opened it.
    Opened,
    /// Followed its link.
    Clicked,
    /// Bought within the campaign's window.
    Converted,
    /// Asked for no more of it.
    Refused,
}

impl Reply {
    /// Every reply.
    pub const ALL: [Self; 5] = [Self::Ignored, Self::Opened, Self::Clicked, Self::Converted, Self::Refused];

    /// The word by which rules and answers name it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ignored => "ignored",
            Self::Opened => "opened",
            Self::Clicked => "clicked",
            Self::Converted => "converted",
            Self::Refused => "refused",
        }
    }
}

/// The last answer on one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelAnswer {
    /// The channel.
    pub channel: Channel,
    /// What the member did.
    pub reply: Reply,
    /// The day.
    pub day: LocalDay,
}

/// The last day on which a member did something of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// What the member did.
    pub topic: Topic,
    /// The last day.
    pub day: LocalDay,
}

/// A category or a product as baskets name it: the first eight bytes of a hash, because texts are long and hot items
/// are to stay small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Thing([u8; 8]);

impl Thing {
    /// A category.
    #[must_use]
    pub fn category(category: &Category) -> Self {
        Self::of("category", category.as_str())
    }

    /// A product.
    #[must_use]
    pub fn sku(sku: &Sku) -> Self {
        Self::of("sku", sku.as_str())
    }

    fn of(kind: &str, text: &str) -> Self {
        let hash = sha256(&[kind.as_bytes(), b"\0", text.as_bytes()]);
        let mut first = [0; 8];
        first.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Self(first)
    }
}

/// How far back baskets reach, in days before the last one: the longest window that a rule may name for a category or
/// a product.
pub const BASKET_DAYS: u32 = 730;

/// Units of one thing by the day on which they were bought, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Basket {
    thing: Thing,
    bought: Vec<(LocalDay, u32)>,
}

/// What was bought when, by category and by product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baskets(Vec<Basket>);

impl Baskets {
    /// Whether nothing is known to have been bought.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the lines of an order.
    pub fn buy(&mut self, day: LocalDay, lines: &[Line]) {
        for (thing, quantity) in things(lines) {
            let place = self.0.partition_point(|basket| basket.thing < thing);
            if self.0.get(place).is_none_or(|basket| basket.thing != thing) {
                self.0.insert(place, Basket { thing, bought: Vec::new() });
            }
            if let Some(basket) = self.0.get_mut(place) {
                basket.add(day, quantity);
            }
        }
        self.forget_before(self.newest().minus(BASKET_DAYS));
    }

    /// Takes the lines of an order back.
    pub fn give_back(&mut self, day: LocalDay, lines: &[Line]) {
        for (thing, quantity) in things(lines) {
            if let Some(basket) = self.0.iter_mut().find(|basket| basket.thing == thing) {
                basket.take(day, quantity);
            }
        }
        self.0.retain(|basket| !basket.bought.is_empty());
    }

    /// Adds all of another member's.
    pub fn absorb(&mut self, other: &Self) {
        for theirs in &other.0 {
            let place = self.0.partition_point(|basket| basket.thing < theirs.thing);
            match self.0.get_mut(place).filter(|basket| basket.thing == theirs.thing) {
                Some(basket) => theirs.bought.iter().for_each(|(day, quantity)| basket.add(*day, *quantity)),
                None => self.0.insert(place, theirs.clone()),
            }
        }
    }

    /// Takes back what [`Baskets::absorb`] added.
    pub fn release(&mut self, other: &Self) {
        for theirs in &other.0 {
            if let Some(basket) = self.0.iter_mut().find(|basket| basket.thing == theirs.thing) {
                theirs.bought.iter().for_each(|(day, quantity)| basket.take(*day, *quantity));
            }
        }
        self.0.retain(|basket| !basket.bought.is_empty());
    }

    /// Units of a thing by day, oldest first.
    #[must_use]
    pub fn bought(&self, thing: Thing) -> &[(LocalDay, u32)] {
        self.0.iter().find(|basket| basket.thing == thing).map_or(&[], |basket| &basket.bought)
    }

    fn newest(&self) -> LocalDay {
        self.0.iter().filter_map(|basket| basket.bought.last()).map(|(day, _)| *day).max().unwrap_or(LocalDay::FIRST)
    }

    fn forget_before(&mut self, day: LocalDay) {
        for basket in &mut self.0 {
            basket.bought.retain(|(bought, _)| *bought >= day);
        }
        self.0.retain(|basket| !basket.bought.is_empty());
    }
}

impl Basket {
    fn add(&mut self, day: LocalDay, quantity: u32) {
        let place = self.bought.partition_point(|(known, _)| *known < day);
        match self.bought.get_mut(place) {
            Some((known, units)) if *known == day => *units = units.saturating_add(quantity),
            _ => self.bought.insert(place, (day, quantity)),
        }
    }

    fn take(&mut self, day: LocalDay, quantity: u32) {
        if let Some((_, units)) = self.bought.iter_mut().find(|(known, _)| *known == day) {
            *units = units.saturating_sub(quantity);
        }
        self.bought.retain(|(_, units)| *units > 0);
    }
}

fn things(lines: &[Line]) -> impl Iterator<Item = (Thing, u32)> {
    lines.iter().flat_map(|line| {
        let category = line.category.as_ref().map(Thing::category);
        std::iter::once(Thing::sku(&line.sku)).chain(category).map(|thing| (thing, line.quantity))
    })
}

/// What is known about a member beside purchases, points and tier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traits {
    /// How the member was won: the acquisition channel.
    pub source: Option<Code>,
    /// Tags, in the order in which they were given.
    pub tags: Vec<Tag>,
    /// The last day of everything that the member did, other than buying.
    pub seen: Vec<Seen>,
    /// Friends who signed up at the member's invitation.
    pub invited: u32,
    /// Units bought, by thing and day.
    pub baskets: Baskets,
    /// The last day on which something came back because of its size.
    pub size_return: Option<LocalDay>,
    /// The last decision about each purpose, in the purposes' order.
    pub decisions: Vec<Decision>,
    /// The last answer on each channel.
    pub answers: Vec<ChannelAnswer>,
}

impl Traits {
    /// The last day on which the member did this.
    #[must_use]
    pub fn last_seen(&self, topic: Topic) -> Option<LocalDay> {
        self.seen.iter().find(|seen| seen.topic == topic).map(|seen| seen.day)
    }

    /// The member did this; what comes late doesn't move the day back.
    pub fn saw(&mut self, topic: Topic, day: LocalDay) {
        match self.seen.iter_mut().find(|seen| seen.topic == topic) {
            Some(seen) => seen.day = seen.day.max(day),
            None => self.seen.push(Seen { topic, day }),
        }
    }

    /// The last decision about a purpose.
    #[must_use]
    pub fn decision(&self, purpose: Purpose) -> Option<&Decision> {
        self.decisions.iter().find(|decision| decision.purpose == purpose)
    }

    /// The member has decided, in place of what was decided before.
    pub fn decide(&mut self, decision: Decision) {
        let place = self.decisions.partition_point(|known| known.purpose < decision.purpose);
        match self.decisions.get_mut(place) {
            Some(known) if known.purpose == decision.purpose => *known = decision,
            _ => self.decisions.insert(place, decision),
        }
    }

    /// The member did this with a message; what comes late, or says less of the same day, changes nothing.
    pub fn answered(&mut self, answer: ChannelAnswer) {
        let place = self.answers.partition_point(|known| known.channel < answer.channel);
        match self.answers.get_mut(place) {
            Some(known) if known.channel == answer.channel => {
                if (answer.day, answer.reply) > (known.day, known.reply) {
                    *known = answer;
                }
            }
            _ => self.answers.insert(place, answer),
        }
    }

    /// Whether a rule could tell the difference if this answer came: another word on its channel, or a channel that is
    /// now the last one. Somebody who ignores one message after the other is news once.
    #[must_use]
    pub fn is_news(&self, answer: ChannelAnswer) -> bool {
        let mut after = Self { answers: self.answers.clone(), ..Self::default() };
        after.answered(answer);
        let words = |traits: &Self| {
            let mut last: Vec<_> = traits.answers.iter().map(|known| (known.day, known.channel, known.reply)).collect();
            last.sort_unstable_by_key(|(day, channel, _)| (*day, *channel));
            last.into_iter().map(|(_, channel, reply)| (channel, reply)).collect::<Vec<_>>()
        };
        words(&after) != words(self)
    }

    /// Whether a tag holds as long as this one would, or longer.
    #[must_use]
    pub fn holds(&self, tag: &Tag) -> bool {
        let known = self.tags.iter().find(|known| known.name == tag.name);
        known.is_some_and(|known| match (known.until, tag.until) {
            (None, _) => true,
            (Some(known), Some(new)) => known >= new,
            (Some(_), None) => false,
        })
    }

    /// Puts tags on and takes tags off; a tag that is there already takes the new end.
    pub fn retag(&mut self, added: &[Tag], removed: &[Name]) {
        self.tags.retain(|tag| !removed.contains(&tag.name));
        for tag in added.iter().filter(|tag| !removed.contains(&tag.name)) {
            match self.tags.iter_mut().find(|known| known.name == tag.name) {
                Some(known) => known.until = tag.until,
                None => self.tags.push(tag.clone()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(channel: Channel, reply: Reply, day: u32) -> ChannelAnswer {
        ChannelAnswer { channel, reply, day: LocalDay::parse("2026-03-01").unwrap().plus(day) }
    }

    #[test]
    fn the_last_answer_on_a_channel_counts_and_of_one_day_the_one_that_says_most() {
        let mut traits = Traits::default();
        for (reply, day) in [(Reply::Ignored, 1), (Reply::Clicked, 1), (Reply::Opened, 1), (Reply::Converted, 0)] {
            traits.answered(answer(Channel::Sms, reply, day));
        }
        assert_eq!(traits.answers, [answer(Channel::Sms, Reply::Clicked, 1)]);
        traits.answered(answer(Channel::Sms, Reply::Ignored, 9));
        traits.answered(answer(Channel::Subscribe, Reply::Opened, 3));
        let wanted = [answer(Channel::Subscribe, Reply::Opened, 3), answer(Channel::Sms, Reply::Ignored, 9)];
        assert_eq!(traits.answers, wanted);
    }

    #[test]
    fn an_answer_is_news_when_a_rule_could_tell_the_difference() {
        let mut traits = Traits::default();
        assert!(traits.is_news(answer(Channel::Sms, Reply::Ignored, 1)));
        traits.answered(answer(Channel::Sms, Reply::Ignored, 1));
        assert!(!traits.is_news(answer(Channel::Sms, Reply::Ignored, 5)), "ignored as before");
        traits.answered(answer(Channel::Email, Reply::Clicked, 3));
        assert!(traits.is_news(answer(Channel::Sms, Reply::Ignored, 5)), "the last answer was another one");
        assert!(!traits.is_news(answer(Channel::Email, Reply::Opened, 3)), "it says less");
    }
}
