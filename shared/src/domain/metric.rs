//! Metrics: the figures by which the brand is led, each defined once, with its unit and its target.

use serde::Serialize;

use super::anonymity::SmallestGroup;
use super::board::{Satisfaction, SelfServiceFigures, Times};
use super::tally::Figures;
use super::week::Counts;

/// What a figure tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Members who have become customers.
    Conversion,
    /// Members who were active.
    ActiveMembers,
    /// Customers who bought again.
    Repurchase,
    /// New customers who came back within 30 days.
    #[serde(rename = "retention_30_days")]
    Retention,
    /// Customers who have gone.
    Churn,
    /// What an order comes to.
    AverageOrder,
    /// What a customer will still bring.
    LifetimeValue,
    /// The net promoter score.
    Nps,
    /// Customers who are of high value.
    HighValue,
    /// Members who brought a friend.
    Referral,
    /// Members who were content with how their ticket went.
    Satisfaction,
    /// How long a ticket takes.
    TicketCycle,
    /// Questions that were answered without a ticket.
    SelfService,
}

/// In what a figure is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Members.
    Members,
    /// Parts of ten thousand.
    #[serde(rename = "per_10000")]
    Per10000,
    /// Fen.
    Fen,
    /// Percent of promoters less percent of detractors, -100 to 100.
    Score,
    /// Minutes.
    Minutes,
}

/// What the brand wants of a figure, in its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// So much or more.
    AtLeast(i32),
    /// So much or less.
    AtMost(i32),
}

impl Target {
    /// The line itself.
    #[must_use]
    pub const fn line(self) -> i32 {
        match self {
            Self::AtLeast(line) | Self::AtMost(line) => line,
        }
    }

    /// Whether a value reaches it.
    #[must_use]
    pub const fn is_reached(self, value: i32) -> bool {
        match self {
            Self::AtLeast(line) => value >= line,
            Self::AtMost(line) => value <= line,
        }
    }
}

/// What figures are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// What was counted of the members.
    pub counts: Counts,
    /// Those among them who are of high value.
    pub high_value: u64,
    /// What became of tickets; nothing of a group, for which they are not counted.
    pub desk: Desk,
}

/// What became of tickets and questions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Desk {
    /// The net promoter score, and of how many answers.
    pub nps: Option<Reading>,
    /// Those who were content, and of how many answers.
    pub satisfaction: Option<Reading>,
    /// Minutes from the opening to the resolution, and of how many tickets.
    pub cycle: Option<Reading>,
    /// Questions that were answered without a ticket, and of how many.
    pub self_service: Option<Reading>,
}

impl Desk {
    /// What these figures tell of it.
    #[must_use]
    pub fn of(figures: &Figures) -> Self {
        let satisfaction = Satisfaction::of(figures);
        let content = figures.get("csat.4") + figures.get("csat.5");
        let resolved = Times::of(figures, "resolved");
        let alone = SelfServiceFigures::of(figures);
        let asked = alone.solved + alone.unsolved;
        let answers = figures.under("nps.").map(|(_, count)| count).sum();
        let nps = satisfaction.nps.and_then(|score| i32::try_from(score).ok());
        Self {
            nps: nps.map(|value| Reading { value, of: answers, people: answers }),
            satisfaction: share(content, satisfaction.answered),
            cycle: resolved.mean_minutes.and_then(|minutes| reading(minutes, resolved.count, resolved.count)),
            self_service: share(alone.solved, asked),
        }
    }
}

/// A figure, and of how much it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What it comes to, in its unit.
    pub value: i32,
    /// Of how many members, customers, orders, answers, tickets or questions.
    pub of: u64,
    /// Behind which so many people stand, at the most.
    pub people: u64,
}

fn reading(value: u64, of: u64, people: u64) -> Option<Reading> {
    Some(Reading { value: i32::try_from(value).ok()?, of, people })
}

fn share(part: u64, of: u64) -> Option<Reading> {
    reading((part * 10_000).checked_div(of)?, of, of)
}

impl Metric {
    /// In what it is counted.
    #[must_use]
    pub const fn unit(self) -> Unit {
        match self {
            Self::Conversion
            | Self::Repurchase
            | Self::Retention
            | Self::Churn
            | Self::HighValue
            | Self::Referral
            | Self::Satisfaction
            | Self::SelfService => Unit::Per10000,
            Self::ActiveMembers => Unit::Members,
            Self::AverageOrder | Self::LifetimeValue => Unit::Fen,
            Self::Nps => Unit::Score,
            Self::TicketCycle => Unit::Minutes,
        }
    }

