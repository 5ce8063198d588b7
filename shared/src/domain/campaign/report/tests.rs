use super::*;
use crate::domain::campaign::Act;
use crate::domain::campaign::definition::Definition;
use crate::domain::statistics::Test;
use crate::values::{Actor, CampaignId, RowKey, SendId};

fn now() -> Moment {
    Moment::parse("2026-03-02T10:00:00+08:00").unwrap()
}

fn campaign() -> Campaign {
    let content = serde_json::json!({ "webhook": { "topic": "t", "fields": {} } });
    let text = |id: &str| serde_json::json!({ "id": id, "weight": 50, "content": content });
    let definition: Definition = serde_json::from_value(serde_json::json!({
        "name": "老客唤醒", "scene": "dormant_wake_up", "purpose": "marketing",
        "audience": { "segment": "dormant" }, "plan": ["webhook", "sms"],
        "variants": [text("a"), text("b")], "holdout_percent": 10, "attribution_days": 7,
        "window": { "from": "2026-03-01T00:00:00+08:00", "until": "2026-03-08T00:00:00+08:00" },
    }))
    .unwrap();
    let (asked, by) = (RowKey::of("test", &[]), Actor::parse("operator:1").unwrap());
    let draft = Campaign::draft(CampaignId::of("test", &[]), definition, asked, by, now());
    draft.act(Act::Launch, now()).unwrap()
}

fn count(what: &str, variant: &str, channel: Option<Channel>) -> Count {
    Count { what: what.to_owned(), variant: Code::parse(variant).ok(), channel }
}

fn report_of(counts: &[(Count, i64)], looks: u32, days: u32) -> CampaignReport {
    let mut all = Counts::default();
    for (count, by) in counts {
        all.add(count, *by);
    }
    let counts_until = Moment::parse("2026-03-15T00:00:00+08:00").unwrap();
    CampaignReport::of(&campaign(), &all, None, looks, counts_until, Moment::start_of(now().day().plus(days)))
}

/// Four thousand members: two variants, a holdout, some who could not be reached.
fn a_campaign_that_went_well() -> Vec<(Count, i64)> {
    let hook = Some(Channel::Webhook);
    vec![
        (Count::of(Count::AUDIENCE), 4_000),
        (count("sent.delivered", "a", hook), 1_500),
        (count("sent.accepted", "b", hook), 1_400),
        (count("sent.unknown", "b", Some(Channel::Sms)), 100),
        (count("cost", "b", Some(Channel::Sms)), 5_00),
        (count("holdout", "", None), 400),
        (count("refused.consent", "", None), 350),
        (count("refused.capped", "a", None), 150),
        (count("held.quiet_hours", "a", None), 60),
        (count("failed", "a", hook), 20),
        (count("expired.offer", "a", None), 10),
        (count(BUYERS, "a", hook), 180),
        (count(ORDERS, "a", hook), 200),
        (count(BUYERS, "b", hook), 120),
        (count(ORDERS, "b", hook), 125),
        (count(BUYERS, "", None), 20),
        (count(ORDERS, "", None), 21),
        (count(ATTRIBUTED, "a", hook), 190),
        (count(PAID, "a", hook), 19_000_00),
        (count(REFUNDED, "a", hook), 1_000_00),
        (count(Count::CLICKED, "a", hook), 400),
    ]
}

fn codes(report: &CampaignReport) -> Vec<&str> {
    report.notes.iter().map(|note| note.code).collect()
}

#[test]
fn everybody_in_the_audience_is_somewhere() {
    let report = report_of(&a_campaign_that_went_well(), 0, 60);
    let AudienceFigures { members, sent, held, refused, failed, expired, holdout, moved, in_hand } = report.audience;
    let sum = |parts: &[Part]| parts.iter().map(|part| part.members).sum::<u64>();
    assert_eq!((members, sent, in_hand), (4_000, 3_000, 10));
    assert_eq!(sent + sum(&held) + sum(&refused) + failed + sum(&expired) + holdout + moved + in_hand, members);
    assert_eq!(refused[0], Part { reason: "consent".to_owned(), members: 350 });
}

#[test]
fn a_funnel_says_what_is_unknown_instead_of_nothing() {
    let report = report_of(&a_campaign_that_went_well(), 0, 60);
    let [a, sms, hook] = &report.funnels[..] else { panic!("{:?}", report.funnels) };
    assert_eq!((a.sent, a.delivered, a.clicked, a.bought, a.opened), (1_500, 1_500, 400, 180, None));
    assert_eq!((sms.channel, sms.sent, sms.unknown), (Channel::Sms, 100, 100));
    assert_eq!((hook.accepted, hook.delivered), (1_400, 0));
    assert!(codes(&report).contains(&"outcomes_unknown"));
}

