use proptest::prelude::*;

use super::super::LEASE;
use super::*;
use crate::domain::campaign::counts::Count;
use crate::domain::reach::SuppressedBy;
use crate::values::{CampaignId, Fen, MemberId, MessageId, TemplateId};

const PLAN: [Channel; 2] = [Channel::Subscribe, Channel::Sms];

fn now() -> Moment {
    Moment::parse("2026-11-02T12:00:00+08:00").unwrap()
}

fn template() -> TemplateId {
    TemplateId::parse("wake-up").unwrap()
}

fn call(channel: Channel) -> Call {
    let credit = (channel == Channel::Subscribe).then(template);
    Call { channel, at: now(), taken: Taken { shard: Some(3), cost: Fen::computed(5), credit } }
}

fn claimed(channel: Channel) -> Send {
    let until = now().plus(Duration::from_hours(24));
    let member = MemberId::from_random([7; 16]);
    Send::new(CampaignId::of("test", &["one"]), member, None, until, now()).claimed(call(channel))
}

fn settled(channel: Channel, outcome: Outcome) -> Settled {
    settle(&claimed(channel), &call(channel), &PLAN, outcome, 0, now())
}

fn fault(of: Fault) -> Outcome {
    Outcome::Permanent { reason: Failure { of, code: "40003".to_owned() } }
}

fn id() -> MessageId {
    MessageId::parse("9006").unwrap()
}

#[test]
fn a_message_that_may_have_gone_gives_nothing_back_and_one_that_surely_did_not_gives_back_everything() {
    let busy = Outcome::Retry { after: Duration::ZERO, busy: Busy::Provider };
    for (outcome, back) in [
        (Outcome::Accepted(id()), false),
        (Outcome::Unknown, false),
        (busy, true),
        (fault(Fault::Recipient), true),
        (fault(Fault::Content), true),
        (fault(Fault::Account), true),
        (Outcome::Refused { scope: Scope::Template }, true),
    ] {
        let settled = settled(Channel::Subscribe, outcome.clone());
        assert_eq!(settled.give_back, back.then(|| call(Channel::Subscribe).taken), "{outcome:?}");
    }
}

#[test]
fn staff_have_to_confirm_what_goes_by_wecom_and_nobody_else_does() {
    let by = |channel| settled(channel, Outcome::Accepted(id())).send.state;
    assert!(matches!(by(Channel::Wecom), State::AwaitingStaff { look_at, .. } if look_at == now().plus(STAFF_LOOK)));
    assert!(matches!(by(Channel::Sms), State::Accepted { .. }));
}

#[test]
fn an_address_that_is_gone_leads_to_the_next_channel_and_after_the_last_one_to_an_end() {
    let first = settled(Channel::Subscribe, fault(Fault::Recipient));
    assert_eq!(first.send.barred, [Channel::Subscribe]);
    assert!(matches!(first.send.state, State::Held { until, why: Wait::Retry } if until == now()), "at once");
    let again = first.send.claimed(call(Channel::Sms));
    let last = settle(&again, &call(Channel::Sms), &PLAN, fault(Fault::Recipient), 0, now());
    assert!(matches!(last.send.state, State::Failed { channel: Channel::Sms, .. }));
    assert_eq!(last.send.due_at(), None);
}

#[test]
fn a_faulty_content_is_told_to_the_campaign_and_a_closed_account_to_the_circuit() {
    let content = settled(Channel::Sms, fault(Fault::Content));
    assert_eq!((content.content_fault.as_deref(), content.provider), (Some("40003"), Provider::Well));
    let account = settled(Channel::Sms, fault(Fault::Account));
    assert_eq!((account.content_fault, account.provider), (None, Provider::ShutOut));
    let recipient = Outcome::Retry { after: Duration::ZERO, busy: Busy::Recipient };
    assert_eq!(settled(Channel::Sms, recipient).provider, Provider::Well, "one recipient says nothing of the provider");
}

#[test]
fn attempts_wait_twice_as_long_each_time_and_end() {
    let busy = || Outcome::Retry { after: Duration::ZERO, busy: Busy::Recipient };
    let (mut send, mut waits) = (claimed(Channel::Sms), Vec::new());
    while let State::Held { until, why: Wait::Retry } =
        settle(&send, &call(Channel::Sms), &PLAN, busy(), 0, now()).send.state
    {
        waits.push(until.since(now()).as_secs());
        send = send.claimed(call(Channel::Sms));
    }
    assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1_920]);
    assert_eq!(send.attempts, MOST_ATTEMPTS);
    let end = settle(&send, &call(Channel::Sms), &PLAN, busy(), 0, now());
    assert!(matches!(end.send.state, State::Failed { .. }) && end.give_back.is_some());
}

#[test]
fn a_provider_that_asks_for_patience_gets_it_and_chance_spreads_those_that_come_back() {
    let tomorrow = Duration::from_hours(12);
    let busy = Outcome::Retry { after: tomorrow, busy: Busy::Provider };
    let until = |chance| match settle(&claimed(Channel::Sms), &call(Channel::Sms), &PLAN, busy.clone(), chance, now()) {
        Settled { send: Send { state: State::Held { until, .. }, .. }, .. } => until.since(now()),
        other => panic!("{other:?}"),
    };
    assert_eq!(until(0), tomorrow);
    assert!(until(50) > until(0) && until(99) < tomorrow * 3 / 2);
}

