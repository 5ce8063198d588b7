//! Tickets over HTTP: from a member's problem to an answer, and to knowing how it was.

mod attachments;
mod board;
mod clocks;
mod desk;
pub(crate) mod doings;
mod limits;
mod members;
mod notices;
mod self_service;
mod surveys;
