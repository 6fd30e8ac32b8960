//! The port for time.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// The wall clock, passed in so that tests control it.
///
/// # Contract
/// - **Callers may rely on** nothing but approximate time: clocks of two processes differ, and a clock may go back. So no
///   order is derived from it; [`elapsed`] copes with both.
/// - **An implementation must** not block the thread in `sleep`.
/// - **After a crash** nothing is left: a pause that has to survive one is recorded in the log as the time at which it ends.
#[async_trait]
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    async fn sleep(&self, duration: Duration);
}

/// The time from `start` to `end`; zero when the clock went back in between.
pub fn elapsed(start: Timestamp, end: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(start)).unwrap_or_default()
}
