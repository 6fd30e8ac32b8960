//! Access to the file system that stays inside one directory.

pub(crate) mod path;
pub(crate) mod pattern;
pub(crate) mod read_tracker;
pub(crate) mod root;
pub(crate) mod walk;
pub(crate) mod write;
