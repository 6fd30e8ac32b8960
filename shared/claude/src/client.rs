//! The client, as the port sees it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::ports::Clock;
use domain::{
    CacheMiss, Effort, MicroDollars, Model, ModelError, ModelLimits, ModelReply, ModelRequest, ReplyPiece, Terminal,
};
use http::{HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, Url};
use tokio::time::{Instant, timeout_at};

use crate::body::{self, For};
use crate::call::{Call, Failure, Progress};
use crate::catalogue::Catalogue;
use crate::configuration::{API_VERSION, Configuration, ConfigurationError};
use crate::lookup;
use crate::models::Learned;
use crate::prices::{Day, Tokens};
use crate::reply;
use crate::scrubber::Scrubber;

/// A client of the Messages API.
pub struct Client {
    http: reqwest::Client,
    messages: Url,
    count: Url,
    pub(crate) models: Url,
    headers: HeaderMap,
    catalogue: Catalogue,
    effort: Option<Effort>,
    clock: Option<Arc<dyn Clock>>,
    learned: Learned,
    pub(crate) scrubber: Scrubber,
    pub(crate) idle_timeout: Duration,
    pub(crate) first_pause: Duration,
}

impl Client {
    /// A client. It connects with the first call and keeps its connections.
    pub fn new(configuration: Configuration) -> Result<Self, ConfigurationError> {
        let messages = configuration.url("/v1/messages")?;
        let count = configuration.url("/v1/messages/count_tokens")?;
        let models = configuration.url("/v1/models")?;
        let mut headers = configuration.checked_headers()?;
        let scrubber = Scrubber::new(&configuration.api_key, &headers);
        let (name, key) = configuration.key_header()?;
        headers.insert(name, key);
        headers.insert("anthropic-version", HeaderValue::from_static(API_VERSION));
        // A redirect is never followed: the key would go where nobody meant it to go.
        let mut http = reqwest::Client::builder()
            .connect_timeout(configuration.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("tiny-backspace")
            .no_proxy();
        if !is_loopback(&messages) {
            http = configuration.proxies.add_to(http)?;
        }
        let http = http.build().map_err(|error| ConfigurationError::Http(error.without_url()))?;
        let Configuration { catalogue, effort, clock, idle_timeout, first_pause, .. } = configuration;
        let learned = Learned::default();
        Ok(Self {
            http,
            messages,
            count,
            models,
            headers,
            catalogue,
            effort,
            clock,
            learned,
            scrubber,
            idle_timeout,
            first_pause,
        })
    }

    /// The body that is sent for a request.
    pub fn body(&self, request: &ModelRequest) -> Result<Vec<u8>, Terminal> {
        body::write(request, &self.catalogue, self.effort, For::Reply)
    }

    /// A request for a reply.
    pub(crate) fn post(&self, body: Bytes) -> RequestBuilder {
        let mut headers = self.headers.clone();
        headers.entry("accept").or_insert(HeaderValue::from_static("text/event-stream"));
        self.send(self.http.post(self.messages.clone()), headers, body)
    }

    fn send(&self, request: RequestBuilder, mut headers: HeaderMap, body: Bytes) -> RequestBuilder {
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        request.headers(headers).body(body)
    }

    pub(crate) fn get(&self, url: Url) -> RequestBuilder {
        self.http.get(url).headers(self.headers.clone())
    }

    fn today(&self) -> Day {
        // A time is written as `2026-10-07T12:00:00Z`.
        let today = |clock: &Arc<dyn Clock>| Day(clock.now().to_string().chars().take(10).collect());
        self.clock.as_ref().map_or_else(Day::last, today)
    }

    fn cost(&self, request: &ModelRequest, tokens: Tokens) -> MicroDollars {
        self.catalogue.cost(&request.model, &self.today(), tokens)
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
        if let Some(miss) = &reading.details.cache_miss {
            report(miss, request_id.as_deref());
        }
        Ok(ModelReply {
            raw,
            content: reading.content,
            stop: reading.stop,
            usage: tokens.into(),
            cost: self.cost(request, tokens),
            details: Box::new(reading.details),
            request_id,
            first_content_after,
        })
    }

    fn interrupted(&self, request: &ModelRequest, tokens: Tokens, reason: String) -> ModelError {
        ModelError::Interrupted { reason, usage: tokens.into(), cost: self.cost(request, tokens) }
    }
}

#[async_trait]
impl Model for Client {
    async fn reply(
        &self,
        request: &ModelRequest,
        live: &(dyn for<'a> Fn(ReplyPiece<'a>) + Send + Sync),
    ) -> Result<ModelReply, ModelError> {
        let body = self.body(request)?.into();
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
        let tokens = |bytes: usize| (bytes as u64).div_ceil(3);
        let prompt_tokens = tokens(body::prompt_bytes(request));
        let tier = self.catalogue.tier(&request.model, &self.today(), prompt_tokens);
        tier.worst_case(prompt_tokens, tokens(body::hour_bytes(request)), u64::from(request.max_tokens))
    }

    fn limits(&self, model: &str) -> ModelLimits {
        self.learned.limits(model).unwrap_or_else(|| self.catalogue.limits(model))
    }

    async fn count_tokens(&self, request: &ModelRequest) -> Result<u64, ModelError> {
        let body = body::write(request, &self.catalogue, self.effort, For::Count)?;
        let request = self.send(self.http.post(self.count.clone()), self.headers.clone(), body.into());
        lookup::count(self, request).await
    }

    async fn learn_limits(&self) {
        self.learned.refresh(self).await;
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.messages.host_str();
        formatter.debug_struct("Client").field("host", &host).finish_non_exhaustive()
    }
}

/// An edit of what was sent before costs money and is a defect where it was not meant.
fn report(miss: &CacheMiss, request_id: Option<&str>) {
    if miss.is_an_edit() {
        tracing::warn!(
            ?miss,
            request_id,
            "the prompt cache did not hold the conversation: something in it was changed"
        );
    } else {
        tracing::debug!(?miss, request_id, "the prompt cache did not hold the conversation");
    }
}

/// A proxy is no way to the machine itself.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
