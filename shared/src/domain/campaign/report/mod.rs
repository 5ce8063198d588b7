//! A campaign's report: what became of every member of its audience, what members did, and whether that was the
//! campaign's doing.
//!
//! Made from counts alone, whatever the size of the audience. What nobody knows is said to be unknown instead of being
//! counted as no: whether a text message was opened, whether a message whose answer was lost arrived.
//!
//! Three comparisons with three meanings. The *lift* sets all members to whom a copy went against those who were held
//! out at the same gates; it counts everybody who bought in the window, whatever moved them. The *tests* set variants
//! against each other in the same way. *Revenue* counts the orders that are attributed to this campaign, net of what was
//! given back, so that the revenues of all campaigns add up to no more than was taken.

mod shown;

pub use self::shown::{
    ArmFigures, AudienceFigures, CampaignReport, Funnel, Lift, Note, Part, Revenue, VariantFigures, VariantTest,
};

use super::Campaign;
use super::conversion::{Arm, Conversion};
use super::counts::{Count, Counts};
use crate::domain::statistics::{Caution, Compared, Interval, Share, USUAL_ERROR, detectable};
use crate::domain::traits::Channel;
use crate::values::{Code, Fen, Moment};

/// Members who bought in a send's window.
const BUYERS: &str = "bought.members";
/// Their orders.
const ORDERS: &str = "bought.orders";
/// Orders attributed to the campaign.
const ATTRIBUTED: &str = "attributed.orders";
/// Members whose first order in a send's window is attributed to the campaign: never more than there are behind its
/// revenue, as long as nobody gets a second copy.
pub(in crate::domain) const ATTRIBUTED_MEMBERS: &str = "attributed.members";
/// What was paid for those, in fen.
pub(in crate::domain) const PAID: &str = "attributed.paid";
/// What of that was given back, in fen.
pub(in crate::domain) const REFUNDED: &str = "attributed.refunded";

impl Conversion {
    fn count(&self, what: &str) -> Count {
        let (variant, channel) = match &self.arm {
            Arm::Holdout => (None, None),
            Arm::Copy { variant, channel } => (variant.clone(), Some(*channel)),
        };
        Count { what: what.to_owned(), variant, channel }
    }

    /// What an order of this amount adds to its campaign's counts.
    #[must_use]
    pub fn bought(&self, amount: Fen) -> Counts {
        let mut counts = Counts::default();
        counts.add(&self.count(BUYERS), i64::from(self.first));
        counts.add(&self.count(ORDERS), 1);
        if self.attributed {
            counts.add(&self.count(ATTRIBUTED_MEMBERS), i64::from(self.first));
            counts.add(&self.count(ATTRIBUTED), 1);
            counts.add(&self.count(PAID), signed(amount));
        }
        counts
    }

    /// What a refund of this amount adds to its campaign's counts: revenue goes back, that somebody bought does not.
    #[must_use]
    pub fn refunded(&self, amount: Fen) -> Counts {
        let mut counts = Counts::default();
        if self.attributed {
            counts.add(&self.count(REFUNDED), signed(amount));
        }
        counts
    }
}

fn signed(amount: Fen) -> i64 {
    i64::try_from(amount.number()).unwrap_or(i64::MAX)
}

/// Counts, by what a report asks of them.
struct Figures<'a>(&'a Counts);

