//! Laws of the domain, as properties.

mod append;
mod status;
mod transcript;
