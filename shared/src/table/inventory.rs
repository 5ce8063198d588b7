//! The inventory: every kind of item that is stored, what an export shows of it, what is left of it when its member is
//! erased, and which kinds lapse by themselves. A test walks through all tables and knows no item that is not listed here.
//!
//! So it is also the table of how long what is kept (PIPL 19): a kind of which nothing is left stays as long as its
//! member, one that lapses as long as it says, and the rest for good, because books have to add up and nobody is named
//! in it.

/// What a member's export shows of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// In this category.
    As(&'static str),
    /// Nothing: it holds nothing about a member that isn't shown elsewhere.
    Not(&'static str),
}

/// What is left of a kind when its member is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing: the item is gone.
    Nothing,
    /// The item, without anything that was about a person, under the account's id, which leads to nobody then.
    Pseudonym,
    /// All of it: no member is in it.
    All,
}

/// A kind of stored item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The table, by its name in `template.yaml`.
    pub table: &'static str,
    /// The kind: how its key begins, or what it is.
    pub kind: &'static str,
    /// What an export shows of it.
    pub shown: Shown,
    /// What is left of it.
    pub left: Left,
    /// How long after which moment it goes by itself, member or not; none for what does not.
    pub lapses: Option<&'static str>,
}

const fn of(table: &'static str, kind: &'static str, shown: Shown, left: Left) -> Stored {
    Stored { table, kind, shown, left, lapses: None }
}

impl Stored {
    const fn lapsing(self, when: &'static str) -> Self {
        Self { lapses: Some(when), ..self }
    }
}

const KEYS: Shown = Shown::Not("a key opens what is shown, and is never shown");
const DONE: Shown = Shown::Not("that a request was made before, which names nothing");
const COUNTED: Shown = Shown::Not("counted, of nobody in particular");
const LIMITED: Shown = Shown::Not("how much of a limit is used up, by what is shown");
const BRANDS: Shown = Shown::Not("the brand's own");

/// Every kind of item that is stored.
pub const INVENTORY: &[Stored] = &[
    of("Members", "account", Shown::As("account"), Left::Pseudonym),
    of("Journal", "row", Shown::As("journal"), Left::Pseudonym),
    of("Journal", "refunds", Shown::Not("the sum of refunds that are shown"), Left::All),
    of("Profiles", "profile", Shown::As("profile"), Left::Pseudonym),
    of("Profiles", "child", Shown::As("children"), Left::Nothing),
    of("Profiles", "added", DONE, Left::Nothing),
    of("Profiles", "consent", Shown::As("consents"), Left::Nothing),
    of("Profiles", "corrected", Shown::As("corrections"), Left::Nothing),
    of("Profiles", "note", Shown::As("notes"), Left::Nothing),
    of("Profiles", "written", DONE, Left::Nothing),
    of("Profiles", "merge", Shown::As("merges"), Left::Nothing),
    of("Profiles", "open_requests", LIMITED, Left::Nothing),
    of("Identities", "identity", Shown::Not("a keyed hash of an id that the profile shows"), Left::Nothing),
    of("Identities", "signature", Shown::Not("a system's, gone within minutes"), Left::All)
        .lapsing("when it would count no more"),
    of("MemberKeys", "key", KEYS, Left::Nothing),
    of("Settings", "settings", BRANDS, Left::All),
    of("Memberships", "membership", Shown::Not("the account shows the segments"), Left::Nothing),
    of("SegmentCounts", "counts", COUNTED, Left::All),
    of("TicketTable", "ticket", Shown::As("tickets"), Left::Pseudonym),
    of("TicketTable", "said", Shown::As("tickets"), Left::Nothing),
    of("TicketTable", "desk", Shown::Not("notes and decisions of the desk's own"), Left::Nothing),
    of("TicketTable", "done", DONE, Left::Nothing),
    of("TicketTable", "asked", Shown::Not("when a survey was sent, which the ticket tells"), Left::Nothing),
    of("TicketTable", "open", LIMITED, Left::Nothing),
    of("TicketTable", "wrote", LIMITED, Left::Nothing).lapsing("days after its day"),
    of("TicketTable", "tally", COUNTED, Left::All),
    of("TicketTable", "line", COUNTED, Left::All),
    of("CampaignTable", "campaign", BRANDS, Left::All),
    of("CampaignTable", "budget", BRANDS, Left::All),
    of("CampaignTable", "counts", COUNTED, Left::All),
    of("CampaignTable", "dispatch", Shown::Not("the ids of members who are next, for a moment"), Left::All),
    of("CampaignTable", "looks", BRANDS, Left::All),
    of("CampaignTable", "circuit", BRANDS, Left::All),
    of("Sends", "send", Shown::As("messages_sent"), Left::Pseudonym),
    of("Sends", "addressed", Shown::Not("when a campaign came last, which its message tells"), Left::All),
    of("Sends", "name", Shown::Not("a provider's number of a message that is shown"), Left::Nothing)
        .lapsing("when no receipt is to be expected any more"),
    of("Sends", "push", Shown::Not("that a push was taken, gone within a day"), Left::All)
        .lapsing("when WeChat repeats it no more"),
    of("AuditTrail", "entry", Shown::Not("what staff did; what came of it is shown"), Left::Pseudonym),
    of("AuditTrail", "head", BRANDS, Left::All),
    of("Requests", "request", Shown::As("requests"), Left::Pseudonym)
        .lapsing("three years after the one in which it was decided"),
    of(
        "Attempts",
        "attempts",
        Shown::Not("how often something was tried, of nobody who can be told, gone within a day"),
        Left::All,
    )
    .lapsing("when nothing is counted any more"),
];