    /// What the brand wants.
    #[must_use]
    pub const fn target(self) -> Option<Target> {
        match self {
            Self::Repurchase => Some(Target::AtLeast(3_500)),
            Self::Churn => Some(Target::AtMost(2_500)),
            Self::AverageOrder => Some(Target::AtLeast(380_00)),
            Self::HighValue => Some(Target::AtLeast(2_500)),
            Self::Referral => Some(Target::AtLeast(800)),
            Self::Satisfaction => Some(Target::AtLeast(8_800)),
            Self::TicketCycle => Some(Target::AtMost(24 * 60)),
            Self::SelfService => Some(Target::AtLeast(7_000)),
            Self::Conversion | Self::ActiveMembers | Self::Retention | Self::LifetimeValue | Self::Nps => None,
        }
    }

    /// How it is counted, in English and in Chinese.
    #[must_use]
    pub const fn definition(self) -> [&'static str; 2] {
        match self {
            Self::Conversion => [
                "Of the members of the acquisition channel, those who have bought by the end of the last week and kept something.",
                "转化率：该获客渠道的会员中，截至最后一周周末有过有效购买（未全额退款）的比例。",
            ],
            Self::ActiveMembers => [
                "Members who bought in the week, or looked, searched, shared, reviewed, visited or checked in during it.",
                "活跃客户数：本周有购买，或有浏览、搜索、分享、评价、到店、签到等行为的会员数。",
            ],
            Self::Repurchase => [
                "Of those who bought within the 365 days up to the end of the week, those who did on two days or more.",
                "复购率：截至本周末的 365 天内有购买的客户中，在两个及以上日期购买的比例。",
            ],
            Self::Retention => [
                "Of those whose first purchase lies in the seven days that ended 30 days before the end of the week, those who bought again within 30 days of it.",
                "30 天留存率：首购落在「周末往前第 36 至 30 天」的客户中，首购后 30 天内再次购买的比例。",
            ],
            Self::Churn => [
                "Of those who bought within the 365 days that ended 90 days before the end of the week, those who have not bought since.",
                "流失率：90 天之前的 365 天内有购买的客户中，最近 90 天没有再购买的比例。",
            ],
            Self::AverageOrder => [
                "What the orders of the time came to, less what was refunded of them, by their number; fully refunded ones don't count.",
                "客单价：期内订单实付金额减去退款，除以订单数；全额退款的订单不计。",
            ],
            Self::LifetimeValue => [
                "The mean over all who have bought of what BG/NBD and gamma-gamma foresee of their purchases in the next 365 days, discounted by 15 % a year.",
                "客户生命周期价值：有过购买的客户，按 BG/NBD 与 Gamma-Gamma 模型预测的未来 365 天购买价值（年折现率 15 %）的平均数。",
            ],
            Self::Nps => [
                "Percent of 9 and 10 less percent of 0 to 6 among the answers to surveys about the tickets that were opened in the time.",
                "净推荐值：对期内提交工单的满意度调查中，打 9–10 分的百分比减去打 0–6 分的百分比。",
            ],
            Self::HighValue => [
                "Of those who have ever bought and kept something, those in the segment high_value.",
                "高价值客户占比：有过有效购买的客户中，处于高价值（high_value）人群的比例。",
            ],
            Self::Referral => [
                "Of all members, those at whose invitation a friend has signed up.",
                "推荐率：全部会员中，成功邀请过好友注册的比例。",
            ],
            Self::Satisfaction => [
                "Of the answers to surveys about the tickets that were opened in the time, those of 4 or 5.",
                "满意度：对期内提交工单的满意度调查中，打 4 分或 5 分的比例。",
            ],
            Self::TicketCycle => [
                "The mean time from the opening to the resolution, by the clock on the wall, of the tickets that were opened in the time and are resolved.",
                "工单处理周期：期内提交且已解决的工单，从提交到解决的平均时长（自然时间）。",
            ],
            Self::SelfService => [
                "Of the questions to which members said whether the answers helped, those to which they did.",
                "自助解决率：会员反馈了结果的提问中，答案解决了问题的比例。",
            ],
        }
    }

    /// What it comes to; none where there is nothing to divide by.
    #[must_use]
    pub fn read(self, observed: &Observed) -> Option<Reading> {
        let c = &observed.counts;
        match self {
            Self::Conversion => share(c.bought, c.members),
            Self::ActiveMembers => reading(c.active, c.members, c.active),
            Self::Repurchase => share(c.repeaters, c.customers),
            Self::Retention => share(c.returned, c.newcomers),
            Self::Churn => share(c.gone, c.established),
            Self::AverageOrder => reading(c.money.checked_div(c.orders)?, c.orders, c.buyers),
            Self::LifetimeValue => reading(c.value.checked_div(c.valued)?, c.valued, c.valued),
            Self::HighValue => share(observed.high_value, c.bought),
            Self::Referral => share(c.advocates, c.members),
            Self::Nps => observed.desk.nps,
            Self::Satisfaction => observed.desk.satisfaction,
            Self::TicketCycle => observed.desk.cycle,
            Self::SelfService => observed.desk.self_service,
        }
    }

