//! The port for time.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// Time, handed in so that tests decide what it is.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Returns after `duration`.
    async fn sleep(&self, duration: Duration);
}

/// From `start` to `end`, zero when the clock went back.
pub fn elapsed(start: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(start)).unwrap_or_default()
}
