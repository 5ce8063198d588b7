//! Facts: everything about one member that a segment's rule may ask for.

use super::age::{ChildAge, Own};
use super::consent::{Floors, Purpose, agrees};
use super::days::{PurchaseDays, Window};
use super::traits::Traits;
use crate::values::Code;

/// The facts about one member, borrowed from where they are kept.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Days with purchases.
    pub days: &'a PurchaseDays,
    /// The programme's window: what frequency, orders, money and basket mean when a rule names none.
    pub window: Window,
    /// The tier held. A review that changes it is a movement of its own, after which segments are judged again.
    pub tier: Option<&'a Code>,
    /// Whether the person has signed up.
    pub claimed: bool,
    /// Everything else that is known.
    pub traits: &'a Traits,
    /// The member's own age.
    pub own: Own,
    /// The member's children; those without a live consent are not known of, see [`Facts::known_children`].
    pub children: &'a [ChildAge],
    /// From which versions on consents count.
    pub floors: Floors,
}

impl<'a> Facts<'a> {
    /// Facts about somebody who has not signed up, and of whom nothing else is known.
    #[must_use]
    pub const fn of_purchases(days: &'a PurchaseDays, window: Window, traits: &'a Traits) -> Self {
        let own = Own { minor_until: None, birthday: None };
        Self { days, window, tier: None, claimed: false, traits, own, children: &[], floors: Floors::NONE }
    }

    /// Purposes to which the member agrees, by their words; those that are on unless refused, too.
    pub fn consents(&self) -> impl Iterator<Item = &'static str> + use<'a> {
        let (traits, own, floors) = (self.traits, self.own, self.floors);
        Purpose::ALL.into_iter().filter(move |purpose| agrees(traits, own, *purpose, floors)).map(Purpose::word)
    }

    /// Children for whom the guardian's consent is live.
    pub fn known_children(&self) -> impl Iterator<Item = &'a ChildAge> + use<'a> {
        let floors = self.floors;
        self.children.iter().filter(move |child| child.is_live(floors))
    }
}
