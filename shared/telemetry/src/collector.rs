//! The address and headers of a trace collector.

use std::fmt;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// The path below the base address that receives spans (OpenTelemetry protocol 1, "OTLP/HTTP").
const TRACES_PATH: [&str; 2] = ["v1", "traces"];

/// A trace collector that speaks OTLP over HTTP with protobuf.
#[derive(Clone)]
pub struct Collector {
    pub(crate) endpoint: Url,
    pub(crate) headers: HeaderMap,
}

/// A collector's address or headers are invalid. The messages do not repeat them, because they may contain secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CollectorError {
    /// The address is not a URL.
    #[error("the trace collector's address is not a URL: {0}; give a base address such as http://localhost:4318")]
    Address(String),
    /// The address is not an HTTP URL.
    #[error("the trace collector's address begins with {0}://; use http:// or https://")]
    Scheme(String),
    /// The address contains more than a base address.
    #[error(
        "the trace collector's address contains {0}; give only the base address and put credentials into the headers"
    )]
    Excess(&'static str),
    /// The header with this number, counted from 1, is malformed.
    #[error(
        "header {0} of the trace collector is not of the form name=value; separate headers with commas and write a comma inside a value as %2C"
    )]
    Header(usize),
}

impl Collector {
    /// A collector at a base address, as in `OTEL_EXPORTER_OTLP_ENDPOINT`. `/v1/traces` is appended to it.
    ///
    /// # Errors
    ///
    /// When the address is not an HTTP base address, or contains credentials, which would appear in logs.
    pub fn new(endpoint: &str) -> Result<Self, CollectorError> {
        let mut url = Url::parse(endpoint.trim()).map_err(|error| CollectorError::Address(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(CollectorError::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(CollectorError::Excess("a user name or password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(CollectorError::Excess("a query or fragment"));
        }
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(TRACES_PATH);
        }
        Ok(Self { endpoint: url, headers: HeaderMap::new() })
    }

    /// Adds headers in the format of `OTEL_EXPORTER_OTLP_HEADERS`: `name=value,name=value`, with percent-encoded values.
    ///
    /// # Errors
    ///
    /// When one of them is malformed.
    pub fn headers(mut self, list: &str) -> Result<Self, CollectorError> {
        let entries = list.split(',').map(str::trim).enumerate().filter(|(_, entry)| !entry.is_empty());
        for (index, entry) in entries {
            let (name, value) = parse_header(entry).ok_or(CollectorError::Header(index + 1))?;
            self.headers.insert(name, value);
        }
        Ok(self)
    }

    /// Whether the collector runs on this machine, so that its requests must not go through a proxy.
    pub(crate) fn is_loopback(&self) -> bool {
        self.endpoint.host_str().is_some_and(|host| {
            let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
            host == "localhost" || address.is_ok_and(|address| address.is_loopback())
        })
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `parse_header` marks the values as sensitive, so `HeaderMap` does not print them.
        let Self { endpoint, headers } = self;
        formatter.debug_struct("Collector").field("endpoint", &endpoint.as_str()).field("headers", headers).finish()
    }
}

fn parse_header(entry: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = entry.split_once('=')?;
    let mut value = HeaderValue::from_bytes(&percent_decoded(value.trim())?).ok()?;
    value.set_sensitive(true);
    Some((name.trim().parse().ok()?, value))
}

/// Decodes `%XX`; none when a percent sign is not followed by two hexadecimal digits.
fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            decoded.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}
