//! What the API refuses, in its words.

pub(crate) mod fields;
pub(crate) mod marks;
pub(crate) mod messages;
pub(crate) mod pairing;
pub(crate) mod tools;
