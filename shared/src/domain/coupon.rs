//! Coupons: how much less an order costs, for whom, how often and until when.
//!
//! A coupon is a setting of the programme, and its code is what members show and tills send. A checkout reserves it, the
//! paid order redeems it, and an order that is given up or sent back rolls it back. Each step is a movement in the
//! member's journal, so that tills, mini program and staff see one state. How often a member may use a coupon is told by
//! the account; how many there are of it at all, a counter tells that is raised in the same transaction.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::entry::What;
use super::flaw::Flaws;
use super::posting::{Failure, Posted, Posting};
use super::program::Program;
use super::refusal::Refusal;
use super::rulebook::Rulebook;
use super::tier::Ladder;
use crate::values::{Actor, Code, Fen, LocalDay, Moment, Name, RowKey, share};

/// The most coupons that a programme may have.
pub const MOST_COUPONS: usize = 50;

/// The most times that one member may use a coupon.
const MOST_PER_MEMBER: u32 = 10;

/// The most of one coupon that there may be.
const MOST_STOCK: u32 = 100_000_000;

/// Reservations of one coupon that a member may have beside those that count: they have lapsed and wait for the night.
const MOST_LAPSED: u32 = 10;

/// Money off an order, or something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Coupon {
    /// Its code, as members show it.
    pub id: Code,
    /// Its name as members read it.
    pub name: Name,
    /// What it gives.
    pub gives: Discount,
    /// The amount of an order from which it can be used.
    #[serde(default)]
    pub at_least: Fen,
    /// The first day on which it can be used.
    pub from: LocalDay,
    /// The last day on which it can be used.
    pub until: LocalDay,
    /// How many there are of it, those counted that were used under the same code before.
    pub stock: u32,
    /// How often one member may use it; once when left out.
    #[serde(default = "once")]
    pub per_member: u32,
    /// Tiers that may use it; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Code>,
}

const fn once() -> u32 {
    1
}

/// What a coupon gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Discount {
    /// So much money off.
    Off(Fen),
    /// A part of the order's amount off.
    PercentOff(PercentOff),
    /// A service, which its name tells.
    Service,
}

/// A part of an order's amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PercentOff {
    /// Percent, 1 to 99.
    pub percent: u32,
    /// The most money off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<Fen>,
}

/// A coupon that a member has reserved or redeemed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CouponUse {
    /// The reservation, named by the row that made it.
    pub reservation: RowKey,
    /// The coupon.
    pub coupon: Code,
    /// The money off.
    pub off: Fen,
    /// When the reservation ends by itself; none once it was redeemed.
    #[serde(default)]
    pub until: Option<Moment>,
    /// The coupon's last day, after which nobody asks any more how often it was used.
    pub ends_on: LocalDay,
}

impl CouponUse {
    /// Whether it counts: it was redeemed, or its time has not come.
    #[must_use]
    pub fn counts(&self, now: Moment) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether the account need not remember it on this day: it was redeemed, and the coupon has ended.
    fn is_over(&self, today: LocalDay) -> bool {
        self.until.is_none() && self.ends_on < today
    }

    /// What becomes of a member's coupons by a movement.
    pub(super) fn apply(uses: &mut Vec<Self>, what: &What, today: LocalDay) {
        match what {
            What::CouponReserved { reservation, coupon, off, until, ends_on, .. } => {
                let (reservation, coupon, off, ends_on) = (*reservation, coupon.clone(), *off, *ends_on);
                uses.retain(|one| !one.is_over(today));
                uses.push(Self { reservation, coupon, off, until: Some(*until), ends_on });
            }
            What::CouponRedeemed { reservation, .. } => {
                for one in uses.iter_mut().filter(|one| one.reservation == *reservation) {
                    one.until = None;
                }
            }
            What::CouponRolledBack { reservation, .. } => uses.retain(|one| one.reservation != *reservation),
            What::MergedIn { coupons, .. } | What::MergeReturned { coupons, .. } => uses.extend_from_slice(coupons),
            What::MergeTakenBack { coupons, .. } => uses.retain(|one| !coupons.contains(&one.reservation)),
            What::MergedOut { .. } => uses.clear(),
            // What is reserved has to go back, whoever it was.
            What::Erased => uses.retain(|one| one.until.is_some()),
            _ => {}
        }
    }
}

