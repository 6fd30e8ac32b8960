//! Laws of the domain, as properties.

mod append;
mod budget;
mod changeset;
mod ledger;
mod status;
mod transcript;
