#![doc = include_str!("../README.md")]

pub use api::Client;
pub use configuration::{API_VERSION, Configuration, ConfigurationError, Credential, Proxies, extra_headers};
pub use models::{Catalogue, CatalogueError};

// Each module imports only from those below it: api, transport, configuration, models.
mod api;
mod configuration;
mod models;
mod transport;
