//! Opening an event stream, with retries, and reading its events.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use reqwest::{Response, Url};
use tokio::time::{Instant, timeout};

use super::failure::{FailedAttempt, Failure};
use super::http_client::HttpClient;
use super::json::read_body;
use super::refusal::Refusal;
use super::retry::{Advice, MAX_PAUSE, MAX_RETRIES};
use super::sse::SseDecoder;

/// Maximum bytes read of an error's body. The API's errors are short, and a gateway's page is not shown.
const MAX_ERROR_BODY_BYTES: usize = 64 << 10;

/// Maximum bytes of a stream, far above what a reply of 128K tokens takes, the longest there is.
const MAX_STREAM_BYTES: usize = 64 << 20;

/// A stream that the service has begun.
pub(crate) struct EventStream<'a> {
    client: &'a HttpClient,
    response: Response,
    decoder: SseDecoder,
    received_bytes: usize,
    /// The service's id of the request, for questions to its operator.
    pub(crate) request_id: Option<String>,
    /// When the request that was answered was sent.
    pub(crate) sent_at: Instant,
}

impl<'a> EventStream<'a> {
    /// Sends the request until a stream begins, at most [`MAX_RETRIES`] times more. A pause that is too long or would end
    /// after `deadline` is not taken.
    ///
    /// Once a stream has begun nothing is retried here: what the model has written is billed, and only the caller can decide to
    /// pay for it again.
    pub(crate) async fn open(
        client: &'a HttpClient,
        url: &Url,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let mut retries = 0;
        loop {
            let failed = match Self::attempt(client, url.clone(), body.clone()).await {
                Ok(stream) => return Ok(stream),
                Err(failed) => failed,
            };
            let pause = failed.advice.pause(retries, client.first_pause);
            let fits = pause <= MAX_PAUSE && Instant::now() + pause < deadline;
            if !failed.is_retryable || !fits || retries >= MAX_RETRIES {
                return Err(failed.failure);
            }
            retries += 1;
            tracing::debug!(
                retry = retries,
                pause_ms = pause.as_millis() as u64,
                "retrying the request to the Claude API"
            );
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(client: &'a HttpClient, url: Url, body: Bytes) -> Result<Self, FailedAttempt> {
        let sent_at = Instant::now();
        let response = match timeout(client.idle_timeout, client.post_for_stream(url, body).send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(FailedAttempt::unsent(&error)),
            Err(_) => return Err(FailedAttempt::silent()),
        };
        let (status, headers) = (response.status(), response.headers());
        let request_id = header(headers, "request-id").map(|id| client.displayable(id));
        tracing::debug!(
            status = status.as_u16(),
            request_id,
            requests_left = header(headers, "anthropic-ratelimit-requests-remaining"),
            input_tokens_left = header(headers, "anthropic-ratelimit-input-tokens-remaining"),
            output_tokens_left = header(headers, "anthropic-ratelimit-output-tokens-remaining"),
            "the Claude API answered"
        );
        let kind = header(headers, "content-type").map(str::trim).unwrap_or_default();
        if status != StatusCode::OK || !kind.starts_with("text/event-stream") {
            let advice = Advice::read(headers, client.now());
            let body =
                timeout(client.idle_timeout, read_body(response, MAX_ERROR_BODY_BYTES)).await.unwrap_or_default();
            return Err(match Refusal::of_answer(status, &body, |text| client.displayable(text)) {
                Some(refusal) => FailedAttempt::refused(refusal, advice),
                None => FailedAttempt::not_the_api("an event stream"),
            });
        }
        Ok(Self { client, response, decoder: SseDecoder::default(), received_bytes: 0, request_id, sent_at })
    }

    /// The failure that the data of an `error` event stands for.
    pub(crate) fn reported(&self, event: &str) -> Failure {
        match Refusal::of_event(event, |text| self.client.displayable(text)) {
            Ok(refusal) => refusal.into_failure_in_stream(),
            Err(_) => Failure::interrupted("the service reported an error that could not be read"),
        }
    }

    /// Waits for the next bytes and returns the data of the events they complete, which may be none.
    ///
    /// # Errors
    /// The end of the stream is an error, too: a caller that has its whole reply reads no further.
    pub(crate) async fn next_events(&mut self) -> Result<Vec<String>, Failure> {
        let bytes = match timeout(self.client.idle_timeout, self.response.chunk()).await {
            Ok(Ok(Some(bytes))) => bytes,
            Ok(Ok(None)) => return Err(Failure::interrupted("the stream ended before the reply did")),
            Ok(Err(_)) => return Err(Failure::interrupted("the connection was cut in mid-stream")),
            Err(_) => {
                let seconds = self.client.idle_timeout.as_secs_f64();
                return Err(Failure::Interrupted(format!("the Claude API sent nothing for {seconds} s")));
            }
        };
        self.received_bytes += bytes.len();
        if self.received_bytes > MAX_STREAM_BYTES {
            return Err(Failure::Interrupted(format!("the stream is longer than {} MiB", MAX_STREAM_BYTES >> 20)));
        }
        self.decoder.feed(&bytes).map_err(|error| Failure::interrupted(error.to_string()))
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
