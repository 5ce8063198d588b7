//! The state machine of a ticket: single cases, and what holds whatever is done in which order.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::survey::{Csat, Nps, Scores};

fn at(text: &str) -> Moment {
    Moment::parse(&format!("{text}:00+08:00")).unwrap()
}

fn desk() -> Desk {
    Desk::shipped().unwrap()
}

fn actor(name: &str) -> Actor {
    Actor::parse(name).unwrap()
}

fn scores(csat: u8, nps: u8) -> Scores {
    Scores { csat: Csat::try_from(csat).unwrap(), nps: Some(Nps::try_from(nps).unwrap()) }
}

fn opened(kind: Kind, now: Moment) -> Ticket {
    let (id, member) = (TicketId::of("ticket", &["1"]), MemberId::from_random([1; 16]));
    Ticket::open(id, member, Matter::new(kind, Channel::MiniProgram), actor("member"), &desk(), now).unwrap().ticket
}

fn act(ticket: &Ticket, act: Act, now: Moment) -> Result<Step, Refusal> {
    ticket.act(act, actor("agent:li"), &desk(), &actor("huitou"), now)
}

fn to(state: State) -> Act {
    Act::StaffHandles(Handling { state: Some(state), ..Handling::default() })
}

#[test]
fn a_word_is_stored_as_it_is_written() {
    fn assert_same<W: Serialize + std::fmt::Display>(words: &[W]) {
        for word in words {
            assert_eq!(serde_json::to_value(word).unwrap(), word.to_string());
        }
    }
    assert_same(&Kind::ALL);
    assert_same(&Priority::ALL);
    assert_same(&Channel::ALL);
    assert_same(&State::ALL);
}

#[test]
fn a_ticket_goes_where_the_table_says_and_nowhere_else() {
    use State::{Closed, New, Open, Reopened, Resolved, Waiting};
    let allowed = |from: State| State::ALL.into_iter().filter(move |to| from.may_become(*to)).collect::<Vec<_>>();
    assert_eq!(allowed(New), [Open, Waiting, Resolved, Closed]);
    assert_eq!(allowed(Open), [Waiting, Resolved, Closed]);
    assert_eq!(allowed(Waiting), [Open, Resolved, Closed]);
    assert_eq!(allowed(Resolved), [Closed, Reopened]);
    assert_eq!(allowed(Closed), [Reopened]);
    assert_eq!(allowed(Reopened), [Open, Waiting, Resolved, Closed]);
}

#[test]
fn who_answers_a_free_ticket_has_it_and_its_first_reply_is_given() {
    let ticket = opened(Kind::Quality, at("2026-03-02T10:00"));
    let step = act(&ticket, Act::StaffWrites(None), at("2026-03-02T11:00")).unwrap();
    assert_eq!((step.ticket.state, step.ticket.assignee), (State::Open, Some(actor("agent:li"))));
    assert_eq!(step.tallies, [Tally::Replied(Duration::from_hours(1))]);
    assert!(!step.ticket.first_reply.is_running());
    assert_eq!(step.records[0].moved, Some((State::New, State::Open)));
}

#[test]
fn only_a_message_after_the_first_reply_waits_for_the_next_one() {
    let ticket = opened(Kind::Quality, at("2026-03-02T10:00"));
    let again = act(&ticket, Act::MemberWrites, at("2026-03-02T10:30")).unwrap().ticket;
    assert_eq!(again.next_reply, None);
    let answered = act(&again, Act::StaffWrites(None), at("2026-03-02T11:00")).unwrap().ticket;
    let asked = act(&answered, Act::MemberWrites, at("2026-03-02T14:00")).unwrap().ticket;
    assert_eq!(asked.next_reply.as_ref().and_then(SlaClock::due), Some(at("2026-03-02T18:00")));
    let pressed = act(&asked, Act::MemberWrites, at("2026-03-02T15:00")).unwrap().ticket;
    assert_eq!(pressed.next_reply, asked.next_reply, "the first unanswered message counts");
    assert_eq!(act(&pressed, Act::StaffWrites(None), at("2026-03-02T16:00")).unwrap().ticket.next_reply, None);
}

