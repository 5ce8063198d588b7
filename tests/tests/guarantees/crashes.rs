//! The process dies, the table throttles, answers are lost: between any two calls, and during any of them.
//!
//! Two worlds live through the same, one of them undisturbed. Whatever goes wrong in the other one, what was asked is
//! asked again and comes to the same: nothing happens twice, nothing acknowledged is lost, nothing half done remains.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::yard::Yard;
use crate::yard::doings::{Buy, Doing, Mishap, doing, mishap};
use crate::yard::world::World;

const SEED: u64 = 20_260_302;

/// More calls than anything here takes.
const MOST_CALLS: u64 = 60;

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
}

async fn a_world() -> World {
    World::new(Yard::in_memory(SEED).await).with_a_coupon().await
}

async fn both_live_through(doings: &[(Doing, Mishap)]) {
    let (mut calm, mut troubled) = (a_world().await, a_world().await);
    for (doing, mishap) in doings {
        let wanted = calm.does(doing).await;
        let (said, _) = troubled.goes_through(doing, *mishap, Duration::ZERO).await;
        assert_eq!(said.in_essence(), wanted.in_essence(), "{doing:?} in spite of {mishap:?}");
        troubled.check().await;
        assert_eq!(troubled.in_essence().await, calm.in_essence().await, "{doing:?} in spite of {mishap:?}");
    }
    troubled.check_thoroughly().await;
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        max_shrink_iters: 400,
        rng_seed: RngSeed::Fixed(SEED),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_fails_on_the_way_asking_again_comes_to_the_same(
        doings in prop::collection::vec((doing(), mishap()), 1..22),
    ) {
        run(both_live_through(&doings));
    }
}

#[test]
fn orders_of_a_member_named_in_two_ways_keep_their_sequence_when_one_has_to_wait() {
    let buy = |by_id| Buy { who: 0, amount: 900, days_ago: 0, by_id, twice: false, again: None };
    let batch = Doing::Orders(vec![buy(true), buy(false)]);
    run(both_live_through(&[(Doing::buys(0, 100), Mishap::Nothing), (batch, Mishap::AnswerLost(4))]));
}

/// Dies before and during each call in turn, until the command runs through; each time in a world of its own.
fn dies_at_every_call(before: &[Doing], command: &Doing, least_calls: u64) {
    run(async {
        let mut calm = a_world().await;
        for doing in before {
            calm.does(doing).await;
        }
        let wanted = calm.does(command).await;
        calm.check().await;
        for call in 1..MOST_CALLS {
            let mut met = false;
            for mishap in [Mishap::DiesBefore(call), Mishap::DiesDuring(call)] {
                for later in [Duration::ZERO, Duration::from_hours(30)] {
                    let mut troubled = a_world().await;
                    for doing in before {
                        troubled.does(doing).await;
                    }
                    let (said, happened) = troubled.goes_through(command, mishap, later).await;
                    troubled.check_thoroughly().await;
                    if later.is_zero() {
                        assert_eq!(said.in_essence(), wanted.in_essence(), "{mishap:?}");
                        assert_eq!(troubled.in_essence().await, calm.in_essence().await, "{mishap:?}");
                    }
                    met |= happened;
                }
            }
            if !met {
                assert!(call > least_calls, "only {} calls were disturbed", call - 1);
                return;
            }
        }
        panic!("the command never ran through");
    });
}

fn a_member_with_points() -> Vec<Doing> {
    vec![Doing::buys(0, 30_000), Doing::days(3)]
}

#[test]
fn a_purchase_of_somebody_unknown_survives_a_death_at_any_call() {
    dies_at_every_call(&[], &Doing::buys(0, 30_000), 3);
}

#[test]
fn a_purchase_of_a_member_survives_a_death_at_any_call() {
    dies_at_every_call(&a_member_with_points(), &Doing::buys(0, 4_200), 4);
}

#[test]
fn a_batch_for_known_and_unknown_customers_survives_a_death_at_any_call() {
    let buy = |who, amount, twice| Buy { who, amount, days_ago: 0, by_id: who == 0, twice, again: None };
    let again = Buy { again: Some(0), ..buy(0, 0, false) };
    let stolen = Buy { again: Some(0), ..buy(2, 0, false) };
    let batch = vec![buy(0, 500, false), buy(1, 900, true), again, buy(0, 700, false), stolen, buy(1, 100, false)];
    dies_at_every_call(&a_member_with_points(), &Doing::Orders(batch), 9);
}

