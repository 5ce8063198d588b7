//! What is made when it is first needed.

use std::fmt;
use std::sync::{Arc, LazyLock};

type Made<T> = Box<dyn FnOnce() -> T + Send>;

/// A client of AWS that its first call makes: a start should not pay for clients that most requests do without.
/// Clones are the same client.
pub struct Later<T>(Arc<LazyLock<T, Made<T>>>);

impl<T> Later<T> {
    /// Made by this.
    pub fn new(make: impl FnOnce() -> T + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(make))))
    }

    /// The client.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.0
    }
}

impl<T: Send + 'static> From<T> for Later<T> {
    fn from(made: T) -> Self {
        Self::new(|| made)
    }
}

impl<T> Clone for Later<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Later<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Later")
    }
}