/// Where a coupon stands for a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CouponState {
    /// It can be used.
    Usable,
    /// Its first day is yet to come.
    Coming,
    /// The member's tier may not use it.
    OtherTier,
    /// The member has used it as often as one may, or has reserved it.
    UsedUp,
    /// There is none left.
    SoldOut,
    /// Its last day is over.
    Ended,
}

impl Coupon {
    /// The money that it takes off an order.
    #[must_use]
    pub fn off(&self, amount: Fen) -> Fen {
        let off = match self.gives {
            Discount::Off(off) => off,
            Discount::PercentOff(PercentOff { percent, most }) => {
                let part = Fen::computed(share(amount.number(), u64::from(percent), 100));
                most.map_or(part, |most| part.min(most))
            }
            Discount::Service => Fen::ZERO,
        };
        off.min(amount)
    }

    /// Its rule as members read it, made from the rule itself so that both say the same.
    #[must_use]
    pub fn terms(&self, ladder: &Ladder) -> String {
        let gives = match self.gives {
            Discount::Off(off) if self.at_least.is_zero() => format!("立减{}元", yuan(off)),
            Discount::Off(off) => format!("减{}元", yuan(off)),
            Discount::PercentOff(PercentOff { percent, most }) => {
                let most = most.map(|most| format!("，最多优惠{}元", yuan(most))).unwrap_or_default();
                format!("享{}折{most}", tenths(100_u32.saturating_sub(percent)))
            }
            Discount::Service => format!("享{}", self.name),
        };
        let from = if self.at_least.is_zero() { String::new() } else { format!("满{}元", yuan(self.at_least)) };
        let names = ladder.tiers.iter().filter(|tier| self.tiers.contains(&tier.id)).map(|tier| tier.name.as_str());
        let tiers = if self.tiers.is_empty() {
            String::new()
        } else {
            format!("；限{}会员使用", names.collect::<Vec<_>>().join("、"))
        };
        let (first, last, times) = (self.from, self.until, self.per_member);
        format!("{from}{gives}；{first}至{last}有效；每人限用{times}次，共{}张，先到先得{tiers}", self.stock)
    }

    /// Where it stands for a member of this tier who has used it, with so many used in all.
    #[must_use]
    pub fn state(&self, uses: &[CouponUse], tier: Option<&Code>, used: u64, now: Moment) -> CouponState {
        if self.until < now.day() {
            CouponState::Ended
        } else if now.day() < self.from {
            CouponState::Coming
        } else if !self.is_for(tier) {
            CouponState::OtherTier
        } else if self.counted(uses, now) >= self.per_member {
            CouponState::UsedUp
        } else if used >= u64::from(self.stock) {
            CouponState::SoldOut
        } else {
            CouponState::Usable
        }
    }

    fn is_for(&self, tier: Option<&Code>) -> bool {
        self.tiers.is_empty() || tier.is_some_and(|tier| self.tiers.contains(tier))
    }

    /// How often a member has used it by now, reservations that have not lapsed included.
    fn counted(&self, uses: &[CouponUse], now: Moment) -> u32 {
        let counting = uses.iter().filter(|one| one.coupon == self.id && one.counts(now)).count();
        u32::try_from(counting).unwrap_or(u32::MAX)
    }

    /// Why a member may not use it on an order of this amount; none when they may.
    fn bar(&self, account: &Account, amount: Fen, now: Moment) -> Option<Refusal> {
        let uses = &account.coupons;
        let kept = uses.iter().filter(|one| one.coupon == self.id).count();
        // The counter knows how many are left.
        match self.state(uses, account.standing.as_ref().map(|standing| &standing.tier), 0, now) {
            CouponState::Coming | CouponState::Ended => {
                Some(Refusal::CouponNotInForce { from: self.from, until: self.until })
            }
            CouponState::OtherTier => Some(Refusal::CouponForOtherTiers),
            CouponState::UsedUp => Some(Refusal::CouponUsedUp { most: self.per_member }),
            _ if kept >= (self.per_member + MOST_LAPSED) as usize => {
                Some(Refusal::CouponUsedUp { most: self.per_member })
            }
            _ if amount < self.at_least => Some(Refusal::CouponBelowMinimum { at_least: self.at_least }),
            _ => None,
        }
    }

