//! Bytes of files as text, without losing any.

pub(crate) mod cut;
pub(crate) mod document;
pub(crate) mod lines;
pub(crate) mod magic;
pub(crate) mod mismatch;