#[test]
fn another_priority_is_promised_another_time_and_what_was_used_up_stays_so() {
    let ticket = opened(Kind::Other, at("2026-03-02T10:00"));
    let urgent = Handling { priority: Some(Priority::Urgent), ..Handling::default() };
    let step = act(&ticket, Act::StaffHandles(urgent), at("2026-03-02T11:00")).unwrap();
    assert_eq!(step.ticket.resolution.due(), Some(at("2026-03-03T10:00")), "eight hours, one of them over");
}

#[test]
fn a_low_score_is_no_tag_and_a_tag_is_given_once() {
    let ticket = opened(Kind::Quality, at("2026-03-02T10:00"));
    let closed = act(&ticket, Act::MemberCloses, at("2026-03-02T11:00")).unwrap();
    assert_eq!(closed.asks, Some(Duration::from_hours(14 * 24)));
    let now = at("2026-03-02T12:00");
    let sad = act(&closed.ticket, Act::Answers(1, scores(1, 0)), now).unwrap().ticket;
    assert_eq!(sad.due_at(), None);
    let glad = act(&closed.ticket, Act::Answers(1, scores(5, 10)), now).unwrap().ticket;
    assert_eq!(glad.due_at(), Some(now));
    let tagged = act(&glad, Act::AdvocateTagged(true), now).unwrap().ticket;
    assert_eq!(tagged.due_at(), None);
    assert_eq!(act(&tagged, Act::AdvocateTagged(true), now), Err(Refusal::Nothing));
    assert_eq!(act(&glad, Act::Answers(1, scores(5, 10)), now), Err(Refusal::SurveyUsed));
    assert_eq!(act(&glad, Act::Answers(2, scores(5, 10)), now), Err(Refusal::SurveyExpired));
}

#[test]
fn a_reopened_ticket_is_counted_as_resolved_once() {
    let resolved = |step: &Step| step.tallies.iter().any(|tally| matches!(tally, Tally::Resolved(_)));
    let ticket = opened(Kind::Quality, at("2026-03-02T10:00"));
    let first = act(&ticket, to(State::Closed), at("2026-03-02T11:00")).unwrap();
    let again = act(&first.ticket, Act::MemberWrites, at("2026-03-02T12:00")).unwrap();
    let second = act(&again.ticket, to(State::Closed), at("2026-03-02T13:00")).unwrap();
    assert!(resolved(&first) && !resolved(&second));
    assert_eq!(second.asks, None, "the first survey can still be answered");
}

#[test]
fn a_full_ticket_takes_no_more_and_time_goes_on() {
    let mut ticket = opened(Kind::Quality, at("2026-03-02T10:00"));
    for _ in 1..MOST_TEXTS {
        ticket = act(&ticket, Act::MemberWrites, at("2026-03-02T10:00")).unwrap().ticket;
    }
    assert_eq!(act(&ticket, Act::MemberWrites, at("2026-03-02T10:00")), Err(Refusal::TicketFull));
    assert!(act(&ticket, Act::StaffNotes, at("2026-03-02T10:00")).is_ok());
    assert!(ticket.pass_time(&desk(), &actor("huitou"), at("2026-03-09T10:00")).is_some());
}

/// The manager is told of everything that is due; what is recorded.
fn tells(ticket: &mut Ticket, now: Moment) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some(Call::Calls(untold)) = ticket.to_tell(now) {
        let calling = ticket.calling(untold.record, now);
        let heard = Heard::Over(Telling::Told);
        let step = calling.heard(untold.record, heard, &desk(), &actor("huitou"), now).unwrap();
        *ticket = step.ticket.clone();
        steps.push(step);
    }
    steps
}