#[test]
fn revenue_is_net_of_what_was_given_back_and_set_against_the_cost() {
    let report = report_of(&a_campaign_that_went_well(), 0, 60);
    assert_eq!(report.revenue.net, Fen::computed(18_000_00));
    assert_eq!((report.cost, report.roi), (Fen::computed(5_00), Some(3_599.0)));
    assert_eq!(roi(Fen::computed(5), Fen::default()), None);
}

/// By `SciPy`: 300 of 3,000 against 20 of 400 is z = 3.217, p = 0.0012954; 180 of 1,500 against 120 of 1,500 is
/// z = 3.651, p = 0.000261.
#[test]
fn the_lift_sets_those_who_got_a_copy_against_those_held_out() {
    let report = report_of(&a_campaign_that_went_well(), 0, 60);
    let lift = report.lift.unwrap();
    assert_eq!((lift.sent.bought, lift.sent.members), (300, 3_000));
    assert_eq!((report.holdout.bought, report.holdout.members), (20, 400));
    let compared = lift.against_holdout;
    assert_eq!(compared.test, Test::PooledZ);
    assert!((compared.difference - 0.05).abs() < 1e-12 && (compared.lift.unwrap() - 1.0).abs() < 1e-12);
    assert!((compared.p - 0.001_295_4).abs() < 1e-7, "{}", compared.p);
    assert!((lift.more_buyers - 150.0).abs() < 1e-9);
    let [test] = &report.tests[..] else { panic!("{:?}", report.tests) };
    assert!((test.compared.p - 0.000_261).abs() < 1e-6, "{}", test.compared.p);
    assert!(compared.significant && test.compared.significant);
}

#[test]
fn two_comparisons_share_the_error_and_early_looks_take_their_part() {
    let over = report_of(&a_campaign_that_went_well(), 0, 60);
    assert!((over.caution.error - 0.025).abs() < 1e-12);
    assert!(!codes(&over).contains(&"looked_at_often") && !codes(&over).contains(&"not_over"));
    let third = report_of(&a_campaign_that_went_well(), 3, 2);
    assert!((third.caution.error - 0.05 / 12.0 / 2.0).abs() < 1e-12);
    assert_eq!(codes(&third), ["not_over", "looked_at_often", "outcomes_unknown"]);
}

#[test]
fn a_campaign_about_which_nothing_is_known_proves_nothing() {
    let report = report_of(&[], 0, 60);
    assert_eq!((report.lift, report.roi, report.funnels.len()), (None, None, 0));
    assert_eq!(codes(&report), ["no_holdout"]);
    let few = vec![
        (Count::of(Count::AUDIENCE), 12),
        (count("sent.delivered", "a", Some(Channel::Sms)), 10),
        (count("holdout", "", None), 2),
        (count(BUYERS, "a", Some(Channel::Sms)), 2),
    ];
    let few = report_of(&few, 0, 60);
    assert_eq!(few.lift.unwrap().against_holdout.test, Test::Exact);
    assert_eq!(codes(&few), ["too_few"]);
}

#[test]
fn an_order_and_its_refund_are_counted_where_the_member_was() {
    let conversion = |arm, first, attributed| Conversion {
        send: SendId::of("test", &[]),
        campaign: CampaignId::of("test", &[]),
        arm,
        first,
        attributed,
    };
    let counted =
        |counts: Counts| -> Vec<(String, i64)> { counts.all().map(|(count, by)| (count.to_string(), by)).collect() };
    let copy = Arm::Copy { variant: Code::parse("a").ok(), channel: Channel::Sms };
    let first = conversion(copy.clone(), true, true);
    let wanted = [
        ("attributed.members|a|sms", 1),
        ("attributed.orders|a|sms", 1),
        ("attributed.paid|a|sms", 99_00),
        ("bought.members|a|sms", 1),
        ("bought.orders|a|sms", 1),
    ];
    assert_eq!(counted(first.bought(Fen::computed(99_00))), wanted.map(|(name, by)| (name.to_owned(), by)));
    assert_eq!(counted(first.refunded(Fen::computed(9_00))), [("attributed.refunded|a|sms".to_owned(), 9_00)]);
    let twice = conversion(copy.clone(), false, true).bought(Fen::computed(1_00));
    assert_eq!((twice.sum("attributed.orders"), twice.sum("attributed.members")), (1, 0), "nobody is two members");
    let again = conversion(copy, false, false);
    assert_eq!(counted(again.bought(Fen::computed(99_00))), [("bought.orders|a|sms".to_owned(), 1)]);
    assert!(again.refunded(Fen::computed(9_00)).is_empty());
    let held_out = conversion(Arm::Holdout, true, false);
    let wanted = [("bought.members||", 1), ("bought.orders||", 1)];
    assert_eq!(counted(held_out.bought(Fen::computed(99_00))), wanted.map(|(name, by)| (name.to_owned(), by)));
}
