//! The client: the port `Model` over the Messages API.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ports::Clock;
use domain::{
    CacheMiss, Effort, MicroDollars, Model, ModelError, ModelLimits, ModelReply, ModelRequest, ReplyPiece, Terminal,
    Usage,
};
use reqwest::Url;
use serde::Deserialize;
use tokio::time::{Instant, timeout, timeout_at};

use super::body::{self, Purpose};
use super::stream::{self, Progress};
use super::usage::BYTES_PER_TOKEN;
use super::{model_list, reply};
use crate::configuration::{Configuration, ConfigurationError};
use crate::models::{Catalogue, Day, LearnedLimits, Tokens};
use crate::transport::{Failure, HttpClient, send_for_json};

/// Maximum time to read the list of models: a turn waits for it.
const MODEL_LIST_TIMEOUT: Duration = Duration::from_secs(3);

/// A client of the Messages API.
pub struct Client {
    http: HttpClient,
    endpoints: Endpoints,
    catalogue: Catalogue,
    learned_limits: LearnedLimits,
    effort: Option<Effort>,
    clock: Option<Arc<dyn Clock>>,
}

struct Endpoints {
    messages: Url,
    count_tokens: Url,
    models: Url,
}

#[derive(Deserialize)]
struct TokenCount {
    input_tokens: u64,
}

impl Client {
    /// Creates a client. It connects with its first call and then reuses its connections.
    pub fn new(configuration: Configuration) -> Result<Self, ConfigurationError> {
        let endpoints = Endpoints {
            messages: configuration.url("/v1/messages")?,
            count_tokens: configuration.url("/v1/messages/count_tokens")?,
            models: configuration.url("/v1/models")?,
        };
        let http = HttpClient::new(&configuration)?;
        let Configuration { catalogue, effort, clock, .. } = configuration;
        Ok(Self { http, endpoints, catalogue, learned_limits: LearnedLimits::default(), effort, clock })
    }

    /// The body that [`Model::reply`] sends for a request.
    ///
    /// # Errors
    /// If the tools of the request are not a JSON array.
    pub fn body(&self, request: &ModelRequest) -> Result<Vec<u8>, Terminal> {
        body::write(request, &self.catalogue, self.effort, Purpose::Reply)
    }

    fn today(&self) -> Day {
        // A time is written as `2026-10-07T12:00:00Z`; its first ten characters are the date.
        let today = |clock: &Arc<dyn Clock>| Day(clock.now().to_string().chars().take(10).collect());
        self.clock.as_ref().map_or_else(Day::last, today)
    }

    fn cost(&self, request: &ModelRequest, tokens: Tokens) -> MicroDollars {
        self.catalogue.cost(&request.model, &self.today(), tokens)
    }

    fn finish(&self, request: &ModelRequest, progress: Progress) -> Result<ModelReply, ModelError> {
        let Progress { assembly, request_id, first_content_after } = progress;
        let tokens = assembly.tokens();
        let message = assembly.finish().map_err(|error| error.to_string()).and_then(|raw| {
            let parts = reply::read(&raw).map_err(|error| error.to_string())?;
            Ok((raw, parts))
        });
        let (raw, parts) = message.map_err(|error| {
            let reason = format!("the reply could not be read: {}", self.http.displayable(&error));
            self.interrupted(request, tokens, reason)
        })?;
        if let Some(miss) = &parts.details.cache_miss {
            log_cache_miss(miss, request_id.as_deref());
        }
        Ok(ModelReply {
            raw,
            content: parts.content,
            stop: parts.stop,
            usage: tokens.into(),
            cost: self.cost(request, tokens),
            details: Box::new(parts.details),
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
        let received = stream::receive(&self.http, &self.endpoints.messages, body, deadline, live, &mut progress);
        let outcome = timeout_at(deadline, received).await.unwrap_or_else(|_| {
            let seconds = request.deadline.as_secs_f64();
            Err(Failure::Interrupted(format!("the reply was not finished within {seconds} s")))
        });
        match outcome {
            Ok(()) => self.finish(request, progress),
            Err(failure) => {
                let tokens = progress.assembly.tokens();
                Err(failure.into_error(tokens.into(), self.cost(request, tokens)))
            }
        }
    }

    /// Assumes [`BYTES_PER_TOKEN`] and that the whole prompt is written to the cache, the dearest case.
    fn worst_case(&self, request: &ModelRequest) -> MicroDollars {
        let tokens = |bytes: usize| (bytes as u64).div_ceil(BYTES_PER_TOKEN);
        let prompt_tokens = tokens(body::prompt_bytes(request));
        let tier = self.catalogue.tier(&request.model, &self.today(), prompt_tokens);
        tier.worst_case(prompt_tokens, tokens(body::hour_bytes(request)), u64::from(request.max_tokens))
    }

    fn limits(&self, model: &str) -> ModelLimits {
        self.learned_limits.get(model).unwrap_or_else(|| self.catalogue.limits(model))
    }

    async fn count_tokens(&self, request: &ModelRequest) -> Result<u64, ModelError> {
        let body = body::write(request, &self.catalogue, self.effort, Purpose::CountTokens)?;
        let post = self.http.post(self.endpoints.count_tokens.clone(), body.into());
        let count: Result<TokenCount, Failure> = send_for_json(&self.http, post).await;
        // The service does not bill a count.
        let free = |failure: Failure| failure.into_error(Usage::default(), MicroDollars::default());
        count.map(|count| count.input_tokens).map_err(free)
    }

    async fn learn_limits(&self) {
        let now = Instant::now();
        if !self.learned_limits.begin_refresh(now) {
            return;
        }
        let list = model_list::fetch(&self.http, &self.endpoints.models);
        if let Ok(Ok(limits)) = timeout(MODEL_LIST_TIMEOUT, list).await {
            tracing::debug!(models = limits.len(), "the limits of the models were read from the service");
            self.learned_limits.store(limits, now);
        } else {
            tracing::debug!("the list of models could not be read; the limits known so far apply");
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.endpoints.messages.host_str();
        formatter.debug_struct("Client").field("host", &host).finish_non_exhaustive()
    }
}

/// A miss because the conversation was edited is a defect of ours and costs money, hence a warning; others happen.
fn log_cache_miss(miss: &CacheMiss, request_id: Option<&str>) {
    if miss.is_edit() {
        tracing::warn!(
            ?miss,
            request_id,
            "the prompt cache was missed: an earlier part of the conversation was changed"
        );
    } else {
        tracing::debug!(?miss, request_id, "the prompt cache was missed");
    }
}
