use std::time::Duration;

use serde_json::json;

use super::*;
use crate::domain::campaign::send::Provider;
use crate::domain::reach::{SuppressedBy, Touch};
use crate::values::{CampaignId, MemberId, SendId, TemplateId};

const BOTH: [Channel; 2] = [Channel::Subscribe, Channel::Sms];

fn at(time: &str) -> Moment {
    Moment::parse(&format!("2026-11-02T{time}+08:00")).unwrap()
}

/// First by a subscribe message, then by a text message at five fen.
fn a_definition(purpose: &str) -> Definition {
    let content = json!({
        "subscribe": { "template": "wake-up", "data": { "thing1": "好久不见" } },
        "sms": { "sign": "回头客", "template": "SMS_1", "text": "好久不见，拒收请回复R" },
    });
    serde_json::from_value(json!({
        "name": "唤醒", "scene": "dormant_wake_up", "purpose": purpose, "audience": { "segment": "dormant" },
        "plan": ["subscribe", "sms"], "variants": [{ "id": "a", "weight": 100, "content": content }],
        "window": { "from": "2026-11-01T00:00:00+08:00", "until": "2026-12-01T00:00:00+08:00" }, "attribution_days": 7,
    }))
    .unwrap()
}

/// Everything that is asked about, all of it in order; each test spoils something.
struct Asked {
    definition: Definition,
    limits: Limits,
    room: Room,
    circuits: Vec<(Channel, Circuit)>,
    now: Moment,
    send: Send,
    bars: Vec<(Channel, Bar)>,
    reach: Reach,
    in_audience: bool,
    reachable: Vec<Channel>,
}

impl Asked {
    fn in_order() -> Self {
        let definition = a_definition("marketing");
        let member = MemberId::from_random([7; 16]);
        let new = Send::new(CampaignId::of("test", &["one"]), member, None, definition.window.until, at("12:00:00"));
        let mut reach = Reach::default();
        reach.grant(&TemplateId::parse("wake-up").unwrap());
        Self {
            send: Send { variant: definition.variants.first().map(|variant| variant.id.clone()), ..new },
            definition,
            limits: Limits::shipped(),
            room: Room::ENDLESS,
            circuits: Vec::new(),
            now: at("12:00:00"),
            bars: Vec::new(),
            reach,
            in_audience: true,
            reachable: BOTH.to_vec(),
        }
    }

    fn spoilt(spoil: impl FnOnce(&mut Self)) -> Verdict {
        let mut asked = Self::in_order();
        spoil(&mut asked);
        asked.verdict()
    }

    fn verdict(&self) -> Verdict {
        let facing =
            Facing { bars: &self.bars, reach: &self.reach, in_audience: self.in_audience, reachable: &self.reachable };
        judge(&self.send, Some(&facing), &self.conditions())
    }

    fn conditions(&self) -> Conditions<'_> {
        Conditions {
            definition: &self.definition,
            limits: &self.limits,
            room: self.room,
            circuits: &self.circuits,
            now: self.now,
        }
    }

    /// A message went to the member an hour ago on this channel.
    fn touched(&mut self, channel: Channel) {
        let sent_at = self.now.minus(Duration::from_hours(1));
        self.reach.touch(Touch {
            send: SendId::of("test", &["earlier"]),
            campaign: CampaignId::of("test", &["earlier"]),
            variant: None,
            channel,
            at: sent_at,
            counts_until: sent_at,
            converted: false,
        });
    }
}

fn goes(channel: Channel) -> Verdict {
    Verdict::Go { channel, probe: false }
}

#[test]
fn the_first_channel_of_the_plan_is_taken_when_nothing_stands_against_it() {
    assert_eq!(Asked::in_order().verdict(), goes(Channel::Subscribe));
}

#[test]
fn who_is_gone_or_not_meant_any_more_gets_nothing_whatever_else_is_true() {
    let asked = Asked::in_order();
    assert_eq!(judge(&asked.send, None, &asked.conditions()), Verdict::No(Gate::Erased));
    let left = Asked::spoilt(|asked| {
        asked.in_audience = false;
        asked.bars = BOTH.map(|channel| (channel, Bar::NoConsent)).to_vec();
    });
    assert_eq!(left, Verdict::No(Gate::Audience));
}

