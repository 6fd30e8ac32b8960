//! The bytes of files as text for a model: decoded, numbered, cut, compared. No byte is lost silently.

pub(crate) mod cut;
pub(crate) mod document;
pub(crate) mod lines;
pub(crate) mod magic;
pub(crate) mod mismatch;