impl Figures<'_> {
    fn of(&self, what: &str, wanted: impl Fn(&Count) -> bool) -> u64 {
        let found = self.0.all().filter(|(count, _)| count.what == what && wanted(count));
        u64::try_from(found.map(|(_, by)| by).sum::<i64>()).unwrap_or(0)
    }

    fn all(&self, what: &str) -> u64 {
        u64::try_from(self.0.sum(what)).unwrap_or(0)
    }

    /// The parts of what begins with `kind` and a dot, by the rest, those with most members first.
    fn parts(&self, kind: &str) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for (count, by) in self.0.all() {
            let Some(reason) = count.what.strip_prefix(kind).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let members = u64::try_from(by).unwrap_or(0);
            match parts.iter_mut().find(|part| part.reason == reason) {
                Some(part) => part.members += members,
                None => parts.push(Part { reason: reason.to_owned(), members }),
            }
        }
        parts.sort_by(|one, other| other.members.cmp(&one.members).then_with(|| one.reason.cmp(&other.reason)));
        parts
    }

    fn revenue(&self, wanted: impl Fn(&Count) -> bool + Copy) -> Revenue {
        let (paid, refunded) = (Fen::computed(self.of(PAID, wanted)), Fen::computed(self.of(REFUNDED, wanted)));
        Revenue { orders: self.of(ATTRIBUTED, wanted), paid, refunded, net: paid.saturating_sub(refunded) }
    }

    fn sent(&self, wanted: impl Fn(&Count) -> bool) -> u64 {
        let found = self.0.all().filter(|(count, _)| count.what.starts_with("sent.") && wanted(count));
        u64::try_from(found.map(|(_, by)| by).sum::<i64>()).unwrap_or(0)
    }

    /// Members alike, of whom there are so many.
    fn arm(&self, members: u64, wanted: impl Fn(&Count) -> bool + Copy) -> ArmFigures {
        let bought = self.of(BUYERS, wanted);
        let share = Share::new(bought, members);
        let (rate, interval) = (share.rate(), share.interval(USUAL_ERROR));
        ArmFigures { members, bought, orders: self.of(ORDERS, wanted), share: rate, interval }
    }

    fn funnel(&self, variant: Option<&Code>, channel: Channel) -> Funnel {
        let here = |count: &Count| count.variant.as_ref() == variant && count.channel == Some(channel);
        let number = |what: &str| self.of(what, here);
        Funnel {
            variant: variant.cloned(),
            channel,
            sent: self.sent(here),
            delivered: number("sent.delivered"),
            accepted: number("sent.accepted"),
            awaiting_staff: number("sent.awaiting_staff"),
            bounced: number("sent.bounced"),
            unknown: number("sent.unknown"),
            opened: tells_of_opening(channel).then(|| number(Count::OPENED)),
            clicked: number(Count::CLICKED),
            bought: number(BUYERS),
            cost: Fen::computed(number(Count::COST)),
            revenue: self.revenue(here),
        }
    }
}

/// Whether a channel tells who opened a message: only a mail that loads its picture does.
const fn tells_of_opening(channel: Channel) -> bool {
    match channel {
        Channel::Email => true,
        Channel::Subscribe | Channel::Wecom | Channel::Sms | Channel::Webhook => false,
    }
}

impl ArmFigures {
    const fn as_share(&self) -> Share {
        Share::new(self.bought, self.members)
    }
}

impl CampaignReport {
    /// The report of a campaign with these counts, which has been looked at on so many days before its end, today
    /// included if it is not over. `counts_until` is when the last order may count; `rounded_to`, to what the counts are
    /// rounded for whoever reads it.
    #[must_use]
    pub fn of(
        campaign: &Campaign,
        counts: &Counts,
        rounded_to: Option<u64>,
        looks: u32,
        counts_until: Moment,
        now: Moment,
    ) -> Self {
        let (figures, definition) = (Figures(counts), &campaign.definition);
        let of_copy = |count: &Count| count.channel.is_some();
        let holdout = figures.arm(figures.all("holdout"), |count| count.channel.is_none());
        let sent = figures.arm(figures.all("sent"), of_copy);
        let variants: Vec<VariantFigures> = (definition.variants.iter())
            .map(|variant| {
                let own = |count: &Count| count.channel.is_some() && count.variant.as_ref() == Some(&variant.id);
                let members = figures.sent(own);
                VariantFigures {
                    variant: variant.id.clone(),
                    weight: variant.weight,
                    figures: figures.arm(members, own),
                }
            })
            .collect();
        let pairs: Vec<(&VariantFigures, &VariantFigures)> = (variants.iter().enumerate())
            .flat_map(|(n, one)| variants.iter().skip(n + 1).map(move |other| (one, other)))
            .collect();
        let over = now >= counts_until;
        let comparisons = pairs.len() + usize::from(holdout.members > 0);
        let caution = Caution::at(looks, over, u32::try_from(comparisons).unwrap_or(u32::MAX));
        let tests = pairs.into_iter().filter_map(|pair| VariantTest::of(pair, caution)).collect();
        let (cost, revenue) = (Fen::computed(figures.all(Count::COST)), figures.revenue(of_copy));
        let mut report = Self {
            campaign: campaign.id,
            name: definition.name.clone(),
            state: campaign.standing(now),
            as_of: now,
            counts_until,
            rounded_to,
            audience: AudienceFigures::of(&figures),
            funnels: funnels(&figures),
            holdout,
            cost,
            revenue,
            roi: roi(revenue.net, cost),
            lift: Lift::of(sent, holdout, caution),
            tests,
            caution,
            notes: Vec::new(),
            variants,
        };
        report.notes = report.noted(over, definition.holdout_percent > 0);
        report
    }

