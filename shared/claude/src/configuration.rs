//! What a client has to be told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::Effort;
use domain::ports::Clock;
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{NoProxy, Proxy, Url};
use secrecy::{ExposeSecret, SecretString};

use crate::catalogue::{Catalogue, CatalogueError};

/// The version of the API that is spoken.
pub const API_VERSION: &str = "2026-10-21";

/// Headers that are the client's own.
const RESERVED: [&str; 6] =
    ["authorization", "x-api-key", "anthropic-version", "content-type", "content-length", "host"];

/// Configuration of a [`Client`](crate::Client).
pub struct Configuration {
    /// The key.
    pub api_key: SecretString,
    /// How the key is sent.
    pub credential: Credential,
    /// Where the API is, without `/v1`; `https://api.anthropic.com` unless it is a gateway or a stand-in.
    pub base_url: String,
    /// Sent with every request: workspace, beta features, a gateway's own. Their values are kept secret too.
    pub extra_headers: HeaderMap,
    /// The way to the API, when it is not a direct one. An address on this machine is always reached directly.
    pub proxies: Proxies,
    /// How much the model is to think when a request does not say; the model's own default when this does not either.
    pub effort: Option<Effort>,
    /// Limits, abilities and prices of the models.
    pub catalogue: Catalogue,
    /// Tells the day, which decides between old and new prices; without it the latest known prices hold.
    pub clock: Option<Arc<dyn Clock>>,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long the service may be silent within a reply; it sends a ping now and then.
    pub idle_timeout: Duration,
    /// The pause before the first retry when the service does not say how long; doubled before the next.
    pub first_pause: Duration,
}

/// How the key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Credential {
    /// `authorization: Bearer KEY`, as the vendor's own libraries do since the version of October 2026.
    #[default]
    Bearer,
    /// `x-api-key: KEY`, for gateways that know nothing else.
    ApiKey,
}

/// Proxies, as the usual variables name them.
#[derive(Clone, Default)]
pub struct Proxies {
    /// For addresses that begin with `https`; `HTTPS_PROXY`. May hold a user name and a password.
    pub https: Option<SecretString>,
    /// For addresses that begin with `http`; `HTTP_PROXY`.
    pub http: Option<SecretString>,
    /// Hosts, domains and address ranges that are reached directly, separated by commas; `NO_PROXY`.
    pub except: Option<String>,
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
    /// A line of extra headers is none. The line may hold a secret and is not shown.
    #[error("line {0} of the extra headers for the Claude API is not of the form `Name: value`")]
    HeaderLine(usize),
    /// A proxy's address is none. It may hold a password and is not shown.
    #[error("the address of the {0} proxy cannot be used")]
    Proxy(&'static str),
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
            credential: Credential::default(),
            base_url: "https://api.anthropic.com".to_owned(),
            extra_headers: HeaderMap::new(),
            proxies: Proxies::default(),
            effort: None,
            catalogue: Catalogue::built_in()?,
            clock: None,
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(90),
            first_pause: Duration::from_millis(500),
        })
    }

    /// An address of the API, such as `/v1/messages`.
    pub(crate) fn url(&self, path: &str) -> Result<Url, ConfigurationError> {
        let base = self.base_url.trim_end_matches('/');
        let url = Url::parse(&format!("{base}{path}")).map_err(|_| ConfigurationError::BaseUrl)?;
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

    /// The header with the key.
    pub(crate) fn key_header(&self) -> Result<(HeaderName, HeaderValue), ConfigurationError> {
        let key = self.api_key.expose_secret();
        let (name, value) = match self.credential {
            Credential::Bearer => ("authorization", format!("Bearer {key}")),
            Credential::ApiKey => ("x-api-key", key.to_owned()),
        };
        let value = HeaderValue::from_str(&value).ok().filter(|_| !key.trim().is_empty());
        let mut value = value.ok_or(ConfigurationError::Key)?;
        value.set_sensitive(true);
        Ok((HeaderName::from_static(name), value))
    }
}

/// Reads extra headers as users of Claude Code write them: one `Name: value` a line. A line feed may be written `\n`, for
/// files that have no lines in a value.
pub fn extra_headers(lines: &str) -> Result<HeaderMap, ConfigurationError> {
    let mut headers = HeaderMap::new();
    let lines = lines.replace("\\n", "\n");
    for (number, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let flaw = || ConfigurationError::HeaderLine(number + 1);
        let (name, value) = line.split_once(':').ok_or_else(flaw)?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| flaw())?;
        headers.append(name, HeaderValue::try_from(value.trim()).map_err(|_| flaw())?);
    }
    Ok(headers)
}

impl Proxies {
    pub(crate) fn add_to(
        &self,
        mut http: reqwest::ClientBuilder,
    ) -> Result<reqwest::ClientBuilder, ConfigurationError> {
        let except = self.except.as_deref().and_then(NoProxy::from_string);
        type Kind = fn(&str) -> reqwest::Result<Proxy>;
        let kinds: [(&'static str, &Option<SecretString>, Kind); 2] =
            [("HTTPS", &self.https, |url| Proxy::https(url)), ("HTTP", &self.http, |url| Proxy::http(url))];
        for (name, url, kind) in kinds {
            if let Some(url) = url {
                let proxy = kind(url.expose_secret()).map_err(|_| ConfigurationError::Proxy(name))?;
                http = http.proxy(proxy.no_proxy(except.clone()));
            }
        }
        Ok(http)
    }
}

impl fmt::Debug for Configuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.extra_headers.keys().collect();
        formatter
            .debug_struct("Configuration")
            .field("api_key", &"[REDACTED]")
            .field("credential", &self.credential)
            .field("extra_headers", &headers)
            .field("connect_timeout", &self.connect_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_headers_are_lines_and_a_wrong_one_is_told_by_its_number() {
        let headers =
            extra_headers("X-Team: blue\n\nanthropic-beta: a-2026,b-2026\\nx-url: https://example.com").unwrap();
        let header = |name: &str| headers[name].to_str().unwrap();
        assert_eq!((header("x-team"), header("anthropic-beta")), ("blue", "a-2026,b-2026"));
        assert_eq!(header("x-url"), "https://example.com");
        let error = extra_headers("X-Team: blue\nsecret-without-name").unwrap_err().to_string();
        assert!(error.contains("line 2") && !error.contains("secret-without"), "{error}");
        assert!(extra_headers("a b: c").is_err());
    }

    #[test]
    fn a_proxy_that_is_none_is_refused_without_showing_it() {
        let proxies = Proxies { https: Some("http://user:word@[".into()), ..Proxies::default() };
        let error = proxies.add_to(reqwest::Client::builder()).unwrap_err().to_string();
        assert_eq!(error, "the address of the HTTPS proxy cannot be used");
    }
}
