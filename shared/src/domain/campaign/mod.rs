//! Campaigns: what goes to whom, on which channel, when, and how often.

pub mod content;
