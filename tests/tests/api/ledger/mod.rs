//! The ledger as tills, mini programs and managers see it.

mod check_ins;
mod corrections;
mod journal;
mod programme;
mod purchases;
mod refunds;
mod spending;
mod time;
