//! Laws of the domain, as properties.

mod append;
mod budget;
mod changeset;
mod status;
mod transcript;
