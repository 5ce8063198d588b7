//! What a ticket is about.

use serde::{Deserialize, Serialize};

use crate::values::{Category, Code, ForeignId, Sku, Source, TicketId};

written! {
    /// What a ticket is about.
    Kind as TicketType {
        /// The quality of something bought.
        Quality = "quality",
        /// The delivery.
        Logistics = "logistics",
        /// A wrong size, or a return.
        SizeReturn = "size_return",
        /// A price.
        Price = "price",
        /// The member's account: points, coupons, data.
        Account = "account",
        /// A suggestion.
        Suggestion = "suggestion",
        /// Praise.
        Praise = "praise",
        /// Anything else.
        Other = "other",
    }
}

impl Kind {
    /// Whether somebody complains about what was bought, brought or charged.
    #[must_use]
    pub const fn is_complaint(self) -> bool {
        match self {
            Self::Quality | Self::Logistics | Self::SizeReturn | Self::Price => true,
            Self::Account | Self::Suggestion | Self::Praise | Self::Other => false,
        }
    }
}

written! {
    /// How urgent a ticket is, most urgent first.
    Priority as TicketPriority {
        /// Now.
        Urgent = "urgent",
        /// Before others.
        High = "high",
        /// In turn.
        Normal = "normal",
        /// When there is time.
        Low = "low",
    }
}

written! {
    /// How a ticket came in.
    Channel as TicketChannel {
        /// By the member, in the mini program.
        MiniProgram = "mini_program",
        /// By WeCom.
        Wecom = "wecom",
        /// On the phone.
        Phone = "phone",
        /// In a store.
        Store = "store",
        /// In a web shop or marketplace.
        Shop = "shop",
        /// By e-mail.
        Email = "email",
        /// By the product itself.
        Own = "own",
    }
}

/// What a matter is about, beside its type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The order.
    pub order: Option<(Source, ForeignId)>,
    /// The product.
    pub sku: Option<Sku>,
    /// The product's line.
    pub line: Option<Category>,
    /// Why something is sent back: a code of the settings.
    pub return_reason: Option<Code>,
}

/// What a ticket is about, as whoever opens it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matter {
    /// The type.
    pub kind: Kind,
    /// How it came in.
    pub channel: Channel,
    /// How urgent it is; as the settings say for its type when left out.
    pub priority: Option<Priority>,
    /// What it is about beside that.
    pub subject: Subject,
    /// The ticket that this one follows up; the member does not see it then.
    pub follows: Option<TicketId>,
    /// Whether answers were looked up before, and did not help.
    pub handed_over: bool,
}

impl Matter {
    /// A matter of which nothing but its type is known.
    #[must_use]
    pub fn new(kind: Kind, channel: Channel) -> Self {
        Self { kind, channel, priority: None, subject: Subject::default(), follows: None, handed_over: false }
    }
}
