//! One contract suite for each port, run against every implementation, and from a second process.

mod blobs;
mod event_log;
mod forge;
mod sandboxes;
mod second_process;
mod sessions;
