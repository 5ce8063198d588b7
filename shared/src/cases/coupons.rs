//! Coupons: what members see of them, and reserving, redeeming and rolling back.

use crate::app::App;
use crate::cases::{Error, Who};
use crate::domain::account::Account;
use crate::domain::coupon::{self, Checkout, Coupon, CouponState, CouponUse};
use crate::domain::entry::{Entry, What};
use crate::domain::posting::settled;
use crate::domain::refusal::Refusal;
use crate::domain::rulebook::Rulebook;
use crate::table::{Freshness, Trouble};
use crate::values::{Actor, Code, RowKey};

/// Coupons.
#[derive(Clone, Copy, Debug)]
pub struct Coupons<'a>(pub(crate) &'a App);

impl App {
    /// Coupons.
    #[must_use]
    pub const fn coupons(&self) -> Coupons<'_> {
        Coupons(self)
    }
}

/// A coupon as it stands for a member.
#[derive(Clone, Debug)]
pub struct Offered {
    /// The coupon.
    pub coupon: Coupon,
    /// Its rule as members read it.
    pub terms: String,
    /// Whether it can be used, or why not.
    pub state: CouponState,
    /// What the member has reserved or redeemed of it.
    pub uses: Vec<CouponUse>,
}

impl Coupons<'_> {
    /// The programme's coupons as they stand for a member; those that have ended only if the member has used them. Two
    /// calls, one when there are none.
    pub async fn of(&self, who: &Who) -> Result<Vec<Offered>, Error> {
        let now = self.0.now();
        let version = self.0.programs().current().await?;
        let hot = self.0.ledger().open(who, Freshness::Recent).await?;
        let account = settled(&hot.account, &version, now).map_err(super::ledger::defect)?;
        let used = self.0.table().coupons_used(&version.program.coupons).await?;
        let tier = account.standing.as_ref().map(|standing| &standing.tier);
        let offered = version.program.coupons.iter().map(|coupon| Offered {
            terms: coupon.terms(&version.program.ladder),
            state: coupon.state(&account.coupons, tier, used.get(&coupon.id).copied().unwrap_or(0), now),
            uses: account.coupons.iter().filter(|one| one.coupon == coupon.id && one.counts(now)).cloned().collect(),
            coupon: coupon.clone(),
        });
        Ok(offered.filter(|one| one.state != CouponState::Ended || !one.uses.is_empty()).collect())
    }

    /// Reserves a coupon for a checkout. Two calls.
    pub async fn reserve(&self, who: &Who, key: &str, code: &Code, checkout: Checkout) -> Result<Entry, Error> {
        let (row, now) = (who.row("coupon", key), self.0.now());
        let same = |what: &What| matches!(what, What::CouponReserved { coupon, amount, .. } if coupon == code && *amount == checkout.amount);
        let decide = |account: &Account, rules: &Rulebook| {
            coupon::reserve(account, code, checkout, row, rules, now, who.by.clone())
        };
        self.0
            .ledger()
            .book_with(who, row, same, decide, |transaction, rules| match rules.program().coupon(code) {
                Some(coupon) => transaction.coupon_taken(coupon),
                None => Err(Trouble::Defect("a coupon was reserved that is not there".into())),
            })
            .await
    }

    /// The order was paid. Three calls: the reservation's row names the member.
    pub async fn redeem(&self, by: Actor, code: &Code, reservation: RowKey) -> Result<Entry, Error> {
        let (who, row) = (self.reserver(by, code, reservation).await?, coupon::redeeming_row(reservation));
        let (now, same) = (self.0.now(), |what: &What| matches!(what, What::CouponRedeemed { .. }));
        let decide =
            |account: &Account, rules: &Rulebook| coupon::redeem(account, reservation, rules, now, who.by.clone());
        self.0.ledger().book(&who, row, same, decide).await
    }

    /// The order was given up or sent back. Three calls.
    pub async fn roll_back(&self, by: Actor, code: &Code, reservation: RowKey) -> Result<Entry, Error> {
        let (who, row) = (self.reserver(by, code, reservation).await?, coupon::rolling_back_row(reservation));
        let (now, same) = (self.0.now(), |what: &What| matches!(what, What::CouponRolledBack { .. }));
        let decide =
            |account: &Account, rules: &Rulebook| coupon::roll_back(account, reservation, rules, now, who.by.clone());
        self.0.ledger().book_with(&who, row, same, decide, |transaction, _| transaction.coupon_back(code)).await
    }

    async fn reserver(&self, by: Actor, code: &Code, reservation: RowKey) -> Result<Who, Error> {
        let entry = self.0.table().row(reservation).await?.ok_or(Refusal::UnknownReservation)?;
        match entry.what {
            What::CouponReserved { coupon, .. } if coupon == *code => {
                Ok(Who { member: entry.member, session: None, by })
            }
            _ => Err(Refusal::UnknownReservation.into()),
        }
    }
}
