//! One suite for each port, run against every implementation there is.

mod blobs;
mod forge;
mod sandboxes;
mod sessions;
