//! The `kind` of messages that exist only on streams and are not stored as events. For those of events see
//! [`domain::kinds`].

/// First message of a stream.
pub const STREAM_OPENED: &str = "stream.opened";
/// Last message of a stream that ends before its session; it says where to continue.
pub const RESUME: &str = "resume";
/// Live text of a reply that is still being written.
pub const DELTA: &str = "delta";
