//! One call: the request, its retries, the stream.

use std::time::Duration;

use domain::{ModelError, ReplyPiece, Terminal};
use http::{HeaderMap, StatusCode};
use reqwest::Response;
use tokio::time::{Instant, timeout};

use crate::assembly::Assembly;
use crate::client::Client;
use crate::refusal::Refusal;
use crate::retry::{Advice, MAX_PAUSE, RETRIES, USUAL_WAIT};
use crate::sse::SseDecoder;

/// Bodies of errors are short; what is longer is not read.
const MAX_ERROR_BODY_BYTES: usize = 64 << 10;

/// No reply of 128K tokens comes near this.
const MAX_STREAM_BYTES: usize = 64 << 20;

/// A call that ended without a reply, before the time-outs and the counted usage are known.
pub(crate) enum Failure {
    Interrupted(String),
    Wait { after: Duration, reason: String },
    Terminal(Terminal),
}

/// What is known of a call while it lasts; it survives the call's being dropped at its deadline.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) assembly: Assembly,
    pub(crate) request_id: Option<String>,
    pub(crate) first_content_after: Option<Duration>,
}

/// A call at work.
pub(crate) struct Call<'a> {
    pub(crate) client: &'a Client,
    pub(crate) body: bytes::Bytes,
    pub(crate) deadline: Instant,
    pub(crate) live: &'a (dyn for<'b> Fn(ReplyPiece<'b>) + Send + Sync),
}

/// One attempt that brought no stream.
pub(crate) struct Setback {
    pub(crate) failure: Failure,
    advice: Advice,
    worth_retrying: bool,
}

impl Call<'_> {
    /// Asks until there is a stream, and reads it. Once a stream has begun nothing is repeated here: what was written
    /// is billed, and whether to ask again is for the caller to decide.
    pub(crate) async fn run(&self, progress: &mut Progress) -> Result<(), Failure> {
        let mut retry = 0;
        loop {
            let sent = Instant::now();
            let setback = match self.attempt(progress).await {
                Ok(response) => return self.read(response, sent, progress).await,
                Err(setback) => setback,
            };
            let pause = setback.advice.pause(retry, self.client.first_pause);
            let fits = pause <= MAX_PAUSE && Instant::now() + pause < self.deadline;
            if !setback.worth_retrying || !fits || retry >= RETRIES {
                return Err(setback.failure);
            }
            retry += 1;
            tracing::debug!(retry, pause_ms = pause.as_millis() as u64, "asking the model again");
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&self, progress: &mut Progress) -> Result<Response, Setback> {
        let response = match timeout(self.client.idle_timeout, self.client.post(self.body.clone()).send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Setback::unsent(&error)),
            Err(_) => return Err(Setback::silent()),
        };
        progress.request_id = header(response.headers(), "request-id").map(|id| self.client.scrubber.clean(id));
        let headers = response.headers();
        tracing::debug!(
            status = response.status().as_u16(),
            request_id = progress.request_id,
            requests_left = header(headers, "anthropic-ratelimit-requests-remaining"),
            input_tokens_left = header(headers, "anthropic-ratelimit-input-tokens-remaining"),
            output_tokens_left = header(headers, "anthropic-ratelimit-output-tokens-remaining"),
            "the Claude API answered"
        );
        if response.status() != StatusCode::OK {
            let (status, advice) = (response.status(), Advice::read(headers));
            let body = timeout(self.client.idle_timeout, beginning(response)).await.unwrap_or_default();
            return Err(Setback::refused(Refusal::read(status, &body, &self.client.scrubber), advice));
        }
        match header(headers, "content-type").map(str::trim) {
            Some(kind) if kind.starts_with("text/event-stream") => Ok(response),
            _ => Err(Setback::terminal(crate::refusal::ours("what answered is not the Claude API: no event stream"))),
        }
    }

    async fn read(&self, mut response: Response, sent: Instant, progress: &mut Progress) -> Result<(), Failure> {
        let mut decoder = SseDecoder::default();
        let mut received = 0;
        loop {
            let piece = match timeout(self.client.idle_timeout, response.chunk()).await {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) => return Err(interrupted("the stream ended before the reply did")),
                Ok(Err(_)) => return Err(interrupted("the connection was cut in mid-stream")),
                Err(_) => {
                    let silence = self.client.idle_timeout.as_secs_f64();
                    return Err(Failure::Interrupted(format!("nothing came for {silence} s")));
                }
            };
            received += piece.len();
            if received > MAX_STREAM_BYTES {
                return Err(interrupted("the stream is longer than any reply"));
            }
            for event in decoder.feed(&piece).map_err(|error| interrupted(&error.to_string()))? {
                let added = progress.assembly.add(&event, &|piece| (self.live)(piece));
                added.map_err(|error| interrupted(&self.client.scrubber.clean(&error.to_string())))?;
                if progress.first_content_after.is_none() && progress.assembly.has_content() {
                    progress.first_content_after = Some(sent.elapsed());
                }
                if progress.assembly.is_whole() {
                    return Ok(());
                }
            }
        }
    }
}

impl Setback {
    /// No answer came. When there was a connection it is not certain that nothing was asked; but nothing of an answer was
    /// seen, so nothing is known to be billed, and asking again is what the vendor's own libraries do.
    pub(crate) fn unsent(error: &reqwest::Error) -> Self {
        let reason = if error.is_connect() {
            "the Claude API could not be reached"
        } else {
            "the connection was cut before the Claude API answered"
        };
        Self { failure: interrupted(reason), advice: Advice::default(), worth_retrying: true }
    }

    fn silent() -> Self {
        let failure = interrupted("the Claude API did not begin to answer in time");
        Self { failure, advice: Advice::default(), worth_retrying: false }
    }

    fn terminal(terminal: Terminal) -> Self {
        Self { failure: Failure::Terminal(terminal), advice: Advice::default(), worth_retrying: false }
    }

    pub(crate) fn refused(refusal: Refusal, advice: Advice) -> Self {
        let passing = refusal.is_passing();
        let asked_to_wait = advice.after.is_some_and(|after| after > MAX_PAUSE);
        let failure = if !passing {
            Failure::Terminal(refusal.into_terminal())
        } else if refusal.is_for_capacity() || asked_to_wait {
            Failure::Wait { after: advice.after.unwrap_or(USUAL_WAIT), reason: refusal.message }
        } else {
            interrupted(&format!("the Claude API answered {}: {}", refusal.status.as_u16(), refusal.message))
        };
        Self { failure, worth_retrying: advice.should_retry.unwrap_or(passing), advice }
    }
}

impl Failure {
    /// The port's word for it.
    pub(crate) fn into_error(self, interrupted: impl FnOnce(String) -> ModelError) -> ModelError {
        match self {
            Self::Interrupted(reason) => interrupted(reason),
            Self::Wait { after, reason } => {
                // At least a second: a caller that waits for none would ask without pause.
                let seconds = (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1);
                ModelError::Wait { seconds, reason }
            }
            Self::Terminal(terminal) => ModelError::Terminal(terminal),
        }
    }
}

fn interrupted(reason: &str) -> Failure {
    Failure::Interrupted(reason.to_owned())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

async fn beginning(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece);
        if body.len() >= MAX_ERROR_BODY_BYTES {
            body.truncate(MAX_ERROR_BODY_BYTES);
            break;
        }
    }
    body
}
