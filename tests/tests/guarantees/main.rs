//! What holds whatever happens: crashes between any two calls, lost answers, races, second deliveries, another table.
#![cfg(test)]
#![allow(clippy::large_futures, reason = "a test holds few of them, and not for long")]

mod attempts;
mod campaigns;
mod crashes;
mod erasure_crashes;
mod full_pass;
mod lost_answers;
mod overload;
mod playbooks;
mod races;
mod real_purchases;
mod replay;
mod restore_drill;
mod second_table;
mod ticket_crashes;
mod yard;
