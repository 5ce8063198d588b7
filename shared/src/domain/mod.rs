//! The business rules, pure: facts, settings and a date go in, a decision comes out as a value.
//!
//! Nothing here reads a clock, a table or a network; randomness comes in as an argument. A member's
//! [`account::Account`] is nothing but the fold of the member's journal: whatever changes an account is written
//! as one [`entry::Entry`], and [`account::Account::apply`] is the only way from one state to the next.

pub mod account;
pub mod age;
pub mod anonymity;
pub mod answering;
pub mod attachment;
pub mod attempts;
pub mod audit;
pub mod board;
pub mod book;
pub mod calendar;
pub mod campaign;
pub mod census;
pub mod child;
pub mod clv;
pub mod consent;
pub mod coupon;
pub mod days;
pub mod desk;
pub mod earning;
pub mod entry;
pub mod erasure;
pub mod facts;
pub mod faq;
pub mod flaw;
pub mod impact_assessment;
pub mod merge;
pub mod metric;
pub mod monthly_report;
pub mod notice;
pub mod occasion;
pub mod order;
pub mod personal;
pub mod playbook;
pub mod posting;
pub mod privacy_policy;
pub mod program;
pub mod proof;
pub mod purchase;
pub mod reach;
pub mod refusal;
pub mod rights_request;
pub mod rule;
pub mod rulebook;
pub mod segmentation;
pub mod sla;
pub mod spending;
pub mod statistics;
pub mod survey;
pub mod tagging;
pub mod tally;
pub mod ticket;
pub mod tier;
pub mod traits;
pub mod verdict;
pub mod week;
pub mod weekly_board;
