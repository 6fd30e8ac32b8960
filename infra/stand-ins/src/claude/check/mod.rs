//! What the API refuses, in its words.

pub(crate) mod cache_breakpoints;
pub(crate) mod fields;
pub(crate) mod messages;
pub(crate) mod pairing;
pub(crate) mod tools;
