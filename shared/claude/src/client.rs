//! The client, as the port sees it.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{MicroDollars, Model, ModelError, ModelLimits, ModelReply, ModelRequest, ReplyPiece};
use http::{HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, Url};
use secrecy::ExposeSecret;
use tokio::time::{Instant, timeout_at};

use crate::body;
use crate::call::{Call, Failure, Progress};
use crate::catalogue::Catalogue;
use crate::configuration::{API_VERSION, Configuration, ConfigurationError};
use crate::prices::Tokens;
use crate::reply;
use crate::scrubber::Scrubber;

/// A client of the Messages API.
pub struct Client {
    http: reqwest::Client,
    url: Url,
    headers: HeaderMap,
    catalogue: Catalogue,
    pub(crate) scrubber: Scrubber,
    pub(crate) idle_timeout: Duration,
}

impl Client {
    /// A client. It connects with the first call and keeps its connections.
    pub fn new(configuration: Configuration) -> Result<Self, ConfigurationError> {
        let url = configuration.messages_url()?;
        let mut headers = configuration.checked_headers()?;
        let scrubber = Scrubber::new(&configuration.api_key, &headers);
        let key = configuration.api_key.expose_secret();
        let bearer = HeaderValue::from_str(&format!("Bearer {key}")).ok().filter(|_| !key.trim().is_empty());
        let mut bearer = bearer.ok_or(ConfigurationError::Key)?;
        bearer.set_sensitive(true);
        headers.insert("authorization", bearer);
        headers.insert("anthropic-version", HeaderValue::from_static(API_VERSION));
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.entry("accept").or_insert(HeaderValue::from_static("text/event-stream"));
        // A redirect is never followed: the key would go where nobody meant it to go.
        let mut http = reqwest::Client::builder()
            .connect_timeout(configuration.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("tiny-backspace");
        if is_loopback(&url) {
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| ConfigurationError::Http(error.without_url()))?;
        let Configuration { catalogue, idle_timeout, .. } = configuration;
        Ok(Self { http, url, headers, catalogue, scrubber, idle_timeout })
    }

    pub(crate) fn post(&self, body: Bytes) -> RequestBuilder {
        self.http.post(self.url.clone()).headers(self.headers.clone()).body(body)
    }

    fn reply_of(&self, request: &ModelRequest, progress: Progress) -> Result<ModelReply, ModelError> {
        let Progress { assembly, request_id, first_content_after } = progress;
        let tokens = assembly.tokens();
        let read = assembly.finish().map_err(|error| error.to_string()).and_then(|raw| {
            let reading = reply::read(&raw).map_err(|error| error.to_string())?;
            Ok((raw, reading))
        });
        let unreadable = |error: String| {
            let reason = format!("the reply could not be read: {}", self.scrubber.clean(&error));
            self.interrupted(request, tokens, reason)
        };
        let (raw, reading) = read.map_err(unreadable)?;
        Ok(ModelReply {
            raw,
            content: reading.content,
            stop: reading.stop,
            usage: tokens.into(),
            cost: self.catalogue.cost(&request.model, tokens),
            request_id,
            first_content_after,
        })
    }

    fn interrupted(&self, request: &ModelRequest, tokens: Tokens, reason: String) -> ModelError {
        let cost = self.catalogue.cost(&request.model, tokens);
        ModelError::Interrupted { reason, usage: tokens.into(), cost }
    }
}

#[async_trait]
impl Model for Client {
    async fn reply(
        &self,
        request: &ModelRequest,
        live: &(dyn for<'a> Fn(ReplyPiece<'a>) + Send + Sync),
    ) -> Result<ModelReply, ModelError> {
        let body = body::write(request, &self.catalogue)?.into();
        let deadline = Instant::now() + request.deadline;
        let mut progress = Progress::default();
        let call = Call { client: self, body, deadline, live };
        let outcome = timeout_at(deadline, call.run(&mut progress)).await.unwrap_or_else(|_| {
            let seconds = request.deadline.as_secs_f64();
            Err(Failure::Interrupted(format!("the reply was not finished within {seconds} s")))
        });
        match outcome {
            Ok(()) => self.reply_of(request, progress),
            Err(failure) => {
                Err(failure.into_error(|reason| self.interrupted(request, progress.assembly.tokens(), reason)))
            }
        }
    }

    /// Three bytes of prompt are taken for a token, and every token as newly written to the cache.
    fn worst_case(&self, request: &ModelRequest) -> MicroDollars {
        let prompt_tokens = (body::prompt_bytes(request) as u64).div_ceil(3);
        self.catalogue.worst_case(&request.model, prompt_tokens, u64::from(request.max_tokens))
    }

    fn limits(&self, model: &str) -> ModelLimits {
        self.catalogue.limits(model)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str();
        formatter.debug_struct("Client").field("host", &host).finish_non_exhaustive()
    }
}

/// A proxy of the machine's environment is no way to the machine itself.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
