//! Laws of the domain, as properties.

mod append;
mod changeset;
mod status;
mod transcript;
