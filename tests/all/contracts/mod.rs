//! One contract suite for each port, run against every implementation, and from a second process.

mod accounts;
mod blobs;
mod event_log;
mod forge;
mod live_text;
mod reservations;
mod sandboxes;
mod second_process;
mod secrets;
mod sessions;
mod workflows;
