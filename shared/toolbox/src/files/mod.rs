//! The file system, seen from inside one directory that nothing leaves.

pub(crate) mod path;
pub(crate) mod root;
pub(crate) mod seen;
pub(crate) mod walk;
pub(crate) mod write;
