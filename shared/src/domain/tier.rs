//! Tiers: up at once when earned, down only at review.

use serde::{Deserialize, Serialize};

use super::days::{PurchaseDays, Purchases, Window};
use crate::values::{Code, Fen, LocalDay, Name};

/// What counts towards a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Qualify {
    /// Money spent inside the window.
    Spend,
    /// Purchase days inside the window, with an average basket at least as large as the tier asks.
    FrequencyAndBasket,
}

/// One tier of a programme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Its code, as answers and rules name it.
    pub id: Code,
    /// Its name as members read it.
    pub name: Name,
    /// Spend inside the window from which it is reached.
    #[serde(default)]
    pub spend: Fen,
    /// Purchase days inside the window from which it is reached.
    #[serde(default)]
    pub days: u32,
    /// The average basket that must go with the purchase days.
    #[serde(default)]
    pub basket: Fen,
    /// Points earned by purchases, in percent of the base rate.
    pub earn_percent: u32,
    /// What the tier gives, as data that the brand's own pages show and systems honour.
    #[serde(default)]
    pub benefits: Vec<Benefit>,
}

/// Something that a tier gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Benefit {
    /// Its code: `free_delivery`, `own_guide`, `discount`, `priority_buy`, `free_returns`, `birthday` or the brand's own.
    pub id: Code,
    /// Its rule as members read it.
    pub name: Name,
}

/// A programme's tiers and how they are gained and kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ladder {
    /// What counts.
    pub qualify: Qualify,
    /// Over which span of days.
    pub window: Window,
    /// Days for which a tier is kept once it is reached or confirmed; then comes the review.
    pub review_days: u32,
    /// Days that a member who fell short at the review still keeps the tier.
    #[serde(default)]
    pub grace_days: u32,
    /// The tiers, lowest first; the first one is everybody's.
    pub tiers: Vec<Tier>,
}

/// Where a member stands, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The tier.
    pub tier: Code,
    /// Since when.
    pub since: LocalDay,
    /// When it is reviewed; the last day of the calendar for the lowest tier, which nobody can lose.
    pub review_on: LocalDay,
    /// Whether the last review found too little, so that the next one decides.
    pub grace: bool,
}

impl Standing {
    /// When it is reviewed; never for the lowest tier.
    #[must_use]
    pub fn review(&self) -> Option<LocalDay> {
        Some(self.review_on).filter(|day| *day < LocalDay::LAST)
    }
}

/// What is missing for the next tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NextTier {
    /// The next tier's code.
    pub tier: Code,
    /// Its name.
    pub name: Name,
    /// Money still to spend inside the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend: Option<Fen>,
    /// Purchase days still to come inside the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// The average basket that must go with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basket: Option<Fen>,
}

impl Ladder {
    fn reached(&self, tier: &Tier, bought: &Purchases) -> bool {
        match self.qualify {
            Qualify::Spend => bought.money >= tier.spend,
            Qualify::FrequencyAndBasket => bought.days >= tier.days && bought.basket() >= tier.basket,
        }
    }

    /// The rung that these purchases reach; 0 is the lowest.
    fn rung(&self, bought: &Purchases) -> usize {
        self.tiers.iter().rposition(|tier| self.reached(tier, bought)).unwrap_or(0)
    }

    fn rung_of(&self, tier: &Code) -> usize {
        self.tiers.iter().position(|t| t.id == *tier).unwrap_or(0)
    }

    /// The tier with this code; the lowest when the programme no longer has it.
    #[must_use]
    pub fn tier(&self, id: &Code) -> Option<&Tier> {
        self.tiers.get(self.rung_of(id))
    }

    fn standing(&self, rung: usize, since: LocalDay) -> Option<Standing> {
        let tier = self.tiers.get(rung)?.id.clone();
        let review_on = if rung == 0 { LocalDay::LAST } else { since.plus(self.review_days.max(1)) };
        Some(Standing { tier, since, review_on, grace: false })
    }

    /// Where a new member stands.
    #[must_use]
    pub fn start(&self, today: LocalDay) -> Option<Standing> {
        self.standing(0, today)
    }

    /// The standing after a purchase, when it changes: a higher tier at once, or the end of a grace period.
    #[must_use]
    pub fn rise(&self, now: &Standing, days: &PurchaseDays, today: LocalDay) -> Option<Standing> {
        let reached = self.rung(&days.within(self.window, today));
        let held = self.rung_of(&now.tier);
        let confirmed = now.grace && reached == held && held > 0;
        if reached > held {
            self.standing(reached, today)
        } else if confirmed {
            self.standing(held, today).map(|s| Standing { since: now.since, ..s })
        } else {
            None
        }
    }

    /// The standing after the review that was due on `now.review_on`, judged as of that day however late it is run.
    #[must_use]
    pub fn review(&self, now: &Standing, days: &PurchaseDays) -> Option<Standing> {
        let day = now.review_on;
        let held = self.rung_of(&now.tier);
        let reached = self.rung(&days.within(self.window, day));
        if reached >= held {
            self.standing(held, day).map(|s| Standing { since: now.since, ..s })
        } else if self.grace_days > 0 && !now.grace {
            Some(Standing { review_on: day.plus(self.grace_days), grace: true, ..now.clone() })
        } else {
            self.standing(reached, day)
        }
    }

    /// The tier that the next review would give if nothing more were bought.
    #[must_use]
    pub fn projected(&self, now: &Standing, days: &PurchaseDays) -> Code {
        let Some(review) = now.review() else { return now.tier.clone() };
        let reached = self.rung(&days.within(self.window, review)).min(self.rung_of(&now.tier));
        self.tiers.get(reached).map_or_else(|| now.tier.clone(), |tier| tier.id.clone())
    }

    /// What is missing for the next tier; none on the highest.
    #[must_use]
    pub fn next(&self, now: &Standing, days: &PurchaseDays, today: LocalDay) -> Option<NextTier> {
        let tier = self.tiers.get(self.rung_of(&now.tier) + 1)?;
        let bought = days.within(self.window, today);
        let next = NextTier { tier: tier.id.clone(), name: tier.name.clone(), spend: None, days: None, basket: None };
        Some(match self.qualify {
            Qualify::Spend => NextTier { spend: Some(tier.spend.saturating_sub(bought.money)), ..next },
            Qualify::FrequencyAndBasket => {
                NextTier { days: Some(tier.days.saturating_sub(bought.days)), basket: Some(tier.basket), ..next }
            }
        })
    }
}
