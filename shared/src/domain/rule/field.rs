//! What a rule may ask for, typed.

use crate::domain::days::Window;
use crate::domain::order::Topic;
use crate::domain::traits::{Channel, Thing};
use crate::values::{Category, Code, Sku};

/// What happened last (or first) on the day from which days are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The last paid order that is not fully given back.
    LastOrder,
    /// The first one.
    FirstOrder,
    /// The last event of a kind.
    Seen(Topic),
    /// The last event of any kind, other than buying.
    Anything,
    /// The last return because of the size.
    SizeReturn,
}

/// What is added up over purchase days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Distinct days with a paid order.
    Frequency,
    /// Orders.
    Orders,
    /// Money, net of refunds.
    Money,
    /// Money per order, rounded down.
    Basket,
}

impl Measure {
    /// Every measure.
    pub const ALL: [Self; 4] = [Self::Frequency, Self::Orders, Self::Money, Self::Basket];

    /// The word by which rules name it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Frequency => "frequency",
            Self::Orders => "orders",
            Self::Money => "money",
            Self::Basket => "basket",
        }
    }
}

/// Units of a category or a product, bought in the last days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Units {
    what: Kind,
    days: u32,
    thing: Thing,
}

/// A category or a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A category.
    Category(Category),
    /// A product.
    Sku(Sku),
}

impl Units {
    /// Units of `what` in a window of `days`, the as-of day included.
    #[must_use]
    pub fn new(what: Kind, days: u32) -> Self {
        let thing = match &what {
            Kind::Category(category) => Thing::category(category),
            Kind::Sku(sku) => Thing::sku(sku),
        };
        Self { what, days, thing }
    }

    /// The category or product.
    #[must_use]
    pub const fn what(&self) -> &Kind {
        &self.what
    }

    /// The window, in days.
    #[must_use]
    pub const fn days(&self) -> u32 {
        self.days
    }

    /// The name under which baskets know it.
    #[must_use]
    pub const fn thing(&self) -> Thing {
        self.thing
    }
}

/// A birthday that comes round every year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coming {
    /// The member's own.
    Own,
    /// The nearest one of a child.
    Child,
}

impl Coming {
    /// The most days until a birthday: the day after one, when a 29 February lies between.
    pub const MOST_DAYS: u64 = 365;

    /// The word by which rules name it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Own => "birthday",
            Self::Child => "child_birthday",
        }
    }
}

/// A field that is a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Number {
    /// Days since something happened; unknown when it never did.
    Since(Event),
    /// Days until a birthday comes round; unknown when it was not told.
    Until(Coming),
    /// A sum over purchase days; `None` is the programme's own window.
    Bought(Measure, Option<Window>),
    /// Units bought.
    Units(Units),
    /// Friends who signed up at the member's invitation.
    Invited,
    /// The health score.
    Health,
}

/// What a number counts, and how rules write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `30` or `30 days`.
    Days,
    /// `5`.
    Pieces,
    /// `2000 yuan` or `199950 fen`; the number is in fen.
    Money,
    /// `40`, from 0 to 100.
    Score,
}

impl Number {
    /// What it counts.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        match self {
            Self::Since(_) | Self::Until(_) => Unit::Days,
            Self::Bought(Measure::Money | Measure::Basket, _) => Unit::Money,
            Self::Bought(Measure::Frequency | Measure::Orders, _) | Self::Units(_) | Self::Invited => Unit::Pieces,
            Self::Health => Unit::Score,
        }
    }
}

/// A field that is a word, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// The tier held.
    Tier,
    /// The tags that hold now.
    Tag,
    /// How the member was won.
    Source,
    /// Purposes with a live consent.
    Consent,
    /// The age bands of the children.
    Child,
    /// The last answer, on one channel or on any.
    Answer(Option<Channel>),
    /// `claimed` or `unclaimed`.
    Member,
    /// The entry of a set.
    Set(Code),
}

impl Text {
    /// Whether a member may have several at once: then `!=` says that the member has none of the words.
    #[must_use]
    pub const fn is_many(&self) -> bool {
        matches!(self, Self::Tag | Self::Consent | Self::Child)
    }
}