    fn noted(&self, over: bool, holds_out: bool) -> Vec<Note> {
        let mut notes = Vec::new();
        let mut note = |applies: bool, code, english: String, chinese: String| {
            if applies {
                notes.push(Note { code, english, chinese });
            }
        };
        note(
            !over,
            "not_over",
            format!("Orders until {} may still count; all figures can change.", self.counts_until),
            format!("{}之前的订单仍可能计入，所有数字都会变化。", self.counts_until),
        );
        let looks = self.caution.looks;
        note(
            looks > 1 || (looks > 0 && over),
            "looked_at_often",
            format!(
                "Looked at on {looks} days before the end: each comparison is held to an error of {:.4}, so that all \
                 looks together err at most one time in twenty (Bonferroni).",
                self.caution.error
            ),
            format!(
                "结束前已有{looks}天查看过：每次比较的显著性水平收紧为{:.4}，使全部查看合计的误判不超过5%（Bonferroni校正）。",
                self.caution.error
            ),
        );
        if let Some(k) = self.rounded_to {
            note(
                true,
                "rounded",
                format!("Your role sees groups, not persons: every figure is rounded down to a multiple of {k}."),
                format!("您的角色只能查看群体数据：所有数字均向下取整到{k}的倍数。"),
            );
        }
        note(
            self.holdout.members == 0 && !(holds_out && self.rounded_to.is_some()),
            "no_holdout",
            "Nobody was held out: what members would have bought anyway is unknown, and with it the lift.".to_owned(),
            "没有对照组：无法知道会员本来会不会购买，因此没有提升值。".to_owned(),
        );
        if let Some(lift) = &self.lift {
            let (english, chinese) = lift.sample_note();
            note(!lift.against_holdout.significant, "too_few", english, chinese);
        }
        let unknown: u64 = self.funnels.iter().map(|funnel| funnel.unknown).sum();
        note(
            unknown > 0,
            "outcomes_unknown",
            format!("Of {unknown} messages nobody knows whether they went; they count as sent."),
            format!("有{unknown}条消息是否发出未知，按已发出计算。"),
        );
        notes
    }
}

/// Every variant on every channel of which something is known, in this order.
fn funnels(figures: &Figures<'_>) -> Vec<Funnel> {
    let mut known: Vec<(Option<&Code>, Channel)> =
        figures.0.all().filter_map(|(count, _)| Some((count.variant.as_ref(), count.channel?))).collect();
    known.sort_unstable();
    known.dedup();
    known.into_iter().map(|(variant, channel)| figures.funnel(variant, channel)).collect()
}

impl AudienceFigures {
    fn of(figures: &Figures<'_>) -> Self {
        let [members, sent, failed, holdout, moved] =
            [Count::AUDIENCE, "sent", "failed", "holdout", "moved"].map(|what| figures.all(what));
        let [held, refused, expired] = ["held", "refused", "expired"].map(|kind| figures.parts(kind));
        let in_hand = members.saturating_sub(Count::STANDINGS.iter().map(|what| figures.all(what)).sum());
        Self { members, sent, held, refused, failed, expired, holdout, moved, in_hand }
    }
}

impl VariantTest {
    fn of((one, other): (&VariantFigures, &VariantFigures), caution: Caution) -> Option<Self> {
        let compared = Compared::of(one.figures.as_share(), other.figures.as_share(), caution.error)?;
        Some(Self { variant: one.variant.clone(), against: other.variant.clone(), compared })
    }
}

impl Lift {
    fn of(sent: ArmFigures, holdout: ArmFigures, caution: Caution) -> Option<Self> {
        let against_holdout = Compared::of(sent.as_share(), holdout.as_share(), caution.error)?;
        let Interval { low, high } = against_holdout.difference_interval;
        let members = float(sent.members);
        Some(Self {
            sent,
            against_holdout,
            more_buyers: against_holdout.difference * members,
            more_buyers_interval: Interval { low: low * members, high: high.map(|high| high * members) },
            detectable: detectable(holdout.share?, (sent.members, holdout.members)),
        })
    }

    fn sample_note(&self) -> (String, String) {
        match self.detectable {
            Some(rise) => (
                format!(
                    "No difference is proved. Groups of this size show a rise of {:.2} percentage points or more in \
                     four cases of five; a smaller one needs more members.",
                    rise * 100.0
                ),
                format!(
                    "差异尚未被证实。这样的样本量有八成把握发现{:.2}个百分点以上的提升，更小的提升需要更多会员。",
                    rise * 100.0
                ),
            ),
            None => (
                "No difference is proved, and with so few members none could be.".to_owned(),
                "差异尚未被证实，而且会员太少，无法证实任何差异。".to_owned(),
            ),
        }
    }
}

fn roi(net: Fen, cost: Fen) -> Option<f64> {
    (!cost.is_zero()).then(|| (float(net.number()) - float(cost.number())) / float(cost.number()))
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 fen, which is ninety trillion yuan")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