/// A ticket whose first warning has been noticed, and when that was.
fn a_warned_ticket() -> (Ticket, Moment) {
    let now = at("2026-03-02T14:00");
    let ticket = opened(Kind::Quality, at("2026-03-02T10:00"));
    (ticket.pass_time(&desk(), &actor("huitou"), now).unwrap().ticket, now)
}

#[test]
fn a_manager_is_called_by_one_at_a_time_and_the_records_are_asked_before_anybody_calls_again() {
    let (ticket, now) = a_warned_ticket();
    let Some(Call::Calls(untold)) = ticket.to_tell(now) else { panic!("{ticket:?}") };
    assert_eq!((untold.record, untold.fired.len()), (2, 1));
    let calling = ticket.calling(2, now);
    assert_eq!(calling.to_tell(now), None, "somebody is calling");
    let over = calling.due_at().unwrap();
    assert_eq!(over, now.plus(Duration::from_mins(5)));
    assert!(matches!(calling.to_tell(over), Some(Call::LooksUp(_))));
    let heard = |heard: Heard, at| calling.heard(2, heard, &desk(), &actor("huitou"), at);
    assert_eq!(heard(Heard::Nothing, now), None, "the claim says when to look");
    let again = heard(Heard::NotSent(Duration::ZERO), over).unwrap();
    assert_eq!((again.records.len(), again.ticket.to_tell(over)), (0, None));
    assert!(matches!(again.ticket.to_tell(over.plus(Duration::from_mins(1))), Some(Call::Calls(_))));
    let told = heard(Heard::Over(Telling::Told), over).unwrap();
    assert_eq!(told.records[0].what, What::ManagerTold { of: 2, telling: Telling::Told });
    assert_eq!(told.ticket.heard(2, Heard::Over(Telling::Told), &desk(), &actor("huitou"), over), None, "once");
}

#[test]
fn a_provider_that_fails_for_hours_is_given_up_and_that_is_recorded() {
    let (mut ticket, mut now) = a_warned_ticket();
    for _ in 0..20 {
        let Some(untold) = ticket.untold.first() else { break };
        now = untold.at;
        ticket = ticket.calling(2, now);
        ticket = ticket.heard(2, Heard::NotSent(Duration::ZERO), &desk(), &actor("huitou"), now).unwrap().ticket;
    }
    assert_eq!(ticket.untold, []);
    assert_eq!(now.since(at("2026-03-02T14:00")), Duration::from_mins(127), "1, 2, 4 ... 64 minutes");
}

#[test]
fn nobody_is_told_of_alarms_that_the_settings_do_not_name() {
    let ticket = opened(Kind::Quality, at("2026-03-02T10:00"));
    let mut desk = desk();
    if let Some(manager) = &mut desk.notices.manager {
        manager.alarms = vec![crate::domain::sla::Alarm::Breach];
    }
    let warned = ticket.pass_time(&desk, &actor("huitou"), at("2026-03-02T14:00")).unwrap().ticket;
    assert_eq!(warned.untold, []);
    let late = warned.pass_time(&desk, &actor("huitou"), at("2026-03-02T15:00")).unwrap().ticket;
    assert_eq!(late.untold.len(), 1);
    desk.notices.manager = None;
    assert_eq!(warned.pass_time(&desk, &actor("huitou"), at("2026-03-02T15:00")).unwrap().ticket.untold, []);
}

#[test]
fn a_closing_that_asks_sends_a_survey_and_one_that_may_not_ask_sends_nothing() {
    let ticket = opened(Kind::Quality, at("2026-03-02T10:00"));
    let closed = act(&ticket, Act::MemberCloses, at("2026-03-02T11:00")).unwrap();
    let notice = closed.records[0].notice.unwrap();
    assert_eq!((closed.sends.len(), closed.sends[0].id, closed.sends[0].about), (1, notice.send, Some(ticket.id)));
    let quiet = closed.without_survey(&ticket);
    assert_eq!((quiet.sends.len(), quiet.records[0].notice), (0, None));
    let spam = Act::StaffHandles(Handling { spam: true, ..Handling::default() });
    assert_eq!(act(&ticket, spam, at("2026-03-02T11:00")).unwrap().sends, []);
}

