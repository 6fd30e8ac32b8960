//! The file system, seen from inside one directory that nothing leaves.

pub(crate) mod path;
pub(crate) mod read_tracker;
pub(crate) mod root;
pub(crate) mod walk;
pub(crate) mod write;
