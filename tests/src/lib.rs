//! A house for black-box tests: the whole product in memory, called over HTTP as tills and mini programs call it.
//!
//! Every test starts a house of its own, with its own table, queue and clock. Set-up goes through the API.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test that fails should stop at once, also in its helpers"
)]

mod call;
pub mod heard;
mod house;
pub mod marketing;
pub mod members;
mod policy;
mod waiting;

pub use call::{Answer, Call, assert_problem};
pub use house::{House, Member, a_house, a_house_at, a_house_in, a_house_of, order};
pub use policy::an_assessment;
pub use waiting::eventually;