#[test]
fn a_claim_whose_process_died_is_asked_about_and_sent_again_only_when_it_surely_did_not_go() {
    let dead = claimed(Channel::Sms);
    assert_eq!(dead.due_at(), Some(now().plus(LEASE)));
    let later = now().plus(LEASE);
    let after = |known| recall(&dead, known, 0, later).unwrap();
    assert!(matches!(after(Known::Delivered).send.state, State::Delivered { .. }));
    assert!(matches!(after(Known::Accepted(id())).send.state, State::Accepted { .. }));
    assert!(matches!(after(Known::Never).send.state, State::Unknown { look_at: None, .. }));
    let not_sent = after(Known::NotSent);
    assert!(matches!(not_sent.send.state, State::Held { why: Wait::Retry, .. }) && not_sent.give_back.is_some());
    for known in [Known::Delivered, Known::Accepted(id()), Known::Never, Known::NotYet] {
        assert_eq!(after(known).give_back, None);
    }
}

#[test]
fn records_that_lag_are_asked_less_and_less_often_and_in_the_end_no_more() {
    let (mut send, mut looks, mut at) = (settled(Channel::Sms, Outcome::Unknown).send, 0, now());
    while let Some(next) = send.due_at() {
        assert!(next > at, "later each time");
        at = next;
        send = recall(&send, Known::NotYet, 0, at).unwrap().send;
        looks += 1;
    }
    assert_eq!(looks, MOST_LOOKS);
    assert!(matches!(send.state, State::Unknown { look_at: None, .. }), "it stays unknown, and counts as sent");
}

#[test]
fn staff_who_never_confirm_leave_a_message_as_sent_after_a_week() {
    let mut send = settled(Channel::Wecom, Outcome::Accepted(id())).send;
    let mut looks = 0;
    while let Some(at) = send.due_at() {
        send = recall(&send, Known::NotYet, 0, at).unwrap().send;
        looks += 1;
    }
    assert!(matches!(send.state, State::Accepted { .. }));
    assert_eq!(looks, 7 * 24);
}

#[test]
fn what_is_final_is_asked_about_no_more() {
    for state in [State::Holdout, State::Refused { gate: crate::domain::campaign::gates::Gate::Consent }] {
        assert_eq!(recall(&claimed(Channel::Sms).moved_to(state, now()), Known::Delivered, 0, now()), None);
    }
}

#[test]
fn a_touch_stands_before_the_call_and_goes_with_its_credit_when_nothing_went() {
    let (send, subscribed) = (claimed(Channel::Subscribe), call(Channel::Subscribe));
    let mut reach = Reach::default();
    reach.grant(&template());
    touch(&mut reach, &send, &subscribed, 7);
    assert_eq!((reach.touches().len(), reach.credit(&template())), (1, 0));
    let busy = settled(Channel::Subscribe, Outcome::Retry { after: Duration::ZERO, busy: Busy::Provider });
    let mut back = reach.clone();
    untouch(&mut back, &busy, Channel::Subscribe, now().day());
    assert_eq!((back.touches().len(), back.credit(&template())), (0, 1));
    let mut refused = reach.clone();
    let no = settled(Channel::Subscribe, Outcome::Refused { scope: Scope::Template });
    untouch(&mut refused, &no, Channel::Subscribe, now().day());
    assert_eq!((refused.touches().len(), refused.credit(&template())), (0, 0), "the provider knows of no credit");
    let mut gone = reach;
    let blacklisted = Outcome::Refused { scope: Scope::Channel(SuppressedBy::Blacklist) };
    untouch(&mut gone, &settled(Channel::Subscribe, blacklisted), Channel::Subscribe, now().day());
    assert_eq!(gone.suppressed(Channel::Subscribe), Some(SuppressedBy::Blacklist));
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Accepted(id())),
        Just(Outcome::Unknown),
        (0_u64..90_000, any::<bool>()).prop_map(|(seconds, provider)| Outcome::Retry {
            after: Duration::from_secs(seconds),
            busy: if provider { Busy::Provider } else { Busy::Recipient },
        }),
        prop_oneof![Just(Fault::Recipient), Just(Fault::Content), Just(Fault::Account)].prop_map(fault),
        Just(Outcome::Refused { scope: Scope::Template }),
        Just(Outcome::Refused { scope: Scope::Channel(SuppressedBy::Complaint) }),
    ]
}

proptest! {
    /// Whatever providers say, a send is counted in one place, its money is that of a call that may have led somewhere,
    /// and it ends.
    #[test]
    fn a_send_is_counted_once_paid_once_and_ends(outcomes in prop::collection::vec(outcomes(), 1..20), chance in 0_u8..100) {
        let mut send = claimed(Channel::Sms);
        let mut counts = send.counts_since(None);
        for outcome in outcomes {
            let before = send.clone();
            let Some(called) = before.call().cloned() else { break };
            let refused = matches!(outcome, Outcome::Refused { .. });
            let settled = settle(&before, &called, &[Channel::Sms], outcome, chance, now());
            counts.merge(&settled.send.counts_since(Some(&before)));
            prop_assert_eq!(settled.give_back.is_some(), settled.send.call().is_none());
            send = settled.send;
            // After a refusal the gates let nothing more go on the channel.
            if refused || !matches!(send.state, State::Held { .. }) {
                break;
            }
            let next = send.claimed(call(Channel::Sms));
            counts.merge(&next.counts_since(Some(&send)));
            send = next;
        }
        let claimed = matches!(send.state, State::Claimed { .. });
        let stands = i64::from(!claimed);
        let sum: i64 = ["held", "sent", "failed"].iter().map(|word| counts.sum(word)).sum();
        prop_assert_eq!(sum, stands, "{:?}", counts);
        let paid = if send.call().is_some() && !claimed { 5 } else { 0 };
        prop_assert_eq!(counts.sum(Count::COST), paid);
        prop_assert!(send.attempts <= MOST_ATTEMPTS + 1);
    }
}
