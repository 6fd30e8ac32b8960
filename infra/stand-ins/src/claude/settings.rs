//! How the server behaves, apart from its script.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::body_store;

/// Settings of a [`Server`](super::Server).
pub struct Settings {
    /// The only key that is accepted; `None` accepts any.
    pub accepted_key: Option<String>,
    /// Characters per delta of a stream.
    pub piece_size: usize,
    /// The pause between the events of a stream, so that a person can watch it.
    pub pace: Duration,
    /// Maximum requests stored for [`Server::requests`](super::Server::requests); the oldest go first.
    pub max_recorded_requests: usize,
    /// The time since an arbitrary moment. Entries of the prompt cache expire by it.
    pub clock: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// An existing directory for the bodies of accepted requests of our own client, each stored once.
    pub body_directory: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        let start = Instant::now();
        Self {
            accepted_key: None,
            piece_size: 24,
            pace: Duration::ZERO,
            max_recorded_requests: 256,
            clock: Arc::new(move || start.elapsed()),
            body_directory: body_store::directory(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Settings").field("piece_size", &self.piece_size).finish_non_exhaustive()
    }
}
