//! Programme settings: how points are earned, kept and spent, as versioned data.
//!
//! A version takes effect at a moment and stays readable for good: a late order is judged by the version of the day on
//! which it was paid.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::coupon::Coupon;
use super::days::Window;
use super::flaw::{Flaw, Flaws};
use super::occasion::Occasion;
use super::order::{Order, Topic};
use super::tier::{Ladder, Qualify};
use crate::values::{Actor, Category, Code, Currency, Fen, LocalDay, Moment, Name, Points};

/// A period over which a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A calendar day.
    Day,
    /// Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
    /// All time.
    Ever,
}

impl Period {
    /// The first day of the period in which this day lies.
    #[must_use]
    pub fn start(self, day: LocalDay) -> LocalDay {
        match self {
            Self::Day => day,
            Self::Week => day.start_of_week(),
            Self::Month => day.start_of_month(),
            Self::Year => day.start_of_year(),
            Self::Ever => LocalDay::FIRST,
        }
    }
}

/// What may happen at most so often, or bring at most so many points, in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    /// The period.
    pub per: Period,
    /// How often at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// How many points at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<Points>,
}

/// When points lapse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expiry {
    /// Never.
    Never,
    /// This many days after the day they were earned.
    AfterDays(u32),
    /// With the month that lies this many months after the one they were earned in.
    EndOfMonthAfter(u32),
    /// With the year that lies this many years after the one they were earned in.
    EndOfYearAfter(u32),
}

impl Expiry {
    /// The last day on which points earned on `day` can be spent.
    #[must_use]
    pub fn last_day(self, day: LocalDay) -> Option<LocalDay> {
        match self {
            Self::Never => None,
            Self::AfterDays(days) => Some(day.plus(days)),
            Self::EndOfMonthAfter(months) => Some(day.end_of_month_after(months)),
            Self::EndOfYearAfter(years) => Some(day.end_of_year_after(years)),
        }
    }
}

/// A special rate for some orders or some lines of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EarnRule {
    /// Its code.
    pub id: Code,
    /// The first day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<LocalDay>,
    /// The last day on which it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<LocalDay>,
    /// Categories for which it holds; empty for the whole order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Category>,
    /// Tiers for which it holds; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<Code>,
    /// The order amount from which it holds.
    #[serde(default)]
    pub at_least: Fen,
    /// Points in percent of the base rate.
    pub percent: u32,
}

impl EarnRule {
    fn holds_for_order(&self, order: &Order, tier: Option<&Code>) -> bool {
        let day = order.paid_at.day();
        self.from.is_none_or(|from| from <= day)
            && self.until.is_none_or(|until| day <= until)
            && (self.tiers.is_empty() || tier.is_some_and(|t| self.tiers.contains(t)))
            && self.at_least <= order.amount
    }

    fn holds_for_category(&self, category: Option<&Category>) -> bool {
        self.categories.is_empty() || category.is_some_and(|c| self.categories.contains(c))
    }
}

/// What purchases earn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Earning {
    /// Base rate: so many points ...
    pub points: u32,
    /// ... for so many fen.
    pub per_fen: u32,
    /// Special rates. Of several that hold for a line the best counts; the tier's percentage comes on top.
    #[serde(default)]
    pub rules: Vec<EarnRule>,
    /// The most that purchases bring in a period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Cap>,
    /// Days until earned points can be spent: the return window.
    pub pending_days: u32,
    /// When earned points lapse.
    pub expiry: Expiry,
}

/// Points for something other than buying.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionRule {
    /// What the member does.
    pub event: Topic,
    /// What it brings.
    pub points: Points,
    /// How often at most.
    #[serde(default)]
    pub caps: Vec<Cap>,
}

/// What an invitation brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// Points for the member who invited.
    pub inviter: Points,
    /// Points for the friend who signed up.
    pub friend: Points,
    /// How often at most the inviting member is rewarded.
    #[serde(default)]
    pub caps: Vec<Cap>,
}

/// Points for checking in every day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckIns {
    /// Points a day.
    pub points: Points,
    /// Extra points for streaks.
    #[serde(default)]
    pub streaks: Vec<StreakBonus>,
}

/// Extra points on every so-many-th day in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreakBonus {
    /// Every this many days in a row.
    pub every: u32,
    /// Points.
    pub points: Points,
}

