//! The rulebook: everything that judges a movement.

use std::sync::Arc;

use super::consent::Floors;
use super::program::{Program, Version};
use super::segmentation::Segmentation;

/// The programme in force, the segments' rules, and which consents count.
#[derive(Clone, Debug)]
pub struct Rulebook {
    /// The programme's version in force.
    pub version: Arc<Version>,
    /// The segments' rules.
    pub segmentation: Arc<Segmentation>,
    /// From which versions on consents count.
    pub floors: Floors,
}

impl Rulebook {
    /// The programme's settings.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.version.program
    }
}