#[test]
fn what_stands_against_one_channel_leads_to_the_next_and_against_all_of_them_to_a_no() {
    type Spoil = fn(&mut Asked, Channel);
    let spoils: [(Gate, Spoil); 5] = [
        (Gate::Consent, |asked, channel| asked.bars.push((channel, Bar::NoConsent))),
        (Gate::Consent, |asked, channel| asked.bars.push((channel, Bar::Outdated))),
        (Gate::Minor, |asked, channel| asked.bars.push((channel, Bar::UnderFourteen))),
        (Gate::Unreachable, |asked, channel| asked.reachable.retain(|known| *known != channel)),
        (Gate::Suppressed, |asked, channel| {
            asked.reach.suppress(channel, SuppressedBy::OptOut, asked.now.day());
        }),
    ];
    for (gate, spoil) in spoils {
        assert_eq!(Asked::spoilt(|asked| spoil(asked, Channel::Subscribe)), goes(Channel::Sms), "{gate:?}");
        let both = Asked::spoilt(|asked| BOTH.into_iter().for_each(|channel| spoil(asked, channel)));
        assert_eq!(both, Verdict::No(gate));
    }
    let failed_before = Asked::spoilt(|asked| asked.send.barred.push(Channel::Subscribe));
    assert_eq!(failed_before, goes(Channel::Sms));
}

#[test]
fn of_several_channels_the_gate_that_was_reached_last_is_told() {
    let verdict = Asked::spoilt(|asked| {
        asked.bars.push((Channel::Subscribe, Bar::NoConsent));
        asked.reach.suppress(Channel::Sms, SuppressedBy::Bounce, asked.now.day());
    });
    assert_eq!(verdict, Verdict::No(Gate::Suppressed));
}

#[test]
fn quiet_hours_hold_a_message_before_caps_and_budgets_are_asked_and_do_not_push_it_to_another_channel() {
    for (time, held) in [("07:59:59", true), ("08:00:00", false), ("20:59:59", false), ("21:00:00", true)] {
        let verdict = Asked::spoilt(|asked| {
            asked.now = at(time);
            asked.room = Room { sends: Some(u64::from(!held)), fen: None };
        });
        assert_eq!(matches!(verdict, Verdict::Wait { why: Wait::QuietHours, .. }), held, "{time}: {verdict:?}");
    }
    let evening = Asked::spoilt(|asked| asked.now = at("21:00:00"));
    let morning = Moment::parse("2026-11-03T08:00:00+08:00").unwrap();
    assert_eq!(evening, Verdict::Wait { until: morning, why: Wait::QuietHours });
}

#[test]
fn caps_hold_for_all_channels_together_and_for_one_by_itself() {
    assert_eq!(Asked::spoilt(|asked| asked.touched(Channel::Email)), Verdict::No(Gate::Capped));
    let one = Asked::spoilt(|asked| {
        asked.limits.caps.iter_mut().for_each(|cap| cap.channel = Some(Channel::Subscribe));
        asked.touched(Channel::Subscribe);
    });
    assert_eq!(one, goes(Channel::Sms));
}

#[test]
fn a_budget_is_asked_for_what_the_channel_costs_and_a_credit_where_the_channel_needs_one() {
    let penniless = |asked: &mut Asked| asked.room = Room { sends: None, fen: Some(Fen::computed(4)) };
    assert_eq!(Asked::spoilt(penniless), goes(Channel::Subscribe), "it costs nothing");
    let spent = |asked: &mut Asked| asked.reach = Reach::default();
    assert_eq!(Asked::spoilt(spent), goes(Channel::Sms), "no subscription is left");
    let both = Asked::spoilt(|asked| {
        penniless(asked);
        spent(asked);
    });
    assert_eq!(both, Verdict::No(Gate::Credit));
    let none = Asked::spoilt(|asked| asked.room = Room { sends: Some(0), fen: None });
    assert_eq!(none, Verdict::No(Gate::Budget));
}

#[test]
fn a_service_message_asks_for_no_consent_keeps_no_hours_and_counts_for_no_cap() {
    let verdict = Asked::spoilt(|asked| {
        asked.definition = a_definition("service");
        asked.bars = BOTH.map(|channel| (channel, Bar::NoConsent)).to_vec();
        asked.now = at("23:00:00");
        asked.touched(Channel::Subscribe);
    });
    assert_eq!(verdict, goes(Channel::Subscribe));
    let unwanted = Asked::spoilt(|asked| {
        asked.definition = a_definition("service");
        for channel in BOTH {
            asked.reach.suppress(channel, SuppressedBy::OptOut, asked.now.day());
        }
    });
    assert_eq!(unwanted, Verdict::No(Gate::Suppressed), "a no holds for service messages, too");
}

#[test]
fn an_open_circuit_holds_a_message_and_one_whose_time_is_over_lets_a_probe_through() {
    let shut = Circuit::default().after(Provider::ShutOut, at("12:00:00")).unwrap();
    let until = shut.open_until.unwrap();
    let open = |now: Moment| {
        Asked::spoilt(|asked| {
            asked.circuits.push((Channel::Subscribe, shut));
            asked.now = now;
        })
    };
    assert_eq!(open(at("12:00:00")), Verdict::Wait { until, why: Wait::Circuit });
    assert_eq!(open(until), Verdict::Go { channel: Channel::Subscribe, probe: true });
}
