//! Laws of the domain, most of them as property tests.

mod admission;
mod append;
mod budget;
mod changeset;
mod quota;
mod status;
mod transcript;