/// Anything that a member, staff or the desk may try.
fn any_act() -> impl Strategy<Value = Act> {
    let state = || proptest::sample::select(State::ALL.to_vec());
    let handling = (
        proptest::option::of(state()),
        proptest::option::of(Just(actor("agent:wang"))),
        any::<bool>(),
        proptest::option::of(proptest::sample::select(Priority::ALL.to_vec())),
        proptest::option::of(proptest::sample::select(vec!["logistics", "nowhere"])),
        proptest::bool::weighted(0.1),
    );
    let handling = handling.prop_map(|(state, assignee, unassign, priority, department, spam)| Handling {
        state,
        assignee,
        unassign,
        department: department.map(|code| Code::parse(code).unwrap()),
        priority,
        spam,
        ..Handling::default()
    });
    prop_oneof![
        4 => Just(Act::MemberWrites),
        1 => Just(Act::MemberCloses),
        4 => proptest::option::of(state()).prop_map(Act::StaffWrites),
        1 => Just(Act::StaffNotes),
        4 => handling.prop_map(Act::StaffHandles),
        2 => Just(Act::StaffTakes),
        1 => (1_u32..3, 1_u8..=5, 0_u8..=10).prop_map(|(round, csat, nps)| Act::Answers(round, scores(csat, nps))),
        1 => any::<bool>().prop_map(Act::AdvocateTagged),
    ]
}

/// What must hold of a ticket at any time.
fn assert_sound(ticket: &Ticket, now: Moment) -> Result<(), TestCaseError> {
    let counts = matches!(ticket.state, State::New | State::Open | State::Reopened);
    prop_assert_eq!(ticket.resolution.is_running(), counts);
    prop_assert_eq!(ticket.closed.is_some(), ticket.state == State::Closed);
    prop_assert_eq!(ticket.reopen_until.is_some(), ticket.state == State::Closed);
    prop_assert_eq!(ticket.closes_at.is_some(), ticket.state == State::Resolved);
    let replies = ticket.first_reply.is_running() || ticket.next_reply.is_some();
    prop_assert!(!replies || ticket.state.is_active());
    prop_assert!(!ticket.first_reply.is_running() || ticket.replied_at.is_none());
    prop_assert!(!ticket.is_free() || (counts && ticket.assignee.is_none()));
    // A shorter time may make something due at once; one look at the clocks leaves nothing due.
    let looked_at = ticket.pass_time(&desk(), &actor("huitou"), now).map_or(ticket.clone(), |step| step.ticket);
    let pending = ticket.survey.as_ref().is_some_and(|survey| survey.tag_pending);
    let pending = pending || looked_at.to_tell(now).is_some();
    prop_assert!(pending || looked_at.due_at().is_none_or(|due| due > now));
    Ok(())
}