/// Something that points buy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reward {
    /// Its code.
    pub id: Code,
    /// Its name as members read it.
    pub name: Name,
    /// What it is.
    pub gives: Gives,
    /// Its price for one.
    pub points: Points,
    /// How often a member may have it.
    #[serde(default)]
    pub caps: Vec<Cap>,
}

/// What a reward gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gives {
    /// Money off the next order.
    CashOff(Fen),
    /// Goods.
    Goods,
    /// A service.
    Service,
}

/// A cause that points can be given to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// Its code.
    pub id: Code,
    /// Its name as members read it.
    pub name: Name,
}

/// All settings of the loyalty programme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The name as members read it.
    pub name: Name,
    /// The currency of all amounts; orders in another one are refused.
    #[serde(default)]
    pub currency: Currency,
    /// The span of days for frequency and money in the value segments.
    pub window: Window,
    /// What purchases earn.
    pub earning: Earning,
    /// What other things earn.
    #[serde(default)]
    pub actions: Vec<ActionRule>,
    /// Points for signing up.
    #[serde(default)]
    pub welcome: Points,
    /// What invitations bring.
    pub invitation: Invitation,
    /// Daily check-ins.
    pub check_ins: CheckIns,
    /// Tiers.
    pub ladder: Ladder,
    /// Rewards.
    #[serde(default)]
    pub rewards: Vec<Reward>,
    /// Causes.
    #[serde(default)]
    pub causes: Vec<Cause>,
    /// Coupons.
    #[serde(default)]
    pub coupons: Vec<Coupon>,
    /// What searches tell about what members need.
    #[serde(default)]
    pub occasions: Vec<Occasion>,
    /// The longest time for which a checkout may hold points or reserve a coupon, in minutes.
    pub hold_minutes: u32,
}

impl Program {
    /// Points that an order earns for a member of this tier, before any cap: base rate × best rule × tier, over the
    /// lines, rounded down once.
    #[must_use]
    pub fn earned(&self, order: &Order, tier: Option<&Code>) -> Points {
        let tier_percent =
            tier.and_then(|t| self.ladder.tier(t)).or(self.ladder.tiers.first()).map_or(100, |t| t.earn_percent);
        let holding: Vec<&EarnRule> = self.earning.rules.iter().filter(|r| r.holds_for_order(order, tier)).collect();
        let percent = |category: Option<&Category>| {
            let best = holding.iter().filter(|r| r.holds_for_category(category)).map(|r| r.percent).max();
            u128::from(best.unwrap_or(100))
        };
        let lines: Fen = order.lines.iter().map(|line| line.amount).sum();
        let rest = u128::from(order.amount.saturating_sub(lines).number()) * percent(None);
        let weighted = order.lines.iter().fold(rest, |sum, line| {
            sum.saturating_add(u128::from(line.amount.number()) * percent(line.category.as_ref()))
        });
        let points = weighted.saturating_mul(u128::from(tier_percent) * u128::from(self.earning.points))
            / (u128::from(self.earning.per_fen.max(1)) * 10_000);
        Points::computed(u64::try_from(points).unwrap_or(u64::MAX).min(Points::MOST.number()))
    }

    /// The reward with this code.
    #[must_use]
    pub fn reward(&self, id: &Code) -> Option<&Reward> {
        self.rewards.iter().find(|reward| reward.id == *id)
    }

    /// The cause with this code.
    #[must_use]
    pub fn cause(&self, id: &Code) -> Option<&Cause> {
        self.causes.iter().find(|cause| cause.id == *id)
    }

    /// The coupon with this code.
    #[must_use]
    pub fn coupon(&self, id: &Code) -> Option<&Coupon> {
        self.coupons.iter().find(|coupon| coupon.id == *id)
    }

