//! Customer lifetime value: what a member will probably still buy, learned from the purchase days of all members.
//!
//! Two published models, each fitted by maximum likelihood: [`BgNbd`] says how often a member buys and whether the
//! member still does, [`GammaGamma`] how much a purchase day brings. A [`Sample`] counts members as they pass by, shard
//! by shard if need be; [`Sample::fit`] makes a [`Model`] of it; [`Model::predict`] judges one member.
//!
//! What the models must not be used for:
//!
//! - A contract or a subscription, where it is known who has left. Here leaving is never seen, only silence.
//! - Goods with a season or a fixed rhythm (new-year boxes, a refill every four weeks): purchases are taken to be as
//!   likely on one day as on another.
//! - A single member's claim. A prediction is a mean over everybody with such a history; it ranks members and sums up
//!   to plans, it promises nothing about one of them.
//! - Members who never came back, when the question is who has left: [`BgNbd::p_alive`] is 1 for them by construction,
//!   since the model lets a member leave only after a repeat purchase.
//! - Brands where those who buy often spend differently: the models take frequency and spend for independent, and
//!   [`Model::spend_correlation`] says how far that is from the truth.
//! - Fine sums. On the log of real purchases in the tests it foresees 12 % fewer purchases in the next 39 weeks than came,
//!   while the tenth of the members that it ranks highest made nearly half of them.
//! - The far future. Nothing new is learned after [`Model::fitted_on`]; fit again at least every quarter.
//!
//! Only here are there floats: parameters and probabilities have no exact value. Money comes in and goes out as fen.

mod counts;
mod history;
mod likelihood;
mod model;
mod purchases;
mod sample;
mod simplex;
mod spend;

pub use history::History;
pub use model::{Discount, Model, Prediction};
pub use purchases::{BgNbd, Horizon};
pub use sample::{Sample, Unfit};
pub use spend::GammaGamma;
