//! The rulebook: everything that judges a movement.

use std::sync::Arc;

use super::program::{Program, Version};
use super::segmentation::Segmentation;

/// The programme in force, and the segments' rules.
#[derive(Clone, Debug)]
pub struct Rulebook {
    /// The programme's version in force.
    pub version: Arc<Version>,
    /// The segments' rules.
    pub segmentation: Arc<Segmentation>,
}

impl Rulebook {
    /// The programme's settings.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.version.program
    }
}
