//! The picture of a member: what staff see, as far as [`huitou::manners::fields`] grants it to their role.

use huitou::cases::customers::Portrait;
use huitou::cases::people::{Acquisition, Handle};
use huitou::cases::profiles::{Basics, Gender};
use huitou::cases::remarks::WrittenNote;
use huitou::domain::days::Purchases;
use huitou::domain::entry::Balance;
use huitou::domain::personal::Field;
use huitou::domain::tier::NextTier;
use huitou::manners::fields::View;
use huitou::manners::masking;
use huitou::manners::standing::ShownStanding;
use huitou::values::{Actor, Code, Fen, LocalDay, MemberId, Moment, Name, Phone, RowKey};
use serde::Serialize;

/// Everything about a member.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Picture {
    id: MemberId,
    /// The id that was asked for, when that member was merged into this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    followed_from: Option<MemberId>,
    membership: Standings,
    known_since: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined_at: Option<Moment>,
    basics: MaskedBasics,
    /// By what the member is known.
    linked: Vec<MaskedHandle>,
    /// The tier held.
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<ShownStanding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_tier: Option<NextTier>,
    balance: Balance,
    purchases: Bought,
    tags: Vec<Name>,
    /// The newest ones, newest first.
    notes: Vec<ShownNote>,
    /// How the member was won.
    acquisition: Acquisition,
    #[serde(skip_serializing_if = "Option::is_none")]
    invited_by: Option<MemberId>,
}

/// Whether the person has signed up.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standings {
    /// Known by orders only.
    Unclaimed,
    /// Signed up.
    Claimed,
}

/// Who it is, as far as staff need to know.
#[derive(Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct MaskedBasics {
    /// `张*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The whole name, for managers.
    #[serde(skip_serializing_if = "Option::is_none")]
    full_name: Option<Name>,
    /// `138****8000`.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    /// `****-05-**`.
    #[serde(skip_serializing_if = "Option::is_none")]
    birthday: Option<String>,
    /// `a***@example.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    city: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gender: Option<Gender>,
}

impl MaskedBasics {
    fn of(basics: Basics, phone: Option<&Phone>, view: View) -> Self {
        let name = basics.name.as_ref();
        Self {
            name: name.and_then(|name| view.masked(Field::Name, || masking::name(name.as_str()))),
            full_name: basics.name.clone().and_then(|name| view.whole(Field::Name, name)),
            phone: phone.and_then(|phone| view.masked(Field::Phone, || phone.masked())),
            birthday: basics.birthday.and_then(|day| view.masked(Field::Birthday, || day.masked())),
            email: basics.email.as_ref().and_then(|email| view.masked(Field::Email, || email.masked())),
            city: basics.city.and_then(|city| view.whole(Field::City, city)),
            gender: basics.gender.and_then(|gender| view.whole(Field::Gender, gender)),
        }
    }
}

/// Something by which the member is known.
#[derive(Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct MaskedHandle {
    /// `openid`, `unionid`, `phone`, `card`, `invite` or `wecom`.
    kind: &'static str,
    /// The last four characters, a phone's first three as well; an invite code is no secret.
    masked: String,
}

impl MaskedHandle {
    fn of(handle: &Handle) -> Self {
        let masked = match handle {
            Handle::Phone(phone) => phone.masked(),
            Handle::Invite(code) => code.to_string(),
            Handle::OpenId(_) | Handle::UnionId(_) | Handle::Card(_) | Handle::Wecom(_) => masking::id(handle.value()),
        };
        Self { kind: handle.kind(), masked }
    }
}

/// What the member has bought, net of refunds.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Bought {
    /// The day of the last purchase.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<LocalDay>,
    /// Days since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    recency_days: Option<i32>,
    /// All in all.
    lifetime: Sum,
    /// Within the window at which the programme looks.
    window: Sum,
}

/// Purchases of a span of days.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Sum {
    /// Distinct days with a purchase: the frequency.
    days: u32,
    orders: u32,
    /// In fen.
    money: Fen,
    /// Money per order, in fen.
    basket: Fen,
}

impl From<Purchases> for Sum {
    fn from(bought: Purchases) -> Self {
        Self { days: bought.days, orders: bought.orders, money: bought.money, basket: bought.basket() }
    }
}

/// A note.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ShownNote {
    id: RowKey,
    at: Moment,
    by: Actor,
    text: String,
}