    /// The same for whoever is told of groups of at least `smallest` people only.
    #[must_use]
    pub fn read_for(self, observed: &Observed, smallest: Option<SmallestGroup>) -> Option<Reading> {
        let Some(k) = smallest else { return self.read(observed) };
        let read = self.read(&observed.coarsened(k)).filter(|read| k.is_group(read.people));
        read.map(|read| Reading { of: k.coarse(read.of), ..read })
    }
}

impl Observed {
    /// The same with counts of people in multiples of the smallest group. Orders and money stay as they are: means are told
    /// of so many people only.
    #[must_use]
    pub fn coarsened(self, k: SmallestGroup) -> Self {
        let c = self.counts;
        let counts = Counts {
            members: k.coarse(c.members),
            bought: k.coarse(c.bought),
            active: k.coarse(c.active),
            customers: k.coarse(c.customers),
            repeaters: k.coarse(c.repeaters),
            newcomers: k.coarse(c.newcomers),
            returned: k.coarse(c.returned),
            established: k.coarse(c.established),
            gone: k.coarse(c.gone),
            advocates: k.coarse(c.advocates),
            ..c
        };
        Self { counts, high_value: k.coarse(self.high_value), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What every figure can be made of.
    const COUNTS: Counts = Counts {
        members: 1_000,
        bought: 400,
        active: 210,
        buyers: 100,
        orders: 120,
        money: 42_000_00,
        customers: 300,
        repeaters: 99,
        newcomers: 39,
        returned: 13,
        established: 250,
        gone: 70,
        advocates: 55,
        valued: 400,
        value: 80_000_00,
    };

    const ALL: [Metric; 13] = [
        Metric::Conversion,
        Metric::ActiveMembers,
        Metric::Repurchase,
        Metric::Retention,
        Metric::Churn,
        Metric::AverageOrder,
        Metric::LifetimeValue,
        Metric::Nps,
        Metric::HighValue,
        Metric::Referral,
        Metric::Satisfaction,
        Metric::TicketCycle,
        Metric::SelfService,
    ];

    fn figures() -> Figures {
        let mut figures = Figures::default();
        let raised = [
            ("csat.5", 20),
            ("csat.4", 10),
            ("csat.1", 10),
            ("nps.10", 15),
            ("nps.06", 10),
            ("resolved", 4),
            ("resolved.ms", 4 * 90 * 60_000),
            ("faq.solved", 6),
            ("faq.unsolved", 2),
        ];
        for (name, by) in raised {
            figures.raise(name, by);
        }
        figures
    }

    fn told(observed: &Observed, smallest: Option<SmallestGroup>) -> Vec<Option<(i32, u64)>> {
        ALL.map(|metric| metric.read_for(observed, smallest).map(|read| (read.value, read.of))).to_vec()
    }

    #[test]
    fn the_figures_come_from_the_counts() {
        let observed = Observed { counts: COUNTS, high_value: 60, desk: Desk::of(&figures()) };
        let wanted = [
            (4_000, 1_000),
            (210, 1_000),
            (3_300, 300),
            (3_333, 39),
            (2_800, 250),
            (350_00, 120),
            (200_00, 400),
            (20, 25),
            (1_500, 400),
            (550, 1_000),
            (7_500, 40),
            (90, 4),
            (7_500, 8),
        ];
        assert_eq!(told(&observed, None), wanted.map(Some));
    }

    #[test]
    fn nothing_to_divide_by_is_no_figure_and_no_zero() {
        let observed = Observed { desk: Desk::of(&Figures::default()), ..Observed::default() };
        let only_active = ALL.map(|metric| (metric == Metric::ActiveMembers).then_some((0, 0)));
        assert_eq!(told(&observed, None), only_active);
    }

    #[test]
    fn operators_are_told_of_groups_only() {
        let observed = Observed { counts: COUNTS, high_value: 60, desk: Desk::of(&figures()) };
        let k = Some(SmallestGroup::USUAL);
        let wanted = [
            Some((4_000, 1_000)),
            Some((200, 1_000)),
            Some((2_666, 300)),
            Some((0, 20)), // 13 of 39
            Some((2_500, 240)),
            Some((350_00, 120)),
            Some((200_00, 400)),
            Some((20, 20)),
            Some((1_500, 400)),
            Some((400, 1_000)),
            Some((7_500, 40)),
            None,
            None,
        ];
        assert_eq!(told(&observed, k), wanted);
        let few = Observed { counts: Counts { buyers: 19, members: 19, bought: 19, valued: 19, ..COUNTS }, ..observed };
        let means = [Metric::AverageOrder, Metric::LifetimeValue, Metric::Conversion];
        assert_eq!(means.map(|metric| metric.read_for(&few, k)), [None, None, None]);
    }
}
