//! What is personal about a member, kind by kind: what a role may be shown, and what the audit trail says was shown.

use serde::{Deserialize, Serialize};

/// A kind of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PersonalField)]
pub enum Field {
    /// What the member is called.
    Name,
    /// The phone number.
    Phone,
    /// The e-mail address.
    Email,
    /// The birthday.
    Birthday,
    /// The city; nothing finer is kept of where somebody lives.
    City,
    /// The gender.
    Gender,
    /// Ids by which other systems know the member: openid, unionid, card, WeCom.
    Ids,
    /// How the member was won, and by whom.
    Origin,
    /// Points, tier and what was bought, as figures.
    Standing,
    /// Movements of the journal.
    Journal,
    /// The brand's labels.
    Tags,
    /// What staff wrote down.
    Notes,
    /// What the member agreed to and refused.
    Consents,
    /// What was said in tickets, with its files.
    Tickets,
    /// Figures by which somebody was judged: days, frequency, money.
    Findings,
    /// What a judgement found about birthdays, children and labels.
    SensitiveFindings,
    /// In which segments somebody is.
    Segments,
    /// What the member has asked for under the law.
    Requests,
    /// Children, with their growth files.
    Children,
    /// The audit trail: who was shown whom.
    Trail,
}

impl Field {
    /// Every kind.
    pub const ALL: [Self; 20] = [
        Self::Name,
        Self::Phone,
        Self::Email,
        Self::Birthday,
        Self::City,
        Self::Gender,
        Self::Ids,
        Self::Origin,
        Self::Standing,
        Self::Journal,
        Self::Tags,
        Self::Notes,
        Self::Consents,
        Self::Tickets,
        Self::Findings,
        Self::SensitiveFindings,
        Self::Segments,
        Self::Requests,
        Self::Children,
        Self::Trail,
    ];
}

/// How much of a kind somebody is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    /// Nothing, not even that there is something.
    Not,
    /// As much as it takes to be sure whom one speaks to.
    Masked,
    /// Masked; all of it only where a request asks for that and says why.
    WholeForAReason,
    /// All of it.
    Whole,
}
