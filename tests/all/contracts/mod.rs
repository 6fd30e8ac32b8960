//! One contract suite for each port, run against every implementation.

mod blobs;
mod forge;
mod sandboxes;
mod sessions;
