//! The HTTP client, set up once from the configuration.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::Redactor;
use domain::ports::Clock;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use reqwest::{RequestBuilder, Url};

use super::service_text;
use crate::configuration::{API_VERSION, Configuration, ConfigurationError};

/// Sends requests with the credential and the configured headers.
pub(crate) struct HttpClient {
    http: reqwest::Client,
    headers: HeaderMap,
    redactor: Redactor,
    clock: Option<Arc<dyn Clock>>,
    pub(super) idle_timeout: Duration,
    pub(super) first_pause: Duration,
}

impl HttpClient {
    /// Opens no connection yet; connections are pooled.
    pub(crate) fn new(configuration: &Configuration) -> Result<Self, ConfigurationError> {
        let mut headers = configuration.checked_headers()?;
        let redactor = service_text::redactor(&configuration.api_key, &headers);
        let (name, key) = configuration.credential_header()?;
        headers.insert(name, key);
        headers.insert("anthropic-version", HeaderValue::from_static(API_VERSION));
        // Following a redirect would hand the key and the conversation to whatever host the answer names.
        let mut http = reqwest::Client::builder()
            .connect_timeout(configuration.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("tiny-backspace")
            .no_proxy();
        let url = configuration.url("/")?;
        if !is_loopback(&url) {
            // A proxy on another host cannot reach a gateway or a stand-in on this one.
            http = configuration.proxies.add_to(http)?;
        } else if url.scheme() == "http" {
            // No certificate is ever checked, so the system's are not read, which takes milliseconds.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|error| ConfigurationError::Http(error.without_url()))?;
        let Configuration { idle_timeout, first_pause, .. } = *configuration;
        let clock = configuration.clock.clone();
        Ok(Self { http, headers, redactor, clock, idle_timeout, first_pause })
    }

    /// None without a configured clock.
    pub(super) fn now(&self) -> Option<Timestamp> {
        self.clock.as_ref().map(|clock| clock.now())
    }

    pub(crate) fn get(&self, url: Url) -> RequestBuilder {
        self.http.get(url).headers(self.headers.clone())
    }

    /// A POST of a JSON body.
    pub(crate) fn post(&self, url: Url, body: Bytes) -> RequestBuilder {
        let mut headers = self.headers.clone();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        self.http.post(url).headers(headers).body(body)
    }

    /// A POST whose answer is an event stream.
    pub(super) fn post_for_stream(&self, url: Url, body: Bytes) -> RequestBuilder {
        let request = self.post(url, body);
        if self.headers.contains_key("accept") { request } else { request.header("accept", "text/event-stream") }
    }

    /// A text of the service as it may be shown: on one line, not too long, without our secrets.
    pub(crate) fn displayable(&self, text: &str) -> String {
        service_text::displayable(text, &self.redactor)
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
