//! The demo: a real purchase log, sent through the same HTTP path that tills use.

pub mod client;
pub mod csv;
pub mod import;
pub mod log;
pub mod migration;
pub mod progress;
pub mod summary;
pub mod wake_up;
