//! Trust: what is signed so that it can be believed when it comes back. Session tokens, systems' requests, cursors.
//!
//! Computation only: keys come in, no table is asked.

pub mod cursor;
pub mod link;
pub mod signature;
pub mod token;