    /// Notes what is wrong with a programme's coupons.
    pub(super) fn flaws(program: &Program, flaws: &mut Flaws) {
        let (coupons, ladder) = (&program.coupons, &program.ladder);
        flaws.note(coupons.len() > MOST_COUPONS, "/coupons", "must be at most 50 coupons; take out those that ended");
        for (n, coupon) in coupons.iter().enumerate() {
            let at = |field: &str| format!("/coupons/{n}/{field}");
            let again = coupons.iter().take(n).any(|other| other.id == coupon.id);
            flaws.note(again, at("id"), "must differ from the ids before it");
            flaws.note(coupon.until < coupon.from, at("until"), "must not lie before from");
            let stock = (1..=MOST_STOCK).contains(&coupon.stock);
            flaws.note(!stock, at("stock"), "must be 1 to 100000000");
            let times = (1..=MOST_PER_MEMBER).contains(&coupon.per_member);
            flaws.note(!times, at("per_member"), "must be 1 to 10");
            let unknown = coupon.tiers.iter().any(|t| !ladder.tiers.iter().any(|tier| tier.id == *t));
            flaws.note(unknown, at("tiers"), "must name tiers of the ladder");
            match coupon.gives {
                Discount::Off(off) => {
                    flaws.note(off.is_zero(), at("gives/off"), "must be at least 1 fen");
                    let all = !coupon.at_least.is_zero() && off > coupon.at_least;
                    flaws.note(all, at("gives/off"), "must not be more than at_least");
                }
                Discount::PercentOff(PercentOff { percent, most }) => {
                    let part = (1..=99).contains(&percent);
                    flaws.note(!part, at("gives/percent_off/percent"), "must be 1 to 99");
                    flaws.note(most.is_some_and(Fen::is_zero), at("gives/percent_off/most"), "must be at least 1 fen");
                }
                Discount::Service => {}
            }
        }
    }
}

/// An amount in yuan, without zeros that say nothing.
fn yuan(fen: Fen) -> String {
    let (whole, rest) = (fen.number() / 100, fen.number() % 100);
    match rest {
        0 => whole.to_string(),
        rest if rest % 10 == 0 => format!("{whole}.{}", rest / 10),
        rest => format!("{whole}.{rest:02}"),
    }
}

/// Percent that are still paid, as Chinese shops say it: 85 are 8.5 tenths.
fn tenths(percent: u32) -> String {
    if percent.is_multiple_of(10) { (percent / 10).to_string() } else { format!("{}.{}", percent / 10, percent % 10) }
}

/// An order that is about to be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// What it costs without the coupon.
    pub amount: Fen,
    /// For how many minutes the coupon is reserved.
    pub minutes: u32,
}

/// Reserves a coupon for a checkout; the row's key names the reservation. It lapses by itself after its minutes.
pub fn reserve(
    before: &Account,
    coupon: &Code,
    Checkout { amount, minutes }: Checkout,
    row: RowKey,
    rules: &Rulebook,
    now: Moment,
    by: Actor,
) -> Result<Posted, Failure> {
    let coupon = rules.program().coupon(coupon).ok_or(Refusal::UnknownCoupon)?;
    let most = rules.program().hold_minutes;
    if minutes == 0 || minutes > most {
        return Err(Refusal::HoldTooLong { most }.into());
    }
    let posting = Posting::open(before, rules, now)?;
    if let Some(refusal) = coupon.bar(posting.account(), amount, now) {
        return Err(refusal.into());
    }
    let what = What::CouponReserved {
        reservation: row,
        coupon: coupon.id.clone(),
        amount,
        off: coupon.off(amount),
        until: now.plus(Duration::from_secs(u64::from(minutes) * 60)),
        ends_on: coupon.until,
    };
    Ok(posting.close(row, by, what)?)
}