proptest! {
    #[test]
    fn whatever_members_staff_and_time_do_the_ticket_stays_sound(
        acts in proptest::collection::vec((any_act(), 0_u64..3_000, any::<bool>()), 1..60),
    ) {
        let (desk, own) = (desk(), actor("huitou"));
        let mut now = at("2026-03-02T10:00");
        let mut ticket = opened(Kind::Quality, now);
        let (mut state, mut fired, mut worked) = (State::New, BTreeMap::new(), Duration::ZERO);
        let (mut open, mut told) = (1, BTreeMap::new());
        for (what, minutes, ticks) in acts {
            let before = ticket.clone();
            let later = now.plus(Duration::from_mins(minutes));
            if before.resolution.is_running() {
                worked += desk.calendar.between(now, later);
            }
            now = later;
            let mut steps = Vec::new();
            if ticks {
                // The schedule comes by, twice.
                steps.extend(ticket.pass_time(&desk, &own, now));
                if let Some(step) = steps.last() {
                    ticket = step.ticket.clone();
                }
                prop_assert_eq!(ticket.pass_time(&desk, &own, now), None);
            }
            if let Ok(step) = act(&ticket, what, now) {
                ticket = step.ticket.clone();
                steps.push(step);
                assert_sound(&ticket, now)?;
            }
            if ticks {
                let telling = tells(&mut ticket, now);
                prop_assert!(ticket.to_tell(now).is_none());
                steps.extend(telling);
            }
            open += steps.iter().map(|step| step.opens).sum::<i8>();
            prop_assert_eq!(open == 1, ticket.state.is_active());
            let mut number = before.records;
            for record in steps.iter().flat_map(|step| &step.records) {
                number += 1;
                prop_assert_eq!(record.number, number, "no record is lost or doubled");
                if let Some((from, to)) = record.moved {
                    prop_assert_eq!(from, state, "no transition goes unrecorded");
                    prop_assert!(from.may_become(to), "{} to {}", from, to);
                    state = to;
                }
                if let What::ManagerTold { of, .. } = record.what {
                    *told.entry(of).or_insert(0) += 1;
                }
                for event in record.fired.iter().filter(|event| event.clock != ClockName::NextReply) {
                    *fired.entry((event.clock, event.alarm)).or_insert(0) += 1;
                }
            }
            prop_assert_eq!(ticket.records, number);
            prop_assert_eq!(ticket.state, state);
            prop_assert_eq!(ticket.resolution.used(&desk.calendar, now), worked, "waiting and rest do not count");
        }
        prop_assert!(fired.values().all(|times| *times == 1), "{:?}", fired);
        prop_assert!(told.values().all(|times| *times == 1), "{:?}", told);
    }

    /// Staff and the member read, decide and write on condition of the version that they have read; who was slower
    /// reads again.
    #[test]
    fn what_staff_and_the_member_do_at_once_comes_to_the_same_as_one_after_the_other(
        turns in proptest::collection::vec((0_usize..3, any_act()), 1..80),
    ) {
        let (desk, own) = (desk(), actor("huitou"));
        let first = opened(Kind::Quality, at("2026-03-02T10:00"));
        let (mut stored, mut version) = (first.clone(), 1);
        let mut seen: [Option<(Ticket, u32, Act)>; 3] = [None, None, None];
        let (mut done, mut records) = (Vec::new(), 1);
        for (minute, (who, act)) in turns.into_iter().enumerate() {
            let now = at("2026-03-02T10:00").plus(Duration::from_mins(minute as u64 * 30));
            let by = actor(["member", "agent:li", "agent:wang"][who]);
            match seen[who].take() {
                None => seen[who] = Some((stored.clone(), version, act)),
                Some((_, read, act)) if read != version => seen[who] = Some((stored.clone(), version, act)),
                Some((ticket, _, act)) => {
                    let Ok(step) = ticket.act(act.clone(), by.clone(), &desk, &own, now) else { continue };
                    for record in &step.records {
                        records += 1;
                        prop_assert_eq!(record.number, records, "no record is lost or doubled");
                    }
                    (stored, version) = (step.ticket, version + 1);
                    done.push((act, by, now));
                }
            }
        }
        let replayed = done.into_iter().fold(first, |ticket, (act, by, now)| {
            ticket.act(act, by, &desk, &own, now).unwrap().ticket
        });
        prop_assert_eq!(replayed, stored);
    }

    #[test]
    fn a_stored_ticket_is_read_back_as_it_was(acts in proptest::collection::vec((any_act(), 0_u64..3_000), 0..20)) {
        let mut now = at("2026-03-02T10:00");
        let mut ticket = opened(Kind::SizeReturn, now);
        for (what, minutes) in acts {
            now = now.plus(Duration::from_mins(minutes));
            ticket = act(&ticket, what, now).map_or(ticket, |step| step.ticket);
            let _ = tells(&mut ticket, now);
        }
        let bytes = postcard::to_stdvec(&ticket).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Ticket>(&bytes).unwrap(), ticket);
        prop_assert!(bytes.len() < 500, "{} bytes", bytes.len());
    }
}
