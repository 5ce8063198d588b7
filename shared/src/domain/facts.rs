//! Facts: everything about one member that a segment's rule may ask for.

use super::days::{PurchaseDays, Window};
use super::traits::{ChildAge, Traits};
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
    /// The member's children.
    pub children: &'a [ChildAge],
}
