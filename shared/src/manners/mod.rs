//! Manners: how the outside is met.

pub mod cursor;
pub mod signature;
pub mod token;
