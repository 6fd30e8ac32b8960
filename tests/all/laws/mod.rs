//! Laws of the domain, most of them as property tests.

mod admission;
mod append;
mod budget;
mod changeset;
mod conversation;
mod line_diff;
mod quota;
mod replies;
mod snapshot;
mod status;
mod transcript;
