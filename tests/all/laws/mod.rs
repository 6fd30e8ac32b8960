//! Laws of the domain, most of them as property tests.

mod admission_queue;
mod append;
mod budget;
mod changeset;
mod conversation;
mod snapshot;
mod status;
mod transcript;
