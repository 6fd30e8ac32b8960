//! What a client has to be told.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use reqwest::Url;
use secrecy::SecretString;

use crate::catalogue::{Catalogue, CatalogueError};

/// The version of the API that is spoken.
pub const API_VERSION: &str = "2026-10-21";

/// Headers that are the client's own.
const RESERVED: [&str; 6] =
    ["authorization", "x-api-key", "anthropic-version", "content-type", "content-length", "host"];

/// Configuration of a [`Client`](crate::Client).
pub struct Configuration {
    /// The key, sent as a bearer token.
    pub api_key: SecretString,
    /// Where the API is, without `/v1`; `https://api.anthropic.com` unless it is a gateway or a stand-in.
    pub base_url: String,
    /// Sent with every request: workspace, beta features, a gateway's own. Their values are kept secret too.
    pub extra_headers: HeaderMap,
    /// Limits, abilities and prices of the models.
    pub catalogue: Catalogue,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long the service may be silent within a reply; it sends a ping now and then.
    pub idle_timeout: Duration,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// The address is no HTTP address, or holds a user name or a password.
    #[error("the base URL of the Claude API has to be an http or https address without credentials")]
    BaseUrl,
    /// The key holds what no header may hold.
    #[error("the key of the Claude API is empty or holds characters that no header may hold")]
    Key,
    /// An extra header would take the place of one of the client's own.
    #[error("{0} is set by the client and cannot be an extra header")]
    ReservedHeader(HeaderName),
    /// The models' file is wrong.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The HTTP client could not be made, for lack of root certificates for example.
    #[error("no HTTP client could be made: {0}")]
    Http(reqwest::Error),
}

impl Configuration {
    /// The real service with its usual time-outs and the built-in catalogue.
    pub fn new(api_key: SecretString) -> Result<Self, ConfigurationError> {
        Ok(Self {
            api_key,
            base_url: "https://api.anthropic.com".to_owned(),
            extra_headers: HeaderMap::new(),
            catalogue: Catalogue::built_in()?,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(90),
        })
    }

    /// The address of `/v1/messages`.
    pub(crate) fn messages_url(&self) -> Result<Url, ConfigurationError> {
        let base = self.base_url.trim_end_matches('/');
        let url = Url::parse(&format!("{base}/v1/messages")).map_err(|_| ConfigurationError::BaseUrl)?;
        let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        let http = matches!(url.scheme(), "http" | "https") && url.has_host();
        if plain && http && url.fragment().is_none() { Ok(url) } else { Err(ConfigurationError::BaseUrl) }
    }

    pub(crate) fn checked_headers(&self) -> Result<HeaderMap, ConfigurationError> {
        let mut headers = self.extra_headers.clone();
        if let Some(name) = headers.keys().find(|name| RESERVED.contains(&name.as_str())) {
            return Err(ConfigurationError::ReservedHeader(name.clone()));
        }
        headers.values_mut().for_each(|value| value.set_sensitive(true));
        Ok(headers)
    }
}

impl fmt::Debug for Configuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.extra_headers.keys().collect();
        formatter
            .debug_struct("Configuration")
            .field("api_key", &"[REDACTED]")
            .field("extra_headers", &headers)
            .field("connect_timeout", &self.connect_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .finish_non_exhaustive()
    }
}
