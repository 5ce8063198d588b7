//! The product as its clients meet it, over HTTP: what it does, what it refuses, and what its documents promise.
//!
//! One program for all of them, because linking costs more than most of them take to run.
#![cfg(test)]
#![allow(clippy::large_futures, reason = "a test holds few of them, and not for long")]

mod abuse;
mod access;
mod anonymity;
mod audit;
mod bad_input;
mod budgets;
mod campaign_reports;
mod campaigns;
mod children;
mod consents;
mod coupons;
mod customers;
mod enumeration;
mod fields;
mod leaving;
mod ledger;
mod lifetime_value;
mod model_fit;
mod openapi;
mod providers;
mod reports;
mod requirements;
mod rights_requests;
mod secrets;
mod segments;
mod sign_up;
mod smtp;
mod staff;
mod tickets;
mod tracking;
mod triggers;
