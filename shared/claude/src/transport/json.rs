//! Requests whose answer is a JSON object and costs nothing.

use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::failure::{FailedAttempt, Failure};
use super::http_client::HttpClient;
use super::refusal::Refusal;
use super::retry::Advice;

/// Time for a whole answer. No model is at work, so the service answers at once.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum bytes of an answer. A page of a thousand models, the longest that is asked for, fits.
const MAX_BODY_BYTES: usize = 4 << 20;

/// Sends a request once. There is no retry: nobody waits for such an answer, and the caller can ask again later.
pub(crate) async fn send_for_json<T: DeserializeOwned>(
    client: &HttpClient,
    request: RequestBuilder,
) -> Result<T, Failure> {
    let late = |_| Failure::interrupted("the Claude API did not answer in time");
    let body = timeout(TIMEOUT, send(client, request)).await.map_err(late)??;
    serde_json::from_slice(&body).map_err(|_| Failure::not_the_api("the expected JSON"))
}

async fn send(client: &HttpClient, request: RequestBuilder) -> Result<Vec<u8>, Failure> {
    let response = request.send().await.map_err(|error| FailedAttempt::unsent(&error).failure)?;
    let (status, advice) = (response.status(), Advice::read(response.headers(), client.now()));
    let body = read_body(response, MAX_BODY_BYTES).await;
    match Refusal::of_answer(status, &body, |text| client.displayable(text)) {
        Some(refusal) => Err(FailedAttempt::refused(refusal, advice).failure),
        None => Ok(body),
    }
}

/// The first `max` bytes of a body, or what arrived before the connection was cut: what is cut does not parse.
pub(super) async fn read_body(mut response: Response, max: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        body.extend_from_slice(&bytes);
        if body.len() >= max {
            body.truncate(max);
            break;
        }
    }
    body
}