/// The order was paid: the reservation counts for good.
pub fn redeem(
    before: &Account,
    reservation: RowKey,
    rules: &Rulebook,
    now: Moment,
    by: Actor,
) -> Result<Posted, Failure> {
    let open = before.coupon_use(reservation).filter(|one| one.until.is_some() && one.counts(now));
    let one = open.ok_or(Refusal::CouponClosed)?;
    let what = What::CouponRedeemed { reservation, coupon: one.coupon.clone(), off: one.off };
    Ok(Posting::open(before, rules, now)?.close(redeeming_row(reservation), by, what)?)
}

/// The order was given up or sent back, or the reservation has lapsed: the member may use the coupon again.
pub fn roll_back(
    before: &Account,
    reservation: RowKey,
    rules: &Rulebook,
    now: Moment,
    by: Actor,
) -> Result<Posted, Failure> {
    let one = before.coupon_use(reservation).ok_or(Refusal::CouponClosed)?;
    let what = What::CouponRolledBack { reservation, coupon: one.coupon.clone() };
    Ok(Posting::open(before, rules, now)?.close(rolling_back_row(reservation), by, what)?)
}

/// The row that redeems a reservation.
#[must_use]
pub fn redeeming_row(reservation: RowKey) -> RowKey {
    RowKey::of("coupon-redeemed", &[&reservation.to_string()])
}

/// The row that rolls a reservation back.
#[must_use]
pub fn rolling_back_row(reservation: RowKey) -> RowKey {
    RowKey::of("coupon-rolled-back", &[&reservation.to_string()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::values::MemberId;

    fn a_coupon(gives: Discount) -> Coupon {
        Coupon {
            id: Code::parse("spring").unwrap(),
            name: Name::parse("春季券").unwrap(),
            gives,
            at_least: Fen::ZERO,
            from: LocalDay::FIRST,
            until: LocalDay::LAST,
            stock: 1,
            per_member: 1,
            tiers: Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn no_coupon_takes_off_more_than_the_order_costs_or_than_it_says(
            amount in 0_u64..1_000_000, percent in 1_u32..100, most in prop::option::of(1_u64..100_000), off in 1_u64..100_000,
        ) {
            let (amount, most) = (Fen::computed(amount), most.map(Fen::computed));
            let part = a_coupon(Discount::PercentOff(PercentOff { percent, most })).off(amount);
            prop_assert!(part <= amount && most.is_none_or(|most| part <= most));
            // Rounded down: the house never gives a fen more than the percent say.
            prop_assert!(part.number() * 100 <= amount.number() * u64::from(percent));
            let fixed = a_coupon(Discount::Off(Fen::computed(off))).off(amount);
            prop_assert_eq!(fixed.number(), off.min(amount.number()));
            prop_assert_eq!(a_coupon(Discount::Service).off(amount), Fen::ZERO);
        }
    }

    #[test]
    fn forgotten_reservations_do_not_pile_up() {
        let coupon = a_coupon(Discount::Off(Fen::yuan(1)));
        let mut account = Account::new(MemberId::from_random([7; 16]));
        let now = Moment::start_of(LocalDay::FIRST.plus(9));
        for n in 0..=MOST_LAPSED {
            assert_eq!(coupon.bar(&account, Fen::yuan(9), now), None, "{n} have lapsed");
            account.coupons.push(CouponUse {
                reservation: RowKey::of("coupon", &[&n.to_string()]),
                coupon: coupon.id.clone(),
                off: Fen::yuan(1),
                until: Some(now),
                ends_on: coupon.until,
            });
        }
        assert_eq!(coupon.bar(&account, Fen::yuan(9), now), Some(Refusal::CouponUsedUp { most: 1 }));
    }

    #[test]
    fn amounts_and_tenths_are_written_as_shops_write_them() {
        let written = [30_00, 5_50, 5_05, 7].map(|fen| yuan(Fen::computed(fen)));
        assert_eq!(written, ["30", "5.5", "5.05", "0.07"]);
        assert_eq!([85, 90, 5].map(tenths), ["8.5", "9", "0.5"]);
    }
}
