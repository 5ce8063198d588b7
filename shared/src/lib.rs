//! Huitou's common crate: what every function shares.
//!
//! Floors, from the ground up; a lower floor never imports a higher one:
//!
//! 1. [`values`]: newtypes that cannot hold a wrong value.
//! 2. [`domain`]: the business rules, pure: facts, settings and a date in, a decision out.
//! 3. ports and adapters: [`clock`], [`entropy`], [`table`], [`queue`], [`objects`], [`seal`], [`telemetry`], [`trust`], [`transport`], [`aws`],
//!    [`wechat`], [`channels`];
//!    [`app`] holds them all.
//! 4. [`cases`]: what the product does, one use case at a time, over the ports.
//! 5. [`manners`]: HTTP, batches, start-up.

pub mod app;
pub mod aws;
pub mod cases;
pub mod channels;
pub mod clock;
mod digest;
pub mod domain;
pub mod entropy;
pub mod manners;
pub mod objects;
pub mod queue;
pub mod seal;
pub mod secrets;
pub mod table;
pub mod telemetry;
pub mod transport;
pub mod trust;
pub mod values;
pub mod wechat;
