//! Laws of the domain, as properties.

mod admission_queue;
mod append;
mod budget;
mod changeset;
mod status;
mod transcript;