#[test]
fn a_refund_survives_a_death_at_any_call() {
    dies_at_every_call(&a_member_with_points(), &Doing::Refund { order: 0, percent: 40, again: false }, 5);
}

#[test]
fn a_full_refund_of_points_that_are_spent_survives_a_death_at_any_call() {
    let mut before = a_member_with_points();
    before.push(Doing::Donate { who: 0, points: 250 });
    dies_at_every_call(&before, &Doing::Refund { order: 0, percent: 100, again: false }, 5);
}

#[test]
fn a_redemption_survives_a_death_at_any_call() {
    dies_at_every_call(&a_member_with_points(), &Doing::Redeem { who: 0, reward: 0, quantity: 2 }, 3);
}

#[test]
fn a_redemption_of_the_last_points_survives_a_death_at_any_call() {
    let mut before = a_member_with_points();
    before.push(Doing::Donate { who: 0, points: 220 });
    dies_at_every_call(&before, &Doing::Redeem { who: 0, reward: 0, quantity: 2 }, 3);
}

#[test]
fn a_check_in_survives_a_death_at_any_call() {
    dies_at_every_call(&a_member_with_points(), &Doing::CheckIn { who: 0 }, 3);
}

#[test]
fn a_hold_survives_a_death_at_any_call() {
    dies_at_every_call(&a_member_with_points(), &Doing::Hold { who: 0, percent: 100, minutes: 60 }, 3);
}

#[test]
fn a_capture_survives_a_death_at_any_call() {
    let mut before = a_member_with_points();
    before.push(Doing::Hold { who: 0, percent: 100, minutes: 60 });
    dies_at_every_call(&before, &Doing::Capture { hold: 0, percent: Some(30) }, 4);
}

#[test]
fn a_release_survives_a_death_at_any_call() {
    let mut before = a_member_with_points();
    before.push(Doing::Hold { who: 0, percent: 50, minutes: 60 });
    dies_at_every_call(&before, &Doing::Release { hold: 0 }, 4);
}

fn a_member_with_a_coupon() -> Vec<Doing> {
    vec![Doing::buys(0, 30_000), Doing::ReserveCoupon { who: 0, amount: 9_900 }]
}

#[test]
fn reserving_a_coupon_survives_a_death_at_any_call() {
    dies_at_every_call(&a_member_with_points(), &Doing::ReserveCoupon { who: 0, amount: 9_900 }, 3);
}

#[test]
fn redeeming_a_coupon_survives_a_death_at_any_call() {
    let mut before = a_member_with_a_coupon();
    before.push(Doing::ReserveCoupon { who: 0, amount: 4_500 });
    dies_at_every_call(&before, &Doing::RedeemCoupon { reservation: 1 }, 4);
}

#[test]
fn rolling_a_coupon_back_survives_a_death_at_any_call() {
    let mut before = a_member_with_a_coupon();
    before.push(Doing::RedeemCoupon { reservation: 0 });
    dies_at_every_call(&before, &Doing::RollBackCoupon { reservation: 0 }, 4);
}

#[test]
fn a_night_in_which_coupons_lapse_survives_a_death_at_any_call() {
    let before = [a_member_with_a_coupon(), vec![Doing::days(2)]].concat();
    dies_at_every_call(&before, &Doing::Drain, 16 + 2 + 2);
}

#[test]
fn a_settlement_survives_a_death_at_any_call() {
    let before = [Doing::buys(0, 30_000), Doing::buys(1, 70_000), Doing::days(45)];
    dies_at_every_call(&before, &Doing::Drain, 16 + 2 * 2);
}

fn two_members() -> Vec<Doing> {
    vec![Doing::buys(0, 30_000), Doing::buys(1, 70_000), Doing::days(3), Doing::Donate { who: 1, points: 100 }]
}

#[test]
fn a_merge_survives_a_death_at_any_call() {
    dies_at_every_call(&two_members(), &Doing::Merge { survivor: 0, absorbed: 1 }, 5);
}

#[test]
fn an_undone_merge_survives_a_death_at_any_call() {
    let mut before = two_members();
    before.extend([Doing::Merge { survivor: 0, absorbed: 1 }, Doing::buys(1, 5_000), Doing::days(1)]);
    dies_at_every_call(&before, &Doing::Undo { merge: 0 }, 8);
}