    /// What is wrong with the settings; empty when they can be used.
    #[must_use]
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        flaws.note(self.earning.per_fen == 0, "/earning/per_fen", "must be at least 1");
        flaws.note(
            self.hold_minutes == 0 || self.hold_minutes > 10_080,
            "/hold_minutes",
            "must be 1 to 10080 (a week)",
        );
        flaws.note(self.window == Window::Days(0), "/window", "must be at least 1 day");
        for (n, rule) in self.earning.rules.iter().enumerate() {
            let ends_early = matches!((rule.from, rule.until), (Some(from), Some(until)) if until < from);
            flaws.note(ends_early, format_args!("/earning/rules/{n}/until"), "must not lie before from");
            flaws.note(rule.percent > 10_000, format_args!("/earning/rules/{n}/percent"), "must be at most 10000");
            let unknown = rule.tiers.iter().any(|t| !self.ladder.tiers.iter().any(|tier| tier.id == *t));
            flaws.note(unknown, format_args!("/earning/rules/{n}/tiers"), "must name tiers of the ladder");
        }
        for (n, bonus) in self.check_ins.streaks.iter().enumerate() {
            flaws.note(bonus.every < 2, format_args!("/check_ins/streaks/{n}/every"), "must be at least 2 days");
        }
        for (n, reward) in self.rewards.iter().enumerate() {
            flaws.note(reward.points.is_zero(), format_args!("/rewards/{n}/points"), "must be at least 1");
            let again = self.rewards.iter().take(n).any(|other| other.id == reward.id);
            flaws.note(again, format_args!("/rewards/{n}/id"), "must differ from the ids before it");
        }
        Occasion::flaws(&self.occasions, &mut flaws);
        Coupon::flaws(self, &mut flaws);
        flaws.0.extend(self.ladder_flaws());
        flaws.0.extend(self.excesses());
        flaws.0
    }

    /// Numbers that no programme means, and that would break accounts if one did.
    fn excesses(&self) -> Vec<Flaw> {
        const DECADE: u32 = 3_660;
        let mut points = vec![
            (self.welcome, "/welcome".to_owned()),
            (Points::computed(u64::from(self.earning.points)), "/earning/points".to_owned()),
            (self.invitation.inviter, "/invitation/inviter".to_owned()),
            (self.invitation.friend, "/invitation/friend".to_owned()),
            (self.check_ins.points, "/check_ins/points".to_owned()),
        ];
        let streaks = self.check_ins.streaks.iter().enumerate();
        points.extend(streaks.map(|(n, bonus)| (bonus.points, format!("/check_ins/streaks/{n}/points"))));
        let actions = self.actions.iter().enumerate();
        points.extend(actions.map(|(n, action)| (action.points, format!("/actions/{n}/points"))));
        let rewards = self.rewards.iter().enumerate();
        points.extend(rewards.map(|(n, reward)| (reward.points, format!("/rewards/{n}/points"))));
        let days = [
            (self.earning.pending_days, "/earning/pending_days"),
            (self.ladder.review_days, "/ladder/review_days"),
            (self.ladder.grace_days, "/ladder/grace_days"),
        ];
        let mut flaws = Flaws::default();
        for (points, pointer) in points {
            flaws.note(points > Points::MOST, pointer, &format!("must be at most {} points", Points::MOST));
        }
        for (days, pointer) in days {
            flaws.note(days > DECADE, pointer, &format!("must be at most {DECADE} days"));
        }
        flaws.0
    }

    fn ladder_flaws(&self) -> Vec<Flaw> {
        let mut flaws = Flaws::default();
        let ladder = &self.ladder;
        flaws.note(ladder.tiers.is_empty(), "/ladder/tiers", "must have at least one tier, everybody's");
        flaws.note(ladder.tiers.len() > 20, "/ladder/tiers", "must have at most 20 tiers");
        flaws.note(ladder.window == Window::Days(0), "/ladder/window", "must be at least 1 day");
        flaws.note(ladder.review_days == 0, "/ladder/review_days", "must be at least 1 day");
        for (n, (lower, upper)) in ladder.tiers.iter().zip(ladder.tiers.iter().skip(1)).enumerate() {
            let rises = match ladder.qualify {
                Qualify::Spend => upper.spend > lower.spend,
                Qualify::FrequencyAndBasket => {
                    upper.days >= lower.days
                        && upper.basket >= lower.basket
                        && (upper.days, upper.basket) != (lower.days, lower.basket)
                }
            };
            flaws.note(!rises, format_args!("/ladder/tiers/{}", n + 1), "must ask for more than the tier before it");
            let again = ladder.tiers.iter().take(n + 1).any(|other| other.id == upper.id);
            flaws.note(again, format_args!("/ladder/tiers/{}/id", n + 1), "must differ from the ids before it");
        }
        if let Some(first) = ladder.tiers.first() {
            let free = first.spend.is_zero() && first.days == 0 && first.basket.is_zero();
            flaws.note(!free, "/ladder/tiers/0", "must ask for nothing: it is everybody's tier");
        }
        for (n, tier) in ladder.tiers.iter().enumerate() {
            flaws.note(
                tier.earn_percent > 1_000,
                format_args!("/ladder/tiers/{n}/earn_percent"),
                "must be at most 1000",
            );
        }
        flaws.0
    }
}

