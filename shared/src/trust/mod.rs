//! Trust: what is signed so that it can be believed when it comes back. Session tokens, systems' requests, cursors,
//! and staff by their provider's tokens.
//!
//! Computation only: keys come in, no table is asked. [`identity`] alone asks somebody: the provider, for its keys.

pub mod cursor;
pub mod identity;
pub mod link;
pub mod oidc;
pub mod signature;
pub mod token;
