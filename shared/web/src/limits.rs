//! Limits of the service.

use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum length of a request's body, in bytes.
    pub body_bytes: usize,
    /// Maximum open streams of a principal.
    pub streams: usize,
    /// How long a stream stays open; then its last frame says where to resume.
    pub stream_age: Duration,
    /// A stream without a frame for this long sends a comment, which shows client and proxies that it is alive.
    pub heartbeat: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Fits the longest prompt (256 KiB) in any JSON encoding: an escape has at most six bytes per byte of UTF-8.
            body_bytes: 4 * 1024 * 1024,
            streams: 2000,
            stream_age: Duration::from_secs(24 * 3600),
            heartbeat: Duration::from_secs(15),
        }
    }
}