/// A stored version of the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Version {
    /// Its number, from 1.
    pub version: u32,
    /// From when it judges.
    pub effective_from: Moment,
    /// Who saved it.
    pub by: Actor,
    /// The settings.
    pub program: Program,
}

/// All versions, oldest first; never empty.
#[derive(Clone, Debug)]
pub struct Versions(Vec<Arc<Version>>);

impl Versions {
    /// Versions in the order of their numbers; `None` when there is none.
    #[must_use]
    pub fn new(mut versions: Vec<Version>) -> Option<Self> {
        versions.sort_by_key(|v| v.version);
        if versions.is_empty() { None } else { Some(Self(versions.into_iter().map(Arc::new).collect())) }
    }

    /// The version that judges what happens at `moment`: the newest that had taken effect by then, else the first.
    #[must_use]
    pub fn at(&self, moment: Moment) -> Option<&Arc<Version>> {
        self.0.iter().rfind(|v| v.effective_from <= moment).or(self.0.first())
    }

    /// The newest version, in effect or not.
    #[must_use]
    pub fn newest(&self) -> Option<&Arc<Version>> {
        self.0.last()
    }

    /// The version with this number.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Option<&Arc<Version>> {
        self.0.iter().find(|v| v.version == number)
    }
}

/// The programmes that ship with the product, ready to use or to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shipped {
    /// Silver, gold and platinum by annual spend.
    AnnualSpend,
    /// Silver, gold and black diamond by frequency and basket.
    Frequency,
}

impl Shipped {
    /// The settings; an error can't happen, a test reads both.
    pub fn program(self) -> Result<Program, serde_json::Error> {
        serde_json::from_str(match self {
            Self::AnnualSpend => include_str!("programs/annual_spend.json"),
            Self::Frequency => include_str!("programs/frequency.json"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> Program {
        Shipped::AnnualSpend.program().unwrap()
    }

    fn order(json: &str) -> Order {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn both_shipped_programmes_can_be_read_and_have_no_flaw() {
        for shipped in [Shipped::AnnualSpend, Shipped::Frequency] {
            assert_eq!(shipped.program().unwrap().flaws(), [], "{shipped:?}");
        }
    }

    #[test]
    fn a_point_a_yuan_rounded_down_once_over_all_lines() {
        let order = order(
            r#"{"source":"s","id":"1","paid_at":"2026-03-01T12:00:00+08:00","amount":1099,
                "lines":[{"sku":"a","quantity":1,"amount":550},{"sku":"b","quantity":1,"amount":549}]}"#,
        );
        assert_eq!(program().earned(&order, None).number(), 10);
    }

    #[test]
    fn the_best_rule_counts_for_its_lines_only_and_the_tier_comes_on_top() {
        let mut program = program();
        let rule = |json: &str| serde_json::from_str::<EarnRule>(json).unwrap();
        program.earning.rules = vec![
            rule(r#"{"id":"toys","categories":["玩具"],"percent":300}"#),
            rule(r#"{"id":"march","from":"2026-03-01","until":"2026-03-31","percent":200}"#),
        ];
        let order = |day: &str| {
            order(&format!(
                r#"{{"source":"s","id":"1","paid_at":"{day}T12:00:00+08:00","amount":30000,
                    "lines":[{{"sku":"a","quantity":1,"amount":10000,"category":"玩具"}}]}}"#
            ))
        };
        let gold = Code::parse("gold").unwrap();
        assert_eq!(program.earned(&order("2026-03-31"), None).number(), 300 + 400);
        assert_eq!(program.earned(&order("2026-04-01"), None).number(), 300 + 200);
        assert_eq!(program.earned(&order("2026-04-01"), Some(&gold)).number(), (300 + 200) * 3 / 2);
    }

    #[test]
    fn a_flaw_is_named_with_its_place() {
        let mut program = program();
        program.ladder.tiers[2].spend = Fen::ZERO;
        program.earning.per_fen = 0;
        let pointers: Vec<_> = program.flaws().into_iter().map(|f| f.pointer).collect();
        assert_eq!(pointers, ["/earning/per_fen", "/ladder/tiers/2"]);
    }
}