impl From<WrittenNote> for ShownNote {
    fn from(note: WrittenNote) -> Self {
        Self { id: note.id, at: note.at, by: note.by, text: note.text }
    }
}

impl Picture {
    pub(crate) fn of(portrait: Portrait, view: View) -> Self {
        let phone = phone_of(&portrait);
        let linked = portrait.handles.iter();
        Self {
            id: portrait.member,
            followed_from: portrait.followed_from,
            membership: if portrait.claimed { Standings::Claimed } else { Standings::Unclaimed },
            known_since: portrait.known_since,
            joined_at: portrait.joined_at,
            basics: MaskedBasics::of(portrait.basics, phone.as_ref(), view),
            linked: linked.filter(|_| view.masked(Field::Ids, String::new).is_some()).map(MaskedHandle::of).collect(),
            tier: portrait.statement.standing.as_ref().map(|standing| standing.tier.clone()),
            standing: portrait.statement.standing.map(ShownStanding::from),
            next_tier: portrait.statement.next,
            balance: portrait.statement.balance,
            purchases: Bought {
                last: portrait.lifetime.last,
                recency_days: portrait.recency_days,
                lifetime: portrait.lifetime.into(),
                window: portrait.window.into(),
            },
            tags: view.whole(Field::Tags, portrait.tags).unwrap_or_default(),
            notes: view.whole(Field::Notes, portrait.notes).into_iter().flatten().map(ShownNote::from).collect(),
            acquisition: portrait.source,
            invited_by: portrait.invited_by,
        }
    }
}

fn phone_of(portrait: &Portrait) -> Option<Phone> {
    portrait.handles.iter().find_map(|h| if let Handle::Phone(phone) = h { Some(phone.clone()) } else { None })
}

/// How a member is reached: whole, for whoever has a reason.
#[derive(Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Contact {
    id: MemberId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// Whole for managers, the month for the service desk.
    #[serde(skip_serializing_if = "Option::is_none")]
    birthday: Option<String>,
}

impl Contact {
    pub(crate) fn of(portrait: &Portrait, view: View) -> Self {
        let Basics { name, birthday, email, .. } = &portrait.basics;
        let name = name.as_ref().map(Name::as_str);
        let birthday = birthday.map(|day| (day.to_string(), day));
        Self {
            id: portrait.member,
            name: name.and_then(|name| view.text(Field::Name, name, || masking::name(name))),
            phone: phone_of(portrait).and_then(|phone| view.text(Field::Phone, phone.digits(), || phone.masked())),
            email: email.as_ref().and_then(|email| view.text(Field::Email, email.as_str(), || email.masked())),
            birthday: birthday.and_then(|(whole, day)| view.text(Field::Birthday, &whole, || day.masked())),
        }
    }
}

#[cfg(test)]
mod tests {
    use huitou::trust::token::Role;
    use huitou::values::{Birthday, Card, OpenId};

    use super::*;

    #[test]
    fn staff_see_enough_to_be_sure_and_only_a_manager_the_whole_name() {
        let basics = || Basics {
            name: Name::parse("张小明").ok(),
            birthday: Birthday::parse("1988-05-20").ok(),
            ..Basics::default()
        };
        let phone = Phone::parse("13800138000").unwrap();
        let seen = MaskedBasics::of(basics(), Some(&phone), View::of(Role::Agent));
        assert_eq!(seen.name.as_deref(), Some("张*"));
        assert_eq!(seen.phone.as_deref(), Some("138****8000"));
        assert_eq!(seen.birthday.as_deref(), Some("****-05-**"));
        assert_eq!(seen.full_name, None);
        assert_eq!(MaskedBasics::of(basics(), None, View::of(Role::Guide)).full_name, None);
        assert_eq!(MaskedBasics::of(basics(), None, View::of(Role::Manager)).full_name, Name::parse("张小明").ok());
    }

    #[test]
    fn ids_show_their_ends() {
        let openid = Handle::OpenId(OpenId::parse("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o").unwrap());
        assert_eq!(MaskedHandle::of(&openid), MaskedHandle { kind: "openid", masked: "****eS6o".into() });
        let card = Handle::Card(Card::parse("00001").unwrap());
        assert_eq!(MaskedHandle::of(&card), MaskedHandle { kind: "card", masked: "****0001".into() });
    }
}
