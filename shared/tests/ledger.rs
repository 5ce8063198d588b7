//! The ledger under anything that may happen to it.
//!
//! A small world of three members buys, refunds, spends, reserves, merges and lets time pass, in random order under
//! random settings. After every step the ledger must balance, be provable, and agree with a sum that knows nothing of
//! lots and books.
#![cfg(test)]

mod world;

use huitou::domain::account::Account;
use huitou::domain::book::Book;
use huitou::domain::posting::settled;
use huitou::domain::proof::prove;
use huitou::values::Moment;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use world::programs::{commands, program};
use world::{Command, Habit, World};

fn seeded(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(20_260_301),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn busiest(world: &World) -> usize {
    (0..world.members.len()).max_by_key(|who| world.members[*who].rows.len()).unwrap()
}

proptest! {
    #![proptest_config(seeded(320))]

    #[test]
    fn whatever_happens_the_ledger_balances_proves_itself_and_agrees_with_a_naive_sum(
        program in program(), commands in commands(),
    ) {
        World::after(&program, Habit::Lazy, &commands);
    }

    #[test]
    fn settling_every_night_comes_to_the_same_as_settling_once(program in program(), commands in commands()) {
        let lazy = World::after(&program, Habit::Lazy, &commands);
        let nightly = World::after(&program, Habit::Nightly, &commands);
        for who in 0..lazy.members.len() {
            let (once, often) = (lazy.view(who), nightly.view(who));
            prop_assert_eq!(once.holdings, often.holdings);
            prop_assert_eq!(once.standing, often.standing);
            prop_assert_eq!(once.days, often.days);
            prop_assert_eq!(once.streak, often.streak);
            prop_assert_eq!(once.used, often.used);
            prop_assert_eq!(once.membership, often.membership);
        }
    }
}

/// Everything that the due index stands for: the tier, and what has lapsed.
fn due_facts(account: &Account) -> (Option<huitou::domain::tier::Standing>, i64) {
    (account.standing.clone(), account.holdings.books.of(Book::Expired))
}

proptest! {
    #![proptest_config(seeded(120))]

    #[test]
    fn nothing_lapses_and_no_tier_changes_before_the_day_it_is_due_and_then_it_does(
        program in program(), commands in commands(), part in 0_u32..100, hold in any::<bool>(),
    ) {
        let mut world = World::after(&program, Habit::Lazy, &commands);
        if hold {
            // Held lots lapse too, once their hold has ended.
            (0..3).for_each(|who| world.run(&Command::Hold { who, percent: 100, minutes: 30 }));
        }
        let rules = world.rules();
        for who in (0..3).filter(|who| !world.members[*who].rows.is_empty()) {
            let today = world.view(who);
            let horizon = world.now.day().plus(3_000);
            let due = today.due_on().filter(|day| *day < horizon);
            let last_quiet = due.unwrap_or(horizon).minus(1);
            let between = u32::try_from(last_quiet.days_since(world.now.day())).unwrap_or(0);
            let some_day = world.now.day().plus(between * part / 100);
            for day in [some_day, last_quiet] {
                let moment = Moment::start_of(day.plus(1)).millis() - 1;
                let moment = Moment::from_millis(moment).unwrap().max(world.now);
                let then = settled(&today, &rules.version, moment).unwrap();
                prop_assert_eq!(due_facts(&then), due_facts(&today), "early, on {}", day);
            }
            let quiet = today.holdings.holds.is_empty() && today.holdings.debt().is_zero();
            if let Some(day) = due.filter(|_| quiet) {
                let then = settled(&today, &rules.version, Moment::start_of(day)).unwrap();
                prop_assert_ne!(due_facts(&then), due_facts(&today), "nothing on {}", day);
            }
        }
    }

    #[test]
    fn a_changed_character_of_any_row_shows(
        program in program(), commands in commands(), row in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(), letter in "[ -~玩]",
    ) {
        let world = World::after(&program, Habit::Lazy, &commands);
        let member = &world.members[busiest(&world)];
        prop_assume!(!member.rows.is_empty());
        let mut rows = member.rows.clone();
        let text = &mut rows[row.index(member.rows.len())].text;
        let characters: Vec<char> = text.chars().collect();
        let place = place.index(characters.len());
        prop_assume!(letter != characters[place].to_string());
        *text = characters.iter().enumerate()
            .map(|(n, c)| if n == place { letter.clone() } else { c.to_string() }).collect();
        prop_assert!(prove(member.account.member, &rows, &member.account).fault.is_some());
    }

    #[test]
    fn a_row_left_out_moved_renamed_or_told_twice_shows(
        program in program(), commands in commands(),
        one in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
    ) {
        let world = World::after(&program, Habit::Lazy, &commands);
        let member = &world.members[busiest(&world)];
        prop_assume!(!member.rows.is_empty());
        let (one, other) = (one.index(member.rows.len()), other.index(member.rows.len()));
        let fault = |change: &dyn Fn(&mut Vec<huitou::domain::proof::StoredRow>)| {
            let mut rows = member.rows.clone();
            change(&mut rows);
            prove(member.account.member, &rows, &member.account).fault
        };
        prop_assert!(fault(&|rows| drop(rows.remove(one))).is_some());
        prop_assert!(fault(&|rows| rows.truncate(one)).is_some());
        prop_assert!(fault(&|rows| rows.insert(other, rows[one].clone())).is_some());
        if one != other {
            prop_assert!(fault(&|rows| rows.swap(one, other)).is_some());
            prop_assert!(fault(&|rows| rows[one].key = rows[other].key).is_some());
        }
    }

    #[test]
    fn a_changed_byte_of_the_stored_account_shows(
        program in program(), commands in commands(), place in any::<prop::sample::Index>(), flip in 1_u8..=255,
    ) {
        let world = World::after(&program, Habit::Lazy, &commands);
        let member = &world.members[busiest(&world)];
        let mut bytes = postcard::to_stdvec(&member.account).unwrap();
        prop_assert_eq!(&postcard::from_bytes::<Account>(&bytes).unwrap(), &member.account);
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        // What can't be read any more shows by itself.
        if let Ok(stored) = postcard::from_bytes::<Account>(&bytes) {
            prop_assert!(prove(member.account.member, &member.rows, &stored).fault.is_some());
        }
    }
}
