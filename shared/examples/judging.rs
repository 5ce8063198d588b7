//! What judging the shipped segmentation costs.
//!
//! ```sh
//! cargo run --release -p huitou --example judging
//! ```
#![allow(clippy::print_stdout, reason = "a measurement that nobody can read is none")]
#![allow(clippy::unwrap_used, reason = "what ships can be read, or there is nothing to measure")]

use std::time::{Duration, Instant};

use huitou::domain::days::{PurchaseDays, Window};
use huitou::domain::facts::Facts;
use huitou::domain::segmentation::Segmentation;
use huitou::domain::traits::Traits;
use huitou::values::{Fen, LocalDay};

const MEMBERS: u32 = 2_000;

/// Members who bought on 0 to `most` days, each at a rhythm of their own.
fn members(most: u32) -> Vec<PurchaseDays> {
    let bought = |member: u32| {
        let mut days = PurchaseDays::default();
        for n in 0..member % (most + 1) {
            days.buy(LocalDay::FIRST.plus(1_000 + n * (1 + member % 60)), Fen::yuan(u64::from(50 + member % 900)));
        }
        days
    };
    (0..MEMBERS).map(bought).collect()
}

/// The time for one of the things done since `begun`.
fn each(begun: Instant, done: u32) -> Duration {
    begun.elapsed() / done.max(1)
}

fn main() {
    let begun = Instant::now();
    let segmentation = Segmentation::shipped().unwrap();
    println!("{:?} to read the shipped segmentation", each(begun, 1));
    let begun = Instant::now();
    let flaws = segmentation.flaws();
    println!("{:?} to check it, {} flaws", each(begun, 1), flaws.len());
    let traits = Traits::default();
    for most in [8, 300] {
        let members = members(most);
        let (begun, mut judged, mut segments) = (Instant::now(), 0, 0);
        for night in 0..10 {
            for days in &members {
                let window = Window::Days(365);
                let facts = Facts { claimed: true, ..Facts::of_purchases(days, window, &traits) };
                segments += segmentation.judge(&facts, LocalDay::FIRST.plus(1_500 + night)).segments.len();
                judged += 1;
            }
        }
        println!("{:?} a member with up to {most} purchase days, {segments} segments in all", each(begun, judged));
    }
}
