//! Random programmes: both shipped ones and their variations, and members' random doings.

use huitou::domain::order::Topic;
use huitou::domain::program::{Cap, Expiry, Period, Program, Shipped};
use huitou::values::Points;
use proptest::prelude::*;

use super::{Command, Portion};

fn expiry() -> impl Strategy<Value = Expiry> {
    prop_oneof![
        2 => Just(Expiry::Never),
        1 => Just(Expiry::AfterDays(0)),
        3 => prop_oneof![Just(3), Just(30), Just(365)].prop_map(Expiry::AfterDays),
        // So far away that it ends with the calendar.
        1 => Just(Expiry::AfterDays(u32::MAX)),
        2 => prop_oneof![Just(0), Just(1), Just(12)].prop_map(Expiry::EndOfMonthAfter),
        2 => prop_oneof![Just(0), Just(1)].prop_map(Expiry::EndOfYearAfter),
    ]
}

fn cap() -> impl Strategy<Value = Cap> {
    let period =
        prop_oneof![Just(Period::Day), Just(Period::Week), Just(Period::Month), Just(Period::Year), Just(Period::Ever)];
    let most = prop_oneof![
        (1_u32..4).prop_map(|times| (Some(times), None)),
        (1_u64..500).prop_map(|points| (None, Some(points))),
        (1_u32..4, 1_u64..500).prop_map(|(times, points)| (Some(times), Some(points))),
    ];
    (period, most).prop_map(|(per, (times, points))| Cap { per, times, points: points.map(Points::computed) })
}

/// What purchases earn, as settings may vary it while everything else stays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variation {
    expiry: Expiry,
    pending_days: u32,
    points: u32,
    cap: Option<Cap>,
}

pub(crate) fn variation() -> impl Strategy<Value = Variation> {
    let pending_days = prop_oneof![2 => Just(0_u32), 3 => Just(7), 1 => Just(400)];
    let cap = prop_oneof![2 => Just(None), 1 => cap().prop_map(Some)];
    (expiry(), pending_days, 0_u32..5, cap).prop_map(|(expiry, pending_days, points, cap)| Variation {
        expiry,
        pending_days,
        points,
        cap,
    })
}

impl Variation {
    pub(crate) fn of(self, program: &Program) -> Program {
        let mut program = program.clone();
        program.earning.expiry = self.expiry;
        program.earning.pending_days = self.pending_days;
        program.earning.points = self.points;
        program.earning.cap = self.cap;
        program
    }
}

pub(crate) fn program() -> impl Strategy<Value = Program> {
    let shipped = prop_oneof![Just(Shipped::AnnualSpend), Just(Shipped::Frequency)].prop_map(|s| s.program().unwrap());
    let varied = (
        shipped.clone(),
        variation(),
        prop_oneof![Just(0_u32), Just(30)],
        prop_oneof![Just(1_u32), Just(30), Just(365)],
        prop::collection::vec(cap(), 0..3),
    )
        .prop_map(|(program, variation, grace, review, caps)| {
            let mut program = variation.of(&program);
            program.ladder.grace_days = grace;
            program.ladder.review_days = review;
            program.actions[0].caps = caps;
            program.earning.rules = serde_json::from_str(
                r#"[{"id":"toys","categories":["玩具"],"percent":300},
                    {"id":"gold","tiers":["gold"],"at_least":5000,"percent":150}]"#,
            )
            .unwrap();
            program.hold_minutes = 10_080;
            program.rewards[0].points = Points::computed(40);
            program.rewards[1].points = Points::computed(90);
            program
        });
    prop_oneof![1 => shipped, 5 => varied]
}

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => Just(0_u64),
        3 => 1_u64..200,
        10 => 200_u64..40_000,
        6 => 40_000_u64..400_000,
        2 => Just(100_000_000_000_u64),
    ]
}

fn some_points() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 1_u64..60, 3 => 60_u64..2_000, 1 => Just(1_000_000_000_u64)]
}

fn portion() -> impl Strategy<Value = Portion> {
    prop_oneof![
        2 => Just(Portion::All),
        4 => (0_u64..100).prop_map(Portion::Percent),
        1 => Just(Portion::TooMuch),
    ]
}

fn minutes() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => 1_u64..90,
        3 => 90_u64..2_880,
        3 => 2_880_u64..60_000,
        1 => 60_000_u64..576_000,
    ]
}

fn days_ago() -> impl Strategy<Value = u32> {
    prop_oneof![6 => Just(0_u32), 3 => 1_u32..40, 1 => 40_u32..800]
}

fn coming_in() -> impl Strategy<Value = Command> {
    let who = 0_usize..3;
    let topic = prop_oneof![Just(Topic::Review), Just(Topic::Share), Just(Topic::Photo), Just(Topic::View)];
    let buy = (who.clone(), amount(), 0_u64..=100, any::<bool>(), days_ago());
    prop_oneof![
        10 => buy.prop_map(|(who, amount, toys, ahead, days_ago)| Command::Buy { who, amount, toys, ahead, days_ago }),
        2 => (any::<usize>(), who.clone()).prop_map(|(order, who)| Command::Redeliver { order, who }),
        6 => (any::<usize>(), portion()).prop_map(|(order, portion)| Command::Refund { order, portion }),
        1 => any::<usize>().prop_map(|refund| Command::RefundAgain { refund }),
        3 => (who.clone(), topic, days_ago()).prop_map(|(who, topic, days_ago)| Command::Event { who, topic, days_ago }),
        2 => who.clone().prop_map(|who| Command::CheckIn { who }),
        1 => who.clone().prop_map(|who| Command::Join { who }),
        2 => (who, some_points(), any::<bool>())
            .prop_map(|(who, points, give)| Command::Adjust { who, points, give }),
    ]
}

fn going_out() -> impl Strategy<Value = Command> {
    let who = 0_usize..3;
    prop_oneof![
        3 => (who.clone(), 0_usize..4, 1_u32..4)
            .prop_map(|(who, reward, quantity)| Command::Redeem { who, reward, quantity }),
        2 => (who.clone(), some_points()).prop_map(|(who, points)| Command::Donate { who, points }),
        5 => (who, prop_oneof![Just(100), 1_u64..100, Just(150)], prop_oneof![0_u32..35, 35_u32..10_090])
            .prop_map(|(who, percent, minutes)| Command::Hold { who, percent, minutes }),
        4 => (any::<usize>(), portion()).prop_map(|(hold, portion)| Command::Capture { hold, portion }),
        2 => any::<usize>().prop_map(|hold| Command::Release { hold }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let who = 0_usize..3;
    prop_oneof![
        27 => coming_in(),
        14 => going_out(),
        3 => (who.clone(), who).prop_map(|(survivor, absorbed)| Command::Merge { survivor, absorbed }),
        3 => any::<usize>().prop_map(|merge| Command::Undo { merge }),
        12 => minutes().prop_map(|minutes| Command::Wait { minutes }),
        1 => variation().prop_map(|variation| Command::ChangeSettings { variation }),
    ]
}

pub(crate) fn commands() -> impl Strategy<Value = Vec<Command>> {
    prop::collection::vec(command(), 1..45)
}
