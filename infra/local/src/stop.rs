//! The wish to end, told to everything that runs.

use std::sync::Arc;

use tokio::sync::watch;

/// Asks everything that holds one of its [`Stop`]s to finish what it is doing and end.
#[derive(Debug, Clone)]
pub struct StopSource(Arc<watch::Sender<bool>>);

/// Knows whether it is time to end.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Default for StopSource {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl StopSource {
    /// A source that has not asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Another listener.
    #[must_use]
    pub fn listen(&self) -> Stop {
        Stop(self.0.subscribe())
    }
}

impl Stop {
    /// Ready once it is time to end, which it also is when the source is gone.
    pub async fn asked(mut self) {
        let _ = self.0.wait_for(|asked| *asked).await;
    }

    /// Whether it is time to end.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.0.borrow()
    }
}
