//! The configuration of a client. The caller reads it; this crate reads no environment.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::Effort;
use domain::ports::Clock;
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{NoProxy, Proxy, Url};
use secrecy::{ExposeSecret, SecretString};

use crate::models::{Catalogue, CatalogueError};

/// The version of the API, sent as `anthropic-version`.
pub const API_VERSION: &str = "2026-10-21";

/// Headers that the client sets itself.
const RESERVED: [&str; 6] =
    ["authorization", "x-api-key", "anthropic-version", "content-type", "content-length", "host"];

/// Configuration of a [`Client`](crate::Client).
pub struct Configuration {
    pub api_key: SecretString,
    pub credential: Credential,
    /// Anything but `https://api.anthropic.com` is a gateway or a stand-in. A `/v1` at its end is ignored, because some clients
    /// want the address with it.
    pub base_url: String,
    /// Sent with every request: a workspace, beta features, what a gateway demands. Their values are redacted like the key.
    pub extra_headers: HeaderMap,
    /// Ignored when the base URL is an address of this machine.
    pub proxies: Proxies,
    /// The effort for requests that ask for none; `None` leaves it to the model's default.
    pub effort: Option<Effort>,
    pub catalogue: Catalogue,
    /// The date decides between old and new prices; without a clock the latest known prices apply.
    pub clock: Option<Arc<dyn Clock>>,
    pub connect_timeout: Duration,
    /// How long the service may send nothing, before and within a reply. It sends a ping now and then.
    pub idle_timeout: Duration,
    /// The pause before the first retry, doubled before each further one; the service may ask for another.
    pub first_pause: Duration,
}

/// The header that carries the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Credential {
    /// `authorization: Bearer KEY`, which the vendor's own libraries send since the API version of October 2026.
    #[default]
    Bearer,
    /// `x-api-key: KEY`, for gateways that understand nothing else.
    ApiKey,
}

/// The proxies that the customary environment variables name.
#[derive(Clone, Default)]
pub struct Proxies {
    /// `HTTPS_PROXY`, for `https` URLs. May contain a user name and a password.
    pub https: Option<SecretString>,
    /// `HTTP_PROXY`, for `http` URLs. May contain a user name and a password.
    pub http: Option<SecretString>,
    /// `NO_PROXY`: comma-separated hosts, domains and address ranges that are reached directly.
    pub except: Option<String>,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// `base_url` is not such a URL.
    #[error("the base URL of the Claude API must be an http or https URL without credentials, query and fragment")]
    BaseUrl,
    /// The key is not shown.
    #[error("the key of the Claude API is empty or contains characters that are not allowed in a header")]
    Key,
    /// An extra header would replace one that the client sets.
    #[error("the header {0} is set by the client and cannot be an extra header")]
    ReservedHeader(HeaderName),
    /// The number of the line counts from 1. The line may contain a secret and is not shown.
    #[error("line {0} of the extra headers for the Claude API is not of the form `Name: value`")]
    HeaderLine(usize),
    /// The URL may contain a password and is not shown.
    #[error("the URL of the {0} proxy is not valid")]
    Proxy(&'static str),
    /// The catalogue of models is invalid.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// For example for lack of root certificates.
    #[error("the HTTP client could not be created: {0}")]
    Http(reqwest::Error),
}

impl Configuration {
    /// The real service, default time-outs and the built-in catalogue.
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

    /// The URL of a path such as `/v1/messages`.
    pub(crate) fn url(&self, path: &str) -> Result<Url, ConfigurationError> {
        let base = self.base_url.trim_end_matches('/');
        let base = base.strip_suffix("/v1").unwrap_or(base).trim_end_matches('/');
        let url = Url::parse(&format!("{base}{path}")).map_err(|_| ConfigurationError::BaseUrl)?;
        let has_credentials = !url.username().is_empty() || url.password().is_some();
        let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
        let is_base = url.query().is_none() && url.fragment().is_none();
        if is_http && is_base && !has_credentials { Ok(url) } else { Err(ConfigurationError::BaseUrl) }
    }

    /// The extra headers, checked and marked as sensitive.
    pub(crate) fn checked_headers(&self) -> Result<HeaderMap, ConfigurationError> {
        let mut headers = self.extra_headers.clone();
        if let Some(name) = headers.keys().find(|name| RESERVED.contains(&name.as_str())) {
            return Err(ConfigurationError::ReservedHeader(name.clone()));
        }
        headers.values_mut().for_each(|value| value.set_sensitive(true));
        Ok(headers)
    }

    /// The header that carries the key.
    pub(crate) fn credential_header(&self) -> Result<(HeaderName, HeaderValue), ConfigurationError> {
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

/// Parses extra headers in the form that Claude Code documents for `ANTHROPIC_CUSTOM_HEADERS`: one `Name: value` per line. The
/// two characters `\n` also separate lines, for `.env` files whose values cannot contain any.
pub fn extra_headers(lines: &str) -> Result<HeaderMap, ConfigurationError> {
    let mut headers = HeaderMap::new();
    let lines = lines.replace("\\n", "\n");
    for (number, line) in lines.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let error = || ConfigurationError::HeaderLine(number + 1);
        let (name, value) = line.split_once(':').ok_or_else(error)?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| error())?;
        headers.append(name, HeaderValue::try_from(value.trim()).map_err(|_| error())?);
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
            .field("api_key", &domain::REDACTED)
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
    fn extra_headers_are_lines_and_an_invalid_one_is_named_by_number() {
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
    fn the_base_url_may_end_in_the_version_of_the_path() {
        let mut configuration = Configuration::new("key".into()).unwrap();
        for (base, url) in [
            ("https://a.example", "https://a.example/v1/messages"),
            ("https://a.example/", "https://a.example/v1/messages"),
            ("https://a.example/v1", "https://a.example/v1/messages"),
            ("https://a.example/gate/v1/", "https://a.example/gate/v1/messages"),
            ("https://a.example/env1", "https://a.example/env1/v1/messages"),
        ] {
            configuration.base_url = base.to_owned();
            assert_eq!(configuration.url("/v1/messages").unwrap().as_str(), url, "{base}");
        }
    }

    #[test]
    fn an_invalid_proxy_is_refused_without_showing_its_url() {
        let proxies = Proxies { https: Some("http://user:word@[".into()), ..Proxies::default() };
        let error = proxies.add_to(reqwest::Client::builder()).unwrap_err().to_string();
        assert_eq!(error, "the URL of the HTTPS proxy is not valid");
    }
}
