//! Manners: how the product speaks HTTP, for every function the same.

pub mod access;
pub mod batch;
pub mod caller;
pub mod edge;
pub mod extract;
pub mod fields;
pub mod gateway;
pub mod masking;
pub mod movement;
mod objects;
pub mod problem;
mod refusals;
pub mod routes;
pub mod standing;
pub mod start;
pub mod tagged;
