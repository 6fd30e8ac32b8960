//! What is known of models: abilities, limits and prices. No I/O.

pub use catalogue::{Catalogue, CatalogueError};

pub(crate) use learned_limits::LearnedLimits;
pub(crate) use prices::{Day, Tokens};

mod catalogue;
mod learned_limits;
mod prices;
